/* Requests about published ports. */
#include "daemon/api/internal.h"

#include "lib/json.h"

#include <string.h>

#define PORT_MAX 65535

int publication_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	json_t *list = json_array();
	char key[KEY_SIZE] = "";
	const struct publication *publication;

	while ((publication = model_next(model, TABLE_PUBLICATIONS, key)))
		list = list_add(list, publication_json(model, publication));
	return list_answer("publications", list, ret, err);
}

/* A port of the body, which must be there. */
static int take_port(struct json_reader *reader, const char *name, uint16_t *ret)
{
	*ret = (uint16_t)json_read_number(reader, name, 1, PORT_MAX, 0);
	if (reader->result == 0 && *ret == 0)
		reader->result = error_field(reader->err, name, "%s is missing", name);
	return reader->result;
}

int publication_publish(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *protocol = json_read_string(&reader, "protocol");
	const char *host_ip = json_read_string(&reader, "host_ip");
	const char *ns = json_read_string(&reader, "namespace");
	const char *network = json_read_string(&reader, "network");
	int r;

	request->kind = REQUEST_PUBLISH;
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	take_port(&reader, "host_port", &request->ports.host_port);
	take_port(&reader, "port", &request->ports.port);
	r = field_settings(
	        &reader, &publication_settings, &request->wanted_publication, request, err);
	if (r == 0)
		r = json_reader_end(&reader);
	request->ports.protocol = IPPROTO_TCP;
	request->ports.host_ip = ip4(INADDR_ANY);
	if (r == 0 && protocol)
		r = parse_protocol(protocol, "protocol", &request->ports.protocol, err);
	if (r == 0)
		r = field_ip(host_ip, "host_ip", &request->ports.host_ip, err);
	if (r == 0 && ns)
		r = parse_name(ns, "namespace", request->namespace, err);
	if (r == 0 && network)
		r = parse_name(network, "network", request->network, err);
	return r;
}

int publication_unpublish(const struct call *call, struct request *request, struct error *err)
{
	const char *id = call->names[0];

	request->kind = REQUEST_UNPUBLISH;
	if (strlen(id) != ID_SIZE - 1 || strspn(id, "0123456789abcdef") != ID_SIZE - 1)
		return error_field(err, "id",
		        "id: a publication's id is %d hex digits (netd-ctl ports --json lists "
		        "them)",
		        ID_SIZE - 1);
	memcpy(request->publication, id, ID_SIZE);
	return 0;
}

int publication_unpublish_port(const struct call *call, struct request *request, struct error *err)
{
	const char *host_port = call_parameter(call, "host_port");
	const char *protocol = call_parameter(call, "protocol");
	unsigned long port;
	int r = field_required(host_port, "host_port", err);

	request->kind = REQUEST_UNPUBLISH;
	if (r == 0)
		r = parse_number(host_port, "host_port", 1, PORT_MAX, &port, err);
	if (r == 0 && protocol)
		r = parse_protocol(protocol, "protocol", &request->ports.protocol, err);
	if (r == 0)
		r = field_ip(
		        call_parameter(call, "host_ip"), "host_ip", &request->ports.host_ip, err);
	if (r == 0)
		request->ports.host_port = (uint16_t)port;
	return r;
}

int publication_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	const struct publication *publication = model_publication(model, answer->publication);

	if (!publication)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "publication %s was made, and removed again meanwhile",
		        answer->publication);
	return answer_add(body, "publication", publication_json(model, publication), err);
}
