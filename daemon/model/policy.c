/*
 * What a network's settings say about who may talk to whom, in the terms that rendering and the
 * rules need. Items of a list were checked where they came in; one that cannot be read all the same
 * allows nothing.
 */
#include "daemon/model/model.h"
#include "daemon/model/setting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum network_mode network_mode(const struct network *network, int family)
{
	unsigned own = family == AF_INET6 ? network->mode6 : network->mode4;

	return (enum network_mode)(own ? own - 1 : network->mode);
}

bool network_is_routed(const struct network *network)
{
	return network && !network->internal &&
	       (network_mode(network, AF_INET) == MODE_ROUTED ||
	               network_mode(network, AF_INET6) == MODE_ROUTED);
}

const struct ip *publication_opening(
        const struct model *model, const struct publication *publication, int family)
{
	const struct endpoint *target = publication_endpoint(model, publication, family);
	const struct network *network = target ? model_network(model, target->network) : NULL;
	bool everyone = !publication->interface[0] && !publication->from &&
	                (!publication->host_ip.family || ip_is_any(&publication->host_ip));

	if (!everyone || !network || network->internal ||
	        network_mode(network, family) != MODE_ROUTED)
		return NULL;
	return publication_address(model, publication, family);
}

bool network_snat(const struct network *network, int family, struct ip *ret)
{
	const char *rest = network->snat;
	char item[SETTING_ITEM_MAX];
	struct error ignored;
	struct ip ip;

	while (setting_next_item(&rest, item)) {
		if (parse_ip(item, "", &ip, &ignored) < 0 || ip.family != family)
			continue;
		*ret = ip;
		return true;
	}
	return false;
}

bool network_hairpin(const struct model *model)
{
	return model_host(model)->bridge_netfilter;
}

/* With br_netfilter a published port of another member is reached by a frame that the bridge hands
 * on, so the bridge must not keep them apart itself. */
bool network_separates(const struct model *model, const struct network *network)
{
	return network->isolated && !model_host(model)->bridge_netfilter;
}

const char *allowed_format(const struct allowed *allowed, char *text, size_t size)
{
	if (allowed->network[0])
		snprintf(text, size, "%s", allowed->network);
	else
		snprintf(text, size, "%s:%u/%s", allowed->namespace, allowed->port,
		        protocol_name(allowed->protocol));
	return text;
}

static int read_port(char *text, const char *field, struct allowed *ret, struct error *err)
{
	char *protocol = strchr(text, '/');
	unsigned long port;

	ret->protocol = IPPROTO_TCP;
	if (protocol) {
		*protocol++ = '\0';
		if (parse_protocol(protocol, field, &ret->protocol, err) < 0)
			return -EINVAL;
	}
	if (parse_number(text, field, 1, 65535, &port, err) < 0)
		return -EINVAL;
	ret->port = (uint16_t)port;
	return 0;
}

int allowed_parse(const char *text, const char *field, struct allowed *ret, struct error *err)
{
	char copy[SETTING_ITEM_MAX], *port;
	struct allowed allowed = {0};
	int r;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return error_field(err, field, "%s: an item has at most %zu characters", field,
		        sizeof(copy) - 1);
	port = strchr(copy, ':');
	if (!port) {
		r = parse_name(copy, field, allowed.network, err);
	} else {
		*port++ = '\0';
		r = parse_name(copy, field, allowed.namespace, err);
		if (r == 0)
			r = read_port(port, field, &allowed, err);
	}
	if (r == 0)
		*ret = allowed;
	return r;
}

bool allowed_next(const char **rest, struct allowed *ret)
{
	char item[SETTING_ITEM_MAX];
	struct error ignored;

	while (setting_next_item(rest, item))
		if (allowed_parse(item, "", ret, &ignored) == 0)
			return true;
	return false;
}

void model_allowed_key(char ret[KEY_SIZE], const struct allowed *allowed, const char *by)
{
	bool network = allowed->network[0];

	snprintf(ret, KEY_SIZE, "%s/%s/%s", network ? "n" : "s",
	        network ? allowed->network : allowed->namespace, by);
}
