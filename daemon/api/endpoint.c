/* Requests about endpoints. Addresses are a list, with at most one of each family. */
#include "daemon/api/internal.h"

#include "lib/json.h"

#include <errno.h>
#include <stdio.h>

int endpoint_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	json_t *list = json_array();
	char key[KEY_SIZE] = "";
	const struct namespace *ns;

	while ((ns = model_next(model, TABLE_NAMESPACES, key)))
		for (unsigned i = 0; i < ns->endpoint_count; i++)
			list = list_add(list, endpoint_json(ns, &ns->endpoints[i]));
	return list_answer("endpoints", list, ret, err);
}

static int read_addresses(const json_t *list, struct request *request, struct error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		char field[32];

		snprintf(field, sizeof(field), "addresses[%zu]", i);
		if (i >= SUBNETS_MAX)
			return error_field(err, field,
			        "%s: an endpoint has one address of IPv4, one of IPv6, or both",
			        field);
		if (!json_is_string(item))
			return error_field(err, field, "%s must be a string", field);
		if (parse_ip(json_string_value(item), field, &request->ips[i], err) < 0)
			return -EINVAL;
		request->ip_count++;
	}
	return 0;
}

int endpoint_connect(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *network = json_read_string(&reader, "network");
	const char *ns = json_read_string(&reader, "namespace");
	const char *mac = json_read_string(&reader, "mac");
	const char *interface = json_read_string(&reader, "interface");
	const json_t *addresses = json_read_array(&reader, "addresses");
	int r;

	request->kind = REQUEST_CONNECT;
	request->existing = json_read_bool(&reader, "existing");
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	r = field_settings(&reader, &endpoint_settings, &request->wanted_endpoint, request, err);
	if (r == 0)
		r = json_reader_end(&reader);
	if (r == 0)
		r = field_name(network, "network", request->network, err);
	if (r == 0)
		r = field_name(ns, "namespace", request->namespace, err);
	if (r == 0 && interface)
		r = parse_ifname(interface, "interface", request->ifname, err);
	if (r == 0 && mac)
		r = parse_mac(mac, "mac", request->mac, err);
	request->has_mac = mac != NULL;
	return r == 0 ? read_addresses(addresses, request, err) : r;
}

int endpoint_set(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	char what[2 * NAME_SIZE + 16];
	int r = parse_name(call->names[0], "network", request->network, err);

	request->kind = REQUEST_ENDPOINT_SET;
	if (r == 0)
		r = parse_name(call->names[1], "namespace", request->namespace, err);
	snprintf(what, sizeof(what), "endpoint %s %s", request->network, request->namespace);
	if (r == 0)
		r = field_changes(
		        &reader, &endpoint_settings, what, &request->wanted_endpoint, request, err);
	return r == 0 ? json_reader_end(&reader) : r;
}

int endpoint_disconnect(const struct call *call, struct request *request, struct error *err)
{
	int r = parse_name(call->names[0], "network", request->network, err);

	request->kind = REQUEST_DISCONNECT;
	if (r == 0)
		r = call_flag(call, "forget", &request->forget, err);
	return r == 0 ? parse_name(call->names[1], "namespace", request->namespace, err) : r;
}

int endpoint_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	const struct namespace *ns = model_namespace(engine_model(call->engine), answer->namespace);
	const struct endpoint *endpoint = ns ? namespace_endpoint(ns, answer->network) : NULL;
	int r;

	if (!endpoint && !network_is_builtin(answer->network))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s was connected to %s, and disconnected again meanwhile",
		        answer->namespace, answer->network);
	r = answer_add(body, "endpoint", endpoint ? endpoint_json(ns, endpoint) : json_null(), err);
	return r == 0 ? answer_add(body, "created_namespace",
	                        json_boolean(answer->created_namespace), err)
	              : r;
}
