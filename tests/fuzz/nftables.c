/*
 * nf_tables' answers: netd's own tables, sets and elements as they are observed, and what comes
 * back to a batch. The first byte says which; behind it stand records (outside.h).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/kernel.h"
#include "tests/fuzz/outside.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/nft.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"

#include <string.h>

static const enum resource_kind elements[] = {RESOURCE_ELEMENT, RESOURCE_KINDS};

/* The two tables, and the elements of a host with one endpoint. */
static void make_wanted(struct resources *ret, bool tables)
{
	static const char *const names[] = {"inet netd", "bridge netd"};

	fuzz_resources(ret, elements);
	for (int i = 0; tables && i < 2; i++) {
		struct resource *one = resources_add(ret, RESOURCE_SKELETON, "", names[i]);

		REQUIRE(one, "memory");
		one->text = nft_skeleton_fingerprint(names[i], OUTSIDE_INSTANCE, false);
		REQUIRE(one->text, "memory");
	}
	resources_sort(ret);
}

static void observe(struct kernel *kernel, enum resource_kind kind, bool tables)
{
	const struct kernel_look look = {.scope = SCOPE_INSTANCE, .kinds = 1u << kind};
	_cleanup_(resources_done) struct resources wanted = {0};

	make_wanted(&wanted, tables);
	fuzz_observe(kernel, &look, &wanted);
}

static void apply(struct kernel *kernel, bool create, bool tables)
{
	_cleanup_(resources_done) struct resources list = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	struct error err = {0};
	int r;

	make_wanted(&list, tables);
	fuzz_plan(&plan, &list, create);
	r = kernel_apply(kernel, &plan.reversible, &err);
	if (r < 0)
		holds_error(&err);
	/* A batch is all or nothing. */
	for (size_t i = 1; i < plan.reversible.count; i++) {
		const struct step *step = &plan.reversible.items[i];

		REQUIRE(step->phase != step[-1].phase || step->done == step[-1].done,
		        "half a batch is done");
		REQUIRE(r < 0 || step->done, "a step is not done");
	}
}

static void look_at_tables(struct kernel *kernel)
{
	char instance[33] = "";
	uint32_t generation = 0;
	struct error err = {0};

	if (nft_others_generation(kernel->nft, &generation, &err) < 0)
		holds_error(&err);
	if (nft_table_instance(kernel->nft, "inet netd", instance, &err) < 0)
		holds_error(&err);
	REQUIRE(memchr(instance, 0, sizeof(instance)), "no end");
}

static void ask(struct kernel *kernel, char what)
{
	switch (what) {
	case 's':
		observe(kernel, RESOURCE_SKELETON, true);
		break;
	case 'e':
		observe(kernel, RESOURCE_ELEMENT, false);
		break;
	case 'g':
		look_at_tables(kernel);
		break;
	case 't':
		apply(kernel, true, true);
		break;
	case 'c':
		apply(kernel, true, false);
		break;
	case 'd':
		apply(kernel, false, false);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, ask);
	return 0;
}
