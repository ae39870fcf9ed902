/* A bench that cannot go on has nothing to tell: it says why, and ends. */
#pragma once

void fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
