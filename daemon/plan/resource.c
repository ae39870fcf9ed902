/*
 * Lists of resources, and what it means for two resources to be the same and to be alike. The key
 * says which thing it is; everything else is an attribute. One place, so that every difference
 * follows from it.
 */
#include "daemon/plan/resource.h"

#include "lib/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_numbers(unsigned a, unsigned b)
{
	return a < b ? -1 : a > b;
}

static int compare_cidr(const struct cidr *a, const struct cidr *b)
{
	int order = ip_compare(&a->ip, &b->ip);

	return order ? order : compare_numbers(a->prefix, b->prefix);
}

/* What else makes the key, beside kind, namespace and name. */
static int compare_rest(const struct resource *a, const struct resource *b)
{
	int order;

	switch (a->kind) {
	case RESOURCE_ELEMENT:
		order = strcmp(a->element.set->table, b->element.set->table);
		if (order == 0)
			order = memcmp(a->element.key, b->element.key, SET_KEY_SIZE);
		if (order == 0)
			order = memcmp(a->element.key_end, b->element.key_end, SET_KEY_SIZE);
		return order;
	case RESOURCE_ADDRESS:
		return compare_cidr(&a->address.cidr, &b->address.cidr);
	case RESOURCE_ROUTE:
		order = compare_cidr(&a->route.destination, &b->route.destination);
		return order ? order : compare_numbers(a->route.table, b->route.table);
	case RESOURCE_RULE:
		order = ip_compare(&a->rule.from, &b->rule.from);
		return order ? order : compare_numbers(a->rule.table, b->rule.table);
	case RESOURCE_HOLD:
		order = compare_numbers(a->hold.protocol, b->hold.protocol);
		if (order == 0)
			order = compare_numbers(a->hold.port, b->hold.port);
		return order ? order : ip_compare(&a->hold.ip, &b->hold.ip);
	case RESOURCE_FLOWS:
		order = compare_numbers(a->flows.original_local, b->flows.original_local);
		if (order == 0)
			order = compare_numbers(a->flows.protocol, b->flows.protocol);
		if (order == 0)
			order = compare_numbers(a->flows.port, b->flows.port);
		if (order == 0)
			order = compare_numbers(a->flows.through, b->flows.through);
		if (order == 0)
			order = compare_numbers(a->flows.port_end, b->flows.port_end);
		return order ? order : ip_compare(&a->flows.ip, &b->flows.ip);
	case RESOURCE_SKELETON:
	case RESOURCE_NETNS_DIR:
	case RESOURCE_NETNS:
	case RESOURCE_LINK:
	case RESOURCE_END:
	case RESOURCE_PORT:
	case RESOURCE_SYSCTL:
	case RESOURCE_FILE:
	case RESOURCE_MOVED:
	case RESOURCE_KINDS:
		return 0;
	}
	return 0;
}

int resource_compare(const struct resource *a, const struct resource *b)
{
	int order = compare_numbers(a->kind, b->kind);

	if (order == 0)
		order = strcmp(a->ns, b->ns);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order ? order : compare_rest(a, b);
}

static bool equal_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Of a link that waits for deletion only its harmlessness matters. */
static bool equal_link(const struct resource *a, const struct resource *b)
{
	if (a->link.type != b->link.type || a->link.retired != b->link.retired)
		return false;
	/* All else is its ends'. */
	if (a->ns[0])
		return a->link.broken == b->link.broken &&
		       strcmp(a->link.peer_ns, b->link.peer_ns) == 0;
	if (strcmp(a->link.ifname, b->link.ifname) != 0)
		return false;
	if (a->link.retired)
		return a->link.up == b->link.up && strcmp(a->link.master, b->link.master) == 0;
	return a->link.up == b->link.up && a->link.mtu == b->link.mtu &&
	       (a->link.type == LINK_VETH || memcmp(a->link.mac, b->link.mac, MAC_SIZE) == 0) &&
	       strcmp(a->link.master, b->link.master) == 0 &&
	       strcmp(a->link.peer_ns, b->link.peer_ns) == 0 && equal_text(a->text, b->text);
}

static bool equal_netns(const struct resource *a, const struct resource *b)
{
	return a->netns.adopted == b->netns.adopted && a->netns.gone == b->netns.gone &&
	       (!a->netns.cookie || !b->netns.cookie || a->netns.cookie == b->netns.cookie) &&
	       (!a->text || !b->text || strcmp(a->text, b->text) == 0);
}

static bool equal_end(const struct resource *a, const struct resource *b)
{
	static const uint8_t any[MAC_SIZE];
	bool macs = memcmp(a->end.mac, any, MAC_SIZE) && memcmp(b->end.mac, any, MAC_SIZE);

	return strcmp(a->end.ifname, b->end.ifname) == 0 && a->end.up == b->end.up &&
	       (!a->end.mtu || !b->end.mtu || a->end.mtu == b->end.mtu) &&
	       (!macs || memcmp(a->end.mac, b->end.mac, MAC_SIZE) == 0) &&
	       (!a->text || !b->text || strcmp(a->text, b->text) == 0);
}

bool resource_equal(const struct resource *a, const struct resource *b)
{
	switch (a->kind) {
	case RESOURCE_SKELETON:
		return equal_text(a->text, b->text) && a->skeleton.owner == b->skeleton.owner;
	case RESOURCE_FILE:
		return equal_text(a->text, b->text);
	case RESOURCE_ELEMENT:
		return a->element.rate == b->element.rate &&
		       memcmp(a->element.data, b->element.data, SET_KEY_SIZE) == 0;
	case RESOURCE_NETNS:
		return equal_netns(a, b);
	case RESOURCE_LINK:
		return equal_link(a, b);
	case RESOURCE_END:
		return equal_end(a, b);
	case RESOURCE_PORT:
		return a->port.hairpin == b->port.hairpin && a->port.isolated == b->port.isolated;
	case RESOURCE_SYSCTL:
		return strcmp(a->sysctl.value, b->sysctl.value) == 0;
	case RESOURCE_ROUTE:
		return ip_equal(&a->route.gateway, &b->route.gateway);
	case RESOURCE_MOVED:
		return a->moved.gone == b->moved.gone;
	case RESOURCE_NETNS_DIR:
	case RESOURCE_ADDRESS:
	case RESOURCE_RULE:
	case RESOURCE_HOLD:
	case RESOURCE_FLOWS:
	case RESOURCE_KINDS:
		return true;
	}
	return true;
}

/* "net/ipv4/conf/NAME/forwarding" */
static bool is_sysctl_of(const char *path, const char *ifname)
{
	char conf[RESOURCE_NAME_SIZE];

	snprintf(conf, sizeof(conf), "/conf/%.64s/", ifname);
	return strstr(path, conf) != NULL;
}

bool resource_stands_on(const struct resource *resource, const struct resource *link)
{
	switch (resource->kind) {
	case RESOURCE_LINK:
		return strcmp(resource->link.master, link->name) == 0;
	case RESOURCE_PORT:
	case RESOURCE_END:
	case RESOURCE_ADDRESS:
	case RESOURCE_ROUTE:
		return strcmp(resource->name, link->name) == 0;
	case RESOURCE_SYSCTL:
		if (resource->ns[0] && strcmp(resource->ns, link->link.peer_ns) == 0)
			return is_sysctl_of(resource->name, link->link.peer_name);
		return strcmp(resource->ns, link->ns) == 0 &&
		       is_sysctl_of(resource->name, link->ns[0] ? link->link.ifname : link->name);
	case RESOURCE_SKELETON:
	case RESOURCE_ELEMENT:
	case RESOURCE_NETNS_DIR:
	case RESOURCE_NETNS:
	case RESOURCE_RULE:
	case RESOURCE_FILE:
	case RESOURCE_HOLD:
	case RESOURCE_FLOWS:
	case RESOURCE_MOVED:
	case RESOURCE_KINDS:
		return false;
	}
	return false;
}

static void describe_route(const struct resource *resource, char *text, size_t size)
{
	char destination[CIDR_TEXT_SIZE], table[32] = "";

	if (resource->route.table)
		snprintf(table, sizeof(table), " of table %u", resource->route.table);
	snprintf(text, size, "route %s%s%s%s",
	        cidr_format(&resource->route.destination, destination), table,
	        resource->ns[0] ? " in " : "", resource->ns);
}

/* What was kept may not say any more where it went. */
static void describe_moved(const struct resource *resource, char *text, size_t size)
{
	if (resource->moved.ns[0])
		snprintf(text, size, "interface %s in namespace %s", resource->name,
		        resource->moved.ns);
	else
		snprintf(text, size, "record of interface %s", resource->name);
}

const char *resource_describe(const struct resource *resource, char *text, size_t size)
{
	char address[CIDR_TEXT_SIZE], host[HOST_TEXT_SIZE], element[256];
	const char *in = resource->ns[0] ? " in " : "";

	switch (resource->kind) {
	case RESOURCE_SKELETON:
		snprintf(text, size, "table %s", resource->name);
		break;
	case RESOURCE_ELEMENT:
		snprintf(text, size, "element of %s { %s }", resource->name,
		        element_format(&resource->element, element, sizeof(element)));
		break;
	case RESOURCE_NETNS_DIR:
		snprintf(text, size, "directory %s", resource->name);
		break;
	case RESOURCE_NETNS:
		snprintf(text, size, "namespace %s", resource->name);
		break;
	case RESOURCE_LINK:
		snprintf(text, size, "%s %s%s%s",
		        resource->link.type == LINK_BRIDGE ? "bridge" : "veth",
		        resource->ns[0] ? resource->link.ifname : resource->name, in, resource->ns);
		break;
	case RESOURCE_END:
		snprintf(text, size, "interface %s%s%s", resource->end.ifname, in, resource->ns);
		break;
	case RESOURCE_PORT:
		snprintf(text, size, "bridge port %s", resource->name);
		break;
	case RESOURCE_SYSCTL:
		snprintf(text, size, "sysctl %s%s%s", resource->name, in, resource->ns);
		break;
	case RESOURCE_ADDRESS:
		snprintf(text, size, "address %s on %s%s%s",
		        cidr_format(&resource->address.cidr, address), resource->address.ifname, in,
		        resource->ns);
		break;
	case RESOURCE_ROUTE:
		describe_route(resource, text, size);
		break;
	case RESOURCE_RULE:
		snprintf(text, size, "rule from %s lookup %u%s%s",
		        ip_format(&resource->rule.from, address), resource->rule.table, in,
		        resource->ns);
		break;
	case RESOURCE_FILE:
		snprintf(text, size, "file %s", resource->name);
		break;
	case RESOURCE_HOLD:
		snprintf(text, size, "port %s:%u/%s", host_format(&resource->hold.ip, host),
		        resource->hold.port, protocol_name(resource->hold.protocol));
		break;
	case RESOURCE_FLOWS:
		snprintf(text, size, "flows of %s", ip_format(&resource->flows.ip, address));
		break;
	case RESOURCE_MOVED:
		describe_moved(resource, text, size);
		break;
	case RESOURCE_KINDS:
		break;
	}
	return text;
}

struct resource *resources_add(
        struct resources *list, enum resource_kind kind, const char *ns, const char *name)
{
	struct resource *resource;

	if (!LIST_ROOM(list->items, list->count, list->capacity, 32))
		return NULL;
	resource = &list->items[list->count++];
	memset(resource, 0, sizeof(*resource));
	resource->kind = kind;
	snprintf(resource->ns, sizeof(resource->ns), "%s", ns);
	snprintf(resource->name, sizeof(resource->name), "%s", name);
	return resource;
}

static int compare_items(const void *a, const void *b)
{
	return resource_compare(a, b);
}

void resources_sort(struct resources *list)
{
	size_t kept = 0;

	if (list->count == 0)
		return;
	qsort(list->items, list->count, sizeof(*list->items), compare_items);
	for (size_t i = 1; i < list->count; i++) {
		if (resource_compare(&list->items[kept], &list->items[i]) == 0)
			free(list->items[i].text);
		else
			list->items[++kept] = list->items[i];
	}
	list->count = kept + 1;
}

struct resource *resources_find(const struct resources *list, const struct resource *key)
{
	return list->count ? bsearch(key, list->items, list->count, sizeof(*key), compare_items)
	                   : NULL;
}

void resources_done(struct resources *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].text);
	free(list->items);
	*list = (struct resources){0};
}
