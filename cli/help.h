/* Usage lines and help, all read from the grammar's table. */
#pragma once

#include "cli/grammar.h"

#include <stdio.h>

/* "usage: netd-ctl ..." of the call's command; of all commands of its noun where it names no
 * command; a pointer to `netd-ctl help` where it names nothing. */
void help_usage(FILE *out, const struct call *call);

/* Help on the commands that begin with these words, on all for none. -ENOENT where there are none.
 */
int help_print(FILE *out, const struct grammar *grammar, const char *const *words, size_t n_words);
