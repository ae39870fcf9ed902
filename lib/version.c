/* One constant, which a test replaces to have two versions of netd meet. */
#include "lib/version.h"

#ifndef NETD_VERSION
#error "NETD_VERSION comes from the build"
#endif

const char netd_version[] = NETD_VERSION;
