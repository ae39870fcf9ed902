/*
 * Whose a link of the host is: by the mark in its alias, or, where someone took that away, by its
 * name. What is there without a mark is netd's only if the kernel layer agrees, which knows the
 * indexes that netd draws.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"

#include <string.h>

#define OUTER_PREFIX "nv"

bool mark_read(const struct model *model, const char *alias, struct mark *ret)
{
	const char *instance = model_host(model)->instance;
	size_t length = strlen(instance);
	const char *object = alias + strlen("netd:") + length + 1, *slash;

	if (strncmp(alias, "netd:", 5) != 0 || strncmp(alias + 5, instance, length) != 0 ||
	        alias[5 + length] != ':')
		return false;
	slash = strchrnul(object, '/');
	if (slash - object >= NAME_SIZE || strchr(*slash ? slash + 1 : slash, '/'))
		return false; /* that of a link between namespaces has two */
	snprintf(ret->network, NAME_SIZE, "%.*s", (int)(slash - object), object);
	snprintf(ret->namespace, NAME_SIZE, "%s", *slash ? slash + 1 : "");
	return true;
}

/* Whose link has this name. */
static bool mark_of_name(const struct model *model, const char *name, struct mark *ret)
{
	const char *owner = model_owner(model, TABLE_BRIDGES, name);
	const struct network *network = owner ? model_network(model, owner) : NULL;
	const struct namespace *ns;
	char key[KEY_SIZE] = "";

	*ret = (struct mark){0};
	if (network)
		snprintf(ret->network, NAME_SIZE, "%s", network->name);
	if (network || strncmp(name, OUTER_PREFIX, sizeof(OUTER_PREFIX) - 1) != 0)
		return network && !network->use_bridge[0];
	while ((ns = model_next(model, TABLE_NAMESPACES, key)))
		for (unsigned i = 0; i < ns->endpoint_count; i++)
			if (strcmp(ns->endpoints[i].host_ifname, name) == 0) {
				snprintf(ret->network, NAME_SIZE, "%s", ns->endpoints[i].network);
				snprintf(ret->namespace, NAME_SIZE, "%s", ns->name);
				return true;
			}
	return false;
}

bool engine_knows_link(const char *name, void *engine)
{
	struct mark ignored; /* that there is one is the answer */

	return mark_of_name(((struct engine *)engine)->model, name, &ignored);
}

/* While netd makes a link it has no mark for a moment, so that it is looked at once more first. */
void suspect_mark(struct engine *engine, const struct happening *link)
{
	struct look_link now;
	struct error ignored; /* what cannot be looked at is looked at again when it changes */
	struct mark mark;

	if (link->gone || look_link(engine->kernel, link->name, &now, &ignored) <= 0 ||
	        !now.unmarked || !mark_of_name(engine->model, link->name, &mark))
		return;
	if (mark.namespace[0])
		drift_namespace(engine->drift, mark.namespace, SIDE_OUTER);
	else
		drift_network(engine->drift, mark.network);
}
