/* An ordered table of string keys, as one layer of a model has it. */
#pragma once

#include <bsd/sys/tree.h>
#include <stdbool.h>

struct entry {
	RB_ENTRY(entry) node;
	void *object; /* NULL: removed in this layer */
	char key[];
};

RB_HEAD(table, entry);

struct entry *table_find(const struct table *table, const char *key);
/* The first entry whose key is greater; NULL at the end. */
struct entry *table_next(const struct table *table, const char *key);
/* Replaces what is there; `object` may be NULL. -ENOMEM: nothing has changed. */
int table_put(struct table *table, const char *key, void *object, void (*free_object)(void *));
/* Removes the entry itself. Returns 0. */
int table_drop(struct table *table, const char *key, void (*free_object)(void *));
/* Moves all entries over; those without an object are kept only if `keep_removed`. Cannot fail: the
 * nodes move. */
void table_move(
        struct table *from, struct table *to, void (*free_object)(void *), bool keep_removed);
void table_clear(struct table *table, void (*free_object)(void *));
