/*
 * Questions to rtnetlink, and what its datagrams say: acks, refusals with their extack text, dumps.
 *
 * The invariant: a question is read to its end before anyone sees an answer. So a dump that the
 * kernel marks as interrupted is asked again whole, the one who asked may put further questions
 * from within its callback, and nothing of a question is left in the socket for the next one.
 *
 * Inside a namespace a tenant can keep a list changing for ever, and must not keep netd from
 * anything by that: there the last try counts, though it may lack something or have it twice. Who
 * changes so much is not watched meanwhile, and looked at again in the end.
 *
 * Sockets are used raw, not through libnl's: its own error numbers hide errno, and its callbacks
 * the extack text.
 */
#include "daemon/kernel/rtnl_private.h"

#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/ioctl.h>

#define DUMP_SIZE_MAX (256u << 20) /* a million routes and more */
#define DUMP_TRIES    16
#define LOSSES_MAX    16 /* in one answer */

/* What came of one question: its answers in a row, or the kernel's refusal. */
struct answers {
	uint8_t *bytes;
	size_t used, capacity;
	bool interrupted;
	int errnum;
	char extack[256];
};

static void answersp(struct answers *answers)
{
	free(answers->bytes);
}

void rtnl_extack(const struct nlmsghdr *header, char *text, size_t size)
{
	const struct nlmsgerr *answer = nlmsg_data(header);
	size_t skip = NLMSG_ALIGN(sizeof(*answer)), length = (size_t)nlmsg_datalen(header);
	struct nlattr *attribute;
	int rest;

	text[0] = '\0';
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED)) {
		if (answer->msg.nlmsg_len < sizeof(answer->msg) || answer->msg.nlmsg_len > length)
			return;
		skip += NLMSG_ALIGN(answer->msg.nlmsg_len - sizeof(answer->msg));
	}
	if (skip >= length)
		return;
	rest = (int)(length - skip);
	for (attribute = (struct nlattr *)((char *)nlmsg_data(header) + skip);
	        nla_ok(attribute, rest); attribute = nla_next(attribute, &rest))
		if (nla_type(attribute) == NLMSGERR_ATTR_MSG)
			snprintf(text, size, "%.*s", nla_len(attribute),
			        (const char *)nla_data(attribute));
}

uint32_t rtnl_number(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute && nla_len(attribute) >= (int)sizeof(uint32_t) ? nla_get_u32(attribute)
	                                                                : otherwise;
}

bool rtnl_ip(const struct nlattr *attribute, uint8_t family, struct ip *ret)
{
	if (!attribute || (family != AF_INET && family != AF_INET6) ||
	        nla_len(attribute) != (int)ip_size(family))
		return false;
	ret->family = family;
	memcpy(ret->bytes, nla_data(attribute), ip_size(family));
	return true;
}

int rtnl_error(struct error *err, int errnum, const char *what, const char *extack)
{
	enum error_code code =
	        errnum == EPERM || errnum == EACCES ? ERROR_PERMISSION : ERROR_KERNEL;
	int r = error_set(err, code, errnum, "%s", what);
	size_t length = strlen(err->text);

	if (extack[0])
		snprintf(err->text + length, sizeof(err->text) - length, " (%s)", extack);
	return r;
}

int rtnl_write(int fd, const void *bytes, size_t size)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t r;

	do
		r = sendto(fd, bytes, size, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

ssize_t rtnl_read(struct rtnl *rtnl, int fd, int flags)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		struct iovec space = {rtnl->in, sizeof(rtnl->in)};
		struct msghdr message = {.msg_name = &from,
		        .msg_namelen = sizeof(from),
		        .msg_iov = &space,
		        .msg_iovlen = 1};
		ssize_t size = recvmsg(fd, &message, flags);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (message.msg_flags & MSG_TRUNC)
			return -EMSGSIZE;
		if (from.nl_pid == 0) /* only the kernel is heard */
			return size;
	}
}

/* --- questions --- */

static int answers_add(struct answers *answers, const struct nlmsghdr *header)
{
	size_t size = NLMSG_ALIGN(header->nlmsg_len);

	if (answers->used + size > answers->capacity) {
		size_t capacity = answers->capacity ? 2 * answers->capacity : RECEIVE_SIZE;
		void *bytes;

		if (capacity > DUMP_SIZE_MAX)
			return -EMSGSIZE;
		bytes = realloc(answers->bytes, capacity);
		if (!bytes)
			return -ENOMEM;
		answers->bytes = bytes;
		answers->capacity = capacity;
	}
	memcpy(answers->bytes + answers->used, header, header->nlmsg_len);
	answers->used += size;
	return 0;
}

/* Reads one message of the answer. 1: it was the last one. */
static int take_answer(struct answers *answers, const struct nlmsghdr *header)
{
	const struct nlmsgerr *refusal = nlmsg_data(header);

	if (header->nlmsg_flags & NLM_F_DUMP_INTR)
		answers->interrupted = true;
	if (header->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(header) < (int)sizeof(*refusal))
			return 1;
		answers->errnum = talk_errno(refusal->error);
		rtnl_extack(header, answers->extack, sizeof(answers->extack));
		return 1;
	}
	if (header->nlmsg_type == NLMSG_DONE) {
		/* A dump that fails on its way ends with its error here. */
		if (nlmsg_datalen(header) >= (int)sizeof(int) && *(int *)nlmsg_data(header) < 0)
			answers->errnum = talk_errno(*(int *)nlmsg_data(header));
		return 1;
	}
	if (header->nlmsg_type >= NLMSG_MIN_TYPE) {
		int r = answers_add(answers, header);

		if (r < 0)
			return r;
	}
	return !(header->nlmsg_flags & NLM_F_MULTI);
}

/* Sends one question and reads its answers to the end, also past a failure of our own. */
static int collect(struct rtnl *rtnl, int fd, struct nlmsghdr *request, struct answers *answers)
{
	int failure, flags = 0, losses = 0, r = 0;

	request->nlmsg_seq = ++rtnl->sequence;
	request->nlmsg_pid = 0;
	failure = rtnl_write(fd, request, request->nlmsg_len);
	if (failure < 0)
		return failure;
	while (r <= 0) {
		ssize_t size = rtnl_read(rtnl, fd, flags);
		struct nlmsghdr *header = (struct nlmsghdr *)rtnl->in;

		/* Something was lost, perhaps the end: what there is to be read is there by now. */
		if (size == -ENOBUFS && ++losses < LOSSES_MAX) {
			answers->interrupted = true;
			flags = MSG_DONTWAIT;
			continue;
		}
		if (size == -ETIMEDOUT && flags)
			return failure;
		/* Whether it was the end is not known. */
		if (size == -EMSGSIZE) {
			failure = -EMSGSIZE;
			flags = MSG_DONTWAIT;
			continue;
		}
		if (size < 0)
			return (int)size;
		for (int rest = (int)size; r <= 0 && nlmsg_ok(header, rest);
		        header = nlmsg_next(header, &rest)) {
			if (header->nlmsg_seq != rtnl->sequence)
				continue;
			r = take_answer(answers, header);
			if (r < 0) {
				failure = r;
				flags = MSG_DONTWAIT;
			}
		}
	}
	return failure;
}

static int deliver(const struct answers *answers,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg)
{
	size_t at = 0;
	int r = 0;

	while (r >= 0 && at < answers->used) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)(answers->bytes + at);

		r = each(header, arg);
		at += NLMSG_ALIGN(header->nlmsg_len);
	}
	return r < 0 ? r : 0;
}

static int ask(struct rtnl *rtnl, const char *ns, struct nl_msg *msg,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err)
{
	struct nlmsghdr *request = nlmsg_hdr(msg);
	char what[64 + NAME_SIZE];
	int fd, r;

	rtnl_send(rtnl);
	snprintf(what, sizeof(what), "ask rtnetlink (message type %u)%s%s", request->nlmsg_type,
	        ns[0] ? " in " : "", ns);
	for (int tries = 1; tries <= DUMP_TRIES; tries++) {
		_cleanup_(answersp) struct answers answers = {0};

		r = rtnl_socket(rtnl, ns, &fd, err);
		if (r < 0)
			return r;
		r = collect(rtnl, fd, request, &answers);
		if (r < 0)
			rtnl_renew(rtnl, fd);
		if (r < 0)
			return rtnl_error(err, -r, what, "");
		if (answers.errnum != 0)
			return rtnl_error(err, answers.errnum, what, answers.extack);
		if (answers.interrupted && (tries < DUMP_TRIES || !ns[0]))
			continue;
		r = deliver(&answers, each, arg);
		return r == -ENOMEM ? error_memory(err) : r < 0 ? rtnl_error(err, -r, what, "") : 0;
	}
	return rtnl_error(err, EAGAIN, what, "the list kept changing while it was read");
}

int rtnl_dump(struct rtnl *rtnl, const char *ns, struct nl_msg *msg,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err)
{
	_cleanup_(rtnl_messagep) struct nl_msg *owned = msg;

	nlmsg_hdr(owned)->nlmsg_flags |= NLM_F_DUMP;
	return ask(rtnl, ns, owned, each, arg, err);
}

int rtnl_get(struct rtnl *rtnl, const char *ns, struct nl_msg *msg,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err)
{
	_cleanup_(rtnl_messagep) struct nl_msg *owned = msg;

	return ask(rtnl, ns, owned, each, arg, err);
}

/* Not RTM_GETLINK: that waits for the lock under which links are made and deleted, and answers with
 * two kilobytes. */
int rtnl_ifindex(struct rtnl *rtnl, const char *ns, const char *ifname)
{
	struct ifreq request = {0};
	struct error ignored;
	int fd, r;

	if (rtnl->known_index && strcmp(ns, rtnl->known_ns) == 0 &&
	        strcmp(ifname, rtnl->known_name) == 0)
		return rtnl->known_index;
	rtnl_send(rtnl);
	if (strlen(ifname) >= IFNAMSIZ)
		return 0;
	r = rtnl_socket(rtnl, ns, &fd, &ignored);
	if (r < 0)
		return r == -ENOENT || r == -EINVAL ? 0 : r; /* the namespace is gone */
	strcpy(request.ifr_name, ifname);
	if (ioctl(fd, SIOCGIFINDEX, &request) < 0)
		return errno == ENODEV ? 0 : -errno;
	rtnl->known_index = request.ifr_ifindex;
	snprintf(rtnl->known_ns, sizeof(rtnl->known_ns), "%s", ns);
	snprintf(rtnl->known_name, sizeof(rtnl->known_name), "%s", ifname);
	return rtnl->known_index;
}
