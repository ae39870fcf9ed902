/*
 * Other people's forward chains, and whether netd's traffic gets through them. A drop in any base
 * chain is final, so netd cannot overrule it; it can name the chain and the command that helps, in
 * the words of whoever keeps that chain (look/firewall_advice.c).
 *
 * Only chains at the forward hook are looked at, and rules are only read where there is one. What
 * counts is the first packet of a flow, in both directions: what comes from a bridge, and what a
 * published port lets in.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/look/firewall.h"
#include "daemon/kernel/look/firewall_memory.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#define STEPS_MAX 100000
#define DEPTH_MAX 16

/* --- chains --- */

struct chains {
	struct firewall_chain *items;
	size_t count, capacity;
};

static void chains_done(struct chains *chains)
{
	free(chains->items);
}

static int add_chain(struct chains *chains, const struct firewall_chain *chain)
{
	if (!LIST_ROOM(chains->items, chains->count, chains->capacity, 32))
		return -ENOMEM;
	chains->items[chains->count++] = *chain;
	return 0;
}

static void copy_text(const struct nlattr *attr, char *ret, size_t size)
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(ret, size, "%s", mnl_attr_get_str(attr));
}

static int read_chain(const struct nlmsghdr *header, void *arg)
{
	const struct nfgenmsg *family = mnl_nlmsg_get_payload(header);
	struct firewall_chain chain = {0};
	const struct nlattr *attr;
	uint32_t hook;

	if (mnl_nlmsg_get_payload_len(header) < sizeof(*family))
		return MNL_CB_OK;
	chain.family = family->nfgen_family;
	mnl_attr_for_each(attr, header, sizeof(*family))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			copy_text(attr, chain.table, sizeof(chain.table));
			break;
		case NFTA_CHAIN_NAME:
			copy_text(attr, chain.name, sizeof(chain.name));
			break;
		case NFTA_CHAIN_HOOK:
			chain.forward = firewall_number(attr, NFTA_HOOK_HOOKNUM, &hook) &&
			                hook == NF_INET_FORWARD;
			break;
		case NFTA_CHAIN_POLICY:
			chain.policy_drop = mnl_attr_validate(attr, MNL_TYPE_U32) == 0 &&
			                    ntohl(mnl_attr_get_u32(attr)) == NF_DROP;
			break;
		}
	}
	if (!chain.table[0] || !chain.name[0] || add_chain(arg, &chain) == 0)
		return MNL_CB_OK;
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

static int read_chains(struct nft *nft, struct chains *ret, struct error *err)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < NFT_DUMP_TRIES; i++) {
		ret->count = 0;
		r = nft_dump(nft, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NULL, read_chain, ret, err);
	}
	return r;
}

/* --- rules of one table --- */

struct rule {
	struct nlmsghdr *message; /* owned: as it came */
	const char *chain;        /* in it */
	size_t position;          /* among all rules */
};

struct rules {
	struct nft *nft;
	const struct firewall_chain *base;
	struct rule *items;
	size_t count, capacity;
	size_t steps; /* taken; a ruleset that branches without end is left */
};

static void rules_clear(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		free(rules->items[i].message);
	rules->count = 0;
}

static void rules_done(struct rules *rules)
{
	rules_clear(rules);
	free(rules->items);
}

/* Takes a copy of the message. */
static int add_rule(struct rules *rules, const struct nlmsghdr *header)
{
	struct nlmsghdr *copy;

	if (!LIST_ROOM(rules->items, rules->count, rules->capacity, 64))
		return -ENOMEM;
	/* libmnl walks attributes up to the aligned end. */
	copy = calloc(1, MNL_ALIGN(header->nlmsg_len));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, header, header->nlmsg_len);
	rules->items[rules->count] =
	        (struct rule){.message = copy, .chain = "", .position = rules->count};
	rules->count++;
	return 0;
}

static int fill_table(struct nlmsghdr *message, void *arg)
{
	const struct rules *rules = arg;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, rules->base->table);
	return 0;
}

static int read_rule(const struct nlmsghdr *header, void *arg)
{
	struct rules *rules = arg;
	const struct nlattr *attr;
	struct rule *rule;

	if (add_rule(rules, header) < 0) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	rule = &rules->items[rules->count - 1];
	mnl_attr_for_each(attr, rule->message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_CHAIN &&
		        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			rule->chain = mnl_attr_get_str(attr);
	}
	return MNL_CB_OK;
}

static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	int order = strcmp(x->chain, y->chain);

	return order ? order : (x->position > y->position) - (x->position < y->position);
}

static int read_rules(struct rules *rules, struct error *err)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < NFT_DUMP_TRIES; i++) {
		rules_clear(rules);
		r = nft_dump(rules->nft, NFT_MSG_GETRULE, rules->base->family, fill_table,
		        read_rule, rules, err);
	}
	if (r == 0 && rules->count > 0)
		qsort(rules->items, rules->count, sizeof(*rules->items), compare_rules);
	return r;
}

/* The first rule of a chain; count if it has none. */
static size_t find_chain(const struct rules *rules, const char *chain)
{
	return LIST_BEFORE(rules->items, rules->count, one, strcmp(one->chain, chain) < 0);
}

/* --- what they do to a packet --- */

/* What a chain does: FIREWALL_ACCEPT, FIREWALL_DROP, or FIREWALL_NONE at its end. */
static int walk(struct rules *rules, const char *chain, const struct firewall_packet *packet,
        unsigned depth, enum firewall_verdict *ret, struct error *err)
{
	*ret = FIREWALL_NONE;
	for (size_t i = find_chain(rules, chain); depth < DEPTH_MAX && i < rules->count; i++) {
		struct firewall_match match = {0};
		struct firewall_action action = {FIREWALL_NONE, ""};
		int r;

		if (strcmp(rules->items[i].chain, chain) != 0 || rules->steps++ > STEPS_MAX)
			return 0;
		r = firewall_rule(rules->nft, rules->base->table, rules->base->family,
		        rules->items[i].message, packet, &match, &action, err);
		if (r < 0)
			return r;
		if (action.verdict == FIREWALL_NONE || !firewall_applies(&match, action.verdict))
			continue;
		if (action.verdict == FIREWALL_RETURN)
			return 0;
		*ret = action.verdict;
		if (action.verdict == FIREWALL_ACCEPT || action.verdict == FIREWALL_DROP)
			return 0;
		r = walk(rules, action.chain, packet, depth + 1, ret, err);
		/* What only concerns some of the other side's interfaces is no drop of all. */
		if (match.other && *ret == FIREWALL_DROP)
			*ret = FIREWALL_NONE;
		if (r < 0 || *ret != FIREWALL_NONE ||
		        (action.verdict == FIREWALL_GOTO && !match.other))
			return r;
	}
	return 0;
}

static int drops(
        struct rules *rules, const struct firewall_packet *packet, bool *ret, struct error *err)
{
	enum firewall_verdict verdict;
	int r;

	rules->steps = 0;
	r = walk(rules, rules->base->name, packet, 0, &verdict, err);
	if (r == 0)
		*ret = verdict == FIREWALL_DROP ||
		       (verdict == FIREWALL_NONE && rules->base->policy_drop);
	return r;
}

/* Whether an interface has an IPv6 address beyond its link: else IPv6 is not forwarded for it. */
static bool has_ipv6(const char *ifname)
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/net/if_inet6", "re");
	char line[128], name[IFNAMSIZ + 1];
	unsigned scope;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %x %*s %16s", &scope, name) == 2 &&
		        (scope & 0xf0) != 0x20 && strcmp(name, ifname) == 0)
			return true;
	return false;
}

static int judge(
        struct rules *rules, struct firewall_packet *packet, bool *dropped, struct error *err)
{
	uint16_t family = rules->base->family;
	int r = 0;

	*dropped = false;
	packet->family = NFPROTO_IPV4;
	if (family != NFPROTO_IPV6)
		r = drops(rules, packet, dropped, err);
	packet->family = NFPROTO_IPV6;
	if (r == 0 && !*dropped && family != NFPROTO_IPV4 && has_ipv6(packet->ifname))
		r = drops(rules, packet, dropped, err);
	return r;
}

/* --- the bridges --- */

static void take(struct firewall_finding *finding, const char *bridge, const bool dropped[2])
{
	finding->leaving |= dropped[0];
	finding->entering |= dropped[1];
	if (dropped[0] || dropped[1])
		finding->bridges[finding->bridge_count++] = bridge;
}

static int look_at_chain(struct nft *nft, struct firewall_finding *finding,
        const struct bridges *bridges, struct error *err)
{
	_cleanup_(rules_done) struct rules rules = {.nft = nft, .base = finding->chain};
	int r = read_rules(&rules, err);

	for (unsigned i = 0; r == 0 && i < bridges->count; i++) {
		struct firewall_packet packet = {
		        .ifname = bridges->names[i], .ifindex = if_nametoindex(bridges->names[i])};
		bool dropped[2] = {false, false};

		for (int enters = 0; r == 0 && enters < 2; enters++) {
			packet.enters = enters;
			r = judge(&rules, &packet, &dropped[enters], err);
		}
		take(finding, bridges->names[i], dropped);
	}
	return r;
}

static int look_at_legacy(
        struct firewall_finding *finding, const struct bridges *bridges, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < bridges->count; i++) {
		struct firewall_packet packet = {
		        .ifname = bridges->names[i], .family = NFPROTO_IPV4};
		bool dropped[2] = {false, false};

		for (int enters = 0; r == 0 && enters < 2; enters++) {
			enum firewall_verdict verdict;

			packet.enters = enters;
			r = firewall_legacy(&packet, &verdict, err);
			dropped[enters] = r == 0 && verdict == FIREWALL_DROP;
		}
		take(finding, bridges->names[i], dropped);
	}
	return r;
}

static bool is_candidate(const struct firewall_chain *chain)
{
	return chain->forward &&
	       !(chain->family == NFPROTO_INET && strcmp(chain->table, "netd") == 0) &&
	       (chain->family == NFPROTO_IPV4 || chain->family == NFPROTO_IPV6 ||
	               chain->family == NFPROTO_INET);
}

/* Who keeps the table that this chain is in. */
static enum firewall_keeper keeper_of(
        const struct chains *chains, const struct firewall_chain *chain)
{
	if (chain->family == NFPROTO_INET && strcmp(chain->table, "firewalld") == 0)
		return KEEPER_FIREWALLD;
	for (size_t i = 0; i < chains->count; i++) {
		const struct firewall_chain *other = &chains->items[i];

		if (other->family != chain->family || strcmp(other->table, chain->table) != 0)
			continue;
		if (strcmp(other->name, "DOCKER-USER") == 0)
			return KEEPER_DOCKER;
		if (strncmp(other->name, "ufw-", 4) == 0 || strncmp(other->name, "ufw6-", 5) == 0)
			return KEEPER_UFW;
	}
	if (chain->family != NFPROTO_INET && strcmp(chain->table, "filter") == 0 &&
	        strcmp(chain->name, "FORWARD") == 0)
		return KEEPER_IPTABLES;
	return KEEPER_NFT;
}

static int look_at_tables(struct kernel *kernel, const struct bridges *bridges,
        char (*sentences)[512], unsigned max, unsigned *count, struct error *err)
{
	_cleanup_(chains_done) struct chains chains = {0};
	_cleanup_(freep) const char **dropped = calloc(bridges->count + 1, sizeof(*dropped));
	int r = dropped ? read_chains(kernel->nft, &chains, err) : error_memory(err);

	for (size_t i = 0; r == 0 && *count < max && i < chains.count; i++) {
		struct firewall_finding finding = {.chain = &chains.items[i],
		        .keeper = keeper_of(&chains, &chains.items[i]),
		        .bridges = dropped};

		if (!is_candidate(&chains.items[i]))
			continue;
		r = look_at_chain(kernel->nft, &finding, bridges, err);
		if (r == 0 && finding.bridge_count > 0)
			firewall_advise(&finding, sentences[(*count)++], sizeof(*sentences));
	}
	return r;
}

/* The same for one bridge, unless that is known from the last time. */
static int look_or_recall(struct kernel *kernel, const struct bridges *bridges,
        char (*sentences)[512], unsigned max, unsigned *count, struct error *err)
{
	struct firewall_question question = {0};
	int r = firewall_memory_refresh(&kernel->firewall, kernel->nft, err);

	if (r < 0)
		return r;
	memcpy(question.bridge, bridges->names[0], IFNAMSIZ);
	question.ifindex = if_nametoindex(question.bridge);
	question.ipv6 = has_ipv6(question.bridge);
	if (firewall_recall(kernel->firewall, &question, sentences, max, count))
		return 0;
	r = look_at_tables(kernel, bridges, sentences, max, count, err);
	if (r == 0 && *count < max) /* else there may be more */
		firewall_remember(kernel->firewall, &question, sentences, *count);
	return r;
}

int look_firewall(struct kernel *kernel, const char (*bridges)[IFNAMSIZ], unsigned bridge_count,
        char (*sentences)[512], unsigned max, unsigned *count, struct error *err)
{
	const struct bridges names = {bridges, bridge_count};
	_cleanup_(freep) const char **dropped = calloc(bridge_count + 1, sizeof(*dropped));
	struct firewall_finding finding = {.keeper = KEEPER_LEGACY, .bridges = dropped};
	int r;

	*count = 0;
	if (!dropped)
		return error_memory(err);
	r = bridge_count == 1 ? look_or_recall(kernel, &names, sentences, max, count, err)
	                      : look_at_tables(kernel, &names, sentences, max, count, err);
	if (r == 0 && *count < max)
		r = look_at_legacy(&finding, &names, err);
	if (r == 0 && finding.bridge_count > 0)
		firewall_advise(&finding, sentences[(*count)++], sizeof(*sentences));
	return r;
}
