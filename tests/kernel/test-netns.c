/*
 * Named namespaces, kept as iproute2 keeps them: what one makes the other sees and removes, and
 * what is not netd's stays.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/netns_source.h"
#include "daemon/kernel/rtnl.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OTHER "ffffffffffffffffffffffffffffffff"

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	kernel = kind_kernel();
	ck_assert(rtnl_open(&kernel->rtnl, &kernel->changes, &err) == 0);
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static struct resource netns(const char *name)
{
	struct resource resource = {.kind = RESOURCE_NETNS};

	strcpy(resource.name, name);
	return resource;
}

static void create(const char *name)
{
	struct resource new = netns(name);
	int r = kind_apply(&kind_netns, kernel, NULL, &new, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

static void delete (const struct resource *old)
{
	int r = kind_apply(&kind_netns, kernel, old, NULL, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

static uint64_t cookie(const char *name)
{
	uint64_t cookie = 0;

	ck_assert_msg(netns_cookie(name, &cookie, &err) == 0, "%s", err.text);
	ck_assert_uint_ne(cookie, 0);
	return cookie;
}

static bool has_record(const char *name)
{
	struct netns_record record;
	int r = netns_record_read(kernel->runtime_dir, name, &record, &err);

	ck_assert_int_ge(r, 0);
	return r == 1;
}

static struct resources observe(enum kernel_scope scope, const char *name)
{
	const char *const names[] = {name};
	struct resources list = {0};
	int r = kind_observe(&kind_netns, kernel, scope, names, name ? 1 : 0, &list, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	return list;
}

START_TEST(ip_netns_sees_uses_and_removes_what_netd_makes)
{
	create("web");
	ck_assert_str_eq(shell_line("ip netns list"), "web");
	ck_assert_str_eq(shell_line("ip netns exec web ls /sys/class/net"), "lo");
	ck_assert_str_eq(shell_line("stat -c %%a /run/netns"), "755");
	ck_assert_uint_ne(cookie("web"), cookie(""));
	shell("ip netns del web");
	ck_assert_str_eq(shell_line("ls /run/netns"), "");
	create("web");
	ck_assert_uint_eq(kernel->changes, 3); /* and once the directory's own mount */
}
END_TEST

START_TEST(netd_finds_a_place_among_those_of_ip_netns)
{
	struct resource web = netns("web");

	shell("ip netns add api");
	create("web");
	ck_assert_str_eq(shell_line("ip netns list | sort | tr '\\n' ' '"), "api web ");
	delete (&web);
	ck_assert_str_eq(shell_line("ip netns list"), "api");
	ck_assert(!has_record("web"));
	ck_assert_int_eq(access(kernel->runtime_dir, F_OK), 0);
	ck_assert_str_eq(shell_line("ls -A %s", kernel->runtime_dir), "");
	delete (&web); /* gone already */
}
END_TEST

START_TEST(leaves_what_has_taken_the_name_since)
{
	struct resource web = netns("web"), list_item;
	struct resources list;

	create("web");
	web.netns.cookie = cookie("web");
	list = observe(SCOPE_INSTANCE, "web");
	ck_assert_uint_eq(list.count, 1);
	list_item = list.items[0];
	ck_assert(!list_item.netns.adopted && list_item.netns.cookie == web.netns.cookie);
	resources_done(&list);

	shell("ip netns del web && ip netns add web");
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 0);
	list = observe(SCOPE_INSTANCE, "web");
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.items[0].netns.adopted);
	resources_done(&list);
	delete (&web);
	ck_assert_str_eq(shell_line("ip netns list"), "web");
	ck_assert(!has_record("web"));
}
END_TEST

START_TEST(an_old_tombstone_spares_a_new_namespace_of_netd)
{
	struct resource old = netns("web");

	create("web");
	old.netns.cookie = cookie("web");
	delete (&old);
	create("web");
	delete (&old);
	ck_assert_str_eq(shell_line("ip netns list"), "web");
	ck_assert(has_record("web"));
}
END_TEST

START_TEST(a_record_of_another_boot_means_nothing)
{
	struct netns_record record = {.name = "web",
	        .instance = KIND_INSTANCE,
	        .boot_id = "00000000-0000-4000-8000-000000000000"};
	struct resource web = netns("web");
	struct resources list;

	shell("ip netns add web");
	record.cookie = cookie("web");
	ck_assert_int_eq(netns_record_write(kernel->runtime_dir, &record, &err), 0);
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 0);
	list = observe(SCOPE_ALL, NULL);
	ck_assert_uint_eq(list.count, 1);
	resources_done(&list);
	web.netns.cookie = record.cookie;
	delete (&web);
	ck_assert_str_eq(shell_line("ip netns list"), "web");
	ck_assert(!has_record("web"));
}
END_TEST

START_TEST(a_stale_file_is_replaced)
{
	int fd;

	shell("mkdir -p /run/netns && touch /run/netns/web && chmod 0 /run/netns/web");
	ck_assert_int_eq(netns_open("web", &fd, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "without a namespace behind it"));
	create("web");
	ck_assert_str_eq(shell_line("ip netns exec web ls /sys/class/net"), "lo");
}
END_TEST

START_TEST(what_a_kill_leaves_before_the_mount_is_known_and_removed)
{
	struct resources list;

	/* The record and the file are there, the mount is not. */
	create("web");
	shell("umount /run/netns/web");
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 1);
	delete (&list.items[0]);
	shell("test ! -e /run/netns/web");
	ck_assert(!has_record("web"));
	resources_done(&list);
}
END_TEST

START_TEST(what_is_there_is_not_replaced)
{
	struct resource web = netns("web");

	shell("ip netns add web");
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &web, &err), -EEXIST);
	ck_assert_str_eq(err.text, "create namespace web: create /run/netns/web (there is a "
	                           "namespace of this name): File exists");
	ck_assert(!has_record("web"));
	shell("ip netns del web; echo user >/run/netns/web");
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &web, &err), -EEXIST);
	ck_assert_str_eq(shell_line("cat /run/netns/web"), "user");
}
END_TEST

START_TEST(removing_a_link_leaves_its_target_mounted)
{
	struct resource web = netns("web");
	uint64_t before;

	shell("ip netns add api && mkdir /run/elsewhere && touch /run/elsewhere/key"
	      " && mount --bind /run/netns/api /run/elsewhere/key"
	      " && ln -s /run/elsewhere/key /run/netns/web");
	before = cookie("web");
	web.netns.adopted = true;
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &web, &err), 0);
	ck_assert_uint_eq(kernel->changes, 0);
	delete (&web);
	ck_assert_int_eq(access("/run/netns/web", F_OK), -1);
	shell("mountpoint -q /run/elsewhere/key");
	ck_assert_uint_eq(cookie("api"), before);
}
END_TEST

START_TEST(an_adopted_namespace_stays)
{
	struct resource web = netns("web");
	char *told;

	web.netns.adopted = true;
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &web, &err), -ENOENT);
	shell("ip netns add web");
	delete (&web);
	ck_assert_str_eq(shell_line("ip netns list"), "web");
	told = kind_tell(&kind_netns, &web, NULL);
	ck_assert(told[0] == '#');
	free(told);
}
END_TEST

START_TEST(a_name_leads_nowhere_else)
{
	int fd;

	shell("mkdir -p /run/netns; mkfifo /run/netns/pipe; ln -s /nowhere /run/netns/gone"
	      "; ln -s /proc/self/ns/mnt /run/netns/mounts");
	ck_assert_int_eq(netns_open("pipe", &fd, &err), -EINVAL);
	ck_assert_int_eq(netns_open("gone", &fd, &err), -EINVAL);
	ck_assert_int_eq(netns_open("mounts", &fd, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.text, "not a network namespace"));
	ck_assert_int_eq(netns_open("none", &fd, &err), -ENOENT);
	ck_assert_int_eq(netns_open("../run", &fd, &err), -EINVAL);
}
END_TEST

START_TEST(work_inside_leaves_this_thread_where_it_was)
{
	uint64_t host = cookie("");

	create("web");
	ck_assert_uint_ne(cookie("web"), host);
	ck_assert_uint_eq(cookie(""), host);
}
END_TEST

START_TEST(names_who_has_the_lock)
{
	struct resource web = netns("web");
	char sentence[128];
	int fd;

	shell("mkdir -p /run/netns");
	fd = open("/run/netns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &web, &err), -EBUSY);
	snprintf(sentence, sizeof(sentence), "(process %d has the lock)", getpid());
	ck_assert_ptr_nonnull(strstr(err.text, sentence));
	close(fd);
	create("web");
}
END_TEST

/* As to iproute2: it is only for making the directory a mount. */
START_TEST(a_held_lock_is_no_obstacle_once_the_directory_is_shared)
{
	struct resource db = netns("db");
	int fd;

	create("web");
	fd = open("/run/netns", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	create("db");
	shell("timeout 20 ip netns exec db true");
	db.netns.cookie = cookie("db");
	delete (&db);
	close(fd);
}
END_TEST

START_TEST(takes_over_what_bears_anothers_record)
{
	struct resource web = netns("web"), there = netns("web");
	struct resources list;

	create("web");
	there.netns.cookie = web.netns.cookie = cookie("web");
	strcpy(kernel->instance, OTHER);
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, &there, &web, &err), 0);
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(list.items[0].text, OTHER);
	ck_assert_uint_eq(list.items[0].netns.cookie, web.netns.cookie);
	resources_done(&list);
}
END_TEST

START_TEST(a_record_alone_is_gone_and_made_again)
{
	struct resources list;
	struct resource web = netns("web");

	create("web");
	shell("ip netns del web");
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.items[0].netns.gone);
	resources_done(&list);
	list = observe(SCOPE_ALL, NULL);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.items[0].netns.gone);
	ck_assert(!resource_equal(&list.items[0], &web));
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, &list.items[0], &web, &err), 0);
	ck_assert_uint_ne(cookie("web"), 0);
	resources_done(&list);
}
END_TEST

START_TEST(observes_records_of_others_only_when_all_are_asked_for)
{
	struct resources list;

	create("web");
	strcpy(kernel->instance, OTHER);
	list = observe(SCOPE_INSTANCE, NULL);
	ck_assert_uint_eq(list.count, 0);
	list = observe(SCOPE_ALL, "web");
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(list.items[0].name, "web");
	ck_assert(!list.items[0].netns.adopted);
	resources_done(&list);
}
END_TEST

static struct resource attached(const char *name, const char *source, uint64_t which)
{
	struct resource resource = netns(name);

	strcpy(resource.netns.source, source);
	resource.netns.cookie = which;
	return resource;
}

static uint64_t source_cookie(const char *source)
{
	uint64_t which = 0;

	ck_assert_msg(netns_source_cookie(source, &which, &err) == 0, "%s", err.text);
	return which;
}

START_TEST(what_someone_else_made_gets_a_name_and_keeps_its_life)
{
	struct resource box, again;

	shell("touch /run/key; unshare --net=/run/key true");
	box = attached("box", "/run/key", source_cookie("/run/key"));
	ck_assert_int_eq(kind_apply(&kind_netns, kernel, NULL, &box, &err), 0);
	ck_assert_uint_eq(cookie("box"), box.netns.cookie);
	ck_assert(has_record("box"));
	ck_assert_int_eq(look_source("box", "/run/key"), 1);
	again = attached("again", "/run/key", box.netns.cookie + 1);
	ck_assert_int_lt(kind_apply(&kind_netns, kernel, NULL, &again, &err), 0);
	ck_assert_msg(strstr(err.text, "another namespace now"), "%s", err.text);
	ck_assert(!has_record("again"));
	ck_assert_str_eq(shell_line("ls /run/netns"), "box");
	delete (&box);
	ck_assert(!has_record("box"));
	ck_assert_str_eq(shell_line("ls /run/netns"), "");
	ck_assert_uint_eq(source_cookie("/run/key"), box.netns.cookie);
}
END_TEST

START_TEST(what_a_namespace_was_found_by_is_compared)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	shell("touch /run/key; unshare --net=/run/key true; ip netns add box");
	ck_assert_int_eq(look_source("box", "/run/key"), 0);
	ck_assert_int_eq(look_source("box", "/run/none"), 0);
	ck_assert_int_eq(look_source("box", own), 0);
	ck_assert_int_eq(look_source("none", "/run/key"), -ENOENT);
	shell("mount --bind /run/netns/box /run/key");
	ck_assert_int_eq(look_source("box", "/run/key"), 1);
}
END_TEST

START_TEST(only_others_namespaces_are_opened)
{
	char own[16];
	const struct {
		const char *source, *field;
		enum error_code code;
	} bad[] = {
	        {"/run/none", "path", ERROR_NOT_FOUND},
	        {"/run/file/x", "path", ERROR_NOT_FOUND},
	        {"/run/fifo", "path", ERROR_REFUSED},
	        {"/run/file", "path", ERROR_REFUSED},
	        {"/run/link", "path", ERROR_REFUSED},
	        {"/run/ours", "path", ERROR_REFUSED},
	        {"/run/mounts", "path", ERROR_REFUSED},
	        {"/proc/self/ns/net", "path", ERROR_REFUSED},
	        {"4000000", "pid", ERROR_NOT_FOUND},
	        {own, "pid", ERROR_REFUSED},
	};
	int fd = -1;

	snprintf(own, sizeof(own), "%d", (int)getpid());
	shell("mkfifo /run/fifo; touch /run/file /run/ours /run/mounts /run/key; unshare "
	      "--net=/run/key true; ln -s /run/key /run/link; mount --bind /proc/self/ns/net "
	      "/run/ours; mount --bind /proc/self/ns/uts /run/mounts");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(netns_source_open(bad[i].source, &fd, &err) < 0, "%s", bad[i].source);
		ck_assert_msg(err.code == bad[i].code && strcmp(err.field, bad[i].field) == 0,
		        "%s: %s", bad[i].source, err.text);
	}
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(netns_source_open("/run/key", &fd, &err), 0);
	close(fd);
}
END_TEST

START_TEST(told_commands_do_the_same)
{
	struct resource web = netns("web"), link = netns("link"), box;
	char *told = kind_tell(&kind_netns, NULL, &web);

	ck_assert_str_eq(told, "ip netns add web\n");
	free(told);
	told = kind_tell(&kind_netns, &web, NULL);
	ck_assert_str_eq(told, "ip netns del web\n");
	free(told);
	link.netns.adopted = true;
	shell("mkdir -p /run/netns; ln -s /run/netns/web /run/netns/link");
	told = kind_tell(&kind_netns, &link, NULL);
	ck_assert_str_eq(told, "rm /run/netns/link\n");
	free(told);
	box = attached("box", "/run/a key", 7);
	told = kind_tell(&kind_netns, NULL, &box);
	ck_assert_str_eq(told, "touch /run/netns/box\nmount --bind '/run/a key' /run/netns/box\n");
	free(told);
	box = attached("box", "12", 7);
	told = kind_tell(&kind_netns, NULL, &box);
	ck_assert_str_eq(told, "ip netns attach box 12\n");
	free(told);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {ip_netns_sees_uses_and_removes_what_netd_makes,
	        netd_finds_a_place_among_those_of_ip_netns, leaves_what_has_taken_the_name_since,
	        an_old_tombstone_spares_a_new_namespace_of_netd,
	        a_record_of_another_boot_means_nothing, a_stale_file_is_replaced,
	        what_a_kill_leaves_before_the_mount_is_known_and_removed,
	        what_is_there_is_not_replaced, removing_a_link_leaves_its_target_mounted,
	        an_adopted_namespace_stays, a_name_leads_nowhere_else,
	        work_inside_leaves_this_thread_where_it_was, names_who_has_the_lock,
	        a_held_lock_is_no_obstacle_once_the_directory_is_shared,
	        takes_over_what_bears_anothers_record, a_record_alone_is_gone_and_made_again,
	        observes_records_of_others_only_when_all_are_asked_for,
	        what_someone_else_made_gets_a_name_and_keeps_its_life,
	        what_a_namespace_was_found_by_is_compared, only_others_namespaces_are_opened,
	        told_commands_do_the_same, NULL};

	host_enter();
	return run_tests("netns", setup, teardown, tests);
}
