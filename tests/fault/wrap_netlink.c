/*
 * Sockets, and what netlink has more than its own errno: a message that the kernel refuses, an
 * answer that is lost (see enum seam_action).
 */
#include "tests/fault/internal.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- sockets --- */

PLAIN(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
PLAIN(int, bind, -1, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
PLAIN(int, listen, -1, (int fd, int backlog), (fd, backlog))
PLAIN(int, setsockopt, -1, (int fd, int level, int name, const void *value, socklen_t size),
        (fd, level, name, value, size))
PLAIN(int, getsockopt, -1, (int fd, int level, int name, void *value, socklen_t *size),
        (fd, level, name, value, size))
PLAIN(struct mnl_socket *, mnl_socket_open2, NULL, (int bus, int flags), (bus, flags))
PLAIN(int, mnl_socket_bind, -1, (struct mnl_socket * socket, unsigned groups, pid_t pid),
        (socket, groups, pid))
PLAIN(int, mnl_socket_setsockopt, -1,
        (const struct mnl_socket *socket, int type, void *value, socklen_t size),
        (socket, type, value, size))

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct fate fate = seam_meet(CALL_ioctl, SITE);
	va_list arguments;
	void *argument;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	result = __real_ioctl(fd, request, argument);
	seam_left(fate);
	return result;
}

/* --- netlink --- */

void *__real_malloc(size_t size);

/* Refused by every family: of rtnetlink it is above RTM_MAX, of nfnetlink no subsystem's. */
#define UNKNOWN_TYPE 0x7fff

/* The refusal whose answer has not come yet. */
static struct {
	int fd;
	uint32_t sequence, batch;
	bool open, whole;
} refusal;

/* The protocol of a netlink socket, -1 for any other. */
static int netlink_protocol(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	if (__real_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	        domain != AF_NETLINK)
		return -1;
	return __real_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ? -1 : protocol;
}

/* Of rtnetlink, these types are RTM_NEWLINK and RTM_DELLINK. */
static bool is_mark(const struct nlmsghdr *header, int protocol)
{
	return protocol == NETLINK_NETFILTER && (header->nlmsg_type == NFNL_MSG_BATCH_BEGIN ||
	                                                header->nlmsg_type == NFNL_MSG_BATCH_END);
}

/* The message of this number in a send, and how many there are, not counting the marks of a batch.
 */
static struct nlmsghdr *message_at(
        void *bytes, size_t size, int protocol, uint32_t number, uint32_t *count)
{
	struct nlmsghdr *header = bytes, *found = NULL;
	int rest = (int)size;

	*count = 0;
	for (; nlmsg_ok(header, rest); header = nlmsg_next(header, &rest)) {
		if (is_mark(header, protocol))
			continue;
		if (++*count == number)
			found = header;
	}
	return found;
}

/* A rule is its own key: that it is there already is said of none that is not. */
static bool is_lie(const struct nlmsghdr *header, int protocol)
{
	return protocol == NETLINK_ROUTE && header->nlmsg_type == RTM_NEWRULE &&
	       seam_control->errnum == EEXIST;
}

/* Makes one message of these bytes one that the kernel refuses. */
static void spoil(int fd, int protocol, char *bytes, size_t size, uint32_t number)
{
	const struct nlmsghdr *first = (const struct nlmsghdr *)bytes;
	uint32_t count;
	struct nlmsghdr *header = message_at(bytes, size, protocol, number ? number : 1, &count);

	if (!header || is_lie(header, protocol))
		return;
	refusal.fd = fd;
	refusal.sequence = header->nlmsg_seq;
	refusal.batch = first->nlmsg_seq;
	refusal.whole = number == 0 && protocol == NETLINK_NETFILTER;
	refusal.open = true;
	header->nlmsg_type = UNKNOWN_TYPE;
}

/* Puts the errno of the test into the answer to what was spoiled. */
static void colour(int fd, char *bytes, ssize_t size)
{
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;
	int rest = (int)size;

	if (!refusal.open || refusal.fd != fd || size <= 0)
		return;
	for (; nlmsg_ok(header, rest); header = nlmsg_next(header, &rest)) {
		struct nlmsgerr *answer = nlmsg_data(header);

		if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq != refusal.sequence)
			continue;
		if (answer->error == 0)
			abort(); /* the kernel knows the type after all */
		answer->error = -(int)seam_control->errnum;
		if (refusal.whole)
			header->nlmsg_seq = answer->msg.nlmsg_seq = refusal.batch;
		refusal.open = false;
	}
}

ssize_t __real_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size)
{
	struct fate fate = seam_meet(CALL_sendto, SITE);
	int protocol = fate.call ? netlink_protocol(fd) : -1;
	ssize_t result;

	if (protocol >= 0) {
		fate.call->protocol = (uint32_t)protocol + 1;
		message_at((void *)bytes, size, protocol, 0, &fate.call->messages);
	}
	if (fate.action == ACTION_FAIL)
		return -1;
	if (fate.action == ACTION_REFUSE && protocol >= 0) {
		char *copy = __real_malloc(size);

		if (!copy)
			abort();
		spoil(fd, protocol, memcpy(copy, bytes, size), size, fate.message);
		result = __real_sendto(fd, copy, size, flags, address, address_size);
		free(copy);
	} else {
		result = __real_sendto(fd, bytes, size, flags, address, address_size);
	}
	seam_left(fate);
	return result;
}

/* What a receive returns in the end. */
static ssize_t received(struct fate fate, int fd, void *bytes, ssize_t size)
{
	if (fate.call) {
		int protocol = netlink_protocol(fd);

		fate.call->protocol = protocol < 0 ? 0 : (uint32_t)protocol + 1;
		fate.call->messages = size > 0;
	}
	colour(fd, bytes, size);
	seam_left(fate);
	if (fate.action != ACTION_LOSE || size < 0)
		return size;
	errno = ENOBUFS;
	return -1;
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct fate fate = seam_meet(CALL_recvmsg, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(fate, fd, message->msg_iov[0].iov_base, __real_recvmsg(fd, message, flags));
}

ssize_t __real_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size)
{
	struct fate fate = seam_meet(CALL_recvfrom, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(
	        fate, fd, bytes, __real_recvfrom(fd, bytes, size, flags, address, address_size));
}

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
	struct fate fate = seam_meet(CALL_recv, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(fate, fd, bytes, __real_recv(fd, bytes, size, flags));
}
