/* Words of told commands, safe for a shell. */
#pragma once

#include <stdio.h>

/* The text as one word of sh: bare where that means the same, else in single quotes. */
void tell_word(FILE *out, const char *text);
/* `printf` with the text as its format, on one line whatever is in it. */
void tell_printf(FILE *out, const char *text);
