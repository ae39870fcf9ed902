/* Messages about an interface that is moved (moved.c). Each goes through a socket of the namespace
 * that the interface is in, and returns 0 or the kernel's negative errno. */
#pragma once

#include <stdbool.h>

struct move {
	int index;        /* where it is now */
	int netns;        /* where it goes */
	const char *name; /* what it is called there */
	int new_index;    /* 0: as it comes */
};

int moving_send(int rtnetlink, const struct move *move);
/* Sets it up, where `up`, and takes it out of its bridge, where `release`. */
int moving_flags(int rtnetlink, int index, bool up, bool release);
