/*
 * The tables of settings: which there are, what each of their values must be by itself, the one
 * form in which it is kept, and what is no setting because it is said once. What must hold together
 * with others is asked in rule_setting.c.
 */
#include "daemon/model/setting.h"

#include "daemon/model/model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MTU_MIN       68 /* RFC 791: what every module must forward */
#define MTU_MAX       65535
#define MTU_OF_A_LINK 1500 /* as the kernel gives it to a pair */

#define GW_PRIORITY_MAX 1000000

static int check_label(const char *text, const char *field, struct error *err)
{
	const char *equal = strchr(text, '=');
	char name[NAME_SIZE];

	if (!equal || equal - text >= NAME_SIZE)
		return error_field(err, field, "%s: write it as KEY=VALUE", field);
	memcpy(name, text, (size_t)(equal - text));
	name[equal - text] = '\0';
	return parse_name(name, field, name, err);
}

static int check_interface(const char *text, const char *field, struct error *err)
{
	char name[IFNAMSIZ];

	return parse_ifname(text, field, name, err);
}

static int check_allowed(const char *text, const char *field, struct error *err)
{
	struct allowed allowed;

	return allowed_parse(text, field, &allowed, err);
}

static int check_snat(const char *text, const char *field, struct error *err)
{
	struct ip ip;
	int r = parse_ip(text, field, &ip, err);

	if (r == 0 && (ip_is_any(&ip) || ip_is_loopback(&ip) || ip_is_link_local(&ip) ||
	                      ip_is_multicast(&ip)))
		return error_field(
		        err, field, "%s: %s is no address that others can answer to", field, text);
	return r;
}

static const char *const modes[] = {"nat", "routed", "open", NULL};
static const char *const family_modes[] = {"same", "nat", "routed", "open", NULL};
static const char *const accesses[] = {"yes", "no", "dns", NULL};

static int check_sysctl(const char *text, const char *field, struct error *err)
{
	char path[SYSCTL_PATH_SIZE], value[SYSCTL_TEXT_SIZE];

	return parse_sysctl(text, field, path, value, err);
}

static int check_route(const char *text, const char *field, struct error *err)
{
	struct cidr cidr;
	struct ip via;

	return parse_route(text, field, &cidr, &via, err);
}

static int check_range(const char *text, const char *field, struct error *err)
{
	struct cidr range;

	return parse_subnet(text, field, &range, err);
}

static int check_reserve(const char *text, const char *field, struct error *err)
{
	char name[NAME_SIZE];
	struct ip ip;

	return parse_reserve(text, field, name, &ip, err);
}

/* --- the one form of an item --- */

static void write_allowed(char item[SETTING_ITEM_MAX])
{
	struct allowed allowed;
	struct error ignored;

	if (allowed_parse(item, "", &allowed, &ignored) == 0)
		allowed_format(&allowed, item, SETTING_ITEM_MAX);
}

static void write_ip(char item[SETTING_ITEM_MAX])
{
	struct error ignored;
	struct ip ip;

	if (parse_ip(item, "", &ip, &ignored) == 0)
		ip_format(&ip, item);
}

static void write_range(char item[SETTING_ITEM_MAX])
{
	struct error ignored;
	struct cidr range;

	if (parse_subnet(item, "", &range, &ignored) == 0)
		cidr_format(&range, item);
}

static void write_route(char item[SETTING_ITEM_MAX])
{
	char to[CIDR_TEXT_SIZE], by[IP_TEXT_SIZE];
	struct error ignored;
	struct cidr cidr;
	struct ip via;

	if (parse_route(item, "", &cidr, &via, &ignored) == 0)
		snprintf(item, SETTING_ITEM_MAX, "%s,%s", cidr_format(&cidr, to),
		        ip_format(&via, by));
}

static void write_reserve(char item[SETTING_ITEM_MAX])
{
	char name[NAME_SIZE], text[IP_TEXT_SIZE];
	struct error ignored;
	struct ip ip;

	if (parse_reserve(item, "", name, &ip, &ignored) == 0)
		snprintf(item, SETTING_ITEM_MAX, "%s=%s", name, ip_format(&ip, text));
}

/* A single address is one, whatever it was written as; what is no address is a network's name. */
static void write_source(char item[SETTING_ITEM_MAX])
{
	struct cidr cidr;

	if (!publication_source(item, &cidr))
		return;
	if (cidr.prefix == ip_size(cidr.ip.family) * 8)
		ip_format(&cidr.ip, item);
	else
		cidr_format(&cidr, item);
}

/* clang-format off */
#define PLACE(object, field) .offset = offsetof(struct object, field)

static const struct setting network_rows[] = {
	{"mtu", SETTING_NUMBER, PLACE(network, mtu), .min = MTU_MIN, .max = MTU_MAX},
	{"internal", SETTING_SWITCH, PLACE(network, internal)},
	{"labels", SETTING_LIST, PLACE(network, labels), .check = check_label, .keyed = true},
	{"routes", SETTING_LIST, PLACE(network, routes), .check = check_route, .write = write_route},
	{"ip_range", SETTING_LIST, PLACE(network, ip_range), .check = check_range, .write = write_range},
	{"reserve", SETTING_LIST, PLACE(network, reserve), .check = check_reserve, .write = write_reserve},
	{"isolated", SETTING_SWITCH, PLACE(network, isolated)},
	{"mode", SETTING_WORD, PLACE(network, mode), .words = modes},
	{"mode4", SETTING_WORD, PLACE(network, mode4), .words = family_modes},
	{"mode6", SETTING_WORD, PLACE(network, mode6), .words = family_modes},
	{"host_access", SETTING_WORD, PLACE(network, host_access), .words = accesses},
	{"trusted_interfaces", SETTING_LIST, PLACE(network, trusted_interfaces), .check = check_interface},
	{"allow", SETTING_LIST, PLACE(network, allow), .check = check_allowed, .write = write_allowed},
	{"snat", SETTING_LIST, PLACE(network, snat), .check = check_snat, .write = write_ip},
	{"publish_address", SETTING_IP, PLACE(network, publish_address), .check = publication_check_address},
	{"no_host_address", SETTING_SWITCH, PLACE(network, no_host_address)},
	{"use_bridge", SETTING_IFNAME, PLACE(network, use_bridge)},
};
static const struct setting namespace_rows[] = {
	{"labels", SETTING_LIST, PLACE(namespace, labels), .check = check_label, .keyed = true},
	{"sysctls", SETTING_LIST, PLACE(namespace, sysctls), .check = check_sysctl, .keyed = true},
};
static const struct setting endpoint_rows[] = {
	{"gw_priority", SETTING_NUMBER, PLACE(endpoint, gw_priority), .min = -GW_PRIORITY_MAX, .max = GW_PRIORITY_MAX},
	{"no_default_route", SETTING_SWITCH, PLACE(endpoint, no_default_route)},
	{"router", SETTING_SWITCH, PLACE(endpoint, router)},
	{"rate_in", SETTING_RATE, PLACE(endpoint, rate_in)},
	{"rate_out", SETTING_RATE, PLACE(endpoint, rate_out)},
	{"labels", SETTING_LIST, PLACE(endpoint, labels), .check = check_label, .keyed = true},
};
static const struct setting publication_rows[] = {
	{"interface", SETTING_IFNAME, PLACE(publication, interface)},
	{"from", SETTING_LIST, PLACE(publication, from), .check = publication_check_source, .write = write_source},
	{"labels", SETTING_LIST, PLACE(publication, labels), .check = check_label, .keyed = true},
};

static const struct setting ns_link_rows[] = {
	{"mtu", SETTING_NUMBER, PLACE(ns_link, mtu), .min = MTU_MIN, .max = MTU_MAX, .otherwise = MTU_OF_A_LINK},
	{"labels", SETTING_LIST, PLACE(ns_link, labels), .check = check_label, .keyed = true},
};

#define ANOTHER "make another network and connect the namespaces there"
#define AGAIN "disconnect the namespace and connect it again with "

static const struct fixed network_fixed[] = {
	{"subnets", "its members have addresses of its subnets; " ANOTHER},
	{"ipv4", "its members have addresses of its families; " ANOTHER},
	{"ipv6", "its members have addresses of its families; " ANOTHER},
	{"bridge", "its members are on it, and others may know it by that name; " ANOTHER},
	{"driver", "its members are made for it; " ANOTHER},
	{"no_host_address", "its members have, or have not, a way through the host; " ANOTHER},
	{"use_bridge", "its members are on the bridge that it has; " ANOTHER},
	{NULL},
};
static const struct fixed namespace_fixed[] = {
	{"pid", "the name is that of one namespace; 'netd-ctl ns detach' it and attach the other one"},
	{"path", "the name is that of one namespace; 'netd-ctl ns detach' it and attach the other one"},
	{NULL},
};
static const struct fixed endpoint_fixed[] = {
	{"addresses", "whoever speaks to it knows it by its addresses; " AGAIN "--ip or --ip6"},
	{"mac", "its neighbours know it by that; " AGAIN "--mac"},
	{"interface", "the programs inside know it by that name; " AGAIN "--ifname"},
	{NULL},
};
static const struct fixed ns_link_fixed[] = {
	{"ends", "its ends are what it is; 'netd-ctl ns unlink' it, and link anew"},
	{NULL},
};
/* clang-format on */

#define ROWS(table) table, sizeof(table) / sizeof(struct setting)

const struct settings network_settings = {ROWS(network_rows), network_fixed};
const struct settings namespace_settings = {ROWS(namespace_rows), namespace_fixed};
const struct settings endpoint_settings = {ROWS(endpoint_rows), endpoint_fixed};
const struct settings publication_settings = {ROWS(publication_rows)};
const struct settings ns_link_settings = {ROWS(ns_link_rows), ns_link_fixed};
