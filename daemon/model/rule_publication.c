/*
 * Publications: which port of the host leads where. A port belongs to one publication or one
 * listener; "every address" collides with each single one.
 */
#include "daemon/model/rules.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *publication_format(
        const struct model *model, const struct publication *publication, char *text, size_t size)
{
	const struct endpoint *target = publication_target(model, publication);
	char host[IP_TEXT_SIZE], ip[IP_TEXT_SIZE];

	ip_format(&publication->host_ip, host);
	if (target)
		snprintf(text, size, "%s:%u/%s -> %s (%s %s):%u", host, publication->host_port,
		        protocol_name(publication->protocol), publication->namespace,
		        target->network, ip_format(&target->addresses[0].ip, ip),
		        publication->port);
	else
		snprintf(text, size, "%s:%u/%s -> %s (pending: not connected):%u", host,
		        publication->host_port, protocol_name(publication->protocol),
		        publication->namespace, publication->port);
	return text;
}

/* The publication that has this port on an overlapping address, other than `*after`; NULL: none. */
static const struct publication *find_overlap(const struct model *model, uint8_t protocol,
        uint16_t port, const struct ip *host_ip, char key[KEY_SIZE])
{
	const struct reference *reference;
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "%s/%05u/", protocol_name(protocol), port);
	while ((reference = model_next_in(model, TABLE_PORTS, prefix, key))) {
		const struct publication *other = model_publication(model, reference->owner);

		if (!host_ip || ip_is_any(host_ip) || ip_is_any(&other->host_ip) ||
		        ip_equal(host_ip, &other->host_ip))
			return other;
	}
	return NULL;
}

static bool is_connected(const struct namespace *ns)
{
	return ns && ns->endpoint_count > 0;
}

/* Names the one namespace that is connected to any network, or says which there are. */
static int choose_namespace(const struct model *model, char ret[NAME_SIZE], struct error *err)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "", list[400] = "";
	unsigned found = 0;
	size_t used = 0;

	while ((ns = model_next(model, TABLE_NAMESPACES, key)) &&
	        used + NAME_SIZE + 8 < sizeof(list)) {
		if (!is_connected(ns))
			continue;
		memcpy(ret, ns->name, NAME_SIZE);
		used += (size_t)snprintf(
		        list + used, sizeof(list) - used, "%s%s", found++ ? ", " : "", ns->name);
	}
	if (found == 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "no namespace is connected to a network; connect one first: netd-ctl "
		        "connect NETWORK NS");
	if (found > 1)
		return error_set(err, ERROR_REFUSED, 0,
		        "several namespaces are connected: %s%s; say which one the port leads to: "
		        "netd-ctl publish PORTS NS",
		        list, ns ? ", ..." : "");
	return 0;
}

static int check_target(
        const struct model *model, const struct publication *publication, struct error *err)
{
	const struct namespace *ns = model_namespace(model, publication->namespace);
	const struct network *network = model_network(model, publication->network);

	if (!is_connected(ns))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s is connected to no network; connect it first: netd-ctl "
		        "connect NETWORK %s",
		        publication->namespace, publication->namespace);
	if (publication->network[0] && !network)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s: there is no such network (netd-ctl network ls lists them)",
		        publication->network);
	if (network && !namespace_endpoint(ns, publication->network))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s is not connected to network %s; connect it first: netd-ctl "
		        "connect %s %s",
		        publication->namespace, publication->network, publication->network,
		        publication->namespace);
	if (network ? network->internal : !publication_target(model, publication))
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s: an internal network has no way in from outside; connect it "
		        "to a network "
		        "that is not internal",
		        publication->namespace);
	return 0;
}

static bool listener_overlaps(const struct listener *listener, const struct ip *host_ip)
{
	if (ip_is_any(host_ip) || ip_equal(&listener->ip, host_ip))
		return listener->ip.family == host_ip->family ||
		       (ip_is_any(&listener->ip) && !listener->v6only);
	return ip_is_any(&listener->ip) &&
	       (listener->ip.family == host_ip->family || !listener->v6only);
}

static int check_listeners(const struct publication *publication, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	char ip[IP_TEXT_SIZE];

	for (unsigned i = 0; i < facts->listener_count; i++) {
		const struct listener *listener = &facts->listeners[i];

		if (!listener_overlaps(listener, &publication->host_ip))
			continue;
		answer->listener = (struct listener_info){.present = true,
		        .inode = listener->inode,
		        .protocol = listener->protocol,
		        .ip = listener->ip,
		        .port = listener->port};
		memcpy(answer->listener.unit, listener->unit, sizeof(listener->unit));
		return error_set(err, ERROR_EXISTS, 0,
		        "port %u/%s: %s on this host listens on it already (address %s); stop it, "
		        "or publish "
		        "another port",
		        publication->host_port, protocol_name(publication->protocol),
		        listener->unit[0] ? listener->unit : "something",
		        ip_format(&listener->ip, ip));
	}
	return 0;
}

static int check_host_ip(const struct ip *host_ip, struct error *err)
{
	char text[IP_TEXT_SIZE];

	if (host_ip->family != AF_INET)
		return error_field(err, "host_ip",
		        "host_ip: %s: ports are published on IPv4 in this version",
		        ip_format(host_ip, text));
	if (host_ip->bytes[0] >= 224 || (host_ip->bytes[0] == 0 && !ip_is_any(host_ip)))
		return error_field(err, "host_ip", "host_ip: %s is no address that a host can have",
		        ip_format(host_ip, text));
	return 0;
}

/* A port that is published already: the same publication again, or someone else's. */
static int compare_existing(const struct model *model, const struct publication *existing,
        const struct publication *wanted, bool exist_ok, struct answer *answer, struct error *err)
{
	char text[256];

	if (!exist_ok || strcmp(existing->namespace, wanted->namespace) != 0 ||
	        strcmp(existing->network, wanted->network) != 0 || existing->port != wanted->port ||
	        !ip_equal(&existing->host_ip, &wanted->host_ip))
		return error_set(err, ERROR_EXISTS, 0, "port %u/%s is published already: %s",
		        wanted->host_port, protocol_name(wanted->protocol),
		        publication_format(model, existing, text, sizeof(text)));
	answer->existed = true;
	memcpy(answer->publication, existing->id, ID_SIZE);
	return 0;
}

/* Where it leads, of which the request need not say anything. */
static void name_objects(
        const struct model *model, const struct publication *publication, struct answer *answer)
{
	const struct endpoint *target = publication_target(model, publication);

	memcpy(answer->namespace, publication->namespace, NAME_SIZE);
	memcpy(answer->network, target ? target->network : publication->network, NAME_SIZE);
}

/* Datagrams that came before the port was published have an entry that leads nowhere: it must not
 * win. */
static int forget_earlier_flows(
        struct model *fork, const struct publication *publication, struct error *err)
{
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
	        .protocol = publication->protocol,
	        .ip = publication->host_ip,
	        .port = publication->host_port,
	        .match = FLOWS_ORIGINAL_LOCAL};

	return publication->protocol == IPPROTO_UDP ? tombstone_add(fork, &flows, err) : 0;
}

int rule_publish(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	struct publication publication = {.protocol = request->ports.protocol,
	        .host_ip = request->ports.host_ip,
	        .host_port = request->ports.host_port,
	        .host_port_end = request->ports.host_port,
	        .port = request->ports.port};
	const struct publication *existing;
	char key[KEY_SIZE] = "";
	int r = check_host_ip(&publication.host_ip, err);

	memcpy(publication.namespace, request->namespace, NAME_SIZE);
	memcpy(publication.network, request->network, NAME_SIZE);
	if (r == 0 && !publication.namespace[0])
		r = choose_namespace(fork, publication.namespace, err);
	if (r < 0)
		return r;
	existing = find_overlap(
	        fork, publication.protocol, publication.host_port, &publication.host_ip, key);
	if (existing)
		return compare_existing(
		        fork, existing, &publication, request->exist_ok, answer, err);
	r = check_target(fork, &publication, err);
	if (r == 0)
		r = check_listeners(&publication, facts, answer, err);
	if (r < 0)
		return r;
	if (model_count(fork, TABLE_PUBLICATIONS) >= MODEL_PUBLICATIONS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "there are %u publications, the most netd keeps", MODEL_PUBLICATIONS_MAX);
	if (model_new_id(fork, publication.id) < 0 || model_put_publication(fork, &publication) < 0)
		return error_memory(err);
	memcpy(answer->publication, publication.id, ID_SIZE);
	name_objects(fork, &publication, answer);
	return forget_earlier_flows(fork, &publication, err);
}

/* The one publication that was meant, by id or by port. */
static int find_publication(const struct model *model, const struct request *request,
        const struct publication **ret, struct error *err)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct ip *host_ip = request->ports.host_ip.family ? &request->ports.host_ip : NULL;
	unsigned found = 0;

	*ret = model_publication(model, request->publication);
	if (*ret)
		return 0;
	for (size_t i = 0; i < sizeof(protocols) && !request->publication[0]; i++) {
		const struct publication *publication;
		char key[KEY_SIZE] = "";

		if (request->ports.protocol && request->ports.protocol != protocols[i])
			continue;
		while ((publication = find_overlap(
		                model, protocols[i], request->ports.host_port, NULL, key))) {
			if (host_ip && !ip_equal(host_ip, &publication->host_ip))
				continue;
			*ret = publication;
			found++;
		}
	}
	if (found > 1)
		return error_set(err, ERROR_REFUSED, 0,
		        "port %u is published %u times; say which: [HOSTIP:]HOSTPORT/tcp or /udp "
		        "(netd-ctl ports "
		        "lists them)",
		        request->ports.host_port, found);
	if (found == 1)
		return 0;
	if (request->publication[0])
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "publication %s: there is none of this id (netd-ctl ports --json lists "
		        "them)",
		        request->publication);
	return error_set(err, ERROR_NOT_FOUND, 0,
	        "port %u is not published (netd-ctl ports lists what is)",
	        request->ports.host_port);
}

int rule_unpublish(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS, .match = FLOWS_REPLY_SOURCE};
	const struct publication *publication = NULL;
	const struct endpoint *target;
	char text[256], id[ID_SIZE];
	int r = find_publication(fork, request, &publication, err);

	if (r < 0)
		return r;
	target = publication_target(fork, publication);
	flows.protocol = publication->protocol;
	flows.port = publication->port;
	flows.through = publication->host_port;
	if (target) {
		flows.ip = target->addresses[0].ip;
		r = tombstone_add(fork, &flows, err);
	}
	if (r == 0 && answer_removed(answer, "publication %s",
	                      publication_format(fork, publication, text, sizeof(text))) < 0)
		r = error_memory(err);
	name_objects(fork, publication, answer);
	memcpy(id, publication->id, sizeof(id));
	if (r == 0 && model_remove(fork, TABLE_PUBLICATIONS, id) < 0)
		r = error_memory(err);
	return r;
}
