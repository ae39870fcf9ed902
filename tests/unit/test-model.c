/* The model: forks, merging, indexes that cannot drift, ids. */
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include "lib/parse.h"

static struct network network(const char *name, const char *bridge)
{
	struct network network = {.mtu = 1500};

	strcpy(network.name, name);
	strcpy(network.bridge, bridge);
	return network;
}

START_TEST(a_fork_shadows_its_parent_until_it_is_merged)
{
	struct model *model = made_up_model(), *fork;
	struct network a = network("a", "br-a"), b = network("b", "br-b");

	ck_assert_int_eq(model_put_network(model, &a), 0);
	fork = model_fork(model);
	ck_assert_int_eq(model_put_network(fork, &b), 0);
	a.mtu = 9000;
	ck_assert_int_eq(model_put_network(fork, &a), 0);
	ck_assert_uint_eq(model_network(model, "a")->mtu, 1500);
	ck_assert_uint_eq(model_network(fork, "a")->mtu, 9000);
	ck_assert_ptr_null(model_network(model, "b"));
	ck_assert_uint_eq(model_count(fork, TABLE_NETWORKS), 2);
	ck_assert_uint_eq(model_count(model, TABLE_NETWORKS), 1);
	model_merge(fork, model);
	ck_assert_uint_eq(model_network(model, "a")->mtu, 9000);
	ck_assert_uint_eq(model_count(model, TABLE_NETWORKS), 2);
	model_free(model);
}
END_TEST

START_TEST(what_a_fork_removes_is_gone_from_walks_and_indexes)
{
	struct model *model = made_up_model(), *fork, *inner;
	struct network a = network("a", "br-a"), b = network("b", "br-b");
	const struct network *found;
	char key[KEY_SIZE] = "";

	model_put_network(model, &a);
	model_put_network(model, &b);
	fork = model_fork(model);
	inner = model_fork(fork);
	ck_assert_int_eq(model_remove(inner, TABLE_NETWORKS, "a"), 0);
	model_merge(inner, fork);
	found = model_next(fork, TABLE_NETWORKS, key);
	ck_assert_str_eq(found->name, "b");
	ck_assert_ptr_null(model_next(fork, TABLE_NETWORKS, key));
	ck_assert_ptr_null(model_owner(fork, TABLE_BRIDGES, "br-a"));
	ck_assert_str_eq(model_owner(model, TABLE_BRIDGES, "br-a"), "a");
	model_free(fork);
	ck_assert_ptr_nonnull(model_network(model, "a"));
	model_free(model);
}
END_TEST

START_TEST(indexes_follow_their_objects)
{
	struct model *model = made_up_model();
	const struct namespace *ns;
	char key[KEY_SIZE];

	must_create(model, "net");
	must_connect(model, "net", "web");
	ns = model_namespace(model, "web");
	model_address_key(key, "net", &ns->endpoints[0].addresses[0].ip);
	ck_assert_str_eq(model_owner(model, TABLE_ADDRESSES, key), "web");
	ck_assert_uint_eq(model_usage(model, "net").endpoints, 1);
	ck_assert_int_eq(model_remove_endpoint(model, ns, "net"), 0);
	ck_assert_ptr_null(model_owner(model, TABLE_ADDRESSES, key));
	ck_assert_ptr_null(model_owner(model, TABLE_MEMBERS, "net/web"));
	ck_assert_uint_eq(model_usage(model, "net").endpoints, 0);
	model_free(model);
}
END_TEST

static unsigned entries(const struct model *model)
{
	unsigned sum = 0;

	for (int table = 0; table < TABLE_COUNT; table++)
		sum += model_count(model, (enum model_table)table);
	return sum;
}

static void put_subnet(struct model *model, const char *name, const char *cidr)
{
	struct network with = network(name, name);
	struct error err;

	with.subnet_count = 1;
	ck_assert_int_eq(parse_subnet(cidr, "", &with.subnets[0].cidr, &err), 0);
	ck_assert_int_eq(model_put_network(model, &with), 0);
}

/* Of the network found: its name; "" for none. */
static const char *over(const struct model *model, const char *text)
{
	const struct network *found;
	struct cidr cidr;
	struct error err;

	ck_assert_int_eq(parse_subnet(text, "", &cidr, &err), 0);
	found = model_network_over(model, &cidr);
	return found ? found->name : "";
}

START_TEST(subnets_are_found_that_overlap)
{
	struct model *model = made_up_model(), *fork;
	struct cidr cidr;
	struct error err;

	put_subnet(model, "a", "10.1.0.0/24");
	put_subnet(model, "b", "10.2.0.0/16");
	put_subnet(model, "c", "fd00:1::/64");
	ck_assert_str_eq(over(model, "10.1.0.0/24"), "a");
	ck_assert_str_eq(over(model, "10.1.0.128/25"), "a");
	ck_assert_str_eq(over(model, "10.0.0.0/15"), "a");
	ck_assert_str_eq(over(model, "10.2.255.252/30"), "b");
	ck_assert_str_eq(over(model, "10.2.0.0/24"), "b");
	ck_assert_str_eq(over(model, "10.1.1.0/24"), "");
	ck_assert_str_eq(over(model, "10.3.0.0/16"), "");
	ck_assert_str_eq(over(model, "9.0.0.0/8"), "");
	ck_assert_str_eq(over(model, "11.0.0.0/8"), "");
	ck_assert_str_eq(over(model, "fd00:1::/48"), "c");
	ck_assert_str_eq(over(model, "fd00:1::8:0/112"), "c");
	ck_assert_str_eq(over(model, "fd00:2::/64"), "");
	ck_assert_int_eq(parse_subnet("10.1.0.0/25", "", &cidr, &err), 0);
	ck_assert_str_eq(model_network_at(model, &cidr)->name, "a");
	fork = model_fork(model);
	ck_assert_int_eq(model_remove(fork, TABLE_NETWORKS, "a"), 0);
	ck_assert_str_eq(over(fork, "10.1.0.0/24"), "");
	ck_assert_str_eq(over(fork, "10.0.0.0/8"), "b");
	ck_assert_ptr_null(model_network_at(fork, &cidr));
	model_free(fork);
	model_free(model);
}
END_TEST

START_TEST(names_that_are_gone_leave_nothing_behind)
{
	struct model *model = made_up_model();
	unsigned before = entries(model);
	char net[NAME_SIZE], ns[NAME_SIZE];

	for (int i = 0; i < 100; i++) {
		snprintf(net, sizeof(net), "net%d", i);
		snprintf(ns, sizeof(ns), "ns%d", i);
		must_create(model, net);
		must_connect(model, net, ns);
		ck_assert_int_eq(model_remove(model, TABLE_NAMESPACES, ns), 0);
		ck_assert_int_eq(model_remove(model, TABLE_NETWORKS, net), 0);
	}
	ck_assert_uint_eq(entries(model), before);
	model_free(model);
}
END_TEST

START_TEST(ids_are_derived_from_history_and_never_given_twice)
{
	struct model *one = made_up_model(), *other = made_up_model();
	char a[ID_SIZE], b[ID_SIZE], last[ID_SIZE] = "";

	for (int i = 0; i < 1000; i++) {
		model_new_id(one, a);
		model_new_id(other, b);
		ck_assert_str_eq(a, b);
		ck_assert_uint_eq(strspn(a, "0123456789abcdef"), ID_SIZE - 1);
		ck_assert_str_ne(a, last);
		strcpy(last, a);
	}
	model_free(one);
	model_free(other);
}
END_TEST

START_TEST(a_fork_names_what_it_touched)
{
	struct model *model = made_up_model(), *fork;
	struct network a = network("a", "br-a"), b = network("b", "br-b");
	const void *object;
	char key[KEY_SIZE] = "";

	model_put_network(model, &a);
	fork = model_fork(model);
	model_remove(fork, TABLE_NETWORKS, "a");
	model_put_network(fork, &b);
	ck_assert(model_next_touched(fork, TABLE_NETWORKS, key, &object));
	ck_assert_str_eq(key, "a");
	ck_assert_ptr_null(object);
	ck_assert(model_next_touched(fork, TABLE_NETWORKS, key, &object));
	ck_assert_str_eq(key, "b");
	ck_assert(!model_next_touched(fork, TABLE_NETWORKS, key, &object));
	model_free(fork);
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("model", subnets_are_found_that_overlap,
	        a_fork_shadows_its_parent_until_it_is_merged,
	        what_a_fork_removes_is_gone_from_walks_and_indexes, indexes_follow_their_objects,
	        names_that_are_gone_leave_nothing_behind,
	        ids_are_derived_from_history_and_never_given_twice, a_fork_names_what_it_touched);
}
