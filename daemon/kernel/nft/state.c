/*
 * What an element of a set carries beside its key and its data: a counter, or a limit. The set says
 * which of them its elements have; each element has one of its own.
 *
 * A limit is a bucket that holds one second of its rate and ELEMENT_BURST: the kernel makes none
 * that is smaller.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft.h"

#include <linux/netfilter/nf_tables.h>

void nft_counter_put(struct nlmsghdr *message, uint16_t attribute)
{
	struct nlattr *nest = mnl_attr_nest_start(message, attribute);

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, "counter");
	mnl_attr_nest_end(message, mnl_attr_nest_start(message, NFTA_EXPR_DATA));
	mnl_attr_nest_end(message, nest);
}

/* `over`, in nft's words: it matches what exceeds the rate. */
void nft_limit_put(struct nlmsghdr *message, uint16_t attribute, uint64_t rate)
{
	struct nlattr *nest = mnl_attr_nest_start(message, attribute), *data;

	mnl_attr_put_strz(message, NFTA_EXPR_NAME, "limit");
	data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	mnl_attr_put_u64(message, NFTA_LIMIT_RATE, htobe64(rate));
	mnl_attr_put_u64(message, NFTA_LIMIT_UNIT, htobe64(1)); /* seconds */
	mnl_attr_put_u32(message, NFTA_LIMIT_BURST, htonl(ELEMENT_BURST));
	mnl_attr_put_u32(message, NFTA_LIMIT_TYPE, htonl(NFT_LIMIT_PKT_BYTES));
	mnl_attr_put_u32(message, NFTA_LIMIT_FLAGS, htonl(NFT_LIMIT_F_INV));
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, nest);
}

static uint64_t wide(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U64) == 0 ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static uint32_t narrow(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static void read_counter(const struct nlattr *data, struct element *element)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == NFTA_COUNTER_PACKETS)
			element->packets = wide(attr);
		if (mnl_attr_get_type(attr) == NFTA_COUNTER_BYTES)
			element->bytes = wide(attr);
	}
}

/* 0, which equals nothing that netd wants, of a limit that netd does not make. */
static uint64_t read_limit(const struct nlattr *data)
{
	uint32_t burst = 0, type = 0, flags = 0;
	uint64_t rate = 0, unit = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		uint16_t name = mnl_attr_get_type(attr);

		if (name == NFTA_LIMIT_RATE)
			rate = wide(attr);
		if (name == NFTA_LIMIT_UNIT)
			unit = wide(attr);
		if (name == NFTA_LIMIT_BURST)
			burst = narrow(attr);
		if (name == NFTA_LIMIT_TYPE)
			type = narrow(attr);
		if (name == NFTA_LIMIT_FLAGS)
			flags = narrow(attr);
	}
	if (unit != 1 || burst != ELEMENT_BURST || type != NFT_LIMIT_PKT_BYTES ||
	        flags != NFT_LIMIT_F_INV)
		return 0;
	return rate;
}

void nft_state_read(const struct nlattr *expr, struct element *element)
{
	const struct nlattr *part;

	mnl_attr_for_each_nested(part, expr)
	{
		if (mnl_attr_get_type(part) != NFTA_EXPR_DATA)
			continue;
		if (element->set->counter)
			read_counter(part, element);
		if (element->set->limit)
			element->rate = read_limit(part);
	}
}
