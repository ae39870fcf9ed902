/*
 * Links: a veth pair from one namespace to another. Nothing is chosen for a link but what no one
 * can mind: the names of its interfaces and their MAC addresses. Its addresses are those that were
 * asked for, since there is no network that could give any.
 */
#include "daemon/model/rules.h"

#include "daemon/model/ns_link.h"

#include <stdio.h>
#include <string.h>

#define MTU_MIN_IP6 1280 /* RFC 8200, section 5 */

static bool is_open(const uint8_t mac[MAC_SIZE])
{
	static const uint8_t none[MAC_SIZE];

	return memcmp(mac, none, MAC_SIZE) == 0;
}

/* --- which link is meant --- */

/* Whether the link has these ends, the first one being its end `first`. */
static bool has_ends(const struct ns_link *link, const struct ns_link_end wanted[2], unsigned first)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct ns_link_end *end = &link->ends[i ? 1 - first : first];

		if (strcmp(wanted[i].namespace, end->namespace) != 0 ||
		        (wanted[i].ifname[0] && strcmp(wanted[i].ifname, end->ifname) != 0))
			return false;
	}
	return true;
}

/* The next link between these ends, and which of its ends is the first of them; start with *key =
 * "". */
static const struct ns_link *next_between(const struct model *model,
        const struct ns_link_end ends[2], char key[KEY_SIZE], unsigned *first)
{
	const struct ns_link *link;

	while ((link = namespace_next_link(model, ends[0].namespace, key, first)))
		if (has_ends(link, ends, *first))
			return link;
	return NULL;
}

static int not_found(const struct request *request, struct error *err)
{
	if (request->link[0])
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "link %s: there is no such link (netd-ctl ns links lists them)",
		        request->link);
	return error_set(err, ERROR_NOT_FOUND, 0,
	        "there is no such link between namespaces %s and %s (netd-ctl ns links lists them)",
	        request->ends[0].namespace, request->ends[1].namespace);
}

/* The one that a request names. */
static int find_link(const struct model *model, const struct request *request,
        const struct ns_link **ret, struct error *err)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned first;

	link = request->link[0] ? model_ns_link(model, request->link)
	                        : next_between(model, request->ends, key, &first);
	if (!link)
		return not_found(request, err);
	if (!request->link[0] && next_between(model, request->ends, key, &first))
		return error_set(err, ERROR_REFUSED, 0,
		        "there are several links between namespaces %s and %s; name an interface, "
		        "as "
		        "in %s:%s",
		        request->ends[0].namespace, request->ends[1].namespace,
		        request->ends[0].namespace,
		        link->ends[strcmp(link->ends[0].namespace, request->ends[0].namespace) != 0]
		                .ifname);
	*ret = link;
	return 0;
}

/* --- a new one --- */

static bool has_address(const struct ns_link_end *end, const struct cidr *address)
{
	for (unsigned i = 0; i < end->address_count; i++)
		if (cidr_equal(&end->addresses[i], address))
			return true;
	return false;
}

/* In what an end differs from what was wanted; NULL: in nothing. */
static const char *difference(const struct ns_link_end *end, const struct ns_link_end *wanted)
{
	if (end->address_count != wanted->address_count)
		return "addresses";
	for (unsigned i = 0; i < wanted->address_count; i++)
		if (!has_address(end, &wanted->addresses[i]))
			return "addresses";
	if (!is_open(wanted->mac) && memcmp(wanted->mac, end->mac, MAC_SIZE) != 0)
		return "MAC address";
	return NULL;
}

/* A link that is there: is it what was asked for? */
static int compare_existing(const struct ns_link *link, unsigned first,
        const struct request *request, struct answer *answer, struct error *err)
{
	char text[NS_LINK_TEXT_SIZE], what_is[NS_LINK_TEXT_SIZE + 8];

	ns_link_format(link, text);
	for (unsigned i = 0; i < 2; i++) {
		const struct ns_link_end *end = &link->ends[i ? 1 - first : first];
		const char *what = difference(end, &request->ends[i]);

		if (what)
			return error_set(err, ERROR_EXISTS, 0,
			        "link %s exists with other %s in namespace %s", text, what,
			        end->namespace);
	}
	answer->existed = true;
	memcpy(answer->link, link->id, ID_SIZE);
	snprintf(what_is, sizeof(what_is), "link %s", text);
	return settings_compare(&ns_link_settings, &request->wanted_ns_link, link, what_is,
	        "netd-ctl ns links --json", err);
}

static bool same_subnet(const struct cidr *a, const struct cidr *b)
{
	struct ip x = cidr_first(a), y = cidr_first(b);

	return a->prefix == b->prefix && ip_equal(&x, &y);
}

static int taken(const char *ns, const char *ifname, const struct cidr *address,
        const struct cidr *other, struct error *err)
{
	char text[CIDR_TEXT_SIZE];
	bool same = ip_equal(&address->ip, &other->ip);

	if (!same && !same_subnet(address, other))
		return 0;
	return error_set(err, ERROR_EXISTS, 0,
	        "address %s: namespace %s has %s on its interface %s already",
	        cidr_format(address, text), ns, same ? "it" : "an address of this subnet", ifname);
}

int namespace_check_links(
        const struct model *model, const char *name, const struct cidr *address, struct error *err)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned end;
	int r = 0;

	while (r == 0 && (link = namespace_next_link(model, name, key, &end)))
		for (unsigned i = 0; r == 0 && i < link->ends[end].address_count; i++)
			r = taken(name, link->ends[end].ifname, address,
			        &link->ends[end].addresses[i], err);
	return r;
}

/* One that a host of its subnet can have. A subnet of two addresses (RFC 3021, RFC 6164) or of one
 * has none to spare. */
static int check_usable(const struct cidr *address, const char *field, struct error *err)
{
	const struct subnet subnet = {.cidr = {cidr_first(address), address->prefix}};
	const struct ip *ip = &address->ip;
	char text[CIDR_TEXT_SIZE];

	cidr_format(address, text);
	if (address->prefix == 0)
		return error_field(err, field, "address %s: it needs a prefix length", text);
	if (ip_is_any(ip) || ip_is_loopback(ip) || ip_is_multicast(ip) ||
	        (ip->family == AF_INET6 && ip_is_link_local(ip)))
		return error_field(err, field,
		        "address %s is none that an interface can be given%s", text,
		        ip_is_link_local(ip) ? ": netd gives each the link-local address of its MAC"
		                             : "");
	if (address->prefix + 1U < 8 * ip_size(ip->family) && subnet_reserves(&subnet, ip))
		return error_field(err, field, "address %s is %s", text, subnet_reserved(ip));
	return 0;
}

static int check_addresses(const struct model *model, const struct namespace *ns,
        const struct ns_link_end *end, unsigned number, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < end->address_count; i++) {
		const struct cidr *address = &end->addresses[i];
		char field[48];

		snprintf(field, sizeof(field), "ends[%u].addresses[%u]", number, i);
		r = check_usable(address, field, err);
		for (unsigned j = 0; r == 0 && j < i; j++)
			r = taken(ns->name, end->ifname, address, &end->addresses[j], err);
		for (unsigned j = 0; r == 0 && j < ns->endpoint_count; j++)
			for (unsigned k = 0; r == 0 && k < ns->endpoints[j].address_count; k++)
				r = taken(ns->name, ns->endpoints[j].ifname, address,
				        &ns->endpoints[j].addresses[k], err);
		if (r == 0)
			r = namespace_check_links(model, ns->name, address, err);
	}
	return r;
}

static int check_room(const struct model *model, const char *ns, struct error *err)
{
	char key[KEY_SIZE] = "";
	unsigned end, count = 0;

	while (namespace_next_link(model, ns, key, &end))
		count++;
	if (count >= NAMESPACE_LINKS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s has %u links, the most netd keeps", ns, count);
	if (model_count(model, TABLE_NS_LINKS) >= MODEL_NS_LINKS_MAX)
		return error_set(err, ERROR_REFUSED, 0, "there are %u links, the most netd keeps",
		        MODEL_NS_LINKS_MAX);
	return 0;
}

/* Of the link's id, so that it is no other's and the same for the same history. */
static void choose_mac(const struct ns_link *link, unsigned number, uint8_t ret[MAC_SIZE])
{
	sscanf(link->id, "%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx", &ret[0], &ret[1], &ret[2], &ret[3],
	        &ret[4], &ret[5]);
	ret[0] = (uint8_t)((ret[0] & 0xfc) | 0x02);
	ret[5] = (uint8_t)((ret[5] & 0xfe) | number);
}

/* One end, in a namespace that may be made or adopted for it. */
static int make_end(struct model *fork, const struct request *request, const struct facts *facts,
        unsigned number, struct ns_link *link, bool *created, struct error *err)
{
	struct ns_link_end *end = &link->ends[number];
	struct namespace ns;
	int r = namespace_to_connect(
	        fork, end->namespace, request->existing, facts, created, &ns, err);

	if (r == 0)
		r = check_room(fork, end->namespace, err);
	if (r == 0)
		r = namespace_choose_ifname(fork, &ns, facts,
		        request->ends[number].ifname[0] ? request->ends[number].ifname : NULL,
		        end->ifname, err);
	if (r == 0)
		r = check_addresses(fork, &ns, end, number, err);
	if (r < 0)
		return r;
	if (is_open(end->mac))
		choose_mac(link, number, end->mac);
	return model_put_namespace(fork, &ns) < 0 ? error_memory(err) : 0;
}

static int check_link(const struct ns_link *link, struct error *err)
{
	char mac[MAC_TEXT_SIZE];

	if (memcmp(link->ends[0].mac, link->ends[1].mac, MAC_SIZE) == 0)
		return error_field(err, "ends[1].mac",
		        "MAC address %s: both ends would have it; choose another",
		        mac_format(link->ends[1].mac, mac));
	if (link->mtu < MTU_MIN_IP6 && ns_link_has_ip6(link))
		return error_field(err, "mtu", "mtu: IPv6 needs %d at least", MTU_MIN_IP6);
	return 0;
}

static int make_link(struct model *fork, const struct request *request, const struct facts *facts,
        struct ns_link *link, struct answer *answer, struct error *err)
{
	int r = model_new_id(fork, link->id) < 0 ? error_memory(err) : 0;

	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = make_end(fork, request, i ? facts->peer : facts, i, link,
		        &answer->created_ends[i], err);
	if (r == 0)
		r = check_link(link, err);
	if (r == 0 && model_put_ns_link(fork, link) < 0)
		r = error_memory(err);
	return r;
}

int rule_ns_link(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct ns_link *existing = NULL;
	struct ns_link link = {.ends = {request->ends[0], request->ends[1]}};
	char key[KEY_SIZE] = "";
	unsigned first;
	int r;

	memcpy(answer->namespace, link.ends[0].namespace, NAME_SIZE);
	if (strcmp(link.ends[0].namespace, link.ends[1].namespace) == 0)
		return error_field(err, "ends[1].namespace",
		        "namespace %s: a link leads from one namespace to another",
		        link.ends[1].namespace);
	if (request->exist_ok)
		existing = next_between(fork, request->ends, key, &first);
	if (existing)
		return compare_existing(existing, first, request, answer, err);
	settings_start(&ns_link_settings, &link);
	r = settings_copy(&ns_link_settings, request->given, &request->wanted_ns_link, &link) < 0
	            ? error_memory(err)
	            : make_link(fork, request, facts, &link, answer, err);
	memcpy(answer->link, link.id, ID_SIZE);
	settings_free(&ns_link_settings, &link);
	return r;
}

int rule_ns_link_set(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct ns_link *before;
	struct ns_link link;
	int r = find_link(fork, request, &before, err);

	if (r < 0)
		return r;
	link = *before;
	memcpy(answer->namespace, link.ends[0].namespace, NAME_SIZE);
	memcpy(answer->link, link.id, ID_SIZE);
	if (settings_own(&ns_link_settings, &link) < 0)
		return error_memory(err);
	if (settings_copy(&ns_link_settings, request->given, &request->wanted_ns_link, &link) < 0)
		r = error_memory(err);
	if (r == 0)
		r = check_link(&link, err);
	if (r == 0 && model_put_ns_link(fork, &link) < 0)
		r = error_memory(err);
	settings_free(&ns_link_settings, &link);
	return r;
}

/* --- its end --- */

static int condemn(
        struct model *fork, const struct ns_link *gone, struct answer *answer, struct error *err)
{
	struct tombstone tombstone = {.kind = TOMBSTONE_LINK};
	char text[NS_LINK_TEXT_SIZE], id[ID_SIZE], name[IFNAMSIZ];
	int r;

	memcpy(id, gone->id, ID_SIZE);
	ns_link_name(gone, name);
	snprintf(tombstone.name, sizeof(tombstone.name), "%s", name);
	memcpy(tombstone.namespace, gone->ends[0].namespace, NAME_SIZE);
	memcpy(tombstone.peer, gone->ends[1].namespace, NAME_SIZE);
	ns_link_format(gone, text);
	if (model_remove(fork, TABLE_NS_LINKS, id) < 0 ||
	        (answer && answer_removed(answer, "link %s", text) < 0))
		return error_memory(err);
	r = tombstone_add(fork, &tombstone, err);
	if (r == 0)
		r = namespace_forget_idle(fork, tombstone.namespace, err);
	return r == 0 ? namespace_forget_idle(fork, tombstone.peer, err) : r;
}

int namespace_unlink(struct model *fork, const char *name, struct answer *answer, struct error *err)
{
	int r = 0;

	while (r == 0) {
		char key[KEY_SIZE] = "";
		unsigned end;
		const struct ns_link *link = namespace_next_link(fork, name, key, &end);

		if (!link)
			return 0;
		r = condemn(fork, link, answer, err);
	}
	return r;
}

int rule_ns_unlink(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct ns_link *link;
	int r = find_link(fork, request, &link, err);

	if (r < 0)
		return r;
	memcpy(answer->namespace, link->ends[0].namespace, NAME_SIZE);
	return condemn(fork, link, answer, err);
}
