/*
 * rtnetlink's answers: to each question of netd's, and to what it changes. The first byte says
 * which; behind it stand records (outside.h).
 *
 * What is observed is a list that plans can be made of; what is applied is done, or has a sentence.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/kernel.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"

static const char *const namespaces[] = {"db", "web"};
static const enum resource_kind links[] = {RESOURCE_LINK, RESOURCE_END, RESOURCE_PORT,
        RESOURCE_ADDRESS, RESOURCE_ROUTE, RESOURCE_RULE, RESOURCE_KINDS};

static void observe(struct kernel *kernel, enum resource_kind kind)
{
	const struct kernel_look look = {.scope = SCOPE_INSTANCE,
	        .kinds = 1u << kind,
	        .namespaces = namespaces,
	        .namespace_count = 2};
	_cleanup_(resources_done) struct resources wanted = {0};

	fuzz_resources(&wanted, links);
	fuzz_observe(kernel, &look, &wanted);
}

/* --- changes --- */

static void hold_applied(int r, const struct steps *steps, const struct error *err)
{
	size_t done = 0;

	for (size_t i = 0; i < steps->count; i++) {
		done += steps->items[i].done;
		REQUIRE(!steps->items[i].done || !steps->items[i].failed, "done, and failed");
	}
	REQUIRE(r < 0 || done == steps->count, "%zu of %zu steps are done", done, steps->count);
	if (r < 0)
		holds_error(err);
}

static void apply(struct kernel *kernel, bool create)
{
	_cleanup_(resources_done) struct resources list = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	struct error err = {0};
	int r;

	fuzz_resources(&list, links);
	fuzz_plan(&plan, &list, create);
	r = kernel_apply(kernel, &plan.reversible, &err);
	hold_applied(r, &plan.reversible, &err);
	r = kernel_apply_all(kernel, &plan.final, &err);
	hold_applied(r, &plan.final, &err);
}

/* --- questions --- */

static void look_at_prefixes(struct kernel *kernel)
{
	_cleanup_(freep) struct look_prefix *prefixes = NULL;
	struct error err = {0};
	unsigned count = 0;
	uint32_t mtu = 0;

	if (look_prefixes(kernel, &prefixes, &count, &err) < 0)
		holds_error(&err);
	for (unsigned i = 0; i < count; i++)
		REQUIRE(prefixes[i].cidr.prefix <= 8 * ip_size(prefixes[i].cidr.ip.family), "%u",
		        prefixes[i].cidr.prefix);
	if (look_default_mtu(kernel, &mtu, &err) < 0)
		holds_error(&err);
	look_default_route(kernel, "web", AF_INET6);
}

static void look_at_links(struct kernel *kernel)
{
	_cleanup_(freep) struct look_link *list = NULL;
	char instance[33] = "";
	struct error err = {0};
	unsigned count;

	if (look_links(kernel, "web", &list, &count, &err) < 0)
		holds_error(&err);
	look_link_ours(kernel, "netd0", SCOPE_ALL);
	if (look_other_instance(kernel, instance, &err) < 0)
		holds_error(&err);
}

static void ask(struct kernel *kernel, char what)
{
	switch (what) {
	case 'l':
		observe(kernel, RESOURCE_LINK);
		break;
	case 'e':
		observe(kernel, RESOURCE_END);
		break;
	case 'p':
		observe(kernel, RESOURCE_PORT);
		break;
	case 'a':
		observe(kernel, RESOURCE_ADDRESS);
		break;
	case 'r':
		observe(kernel, RESOURCE_ROUTE);
		break;
	case 'u':
		observe(kernel, RESOURCE_RULE);
		break;
	case 'c':
		apply(kernel, true);
		break;
	case 'd':
		apply(kernel, false);
		break;
	case 'x':
		look_at_prefixes(kernel);
		break;
	case 'i':
		look_at_links(kernel);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, ask);
	return 0;
}
