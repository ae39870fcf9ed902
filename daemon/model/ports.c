/*
 * Which ports of the host have an owner.
 *
 * A range is kept as blocks of a power of two, as a range of addresses is kept as prefixes: ten
 * thousand ports are at most thirty entries. Two ranges have a port in common if and only if one of
 * them contains the first port of the other. So who overlaps is found by asking for the seventeen
 * blocks that the first port can be in, and then for all that begin behind it within the range.
 */
#include "daemon/model/model.h"
#include "daemon/model/setting.h"

#include <stdio.h>
#include <string.h>

#define LEVELS          17 /* of 1 to 65,536 ports */
#define PORT_BLOCKS_MAX 32 /* that a range falls into */

struct port_block {
	uint16_t first;
	uint8_t level; /* it has 1 << level ports */
};

static unsigned port_blocks(uint16_t first, uint16_t last, struct port_block ret[PORT_BLOCKS_MAX])
{
	uint32_t at = first, end = (uint32_t)last + 1;
	unsigned count = 0;

	while (at < end) {
		uint8_t level = 0;

		while (level + 1 < LEVELS && !(at & 1u << level) && at + (2u << level) <= end)
			level++;
		ret[count++] = (struct port_block){(uint16_t)at, level};
		at += 1u << level;
	}
	return count;
}

/* All entries of one block: its key without the address. */
static int block_prefix(char ret[KEY_SIZE], uint8_t protocol, const struct port_block *block)
{
	return snprintf(ret, KEY_SIZE, "%s/%05u/%02u/", protocol_name(protocol), block->first,
	        block->level);
}

static void port_key(char ret[KEY_SIZE], uint8_t protocol, const struct port_block *block,
        const struct ip *host_ip)
{
	int length = block_prefix(ret, protocol, block);

	ip_format(host_ip, ret + length);
	if (!host_ip->family)
		snprintf(ret + length, KEY_SIZE - (size_t)length, "*");
}

/* Networks that are let in by their names. */
static int source_keys(const struct publication *publication,
        int (*each)(enum model_table table, const char *key, void *arg), void *arg)
{
	const char *rest = publication->from;
	char item[SETTING_ITEM_MAX], key[KEY_SIZE];
	struct cidr cidr;
	int r = 0;

	while (r == 0 && setting_next_item(&rest, item)) {
		if (publication_source(item, &cidr))
			continue;
		snprintf(key, sizeof(key), "%.*s/%s", NAME_SIZE - 1, item, publication->id);
		r = each(TABLE_SOURCES, key, arg);
	}
	return r;
}

int publication_keys(const struct publication *publication,
        int (*each)(enum model_table table, const char *key, void *arg), void *arg)
{
	struct port_block blocks[PORT_BLOCKS_MAX];
	unsigned count = port_blocks(publication->host_port, publication->host_port_end, blocks);
	char key[KEY_SIZE];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		port_key(key, publication->protocol, &blocks[i], &publication->host_ip);
		r = each(TABLE_PORTS, key, arg);
	}
	if (r == 0)
		r = source_keys(publication, each, arg);
	if (r < 0)
		return r;
	snprintf(key, sizeof(key), "%s/%s", publication->namespace, publication->id);
	return each(TABLE_NS_PORTS, key, arg);
}

static bool addresses_overlap(const struct ip *a, const struct ip *b)
{
	if (!a->family || !b->family)
		return true;
	return a->family == b->family && (ip_is_any(a) || ip_is_any(b) || ip_equal(a, b));
}

/* The next entry of the search's stage. */
static const struct reference *next_entry(struct port_search *search)
{
	const struct port_block block = {
	        (uint16_t)(search->first & ~((1u << search->stage) - 1)), (uint8_t)search->stage};
	const struct port_block first = {search->first, 99}, last = {search->last, 99};
	const struct reference *reference;
	char prefix[KEY_SIZE], end[KEY_SIZE];

	if (search->stage < LEVELS) {
		block_prefix(prefix, search->protocol, &block);
		return model_next_in(search->model, TABLE_PORTS, prefix, search->key);
	}
	/* Behind all blocks that begin at the first port, up to all that begin at the last one. */
	if (!search->key[0])
		block_prefix(search->key, search->protocol, &first);
	block_prefix(end, search->protocol, &last);
	reference = model_next(search->model, TABLE_PORTS, search->key);
	return reference && strcmp(search->key, end) < 0 ? reference : NULL;
}

const struct publication *port_search_next(struct port_search *search)
{
	const struct reference *reference;

	while (search->stage <= LEVELS) {
		while ((reference = next_entry(search))) {
			const struct publication *publication =
			        model_publication(search->model, reference->owner);

			if (!search->host_ip ||
			        addresses_overlap(search->host_ip, &publication->host_ip))
				return publication;
		}
		search->stage++;
		search->key[0] = '\0';
	}
	return NULL;
}
