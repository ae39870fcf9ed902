/*
 * Who has a port: real sockets of both families, on the host and inside a namespace, and none of
 * netd's own.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/look/cgroup.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct kernel *kernel;
static struct error err;
static struct look_listener *list;
static unsigned count;

static void setup(void)
{
	host_renew();
	shell("ip netns add web && ip -n web link set lo up");
	kernel = kind_kernel();
	list = NULL;
}

static void teardown(void)
{
	free(list);
	kernel = kind_kernel_free(kernel);
}

static int serve(const char *ns, uint8_t protocol, const char *ip, uint16_t port, int v6only)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v6 = strchr(ip, ':');
	int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, fd;

	ck_assert_int_eq(netns_socket(ns, v6 ? AF_INET6 : AF_INET, type, 0, &fd, &err), 0);
	if (v6) {
		ck_assert_int_eq(inet_pton(AF_INET6, ip, &in6.sin6_addr), 1);
		ck_assert_int_eq(
		        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only), 0);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in6, sizeof in6), 0);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET, ip, &in.sin_addr), 1);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
	}
	if (protocol == IPPROTO_TCP)
		ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

static void look(const char *ns, uint8_t protocol, uint16_t port)
{
	int r;

	free(list);
	list = NULL;
	r = look_listeners(kernel, ns, protocol, port, port, &list, &count, &err);
	ck_assert_msg(r == 0, "%s", err.text);
}

static ino_t inode(int fd)
{
	struct stat status;

	ck_assert_int_eq(fstat(fd, &status), 0);
	return status.st_ino;
}

START_TEST(finds_no_one)
{
	int other = serve("", IPPROTO_TCP, "127.0.0.1", 8081, 0);

	look("", IPPROTO_TCP, 8080);
	ck_assert_uint_eq(count, 0);
	look("", IPPROTO_UDP, 8081);
	ck_assert_uint_eq(count, 0);
	close(other);
}
END_TEST

START_TEST(finds_listeners_of_both_families)
{
	int v4 = serve("", IPPROTO_TCP, "127.0.0.1", 8080, 0);
	int v6 = serve("", IPPROTO_TCP, "::", 8080, 1);
	char text[IP_TEXT_SIZE];

	look("", IPPROTO_TCP, 8080);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(ip_format(&list[0].ip, text), "127.0.0.1");
	ck_assert_uint_eq(list[0].inode, inode(v4));
	ck_assert_uint_eq(list[0].port, 8080);
	ck_assert_uint_eq(list[0].protocol, IPPROTO_TCP);
	ck_assert(!list[0].v6only);
	ck_assert_str_eq(ip_format(&list[1].ip, text), "::");
	ck_assert(list[1].v6only);
	close(v4);
	close(v6);
}
END_TEST

START_TEST(tells_a_socket_of_both_families)
{
	int both = serve("", IPPROTO_TCP, "::", 8080, 0);

	look("", IPPROTO_TCP, 8080);
	ck_assert_uint_eq(count, 1);
	ck_assert(!list[0].v6only);
	close(both);
}
END_TEST

START_TEST(finds_bound_udp_sockets)
{
	int bound = serve("", IPPROTO_UDP, "127.0.0.1", 5353, 0);
	int connected = serve("", IPPROTO_UDP, "127.0.0.2", 5353, 0);
	struct sockaddr_in far = {.sin_family = AF_INET,
	        .sin_port = htons(53),
	        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	ck_assert_int_eq(connect(connected, (struct sockaddr *)&far, sizeof far), 0);
	look("", IPPROTO_UDP, 5353);
	ck_assert_uint_eq(count, 2);
	close(bound);
	close(connected);
}
END_TEST

START_TEST(looks_inside_a_namespace)
{
	int inside = serve("web", IPPROTO_TCP, "0.0.0.0", 80, 0);

	look("", IPPROTO_TCP, 80);
	ck_assert_uint_eq(count, 0);
	look("web", IPPROTO_TCP, 80);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(list[0].inode, inode(inside));
	close(inside);
}
END_TEST

START_TEST(leaves_out_what_netd_holds)
{
	struct resource hold = {.kind = RESOURCE_HOLD};
	int other = serve("", IPPROTO_UDP, "127.0.0.1", 5353, 0);

	hold.hold.port = 5353;
	ck_assert_int_eq(parse_ip("127.0.0.3", "ip", &hold.hold.ip, &err), 0);
	hold.hold.protocol = IPPROTO_UDP;
	ck_assert_int_eq(kind_apply(&kind_hold, kernel, NULL, &hold, &err), 0);
	look("", IPPROTO_UDP, 5353);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(list[0].inode, inode(other));
	hold.hold.protocol = IPPROTO_TCP;
	ck_assert_int_eq(kind_apply(&kind_hold, kernel, NULL, &hold, &err), 0);
	look("", IPPROTO_TCP, 5353);
	ck_assert_uint_eq(count, 0);
	close(other);
}
END_TEST

START_TEST(says_that_a_namespace_is_not_there)
{
	ck_assert_int_eq(
	        look_listeners(kernel, "none", IPPROTO_TCP, 80, 80, &list, &count, &err), -ENOENT);
	ck_assert_ptr_null(list);
}
END_TEST

START_TEST(names_the_unit_in_a_cgroups_path)
{
	static const char *const names[][2] = {
	        {"/system.slice/nginx.service", "nginx.service"},
	        {"/system.slice/nginx.service/workers", "nginx.service"},
	        {"/user.slice/user-1000.slice/session-3.scope", "session-3.scope"},
	        {"/machine/web", "/machine/web"},
	        {"/.service/x", "/.service/x"},
	        {"", ""},
	};
	char unit[128];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		look_cgroup_unit(names[i][0], unit, sizeof unit);
		ck_assert_str_eq(unit, names[i][1]);
	}
	look_cgroup_unit("/system.slice/nginx.service", unit, 6);
	ck_assert_str_eq(unit, "nginx");
}
END_TEST

/* Listens, in a cgroup of that name, until it is killed. */
static pid_t serve_in_cgroup(const char *path, uint16_t port)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		shell("echo %d >%s/cgroup.procs", getpid(), path);
		serve("", IPPROTO_TCP, "127.0.0.1", port, 0);
		_exit(write(ready[1], "", 1) == 1 && pause());
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

START_TEST(names_the_unit_of_a_listener)
{
	static const char path[] = "/run/cgroup/netd-test.service";
	char unit[128];
	pid_t pid;

	ck_assert_int_eq(unshare(CLONE_NEWCGROUP), 0);
	shell("mkdir -p /run/cgroup && mount -t cgroup2 cgroup /run/cgroup");
	look_cgroup(~0ULL, unit, sizeof unit);
	ck_assert_str_eq(unit, "");
	if (mkdir(path, 0755) == 0) { /* not for a user whose session is not delegated */
		pid = serve_in_cgroup(path, 8080);
		look("", IPPROTO_TCP, 8080);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ck_assert_int_eq(rmdir(path), 0);
		ck_assert_uint_eq(count, 1);
		ck_assert_str_eq(list[0].unit, "netd-test.service");
	}
	shell("umount /run/cgroup");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {finds_no_one, finds_listeners_of_both_families,
	        tells_a_socket_of_both_families, finds_bound_udp_sockets, looks_inside_a_namespace,
	        leaves_out_what_netd_holds, says_that_a_namespace_is_not_there,
	        names_the_unit_in_a_cgroups_path, names_the_unit_of_a_listener, NULL};

	host_enter();
	return run_tests("ports", setup, teardown, tests);
}
