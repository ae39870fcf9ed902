/*
 * `netd-ctl ns ...`. Every namespace of /run/netns is listed, also those that netd did not make:
 * which is which stands under ORIGIN.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "lib/cleanup.h"

/* "my-net 10.200.1.2/24" of each endpoint, joined with ", ". */
static char *cell_attached(const json_t *object)
{
	json_auto_t *texts = json_array();
	const json_t *endpoint;
	size_t i;

	json_array_foreach (json_object_get(object, "endpoints"), i, endpoint) {
		_cleanup_(freep) char *addresses = endpoint_addresses(endpoint);

		if (!addresses || json_array_append_new(texts,
		                          json_sprintf("%s %s", field_text(endpoint, "network"),
		                                  addresses)) < 0)
			return NULL;
	}
	return texts ? cell_value(texts) : NULL;
}

static char *cell_endpoints(const json_t *object)
{
	return endpoint_lines(object, "network");
}

static const struct column table[] = {
        {"NAME", "name"},
        {"ORIGIN", "origin"},
        {"PROCESSES", "processes"},
        {"ENDPOINTS", NULL, cell_attached},
        {NULL},
};

static const struct column record[] = {
        {"NAME", "name"},
        {"PATH", "path"},
        {"ORIGIN", "origin"},
        {"INODE", "inode"},
        {"COOKIE", "cookie"},
        {"NSID", "nsid"},
        {"PROCESSES", "processes"},
        {"INTERFACES", "interfaces"},
        {"LABELS", "labels"},
        {"ENDPOINTS", NULL, cell_endpoints},
        {NULL},
};

const struct noun namespace_noun = {
        .path = "/v1/namespaces",
        .key = "namespaces",
        .table = table,
        .record = record,
};

static void say_created(const struct call *call, const json_t *answer)
{
	const json_t *object = json_object_get(answer, "namespace");

	if (call_has(call, OPTION_QUIET))
		output_line("%s", field_text(object, "name"));
	else
		output_line("%s: %s", field_text(object, "name"), field_text(object, "path"));
}

int namespace_create(const struct call *call)
{
	struct error err = {0};
	json_t *body = call_body(call, json_pack("{s:s}", "name", call->arguments[0]), &err);

	return change_send(call, "POST", namespace_noun.path, body, &err, say_created);
}
