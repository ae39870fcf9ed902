/*
 * Elements of netd's sets and maps: their wire form, what is there, and the four verbs.
 *
 * A set of plain intervals has two points for each element, the second one behind its end; a
 * concatenation has one element with both ends. Here is the only place that knows; everywhere else
 * an element has a first and a last key.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/internal.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

/* --- to the wire --- */

/* An interval set whose key is one field only: two points for each element. */
static bool has_points(const struct set *set)
{
	return set->interval && set->key[1] == FIELD_NONE;
}

static void put_value(
        struct nlmsghdr *message, uint16_t attribute, const uint8_t *bytes, size_t size)
{
	struct nlattr *nest = mnl_attr_nest_start(message, attribute);

	mnl_attr_put(message, NFTA_DATA_VALUE, size, bytes);
	mnl_attr_nest_end(message, nest);
}

static void put_verdict(struct nlmsghdr *message, const uint8_t *bytes)
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);
	uint32_t verdict;

	memcpy(&verdict, bytes, sizeof(verdict));
	if (*set_verdict_chain(verdict)) {
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_GOTO));
		mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, set_verdict_chain(verdict));
	} else {
		mnl_attr_put_u32(message, NFTA_VERDICT_CODE,
		        htonl(verdict == VERDICT_ACCEPT ? NF_ACCEPT : NF_DROP));
	}
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, data);
}

/* The point behind the last key, unless that is the end of all keys. */
static void put_end_point(struct nlmsghdr *message, const struct element *element)
{
	uint8_t end[SET_KEY_SIZE];
	unsigned i = element->key_size;
	struct nlattr *nest;

	memcpy(end, element->key_end, sizeof(end));
	while (i > 0 && ++end[i - 1] == 0)
		i--;
	if (i == 0)
		return;
	nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	put_value(message, NFTA_SET_ELEM_KEY, end, element->key_size);
	mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(message, nest);
}

void nft_element_put(struct nlmsghdr *message, const struct element *element, bool with_data)
{
	const struct set *set = element->set;
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_LIST_ELEM);

	put_value(message, NFTA_SET_ELEM_KEY, element->key, element->key_size);
	if (set->interval && !has_points(set))
		put_value(message, NFTA_SET_ELEM_KEY_END, element->key_end, element->key_size);
	if (with_data && set->data[0] == FIELD_VERDICT)
		put_verdict(message, element->data);
	else if (with_data && set->data[0] != FIELD_NONE)
		put_value(message, NFTA_SET_ELEM_DATA, element->data, element->data_size);
	if (with_data && set->limit)
		nft_limit_put(message, NFTA_SET_ELEM_EXPR, element->rate);
	mnl_attr_nest_end(message, nest);
	if (has_points(set))
		put_end_point(message, element);
}

/* --- from the wire --- */

struct reading {
	const struct set *set;
	struct resources *elements;
	struct resources ends; /* second points */
	unsigned messages;
};

/* The value within KEY, KEY_END or DATA, if it has exactly this size. */
static const uint8_t *value_of(const struct nlattr *nest, size_t size)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE &&
		        mnl_attr_get_payload_len(attr) == size)
			return mnl_attr_get_payload(attr);
	}
	return NULL;
}

bool nft_verdict_read(const struct nlattr *data, int *code, const char **chain)
{
	const struct nlattr *nest, *attr;
	bool found = false;

	*chain = "";
	mnl_attr_for_each_nested(nest, data)
	{
		if (mnl_attr_get_type(nest) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(attr, nest)
		{
			if (mnl_attr_get_type(attr) == NFTA_VERDICT_CODE &&
			        mnl_attr_validate(attr, MNL_TYPE_U32) == 0) {
				*code = (int)ntohl(mnl_attr_get_u32(attr));
				found = true;
			}
			if (mnl_attr_get_type(attr) == NFTA_VERDICT_CHAIN &&
			        mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
				*chain = mnl_attr_get_str(attr);
		}
	}
	return found;
}

/* What is none of netd's verdicts reads as 0, which equals nothing that netd wants. */
static uint32_t verdict_of(const struct nlattr *data)
{
	const char *chain;
	int code;

	if (!nft_verdict_read(data, &code, &chain))
		return 0;
	if (code == NF_DROP)
		return VERDICT_DROP;
	if (code == NF_ACCEPT)
		return VERDICT_ACCEPT;
	for (uint32_t verdict = VERDICT_PUBLISHED; verdict <= VERDICT_ROUTED; verdict++)
		if (code == NFT_GOTO && strcmp(chain, set_verdict_chain(verdict)) == 0)
			return verdict;
	return 0;
}

static bool read_data(const struct set *set, const struct nlattr *data, struct element *element)
{
	const uint8_t *value;
	uint32_t verdict;

	element->data_size = (uint8_t)set_fields_size(set->data);
	if (set->data[0] == FIELD_NONE)
		return true;
	if (!data)
		return false;
	if (set->data[0] == FIELD_VERDICT) {
		verdict = verdict_of(data);
		memcpy(element->data, &verdict, sizeof(verdict));
		return true;
	}
	value = value_of(data, element->data_size);
	if (value)
		memcpy(element->data, value, element->data_size);
	return value;
}

/* An element of another shape than the set has in this program (someone else's table of this name)
 * is passed over: the skeleton differs then, and is replaced with all that is in it. */
static int read_element(struct reading *reading, const struct nlattr *nest)
{
	const struct nlattr *attr, *parts[NFTA_SET_ELEM_MAX + 1] = {0};
	struct element element = {
	        .set = reading->set, .key_size = (uint8_t)set_fields_size(reading->set->key)};
	const uint8_t *key, *last = NULL;
	bool end = false;
	struct resource *resource;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) <= NFTA_SET_ELEM_MAX)
			parts[mnl_attr_get_type(attr)] = attr;
	}
	key = parts[NFTA_SET_ELEM_KEY] ? value_of(parts[NFTA_SET_ELEM_KEY], element.key_size)
	                               : NULL;
	if (parts[NFTA_SET_ELEM_KEY_END])
		last = value_of(parts[NFTA_SET_ELEM_KEY_END], element.key_size);
	attr = parts[NFTA_SET_ELEM_FLAGS];
	if (attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		end = ntohl(mnl_attr_get_u32(attr)) & NFT_SET_ELEM_INTERVAL_END;
	if (!key || (!end && !read_data(reading->set, parts[NFTA_SET_ELEM_DATA], &element)))
		return 0;
	if (parts[NFTA_SET_ELEM_EXPR])
		nft_state_read(parts[NFTA_SET_ELEM_EXPR], &element);
	memcpy(element.key, key, element.key_size);
	memcpy(element.key_end, last ? last : key, element.key_size);
	resource = resources_add(
	        end ? &reading->ends : reading->elements, RESOURCE_ELEMENT, "", reading->set->name);
	if (!resource)
		return -ENOMEM;
	resource->element = element;
	return 0;
}

static int fill_set(struct nlmsghdr *message, void *arg)
{
	const struct reading *reading = arg;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, nft_table_name(reading->set->table));
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, reading->set->name);
	return 0;
}

static int read_message(const struct nlmsghdr *header, void *arg)
{
	struct reading *reading = arg;
	const struct nlattr *list, *nest;
	int r;

	reading->messages++;

	mnl_attr_for_each(list, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(nest, list)
		{
			r = read_element(reading, nest);
			if (r < 0) {
				errno = -r;
				return MNL_CB_ERROR;
			}
		}
	}
	return MNL_CB_OK;
}

static int compare_items(const void *a, const void *b)
{
	return resource_compare(a, b);
}

/* Gives every first point its last key: the one before the next second point. */
static void join_points(struct resources *list, size_t first, struct resources *ends)
{
	size_t count = list->count - first, next = 0;
	struct resource *items;

	if (count == 0)
		return;
	items = list->items + first;
	resources_sort(ends);
	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i++) {
		struct element *element = &items[i].element;
		unsigned size = element->key_size, at;

		while (next < ends->count &&
		        memcmp(ends->items[next].element.key, element->key, size) <= 0)
			next++;
		memset(element->key_end, 0xff, size);
		if (next == ends->count)
			continue;
		memcpy(element->key_end, ends->items[next].element.key, size);
		for (at = size; at > 0 && element->key_end[at - 1]-- == 0;)
			at--;
	}
}

/* *whole: nothing can have been missed. */
static int read_once(struct nft *nft, const struct set *set, struct resources *ret, bool *whole,
        struct error *err)
{
	struct reading reading = {.set = set, .elements = ret};
	size_t before = ret->count;
	int r = nft_dump(nft, NFT_MSG_GETSETELEM, nft_family(set->table), fill_set, read_message,
	        &reading, err);

	if (r == 0 && has_points(set))
		join_points(ret, before, &reading.ends);
	resources_done(&reading.ends);
	if (r < 0)
		ret->count = before;
	*whole = set->interval || reading.messages <= 1;
	return r;
}

/* Sorts what stands behind `first`, and says whether that is the same as `before`, which then
 * becomes a copy of it. */
static int compare_reads(
        struct resources *list, size_t first, struct resources *before, struct error *err)
{
	struct resources tail = {.count = list->count - first};
	bool same;

	if (tail.count > 0) /* else there may be no list at all */
		tail.items = list->items + first;
	resources_sort(&tail);
	list->count = first + tail.count;
	same = tail.count == before->count;
	for (size_t i = 0; same && i < tail.count; i++)
		same = resource_compare(&tail.items[i], &before->items[i]) == 0;
	before->count = 0;
	for (size_t i = 0; !same && i < tail.count; i++) {
		struct resource *copy = resources_add(before, RESOURCE_ELEMENT, "", "");

		if (!copy)
			return error_memory(err);
		*copy = tail.items[i];
	}
	return same;
}

/*
 * The kernel keeps a set without intervals in a hash table that grows in the background, some time
 * after elements came; no generation tells of it. A dump continues by counting where it was, and
 * where the table is another one by then, it leaves out some elements and gives others twice. So
 * what took more than one message is read until it reads the same twice.
 */
int nft_set_read(struct nft *nft, const struct set *set, struct resources *ret, struct error *err)
{
	_cleanup_(resources_done) struct resources before = {0};
	size_t first = ret->count;

	for (int i = 0; i < NFT_DUMP_TRIES; i++) {
		bool whole;
		int r;

		ret->count = first;
		r = read_once(nft, set, ret, &whole, err);
		if (r == -EINTR)
			continue;
		if (r == 0 && !whole)
			r = compare_reads(ret, first, &before, err);
		else if (r == 0 || r == -ENOENT)
			return 0;
		if (r != 0)
			return r < 0 ? error_context(err, "set %s %s", set->table, set->name) : 0;
	}
	return error_set(err, ERROR_KERNEL, EAGAIN, "read set %s %s, which keeps changing",
	        set->table, set->name);
}

/* --- the kind --- */

/* One that is there already would keep the time that it has left (Linux before 6.12). Made first,
 * it can be removed without a look whether it is. */
static int queue_removal(struct nft *nft, const struct element *element, struct error *err)
{
	int r = nft_queue_element(nft, NFT_MSG_NEWSETELEM, element, err);

	return r < 0 ? r : nft_queue_element(nft, NFT_MSG_DELSETELEM, element, err);
}

static int element_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = 0;

	if (step->old)
		r = nft_queue_element(kernel->nft, NFT_MSG_DELSETELEM, &step->old->element, err);
	if (r == 0 && step->new && step->new->element.set->seconds)
		r = queue_removal(kernel->nft, &step->new->element, err);
	if (r == 0 && step->new)
		r = nft_queue_element(kernel->nft, NFT_MSG_NEWSETELEM, &step->new->element, err);
	return r;
}

static int element_observe(
        struct observation *observation, struct resources *ret, struct error *err)
{
	struct kernel *kernel = observation->kernel;
	enum kernel_scope scope = observation->look->scope;
	const char *table = "";
	bool in_scope = false;

	for (const struct set *set = sets; set->name; set++) {
		int r = 0;

		if (strcmp(table, set->table) != 0)
			r = nft_table_in_scope(kernel, set->table, scope, &in_scope, err);
		table = set->table;
		/* What goes by itself is in no one's way, and nothing that should be there. */
		if (r == 0 && in_scope && !set->seconds)
			r = nft_set_read(kernel->nft, set, ret, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void tell_side(const char *verb, const struct element *element, FILE *out)
{
	char text[256];

	fprintf(out, "%s element %s %s { %s }", verb, element->set->table, element->set->name,
	        element_format(element, text, sizeof(text)));
}

static void element_tell(const struct step *step, FILE *out)
{
	_cleanup_(freep) char *command = NULL;
	size_t size;
	FILE *text = open_memstream(&command, &size);

	if (!text)
		return;
	if (step->old)
		tell_side("delete", &step->old->element, text);
	if (step->old && step->new)
		fputs("; ", text);
	if (step->new)
		tell_side("add", &step->new->element, text);
	if (fclose(text) != 0)
		return;
	fputs("nft ", out);
	tell_word(out, command);
	fputc('\n', out);
}

const struct kind kind_element = {
        .name = "element",
        .apply = element_apply,
        .observe = element_observe,
        .tell = element_tell,
        .pipe = PIPE_NFT,
};
