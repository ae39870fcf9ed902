/*
 * RESOURCE_LINK as it is there: netd's bridges, and its pairs by their outer end, with the name and
 * the MAC that the inner end has now where its namespace is looked into. Pairs without an outer end
 * are seen where both namespaces are looked into.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/link.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/observation.h"
#include "lib/cleanup.h"

#include <string.h>

/* peer_ns: "" where it has none, or it is not known. */
static int add_observed(const struct survey *survey, const struct link_seen *link,
        const char *peer_ns, struct resources *ret, struct error *err)
{
	const struct link_seen *master = links_find(&survey->host, link->master);
	struct resource *resource = resources_add(ret, RESOURCE_LINK, "", link->name);

	if (!resource)
		return error_memory(err);
	resource->link.type = strcmp(link->kind, "bridge") == 0 ? LINK_BRIDGE : LINK_VETH;
	resource->link.retired = !master && !link->up && link->group != 0;
	resource->link.up = link->up;
	resource->link.mtu = link->mtu;
	if (resource->link.type == LINK_BRIDGE)
		memcpy(resource->link.mac, link->mac, MAC_SIZE);
	if (master)
		memcpy(resource->link.master, master->name, IFNAMSIZ);
	snprintf(resource->link.peer_ns, NAME_SIZE, "%s", peer_ns);
	resource->text = strdup(link->alias ? link->alias : "");
	return resource->text ? 0 : error_memory(err);
}

/* The pairs that end in one namespace, with the name and the MAC that the inner end has now. */
static int observe_pairs(const struct observation *observation, unsigned ns, struct resources *ret,
        struct error *err)
{
	const struct survey *survey = &observation->survey;
	unsigned count;
	const struct pair *pairs = survey_pairs(survey, ns, &count);

	for (unsigned i = 0; i < count; i++) {
		const struct link_seen *inner =
		        links_find(&observation->insides[ns].links, pairs[i].outer->peer_index);
		struct resource *resource;
		int r = add_observed(
		        survey, pairs[i].outer, observation->look->namespaces[ns], ret, err);

		if (r < 0)
			return r;
		resource = &ret->items[ret->count - 1];
		if (!inner)
			continue;
		memcpy(resource->link.peer_name, inner->name, IFNAMSIZ);
		memcpy(resource->link.peer_mac, inner->mac, MAC_SIZE);
	}
	return 0;
}

/* By one of its ends, where that is the only one. */
static int add_lone(const struct observation *observation, const struct lone_end *end,
        struct resources *ret, struct error *err)
{
	const char *const *namespaces = observation->look->namespaces;
	unsigned side = lone_end_side(end, namespaces);
	struct resource *pair = resources_add(ret, RESOURCE_LINK,
	        side < 2 ? end->mark.ns[0] : namespaces[end->ns], end->mark.name);

	if (pair)
		pair->text = strdup(end->link->alias ? end->link->alias : "");
	if (!pair || !pair->text)
		return error_memory(err);
	pair->link.type = LINK_VETH;
	pair->link.broken = !end->whole;
	pair->link.retired = !end->link->up && strcmp(end->link->name, end->mark.name) == 0 &&
	                     (!end->peer || !end->peer->up);
	memcpy(pair->link.peer_ns, end->mark.ns[1], NAME_SIZE);
	memcpy(side == 1 ? pair->link.peer_name : pair->link.ifname, end->link->name, IFNAMSIZ);
	if (end->peer)
		memcpy(pair->link.peer_name, end->peer->name, IFNAMSIZ);
	return 0;
}

int link_observe(struct observation *observation, struct resources *ret, struct error *err)
{
	unsigned count = (unsigned)observation->look->namespace_count, strays;
	const struct survey *survey = &observation->survey;
	const struct pair *stray;
	int r = observation_read(observation, err);

	for (unsigned i = 0; r == 0 && i < survey->host.count; i++) {
		const struct link_seen *link = &survey->host.items[i];

		if (survey_owns_bridge(survey, link))
			r = add_observed(survey, link, "", ret, err);
	}
	for (unsigned ns = 0; r == 0 && ns < count; ns++)
		r = observe_pairs(observation, ns, ret, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; r == 0 && i < observation->lone.count; i++) {
		const struct lone_end *end = &observation->lone.items[i];

		if (!end->whole || lone_end_side(end, observation->look->namespaces) == 0)
			r = add_lone(observation, end, ret, err);
	}
	if (r < 0)
		return r;
	stray = survey_pairs(survey, count, &strays);
	for (unsigned i = 0; r == 0 && i < strays; i++)
		r = add_observed(survey, stray[i].outer, "", ret, err);
	return r;
}
