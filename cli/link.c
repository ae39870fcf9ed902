/*
 * `netd-ctl ns link`, `ns unlink`, `ns set-link` and `ns links`: direct links between namespaces.
 * An end is written NS or NS:IFNAME everywhere, and so `ns links -q` prints what `ns unlink` takes.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"
#include "lib/client.h"
#include "lib/parse.h"

#include <string.h>

/* --- how it looks --- */

static const json_t *end_of(const json_t *link, size_t number)
{
	return json_array_get(json_object_get(link, "ends"), number);
}

/* "a:eth0" */
static char *end_word(const json_t *end)
{
	char *text = NULL;

	return asprintf(&text, "%s:%s", field_text(end, "namespace"),
	               field_text(end, "interface")) < 0
	               ? NULL
	               : text;
}

static char *cell_first(const json_t *link)
{
	return end_word(end_of(link, 0));
}

static char *cell_second(const json_t *link)
{
	return end_word(end_of(link, 1));
}

static char *cell_first_addresses(const json_t *link)
{
	return endpoint_addresses(end_of(link, 0));
}

static char *cell_second_addresses(const json_t *link)
{
	return endpoint_addresses(end_of(link, 1));
}

static char *link_words(const json_t *link)
{
	_cleanup_(freep) char *first = cell_first(link), *second = cell_second(link);
	char *text = NULL;

	return !first || !second || asprintf(&text, "%s %s", first, second) < 0 ? NULL : text;
}

static const struct column table[] = {
        {"END", NULL, cell_first},
        {"ADDRESSES", NULL, cell_first_addresses},
        {"END", NULL, cell_second},
        {"ADDRESSES", NULL, cell_second_addresses},
        {"MTU", "mtu"},
        {NULL},
};

static const struct filter filters[] = {
        {"id", "id"},
        {"namespace", "ends.namespace"},
        {"interface", "ends.interface"},
        {"label", "labels"},
        {NULL},
};

const struct noun link_noun = {
        .path = "/v1/links",
        .key = "links",
        .table = table,
        .name = link_words,
        .filters = filters,
};

char *link_lines(const json_t *ns)
{
	const char *name = field_text(ns, "name");
	const json_t *link;
	char *text = NULL;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	json_array_foreach (json_object_get(ns, "links"), i, link) {
		size_t here = strcmp(field_text(end_of(link, 0), "namespace"), name) != 0;
		const json_t *end = end_of(link, here);
		_cleanup_(freep) char *other = end_word(end_of(link, 1 - here));
		_cleanup_(freep) char *addresses = endpoint_addresses(end);

		fprintf(out, "%s: %s %s, mac %s\n", other ? other : "?",
		        field_text(end, "interface"), addresses ? addresses : "?",
		        field_text(end, "mac"));
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

/* --- what is written --- */

struct end {
	char namespace[NAME_SIZE];
	char ifname[IFNAMSIZ]; /* "": not said */
};

static int parse_end(const char *word, struct end *ret, struct error *err)
{
	const char *colon = strchr(word, ':');
	char name[NAME_SIZE];
	size_t length = colon ? (size_t)(colon - word) : strlen(word);
	int r;

	*ret = (struct end){0};
	snprintf(name, sizeof(name), "%.*s", (int)length, word);
	r = parse_name(length < NAME_SIZE ? name : word, "namespace", ret->namespace, err);
	return r == 0 && colon ? parse_ifname(colon + 1, "interface", ret->ifname, err) : r;
}

static int parse_ends(const struct call *call, struct end ret[2], struct error *err)
{
	int r = parse_end(call->arguments[0], &ret[0], err);

	return r == 0 ? parse_end(call->arguments[1], &ret[1], err) : r;
}

/* All values of an option; NULL where memory is out. */
static json_t *values_of(const struct call *call, enum option_id option)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < call->n_uses; i++)
		if (call->uses[i].id == option &&
		        json_array_append_new(list, json_string(call->uses[i].value)) < 0) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static json_t *end_body(
        const struct call *call, const struct end *end, enum option_id ip, enum option_id mac)
{
	return json_pack("{s:s, s:s*, s:s*, s:o}", "namespace", end->namespace, "interface",
	        end->ifname[0] ? end->ifname : NULL, "mac", call->options[mac], "addresses",
	        values_of(call, ip));
}

static void say_linked(const struct call *call, const json_t *answer)
{
	const json_t *link = json_object_get(answer, "link"), *created;
	_cleanup_(freep) char *words = link_words(link);
	_cleanup_(freep) char *first = cell_first_addresses(link);
	_cleanup_(freep) char *second = cell_second_addresses(link);
	size_t i;

	if (!words || !first || !second) {
		output_memory();
		return;
	}
	if (call_has(call, OPTION_QUIET)) {
		output_line("%s", words);
		return;
	}
	json_array_foreach (json_object_get(answer, "created_namespaces"), i, created)
		output_line("created namespace %s (undo: netd-ctl ns rm %s)",
		        json_string_value(created), json_string_value(created));
	output_line("%s: %s, %s (undo: netd-ctl ns unlink %s)", words, first, second, words);
}

int link_create(const struct call *call)
{
	struct error err = {0};
	struct end ends[2];
	json_t *body = NULL;

	if (parse_ends(call, ends, &err) == 0)
		body = call_body(call,
		        json_pack("{s:[o, o]}", "ends",
		                end_body(call, &ends[0], OPTION_IP, OPTION_MAC),
		                end_body(call, &ends[1], OPTION_PEER_IP, OPTION_PEER_MAC)),
		        &err);
	if (body)
		json_object_del(body, "mac"); /* it is the first end's */
	return change_send(call, "POST", link_noun.path, body, &err, say_linked);
}

/* --- one that is there --- */

/* The path that names a link by its ends. Allocated; NULL where memory is out. */
static char *ends_path(const struct end ends[2])
{
	static const char *const names[2][2] = {
	        {"namespace", "interface"}, {"peer", "peer_interface"}};
	char *path = NULL;
	size_t size;
	FILE *out = open_memstream(&path, &size);

	if (!out)
		return NULL;
	fputs(link_noun.path, out);
	for (int i = 0; i < 2; i++) {
		_cleanup_(freep) char *ifname = client_encode(ends[i].ifname);

		fprintf(out, "%c%s=%s", i ? '&' : '?', names[i][0], ends[i].namespace);
		if (ends[i].ifname[0])
			fprintf(out, "&%s=%s", names[i][1], ifname ? ifname : "?");
	}
	if (fclose(out) == 0)
		return path;
	free(path);
	return NULL;
}

static void say_set(const struct call *call, const json_t *answer)
{
	_cleanup_(freep) char *words = link_words(json_object_get(answer, "link"));

	if (words)
		output_line("%s", words);
	else
		output_memory();
}

int link_set(const struct call *call)
{
	_cleanup_(freep) char *path = NULL;
	struct error err = {0};
	struct end ends[2];

	if (parse_ends(call, ends, &err) < 0)
		return change_error(call, &err);
	path = ends_path(ends);
	return change_assignments(call, path, say_set);
}

int link_remove(const struct call *call)
{
	struct removal removal = {.call = call};
	_cleanup_(freep) char *words = NULL;
	struct error err = {0};
	struct end ends[2];

	if (parse_ends(call, ends, &err) < 0)
		return change_error(call, &err);
	if (asprintf(&words, "%s %s", call->arguments[0], call->arguments[1]) < 0)
		words = NULL;
	removal_add(&removal, words ? ends_path(ends) : NULL, words);
	return removal_end(&removal);
}
