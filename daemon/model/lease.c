/*
 * What is remembered of endpoints that are gone: so a namespace that comes back gets the addresses
 * and the MAC address that it had. Addresses that were asked for stay the namespace's; others are
 * given to someone else when nothing else is free, those that were left first of all.
 *
 * It is known by the names of network and namespace, so it outlives a namespace that is removed by
 * someone else and made again: that is what a restart of a container looks like. It goes with its
 * network, with `ns rm`, and when the namespace is to be forgotten.
 */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

static const struct lease *first_of(const struct model *model, const char *prefix)
{
	const struct reference *reference;
	char key[KEY_SIZE] = "";

	reference = model_next_in(model, TABLE_LEASED, prefix, key);
	return reference ? model_object(model, TABLE_LEASES, reference->owner) : NULL;
}

static bool is_fixed(const struct lease *lease)
{
	for (unsigned i = 0; i < lease->address_count; i++)
		if (lease->addresses[i].fixed)
			return true;
	return false;
}

/* The oldest one of a network; one whose addresses were asked for only if there is no other. */
static const struct lease *oldest(const struct model *model, const char *network)
{
	const struct reference *reference;
	char prefix[KEY_SIZE], key[KEY_SIZE] = "";

	model_lease_age_prefix(prefix, network);
	while ((reference = model_next_in(model, TABLE_LEASED, prefix, key))) {
		const struct lease *lease = model_object(model, TABLE_LEASES, reference->owner);

		if (!is_fixed(lease))
			return lease;
	}
	return first_of(model, prefix);
}

static int drop(struct model *fork, const struct lease *lease)
{
	char id[ID_SIZE];

	if (!lease)
		return 0;
	memcpy(id, lease->id, sizeof(id));
	return model_remove(fork, TABLE_LEASES, id);
}

/* Where there are too many, the oldest is forgotten. */
static int make_room(struct model *fork, const char *network)
{
	bool full = model_usage(fork, network).leases >= NETWORK_LEASES_MAX ||
	            model_count(fork, TABLE_LEASES) >= MODEL_LEASES_MAX;

	return full ? drop(fork, oldest(fork, network)) : 0;
}

int lease_keep(
        struct model *fork, const char *ns, const struct endpoint *endpoint, struct error *err)
{
	struct lease lease = {.address_count = endpoint->address_count};

	memcpy(lease.mac, endpoint->mac, MAC_SIZE);
	snprintf(lease.network, sizeof(lease.network), "%s", endpoint->network);
	snprintf(lease.namespace, sizeof(lease.namespace), "%s", ns);
	for (unsigned i = 0; i < endpoint->address_count; i++) {
		lease.addresses[i].ip = endpoint->addresses[i].ip;
		lease.addresses[i].fixed = endpoint->fixed[i];
	}
	if (lease_drop(fork, lease.network, lease.namespace) < 0 ||
	        make_room(fork, lease.network) < 0)
		return error_memory(err);
	if (model_count(fork, TABLE_LEASES) >= MODEL_LEASES_MAX)
		return 0;
	lease.number = model_host(fork)->next_id;
	if (model_new_id(fork, lease.id) < 0 || model_put_lease(fork, &lease) < 0)
		return error_memory(err);
	return 0;
}

int lease_drop(struct model *fork, const char *network, const char *ns)
{
	return drop(fork, model_lease(fork, network, ns));
}

/* All those that the index has by this prefix. */
static int drop_all(struct model *fork, const char *prefix)
{
	const struct lease *lease;
	int r = 0;

	while (r == 0 && (lease = first_of(fork, prefix)))
		r = drop(fork, lease);
	return r;
}

int leases_drop_namespace(struct model *fork, const char *ns)
{
	char prefix[KEY_SIZE];

	model_lease_key(prefix, "", ns);
	return drop_all(fork, prefix);
}

int leases_drop_network(struct model *fork, const char *network)
{
	char prefix[KEY_SIZE];

	model_lease_age_prefix(prefix, network);
	return drop_all(fork, prefix);
}

int lease_give_up(struct model *fork, const struct lease *lease, const struct ip *ip)
{
	struct lease rest = *lease;

	rest.address_count = 0;
	for (unsigned i = 0; i < lease->address_count; i++)
		if (!ip_equal(&lease->addresses[i].ip, ip))
			rest.addresses[rest.address_count++] = lease->addresses[i];
	return rest.address_count ? model_put_lease(fork, &rest) : drop(fork, lease);
}

const struct lease *lease_to_take(
        const struct model *model, const char *network, const struct cidr *range, struct ip *ret)
{
	const struct reference *reference;
	char prefix[KEY_SIZE], key[KEY_SIZE] = "", address[KEY_SIZE];

	model_lease_age_prefix(prefix, network);
	while ((reference = model_next_in(model, TABLE_LEASED, prefix, key))) {
		const struct lease *lease = model_object(model, TABLE_LEASES, reference->owner);

		for (unsigned i = 0; i < lease->address_count; i++) {
			const struct ip *ip = &lease->addresses[i].ip;

			model_address_key(address, network, ip);
			if (!lease->addresses[i].fixed && cidr_contains(range, ip) &&
			        model_lease_of(model, network, ip) == lease &&
			        !model_owner(model, TABLE_ADDRESSES, address)) {
				*ret = *ip;
				return lease;
			}
		}
	}
	return NULL;
}
