/*
 * Ordered tables of immutable objects, in layers. A fork holds only what was touched; an entry
 * without an object says "removed here". Looking walks from the fork to its parents and takes the
 * first layer that knows the key.
 *
 * Indexes are tables like the others. They are kept by the put functions alone: whatever an object
 * claims (its address, its port, its place in a network) is withdrawn for the old version and
 * claimed for the new one, so an index cannot drift from its objects.
 */
#include "daemon/model/model.h"
#include "daemon/model/object.h"
#include "daemon/model/setting.h"
#include "daemon/model/table.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model {
	const struct model *parent;
	struct table tables[TABLE_COUNT];
	int count_change[TABLE_COUNT]; /* live entries more than the parent has */
};

struct model *model_new(void)
{
	return model_fork(NULL);
}

struct model *model_fork(const struct model *parent)
{
	struct model *model = calloc(1, sizeof(*model));

	if (model)
		model->parent = parent;
	return model;
}

const struct model *model_parent(const struct model *fork)
{
	return fork->parent;
}

struct model *model_free(struct model *model)
{
	if (!model)
		return NULL;
	for (int i = 0; i < TABLE_COUNT; i++)
		table_clear(&model->tables[i], object_free[i]);
	free(model);
	return NULL;
}

void model_merge(struct model *fork, struct model *parent)
{
	for (int i = 0; i < TABLE_COUNT; i++) {
		table_move(&fork->tables[i], &parent->tables[i], object_free[i],
		        parent->parent != NULL);
		parent->count_change[i] += fork->count_change[i];
	}
	model_free(fork);
}

const void *model_object(const struct model *model, enum model_table table, const char *key)
{
	for (; model; model = model->parent) {
		const struct entry *entry = table_find(&model->tables[table], key);

		if (entry)
			return entry->object;
	}
	return NULL;
}

/* Takes the object over, also on failure. NULL removes. */
static int put(struct model *model, enum model_table table, const char *key, void *object)
{
	bool before = model_object(model, table, key) != NULL;
	bool keep = object || model->parent; /* only a fork has to say "removed here" */
	int r = keep ? table_put(&model->tables[table], key, object, object_free[table])
	             : table_drop(&model->tables[table], key, object_free[table]);

	if (r < 0) {
		object_free[table](object);
		return r;
	}
	model->count_change[table] += (object != NULL) - before;
	return 0;
}

static int put_copy(struct model *model, enum model_table table, const char *key,
        const void *object, size_t size)
{
	void *copy = malloc(size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, object, size);
	return put(model, table, key, copy);
}

/* --- indexes --- */

/* Claims a key for its owner, or withdraws it (owner NULL), unless another owner has it by now. */
static int claim(struct model *model, enum model_table table, const char *key, const char *owner,
        bool withdraw)
{
	struct reference reference;
	const struct reference *present;

	if (!withdraw) {
		snprintf(reference.owner, sizeof(reference.owner), "%s", owner);
		return put_copy(model, table, key, &reference, sizeof(reference));
	}
	present = model_object(model, table, key);
	if (!present || strcmp(present->owner, owner) != 0)
		return 0;
	return put(model, table, key, NULL);
}

static int index_allowed(struct model *model, const struct network *network, bool withdraw)
{
	const char *rest = network->allow;
	struct allowed allowed;
	char key[KEY_SIZE];
	int r = 0;

	while (r == 0 && allowed_next(&rest, &allowed)) {
		model_allowed_key(key, &allowed, network->name);
		r = claim(model, TABLE_ALLOWED, key, network->name, withdraw);
	}
	return r;
}

/* How a network's addresses are used is known as long as there is the network; one that is only
 * replaced may have endpoints. */
static int index_network(struct model *model, const struct network *network, bool withdraw)
{
	int r = network ? claim(model, TABLE_BRIDGES, network->bridge, network->name, withdraw) : 0;

	if (r == 0 && network && withdraw && model_usage(model, network->name).endpoints == 0 &&
	        model_usage(model, network->name).leases == 0)
		r = put(model, TABLE_USAGE, network->name, NULL);
	return r == 0 && network ? index_allowed(model, network, withdraw) : r;
}

static int count_endpoint(struct model *model, const struct endpoint *endpoint, bool withdraw)
{
	struct usage usage = model_usage(model, endpoint->network);

	usage.endpoints += withdraw ? -1U : 1U;
	for (unsigned i = 0; !withdraw && i < endpoint->address_count; i++) {
		const struct ip *ip = &endpoint->addresses[i].ip;

		*(ip->family == AF_INET6 ? &usage.last6 : &usage.last) = *ip;
	}
	return put_copy(model, TABLE_USAGE, endpoint->network, &usage, sizeof(usage));
}

static int index_endpoint(struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, bool withdraw)
{
	char key[KEY_SIZE];
	int r;

	snprintf(key, sizeof(key), "%s/%s", endpoint->network, ns->name);
	r = claim(model, TABLE_MEMBERS, key, ns->name, withdraw);
	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++) {
		model_address_key(key, endpoint->network, &endpoint->addresses[i].ip);
		r = claim(model, TABLE_ADDRESSES, key, ns->name, withdraw);
	}
	if (r < 0)
		return r;
	r = count_endpoint(model, endpoint, withdraw);
	if (r < 0)
		return r;
	model_mac_key(key, endpoint->network, endpoint->mac);
	return claim(model, TABLE_ADDRESSES, key, ns->name, withdraw);
}

static int index_namespace(struct model *model, const struct namespace *ns, bool withdraw)
{
	char key[KEY_SIZE];
	int r = 0;

	if (ns && ns->cookie) {
		model_cookie_key(key, ns->boot_id, ns->cookie);
		r = claim(model, TABLE_COOKIES, key, ns->name, withdraw);
	}
	if (r == 0 && ns && ns->origin != ORIGIN_CREATED)
		r = claim(model, TABLE_FOREIGN, ns->name, ns->name, withdraw);
	for (unsigned i = 0; ns && r == 0 && i < ns->endpoint_count; i++)
		r = index_endpoint(model, ns, &ns->endpoints[i], withdraw);
	return r;
}

struct claiming {
	struct model *model;
	const char *owner;
	bool withdraw;
};

static int claim_key(enum model_table table, const char *key, void *arg)
{
	const struct claiming *claiming = arg;

	return claim(claiming->model, table, key, claiming->owner, claiming->withdraw);
}

static int index_publication(
        struct model *model, const struct publication *publication, bool withdraw)
{
	struct claiming claiming = {model, publication->id, withdraw};

	return publication_keys(publication, claim_key, &claiming);
}

/* An address rests until the flows to it are gone: then its tombstone owns it. */
static int index_tombstone(struct model *model, const struct tombstone *tombstone, bool withdraw)
{
	char key[KEY_SIZE];

	if (!tombstone)
		return 0;
	if (tombstone->kind == TOMBSTONE_FLOWS && tombstone->network[0]) {
		model_address_key(key, tombstone->network, &tombstone->ip);
		return claim(model, TABLE_ADDRESSES, key, tombstone->id, withdraw);
	}
	if (tombstone->kind == TOMBSTONE_LINK)
		return claim(model, TABLE_BRIDGES, tombstone->name, tombstone->id, withdraw);
	return 0;
}

static int index_moved(struct model *model, const struct moved *moved, bool withdraw)
{
	char key[KEY_SIZE];

	if (!moved)
		return 0;
	snprintf(key, sizeof(key), "%s/%s", moved->namespace, moved->name);
	return claim(model, TABLE_MOVED_IN, key, moved->name, withdraw);
}

static int count_lease(struct model *model, const struct lease *lease, bool withdraw)
{
	struct usage usage = model_usage(model, lease->network);

	usage.leases += withdraw ? -1U : 1U;
	return put_copy(model, TABLE_USAGE, lease->network, &usage, sizeof(usage));
}

static int index_lease(struct model *model, const struct lease *lease, bool withdraw)
{
	char key[KEY_SIZE], age[KEY_SIZE];
	int r;

	if (!lease)
		return 0;
	model_lease_key(key, lease->network, lease->namespace);
	r = claim(model, TABLE_LEASED, key, lease->id, withdraw);
	for (unsigned i = 0; r == 0 && i < lease->address_count; i++) {
		model_leased_key(key, lease->network, &lease->addresses[i].ip);
		r = claim(model, TABLE_LEASED, key, lease->id, withdraw);
	}
	model_lease_age_prefix(key, lease->network);
	snprintf(age, sizeof(age), "%.160s%016" PRIx64, key, lease->number);
	if (r == 0)
		r = claim(model, TABLE_LEASED, age, lease->id, withdraw);
	return r == 0 ? count_lease(model, lease, withdraw) : r;
}

static int reindex(struct model *model, enum model_table table, const void *object, bool withdraw)
{
	switch (table) {
	case TABLE_NETWORKS:
		return index_network(model, object, withdraw);
	case TABLE_NAMESPACES:
		return index_namespace(model, object, withdraw);
	case TABLE_PUBLICATIONS:
		return object ? index_publication(model, object, withdraw) : 0;
	case TABLE_TOMBSTONES:
		return index_tombstone(model, object, withdraw);
	case TABLE_MOVED:
		return index_moved(model, object, withdraw);
	case TABLE_LEASES:
		return index_lease(model, object, withdraw);
	case TABLE_HOST:
	case TABLE_INTERFACES:
	case TABLE_MEMBERS:
	case TABLE_ADDRESSES:
	case TABLE_BRIDGES:
	case TABLE_PORTS:
	case TABLE_NS_PORTS:
	case TABLE_ALLOWED:
	case TABLE_SOURCES:
	case TABLE_USAGE:
	case TABLE_LEASED:
	case TABLE_COOKIES:
	case TABLE_FOREIGN:
	case TABLE_MOVED_IN:
	case TABLE_COUNT:
		return 0;
	}
	return 0;
}

/* Withdraws what the old version claimed, puts the new one (taken over), claims what it needs. */
static int replace(struct model *model, enum model_table table, const char *key, void *object)
{
	int r = reindex(model, table, model_object(model, table, key), true);

	if (r < 0) {
		object_free[table](object);
		return r;
	}
	r = put(model, table, key, object);
	return r < 0 ? r : reindex(model, table, object, false);
}

/* `settings`: of what the object owns; NULL: nothing. */
static int replace_copy(struct model *model, enum model_table table, const char *key,
        const void *object, size_t size, const struct settings *settings)
{
	void *copy = malloc(size);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, object, size);
	if (settings && settings_own(settings, copy) < 0) {
		free(copy);
		return -ENOMEM;
	}
	return replace(model, table, key, copy);
}

/* --- changing --- */

int model_put_host(struct model *model, const struct host *host)
{
	return replace_copy(model, TABLE_HOST, "host", host, sizeof(*host), NULL);
}

int model_put_network(struct model *model, const struct network *network)
{
	return replace_copy(
	        model, TABLE_NETWORKS, network->name, network, sizeof(*network), &network_settings);
}

int model_put_publication(struct model *model, const struct publication *publication)
{
	return replace_copy(model, TABLE_PUBLICATIONS, publication->id, publication,
	        sizeof(*publication), &publication_settings);
}

int model_put_lease(struct model *model, const struct lease *lease)
{
	return replace_copy(model, TABLE_LEASES, lease->id, lease, sizeof(*lease), NULL);
}

int model_put_tombstone(struct model *model, const struct tombstone *tombstone)
{
	return replace_copy(
	        model, TABLE_TOMBSTONES, tombstone->id, tombstone, sizeof(*tombstone), NULL);
}

int model_put_interface(struct model *model, const struct interface *interface)
{
	return replace_copy(
	        model, TABLE_INTERFACES, interface->name, interface, sizeof(*interface), NULL);
}

int model_put_moved(struct model *model, const struct moved *moved)
{
	struct moved *copy = moved_copy(moved);

	return copy ? replace(model, TABLE_MOVED, copy->name, copy) : -ENOMEM;
}

/* Takes the copy over. */
static int put_namespace(struct model *model, struct namespace *copy)
{
	return copy ? replace(model, TABLE_NAMESPACES, copy->name, copy) : -ENOMEM;
}

int model_put_namespace(struct model *model, const struct namespace *ns)
{
	return put_namespace(model, namespace_copy(ns, NULL, NULL));
}

int model_put_endpoint(
        struct model *model, const struct namespace *ns, const struct endpoint *endpoint)
{
	return put_namespace(model, namespace_copy(ns, endpoint->network, endpoint));
}

int model_remove_endpoint(struct model *model, const struct namespace *ns, const char *network)
{
	return put_namespace(model, namespace_copy(ns, network, NULL));
}

int model_remove(struct model *model, enum model_table table, const char *key)
{
	return model_object(model, table, key) ? replace(model, table, key, NULL) : 0;
}

/* --- looking --- */

const struct host *model_host(const struct model *model)
{
	return model_object(model, TABLE_HOST, "host");
}

const struct network *model_network(const struct model *model, const char *name)
{
	return model_object(model, TABLE_NETWORKS, name);
}

const struct namespace *model_namespace(const struct model *model, const char *name)
{
	return model_object(model, TABLE_NAMESPACES, name);
}

const struct publication *model_publication(const struct model *model, const char *id)
{
	return model_object(model, TABLE_PUBLICATIONS, id);
}

const char *model_owner(const struct model *model, enum model_table table, const char *key)
{
	const struct reference *reference = model_object(model, table, key);

	return reference ? reference->owner : NULL;
}

struct usage model_usage(const struct model *model, const char *network)
{
	const struct usage *usage = model_object(model, TABLE_USAGE, network);

	return usage ? *usage : (struct usage){0};
}

unsigned model_count(const struct model *model, enum model_table table)
{
	int count = 0;

	for (; model; model = model->parent)
		count += model->count_change[table];
	return (unsigned)count;
}

/* The smallest key of any layer that is greater than `key`, and its topmost entry. */
static const struct entry *next_entry(
        const struct model *model, enum model_table table, const char *key)
{
	const struct entry *best = NULL;

	for (; model; model = model->parent) {
		const struct entry *entry = table_next(&model->tables[table], key);

		if (entry && (!best || strcmp(entry->key, best->key) < 0))
			best = entry;
	}
	return best;
}

const void *model_next(const struct model *model, enum model_table table, char key[KEY_SIZE])
{
	const struct entry *entry;

	while ((entry = next_entry(model, table, key))) {
		snprintf(key, KEY_SIZE, "%s", entry->key);
		if (entry->object)
			return entry->object;
	}
	return NULL;
}

const void *model_next_in(
        const struct model *model, enum model_table table, const char *prefix, char key[KEY_SIZE])
{
	const void *object;

	if (!key[0])
		snprintf(key, KEY_SIZE, "%s", prefix);
	object = model_next(model, table, key);
	return object && strncmp(key, prefix, strlen(prefix)) == 0 ? object : NULL;
}

bool model_next_touched(
        const struct model *fork, enum model_table table, char key[KEY_SIZE], const void **object)
{
	const struct entry *entry = table_next(&fork->tables[table], key);

	if (!entry)
		return false;
	snprintf(key, KEY_SIZE, "%s", entry->key);
	*object = entry->object;
	return true;
}
