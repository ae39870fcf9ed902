/*
 * The skeleton: a table with its chains, rules and empty sets, made and replaced in one batch, and
 * recognised again.
 *
 * What is there is compared as a text, the fingerprint: the mark of the instance, flags, chains
 * with hook, priority and policy, sets with type and flags, and for every rule in order the mark in
 * its comment. A rule that someone added bears none, one that was replaced lost it, so the text
 * differs from that of this program's own table if and only if someone touched the table, or it is
 * another version's.
 *
 * Who owns it is no part of that text, so that an orphan differs from a table of netd's in nothing
 * else. Then claiming it is all there is to do: one message, and it keeps all that is in it.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/internal.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/nft/rules.h"
#include "daemon/kernel/observation.h"
#include "lib/cleanup.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* --- the lines of a fingerprint --- */

static void print_chain(FILE *out, const char *name, const char *type, uint32_t hook,
        int32_t priority, uint32_t policy)
{
	if (type)
		fprintf(out, "chain %s %s hook %u priority %d policy %u\n", name, type, hook,
		        priority, policy);
	else
		fprintf(out, "chain %s\n", name);
}

static void print_set(
        FILE *out, const char *name, uint32_t flags, uint32_t key, uint32_t data, bool stateful)
{
	fprintf(out, "set %s flags %x key %x data %x%s\n", name, flags, key, data,
	        stateful ? " stateful" : "");
}

static void print_rule(FILE *out, const char *chain, const char *mark)
{
	fprintf(out, "rule %s %s\n", chain, mark);
}

/* An orphan is one that could be netd's: the flag that goes with the owner is left out. */
static void print_flags(FILE *out, uint32_t flags)
{
	if (flags & ~NFT_TABLE_OWNER)
		fprintf(out, "flags %x\n", flags & ~NFT_TABLE_OWNER);
}

char *nft_skeleton_fingerprint(const char *table, const char *instance, bool owned)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "netd:%s\n", instance);
	print_flags(out, owned ? NFT_TABLE_OWNED : 0);
	for (const struct chain *chain = chains; chain->table; chain++)
		if (strcmp(chain->table, table) == 0)
			print_chain(out, chain->name, chain->type, chain->hook, chain->priority,
			        NF_ACCEPT);
	for (const struct set *set = sets; set->name; set++)
		if (strcmp(set->table, table) == 0)
			print_set(out, set->name, nft_set_flags(set), nft_fields_type(set->key),
			        nft_fields_type(set->data), set->counter || set->limit);
	for (const struct rule *rule = rules; rule->table; rule++) {
		char mark[RULE_MARK_SIZE];

		if (strcmp(rule->table, table) == 0)
			print_rule(out, rule->chain, rule_mark(rule, mark));
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- what is there --- */

struct reading {
	const char *table; /* bare name */
	uint32_t port_id;  /* netd's own */
	bool found;
	enum table_owner owner;
	FILE *out;
};

static const char *string_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
	                                                                 : NULL;
}

static uint32_t number_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? ntohl(mnl_attr_get_u32(attr))
	                                                          : 0;
}

/* The attributes of an answer up to `max`, by number. */
static void sort_attributes(const struct nlmsghdr *header, const struct nlattr **ret, uint16_t max)
{
	const struct nlattr *attr;

	memset(ret, 0, (max + 1u) * sizeof(*ret));
	mnl_attr_for_each(attr, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) <= max)
			ret[mnl_attr_get_type(attr)] = attr;
	}
}

/* Whether the answer is about the table that is read. */
static bool is_of_table(const struct reading *reading, const struct nlattr *table)
{
	const char *name = string_of(table);

	return name && strcmp(name, reading->table) == 0;
}

static int read_table(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attrs[NFTA_TABLE_MAX + 1];
	struct reading *reading = arg;

	sort_attributes(header, attrs, NFTA_TABLE_MAX);
	if (!is_of_table(reading, attrs[NFTA_TABLE_NAME]))
		return MNL_CB_OK;
	reading->found = true;
	print_flags(reading->out, number_of(attrs[NFTA_TABLE_FLAGS]));
	if (attrs[NFTA_TABLE_OWNER])
		reading->owner = number_of(attrs[NFTA_TABLE_OWNER]) == reading->port_id
		                         ? OWNER_NETD
		                         : OWNER_OTHER;
	return MNL_CB_OK;
}

static int read_chain(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attrs[NFTA_CHAIN_MAX + 1], *attr;
	const struct reading *reading = arg;
	const char *name, *type;
	uint32_t hook = 0, priority = 0;

	sort_attributes(header, attrs, NFTA_CHAIN_MAX);
	name = string_of(attrs[NFTA_CHAIN_NAME]);
	type = string_of(attrs[NFTA_CHAIN_TYPE]);
	if (!is_of_table(reading, attrs[NFTA_CHAIN_TABLE]) || !name)
		return MNL_CB_OK;
	if (attrs[NFTA_CHAIN_HOOK]) {
		mnl_attr_for_each_nested(attr, attrs[NFTA_CHAIN_HOOK])
		{
			if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM)
				hook = number_of(attr);
			if (mnl_attr_get_type(attr) == NFTA_HOOK_PRIORITY)
				priority = number_of(attr);
		}
	}
	print_chain(reading->out, name, type, hook, (int32_t)priority,
	        number_of(attrs[NFTA_CHAIN_POLICY]));
	return MNL_CB_OK;
}

static int read_set(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attrs[NFTA_SET_MAX + 1];
	const struct reading *reading = arg;
	uint32_t flags;
	const char *name;

	sort_attributes(header, attrs, NFTA_SET_MAX);
	name = string_of(attrs[NFTA_SET_NAME]);
	flags = number_of(attrs[NFTA_SET_FLAGS]);
	if (is_of_table(reading, attrs[NFTA_SET_TABLE]) && name && !(flags & NFT_SET_ANONYMOUS))
		print_set(reading->out, name, flags, number_of(attrs[NFTA_SET_KEY_TYPE]),
		        number_of(attrs[NFTA_SET_DATA_TYPE]), attrs[NFTA_SET_EXPR]);
	return MNL_CB_OK;
}

static int read_rule(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attrs[NFTA_RULE_MAX + 1], *data;
	const struct reading *reading = arg;
	char mark[RULE_MARK_SIZE] = "?";
	const char *chain;

	sort_attributes(header, attrs, NFTA_RULE_MAX);
	chain = string_of(attrs[NFTA_RULE_CHAIN]);
	data = attrs[NFTA_RULE_USERDATA];
	if (!is_of_table(reading, attrs[NFTA_RULE_TABLE]) || !chain)
		return MNL_CB_OK;
	if (data)
		nft_comment_read(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data), mark,
		        sizeof(mark));
	print_rule(reading->out, chain, mark);
	return MNL_CB_OK;
}

/* Rules are the only ones whose dump takes a table; the rest is sorted out here. */
static int fill_rules(struct nlmsghdr *message, void *arg)
{
	const struct reading *reading = arg;

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, reading->table);
	return 0;
}

static int read_all(struct nft *nft, const char *table, struct reading *reading, struct error *err)
{
	uint16_t family = nft_family(table);
	int r = nft_dump(nft, NFT_MSG_GETTABLE, family, NULL, read_table, reading, err);

	if (r < 0 || !reading->found)
		return r;
	r = nft_dump(nft, NFT_MSG_GETCHAIN, family, NULL, read_chain, reading, err);
	if (r == 0)
		r = nft_dump(nft, NFT_MSG_GETSET, family, NULL, read_set, reading, err);
	if (r == 0)
		r = nft_dump(nft, NFT_MSG_GETRULE, family, fill_rules, read_rule, reading, err);
	return r;
}

/* *ret is the caller's to free; NULL where there is no such table. */
static int observe_once(
        struct nft *nft, const char *table, char **ret, enum table_owner *owner, struct error *err)
{
	struct reading reading = {.table = nft_table_name(table), .port_id = nft_port_id(nft)};
	_cleanup_(freep) char *text = NULL;
	char instance[33];
	size_t size;
	int r = nft_table_instance(nft, table, instance, err);

	if (r < 0)
		return r;
	reading.out = open_memstream(&text, &size);
	if (!reading.out)
		return error_memory(err);
	fprintf(reading.out, "netd:%s\n", instance);
	r = read_all(nft, table, &reading, err);
	if (fclose(reading.out) != 0)
		return error_memory(err);
	if (r < 0)
		return r;
	*ret = reading.found ? TAKE_PTR(text) : NULL;
	*owner = reading.owner;
	return 0;
}

static const char *const tables[] = {"inet netd", "bridge netd"};

static int observe_table(
        struct kernel *kernel, const char *table, struct resources *ret, struct error *err)
{
	enum table_owner owner = OWNER_NONE;
	struct resource *resource;
	char *text = NULL;
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < NFT_DUMP_TRIES; i++)
		r = observe_once(kernel->nft, table, &text, &owner, err);
	if (r < 0)
		return error_context(err, "table %s", table);
	if (!text)
		return 0;
	resource = resources_add(ret, RESOURCE_SKELETON, "", table);
	if (!resource) {
		free(text);
		return error_memory(err);
	}
	resource->text = text;
	resource->skeleton.owner = owner;
	return 0;
}

int nft_table_in_scope(struct kernel *kernel, const char *table, enum kernel_scope scope, bool *ret,
        struct error *err)
{
	char instance[33];
	int r = nft_table_instance(kernel->nft, table, instance, err);

	if (r < 0)
		return r;
	*ret = scope == SCOPE_ALL || !instance[0] || strcmp(instance, kernel->instance) == 0;
	return 0;
}

static int skeleton_observe(
        struct observation *observation, struct resources *ret, struct error *err)
{
	struct kernel *kernel = observation->kernel;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		bool in_scope;
		int r = nft_table_in_scope(
		        kernel, tables[i], observation->look->scope, &in_scope, err);

		if (r == 0 && in_scope)
			r = observe_table(kernel, tables[i], ret, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- to the kernel --- */

static int queue_table(
        struct nft *nft, uint16_t type, const char *table, bool owned, const char *instance)
{
	uint16_t flags = type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0;
	struct nlmsghdr *message;
	char label[64];

	snprintf(label, sizeof(label), "%s table %s", flags ? "add" : "delete", table);
	message = nft_queue(nft, type, nft_family(table), flags, label);
	if (!message)
		return -ENOMEM;
	mnl_attr_put_strz(message, NFTA_TABLE_NAME, nft_table_name(table));
	if (owned)
		mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(NFT_TABLE_OWNED));
	if (instance) {
		char data[64] = {0 /* a comment */};
		int size = snprintf(data + 2, sizeof(data) - 2, "netd:%s", instance) + 1;

		data[1] = (char)size;
		mnl_attr_put(message, NFTA_TABLE_USERDATA, 2 + (size_t)size, data);
	}
	nft_queued(nft, message);
	return 0;
}

/* Removing a table that is not there would fail the batch; made first, it is there. */
static int queue_removal(struct nft *nft, const char *table)
{
	int r = queue_table(nft, NFT_MSG_NEWTABLE, table, false, NULL);

	return r < 0 ? r : queue_table(nft, NFT_MSG_DELTABLE, table, false, NULL);
}

static int queue_chain(struct nft *nft, const struct chain *chain)
{
	struct nlmsghdr *message;
	struct nlattr *nest;
	char label[128];

	snprintf(label, sizeof(label), "add chain %s %s", chain->table, chain->name);
	message = nft_queue(nft, NFT_MSG_NEWCHAIN, nft_family(chain->table), NLM_F_CREATE, label);
	if (!message)
		return -ENOMEM;
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, nft_table_name(chain->table));
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain->name);
	if (chain->type) {
		nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(chain->hook));
		mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)chain->priority));
		mnl_attr_nest_end(message, nest);
		mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, chain->type);
	}
	nft_queued(nft, message);
	return 0;
}

/* The whole table in place of whatever bears its name. Kernel 6.1 has no other atomic way. */
static int queue_skeleton(struct nft *nft, const char *table, bool owned, const char *instance)
{
	int r = queue_removal(nft, table);

	if (r == 0)
		r = queue_table(nft, NFT_MSG_NEWTABLE, table, owned, instance);
	for (const struct chain *chain = chains; r == 0 && chain->table; chain++)
		if (strcmp(chain->table, table) == 0)
			r = queue_chain(nft, chain);
	for (const struct set *set = sets; r == 0 && set->name; set++)
		if (strcmp(set->table, table) == 0)
			r = nft_set_queue(nft, set);
	for (const struct rule *rule = rules; r == 0 && rule->table; rule++)
		if (strcmp(rule->table, table) == 0)
			r = rule_queue(nft, rule);
	return r;
}

static int skeleton_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	struct nft *nft = kernel->nft;
	int r;

	if (step->old && step->old->skeleton.owner == OWNER_OTHER)
		return error_set(err, ERROR_KERNEL, EPERM,
		        "%s table %s, which another program owns, or a netd that has not ended "
		        "yet (stop that one: nobody else can change the table while it runs)",
		        step->new ? "change" : "delete", step->old->name);
	if (!step->new)
		r = queue_removal(nft, step->old->name);
	else if (step_is_claim(step))
		r = queue_table(nft, NFT_MSG_NEWTABLE, step->new->name, true, NULL);
	else
		r = queue_skeleton(nft, step->new->name, step->new->skeleton.owner == OWNER_NETD,
		        kernel->instance);
	return r < 0 ? error_memory(err) : 0;
}

/* --- as commands --- */

static void tell_chain(const struct chain *chain, FILE *out)
{
	char mark[RULE_MARK_SIZE];

	fprintf(out, "\tchain %s {\n", chain->name);
	if (chain->type)
		fprintf(out, "\t\ttype %s hook %s; policy accept;\n", chain->type,
		        chain->hook_text);
	for (const struct rule *rule = rules; rule->table; rule++)
		if (strcmp(rule->table, chain->table) == 0 && strcmp(rule->chain, chain->name) == 0)
			fprintf(out, "\t\t%s comment \"%s\"\n", rule->text, rule_mark(rule, mark));
	fputs("\t}\n", out);
}

static void tell_table(const char *table, const char *fingerprint, FILE *out)
{
	int mark = (int)strcspn(fingerprint, "\n");

	fprintf(out, "nft -f - <<'EOF'\nadd table %s\ndelete table %s\n", table, table);
	fprintf(out, "table %s {\n\tcomment \"%.*s\"\n", table, mark, fingerprint);
	for (const struct set *set = sets; set->name; set++)
		if (strcmp(set->table, table) == 0)
			nft_set_tell(set, out);
	for (const struct chain *chain = chains; chain->table; chain++)
		if (strcmp(chain->table, table) == 0)
			tell_chain(chain, out);
	fputs("}\nEOF\n", out);
}

static void skeleton_tell(const struct step *step, FILE *out)
{
	const struct resource *new = step->new;

	if (new && !step_is_claim(step))
		tell_table(new->name, new->text, out);
	if (new &&new->skeleton.owner == OWNER_NETD)
		fprintf(out, "# netd owns table %s while it runs: no one else can change it\n",
		        new->name);
	if (!new)
		fprintf(out, "nft delete table %s\n", step->old->name);
}

const struct kind kind_skeleton = {
        .name = "skeleton",
        .apply = skeleton_apply,
        .observe = skeleton_observe,
        .tell = skeleton_tell,
        .pipe = PIPE_NFT,
};
