/*
 * What happened, said twice by one call: as a line of the log, and to the one who listens (the API,
 * which has an event made of it). So nothing stands in one of the two alone. A change is announced
 * once it is committed, never before.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/ns_link.h"
#include "daemon/model/rules.h"
#include "lib/log.h"

#include <stdarg.h>
#include <string.h>

static const struct {
	const char *word;
	enum log_level level;
} kinds[ANNOUNCEMENTS] = {
        [ANNOUNCE_START] = {"start", LOG_LEVEL_INFO},
        [ANNOUNCE_CHANGE] = {"change", LOG_LEVEL_INFO},
        [ANNOUNCE_RELEASED] = {"released", LOG_LEVEL_INFO},
        [ANNOUNCE_HELD] = {"held", LOG_LEVEL_WARNING},
        [ANNOUNCE_GONE] = {"gone", LOG_LEVEL_INFO},
        [ANNOUNCE_DRIFT] = {"drift", LOG_LEVEL_WARNING},
        [ANNOUNCE_FIGHT] = {"fight", LOG_LEVEL_WARNING},
        [ANNOUNCE_UNWATCHED] = {"unwatched", LOG_LEVEL_WARNING},
        [ANNOUNCE_REPAIR_FAILED] = {"repair-failed", LOG_LEVEL_ERROR},
        [ANNOUNCE_REPAIRED] = {"repaired", LOG_LEVEL_INFO},
        [ANNOUNCE_BRIDGE_GONE] = {"bridge-gone", LOG_LEVEL_WARNING},
        [ANNOUNCE_BRIDGE_BACK] = {"bridge-back", LOG_LEVEL_INFO},
        [ANNOUNCE_STORAGE_FAILED] = {"storage-failed", LOG_LEVEL_ERROR},
        [ANNOUNCE_STORAGE_BACK] = {"storage-back", LOG_LEVEL_INFO},
};

const char *announcement_word(enum announcement_kind kind)
{
	return kinds[kind].word;
}

void engine_listen(struct engine *engine, engine_hears *hears, void *arg)
{
	engine->hears = hears;
	engine->hears_arg = arg;
}

static void log_announcement(const struct announcement *announcement)
{
	enum log_level level = kinds[announcement->kind].level;

	if (announcement->asked)
		log_line(level, "uid %u pid %d: %s: done", announcement->uid, announcement->pid,
		        announcement->text);
	else if (announcement->pid)
		log_line(level, "%s (by pid %d, %s)", announcement->text, announcement->pid,
		        announcement->program ? announcement->program : "?");
	else
		log_line(level, "%s", announcement->text);
}

void engine_announce(
        struct engine *engine, const struct announcement *about, const char *format, ...)
{
	struct announcement announcement = *about;
	char text[ANNOUNCEMENT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	announcement.text = text;
	log_announcement(&announcement);
	if (engine->hears)
		engine->hears(&announcement, engine->hears_arg);
}

/* --- changes --- */

static void describe_removed(const struct request *request, const struct answer *answer, char *text)
{
	const char *line = answer->removed;
	char what[256];
	int length;

	request_describe(request, what, sizeof(what));
	length = snprintf(
	        text, ANNOUNCEMENT_SIZE, "%s%s (removed", what, request->force ? " by force" : "");
	for (; *line && length < ANNOUNCEMENT_SIZE; line += strcspn(line, "\n") + 1)
		length += snprintf(text + length, ANNOUNCEMENT_SIZE - (size_t)length, "%s %.*s",
		        line == answer->removed ? ":" : ",", (int)strcspn(line, "\n"), line);
	if (length < ANNOUNCEMENT_SIZE)
		snprintf(text + length, ANNOUNCEMENT_SIZE - (size_t)length, ")");
}

static void describe_linked(const struct engine *engine, const struct answer *answer, char *text)
{
	const struct ns_link *link = model_ns_link(engine->model, answer->link);
	char ends[NS_LINK_TEXT_SIZE];
	int length = snprintf(text, ANNOUNCEMENT_SIZE, "ns link %s",
	        link ? ns_link_format(link, ends) : answer->link);

	for (unsigned i = 0; link && i < 2; i++)
		if (answer->created_ends[i])
			length += snprintf(text + length, ANNOUNCEMENT_SIZE - (size_t)length,
			        " (the namespace %s was created)", link->ends[i].namespace);
}

static void describe_published(const struct engine *engine, const struct answer *answer, char *text)
{
	int length = snprintf(text, ANNOUNCEMENT_SIZE, "publish");

	for (unsigned i = 0; i < answer->publication_count && length < ANNOUNCEMENT_SIZE; i++) {
		const struct publication *publication =
		        model_publication(engine->model, answer->publications[i]);
		char what[512];

		if (publication)
			length += snprintf(text + length, ANNOUNCEMENT_SIZE - (size_t)length,
			        "%s %s", i ? "," : "",
			        publication_format(engine->model, publication, what, sizeof(what)));
	}
}

static void describe_change(const struct engine *engine, const struct request *request,
        const struct answer *answer, char *text)
{
	char what[512];

	if (answer->removed) {
		describe_removed(request, answer, text);
	} else if (answer->publication_count) {
		describe_published(engine, answer, text);
	} else if (request->kind == REQUEST_NS_LINK) {
		describe_linked(engine, answer, text);
	} else {
		request_describe(request, what, sizeof(what));
		snprintf(text, ANNOUNCEMENT_SIZE, "%s%s", what,
		        answer->created_namespace ? " (the namespace was created)" : "");
	}
}

/* The answer knows names that the request left open. */
static const char *known(const char *answer, const char *request)
{
	return answer[0] ? answer : request;
}

static bool is_prune(const struct request *request)
{
	return request->kind == REQUEST_NETWORK_PRUNE || request->kind == REQUEST_NS_PRUNE;
}

void engine_announce_change(
        struct engine *engine, const struct request *request, const struct answer *answer)
{
	const struct announcement change = {.kind = ANNOUNCE_CHANGE,
	        .network = known(answer->network, request->network),
	        .namespace = known(answer->namespace, request->namespace),
	        .asked = true,
	        .uid = request->caller_uid,
	        .pid = request->caller_pid};
	char text[ANNOUNCEMENT_SIZE];

	switch (request->kind) {
	case REQUEST_NETWORK_CREATE:
	case REQUEST_NETWORK_SET:
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
	case REQUEST_NETWORK_REMOVE:
	case REQUEST_NETWORK_PRUNE:
	case REQUEST_NS_PRUNE:
	case REQUEST_NS_CREATE:
	case REQUEST_NS_ATTACH:
	case REQUEST_NS_SET:
	case REQUEST_MOVE_IN:
	case REQUEST_MOVE_OUT:
	case REQUEST_NS_REMOVE:
	case REQUEST_CONNECT:
	case REQUEST_ENDPOINT_SET:
	case REQUEST_DISCONNECT:
	case REQUEST_NS_LINK:
	case REQUEST_NS_LINK_SET:
	case REQUEST_NS_UNLINK:
	case REQUEST_PUBLISH:
	case REQUEST_UNPUBLISH:
		if (answer->existed || (is_prune(request) && !answer->removed))
			return;
		describe_change(engine, request, answer, text);
		engine_announce(engine, &change, "%s", text);
		return;
	case REQUEST_NS_RELEASE:
		engine_announce_released(engine, request->namespace, request->release);
		return;
	case REQUEST_HOST:
	case REQUEST_REAP:
		return;
	}
}

void engine_announce_released(
        struct engine *engine, const char *namespace, enum release_reason reason)
{
	static const char *const why[] = {
	        [RELEASE_REMOVED] = "is gone, as someone removed it",
	        [RELEASE_REPLACED] = ("is let go of, as what it was found by leads to another one "
	                              "now, or nowhere (its container has ended or was started "
	                              "again)"),
	        [RELEASE_ENDED] = ("is let go of, as no process is left in it (its container has "
	                           "ended)"),
	};
	const struct announcement released = {.kind = ANNOUNCE_RELEASED, .namespace = namespace};

	engine_announce(engine, &released,
	        "namespace %s %s: its endpoints are freed, its published ports wait for a new one",
	        namespace, why[reason]);
}
