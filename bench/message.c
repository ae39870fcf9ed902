/*
 * Builds, sends and waits. The invariant: when a call here returns, the kernel has said all that it
 * had to say about what was sent, and it said yes; anything else ends the program.
 */
#include "bench/message.h"

#include "bench/fatal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int messages_socket(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), on = 1;

	if (fd < 0)
		fatal("open a netlink socket: %s", strerror(errno));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
}

struct nlmsghdr *messages_add(
        struct messages *messages, uint16_t type, uint16_t flags, const void *extra, size_t size)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(messages->bytes + messages->size);

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++messages->sequence;
	memcpy(mnl_nlmsg_put_extra_header(header, size), extra, size);
	messages->acks += (flags & NLM_F_ACK) != 0;
	return header;
}

void messages_end(struct messages *messages, const struct nlmsghdr *header)
{
	messages->size += NLMSG_ALIGN(header->nlmsg_len);
	if (messages->size > MESSAGES_SIZE - 8192)
		fatal("too many messages for one send");
}

static void write_all(struct messages *messages, int fd, const char *what)
{
	if (send(fd, messages->bytes, messages->size, 0) < 0)
		fatal("%s: send: %s", what, strerror(errno));
	messages->size = 0;
}

/* One datagram; counts the acks in it. True: it had the end of a dump. */
static bool read_one(int fd, const char *what, unsigned *acks)
{
	_Alignas(struct nlmsghdr) char answer[32768];
	ssize_t received = recv(fd, answer, sizeof(answer), 0);
	const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
	int rest = (int)received;

	if (received < 0)
		fatal("%s: receive: %s", what, strerror(errno));
	for (; mnl_nlmsg_ok(header, rest); header = mnl_nlmsg_next(header, &rest)) {
		const int *error = mnl_nlmsg_get_payload(header);

		if (header->nlmsg_type == NLMSG_ERROR && *error)
			fatal("%s: message %u: %s", what, header->nlmsg_seq, strerror(-*error));
		*acks += header->nlmsg_type == NLMSG_ERROR;
		if (header->nlmsg_type == NLMSG_DONE)
			return true;
	}
	return false;
}

void messages_send(struct messages *messages, int fd, const char *what)
{
	unsigned acks = 0;

	write_all(messages, fd, what);
	while (acks < messages->acks)
		read_one(fd, what, &acks);
	messages->acks = 0;
}

void messages_ask(struct messages *messages, int fd, const char *what)
{
	unsigned acks = 0;

	write_all(messages, fd, what);
	read_one(fd, what, &acks);
}

void messages_dump(struct messages *messages, int fd, const char *what)
{
	unsigned acks = 0;

	write_all(messages, fd, what);
	while (!read_one(fd, what, &acks))
		;
}
