/*
 * RESOURCE_RULE: inside a namespace, the routing table that packets from one of its addresses are
 * looked up in.
 *
 * Rules are nobody's: they stand on no interface and outlive it. So netd's bear its number as their
 * protocol, which is how they are known, and each is taken away by itself. A rule is its own key,
 * so it is made or removed and never changed; where someone has made another of it, the right one
 * is missing.
 */
#include "daemon/kernel/rules.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/routes.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>

/* Before the main table (32766), behind what a tenant would put first. */
#define PRIORITY 30000

static int queue(struct kernel *kernel, int type, const struct resource *rule, const char *what,
        struct step *step, struct error *err)
{
	const struct ip *from = &rule->rule.from;
	int size = (int)ip_size(from->family);
	struct fib_rule_hdr header = {.family = from->family,
	        .src_len = (uint8_t)(8 * size),
	        .table = RT_TABLE_UNSPEC,
	        .action = FR_ACT_TO_TBL};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = rtnl_message(
	        type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0, &header, sizeof(header));

	if (!msg || nla_put(msg, FRA_SRC, size, from->bytes) < 0 ||
	        nla_put_u32(msg, FRA_PRIORITY, PRIORITY) < 0 ||
	        nla_put_u32(msg, FRA_TABLE, rule->rule.table) < 0 ||
	        nla_put_u8(msg, FRA_PROTOCOL, ROUTE_PROTOCOL) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, rule->ns, TAKE_PTR(msg), what,
	        type == RTM_DELRULE ? RTNL_GONE : RTNL_THERE, step, err);
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *rule = step->new ? step->new : step->old;
	char what[192];
	int length;

	if (step->old && step->new) {
		step->done = true;
		return 0;
	}
	length = snprintf(what, sizeof(what), step->new ? "add " : "delete ");
	resource_describe(rule, what + length, sizeof(what) - (size_t)length);
	return queue(kernel, step->new ? RTM_NEWRULE : RTM_DELRULE, rule, what, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

/* --- observing --- */

static int take_rule(const struct nlmsghdr *message, void *arg)
{
	const struct fib_rule_hdr *header = nlmsg_data(message);
	struct nlattr *attributes[FRA_MAX + 1];
	struct rules *rules = arg;
	struct rule_seen rule = {0};

	if (message->nlmsg_type != RTM_NEWRULE ||
	        nlmsg_parse(
	                (struct nlmsghdr *)message, sizeof(*header), attributes, FRA_MAX, NULL) < 0)
		return 0;
	if ((header->family != AF_INET && header->family != AF_INET6) ||
	        header->action != FR_ACT_TO_TBL || header->src_len != 8 * ip_size(header->family) ||
	        !attributes[FRA_PROTOCOL] ||
	        nla_get_u8(attributes[FRA_PROTOCOL]) != ROUTE_PROTOCOL ||
	        rtnl_number(attributes[FRA_PRIORITY], 0) != PRIORITY ||
	        !rtnl_ip(attributes[FRA_SRC], header->family, &rule.from))
		return 0;
	rule.table = rtnl_number(attributes[FRA_TABLE], header->table);
	if (!LIST_ROOM(rules->items, rules->count, rules->capacity, 4))
		return -ENOMEM;
	rules->items[rules->count++] = rule;
	return 0;
}

int rules_read(struct rtnl *rtnl, const char *ns, struct rules *ret, struct error *err)
{
	struct fib_rule_hdr header = {.family = AF_UNSPEC};
	struct nl_msg *msg = rtnl_message(RTM_GETRULE, 0, &header, sizeof(header));
	struct rules rules = {0};

	if (!msg)
		return error_memory(err);
	if (rtnl_dump(rtnl, ns, msg, take_rule, &rules, err) < 0) {
		rules_done(&rules);
		return error_context(err, "list the routing rules of %s", ns);
	}
	*ret = rules;
	return 0;
}

void rules_done(struct rules *rules)
{
	free(rules->items);
	*rules = (struct rules){0};
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	int r = observation_read(observation, err);

	for (size_t i = 0; r == 0 && i < observation->look->namespace_count; i++) {
		const struct rules *rules = &observation->insides[i].rules;

		for (size_t j = 0; j < rules->count; j++) {
			struct resource *resource = resources_add(
			        ret, RESOURCE_RULE, observation->look->namespaces[i], "");

			if (!resource)
				return error_memory(err);
			resource->rule.from = rules->items[j].from;
			resource->rule.table = rules->items[j].table;
		}
	}
	return r;
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *rule = step->new ? step->new : step->old;
	char from[IP_TEXT_SIZE];

	if (step->old && step->new)
		return;
	fputs(rule->rule.from.family == AF_INET6 ? "ip -6 -n " : "ip -n ", out);
	tell_word(out, rule->ns);
	fprintf(out, " rule %s from %s lookup %u priority %d protocol %d\n",
	        step->new ? "add" : "del", ip_format(&rule->rule.from, from), rule->rule.table,
	        PRIORITY, ROUTE_PROTOCOL);
}

const struct kind kind_rule = {
        .name = "rule",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};
