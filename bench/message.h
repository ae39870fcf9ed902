/* Netlink messages by hand, many in one send: what the floor is made of. */
#pragma once

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#define MESSAGES_SIZE 65536

struct messages {
	_Alignas(struct nlmsghdr) char bytes[MESSAGES_SIZE];
	size_t size;
	uint32_t sequence; /* of the last message */
	unsigned acks;     /* how many are asked for */
};

/* Appends a header with `extra` bytes behind it; attributes are put on it with mnl_attr_put(). */
struct nlmsghdr *messages_add(
        struct messages *messages, uint16_t type, uint16_t flags, const void *extra, size_t size);
/* The message is complete. */
void messages_end(struct messages *messages, const struct nlmsghdr *header);
/* Sends all of them and waits for the acks. `what` is for the sentence if one is refused. */
void messages_send(struct messages *messages, int fd, const char *what);
/* One question with one answer, which is dropped. */
void messages_ask(struct messages *messages, int fd, const char *what);
/* A dump that is read to its end, and what it says is dropped. */
void messages_dump(struct messages *messages, int fd, const char *what);
/* A netlink socket of this protocol, in the calling thread's network namespace. */
int messages_socket(int protocol);
