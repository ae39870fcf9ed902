/*
 * Which objects are rendered: all of them, or those that a fork touches. An object whose resources
 * depend on others is rendered again when those change: a publication follows its namespace, a
 * namespace follows its networks, its resolv.conf follows the host.
 */
#include "daemon/render/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int render_base(const char *inet_fingerprint, const char *bridge_fingerprint, bool owned,
        struct resources *ret, struct error *err)
{
	const struct {
		const char *name, *fingerprint;
	} tables[] = {{"inet netd", inet_fingerprint}, {"bridge netd", bridge_fingerprint}};

	for (int i = 0; i < 2; i++) {
		struct resource *table = resources_add(ret, RESOURCE_SKELETON, "", tables[i].name);

		if (table)
			table->text = strdup(tables[i].fingerprint);
		if (!table || !table->text)
			return error_memory(err);
		table->skeleton.owner = owned ? OWNER_NETD : OWNER_NONE;
	}
	return resources_add(ret, RESOURCE_NETNS_DIR, "", "/run/netns") ? 0 : error_memory(err);
}

static int render_object(const struct model *model, enum model_table table, const void *object,
        struct resources *ret, struct error *err)
{
	int r;

	switch (table) {
	case TABLE_NETWORKS:
		return render_network(model, object, ret, err);
	case TABLE_NAMESPACES:
		return render_namespace(model, object, ret, err);
	case TABLE_PUBLICATIONS:
		return render_publication(model, object, ret, err);
	case TABLE_NS_LINKS:
		return render_ns_link(model, object, ret, err);
	case TABLE_TOMBSTONES:
		r = render_tombstone(object, ret, err);
		return r < 0 ? r : render_late(object, ret, err);
	case TABLE_MOVED:
		return render_moved(object, ret, err);
	case TABLE_INTERFACES:
		return render_interface(model, object, ret, err);
	case TABLE_HOST:
		return render_host(object, ret, err);
	case TABLE_MEMBERS:
	case TABLE_ADDRESSES:
	case TABLE_BRIDGES:
	case TABLE_SUBNETS:
	case TABLE_PORTS:
	case TABLE_NS_PORTS:
	case TABLE_ALLOWED:
	case TABLE_SOURCES:
	case TABLE_LEASES:
	case TABLE_LEASED:
	case TABLE_USAGE:
	case TABLE_COOKIES:
	case TABLE_FOREIGN:
	case TABLE_MOVED_IN:
	case TABLE_LINKED:
	case TABLE_COUNT:
		return 0;
	}
	return 0;
}

static int render_table(
        const struct model *model, enum model_table table, struct resources *ret, struct error *err)
{
	const void *object;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (object = model_next(model, table, key)))
		r = render_object(model, table, object, ret, err);
	return r;
}

int render_all(const struct model *model, struct resources *ret, struct error *err)
{
	int r = 0;

	for (int table = 0; r == 0 && table < TABLE_COUNT; table++)
		if (table != TABLE_TOMBSTONES)
			r = render_table(model, (enum model_table)table, ret, err);
	return r;
}

/* Publications lead where their namespace's endpoints are, and let in networks by their names. */
static int render_publications_of(const struct model *model, enum model_table index,
        const char *name, struct resources *ret, struct error *err)
{
	const struct reference *reference;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", name);
	while (r == 0 && (reference = model_next_in(model, index, prefix, key)))
		r = render_publication(model, model_publication(model, reference->owner), ret, err);
	return r;
}

/* What a network's members are follows from its settings. */
static int render_members_of(
        const struct model *model, const char *network, struct resources *ret, struct error *err)
{
	const struct reference *member;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", network);
	while (r == 0 && (member = model_next_in(model, TABLE_MEMBERS, prefix, key))) {
		r = render_namespace(model, model_namespace(model, member->owner), ret, err);
		if (r == 0)
			r = render_publications_of(model, TABLE_NS_PORTS, member->owner, ret, err);
	}
	return r;
}

/* A publication is one of several that may want the same of its namespace. */
static int render_opened(const struct model *version, const struct model *model, const char *id,
        struct resources *ret, struct error *err)
{
	const struct publication *publication = model_publication(version, id);

	return publication ? render_openings(model, model_namespace(model, publication->namespace),
	                             ret, err)
	                   : 0;
}

/* Some objects reach over to others: to those that they name now, and those that they named. */
static int render_others(const struct model *fork, const struct model *model,
        enum model_table table, const char *key, struct resources *ret, struct error *err)
{
	const struct model *versions[] = {model_parent(fork), fork};
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++) {
		if (table == TABLE_NETWORKS && versions[i])
			r = render_permitted(model, model_network(versions[i], key), ret, err);
		if (table == TABLE_NAMESPACES && versions[i])
			r = render_holders(versions[i], model, key, ret, err);
		if (table == TABLE_PUBLICATIONS && versions[i])
			r = render_opened(versions[i], model, key, ret, err);
	}
	return r;
}

static int render_touched_table(const struct model *fork, const struct model *model,
        enum model_table table, struct resources *ret, struct error *err)
{
	const void *touched, *object;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && model_next_touched(fork, table, key, &touched)) {
		object = model_object(model, table, key);
		if (object)
			r = render_object(model, table, object, ret, err);
		if (r == 0 && table == TABLE_NETWORKS)
			r = render_members_of(model, key, ret, err);
		if (r == 0 && table == TABLE_NAMESPACES)
			r = render_publications_of(model, TABLE_NS_PORTS, key, ret, err);
		if (r == 0 && table == TABLE_NETWORKS)
			r = render_publications_of(model, TABLE_SOURCES, key, ret, err);
		if (r == 0)
			r = render_others(fork, model, table, key, ret, err);
	}
	return r;
}

int render_touched(const struct model *fork, const struct model *model, struct resources *ret,
        struct error *err)
{
	int r = 0;

	/* What a fork buries is gone already: its name may be given again in the same change. */
	for (int table = 0; r == 0 && table < TABLE_COUNT; table++)
		if (table != TABLE_TOMBSTONES || model == fork)
			r = render_touched_table(fork, model, (enum model_table)table, ret, err);
	return r;
}
