/* What the two files of RESOURCE_NETNS share. */
#pragma once

#include "daemon/kernel/observation.h"

/* An empty file where a namespace should be. */
bool netns_is_stale(const char *name);
/* As a kind does. (netns_observe.c) */
int netns_observe(struct observation *observation, struct resources *ret, struct error *err);
