/*
 * What kinds of resources share while the kernel is observed: the host's interfaces, and what is
 * inside each namespace.
 *
 * The invariant: each namespace is entered once, and all that any kind wants to know of it is asked
 * then. So within one observation every kind speaks of the same interfaces, where one that comes or
 * goes between two questions would be there for some and not for others; and entering, which takes
 * longer than the questions, is paid for once.
 */
#include "daemon/kernel/observation.h"

#include "daemon/kernel/inside.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DISABLE_IPV6 "net/ipv6/conf/default/disable_ipv6"

#define KINDS_OF_LINKS                                                                             \
	(KERNEL_LOOK(RESOURCE_LINK) | KERNEL_LOOK(RESOURCE_END) | KERNEL_LOOK(RESOURCE_PORT) |     \
	        KERNEL_LOOK(RESOURCE_SYSCTL) | KERNEL_LOOK(RESOURCE_ADDRESS) |                     \
	        KERNEL_LOOK(RESOURCE_ROUTE) | KERNEL_LOOK(RESOURCE_RULE))

/* How many are looked into, others' with them. */
static size_t count_all(const struct kernel_look *look)
{
	return look->namespace_count + look->foreign_count;
}

int observation_init(struct observation *observation, struct kernel *kernel,
        const struct kernel_look *look, struct error *err)
{
	*observation = (struct observation){.kernel = kernel, .look = look};
	if (count_all(look) == 0)
		return 0;
	observation->insides = calloc(count_all(look), sizeof(*observation->insides));
	observation->nsids = calloc(look->namespace_count + 1, sizeof(*observation->nsids));
	return observation->insides && observation->nsids ? 0 : error_memory(err);
}

void observation_done(struct observation *observation)
{
	for (size_t i = 0; observation->insides && i < count_all(observation->look); i++) {
		links_done(&observation->insides[i].links);
		addresses_done(&observation->insides[i].addresses);
		routes_done(&observation->insides[i].routes);
		rules_done(&observation->insides[i].rules);
	}
	free(observation->insides);
	free(observation->nsids);
	lone_ends_done(&observation->lone);
	addresses_done(&observation->addresses);
	routes_done(&observation->routes);
	survey_done(&observation->survey);
}

static bool wants(const struct observation *observation, unsigned kinds)
{
	return observation->look->kinds & kinds;
}

static int read_default(struct inside *inside, struct error *err)
{
	int r = sysctl_read_inside(DISABLE_IPV6, inside->disable_ipv6, err);

	return r == -ENOENT ? 0 : r;
}

static int read_host(struct observation *observation, struct error *err)
{
	struct rtnl *rtnl = observation->kernel->rtnl;
	int r = 0;

	if (wants(observation, KERNEL_LOOK(RESOURCE_ADDRESS)))
		r = addresses_read(rtnl, "", &observation->addresses, err);
	if (r == 0 && wants(observation, KERNEL_LOOK(RESOURCE_ROUTE)))
		r = routes_connected(rtnl, "", &observation->routes, err);
	return r;
}

/* Whether a pair has one end in here and the other elsewhere. */
static bool is_led_into(const struct links *links)
{
	for (unsigned i = 0; i < links->count; i++)
		if (links->items[i].peer_nsid >= 0)
			return true;
	return false;
}

/* In the namespace, with the pipeline's socket there. */
static int read_links(
        struct observation *observation, const char *ns, unsigned number, struct error *err)
{
	struct rtnl *rtnl = observation->kernel->rtnl;
	struct inside *inside = &observation->insides[number];
	int r = links_read(rtnl, ns, &inside->links, err);
	bool leads = r == 0 && is_led_into(&inside->links);

	if (r == 0 && leads && wants(observation, KERNEL_LOOK(RESOURCE_ADDRESS)))
		r = addresses_read(rtnl, ns, &inside->addresses, err);
	if (r == 0 && leads && wants(observation, KERNEL_LOOK(RESOURCE_ROUTE)))
		r = routes_list(rtnl, ns, &inside->routes, err);
	/* They are there also where no pair is any more. */
	if (r == 0 && wants(observation, KERNEL_LOOK(RESOURCE_RULE)))
		r = rules_read(rtnl, ns, &inside->rules, err);
	return r;
}

/* In the namespace with this number. */
static int visit(unsigned number, int fd, void *arg, struct error *err)
{
	struct observation *observation = arg;
	const char *ns = observation->look->namespaces[number];
	struct inside *inside = &observation->insides[number];
	int r = netns_cookie("", &inside->cookie, err);

	if (r == 0 && wants(observation, KERNEL_LOOK(RESOURCE_SYSCTL)))
		r = read_default(inside, err);
	if (r < 0 || !wants(observation, KINDS_OF_LINKS))
		return r;
	r = survey_nsid(observation->kernel->rtnl, fd, &observation->nsids[number], err);
	if (r == 0)
		r = rtnl_enter(observation->kernel->rtnl, ns, fd, err);
	if (r == 0)
		r = read_links(observation, ns, number, err);
	/* It went while it was looked at. */
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

struct foreign {
	struct rtnl *rtnl;
	const char *ns;
	struct links *links;
};

/* In the namespace. */
static int visit_foreign(unsigned number, int fd, void *arg, struct error *err)
{
	const struct foreign *foreign = arg;
	int r = rtnl_enter(foreign->rtnl, foreign->ns, fd, err);

	if (r == 0)
		r = links_read(foreign->rtnl, foreign->ns, foreign->links, err);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* Whether it is this process, or the whole host, that is short of something. */
static bool is_shortage(int r)
{
	return r == -ENOMEM || r == -ENOBUFS || r == -EAGAIN || r == -EMFILE || r == -ENFILE;
}

/* Each by itself, so that one which lets no one in ends nothing. */
static int read_foreign(struct observation *observation, struct error *err)
{
	const struct kernel_look *look = observation->look;
	int r = 0;

	for (size_t i = look->namespace_count; r == 0 && i < count_all(look); i++) {
		struct foreign foreign = {observation->kernel->rtnl, look->namespaces[i],
		        &observation->insides[i].links};

		r = netns_tour(&look->namespaces[i], 1, visit_foreign, &foreign, err);
		if (r == 0 || is_shortage(r))
			continue;
		log_warning("namespace %s is not looked into for what netd made there: %s",
		        look->namespaces[i], err->text);
		r = 0;
	}
	return r;
}

static int find_lone_ends(struct observation *observation, struct error *err)
{
	const struct kernel_look *look = observation->look;
	_cleanup_(freep) const struct links **links = calloc(count_all(look) + 1, sizeof(*links));

	if (!links)
		return error_memory(err);
	for (size_t i = 0; i < count_all(look); i++)
		links[i] = &observation->insides[i].links;
	return lone_ends_find(look->namespaces, links, count_all(look),
	        observation->survey.instance, &observation->lone, err);
}

int observation_read(struct observation *observation, struct error *err)
{
	const struct kernel_look *look = observation->look;
	int r = 0;

	if (observation->read)
		return 0;
	for (size_t i = 0; i < look->namespace_count; i++)
		observation->nsids[i] = -1;
	/* The host's links first: listing a veth is what makes the kernel number the other end's
	 * namespace. */
	if (wants(observation, KINDS_OF_LINKS))
		r = survey_read(observation->kernel, look->scope, &observation->survey, err);
	if (r == 0)
		r = netns_tour(look->namespaces, look->namespace_count, visit, observation, err);
	if (r == 0)
		r = read_foreign(observation, err);
	if (r == 0)
		r = survey_place(&observation->survey, look->namespaces, observation->nsids,
		        look->namespace_count, err);
	if (r == 0)
		r = find_lone_ends(observation, err);
	if (r == 0)
		r = read_host(observation, err);
	observation->read = r == 0;
	return r;
}

static int each_in_host(const struct observation *observation, own_link_each *each,
        struct resources *ret, struct error *err)
{
	const struct survey *survey = &observation->survey;
	struct own_link own = {
	        .ns = "", .addresses = &observation->addresses, .routes = &observation->routes};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < survey->host.count; i++) {
		own.link = &survey->host.items[i];
		own.name = own.link->name;
		own.kind = survey_owns_bridge(survey, own.link) ? OWN_BRIDGE : OWN_OUTER;
		if (survey_owns(survey, own.link))
			r = each(&own, ret, err);
	}
	return r;
}

static int each_inside(const struct observation *observation, unsigned number, own_link_each *each,
        struct resources *ret, struct error *err)
{
	const struct inside *inside = &observation->insides[number];
	struct own_link own = {.kind = OWN_INNER,
	        .ns = observation->look->namespaces[number],
	        .addresses = &inside->addresses,
	        .routes = &inside->routes};
	unsigned count, lone_count;
	const struct pair *pairs = survey_pairs(&observation->survey, number, &count);
	const struct lone_end *lone = lone_ends_in(&observation->lone, number, &lone_count);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		own.link = links_find(&inside->links, pairs[i].outer->peer_index);
		own.name = pairs[i].outer->name;
		if (own.link)
			r = each(&own, ret, err);
	}
	own.alone = true;
	for (unsigned i = 0; r == 0 && i < lone_count; i++) {
		own.link = lone[i].link;
		own.name = lone[i].mark.name;
		r = each(&own, ret, err);
	}
	return r;
}

int observation_each(struct observation *observation, own_link_each *each, struct resources *ret,
        struct error *err)
{
	int r = observation_read(observation, err);

	if (r == 0)
		r = each_in_host(observation, each, ret, err);
	for (unsigned i = 0; r == 0 && i < observation->look->namespace_count; i++)
		r = each_inside(observation, i, each, ret, err);
	return r;
}
