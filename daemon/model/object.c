/*
 * What objects own: their settings, a namespace also its endpoints. An object in a table is whole
 * and its table's alone, so copying one copies all of that, and freeing one frees it.
 */
#include "daemon/model/object.h"

#include "daemon/model/setting.h"

#include <stdlib.h>
#include <string.h>

static void free_plain(void *object)
{
	free(object);
}

static void free_network(void *object)
{
	if (object)
		settings_free(&network_settings, object);
	free(object);
}

static void free_publication(void *object)
{
	if (object)
		settings_free(&publication_settings, object);
	free(object);
}

static void free_ns_link(void *object)
{
	if (object)
		settings_free(&ns_link_settings, object);
	free(object);
}

static void free_namespace(void *object)
{
	struct namespace *ns = object;

	if (!ns)
		return;
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		settings_free(&endpoint_settings, &ns->endpoints[i]);
	settings_free(&namespace_settings, ns);
	free(ns->source);
	free(ns->endpoints);
	free(ns);
}

static void free_moved(void *object)
{
	struct moved *moved = object;

	if (moved)
		free(moved->belongings);
	free(moved);
}

struct moved *moved_copy(const struct moved *moved)
{
	struct moved *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *moved;
	copy->belongings = strdup(moved->belongings ? moved->belongings : "");
	if (copy->belongings)
		return copy;
	free(copy);
	return NULL;
}

void (*const object_free[TABLE_COUNT])(void *) = {
        [TABLE_HOST] = free_plain,
        [TABLE_NETWORKS] = free_network,
        [TABLE_NAMESPACES] = free_namespace,
        [TABLE_PUBLICATIONS] = free_publication,
        [TABLE_TOMBSTONES] = free_plain,
        [TABLE_MOVED] = free_moved,
        [TABLE_NS_LINKS] = free_ns_link,
        [TABLE_LEASES] = free_plain,
        [TABLE_INTERFACES] = free_plain,
        [TABLE_MEMBERS] = free_plain,
        [TABLE_ADDRESSES] = free_plain,
        [TABLE_BRIDGES] = free_plain,
        [TABLE_SUBNETS] = free_plain,
        [TABLE_PORTS] = free_plain,
        [TABLE_NS_PORTS] = free_plain,
        [TABLE_ALLOWED] = free_plain,
        [TABLE_SOURCES] = free_plain,
        [TABLE_USAGE] = free_plain,
        [TABLE_LEASED] = free_plain,
        [TABLE_COOKIES] = free_plain,
        [TABLE_FOREIGN] = free_plain,
        [TABLE_MOVED_IN] = free_plain,
        [TABLE_LINKED] = free_plain,
};

/* Whether this is the endpoint of that network; NULL is none's. */
static bool is_on(const struct endpoint *endpoint, const char *network)
{
	return network && strcmp(endpoint->network, network) == 0;
}

struct namespace *namespace_copy(
        const struct namespace *ns, const char *network, const struct endpoint *endpoint)
{
	struct namespace *copy = malloc(sizeof(*copy));
	bool placed = false;
	int r;

	if (!copy)
		return NULL;
	*copy = *ns;
	copy->endpoint_count = 0;
	copy->source = ns->source ? strdup(ns->source) : NULL;
	copy->endpoints = calloc(ns->endpoint_count + 1, sizeof(*copy->endpoints));
	r = settings_own(&namespace_settings, copy);
	for (unsigned i = 0; copy->endpoints && r == 0 && i <= ns->endpoint_count; i++) {
		const struct endpoint *from = i < ns->endpoint_count ? &ns->endpoints[i] : NULL;
		bool replaced = from && is_on(from, network);

		if (replaced || (!from && !placed))
			from = endpoint;
		placed = placed || replaced;
		if (!from)
			continue;
		copy->endpoints[copy->endpoint_count] = *from;
		r = settings_own(&endpoint_settings, &copy->endpoints[copy->endpoint_count]);
		copy->endpoint_count += r == 0;
	}
	if (r < 0 || !copy->endpoints || (ns->source && !copy->source)) {
		free_namespace(copy);
		return NULL;
	}
	return copy;
}
