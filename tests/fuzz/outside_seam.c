/*
 * What the linker puts in place of the calls to the outside (WRAPPED in meson.build). While no
 * target runs, and for what is not its business, each goes to the real function.
 */
#include "tests/fuzz/outside_private.h"

#include "daemon/kernel/inside.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* What the linker puts in place of a function is declared nowhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* --- sockets --- */

ssize_t __real_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size)
{
	if (outside.playing || outside.recording)
		outside_asked(bytes, size);
	return outside.playing ? (ssize_t)size
	                       : __real_sendto(fd, bytes, size, flags, address, address_size);
}

/* The number of the namespace that an announcement comes from, as NETLINK_LISTEN_ALL_NSID has it.
 */
static void put_nsid(struct msghdr *message)
{
	struct cmsghdr *part;

	if (!message->msg_control || outside.nsid < 0) {
		message->msg_controllen = 0;
		return;
	}
	message->msg_controllen = CMSG_SPACE(sizeof(int));
	part = CMSG_FIRSTHDR(message);
	*part = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
	        .cmsg_level = SOL_NETLINK,
	        .cmsg_type = NETLINK_LISTEN_ALL_NSID};
	memcpy(CMSG_DATA(part), &outside.nsid, sizeof(int));
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t size;

	if (!outside.playing) {
		size = __real_recvmsg(fd, message, flags);
		outside_keep(message->msg_iov[0].iov_base, size);
		return size;
	}
	memcpy(message->msg_name, &kernel, sizeof(kernel));
	put_nsid(message);
	return outside_play(
	        message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, &message->msg_flags);
}

ssize_t __real_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t got;

	if (!outside.playing) {
		got = __real_recvfrom(fd, bytes, size, flags, address, address_size);
		outside_keep(bytes, got);
		return got;
	}
	memcpy(address, &kernel, sizeof(kernel));
	return outside_play(bytes, size, &flags);
}

int __real_getsockopt(int fd, int level, int option, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
	const uint8_t *record;
	size_t length;
	int r;

	if (!outside.playing || level != IPPROTO_IP) {
		r = __real_getsockopt(fd, level, option, value, size);
		if (outside.recording && r == 0 && level == IPPROTO_IP)
			outside_write((uint16_t)(OUTSIDE_OPTION + option), value, *size);
		return r;
	}
	if (!outside_take((uint16_t)(OUTSIDE_OPTION + option), &record, &length)) {
		errno = ENOPROTOOPT;
		return -1;
	}
	if (length > *size)
		length = *size;
	memcpy(value, record, length);
	*size = (socklen_t)length;
	return 0;
}

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	return outside.playing ? 0 : __real_setsockopt(fd, level, option, value, size);
}

/* Any descriptor will do that can be closed. */
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol)
{
	return outside.playing ? __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
	                       : __real_socket(domain, type, protocol);
}

struct mnl_socket *__real_mnl_socket_open2(int bus, int flags);
struct mnl_socket *__wrap_mnl_socket_open2(int bus, int flags)
{
	return outside.playing ? mnl_socket_fdopen(__wrap_socket(AF_UNIX, SOCK_DGRAM, 0))
	                       : __real_mnl_socket_open2(bus, flags);
}

int __real_mnl_socket_bind(struct mnl_socket *socket, unsigned groups, pid_t pid);
int __wrap_mnl_socket_bind(struct mnl_socket *socket, unsigned groups, pid_t pid)
{
	return outside.playing ? 0 : __real_mnl_socket_bind(socket, groups, pid);
}

int __real_mnl_socket_setsockopt(
        const struct mnl_socket *socket, int type, void *value, socklen_t size);
int __wrap_mnl_socket_setsockopt(
        const struct mnl_socket *socket, int type, void *value, socklen_t size)
{
	return outside.playing ? 0 : __real_mnl_socket_setsockopt(socket, type, value, size);
}

/* Every interface is there, under a small number. */
static unsigned index_of(const char *name)
{
	unsigned sum = 0;

	while (*name)
		sum += (unsigned char)*name++;
	return sum % 9 + 1;
}

unsigned __real_if_nametoindex(const char *name);
unsigned __wrap_if_nametoindex(const char *name)
{
	return outside.playing ? index_of(name) : __real_if_nametoindex(name);
}

char *__real_if_indextoname(unsigned index, char *name);
char *__wrap_if_indextoname(unsigned index, char *name)
{
	if (!outside.playing)
		return __real_if_indextoname(index, name);
	return index == index_of("netd0") ? strcpy(name, "netd0") : NULL;
}

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	struct ifreq *interface = argument;

	if (!outside.playing || request != SIOCGIFINDEX)
		return __real_ioctl(fd, request, argument);
	interface->ifr_ifindex = (int)index_of(interface->ifr_name);
	return 0;
}

/* --- namespaces --- */

int __real_netns_socket(
        const char *ns, int domain, int type, int protocol, int *ret, struct error *err);
int __wrap_netns_socket(
        const char *ns, int domain, int type, int protocol, int *ret, struct error *err)
{
	if (!outside.playing)
		return __real_netns_socket(ns, domain, type, protocol, ret, err);
	*ret = __wrap_socket(domain, type, protocol);
	return *ret < 0 ? error_set(err, ERROR_KERNEL, errno, "open a socket") : 0;
}

int __real_netns_open(const char *ns, int *ret, struct error *err);
int __wrap_netns_open(const char *ns, int *ret, struct error *err)
{
	if (!outside.playing)
		return __real_netns_open(ns, ret, err);
	*ret = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? error_set(err, ERROR_KERNEL, errno, "open a namespace") : 0;
}

int __real_netns_inside(
        const char *ns, int (*work)(void *arg, struct error *err), void *arg, struct error *err);
int __wrap_netns_inside(
        const char *ns, int (*work)(void *arg, struct error *err), void *arg, struct error *err)
{
	return outside.playing ? work(arg, err) : __real_netns_inside(ns, work, arg, err);
}

/* --- files --- */

FILE *__real_fopen64(const char *path, const char *mode);

static void record_file(const char *path)
{
	char bytes[16384];

	for (unsigned i = 0; outside_files[i]; i++) {
		_cleanup_(fclosep) FILE *file =
		        strcmp(outside_files[i], path) == 0 ? __real_fopen64(path, "re") : NULL;

		if (file)
			outside_write((uint16_t)(OUTSIDE_FILE + i), bytes,
			        fread(bytes, 1, sizeof(bytes), file));
	}
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	const uint8_t *bytes;
	size_t size = 0;

	if (outside.recording)
		record_file(path);
	if (!outside.playing || !outside_find_file(path, &bytes, &size))
		return __real_fopen64(path, mode);
	if (!bytes) {
		errno = ENOENT;
		return NULL;
	}
	return size ? fmemopen((void *)bytes, size, "r") : __real_fopen64("/dev/null", mode);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	const uint8_t *bytes;
	size_t size = 0;
	va_list arguments;
	int fd, mode = 0;

	va_start(arguments, flags);
	if (flags & O_CREAT)
		mode = va_arg(arguments, int);
	va_end(arguments);

	if (!outside.playing || !outside_find_file(path, &bytes, &size))
		return __real_open64(path, flags, mode);
	if (!bytes) {
		errno = ENOENT;
		return -1;
	}
	fd = memfd_create("outside", MFD_CLOEXEC);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	return fd;
}
