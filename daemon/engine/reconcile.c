/*
 * The same motion for everything at once: what the model says, against what is there. A start, a
 * start after a reboot and a repair are all this; which one it is only shows in how much differs.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/nft.h"
#include "daemon/model/rules.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

/* Names of the namespaces to look into; borrowed from the model. */
static int namespace_names(
        const struct model *model, const char ***ret, size_t *count, struct error *err)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";

	*count = 0;
	*ret = calloc(model_count(model, TABLE_NAMESPACES) + 1, sizeof(**ret));
	if (!*ret)
		return error_memory(err);
	while ((ns = model_next(model, TABLE_NAMESPACES, key)))
		(*ret)[(*count)++] = ns->name;
	return 0;
}

/* --- what a start changes in the model --- */

static int grant(
        struct engine *engine, struct model *fork, const struct request *request, struct error *err)
{
	struct answer answer = {0};
	struct facts facts = {0};
	int r = facts_gather(engine, fork, request, &facts, err);

	if (r == 0)
		r = rules_apply(fork, request, &facts, &answer, err);
	facts_done(&facts);
	answer_done(&answer);
	return r;
}

/* Nothing of the kernel outlives a boot: neither what is condemned nor what holds it. */
static int settle_boot(struct engine *engine, struct model *fork, struct error *err)
{
	struct host host = *model_host(fork);
	char key[KEY_SIZE] = "";

	if (strcmp(host.boot_id, engine->boot_id) == 0)
		return 0;
	while (model_next(fork, TABLE_TOMBSTONES, key))
		if (model_remove(fork, TABLE_TOMBSTONES, key) < 0)
			return error_memory(err);
	memcpy(host.boot_id, engine->boot_id, sizeof(host.boot_id));
	return model_put_host(fork, &host) < 0 ? error_memory(err) : 0;
}

static int settle_default_network(struct engine *engine, struct model *fork, struct error *err)
{
	struct request create = {.kind = REQUEST_NETWORK_CREATE,
	        .network = NETWORK_DEFAULT,
	        .subnet_count = engine->default_subnet_count,
	        .ip4 = CHOICE_YES,
	        .ip6 = engine->default_ip6 ? CHOICE_YES : CHOICE_OPEN};
	int r;

	if (model_network(fork, NETWORK_DEFAULT))
		return 0;
	for (unsigned i = 0; i < create.subnet_count; i++)
		create.subnets[i].cidr = engine->default_subnets[i];
	r = grant(engine, fork, &create, err);
	return r < 0 ? error_context(err,
	                       "make network default (default-subnet and default-ipv6 of "
	                       "netd.conf say how)")
	             : 0;
}

static int release(
        struct engine *engine, struct model *fork, const struct namespace *ns, struct error *err)
{
	struct request request = {.kind = REQUEST_NS_RELEASE};

	memcpy(request.namespace, ns->name, NAME_SIZE);
	return grant(engine, fork, &request, err);
}

/* Whether netd made this one in this boot already: a start that was killed before it committed. */
static bool is_own(
        const struct engine *engine, const struct model *model, const struct look_netns *there)
{
	struct netns_record record;
	struct error ignored;

	return netns_record_read(engine->runtime_dir, there->name, &record, &ignored) == 1 &&
	       (engine->take_over || strcmp(record.instance, model_host(model)->instance) == 0) &&
	       strcmp(record.boot_id, engine->boot_id) == 0 && record.cookie == there->cookie;
}

/* A created namespace of an earlier boot, or of a backup: made again, or, where someone was faster,
 * theirs. */
static int bring_back(struct engine *engine, struct model *fork, const struct namespace *ns,
        const struct look_netns *there, struct error *err)
{
	struct namespace back = *ns;

	back.cookie = there->cookie;
	back.boot_id[0] = '\0';
	if (there->exists && !there->stale) {
		if (!is_own(engine, fork, there)) {
			back.origin = ORIGIN_ADOPTED;
			back.own_route = look_default_route(engine->kernel, ns->name, AF_INET);
			back.own_route6 = look_default_route(engine->kernel, ns->name, AF_INET6);
		}
		memcpy(back.boot_id, engine->boot_id, sizeof(back.boot_id));
	}
	return model_put_namespace(fork, &back) < 0 ? error_memory(err) : 0;
}

static int settle_namespace(struct engine *engine, struct model *fork,
        const struct look_netns *there, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, there->name);
	bool same_boot = strcmp(ns->boot_id, engine->boot_id) == 0;

	if (same_boot && there->exists && there->cookie == ns->cookie)
		return 0;
	if ((same_boot && !engine->take_over) || ns->origin != ORIGIN_CREATED) {
		engine_announce_released(engine, ns->name, RELEASE_REMOVED);
		return release(engine, fork, ns, err);
	}
	return bring_back(engine, fork, ns, there, err);
}

int engine_look_at_namespaces(struct engine *engine, const struct model *model,
        struct look_netns **ret, size_t *count, struct error *err)
{
	_cleanup_(freep) const char **names = NULL;
	int r = namespace_names(model, &names, count, err);

	return r < 0 ? r : look_netns_many(engine->kernel, names, *count, ret, err);
}

static int settle_namespaces(struct engine *engine, struct model *fork, struct error *err)
{
	_cleanup_(freep) struct look_netns *there = NULL;
	size_t count = 0;
	int r = engine_look_at_namespaces(engine, fork, &there, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = settle_namespace(engine, fork, &there[i], err);
	return r;
}

int engine_release_missing(
        struct engine *engine, struct model *fork, bool announce, struct error *err)
{
	_cleanup_(freep) struct look_netns *there = NULL;
	size_t count = 0;
	int r = engine_look_at_namespaces(engine, fork, &there, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct namespace *ns = model_namespace(fork, there[i].name);

		if (ns->cookie == 0 || strcmp(ns->boot_id, engine->boot_id) != 0 ||
		        (there[i].exists && there[i].cookie == ns->cookie))
			continue;
		r = release(engine, fork, ns, err);
		if (r == 0 && announce)
			engine_announce_released(engine, there[i].name, RELEASE_REMOVED);
	}
	return r;
}

int engine_settle(struct engine *engine, struct model *fork, struct error *err)
{
	struct request host = {0};
	int r = settle_boot(engine, fork, err);

	if (r == 0)
		r = settle_default_network(engine, fork, err);
	if (r == 0)
		r = settle_namespaces(engine, fork, err);
	if (r == 0)
		r = facts_host(engine, &host, err);
	if (r == 0)
		r = rules_apply(fork, &host, NULL, NULL, err);
	request_done(&host);
	return r;
}

/* --- making it so --- */

int engine_desired(
        struct engine *engine, const struct model *model, struct resources *ret, struct error *err)
{
	const char *instance = model_host(model)->instance;
	bool owned = kernel_owns_tables(engine->kernel);
	_cleanup_(freep) char *inet = nft_skeleton_fingerprint("inet netd", instance, owned);
	_cleanup_(freep) char *bridge = nft_skeleton_fingerprint("bridge netd", instance, owned);
	int r = inet && bridge ? render_base(inet, bridge, owned, ret, err) : error_memory(err);

	if (r == 0)
		r = render_all(model, ret, err);
	resources_sort(ret);
	return r;
}

static bool is_foreign(const struct resource *resource, bool take_over)
{
	if (resource->kind == RESOURCE_NETNS)
		return resource->netns.adopted;
	if (resource->kind == RESOURCE_ROUTE) /* there is one default route, and it is netd's */
		return resource->route.destination.prefix > 0 && !resource->route.table &&
		       !resource->route.marked;
	return resource->kind == RESOURCE_ADDRESS && !take_over;
}

void engine_leave_foreign(struct resources *there, const struct resources *wanted, bool take_over)
{
	size_t kept = 0;

	for (size_t i = 0; i < there->count; i++) {
		struct resource *resource = &there->items[i];

		if (is_foreign(resource, take_over) && !resources_find(wanted, resource))
			free(resource->text);
		else
			there->items[kept++] = *resource;
	}
	there->count = kept;
}

static void log_steps(const struct steps *steps, const char *motion)
{
	char text[RESOURCE_NAME_SIZE + 256];

	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->items[i];
		const struct resource *one = step->new ? step->new : step->old;

		if (one->kind == RESOURCE_HOLD)
			continue; /* of this process, not of the host */
		if (step_is_claim(step) && step->done) {
			log_info("%s is netd's again", resource_describe(one, text, sizeof(text)));
			continue;
		}
		log_info("%s: %s %s%s", motion,
		        !step->old   ? "make"
		        : !step->new ? "remove"
		                     : "change",
		        resource_describe(one, text, sizeof(text)),
		        step->done ? "" : " (not done)");
	}
}

static int repair(struct engine *engine, const struct resources *there,
        const struct resources *wanted, struct error *err)
{
	_cleanup_(plan_done) struct plan plan = {0};
	struct error final_err = {0};
	const char *motion = engine->take_over ? "take-over" : "repair";
	int r = plan_difference(there, wanted, &plan, err), final;

	if (r < 0)
		return r;
	/* Orphans first: one may have the name that another interface is to get in a namespace. */
	final = kernel_apply_all(engine->kernel, &plan.final, &final_err);
	r = kernel_apply_all(engine->kernel, &plan.reversible, err);
	log_steps(&plan.final, motion);
	log_steps(&plan.reversible, motion);
	if (r == 0 && final < 0) {
		*err = final_err;
		r = final;
	}
	return r;
}

/* Behind the model's namespaces all others of /run/netns: a change that was not committed may have
 * made a link there. The names are borrowed from *there. */
static int add_foreign_names(struct engine *engine, const struct model *model, const char ***names,
        struct look_netns **there, struct kernel_look *look, struct error *err)
{
	unsigned count = 0;
	int r = look_netns_names(engine->kernel, there, &count, err);
	const char **longer;

	if (r < 0)
		return r;
	longer = reallocarray(*names, look->namespace_count + count + 1, sizeof(*longer));
	if (!longer)
		return error_memory(err);
	*names = longer;
	for (unsigned i = 0; i < count; i++)
		if (!model_namespace(model, (*there)[i].name))
			longer[look->namespace_count + look->foreign_count++] = (*there)[i].name;
	return 0;
}

int engine_reconcile(struct engine *engine, const struct model *model, struct error *err)
{
	_cleanup_(resources_done) struct resources there = {0}, wanted = {0};
	_cleanup_(freep) struct look_netns *foreign = NULL;
	_cleanup_(freep) const char **names = NULL;
	struct kernel_look look = {
	        .scope = engine->take_over ? SCOPE_ALL : SCOPE_INSTANCE, .kinds = KERNEL_LOOK_ALL};
	int r = namespace_names(model, &names, &look.namespace_count, err);

	kernel_tidy(engine->kernel);
	if (r == 0)
		r = add_foreign_names(engine, model, &names, &foreign, &look, err);
	look.namespaces = names;
	if (r == 0)
		r = kernel_observe(engine->kernel, &look, &there, err);
	if (r == 0)
		r = engine_desired(engine, model, &wanted, err);
	if (r < 0)
		return r;
	engine_recognise(&there, &wanted);
	engine_leave_foreign(&there, &wanted, engine->take_over);
	r = repair(engine, &there, &wanted, err);
	if (r == 0)
		r = engine_hold_back(engine, model, err);
	if (r == 0)
		engine->take_over = false;
	return r;
}
