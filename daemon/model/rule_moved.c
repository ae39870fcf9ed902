/*
 * Interfaces of the host that are moved into a namespace, and back. What would cut the host, or who
 * asks, off the network is done by force only.
 */
#include "daemon/model/rules.h"

#include "daemon/model/ns_link.h"

#include <stdio.h>
#include <string.h>

bool namespace_has_moved(const struct model *model, const char *name)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";

	snprintf(prefix, sizeof(prefix), "%s/", name);
	return model_next_in(model, TABLE_MOVED_IN, prefix, key) != NULL;
}

static int refuse(const char *ifname, const char *why, struct error *err)
{
	return error_set(err, ERROR_REFUSED, 0, "interface %s %s", ifname, why);
}

/* What no force helps against. */
static int check_kind(const struct request *request, const struct facts *facts, struct error *err)
{
	const struct moving *moving = &facts->moving;

	if (!moving->name[0])
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "interface %s: this host has no such interface (ip link lists them)",
		        request->interface);
	if (strcmp(moving->name, request->interface) != 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "%s is another name of interface %s: say that one", request->interface,
		        moving->name);
	if (moving->loopback)
		return refuse(request->interface, "is the host's loopback: it stays", err);
	if (moving->ours)
		return refuse(request->interface,
		        "is netd's own; 'netd-ctl connect' gives a namespace one", err);
	return 0;
}

static int check_harm(const struct request *request, const struct facts *facts, struct error *err)
{
	const struct moving *moving = &facts->moving;
	char why[256];

	if (request->force)
		return 0;
	if (moving->has_caller)
		return refuse(request->interface,
		        "carries your own connection to this host; -f moves it all the same", err);
	if (moving->default_route)
		return refuse(request->interface,
		        "carries a default route of this host; -f moves it all the same", err);
	if (!moving->master[0])
		return 0;
	snprintf(why, sizeof(why),
	        "belongs to %s; -f takes it out of that, and puts it back when it returns",
	        moving->master);
	return refuse(request->interface, why, err);
}

static int check_inside(const struct request *request, const struct facts *facts, struct error *err)
{
	if (!facts->moving.name_taken)
		return 0;
	return error_set(err, ERROR_EXISTS, 0,
	        "namespace %s has an interface %s already; give another name with --name",
	        request->namespace, request_name_inside(request));
}

/* The namespace that it goes to: known, or adopted now. */
static int find_namespace(struct model *fork, const struct request *request,
        const struct facts *facts, struct error *err)
{
	const struct namespace *known = model_namespace(fork, request->namespace);
	struct namespace ns;
	int r;

	if (!facts->ns_exists || (known && known->cookie && known->cookie != facts->ns_cookie))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s: there is no such namespace; create it with 'netd-ctl ns "
		        "create %s'",
		        request->namespace, request->namespace);
	if (known)
		return 0;
	if (facts->ns_is_host)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s is the host's own: the interface is there",
		        request->namespace);
	r = namespace_check_condemned(fork, request->namespace, err);
	if (r == 0)
		r = namespace_check_alias(
		        fork, facts->boot_id, facts->ns_cookie, request->namespace, err);
	if (r < 0)
		return r;
	namespace_adopt(&ns, request->namespace, facts);
	return model_put_namespace(fork, &ns) < 0 ? error_memory(err) : 0;
}

int rule_move_in(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct moved *away = model_object(fork, TABLE_MOVED, request->interface);
	struct moved moved = {
	        .index = facts->moving.new_index, .belongings = facts->moving.belongings};
	int r;

	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	memcpy(answer->interface, request->interface, IFNAMSIZ);
	if (away)
		return error_set(err, ERROR_EXISTS, 0,
		        "interface %s is in namespace %s already ('netd-ctl ns move-out %s %s' "
		        "brings it back)",
		        request->interface, away->namespace, away->namespace, request->interface);
	r = check_kind(request, facts, err);
	if (r == 0)
		r = check_harm(request, facts, err);
	if (r == 0)
		r = find_namespace(fork, request, facts, err);
	if (r == 0)
		r = check_inside(request, facts, err);
	if (r < 0)
		return r;
	memcpy(moved.name, request->interface, IFNAMSIZ);
	memcpy(moved.namespace, request->namespace, NAME_SIZE);
	snprintf(moved.inside, IFNAMSIZ, "%s", request_name_inside(request));
	/* Its switches are set back before it goes. */
	return model_remove(fork, TABLE_INTERFACES, moved.name) < 0 ||
	                       model_put_moved(fork, &moved) < 0
	               ? error_memory(err)
	               : 0;
}

bool namespace_is_idle(const struct model *model, const struct namespace *ns)
{
	return ns->endpoint_count == 0 && !namespace_has_moved(model, ns->name) &&
	       !namespace_has_links(model, ns->name);
}

int namespace_forget_idle(struct model *fork, const char *name, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, name);

	if (!ns || ns->origin != ORIGIN_ADOPTED || !namespace_is_idle(fork, ns))
		return 0;
	return model_remove(fork, TABLE_NAMESPACES, name) < 0 ? error_memory(err) : 0;
}

static int bring_back(
        struct model *fork, const struct moved *moved, struct answer *answer, struct error *err)
{
	char name[IFNAMSIZ], ns[NAME_SIZE];

	memcpy(name, moved->name, sizeof(name));
	memcpy(ns, moved->namespace, sizeof(ns));
	if (model_remove(fork, TABLE_MOVED, name) < 0 ||
	        (answer && answer_removed(answer, "interface %s from namespace %s", name, ns) < 0))
		return error_memory(err);
	return 0;
}

int namespace_bring_back(
        struct model *fork, const char *name, struct answer *answer, struct error *err)
{
	char prefix[NAME_SIZE + 2];
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", name);
	while (r == 0) {
		char key[KEY_SIZE] = "";
		const struct reference *moved = model_next_in(fork, TABLE_MOVED_IN, prefix, key);

		if (!moved)
			return 0;
		r = bring_back(fork, model_object(fork, TABLE_MOVED, moved->owner), answer, err);
	}
	return r;
}

/* By its name on the host, or else by the one it got in the namespace. */
static const struct moved *find(const struct model *model, const char *ns, const char *ifname)
{
	const struct moved *moved = model_object(model, TABLE_MOVED, ifname);
	const struct reference *reference;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";

	if (moved && strcmp(moved->namespace, ns) == 0)
		return moved;
	snprintf(prefix, sizeof(prefix), "%s/", ns);
	while ((reference = model_next_in(model, TABLE_MOVED_IN, prefix, key))) {
		moved = model_object(model, TABLE_MOVED, reference->owner);
		if (strcmp(moved->inside, ifname) == 0)
			return moved;
	}
	return NULL;
}

int rule_move_out(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct moved *moved = find(fork, request->namespace, request->interface);
	int r;

	if (!moved)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "interface %s was not moved into namespace %s (netd-ctl ns inspect %s "
		        "shows which were)",
		        request->interface, request->namespace, request->namespace);
	r = bring_back(fork, moved, answer, err);
	return r == 0 ? namespace_forget_idle(fork, request->namespace, err) : r;
}
