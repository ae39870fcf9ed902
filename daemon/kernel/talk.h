/* One request on a raw netlink socket, and its answers: for the questions that neither libnl nor an
 * nf_tables batch fits. */
#pragma once

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <stdbool.h>

#define TALK_SIZE 1024 /* of a request */

/* Starts a request in `buffer`: a header with a sequence number of its own. It asks for an ack
 * unless it is a dump. */
struct nlmsghdr *talk_start(void *buffer, uint16_t type, uint16_t flags);
/* The positive errno in an error message or at the end of a dump; EPROTO for what can be none. */
static inline int talk_errno(int error)
{
	return error > 0 || error < -4095 ? EPROTO : -error;
}
/* Whether every message of a datagram lies within it. libmnl takes a length beyond 2 GiB for a
 * negative one, and reads on far behind the end. */
bool talk_is_whole(const void *bytes, size_t size);
/*
 * Sends it and reads to the ack or the end of the dump, calling `each` (NULL: no answer is
 * expected) for every message in between. Returns 0 or a negative errno: the kernel's answer, or
 * what `each` left in errno when it returned MNL_CB_ERROR. After a failure in the middle of a dump
 * the socket must be closed.
 */
int talk(int fd, const struct nlmsghdr *request, mnl_cb_t each, void *arg);
