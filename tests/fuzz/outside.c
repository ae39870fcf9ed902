/*
 * Plays the kernel from records; see outside.h.
 *
 * The invariant: every question ends. Records are used once, and after the last one the answer is
 * made whole, once; who then asks for more hears that nothing comes (EAGAIN).
 */
#include "tests/fuzz/outside_private.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define HEAD_SIZE 4 /* of a record */

const char *const outside_files[] = {
        "/proc/net/ip_tables_names",
        "/proc/net/if_inet6",
        "/proc/self/mountinfo",
        "/proc/sys/net/netfilter/nf_conntrack_count",
        NULL,
};

struct outside outside;

/* --- records --- */

static uint16_t number_at(size_t at)
{
	uint16_t number;

	memcpy(&number, outside.bytes + at, sizeof(number));
	return number;
}

/* The next unused record of this key. */
bool outside_take(uint16_t key, const uint8_t **ret, size_t *size)
{
	for (size_t at = 0; at + HEAD_SIZE <= outside.size;) {
		size_t length = number_at(at + 2), rest = outside.size - at - HEAD_SIZE;

		if (length > rest)
			length = rest;
		if (number_at(at) == key && !outside.used[at]) {
			outside.used[at] = true;
			*ret = outside.bytes + at + HEAD_SIZE;
			*size = length;
			return true;
		}
		at += HEAD_SIZE + length;
	}
	return false;
}

void outside_write(uint16_t key, const void *bytes, size_t size)
{
	_cleanup_(freep) uint8_t *copy = malloc(size ? size : 1);
	uint16_t head[2] = {key, (uint16_t)size};
	uint8_t *found;

	if (!copy || size > UINT16_MAX)
		return;
	memcpy(copy, bytes, size);
	while ((found = memmem(copy, size, outside.instance, strlen(outside.instance))))
		memcpy(found, OUTSIDE_INSTANCE, strlen(OUTSIDE_INSTANCE));
	fwrite(head, sizeof(head), 1, outside.recording);
	fwrite(copy, size, 1, outside.recording);
}

void outside_begin(const uint8_t *answers, size_t size)
{
	outside.used = calloc(size + 1, sizeof(*outside.used));
	if (!outside.used)
		abort();
	outside.bytes = answers;
	outside.size = size;
	outside.playing = !outside.recording;
}

void outside_put_file(const char *path, const uint8_t *bytes, size_t size)
{
	if (outside.file_count == OUTSIDE_FILES_MAX)
		abort();
	outside.files[outside.file_count].path = path;
	outside.files[outside.file_count].bytes = bytes;
	outside.files[outside.file_count++].size = size;
}

void outside_end(void)
{
	outside.playing = false;
	outside.file_count = 0;
	free(outside.used);
	outside.used = NULL;
	if (outside.recording)
		fclose(outside.recording);
	outside.recording = NULL;
}

void outside_announce(int nsid)
{
	outside.type = OUTSIDE_EVENT;
	outside.sequence = 0;
	outside.whole = false;
	outside.nsid = nsid;
}

bool outside_record(const char *path, const char *instance, char first)
{
	snprintf(outside.instance, sizeof(outside.instance), "%s", instance);
	outside.recording = fopen(path, "we");
	return outside.recording && outside.instance[0] && fputc(first, outside.recording) == first;
}

const char *outside_instance(void)
{
	return outside.recording ? outside.instance : OUTSIDE_INSTANCE;
}

/* --- questions --- */

/* Sequence numbers are the question's, plus what the record says; the sender is the kernel. */
static void shift(uint8_t *bytes, size_t size, uint32_t by)
{
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
		struct nlmsghdr header;

		memcpy(&header, bytes + at, sizeof(header));
		header.nlmsg_seq += by;
		memcpy(bytes + at, &header, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
			break;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
}

void outside_asked(const uint8_t *bytes, size_t size)
{
	bool first = true;

	outside.ack_count = 0;
	outside.whole = false;
	for (size_t at = 0; at + sizeof(struct nlmsghdr) <= size;) {
		struct nlmsghdr header;

		memcpy(&header, bytes + at, sizeof(header));
		if (first) {
			outside.type = header.nlmsg_type;
			outside.flags = header.nlmsg_flags;
			outside.sequence = header.nlmsg_seq;
		}
		if (header.nlmsg_flags & NLM_F_ACK && outside.ack_count < SEND_MAX)
			outside.acks[outside.ack_count++] = header.nlmsg_seq;
		if (header.nlmsg_len < sizeof(header))
			abort(); /* netd would never send this */
		first = false;
		at += NLMSG_ALIGN(header.nlmsg_len);
	}
}

/* What makes the answer whole where the records have ended: as much of it as there is room for. */
static size_t complete(uint8_t *bytes, size_t size)
{
	struct answer {
		struct nlmsghdr header;
		struct nlmsgerr ack;
	} answer = {.header = {.nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR}};
	size_t used = 0;

	outside.whole = true;
	if ((outside.flags & NLM_F_DUMP) == NLM_F_DUMP) {
		answer.header.nlmsg_type = NLMSG_DONE;
		answer.header.nlmsg_flags = NLM_F_MULTI;
		answer.header.nlmsg_seq = outside.sequence;
		memcpy(bytes, &answer, sizeof(answer));
		return sizeof(answer);
	}
	for (unsigned i = 0; i < outside.ack_count && used + sizeof(answer) <= size; i++) {
		answer.header.nlmsg_seq = outside.acks[i];
		memcpy(bytes + used, &answer, sizeof(answer));
		used += sizeof(answer);
	}
	/* A question that wants no ack is answered by a message of its own, and here by a refusal.
	 */
	if (used == 0) {
		answer.header.nlmsg_seq = outside.sequence;
		answer.ack.error = -ENOENT;
		memcpy(bytes, &answer, sizeof(answer));
		used = sizeof(answer);
	}
	return used;
}

ssize_t outside_play(void *bytes, size_t size, int *flags)
{
	const uint8_t *record;
	size_t length;

	*flags = 0;
	if (outside.whole) {
		errno = EAGAIN;
		return -1;
	}
	if (outside_take(OUTSIDE_ERRNO | (outside.type & 0xff), &record, &length) && length > 0) {
		errno = record[0] ? record[0] : EINTR;
		return -1;
	}
	if (!outside_take(outside.type, &record, &length) || length == 0) {
		outside.whole = outside.type == OUTSIDE_EVENT;
		errno = EAGAIN;
		if (outside.whole)
			return -1;
		return (ssize_t)complete(bytes, size);
	}
	if (length > size)
		*flags = MSG_TRUNC;
	length = length < size ? length : size;
	memcpy(bytes, record, length);
	shift(bytes, length, outside.sequence);
	return (ssize_t)length;
}

void outside_keep(const void *bytes, ssize_t size)
{
	_cleanup_(freep) uint8_t *copy = malloc(size > 0 ? (size_t)size : 1);

	if (!outside.recording || size <= 0 || !copy)
		return;
	memcpy(copy, bytes, (size_t)size);
	shift(copy, (size_t)size, -outside.sequence);
	outside_write(outside.type, copy, (size_t)size);
}

/* --- files --- */

/* True: the file is one of those that bytes stand for; *ret is NULL where it is not there. */
bool outside_find_file(const char *path, const uint8_t **ret, size_t *size)
{
	*ret = NULL;
	for (unsigned i = 0; i < outside.file_count; i++) {
		if (strcmp(outside.files[i].path, path) == 0) {
			*ret = outside.files[i].bytes;
			*size = outside.files[i].size;
			return true;
		}
	}
	for (unsigned i = 0; outside_files[i]; i++) {
		if (strcmp(outside_files[i], path) == 0) {
			outside_take((uint16_t)(OUTSIDE_FILE + i), ret, size);
			return true;
		}
	}
	return false;
}
