/*
 * Which prefixes the host uses besides those of netd's own networks: what a new network must keep
 * away from. They are asked of the kernel once, and again only after something was announced by
 * which they may have changed; so a request costs no list of all that is there.
 *
 * The invariant: as long as the list counts as known, the kernel would give the same one. What the
 * kernel does not announce follows from what it does: the routes of a link or an address that goes,
 * or of a nexthop, go with it. Where that cannot be told from the list, the list is not known any
 * more.
 */
#include "daemon/engine/internal.h"

#include "lib/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* Part of a subnet of netd's, on that network's own bridge. */
static bool is_of_network(const struct model *model, const char *ifname, const struct cidr *cidr)
{
	const char *owner = model_owner(model, TABLE_BRIDGES, ifname);
	const struct network *network = owner ? model_network(model, owner) : NULL;
	const struct subnet *subnet = network && !network->use_bridge[0]
	                                      ? network_subnet(network, cidr->ip.family)
	                                      : NULL;

	return subnet && cidr->prefix >= subnet->cidr.prefix &&
	       cidr_contains(&subnet->cidr, &cidr->ip);
}

/* On a bridge that netd made and did not commit: it goes, or gets what the model gives it. */
static bool is_orphaned(struct engine *engine, const char *ifname)
{
	return !model_object(engine->model, TABLE_BRIDGES, ifname) &&
	       look_link_ours(engine->kernel, ifname, SCOPE_INSTANCE);
}

static int look(struct engine *engine, struct error *err)
{
	struct prefixes *prefixes = &engine->prefixes;
	_cleanup_(freep) struct look_prefix *found = NULL;
	unsigned count = 0, kept = 0;
	int r = look_prefixes(engine->kernel, &found, &count, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < count; i++)
		if (!is_of_network(engine->model, found[i].ifname, &found[i].cidr) &&
		        !is_orphaned(engine, found[i].ifname))
			found[kept++] = found[i];
	free(prefixes->items);
	prefixes->items = TAKE_PTR(found);
	prefixes->count = kept;
	prefixes->known = true;
	return 0;
}

int prefixes_get(struct engine *engine, const struct prefixes **ret, struct error *err)
{
	int r = 0;

	if (!engine->watch)
		prefixes_forget(engine); /* nobody listens any more */
	else if (engine->prefixes.known)
		watch_hear(engine->watch);
	if (!engine->prefixes.known)
		r = look(engine, err);
	*ret = &engine->prefixes;
	return r;
}

void prefixes_forget(struct engine *engine)
{
	engine->prefixes.known = false;
}

/* The first one on this interface; NULL: there is none. */
static const struct look_prefix *find(const struct prefixes *prefixes, int index)
{
	for (unsigned i = 0; i < prefixes->count; i++)
		if (prefixes->items[i].index == index)
			return &prefixes->items[i];
	return NULL;
}

/* An address or a route. Some say nothing that counts. */
static bool may_differ(const struct engine *engine, const struct happening *happening)
{
	const struct cidr *cidr = &happening->cidr;
	char ifname[IFNAMSIZ];

	if (happening->table || look_is_everywhere(cidr) ||
	        (happening->kind == EVENT_ROUTE && look_is_default(cidr)))
		return false;
	if (happening->gone)
		return !happening->index || find(&engine->prefixes, happening->index);
	return !happening->index || !if_indextoname((unsigned)happening->index, ifname) ||
	       !is_of_network(engine->model, ifname, cidr);
}

void prefixes_hear(struct engine *engine, const struct happening *happening)
{
	const struct look_prefix *on;

	if (!engine->prefixes.known)
		return;
	switch (happening->kind) {
	case EVENT_LINK:
		on = find(&engine->prefixes, happening->index);
		if (on && (happening->gone || !happening->up ||
		                  strcmp(happening->name, on->ifname) != 0))
			prefixes_forget(engine);
		break;
	case EVENT_ADDRESS:
	case EVENT_ROUTE:
		if (may_differ(engine, happening))
			prefixes_forget(engine);
		break;
	case EVENT_NEXTHOP:
		prefixes_forget(engine);
		break;
	case EVENT_PORT:
	case EVENT_RULE:
	case EVENT_FORWARDING:
	case EVENT_RULES:
		break;
	}
}
