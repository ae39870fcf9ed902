/*
 * Rules to the wire: one function for each kind of expression, as the kernel's nf_tables.h has
 * them. The order and the registers are those of `nft --debug=netlink` for the same text, so that
 * nft finds the text again when it lists.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft.h"
#include "daemon/kernel/nft/rules.h"

#include <errno.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

static void put_number(struct nlmsghdr *message, uint16_t attribute, uint32_t number)
{
	mnl_attr_put_u32(message, attribute, htonl(number));
}

static void put_data(struct nlmsghdr *message, uint16_t attribute, const void *bytes, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(message, attribute);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(message, nest);
}

/* The two open nests of one expression. */
struct open_expr {
	struct nlattr *list, *data;
};

static struct open_expr start(struct nlmsghdr *message, const char *name)
{
	struct open_expr open;

	open.list = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
	open.data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
	return open;
}

static void end(struct nlmsghdr *message, struct open_expr open)
{
	mnl_attr_nest_end(message, open.data);
	mnl_attr_nest_end(message, open.list);
}

static void put_meta(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "meta");

	put_number(message, NFTA_META_KEY, expr->key);
	put_number(message, NFTA_META_DREG, expr->reg);
	end(message, open);
}

static void put_load(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "payload");

	put_number(message, NFTA_PAYLOAD_DREG, expr->reg);
	put_number(message, NFTA_PAYLOAD_BASE, expr->key);
	put_number(message, NFTA_PAYLOAD_OFFSET, expr->offset);
	put_number(message, NFTA_PAYLOAD_LEN, expr->size);
	end(message, open);
}

static void put_ct(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "ct");

	put_number(message, NFTA_CT_KEY, expr->key);
	put_number(message, NFTA_CT_DREG, expr->reg);
	end(message, open);
}

static void put_ct_original(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "ct");

	put_number(message, NFTA_CT_DREG, expr->reg);
	put_number(message, NFTA_CT_KEY, expr->key);
	mnl_attr_put_u8(message, NFTA_CT_DIRECTION, IP_CT_DIR_ORIGINAL);
	end(message, open);
}

static void put_fib_type(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "fib");

	put_number(message, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	put_number(message, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put_number(message, NFTA_FIB_DREG, expr->reg);
	end(message, open);
}

static void put_hton(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "byteorder");

	put_number(message, NFTA_BYTEORDER_SREG, expr->reg);
	put_number(message, NFTA_BYTEORDER_DREG, expr->reg);
	put_number(message, NFTA_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	put_number(message, NFTA_BYTEORDER_LEN, 1);
	put_number(message, NFTA_BYTEORDER_SIZE, 2);
	end(message, open);
}

static void put_compare(
        struct nlmsghdr *message, uint8_t reg, enum nft_cmp_ops op, const void *bytes, size_t size)
{
	struct open_expr open = start(message, "cmp");

	put_number(message, NFTA_CMP_SREG, reg);
	put_number(message, NFTA_CMP_OP, op);
	put_data(message, NFTA_CMP_DATA, bytes, size);
	end(message, open);
}

static void put_mask(struct nlmsghdr *message, uint8_t reg, const void *mask, size_t size)
{
	static const uint8_t zero[16];
	struct open_expr open = start(message, "bitwise");

	put_number(message, NFTA_BITWISE_SREG, reg);
	put_number(message, NFTA_BITWISE_DREG, reg);
	put_number(message, NFTA_BITWISE_LEN, (uint32_t)size);
	put_data(message, NFTA_BITWISE_MASK, mask, size);
	put_data(message, NFTA_BITWISE_XOR, zero, size);
	end(message, open);
}

static void put_any_bit(struct nlmsghdr *message, const struct expr *expr)
{
	static const uint32_t zero;

	put_mask(message, expr->reg, &expr->number, sizeof(expr->number));
	put_compare(message, expr->reg, NFT_CMP_NEQ, &zero, sizeof(zero));
}

/* A set by its name, or an anonymous one by its number in the batch. */
static void put_in(struct nlmsghdr *message, const struct expr *expr, uint32_t set)
{
	struct open_expr open = start(message, "lookup");

	mnl_attr_put_strz(message, NFTA_LOOKUP_SET, expr->name ? expr->name : "__set%d");
	if (!expr->name)
		put_number(message, NFTA_LOOKUP_SET_ID, set);
	put_number(message, NFTA_LOOKUP_SREG, expr->reg);
	if (expr->inverted)
		put_number(message, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	end(message, open);
}

static void put_map(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "lookup");

	mnl_attr_put_strz(message, NFTA_LOOKUP_SET, expr->name);
	put_number(message, NFTA_LOOKUP_SREG, expr->reg);
	put_number(message, NFTA_LOOKUP_DREG, expr->to);
	end(message, open);
}

static void put_nat(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "nat");

	put_number(message, NFTA_NAT_TYPE, expr->inverted ? NFT_NAT_SNAT : NFT_NAT_DNAT);
	put_number(message, NFTA_NAT_FAMILY, expr->key);
	put_number(message, NFTA_NAT_REG_ADDR_MIN, expr->reg);
	if (expr->to)
		put_number(message, NFTA_NAT_REG_PROTO_MIN, expr->to);
	end(message, open);
}

static void put_pkttype(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "immediate");

	put_number(message, NFTA_IMMEDIATE_DREG, expr->reg);
	put_data(message, NFTA_IMMEDIATE_DATA, expr->bytes, 1);
	end(message, open);
	open = start(message, "meta");
	put_number(message, NFTA_META_KEY, NFT_META_PKTTYPE);
	put_number(message, NFTA_META_SREG, expr->reg);
	end(message, open);
}

static void put_verdict(struct nlmsghdr *message, const struct expr *expr)
{
	struct open_expr open = start(message, "immediate");
	struct nlattr *data, *verdict;

	put_number(message, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = mnl_attr_nest_start(message, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
	put_number(message, NFTA_VERDICT_CODE, expr->number);
	if (expr->name)
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, expr->name);
	mnl_attr_nest_end(message, verdict);
	mnl_attr_nest_end(message, data);
	end(message, open);
}

static void put_expr(struct nlmsghdr *message, const struct expr *expr, uint32_t set)
{
	switch (expr->op) {
	case EXPR_META:
		return put_meta(message, expr);
	case EXPR_LOAD:
		return put_load(message, expr);
	case EXPR_CT:
		return put_ct(message, expr);
	case EXPR_CT_ORIGINAL:
		return put_ct_original(message, expr);
	case EXPR_FIB_TYPE:
		return put_fib_type(message, expr);
	case EXPR_HTON:
		return put_hton(message, expr);
	case EXPR_IS:
		return put_compare(message, expr->reg, expr->inverted ? NFT_CMP_NEQ : NFT_CMP_EQ,
		        expr->bytes, expr->size);
	case EXPR_IS_NUMBER:
		return put_compare(
		        message, expr->reg, NFT_CMP_EQ, &expr->number, sizeof(expr->number));
	case EXPR_MASK:
		return put_mask(message, expr->reg, expr->bytes, expr->size);
	case EXPR_ANY_BIT:
		return put_any_bit(message, expr);
	case EXPR_IN:
	case EXPR_ONE_OF:
		return put_in(message, expr, set);
	case EXPR_MAP:
		return put_map(message, expr);
	case EXPR_NAT:
		return put_nat(message, expr);
	case EXPR_MASQUERADE:
		return end(message, start(message, "masq"));
	case EXPR_PKTTYPE:
		return put_pkttype(message, expr);
	case EXPR_VERDICT:
		return put_verdict(message, expr);
	case EXPR_END:
		return;
	}
}

/* --- anonymous sets --- */

static void put_anonymous_set(
        struct nlmsghdr *message, const struct rule *rule, const struct expr *expr, uint32_t set)
{
	uint8_t order[6] = {0 /* the key's byte order */, sizeof(uint32_t)};
	struct nlattr *nest;

	memcpy(order + 2, &expr->type->order, sizeof(uint32_t));
	mnl_attr_put_strz(message, NFTA_SET_TABLE, nft_table_name(rule->table));
	mnl_attr_put_strz(message, NFTA_SET_NAME, "__set%d");
	put_number(message, NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT);
	put_number(message, NFTA_SET_KEY_TYPE, expr->type->number);
	put_number(message, NFTA_SET_KEY_LEN, expr->type->size);
	put_number(message, NFTA_SET_ID, set);
	nest = mnl_attr_nest_start(message, NFTA_SET_DESC);
	put_number(message, NFTA_SET_DESC_SIZE, expr->count);
	mnl_attr_nest_end(message, nest);
	mnl_attr_put(message, NFTA_SET_USERDATA, sizeof(order), order);
}

static void put_values(
        struct nlmsghdr *message, const struct rule *rule, const struct expr *expr, uint32_t set)
{
	struct nlattr *list, *nest;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, nft_table_name(rule->table));
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "__set%d");
	put_number(message, NFTA_SET_ELEM_LIST_SET_ID, set);
	list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (uint8_t i = 0; i < expr->count; i++) {
		uint32_t number = expr->bytes[i];

		nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
		if (expr->type->size == sizeof(number))
			put_data(message, NFTA_SET_ELEM_KEY, &number, sizeof(number));
		else
			put_data(message, NFTA_SET_ELEM_KEY, &expr->bytes[i], 1);
		mnl_attr_nest_end(message, nest);
	}
	mnl_attr_nest_end(message, list);
}

static int queue_anonymous_set(
        struct nft *nft, const struct rule *rule, const struct expr *expr, uint32_t set)
{
	uint16_t family = nft_family(rule->table);
	struct nlmsghdr *message;
	char label[256];

	snprintf(label, sizeof(label), "add a set for rule %s %s %s", rule->table, rule->chain,
	        rule->text);
	message = nft_queue(nft, NFT_MSG_NEWSET, family, NLM_F_CREATE, label);
	if (!message)
		return -ENOMEM;
	put_anonymous_set(message, rule, expr, set);
	nft_queued(nft, message);
	message = nft_queue(nft, NFT_MSG_NEWSETELEM, family, NLM_F_CREATE, label);
	if (!message)
		return -ENOMEM;
	put_values(message, rule, expr, set);
	nft_queued(nft, message);
	return 0;
}

/* --- rules --- */

static uint32_t hash(uint32_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ at[i]) * 16777619u;
	return sum;
}

static uint32_t hash_expr(uint32_t sum, const struct expr *expr)
{
	const uint32_t numbers[] = {expr->op, expr->reg, expr->to, expr->inverted, expr->count,
	        expr->key, expr->offset, expr->size, expr->number};

	sum = hash(sum, numbers, sizeof(numbers));
	sum = hash(sum, expr->bytes, sizeof(expr->bytes));
	return expr->name ? hash(sum, expr->name, strlen(expr->name)) : sum;
}

const char *rule_mark(const struct rule *rule, char mark[RULE_MARK_SIZE])
{
	uint32_t sum = hash(2166136261u, rule->text, strlen(rule->text));

	sum = hash(sum, rule->chain, strlen(rule->chain));
	for (const struct expr *expr = rule->exprs; expr->op != EXPR_END; expr++)
		sum = hash_expr(sum, expr);
	snprintf(mark, RULE_MARK_SIZE, "netd %08x", sum);
	return mark;
}

static void put_comment(struct nlmsghdr *message, const struct rule *rule)
{
	char mark[RULE_MARK_SIZE];
	uint8_t data[2 + RULE_MARK_SIZE] = {0 /* a comment */};
	size_t size = strlen(rule_mark(rule, mark)) + 1;

	data[1] = (uint8_t)size;
	memcpy(data + 2, mark, size);
	mnl_attr_put(message, NFTA_RULE_USERDATA, 2 + size, data);
}

int rule_queue(struct nft *nft, const struct rule *rule)
{
	uint32_t set =
	        (uint32_t)(rule - rules) + 1; /* another one for each rule that may need one */
	struct nlmsghdr *message;
	struct nlattr *list;
	char label[256];
	int r = 0;

	for (const struct expr *expr = rule->exprs; r == 0 && expr->op != EXPR_END; expr++)
		if (expr->op == EXPR_ONE_OF)
			r = queue_anonymous_set(nft, rule, expr, set);
	if (r < 0)
		return r;
	snprintf(label, sizeof(label), "add rule %s %s %s", rule->table, rule->chain, rule->text);
	message = nft_queue(
	        nft, NFT_MSG_NEWRULE, nft_family(rule->table), NLM_F_CREATE | NLM_F_APPEND, label);
	if (!message)
		return -ENOMEM;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, nft_table_name(rule->table));
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, rule->chain);
	list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
	for (const struct expr *expr = rule->exprs; expr->op != EXPR_END; expr++)
		put_expr(message, expr, set);
	mnl_attr_nest_end(message, list);
	put_comment(message, rule);
	nft_queued(nft, message);
	return 0;
}
