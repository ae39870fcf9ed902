/*
 * What the rules must know of the host before they decide: plain values that the engine gathers
 * from the kernel. Rules stay pure that way, and are tested with made-up hosts.
 */
#pragma once

#include "daemon/model/model.h"

/* A process of the host, or of a namespace, that has a port. */
struct listener {
	uint8_t protocol;
	struct ip ip; /* the address it is bound to; :: takes IPv4 too unless v6only */
	uint16_t port;
	bool v6only;
	uint32_t inode; /* of its socket, for whoever may read /proc/PID/fd */
	char unit[128]; /* its systemd unit or cgroup path; "" where unknown */
};

/* A prefix that is in use on the host, by an address or a route. */
struct used_prefix {
	struct cidr cidr;
	char ifname[IFNAMSIZ];
	bool route; /* else an address */
};

/* An interface of the host that is to be moved. */
struct moving {
	char name[IFNAMSIZ]; /* "": there is none */
	bool loopback, ours;
	char master[IFNAMSIZ];
	bool default_route;
	bool has_caller;  /* the address that the caller came to */
	char *belongings; /* what it has, as kernel/belongings.h writes it; owned */
	int new_index;    /* for its life in the namespace */
	bool name_taken;  /* what it is to be called is another one's there */
};

#define BRIDGE_IPS_MAX 16
#define BRIDGE_DRAWS   4 /* names that are looked at for one bridge */

struct facts {
	char boot_id[BOOT_ID_SIZE];
	uint32_t default_mtu; /* what the way to the Internet takes; 0: there is none */
	bool no_ip6;          /* this kernel has no IPv6 */

	struct used_prefix *used; /* for network create; netd's own bridges included */
	unsigned used_count;
	const struct pool *pools; /* those that are configured; borrowed */
	unsigned pool_count;
	char (*links)[IFNAMSIZ]; /* interfaces of the host with a name that a new bridge may get */
	unsigned link_count;

	/* of the bridge that the request's network is to use, or uses */
	struct interface bridge;              /* "": there is none, or it is no bridge */
	bool bridge_exists;                   /* something of that name does */
	bool bridge_ours;                     /* and it is netd's */
	struct ip bridge_ips[BRIDGE_IPS_MAX]; /* the host's own on it */
	unsigned bridge_ip_count;
	unsigned bridge_ports; /* those that are none of netd's */

	/* of the namespace a request names */
	bool ns_exists;  /* there is a namespace of that name in /run/netns */
	bool ns_is_host; /* and it is the host's own */
	bool ns_stale;   /* there is a file of that name, but no namespace behind it */
	bool ns_symlink;
	uint64_t ns_cookie;
	bool ns_default_route;      /* it has an IPv4 default route already */
	bool ns_default_route6;     /* likewise of IPv6 */
	unsigned ns_processes;      /* whose network namespace it is */
	char ns_inside[256];        /* which: "1234 (sleep), 99 (sh)" */
	uint64_t ns_inode;          /* of its file */
	int ns_nsid;                /* its number in the host; -1: none */
	char (*ns_links)[IFNAMSIZ]; /* names of the interfaces inside */
	unsigned ns_link_count;

	struct facts *peer; /* for ns link: of the other namespace; owned */

	char (*idle)[NAME_SIZE]; /* for ns prune: those without a process, as far as they could go
	                          */
	unsigned idle_count;

	struct moving moving;

	uint64_t source_cookie; /* of the namespace to attach, by what it is found by */

	/* of the ports a request names */
	struct listener *listeners; /* on the host, of these protocols and ports */
	unsigned listener_count;
	struct ip publish_address; /* where no address is said; family 0: every */
	/* For each that leaves the host's port open: the one that nothing on the host has, and the
	 * model neither; 0: there is none. */
	uint16_t chosen[SPECS_MAX];
};

void facts_done(struct facts *facts);
