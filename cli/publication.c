/*
 * `netd-ctl publish`, `unpublish` and `ports`. The answer to publish is the whole way of a packet
 * in one line; what `ports -q` prints is what `unpublish` takes.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"
#include "lib/client.h"
#include "lib/parse.h"

#include <string.h>

/* HOSTIP:HOSTPORT[-END]/PROTOCOL */
static char *cell_host(const json_t *publication)
{
	const char *ip = field_text(publication, "host_ip");
	long long port = field_number(publication, "host_port");
	long long end = field_number(publication, "host_port_end");
	bool brackets = strchr(ip, ':') != NULL;
	char range[32] = "", *text = NULL;

	if (end > port)
		snprintf(range, sizeof(range), "-%lld", end);
	if (asprintf(&text, "%s%s%s:%lld%s/%s", brackets ? "[" : "", ip, brackets ? "]" : "", port,
	            range, field_text(publication, "protocol")) < 0)
		return NULL;
	return text;
}

static char *cell_target(const json_t *publication)
{
	const char *target = json_string_value(json_object_get(publication, "target"));
	long long port = field_number(publication, "port");
	bool brackets = target && strchr(target, ':');
	char *text = NULL;

	if (asprintf(&text, "%s%s%s:%lld", brackets ? "[" : "", target ? target : "",
	            brackets ? "]" : "", port) < 0)
		return NULL;
	return text;
}

static const struct column table[] = {
        {"HOST", NULL, cell_host},
        {"NAMESPACE", "namespace"},
        {"NETWORK", "network"},
        {"TARGET", NULL, cell_target},
        {"STATE", "state"},
        {NULL},
};

static const struct filter filters[] = {
        {"namespace", "namespace"},
        {"network", "network"},
        {"protocol", "protocol"},
        {"state", "state"},
        {"ip", "host_ip"},
        {"port", "host_port"},
        {NULL},
};

const struct noun publication_noun = {
        .path = "/v1/publications",
        .key = "publications",
        .table = table,
        .name = cell_host,
        .filters = filters,
};

static void say_way(const json_t *publication, const char *host)
{
	const char *name = field_text(publication, "namespace");
	const char *network = json_string_value(json_object_get(publication, "network"));
	long long port = field_number(publication, "port");

	if (strcmp(field_text(publication, "state"), "active") == 0)
		output_line("%s -> %s (%s %s):%lld", host, name, network ? network : "-",
		        field_text(publication, "target"), port);
	else if (network)
		output_line("%s -> %s (pending: %s is not connected to %s):%lld", host, name, name,
		        network, port);
	else
		output_line("%s -> %s (pending: %s is connected to no network):%lld", host, name,
		        name, port);
}

static void say_published(const struct call *call, const json_t *answer)
{
	const json_t *publication = json_object_get(answer, "publication");
	_cleanup_(freep) char *host = cell_host(publication);

	if (!host)
		output_memory();
	else if (call_has(call, OPTION_QUIET))
		output_line("%s", host);
	else
		say_way(publication, host);
}

int publication_publish(const struct call *call)
{
	char host_ip[IP_TEXT_SIZE];
	struct port_spec spec;
	struct error err;
	json_t *body;

	if (parse_port_spec(call->arguments[0], "port", &spec, &err) < 0)
		return change_error(call, &err);
	body = call_body(call,
	        json_pack("{s:s, s:s, s:i, s:i, s:s*}", "protocol", protocol_name(spec.protocol),
	                "host_ip", ip_format(&spec.host_ip, host_ip), "host_port", spec.host_port,
	                "port", spec.port, "namespace",
	                call->n_arguments > 1 ? call->arguments[1] : NULL),
	        &err);
	return change_send(call, "POST", publication_noun.path, body, &err, say_published);
}

/* The path that names one publication by what was given of its host side. */
static char *key_path(const struct port_spec *key)
{
	char host_ip[IP_TEXT_SIZE] = "", *path = NULL;
	_cleanup_(freep) char *encoded = NULL;

	if (key->host_ip.family)
		ip_format(&key->host_ip, host_ip);
	encoded = client_encode(host_ip);
	if (!encoded || asprintf(&path, "%s?host_port=%u%s%s%s%s", publication_noun.path,
	                        (unsigned)key->host_port, key->protocol ? "&protocol=" : "",
	                        key->protocol ? protocol_name(key->protocol) : "",
	                        *encoded ? "&host_ip=" : "", encoded) < 0)
		return NULL;
	return path;
}

int publication_unpublish(const struct call *call)
{
	struct removal removal = {.call = call};
	struct port_spec key;
	struct error err;

	if (parse_port_key(call->arguments[0], "port", &key, &err) < 0)
		return change_error(call, &err);
	removal_add(&removal, key_path(&key), call->arguments[0]);
	return removal_end(&removal);
}
