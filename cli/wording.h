/* Errors of the daemon in the words of the command line. */
#pragma once

#include "cli/grammar.h"

/* Where the sentence calls the error's field by its name in the API, it is called by the option or
 * key that it is for whoever typed this command. */
void wording_translate(const struct call *call, struct error *err);
