/*
 * Sysctls that are netd's to set and that someone else may write unheard: the kernel announces the
 * change of few. Some networks and namespaces are looked at each time, so that all are seen in a
 * round, and a look costs the same few reads whatever there is of them. Of namespaces only those
 * are entered of which netd has set something.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/sysctl.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"

#include <string.h>

/* Whether a switch that belongs to the network was turned by someone. */
static bool network_differs(const struct model *model, const struct network *network)
{
	_cleanup_(resources_done) struct resources wanted = {0};
	struct error ignored; /* what cannot be read now is read again in some seconds */
	bool differ = false;

	if (render_network(model, network, &wanted, &ignored) < 0)
		return false;
	for (size_t i = 0; i < wanted.count; i++) {
		const struct resource *sysctl = &wanted.items[i];
		char value[SYSCTL_VALUE_SIZE];

		if (sysctl->kind == RESOURCE_SYSCTL &&
		        sysctl_read("", sysctl->name, value, &ignored) == 0)
			differ |= strcmp(value, sysctl->sysctl.value) != 0;
	}
	return differ;
}

static void look_at_networks(struct switches *switches, struct engine *engine)
{
	unsigned count = model_count(engine->model, TABLE_NETWORKS) / LOOK_ROUND + 1;
	const struct network *network;

	for (unsigned i = 0; i < count; i++) {
		network = model_next(engine->model, TABLE_NETWORKS, switches->network);
		if (!network) {
			switches->network[0] = '\0';
			return;
		}
		if (network_differs(engine->model, network))
			drift_network(engine->drift, network->name);
	}
}

static bool namespace_differs(const struct namespace *ns)
{
	struct sysctl_wanted wanted;
	struct error ignored;
	bool differ = false;
	unsigned at = 0;

	while (namespace_next_sysctl(ns, &at, &wanted)) {
		char value[SYSCTL_VALUE_SIZE];

		if (sysctl_read(ns->name, wanted.path, value, &ignored) == 0)
			differ |= strcmp(value, wanted.value) != 0;
	}
	return differ;
}

static void look_at_namespaces(struct switches *switches, struct engine *engine)
{
	unsigned count = model_count(engine->model, TABLE_NAMESPACES) / LOOK_ROUND + 1;
	const struct namespace *ns;

	for (unsigned i = 0; i < count; i++) {
		ns = model_next(engine->model, TABLE_NAMESPACES, switches->namespace);
		if (!ns) {
			switches->namespace[0] = '\0';
			return;
		}
		if (namespace_differs(ns))
			drift_namespace(engine->drift, ns->name, SIDE_INSIDE);
	}
}

void switches_look(struct switches *switches, struct engine *engine)
{
	look_at_networks(switches, engine);
	look_at_namespaces(switches, engine);
}
