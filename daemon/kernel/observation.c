/*
 * What kinds of resources share while the kernel is observed: the host's interfaces with the
 * namespaces behind them, and what is inside each of these.
 *
 * The invariant: within one observation every kind speaks of the same list of interfaces. Read
 * again for each kind, an interface that comes or goes in between would be there for some and not
 * for others.
 */
#include "daemon/kernel/observation.h"

#include <errno.h>
#include <stdlib.h>

int observation_init(struct observation *observation, struct kernel *kernel,
        const struct kernel_look *look, struct error *err)
{
	*observation = (struct observation){.kernel = kernel, .look = look};
	if (look->namespace_count == 0)
		return 0;
	observation->insides = calloc(look->namespace_count, sizeof(*observation->insides));
	return observation->insides ? 0 : error_memory(err);
}

void observation_done(struct observation *observation)
{
	for (size_t i = 0; observation->insides && i < observation->look->namespace_count; i++)
		links_done(&observation->insides[i].links);
	free(observation->insides);
	survey_done(&observation->survey);
}

int observation_survey(
        struct observation *observation, const struct survey **ret, struct error *err)
{
	const struct kernel_look *look = observation->look;
	int r;

	if (!observation->surveyed) {
		r = survey_read(observation->kernel, look->scope, look->namespaces,
		        look->namespace_count, &observation->survey, err);
		if (r < 0)
			return r;
		observation->surveyed = true;
	}
	*ret = &observation->survey;
	return 0;
}

int observation_inside(
        struct observation *observation, unsigned ns, const struct inside **ret, struct error *err)
{
	struct inside *inside = &observation->insides[ns];
	int r;

	if (!inside->read) {
		r = links_read(observation->kernel->rtnl, observation->look->namespaces[ns],
		        &inside->links, err);
		if (r < 0 && r != -ENOENT && r != -EINVAL)
			return r;
		inside->read = true;
	}
	*ret = inside;
	return 0;
}
