/*
 * The engine's life: open (is this host ours to run?), start (make it so), run, close. Closing
 * touches nothing: all traffic goes on without the daemon.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/hold.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_FIRST_S   1
#define PAUSE_LONGEST_S 10

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	engine_turn(arg);
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
	engine_reap_later(arg);
}

/* What could be repaired is known by its identity, also where something else could not. */
static int repair(struct engine *engine, struct model *fork, struct error *err)
{
	struct error later;
	int r = engine_reconcile(engine, fork, err);
	int identified = engine_identify(engine, fork, r < 0 ? &later : err);

	return r < 0 ? r : identified;
}

/* Puts into the fork the namespaces that an earlier repair could not make. */
static int touch_unidentified(struct model *fork, struct error *err)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";

	while ((ns = model_next(fork, TABLE_NAMESPACES, key)))
		if (!ns->cookie && model_put_namespace(fork, ns) < 0)
			return error_memory(err);
	return 0;
}

static int repair_again(struct engine *engine, struct error *err)
{
	struct model *fork = model_fork(engine->model);
	int r = fork ? touch_unidentified(fork, err) : error_memory(err);
	struct error said;

	if (r == 0)
		r = engine_release_missing(engine, fork, true, err);
	if (r < 0) {
		model_free(fork);
		return r;
	}
	r = repair(engine, fork, err);
	engine_commit(engine, fork, &said); /* else all of this is done again when it works */
	model_merge(fork, engine->model);
	watch_listen(engine->watch, engine->model);
	engine_reap(engine, NULL);
	return r;
}

void engine_try_later(struct event *timer, unsigned *pause)
{
	struct timeval wait;

	*pause = *pause == 0                    ? PAUSE_FIRST_S
	         : *pause * 2 < PAUSE_LONGEST_S ? *pause * 2
	                                        : PAUSE_LONGEST_S;
	wait = (struct timeval){.tv_sec = (time_t)*pause};
	event_add(timer, &wait);
}

static void on_reconcile(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	struct error err = {0};

	if (repair_again(engine, &err) == 0) {
		engine->reconcile_pause = 0;
		return;
	}
	engine_try_later(engine->reconcile, &engine->reconcile_pause);
	log_error("repair: %s; tried again in %u s", err.text, engine->reconcile_pause);
}

static void on_recover(evutil_socket_t fd, short what, void *arg)
{
	engine_recover(arg);
}

static int open_model(struct engine *engine, const char *state_dir, struct error *err)
{
	int r = store_open(&engine->store, state_dir, engine->runtime_dir, err);

	if (r < 0)
		return r;
	engine->model = model_new();
	return engine->model ? store_load(engine->store, engine->model, err) : error_memory(err);
}

static int open_kernel(struct engine *engine, bool own_tables, struct error *err)
{
	const struct kernel_config config = {.runtime_dir = engine->runtime_dir,
	        .instance = store_instance(engine->store),
	        .own_tables = own_tables,
	        .knows = engine_knows_link,
	        .arg = engine};
	int r = look_boot_id(engine->boot_id, err);

	if (r == 0)
		r = kernel_open(&engine->kernel, &config, err);
	if (r < 0)
		return r;
	if (own_tables && !kernel_owns_tables(engine->kernel))
		log_info("this kernel has no tables that outlive their owner (Linux 6.9 has): "
		         "others can change netd's");
	return instance_check(engine, err);
}

int engine_open(struct engine **ret, const struct engine_config *config, struct error *err)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return error_memory(err);
	TAILQ_INIT(&engine->queue);
	TAILQ_INIT(&engine->parked);
	engine->base = config->base;
	engine->take_over = config->take_over;
	engine->publish_address = config->publish_address;
	engine->pool_count = config->pool_count < POOLS_MAX ? config->pool_count : POOLS_MAX;
	for (unsigned i = 0; i < engine->pool_count; i++)
		engine->pools[i] = config->pools[i];
	engine->default_subnet_count = config->default_subnet_count;
	for (unsigned i = 0; i < engine->default_subnet_count; i++)
		engine->default_subnets[i] = config->default_subnets[i];
	engine->default_ip6 = config->default_ip6;
	engine->reap_pause = 1000;
	engine->runtime_dir = strdup(config->runtime_dir);
	engine->turn = event_new(config->base, -1, 0, on_turn, engine);
	engine->reap = event_new(config->base, -1, 0, on_reap, engine);
	engine->reconcile = event_new(config->base, -1, 0, on_reconcile, engine);
	engine->recover = event_new(config->base, -1, 0, on_recover, engine);
	r = engine->runtime_dir && engine->turn && engine->reap && engine->reconcile &&
	                    engine->recover
	            ? open_model(engine, config->state_dir, err)
	            : error_memory(err);
	if (r == 0)
		r = open_kernel(engine, config->own_tables, err);
	if (r < 0) {
		engine_close(engine);
		return r;
	}
	*ret = engine;
	return 0;
}

/* A repair that fails in one place must not keep the rest from running: it is said, and tried
 * again. */
static int settle_and_repair(struct engine *engine, struct model *fork, struct error *err)
{
	struct error repair_err = {0};
	int r = engine_settle(engine, fork, err);

	if (r == 0 && repair(engine, fork, &repair_err) < 0) {
		log_error("repair: %s; netd runs, and tries again", repair_err.text);
		engine_try_later(engine->reconcile, &engine->reconcile_pause);
	}
	return r;
}

int engine_begin(struct engine *engine, struct error *err)
{
	struct model *fork = model_fork(engine->model);
	int r = fork ? settle_and_repair(engine, fork, err) : error_memory(err);
	struct error said;

	if (r < 0) {
		model_free(fork);
		return r;
	}
	/* The next start would find the same, and do the same. */
	engine_commit(engine, fork, &said);
	model_merge(fork, engine->model);
	watch_listen(engine->watch, engine->model);
	instance_record(engine);
	return 0;
}

int engine_start(struct engine *engine, struct error *err)
{
	int r = drift_open(&engine->drift, engine, err);

	kernel_keep_owner(engine->kernel);
	if (r == 0)
		r = watch_open(&engine->watch, engine, err);
	if (r < 0)
		return r;
	engine_look_at_store(engine);
	r = engine_begin(engine, err);
	if (r < 0)
		return r;
	engine_announce(engine, &(const struct announcement){.kind = ANNOUNCE_START},
	        "networks: %u, namespaces: %u, published ports: %u; changes to the kernel: %lu",
	        model_count(engine->model, TABLE_NETWORKS),
	        model_count(engine->model, TABLE_NAMESPACES),
	        model_count(engine->model, TABLE_PUBLICATIONS), kernel_changes(engine->kernel));
	engine_reap(engine, NULL);
	facts_warn_at_start(engine);
	return watch_start(engine->watch, err);
}

struct engine *engine_close(struct engine *engine)
{
	struct event *events[] = {engine ? engine->turn : NULL, engine ? engine->reap : NULL,
	        engine ? engine->reconcile : NULL, engine ? engine->recover : NULL};

	if (!engine)
		return NULL;
	engine->watch = watch_close(engine->watch);
	engine->drift = drift_close(engine->drift);
	while (!TAILQ_EMPTY(&engine->queue) || engine_walks(engine)) {
		engine_turn(engine);
		engine_walk_end(engine);
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i])
			event_free(events[i]);
	kernel_close(engine->kernel);
	store_close(engine->store);
	model_free(engine->model);
	free(engine->prefixes.items);
	free(engine->gone.ids);
	free(engine->held.ids);
	free(engine->runtime_dir);
	free(engine);
	return NULL;
}

int engine_adopt_hold(struct engine *engine, int fd, struct error *err)
{
	return holds_adopt(engine->kernel, fd, err);
}

int engine_adopt_owner(struct engine *engine, int fd, struct error *err)
{
	return kernel_adopt_owner(engine->kernel, fd, err);
}

const struct model *engine_model(const struct engine *engine)
{
	return engine->model;
}

struct kernel *engine_kernel(struct engine *engine)
{
	return engine->kernel;
}
