/*
 * Lookups in other people's sets: whether what is known of a key is in one. The elements say by
 * their attributes what kind of set it is: one with two points per interval, a concatenation of
 * intervals with both ends, or a plain one.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/look/firewall.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

int firewall_word_of(uint32_t reg)
{
	if (reg >= NFT_REG_1 && reg <= NFT_REG_4)
		return (int)(reg - NFT_REG_1) * 4;
	if (reg >= NFT_REG32_00 && reg <= NFT_REG32_15)
		return (int)(reg - NFT_REG32_00);
	return -1;
}

enum firewall_word firewall_known(const struct firewall_registers *registers, int word, size_t size)
{
	enum firewall_word state = WORD_KNOWN;

	if (word < 0 || 4 * (size_t)word + size > sizeof(registers->bytes))
		return WORD_UNKNOWN;
	for (size_t i = 0; i < (size + 3) / 4; i++) {
		enum firewall_word next = registers->state[(size_t)word + i];

		if (next == WORD_UNKNOWN)
			return WORD_UNKNOWN;
		if (state != WORD_OTHER && next != WORD_KNOWN)
			state = next;
	}
	return state;
}

struct reading {
	struct firewall_search *search;
	bool points; /* two per interval */
	bool within; /* after the last point at or before the key */
	size_t best_size;
	uint8_t best[64]; /* that point */
	struct firewall_action action;
};

/* Word by word; what is on the other side fits everything. */
static bool fits(
        const struct firewall_search *search, const uint8_t *key, const uint8_t *last, size_t size)
{
	for (size_t at = 0; at < size; at += 4) {
		size_t word = (size_t)search->word + at / 4, part = size - at < 4 ? size - at : 4;
		const uint8_t *bytes = search->registers->bytes + 4 * word;

		if (search->registers->state[word] == WORD_OTHER)
			continue;
		if (last ? memcmp(bytes, key + at, part) < 0 || memcmp(bytes, last + at, part) > 0
		         : memcmp(bytes, key + at, part) != 0)
			return false;
	}
	return true;
}

/* Remembers the last point at or before the key: an interval that begins there holds it. */
static void take_point(struct reading *reading, const uint8_t *key, size_t size, bool end,
        const struct firewall_action *action)
{
	const uint8_t *bytes = reading->search->registers->bytes + 4 * reading->search->word;
	int order = 1;

	if (size > sizeof(reading->best) || memcmp(key, bytes, size) > 0)
		return;
	if (reading->best_size == size)
		order = memcmp(key, reading->best, size);
	if (order < 0 || (order == 0 && end))
		return;
	memcpy(reading->best, key, size);
	reading->best_size = size;
	reading->within = !end;
	reading->action = *action;
}

static void read_element(struct reading *reading, const struct nlattr *nest)
{
	const struct nlattr *attr, *parts[NFTA_SET_ELEM_MAX + 1] = {0};
	struct firewall_search *search = reading->search;
	struct firewall_action action;
	size_t size = 0, last_size = 0;
	const uint8_t *key, *last;
	bool end = false;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) <= NFTA_SET_ELEM_MAX)
			parts[mnl_attr_get_type(attr)] = attr;
	}
	key = firewall_value(parts[NFTA_SET_ELEM_KEY], &size);
	last = firewall_value(parts[NFTA_SET_ELEM_KEY_END], &last_size);
	attr = parts[NFTA_SET_ELEM_FLAGS];
	if (attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		end = ntohl(mnl_attr_get_u32(attr)) & NFT_SET_ELEM_INTERVAL_END;
	if (!key || (last && last_size != size) ||
	        firewall_known(search->registers, search->word, size) == WORD_UNKNOWN) {
		search->unknown =
		        true; /* of another size than was loaded, or the rest of all keys */
		return;
	}
	for (size_t at = 0; at < size; at += 4) {
		enum firewall_word state = search->registers->state[(size_t)search->word + at / 4];

		search->other |= state == WORD_OTHER;
		search->bridge |= state == WORD_BRIDGE;
	}
	action = firewall_verdict_in(parts[NFTA_SET_ELEM_DATA]);
	reading->points |= end;
	if (!last)
		take_point(reading, key, size, end, &action);
	if (!end && fits(search, key, last, size)) {
		search->found = true;
		search->action = action;
	}
}

static int fill_set(struct nlmsghdr *message, void *arg)
{
	const struct reading *reading = arg;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, reading->search->table);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, reading->search->set);
	return 0;
}

static int read_message(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *list, *nest;

	mnl_attr_for_each(list, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, list)
		{
			read_element(arg, nest);
		}
	}
	return MNL_CB_OK;
}

int firewall_search(
        struct nft *nft, uint16_t family, struct firewall_search *search, struct error *err)
{
	struct reading reading = {.search = search};
	int r;

	/* A set may be large; it is not read for a key of which nothing is known. */
	if (!search->set || firewall_known(search->registers, search->word, 1) == WORD_UNKNOWN) {
		search->unknown = true;
		return 0;
	}
	r = nft_dump(nft, NFT_MSG_GETSETELEM, family, fill_set, read_message, &reading, err);
	if (r == -ENOENT) {
		search->unknown = true;
		return 0;
	}
	if (r == 0 && reading.points && !search->other) {
		search->found = reading.within;
		search->action = reading.action;
	}
	return r;
}
