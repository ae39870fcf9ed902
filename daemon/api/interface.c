/* Requests about interfaces of the host that are moved into a namespace, and back. */
#include "daemon/api/internal.h"

#include "lib/json.h"
#include "lib/parse.h"

#include <stdio.h>
#include <string.h>

json_t *moved_json(const struct model *model, const char *ns)
{
	const struct reference *reference;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	json_t *list = json_array();

	snprintf(prefix, sizeof(prefix), "%s/", ns);
	while ((reference = model_next_in(model, TABLE_MOVED_IN, prefix, key))) {
		const struct moved *moved = model_object(model, TABLE_MOVED, reference->owner);

		list = list_add(list,
		        json_pack("{s:s, s:s}", "interface", moved->name, "name", moved->inside));
	}
	return list;
}

int interface_move_in(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *interface = json_read_string(&reader, "interface");
	const char *name = json_read_string(&reader, "name");
	const char *address = json_read_string(&reader, "caller_address");
	int r = json_reader_end(&reader);

	request->kind = REQUEST_MOVE_IN;
	if (r == 0)
		r = parse_name(call->names[0], "namespace", request->namespace, err);
	if (r == 0)
		r = field_required(interface, "interface", err);
	if (r == 0)
		r = parse_ifname(interface, "interface", request->interface, err);
	if (r == 0 && name)
		r = parse_ifname(name, "name", request->ifname, err);
	if (r == 0 && address)
		r = parse_ip(address, "caller_address", &request->caller_address, err);
	return r;
}

int interface_move_out(const struct call *call, struct request *request, struct error *err)
{
	int r = parse_name(call->names[0], "namespace", request->namespace, err);

	request->kind = REQUEST_MOVE_OUT;
	return r == 0 ? parse_ifname(call->names[1], "interface", request->interface, err) : r;
}

int interface_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	const struct moved *moved =
	        model_object(engine_model(call->engine), TABLE_MOVED, answer->interface);

	if (!moved)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "interface %s was moved, and back again meanwhile", answer->interface);
	return answer_add(body, "moved",
	        json_pack("{s:s, s:s, s:s}", "interface", moved->name, "name", moved->inside,
	                "namespace", moved->namespace),
	        err);
}
