/* The directory of named namespaces. */
#pragma once

#include "daemon/kernel/internal.h"

/* Makes it a shared mount, where it is none. */
int netns_dir_make(struct kernel *kernel, struct error *err);
