/*
 * The API with an engine and a kernel that only pretend: a server in a process of its own for each
 * test, since a clean end of it (no leak, no crash) is part of each. Included once in a test
 * program, for it defines what the real engine does.
 */
#pragma once

#include "daemon/api/internal.h"
#include "daemon/kernel/look.h"
#include "lib/log.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct engine {
	struct event_base *base;
	struct model *model;
	engine_hears *hears;
	void *hears_arg;
};

struct waiting {
	struct engine *engine;
	struct request request;
	engine_answered *answered;
	void *arg;
	struct event *timer;
};

const struct model *engine_model(const struct engine *engine)
{
	return engine->model;
}

struct kernel *engine_kernel(struct engine *engine)
{
	return NULL;
}

struct ports_look {
	struct engine *engine;
	bool counters;
};

/* A host that uses nothing. */
int engine_look_at_host(struct engine *engine, struct facts *ret, struct error *err)
{
	return 0;
}

int engine_look_at_ports(
        struct engine *engine, bool counters, struct ports_look **ret, struct error *err)
{
	static struct ports_look look;

	look = (struct ports_look){engine, counters};
	*ret = &look;
	return 0;
}

struct ports_look *ports_look_done(struct ports_look *look)
{
	return NULL;
}

/* Two packets of each, where they are counted; those that lead nowhere wait. */
void engine_port_state(
        struct ports_look *look, const struct publication *publication, struct port_state *ret)
{
	*ret = (struct port_state){.counted = look->counters, .packets = 2, .bytes = 120};
	if (!publication_target(look->engine->model, publication))
		strcpy(ret->pending, "web is connected to no network");
}

const struct error *engine_refused(const struct engine *engine)
{
	return NULL;
}

void engine_listen(struct engine *engine, engine_hears *hears, void *arg)
{
	engine->hears = hears;
	engine->hears_arg = arg;
}

const char *announcement_word(enum announcement_kind kind)
{
	return kind == ANNOUNCE_CHANGE ? "change" : kind == ANNOUNCE_DRIFT ? "drift" : "other";
}

/* A network's name says what its creation is announced as; the text is "x" where that is long. */
static inline void pretend_announce(struct engine *engine, const struct request *request)
{
	static char text[ANNOUNCEMENT_SIZE];
	struct announcement about = {.kind = ANNOUNCE_CHANGE,
	        .network = request->network,
	        .text = "network create",
	        .asked = true,
	        .uid = request->caller_uid,
	        .pid = request->caller_pid};

	if (strncmp(request->network, "drift", 5) == 0)
		about = (struct announcement){.kind = ANNOUNCE_DRIFT,
		        .network = request->network,
		        .namespace = "web",
		        .text = "cut in the middle: \xc3",
		        .pid = 7,
		        .program = "nft"};
	if (strncmp(request->network, "long", 4) == 0) {
		memset(text, 'x', sizeof(text) - 1);
		about.text = text;
	}
	engine->hears(&about, engine->hears_arg);
}

static inline int pretend_network(
        struct engine *engine, const struct request *request, struct error *err)
{
	struct network network = {.id = "0123456789ab",
	        .driver = "bridge",
	        .bridge = "netd-012345",
	        .link_mtu =
	                request->wanted_network.mtu ? (uint32_t)request->wanted_network.mtu : 1500,
	        .internal = request->wanted_network.internal,
	        .subnets = {{{ip4(0x0a010000), 24}, ip4(0x0a010001)}},
	        .subnet_count = 1};

	if (strcmp(request->network, "taken") == 0)
		return error_set(err, ERROR_EXISTS, 0, "network taken is there already");
	memcpy(network.name, request->network, NAME_SIZE);
	if (engine->hears)
		pretend_announce(engine, request);
	return model_put_network(engine->model, &network);
}

static inline int pretend_connect(struct engine *engine, const struct request *request)
{
	const struct namespace *ns = model_namespace(engine->model, request->namespace);
	struct namespace empty = {.cookie = 7};
	struct endpoint endpoint = {.ifname = "eth0",
	        .host_ifname = "nv0123456789",
	        .addresses = {{ip4(0x0a010002), 24}},
	        .address_count = 1};

	memcpy(empty.name, request->namespace, NAME_SIZE);
	memcpy(endpoint.network, request->network, NAME_SIZE);
	return model_put_endpoint(engine->model, ns ? ns : &empty, &endpoint);
}

static inline int pretend_publish(struct engine *engine, const struct request *request,
        struct answer *answer, struct error *err)
{
	const struct port_spec *spec = &request->ports[0];
	struct publication publication = request->wanted_publication;

	if (spec->host_port == 9) {
		answer->listener = (struct listener_info){.present = true,
		        .protocol = IPPROTO_TCP,
		        .ip = ip4(0),
		        .port = 9,
		        .inode = 4000000000,
		        .unit = "discard.service"};
		return error_set(err, ERROR_EXISTS, EADDRINUSE, "port 9");
	}
	strcpy(publication.id, "00000000000a");
	publication.protocol = spec->protocol;
	publication.host_ip = spec->host_ip;
	publication.host_port = spec->host_port;
	publication.host_port_end = spec->host_port_end;
	publication.port = spec->port;
	memcpy(publication.namespace, request->namespace, NAME_SIZE);
	memcpy(answer->publications[0], publication.id, ID_SIZE);
	answer->publication_count = 1;
	return model_put_publication(engine->model, &publication);
}

static inline int pretend(struct engine *engine, const struct request *request,
        struct answer *answer, struct error *err)
{
	memcpy(answer->network, request->network, NAME_SIZE);
	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	answer_warn(answer, "asked by uid %u pid %d force %d", request->caller_uid,
	        request->caller_pid, request->force);
	if (request->dry_run) {
		answer->plan = strdup("ip netns add web\nip link add x");
		return 0;
	}
	answer->existed = request->exist_ok;
	switch (request->kind) {
	case REQUEST_NETWORK_CREATE:
	case REQUEST_NETWORK_SET:
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
		return pretend_network(engine, request, err);
	case REQUEST_CONNECT:
		answer->created_namespace = true;
		return pretend_connect(engine, request);
	case REQUEST_PUBLISH:
		return pretend_publish(engine, request, answer, err);
	case REQUEST_NETWORK_REMOVE:
	case REQUEST_NETWORK_PRUNE:
	case REQUEST_ENDPOINT_SET:
	case REQUEST_NS_PRUNE:
	case REQUEST_DISCONNECT:
	case REQUEST_NS_REMOVE:
		answer->removed = strdup("endpoint web on my-net\nnetwork my-net\n");
		return 0;
	case REQUEST_UNPUBLISH:
		answer->removed = strdup("publication");
		return 0;
	case REQUEST_NS_CREATE:
	case REQUEST_NS_ATTACH:
	case REQUEST_NS_SET:
	case REQUEST_MOVE_IN:
	case REQUEST_MOVE_OUT:
	case REQUEST_NS_LINK:
	case REQUEST_NS_LINK_SET:
	case REQUEST_NS_UNLINK:
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		break;
	}
	return 0;
}

static inline void answer_now(int fd, short events, void *arg)
{
	struct waiting *waiting = arg;
	struct answer answer = {0};
	struct error err;
	int r = pretend(waiting->engine, &waiting->request, &answer, &err);

	waiting->answered(&answer, r < 0 ? &err : NULL, waiting->arg);
	answer_done(&answer);
	request_done(&waiting->request);
	event_free(waiting->timer);
	free(waiting);
}

int engine_submit(struct engine *engine, struct request *request, engine_answered *answered,
        void *arg, struct error *err)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	struct timeval delay = {0};

	if (strcmp(request->network, "slow") == 0)
		delay.tv_usec = 300000;
	*waiting = (struct waiting){engine, {0}, answered, arg, NULL};
	request_move(request, &waiting->request);
	waiting->timer = evtimer_new(engine->base, answer_now, waiting);
	event_add(waiting->timer, &delay);
	return 0;
}

/* --- a kernel with two namespaces --- */

static const struct look_netns present[] = {
        {.name = "web", .exists = true, .cookie = 7, .inode = 4026531999, .nsid = -1},
        {.name = "alien", .exists = true, .cookie = UINT64_MAX, .inode = 4026532000, .nsid = 3},
};

int look_netns_all(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err)
{
	*ret = malloc(sizeof(present));
	memcpy(*ret, present, sizeof(present));
	*count = 2;
	return 0;
}

int look_netns(struct kernel *kernel, const char *name, struct look_netns *ret, struct error *err)
{
	*ret = (struct look_netns){0};
	for (int i = 0; i < 2; i++)
		if (strcmp(present[i].name, name) == 0)
			*ret = present[i];
	return 0;
}

int look_processes(const ino_t *inodes, unsigned *counts, unsigned count, struct error *err)
{
	for (unsigned i = 0; i < count; i++)
		counts[i] = inodes[i] == 4026532000 ? 2 : 0;
	return 0;
}

int look_links(struct kernel *kernel, const char *ns, struct look_link **ret, unsigned *count,
        struct error *err)
{
	*ret = calloc(1, sizeof(**ret));
	strcpy((*ret)->name, "lo");
	*count = 1;
	return 0;
}

/* --- the server's process --- */

static char directory[64], path[96];
static pid_t server;
static sigset_t unblocked;

static inline void stop(int signal, short events, void *base)
{
	event_base_loopbreak(base);
}

static inline void drained(void *base)
{
	event_base_loopbreak(base);
}

static struct api *served;

/* As SIGTERM is to the daemon. */
static inline void drain(int signal, short events, void *base)
{
	struct error err;

	unlink(path);
	if (api_drain(served, false, drained, base, &err) < 0)
		event_base_loopbreak(base);
}

static inline int serve(int listen_fd)
{
	struct event_base *base = event_base_new();
	struct event *usr1 = evsignal_new(base, SIGUSR1, drain, base);
	struct event *term = evsignal_new(base, SIGTERM, stop, base);
	struct engine engine = {.base = base, .model = model_new()};
	struct host host = {.instance = "0123456789abcdef0123456789abcdef", .next_id = 1};
	struct error err;

	signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_WARNING);
	event_add(term, NULL);
	event_add(usr1, NULL);
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	if (model_put_host(engine.model, &host) < 0 || api_open(&served, base, &engine, &err) < 0 ||
	        api_serve(served, listen_fd, &err) < 0)
		return 1;
	event_base_dispatch(base);
	api_close(served);
	event_del(term);
	event_free(usr1);
	event_base_dispatch(base); /* the engine answers what is left */
	model_free(engine.model);
	event_free(term);
	event_base_free(base);
	return 0;
}

static inline void start_server(void)
{
	struct error err;
	sigset_t term;
	int fd = -1;

	strcpy(directory, "/tmp/test-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/netd.sock", directory);
	ck_assert_msg(api_listen(path, &fd, &err) == 0, "%s", err.text);
	/* A test that is over at once must not end the server before it can hear of it. */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &unblocked);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0)
		exit(serve(fd));
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	close(fd);
	signal(SIGPIPE, SIG_IGN);
}

static inline void wait_server(void)
{
	int status;

	ck_assert_int_eq(waitpid(server, &status, 0), server);
	unlink(path);
	rmdir(directory);
	ck_assert_msg(status == 0, "the server ended with status %x", status);
}

static inline void stop_server(void)
{
	kill(server, SIGTERM);
	wait_server();
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* Resident memory of the server, in KiB. 0 with the address sanitizer, which keeps what was freed.
 */
static inline long server_memory(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 0;
#else
	char name[32];
	long size, resident = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/statm", server);
	file = fopen(name, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
#endif
}
