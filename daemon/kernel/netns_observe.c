/*
 * RESOURCE_NETNS, as it is: the namespaces that netd made, by their records, and those that it was
 * asked about.
 *
 * A record alone proves nothing. A namespace is netd's if it has the cookie of the record now, in
 * this boot; otherwise what has the name is somebody else's, and what the record speaks of is gone.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/netns_record.h"
#include "lib/cleanup.h"

#include <string.h>

static int add_created(
        const struct netns_record *record, bool gone, struct resources *ret, struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_NETNS, "", record->name);

	if (resource)
		resource->text = strdup(record->instance);
	if (!resource || !resource->text)
		return error_memory(err);
	resource->netns.gone = gone;
	resource->netns.cookie = record->cookie;
	return 0;
}

static int add_adopted(const char *name, uint64_t cookie, struct resources *ret, struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_NETNS, "", name);

	if (!resource)
		return error_memory(err);
	resource->netns.adopted = true;
	resource->netns.cookie = cookie;
	return 0;
}

/* 0: none of this name. */
static int cookie_now(const char *name, uint64_t *ret, struct error *err)
{
	uint64_t cookie = 0;
	int r = netns_cookie(name, &cookie, err);

	*ret = cookie;
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int compare_records(const void *a, const void *b)
{
	const struct netns_record *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The records that are in scope, by name. For whoever looks at everyone's these are of any boot;
 * those of another one are of no namespace that can be there, which no cookie 0 is. */
static int read_records(const struct observation *observation, struct netns_record **ret,
        unsigned *count, struct error *err)
{
	bool all = observation->look->scope == SCOPE_ALL;
	struct netns_record *records;
	char boot_id[37];
	unsigned kept = 0;
	int r = look_boot_id(boot_id, err);

	if (r == 0)
		r = netns_records(observation->kernel->runtime_dir, ret, count, err);
	records = *ret;
	for (unsigned i = 0; r == 0 && i < *count; i++) {
		bool now = strcmp(records[i].boot_id, boot_id) == 0;

		if (!now)
			records[i].cookie = 0;
		if (all || (strcmp(records[i].instance, observation->kernel->instance) == 0 && now))
			records[kept++] = records[i];
	}
	*count = kept;
	if (kept)
		qsort(records, kept, sizeof(*records), compare_records);
	return r;
}

/*
 * One that the look names: netd's if it has the cookie of its record. Where only the file is that a
 * kill left before it was mounted, it is gone, but still to be removed; for whoever looks at
 * everyone's, so is a record without either.
 */
static int observe_listed(const struct observation *observation, unsigned number,
        const struct netns_record *record, struct resources *ret, struct error *err)
{
	const char *name = observation->look->namespaces[number];
	uint64_t cookie = observation->insides[number].cookie;

	if (record && cookie && record->cookie == cookie)
		return add_created(record, false, ret, err);
	if (record && (observation->look->scope == SCOPE_ALL || (!cookie && netns_is_stale(name))))
		return add_created(record, true, ret, err);
	return cookie ? add_adopted(name, cookie, ret, err) : 0;
}

/* An orphan, or the record that a birth left which was killed. */
static int observe_unlisted(const struct observation *observation,
        const struct netns_record *record, struct resources *ret, struct error *err)
{
	bool all = observation->look->scope == SCOPE_ALL, there;
	uint64_t cookie = 0;
	int r = cookie_now(record->name, &cookie, err);

	there = cookie && cookie == record->cookie;
	if (r < 0 || !(all || there || cookie == 0))
		return r;
	return add_created(record, !there, ret, err);
}

int netns_observe(struct observation *observation, struct resources *ret, struct error *err)
{
	const struct kernel_look *look = observation->look;
	_cleanup_(freep) struct netns_record *records = NULL;
	unsigned count = 0;
	int r = observation_read(observation, err);

	if (r == 0)
		r = read_records(observation, &records, &count, err);
	for (unsigned i = 0; r == 0 && i < look->namespace_count; i++) {
		struct netns_record key, *record = NULL;

		snprintf(key.name, sizeof(key.name), "%s", look->namespaces[i]);
		if (count)
			record = bsearch(&key, records, count, sizeof(key), compare_records);
		r = observe_listed(observation, i, record, ret, err);
		if (record)
			record->instance[0] = '\0'; /* done */
	}
	for (unsigned i = 0; r == 0 && i < count; i++)
		if (records[i].instance[0])
			r = observe_unlisted(observation, &records[i], ret, err);
	return r;
}
