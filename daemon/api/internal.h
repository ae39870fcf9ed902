/* What the files of api/ share: one request on its way, the route it takes, and how it is answered.
 */
#pragma once

#include "daemon/api/server.h"
#include "daemon/model/setting.h"
#include "lib/json.h"

#include <bsd/sys/queue.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <jansson.h>

#define BODY_MAX    (256 * 1024) /* bytes of a request's body */
#define HEADERS_MAX (16 * 1024)  /* bytes of its head */
#define PARTS_MAX   8            /* parts of a path */
#define QUERY_MAX   8            /* parameters behind it */

struct connection; /* server.c */
struct events;     /* events.c */
struct turns;      /* turns.c */
struct stream;
struct call;

struct route {
	enum evhttp_cmd_type method;
	const char *pattern;       /* a part in capitals takes any name */
	const char *parameters[8]; /* what may stand behind '?' */
	/* A question: makes the whole answer. */
	int (*read)(const struct call *call, json_t **ret, struct error *err);
	bool is_long; /* it may be as long as all that there is */
	/* Or one that answers by itself, which takes the call over unless it fails. */
	int (*stream)(struct call *call, struct error *err);
	/* Or a change: makes the request of path, parameters and body, ... */
	int (*parse)(const struct call *call, struct request *request, struct error *err);
	/* ... and puts what came of it into the answer. NULL: what was removed. */
	int (*answer)(const struct call *call, const struct answer *answer, json_t *body,
	        struct error *err);
};

/* One request, from its arrival to its answer. It outlives its client: then `connection` and `http`
 * are NULL. */
struct call {
	struct engine *engine;
	struct connection *connection;
	struct evhttp_request *http;
	const struct route *route;
	char *path, *query;           /* what names and parameters point into */
	const char *names[PARTS_MAX]; /* the parts in capitals, decoded */
	struct {
		const char *name, *value;
	} parameters[QUERY_MAX];
	unsigned parameter_count;
	json_t *body; /* an object */
	struct request request;
	struct events *events;
	struct stream *stream;
	struct turns *turns;
	TAILQ_ENTRY(call) waiting; /* turns.c */
	/* The client of an answer that waits for its turn, or has no end, is gone: ends the call.
	 */
	void (*left)(struct call *call);
};

/* --- server.c: connections --- */
/* How long a client may take to send a whole request, or to read an answer. Tests shorten it. */
extern struct timeval server_silence;
/* Sends the answer and forgets the client. The buffer is emptied. Without a client it does nothing.
 */
void server_send(struct call *call, int status, const char *type, struct evbuffer *body);
/* Begins an answer without an end. Its client has no deadline. */
void server_stream(struct call *call, const char *type, void (*left)(struct call *call));
/* Takes the bytes out of the buffer; returns how many wait to be read. */
size_t server_stream_send(struct call *call, struct evbuffer *bytes);
/* Ends it after all. The client is forgotten: `left` is not called. */
void server_stream_end(struct call *call);
/* Closes the connection. */
void server_drop(struct call *call);
void call_free(struct call *call);

/* --- route.c: from bytes to a route --- */
/* Answers, or hands over to change_start(); the call is taken over. */
void route_call(struct call *call);
/* Answers a question; the call is taken over. */
void route_read(struct call *call);
const char *call_parameter(const struct call *call, const char *name);
/* A parameter that is "true" or "false"; false where absent. */
int call_flag(const struct call *call, const char *name, bool *ret, struct error *err);

/* --- change.c: changing requests --- */
void change_start(struct call *call);

/* --- turns.c: long answers --- */
int turns_open(struct turns **ret, struct event_base *base, struct error *err);
/* After the last connection. NULL is allowed; returns NULL. */
struct turns *turns_close(struct turns *turns);
/* route_read(), when it is the call's turn. */
void turns_wait(struct call *call);

/* --- drain.c --- */
/* How long a client that has connected may take to ask when the server ends. Tests change it. */
extern unsigned drain_unasked_ms;

/* --- events.c --- */
/* How long a stream may be silent. Tests shorten it. */
extern struct timeval events_heartbeat;
/* Listens to the engine from here on. */
int events_open(
        struct events **ret, struct event_base *base, struct engine *engine, struct error *err);
/* Ends all streams. */
void events_end(struct events *events);
/* After the last connection. NULL is allowed; returns NULL. */
struct events *events_close(struct events *events);
int events_read(struct call *call, struct error *err);

/* --- reply.c: answers --- */
/* Any text as a JSON string; what is no UTF-8 becomes '?'. */
json_t *text_json(const char *text);
/* The body is taken over; NULL is out of memory. */
void reply_json(struct call *call, int status, json_t *body);
/* The answer to a change that is committed: also without memory for the body it is a success. */
void reply_change(struct call *call, int status, json_t *body);
void reply_error(struct call *call, const struct error *err, const struct listener_info *listener);
void reply_problem(struct call *call, int status, const char *code, const char *detail);
/* The same as bytes: into `out`. */
void problem_write(struct evbuffer *out, int status, const char *code, const char *detail);
const char *status_title(int status);

/* --- fields.c: reading a body --- */
int field_required(const char *text, const char *field, struct error *err);
/* A name that must be there. */
int field_name(const char *text, const char *field, char ret[NAME_SIZE], struct error *err);
/* An object's id; `noun` and the command that lists them for the sentence. */
int field_id(
        const char *text, const char *noun, const char *list, char ret[ID_SIZE], struct error *err);
/* An IPv4 address; *ret stays as it is where text is NULL. */
int field_ip(const char *text, const char *field, struct ip *ret, struct error *err);
/* The settings that the body has, into `object` (of the request) and request->given. null means the
 * default. */
int field_settings(struct json_reader *reader, const struct settings *settings, void *object,
        struct request *request, struct error *err);
/* The same of a thing that is there, `what`: other fields of the request that makes one are
 * refused, each with its reason. */
int field_changes(struct json_reader *reader, const struct settings *settings, const char *what,
        void *object, struct request *request, struct error *err);
/* The items of a list setting, into `object`; `field` is where they stand. */
int field_list(const json_t *list, const char *field, const struct setting *setting, void *object,
        struct error *err);
/* The body of a request to prune: labels that things must have. */
int field_label_filter(const struct call *call, struct request *request, struct error *err);
/* Puts the place of the object in front of the field that *err names. */
int field_within(struct error *err, int result, const char *place);

/* --- objects.c: model objects as doc/api.md has them. NULL: out of memory --- */
/* Puts an object's settings into `into`, which may be NULL already for want of memory; it is the
 * result, too. */
json_t *settings_json(const struct settings *settings, const void *object, json_t *into);
json_t *network_json(const struct model *model, const struct network *network);
json_t *endpoint_json(const struct namespace *ns, const struct endpoint *endpoint);
json_t *endpoints_json(const struct namespace *ns); /* all of one namespace; NULL: an empty list */
/* Addresses with their prefix lengths. */
json_t *addresses_json(const struct cidr *addresses, unsigned count);
/* A text with one item per line, as a list. NULL: an empty one. */
json_t *lines_json(const char *lines);
/* Appends to a list that may be NULL already for want of memory; so it is afterwards if the item
 * was. Takes both over. */
json_t *list_add(json_t *list, json_t *item);
/* {name: list}; the list is taken over. */
int list_answer(const char *name, json_t *list, json_t **ret, struct error *err);
/* Puts a field into an answer; the value is taken over. */
int answer_add(json_t *body, const char *name, json_t *value, struct error *err);

/* --- one file per noun; the signatures of struct route --- */
int network_list(const struct call *call, json_t **ret, struct error *err);
int network_inspect(const struct call *call, json_t **ret, struct error *err);
int network_create(const struct call *call, struct request *request, struct error *err);
int network_set(const struct call *call, struct request *request, struct error *err);
int network_allow(const struct call *call, struct request *request, struct error *err);
int network_disallow(const struct call *call, struct request *request, struct error *err);
int network_prune(const struct call *call, struct request *request, struct error *err);
int network_remove(const struct call *call, struct request *request, struct error *err);
int network_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);

int namespace_list(const struct call *call, json_t **ret, struct error *err);
int namespace_inspect(const struct call *call, json_t **ret, struct error *err);
int namespace_processes(const struct call *call, json_t **ret, struct error *err);
int namespace_create(const struct call *call, struct request *request, struct error *err);
int namespace_set(const struct call *call, struct request *request, struct error *err);
int namespace_prune(const struct call *call, struct request *request, struct error *err);
int namespace_remove(const struct call *call, struct request *request, struct error *err);
int namespace_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);

int interface_move_in(const struct call *call, struct request *request, struct error *err);
int interface_move_out(const struct call *call, struct request *request, struct error *err);
int interface_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);
/* What was moved into a namespace. */
json_t *moved_json(const struct model *model, const char *ns);

int endpoint_list(const struct call *call, json_t **ret, struct error *err);
int endpoint_connect(const struct call *call, struct request *request, struct error *err);
int endpoint_set(const struct call *call, struct request *request, struct error *err);
int endpoint_disconnect(const struct call *call, struct request *request, struct error *err);
int endpoint_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);

int ns_link_list(const struct call *call, json_t **ret, struct error *err);
int ns_link_inspect(const struct call *call, json_t **ret, struct error *err);
int ns_link_create(const struct call *call, struct request *request, struct error *err);
int ns_link_set(const struct call *call, struct request *request, struct error *err);
int ns_link_remove(const struct call *call, struct request *request, struct error *err);
int ns_link_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);
/* The links of a namespace. */
json_t *links_json(const struct model *model, const char *ns);

int publication_list(const struct call *call, json_t **ret, struct error *err);
int publication_publish(const struct call *call, struct request *request, struct error *err);
int publication_unpublish(const struct call *call, struct request *request, struct error *err);
int publication_unpublish_port(const struct call *call, struct request *request, struct error *err);
int publication_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err);

int pool_list(const struct call *call, json_t **ret, struct error *err);

int version_read(const struct call *call, json_t **ret, struct error *err);
