/*
 * Raw netlink, one question at a time: send, then read until the kernel has said all of it.
 *
 * The invariant: a request ends in exactly one of an ack, an error or the end of a dump, and talk()
 * never returns 0 before it has seen that end. Where it fails before, the rest of the answer is
 * left in the socket, and passed over by the next. Sequence numbers are drawn from one atomic
 * counter, because sockets are opened by worker threads, too.
 */
#include "daemon/kernel/talk.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct nlmsghdr *talk_start(void *buffer, uint16_t type, uint16_t flags)
{
	static atomic_uint sequence;
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		request->nlmsg_flags |= NLM_F_ACK;
	request->nlmsg_seq = atomic_fetch_add(&sequence, 1) + 1;
	return request;
}

static int ignore(const struct nlmsghdr *header, void *arg)
{
	return MNL_CB_OK;
}

/* An ack, an error and the end of a dump all begin with the errno: a dump that was cut short says
 * so at its end. */
static int end(const struct nlmsghdr *header, void *arg)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(header) >= sizeof error)
		memcpy(&error, mnl_nlmsg_get_payload(header), sizeof error);
	if (error >= 0)
		return MNL_CB_STOP;
	errno = talk_errno(error);
	return MNL_CB_ERROR;
}

bool talk_is_whole(const void *bytes, size_t size)
{
	while (size >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *header = bytes;
		size_t length = header->nlmsg_len;

		if (length < sizeof(*header) || length > size)
			return false;
		length = NLMSG_ALIGN(length) < size ? NLMSG_ALIGN(length) : size;
		bytes = (const char *)bytes + length;
		size -= length;
	}
	return true;
}

/* All in one datagram answers one request. */
static bool is_of_another(const struct nlmsghdr *first, size_t size, uint32_t sequence)
{
	return size >= sizeof(*first) && first->nlmsg_seq != sequence;
}

int talk(int fd, const struct nlmsghdr *request, mnl_cb_t each, void *arg)
{
	mnl_cb_t control[NLMSG_MIN_TYPE] = {[NLMSG_ERROR] = end, [NLMSG_DONE] = end};
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	/* The kernel fills at most 32 KiB at a time, whatever the reader offers. */
	_Alignas(struct nlmsghdr) char answer[32768];

	if (sendto(fd, request, request->nlmsg_len, 0, (const struct sockaddr *)&kernel,
	            sizeof kernel) < 0)
		return -errno;
	for (;;) {
		struct sockaddr_nl from;
		struct iovec vector = {.iov_base = answer, .iov_len = sizeof answer};
		struct msghdr message = {.msg_name = &from,
		        .msg_namelen = sizeof from,
		        .msg_iov = &vector,
		        .msg_iovlen = 1};
		ssize_t size = recvmsg(fd, &message, 0);
		int r;

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		if (message.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid != 0) /* another process's, not the kernel's */
			continue;
		if (!talk_is_whole(answer, (size_t)size))
			return -EBADMSG;
		if (is_of_another(
		            (const struct nlmsghdr *)answer, (size_t)size, request->nlmsg_seq))
			continue;
		r = mnl_cb_run2(answer, (size_t)size, request->nlmsg_seq, 0, each ? each : ignore,
		        arg, control, NLMSG_MIN_TYPE);
		if (r == MNL_CB_ERROR)
			return -errno;
		if (r == MNL_CB_STOP)
			return 0;
	}
}
