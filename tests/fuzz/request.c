/*
 * Requests of the API, from their bytes to the plan: several in one input, each `METHOD URI`, a
 * line break and the body, with an empty line in between. They go through the real table of routes.
 * What is granted changes the model, so that the next one meets it.
 *
 * Only libevent's connection and the engine's kernel and database are left out; the host is made
 * up. Each answer must be one that doc/api.md allows.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"

#include "daemon/api/internal.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <event2/keyvalq_struct.h>
#include <errno.h>
#include <string.h>

/* What the linker puts in place of a function is declared nowhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

struct engine {
	struct model *model;
};

/* The request that is on its way. */
static struct {
	enum evhttp_cmd_type method;
	struct evhttp_uri *uri;
	struct evbuffer *body;
	unsigned answers;
} http;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

/* --- in place of libevent --- */

const struct evhttp_uri *__wrap_evhttp_request_get_evhttp_uri(const struct evhttp_request *request)
{
	return http.uri;
}

enum evhttp_cmd_type __wrap_evhttp_request_get_command(const struct evhttp_request *request)
{
	return http.method;
}

struct evbuffer *__wrap_evhttp_request_get_input_buffer(struct evhttp_request *request)
{
	return http.body;
}

struct evhttp_connection *__wrap_evhttp_request_get_connection(struct evhttp_request *request)
{
	return NULL;
}

struct bufferevent *__wrap_evhttp_connection_get_bufferevent(struct evhttp_connection *connection)
{
	return NULL;
}

int __wrap_bufferevent_getfd(struct bufferevent *events)
{
	return -1;
}

/* --- what the client gets --- */

static void hold_problem(int status, const json_t *problem)
{
	const char *code = json_string_value(json_object_get(problem, "code"));
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	const char *field = json_string_value(json_object_get(problem, "field"));
	struct error err = {.code = ERROR_INVALID};

	REQUIRE(code && *code && detail, "%d without code or sentence", status);
	snprintf(err.text, sizeof(err.text), "%s", detail);
	holds_error(&err);
	REQUIRE(json_integer_value(json_object_get(problem, "status")) == status, "%d", status);
	/* A field has a name, unless what is wrong is the body, or the path, as a whole. */
	REQUIRE(status != 400 || (field && *field) || strncmp(detail, "the body ", 9) == 0 ||
	                strncmp(detail, "the path ", 9) == 0 ||
	                strncmp(detail, "too many parameters", 19) == 0,
	        "no field: %s", detail);
}

void __wrap_server_send(struct call *call, int status, const char *type, struct evbuffer *body)
{
	size_t size = evbuffer_get_length(body);
	const char *bytes = (const char *)evbuffer_pullup(body, -1);
	json_error_t reason;
	json_auto_t *answer = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &reason);

	http.answers++;
	call->http = NULL;
	REQUIRE(json_is_object(answer), "%d: %s: %.*s", status, reason.text, (int)size, bytes);
	REQUIRE(status == 200 || status == 201 || (status >= 400 && status < 600), "%d", status);
	REQUIRE(strcmp(type, status < 400 ? "application/json" : "application/problem+json") == 0,
	        "%d is of type %s", status, type);
	if (status >= 400)
		hold_problem(status, answer);
}

/* --- in place of the engine --- */

static struct used_prefix used[] = {
        {.cidr = {{AF_INET, {192, 168, 7, 0}}, 24}, .ifname = "eth0"},
        {.cidr = {{AF_INET, {172, 16, 0, 0}}, 12}, .ifname = "tun0", .route = true},
};
static char links[][IFNAMSIZ] = {"lo", "eth0", "tun0"};

/* What a namespace is follows from its first letter. */
static void make_up_namespace(const char *name, struct facts *ret)
{
	char first = name[0];

	ret->ns_exists = first && strchr("aADL", first);
	ret->ns_is_host = first == 'H';
	ret->ns_stale = first == 'S';
	ret->ns_symlink = first == 'L';
	ret->ns_default_route = first == 'D';
	ret->ns_cookie = ret->ns_exists ? 4096 + (uint64_t)first : 0;
	ret->ns_processes = first == 'A';
	ret->ns_links = links;
	ret->ns_link_count = first == 'D' ? 2 : 1;
}

static void make_up(const struct request *request, struct facts *ret)
{
	static struct listener listener = {.protocol = IPPROTO_TCP,
	        .ip = {.family = AF_INET},
	        .port = 22,
	        .inode = 7,
	        .unit = "ssh.service"};
	static struct facts peer;

	peer = (struct facts){.boot_id = "boot"};
	make_up_namespace(request->ends[1].namespace, &peer);
	*ret = (struct facts){.boot_id = "boot",
	        .default_mtu = 1500,
	        .used = used,
	        .used_count = 2,
	        .links = links,
	        .link_count = 3,
	        .peer = &peer,
	        .listeners = &listener,
	        .listener_count = request->ports[0].host_port == 22};
	make_up_namespace(request->namespace, ret);
}

static int grant(struct engine *engine, const struct request *request, struct answer *answer,
        struct error *err)
{
	struct model *fork = model_fork(engine->model);
	struct facts facts;
	int r;

	REQUIRE(fork, "memory");
	make_up(request, &facts);
	r = rules_apply(fork, request, &facts, answer, err);
	if (r < 0) {
		holds_error(err);
		model_free(fork);
		return r;
	}
	holds_change(fork, engine->model);
	if (request->dry_run)
		model_free(fork);
	else
		model_merge(fork, engine->model);
	return 0;
}

int __wrap_engine_submit(struct engine *engine, struct request *request, engine_answered *answered,
        void *arg, struct error *err)
{
	struct answer answer = {0};
	struct error refusal = {0};
	int r = grant(engine, request, &answer, &refusal);

	answered(&answer, r < 0 ? &refusal : NULL, arg);
	answer_done(&answer);
	return 0;
}

const struct model *__wrap_engine_model(const struct engine *engine)
{
	return engine->model;
}

/* What is given belongs to the caller, facts_done() frees it. */
int __wrap_engine_look_at_host(struct engine *engine, struct facts *ret, struct error *err)
{
	ret->used = malloc(sizeof(used));
	REQUIRE(ret->used, "memory");
	memcpy(ret->used, used, sizeof(used));
	ret->used_count = sizeof(used) / sizeof(used[0]);
	return 0;
}

int __wrap_engine_look_at_ports(
        struct engine *engine, bool counters, struct ports_look **ret, struct error *err)
{
	*ret = NULL;
	return 0;
}

void __wrap_engine_port_state(
        struct ports_look *look, const struct publication *publication, struct port_state *ret)
{
	*ret = (struct port_state){.counted = publication->host_port % 2};
}

/* Without a loop there are no turns. */
void __wrap_turns_wait(struct call *call)
{
	route_read(call);
}

const struct error *__wrap_engine_refused(const struct engine *engine)
{
	return NULL;
}

struct kernel *__wrap_engine_kernel(struct engine *engine)
{
	return NULL;
}

int __wrap_look_netns_all(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err)
{
	*ret = calloc(1, sizeof(**ret));
	REQUIRE(*ret, "memory");
	**ret = (struct look_netns){.name = "Alien 1", .exists = true, .cookie = 5, .nsid = -1};
	*count = 1;
	return 0;
}

int __wrap_look_netns(
        struct kernel *kernel, const char *name, struct look_netns *ret, struct error *err)
{
	*ret = (struct look_netns){.exists = name[0] == 'a', .cookie = 6, .nsid = 1};
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	return 0;
}

int __wrap_look_processes(const ino_t *inodes, unsigned *counts, unsigned count, struct error *err)
{
	memset(counts, 0, count * sizeof(*counts));
	return 0;
}

int __wrap_look_links(struct kernel *kernel, const char *ns, struct look_link **ret,
        unsigned *count, struct error *err)
{
	*ret = calloc(1, sizeof(**ret));
	REQUIRE(*ret, "memory");
	strcpy((*ret)->name, "lo");
	*count = 1;
	return 0;
}

/* --- one request --- */

static bool read_method(const char *word, enum evhttp_cmd_type *ret)
{
	static const struct {
		const char *word;
		enum evhttp_cmd_type type;
	} methods[] = {{"GET", EVHTTP_REQ_GET}, {"POST", EVHTTP_REQ_POST},
	        {"DELETE", EVHTTP_REQ_DELETE}, {"PATCH", EVHTTP_REQ_PATCH},
	        {"PUT", EVHTTP_REQ_PUT}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(word, methods[i].word) == 0) {
			*ret = methods[i].type;
			return true;
		}
	}
	return false;
}

static void handle(struct engine *engine, char *text)
{
	char *body = text, *line = strsep(&body, "\n"), *uri = line, *method = strsep(&uri, " ");
	struct call *call;

	if (!uri || !read_method(method, &http.method))
		return;
	/* As libevent reads the first line; what it refuses never gets here. */
	http.uri = evhttp_uri_parse_with_flags(uri, EVHTTP_URI_NONCONFORMANT);
	if (!http.uri)
		return;
	http.body = evbuffer_new();
	call = calloc(1, sizeof(*call));
	REQUIRE(http.body && call &&
	                evbuffer_add(http.body, body ? body : "", body ? strlen(body) : 0) == 0,
	        "memory");
	call->engine = engine;
	call->http = (struct evhttp_request *)engine; /* of no use but to be there */
	http.answers = 0;
	route_call(call);
	REQUIRE(http.answers == 1, "%u answers", http.answers);
	evbuffer_free(http.body);
	evhttp_uri_free(http.uri);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine engine = {.model = fuzz_model()};
	char *text;

	while ((text = fuzz_part(&data, &size))) {
		handle(&engine, text);
		free(text);
	}
	holds_model(engine.model);
	model_free(engine.model);
	return 0;
}
