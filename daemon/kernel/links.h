/*
 * Interfaces as the kernel lists them, whose they are, and which ends belong together: what every
 * kind that observes or deletes something of an interface starts from.
 */
#pragma once

#include "daemon/kernel/kernel.h"
#include "daemon/kernel/rtnl.h"

#include <errno.h>

#define MARK_PREFIX          "netd:"
#define MARK_INSTANCE_LENGTH 32

/* netd draws the indexes of its links above this; the kernel counts those that it gives out from 1.
 */
#define LINKS_FIRST_INDEX 0x01000000

struct link_seen {
	int index;
	int peer_index; /* IFLA_LINK; 0: none */
	int peer_nsid;  /* where that is, as this namespace counts; -1: here, or unknown */
	int master;     /* 0: none */
	char name[IFNAMSIZ];
	char kind[16];
	uint32_t mtu, group;
	uint8_t mac[MAC_SIZE];
	bool up, loopback;
	bool hairpin, isolated; /* as a bridge's port */
	/* What /proc/sys/net/FAMILY/conf/NAME/ says: 0 or 1, or another number; -1: no such file.
	 */
	int forwarding, route_localnet;
	int disable_ipv6, accept_ra, addr_gen_mode, force_forwarding; /* of IPv6 */
	char *alias;                                                  /* owned; NULL: none */
};

struct links {
	struct link_seen *items; /* by index */
	unsigned count, capacity;
};

int links_read(struct rtnl *rtnl, const char *ns, struct links *ret, struct error *err);
/* Only the one of this name; none where there is none. */
int links_read_one(struct rtnl *rtnl, const char *ns, const char *ifname, struct links *ret,
        struct error *err);
/* Those of the host that this one is the master of. */
int links_read_ports(struct rtnl *rtnl, int master, struct links *ret, struct error *err);
void links_done(struct links *links);
/* NULL where there is none. */
const struct link_seen *links_find(const struct links *links, int index);

/* Whether an alias is netd's mark, of this instance; NULL: of any. */
bool mark_matches(const char *alias, const char *instance);
/* Whether it is one that netd made, and someone took its mark away (kernel_config.knows). */
bool link_lost_mark(const struct kernel *kernel, const struct link_seen *link);
/* Whether the host's link is of this instance, NULL: of any; with its mark, or without. */
bool link_is_ours(const struct kernel *kernel, const struct link_seen *link, const char *instance);

/*
 * The index of the link of netd's that has this name in the host; 0: there is none, -EEXIST: it is
 * somebody else's; another negative errno: it could not be asked.
 */
int link_index(struct kernel *kernel, const char *name);
/* The sentence for an index that is none; `what` begins it. */
int link_missing(const char *what, const char *name, int index, struct error *err);
/* Adds to the sentence of a creation that failed with `r` who has the name, or the room. */
void link_explain(struct kernel *kernel, const struct resource *link, int r, struct error *err);

/* A veth pair of netd: its outer end in the host, and where the inner one is. */
struct pair {
	const struct link_seen *outer; /* of `host`, below */
	unsigned ns; /* number in the list of namespaces; its length: in none of them */
};

/* Everything of netd's that a scope takes in. */
struct survey {
	struct links host;
	struct pair *pairs; /* by ns */
	unsigned pair_count;
	const struct kernel *kernel;
	const char *instance; /* NULL: any */
};

/* Reads the host's side. Of a pair it is then known by which number the host knows the other end's
 * namespace, but not which that is. */
int survey_read(
        struct kernel *kernel, enum kernel_scope scope, struct survey *ret, struct error *err);
/* Says which namespaces these are: `nsids` are the host's numbers for them, -1 where it has none.
 */
int survey_place(struct survey *survey, const char *const *namespaces, const int *nsids,
        size_t count, struct error *err);
/* The host's number for a namespace, by an open descriptor; -1: it has none, and so no link into
 * it. */
int survey_nsid(struct rtnl *rtnl, int fd, int *ret, struct error *err);
/* Gives it one, where it has none. */
int survey_give_nsid(struct rtnl *rtnl, int fd, int *ret, struct error *err);
void survey_done(struct survey *survey);
/* Whether a link of the host is netd's, and of this scope. */
bool survey_owns(const struct survey *survey, const struct link_seen *link);
bool survey_owns_bridge(const struct survey *survey, const struct link_seen *link);
/* The pairs whose inner end is in this namespace. */
const struct pair *survey_pairs(const struct survey *survey, unsigned ns, unsigned *count);
