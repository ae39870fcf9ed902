/* The rights the daemon needs, and nothing beyond them. */
#pragma once

#include "lib/error.h"

/* Whether what netd will do is allowed here. Names the first right that is missing, and what gives
 * it. */
int rights_check(struct error *err);
/* Gives up every capability that netd does not use. */
int rights_drop(struct error *err);
