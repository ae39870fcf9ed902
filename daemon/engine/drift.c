/*
 * What may have drifted, and when it is looked at. A suspicion names an object; after a moment, in
 * which the rest of a burst arrives, the suspected objects are looked at together, some at a time,
 * and what has drifted is healed (engine/heal.c).
 *
 * Each object has a budget: looks that follow closely on one another wait longer and longer, so
 * that someone who removes the same thing again and again, or a tenant who plays with an interface,
 * costs a look a minute and not a loop. It is said once, when the waiting begins. Nor is a repair
 * that fails again for the same reason said again.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/ns_link.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_MS        5    /* the rest of a burst */
#define LOOKS_FREE       8    /* that follow one another at once */
#define PAUSE_FIRST_MS   1000 /* then it waits: so long, and twice as long each time */
#define PAUSE_LONGEST_MS 60000
#define QUIET_MS         20000 /* after this long without a look the budget is full again */
#define TOGETHER_MAX     64    /* objects that are looked at in one turn of the loop */

struct suspect {
	RB_ENTRY(suspect) node;
	struct ailing ailing;
	bool suspected;
	unsigned looks;       /* without a quiet time between them */
	bool fought;          /* that they were too many was said */
	uint64_t due, looked; /* of clock_ms() */
	unsigned pid;         /* who was it, where known */
	char program[16];
	char failure[128]; /* that was said last; "": it could be healed */
};

RB_HEAD(suspects, suspect);

struct drift {
	struct engine *engine;
	struct suspects suspects;
	struct event *timer;
	uint64_t next; /* when it wakes up; 0: it does not */
};

static int compare(const struct suspect *a, const struct suspect *b)
{
	if (a->ailing.kind != b->ailing.kind)
		return a->ailing.kind < b->ailing.kind ? -1 : 1;
	return strcmp(a->ailing.name, b->ailing.name);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(suspects, suspect, node, compare, static)
#pragma GCC diagnostic pop

static uint64_t pause_of(const struct suspect *suspect)
{
	unsigned over = suspect->looks > LOOKS_FREE ? suspect->looks - LOOKS_FREE : 0;

	if (over == 0)
		return 0;
	return over > 6 ? PAUSE_LONGEST_MS : (uint64_t)PAUSE_FIRST_MS << (over - 1);
}

static void wake_at(struct drift *drift, uint64_t due, uint64_t now)
{
	const struct timeval delay = clock_span(due > now ? due - now : 0);

	if (drift->next && drift->next <= due)
		return;
	drift->next = due;
	event_add(drift->timer, &delay);
}

static struct suspect *find(struct drift *drift, enum ailing_kind kind, const char *name)
{
	struct suspect key = {.ailing.kind = kind}, *suspect;

	snprintf(key.ailing.name, NAME_SIZE, "%s", name);
	suspect = RB_FIND(suspects, &drift->suspects, &key);
	if (suspect)
		return suspect;
	suspect = malloc(sizeof(*suspect));
	if (!suspect)
		return NULL;
	*suspect = key;
	RB_INSERT(suspects, &drift->suspects, suspect);
	return suspect;
}

/* NULL: out of memory; the suspicion is lost, and the log has it. */
static struct suspect *add(
        struct drift *drift, enum ailing_kind kind, const char *name, unsigned sides)
{
	struct suspect *suspect = find(drift, kind, name);
	uint64_t now = clock_ms(), soon;

	if (!suspect) {
		log_error("drift of %s: out of memory", name);
		return NULL;
	}
	suspect->ailing.sides |= sides;
	if (suspect->suspected)
		return suspect;
	if (now - suspect->looked > QUIET_MS + pause_of(suspect)) {
		suspect->looks = 0;
		suspect->fought = false;
	}
	soon = now + SETTLE_MS;
	suspect->due = suspect->looked + pause_of(suspect);
	if (suspect->due < soon)
		suspect->due = soon;
	suspect->suspected = true;
	wake_at(drift, suspect->due, now);
	return suspect;
}

void drift_rules(struct drift *drift, unsigned pid, const char *program)
{
	struct suspect *suspect = add(drift, AILING_RULES, "", 0);

	if (!suspect || !pid)
		return;
	suspect->pid = pid;
	snprintf(suspect->program, sizeof(suspect->program), "%s", program);
}

void drift_interfaces(struct drift *drift)
{
	add(drift, AILING_INTERFACES, "", 0);
}

void drift_network(struct drift *drift, const char *name)
{
	add(drift, AILING_NETWORK, name, 0);
}

void drift_namespace(struct drift *drift, const char *name, unsigned sides)
{
	add(drift, AILING_NAMESPACE, name, sides);
}

void drift_ns_link(struct drift *drift, const char *id)
{
	add(drift, AILING_LINK, id, SIDE_BOTH);
}

void drift_links_of(struct drift *drift, const char *ns)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned end;

	while ((link = namespace_next_link(drift->engine->model, ns, key, &end)))
		drift_ns_link(drift, link->id);
}

void drift_namespaces(struct drift *drift, unsigned sides)
{
	const struct namespace *ns;
	const struct ns_link *link;
	char key[KEY_SIZE] = "";

	while ((ns = model_next(drift->engine->model, TABLE_NAMESPACES, key)))
		if (ns->endpoint_count)
			drift_namespace(drift, ns->name, sides);
	key[0] = '\0';
	while ((sides & SIDE_INSIDE) &&
	        (link = model_next(drift->engine->model, TABLE_NS_LINKS, key)))
		drift_ns_link(drift, link->id);
}

void drift_host(struct drift *drift)
{
	const struct network *network;
	char key[KEY_SIZE] = "";

	drift_interfaces(drift);
	while ((network = model_next(drift->engine->model, TABLE_NETWORKS, key)))
		drift_network(drift, network->name);
	drift_namespaces(drift, SIDE_OUTER);
}

/* --- looking --- */

#define NAME_TEXT_SIZE (NS_LINK_TEXT_SIZE + 16)

/* NULL: it is none, or gone. */
static const struct ns_link *link_of(const struct drift *drift, const struct ailing *ailing)
{
	return ailing->kind == AILING_LINK ? model_ns_link(drift->engine->model, ailing->name)
	                                   : NULL;
}

static const char *describe(
        const struct drift *drift, const struct ailing *ailing, char text[static NAME_TEXT_SIZE])
{
	const struct ns_link *link = link_of(drift, ailing);
	char ends[NS_LINK_TEXT_SIZE];
	static const char *const words[] = {
	        [AILING_RULES] = "netd's nf_tables rules",
	        [AILING_INTERFACES] = "forwarding of the host's interfaces",
	        [AILING_NETWORK] = "network ",
	        [AILING_NAMESPACE] = "namespace ",
	        [AILING_LINK] = "link ",
	};

	snprintf(text, NAME_TEXT_SIZE, "%s%s", words[ailing->kind],
	        link ? ns_link_format(link, ends) : ailing->name);
	return text;
}

static struct announcement about(
        const struct drift *drift, enum announcement_kind kind, const struct suspect *suspect)
{
	const struct ailing *ailing = &suspect->ailing;
	const struct ns_link *link = link_of(drift, ailing);

	return (struct announcement){.kind = kind,
	        .network = ailing->kind == AILING_NETWORK ? ailing->name : "",
	        .namespace = link                               ? link->ends[0].namespace
	                     : ailing->kind == AILING_NAMESPACE ? ailing->name
	                                                        : "",
	        .pid = (int)suspect->pid,
	        .program = suspect->program};
}

/* Who could have been among those who are due, for the one line that says what was healed. */
static struct suspect *culprit(struct suspect *const *due, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (due[i]->ailing.drifted && due[i]->pid)
			return due[i];
	for (unsigned i = 0; i < count; i++)
		if (due[i]->ailing.drifted)
			return due[i];
	return due[0];
}

/* Its budget is used up, perhaps by looks that found nothing: from now on it waits. */
static void note_fight(struct drift *drift, struct suspect *suspect)
{
	const struct announcement fight = about(drift, ANNOUNCE_FIGHT, suspect);
	char name[NAME_TEXT_SIZE];

	if (suspect->looks <= LOOKS_FREE || suspect->fought)
		return;
	suspect->fought = true;
	engine_announce(drift->engine, &fight,
	        "%s: changed by someone again and again, %u times in a row: netd goes on "
	        "to repair it, at longer and longer intervals (now %d s)",
	        describe(drift, &suspect->ailing, name), suspect->looks,
	        (int)(pause_of(suspect) / 1000));
}

static void settle(struct drift *drift, struct suspect *const *due, const struct ailing *ailing,
        unsigned count, bool failed)
{
	uint64_t now = clock_ms();

	for (unsigned i = 0; i < count; i++) {
		struct suspect *suspect = due[i];

		suspect->looked = now;
		suspect->looks++;
		suspect->ailing.drifted = ailing[i].drifted;
		if (ailing[i].drifted && !failed)
			note_fight(drift, suspect);
		if (!failed)
			suspect->failure[0] = '\0';
		/* What could not be healed is still suspected. */
		suspect->suspected = failed && ailing[i].drifted;
		suspect->due = now + (pause_of(suspect) ? pause_of(suspect) : PAUSE_FIRST_MS);
		if (!suspect->suspected)
			suspect->ailing.sides = 0;
	}
}

/* Says why a repair failed, unless that is what was said last. */
static void say_failure(struct drift *drift, struct suspect *suspect, const char *what,
        const char *reason, const struct announcement *announcement)
{
	char failure[sizeof(suspect->failure)];

	snprintf(failure, sizeof(failure), "%s", reason);
	if (strcmp(failure, suspect->failure) == 0)
		return;
	memcpy(suspect->failure, failure, sizeof(failure));
	engine_announce(drift->engine, announcement,
	        "%s%s%s; tried again, at longer and longer intervals", what ? what : "",
	        what ? ": repair: " : "look for drift: ", reason);
}

static void look_at(struct drift *drift, struct suspect *const *due, unsigned count)
{
	struct ailing ailing[TOGETHER_MAX];
	_cleanup_(freep) char *what = NULL;
	struct announcement announcement;
	struct error err = {0};
	int r;

	for (unsigned i = 0; i < count; i++) {
		ailing[i] = due[i]->ailing;
		ailing[i].drifted = false;
	}
	r = engine_heal(drift->engine, ailing, count, &what, &err);
	/* One that cannot be looked at must not hide the others. */
	if (r < 0 && !what && count > 1) {
		for (unsigned i = 0; i < count; i++)
			look_at(drift, &due[i], 1);
		return;
	}
	/* What could not even be looked at counts as drifted: it is looked at again. */
	if (r < 0 && !what)
		ailing[0].drifted = true;
	settle(drift, due, ailing, count, r < 0);
	announcement =
	        about(drift, r < 0 ? ANNOUNCE_REPAIR_FAILED : ANNOUNCE_DRIFT, culprit(due, count));
	if (r < 0)
		say_failure(drift, culprit(due, count), what, err.text, &announcement);
	else if (what)
		engine_announce(drift->engine, &announcement, "%s: repaired", what);
	for (unsigned i = 0; i < count; i++)
		due[i]->pid = 0;
}

static bool is_gone(const struct drift *drift, const struct ailing *ailing)
{
	const struct model *model = drift->engine->model;

	return (ailing->kind == AILING_NETWORK && !model_network(model, ailing->name)) ||
	       (ailing->kind == AILING_NAMESPACE && !model_namespace(model, ailing->name)) ||
	       (ailing->kind == AILING_LINK && !model_ns_link(model, ailing->name));
}

/* Wakes up when the next one is due. What is gone, or was quiet for long, need not be remembered.
 */
static void go_on(struct drift *drift)
{
	struct suspect *suspect, *next;
	uint64_t now = clock_ms();

	RB_FOREACH_SAFE (suspect, suspects, &drift->suspects, next) {
		if (suspect->suspected) {
			wake_at(drift, suspect->due, now);
		} else if (now - suspect->looked > QUIET_MS + pause_of(suspect) ||
		           is_gone(drift, &suspect->ailing)) {
			RB_REMOVE(suspects, &drift->suspects, suspect);
			free(suspect);
		}
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct drift *drift = arg;
	struct suspect *due[TOGETHER_MAX], *suspect;
	uint64_t now = clock_ms();
	unsigned count = 0;

	drift->next = 0;
	RB_FOREACH (suspect, suspects, &drift->suspects)
		if (suspect->suspected && suspect->due <= now && count < TOGETHER_MAX)
			due[count++] = suspect;
	if (count)
		look_at(drift, due, count);
	go_on(drift);
}

int drift_open(struct drift **ret, struct engine *engine, struct error *err)
{
	struct drift *drift = calloc(1, sizeof(*drift));

	if (!drift)
		return error_memory(err);
	drift->engine = engine;
	RB_INIT(&drift->suspects);
	drift->timer = event_new(engine->base, -1, 0, on_timer, drift);
	if (!drift->timer) {
		free(drift);
		return error_memory(err);
	}
	*ret = drift;
	return 0;
}

struct drift *drift_close(struct drift *drift)
{
	struct suspect *suspect, *next;

	if (!drift)
		return NULL;
	RB_FOREACH_SAFE (suspect, suspects, &drift->suspects, next) {
		RB_REMOVE(suspects, &drift->suspects, suspect);
		free(suspect);
	}
	event_free(drift->timer);
	free(drift);
	return NULL;
}
