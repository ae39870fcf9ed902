/* What the files of kernel/ share: the open kernel, the row each kind has, and the netlink
 * pipeline. */
#pragma once

#include "daemon/kernel/kernel.h"

#include <netlink/netlink.h>

struct nft;         /* kernel/nft/nft.c: the nfnetlink socket and the batch being built */
struct observation; /* kernel/observation.h */

struct kernel {
	char instance[33];
	char *runtime_dir;
	bool (*knows)(const char *link, void *arg); /* kernel.h; NULL: nothing */
	void *arg;                                  /* of knows() */
	unsigned long changes;
	uint64_t netns_mount;       /* kernel/netns_dir.c: the mount on /run/netns; 0: not known */
	uint64_t netns_lock_waited; /* when its lock was waited for in vain last; of clock_ms() */
	struct rtnl *rtnl;          /* rtnetlink of the host, and of the namespace worked in last */
	struct nft *nft;
	struct holds *holds;              /* kernel/hold.c: bound sockets */
	struct unsolicited *unsolicited;  /* kernel/unsolicited.c: a socket for frames */
	struct flows *flows;              /* kernel/flows.c: sockets for conntrack */
	struct firewall_memory *firewall; /* kernel/look/firewall.c; NULL: nothing known yet */
};

/* The verbs of a kind. `step` is where the result goes: a kind that queues marks it done when the
 * answer comes. */
struct kind {
	const char *name;
	/* Any of create, change, delete, by which sides the step has. Deleting what is gone is
	 * success. */
	int (*apply)(struct kernel *kernel, struct step *step, struct error *err);
	/* Appends what is there. NULL: nothing of this kind can be observed. */
	int (*observe)(struct observation *observation, struct resources *ret, struct error *err);
	void (*tell)(const struct step *step, FILE *out);
	/* It queues in the rtnetlink pipeline (or the nf_tables batch): do not flush that before
	 * its apply. */
	enum { PIPE_NONE, PIPE_RTNL, PIPE_NFT } pipe;
};

extern const struct kind kind_skeleton;  /* nft/skeleton.c */
extern const struct kind kind_element;   /* nft/element.c */
extern const struct kind kind_netns_dir; /* netns_dir.c */
extern const struct kind kind_netns;     /* netns.c */
extern const struct kind kind_link;      /* link.c */
extern const struct kind kind_end;       /* end.c */
extern const struct kind kind_port;      /* port.c */
extern const struct kind kind_sysctl;    /* sysctl.c */
extern const struct kind kind_address;   /* address.c */
extern const struct kind kind_route;     /* route.c */
extern const struct kind kind_rule;      /* rule.c */
extern const struct kind kind_file;      /* file.c */
extern const struct kind kind_hold;      /* hold.c */
extern const struct kind kind_flows;     /* flows.c */
extern const struct kind kind_moved;     /* moved.c */
