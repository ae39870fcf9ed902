/*
 * Makes private hosts out of namespaces. The user namespace is what makes it safe: in it this
 * process has every right over networks and mounts that belong to it, and none over the machine's,
 * whatever a test does wrong.
 *
 * Mounts are private, so that nothing mounted here is seen outside; /run is shared within, as it is
 * on a real host.
 */
#include "tests/lib/host.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define SKIPPED 77

static void need(int condition, const char *what)
{
	if (condition)
		return;
	printf("1..0 # SKIP no private host: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(SKIPPED);
}

static void write_file(const char *path, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void write_file(const char *path, const char *format, ...)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	va_list arguments;

	need(fd >= 0, path);
	va_start(arguments, format);
	need(vdprintf(fd, format, arguments) > 0, path);
	va_end(arguments);
	close(fd);
}

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	need(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "lo");
	close(fd);
}

void host_renew(void)
{
	need(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0, "unshare");
	need(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "make mounts private");
	need(mount("run", "/run", "tmpfs", 0, "mode=755") == 0, "tmpfs on /run");
	need(mount("none", "/run", NULL, MS_SHARED, NULL) == 0, "share /run");
	need(mount("sys", "/sys", "sysfs", 0, NULL) == 0, "sysfs on /sys");
	raise_loopback();
}

void host_enter(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	need(unshare(CLONE_NEWUSER) == 0, "unshare");
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", "0 %u 1", uid);
	write_file("/proc/self/gid_map", "0 %u 1", gid);
	host_renew();
}
