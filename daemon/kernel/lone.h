/* Pairs of netd's that have no outer end, since both are in namespaces: which ends they are. */
#pragma once

#include "daemon/kernel/links.h"

/* What the mark of such an end says. */
struct lone_mark {
	char name[IFNAMSIZ];   /* what resources list the pair by */
	char ns[2][NAME_SIZE]; /* where its ends belong */
};

/* False: it is no such mark of this instance (NULL: of any). */
bool lone_mark_read(const char *alias, const char *instance, struct lone_mark *ret);

struct lone_end {
	unsigned ns; /* where it is: number in the list of namespaces */
	const struct link_seen *link;
	struct lone_mark mark;
	bool whole;                   /* it is where it belongs, and so is the other end: */
	const struct link_seen *peer; /* that one; NULL where it is not whole */
};

struct lone_ends {
	struct lone_end *items; /* by ns */
	unsigned count, capacity;
};

/* Those in these namespaces, whose interfaces are `links`; both are borrowed. */
int lone_ends_find(const char *const *namespaces, const struct links *const *links, size_t count,
        const char *instance, struct lone_ends *ret, struct error *err);
void lone_ends_done(struct lone_ends *ends);
/* Which end of its pair it is: 0 or 1; 2: it is where none belongs. */
unsigned lone_end_side(const struct lone_end *end, const char *const *namespaces);
/* Those in one namespace; NULL: there are none. */
const struct lone_end *lone_ends_in(const struct lone_ends *ends, unsigned ns, unsigned *count);
/* The one of the pair with this name in `ns`; none where there is none, or no such namespace. */
int lone_end_index(
        struct rtnl *rtnl, const char *ns, const char *name, int *ret, struct error *err);
