/*
 * Gathers what the rules must know of the host, for one request: no more than that request's rule
 * looks at, since each question is a call to the kernel.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "daemon/kernel/sysctl.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

/* Names of the interfaces in `ns`, as an array of the rules' form. */
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

/* On a bridge that netd made and did not commit: it goes, or gets what the model gives it. */
static bool is_orphaned(const struct model *model, const struct look_prefix *prefix)
{
	return prefix->ours && !model_object(model, TABLE_BRIDGES, prefix->ifname);
}

static int gather_network(struct engine *engine, struct facts *facts, struct error *err)
{
	_cleanup_(freep) struct look_prefix *prefixes = NULL;
	unsigned count = 0;
	int r = look_default_mtu(engine->kernel, &facts->default_mtu, err);

	if (r == 0)
		r = link_names(engine, "", &facts->links, &facts->link_count, err);
	if (r == 0)
		r = look_prefixes(engine->kernel, &prefixes, &count, err);
	if (r < 0)
		return r;
	facts->used = calloc(count + 1, sizeof(*facts->used));
	if (!facts->used)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++) {
		struct used_prefix *used = &facts->used[facts->used_count];

		if (is_orphaned(engine->model, &prefixes[i]))
			continue;
		used->cidr = prefixes[i].cidr;
		used->route = prefixes[i].route;
		memcpy(used->ifname, prefixes[i].ifname, IFNAMSIZ);
		facts->used_count++;
	}
	return 0;
}

/* A default route that is netd's own, also if a member of the batch is about to take it away. */
static bool has_own_default(const struct model *model, const char *name)
{
	const struct namespace *ns = model_namespace(model, name);

	return ns && namespace_default_endpoint(model, ns);
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
	if (request->kind == REQUEST_NS_REMOVE && request->force)
		return 0;
	if (request->kind == REQUEST_NS_REMOVE)
		return look_inside(there.inode, &facts->ns_processes, facts->ns_inside,
		        sizeof(facts->ns_inside), err);
	if (request->kind != REQUEST_CONNECT || there.is_host)
		return 0;
	facts->ns_default_route = !has_own_default(engine->model, request->namespace) &&
	                          look_default_route(engine->kernel, request->namespace);
	return link_names(engine, request->namespace, &facts->ns_links, &facts->ns_link_count, err);
}

int facts_gather(struct engine *engine, const struct model *fork, const struct request *request,
        struct facts *ret, struct error *err)
{
	memcpy(ret->boot_id, engine->boot_id, sizeof(ret->boot_id));
	switch (request->kind) {
	case REQUEST_NETWORK_CREATE:
	case REQUEST_NETWORK_SET:
		return gather_network(engine, ret, err);
	case REQUEST_NS_CREATE:
	case REQUEST_NS_REMOVE:
	case REQUEST_CONNECT:
		return gather_namespace(engine, request, ret, err);
	case REQUEST_PUBLISH:
		return facts_gather_ports(engine, fork, request, ret, err);
	case REQUEST_NETWORK_REMOVE:
	case REQUEST_DISCONNECT:
	case REQUEST_UNPUBLISH:
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		return 0;
	}
	return 0;
}

/* --- the host's own interfaces and resolvers --- */

bool facts_forwards(const char *interface)
{
	char path[RESOURCE_NAME_SIZE], value[16] = "0";
	struct error gone;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", interface);
	return sysctl_read("", path, value, &gone) < 0 || value[0] != '0';
}

/*
 * Whether this interface forwards only because netd says so. With the administrator's own
 * ip_forward on, what netd had switched on before is theirs now; what is off even then was switched
 * off on purpose.
 */
static bool is_switched(struct kernel *kernel, const char *name, bool forwarding_host)
{
	char path[RESOURCE_NAME_SIZE];

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", name);
	return !facts_forwards(name) || (!forwarding_host && sysctl_journal_has(kernel, path));
}

static int gather_interfaces(struct engine *engine, struct request *ret, struct error *err)
{
	_cleanup_(freep) struct look_link *links = NULL;
	char value[16] = "0";
	unsigned count = 0;
	int r = look_links(engine->kernel, "", &links, &count, err);

	if (r == 0)
		r = sysctl_read("", "net/ipv4/ip_forward", value, err);
	if (r < 0)
		return r;
	ret->interfaces = calloc(count + 1, sizeof(*ret->interfaces));
	if (!ret->interfaces)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++) {
		struct interface *interface = &ret->interfaces[ret->interface_count];

		if (links[i].loopback || links[i].ours || links[i].bridge_port)
			continue;
		memcpy(interface->name, links[i].name, IFNAMSIZ);
		interface->switched = is_switched(engine->kernel, links[i].name, value[0] == '1');
		ret->interface_count++;
	}
	return 0;
}

bool facts_bridge_netfilter(void)
{
	char value[16] = "0";
	struct error absent; /* br_netfilter is not there: nothing of it is on */

	return sysctl_read("", "net/bridge/bridge-nf-call-iptables", value, &absent) == 0 &&
	       value[0] != '0';
}

int facts_host(struct engine *engine, struct request *ret, struct error *err)
{
	int r = gather_interfaces(engine, ret, err);

	ret->kind = REQUEST_HOST;
	ret->host.bridge_netfilter = facts_bridge_netfilter();
	if (r == 0)
		r = look_resolver(&ret->host.resolver_needed, ret->host.upstreams, UPSTREAMS_MAX,
		        &ret->host.upstream_count, err);
	return r;
}

/* --- warnings --- */

static void warn_of_firewalls(struct engine *engine, const char (*bridges)[IFNAMSIZ],
        unsigned count, struct answer *answer)
{
	char sentences[WARNINGS_MAX][WARNING_SIZE];
	unsigned found = 0;
	struct error err;

	if (look_firewall(engine->kernel, bridges, count, sentences, WARNINGS_MAX, &found, &err) <
	        0)
		log_warning("look for other firewalls: %s", err.text);
	for (unsigned i = 0; i < found; i++)
		answer_warn(answer, "%s", sentences[i]);
}

void facts_warn(struct engine *engine, const struct model *model, const struct request *request,
        struct answer *answer)
{
	const struct network *network = model_network(model, answer->network);

	if (request->kind != REQUEST_NETWORK_CREATE && request->kind != REQUEST_CONNECT &&
	        request->kind != REQUEST_PUBLISH)
		return;
	if (network && !network->internal)
		warn_of_firewalls(engine, &network->bridge, 1, answer);
	facts_warn_of_ports(engine, model, answer);
}

void facts_warn_of_holders(struct pending *pending)
{
	char holders[WARNING_SIZE / 2];
	struct error err;

	if (!pending->removed.inode)
		return;
	if (look_holders(pending->removed.inode, pending->removed.nsid, holders, sizeof(holders),
	            &err) < 0)
		log_debug("look for who holds %s: %s", pending->request.namespace, err.text);
	else if (holders[0])
		answer_warn(&pending->answer,
		        "namespace %s has no name any more, but lives on, without netd, until it "
		        "is let go: %s",
		        pending->request.namespace, holders);
}

void facts_warn_at_start(struct engine *engine)
{
	unsigned count = 0, most = model_count(engine->model, TABLE_NETWORKS);
	_cleanup_(freep) char(*bridges)[IFNAMSIZ] = calloc(most + 1, sizeof(*bridges));
	const struct network *network;
	struct answer answer = {0};
	char key[KEY_SIZE] = "";

	while (bridges && (network = model_next(engine->model, TABLE_NETWORKS, key)))
		if (!network->internal)
			memcpy(bridges[count++], network->bridge, IFNAMSIZ);
	warn_of_firewalls(engine, bridges, count, &answer);
	for (unsigned i = 0; i < answer.warning_count; i++)
		log_warning("%s", answer.warnings[i]);
	answer_done(&answer);
}
