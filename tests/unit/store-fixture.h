/* A state directory of its own for each test, and one object of every kind to put into its
 * database. */
#pragma once

#include "daemon/store/store.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64], database[96];

static inline void make_directory(void)
{
	strcpy(directory, "/tmp/test-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(database, sizeof(database), "%s/netd.db", directory);
}

static inline void empty_directory(void)
{
	static const char *const files[] = {"netd.db", "netd.db-wal", "netd.db-journal",
	        "netd.db.new", "netd.db.new-wal", "netd.db.new-journal"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
}

static inline void remove_directory(void)
{
	empty_directory();
	rmdir(directory);
}

/* For tests that each have such a directory, and time for a slow disk. */
static inline TCase *store_case(void)
{
	TCase *tests = tcase_create("tests");

	tcase_add_checked_fixture(tests, make_directory, remove_directory);
	return tests;
}

static inline struct store *open_store(void)
{
	struct store *store = NULL;
	struct error err = {0};

	ck_assert_msg(store_open(&store, directory, directory, &err) == 0, "%s", err.text);
	return store;
}

static inline struct model *load(struct store *store)
{
	struct model *model = model_new();
	struct error err = {0};

	ck_assert_msg(store_load(store, model, &err) == 0, "%s", err.text);
	return model;
}

static inline void commit(struct store *store, const struct model *fork)
{
	struct error err = {0};

	ck_assert_msg(store_commit(store, fork, &err) == 0, "%s", err.text);
}

static inline struct network a_network(const char *name)
{
	struct network network = {.id = "0123456789ab",
	        .driver = "bridge",
	        .mac = {2, 0, 0, 0, 0, 1},
	        .link_mtu = 1400,
	        .mtu = 1400,
	        .internal = true,
	        .subnets = {{{ip4(0x0a010000), 24}, ip4(0x0a010001)},
	                {{{AF_INET6, {0xfd, [7] = 3}}, 64}, {AF_INET6, {0xfd, [7] = 3, [15] = 1}}}},
	        .subnet_count = 2};

	snprintf(network.name, sizeof(network.name), "%s", name);
	snprintf(network.bridge, sizeof(network.bridge), "br-%s", name);
	return network;
}

static inline struct endpoint an_endpoint(const char *network, uint32_t address)
{
	struct endpoint endpoint = {.id = "abcdef012345",
	        .ifname = "eth0",
	        .host_ifname = "nvabcdef0123",
	        .mac = {2, 0, 0, 0, 0, 2},
	        .addresses = {{ip4(address), 24}, {{AF_INET6, {0xfd, [7] = 3, [15] = 2}}, 64}},
	        .fixed = {false, true},
	        .address_count = 2};

	snprintf(endpoint.network, sizeof(endpoint.network), "%s", network);
	return endpoint;
}

static inline struct ns_link a_link(void)
{
	return (struct ns_link){.id = "0000000000ff",
	        .ends = {{.namespace = "alone",
	                         .ifname = "eth0",
	                         .mac = {2, 0, 0, 0, 0, 4},
	                         .addresses = {{ip4(0x0a630001), 30},
	                                 {{AF_INET6, {0xfd, [7] = 9, [15] = 1}}, 64}},
	                         .address_count = 2},
	                {.namespace = "web",
	                        .ifname = "wan",
	                        .mac = {2, 0, 0, 0, 0, 5},
	                        .addresses = {{ip4(0x0a630002), 30}},
	                        .address_count = 1}},
	        .mtu = 9000,
	        .labels = (char *)"rack=1\n"};
}

static inline void check_link(const struct ns_link *link, const struct ns_link *same)
{
	ck_assert_ptr_nonnull(link);
	ck_assert_int_eq(link->mtu, same->mtu);
	ck_assert_str_eq(link->labels, same->labels);
	for (unsigned i = 0; i < 2; i++) {
		const struct ns_link_end *end = &link->ends[i], *other = &same->ends[i];

		ck_assert_str_eq(end->namespace, other->namespace);
		ck_assert_str_eq(end->ifname, other->ifname);
		ck_assert_mem_eq(end->mac, other->mac, MAC_SIZE);
		ck_assert_uint_eq(end->address_count, other->address_count);
		for (unsigned j = 0; j < other->address_count; j++)
			ck_assert(cidr_equal(&end->addresses[j], &other->addresses[j]));
	}
}

/* Puts one object of every kind, and raises next_id. */
static inline void fill(struct model *model)
{
	struct network first = a_network("first"), second = a_network("second");
	struct endpoint endpoints[] = {
	        an_endpoint("second", 0x0a020002), an_endpoint("first", 0x0a010002)};
	struct namespace ns = {.name = "web",
	        .origin = ORIGIN_ADOPTED,
	        .cookie = 0xfedcba9876543210,
	        .boot_id = "01234567-89ab-cdef-0123-456789abcdef",
	        .own_route6 = true,
	        .endpoints = endpoints,
	        .endpoint_count = 2};
	struct namespace alone = {.name = "alone"};
	struct publication publication = {.id = "00000000000a",
	        .protocol = IPPROTO_UDP,
	        .host_port = 8080,
	        .host_port_end = 8090,
	        .port = 80,
	        .namespace = "web"};
	struct tombstone flows = {.id = "00000000000b",
	        .kind = TOMBSTONE_FLOWS,
	        .network = "first",
	        .protocol = IPPROTO_TCP,
	        .ip = ip4(0x0a010009),
	        .port = 53,
	        .through = 8080,
	        .match = FLOWS_ORIGINAL_LOCAL};
	struct tombstone netns = {.id = "00000000000c",
	        .kind = TOMBSTONE_NETNS,
	        .name = "gone",
	        .origin = ORIGIN_ADOPTED,
	        .cookie = UINT64_MAX};
	struct lease lease = {.id = "00000000000d",
	        .number = 7,
	        .network = "first",
	        .namespace = "web",
	        .mac = {2, 0, 0, 0, 0, 3},
	        .addresses = {{ip4(0x0a020003), true}},
	        .address_count = 1};
	struct ns_link link = a_link();
	struct tombstone pair = {.id = "00000000000e",
	        .kind = TOMBSTONE_LINK,
	        .name = "nvcondemned",
	        .namespace = "web",
	        .peer = "alone"};
	char id[ID_SIZE];

	ck_assert_int_eq(model_put_network(model, &first), 0);
	ck_assert_int_eq(model_put_network(model, &second), 0);
	ck_assert_int_eq(model_put_namespace(model, &ns), 0);
	ck_assert_int_eq(model_put_namespace(model, &alone), 0);
	ck_assert_int_eq(model_put_publication(model, &publication), 0);
	ck_assert_int_eq(model_put_tombstone(model, &flows), 0);
	ck_assert_int_eq(model_put_tombstone(model, &netns), 0);
	ck_assert_int_eq(model_put_lease(model, &lease), 0);
	ck_assert_int_eq(model_put_ns_link(model, &link), 0);
	ck_assert_int_eq(model_put_tombstone(model, &pair), 0);
	ck_assert_int_eq(model_new_id(model, id), 0);
}

/* Field by field: what stands between fields is nobody's. */
static inline void check_network(const struct network *network, const struct network *same)
{
	ck_assert_str_eq(network->name, same->name);
	ck_assert_str_eq(network->id, same->id);
	ck_assert_str_eq(network->driver, same->driver);
	ck_assert_str_eq(network->bridge, same->bridge);
	ck_assert_mem_eq(network->mac, same->mac, MAC_SIZE);
	ck_assert_uint_eq(network->mtu, same->mtu);
	ck_assert_int_eq(network->internal, same->internal);
	ck_assert_uint_eq(network->subnet_count, same->subnet_count);
	for (unsigned i = 0; i < same->subnet_count; i++) {
		ck_assert(cidr_equal(&network->subnets[i].cidr, &same->subnets[i].cidr));
		ck_assert(ip_equal(&network->subnets[i].gateway, &same->subnets[i].gateway));
	}
}

static inline void check_endpoint(const struct endpoint *endpoint, const struct endpoint *same)
{
	ck_assert_str_eq(endpoint->id, same->id);
	ck_assert_str_eq(endpoint->network, same->network);
	ck_assert_str_eq(endpoint->ifname, same->ifname);
	ck_assert_str_eq(endpoint->host_ifname, same->host_ifname);
	ck_assert_mem_eq(endpoint->mac, same->mac, MAC_SIZE);
	ck_assert_uint_eq(endpoint->address_count, same->address_count);
	for (unsigned i = 0; i < same->address_count; i++)
		ck_assert(cidr_equal(&endpoint->addresses[i], &same->addresses[i]) &&
		          endpoint->fixed[i] == same->fixed[i]);
}

static inline void check_filled(const struct model *model)
{
	const struct network *network = model_network(model, "first");
	const struct namespace *ns = model_namespace(model, "web");
	const struct publication *publication = model_publication(model, "00000000000a");
	struct network same = a_network("first");
	struct endpoint endpoint = an_endpoint("second", 0x0a020002);
	char key[KEY_SIZE] = "";
	const struct tombstone *tombstone;
	const struct lease *lease;
	const struct ns_link link = a_link();

	ck_assert_uint_eq(model_count(model, TABLE_NETWORKS), 2);
	check_network(network, &same);
	ck_assert_uint_eq(model_count(model, TABLE_NAMESPACES), 2);
	ck_assert_int_eq(ns->origin, ORIGIN_ADOPTED);
	ck_assert_uint_eq(ns->cookie, 0xfedcba9876543210);
	ck_assert_str_eq(ns->boot_id, "01234567-89ab-cdef-0123-456789abcdef");
	ck_assert(!ns->own_route && ns->own_route6);
	ck_assert_uint_eq(ns->endpoint_count, 2);
	check_endpoint(&ns->endpoints[0], &endpoint);
	ck_assert_str_eq(ns->endpoints[1].network, "first");
	ck_assert_int_eq(publication->protocol, IPPROTO_UDP);
	ck_assert_int_eq(publication->host_ip.family, 0); /* every address */
	ck_assert_uint_eq(publication->host_port, 8080);
	ck_assert_uint_eq(publication->host_port_end, 8090);
	ck_assert_uint_eq(publication->port, 80);
	ck_assert_str_eq(publication->network, "");
	tombstone = model_next(model, TABLE_TOMBSTONES, key);
	ck_assert_int_eq(tombstone->kind, TOMBSTONE_FLOWS);
	ck_assert_int_eq(tombstone->match, FLOWS_ORIGINAL_LOCAL);
	ck_assert_uint_eq(ip4_value(&tombstone->ip), 0x0a010009);
	ck_assert_uint_eq(tombstone->through, 8080);
	tombstone = model_next(model, TABLE_TOMBSTONES, key);
	ck_assert_int_eq(tombstone->kind, TOMBSTONE_NETNS);
	ck_assert_int_eq(tombstone->ip.family, 0);
	ck_assert_uint_eq(tombstone->cookie, UINT64_MAX);
	lease = model_lease(model, "first", "web");
	ck_assert_ptr_nonnull(lease);
	ck_assert_uint_eq(lease->number, 7);
	ck_assert_uint_eq(lease->mac[5], 3);
	ck_assert_uint_eq(lease->address_count, 1);
	ck_assert(lease->addresses[0].fixed);
	ck_assert_ptr_eq(model_lease_of(model, "first", &lease->addresses[0].ip), lease);
	check_link(model_ns_link(model, link.id), &link);
	tombstone = model_next(model, TABLE_TOMBSTONES, key);
	ck_assert_int_eq(tombstone->kind, TOMBSTONE_LINK);
	ck_assert_str_eq(tombstone->namespace, "web");
	ck_assert_str_eq(tombstone->peer, "alone");
	ck_assert_uint_eq(model_host(model)->next_id, 2);
}

/* Opens the store, and commits one of every kind into it. */
static inline void store_filled(void)
{
	struct store *store = open_store();
	struct model *model = load(store), *fork = model_fork(model);

	fill(fork);
	commit(store, fork);
	model_free(fork);
	model_free(model);
	store_close(store);
}
