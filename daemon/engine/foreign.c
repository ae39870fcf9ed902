/*
 * Namespaces that others made, and that end without a sign: the name that netd gave one keeps it
 * alive, and a symbolic link may lead to another one from one moment to the next. A container that
 * is started again has a new namespace; who kept the old one connected would keep its address and
 * its ports from it.
 *
 * So each is compared, every few seconds, with what it was found by. Not to know is no reason to
 * let go of one.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "daemon/kernel/netns_source.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <string.h>

static void released(const struct answer *answer, const struct error *err, void *arg)
{
	if (err)
		log_error("release a namespace that has ended: %s; tried again in some seconds",
		        err->text);
}

static void let_go(struct engine *engine, const char *name, enum release_reason reason)
{
	struct request request = {.kind = REQUEST_NS_RELEASE, .release = reason};
	struct error err;

	snprintf(request.namespace, sizeof(request.namespace), "%s", name);
	if (engine_submit(engine, &request, released, NULL, &err) < 0)
		released(NULL, &err, NULL);
}

/* Those that netd named, and that are not where they were found any more. */
static void look_at_attached(struct engine *engine)
{
	const struct model *model = engine->model;
	const struct reference *reference;
	char key[KEY_SIZE] = "";

	while ((reference = model_next(model, TABLE_FOREIGN, key))) {
		const struct namespace *ns = model_namespace(model, reference->owner);

		if (ns->source && !netns_source_is_process(ns->source) &&
		        look_source(ns->name, ns->source) == 0)
			let_go(engine, ns->name, RELEASE_REPLACED);
	}
}

/* Those that were found by a process, and have none any more: one walk of /proc, unless that very
 * process is there for each of them. */
static void look_at_inhabited(struct engine *engine)
{
	const struct model *model = engine->model;
	unsigned most = model_count(model, TABLE_FOREIGN), count = 0;
	_cleanup_(freep) const char **names = calloc(most + 1, sizeof(*names));
	_cleanup_(freep) unsigned *inside = calloc(most + 1, sizeof(*inside));
	const struct reference *reference;
	char key[KEY_SIZE] = "";
	struct error err;

	while (names && inside && (reference = model_next(model, TABLE_FOREIGN, key))) {
		const struct namespace *ns = model_namespace(model, reference->owner);

		if (ns->source && netns_source_is_process(ns->source) &&
		        look_source(ns->name, ns->source) == 0)
			names[count++] = ns->name;
	}
	if (count && look_inhabitants(names, inside, count, &err) < 0) {
		log_debug("%s", err.text);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		if (inside[i] == 0)
			let_go(engine, names[i], RELEASE_ENDED);
}

/* Symbolic links, as to a container's sandbox key: another namespace may be behind them. */
static void look_at_links(struct engine *engine)
{
	const struct model *model = engine->model;
	unsigned most = model_count(model, TABLE_FOREIGN), count = 0;
	_cleanup_(freep) const char **names = calloc(most + 1, sizeof(*names));
	_cleanup_(freep) struct look_netns *there = NULL;
	const struct reference *reference;
	char key[KEY_SIZE] = "";
	struct error err;

	while (names && (reference = model_next(model, TABLE_FOREIGN, key)))
		if (!model_namespace(model, reference->owner)->source &&
		        look_is_symlink(reference->owner))
			names[count++] = reference->owner;
	if (count && look_netns_many(engine->kernel, names, count, &there, &err) < 0)
		log_debug("%s", err.text);
	for (unsigned i = 0; there && i < count; i++)
		if (!there[i].exists || there[i].stale ||
		        there[i].cookie != model_namespace(model, names[i])->cookie)
			let_go(engine, names[i], RELEASE_REPLACED);
}

void foreign_look(struct engine *engine)
{
	if (model_count(engine->model, TABLE_FOREIGN) == 0)
		return;
	look_at_attached(engine);
	look_at_inhabited(engine);
	look_at_links(engine);
}
