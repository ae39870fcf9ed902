/*
 * Indexes are tables like the others. They are kept by the put functions alone: whatever an object
 * claims (its address, its port, its place in a network) is withdrawn for the old version and
 * claimed for the new one, so an index cannot drift from its objects.
 */
#include "daemon/model/index.h"

#include "daemon/model/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Claims a key for its owner, or withdraws it (owner NULL), unless another owner has it by now. */
static int claim(struct model *model, enum model_table table, const char *key, const char *owner,
        bool withdraw)
{
	struct reference reference;
	const struct reference *present;

	if (!withdraw) {
		snprintf(reference.owner, sizeof(reference.owner), "%s", owner);
		return model_put_copy(model, table, key, &reference, sizeof(reference));
	}
	present = model_object(model, table, key);
	if (!present || strcmp(present->owner, owner) != 0)
		return 0;
	return model_put_copy(model, table, key, NULL, 0);
}

static int index_allowed(struct model *model, const struct network *network, bool withdraw)
{
	const char *rest = network->allow;
	struct allowed allowed;
	char key[KEY_SIZE];
	int r = 0;

	while (r == 0 && allowed_next(&rest, &allowed)) {
		model_allowed_key(key, &allowed, network->name);
		r = claim(model, TABLE_ALLOWED, key, network->name, withdraw);
	}
	return r;
}

static int index_subnets(struct model *model, const struct network *network, bool withdraw)
{
	char key[KEY_SIZE];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < network->subnet_count; i++) {
		model_subnet_key(key, &network->subnets[i].cidr);
		r = claim(model, TABLE_SUBNETS, key, network->name, withdraw);
	}
	return r;
}

/* How a network's addresses are used is known as long as there is the network; one that is only
 * replaced may have endpoints. */
static int index_network(struct model *model, const struct network *network, bool withdraw)
{
	int r = network ? claim(model, TABLE_BRIDGES, network->bridge, network->name, withdraw) : 0;

	if (r == 0 && network && withdraw && model_usage(model, network->name).endpoints == 0 &&
	        model_usage(model, network->name).leases == 0)
		r = model_put_copy(model, TABLE_USAGE, network->name, NULL, 0);
	if (r == 0 && network)
		r = index_subnets(model, network, withdraw);
	return r == 0 && network ? index_allowed(model, network, withdraw) : r;
}

static int count_endpoint(struct model *model, const struct endpoint *endpoint, bool withdraw)
{
	struct usage usage = model_usage(model, endpoint->network);

	usage.endpoints += withdraw ? -1U : 1U;
	for (unsigned i = 0; !withdraw && i < endpoint->address_count; i++) {
		const struct ip *ip = &endpoint->addresses[i].ip;

		*(ip->family == AF_INET6 ? &usage.last6 : &usage.last) = *ip;
	}
	return model_put_copy(model, TABLE_USAGE, endpoint->network, &usage, sizeof(usage));
}

static int index_endpoint(struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, bool withdraw)
{
	char key[KEY_SIZE];
	int r;

	snprintf(key, sizeof(key), "%s/%s", endpoint->network, ns->name);
	r = claim(model, TABLE_MEMBERS, key, ns->name, withdraw);
	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++) {
		model_address_key(key, endpoint->network, &endpoint->addresses[i].ip);
		r = claim(model, TABLE_ADDRESSES, key, ns->name, withdraw);
	}
	if (r < 0)
		return r;
	r = count_endpoint(model, endpoint, withdraw);
	if (r < 0)
		return r;
	model_mac_key(key, endpoint->network, endpoint->mac);
	return claim(model, TABLE_ADDRESSES, key, ns->name, withdraw);
}

static int index_namespace(struct model *model, const struct namespace *ns, bool withdraw)
{
	char key[KEY_SIZE];
	int r = 0;

	if (ns && ns->cookie) {
		model_cookie_key(key, ns->boot_id, ns->cookie);
		r = claim(model, TABLE_COOKIES, key, ns->name, withdraw);
	}
	if (r == 0 && ns && ns->origin != ORIGIN_CREATED)
		r = claim(model, TABLE_FOREIGN, ns->name, ns->name, withdraw);
	for (unsigned i = 0; ns && r == 0 && i < ns->endpoint_count; i++)
		r = index_endpoint(model, ns, &ns->endpoints[i], withdraw);
	return r;
}

struct claiming {
	struct model *model;
	const char *owner;
	bool withdraw;
};

static int claim_key(enum model_table table, const char *key, void *arg)
{
	const struct claiming *claiming = arg;

	return claim(claiming->model, table, key, claiming->owner, claiming->withdraw);
}

static int index_publication(
        struct model *model, const struct publication *publication, bool withdraw)
{
	struct claiming claiming = {model, publication->id, withdraw};

	return publication_keys(publication, claim_key, &claiming);
}

/* An address rests until the flows to it are gone: then its tombstone owns it. */
static int index_tombstone(struct model *model, const struct tombstone *tombstone, bool withdraw)
{
	char key[KEY_SIZE];

	if (!tombstone)
		return 0;
	if (tombstone->kind == TOMBSTONE_FLOWS && tombstone->network[0]) {
		model_address_key(key, tombstone->network, &tombstone->ip);
		return claim(model, TABLE_ADDRESSES, key, tombstone->id, withdraw);
	}
	if (tombstone->kind == TOMBSTONE_LINK)
		return claim(model, TABLE_BRIDGES, tombstone->name, tombstone->id, withdraw);
	return 0;
}

static int index_moved(struct model *model, const struct moved *moved, bool withdraw)
{
	char key[KEY_SIZE];

	if (!moved)
		return 0;
	snprintf(key, sizeof(key), "%s/%s", moved->namespace, moved->name);
	return claim(model, TABLE_MOVED_IN, key, moved->name, withdraw);
}

static int count_lease(struct model *model, const struct lease *lease, bool withdraw)
{
	struct usage usage = model_usage(model, lease->network);

	usage.leases += withdraw ? -1U : 1U;
	return model_put_copy(model, TABLE_USAGE, lease->network, &usage, sizeof(usage));
}

static int index_lease(struct model *model, const struct lease *lease, bool withdraw)
{
	char key[KEY_SIZE], age[KEY_SIZE];
	int r;

	if (!lease)
		return 0;
	model_lease_key(key, lease->network, lease->namespace);
	r = claim(model, TABLE_LEASED, key, lease->id, withdraw);
	for (unsigned i = 0; r == 0 && i < lease->address_count; i++) {
		model_leased_key(key, lease->network, &lease->addresses[i].ip);
		r = claim(model, TABLE_LEASED, key, lease->id, withdraw);
	}
	model_lease_age_prefix(key, lease->network);
	snprintf(age, sizeof(age), "%.160s%016" PRIx64, key, lease->number);
	if (r == 0)
		r = claim(model, TABLE_LEASED, age, lease->id, withdraw);
	return r == 0 ? count_lease(model, lease, withdraw) : r;
}

static int index_ns_link(struct model *model, const struct ns_link *link, bool withdraw)
{
	char key[KEY_SIZE];
	int r = 0;

	for (unsigned i = 0; link && r == 0 && i < 2; i++) {
		snprintf(key, sizeof(key), "%s/%s", link->ends[i].namespace, link->id);
		r = claim(model, TABLE_LINKED, key, link->id, withdraw);
	}
	return r;
}

int model_index(struct model *model, enum model_table table, const void *object, bool withdraw)
{
	switch (table) {
	case TABLE_NETWORKS:
		return index_network(model, object, withdraw);
	case TABLE_NAMESPACES:
		return index_namespace(model, object, withdraw);
	case TABLE_PUBLICATIONS:
		return object ? index_publication(model, object, withdraw) : 0;
	case TABLE_TOMBSTONES:
		return index_tombstone(model, object, withdraw);
	case TABLE_MOVED:
		return index_moved(model, object, withdraw);
	case TABLE_NS_LINKS:
		return index_ns_link(model, object, withdraw);
	case TABLE_LEASES:
		return index_lease(model, object, withdraw);
	case TABLE_HOST:
	case TABLE_INTERFACES:
	case TABLE_MEMBERS:
	case TABLE_ADDRESSES:
	case TABLE_BRIDGES:
	case TABLE_SUBNETS:
	case TABLE_PORTS:
	case TABLE_NS_PORTS:
	case TABLE_ALLOWED:
	case TABLE_SOURCES:
	case TABLE_USAGE:
	case TABLE_LEASED:
	case TABLE_COOKIES:
	case TABLE_FOREIGN:
	case TABLE_MOVED_IN:
	case TABLE_LINKED:
	case TABLE_COUNT:
		return 0;
	}
	return 0;
}
