/*
 * A link between two namespaces: a pair without an outer end, and all that its ends have. The host
 * is not in between, so no rule of nf_tables has to do with it.
 */
#include "daemon/render/parts.h"

#include "daemon/model/ns_link.h"
#include "daemon/render/render.h"

#include <stdio.h>
#include <string.h>

/* The mark of both ends. It says where they belong, as no list of the host has them. */
static char *mark_link(const struct model *model, const struct ns_link *link, const char *name)
{
	char *mark;

	return asprintf(&mark, "netd:%s:%s/%s/%s", model_host(model)->instance, name,
	               link->ends[0].namespace, link->ends[1].namespace) < 0
	               ? NULL
	               : mark;
}

/* Made in the namespace of its first end. */
static int add_pair(const struct model *model, const struct ns_link *link, const char *name,
        struct resources *list)
{
	const struct ns_link_end *first = &link->ends[0], *second = &link->ends[1];
	struct resource *pair = resources_add(list, RESOURCE_LINK, first->namespace, name);

	if (pair)
		pair->text = mark_link(model, link, name);
	if (!pair || !pair->text)
		return -1;
	pair->link.type = LINK_VETH;
	pair->link.mtu = (uint32_t)link->mtu;
	memcpy(pair->link.ifname, first->ifname, IFNAMSIZ);
	memcpy(pair->link.mac, first->mac, MAC_SIZE);
	memcpy(pair->link.peer_ns, second->namespace, NAME_SIZE);
	memcpy(pair->link.peer_name, second->ifname, IFNAMSIZ);
	memcpy(pair->link.peer_mac, second->mac, MAC_SIZE);
	return 0;
}

static int add_link_end(const struct model *model, const struct ns_link *link, const char *name,
        const struct ns_link_end *end, struct resources *list)
{
	const struct namespace *ns = model_namespace(model, end->namespace);
	struct resource *inner =
	        add_end(list, ns->name, name, end->ifname, true, (uint32_t)link->mtu, end->mac);
	int r;

	if (inner)
		inner->text = mark_link(model, link, name);
	if (!inner || !inner->text)
		return -1;
	inner->end.alone = true;
	r = add_end_ip6(ns, name, end->ifname, end->mac, ns_link_has_ip6(link), list);
	for (unsigned i = 0; r == 0 && i < end->address_count; i++) {
		const struct cidr *cidr = &end->addresses[i];

		/* Of a subnet of one address there is no route. */
		if (cidr->prefix < 8 * ip_size(cidr->ip.family))
			r = add_subnet(list, ns->name, name, end->ifname, cidr);
		else if (!add_address(list, ns->name, name, end->ifname, cidr))
			r = -1;
	}
	return r;
}

int render_ns_link(const struct model *model, const struct ns_link *link, struct resources *ret,
        struct error *err)
{
	char name[IFNAMSIZ];
	int r;

	ns_link_name(link, name);
	r = add_pair(model, link, name, ret);
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = add_link_end(model, link, name, &link->ends[i], ret);
	return r < 0 ? error_memory(err) : 0;
}
