/* The way of one interface between the host and a namespace. */
#pragma once

#include "daemon/kernel/kernel.h"

struct passage {
	const struct resource *moved;
	int host, inside;             /* rtnetlink sockets */
	int host_netns, inside_netns; /* what the kernel is told to move it to */
};

#define PASSAGE_NONE                                                                               \
	((struct passage){.host = -1, .inside = -1, .host_netns = -1, .inside_netns = -1})

/* `netns` is the namespace; it is closed with the rest, also after a failure. */
int passage_open(const struct resource *moved, int netns, struct passage *ret, struct error *err);
void passage_done(struct passage *passage);

/* Whether it is in the namespace `netns`. */
int passage_is_inside(const struct resource *moved, int netns, bool *ret, struct error *err);
/* The one with this index on the host goes in, and is up there if it was. After a failure it may be
 * on either side: passage_home() knows. */
int passage_go(const struct passage *passage, int index, struct error *err);
/* Brings it back from wherever it was left, with what it had. 1: it is on the host; 0: it never
 * left, or is on neither side. After an error it is to be called again. */
int passage_home(const struct passage *passage, struct error *err);
