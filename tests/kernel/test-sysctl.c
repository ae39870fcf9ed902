/*
 * Sysctls: those of the host are lent and given back, those of netd's interfaces go with them, and
 * a value that is right is not written.
 */
#include "daemon/kernel/journal.h"
#include "daemon/kernel/rtnl.h"
#include "daemon/kernel/sysctl.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <check.h>
#include <unistd.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORWARDING "net/ipv4/conf/up.5/forwarding"

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	shell("ip link add up.5 type veth peer name down && ip netns add web");
	kernel = kind_kernel();
	ck_assert_int_eq(rtnl_open(&kernel->rtnl, &kernel->changes, &err), 0);
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static struct resource sysctl(const char *ns, const char *path, const char *value, bool journal)
{
	struct resource resource = {.kind = RESOURCE_SYSCTL};

	strcpy(resource.ns, ns);
	strcpy(resource.name, path);
	strcpy(resource.sysctl.value, value);
	resource.sysctl.journal = journal;
	return resource;
}

static void is_value(const char *ns, const char *path, const char *expected)
{
	char value[SYSCTL_VALUE_SIZE];

	ck_assert_int_eq(sysctl_read(ns, path, value, &err), 0);
	ck_assert_str_eq(value, expected);
}

static void create(const struct resource *resource)
{
	int r = kind_apply(&kind_sysctl, kernel, NULL, resource, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

static void delete (const struct resource *resource)
{
	int r = kind_apply(&kind_sysctl, kernel, resource, NULL, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

START_TEST(lends_a_value_of_the_host_and_gives_it_back)
{
	struct resource on = sysctl("", FORWARDING, "1", true);

	is_value("", FORWARDING, "0");
	create(&on);
	is_value("", FORWARDING, "1");
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 1);
	ck_assert_str_eq(
	        shell_line("cut -d' ' -f2- %s/sysctls", kernel->runtime_dir), FORWARDING " 0 1");
	ck_assert_uint_eq(kernel->changes, 1);
	delete (&on);
	is_value("", FORWARDING, "0");
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
	ck_assert_uint_eq(kernel->changes, 2);
	ck_assert_str_eq(shell_line("ls %s | wc -l", kernel->runtime_dir), "0");
}
END_TEST

START_TEST(removes_what_an_interrupted_write_has_left)
{
	struct resource on = sysctl("", FORWARDING, "1", true);

	create(&on);
	shell("touch %s/sysctls.new", kernel->runtime_dir);
	kernel_tidy(kernel);
	ck_assert_str_eq(shell_line("ls %s", kernel->runtime_dir), "sysctls");
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 1);
	delete (&on);
}
END_TEST

START_TEST(keeps_its_line_where_another_value_is_refused)
{
	struct resource on = sysctl("", FORWARDING, "1", true);
	struct resource bad = sysctl("", FORWARDING, "none", true);

	create(&on);
	ck_assert_int_lt(kind_apply(&kind_sysctl, kernel, &on, &bad, &err), 0);
	delete (&on);
	is_value("", FORWARDING, "0");
}
END_TEST

START_TEST(does_not_write_what_is_right_already)
{
	struct resource off = sysctl("", FORWARDING, "0", true);

	create(&off);
	ck_assert_uint_eq(kernel->changes, 0);
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
}
END_TEST

START_TEST(leaves_a_value_that_someone_else_has_changed_since)
{
	struct resource loose = sysctl("", "net/ipv4/conf/up.5/rp_filter", "2", true);

	shell("echo 1 >/proc/sys/%s", loose.name);
	create(&loose);
	shell("echo 0 >/proc/sys/%s", loose.name);
	delete (&loose);
	is_value("", loose.name, "0");
	ck_assert_int_eq(sysctl_journal_has(kernel, loose.name, &err), 0);
}
END_TEST

START_TEST(leaves_forwarding_on_once_it_is_the_administrators)
{
	struct resource on = sysctl("", FORWARDING, "1", true);

	create(&on);
	shell("echo 1 >/proc/sys/net/ipv4/ip_forward");
	delete (&on);
	is_value("", FORWARDING, "1");
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
}
END_TEST

START_TEST(keeps_the_first_old_value)
{
	struct resource one = sysctl("", "net/ipv4/conf/up.5/rp_filter", "1", true);
	struct resource two = sysctl("", "net/ipv4/conf/up.5/rp_filter", "2", true);

	shell("echo 0 >/proc/sys/%s", one.name);
	create(&one);
	ck_assert_int_eq(kind_apply(&kind_sysctl, kernel, &one, &two, &err), 0);
	is_value("", one.name, "2");
	delete (&two);
	is_value("", one.name, "0");
}
END_TEST

START_TEST(forgets_a_line_whose_interface_is_gone)
{
	struct resource on = sysctl("", FORWARDING, "1", true);

	create(&on);
	shell("ip link del up.5");
	delete (&on);
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
	ck_assert_int_eq(kind_apply(&kind_sysctl, kernel, NULL, &on, &err), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "net.ipv4.conf.up/5.forwarding"));
}
END_TEST

START_TEST(takes_no_notice_of_another_boot)
{
	shell("echo 00000000-0000-0000-0000-000000000000 " FORWARDING " 0 1 >%s/sysctls",
	        kernel->runtime_dir);
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
}
END_TEST

START_TEST(writes_inside_a_namespace)
{
	struct resource off = sysctl("web", "net/ipv6/conf/default/disable_ipv6", "1", false);

	is_value("web", off.name, "0");
	create(&off);
	is_value("web", off.name, "1");
	is_value("", off.name, "0");
	delete (&off);
	is_value("web", off.name, "1");
	ck_assert_uint_eq(kernel->changes, 1);
}
END_TEST

static const struct resource *find(const struct resources *list, const char *ns, const char *path)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].ns, ns) && !strcmp(list->items[i].name, path))
			return &list->items[i];
	return NULL;
}

START_TEST(observes_journal_own_interfaces_and_namespaces)
{
	const char *namespaces[] = {"web", "no-such"};
	struct resource on = sysctl("", FORWARDING, "1", true);
	struct resources list = {0};
	const struct resource *found;
	bool forces;
	int r;

	shell("ip link add netd0 type bridge && ip link set netd0 alias netd:" KIND_INSTANCE
	      ":my-net");
	create(&on);
	r = kind_observe(&kind_sysctl, kernel, SCOPE_INSTANCE, namespaces, 2, &list, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	found = find(&list, "", FORWARDING);
	ck_assert(found && found->sysctl.journal && !strcmp(found->sysctl.value, "1"));
	found = find(&list, "", "net/ipv4/conf/netd0/forwarding");
	ck_assert(found && !found->sysctl.journal && !strcmp(found->sysctl.value, "0"));
	ck_assert_ptr_nonnull(find(&list, "", "net/ipv4/conf/netd0/route_localnet"));
	ck_assert_ptr_nonnull(find(&list, "", "net/ipv6/conf/netd0/disable_ipv6"));
	ck_assert_ptr_nonnull(find(&list, "", "net/ipv6/conf/netd0/accept_ra"));
	ck_assert_ptr_nonnull(find(&list, "", "net/ipv6/conf/netd0/addr_gen_mode"));
	forces = access("/proc/sys/net/ipv6/conf/netd0/force_forwarding", F_OK) == 0;
	ck_assert_int_eq(find(&list, "", "net/ipv6/conf/netd0/force_forwarding") != NULL, forces);
	ck_assert_ptr_nonnull(find(&list, "web", "net/ipv6/conf/default/disable_ipv6"));
	ck_assert_uint_eq(list.count, 7 + forces);
	resources_done(&list);
}
END_TEST

START_TEST(says_what_gives_a_read_only_proc_sys)
{
	struct resource on = sysctl("", FORWARDING, "1", true);

	shell("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys");
	ck_assert_int_eq(kind_apply(&kind_sysctl, kernel, NULL, &on, &err), -EROFS);
	shell("umount /proc/sys");
	ck_assert_ptr_nonnull(strstr(err.text, "ProtectKernelTunables"));
	ck_assert_int_eq(sysctl_journal_has(kernel, FORWARDING, &err), 0);
}
END_TEST

/* More often than a /proc of netd's own lasts; what is read in one namespace is not another's. */
START_TEST(reads_inside_as_often_as_one_likes)
{
	char before[16];

	shell("ip netns add db; ip netns exec db sh -c "
	      "'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'");
	is_value("web", "net/ipv6/conf/default/disable_ipv6", "0");
	strcpy(before, shell_line("ls /proc/%d/fd | wc -l", (int)getpid()));
	for (int i = 0; i < 700; i++) {
		is_value("web", "net/ipv6/conf/default/disable_ipv6", "0");
		is_value("db", "net/ipv6/conf/default/disable_ipv6", "1");
	}
	ck_assert_str_eq(shell_line("ls /proc/%d/fd | wc -l", (int)getpid()), before);
	shell("ip netns del db");
}
END_TEST

START_TEST(tells_commands_that_do_the_same)
{
	struct resource host = sysctl("", FORWARDING, "1", true);
	struct resource inside = sysctl("web", "net/ipv6/conf/default/disable_ipv6", "1", false);
	char *told = kind_tell(&kind_sysctl, NULL, &host);
	char *told_inside = kind_tell(&kind_sysctl, NULL, &inside);
	char *undo = kind_tell(&kind_sysctl, &host, NULL);

	shell("%s", told);
	is_value("", FORWARDING, "1");
	shell("%s", told_inside);
	is_value("web", inside.name, "1");
	ck_assert_int_eq(undo[0], '#');
	free(told);
	free(told_inside);
	free(undo);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lends_a_value_of_the_host_and_gives_it_back,
	        removes_what_an_interrupted_write_has_left,
	        keeps_its_line_where_another_value_is_refused, does_not_write_what_is_right_already,
	        leaves_a_value_that_someone_else_has_changed_since,
	        leaves_forwarding_on_once_it_is_the_administrators, keeps_the_first_old_value,
	        forgets_a_line_whose_interface_is_gone, takes_no_notice_of_another_boot,
	        writes_inside_a_namespace, observes_journal_own_interfaces_and_namespaces,
	        says_what_gives_a_read_only_proc_sys, reads_inside_as_often_as_one_likes,
	        tells_commands_that_do_the_same, NULL};

	host_enter();
	return run_tests("sysctl", setup, teardown, tests);
}
