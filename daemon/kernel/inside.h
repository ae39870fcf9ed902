/*
 * Doing something inside network namespaces: the only file that calls setns(). A helper thread
 * enters, does it and ends, so no thread of the daemon is ever in the wrong namespace. A socket
 * made inside stays there for its life.
 */
#pragma once

#include "lib/error.h"
#include "lib/parse.h"

#include <stdint.h>

#define NETNS_DIR "/run/netns"

/* Opens /run/netns/NAME and checks that a network namespace is behind it: -ENOENT no file, -EINVAL
 * no namespace (a stale file), each with a sentence. "" is the caller's own. *ret is the caller's
 * to close. */
int netns_open(const char *ns, int *ret, struct error *err);

/* Opens what an O_PATH descriptor stands for, once the kernel has said that it is a network
 * namespace; else -EINVAL and ERROR_KERNEL. Errors call it `what`, and name `path`. */
int netns_reopen(int path_fd, const char *what, const char *path, int *ret, struct error *err);

/* Runs `work` in a thread that has entered `ns` ("": straight away, in this one). What it returns
 * is returned. */
int netns_inside(
        const char *ns, int (*work)(void *arg, struct error *err), void *arg, struct error *err);

/* The same, in the one that `fd` is; `ns` is what an error calls it. */
int netns_inside_fd(int fd, const char *ns, int (*work)(void *arg, struct error *err), void *arg,
        struct error *err);

/* The same, in a namespace that is made for it, and ends with it unless `work` gives it a place to
 * stay. */
int netns_inside_new(int (*work)(void *arg, struct error *err), void *arg, struct error *err);

/*
 * Visits many, one after the other, in one helper thread: `work` gets the number of the namespace
 * in the list and a descriptor of it, borrowed. What is not there, or is no namespace, is passed
 * over. A failure ends the tour and is returned.
 */
int netns_tour(const char *const *namespaces, size_t count,
        int (*work)(unsigned number, int fd, void *arg, struct error *err), void *arg,
        struct error *err);

/* socket(2), inside `ns`. */
int netns_socket(const char *ns, int domain, int type, int protocol, int *ret, struct error *err);

/* The cookie (SO_NETNS_COOKIE) of a namespace: its identity until the next boot. */
int netns_cookie(const char *ns, uint64_t *ret, struct error *err);
