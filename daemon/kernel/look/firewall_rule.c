/*
 * One rule of someone else's nf_tables, run on a packet of which little is known. The registers
 * hold bytes and for every word of four whether these are known; an expression that this file does
 * not know leaves all of them unknown, so that what it says is never more than what the rule says.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/look/firewall.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

struct run {
	struct nft *nft;
	const char *table;
	uint16_t family;
	const struct firewall_packet *packet;
	struct firewall_match *match;
	struct firewall_action *action;
	struct error *err;
	int result;
	struct firewall_registers registers;
};

static void load(
        struct run *run, uint32_t reg, enum firewall_word state, const void *bytes, size_t size)
{
	int word = firewall_word_of(reg);
	size_t words = (size + 3) / 4;

	if (word < 0)
		return;
	for (size_t i = 0; i < words && (size_t)word + i < FIREWALL_WORDS; i++)
		run->registers.state[(size_t)word + i] = state;
	if (bytes && 4 * ((size_t)word + words) <= sizeof(run->registers.bytes)) {
		memset(run->registers.bytes + 4 * word, 0, 4 * words);
		memcpy(run->registers.bytes + 4 * word, bytes, size);
	}
}

static void forget(struct run *run)
{
	run->registers = (struct firewall_registers){0};
}

/* --- loads --- */

static void load_interface(struct run *run, uint32_t reg, bool out, bool index)
{
	char name[IFNAMSIZ] = {0};
	uint32_t number = run->packet->ifindex;

	snprintf(name, sizeof(name), "%s", run->packet->ifname);
	if (out != run->packet->enters)
		load(run, reg, WORD_OTHER, NULL, index ? sizeof(number) : sizeof(name));
	else if (!index)
		load(run, reg, WORD_BRIDGE, name, sizeof(name));
	else
		load(run, reg, number ? WORD_BRIDGE : WORD_UNKNOWN, &number, sizeof(number));
}

static void run_meta(struct run *run, const struct nlattr *expr)
{
	uint8_t family = run->packet->family;
	uint16_t protocol = htons(family == NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	uint32_t reg, key;

	if (!firewall_number(expr, NFTA_META_DREG, &reg)) /* it sets something */
		return;
	if (!firewall_number(expr, NFTA_META_KEY, &key))
		return forget(run);
	switch (key) {
	case NFT_META_IIFNAME:
		return load_interface(run, reg, false, false);
	case NFT_META_OIFNAME:
		return load_interface(run, reg, true, false);
	case NFT_META_IIF:
		return load_interface(run, reg, false, true);
	case NFT_META_OIF:
		return load_interface(run, reg, true, true);
	case NFT_META_NFPROTO:
		return load(run, reg, WORD_KNOWN, &family, sizeof(family));
	case NFT_META_PROTOCOL:
		return load(run, reg, WORD_KNOWN, &protocol, sizeof(protocol));
	default:
		return load(run, reg, WORD_UNKNOWN, NULL, 16);
	}
}

/* A new flow; what enters comes by a published port, so it is translated. */
static void run_ct(struct run *run, const struct nlattr *expr)
{
	uint32_t state = NF_CT_STATE_BIT(IP_CT_NEW), status = run->packet->enters ? IPS_DST_NAT : 0;
	uint32_t reg, key;

	if (!firewall_number(expr, NFTA_CT_DREG, &reg))
		return;
	if (!firewall_number(expr, NFTA_CT_KEY, &key))
		return forget(run);
	switch (key) {
	case NFT_CT_STATE:
		return load(run, reg, WORD_KNOWN, &state, sizeof(state));
	case NFT_CT_STATUS:
		return load(run, reg, WORD_KNOWN, &status, sizeof(status));
	default:
		return load(run, reg, WORD_UNKNOWN, NULL, 16);
	}
}

static void run_bitwise(struct run *run, const struct nlattr *expr)
{
	size_t mask_size, xor_size;
	const uint8_t *mask =
	        firewall_value(firewall_attribute(expr, NFTA_BITWISE_MASK), &mask_size);
	const uint8_t * xor = firewall_value(firewall_attribute(expr, NFTA_BITWISE_XOR), &xor_size);
	uint8_t bytes[16];
	enum firewall_word state;
	uint32_t from, to;

	if (!firewall_number(expr, NFTA_BITWISE_SREG, &from) ||
	        !firewall_number(expr, NFTA_BITWISE_DREG, &to))
		return forget(run);
	if (!mask || !xor || mask_size != xor_size || mask_size > sizeof(bytes))
		return load(run, to, WORD_UNKNOWN, NULL, 16);
	state = firewall_known(&run->registers, firewall_word_of(from), mask_size);
	if (state == WORD_UNKNOWN || state == WORD_OTHER)
		return load(run, to, state, NULL, mask_size);
	for (size_t i = 0; i < mask_size; i++)
		bytes[i] = (run->registers.bytes[4 * firewall_word_of(from) + (int)i] & mask[i]) ^
		           xor[i];
	load(run, to, state, bytes, mask_size);
}

/* --- conditions --- */

static void judge(struct run *run, enum firewall_word state, bool holds)
{
	if (state == WORD_UNKNOWN)
		run->match->unknown = true;
	else if (state == WORD_OTHER)
		run->match->other = true;
	else if (!holds)
		run->match->never = true;
	else if (state == WORD_BRIDGE)
		run->match->named = true;
}

static void run_cmp(struct run *run, const struct nlattr *expr)
{
	size_t size;
	const uint8_t *data = firewall_value(firewall_attribute(expr, NFTA_CMP_DATA), &size);
	enum firewall_word state = WORD_UNKNOWN;
	uint32_t reg, operation = UINT32_MAX;
	bool equal;

	if (data && firewall_number(expr, NFTA_CMP_SREG, &reg))
		state = firewall_known(&run->registers, firewall_word_of(reg), size);
	if (state == WORD_UNKNOWN || state == WORD_OTHER)
		return judge(run, state, true);
	equal = memcmp(run->registers.bytes + 4 * firewall_word_of(reg), data, size) == 0;
	firewall_number(expr, NFTA_CMP_OP, &operation);
	switch (operation) {
	case NFT_CMP_EQ:
		return judge(run, state, equal);
	case NFT_CMP_NEQ: /* "not eth0" does not name the bridge */
		return judge(run, WORD_KNOWN, !equal);
	default:
		return judge(run, WORD_UNKNOWN, true);
	}
}

/* Whether the key is in the set; of a map of verdicts also which one it has. */
static void run_lookup(struct run *run, const struct nlattr *expr)
{
	uint32_t from, to, flags = 0;
	bool map = firewall_number(expr, NFTA_LOOKUP_DREG, &to), inverted;
	struct firewall_search search = {
	        .registers = &run->registers,
	        .table = run->table,
	        .set = firewall_text(expr, NFTA_LOOKUP_SET),
	};

	firewall_number(expr, NFTA_LOOKUP_FLAGS, &flags);
	inverted = flags & NFT_LOOKUP_F_INV;
	if (!search.set || !firewall_number(expr, NFTA_LOOKUP_SREG, &from) ||
	        (map && to != NFT_REG_VERDICT)) {
		run->match->unknown = true;
		return forget(run);
	}
	search.word = firewall_word_of(from);
	run->result = firewall_search(run->nft, run->family, &search, run->err);
	if (search.unknown || (search.found && search.other && inverted))
		run->match->unknown = true;
	else if (search.found == inverted)
		run->match->never = true;
	else if (search.found && search.other)
		run->match->other = true;
	run->match->named |= search.found && search.bridge && !inverted;
	if (map && search.found)
		*run->action = search.action;
}

/* --- the rest --- */

static void run_immediate(struct run *run, const struct nlattr *expr)
{
	uint32_t to;

	if (!firewall_number(expr, NFTA_IMMEDIATE_DREG, &to) || to != NFT_REG_VERDICT)
		return forget(run);
	*run->action = firewall_verdict_in(firewall_attribute(expr, NFTA_IMMEDIATE_DATA));
}

/* iptables' own matches and targets. */
static void run_xt_match(struct run *run, const struct nlattr *expr)
{
	const char *name = firewall_text(expr, NFTA_MATCH_NAME);

	if (!name || strcmp(name, "comment") != 0)
		run->match->unknown = true;
}

static void run_xt_target(struct run *run, const struct nlattr *expr)
{
	const char *name = firewall_text(expr, NFTA_TARGET_NAME);

	if (name && strcmp(name, "REJECT") == 0)
		run->action->verdict = FIREWALL_DROP;
}

static void run_reject(struct run *run, const struct nlattr *expr)
{
	run->action->verdict = FIREWALL_DROP;
}

static void run_nothing(struct run *run, const struct nlattr *expr)
{
}

/* Conditions that depend on what is not known: rates, quotas, hash buckets. */
static void run_unknown(struct run *run, const struct nlattr *expr)
{
	run->match->unknown = true;
	forget(run);
}

/* Loads something into a register, and says nothing itself. */
static void run_load(struct run *run, const struct nlattr *expr)
{
	forget(run);
}

static const struct {
	const char *name;
	void (*run)(struct run *run, const struct nlattr *expr);
} runners[] = {
        {"meta", run_meta},
        {"ct", run_ct},
        {"bitwise", run_bitwise},
        {"cmp", run_cmp},
        {"lookup", run_lookup},
        {"immediate", run_immediate},
        {"match", run_xt_match},
        {"target", run_xt_target},
        {"reject", run_reject},
        {"counter", run_nothing},
        {"log", run_nothing},
        {"last", run_nothing},
        {"objref", run_nothing},
        {"notrack", run_nothing},
        {"dynset", run_nothing},
        {"flow_offload", run_nothing},
        {"payload", run_load},
        {"fib", run_load},
        {"rt", run_load},
        {"socket", run_load},
        {"exthdr", run_load},
        {"byteorder", run_load},
};

static void run_expression(struct run *run, const struct nlattr *expression)
{
	const char *name = firewall_text(expression, NFTA_EXPR_NAME);

	for (size_t i = 0; name && i < sizeof(runners) / sizeof(*runners); i++) {
		if (strcmp(runners[i].name, name) == 0) {
			runners[i].run(run, firewall_attribute(expression, NFTA_EXPR_DATA));
			return;
		}
	}
	run_unknown(run, expression);
}

int firewall_rule(struct nft *nft, const char *table, uint16_t family, const struct nlmsghdr *rule,
        const struct firewall_packet *packet, struct firewall_match *match,
        struct firewall_action *ret, struct error *err)
{
	struct run run = {.nft = nft,
	        .table = table,
	        .family = family,
	        .packet = packet,
	        .match = match,
	        .action = ret,
	        .err = err};
	const struct nlattr *attr, *expression;

	mnl_attr_for_each(attr, rule, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_RULE_EXPRESSIONS)
			continue;
		mnl_attr_for_each_nested(expression, attr)
		{
			if (run.result == 0)
				run_expression(&run, expression);
		}
	}
	return run.result;
}

bool firewall_applies(const struct firewall_match *match, enum firewall_verdict verdict)
{
	if (match->never || match->unknown)
		return false;
	if (!match->other)
		return true;
	return match->named &&
	       (verdict == FIREWALL_ACCEPT || verdict == FIREWALL_JUMP || verdict == FIREWALL_GOTO);
}
