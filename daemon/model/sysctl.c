/*
 * The sysctls of a namespace: those that its setting names, and those that make it a router. What
 * the user says himself comes first.
 */
#include "daemon/model/model.h"
#include "daemon/model/setting.h"

#include <stdio.h>
#include <string.h>

/* An address of the interface that asks: a neighbour does not believe one of another network. */
static const struct sysctl_wanted of_a_router[] = {
        {"net/ipv4/ip_forward", "1"},
        {"net/ipv4/conf/all/arp_announce", "2"},
        {"net/ipv6/conf/all/forwarding", "1"},
};

#define OF_A_ROUTER (sizeof(of_a_router) / sizeof(of_a_router[0]))

static bool is_router(const struct namespace *ns)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (ns->endpoints[i].router)
			return true;
	return false;
}

/* The setting's item of this number. */
static bool item_at(const struct namespace *ns, unsigned number, struct sysctl_wanted *ret)
{
	const char *rest = ns->sysctls;
	char item[SETTING_ITEM_MAX];
	struct error ignored; /* it was checked when it came in */

	for (unsigned i = 0; setting_next_item(&rest, item); i++)
		if (i == number)
			return parse_sysctl(item, "", ret->path, ret->value, &ignored) == 0;
	return false;
}

static bool is_named(const struct namespace *ns, const char *path)
{
	struct sysctl_wanted named;

	for (unsigned i = 0; item_at(ns, i, &named); i++)
		if (strcmp(named.path, path) == 0)
			return true;
	return false;
}

bool namespace_next_sysctl(const struct namespace *ns, unsigned *at, struct sysctl_wanted *ret)
{
	if (*at < SETTING_ITEMS) {
		if (item_at(ns, *at, ret)) {
			*at += 1;
			return true;
		}
		*at = SETTING_ITEMS;
	}
	while (is_router(ns) && *at < SETTING_ITEMS + OF_A_ROUTER) {
		*ret = of_a_router[(*at)++ - SETTING_ITEMS];
		if (!is_named(ns, ret->path))
			return true;
	}
	return false;
}
