/*
 * What netd sees in /run/netns: namespaces of others, links, stale files, the host's own.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	kernel = kind_kernel();
	shell("ip netns add web && ip netns add api");
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static struct look_netns look(const char *name)
{
	struct look_netns netns;
	int r = look_netns(kernel, name, &netns, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	ck_assert_str_eq(netns.name, name);
	return netns;
}

START_TEST(describes_a_namespace)
{
	struct look_netns web = look("web"), api = look("api");

	ck_assert(web.exists && !web.stale && !web.symlink && !web.is_host);
	ck_assert_uint_eq(web.inode, strtoul(shell_line("stat -Lc %%i /run/netns/web"), NULL, 10));
	ck_assert_uint_ne(web.cookie, 0);
	ck_assert_uint_ne(web.cookie, api.cookie);
	ck_assert_uint_ne(web.inode, api.inode);
	ck_assert_int_eq(web.nsid, -1);
	shell("ip netns set web 7");
	ck_assert_int_eq(look("web").nsid, 7);
}
END_TEST

START_TEST(what_is_not_there_is_all_false)
{
	struct look_netns none = look("none");

	ck_assert(!none.exists && !none.stale && !none.symlink && !none.is_host);
	ck_assert_uint_eq(none.cookie, 0);
}
END_TEST

START_TEST(tells_stale_files_from_namespaces)
{
	struct look_netns netns;

	shell("touch /run/netns/empty; chmod 0 /run/netns/empty; touch /run/netns/pid; mount "
	      "--bind "
	      "/proc/self/ns/pid /run/netns/pid; ln -s /run/nowhere /run/netns/dangling");
	netns = look("empty");
	ck_assert(netns.exists && netns.stale && !netns.symlink);
	netns = look("pid"); /* a namespace, but not of the network */
	ck_assert(netns.exists && netns.stale);
	netns = look("dangling");
	ck_assert(netns.exists && netns.stale && netns.symlink);
}
END_TEST

START_TEST(follows_a_link_to_another_place)
{
	struct look_netns netns;

	shell("touch /run/elsewhere; mount --bind /run/netns/web /run/elsewhere; ln -s "
	      "/run/elsewhere "
	      "/run/netns/linked");
	netns = look("linked");
	ck_assert(netns.exists && !netns.stale && netns.symlink);
	ck_assert_uint_eq(netns.cookie, look("web").cookie);
}
END_TEST

START_TEST(knows_the_host)
{
	shell("touch /run/netns/self; mount --bind /proc/self/ns/net /run/netns/self");
	ck_assert(look("self").is_host);
}
END_TEST

START_TEST(lists_namespaces_by_name_and_nothing_else)
{
	struct look_netns *list;
	unsigned count;

	shell("touch /run/netns/empty '/run/netns/a b'; ln -s web /run/netns/zlink");
	ck_assert_int_eq(look_netns_all(kernel, &list, &count, &err), 0);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(list[0].name, "api");
	ck_assert_str_eq(list[1].name, "web");
	ck_assert_str_eq(list[2].name, "zlink");
	ck_assert(list[2].symlink);
	free(list);
}
END_TEST

START_TEST(counts_processes)
{
	ino_t inodes[2];
	unsigned counts[2];
	int ready[2];
	pid_t pid;
	char byte;

	inodes[0] = look("web").inode;
	inodes[1] = look("api").inode;
	ck_assert_int_eq(look_processes(inodes, counts, 2, &err), 0);
	ck_assert_uint_eq(counts[0] + counts[1], 0);
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ready[1], STDOUT_FILENO);
		execlp("ip", "ip", "netns", "exec", "web", "sh", "-c", "echo; exec sleep 30",
		        (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(look_processes(inodes, counts, 2, &err), 0);
	ck_assert_uint_eq(counts[0], 1);
	ck_assert_uint_eq(counts[1], 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {describes_a_namespace, what_is_not_there_is_all_false,
	        tells_stale_files_from_namespaces, follows_a_link_to_another_place, knows_the_host,
	        lists_namespaces_by_name_and_nothing_else, counts_processes, NULL};

	host_enter();
	return run_tests("look-netns", setup, teardown, tests);
}
