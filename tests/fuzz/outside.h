/*
 * The world outside of netd, played by bytes: what the kernel answers on a netlink socket, what
 * stands in a file of /proc. The calls at the seam are replaced when the target is linked
 * (WRAPPED in meson.build), so that whole questions run, from the public function down to the last
 * attribute, and nothing of this machine is asked or changed.
 *
 * Answers are a row of records: a key and a length, both 16 bits in this machine's order, and that
 * many bytes. The key is the type of the message that was asked with, or one of the below. A
 * question gets the records of its key in their order, whatever stands between them; after the last
 * one, the end of a dump or an ack that makes it whole. Sequence numbers in them count from the
 * question's first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys that are no netlink type. */
enum outside_key {
	OUTSIDE_ERRNO =
	        0xff00, /* plus the low byte of a type: that question fails with this errno */
	OUTSIDE_OPTION = 0xfe00, /* plus an option's number: what getsockopt(IPPROTO_IP) gives */
	OUTSIDE_EVENT = 0xfc00,  /* a datagram that nobody asked for */
	OUTSIDE_FILE = 0xfd00,   /* plus the number of a file in outside_files[] */
};

/* Files that records can fill; ends with NULL. */
extern const char *const outside_files[];

/* From here on the outside is these bytes, until outside_end(). Borrowed. */
void outside_begin(const uint8_t *answers, size_t size);
/* In addition, this file has this content. Borrowed. There are OUTSIDE_FILES_MAX of them. */
void outside_put_file(const char *path, const uint8_t *bytes, size_t size);
#define OUTSIDE_FILES_MAX 8
void outside_end(void);
/* From now on there are announcements only, from the namespace of this number; -1: the host. */
void outside_announce(int nsid);

/*
 * For seeds: the real outside is asked, and what it says is written to this file as records, behind
 * the byte `first`. Where it says the name of `instance`, the record has OUTSIDE_INSTANCE.
 * outside_end() ends it.
 */
bool outside_record(const char *path, const char *instance, char first);
#define OUTSIDE_INSTANCE "0123456789abcdef0123456789abcdef"
/* Whose marks are netd's own: OUTSIDE_INSTANCE, but the real one while it records. */
const char *outside_instance(void);
