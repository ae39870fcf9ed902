/*
 * The nfnetlink sockets, the queue of a batch, and dumps. Changes have a socket of their own that
 * stays open for the daemon's life: closing one after the removal of elements waits for a grace
 * period of the kernel. Questions have another, which is opened anew after a dump that broke off,
 * so that the rest of one answer is never taken for the next.
 *
 * Queueing only remembers; nothing is sent before nft_commit().
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft/internal.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

uint16_t nft_family(const char *table)
{
	return strncmp(table, "bridge ", 7) == 0 ? NFPROTO_BRIDGE : NFPROTO_INET;
}

const char *nft_table_name(const char *table)
{
	const char *space = strchr(table, ' ');

	return space ? space + 1 : table;
}

static int open_socket(struct mnl_socket **ret, struct error *err)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0) {
		*ret = socket;
		return 0;
	}
	error_set(err, ERROR_KERNEL, errno, "open a netfilter socket");
	if (socket)
		mnl_socket_close(socket);
	return -err->errnum;
}

void nft_ask_for_details(struct mnl_socket *socket)
{
	int on = 1;

	(void)mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on));
}

static void nft_closep(struct nft **nft)
{
	nft_close(*nft);
}

int nft_open(struct nft **ret, bool own, struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = calloc(1, sizeof(*nft));
	int r;

	if (!nft)
		return error_memory(err);
	r = open_socket(&nft->changes, err);
	if (r == 0)
		r = open_socket(&nft->questions, err);
	if (r < 0)
		return r;
	nft_ask_for_details(nft->changes);
	r = own ? nft_owner_probe(nft, &nft->owns, err) : 0;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(nft);
	return 0;
}

struct nft *nft_close(struct nft *nft)
{
	if (!nft)
		return NULL;
	nft_abandon(nft);
	free(nft->entries);
	if (nft->changes)
		mnl_socket_close(nft->changes);
	if (nft->questions)
		mnl_socket_close(nft->questions);
	free(nft);
	return NULL;
}

struct nft_entry *nft_entry_add(struct nft *nft, uint16_t type, uint16_t family)
{
	struct nft_entry *entry;

	if (!LIST_ROOM(nft->entries, nft->count, nft->capacity, 64))
		return NULL;
	entry = &nft->entries[nft->count++];
	*entry = (struct nft_entry){.type = type, .family = family};
	return entry;
}

struct nlmsghdr *nft_queue(
        struct nft *nft, uint16_t type, uint16_t family, uint16_t flags, const char *label)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(&nft->building);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	free(nft->label);
	nft->label = strdup(label);
	if (!nft->label)
		return NULL;
	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nfgen_family = (uint8_t)family;
	header->version = NFNETLINK_V0;
	return message;
}

void nft_queued(struct nft *nft, struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct nlmsghdr *copy = malloc(message->nlmsg_len);
	struct nft_entry *entry;

	assert(message->nlmsg_len <= NFT_MESSAGE_SIZE);
	entry = copy ? nft_entry_add(nft, message->nlmsg_type & 0xff, header->nfgen_family) : NULL;
	if (!entry) {
		free(copy);
		nft->broken = true;
		return;
	}
	if (entry->type == NFT_MSG_DELTABLE)
		nft->removed |= 1u << header->nfgen_family;
	entry->message = memcpy(copy, message, message->nlmsg_len);
	entry->label = TAKE_PTR(nft->label);
}

void nft_abandon(struct nft *nft)
{
	for (size_t i = 0; i < nft->count; i++) {
		free(nft->entries[i].label);
		free(nft->entries[i].message);
	}
	nft->count = 0;
	nft->broken = false;
	nft->removed = 0;
	free(nft->label);
	nft->label = NULL;
}

/* A question that was not answered to its end leaves a socket that is of no more use. */
static int ask(struct nft *nft, const struct nlmsghdr *request,
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err)
{
	int r = nft->questions ? 0 : open_socket(&nft->questions, err);

	if (r < 0)
		return r;
	r = talk(mnl_socket_get_fd(nft->questions), request, each, arg);
	if (r == 0)
		return 0;
	mnl_socket_close(nft->questions);
	nft->questions = NULL;
	return error_set(err, ERROR_KERNEL, -r, "read the nf_tables ruleset");
}

int nft_dump(struct nft *nft, uint16_t type, uint16_t family,
        int (*fill)(struct nlmsghdr *message, void *arg),
        int (*each)(const struct nlmsghdr *header, void *arg), void *arg, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, NFNL_SUBSYS_NFTABLES << 8 | type, NLM_F_DUMP);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int r;

	header->nfgen_family = (uint8_t)family;
	header->version = NFNETLINK_V0;
	r = fill ? fill(request, arg) : 0;
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "ask for the nf_tables ruleset");
	return ask(nft, request, each, arg, err);
}

/* --- whose changes --- */

static int take_generation(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		        mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*(uint32_t *)arg = ntohl(mnl_attr_get_u32(attr));
	}
	return MNL_CB_OK;
}

int nft_others_generation(struct nft *nft, uint32_t *ret, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request =
	        talk_start(buffer, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, 0);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	uint32_t generation = 0;
	int r;

	header->version = NFNETLINK_V0;
	r = ask(nft, request, take_generation, &generation, err);
	if (r == 0)
		*ret = generation - nft->commits;
	return r;
}

/* --- whose a table is --- */

#define MARK_PREFIX "netd:"

struct instance_search {
	const char *name;
	char instance[33];
};

void nft_comment_read(const void *data, size_t size, char *ret, size_t ret_size)
{
	const uint8_t *bytes = data;

	/* Type, length and value, one behind the other. A comment is type 0. */
	for (size_t at = 0; at + 2 <= size && at + 2 + bytes[at + 1] <= size;
	        at += 2u + bytes[at + 1]) {
		if (bytes[at] != 0)
			continue;
		snprintf(ret, ret_size, "%.*s", bytes[at + 1], (const char *)bytes + at + 2);
		return;
	}
}

static int find_instance(const struct nlmsghdr *header, void *arg)
{
	struct instance_search *search = arg;
	const struct nlattr *attr, *data = NULL;
	const char *name = NULL;
	char comment[64] = "";

	mnl_attr_for_each(attr, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_USERDATA)
			data = attr;
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
		        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(attr);
	}
	if (!name || !data || strcmp(name, search->name) != 0)
		return MNL_CB_OK;
	nft_comment_read(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data), comment,
	        sizeof(comment));
	if (strncmp(comment, MARK_PREFIX, strlen(MARK_PREFIX)) == 0)
		snprintf(search->instance, sizeof(search->instance), "%.32s",
		        comment + strlen(MARK_PREFIX));
	return MNL_CB_OK;
}

int nft_table_instance(struct nft *nft, const char *table, char ret[33], struct error *err)
{
	struct instance_search search = {.name = nft_table_name(table)};
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < NFT_DUMP_TRIES; i++)
		r = nft_dump(nft, NFT_MSG_GETTABLE, nft_family(table), NULL, find_instance, &search,
		        err);
	if (r < 0)
		return error_context(err, "table %s", table);
	memcpy(ret, search.instance, sizeof(search.instance));
	return 0;
}
