/*
 * What the kernel announces, as plain values: of the host's interfaces, of those in namespaces that
 * the host has a link into, and of nf_tables. An event only says that it is worth to look; it is
 * never what a decision rests on.
 */
#pragma once

#include "daemon/kernel/kernel.h"

#include <net/if.h>

struct monitor;

/* Each is a socket of its own, so that a flood in one does not drown what the others say. */
enum monitor_source {
	MONITOR_HOST,
	MONITOR_INSIDE, /* namespaces that have a number in the host */
	MONITOR_RULES,
	MONITOR_SOURCES,
};

enum event_kind {
	EVENT_LINK,
	EVENT_PORT, /* of a bridge: what it has beyond the defaults */
	EVENT_ADDRESS,
	EVENT_ROUTE,   /* of the main table, or of netd's own */
	EVENT_NEXTHOP, /* one went, and the routes that lead through it */
	EVENT_RULE, /* a routing rule of netd's went: `cidr` is the source, `table` where it led */
	EVENT_FORWARDING, /* of the family of `cidr`; index 0: of the whole host */
	EVENT_RULES,      /* someone else committed a change to one of netd's tables */
};

struct happening {
	enum event_kind kind;
	int nsid;  /* the number of the namespace it happened in; -1: the host */
	bool gone; /* link, address, route: it was removed. Forwarding: it was switched off, or it
	              is not said whether */
	int index; /* of the interface; 0: none */
	/* link */
	char name[IFNAMSIZ];
	const char *alias; /* "" where there is none; borrowed for the call */
	bool up, loopback;
	int master;    /* 0: none */
	int peer_nsid; /* of a veth pair whose other end is elsewhere; -1: none */
	uint32_t mtu, group;
	uint8_t mac[MAC_SIZE];
	char pair[IFNAMSIZ]; /* what its mark says it is listed by, of a pair without an outer
	                        end; "" */
	/* port: also `name` and `master` */
	bool hairpin, isolated;
	/* address; a route's destination */
	struct cidr cidr;
	struct ip gateway;
	uint32_t table; /* of netd's; 0: the main one */
	/* rules: who did it. 0 and "" where the kernel does not say */
	unsigned pid;
	char program[16];
};

/* Listens from now on. Where the kernel does not let netd hear other namespaces (no
 * CAP_NET_BROADCAST), it hears the host only, and says so in the log. */
int monitor_open(struct monitor **ret, struct kernel *kernel, struct error *err);
struct monitor *monitor_close(struct monitor *monitor);
/* To wait for; -1: this one does not listen. */
int monitor_fd(const struct monitor *monitor, enum monitor_source source);

/* Lets a namespace be heard into which no pair leads from the host: gives it a number there, if it
 * has none. *ret is the number; -1: the namespace is gone. */
int monitor_hear(struct monitor *monitor, const char *ns, int *ret, struct error *err);

typedef void monitor_each(const struct happening *happening, void *arg);
/* Reads what waits, up to about `most` messages. Returns how many there were, or -ENOBUFS: some
 * were lost, and everything is to be looked at. */
int monitor_read(struct monitor *monitor, enum monitor_source source, unsigned most,
        monitor_each *each, void *arg);
/* Tells of every interface of the host as if it had just changed. */
int monitor_prime(struct monitor *monitor, monitor_each *each, void *arg, struct error *err);
