/*
 * Requests about namespaces. What is listed is the truth of /run/netns, joined with the model: who
 * made it, and what it is connected to. One that the model has, and /run/netns has not, shows up
 * too, with null for what only the kernel knows.
 */
#include "daemon/api/internal.h"

#include "daemon/kernel/look.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PID_LIMIT 4194304 /* PID_MAX_LIMIT of the kernel */

/* One namespace as both sides know it. */
struct known {
	const char *name;
	const struct look_netns *look; /* NULL: it is not there */
	const struct namespace *ns;    /* NULL: the model does not know it */
	unsigned processes;
};

static json_t *known_json(const struct known *known)
{
	bool created = known->ns && known->ns->origin == ORIGIN_CREATED &&
	               (!known->look || known->look->cookie == known->ns->cookie);
	uint64_t cookie = known->look ? known->look->cookie : 0;
	const struct namespace none = {0};
	char path[sizeof("/run/netns/") + NAME_SIZE], digits[24];
	json_t *object;

	snprintf(path, sizeof(path), "/run/netns/%s", known->name);
	snprintf(digits, sizeof(digits), "%" PRIu64, cookie);
	object = json_pack("{s:s, s:s, s:s, s:b, s:s?, s:o, s:s?, s:o, s:i, s:o}", "name",
	        known->name, "path", path, "origin", created ? "created" : "adopted", "attached",
	        known->ns && known->ns->origin == ORIGIN_ATTACHED, "source",
	        known->ns ? known->ns->source : NULL, "inode",
	        known->look ? json_integer((json_int_t)known->look->inode) : json_null(), "cookie",
	        cookie ? digits : NULL, "nsid",
	        known->look && known->look->nsid >= 0 ? json_integer(known->look->nsid)
	                                              : json_null(),
	        "processes", (int)known->processes, "endpoints", endpoints_json(known->ns));
	return settings_json(&namespace_settings, known->ns ? known->ns : &none, object);
}

/* One walk of /proc for all of them. */
static int count_processes(struct known *known, unsigned count, struct error *err)
{
	_cleanup_(freep) ino_t *inodes = calloc(count + 1, sizeof(*inodes));
	_cleanup_(freep) unsigned *counts = calloc(count + 1, sizeof(*counts));
	int r;

	if (!inodes || !counts)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++)
		inodes[i] = known[i].look ? known[i].look->inode : 0;
	r = look_processes(inodes, counts, count, err);
	for (unsigned i = 0; r == 0 && i < count; i++)
		known[i].processes = known[i].look ? counts[i] : 0;
	return r;
}

static int compare_looks(const void *a, const void *b)
{
	return strcmp(((const struct look_netns *)a)->name, ((const struct look_netns *)b)->name);
}

/* Joins two sorted lists. `known` has room for both. Returns how many there are. */
static unsigned join(const struct model *model, const struct look_netns *looks, unsigned count,
        struct known *known)
{
	char key[KEY_SIZE] = "";
	const struct namespace *ns = model_next(model, TABLE_NAMESPACES, key);
	unsigned n = 0, i = 0;

	while (ns || i < count) {
		int order = !ns ? -1 : i == count ? 1 : strcmp(looks[i].name, ns->name);

		known[n++] = (struct known){
		        .name = order <= 0 ? looks[i].name : ns->name,
		        .look = order <= 0 ? &looks[i] : NULL,
		        .ns = order >= 0 ? ns : NULL,
		};
		i += order <= 0;
		if (order >= 0)
			ns = model_next(model, TABLE_NAMESPACES, key);
	}
	return n;
}

int namespace_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	_cleanup_(freep) struct look_netns *looks = NULL;
	_cleanup_(freep) struct known *known = NULL;
	json_t *list;
	unsigned count = 0;
	int r = look_netns_all(engine_kernel(call->engine), &looks, &count, err);

	if (r < 0)
		return r;
	known = calloc(count + model_count(model, TABLE_NAMESPACES) + 1, sizeof(*known));
	if (!known)
		return error_memory(err);
	if (count)
		qsort(looks, count, sizeof(*looks), compare_looks);
	count = join(model, looks, count, known);
	r = count_processes(known, count, err);
	if (r < 0)
		return r;
	list = json_array();
	for (unsigned i = 0; i < count; i++)
		list = list_add(list, known_json(&known[i]));
	return list_answer("namespaces", list, ret, err);
}

static int add_interfaces(
        const struct call *call, const struct known *known, json_t *object, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	_cleanup_(freep) struct look_link *links = NULL;
	json_t *list;
	unsigned count = 0;
	int r = 0;

	if (known->look)
		r = look_links(engine_kernel(call->engine), known->name, &links, &count, err);
	if (r < 0)
		return r;
	list = json_array();
	for (unsigned i = 0; i < count; i++)
		list = list_add(list, json_string(links[i].name));
	r = answer_add(object, "interfaces", list, err);
	if (r == 0)
		r = answer_add(object, "moved", moved_json(model, known->name), err);
	return r == 0 ? answer_add(object, "links", links_json(model, known->name), err) : r;
}

static int not_found(const char *name, struct error *err)
{
	int r = error_field(err, "namespace",
	        "namespace %s: there is no such namespace (netd-ctl ns ls lists them)", name);

	err->code = ERROR_NOT_FOUND;
	return r;
}

int namespace_processes(const struct call *call, json_t **ret, struct error *err)
{
	_cleanup_(freep) struct look_process *processes = NULL;
	struct look_netns look;
	char name[NAME_SIZE];
	unsigned count = 0;
	json_t *list;
	int r = parse_netns(call->names[0], "namespace", name, err);

	if (r == 0)
		r = look_netns(engine_kernel(call->engine), name, &look, err);
	if (r == 0 && (!look.exists || look.stale))
		r = not_found(name, err);
	if (r == 0)
		r = look_process_list(look.inode, &processes, &count, err);
	if (r < 0)
		return r;
	list = json_array();
	for (unsigned i = 0; i < count; i++)
		list = list_add(list, json_pack("{s:i, s:s}", "pid", (int)processes[i].pid,
		                              "program", processes[i].program));
	return list_answer("processes", list, ret, err);
}

int namespace_inspect(const struct call *call, json_t **ret, struct error *err)
{
	struct look_netns look;
	struct known known;
	json_t *object;
	char name[NAME_SIZE];
	int r = parse_netns(call->names[0], "namespace", name, err);

	if (r == 0)
		r = look_netns(engine_kernel(call->engine), name, &look, err);
	if (r < 0)
		return r;
	known = (struct known){.name = name,
	        .look = look.exists && !look.stale ? &look : NULL,
	        .ns = model_namespace(engine_model(call->engine), name)};
	if (!known.look && !known.ns)
		return not_found(name, err);
	r = count_processes(&known, 1, err);
	if (r < 0)
		return r;
	object = known_json(&known);
	if (!object)
		return error_memory(err);
	r = add_interfaces(call, &known, object, err);
	if (r < 0) {
		json_decref(object);
		return r;
	}
	return list_answer("namespaces", list_add(json_array(), object), ret, err);
}

/* What a namespace that someone else made is found by. */
static int read_source(
        struct request *request, unsigned long pid, const char *path, struct error *err)
{
	if (pid && path)
		return error_field(
		        err, "path", "path: a process is given as well; give one of both");
	request->kind = REQUEST_NS_ATTACH;
	if (path)
		return parse_source_path(path, "path", request->source, err);
	snprintf(request->source, sizeof(request->source), "%lu", pid);
	return 0;
}

int namespace_create(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const char *name = json_read_string(&reader, "name");
	const char *path = json_read_string(&reader, "path");
	unsigned long pid = (unsigned long)json_read_number(&reader, "pid", 1, PID_LIMIT, 0);
	int r;

	request->kind = REQUEST_NS_CREATE;
	request->exist_ok = json_read_bool(&reader, "exist_ok");
	r = field_settings(&reader, &namespace_settings, &request->wanted_namespace, request, err);
	if (r == 0)
		r = json_reader_end(&reader);
	if (r == 0)
		r = field_name(name, "name", request->namespace, err);
	return r == 0 && (pid || path) ? read_source(request, pid, path, err) : r;
}

int namespace_set(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	char what[NAME_SIZE + 16];
	int r = parse_name(call->names[0], "namespace", request->namespace, err);

	request->kind = REQUEST_NS_SET;
	snprintf(what, sizeof(what), "namespace %s", request->namespace);
	if (r == 0)
		r = field_changes(&reader, &namespace_settings, what, &request->wanted_namespace,
		        request, err);
	return r == 0 ? json_reader_end(&reader) : r;
}

int namespace_prune(const struct call *call, struct request *request, struct error *err)
{
	request->kind = REQUEST_NS_PRUNE;
	return field_label_filter(call, request, err);
}

int namespace_remove(const struct call *call, struct request *request, struct error *err)
{
	int r = call_flag(call, "detach", &request->detach, err);

	request->kind = REQUEST_NS_REMOVE;
	return r < 0 ? r : parse_name(call->names[0], "namespace", request->namespace, err);
}

int namespace_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	struct known known = {.name = answer->namespace,
	        .ns = model_namespace(engine_model(call->engine), answer->namespace)};
	struct look_netns look;
	int r = look_netns(engine_kernel(call->engine), answer->namespace, &look, err);

	/* It is there, whether it can be looked at now or not. */
	known.look = r == 0 && look.exists && !look.stale ? &look : NULL;
	/* Nobody lives in a new one, and walking /proc takes longer than making it did. */
	if (answer->existed)
		count_processes(&known, 1, err);
	return answer_add(body, "namespace", known_json(&known), err);
}
