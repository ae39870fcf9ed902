/* Requests about networks. Subnets are a list, with at most one of each family. */
#include "daemon/api/internal.h"

#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int network_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	json_t *list = json_array();
	char key[KEY_SIZE] = "";
	const struct network *network;

	while ((network = model_next(model, TABLE_NETWORKS, key)))
		list = list_add(list, network_json(model, network));
	return list_answer("networks", list, ret, err);
}

int network_inspect(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	const struct network *network;
	char name[NAME_SIZE];
	int r = parse_name(call->names[0], "network", name, err);

	if (r < 0)
		return r;
	network = model_network(model, name);
	if (!network) {
		r = error_field(err, "network",
		        "network %s: there is no such network (netd-ctl network ls lists them)",
		        name);
		err->code = ERROR_NOT_FOUND;
		return r;
	}
	return list_answer(
	        "networks", list_add(json_array(), network_json(model, network)), ret, err);
}

/* {"subnet", "gateway"?} */
static int read_subnet(const json_t *item, struct subnet *ret, struct error *err)
{
	struct json_reader reader = json_reader_start(item, err);
	const char *subnet = json_read_string(&reader, "subnet");
	const char *gateway = json_read_string(&reader, "gateway");
	int r = json_reader_end(&reader);

	if (r == 0)
		r = field_required(subnet, "subnet", err);
	if (r == 0)
		r = parse_subnet_or_size(subnet, "subnet", &ret->cidr, err);
	return r == 0 && gateway ? parse_ip(gateway, "gateway", &ret->gateway, err) : r;
}

static int read_subnets(const json_t *list, struct request *request, struct error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		char field[32];

		snprintf(field, sizeof(field), "subnets[%zu]", i);
		if (i >= SUBNETS_MAX)
			return error_field(err, field,
			        "%s: a network has one subnet of IPv4, one of IPv6, or both",
			        field);
		if (!json_is_object(item))
			return error_field(err, field, "%s must be an object", field);
		if (read_subnet(item, &request->subnets[i], err) < 0)
			return field_within(err, -EINVAL, field);
		request->subnet_count++;
	}
	return 0;
}

static enum choice read_choice(struct json_reader *reader, const char *name)
{
	bool given, on = json_read_switch(reader, name, &given);

	return !given ? CHOICE_OPEN : on ? CHOICE_YES : CHOICE_NO;
}

int network_create(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *name = json_read_string(&reader, "name");
	const char *driver = json_read_string(&reader, "driver");
	const char *bridge = json_read_string(&reader, "bridge");
	const json_t *subnets = json_read_array(&reader, "subnets");
	int r;

	request->kind = REQUEST_NETWORK_CREATE;
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	request->ip4 = read_choice(&reader, "ipv4");
	request->ip6 = read_choice(&reader, "ipv6");
	r = field_settings(&reader, &network_settings, &request->wanted_network, request, err);
	if (r == 0)
		r = json_reader_end(&reader);
	if (r == 0)
		r = field_name(name, "name", request->network, err);
	if (r == 0 && driver && strcmp(driver, "bridge") != 0)
		r = error_field(err, "driver", "driver: 'bridge' is the only one of this version");
	if (r == 0 && bridge)
		r = parse_ifname(bridge, "bridge", request->bridge, err);
	return r == 0 ? read_subnets(subnets, request, err) : r;
}

int network_set(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	char what[NAME_SIZE + 16];
	int r;

	request->kind = REQUEST_NETWORK_SET;
	r = parse_name(call->names[0], "network", request->network, err);
	snprintf(what, sizeof(what), "network %s", request->network);
	if (r == 0)
		r = field_changes(
		        &reader, &network_settings, what, &request->wanted_network, request, err);
	return r == 0 ? json_reader_end(&reader) : r;
}

/* {"to": [NETWORK | NS:PORT/PROTOCOL], "exist_ok"?} */
static int read_permissions(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const json_t *list = json_read_array(&reader, "to");
	int r;

	request->exist_ok = json_read_bool(&reader, "exist_ok");
	r = json_reader_end(&reader);
	if (r == 0 && json_array_size(list) == 0)
		r = error_field(err, "to", "to is missing: networks, or ports as NS:PORT/PROTOCOL");
	if (r == 0)
		r = parse_name(call->names[0], "network", request->network, err);
	if (r == 0)
		r = field_list(list, "to", setting_find(&network_settings, "allow"),
		        &request->wanted_network, err);
	if (r < 0 && strcmp(err->field, "allow") == 0)
		snprintf(err->field, sizeof(err->field), "to");
	return r;
}

int network_allow(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NETWORK_ALLOW;
	return read_permissions(call, request, err);
}

int network_disallow(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NETWORK_DISALLOW;
	return read_permissions(call, request, err);
}

int network_prune(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NETWORK_PRUNE;
	return field_label_filter(call, request, err);
}

int network_remove(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NETWORK_REMOVE;
	return parse_name(call->names[0], "network", request->network, err);
}

int network_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	const struct network *network = model_network(model, answer->network);

	if (!network)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s was made, and removed again meanwhile", answer->network);
	return answer_add(body, "network", network_json(model, network), err);
}
