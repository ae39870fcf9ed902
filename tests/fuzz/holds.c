/*
 * The invariants of the pure layers, as the daemon relies on them: what a model renders to is a
 * sorted list without doubles, the same each time; a plan leads from one list to the other, and its
 * opposite back.
 */
#include "tests/fuzz/holds.h"

#include "daemon/kernel/kernel.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

char *fuzz_part(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size ? memmem(*data, *size, "\n\n", 2) : NULL;
	size_t length = end ? (size_t)(end - *data) : *size, skip = end ? length + 2 : length;
	char *part;

	if (*size == 0)
		return NULL;
	part = strndup((const char *)*data, length);
	REQUIRE(part, "memory");
	*data += skip;
	*size -= skip;
	return part;
}

static void grant(struct model *model, const struct request *request)
{
	static struct facts peer = {.boot_id = "boot"};
	static const struct facts facts = {.boot_id = "boot", .default_mtu = 1500, .peer = &peer};
	struct model *fork = model_fork(model);
	struct answer answer = {0};
	struct error err = {0};

	REQUIRE(fork && rules_apply(fork, request, &facts, &answer, &err) == 0, "%s", err.text);
	model_merge(fork, model);
	answer_done(&answer);
}

struct model *fuzz_model(void)
{
	struct host host = {.instance = "0123456789abcdef0123456789abcdef", .next_id = 1};
	struct request request = {
	        .kind = REQUEST_NETWORK_CREATE, .network = NETWORK_DEFAULT, .bridge = "netd0"};
	struct model *model = model_new();

	REQUIRE(model && model_put_host(model, &host) == 0, "memory");
	grant(model, &request);
	return model;
}

struct model *fuzz_endpoint_model(void)
{
	struct request connect = {
	        .kind = REQUEST_CONNECT, .network = NETWORK_DEFAULT, .namespace = "web"};
	struct request publish = {.kind = REQUEST_PUBLISH,
	        .namespace = "web",
	        .ports = {{.host_ip = {.family = AF_INET},
	                .host_port = 8080,
	                .port = 80,
	                .protocol = IPPROTO_TCP}},
	        .port_count = 1};
	struct request link = {.kind = REQUEST_NS_LINK,
	        .ends = {{.namespace = "web",
	                         .addresses = {{{AF_INET, {10, 99, 0, 1}}, 30},
	                                 {{AF_INET6, {0xfd, [15] = 1}}, 64}},
	                         .address_count = 2},
	                {.namespace = "far"}},
	        .given = 1,
	        .wanted_ns_link = {.mtu = 1500}};
	struct model *model = fuzz_model();

	grant(model, &connect);
	grant(model, &publish);
	grant(model, &link);
	return model;
}

void fuzz_resources(struct resources *ret, const enum resource_kind *kinds)
{
	struct model *model = fuzz_endpoint_model();
	struct error err = {0};
	size_t kept = 0;

	REQUIRE(render_all(model, ret, &err) == 0, "%s", err.text);
	model_free(model);
	resources_sort(ret);
	for (size_t i = 0; i < ret->count; i++) {
		const enum resource_kind *kind = kinds;

		while (*kind != RESOURCE_KINDS && *kind != ret->items[i].kind)
			kind++;
		if (*kind == RESOURCE_KINDS)
			free(ret->items[i].text);
		else
			ret->items[kept++] = ret->items[i];
	}
	ret->count = kept;
}

void holds_error(const struct error *err)
{
	size_t length = strnlen(err->text, sizeof(err->text));

	REQUIRE(err->code != ERROR_NONE, "an error without a code");
	REQUIRE(length > 0 && length < sizeof(err->text), "an error without a sentence");
	for (size_t i = 0; i < length; i++)
		REQUIRE((unsigned char)err->text[i] >= ' ' && err->text[i] != 127, "byte %d in: %s",
		        err->text[i], err->text);
	REQUIRE(memchr(err->field, 0, sizeof(err->field)), "a field without an end");
}

void holds_resources(const struct resources *list)
{
	char text[RESOURCE_NAME_SIZE + 256];

	for (size_t i = 0; i < list->count; i++) {
		const struct resource *one = &list->items[i];

		resource_describe(one, text, sizeof(text));
		REQUIRE(text[0], "a resource of kind %d without a name", one->kind);
		REQUIRE(resource_equal(one, one), "%s differs from itself", text);
		REQUIRE(i == 0 || resource_compare(one - 1, one) < 0, "%s is there twice", text);
	}
}

static void hold_same(const struct resources *a, const struct resources *b)
{
	REQUIRE(a->count == b->count, "%zu and %zu resources", a->count, b->count);
	for (size_t i = 0; i < a->count; i++)
		REQUIRE(resource_compare(&a->items[i], &b->items[i]) == 0 &&
		                resource_equal(&a->items[i], &b->items[i]),
		        "%s differs", a->items[i].name);
}

void holds_model(const struct model *model)
{
	_cleanup_(resources_done) struct resources first = {0}, second = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	struct error err = {0};

	REQUIRE(render_all(model, &first, &err) == 0, "%s", err.text);
	REQUIRE(render_all(model, &second, &err) == 0, "%s", err.text);
	resources_sort(&first);
	resources_sort(&second);
	holds_resources(&first);
	hold_same(&first, &second);
	REQUIRE(plan_difference(&first, &second, &plan, &err) == 0, "%s", err.text);
	REQUIRE((plan.reversible.count == 0 && plan.final.count == 0),
	        "a model differs from itself");
}

/* --- a plan, played on a list --- */

static const struct resource **find(
        const struct resource **there, size_t count, const struct resource *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (there[i] && resource_compare(there[i], wanted) == 0)
			return &there[i];
	return NULL;
}

/* A skeleton takes the elements of its table with it. */
static void drop_elements(const struct resource **there, size_t count, const char *table)
{
	for (size_t i = 0; i < count; i++)
		if (there[i] && there[i]->kind == RESOURCE_ELEMENT &&
		        strcmp(there[i]->element.set->table, table) == 0)
			there[i] = NULL;
}

/* It needs no step to go: it goes with what it stands on. */
static bool goes_by_itself(const struct resource *one)
{
	return one->kind == RESOURCE_END || one->kind == RESOURCE_FLOWS ||
	       (one->kind == RESOURCE_SYSCTL && !one->sysctl.journal) ||
	       (one->kind == RESOURCE_ROUTE && !one->route.gateway.family);
}

/* Plays the steps on the resources that are there; `there` has room for one more per step. */
static size_t play(const struct resource **there, size_t count, const struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->items[i];
		const struct resource **old = step->old ? find(there, count, step->old) : NULL;

		REQUIRE(step->old || step->new, "a step without sides");
		if (step->old && step->old->kind == RESOURCE_SKELETON)
			drop_elements(there, count, step->old->name);
		if (step->old && step->old->kind == RESOURCE_FLOWS)
			continue; /* it exists only to be deleted */
		REQUIRE(!step->old || old || step->old->kind == RESOURCE_ELEMENT,
		        "%s is changed or deleted, and is not there", step->old->name);
		if (!old && step->new &&goes_by_itself(step->new))
			old = find(there, count, step->new);
		if (old)
			*old = step->new;
		else if (step->new)
			there[count++] = step->new;
	}
	return count;
}

static void hold_result(const struct resource **there, size_t count, const struct resources *wanted)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += there[i] != NULL && !goes_by_itself(there[i]);
	for (size_t i = 0; i < wanted->count; i++) {
		const struct resource **found = find(there, count, &wanted->items[i]);

		if (wanted->items[i].kind == RESOURCE_FLOWS)
			continue;
		if (!found && wanted->items[i].kind == RESOURCE_LINK &&
		        wanted->items[i].link.retired)
			continue; /* what only waits for its deletion is not made */
		REQUIRE(found && resource_equal(*found, &wanted->items[i]),
		        "%s of kind %d is not as it should be", wanted->items[i].name,
		        wanted->items[i].kind);
		left -= !goes_by_itself(&wanted->items[i]);
	}
	REQUIRE(left == 0, "%zu resources too many", left);
}

static void hold_told(const struct steps *steps)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	REQUIRE(out && kernel_tell(steps, out) == 0 && fclose(out) == 0, "memory");
	for (size_t i = 0; i < size; i++)
		REQUIRE(text[i] == '\n' || text[i] == '\t' || (text[i] >= ' ' && text[i] <= '~'),
		        "byte %d in: %s", text[i], text);
	free(text);
}

void holds_difference(const struct resources *old, const struct resources *new)
{
	_cleanup_(plan_done) struct plan plan = {0};
	_cleanup_(steps_done) struct steps back = {0};
	_cleanup_(freep) const struct resource **there = NULL;
	struct error err = {0};
	size_t count = old->count;

	REQUIRE(plan_difference(old, new, &plan, &err) == 0, "%s", err.text);
	there = calloc(
	        old->count + 2 * plan.reversible.count + plan.final.count + 1, sizeof(*there));
	REQUIRE(there, "memory");
	for (size_t i = 0; i < old->count; i++)
		there[i] = &old->items[i];
	count = play(there, count, &plan.reversible);
	for (size_t i = 0; i < plan.reversible.count; i++)
		plan.reversible.items[i].done = true;
	REQUIRE(plan_opposite(&plan.reversible, &back, &err) == 0, "%s", err.text);
	REQUIRE(back.count == plan.reversible.count, "a step has no opposite");
	count = play(there, count, &back);
	hold_result(there, count, old);
	count = play(there, count, &plan.reversible);
	count = play(there, count, &plan.final);
	hold_result(there, count, new);
}

void holds_change(const struct model *fork, const struct model *parent)
{
	_cleanup_(resources_done) struct resources old = {0}, new = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	struct error err = {0};

	REQUIRE(render_touched(fork, parent, &old, &err) == 0, "%s", err.text);
	REQUIRE(render_touched(fork, fork, &new, &err) == 0, "%s", err.text);
	resources_sort(&old);
	resources_sort(&new);
	holds_resources(&old);
	holds_resources(&new);
	holds_difference(&old, &new);
	REQUIRE(plan_difference(&old, &new, &plan, &err) == 0, "%s", err.text);
	hold_told(&plan.reversible);
	hold_told(&plan.final);
}
