/*
 * `netd-ctl publish`, `unpublish` and `ports`. The answer to publish is the whole way of a packet
 * in one line; what `ports -q` prints is what `unpublish` takes.
 */
#include "cli/commands.h"
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"
#include "lib/client.h"
#include "lib/ports.h"

#include <string.h>

/* "8080" or "8000-8010", of two fields. */
static const char *ports_of(
        const json_t *publication, const char *first, const char *last, char text[PORTS_TEXT_SIZE])
{
	return ports_format((uint16_t)field_number(publication, first),
	        (uint16_t)field_number(publication, last), text);
}

/* HOSTIP:HOSTPORT[-END]/PROTOCOL */
static char *cell_host(const json_t *publication)
{
	const char *ip = field_text(publication, "host_ip");
	char ports[PORTS_TEXT_SIZE], *text = NULL;

	if (asprintf(&text, strchr(ip, ':') ? "[%s]:%s/%s" : "%s:%s/%s", ip,
	            ports_of(publication, "host_port", "host_port_end", ports),
	            field_text(publication, "protocol")) < 0)
		return NULL;
	return text;
}

/* ADDRESS:PORT[-END]; several addresses are separated by commas. */
static char *cell_target(const json_t *publication)
{
	const json_t *addresses = json_object_get(publication, "targets"), *address;
	char ports[PORTS_TEXT_SIZE], *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	json_array_foreach (addresses, i, address) {
		const char *ip = json_string_value(address);

		fprintf(out, strchr(ip, ':') ? "%s[%s]" : "%s%s", i ? "," : "", ip);
	}
	fprintf(out, ":%s", ports_of(publication, "port", "port_end", ports));
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static const char *reason_of(const json_t *publication)
{
	return json_string_value(json_object_get(publication, "reason"));
}

static char *cell_state(const json_t *publication)
{
	const char *reason = reason_of(publication);
	char *text = NULL;

	if (asprintf(&text, "%s%s%s", field_text(publication, "state"), reason ? ": " : "",
	            reason ? reason : "") < 0)
		return NULL;
	return text;
}

static char *cell_limits(const json_t *publication)
{
	char *text = cell_settings(publication, publication_options);

	if (!text || *text)
		return text;
	free(text);
	return strdup("-");
}

static const struct column table[] = {
        {"HOST", NULL, cell_host},
        {"NAMESPACE", "namespace"},
        {"NETWORK", "network"},
        {"TARGET", NULL, cell_target},
        {"PACKETS", "packets"},
        {"BYTES", "bytes"},
        {"STATE", NULL, cell_state},
        {"SETTINGS", NULL, cell_limits},
        {NULL},
};

static const struct filter filters[] = {
        {"namespace", "namespace"},
        {"network", "network"},
        {"protocol", "protocol"},
        {"state", "state"},
        {"ip", "host_ip"},
        {"port", "host_port"},
        {"label", "labels"},
        {NULL},
};

const struct noun publication_noun = {
        .path = "/v1/publications",
        .key = "publications",
        .table = table,
        .name = cell_host,
        .filters = filters,
};

/* --- publish --- */

static void say_way(const json_t *publication, const char *host)
{
	_cleanup_(freep) char *settings = cell_settings(publication, publication_options);
	const char *between = settings && *settings ? ", " : "";
	_cleanup_(freep) char *addresses = cell_value(json_object_get(publication, "targets"));
	const char *name = field_text(publication, "namespace"), *reason = reason_of(publication);
	char ports[PORTS_TEXT_SIZE];

	ports_of(publication, "port", "port_end", ports);
	if (!addresses || !settings)
		output_memory();
	else if (json_array_size(json_object_get(publication, "targets")))
		output_line("%s -> %s (%s %s):%s%s%s%s%s", host, name,
		        field_text(publication, "network"), addresses, ports, between, settings,
		        reason ? ", pending: " : "", reason ? reason : "");
	else
		output_line("%s -> %s (pending: %s):%s%s%s", host, name, reason ? reason : "-",
		        ports, between, settings);
}

static void say_one(const struct call *call, const json_t *publication)
{
	_cleanup_(freep) char *host = cell_host(publication);

	if (!host)
		output_memory();
	else if (call_has(call, OPTION_QUIET))
		output_line("%s", host);
	else
		say_way(publication, host);
}

static void say_published(const struct call *call, const json_t *answer)
{
	const json_t *publication = json_object_get(answer, "publication");
	size_t i;

	if (publication)
		say_one(call, publication);
	json_array_foreach (json_object_get(answer, "publications"), i, publication)
		say_one(call, publication);
}

static void put_port(json_t *body, const char *name, uint16_t port)
{
	if (port)
		json_object_set_new(body, name, json_integer(port));
}

static json_t *spec_json(const struct port_spec *spec)
{
	char host_ip[IP_TEXT_SIZE] = "*";
	json_t *body = json_pack("{s:s}", "protocol", protocol_name(spec->protocol));

	if (spec->host_ip.family)
		ip_format(&spec->host_ip, host_ip);
	if (spec->every || spec->host_ip.family)
		json_object_set_new(body, "host_ip", json_string(host_ip));
	put_port(body, "host_port", spec->host_port);
	put_port(body, "host_port_end",
	        spec->host_port_end > spec->host_port ? spec->host_port_end : 0);
	put_port(body, "port", spec->port);
	put_port(body, "port_end", spec->port_end > spec->port ? spec->port_end : 0);
	return body;
}

/* How many of the words are ports: all, or all but the last, which names the namespace. */
static size_t count_specs(const struct call *call)
{
	size_t n = call->n_arguments;
	struct port_spec spec;
	struct error err;

	return n > 1 && parse_port_spec(call->arguments[n - 1], "port", &spec, &err) < 0 &&
	                       !strpbrk(call->arguments[n - 1], ":/*")
	               ? n - 1
	               : n;
}

/* One stands in the body itself, several in a list. */
static json_t *publish_body(const struct call *call, struct error *err)
{
	size_t count = count_specs(call);
	json_t *body = NULL, *list = NULL;

	if (count < call->n_arguments && call_has(call, OPTION_NS)) {
		error_field(err, "", "the namespace is given twice ('%s' and --ns %s)",
		        call->arguments[count], call->options[OPTION_NS]);
		return NULL;
	}
	list = count > 1 ? json_array() : NULL;
	for (size_t i = 0; i < count; i++) {
		struct port_spec spec;

		if (parse_port_spec(call->arguments[i], "port", &spec, err) < 0) {
			json_decref(list);
			return NULL;
		}
		body = spec_json(&spec);
		if (list)
			json_array_append_new(list, body);
	}
	if (list)
		body = json_pack("{s:o}", "publications", list);
	if (count < call->n_arguments)
		json_object_set_new(body, "namespace", json_string(call->arguments[count]));
	return call_body(call, body, err);
}

int publication_publish(const struct call *call)
{
	struct error err;
	json_t *body = publish_body(call, &err);

	return change_send(call, "POST", publication_noun.path, body, &err, say_published);
}

/* --- unpublish --- */

/* The path that names one publication by what was given of its host side. */
static char *key_path(const struct port_spec *key)
{
	char host_ip[IP_TEXT_SIZE] = "", *path = NULL;
	_cleanup_(freep) char *encoded = NULL;
	size_t size;
	FILE *out;

	if (key->every)
		strcpy(host_ip, "*");
	else if (key->host_ip.family)
		ip_format(&key->host_ip, host_ip);
	encoded = client_encode(host_ip);
	out = encoded ? open_memstream(&path, &size) : NULL;
	if (!out)
		return NULL;
	fprintf(out, "%s?host_port=%u", publication_noun.path, (unsigned)key->host_port);
	if (key->host_port_end > key->host_port)
		fprintf(out, "&host_port_end=%u", (unsigned)key->host_port_end);
	if (key->port)
		fprintf(out, "&port=%u", (unsigned)key->port);
	if (key->port_end > key->port)
		fprintf(out, "&port_end=%u", (unsigned)key->port_end);
	if (key->protocol)
		fprintf(out, "&protocol=%s", protocol_name(key->protocol));
	if (*encoded)
		fprintf(out, "&host_ip=%s", encoded);
	if (fclose(out) == 0)
		return path;
	free(path);
	return NULL;
}

int publication_unpublish(const struct call *call)
{
	struct removal removal = {.call = call};
	struct port_spec keys[SPECS_MAX];
	struct error err;

	if (call->n_arguments > SPECS_MAX) {
		error_field(&err, "port", "at most %d ports at once", SPECS_MAX);
		return change_error(call, &err);
	}
	for (size_t i = 0; i < call->n_arguments; i++)
		if (parse_port_key(call->arguments[i], "port", &keys[i], &err) < 0)
			return change_error(call, &err);
	for (size_t i = 0; i < call->n_arguments; i++)
		removal_add(&removal, key_path(&keys[i]), call->arguments[i]);
	return removal_end(&removal);
}
