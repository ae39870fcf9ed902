/* What rtnl.c (sockets and the queue) and rtnl_ask.c (questions and what the kernel's answers mean)
 * share. */
#pragma once

#include "daemon/kernel/rtnl.h"

#include <sys/stat.h>

#define MESSAGES_MAX 64
#define SEND_SIZE    32768
#define RECEIVE_SIZE 65536

struct pending {
	struct step *step;
	enum rtnl_tolerate tolerate;
	bool answered, refused;
	struct nl_msg *regret; /* owned */
	char what[160];
};

struct rtnl {
	unsigned long *changes;
	int host;            /* -1: to be opened anew */
	int inside;          /* -1: none */
	char ns[NAME_SIZE];  /* where `inside` is */
	struct stat ns_file; /* and which namespace that was: the socket keeps its inode from being
	                        used again */
	uint32_t sequence;   /* the last one given */

	char queue_ns[NAME_SIZE];
	struct pending pending[MESSAGES_MAX];
	unsigned count;
	uint32_t first; /* sequence of pending[0] */
	size_t used;    /* bytes of `out` */
	int held[MESSAGES_MAX];
	unsigned held_count;
	int refused; /* a flush of our own accord found this failure */
	struct error refusal;

	char known_ns[NAME_SIZE]; /* the index asked for last; 0: none */
	char known_name[IFNAMSIZ];
	int known_index;

	uint8_t out[SEND_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint8_t in[RECEIVE_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The socket for `ns`, borrowed. */
int rtnl_socket(struct rtnl *rtnl, const char *ns, int *ret, struct error *err);
/* This socket has a dump that was not read to its end, which is in the way of the next one. */
void rtnl_renew(struct rtnl *rtnl, int fd);
/* Sends what is queued; a refusal is kept. */
void rtnl_send(struct rtnl *rtnl);

/* A request to the kernel. A negative errno on failure. */
int rtnl_write(int fd, const void *bytes, size_t size);
/* One datagram of the kernel into `in`: its length, or a negative errno. */
ssize_t rtnl_read(struct rtnl *rtnl, int fd, int flags);
/* The sentence for a refusal. */
int rtnl_error(struct error *err, int errnum, const char *what, const char *extack);
/* The extack text of an error message, or "". */
void rtnl_extack(const struct nlmsghdr *header, char *text, size_t size);
