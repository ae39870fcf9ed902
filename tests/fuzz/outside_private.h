/* What outside.c (records, and how they answer) and outside_seam.c (the calls that are answered)
 * share. */
#pragma once

#include "tests/fuzz/outside.h"

#include <stdio.h>
#include <sys/types.h>

#define SEND_MAX 4096

struct outside {
	bool playing;
	FILE *recording;
	char instance[33];
	const uint8_t *bytes; /* the records */
	size_t size;
	bool *used; /* by the offset of a record */
	struct {
		const char *path;
		const uint8_t *bytes;
		size_t size;
	} files[OUTSIDE_FILES_MAX];
	unsigned file_count;

	/* the question that was asked last */
	uint16_t type, flags;
	uint32_t sequence;
	uint32_t acks[SEND_MAX]; /* sequence numbers of its messages that want one */
	unsigned ack_count;
	bool whole;
	int nsid; /* where announcements come from */
};

extern struct outside outside;

/* The next unused record of this key. */
bool outside_take(uint16_t key, const uint8_t **ret, size_t *size);
void outside_write(uint16_t key, const void *bytes, size_t size);
/* A question, or several, as they are sent. */
void outside_asked(const uint8_t *bytes, size_t size);
/* What comes next; -1 with errno. *flags are a message's. */
ssize_t outside_play(void *bytes, size_t size, int *flags);
/* An answer of the real kernel. */
void outside_keep(const void *bytes, ssize_t size);
/* True: the file is one of those that bytes stand for; *ret is NULL where it is not there. */
bool outside_find_file(const char *path, const uint8_t **ret, size_t *size);
