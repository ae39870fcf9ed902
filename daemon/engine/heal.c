/*
 * The same motion for some objects: what the model says of them, against what is there of theirs.
 * It is how drift is healed without a look at everything, and without touching what belongs to
 * other objects, of which one may be in a fight that is waited out.
 *
 * A link that was renamed is known by its mark, which says whose it is: it gets its name back, and
 * its ports and addresses never notice.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/ns_link.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <stdlib.h>
#include <string.h>

#define SAID 3 /* things that are named; the rest is counted */

/* The names of links on the host that belong to the objects, sorted. */
struct owned {
	struct owned_link {
		char ifname[IFNAMSIZ];
		struct ailing *by;
	} * items;
	size_t count, capacity;
};

struct healing {
	struct engine *engine;
	struct ailing *ailing;
	unsigned count;
	const char **namespaces; /* to look into; borrowed */
	size_t namespace_count;
	struct owned owned;
	struct resources there, wanted;
	struct plan plan;
};

static void healing_done(struct healing *healing)
{
	plan_done(&healing->plan);
	resources_done(&healing->there);
	resources_done(&healing->wanted);
	free(healing->owned.items);
	free(healing->namespaces);
}

/* --- whose a resource is --- */

static int compare_owned(const void *a, const void *b)
{
	return strcmp(
	        ((const struct owned_link *)a)->ifname, ((const struct owned_link *)b)->ifname);
}

static int own(struct owned *owned, const char *ifname, struct ailing *by)
{
	if (!LIST_ROOM(owned->items, owned->count, owned->capacity, 16))
		return -ENOMEM;
	owned->items[owned->count].by = by;
	snprintf(owned->items[owned->count++].ifname, IFNAMSIZ, "%s", ifname);
	return 0;
}

static int own_links(struct healing *healing, struct ailing *ailing)
{
	const struct model *model = healing->engine->model;
	const struct network *network = model_network(model, ailing->name);
	const struct namespace *ns = model_namespace(model, ailing->name);
	int r = 0;

	if (ailing->kind == AILING_NETWORK && network && !network->use_bridge[0])
		return own(&healing->owned, network->bridge, ailing);
	for (unsigned i = 0;
	        r == 0 && ailing->kind == AILING_NAMESPACE && ns && i < ns->endpoint_count; i++)
		r = own(&healing->owned, ns->endpoints[i].host_ifname, ailing);
	return r;
}

static struct ailing *owner_of_link(const struct healing *healing, const char *ifname)
{
	struct owned_link key, *found;

	if (healing->owned.count == 0 || strlen(ifname) >= IFNAMSIZ)
		return NULL;
	snprintf(key.ifname, IFNAMSIZ, "%s", ifname);
	found = bsearch(
	        &key, healing->owned.items, healing->owned.count, sizeof(key), compare_owned);
	return found ? found->by : NULL;
}

static struct ailing *find(const struct healing *healing, enum ailing_kind kind, const char *name)
{
	for (unsigned i = 0; i < healing->count; i++)
		if (healing->ailing[i].kind == kind && strcmp(healing->ailing[i].name, name) == 0)
			return &healing->ailing[i];
	return NULL;
}

/* The interface in net/FAMILY/conf/INTERFACE/KEY. */
static struct ailing *owner_of_sysctl(const struct healing *healing, const struct resource *sysctl)
{
	const char *conf = strstr(sysctl->name, "/conf/");
	char ifname[RESOURCE_NAME_SIZE];

	if (sysctl->sysctl.journal)
		return find(healing, AILING_INTERFACES, "");
	if (!conf)
		return NULL;
	snprintf(ifname, sizeof(ifname), "%.*s", (int)strcspn(conf + 6, "/"), conf + 6);
	return owner_of_link(healing, ifname);
}

/* The namespace, if it is one to look into; else NULL. */
static struct ailing *inside(const struct healing *healing, const char *ns)
{
	struct ailing *ailing = find(healing, AILING_NAMESPACE, ns);

	return ailing && ailing->sides & SIDE_INSIDE ? ailing : NULL;
}

/* The link that has this, of which a namespace has one end; NULL: none has. */
static const struct ns_link *link_of(const struct model *model, const struct resource *resource)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "", conf[IFNAMSIZ + 8];
	unsigned end;

	if (resource->kind != RESOURCE_SYSCTL)
		return ns_link_by_name(model, resource->name);
	while ((link = namespace_next_link(model, resource->ns, key, &end))) {
		snprintf(conf, sizeof(conf), "/conf/%s/", link->ends[end].ifname);
		if (strstr(resource->name, conf))
			return link;
	}
	return NULL;
}

static struct ailing *owner_inside(const struct healing *healing, const struct resource *resource)
{
	const struct ns_link *link = link_of(healing->engine->model, resource);

	return link ? find(healing, AILING_LINK, link->id) : inside(healing, resource->ns);
}

/* Whose of the ailing objects this is; NULL: of none of them. */
static struct ailing *owner(const struct healing *healing, const struct resource *resource)
{
	switch (resource->kind) {
	case RESOURCE_SKELETON:
	case RESOURCE_ELEMENT:
		return find(healing, AILING_RULES, "");
	case RESOURCE_SYSCTL:
		if (!resource->ns[0])
			return owner_of_sysctl(healing, resource);
		break;
	case RESOURCE_LINK:
	case RESOURCE_PORT:
	case RESOURCE_ADDRESS:
	case RESOURCE_ROUTE:
		if (!resource->ns[0])
			return owner_of_link(healing, resource->name);
		break;
	case RESOURCE_END:
	case RESOURCE_RULE:
		break;
	case RESOURCE_NETNS_DIR:
	case RESOURCE_NETNS:
	case RESOURCE_FILE:
	case RESOURCE_HOLD:
	case RESOURCE_FLOWS:
	case RESOURCE_MOVED:
	case RESOURCE_KINDS:
		return NULL;
	}
	return owner_inside(healing, resource);
}

/* It is on its way to its deletion. Not if the model has it: a link whose removal could not be
 * committed is to come back, and would be made a second time beside this one. */
static bool waits(const struct healing *healing, const struct resource *link)
{
	return link->kind == RESOURCE_LINK && link->link.retired &&
	       !link_of(healing->engine->model, link);
}

/* Leaves what belongs to the objects, links that wait for their deletion excepted. */
static void narrow(const struct healing *healing, struct resources *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct resource *resource = &list->items[i];

		if (!waits(healing, resource) && owner(healing, resource))
			list->items[kept++] = *resource;
		else
			free(resource->text);
	}
	list->count = kept;
}

/* --- what should be there --- */

static int want_object(struct healing *healing, const struct ailing *ailing, struct error *err)
{
	const struct model *model = healing->engine->model;
	const struct network *network = model_network(model, ailing->name);
	const struct namespace *ns = model_namespace(model, ailing->name);
	const struct ns_link *link = model_ns_link(model, ailing->name);
	const struct interface *interface;
	char key[KEY_SIZE] = "";
	int r = 0;

	switch (ailing->kind) {
	case AILING_RULES:
		return engine_desired(healing->engine, model, &healing->wanted, err);
	case AILING_INTERFACES:
		while (r == 0 && (interface = model_next(model, TABLE_INTERFACES, key)))
			r = render_interface(model, interface, &healing->wanted, err);
		return r < 0 ? r : render_host(model_host(model), &healing->wanted, err);
	case AILING_NETWORK:
		return network ? render_network(model, network, &healing->wanted, err) : 0;
	case AILING_NAMESPACE:
		return ns ? render_namespace(model, ns, &healing->wanted, err) : 0;
	case AILING_LINK:
		return link ? render_ns_link(model, link, &healing->wanted, err) : 0;
	}
	return 0;
}

static int want(struct healing *healing, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < healing->count; i++)
		r = own_links(healing, &healing->ailing[i]) < 0
		            ? error_memory(err)
		            : want_object(healing, &healing->ailing[i], err);
	if (r < 0)
		return r;
	if (healing->owned.count)
		qsort(healing->owned.items, healing->owned.count, sizeof(*healing->owned.items),
		        compare_owned);
	narrow(healing, &healing->wanted);
	resources_sort(&healing->wanted);
	return 0;
}

/* --- what is there --- */

static void look_into(struct healing *healing, const char *ns)
{
	for (size_t i = 0; i < healing->namespace_count; i++)
		if (strcmp(healing->namespaces[i], ns) == 0)
			return;
	healing->namespaces[healing->namespace_count++] = ns;
}

static void choose_namespaces(struct healing *healing)
{
	for (unsigned i = 0; i < healing->count; i++) {
		const struct ailing *ailing = &healing->ailing[i];
		const struct ns_link *link =
		        ailing->kind == AILING_LINK
		                ? model_ns_link(healing->engine->model, ailing->name)
		                : NULL;

		if (ailing->kind == AILING_NAMESPACE && ailing->sides & SIDE_INSIDE)
			look_into(healing, ailing->name);
		for (unsigned end = 0; link && end < 2; end++)
			look_into(healing, link->ends[end].namespace);
	}
}

static int look(struct healing *healing, struct error *err)
{
	struct kernel_look look = {.scope = SCOPE_INSTANCE};

	healing->namespaces = calloc(2 * healing->count + 1, sizeof(*healing->namespaces));
	if (!healing->namespaces)
		return error_memory(err);
	for (unsigned i = 0; i < healing->count; i++) {
		const struct ailing *ailing = &healing->ailing[i];

		if (ailing->kind == AILING_RULES)
			look.kinds |=
			        KERNEL_LOOK(RESOURCE_SKELETON) | KERNEL_LOOK(RESOURCE_ELEMENT);
		else if (ailing->kind == AILING_INTERFACES)
			look.kinds |= KERNEL_LOOK(RESOURCE_SYSCTL);
		else
			look.kinds |= KERNEL_LOOK(RESOURCE_LINK) | KERNEL_LOOK(RESOURCE_END) |
			              KERNEL_LOOK(RESOURCE_PORT) | KERNEL_LOOK(RESOURCE_SYSCTL) |
			              KERNEL_LOOK(RESOURCE_ADDRESS) | KERNEL_LOOK(RESOURCE_ROUTE) |
			              KERNEL_LOOK(RESOURCE_RULE);
	}
	choose_namespaces(healing);
	look.namespaces = healing->namespaces;
	look.namespace_count = healing->namespace_count;
	return kernel_observe(healing->engine->kernel, &look, &healing->there, err);
}

/* --- links by their mark --- */

static bool bears(const struct resource *resource, const char *mark)
{
	return resource->kind == RESOURCE_LINK && resource->text && !resource->link.retired &&
	       strcmp(resource->text, mark) == 0;
}

/* Nearly every link has the name that it should have, so that the whole list is hardly ever walked.
 */
static const struct resource *link_marked(const struct resources *list, const struct resource *link)
{
	const struct resource *same = resources_find(list, link);

	if (same && bears(same, link->text))
		return same;
	for (size_t i = 0; i < list->count; i++)
		if (bears(&list->items[i], link->text))
			return &list->items[i];
	return NULL;
}

static bool has_link(const struct resources *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == RESOURCE_LINK && strcmp(list->items[i].name, name) == 0)
			return true;
	return false;
}

/* Everything that is listed by the link's name now is listed by its right one; masters, too. */
static void list_as(struct resources *list, const char *now, const char *right)
{
	char conf_now[IFNAMSIZ + 8], *at;

	snprintf(conf_now, sizeof(conf_now), "/conf/%s/", now);
	for (size_t i = 0; i < list->count; i++) {
		struct resource *one = &list->items[i];
		char rest[RESOURCE_NAME_SIZE];

		if (one->kind == RESOURCE_LINK && strcmp(one->link.master, now) == 0)
			snprintf(one->link.master, IFNAMSIZ, "%s", right);
		if (one->kind == RESOURCE_SYSCTL && !one->ns[0] &&
		        (at = strstr(one->name, conf_now))) {
			snprintf(rest, sizeof(rest), "%s", at + strlen(conf_now));
			snprintf(at, (size_t)(one->name + sizeof(one->name) - at), "/conf/%s/%.32s",
			        right, rest);
		} else if (one->kind >= RESOURCE_LINK && strcmp(one->name, now) == 0) {
			snprintf(one->name, sizeof(one->name), "%s", right);
			if (one->kind == RESOURCE_LINK)
				snprintf(one->link.ifname, IFNAMSIZ, "%s", now);
		}
	}
}

void engine_recognise(struct resources *there, const struct resources *wanted)
{
	bool renamed = false;

	for (size_t i = 0; i < there->count; i++) {
		struct resource *link = &there->items[i];
		const struct resource *right;
		char now[IFNAMSIZ];

		if (link->kind != RESOURCE_LINK || link->ns[0] || link->link.retired || !link->text)
			continue;
		right = link_marked(wanted, link);
		if (!right || strcmp(right->name, link->name) == 0 || has_link(there, right->name))
			continue;
		snprintf(now, sizeof(now), "%s", link->name);
		list_as(there, now, right->name);
		renamed = true;
	}
	if (renamed)
		resources_sort(there);
}

/* Of a pair into a namespace that was not looked into, the inner end counts as right. */
static void assume_peers(const struct healing *healing)
{
	for (size_t i = 0; i < healing->wanted.count; i++) {
		const struct resource *right = &healing->wanted.items[i];
		struct resource *link;

		if (right->kind != RESOURCE_LINK || right->ns[0] || right->link.type != LINK_VETH ||
		        inside(healing, right->link.peer_ns))
			continue;
		link = resources_find(&healing->there, right);
		if (!link || link->link.type != LINK_VETH)
			continue;
		memcpy(link->link.peer_ns, right->link.peer_ns, NAME_SIZE);
		memcpy(link->link.peer_name, right->link.peer_name, IFNAMSIZ);
		memcpy(link->link.peer_mac, right->link.peer_mac, MAC_SIZE);
	}
}

/* --- saying what it was --- */

static void say(const struct step *step, FILE *out)
{
	char text[RESOURCE_NAME_SIZE + 256];

	resource_describe(step->new ? step->new : step->old, text, sizeof(text));
	fprintf(out, "%s %s", text,
	        !step->old   ? "was missing"
	        : !step->new ? "should not be there"
	                     : "was changed");
}

static void say_all(struct healing *healing, char **ret)
{
	const struct steps *lists[] = {&healing->plan.reversible, &healing->plan.final};
	size_t size, said = 0, count = 0;
	FILE *out = open_memstream(ret, &size);

	if (!out) {
		*ret = NULL;
		return;
	}
	for (int list = 0; list < 2; list++) {
		for (size_t i = 0; i < lists[list]->count; i++) {
			const struct step *step = &lists[list]->items[i];
			struct ailing *by = owner(healing, step->new ? step->new : step->old);

			if (by)
				by->drifted = true;
			if (count++ >= SAID)
				continue;
			fputs(said++ ? ", " : "", out);
			say(step, out);
		}
	}
	if (count > SAID)
		fprintf(out, ", and %zu more", count - SAID);
	if (fclose(out) != 0 || count == 0) {
		free(*ret);
		*ret = NULL;
	}
}

/* A pair that is gone comes back whole: its namespace is looked into after all. True: look again.
 */
static bool widen(const struct healing *healing)
{
	bool more = false;

	for (size_t i = 0; i < healing->wanted.count; i++) {
		const struct resource *right = &healing->wanted.items[i];
		struct ailing *ailing;

		if (right->kind != RESOURCE_LINK || right->ns[0] || right->link.type != LINK_VETH ||
		        resources_find(&healing->there, right))
			continue;
		ailing = find(healing, AILING_NAMESPACE, right->link.peer_ns);
		if (!ailing || ailing->sides & SIDE_INSIDE)
			continue;
		ailing->sides = SIDE_BOTH;
		more = true;
	}
	return more;
}

int engine_heal(
        struct engine *engine, struct ailing *ailing, unsigned count, char **ret, struct error *err)
{
	_cleanup_(healing_done) struct healing healing = {
	        .engine = engine, .ailing = ailing, .count = count};
	struct error ignored;
	int r = want(&healing, err), final;

	*ret = NULL;
	if (r == 0)
		r = look(&healing, err);
	if (r < 0)
		return r;
	engine_recognise(&healing.there, &healing.wanted);
	narrow(&healing, &healing.there);
	if (widen(&healing))
		return engine_heal(engine, ailing, count, ret, err);
	assume_peers(&healing);
	engine_leave_foreign(&healing.there, &healing.wanted, false);
	r = plan_difference(&healing.there, &healing.wanted, &healing.plan, err);
	if (r < 0)
		return r;
	say_all(&healing, ret);
	r = kernel_apply_all(engine->kernel, &healing.plan.reversible, err);
	final = kernel_apply_all(engine->kernel, &healing.plan.final, r < 0 ? &ignored : err);
	return r < 0 ? r : final;
}
