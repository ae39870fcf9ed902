/*
 * The rtnetlink pipeline: it owns the sockets, the queue, and the way from an answer of the kernel
 * to a sentence. It knows nothing of links, addresses and routes beyond the question for an
 * interface's index.
 *
 * The invariant: when rtnl_send() returns, every message that was queued has been answered or given
 * up, and each step knows. What is queued fits one send, and its answers fit the receive buffer, so
 * the kernel, which answers rtnetlink within the call that sends, never has to drop one. Failing
 * members do not stop those behind them; the first failure is remembered until someone asks,
 * because a queue may have to be sent in the middle of another step.
 *
 */
#include "daemon/kernel/rtnl_private.h"

#include "daemon/kernel/inside.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/time.h>

#define ANSWER_SECONDS                                                                             \
	10 /* the kernel answers at once; waiting longer means that an answer was lost */

/* --- sockets --- */

static int set_up(int fd, struct error *err)
{
	struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	int on = 1, size = 4 << 20;

	if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0 ||
	        setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0 ||
	        setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0 ||
	        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return error_set(err, ERROR_KERNEL, errno, "set up an rtnetlink socket");
	/* Room for a burst; in a user namespace only as much as net.core.rmem_max allows, which is
	 * enough for one queue. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return 0;
}

static void drop_inside(struct rtnl *rtnl)
{
	if (rtnl->inside >= 0)
		close(rtnl->inside);
	rtnl->inside = -1;
	rtnl->ns[0] = '\0';
	rtnl->known_index = 0;
}

static int open_host(struct rtnl *rtnl, struct error *err)
{
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int r;

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open an rtnetlink socket");
	r = set_up(fd, err);
	if (r == 0)
		rtnl->host = TAKE_FD(fd);
	return r;
}

static bool same_namespace(const struct rtnl *rtnl, const struct stat *file)
{
	return file->st_ino == rtnl->ns_file.st_ino && file->st_dev == rtnl->ns_file.st_dev;
}

/* Takes the socket over. */
static int keep_inside(
        struct rtnl *rtnl, const char *ns, const struct stat *file, int fd, struct error *err)
{
	int r;

	drop_inside(rtnl);
	r = set_up(fd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	rtnl->inside = fd;
	rtnl->ns_file = *file;
	snprintf(rtnl->ns, sizeof(rtnl->ns), "%s", ns);
	return 0;
}

int rtnl_socket(struct rtnl *rtnl, const char *ns, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[sizeof(NETNS_DIR) + NAME_SIZE];
	struct stat file;
	int r;

	if (!ns[0]) {
		r = rtnl->host < 0 ? open_host(rtnl, err) : 0;
		*ret = rtnl->host;
		return r;
	}
	snprintf(path, sizeof(path), NETNS_DIR "/%s", ns);
	if (stat(path, &file) < 0)
		memset(&file, 0, sizeof(file));
	if (rtnl->inside >= 0 && strcmp(ns, rtnl->ns) == 0 && same_namespace(rtnl, &file)) {
		*ret = rtnl->inside;
		return 0;
	}
	drop_inside(rtnl);
	r = netns_socket(ns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &fd, err);
	if (r == 0)
		r = keep_inside(rtnl, ns, &file, TAKE_FD(fd), err);
	if (r == 0)
		*ret = rtnl->inside;
	return r;
}

int rtnl_enter(struct rtnl *rtnl, const char *ns, int fd, struct error *err)
{
	struct stat file;
	int inside;

	rtnl_send(rtnl);
	if (fstat(fd, &file) < 0)
		return error_set(err, ERROR_KERNEL, errno, "look at namespace %s", ns);
	inside = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (inside < 0)
		return error_set(err, ERROR_KERNEL, errno, "open an rtnetlink socket in %s", ns);
	return keep_inside(rtnl, ns, &file, inside, err);
}

void rtnl_renew(struct rtnl *rtnl, int fd)
{
	if (fd == rtnl->inside) {
		drop_inside(rtnl);
	} else if (fd == rtnl->host) {
		close(rtnl->host);
		rtnl->host = -1;
	}
}

int rtnl_open(struct rtnl **ret, unsigned long *changes, struct error *err)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int r;

	if (!rtnl)
		return error_memory(err);
	rtnl->changes = changes;
	rtnl->host = rtnl->inside = -1;
	r = open_host(rtnl, err);
	if (r < 0) {
		rtnl_close(rtnl);
		return r;
	}
	*ret = rtnl;
	return 0;
}

static void release_held(struct rtnl *rtnl)
{
	while (rtnl->held_count > 0)
		close(rtnl->held[--rtnl->held_count]);
}

struct rtnl *rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return NULL;
	release_held(rtnl);
	drop_inside(rtnl);
	closep(&rtnl->host);
	free(rtnl);
	return NULL;
}

/* --- answers --- */

static bool is_gone(int errnum)
{
	return errnum == ENODEV || errnum == ENOENT || errnum == ESRCH || errnum == EADDRNOTAVAIL;
}

static bool is_tolerated(enum rtnl_tolerate tolerate, int errnum)
{
	switch (tolerate) {
	case RTNL_STRICT:
		return false;
	case RTNL_GONE:
		return is_gone(errnum);
	case RTNL_NO_PORT:
		return is_gone(errnum) || errnum == EOPNOTSUPP;
	case RTNL_THERE:
		return errnum == EEXIST;
	}
	return false;
}

/* Keeps the first failure for whoever asks next. */
static void refuse(struct rtnl *rtnl, int r, const struct error *err)
{
	if (rtnl->refused == 0) {
		rtnl->refused = r;
		rtnl->refusal = *err;
	}
}

static void fail(struct rtnl *rtnl, struct pending *pending, int errnum, const char *extack)
{
	struct error err;

	pending->answered = true;
	pending->refused = true;
	if (pending->step) {
		pending->step->failed = true;
		pending->step->done = false;
	}
	refuse(rtnl, rtnl_error(&err, errnum, pending->what, extack), &err);
}

/* The answer to one queued message. */
static void answered(struct rtnl *rtnl, const struct nlmsghdr *header)
{
	uint32_t number = header->nlmsg_seq - rtnl->first;
	const struct nlmsgerr *answer = nlmsg_data(header);
	struct pending *pending;
	char extack[256];

	if (number >= rtnl->count || nlmsg_datalen(header) < (int)sizeof(*answer))
		return;
	pending = &rtnl->pending[number];
	if (pending->answered)
		return;
	if (answer->error != 0 && !is_tolerated(pending->tolerate, -answer->error)) {
		rtnl_extack(header, extack, sizeof(extack));
		fail(rtnl, pending, -answer->error, extack);
		return;
	}
	pending->answered = true;
	if (!pending->step || pending->step->failed)
		return;
	for (unsigned later = number + 1; later < rtnl->count; later++)
		if (rtnl->pending[later].step == pending->step)
			return;
	pending->step->done = true;
}

/* What these messages asked for may be done or not. */
static void lose_rest(struct rtnl *rtnl, int errnum)
{
	for (unsigned i = 0; i < rtnl->count; i++) {
		struct pending *pending = &rtnl->pending[i];

		if (pending->answered)
			continue;
		fail(rtnl, pending, errnum, "the kernel's answer was lost");
		if (pending->step)
			pending->step->unsure = true;
	}
}

static void receive_answers(struct rtnl *rtnl, int fd)
{
	unsigned open = rtnl->count;
	int flags = 0;

	while (open > 0) {
		ssize_t size = rtnl_read(rtnl, fd, flags);
		struct nlmsghdr *header = (struct nlmsghdr *)rtnl->in;
		int rest = (int)size;

		/* Answers were lost. Those that came stand behind this one; for the others there is
		 * no waiting. */
		if (size == -ENOBUFS && flags == 0) {
			flags = MSG_DONTWAIT;
			continue;
		}
		if (size < 0) {
			lose_rest(rtnl, (int)-size);
			return;
		}
		for (; nlmsg_ok(header, rest); header = nlmsg_next(header, &rest))
			if (header->nlmsg_type == NLMSG_ERROR)
				answered(rtnl, header);
		open = 0;
		for (unsigned i = 0; i < rtnl->count; i++)
			open += !rtnl->pending[i].answered;
	}
}

/* --- the queue --- */

/* Takes back what was done of a step whose last message was refused. */
static void settle_regrets(struct rtnl *rtnl, unsigned count)
{
	struct error ignored; /* the refusal is the answer */

	for (unsigned i = 0; i < count; i++) {
		struct pending *pending = &rtnl->pending[i];

		if (!pending->regret)
			continue;
		if (pending->refused)
			rtnl_get(rtnl, rtnl->queue_ns, pending->regret, NULL, NULL, &ignored);
		else
			nlmsg_free(pending->regret);
		pending->regret = NULL;
	}
}

void rtnl_send(struct rtnl *rtnl)
{
	unsigned count = rtnl->count;
	struct error err;
	int fd, r;

	if (count == 0)
		return;
	r = rtnl_socket(rtnl, rtnl->queue_ns, &fd, &err);
	if (r == 0)
		r = rtnl_write(fd, rtnl->out, rtnl->used);
	if (r == 0) {
		*rtnl->changes += count;
		receive_answers(rtnl, fd);
	}
	for (unsigned i = 0; r < 0 && i < count; i++)
		fail(rtnl, &rtnl->pending[i], -r, "the message could not be sent");
	release_held(rtnl);
	rtnl->count = 0;
	rtnl->used = 0;
	settle_regrets(rtnl, count);
}

int rtnl_flush(struct rtnl *rtnl, struct error *err)
{
	rtnl_send(rtnl);
	return rtnl_cause(rtnl, rtnl->refused, err);
}

int rtnl_cause(struct rtnl *rtnl, int result, struct error *err)
{
	int refused = rtnl->refused;

	if (result >= 0 || refused == 0)
		return result;
	*err = rtnl->refusal;
	rtnl->refused = 0;
	return refused;
}

void rtnl_forget(struct rtnl *rtnl, const char *ns)
{
	if (ns && strcmp(ns, rtnl->ns) != 0)
		return;
	rtnl_send(rtnl);
	drop_inside(rtnl);
}

void rtnl_hold(struct rtnl *rtnl, int fd)
{
	/* There are as many places as messages, and each message speaks of one descriptor at most.
	 */
	rtnl->held[rtnl->held_count++] = fd;
}

void rtnl_together(struct rtnl *rtnl, const char *ns, unsigned count)
{
	if (rtnl->count + count > MESSAGES_MAX ||
	        rtnl->used + count * (size_t)getpagesize() > SEND_SIZE ||
	        (rtnl->count > 0 && strcmp(ns, rtnl->queue_ns) != 0))
		rtnl_send(rtnl);
}

void rtnl_regret(struct rtnl *rtnl, struct nl_msg *msg)
{
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_ACK;
	rtnl->pending[rtnl->count - 1].regret = msg;
}

struct nl_msg *rtnl_message(int type, int flags, const void *header, size_t size)
{
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        nlmsg_alloc_simple(type, flags | NLM_F_REQUEST);

	if (!msg || nlmsg_append(msg, (void *)header, size, NLMSG_ALIGNTO) < 0)
		return NULL;
	return TAKE_PTR(msg);
}

/* Whether this message may give the name known last to another index. */
static bool unsettles_names(struct nlmsghdr *header)
{
	const struct ifinfomsg *link = nlmsg_data(header);

	if (header->nlmsg_type != RTM_NEWLINK && header->nlmsg_type != RTM_SETLINK &&
	        header->nlmsg_type != RTM_DELLINK)
		return false;
	return header->nlmsg_type == RTM_DELLINK || link->ifi_index == 0 ||
	       nlmsg_find_attr(header, sizeof(*link), IFLA_IFNAME) != NULL;
}

int rtnl_queue(struct rtnl *rtnl, const char *ns, struct nl_msg *msg, const char *what,
        enum rtnl_tolerate tolerate, struct step *step, struct error *err)
{
	_cleanup_(rtnl_messagep) struct nl_msg *owned = msg;
	struct nlmsghdr *header = nlmsg_hdr(owned);
	size_t size = NLMSG_ALIGN(header->nlmsg_len);
	struct pending *pending;
	int fd, r;

	if (size > SEND_SIZE)
		return error_set(err, ERROR_KERNEL, EMSGSIZE, "%s", what);
	if (rtnl->count == MESSAGES_MAX || rtnl->used + size > SEND_SIZE ||
	        (rtnl->count > 0 && strcmp(ns, rtnl->queue_ns) != 0))
		rtnl_send(rtnl);
	r = rtnl_socket(rtnl, ns, &fd, err);
	if (r < 0 && is_tolerated(tolerate, ENODEV) && (r == -ENOENT || r == -EINVAL)) {
		if (step)
			step->done = true;
		return 0;
	}
	if (r < 0)
		return error_context(err, "%s", what);
	if (unsettles_names(header))
		rtnl->known_index = 0;
	header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = ++rtnl->sequence;
	header->nlmsg_pid = 0;
	if (rtnl->count == 0) {
		rtnl->first = header->nlmsg_seq;
		snprintf(rtnl->queue_ns, sizeof(rtnl->queue_ns), "%s", ns);
	}
	pending = &rtnl->pending[rtnl->count++];
	*pending = (struct pending){.step = step, .tolerate = tolerate};
	snprintf(pending->what, sizeof(pending->what), "%s", what);
	memset(rtnl->out + rtnl->used, 0, size);
	memcpy(rtnl->out + rtnl->used, header, header->nlmsg_len);
	rtnl->used += size;
	return 0;
}
