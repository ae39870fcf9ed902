/* Published ports: requests about them, and how they are shown. */
#include "daemon/api/internal.h"

#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- how they are shown --- */

static json_t *targets_json(const struct model *model, const struct publication *publication)
{
	static const int families[] = {AF_INET, AF_INET6};
	json_t *list = json_array();

	for (size_t i = 0; i < 2; i++) {
		const struct ip *ip = publication_address(model, publication, families[i]);
		char text[IP_TEXT_SIZE];

		if (ip)
			list = list_add(list, json_string(ip_format(ip, text)));
	}
	return list;
}

static json_t *number_json(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *publication_json(
        const struct model *model, const struct publication *publication, struct ports_look *look)
{
	const struct endpoint *target = publication_target(model, publication);
	struct ip host = publication_host(model, publication);
	json_t *addresses = targets_json(model, publication), *object;
	unsigned last = publication->port + publication_more(publication);
	char host_ip[IP_TEXT_SIZE] = "*";
	struct port_state state;

	engine_port_state(look, publication, &state);
	if (host.family)
		ip_format(&host, host_ip);
	object = json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:s, s:i, s:i, s:O?, s:o, s:s, s:o, "
	                   "s:o, s:o}",
	        "id", publication->id, "protocol", protocol_name(publication->protocol), "host_ip",
	        host_ip, "host_port", (int)publication->host_port, "host_port_end",
	        (int)publication->host_port_end, "network",
	        text_or_null(target ? target->network : publication->network), "namespace",
	        publication->namespace, "port", (int)publication->port, "port_end", (int)last,
	        "target", json_array_get(addresses, 0), "targets", addresses, "state",
	        state.pending[0] ? "pending" : "active", "reason", text_or_null(state.pending),
	        "packets", number_json(state.counted, state.packets), "bytes",
	        number_json(state.counted, state.bytes));
	return settings_json(&publication_settings, publication, object);
}

int publication_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	const struct publication *publication;
	struct ports_look *look = NULL;
	char key[KEY_SIZE] = "";
	json_t *list;
	int r = engine_look_at_ports(call->engine, true, &look, err);

	if (r < 0)
		return r;
	list = json_array();
	while ((publication = model_next(model, TABLE_PUBLICATIONS, key)))
		list = list_add(list, publication_json(model, publication, look));
	ports_look_done(look);
	return list_answer("publications", list, ret, err);
}

/* --- publish --- */

static int read_host(const char *text, struct port_spec *spec, struct error *err)
{
	spec->every = text && strcmp(text, "*") == 0;
	return text && !spec->every ? parse_ip(text, "host_ip", &spec->host_ip, err) : 0;
}

/* The ports of the body, or of one item of its list. */
static void read_ports(struct json_reader *reader, struct port_spec *spec, struct error *err)
{
	const char *protocol = json_read_string(reader, "protocol");
	const char *host_ip = json_read_string(reader, "host_ip");

	spec->host_port = (uint16_t)json_read_number(reader, "host_port", 0, PORT_MAX, 0);
	spec->host_port_end = (uint16_t)json_read_number(reader, "host_port_end", 0, PORT_MAX, 0);
	spec->port = (uint16_t)json_read_number(reader, "port", 1, PORT_MAX, 0);
	spec->port_end = (uint16_t)json_read_number(reader, "port_end", 0, PORT_MAX, 0);
	spec->protocol = IPPROTO_TCP;
	if (reader->result == 0 && spec->port == 0)
		reader->result = error_field(err, "port", "port is missing");
	if (reader->result == 0 && protocol)
		reader->result = parse_protocol(protocol, "protocol", &spec->protocol, err);
	if (reader->result == 0)
		reader->result = read_host(host_ip, spec, err);
	if (reader->result == 0)
		reader->result = port_spec_check(spec, err);
}

static int read_list(const json_t *list, struct request *request, struct error *err)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) == 0 || json_array_size(list) > SPECS_MAX)
		return error_field(err, "publications", "publications: 1 to %d of them", SPECS_MAX);
	json_array_foreach (list, i, item) {
		struct json_reader reader = json_reader_start(item, err);
		char place[32];
		int r;

		snprintf(place, sizeof(place), "publications[%zu]", i);
		if (!json_is_object(item))
			return error_field(err, place, "%s must be an object", place);
		read_ports(&reader, &request->ports[i], err);
		r = json_reader_end(&reader);
		if (r < 0)
			return field_within(err, r, place);
		request->port_count++;
	}
	return 0;
}

int publication_publish(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *ns = json_read_string(&reader, "namespace");
	const char *network = json_read_string(&reader, "network");
	const json_t *list = json_read_array(&reader, "publications");
	int r;

	request->kind = REQUEST_PUBLISH;
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	r = field_settings(
	        &reader, &publication_settings, &request->wanted_publication, request, err);
	if (r == 0 && list)
		r = read_list(list, request, err);
	else if (r == 0)
		read_ports(&reader, &request->ports[request->port_count++], err);
	if (r == 0)
		r = json_reader_end(&reader);
	if (r == 0 && ns)
		r = parse_name(ns, "namespace", request->namespace, err);
	if (r == 0 && network)
		r = parse_name(network, "network", request->network, err);
	return r;
}

/* One object as it was asked for one, a list as it was asked for a list. */
int publication_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	bool many = json_object_get(call->body, "publications") != NULL;
	const struct model *model = engine_model(call->engine);
	struct ports_look *look = NULL;
	json_t *list = NULL;
	int r = engine_look_at_ports(call->engine, false, &look, err);

	if (r < 0)
		return r;
	list = json_array();
	for (unsigned i = 0; i < answer->publication_count; i++) {
		const struct publication *publication =
		        model_publication(model, answer->publications[i]);

		if (publication)
			list = list_add(list, publication_json(model, publication, look));
	}
	ports_look_done(look);
	if (list && !many && json_array_size(list) == 0)
		r = error_set(err, ERROR_NOT_FOUND, 0,
		        "publication %s was made, and removed again meanwhile",
		        answer->publications[0]);
	else if (many)
		return answer_add(body, "publications", list, err);
	else
		r = answer_add(body, "publication", json_incref(json_array_get(list, 0)), err);
	json_decref(list);
	return r;
}

/* --- unpublish --- */

int publication_unpublish(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_UNPUBLISH;
	return field_id(call->names[0], "publication", "ports", request->publication, err);
}

/* A port of the path; *ret stays as it is where it was not given. */
static int read_parameter(
        const struct call *call, const char *name, uint16_t *ret, struct error *err)
{
	const char *text = call_parameter(call, name);
	unsigned long port;

	if (!text)
		return 0;
	if (parse_number(text, name, 1, PORT_MAX, &port, err) < 0)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

int publication_unpublish_port(const struct call *call, struct request *request, struct error *err)
{
	struct port_spec *key = &request->ports[0];
	const char *protocol = call_parameter(call, "protocol");
	int r = field_required(call_parameter(call, "host_port"), "host_port", err);

	request->kind = REQUEST_UNPUBLISH;
	request->port_count = 1;
	if (r == 0)
		r = read_parameter(call, "host_port", &key->host_port, err);
	if (r == 0)
		r = read_parameter(call, "host_port_end", &key->host_port_end, err);
	if (r == 0)
		r = read_parameter(call, "port", &key->port, err);
	if (r == 0)
		r = read_parameter(call, "port_end", &key->port_end, err);
	if (r == 0 && protocol)
		r = parse_protocol(protocol, "protocol", &key->protocol, err);
	return r == 0 ? read_host(call_parameter(call, "host_ip"), key, err) : r;
}
