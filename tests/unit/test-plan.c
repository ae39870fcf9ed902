/* Rendering and plans: what an object is in the kernel, in which order, and that opposites take it
 * back. */
#include "daemon/plan/plan.h"
#include "daemon/render/render.h"
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include <stdio.h>

static struct error err;
static const struct resources nothing;

static struct resources render(const struct model *model)
{
	struct resources list = {0};

	ck_assert_int_eq(render_base("inet", "bridge", false, &list, &err), 0);
	ck_assert_int_eq(render_all(model, &list, &err), 0);
	resources_sort(&list);
	return list;
}

static struct plan difference(const struct resources *old, const struct resources *new)
{
	struct plan plan;

	ck_assert_int_eq(plan_difference(old, new, &plan, &err), 0);
	return plan;
}

static struct model *small_world(void)
{
	struct model *model = made_up_model();

	must_create(model, "net");
	must_connect(model, "net", "web");
	must_publish(model, 8080, 80, "web");
	return model;
}

static size_t position(const struct steps *steps, enum resource_kind kind, const char *name)
{
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->items[i];
		const struct resource *one = step->new ? step->new : step->old;

		if (one->kind == kind && (!name || strcmp(one->name, name) == 0))
			return i;
	}
	ck_abort_msg("no step for %s", name ? name : "this kind");
	return 0;
}

START_TEST(the_same_model_has_nothing_to_do)
{
	struct model *model = small_world();
	struct resources one = render(model), other = render(model);
	struct plan plan = difference(&one, &other);

	ck_assert_uint_eq(plan.reversible.count + plan.final.count, 0);
	plan_done(&plan);
	resources_done(&one);
	resources_done(&other);
	model_free(model);
}
END_TEST

START_TEST(guards_come_before_links_and_publications_after)
{
	struct model *model = small_world();
	struct resources wanted = render(model);
	struct plan plan = difference(&nothing, &wanted);
	const struct steps *steps = &plan.reversible;

	ck_assert_uint_eq(plan.final.count, 0);
	ck_assert_uint_lt(
	        position(steps, RESOURCE_SKELETON, NULL), position(steps, RESOURCE_ELEMENT, NULL));
	ck_assert_uint_lt(position(steps, RESOURCE_ELEMENT, "nd_ports"),
	        position(steps, RESOURCE_LINK, NULL));
	ck_assert_uint_lt(
	        position(steps, RESOURCE_NETNS, "web"), position(steps, RESOURCE_LINK, NULL));
	ck_assert_uint_lt(position(steps, RESOURCE_LINK, model_network(model, "net")->bridge),
	        position(steps, RESOURCE_LINK,
	                model_namespace(model, "web")->endpoints[0].host_ifname));
	ck_assert_uint_lt(
	        position(steps, RESOURCE_END, NULL), position(steps, RESOURCE_ADDRESS, NULL));
	ck_assert_uint_lt(
	        position(steps, RESOURCE_ADDRESS, NULL), position(steps, RESOURCE_ROUTE, NULL));
	plan_done(&plan);
	resources_done(&wanted);
	model_free(model);
}
END_TEST

/* The difference that a fork makes, as the engine computes it. */
static struct plan change(
        struct model *model, struct model *fork, struct resources *old, struct resources *new)
{
	ck_assert_int_eq(render_touched(fork, model, old, &err), 0);
	ck_assert_int_eq(render_touched(fork, fork, new, &err), 0);
	resources_sort(old);
	resources_sort(new);
	return difference(old, new);
}

START_TEST(a_new_publication_is_one_held_port_and_two_elements)
{
	struct model *model = small_world(), *fork = model_fork(model);
	struct resources old = {0}, new = {0};
	struct plan plan;

	must_publish(fork, 9090, 80, "web");
	plan = change(model, fork, &old, &new);
	ck_assert_uint_eq(plan.reversible.count, 3); /* the second one counts */
	ck_assert_int_eq(plan.reversible.items[0].new->kind, RESOURCE_HOLD);
	for (int i = 1; i < 3; i++) {
		ck_assert_int_eq(plan.reversible.items[i].new->kind, RESOURCE_ELEMENT);
		ck_assert_int_eq(plan.reversible.items[i].phase, PHASE_PUBLISH);
	}
	ck_assert_uint_eq(plan.final.count, 0);
	plan_done(&plan);
	resources_done(&old);
	resources_done(&new);
	model_free(fork);
	model_free(model);
}
END_TEST

START_TEST(disconnecting_makes_the_link_harmless_and_deletes_nothing_yet)
{
	struct request disconnect = {
	        .kind = REQUEST_DISCONNECT, .network = "net", .namespace = "web"};
	struct model *model = small_world(), *fork = model_fork(model);
	struct resources old = {0}, new = {0};
	size_t publication, link;
	struct plan plan;

	must(fork, &disconnect, &quiet_host);
	plan = change(model, fork, &old, &new);
	publication = position(&plan.reversible, RESOURCE_ELEMENT, "nd_any4");
	link = position(&plan.reversible, RESOURCE_LINK, NULL);
	ck_assert_uint_eq(publication, 0);
	ck_assert(plan.reversible.items[link].new->link.retired);
	ck_assert_uint_lt(link, position(&plan.reversible, RESOURCE_ELEMENT, "nd_ports"));
	ck_assert_uint_eq(plan.final.count, 0);
	plan_done(&plan);
	resources_done(&old);
	resources_done(&new);
	model_free(fork);
	model_free(model);
}
END_TEST

START_TEST(only_deletions_of_links_and_namespaces_are_final)
{
	struct model *model = small_world();
	struct resources there = render(model);
	struct plan plan = difference(&there, &nothing);

	ck_assert_uint_eq(plan.final.count, 4); /* bridge, veth, namespace, directory */
	for (size_t i = 0; i < plan.final.count; i++)
		ck_assert(plan.final.items[i].old->kind == RESOURCE_LINK ||
		          plan.final.items[i].old->kind == RESOURCE_NETNS ||
		          plan.final.items[i].old->kind == RESOURCE_NETNS_DIR);
	plan_done(&plan);
	resources_done(&there);
	model_free(model);
}
END_TEST

START_TEST(a_table_that_is_made_anew_gets_all_its_elements_in_the_same_batch)
{
	struct model *model = small_world();
	struct resources there = render(model), wanted = render(model);
	size_t elements = 0;
	struct plan plan;

	for (size_t i = 0; i < there.count; i++)
		if (there.items[i].kind == RESOURCE_SKELETON &&
		        strcmp(there.items[i].name, "inet netd") == 0)
			there.items[i].text[0] = '?';
	plan = difference(&there, &wanted);
	for (size_t i = 1; i < plan.reversible.count; i++) {
		ck_assert_int_eq(plan.reversible.items[i].phase, PHASE_GUARD);
		ck_assert_ptr_null(plan.reversible.items[i].old);
		ck_assert_str_eq(plan.reversible.items[i].new->element.set->table, "inet netd");
		elements++;
	}
	ck_assert_uint_ge(elements, 9);
	plan_done(&plan);
	resources_done(&there);
	resources_done(&wanted);
	model_free(model);
}
END_TEST

START_TEST(a_table_that_is_claimed_keeps_its_elements)
{
	struct model *model = small_world();
	struct resources there = render(model), wanted = render(model);
	struct plan plan;

	for (size_t i = 0; i < wanted.count; i++)
		if (wanted.items[i].kind == RESOURCE_SKELETON)
			wanted.items[i].skeleton.owner = OWNER_NETD;
	plan = difference(&there, &wanted);
	ck_assert_uint_eq(plan.reversible.count, 2);
	ck_assert_uint_eq(plan.final.count, 0);
	for (size_t i = 0; i < plan.reversible.count; i++)
		ck_assert(step_is_claim(&plan.reversible.items[i]));
	plan_done(&plan);
	resources_done(&there);
	resources_done(&wanted);
	model_free(model);
}
END_TEST

START_TEST(opposites_of_what_was_done_come_backwards)
{
	struct model *model = small_world();
	struct resources wanted = render(model);
	struct plan plan = difference(&nothing, &wanted);
	struct steps opposite;
	size_t done = plan.reversible.count - 2;

	for (size_t i = 0; i < done; i++)
		plan.reversible.items[i].done = true;
	ck_assert_int_eq(plan_opposite(&plan.reversible, &opposite, &err), 0);
	ck_assert_uint_eq(opposite.count, done);
	for (size_t i = 0; i < done; i++) {
		ck_assert_ptr_null(opposite.items[i].new);
		ck_assert_ptr_eq(opposite.items[i].old, plan.reversible.items[done - 1 - i].new);
	}
	for (size_t i = 1; i < done; i++)
		ck_assert_int_le(opposite.items[i - 1].phase, opposite.items[i].phase);
	steps_done(&opposite);
	plan_done(&plan);
	resources_done(&wanted);
	model_free(model);
}
END_TEST

/* With all that stood on it, also what looks as it should: the new pair has none of it. */
START_TEST(a_pair_that_ends_elsewhere_is_replaced)
{
	static const enum resource_kind again[] = {RESOURCE_LINK, RESOURCE_SYSCTL, RESOURCE_END,
	        RESOURCE_ADDRESS, RESOURCE_ROUTE, RESOURCE_ROUTE};
	struct model *model = small_world();
	struct resources there = render(model), wanted = render(model);
	struct plan plan;

	for (size_t i = 0; i < there.count; i++)
		if (there.items[i].kind == RESOURCE_LINK && there.items[i].link.type == LINK_VETH)
			there.items[i].link.peer_ns[0] = '\0';
	plan = difference(&there, &wanted);
	ck_assert_uint_eq(plan.reversible.count, 7);
	ck_assert_ptr_null(plan.reversible.items[0].new);
	for (size_t i = 1; i < plan.reversible.count; i++) {
		ck_assert_ptr_null(plan.reversible.items[i].old);
		ck_assert_int_eq(plan.reversible.items[i].new->kind, again[i - 1]);
	}
	plan_done(&plan);
	resources_done(&there);
	resources_done(&wanted);
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("plan", the_same_model_has_nothing_to_do,
	        guards_come_before_links_and_publications_after,
	        a_new_publication_is_one_held_port_and_two_elements,
	        disconnecting_makes_the_link_harmless_and_deletes_nothing_yet,
	        only_deletions_of_links_and_namespaces_are_final,
	        a_table_that_is_made_anew_gets_all_its_elements_in_the_same_batch,
	        a_table_that_is_claimed_keeps_its_elements,
	        opposites_of_what_was_done_come_backwards, a_pair_that_ends_elsewhere_is_replaced);
}
