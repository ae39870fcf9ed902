/*
 * Bridges that are somebody else's, and that networks use. They are followed and never mended: a
 * bridge that goes leaves the members' links without a master, one of its name that comes gets them
 * as ports. The model follows by REQUEST_HOST as for every interface of the host; here it is said,
 * and members are looked at whose bridge was replaced so fast that the model saw no change.
 */
#include "daemon/engine/internal.h"

#include <string.h>

static const struct interface *seen_bridge(const struct request *host, const char *name)
{
	for (unsigned i = 0; i < host->interface_count; i++)
		if (strcmp(host->interfaces[i].name, name) == 0 && host->interfaces[i].bridge)
			return &host->interfaces[i];
	return NULL;
}

static void look_at_members(struct engine *engine, const struct network *network)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	const struct reference *member;

	snprintf(prefix, sizeof(prefix), "%s/", network->name);
	while ((member = model_next_in(engine->model, TABLE_MEMBERS, prefix, key)))
		drift_namespace(engine->drift, member->owner, SIDE_OUTER);
}

static void say(struct engine *engine, const struct network *network, bool back)
{
	const struct announcement about = {
	        .kind = back ? ANNOUNCE_BRIDGE_BACK : ANNOUNCE_BRIDGE_GONE,
	        .network = network->name};
	unsigned count = model_usage(engine->model, network->name).endpoints;

	engine_announce(engine, &about,
	        back ? "bridge %s of network %s is there again, with its %u endpoint%s"
	             : "bridge %s of network %s, which is not netd's, is gone: its %u endpoint%s "
	               "wait%s for one of that name",
	        network->use_bridge, network->name, count, count == 1 ? "" : "s",
	        count == 1 ? "s" : "");
}

void bridges_follow(struct engine *engine, const struct request *host)
{
	const struct network *network;
	char key[KEY_SIZE] = "";

	while ((network = model_next(engine->model, TABLE_NETWORKS, key))) {
		const struct interface *known, *seen;
		bool pending;

		if (!network->use_bridge[0])
			continue;
		known = model_object(engine->model, TABLE_INTERFACES, network->use_bridge);
		seen = seen_bridge(host, network->use_bridge);
		pending = network_is_pending(engine->model, network);
		if (pending == (seen != NULL))
			say(engine, network, pending);
		else if (seen && known && seen->index != known->index)
			look_at_members(engine, network);
	}
}
