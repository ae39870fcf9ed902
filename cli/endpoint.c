/*
 * `netd-ctl connect` and `disconnect`, and how an endpoint looks where a network or a namespace
 * lists it. A namespace that connect made on the way is said first, with its undo, since the user
 * did not ask for it by name.
 */
#include "cli/commands.h"
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"

char *endpoint_addresses(const json_t *endpoint)
{
	return cell_value(json_object_get(endpoint, "addresses"));
}

char *endpoint_lines(const json_t *object, const char *first)
{
	const json_t *endpoint;
	char *text = NULL;
	size_t size = 0, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	json_array_foreach (json_object_get(object, "endpoints"), i, endpoint) {
		_cleanup_(freep) char *addresses = endpoint_addresses(endpoint);
		_cleanup_(freep) char *settings = cell_settings(endpoint, endpoint_options);

		fprintf(out, "%s: %s %s, mac %s, host side %s%s%s\n", field_text(endpoint, first),
		        field_text(endpoint, "interface"), addresses ? addresses : "?",
		        field_text(endpoint, "mac"), field_text(endpoint, "host_interface"),
		        settings && *settings ? ", " : "", settings ? settings : "?");
	}
	if (fclose(out) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

static void say_connected(const struct call *call, const json_t *answer)
{
	const json_t *endpoint = json_object_get(answer, "endpoint");
	const char *name = field_text(endpoint, "namespace");
	_cleanup_(freep) char *addresses = endpoint_addresses(endpoint);

	if (!json_is_object(endpoint))
		name = call->arguments[1]; /* on "none" */
	if (call_has(call, OPTION_QUIET)) {
		output_line("%s", name);
		return;
	}
	if (json_is_true(json_object_get(answer, "created_namespace")))
		output_line("created namespace %s (undo: netd-ctl ns rm %s)", name, name);
	if (!json_is_object(endpoint))
		output_line("%s: lo only", name);
	else if (!addresses)
		output_memory();
	else
		output_line("%s: %s %s on %s", name, field_text(endpoint, "interface"), addresses,
		        field_text(endpoint, "network"));
}

/* NULL where there is none: the daemon chooses then. */
static json_t *addresses_of(const struct call *call)
{
	const char *ip = call->options[OPTION_IP], *ip6 = call->options[OPTION_IP6];

	return ip || ip6 ? json_pack("[s*, s*]", ip, ip6) : NULL;
}

int endpoint_connect(const struct call *call)
{
	struct error err = {0};
	json_t *body = NULL;

	if (call_once(call, OPTION_IP, &err) == 0)
		body = call_body(call,
		        json_pack("{s:s, s:s, s:o*}", "network", call->arguments[0], "namespace",
		                call->arguments[1], "addresses", addresses_of(call)),
		        &err);
	return change_send(call, "POST", "/v1/endpoints", body, &err, say_connected);
}

static void say_set(const struct call *call, const json_t *answer)
{
	output_line("%s", field_text(json_object_get(answer, "endpoint"), "namespace"));
}

int endpoint_set(const struct call *call)
{
	_cleanup_(freep) char *network =
	        request_path("/v1/networks", call->arguments[0], "/endpoints");
	_cleanup_(freep) char *path =
	        network ? request_path(network, call->arguments[1], "") : NULL;

	return change_assignments(call, path, say_set);
}

int endpoint_disconnect(const struct call *call)
{
	struct removal removal = {.call = call};
	_cleanup_(freep) char *network =
	        request_path("/v1/networks", call->arguments[0], "/endpoints");

	removal_add(&removal,
	        network ? request_path(network, call->arguments[1],
	                          call_has(call, OPTION_FORGET) ? "?forget=true" : "")
	                : NULL,
	        call->arguments[1]);
	return removal_end(&removal);
}
