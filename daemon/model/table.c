/* A red-black tree of string keys; each node carries its key. */
#include "daemon/model/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct entry *a, const struct entry *b)
{
	return strcmp(a->key, b->key);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(table, entry, node, compare, static)
#pragma GCC diagnostic pop

struct entry *table_find(const struct table *table, const char *key)
{
	struct entry *entry = RB_ROOT(table);

	while (entry) {
		int order = strcmp(key, entry->key);

		if (order == 0)
			return entry;
		entry = order < 0 ? RB_LEFT(entry, node) : RB_RIGHT(entry, node);
	}
	return NULL;
}

struct entry *table_next(const struct table *table, const char *key)
{
	struct entry *entry = RB_ROOT(table), *found = NULL;

	while (entry) {
		if (strcmp(key, entry->key) < 0) {
			found = entry;
			entry = RB_LEFT(entry, node);
		} else {
			entry = RB_RIGHT(entry, node);
		}
	}
	return found;
}

int table_put(struct table *table, const char *key, void *object, void (*free_object)(void *))
{
	struct entry *entry = table_find(table, key);
	size_t size = strlen(key) + 1;

	if (entry) {
		free_object(entry->object);
		entry->object = object;
		return 0;
	}
	entry = malloc(sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	entry->object = object;
	memcpy(entry->key, key, size);
	RB_INSERT(table, table, entry);
	return 0;
}

static void drop(struct table *table, struct entry *entry, void (*free_object)(void *))
{
	RB_REMOVE(table, table, entry);
	free_object(entry->object);
	free(entry);
}

int table_drop(struct table *table, const char *key, void (*free_object)(void *))
{
	struct entry *entry = table_find(table, key);

	if (entry)
		drop(table, entry, free_object);
	return 0;
}

void table_move(
        struct table *from, struct table *to, void (*free_object)(void *), bool keep_removed)
{
	struct entry *entry, *next, *old;

	RB_FOREACH_SAFE (entry, table, from, next) {
		RB_REMOVE(table, from, entry);
		old = table_find(to, entry->key);
		if (old)
			drop(to, old, free_object);
		if (entry->object || keep_removed)
			RB_INSERT(table, to, entry);
		else
			free(entry);
	}
}

void table_clear(struct table *table, void (*free_object)(void *))
{
	struct entry *entry, *next;

	RB_FOREACH_SAFE (entry, table, table, next)
		drop(table, entry, free_object);
}
