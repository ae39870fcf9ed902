/*
 * Sets and maps as nf_tables has them: the numbers of their types, what nft keeps in their user
 * data so that it can print them, and their text. The kernel does not look at types; it wants
 * lengths. nft does not look at lengths.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft.h"
#include "daemon/kernel/nft/rules.h"

#include <errno.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Of nftables' datatypes and byte orders. */
struct datatype {
	const char *name;
	uint32_t number;
	uint32_t order; /* 1: host, 2: network */
};

static const struct datatype datatypes[] = {
        [FIELD_IFNAME] = {"ifname", 41, 1},
        [FIELD_IP4] = {"ipv4_addr", 7, 2},
        [FIELD_IP6] = {"ipv6_addr", 8, 2},
        [FIELD_PROTOCOL] = {"inet_proto", 12, 1},
        [FIELD_PORT] = {"inet_service", 13, 2},
        [FIELD_MAC] = {"ether_addr", 9, 2},
        [FIELD_VERDICT] = {"verdict", 0xffffff00, 0},
        [FIELD_TARGET6] = {"integer", 4, 2},
};

uint32_t nft_fields_type(const enum field fields[SET_FIELDS_MAX])
{
	uint32_t type = 0;

	for (unsigned i = 0; i < SET_FIELDS_MAX && fields[i] != FIELD_NONE; i++)
		for (int parts = fields[i] == FIELD_TARGET6 ? 2 : 1; parts > 0; parts--)
			type = type << 6 | datatypes[fields[i]].number;
	return type;
}

static bool is_concatenation(const enum field fields[SET_FIELDS_MAX])
{
	return fields[1] != FIELD_NONE;
}

uint32_t nft_set_flags(const struct set *set)
{
	uint32_t flags = 0;

	if (set->interval)
		flags |= NFT_SET_INTERVAL;
	if (set->interval && is_concatenation(set->key))
		flags |= NFT_SET_CONCAT;
	if (set->data[0] != FIELD_NONE)
		flags |= NFT_SET_MAP;
	if (set->seconds)
		flags |= NFT_SET_TIMEOUT;
	return flags;
}

/* nft's types have a fixed width, a number has none: a set with one must carry the expressions that
 * it is made of. */
static bool needs_expressions(const struct set *set)
{
	for (unsigned i = 0; i < SET_FIELDS_MAX; i++)
		if (set->key[i] == FIELD_TARGET6)
			return true;
	return false;
}

/* nft's numbers of its kinds of expressions. */
enum { CONCATENATION = 13, META = 9, PAYLOAD = 7, TRANSPORT = 3 };

/* @th,FROM,64 */
static void put_half(struct nftnl_udata_buf *buffer, uint8_t place, uint32_t from)
{
	struct nftnl_udata *part = nftnl_udata_nest_start(buffer, place), *properties;

	nftnl_udata_put_u32(buffer, 0, PAYLOAD);
	properties = nftnl_udata_nest_start(buffer, 1);
	nftnl_udata_put_u32(buffer, 0, 0); /* no protocol */
	nftnl_udata_put_u32(buffer, 1, 0); /* no field of one */
	nftnl_udata_put_u32(buffer, 2, TRANSPORT);
	nftnl_udata_put_u32(buffer, 3, from);
	nftnl_udata_put_u32(buffer, 4, 64);
	nftnl_udata_nest_end(buffer, properties);
	nftnl_udata_nest_end(buffer, part);
}

/* As nft writes a concatenation of `iifname . @th,64,64 . @th,128,64`: expressions, each with its
 * properties. */
static void put_expressions(struct nftnl_udata_buf *buffer)
{
	struct nftnl_udata *whole, *list, *part, *properties;

	whole = nftnl_udata_nest_start(buffer, NFTNL_UDATA_SET_KEY_TYPEOF);
	nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_TYPEOF_EXPR, CONCATENATION);
	list = nftnl_udata_nest_start(buffer, NFTNL_UDATA_SET_TYPEOF_DATA);

	part = nftnl_udata_nest_start(buffer, 0);
	nftnl_udata_put_u32(buffer, 0, META);
	properties = nftnl_udata_nest_start(buffer, 1);
	nftnl_udata_put_u32(buffer, 0, NFT_META_IIFNAME);
	nftnl_udata_nest_end(buffer, properties);
	nftnl_udata_nest_end(buffer, part);

	put_half(buffer, 1, 64);
	put_half(buffer, 2, 128);

	nftnl_udata_nest_end(buffer, list);
	nftnl_udata_nest_end(buffer, whole);
}

static uint32_t byte_order(const enum field fields[SET_FIELDS_MAX])
{
	return is_concatenation(fields) ? 0 : datatypes[fields[0]].order;
}

static int put_user_data(struct nlmsghdr *message, const struct set *set)
{
	struct nftnl_udata_buf *buffer = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);

	if (!buffer)
		return -ENOMEM;
	nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_KEYBYTEORDER, byte_order(set->key));
	if (set->data[0] != FIELD_NONE)
		nftnl_udata_put_u32(buffer, NFTNL_UDATA_SET_DATABYTEORDER, byte_order(set->data));
	if (needs_expressions(set))
		put_expressions(buffer);
	mnl_attr_put(message, NFTA_SET_USERDATA, nftnl_udata_buf_len(buffer),
	        nftnl_udata_buf_data(buffer));
	nftnl_udata_buf_free(buffer);
	return 0;
}

/* Intervals of a concatenation: the kernel has to know where one field ends. */
static void put_field_sizes(struct nlmsghdr *message, const struct set *set)
{
	struct nlattr *description = mnl_attr_nest_start(message, NFTA_SET_DESC);
	struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_DESC_CONCAT);

	for (unsigned i = 0; i < SET_FIELDS_MAX && set->key[i] != FIELD_NONE; i++) {
		struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

		mnl_attr_put_u32(message, NFTA_SET_FIELD_LEN, htonl(set_field_size(set->key[i])));
		mnl_attr_nest_end(message, nest);
	}
	mnl_attr_nest_end(message, list);
	mnl_attr_nest_end(message, description);
}

/* Of an element that says none, which netd never makes: bytes per second. */
#define RATE_NOT_SAID 1000

/* Numbers of named sets in a batch, apart from those of the rules' anonymous ones. */
#define FIRST_NAMED 1000

int nft_set_queue(struct nft *nft, const struct set *set)
{
	struct nlmsghdr *message;
	char label[128];

	snprintf(label, sizeof(label), "add set %s %s", set->table, set->name);
	message = nft_queue(nft, NFT_MSG_NEWSET, nft_family(set->table), NLM_F_CREATE, label);
	if (!message)
		return -ENOMEM;
	mnl_attr_put_strz(message, NFTA_SET_TABLE, nft_table_name(set->table));
	mnl_attr_put_strz(message, NFTA_SET_NAME, set->name);
	mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(nft_set_flags(set)));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(nft_fields_type(set->key)));
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(set_fields_size(set->key)));
	if (set->data[0] != FIELD_NONE) {
		mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(nft_fields_type(set->data)));
		mnl_attr_put_u32(message, NFTA_SET_DATA_LEN,
		        htonl(set->data[0] == FIELD_VERDICT ? 0 : set_fields_size(set->data)));
	}
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl((uint32_t)(FIRST_NAMED + (set - sets))));
	if (set->interval && is_concatenation(set->key))
		put_field_sizes(message, set);
	if (set->seconds)
		mnl_attr_put_u64(message, NFTA_SET_TIMEOUT, htobe64(set->seconds * 1000ull));
	if (put_user_data(message, set) < 0)
		return -ENOMEM;
	if (set->counter)
		nft_counter_put(message, NFTA_SET_EXPR);
	if (set->limit)
		nft_limit_put(message, NFTA_SET_EXPR, RATE_NOT_SAID);
	nft_queued(nft, message);
	return 0;
}

static void tell_fields(const enum field fields[SET_FIELDS_MAX], FILE *out)
{
	for (unsigned i = 0; i < SET_FIELDS_MAX && fields[i] != FIELD_NONE; i++)
		fprintf(out, "%s%s", i > 0 ? " . " : "", datatypes[fields[i]].name);
}

void nft_set_tell(const struct set *set, FILE *out)
{
	bool map = set->data[0] != FIELD_NONE;

	fprintf(out, "\t%s %s {\n\t\t", map ? "map" : "set", set->name);
	if (needs_expressions(set)) {
		fputs("typeof iifname . @th,64,64 . @th,128,64", out);
	} else {
		fputs("type ", out);
		tell_fields(set->key, out);
	}
	if (map) {
		fputs(" : ", out);
		tell_fields(set->data, out);
	}
	fputc('\n', out);
	if (set->interval || set->seconds)
		fprintf(out, "\t\tflags %s%s%s\n", set->interval ? "interval" : "",
		        set->interval && set->seconds ? "," : "", set->seconds ? "timeout" : "");
	if (set->seconds)
		fprintf(out, "\t\ttimeout %us\n", set->seconds);
	if (set->counter)
		fputs("\t\tcounter\n", out);
	if (set->limit)
		fprintf(out, "\t\tlimit rate over %d bytes/second burst %d bytes\n", RATE_NOT_SAID,
		        ELEMENT_BURST);
	fputs("\t}\n", out);
}
