/*
 * Gathers what the rules must know of the host, for one request: no more than that request's rule
 * looks at, since each question is a call to the kernel.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/ns_link.h"
#include "daemon/kernel/netns_source.h"
#include "lib/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Names of the interfaces in a namespace, as an array of the rules' form. */
static int link_names(struct engine *engine, const char *ns, char (**ret)[IFNAMSIZ],
        unsigned *count, struct error *err)
{
	_cleanup_(freep) struct look_link *links = NULL;
	int r = look_links(engine->kernel, ns, &links, count, err);

	if (r < 0)
		return r;
	*ret = calloc(*count + 1, sizeof(**ret));
	if (!*ret)
		return error_memory(err);
	for (unsigned i = 0; i < *count; i++)
		memcpy((*ret)[i], links[i].name, IFNAMSIZ);
	return 0;
}

static int gather_prefixes(struct engine *engine, struct facts *facts, struct error *err)
{
	const struct prefixes *prefixes;
	int r = prefixes_get(engine, &prefixes, err);

	facts->pools = engine->pools;
	facts->pool_count = engine->pool_count;
	facts->no_ip6 = access("/proc/sys/net/ipv6", F_OK) < 0;
	if (r < 0)
		return r;
	facts->used = calloc(prefixes->count + 1, sizeof(*facts->used));
	if (!facts->used)
		return error_memory(err);
	for (unsigned i = 0; i < prefixes->count; i++) {
		struct used_prefix *used = &facts->used[facts->used_count++];

		used->cidr = prefixes->items[i].cidr;
		used->route = prefixes->items[i].route;
		memcpy(used->ifname, prefixes->items[i].ifname, IFNAMSIZ);
	}
	return 0;
}

static void note_link(struct facts *facts, const char *ifname)
{
	if (look_has_link(ifname))
		snprintf(facts->links[facts->link_count++], IFNAMSIZ, "%s", ifname);
}

/* Of the names that the network's bridge may get, those that the host has already: the one that was
 * asked for, or one of those that are drawn next. */
static int gather_names(const struct model *fork, const struct request *request,
        struct facts *facts, struct error *err)
{
	struct model *draws = model_fork(fork);
	char id[ID_SIZE], name[IFNAMSIZ];
	int r = 0;

	facts->links = calloc(BRIDGE_DRAWS + 1, sizeof(*facts->links));
	if (!draws || !facts->links)
		r = error_memory(err);
	if (r == 0 && request->bridge[0])
		note_link(facts, request->bridge);
	for (int i = 0; r == 0 && !request->bridge[0] && i < BRIDGE_DRAWS; i++) {
		if (model_new_id(draws, id) < 0)
			r = error_memory(err);
		else
			note_link(facts, network_bridge_name(id, name));
	}
	model_free(draws);
	return r;
}

static int gather_network(struct engine *engine, const struct model *fork,
        const struct request *request, struct facts *facts, struct error *err)
{
	int r = facts_gather_bridge(engine, request->wanted_network.use_bridge, facts, err);

	if (r == 0)
		r = look_default_mtu(engine->kernel, &facts->default_mtu, err);
	if (r == 0)
		r = gather_names(fork, request, facts, err);
	return r < 0 ? r : gather_prefixes(engine, facts, err);
}

/* Whether a namespace has a default route that is none of netd's, also if a member of the batch is
 * about to take that one away. */
static bool has_foreign_default(struct engine *engine, const char *name, int family)
{
	const struct namespace *ns = model_namespace(engine->model, name);

	return !(ns && namespace_default_endpoint(engine->model, ns, family)) &&
	       look_default_route(engine->kernel, name, family);
}

int engine_look_at_host(struct engine *engine, struct facts *ret, struct error *err)
{
	return gather_prefixes(engine, ret, err);
}

static int gather_namespace(struct engine *engine, const struct request *request,
        struct facts *facts, struct error *err)
{
	struct look_netns there = {0};
	int r = look_netns(engine->kernel, request->namespace, &there, err);

	if (r < 0)
		return r;
	facts->ns_exists = there.exists && !there.stale;
	facts->ns_is_host = there.is_host;
	facts->ns_stale = there.stale;
	facts->ns_symlink = there.symlink;
	facts->ns_cookie = there.cookie;
	facts->ns_inode = there.inode;
	facts->ns_nsid = there.nsid;
	if (!facts->ns_exists)
		return 0;
	if (request->kind == REQUEST_NS_REMOVE && (request->force || request->detach))
		return 0;
	if (request->kind == REQUEST_NS_REMOVE)
		return look_inside(there.inode, &facts->ns_processes, facts->ns_inside,
		        sizeof(facts->ns_inside), err);
	if ((request->kind != REQUEST_CONNECT && request->kind != REQUEST_NS_LINK) || there.is_host)
		return 0;
	facts->ns_default_route = has_foreign_default(engine, request->namespace, AF_INET);
	facts->ns_default_route6 = has_foreign_default(engine, request->namespace, AF_INET6);
	return link_names(engine, request->namespace, &facts->ns_links, &facts->ns_link_count, err);
}

/* The same of both namespaces of a link. */
static int gather_ends(struct engine *engine, const struct request *request, struct facts *facts,
        struct error *err)
{
	struct request end = {.kind = REQUEST_NS_LINK};
	int r = 0;

	facts->peer = calloc(1, sizeof(*facts->peer));
	if (!facts->peer)
		return error_memory(err);
	memcpy(facts->peer->boot_id, facts->boot_id, sizeof(facts->boot_id));
	for (unsigned i = 0; r == 0 && i < 2; i++) {
		memcpy(end.namespace, request->ends[i].namespace, NAME_SIZE);
		r = gather_namespace(engine, &end, i ? facts->peer : facts, err);
	}
	return r;
}

/* Those that netd created, that nothing is connected to, and that no process is in. */
static int gather_idle(struct engine *engine, struct facts *facts, struct error *err)
{
	unsigned most = model_count(engine->model, TABLE_NAMESPACES), count = 0;
	_cleanup_(freep) const char **names = calloc(most + 1, sizeof(*names));
	_cleanup_(freep) unsigned *inside = calloc(most + 1, sizeof(*inside));
	const struct namespace *ns;
	char key[KEY_SIZE] = "";
	int r;

	facts->idle = calloc(most + 1, sizeof(*facts->idle));
	if (!names || !inside || !facts->idle)
		return error_memory(err);
	while ((ns = model_next(engine->model, TABLE_NAMESPACES, key)))
		if (ns->origin == ORIGIN_CREATED && ns->endpoint_count == 0 &&
		        !namespace_has_links(engine->model, ns->name))
			names[count++] = ns->name;
	r = count ? look_inhabitants(names, inside, count, err) : 0;
	for (unsigned i = 0; r == 0 && i < count; i++)
		if (inside[i] == 0)
			memcpy(facts->idle[facts->idle_count++], names[i], NAME_SIZE);
	return r;
}

static int gather_moving(struct engine *engine, const struct request *request,
        struct moving *moving, struct error *err)
{
	struct look_interface seen;
	int r = look_interface(
	        engine->kernel, request->interface, &request->caller_address, &seen, err);

	if (r < 0)
		return r;
	memcpy(moving->name, seen.name, IFNAMSIZ);
	moving->loopback = seen.loopback;
	moving->ours = seen.ours;
	memcpy(moving->master, seen.master, IFNAMSIZ);
	moving->default_route = seen.default_route;
	moving->has_caller = seen.has_address;
	moving->belongings = seen.belongings;
	moving->new_index = seen.new_index;
	return look_name(engine->kernel, request->namespace, request_name_inside(request),
	        &moving->name_taken, err);
}

int facts_gather(struct engine *engine, const struct model *fork, const struct request *request,
        struct facts *ret, struct error *err)
{
	const struct network *network;
	int r;

	memcpy(ret->boot_id, engine->boot_id, sizeof(ret->boot_id));
	switch (request->kind) {
	case REQUEST_NETWORK_SET:
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
		return look_default_mtu(engine->kernel, &ret->default_mtu, err);
	case REQUEST_NETWORK_CREATE:
		return gather_network(engine, fork, request, ret, err);
	case REQUEST_NS_ATTACH:
		r = netns_source_cookie(request->source, &ret->source_cookie, err);
		return r < 0 ? r : gather_namespace(engine, request, ret, err);
	case REQUEST_MOVE_IN:
		r = gather_moving(engine, request, &ret->moving, err);
		return r < 0 ? r : gather_namespace(engine, request, ret, err);
	case REQUEST_NS_PRUNE:
		return gather_idle(engine, ret, err);
	case REQUEST_NS_CREATE:
	case REQUEST_NS_REMOVE:
		return gather_namespace(engine, request, ret, err);
	case REQUEST_CONNECT:
		network = model_network(fork, request->network);
		r = facts_gather_bridge(engine, network ? network->use_bridge : "", ret, err);
		return r < 0 ? r : gather_namespace(engine, request, ret, err);
	case REQUEST_NS_LINK:
		return gather_ends(engine, request, ret, err);
	case REQUEST_PUBLISH:
		return facts_gather_ports(engine, fork, request, ret, err);
	case REQUEST_NETWORK_REMOVE:
	case REQUEST_MOVE_OUT:
	case REQUEST_NETWORK_PRUNE:
	case REQUEST_ENDPOINT_SET:
	case REQUEST_DISCONNECT:
	case REQUEST_NS_LINK_SET:
	case REQUEST_NS_UNLINK:
	case REQUEST_UNPUBLISH:
	case REQUEST_NS_SET:
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		return 0;
	}
	return 0;
}
