/* The daemon under test, in the private host that this process is in. */
#pragma once

#include <sys/types.h>

struct netd {
	pid_t pid;
	char directory[64]; /* its state, on a real disk; the log is in there */
	char socket[64];
	char ctl[4096]; /* path of netd-ctl */
	char program[4096];
};

/* Starts the netd of this build directory with its state in a new directory below `parent`, and
 * waits until it is ready. */
void netd_start(struct netd *netd, const char *build, const char *parent);
void netd_stop(struct netd *netd);
/* Stops it, starts it again, and returns the milliseconds from its birth until it was ready. */
double netd_restart(struct netd *netd);
/* How many changing messages its last start has sent, as it says itself. */
unsigned long netd_start_changes(const struct netd *netd);
/* Proportional set size, in MB of 1024 kB. */
double netd_pss(const struct netd *netd);
/* Runs a program with its output thrown away, and waits for it. */
void run_program(char *const *argv);
