/* The table of all commands, and netd-ctl as a function. */
#pragma once

#include "cli/grammar.h"

extern const struct grammar commands;

/* What main() does: one command line in, its exit status out. */
int cli_main(int argc, char **argv);
