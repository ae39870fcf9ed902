/* Requests about links between namespaces. Both ends are alike, and stand in a list of two. */
#include "daemon/api/internal.h"

#include "daemon/model/ns_link.h"
#include "lib/json.h"
#include "lib/parse.h"

#include <stdio.h>
#include <string.h>

static json_t *end_json(const struct ns_link_end *end)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:o}", "namespace", end->namespace, "interface",
	        end->ifname, "mac", mac_format(end->mac, mac), "addresses",
	        addresses_json(end->addresses, end->address_count));
}

static json_t *link_json(const struct ns_link *link)
{
	return settings_json(&ns_link_settings, link,
	        json_pack("{s:s, s:[o, o]}", "id", link->id, "ends", end_json(&link->ends[0]),
	                end_json(&link->ends[1])));
}

json_t *links_json(const struct model *model, const char *ns)
{
	const struct ns_link *link;
	json_t *list = json_array();
	char key[KEY_SIZE] = "";
	unsigned end;

	while ((link = namespace_next_link(model, ns, key, &end)))
		list = list_add(list, link_json(link));
	return list;
}

int ns_link_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct ns_link *link;
	json_t *list = json_array();
	char key[KEY_SIZE] = "";

	while ((link = model_next(engine_model(call->engine), TABLE_NS_LINKS, key)))
		list = list_add(list, link_json(link));
	return list_answer("links", list, ret, err);
}

int ns_link_inspect(const struct call *call, json_t **ret, struct error *err)
{
	const struct ns_link *link;
	char id[ID_SIZE];
	int r = field_id(call->names[0], "link", "ns links", id, err);

	if (r < 0)
		return r;
	link = model_ns_link(engine_model(call->engine), id);
	if (!link)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "link %s: there is no such link (netd-ctl ns links lists them)", id);
	return list_answer("links", list_add(json_array(), link_json(link)), ret, err);
}

/* --- making one --- */

static int read_addresses(const json_t *list, struct ns_link_end *end, struct error *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		char field[32];

		snprintf(field, sizeof(field), "addresses[%zu]", i);
		if (i >= LINK_ADDRESSES_MAX)
			return error_field(err, field, "%s: an end has at most %d addresses", field,
			        LINK_ADDRESSES_MAX);
		if (!json_is_string(item))
			return error_field(err, field, "%s must be a string", field);
		if (parse_cidr(json_string_value(item), field, &end->addresses[i], err) < 0)
			return -EINVAL;
		end->address_count++;
	}
	return 0;
}

static int read_end(const json_t *object, struct ns_link_end *end, struct error *err)
{
	struct json_reader reader = json_reader_start(object, err);
	const char *ns = json_read_string(&reader, "namespace");
	const char *interface = json_read_string(&reader, "interface");
	const char *mac = json_read_string(&reader, "mac");
	const json_t *addresses = json_read_array(&reader, "addresses");
	int r = json_reader_end(&reader);

	if (r == 0)
		r = field_name(ns, "namespace", end->namespace, err);
	if (r == 0 && interface)
		r = parse_ifname(interface, "interface", end->ifname, err);
	if (r == 0 && mac)
		r = parse_mac(mac, "mac", end->mac, err);
	return r == 0 ? read_addresses(addresses, end, err) : r;
}

static int read_ends(const json_t *list, struct request *request, struct error *err)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) != 2)
		return error_field(err, "ends", "ends: a link has two");
	json_array_foreach (list, i, item) {
		char place[16];
		int r;

		snprintf(place, sizeof(place), "ends[%zu]", i);
		if (!json_is_object(item))
			return error_field(err, place, "%s must be an object", place);
		r = read_end(item, &request->ends[i], err);
		if (r < 0)
			return field_within(err, r, place);
	}
	return 0;
}

int ns_link_create(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const json_t *ends = json_read_array(&reader, "ends");
	int r;

	request->kind = REQUEST_NS_LINK;
	request->existing = json_read_bool(&reader, "existing");
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	r = field_settings(&reader, &ns_link_settings, &request->wanted_ns_link, request, err);
	if (r == 0)
		r = json_reader_end(&reader);
	if (r == 0)
		r = read_ends(ends, request, err);
	memcpy(request->namespace, request->ends[0].namespace, NAME_SIZE);
	return r;
}

int ns_link_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	const struct ns_link *link = model_ns_link(engine_model(call->engine), answer->link);
	json_t *created = json_array();
	int r;

	if (!link) {
		json_decref(created);
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "link %s is there no more: it was removed meanwhile", answer->link);
	}
	for (unsigned i = 0; i < 2; i++)
		if (answer->created_ends[i])
			created = list_add(created, json_string(link->ends[i].namespace));
	r = answer_add(body, "created_namespaces", created, err);
	return r == 0 ? answer_add(body, "link", link_json(link), err) : r;
}

/* --- one that is there --- */

/* By its id in the path, or by its ends. */
static int read_which(const struct call *call, struct request *request, struct error *err)
{
	static const char *const names[2][2] = {
	        {"namespace", "interface"}, {"peer", "peer_interface"}};
	int r = 0;

	if (call->names[0])
		return field_id(call->names[0], "link", "ns links", request->link, err);
	for (unsigned i = 0; r == 0 && i < 2; i++) {
		const char *interface = call_parameter(call, names[i][1]);
		struct ns_link_end *end = &request->ends[i];

		r = field_name(call_parameter(call, names[i][0]), names[i][0], end->namespace, err);
		if (r == 0 && interface)
			r = parse_ifname(interface, names[i][1], end->ifname, err);
	}
	memcpy(request->namespace, request->ends[0].namespace, NAME_SIZE);
	return r;
}

int ns_link_set(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	int r = read_which(call, request, err);

	request->kind = REQUEST_NS_LINK_SET;
	if (r == 0)
		r = field_settings(
		        &reader, &ns_link_settings, &request->wanted_ns_link, request, err);
	return r == 0 ? json_reader_end(&reader) : r;
}

int ns_link_remove(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NS_UNLINK;
	return read_which(call, request, err);
}
