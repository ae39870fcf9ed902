/*
 * Held ports: bound sockets that keep every program of the host off what is published. They are
 * process state, and survive a restart in systemd's descriptor store, so that no one can slip in
 * between.
 */
#pragma once

#include "daemon/kernel/kernel.h"

struct holds;

int holds_open(struct holds **ret, struct error *err);
/* Closes every socket. NULL is allowed; returns NULL. */
struct holds *holds_close(struct holds *holds);

/* Takes over a descriptor from the descriptor store, and closes it where it is not what a held
 * socket looks like: -EINVAL, with a sentence. One that is held already is closed, too: success. */
int holds_adopt(struct kernel *kernel, int fd, struct error *err);

/* Whether nobody has the port; also true where that cannot be told: to hold it will say why. */
bool holds_free(uint8_t protocol, const struct ip *ip, uint16_t port);

/* Whether this is one of netd's own held sockets. */
bool holds_inode(const struct kernel *kernel, uint8_t protocol, const struct ip *ip, uint16_t port,
        uint32_t inode);
