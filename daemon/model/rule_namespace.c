/*
 * Namespaces: created by netd, or adopted (someone else made them, netd only connects them). What
 * is adopted is never deleted; a symlink in the directory is the one thing of it that netd takes
 * away, and then only the link.
 */
#include "daemon/model/rules.h"

#include "daemon/model/ns_link.h"

#include <stdio.h>
#include <string.h>

int tombstone_add(struct model *fork, struct tombstone *tombstone, struct error *err)
{
	if (model_new_id(fork, tombstone->id) < 0 || model_put_tombstone(fork, tombstone) < 0)
		return error_memory(err);
	return 0;
}

int tombstone_add_each(struct model *fork, const struct endpoint *endpoint,
        const struct tombstone *flows, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++) {
		struct tombstone one = *flows;

		one.ip = endpoint->addresses[i].ip;
		r = tombstone_add(fork, &one, err);
	}
	return r;
}

void namespace_adopt(struct namespace *ns, const char *name, const struct facts *facts)
{
	*ns = (struct namespace){.origin = ORIGIN_ADOPTED,
	        .cookie = facts->ns_cookie,
	        .own_route = facts->ns_default_route,
	        .own_route6 = facts->ns_default_route6};
	snprintf(ns->name, sizeof(ns->name), "%s", name);
	memcpy(ns->boot_id, facts->boot_id, sizeof(ns->boot_id));
}

int namespace_check_condemned(const struct model *model, const char *name, struct error *err)
{
	const struct tombstone *tombstone;
	char key[KEY_SIZE] = "";

	while ((tombstone = model_next(model, TABLE_TOMBSTONES, key)))
		if (tombstone->kind == TOMBSTONE_NETNS && strcmp(tombstone->name, name) == 0)
			return error_set(err, ERROR_REFUSED, 0,
			        "namespace %s: the last one of this name is removed but still held "
			        "by someone; try again, or choose another name",
			        name);
	return 0;
}

int namespace_check_alias(const struct model *model, const char *boot_id, uint64_t cookie,
        const char *name, struct error *err)
{
	const char *known;
	char key[KEY_SIZE];

	model_cookie_key(key, boot_id, cookie);
	known = model_owner(model, TABLE_COOKIES, key);
	if (!known || strcmp(known, name) == 0)
		return 0;
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s: netd knows the same namespace as %s; use that name", name, known);
}

static int check_count(const struct model *model, const char *name, struct error *err)
{
	if (model_count(model, TABLE_NAMESPACES) < MODEL_NAMESPACES_MAX)
		return 0;
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s: there are %u namespaces, the most netd keeps", name,
	        MODEL_NAMESPACES_MAX);
}

/* A file that is in the way of the name. */
static int check_link(const struct request *request, const struct facts *facts, struct error *err)
{
	if (!facts->ns_stale || !facts->ns_symlink)
		return 0;
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s: there is a symbolic link of this name that leads nowhere; remove it "
	        "with 'netd-ctl ns rm %s'",
	        request->namespace, request->namespace);
}

/* For --exist-ok one that netd does not know, yet, will do where nothing is to be set. */
static int compare_existing(const struct model *model, const struct request *request,
        struct answer *answer, struct error *err)
{
	const struct namespace *ns = model_namespace(model, request->namespace);
	const struct namespace none = {0};
	char what[NAME_SIZE + 16], inspect[NAME_SIZE + 24];

	answer->existed = true;
	snprintf(what, sizeof(what), "namespace %s", request->namespace);
	snprintf(inspect, sizeof(inspect), "netd-ctl ns inspect %s", request->namespace);
	if (request->exist_ok)
		return settings_compare(&namespace_settings, &request->wanted_namespace,
		        ns ? ns : &none, what, inspect, err);
	return error_set(err, ERROR_EXISTS, 0,
	        "namespace %s exists already (netd-ctl ns inspect %s shows it)", request->namespace,
	        request->namespace);
}

/* With its name and settings. */
static int put_new(
        struct model *fork, const struct request *request, struct namespace *ns, struct error *err)
{
	int r = settings_copy(&namespace_settings, request->given, &request->wanted_namespace, ns);

	memcpy(ns->name, request->namespace, NAME_SIZE);
	if (r == 0)
		r = model_put_namespace(fork, ns);
	settings_free(&namespace_settings, ns);
	return r < 0 ? error_memory(err) : 0;
}

int rule_ns_create(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	struct namespace ns = {.origin = ORIGIN_CREATED};
	bool known = model_namespace(fork, request->namespace) != NULL;
	int r = known ? 0 : namespace_check_condemned(fork, request->namespace, err);

	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	if (r < 0)
		return r;
	if (known || facts->ns_exists)
		return compare_existing(fork, request, answer, err);
	r = check_link(request, facts, err);
	if (r == 0)
		r = check_count(fork, request->namespace, err);
	if (r < 0)
		return r;
	return put_new(fork, request, &ns, err);
}

int rule_ns_attach(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct namespace *known = model_namespace(fork, request->namespace);
	struct namespace ns = {.origin = ORIGIN_ATTACHED,
	        .cookie = facts->source_cookie,
	        .source = (char *)request->source};
	int r = known ? 0 : namespace_check_condemned(fork, request->namespace, err);

	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	if (r < 0)
		return r;
	if (known || facts->ns_exists) {
		bool same = facts->ns_exists && facts->ns_cookie == facts->source_cookie;

		if (same || !request->exist_ok)
			return compare_existing(fork, request, answer, err);
		return error_set(err, ERROR_EXISTS, 0,
		        "namespace %s exists already, and is another one (netd-ctl ns inspect %s "
		        "shows it)",
		        request->namespace, request->namespace);
	}
	r = check_link(request, facts, err);
	if (r == 0)
		r = namespace_check_alias(
		        fork, facts->boot_id, facts->source_cookie, request->namespace, err);
	if (r == 0)
		r = check_count(fork, request->namespace, err);
	if (r < 0)
		return r;
	memcpy(ns.boot_id, facts->boot_id, sizeof(ns.boot_id));
	return put_new(fork, request, &ns, err);
}

int rule_ns_set(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct namespace *before = model_namespace(fork, request->namespace);
	struct namespace ns;
	int r;

	if (!before)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s: netd has nothing to do with a namespace of this name; "
		        "create "
		        "it with 'netd-ctl ns create %s', or connect or attach it first",
		        request->namespace, request->namespace);
	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	ns = *before;
	r = settings_own(&namespace_settings, &ns);
	if (r == 0)
		r = settings_copy(
		        &namespace_settings, request->given, &request->wanted_namespace, &ns);
	if (r == 0)
		r = model_put_namespace(fork, &ns);
	settings_free(&namespace_settings, &ns);
	return r < 0 ? error_memory(err) : 0;
}

int namespace_to_connect(struct model *fork, const char *name, bool existing,
        const struct facts *facts, bool *created, struct namespace *ret, struct error *err)
{
	const struct namespace *known = model_namespace(fork, name);
	struct request create = {.kind = REQUEST_NS_CREATE};
	struct answer ignored = {0};
	int r;

	if (known && known->cookie && facts->ns_exists && facts->ns_cookie != known->cookie)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s: the one that netd knows was removed by someone, and "
		        "another has its name; netd is letting go of it, try again",
		        name);
	if (known) {
		*ret = *known;
		if (known->origin == ORIGIN_ATTACHED && known->endpoint_count == 0) {
			ret->own_route = facts->ns_default_route;
			ret->own_route6 = facts->ns_default_route6;
		}
		return 0;
	}
	r = namespace_check_condemned(fork, name, err);
	if (r < 0)
		return r;
	if (facts->ns_exists && facts->ns_is_host)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s is the host's own; it is other namespaces that netd connects",
		        name);
	if (facts->ns_exists) {
		r = namespace_check_alias(fork, facts->boot_id, facts->ns_cookie, name, err);
		if (r < 0)
			return r;
		namespace_adopt(ret, name, facts);
		return 0;
	}
	if (existing)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s: there is no such namespace; create it with 'netd-ctl ns "
		        "create %s', or "
		        "leave --existing away",
		        name, name);
	memcpy(create.namespace, name, NAME_SIZE);
	r = rule_ns_create(fork, &create, facts, &ignored, err);
	if (r < 0)
		return r;
	*created = true;
	*ret = *model_namespace(fork, name);
	return 0;
}

static bool ifname_taken(const struct model *model, const struct namespace *ns,
        const struct facts *facts, const char *ifname)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned end;

	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (strcmp(ns->endpoints[i].ifname, ifname) == 0)
			return true;
	while ((link = namespace_next_link(model, ns->name, key, &end)))
		if (strcmp(link->ends[end].ifname, ifname) == 0)
			return true;
	for (unsigned i = 0; i < facts->ns_link_count; i++)
		if (strcmp(facts->ns_links[i], ifname) == 0)
			return true;
	return strcmp(ifname, "lo") == 0;
}

int namespace_choose_ifname(const struct model *model, const struct namespace *ns,
        const struct facts *facts, const char *wanted, char ret[IFNAMSIZ], struct error *err)
{
	if (wanted) {
		memcpy(ret, wanted, IFNAMSIZ);
		if (!ifname_taken(model, ns, facts, wanted))
			return 0;
		return error_set(err, ERROR_EXISTS, 0,
		        "interface %s: namespace %s has an interface of this name; choose another",
		        wanted, ns->name);
	}
	for (unsigned i = 0;; i++) {
		snprintf(ret, IFNAMSIZ, "eth%u", i);
		if (!ifname_taken(model, ns, facts, ret))
			return 0;
	}
}

/* Condemns every endpoint of this namespace. */
static int remove_endpoints(
        struct model *fork, const char *name, struct answer *answer, struct error *err)
{
	const struct namespace *ns;
	char network[NAME_SIZE];
	int r = 0;

	while (r == 0 && (ns = model_namespace(fork, name)) && ns->endpoint_count) {
		memcpy(network, ns->endpoints[0].network, sizeof(network));
		r = endpoint_condemn(fork, name, network, err);
		if (r == 0 && answer &&
		        answer_removed(answer, "endpoint %s on %s", name, network) < 0)
			r = error_memory(err);
	}
	return r;
}

static int remove_publications(
        struct model *fork, const char *name, struct answer *answer, struct error *err)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "", id[ID_SIZE], text[256];
	const struct reference *reference;

	snprintf(prefix, sizeof(prefix), "%s/", name);
	while ((reference = model_next_in(fork, TABLE_NS_PORTS, prefix, key))) {
		const struct publication *publication = model_publication(fork, reference->owner);

		memcpy(id, publication->id, sizeof(id));
		publication_format(fork, publication, text, sizeof(text));
		if (model_remove(fork, TABLE_PUBLICATIONS, id) < 0 ||
		        answer_removed(answer, "publication %s", text) < 0)
			return error_memory(err);
	}
	return 0;
}

static int condemn(struct model *fork, const char *name, enum namespace_origin origin,
        uint64_t cookie, struct error *err)
{
	struct tombstone tombstone = {.kind = TOMBSTONE_NETNS, .origin = origin, .cookie = cookie};

	snprintf(tombstone.name, sizeof(tombstone.name), "%s", name);
	return tombstone_add(fork, &tombstone, err);
}

/* What the kernel is to lose: the namespace, or only a name of it. */
static int condemn_namespace(struct model *fork, const char *name, enum namespace_origin origin,
        uint64_t cookie, struct answer *answer, struct error *err)
{
	static const char *const what[] = {
	        [ORIGIN_CREATED] = "namespace",
	        [ORIGIN_ADOPTED] = "link to namespace",
	        [ORIGIN_ATTACHED] = "name of namespace",
	};

	if (answer_removed(answer, "%s %s", what[origin], name) < 0)
		return error_memory(err);
	return condemn(fork, name, origin, cookie, err);
}

static int refuse_removal(const struct request *request, enum namespace_origin origin,
        const struct facts *facts, struct error *err)
{
	const char *name = request->namespace;

	if (request->detach && origin == ORIGIN_CREATED)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s was created by netd; 'netd-ctl ns rm %s' removes it", name,
		        name);
	if (origin == ORIGIN_ADOPTED && !facts->ns_symlink && !request->detach)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s was not created by netd, so netd does not delete it; 'ip "
		        "netns del %s' does, and netd then lets go of it",
		        name, name);
	if (origin != ORIGIN_CREATED || !facts->ns_processes || request->force)
		return 0;
	return error_set(err, ERROR_REFUSED, 0,
	        "namespace %s: %u process%s in it: %s ('netd-ctl ns pids %s' lists them); end them "
	        "first, or remove it all the same with -f",
	        name, facts->ns_processes, facts->ns_processes == 1 ? " runs" : "es run",
	        facts->ns_inside, name);
}

int rule_ns_remove(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, request->namespace);
	enum namespace_origin origin = ns ? ns->origin : ORIGIN_ADOPTED;
	uint64_t cookie = ns ? ns->cookie : facts->ns_cookie;
	struct allowed gone = {0};
	int r;

	if (!ns && (request->detach || !facts->ns_exists) && !facts->ns_symlink)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        facts->ns_exists
		                ? "namespace %s: netd has nothing to do with it"
		                : "namespace %s: there is no such namespace (netd-ctl ns ls lists "
		                  "them)",
		        request->namespace);
	r = refuse_removal(request, origin, facts, err);
	memcpy(gone.namespace, request->namespace, NAME_SIZE);
	if (r == 0)
		r = policy_forget(fork, &gone, answer, err);
	if (r == 0)
		r = remove_publications(fork, request->namespace, answer, err);
	if (r == 0)
		r = remove_endpoints(fork, request->namespace, answer, err);
	if (r == 0)
		r = namespace_unlink(fork, request->namespace, answer, err);
	if (r == 0)
		r = namespace_bring_back(fork, request->namespace, answer, err);
	if (r == 0 && (leases_drop_namespace(fork, request->namespace) < 0 ||
	                      model_remove(fork, TABLE_NAMESPACES, request->namespace) < 0))
		r = error_memory(err);
	/* Another's name, which is no link, stays. */
	if (r < 0 || (origin == ORIGIN_ADOPTED && !facts->ns_symlink))
		return r;
	return condemn_namespace(fork, request->namespace, origin, cookie, answer, err);
}

static bool has_publications(const struct model *model, const char *name)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";

	snprintf(prefix, sizeof(prefix), "%s/", name);
	return model_next_in(model, TABLE_NS_PORTS, prefix, key) != NULL;
}

int rule_ns_prune(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	int r = 0;

	/* What was idle may be in use by now, for an earlier request of the same batch. */
	for (unsigned i = 0; r == 0 && i < facts->idle_count; i++) {
		const struct namespace *ns = model_namespace(fork, facts->idle[i]);

		if (!ns || ns->origin != ORIGIN_CREATED || !namespace_is_idle(fork, ns) ||
		        has_publications(fork, ns->name) ||
		        !labels_match(ns->labels, request->label_filter))
			continue;
		r = condemn_namespace(
		        fork, facts->idle[i], ORIGIN_CREATED, ns->cookie, answer, err);
		if (r == 0 && (leases_drop_namespace(fork, facts->idle[i]) < 0 ||
		                      model_remove(fork, TABLE_NAMESPACES, facts->idle[i]) < 0))
			r = error_memory(err);
	}
	return r;
}

/* Of one that netd named there is still the record, and perhaps the name. Not after a reboot, when
 * its cookie may be another one's. */
int rule_ns_release(struct model *fork, const struct request *request, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, request->namespace);
	enum namespace_origin origin = ns ? ns->origin : ORIGIN_ADOPTED;
	bool current = ns && strcmp(ns->boot_id, model_host(fork)->boot_id) == 0;
	uint64_t cookie = ns ? ns->cookie : 0;
	int r = remove_endpoints(fork, request->namespace, NULL, err);

	if (r == 0)
		r = namespace_unlink(fork, request->namespace, NULL, err);
	if (r == 0)
		r = namespace_bring_back(fork, request->namespace, NULL, err);
	if (r == 0 && model_remove(fork, TABLE_NAMESPACES, request->namespace) < 0)
		r = error_memory(err);
	return r == 0 && origin != ORIGIN_ADOPTED && current
	               ? condemn(fork, request->namespace, origin, cookie, err)
	               : r;
}
