/*
 * What is heard from inside namespaces. Their tenants may do there what they like, and each thing
 * they do is an event here: so reading is bounded, and who makes too many of them is not listened
 * to for a while, and for longer each time that he goes on. His namespace is looked at when the
 * time is over, no sooner.
 *
 * A namespace is known by the number that the host has for it, which the announcement of an outer
 * end tells. Of the announcements about one interface in one burst the last one counts: netd's own
 * steps pass through states that would look like drift.
 */
#include "daemon/engine/internal.h"

#include "lib/clock.h"
#include "lib/list.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

#define FLOOD        2000 /* events of one namespace in a second */
#define DEAF_FIRST_S 2    /* it is not listened to for so long; twice as long when it goes on */
#define DEAF_MAX_S   60
#define CALM_S       20  /* without a flood, and the next one is a new one */
#define REST_MS      100 /* without reading, after a burst that did not end */
#define SETTLE_BACK  32  /* interfaces that were told of last: whose later state is still awaited */
#define LOST_FIRST_S 1
#define LOST_MAX_S   60

/* A namespace by its number. */
struct heard {
	char name[NAME_SIZE]; /* "": none of netd's */
	uint64_t second;
	unsigned count;      /* of events in that second */
	uint64_t deaf_until; /* 0: it is listened to */
	uint64_t deaf_last;  /* when it was listened to again, after the last flood */
	unsigned pause;      /* seconds that the last flood was waited out */
};

struct hearing {
	struct engine *engine;
	struct event *reading; /* borrowed */
	struct event *rest;
	struct event *recover;
	unsigned lost_pause; /* seconds until everything is looked at after the next loss */
	uint64_t lost_last;
	struct heard *namespaces; /* by number */
	int count;
	struct happening *links; /* of this burst, the last state of each */
	size_t link_count, link_capacity;
};

void hearing_know(struct hearing *hearing, int nsid, const char *name)
{
	/* The kernel gives out the lowest number that is free. */
	if (nsid < 0 || nsid > 1 << 20)
		return;
	if (nsid >= hearing->count) {
		int count = nsid + 1 > 2 * hearing->count ? nsid + 1 : 2 * hearing->count;
		struct heard *namespaces =
		        reallocarray(hearing->namespaces, (size_t)count, sizeof(*namespaces));

		if (!namespaces)
			return;
		memset(namespaces + hearing->count, 0,
		        (size_t)(count - hearing->count) * sizeof(*namespaces));
		hearing->namespaces = namespaces;
		hearing->count = count;
	}
	if (strcmp(hearing->namespaces[nsid].name, name) == 0)
		return;
	hearing->namespaces[nsid] = (struct heard){0};
	snprintf(hearing->namespaces[nsid].name, NAME_SIZE, "%s", name);
}

/* One flood is said once, however long it goes on. */
static void stop_listening(struct hearing *hearing, struct heard *heard, uint64_t now)
{
	const struct announcement unwatched = {
	        .kind = ANNOUNCE_UNWATCHED, .namespace = heard->name};
	bool goes_on = heard->pause && now - heard->deaf_last <= CALM_S;

	heard->pause = !goes_on                        ? DEAF_FIRST_S
	               : heard->pause * 2 < DEAF_MAX_S ? heard->pause * 2
	                                               : DEAF_MAX_S;
	heard->deaf_until = now + heard->pause;
	if (!goes_on)
		engine_announce(hearing->engine, &unwatched,
		        "namespace %s: more than %d changes inside it in a second: netd does not "
		        "watch it for %d seconds, longer while they go on, and then repairs what "
		        "is amiss",
		        heard->name, FLOOD, DEAF_FIRST_S);
}

/* Counts an event. False: it is one too many, or the namespace is none of netd's. */
static bool listens_to(struct hearing *hearing, struct heard *heard)
{
	uint64_t now = clock_ms() / 1000;

	if (!heard->name[0] || heard->deaf_until)
		return false;
	if (heard->second != now) {
		heard->second = now;
		heard->count = 0;
	}
	if (++heard->count <= FLOOD)
		return true;
	stop_listening(hearing, heard, now);
	return false;
}

/* --- the last state of each link --- */

static void remember_link(struct hearing *hearing, const struct happening *link)
{
	size_t back = hearing->link_count < SETTLE_BACK ? hearing->link_count : SETTLE_BACK;
	struct happening *slot = NULL;

	for (size_t i = hearing->link_count; !slot && i-- > hearing->link_count - back;)
		if (hearing->links[i].nsid == link->nsid && hearing->links[i].index == link->index)
			slot = &hearing->links[i];
	if (!slot && !LIST_ROOM(hearing->links, hearing->link_count, hearing->link_capacity, 64))
		return;
	if (!slot)
		slot = &hearing->links[hearing->link_count++];
	*slot = *link;
	slot->alias = "";
}

void hearing_hear(const struct happening *happening, void *arg)
{
	struct hearing *hearing = arg;
	struct heard *heard;

	if (happening->nsid >= hearing->count)
		return;
	heard = &hearing->namespaces[happening->nsid];
	if (!listens_to(hearing, heard))
		return;
	if (happening->kind == EVENT_LINK)
		remember_link(hearing, happening);
	else
		suspect_inside(hearing->engine, heard->name, happening);
}

void hearing_settle(struct hearing *hearing, bool more)
{
	const struct timeval rest = {.tv_usec = REST_MS * 1000};

	for (size_t i = 0; i < hearing->link_count; i++)
		suspect_inside(hearing->engine, hearing->namespaces[hearing->links[i].nsid].name,
		        &hearing->links[i]);
	hearing->link_count = 0;
	if (!more)
		return;
	event_del(hearing->reading);
	event_add(hearing->rest, &rest);
}

static void on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct hearing *hearing = arg;

	event_add(hearing->reading, NULL);
}

/* --- losses and floods that are over --- */

static void on_recover(evutil_socket_t fd, short what, void *arg)
{
	struct hearing *hearing = arg;

	drift_namespaces(hearing->engine->drift, SIDE_INSIDE);
}

void hearing_lost(struct hearing *hearing)
{
	uint64_t now = clock_ms() / 1000;
	struct timeval pause;

	if (now - hearing->lost_last > 2 * LOST_MAX_S)
		hearing->lost_pause = LOST_FIRST_S;
	hearing->lost_last = now;
	if (event_pending(hearing->recover, EV_TIMEOUT, NULL))
		return;
	log_info("events of namespaces were lost: all of them are looked at in %u s",
	        hearing->lost_pause);
	pause = (struct timeval){.tv_sec = hearing->lost_pause};
	event_add(hearing->recover, &pause);
	if (hearing->lost_pause < LOST_MAX_S)
		hearing->lost_pause *= 2;
}

void hearing_look(struct hearing *hearing)
{
	uint64_t now = clock_ms() / 1000;

	for (int i = 0; i < hearing->count; i++) {
		struct heard *heard = &hearing->namespaces[i];

		if (!heard->deaf_until || heard->deaf_until > now)
			continue;
		heard->deaf_until = 0;
		heard->deaf_last = now;
		drift_namespace(hearing->engine->drift, heard->name, SIDE_INSIDE);
		drift_links_of(hearing->engine->drift, heard->name);
	}
}

/* --- life --- */

int hearing_open(
        struct hearing **ret, struct engine *engine, struct event *reading, struct error *err)
{
	struct hearing *hearing = calloc(1, sizeof(*hearing));

	if (!hearing)
		return error_memory(err);
	hearing->engine = engine;
	hearing->reading = reading;
	hearing->lost_pause = LOST_FIRST_S;
	hearing->rest = event_new(engine->base, -1, 0, on_rest, hearing);
	hearing->recover = event_new(engine->base, -1, 0, on_recover, hearing);
	if (!hearing->rest || !hearing->recover) {
		hearing_close(hearing);
		return error_memory(err);
	}
	*ret = hearing;
	return 0;
}

struct hearing *hearing_close(struct hearing *hearing)
{
	if (!hearing)
		return NULL;
	if (hearing->rest)
		event_free(hearing->rest);
	if (hearing->recover)
		event_free(hearing->recover);
	free(hearing->namespaces);
	free(hearing->links);
	free(hearing);
	return NULL;
}
