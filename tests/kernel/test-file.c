/*
 * Files below /etc/netns: netd writes and removes its own, and a user's stay as they are.
 */
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH    "/etc/netns/web/resolv.conf"
#define CONTENT "# netd: " KIND_INSTANCE "\n# it's 100% netd's \\ own\nnameserver 192.0.2.53\n"

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	shell("mount -t tmpfs etc /etc");
	kernel = kind_kernel();
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
	shell("umount /etc");
}

static struct resource file(const char *content)
{
	struct resource resource = {.kind = RESOURCE_FILE, .name = PATH};

	resource.text = (char *)content;
	return resource;
}

static void apply(const struct resource *old, const struct resource *new)
{
	int r = kind_apply(&kind_file, kernel, old, new, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

static void is_content(const char *expected)
{
	char text[4096] = "";
	FILE *in = fopen(PATH, "re");

	ck_assert_ptr_nonnull(in);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, in), 0);
	fclose(in);
	ck_assert_str_eq(text, expected);
}

START_TEST(writes_a_file_for_all_to_read_whatever_the_umask)
{
	struct resource own = file(CONTENT);
	struct stat status;

	umask(0077);
	apply(NULL, &own);
	umask(0022);
	is_content(CONTENT);
	ck_assert_int_eq(stat(PATH, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0644);
	ck_assert_int_eq(stat("/etc/netns/web", &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0755);
	ck_assert_int_eq(stat("/etc/netns", &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0755);
	ck_assert_str_eq(shell_line("ls -A /etc/netns/web | wc -l"), "1");
}
END_TEST

START_TEST(changes_and_removes_its_own_with_empty_directories)
{
	struct resource old = file("# netd: " KIND_INSTANCE "\n"), new = file(CONTENT);

	apply(NULL, &old);
	apply(&old, &new);
	is_content(CONTENT);
	apply(&new, NULL);
	ck_assert_int_eq(access("/etc/netns", F_OK), -1);
	apply(&new, NULL); /* gone already */
}
END_TEST

START_TEST(keeps_a_directory_with_a_users_file)
{
	struct resource own = file(CONTENT);

	apply(NULL, &own);
	shell("touch /etc/netns/web/hosts");
	apply(&own, NULL);
	ck_assert_int_eq(access("/etc/netns/web/hosts", F_OK), 0);
	ck_assert_int_eq(access(PATH, F_OK), -1);
}
END_TEST

START_TEST(leaves_a_users_file)
{
	struct resource own = file(CONTENT);

	shell("mkdir -p /etc/netns/web; echo nameserver 198.51.100.1 >" PATH);
	apply(NULL, &own);
	is_content("nameserver 198.51.100.1\n");
	apply(&own, NULL);
	is_content("nameserver 198.51.100.1\n");
}
END_TEST

START_TEST(leaves_a_users_links)
{
	struct resource own = file(CONTENT);

	shell("mkdir -p /etc/netns/web; printf '# netd: " KIND_INSTANCE
	      "\\n' >/etc/other; ln -s /etc/other " PATH);
	apply(NULL, &own);
	apply(&own, NULL);
	ck_assert_str_eq(shell_line("readlink " PATH), "/etc/other");
	shell("rm -r /etc/netns/web; mkdir /etc/shared; ln -s /etc/shared /etc/netns/web");
	apply(NULL, &own);
	ck_assert_str_eq(shell_line("ls -A /etc/shared | wc -l"), "0");
}
END_TEST

START_TEST(does_not_remove_another_instances_file)
{
	struct resource own = file(CONTENT);

	shell("mkdir -p /etc/netns/web; echo '# netd: ffff' >" PATH);
	apply(&own, NULL);
	is_content("# netd: ffff\n");
}
END_TEST

START_TEST(observes_its_own_or_anyones)
{
	struct resource own = file(CONTENT);
	struct resources list = {0};

	shell("mkdir -p /etc/netns/api /etc/netns/db /etc/netns/empty"
	      "; echo '# netd: ffff' >/etc/netns/api/resolv.conf"
	      "; echo 'nameserver 192.0.2.1' >/etc/netns/db/resolv.conf");
	apply(NULL, &own);
	ck_assert_int_eq(kind_observe(&kind_file, kernel, SCOPE_INSTANCE, NULL, 0, &list, &err), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(list.items[0].name, PATH);
	ck_assert_str_eq(list.items[0].text, CONTENT);
	ck_assert_int_eq(kind_observe(&kind_file, kernel, SCOPE_ALL, NULL, 0, &list, &err), 0);
	ck_assert_uint_eq(list.count, 3);
	resources_done(&list);
}
END_TEST

START_TEST(fails_with_a_sentence_and_leaves_nothing)
{
	struct resource own = file(CONTENT);

	shell("mount -o remount,ro /etc");
	ck_assert_int_eq(kind_apply(&kind_file, kernel, NULL, &own, &err), -EROFS);
	shell("mount -o remount,rw /etc");
	ck_assert_ptr_nonnull(strstr(err.text, "/etc/netns"));
	ck_assert_str_eq(shell_line("ls -A /etc | wc -l"), "0");
}
END_TEST

START_TEST(tells_commands_that_do_the_same)
{
	struct resource own = file(CONTENT);
	char *told = kind_tell(&kind_file, NULL, &own);
	char *undo = kind_tell(&kind_file, &own, NULL);

	shell("set -e\n%s", told);
	is_content(CONTENT);
	shell("set -e\n%s", undo);
	ck_assert_int_eq(access("/etc/netns", F_OK), -1);
	free(told);
	free(undo);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {writes_a_file_for_all_to_read_whatever_the_umask,
	        changes_and_removes_its_own_with_empty_directories,
	        keeps_a_directory_with_a_users_file, leaves_a_users_file, leaves_a_users_links,
	        does_not_remove_another_instances_file, observes_its_own_or_anyones,
	        fails_with_a_sentence_and_leaves_nothing, tells_commands_that_do_the_same, NULL};

	host_enter();
	return run_tests("file", setup, teardown, tests);
}
