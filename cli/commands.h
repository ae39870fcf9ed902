/* The table of all commands, and netd-ctl as a function. */
#pragma once

#include "cli/grammar.h"

extern const struct grammar commands;

/* The settings of each object, as options of what makes it; each ends with 0. */
extern const enum option_id network_options[];
extern const enum option_id namespace_options[];
extern const enum option_id endpoint_options[];
extern const enum option_id publication_options[];

/* What main() does: one command line in, its exit status out. */
int cli_main(int argc, char **argv);
