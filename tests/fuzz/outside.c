/*
 * Plays the kernel from records; see outside.h.
 *
 * The invariant: every question ends. Records are used once, and after the last one the answer is
 * made whole, once; who then asks for more hears that nothing comes (EAGAIN). While no target runs,
 * and for what is not its business, each call goes to the real function.
 */
#include "tests/fuzz/outside.h"

#include "daemon/kernel/inside.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the linker puts in place of a function is declared nowhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define HEAD_SIZE 4 /* of a record */
#define SEND_MAX  4096

const char *const outside_files[] = {
        "/proc/net/ip_tables_names",
        "/proc/net/if_inet6",
        "/proc/self/mountinfo",
        "/proc/sys/net/netfilter/nf_conntrack_count",
        NULL,
};

static struct {
	bool playing;
	FILE *recording;
	char instance[33];
	const uint8_t *bytes; /* the records */
	size_t size;
	bool *used; /* by the offset of a record */
	struct {
		const char *path;
		const uint8_t *bytes;
		size_t size;
	} files[OUTSIDE_FILES_MAX];
	unsigned file_count;

	/* the question that was asked last */
	uint16_t type, flags;
	uint32_t sequence;
	uint32_t acks[SEND_MAX]; /* sequence numbers of its messages that want one */
	unsigned ack_count;
	bool whole;
} outside;

/* --- records --- */

static uint16_t number_at(size_t at)
{
	uint16_t number;

	memcpy(&number, outside.bytes + at, sizeof(number));
	return number;
}

/* The next unused record of this key. */
static bool take_record(uint16_t key, const uint8_t **ret, size_t *size)
{
	for (size_t at = 0; at + HEAD_SIZE <= outside.size;) {
		size_t length = number_at(at + 2), rest = outside.size - at - HEAD_SIZE;

		if (length > rest)
			length = rest;
		if (number_at(at) == key && !outside.used[at]) {
			outside.used[at] = true;
			*ret = outside.bytes + at + HEAD_SIZE;
			*size = length;
			return true;
		}
		at += HEAD_SIZE + length;
	}
	return false;
}

static void write_record(uint16_t key, const void *bytes, size_t size)
{
	_cleanup_(freep) uint8_t *copy = malloc(size ? size : 1);
	uint16_t head[2] = {key, (uint16_t)size};
	uint8_t *found;

	if (!copy || size > UINT16_MAX)
		return;
	memcpy(copy, bytes, size);
	while ((found = memmem(copy, size, outside.instance, strlen(outside.instance))))
		memcpy(found, OUTSIDE_INSTANCE, strlen(OUTSIDE_INSTANCE));
	fwrite(head, sizeof(head), 1, outside.recording);
	fwrite(copy, size, 1, outside.recording);
}

void outside_begin(const uint8_t *answers, size_t size)
{
	outside.used = calloc(size + 1, sizeof(*outside.used));
	if (!outside.used)
		abort();
	outside.bytes = answers;
	outside.size = size;
	outside.playing = !outside.recording;
}

void outside_put_file(const char *path, const uint8_t *bytes, size_t size)
{
	if (outside.file_count == OUTSIDE_FILES_MAX)
		abort();
	outside.files[outside.file_count].path = path;
	outside.files[outside.file_count].bytes = bytes;
	outside.files[outside.file_count++].size = size;
}

void outside_end(void)
{
	outside.playing = false;
	outside.file_count = 0;
	free(outside.used);
	outside.used = NULL;
	if (outside.recording)
		fclose(outside.recording);
	outside.recording = NULL;
}

bool outside_record(const char *path, const char *instance, char first)
{
	snprintf(outside.instance, sizeof(outside.instance), "%s", instance);
	outside.recording = fopen(path, "we");
	return outside.recording && outside.instance[0] && fputc(first, outside.recording) == first;
}

const char *outside_instance(void)
{
	return outside.recording ? outside.instance : OUTSIDE_INSTANCE;
}

/* --- questions --- */

/* Sequence numbers are the question's, plus what the record says; the sender is the kernel. */
static void shift(uint8_t *bytes, size_t size, uint32_t by)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
		struct nlmsghdr header;

		memcpy(&header, bytes + at, sizeof(header));
		header.nlmsg_seq += by;
		memcpy(bytes + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
			break;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
}

static void remember(const uint8_t *bytes, size_t size)
{
	bool first = true;

	outside.ack_count = 0;
	outside.whole = false;
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
		struct nlmsghdr header;

		memcpy(&header, bytes + at, sizeof(header));
		if (first) {
			outside.type = header.nlmsg_type;
			outside.flags = header.nlmsg_flags;
			outside.sequence = header.nlmsg_seq;
		}
		if (header.nlmsg_flags & NLM_F_ACK && outside.ack_count < SEND_MAX)
			outside.acks[outside.ack_count++] = header.nlmsg_seq;
		if (header.nlmsg_len < sizeof(header))
			abort(); /* netd would never send this */
		first = false;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
}

/* What makes the answer whole where the records have ended: as much of it as there is room for. */
static size_t complete(uint8_t *bytes, size_t size)
{
	struct answer {
		struct nlmsghdr header;
		struct nlmsgerr ack;
	} answer = {.header = {.nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR}};
	size_t used = 0;

	outside.whole = true;
	if ((outside.flags & NLM_F_DUMP) == NLM_F_DUMP) {
		answer.header.nlmsg_type = NLMSG_DONE;
		answer.header.nlmsg_flags = NLM_F_MULTI;
		answer.header.nlmsg_seq = outside.sequence;
		memcpy(bytes, &answer, sizeof(answer));
		return sizeof(answer);
	}
	for (unsigned i = 0; i < outside.ack_count && used + sizeof(answer) <= size; i++) {
		answer.header.nlmsg_seq = outside.acks[i];
		memcpy(bytes + used, &answer, sizeof(answer));
		used += sizeof(answer);
	}
	/* A question that wants no ack is answered by a message of its own, and here by a refusal.
	 */
	if (used == 0) {
		answer.header.nlmsg_seq = outside.sequence;
		answer.ack.error = -ENOENT;
		memcpy(bytes, &answer, sizeof(answer));
		used = sizeof(answer);
	}
	return used;
}

static ssize_t play(void *bytes, size_t size, int *flags)
{
	const uint8_t *record;
	size_t length;

	*flags = 0;
	if (outside.whole) {
		errno = EAGAIN;
		return -1;
	}
	if (take_record(OUTSIDE_ERRNO | (outside.type & 0xff), &record, &length) && length > 0) {
		errno = record[0] ? record[0] : EINTR;
		return -1;
	}
	if (!take_record(outside.type, &record, &length) || length == 0)
		return (ssize_t)complete(bytes, size);
	if (length > size)
		*flags = MSG_TRUNC;
	length = length < size ? length : size;
	memcpy(bytes, record, length);
	shift(bytes, length, outside.sequence);
	return (ssize_t)length;
}

static void keep(const void *bytes, ssize_t size)
{
	_cleanup_(freep) uint8_t *copy = malloc(size > 0 ? (size_t)size : 1);

	if (!outside.recording || size <= 0 || !copy)
		return;
	memcpy(copy, bytes, (size_t)size);
	shift(copy, (size_t)size, -outside.sequence);
	write_record(outside.type, copy, (size_t)size);
}

/* --- the seam: sockets --- */

ssize_t __real_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size)
{
	if (outside.playing || outside.recording)
		remember(bytes, size);
	return outside.playing ? (ssize_t)size
	                       : __real_sendto(fd, bytes, size, flags, address, address_size);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t size;

	if (!outside.playing) {
		size = __real_recvmsg(fd, message, flags);
		keep(message->msg_iov[0].iov_base, size);
		return size;
	}
	memcpy(message->msg_name, &kernel, sizeof(kernel));
	return play(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, &message->msg_flags);
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
		keep(bytes, got);
		return got;
	}
	memcpy(address, &kernel, sizeof(kernel));
	return play(bytes, size, &flags);
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
			write_record((uint16_t)(OUTSIDE_OPTION + option), value, *size);
		return r;
	}
	if (!take_record((uint16_t)(OUTSIDE_OPTION + option), &record, &length)) {
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

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	struct ifreq *interface = argument;

	if (!outside.playing || request != SIOCGIFINDEX)
		return __real_ioctl(fd, request, argument);
	interface->ifr_ifindex = (int)index_of(interface->ifr_name);
	return 0;
}

/* --- the seam: namespaces --- */

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

/* --- the seam: files --- */

/* True: the file is one of those that bytes stand for; *ret is NULL where it is not there. */
static bool find_file(const char *path, const uint8_t **ret, size_t *size)
{
	*ret = NULL;
	for (unsigned i = 0; i < outside.file_count; i++) {
		if (strcmp(outside.files[i].path, path) == 0) {
			*ret = outside.files[i].bytes;
			*size = outside.files[i].size;
			return true;
		}
	}
	for (unsigned i = 0; outside_files[i]; i++) {
		if (strcmp(outside_files[i], path) == 0) {
			take_record((uint16_t)(OUTSIDE_FILE + i), ret, size);
			return true;
		}
	}
	return false;
}

FILE *__real_fopen64(const char *path, const char *mode);

static void record_file(const char *path)
{
	char bytes[16384];

	for (unsigned i = 0; outside_files[i]; i++) {
		_cleanup_(fclosep) FILE *file =
		        strcmp(outside_files[i], path) == 0 ? __real_fopen64(path, "re") : NULL;

		if (file)
			write_record((uint16_t)(OUTSIDE_FILE + i), bytes,
			        fread(bytes, 1, sizeof(bytes), file));
	}
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	const uint8_t *bytes;
	size_t size = 0;

	if (outside.recording)
		record_file(path);
	if (!outside.playing || !find_file(path, &bytes, &size))
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

	if (!outside.playing || !find_file(path, &bytes, &size))
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
