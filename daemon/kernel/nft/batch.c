/*
 * The commit of a batch: from the queue to one datagram, and from the kernel's answers to one
 * sentence.
 *
 * The kernel takes the whole batch in one send and has answered when that returns, so reading never
 * waits. Only the last message asks for an ack: with one for each, a default buffer overflows at
 * some hundreds although the batch was committed. A message of a batch that is acknowledged says
 * nothing of the others: a batch was committed if and only if there was an ack and no refusal.
 *
 * Removing what is gone is success, but for the kernel it fails the whole batch. Where that is the
 * reason of a refusal, what the sets really hold is read once, removals that find nothing are left
 * out, and the rest is sent again.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft/internal.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* A list of elements is one attribute, whose length has sixteen bits. */
#define GROUP_SIZE 60000
#define SEND_TRIES 8
#define LOSSES_MAX 16 /* while one answer is read */

/* Entries that share one message. */
struct span {
	size_t first, count;
};

/* The datagram: batch begin, one message per span with consecutive sequence numbers, batch end. */
struct wire {
	char *bytes;
	size_t size, capacity;
	struct span *spans;
	size_t span_count;
	size_t last;       /* offset of the last span's message */
	uint32_t sequence; /* of batch begin */
};

static void wire_done(struct wire *wire)
{
	free(wire->bytes);
	free(wire->spans);
}

/* The place for the next message of up to `size` bytes. NULL: out of memory. */
static struct nlmsghdr *wire_reserve(struct wire *wire, size_t size)
{
	if (wire->capacity - wire->size < size) {
		size_t capacity = 2 * wire->capacity + size;
		char *bytes = realloc(wire->bytes, capacity);

		if (!bytes)
			return NULL;
		wire->bytes = bytes;
		wire->capacity = capacity;
	}
	return (struct nlmsghdr *)(wire->bytes + wire->size);
}

static uint32_t wire_next_sequence(const struct wire *wire)
{
	return wire->sequence + (uint32_t)wire->span_count + 1;
}

static int put_mark(struct wire *wire, uint16_t type, uint32_t sequence)
{
	struct nlmsghdr *message = wire_reserve(wire, MNL_SOCKET_BUFFER_SIZE);
	struct nfgenmsg *header;

	if (!message)
		return -ENOMEM;
	mnl_nlmsg_put_header(message);
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(NFNL_SUBSYS_NFTABLES);
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST;
	message->nlmsg_seq = sequence;
	wire->size += message->nlmsg_len;
	return 0;
}

static void end_span(struct wire *wire, struct nlmsghdr *message, size_t first, size_t count)
{
	message->nlmsg_seq = wire_next_sequence(wire);
	wire->last = wire->size;
	wire->size += message->nlmsg_len;
	wire->spans[wire->span_count++] = (struct span){first, count};
}

static int put_message(struct wire *wire, const struct nft_entry *entry, size_t at)
{
	struct nlmsghdr *message = wire_reserve(wire, entry->message->nlmsg_len);

	if (!message)
		return -ENOMEM;
	memcpy(message, entry->message, entry->message->nlmsg_len);
	end_span(wire, message, at, 1);
	return 0;
}

static struct nlmsghdr *start_group(struct wire *wire, const struct nft_entry *entry)
{
	struct nlmsghdr *message = wire_reserve(wire, GROUP_SIZE + NFT_ELEMENT_SIZE);
	struct nfgenmsg *header;

	if (!message)
		return NULL;
	mnl_nlmsg_put_header(message);
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = (uint8_t)entry->family;
	header->version = NFNETLINK_V0;
	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | entry->type;
	message->nlmsg_flags =
	        NLM_F_REQUEST | (entry->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	mnl_attr_put_strz(
	        message, NFTA_SET_ELEM_LIST_TABLE, nft_table_name(entry->element->set->table));
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, entry->element->set->name);
	return message;
}

/* As many neighbours of the same kind and set as fit. *at is moved behind them. */
static int put_group(struct wire *wire, struct nft *nft, size_t *at)
{
	const struct nft_entry *start = &nft->entries[*at];
	struct nlmsghdr *message = start_group(wire, start);
	struct nlattr *list;
	size_t i = *at;

	if (!message)
		return -ENOMEM;
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (; i < nft->count && message->nlmsg_len < GROUP_SIZE; i++) {
		struct nft_entry *entry = &nft->entries[i];

		if (entry->gone)
			continue;
		if (!entry->element || entry->type != start->type ||
		        entry->element->set != start->element->set)
			break;
		entry->offset = message->nlmsg_len;
		nft_element_put(message, entry->element, entry->type == NFT_MSG_NEWSETELEM);
	}
	mnl_attr_nest_end(message, list);
	end_span(wire, message, *at, i - *at);
	*at = i;
	return 0;
}

static int encode(struct wire *wire, struct nft *nft, bool try)
{
	size_t at = 0;
	int r;

	wire->size = wire->span_count = 0;
	wire->sequence = nft->sequence + 1;
	r = put_mark(wire, NFNL_MSG_BATCH_BEGIN, wire->sequence);
	while (r == 0 && at < nft->count) {
		if (nft->entries[at].gone) {
			at++;
		} else if (nft->entries[at].element) {
			r = put_group(wire, nft, &at);
		} else {
			r = put_message(wire, &nft->entries[at], at);
			at++;
		}
	}
	nft->sequence = wire_next_sequence(wire);
	if (r < 0 || wire->span_count == 0)
		return r;
	((struct nlmsghdr *)(wire->bytes + wire->last))->nlmsg_flags |= NLM_F_ACK;
	return try ? 0 : put_mark(wire, NFNL_MSG_BATCH_END, nft->sequence);
}

/* --- answers --- */

struct verdict {
	bool acknowledged;
	bool lost;  /* answers were dropped for want of room */
	int errnum; /* of the first refusal; 0: none */
	uint32_t sequence, offset;
	char text[256];
};

/* What stands behind the error number: the kernel's words and the offset of the bad attribute. */
static void read_details(const struct nlmsghdr *header, struct verdict *ret)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);
	size_t skip = sizeof(*answer);
	const struct nlattr *attr;

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += MNL_ALIGN(answer->msg.nlmsg_len) - sizeof(answer->msg);
	if (skip > mnl_nlmsg_get_payload_len(header))
		return;
	mnl_attr_for_each(attr, header, skip)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(ret->text, sizeof(ret->text), "%s", mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		        mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			ret->offset = mnl_attr_get_u32(attr);
	}
}

static void read_answer(const struct nlmsghdr *header, const struct wire *wire, struct verdict *ret)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(header);

	if (header->nlmsg_type != NLMSG_ERROR ||
	        mnl_nlmsg_get_payload_len(header) < sizeof(*answer))
		return;
	if (header->nlmsg_seq - wire->sequence > wire->span_count + 1)
		return;
	if (answer->error == 0) {
		ret->acknowledged = true;
	} else if (ret->errnum == 0) {
		ret->errnum = talk_errno(answer->error);
		ret->sequence = header->nlmsg_seq;
		read_details(header, ret);
	}
}

static int read_answers(struct nft *nft, const struct wire *wire, struct verdict *ret)
{
	_Alignas(struct nlmsghdr) char buffer[32768];
	int losses = 0;

	for (;;) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
		struct sockaddr_nl from;
		socklen_t from_size = sizeof(from);
		ssize_t received = recvfrom(mnl_socket_get_fd(nft->changes), buffer, sizeof(buffer),
		        MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);
		int size = (int)received;

		if (received < 0 && errno == EAGAIN)
			return 0;
		if (received < 0 && errno == ENOBUFS && ++losses < LOSSES_MAX)
			ret->lost = true;
		else if (received < 0 && errno != EINTR)
			return -errno;
		if (received < 0 || from.nl_pid != 0)
			continue;
		if (!talk_is_whole(buffer, (size_t)received))
			return -EBADMSG;
		for (; mnl_nlmsg_ok(header, size); header = mnl_nlmsg_next(header, &size))
			read_answer(header, wire, ret);
	}
}

/* Room for the whole datagram. Without privilege over the host (a user namespace) wmem_max is the
 * limit. */
static void make_room(struct nft *nft, size_t size)
{
	int fd = mnl_socket_get_fd(nft->changes), wanted = (int)size + 4096, now = 0;
	socklen_t now_size = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &now, &now_size) == 0 && now > wanted)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
}

static int send_wire(struct nft *nft, const struct wire *wire, struct error *err)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t sent;

	make_room(nft, wire->size);
	do
		sent = sendto(mnl_socket_get_fd(nft->changes), wire->bytes, wire->size, 0,
		        (const struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EMSGSIZE)
		return error_set(err, ERROR_KERNEL, EMSGSIZE,
		        "send an nf_tables batch of %zu bytes (raise net.core.wmem_max)",
		        wire->size);
	if (sent < 0)
		return error_set(err, ERROR_KERNEL, errno, "send an nf_tables batch");
	return 0;
}

/* --- refusals --- */

/* The entry that a refusal is about; NULL: the batch as a whole. */
static struct nft_entry *refused_entry(
        struct nft *nft, const struct wire *wire, const struct verdict *verdict)
{
	uint32_t at = verdict->sequence - wire->sequence - 1;
	struct nft_entry *entry;
	const struct span *span;

	if (at >= wire->span_count)
		return NULL;
	span = &wire->spans[at];
	entry = &nft->entries[span->first];
	for (size_t i = span->first; i < span->first + span->count; i++)
		if (!nft->entries[i].gone && nft->entries[i].offset <= verdict->offset)
			entry = &nft->entries[i];
	return entry;
}

static int refuse(const struct nft_entry *entry, const struct verdict *verdict, struct error *err)
{
	const char *open = verdict->text[0] ? " (" : "", *close = verdict->text[0] ? ")" : "";
	char element[256];

	if (!entry)
		return error_set(err, ERROR_KERNEL, verdict->errnum,
		        "commit an nf_tables batch%s%s%s", open, verdict->text, close);
	if (!entry->element)
		return error_set(err, ERROR_KERNEL, verdict->errnum, "%s%s%s%s", entry->label, open,
		        verdict->text, close);
	return error_set(err, ERROR_KERNEL, verdict->errnum, "%s element %s %s { %s }%s%s%s",
	        entry->type == NFT_MSG_NEWSETELEM ? "add" : "delete", entry->element->set->table,
	        entry->element->set->name, element_format(entry->element, element, sizeof(element)),
	        open, verdict->text, close);
}

static bool is_removal(const struct nft_entry *entry)
{
	return entry->element && entry->type == NFT_MSG_DELSETELEM;
}

static bool holds(const struct resources *list, const struct element *element)
{
	struct resource key = {.kind = RESOURCE_ELEMENT, .element = *element};

	snprintf(key.name, sizeof(key.name), "%s", element->set->name);
	return resources_find(list, &key);
}

/* Leaves out removals that find nothing. Sets *ret to how many there were. */
static int leave_out_gone(struct nft *nft, size_t *ret, struct error *err)
{
	*ret = 0;
	for (const struct set *set = sets; set->name; set++) {
		_cleanup_(resources_done) struct resources there = {0};
		bool known = false;

		for (size_t i = 0; i < nft->count; i++) {
			struct nft_entry *entry = &nft->entries[i];
			int r = 0;

			if (!is_removal(entry) || entry->gone || entry->element->set != set)
				continue;
			if (!known)
				r = nft_set_read(nft, set, &there, err);
			if (r < 0)
				return r;
			if (!known)
				resources_sort(&there);
			known = true;
			entry->gone = !holds(&there, entry->element);
			*ret += entry->gone;
		}
	}
	return 0;
}

/* 1: sent again with less. 0: committed, or tried with success: a batch without its end is only
 * examined. */
static int commit_once(struct nft *nft, struct wire *wire, bool try, struct error *err)
{
	struct verdict verdict = {0};
	const struct nft_entry *entry;
	size_t gone;
	int r = encode(wire, nft, try);

	if (r < 0)
		return error_memory(err);
	if (wire->span_count == 0)
		return 0;
	r = send_wire(nft, wire, err);
	if (r < 0)
		return r;
	r = read_answers(nft, wire, &verdict);
	nft->unsure = verdict.errnum == 0 && !verdict.acknowledged;
	if (r < 0 && !nft->unsure)
		r = 0;
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "read the answer to an nf_tables batch");
	nft->commits += verdict.errnum == 0 && !try;
	if (verdict.errnum == 0 && verdict.acknowledged)
		return 0;
	if (verdict.errnum == 0)
		return error_set(err, ERROR_KERNEL, verdict.lost ? ENOBUFS : EIO,
		        "commit an nf_tables batch: the kernel's answer was lost");
	entry = refused_entry(nft, wire, &verdict);
	if (verdict.errnum != ENOENT || !entry || !is_removal(entry))
		return refuse(entry, &verdict, err);
	r = leave_out_gone(nft, &gone, err);
	if (r < 0)
		return r;
	return gone > 0 ? 1 : refuse(entry, &verdict, err);
}

static int commit(struct nft *nft, bool try, unsigned long *changes, struct error *err)
{
	_cleanup_(wire_done) struct wire wire = {0};
	int r = 1;

	nft->unsure = false;
	if (nft->broken) {
		nft_abandon(nft);
		return error_memory(err);
	}
	if (nft->count == 0)
		return 0;
	wire.spans = calloc(nft->count, sizeof(*wire.spans));
	if (!wire.spans) {
		nft_abandon(nft);
		return error_memory(err);
	}
	for (int i = 0; r > 0 && i < SEND_TRIES; i++)
		r = commit_once(nft, &wire, try, err);
	if (r > 0)
		r = error_set(err, ERROR_KERNEL, EBUSY,
		        "commit an nf_tables batch: someone else keeps changing the sets");
	for (size_t i = 0; r == 0 && i < nft->count; i++)
		*changes += !nft->entries[i].gone;
	nft_abandon(nft);
	return r;
}

int nft_commit(struct nft *nft, unsigned long *changes, struct error *err)
{
	return commit(nft, false, changes, err);
}

int nft_try(struct nft *nft, struct error *err)
{
	unsigned long none = 0;

	return commit(nft, true, &none, err);
}

bool nft_unsure(const struct nft *nft)
{
	return nft->unsure;
}

/* --- the queue of elements --- */

int nft_queue_element(
        struct nft *nft, uint16_t type, const struct element *element, struct error *err)
{
	uint16_t family = nft_family(element->set->table);
	struct nft_entry *entry;

	assert(type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM);
	if (type == NFT_MSG_DELSETELEM && nft->removed & 1u << family)
		return 0; /* it goes with its table */
	entry = nft_entry_add(nft, type, family);
	if (!entry)
		return error_memory(err);
	entry->element = element;
	return 0;
}
