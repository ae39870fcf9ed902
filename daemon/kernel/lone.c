/*
 * A pair with both ends in namespaces stands in no list of the host. So its ends are found where
 * they are, by the mark that both bear, and by each other.
 *
 * The invariant: an end is netd's because it bears the mark, or is the other end of one that does:
 * a tenant can take the mark off an end, or put a copy on an interface of its own, but cannot make
 * that the other end of an interface in a namespace that is not its own. The kernel's numbers for
 * namespaces play no part, as each namespace has its own: two ends belong together if each names
 * the other's index, of which netd draws one at random.
 */
#include "daemon/kernel/lone.h"

#include "daemon/kernel/internal.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <stdlib.h>
#include <string.h>

/* The piece of `text` up to the slash, or to the end; false: it does not fit. */
static bool take(const char **text, char *ret, size_t size)
{
	size_t length = strcspn(*text, "/");

	if (length == 0 || length >= size)
		return false;
	memcpy(ret, *text, length);
	ret[length] = '\0';
	*text += length + ((*text)[length] == '/');
	return true;
}

bool lone_mark_read(const char *alias, const char *instance, struct lone_mark *ret)
{
	const char *rest;

	if (!mark_matches(alias, instance))
		return false;
	rest = alias + strlen(MARK_PREFIX) + MARK_INSTANCE_LENGTH + 1;
	return take(&rest, ret->name, sizeof(ret->name)) && take(&rest, ret->ns[0], NAME_SIZE) &&
	       take(&rest, ret->ns[1], NAME_SIZE) && !*rest;
}

static bool is_veth(const struct link_seen *link)
{
	return strcmp(link->kind, "veth") == 0;
}

/* --- finding --- */

struct place {
	const char *name;
	unsigned ns;
};

struct search {
	const char *const *namespaces;
	const struct links *const *links;
	const char *instance;
	struct place *places; /* by name */
	size_t count;
	struct lone_ends ends;
};

static int compare_places(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

/* NULL: it is not looked into. */
static const struct place *find_place(const struct search *search, const char *name)
{
	const struct place key = {.name = name};

	return search->count
	               ? bsearch(&key, search->places, search->count, sizeof(key), compare_places)
	               : NULL;
}

static int add(struct search *search, const struct lone_end *end)
{
	struct lone_ends *ends = &search->ends;

	if (!LIST_ROOM(ends->items, ends->count, ends->capacity, 16))
		return -ENOMEM;
	ends->items[ends->count++] = *end;
	return 0;
}

/* The other end, if it is where it belongs. */
static void find_peer(const struct search *search, struct lone_end *end, unsigned *ns)
{
	unsigned side = lone_end_side(end, search->namespaces);
	const struct place *place = side < 2 ? find_place(search, end->mark.ns[1 - side]) : NULL;
	const struct link_seen *peer =
	        place ? links_find(search->links[place->ns], end->link->peer_index) : NULL;

	if (!peer || !is_veth(peer) || peer->peer_index != end->link->index)
		return;
	end->whole = true;
	end->peer = peer;
	*ns = place->ns;
}

static bool has_mark(const struct search *search, const struct link_seen *link, const char *name)
{
	struct lone_mark mark;

	return lone_mark_read(link->alias, search->instance, &mark) && strcmp(mark.name, name) == 0;
}

/* The end that bears the mark, and the other one, if that does not. */
static int take_end(struct search *search, unsigned ns, const struct link_seen *link)
{
	struct lone_end end = {.ns = ns, .link = link}, other;
	unsigned peer_ns = 0;
	int r;

	if (!is_veth(link) || !lone_mark_read(link->alias, search->instance, &end.mark))
		return 0;
	find_peer(search, &end, &peer_ns);
	r = add(search, &end);
	if (r < 0 || !end.whole || has_mark(search, end.peer, end.mark.name))
		return r;
	other = end;
	other.ns = peer_ns;
	other.link = end.peer;
	other.peer = link;
	return add(search, &other);
}

/* By name, whole ones first. */
static int compare_names(const void *a, const void *b)
{
	const struct lone_end *x = a, *y = b;
	int order = strcmp(x->mark.name, y->mark.name);

	return order ? order : y->whole - x->whole;
}

static int compare_ns(const void *a, const void *b)
{
	const struct lone_end *x = a, *y = b;

	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/* Beside a whole pair, what bears its mark is a copy. */
static void drop_copies(struct lone_ends *ends)
{
	unsigned kept = 0;
	const char *whole = "";

	qsort(ends->items, ends->count, sizeof(*ends->items), compare_names);
	for (unsigned i = 0; i < ends->count; i++) {
		if (!ends->items[i].whole && strcmp(ends->items[i].mark.name, whole) == 0)
			continue;
		ends->items[kept] = ends->items[i];
		if (ends->items[kept].whole)
			whole = ends->items[kept].mark.name;
		kept++;
	}
	ends->count = kept;
	qsort(ends->items, ends->count, sizeof(*ends->items), compare_ns);
}

static int list_places(struct search *search)
{
	size_t kept = 0, count = search->count;

	search->places = calloc(count ? count : 1, sizeof(*search->places));
	if (!search->places)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		search->places[i] = (struct place){search->namespaces[i], i};
	qsort(search->places, count, sizeof(*search->places), compare_places);
	/* Who is named twice is searched once. */
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(search->places[kept - 1].name, search->places[i].name) != 0)
			search->places[kept++] = search->places[i];
	search->count = kept;
	return 0;
}

int lone_ends_find(const char *const *namespaces, const struct links *const *links, size_t count,
        const char *instance, struct lone_ends *ret, struct error *err)
{
	struct search search = {
	        .namespaces = namespaces, .links = links, .instance = instance, .count = count};
	int r = list_places(&search);

	for (size_t i = 0; r == 0 && i < search.count; i++) {
		unsigned ns = search.places[i].ns;

		for (unsigned j = 0; r == 0 && j < links[ns]->count; j++)
			r = take_end(&search, ns, &links[ns]->items[j]);
	}
	free(search.places);
	if (r < 0) {
		lone_ends_done(&search.ends);
		return error_memory(err);
	}
	if (search.ends.count)
		drop_copies(&search.ends);
	*ret = search.ends;
	return 0;
}

void lone_ends_done(struct lone_ends *ends)
{
	free(ends->items);
	*ends = (struct lone_ends){0};
}

unsigned lone_end_side(const struct lone_end *end, const char *const *namespaces)
{
	return strcmp(end->mark.ns[0], namespaces[end->ns]) == 0   ? 0
	       : strcmp(end->mark.ns[1], namespaces[end->ns]) == 0 ? 1
	                                                           : 2;
}

const struct lone_end *lone_ends_in(const struct lone_ends *ends, unsigned ns, unsigned *count)
{
	unsigned low = (unsigned)LIST_BEFORE(ends->items, ends->count, one, one->ns < ns), end;

	for (end = low; end < ends->count && ends->items[end].ns == ns;)
		end++;
	*count = end - low;
	return *count ? &ends->items[low] : NULL;
}

int lone_end_index(struct rtnl *rtnl, const char *ns, const char *name, int *ret, struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct lone_mark mark;
	int r = links_read(rtnl, ns, &links, err);

	*ret = 0;
	for (unsigned i = 0; r == 0 && *ret == 0 && i < links.count; i++)
		if (is_veth(&links.items[i]) && lone_mark_read(links.items[i].alias, NULL, &mark) &&
		        strcmp(mark.name, name) == 0)
			*ret = links.items[i].index;
	return r == -ENOENT || r == -EINVAL ? 0 : r; /* the namespace is gone */
}
