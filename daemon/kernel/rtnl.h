/*
 * rtnetlink, pipelined: requests are queued per namespace, sent in one go, and their acks are
 * matched by sequence number to the steps they belong to. Error texts carry the kernel's reason and
 * its extack.
 *
 * A socket inside a namespace keeps that namespace alive: whoever is done with a round of work
 * calls rtnl_forget().
 */
#pragma once

#include "daemon/plan/plan.h"

#include <netlink/msg.h>

struct rtnl;

/* Every message that creates, changes or deletes is counted in *changes, which outlives the
 * pipeline. */
int rtnl_open(struct rtnl **ret, unsigned long *changes, struct error *err);
struct rtnl *rtnl_close(struct rtnl *rtnl);

/* Which answers are no failure. */
enum rtnl_tolerate {
	RTNL_STRICT,
	RTNL_GONE, /* deleting: ENODEV, ENOENT, ESRCH, EADDRNOTAVAIL, and a namespace that is gone
	            */
	RTNL_NO_PORT, /* the same, and EOPNOTSUPP of a link that is no bridge's port any more */
	RTNL_THERE,   /* making: EEXIST */
};

/* A message with its fixed header; NULL: out of memory. The caller's until rtnl_queue(), rtnl_get()
 * or rtnl_dump() takes it. */
struct nl_msg *rtnl_message(int type, int flags, const void *header, size_t size);
static inline void rtnl_messagep(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

/* The number in an attribute; `otherwise` where it is absent or too short. */
uint32_t rtnl_number(const struct nlattr *attribute, uint32_t otherwise);
/* The address in an attribute. False: it is absent or of another size, and *ret is untouched. */
bool rtnl_ip(const struct nlattr *attribute, uint8_t family, struct ip *ret);

/*
 * Queues a message for `ns` ("": the host); takes it over, also on failure. `what` ("add veth
 * nv7f3a01") starts the sentence of its error. Messages for another namespace, and a full queue,
 * flush what is queued first; a refusal found that way is kept for the next rtnl_flush() or
 * rtnl_cause(). The step is done when its last message was acknowledged, failed when one of them
 * was refused; step may be NULL.
 */
int rtnl_queue(struct rtnl *rtnl, const char *ns, struct nl_msg *msg, const char *what,
        enum rtnl_tolerate tolerate, struct step *step, struct error *err);
/* Makes room, so that the next `count` messages for `ns` (of at most a page each) travel in one
 * send: the kernel handles them in one call, which no signal ends between them. */
void rtnl_together(struct rtnl *rtnl, const char *ns, unsigned count);
/* What takes back the messages of this step, should the one queued last be refused; takes it over.
 * Its own answer counts for nothing. */
void rtnl_regret(struct rtnl *rtnl, struct nl_msg *msg);
/* Keeps a descriptor that the message queued last speaks of until that was sent; then closes it. */
void rtnl_hold(struct rtnl *rtnl, int fd);
/* Sends what is queued and waits for every answer. Returns the first failure. */
int rtnl_flush(struct rtnl *rtnl, struct error *err);
/* Where `result` is a failure and a refusal is kept from before, that refusal is its cause: it
 * becomes *err and is returned. */
int rtnl_cause(struct rtnl *rtnl, int result, struct error *err);

/* Sends one dump request in `ns` and calls back for each message, when all have come: the callback
 * may ask further questions. Takes the message over. Flushes first. A callback's negative return
 * ends it. */
int rtnl_dump(struct rtnl *rtnl, const char *ns, struct nl_msg *msg,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err);
/* The same for a question with one answer. */
int rtnl_get(struct rtnl *rtnl, const char *ns, struct nl_msg *msg,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err);

/* Opens the pipeline's socket in `ns`, in which the calling thread is: what is asked in there next
 * goes through it. Flushes first. `fd` is the namespace, borrowed. */
int rtnl_enter(struct rtnl *rtnl, const char *ns, int fd, struct error *err);

/* The index of an interface, 0 where there is none; a negative errno where that could not be asked.
 * Flushes first, unless it is known from the question before. */
int rtnl_ifindex(struct rtnl *rtnl, const char *ns, const char *ifname);

/* Closes the socket inside `ns` (NULL: wherever it is), so that it does not keep a deleted
 * namespace alive. Flushes first. */
void rtnl_forget(struct rtnl *rtnl, const char *ns);
