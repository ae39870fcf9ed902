/*
 * From a request's bytes to the function that answers it. The table below is the whole of the API;
 * what it does not name is refused, parameters included.
 *
 * A path is split at its slashes before it is decoded, so that no escape can move a border; a part
 * that then holds a slash or a NUL is refused.
 */
#include "daemon/api/internal.h"

#include "lib/json.h"
#include "lib/version.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct route routes[] = {
	{EVHTTP_REQ_GET, "/v1/version", .read = version_read},
	{EVHTTP_REQ_GET, "/v1/events", {"kind", "network", "namespace", "recent", "follow"}, .stream = events_read},

	{EVHTTP_REQ_GET, "/v1/networks", .read = network_list, .is_long = true},
	{EVHTTP_REQ_GET, "/v1/networks/NAME", .read = network_inspect, .is_long = true},
	{EVHTTP_REQ_POST, "/v1/networks", {"dry_run"}, .parse = network_create, .answer = network_answer},
	{EVHTTP_REQ_PATCH, "/v1/networks/NAME", {"dry_run"}, .parse = network_set, .answer = network_answer},
	{EVHTTP_REQ_POST, "/v1/networks/NAME/allow", {"dry_run"}, .parse = network_allow, .answer = network_answer},
	{EVHTTP_REQ_POST, "/v1/networks/NAME/disallow", {"dry_run"}, .parse = network_disallow, .answer = network_answer},
	{EVHTTP_REQ_DELETE, "/v1/networks/NAME", {"dry_run", "force"}, .parse = network_remove},
	{EVHTTP_REQ_POST, "/v1/networks/prune", {"dry_run"}, .parse = network_prune},

	{EVHTTP_REQ_GET, "/v1/pools", .read = pool_list},

	{EVHTTP_REQ_GET, "/v1/namespaces", .read = namespace_list, .is_long = true},
	{EVHTTP_REQ_GET, "/v1/namespaces/NAME", .read = namespace_inspect},
	{EVHTTP_REQ_GET, "/v1/namespaces/NAME/processes", .read = namespace_processes, .is_long = true},
	{EVHTTP_REQ_POST, "/v1/namespaces/NAME/interfaces", {"dry_run", "force"}, .parse = interface_move_in, .answer = interface_answer},
	{EVHTTP_REQ_DELETE, "/v1/namespaces/NAME/interfaces/IFNAME", {"dry_run"}, .parse = interface_move_out},
	{EVHTTP_REQ_POST, "/v1/namespaces", {"dry_run"}, .parse = namespace_create, .answer = namespace_answer},
	{EVHTTP_REQ_POST, "/v1/namespaces/prune", {"dry_run"}, .parse = namespace_prune},
	{EVHTTP_REQ_PATCH, "/v1/namespaces/NAME", {"dry_run"}, .parse = namespace_set, .answer = namespace_answer},
	{EVHTTP_REQ_DELETE, "/v1/namespaces/NAME", {"dry_run", "force", "detach"}, .parse = namespace_remove},

	{EVHTTP_REQ_GET, "/v1/endpoints", .read = endpoint_list, .is_long = true},
	{EVHTTP_REQ_POST, "/v1/endpoints", {"dry_run"}, .parse = endpoint_connect, .answer = endpoint_answer},
	{EVHTTP_REQ_PATCH, "/v1/networks/NAME/endpoints/NAMESPACE", {"dry_run"}, .parse = endpoint_set, .answer = endpoint_answer},
	{EVHTTP_REQ_DELETE, "/v1/networks/NAME/endpoints/NAMESPACE", {"dry_run", "forget"}, .parse = endpoint_disconnect},

	{EVHTTP_REQ_GET, "/v1/links", .read = ns_link_list, .is_long = true},
	{EVHTTP_REQ_GET, "/v1/links/ID", .read = ns_link_inspect},
	{EVHTTP_REQ_POST, "/v1/links", {"dry_run"}, .parse = ns_link_create, .answer = ns_link_answer},
	{EVHTTP_REQ_PATCH, "/v1/links/ID", {"dry_run"}, .parse = ns_link_set, .answer = ns_link_answer},
	{EVHTTP_REQ_PATCH, "/v1/links", {"dry_run", "namespace", "interface", "peer", "peer_interface"}, .parse = ns_link_set, .answer = ns_link_answer},
	{EVHTTP_REQ_DELETE, "/v1/links/ID", {"dry_run"}, .parse = ns_link_remove},
	{EVHTTP_REQ_DELETE, "/v1/links", {"dry_run", "namespace", "interface", "peer", "peer_interface"}, .parse = ns_link_remove},

	{EVHTTP_REQ_GET, "/v1/publications", .read = publication_list, .is_long = true},
	{EVHTTP_REQ_POST, "/v1/publications", {"dry_run"}, .parse = publication_publish, .answer = publication_answer},
	{EVHTTP_REQ_DELETE, "/v1/publications/ID", {"dry_run"}, .parse = publication_unpublish},
	{EVHTTP_REQ_DELETE, "/v1/publications", {"dry_run", "host_port", "host_port_end", "protocol", "host_ip", "port", "port_end"}, .parse = publication_unpublish_port},
};
/* clang-format on */

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

int version_read(const struct call *call, json_t **ret, struct error *err)
{
	const struct host *host = model_host(engine_model(call->engine));
	const struct error *refused = engine_refused(call->engine);
	json_t *body = json_pack("{s:s, s:i, s:s}", "version", netd_version, "api", 1, "instance",
	        host ? host->instance : "");

	if (body && refused)
		json_object_set_new(body, "refuses_changes", text_json(refused->text));

	if (!body)
		return error_memory(err);
	*ret = body;
	return 0;
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
	                                    : -1;
}

/* Decodes %XX in place. False: an escape that is none, or one for NUL or a slash. */
static bool decode(char *text)
{
	char *out = text;

	while (*text) {
		int value = (unsigned char)*text++;

		if (value == '%') {
			int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

			value = low < 0 ? 0 : high * 16 + low;
			if (value == 0 || value == '/')
				return false;
			text += 2;
		}
		*out++ = (char)value;
	}
	*out = '\0';
	return true;
}

/* The next piece before `separator`, cut off; NULL at the end. */
static char *cut(char **rest, char separator)
{
	char *piece = *rest, *end;

	if (!piece)
		return NULL;
	end = strchr(piece, separator);
	if (end)
		*end++ = '\0';
	*rest = end;
	return piece;
}

/* Splits /a/b/c. Returns how many parts; 0 where there are none or too many. */
static int split_path(char *path, char *parts[PARTS_MAX], int *ret, struct error *err)
{
	char *rest = path, *part;
	int n = 0;

	*ret = 0;
	if (*cut(&rest, '/') != '\0')
		return 0;
	while ((part = cut(&rest, '/'))) {
		if (!decode(part))
			return error_set(err, ERROR_INVALID, 0,
			        "the path has a bad escape: write %%XX, and neither %%00 nor %%2F");
		if (n == PARTS_MAX)
			return 0;
		parts[n++] = part;
	}
	*ret = n;
	return 0;
}

/* Whether the path is of this pattern; the parts that are names go into call->names. */
static bool matches(struct call *call, const char *pattern, char *parts[PARTS_MAX], int count)
{
	int names = 0;

	for (int i = 0; i < count; i++) {
		size_t length;

		if (*pattern++ != '/')
			return false;
		length = strcspn(pattern, "/");
		if (isupper((unsigned char)*pattern))
			call->names[names++] = parts[i];
		else if (strlen(parts[i]) != length || memcmp(parts[i], pattern, length) != 0)
			return false;
		pattern += length;
	}
	return *pattern == '\0';
}

static int split_query(struct call *call, struct error *err)
{
	char *rest = call->query, *value;

	while ((value = cut(&rest, '&'))) {
		const char *name = cut(&value, '=');
		unsigned n = call->parameter_count;

		if (!*name && !value)
			continue; /* "?" alone, or "&&" */
		if (!*name)
			return error_field(err, "\"\"", "a parameter behind '?' has no name");
		if (n == QUERY_MAX)
			return error_set(err, ERROR_INVALID, 0, "too many parameters behind '?'");
		if (call_parameter(call, name))
			return error_field(err, name, "%.40s is given twice", name);
		if (!value || !decode(value))
			return error_field(err, name, "%.40s: write it as NAME=VALUE", name);
		call->parameters[n].name = name;
		call->parameters[n].value = value;
		call->parameter_count++;
	}
	return 0;
}

const char *call_parameter(const struct call *call, const char *name)
{
	for (unsigned i = 0; i < call->parameter_count; i++)
		if (strcmp(call->parameters[i].name, name) == 0)
			return call->parameters[i].value;
	return NULL;
}

int call_flag(const struct call *call, const char *name, bool *ret, struct error *err)
{
	const char *value = call_parameter(call, name);

	if (value && strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return error_field(err, name, "%s must be true or false", name);
	*ret = value && strcmp(value, "true") == 0;
	return 0;
}

static int check_parameters(const struct call *call, struct error *err)
{
	for (unsigned i = 0; i < call->parameter_count; i++) {
		const char *name = call->parameters[i].name;
		const char *const *known = call->route->parameters;

		while (*known && strcmp(*known, name) != 0)
			known++;
		if (!*known)
			return error_unknown(
			        err, name, "%.40s: there is no such parameter here", name);
	}
	return 0;
}

static int read_body(struct call *call, struct error *err)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(call->http);
	size_t size = evbuffer_get_length(input);
	const unsigned char *bytes = evbuffer_pullup(input, -1);
	struct json_reader reader;
	int r;

	if (size && !bytes)
		return error_memory(err);
	r = json_parse_object((const char *)bytes, size, &call->body, err);
	evbuffer_drain(input, size);
	if (r < 0 || call->route->method == EVHTTP_REQ_POST ||
	        call->route->method == EVHTTP_REQ_PATCH)
		return r;
	reader = json_reader_start(call->body, err);
	return json_reader_end(&reader);
}

static int copy_uri(struct call *call, struct error *err)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->http);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	call->path = strdup(path ? path : "");
	call->query = strdup(query ? query : "");
	return call->path && call->query ? 0 : error_memory(err);
}

/* What fits the path but not the method leaves *allowed behind, for the answer 405. */
static int find_route(struct call *call, bool *other_method, struct error *err)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(call->http);
	char *parts[PARTS_MAX];
	int count, r = split_path(call->path, parts, &count, err);

	*other_method = false;
	for (size_t i = 0; r == 0 && i < ROUTES; i++) {
		if (!matches(call, routes[i].pattern, parts, count))
			continue;
		if (routes[i].method == method) {
			call->route = &routes[i];
			return 0;
		}
		*other_method = true;
	}
	return r;
}

void route_read(struct call *call)
{
	json_t *body = NULL;
	struct error err;

	if (call->route->read(call, &body, &err) < 0)
		reply_error(call, &err, NULL);
	else
		reply_json(call, 200, body);
	call_free(call);
}

static int prepare(struct call *call, struct error *err)
{
	int r = split_query(call, err);

	if (r == 0)
		r = check_parameters(call, err);
	return r == 0 ? read_body(call, err) : r;
}

void route_call(struct call *call)
{
	bool other_method = false;
	struct error err;
	int r = copy_uri(call, &err);

	if (r == 0)
		r = find_route(call, &other_method, &err);
	if (r == 0 && !call->route) {
		if (other_method)
			reply_problem(call, 405, "method-not-allowed",
			        "this path takes another method; doc/api.md lists them");
		else
			reply_problem(call, 404, "unknown",
			        "there is nothing at this path; doc/api.md lists them");
		call_free(call);
		return;
	}
	if (r == 0)
		r = prepare(call, &err);
	if (r == 0 && call->route->stream) {
		r = call->route->stream(call, &err);
		if (r == 0)
			return;
	}
	if (r < 0) {
		reply_error(call, &err, NULL);
		call_free(call);
	} else if (call->route->is_long) {
		turns_wait(call);
	} else if (call->route->read) {
		route_read(call);
	} else {
		change_start(call);
	}
}
