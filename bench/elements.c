/*
 * nf_tables for the floor. What an element says does not matter, only what sort of set it is in and
 * how long its key is; so a key is a number, and no two numbers are the same.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "bench/elements.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define TABLE "floor"

static const struct {
	const char *name;
	uint8_t family;
	unsigned key, data, flags;
} sets[SET_COUNT] = {
        [SET_PORTS] = {"ports", NFPROTO_BRIDGE, 16, 0, 0},
        [SET_MAC] = {"mac", NFPROTO_BRIDGE, 24, 0, 0},
        [SET_IP4] = {"ip4", NFPROTO_BRIDGE, 20, 0, 0},
        [SET_BRIDGES] = {"bridges", NFPROTO_INET, 16, 0, 0},
        [SET_NETS] = {"nets", NFPROTO_INET, 4, 0, NFT_SET_INTERVAL},
        [SET_GATEWAYS] = {"gateways", NFPROTO_INET, 4, 0, 0},
        [SET_MEMBERS] = {"members", NFPROTO_INET, 20, 0, 0},
        [SET_PAIRS] = {"pairs", NFPROTO_INET, 32, 0, 0},
        [SET_IN4] = {"in4", NFPROTO_INET, 16, 0, 0},
        [SET_IN6] = {"in6", NFPROTO_INET, 16, 0, 0},
        [SET_MASQ] = {"masq", NFPROTO_INET, 16, 0, 0},
        [SET_ANY4] = {"any4", NFPROTO_INET, 8, 8, NFT_SET_MAP},
};

static void batch_mark(struct floor *floor, uint16_t type)
{
	const struct nfgenmsg header = {.res_id = htons(NFNL_SUBSYS_NFTABLES)};

	messages_end(
	        &floor->messages, messages_add(&floor->messages, type, 0, &header, sizeof(header)));
}

static struct nlmsghdr *nft_add(struct floor *floor, uint8_t type, uint8_t family, uint16_t flags)
{
	const struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};

	return messages_add(&floor->messages, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags,
	        &header, sizeof(header));
}

static void add_table(struct floor *floor, uint8_t family)
{
	struct nlmsghdr *message = nft_add(floor, NFT_MSG_NEWTABLE, family, NLM_F_CREATE);

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, TABLE);
	messages_end(&floor->messages, message);
}

static void add_set(struct floor *floor, unsigned set, bool last)
{
	struct nlmsghdr *message = nft_add(floor, NFT_MSG_NEWSET, sets[set].family,
	        (uint16_t)(NLM_F_CREATE | (last ? NLM_F_ACK : 0)));

	mnl_attr_put_strz(message, NFTA_SET_TABLE, TABLE);
	mnl_attr_put_strz(message, NFTA_SET_NAME, sets[set].name);
	mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(sets[set].flags));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, 0);
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(sets[set].key));
	if (sets[set].data) {
		mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, 0);
		mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(sets[set].data));
	}
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(set + 1));
	messages_end(&floor->messages, message);
}

static void put_value(struct nlmsghdr *message, uint16_t type, const void *bytes, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(message, nest);
}

/* The key is `number` in its first bytes; no two numbers are the same. */
static void put_element(struct nlmsghdr *message, unsigned set, uint32_t number, bool add, bool end)
{
	uint8_t key[32] = {0}, data[8] = {10, 0, 0, 2, 0, 80};
	struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	number = htonl(number);
	memcpy(key, &number, sizeof(number));
	put_value(message, NFTA_SET_ELEM_KEY, key, sets[set].key);
	if (add && sets[set].data)
		put_value(message, NFTA_SET_ELEM_DATA, data, sets[set].data);
	if (end)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(message, element);
}

/* `count` elements from `number` on, in one message. */
static void add_elements(
        struct floor *floor, uint8_t type, unsigned set, uint32_t number, unsigned count, bool last)
{
	bool add = type == NFT_MSG_NEWSETELEM;
	struct nlmsghdr *message = nft_add(floor, type, sets[set].family,
	        (uint16_t)((add ? NLM_F_CREATE : 0) | (last ? NLM_F_ACK : 0)));
	struct nlattr *list;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, sets[set].name);
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (unsigned i = 0; i < count; i++)
		put_element(message, set, number + i, add, false);
	if (sets[set].flags & NFT_SET_INTERVAL)
		put_element(message, set, number + count, add, true);
	mnl_attr_nest_end(message, list);
	messages_end(&floor->messages, message);
}

void elements_change(
        struct floor *floor, uint8_t type, unsigned first, unsigned last, uint32_t number)
{
	batch_mark(floor, NFNL_MSG_BATCH_BEGIN);
	for (unsigned set = first; set <= last; set++)
		add_elements(floor, type, set, number, 1, set == last);
	batch_mark(floor, NFNL_MSG_BATCH_END);
	messages_send(&floor->messages, floor->nft, "change elements");
}

void elements_open(struct floor *floor)
{
	batch_mark(floor, NFNL_MSG_BATCH_BEGIN);
	add_table(floor, NFPROTO_BRIDGE);
	add_table(floor, NFPROTO_INET);
	for (unsigned set = 0; set < SET_COUNT; set++)
		add_set(floor, set, set == SET_COUNT - 1);
	batch_mark(floor, NFNL_MSG_BATCH_END);
	messages_send(&floor->messages, floor->nft, "make the tables");
}

void floor_fill(struct floor *floor, unsigned first, unsigned count)
{
	const unsigned most = 200;

	for (unsigned i = 0; i < count; i += most) {
		batch_mark(floor, NFNL_MSG_BATCH_BEGIN);
		add_elements(floor, NFT_MSG_NEWSETELEM, SET_ANY4, first + i,
		        count - i < most ? count - i : most, true);
		batch_mark(floor, NFNL_MSG_BATCH_END);
		messages_send(&floor->messages, floor->nft, "fill the map");
	}
}
