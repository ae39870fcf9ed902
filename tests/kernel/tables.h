/* netd's two tables, made by hand in a private host: what the tests of skeletons and of elements
 * share. */
#pragma once

#include "lib/cleanup.h"
#include "tests/kernel/ruleset.h"

#include <check.h>
#include <string.h>

#define INET   "inet netd"
#define BRIDGE "bridge netd"

static struct resource skeleton(const char *table)
{
	struct resource resource = {.kind = RESOURCE_SKELETON};

	snprintf(resource.name, sizeof(resource.name), "%s", table);
	resource.text = nft_skeleton_fingerprint(table, KIND_INSTANCE, nft_owns(kernel->nft));
	resource.skeleton.owner = nft_owns(kernel->nft) ? OWNER_NETD : OWNER_NONE;
	ck_assert_ptr_nonnull(resource.text);
	return resource;
}

static int queue(const struct kind *kind, const struct resource *old, const struct resource *new)
{
	struct step step = {.old = old, .new = new};

	return kind->apply(kernel, &step, &err);
}

static int commit(void)
{
	return nft_commit(kernel->nft, &kernel->changes, &err);
}

static void must_commit(void)
{
	ck_assert_msg(commit() == 0, "%s", err.text);
}

static void make_tables(void)
{
	struct resource inet = skeleton(INET), bridge = skeleton(BRIDGE);

	ck_assert_int_eq(queue(&kind_skeleton, NULL, &inet), 0);
	ck_assert_int_eq(queue(&kind_skeleton, NULL, &bridge), 0);
	must_commit();
	free(inet.text);
	free(bridge.text);
}

static struct resources observe(const struct kind *kind, enum kernel_scope scope)
{
	struct resources list = {0};

	ck_assert_msg(kind_observe(kind, kernel, scope, NULL, 0, &list, &err) == 0, "%s", err.text);
	resources_sort(&list);
	return list;
}

/* Both tables are there, and nobody has touched them. */
static bool tables_are_intact(void)
{
	_cleanup_(resources_done) struct resources list = observe(&kind_skeleton, SCOPE_INSTANCE);
	bool intact = list.count == 2;

	for (size_t i = 0; i < list.count; i++) {
		struct resource wanted = skeleton(list.items[i].name);

		intact = intact && resource_equal(&wanted, &list.items[i]);
		free(wanted.text);
	}
	return intact;
}
