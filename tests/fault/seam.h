/*
 * The control file of netd-faulty, shared with the test by mmap (control.py has the same layout).
 * All fields are plain numbers of 32 bits; what is zero does nothing.
 */
#pragma once

#include <stdint.h>

#define SEAM_VARIABLE "NETD_FAULT_CONTROL"
#define SEAM_CALLS    16384 /* that are remembered */
#define SEAM_NAME     24

/* Bits, for `counted` and `lasting`. */
enum seam_group {
	KERNEL = 1,
	STORE = 2,
	MEMORY = 4,
};

enum seam_action {
	ACTION_NONE,
	ACTION_FAIL,        /* the call is not made, and says that it failed */
	ACTION_KILL_BEFORE, /* SIGKILL instead of the call */
	ACTION_KILL_AFTER,  /* SIGKILL when the call has been made */
	ACTION_REFUSE, /* a send: the kernel refuses the message of this number, counted from 1; 0:
	                  an nf_tables batch as a whole, when all of its messages were good */
	ACTION_LOSE,   /* a receive: what came is dropped, and ENOBUFS says so */
	ACTION_SHORT,  /* a write of less than was asked for */
};

/* One call that was counted. */
struct seam_call {
	char name[SEAM_NAME];
	uint32_t group;
	uint32_t protocol; /* of a netlink socket, plus one */
	uint32_t messages; /* in a send */
	uint32_t site; /* where it was called, from the start of the program: for addr2line; 0: in
	                  a library */
};

struct seam_control {
	uint32_t counted;     /* groups whose calls are counted; 0: none, and nothing fails */
	uint32_t count;       /* calls so far */
	char name[SEAM_NAME]; /* of the call that something happens to, */
	uint32_t site;        /* where it is called, */
	uint32_t at;          /* and how often it was by then, from 1; 0: nothing happens */
	uint32_t met;         /* how often it was called there so far */
	uint32_t action;
	uint32_t errnum;
	uint32_t message; /* for ACTION_REFUSE */
	uint32_t lasting; /* groups whose later calls all fail with errnum, until it is cleared */
	uint32_t hits;    /* how often something happened */
	uint32_t hurry;   /* timers of 100 ms and more run that many times faster; 0: as they are */
	uint32_t seen;    /* every call of any group, always */
	struct seam_call calls[SEAM_CALLS];
};
