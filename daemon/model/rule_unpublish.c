/* Unpublishing: which publication was meant, and that what came through it ends. */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP};

/* What a look at the ports found. */
struct found {
	const struct publication *publication; /* the last one */
	unsigned count;
	const struct publication *other; /* one that has the port, too, but is not what was meant */
};

/* Whether it is what the key says; what the key leaves out matches. "0.0.0.0" is also how one on
 * every address is shown that leads to IPv4 only. */
static bool host_matches(const struct model *model, const struct publication *publication,
        const struct port_spec *key)
{
	struct ip shown = publication_host(model, publication);

	if (key->every)
		return !publication->host_ip.family;
	return !key->host_ip.family || ip_equal(&key->host_ip, &publication->host_ip) ||
	       ip_equal(&key->host_ip, &shown);
}

static bool ports_match(const struct publication *publication, const struct port_spec *key)
{
	uint16_t end = key->host_port_end ? key->host_port_end : key->host_port;
	unsigned more = key->port_end ? (unsigned)key->port_end - key->port : 0;

	if (publication->host_port != key->host_port || publication->host_port_end != end)
		return false;
	return !key->port ||
	       (key->port == publication->port && more == publication_more(publication));
}

static void look(const struct model *model, const struct port_spec *key, uint8_t protocol,
        struct found *found)
{
	struct port_search search = {.model = model,
	        .protocol = protocol,
	        .first = key->host_port,
	        .last = key->host_port};
	const struct publication *publication;

	while ((publication = port_search_next(&search))) {
		if (!host_matches(model, publication, key))
			continue;
		if (!ports_match(publication, key)) {
			found->other = publication;
			continue;
		}
		found->publication = publication;
		found->count++;
	}
}

static int refuse(const struct model *model, const struct port_spec *key, const struct found *found,
        struct error *err)
{
	char ports[PORTS_TEXT_SIZE], text[512];

	ports_format(key->host_port, key->host_port_end, ports);
	if (found->count > 1)
		return error_set(err, ERROR_REFUSED, 0,
		        "port %s is published %u times; say which: [HOSTIP:]HOSTPORT/tcp, /udp or "
		        "/sctp (netd-ctl ports lists them)",
		        ports, found->count);
	if (found->other)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "port %s is not published like that, but so: %s (netd-ctl ports -q prints "
		        "what unpublish takes)",
		        ports, publication_format(model, found->other, text, sizeof(text)));
	return error_set(err, ERROR_NOT_FOUND, 0,
	        "port %s is not published (netd-ctl ports lists what is)", ports);
}

/* The one publication that was meant, by id or by port. */
static int find_publication(const struct model *model, const struct request *request,
        const struct publication **ret, struct error *err)
{
	const struct port_spec *key = &request->ports[0];
	struct found found = {0};

	*ret = model_publication(model, request->publication);
	if (*ret)
		return 0;
	if (request->publication[0])
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "publication %s: there is none of this id (netd-ctl ports --json lists "
		        "them)",
		        request->publication);
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
		if (!key->protocol || key->protocol == protocols[i])
			look(model, key, protocols[i], &found);
	if (found.count != 1)
		return refuse(model, key, &found, err);
	*ret = found.publication;
	return 0;
}

int rule_unpublish(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct publication *publication = NULL;
	const struct endpoint *target;
	char text[512], id[ID_SIZE];
	int r = find_publication(fork, request, &publication, err);

	if (r < 0)
		return r;
	r = publication_end(fork, publication, err);
	if (r == 0 && answer_removed(answer, "publication %s",
	                      publication_format(fork, publication, text, sizeof(text))) < 0)
		r = error_memory(err);
	target = publication_target(fork, publication);
	memcpy(answer->namespace, publication->namespace, NAME_SIZE);
	memcpy(answer->network, target ? target->network : publication->network, NAME_SIZE);
	memcpy(id, publication->id, sizeof(id));
	if (r == 0 && model_remove(fork, TABLE_PUBLICATIONS, id) < 0)
		r = error_memory(err);
	return r;
}
