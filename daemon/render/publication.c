/*
 * What a publication is in the kernel: a socket that holds its port, the elements that translate,
 * those that say whom it is for, and those that count.
 *
 * A range whose ports keep their numbers is one element, whatever its length; one that leads to
 * other numbers is one for each, as the kernel has no translation by an offset. Holding and
 * counting do not depend on the target, so that they stay while a namespace is away.
 */
#include "daemon/render/render.h"

#include "daemon/model/setting.h"
#include "daemon/render/elements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

/* One of the pair of sets of both families: "nd_any" is nd_any4 or nd_any6. */
static struct element *add(struct resources *list, const char *set, int family)
{
	char name[RESOURCE_NAME_SIZE];

	snprintf(name, sizeof(name), "%s%c", set, family == AF_INET6 ? '6' : '4');
	return element_add(list, "inet netd", name);
}

static bool is_every(const struct publication *publication)
{
	return !publication->host_ip.family || ip_is_any(&publication->host_ip);
}

/* Its addresses as a range of them. */
static void key_host(struct element *element, const struct publication *publication, int family)
{
	struct cidr host = {publication->host_ip, 0};

	if (!is_every(publication))
		host.prefix = (uint8_t)(8 * ip_size((uint8_t)family));
	host.ip.family = (uint8_t)family;
	element_key_cidr(element, &host);
}

static void key_ports(struct element *element, const struct publication *publication)
{
	element_key_protocol(element, publication->protocol);
	element_key_ports(element, publication->host_port, publication->host_port_end);
}

/* --- translation --- */

static int add_range(
        struct resources *list, const struct publication *publication, const struct ip *target)
{
	bool every = is_every(publication);
	struct element *element = add(list, every ? "nd_rng" : "nd_pubrng", target->family);

	if (!element)
		return -1;
	if (!every)
		element_key_ip(element, &publication->host_ip);
	key_ports(element, publication);
	element_data_ip(element, target);
	return 0;
}

static int add_port(struct resources *list, const struct publication *publication, unsigned number,
        const struct ip *target)
{
	bool every = is_every(publication);
	struct element *element = add(list, every ? "nd_any" : "nd_pub", target->family);

	if (!element)
		return -1;
	if (!every)
		element_key_ip(element, &publication->host_ip);
	element_key_protocol(element, publication->protocol);
	element_key_port(element, (uint16_t)(publication->host_port + number));
	element_data_ip(element, target);
	element_data_port(element, (uint16_t)(publication->port + number));
	return 0;
}

static int add_ports(
        struct resources *list, const struct publication *publication, const struct ip *target)
{
	unsigned more = publication_more(publication);
	int r = 0;

	if (more && publication_keeps_ports(publication))
		return add_range(list, publication, target);
	for (unsigned i = 0; r == 0 && i <= more; i++)
		r = add_port(list, publication, i, target);
	return r;
}

/* --- whom it is for --- */

static int add_limit(
        struct resources *list, const struct publication *publication, const char *set, int family)
{
	struct element *element = add(list, set, family);

	if (!element)
		return -1;
	key_host(element, publication, family);
	key_ports(element, publication);
	return 0;
}

static int add_interface(struct resources *list, const struct publication *publication, int family)
{
	struct element *element;

	if (!publication->interface[0])
		return 0;
	if (add_limit(list, publication, "nd_onlyvia", family) < 0)
		return -1;
	element = add(list, "nd_via", family);
	if (!element)
		return -1;
	element_key_ifname(element, publication->interface);
	key_host(element, publication, family);
	key_ports(element, publication);
	return 0;
}

/* The sources of this family; of subnets that lie in each other only the widest, since elements of
 * such a set may not overlap. */
static unsigned find_sources(const struct model *model, const struct publication *publication,
        int family, struct cidr ret[SETTING_ITEMS])
{
	const char *rest = publication->from;
	char item[SETTING_ITEM_MAX];
	unsigned count = 0;

	while (count < SETTING_ITEMS && setting_next_item(&rest, item)) {
		const struct network *network;
		const struct subnet *subnet = NULL;
		struct cidr cidr;
		bool covered = false;

		if (!publication_source(item, &cidr)) {
			network = model_network(model, item);
			subnet = network ? network_subnet(network, family) : NULL;
			cidr = subnet ? subnet->cidr : (struct cidr){0};
		}
		if (cidr.ip.family != family)
			continue;
		for (unsigned i = 0; i < count; i++) {
			covered = covered ||
			          (cidr_overlap(&ret[i], &cidr) && ret[i].prefix <= cidr.prefix);
			if (!covered && cidr_overlap(&ret[i], &cidr))
				ret[i--] = ret[--count];
		}
		if (!covered)
			ret[count++] = cidr;
	}
	return count;
}

static int add_sources(const struct model *model, struct resources *list,
        const struct publication *publication, int family)
{
	struct cidr sources[SETTING_ITEMS];
	unsigned count;

	if (!publication->from)
		return 0;
	if (add_limit(list, publication, "nd_onlyfrom", family) < 0)
		return -1;
	count = find_sources(model, publication, family, sources);
	for (unsigned i = 0; i < count; i++) {
		struct element *element = add(list, "nd_from", family);

		if (!element)
			return -1;
		element_key_cidr(element, &sources[i]);
		key_host(element, publication, family);
		key_ports(element, publication);
	}
	return 0;
}

/* --- holding and counting --- */

static int add_holds(struct resources *list, const struct publication *publication)
{
	unsigned more = publication_more(publication);

	for (unsigned i = 0; more < HELD_PORTS_MAX && i <= more; i++) {
		struct resource *hold = resources_add(list, RESOURCE_HOLD, "", "");

		if (!hold)
			return -1;
		hold->hold.protocol = publication->protocol;
		hold->hold.ip = publication->host_ip;
		hold->hold.port = (uint16_t)(publication->host_port + i);
	}
	return 0;
}

int render_counter(const struct publication *publication, int family, struct resources *ret)
{
	bool every = is_every(publication);
	struct element *element;

	if (!publication_is_of(publication, family))
		return 0;
	if (publication_more(publication))
		return add_limit(ret, publication, "nd_countrng", family);
	element = add(ret, every ? "nd_countany" : "nd_countpub", family);
	if (!element)
		return -1;
	if (!every)
		element_key_ip(element, &publication->host_ip);
	key_ports(element, publication);
	return 0;
}

int render_publication(const struct model *model, const struct publication *publication,
        struct resources *ret, struct error *err)
{
	int r = add_holds(ret, publication);

	for (size_t i = 0; r == 0 && i < 2; i++) {
		const struct ip *target = publication_address(model, publication, families[i]);

		r = render_counter(publication, families[i], ret);
		if (r == 0 && target)
			r = add_interface(ret, publication, families[i]);
		if (r == 0 && target)
			r = add_sources(model, ret, publication, families[i]);
		if (r == 0 && target)
			r = add_ports(ret, publication, target);
	}
	return r < 0 ? error_memory(err) : 0;
}
