/* Everything netd-ctl says: lines and JSON on standard output, errors and warnings on standard
 * error. */
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_NO_DAEMON = 4,
	EXIT_EXISTS = 5,
};

/* Gives every standard stream a descriptor and ignores SIGPIPE. To be called first. */
void output_start(void);
/* The caller's own SIGPIPE again, for a program that replaces this one. */
void output_restore_signals(void);

/* One line, without its newline in the format. What is not printable ASCII becomes '?': interface
 * names and the like come from namespaces, and a terminal obeys what it is sent. */
void output_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void output_json(const json_t *value);
/* The same in one line. */
void output_json_line(const json_t *value);
/* Writes out what is buffered. False: some of the output was lost, which the end reports. */
bool output_flush(void);
/* The terminal's columns; 0 where standard output is none and lines may be of any length. */
size_t output_width(void);
/* Out of memory while something was made for output: the end reports it. */
void output_memory(void);

void output_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the sentence; returns the exit status that belongs to its code. */
int output_error(const struct error *err);

/* Writes what is buffered. Returns `status`, or EXIT_FAILED where some of the output was lost. */
int output_finish(int status);

/* The first failure of several stays the status of the command. */
static inline int first_status(int status, int next)
{
	return status ? status : next;
}
