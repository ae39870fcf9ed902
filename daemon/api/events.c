/*
 * GET /v1/events: what the engine announces, as JSON lines, to all who listen, and the last of it
 * to those who come late. The invariant: a reader costs a bounded number of bytes, whatever it
 * does. One that does not read is dropped, since it would miss events in silence otherwise.
 *
 * A heartbeat is an event, too, so that every line is one object of one form. It keeps libevent
 * from ending a quiet connection, which it does after 50 seconds.
 */
#include "daemon/api/internal.h"

#include "lib/cleanup.h"
#include "lib/parse.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RECENT_MAX     100          /* events that are kept */
#define STREAMS_MAX    32           /* readers at a time */
#define UNREAD_MAX     (256 * 1024) /* bytes that may wait for one of them */
#define TYPE_EVENTS    "application/jsonl"
#define WORD_HEARTBEAT "heartbeat"

struct happened {
	char *line; /* owned; NULL: none yet */
	enum announcement_kind kind;
	char network[NAME_SIZE], namespace[NAME_SIZE];
};

/* One that reads. */
struct stream {
	TAILQ_ENTRY(stream) next;
	struct events *events;
	struct call *call;
};

struct events {
	struct engine *engine;
	struct happened recent[RECENT_MAX]; /* a ring */
	unsigned at;                        /* where the next one goes: the oldest */
	TAILQ_HEAD(streams, stream) streams;
	unsigned count;
	struct event *heartbeat;
};

struct timeval events_heartbeat = {.tv_sec = 15};

/* --- lines --- */

/* RFC 3339, in UTC and milliseconds. */
static void format_now(char *text, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	length = strftime(text, size, "%FT%T", &tm);
	snprintf(text + length, size - length, ".%03ldZ", now.tv_nsec / 1000000);
}

static json_t *name_json(const char *name)
{
	return name && name[0] ? text_json(name) : json_null();
}

static json_t *cause_json(const struct announcement *about)
{
	if (about->asked)
		return json_pack("{s:I, s:i}", "uid", (json_int_t)about->uid, "pid", about->pid);
	if (about->pid)
		return json_pack(
		        "{s:i, s:o}", "pid", about->pid, "program", name_json(about->program));
	return json_null();
}

/* Allocated, with its newline; NULL where memory is out. */
static char *make_line(const char *word, const struct announcement *about)
{
	char time[64], *text, *line = NULL;
	json_auto_t *event = NULL;

	format_now(time, sizeof(time));
	event = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "time", time, "kind", word, "network",
	        name_json(about->network), "namespace", name_json(about->namespace), "text",
	        text_json(about->text), "cause", cause_json(about));
	text = event ? json_dumps(event, JSON_COMPACT) : NULL;
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

/* --- readers --- */

static bool is_wanted(const struct call *call, const struct happened *happened)
{
	const char *kind = call_parameter(call, "kind");
	const char *network = call_parameter(call, "network");
	const char *namespace = call_parameter(call, "namespace");

	return (!kind || strcmp(kind, announcement_word(happened->kind)) == 0) &&
	       (!network || strcmp(network, happened->network) == 0) &&
	       (!namespace || strcmp(namespace, happened->namespace) == 0);
}

static void stream_free(struct stream *stream)
{
	TAILQ_REMOVE(&stream->events->streams, stream, next);
	stream->events->count--;
	call_free(stream->call);
	free(stream);
}

/* The reader is gone. */
static void left(struct call *call)
{
	stream_free(call->stream);
}

/* Takes `bytes` out of the buffer. The stream may be gone afterwards. */
static void stream_send(struct stream *stream, struct evbuffer *bytes)
{
	if (server_stream_send(stream->call, bytes) > UNREAD_MAX)
		server_drop(stream->call);
}

static void stream_line(struct stream *stream, const char *line)
{
	struct evbuffer *bytes = evbuffer_new();

	if (bytes && evbuffer_add(bytes, line, strlen(line)) == 0)
		stream_send(stream, bytes);
	else
		server_drop(stream->call); /* it must not miss one in silence */
	if (bytes)
		evbuffer_free(bytes);
}

static void heartbeat(int fd, short what, void *arg)
{
	const struct announcement nothing = {.text = ""};
	_cleanup_(freep) char *line = make_line(WORD_HEARTBEAT, &nothing);
	struct events *events = arg;
	struct stream *stream, *next;

	for (stream = TAILQ_FIRST(&events->streams); line && stream; stream = next) {
		next = TAILQ_NEXT(stream, next);
		stream_line(stream, line);
	}
}

/* --- the engine speaks --- */

/* No memory for an event: it is in the log only, and nobody misses it in silence. */
static void drop_all(struct events *events)
{
	struct stream *stream;

	while ((stream = TAILQ_FIRST(&events->streams)))
		server_drop(stream->call);
}

static void hears(const struct announcement *about, void *arg)
{
	struct events *events = arg;
	struct happened *happened = &events->recent[events->at];
	char *line = make_line(announcement_word(about->kind), about);
	struct stream *stream, *next;

	if (!line) {
		drop_all(events);
		return;
	}
	free(happened->line);
	*happened = (struct happened){.line = line, .kind = about->kind};
	snprintf(happened->network, NAME_SIZE, "%s", about->network ? about->network : "");
	snprintf(happened->namespace, NAME_SIZE, "%s", about->namespace ? about->namespace : "");
	events->at = (events->at + 1) % RECENT_MAX;
	for (stream = TAILQ_FIRST(&events->streams); stream; stream = next) {
		next = TAILQ_NEXT(stream, next);
		if (is_wanted(stream->call, happened))
			stream_line(stream, line);
	}
}

/* --- requests --- */

/* The last `most` that this call wants, the oldest first. */
static int add_recent(
        const struct events *events, const struct call *call, unsigned most, struct evbuffer *out)
{
	const struct happened *wanted[RECENT_MAX];
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; i < RECENT_MAX; i++) {
		const struct happened *happened = &events->recent[(events->at + i) % RECENT_MAX];

		if (happened->line && is_wanted(call, happened))
			wanted[count++] = happened;
	}
	for (unsigned i = count > most ? count - most : 0; r == 0 && i < count; i++)
		r = evbuffer_add(out, wanted[i]->line, strlen(wanted[i]->line));
	return r;
}

struct wish {
	unsigned recent;
	bool follow;
};

static int read_wish(const struct call *call, struct wish *ret, struct error *err)
{
	const char *kind = call_parameter(call, "kind"), *recent = call_parameter(call, "recent");
	struct wish wish = {.follow = true};
	unsigned long number = 0;
	int known = 0, r;

	while (kind && known < ANNOUNCEMENTS && strcmp(kind, announcement_word(known)) != 0)
		known++;
	if (known == ANNOUNCEMENTS)
		return error_field(err, "kind", "kind: there are no events of kind '%.40s'", kind);
	r = recent ? parse_number(recent, "recent", 0, RECENT_MAX, &number, err) : 0;
	if (r < 0)
		return r;
	wish.recent = (unsigned)number;
	*ret = wish;
	return call_parameter(call, "follow") ? call_flag(call, "follow", &ret->follow, err) : 0;
}

static int start_stream(
        struct events *events, struct call *call, struct evbuffer *recent, struct error *err)
{
	struct stream *stream;

	if (events->count >= STREAMS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "events: %d clients read them already, the most that netd serves",
		        STREAMS_MAX);
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return error_memory(err);
	*stream = (struct stream){.events = events, .call = call};
	TAILQ_INSERT_TAIL(&events->streams, stream, next);
	events->count++;
	call->stream = stream;
	server_stream(call, TYPE_EVENTS, left);
	stream_send(stream, recent);
	return 0;
}

int events_read(struct call *call, struct error *err)
{
	struct events *events = call->events;
	struct evbuffer *recent;
	struct wish wish;
	int r = read_wish(call, &wish, err);

	if (r < 0)
		return r;
	recent = evbuffer_new();
	if (!recent || add_recent(events, call, wish.recent, recent) < 0) {
		r = error_memory(err);
	} else if (wish.follow) {
		r = start_stream(events, call, recent, err);
	} else {
		server_send(call, 200, TYPE_EVENTS, recent);
		call_free(call);
	}
	if (recent)
		evbuffer_free(recent);
	return r;
}

/* --- opening --- */

int events_open(
        struct events **ret, struct event_base *base, struct engine *engine, struct error *err)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return error_memory(err);
	TAILQ_INIT(&events->streams);
	events->engine = engine;
	events->heartbeat = event_new(base, -1, EV_PERSIST, heartbeat, events);
	if (!events->heartbeat || event_add(events->heartbeat, &events_heartbeat) < 0) {
		events_close(events);
		return error_memory(err);
	}
	engine_listen(engine, hears, events);
	*ret = events;
	return 0;
}

void events_end(struct events *events)
{
	struct stream *stream;

	while ((stream = TAILQ_FIRST(&events->streams))) {
		server_stream_end(stream->call);
		stream_free(stream);
	}
}

struct events *events_close(struct events *events)
{
	if (!events)
		return NULL;
	engine_listen(events->engine, NULL, NULL);
	if (events->heartbeat)
		event_free(events->heartbeat);
	for (unsigned i = 0; i < RECENT_MAX; i++)
		free(events->recent[i].line);
	free(events);
	return NULL;
}
