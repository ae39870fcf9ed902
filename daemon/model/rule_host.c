/* What the host itself brings: its interfaces and its resolvers. */
#include "daemon/model/rules.h"

#include <string.h>

static bool is_listed(const struct request *request, const char *name)
{
	for (unsigned i = 0; i < request->interface_count; i++)
		if (strcmp(request->interfaces[i].name, name) == 0)
			return true;
	return false;
}

static int put_interfaces(struct model *fork, const struct request *request)
{
	const struct interface *interface;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (interface = model_next(fork, TABLE_INTERFACES, key)))
		if (!is_listed(request, interface->name))
			r = model_remove(fork, TABLE_INTERFACES, key);
	for (unsigned i = 0; r == 0 && i < request->interface_count; i++) {
		const struct interface *new = &request->interfaces[i];

		interface = model_object(fork, TABLE_INTERFACES, new->name);
		if (!interface || interface->switched != new->switched)
			r = model_put_interface(fork, new);
	}
	return r;
}

/* Every namespace follows the host's resolvers and its br_netfilter: all of them are touched. */
static int touch_namespaces(struct model *fork)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (ns = model_next(fork, TABLE_NAMESPACES, key)))
		r = model_put_namespace(fork, ns);
	return r;
}

int rule_host(struct model *fork, const struct request *request, struct error *err)
{
	struct host host = *model_host(fork);
	bool changed = host.bridge_netfilter != request->host.bridge_netfilter ||
	               host.resolver_needed != request->host.resolver_needed ||
	               host.upstream_count != request->host.upstream_count ||
	               memcmp(host.upstreams, request->host.upstreams, sizeof(host.upstreams)) != 0;

	host.bridge_netfilter = request->host.bridge_netfilter;
	host.resolver_needed = request->host.resolver_needed;
	host.upstream_count = request->host.upstream_count;
	memcpy(host.upstreams, request->host.upstreams, sizeof(host.upstreams));
	if (put_interfaces(fork, request) < 0 ||
	        (changed && (model_put_host(fork, &host) < 0 || touch_namespaces(fork) < 0)))
		return error_memory(err);
	return 0;
}
