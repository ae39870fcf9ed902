/*
 * Ordered tables of immutable objects, in layers. A fork holds only what was touched; an entry
 * without an object says "removed here". Looking walks from the fork to its parents and takes the
 * first layer that knows the key.
 */
#include "daemon/model/index.h"
#include "daemon/model/model.h"
#include "daemon/model/object.h"
#include "daemon/model/setting.h"
#include "daemon/model/table.h"

#include "lib/cleanup.h"

#include <errno.h>
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

int model_put_copy(struct model *model, enum model_table table, const char *key, const void *object,
        size_t size)
{
	void *copy = object ? malloc(size) : NULL;

	if (object && !copy)
		return -ENOMEM;
	if (object)
		memcpy(copy, object, size);
	return put(model, table, key, copy);
}

/* Withdraws what the old version claimed, puts the new one (taken over), claims what it needs. */
static int replace(struct model *model, enum model_table table, const char *key, void *object)
{
	int r = model_index(model, table, model_object(model, table, key), true);

	if (r < 0) {
		object_free[table](object);
		return r;
	}
	r = put(model, table, key, object);
	return r < 0 ? r : model_index(model, table, object, false);
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

int model_put_ns_link(struct model *model, const struct ns_link *link)
{
	return replace_copy(
	        model, TABLE_NS_LINKS, link->id, link, sizeof(*link), &ns_link_settings);
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

const struct ns_link *model_ns_link(const struct model *model, const char *id)
{
	return model_object(model, TABLE_NS_LINKS, id);
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
