/* Model objects as the API shows them. One walk over the model each, so lists grow with what they
 * list only. */
#include "daemon/api/internal.h"

#include "lib/cleanup.h"
#include "lib/parse.h"

#include <string.h>

json_t *lines_json(const char *lines)
{
	json_t *list = json_array();

	while (list && lines && *lines) {
		size_t length = strcspn(lines, "\n");

		if (json_array_append_new(list, json_stringn(lines, length)) < 0) {
			json_decref(list);
			return NULL;
		}
		lines += length + (lines[length] == '\n');
	}
	return list;
}

json_t *list_add(json_t *list, json_t *item)
{
	if (list && json_array_append_new(list, item) == 0)
		return list;
	if (!list)
		json_decref(item);
	json_decref(list);
	return NULL;
}

int list_answer(const char *name, json_t *list, json_t **ret, struct error *err)
{
	json_t *body = json_pack("{s:o}", name, list);

	if (!body)
		return error_memory(err);
	*ret = body;
	return 0;
}

static json_t *setting_json(const struct setting *setting, const void *object)
{
	_cleanup_(freep) char *text = setting_text(setting, object);

	if (!text)
		return NULL;
	switch (setting->type) {
	case SETTING_SWITCH:
		return json_boolean(strcmp(text, "yes") == 0);
	case SETTING_NUMBER:
		return json_integer(strtoll(text, NULL, 10));
	case SETTING_LIST:
		return lines_json(text);
	case SETTING_WORD:
	case SETTING_RATE:
	case SETTING_IP:
	case SETTING_NAME:
	case SETTING_IFNAME:
		break;
	}
	return text[0] ? json_string(text) : json_null();
}

json_t *settings_json(const struct settings *settings, const void *object, json_t *into)
{
	for (unsigned i = 0; into && i < settings->count; i++) {
		const struct setting *setting = &settings->rows[i];

		if (json_object_set_new(into, setting->name, setting_json(setting, object)) == 0)
			continue;
		json_decref(into);
		into = NULL;
	}
	return into;
}

json_t *addresses_json(const struct cidr *addresses, unsigned count)
{
	json_t *list = json_array();
	char cidr[CIDR_TEXT_SIZE];

	for (unsigned i = 0; i < count; i++)
		list = list_add(list, json_string(cidr_format(&addresses[i], cidr)));
	return list;
}

json_t *endpoint_json(const struct namespace *ns, const struct endpoint *endpoint)
{
	char mac[MAC_TEXT_SIZE];
	json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "network", endpoint->network,
	        "namespace", ns->name, "interface", endpoint->ifname, "host_interface",
	        endpoint->host_ifname, "mac", mac_format(endpoint->mac, mac), "addresses",
	        addresses_json(endpoint->addresses, endpoint->address_count));
	return settings_json(&endpoint_settings, endpoint, object);
}

json_t *endpoints_json(const struct namespace *ns)
{
	json_t *list = json_array();

	for (unsigned i = 0; ns && i < ns->endpoint_count; i++)
		list = list_add(list, endpoint_json(ns, &ns->endpoints[i]));
	return list;
}

static json_t *members_json(const struct model *model, const struct network *network)
{
	char prefix[KEY_SIZE], key[KEY_SIZE] = "";
	json_t *list = json_array();

	snprintf(prefix, sizeof(prefix), "%s/", network->name);
	while (model_next_in(model, TABLE_MEMBERS, prefix, key)) {
		const struct namespace *ns = model_namespace(model, key + strlen(prefix));
		const struct endpoint *endpoint = ns ? namespace_endpoint(ns, network->name) : NULL;

		if (endpoint)
			list = list_add(list, endpoint_json(ns, endpoint));
	}
	return list;
}

json_t *network_json(const struct model *model, const struct network *network)
{
	char cidr[CIDR_TEXT_SIZE], gateway[IP_TEXT_SIZE];
	json_t *subnets = json_array(), *object;

	for (unsigned i = 0; i < network->subnet_count; i++) {
		const struct subnet *subnet = &network->subnets[i];

		subnets = list_add(subnets,
		        json_pack("{s:s, s:s?}", "subnet", cidr_format(&subnet->cidr, cidr),
		                "gateway",
		                subnet->gateway.family ? ip_format(&subnet->gateway, gateway)
		                                       : NULL));
	}
	object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:o}", "id", network->id, "name",
	        network->name, "driver", network->driver, "bridge", network->bridge, "subnets",
	        subnets, "ipv4", network_subnet(network, AF_INET) != NULL, "ipv6",
	        network_subnet(network, AF_INET6) != NULL, "endpoints",
	        members_json(model, network));
	object = settings_json(&network_settings, network, object);
	if (object)
		json_object_set_new(object, "state",
		        json_string(network_is_pending(model, network) ? "pending" : "active"));
	/* What it is, whether it was asked for or follows the host. */
	if (object)
		json_object_set_new(object, "mtu", json_integer(network->link_mtu));
	return object;
}

int answer_add(json_t *body, const char *name, json_t *value, struct error *err)
{
	return json_object_set_new(body, name, value) < 0 ? error_memory(err) : 0;
}
