/*
 * Elements of netd's sets and maps: they come and go in batches that are whole or not at all,
 * whatever others have done to the sets meanwhile, and are observed as they were asked for.
 */
#include "tests/kernel/tables.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>

static struct ip ip_of(const char *text)
{
	struct ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	ck_assert_int_eq(inet_pton(ip.family, text, ip.bytes), 1);
	return ip;
}

static struct resource element_of(const char *table, const char *set)
{
	struct resource resource = {.kind = RESOURCE_ELEMENT};

	snprintf(resource.name, sizeof(resource.name), "%s", set);
	resource.element.set = set_find(table, set);
	ck_assert_ptr_nonnull(resource.element.set);
	return resource;
}

static struct resource any4(uint16_t port, const char *target)
{
	struct resource resource = element_of(INET, "nd_any4");
	struct ip ip = ip_of(target);

	element_key_protocol(&resource.element, IPPROTO_TCP);
	element_key_port(&resource.element, port);
	element_data_ip(&resource.element, &ip);
	element_data_port(&resource.element, 80);
	return resource;
}

static struct resource net4(const char *first, uint8_t prefix)
{
	struct resource resource = element_of(INET, "nd_nets4");
	struct cidr cidr = {ip_of(first), prefix};

	element_key_cidr(&resource.element, &cidr);
	return resource;
}

/* One field of an example, another one for every `number`. */
static void fill_key(struct element *element, enum field field, int number)
{
	static const uint8_t mac[MAC_SIZE] = {2, 0, 0, 0, 0, 7};
	char text[IFNAMSIZ];
	struct cidr cidr;

	switch (field) {
	case FIELD_IFNAME:
		snprintf(text, sizeof(text), "nd-%d", number);
		return element_key_ifname(element, text);
	case FIELD_IP4:
		cidr = (struct cidr){ip_of("10.1.0.0"), 24};
		cidr.ip.bytes[2] = (uint8_t)number;
		return element->set->interval ? element_key_cidr(element, &cidr)
		                              : element_key_ip(element, &cidr.ip);
	case FIELD_IP6:
	case FIELD_TARGET6:
		cidr = (struct cidr){ip_of("fd00::"), 64};
		cidr.ip.bytes[7] = (uint8_t)number;
		return element->set->interval && field == FIELD_IP6
		               ? element_key_cidr(element, &cidr)
		               : element_key_ip(element, &cidr.ip);
	case FIELD_PROTOCOL:
		return element_key_protocol(element, IPPROTO_UDP);
	case FIELD_PORT:
		return element_key_port(element, (uint16_t)(8080 + number));
	case FIELD_MAC:
		return element_key_mac(element, mac);
	case FIELD_NONE:
	case FIELD_VERDICT:
		ck_abort_msg("not in a key");
	}
}

static void fill_data(struct element *element, enum field field, int number)
{
	struct ip ip;

	switch (field) {
	case FIELD_IP4:
		ip = ip_of("10.1.0.2");
		return element_data_ip(element, &ip);
	case FIELD_IP6:
		ip = ip_of("fd00::2");
		return element_data_ip(element, &ip);
	case FIELD_PORT:
		return element_data_port(element, 80);
	case FIELD_VERDICT:
		return element_data_verdict(element, VERDICT_DROP + (unsigned)number);
	case FIELD_NONE:
	case FIELD_IFNAME:
	case FIELD_PROTOCOL:
	case FIELD_MAC:
	case FIELD_TARGET6:
		ck_abort_msg("not in data");
	}
}

static struct resource example(const struct set *set, int number)
{
	struct resource resource = element_of(set->table, set->name);

	for (int i = 0; i < SET_FIELDS_MAX && set->key[i] != FIELD_NONE; i++)
		fill_key(&resource.element, set->key[i], number);
	for (int i = 0; i < SET_FIELDS_MAX && set->data[i] != FIELD_NONE; i++)
		fill_data(&resource.element, set->data[i], number);
	if (set->limit)
		resource.element.rate = (uint64_t)(1000 * (number + 1));
	return resource;
}

static void add(const struct resource *resource)
{
	ck_assert_int_eq(queue(&kind_element, NULL, resource), 0);
}

static void delete (const struct resource *resource)
{
	ck_assert_int_eq(queue(&kind_element, resource, NULL), 0);
}

/* What the kernel takes out by itself is not observed: nothing is to be done about it. */
static void read_passing(struct resources *list)
{
	for (size_t i = 0; i < list->count; i++)
		ck_assert_uint_eq(list->items[i].element.set->seconds, 0);
	for (const struct set *set = sets; set->name; set++)
		if (set->seconds)
			ck_assert_int_eq(nft_set_read(kernel->nft, set, list, &err), 0);
}

/* Exactly these elements are there, with this data. */
static void must_have(const struct resource *wanted, size_t count)
{
	_cleanup_(resources_done) struct resources list = observe(&kind_element, SCOPE_INSTANCE);

	read_passing(&list);
	ck_assert_int_eq(list.count, count);
	for (size_t i = 0; i < count; i++) {
		bool found = false;

		for (size_t j = 0; j < list.count; j++)
			found = found || (resource_compare(&wanted[i], &list.items[j]) == 0 &&
			                         resource_equal(&wanted[i], &list.items[j]));
		ck_assert_msg(found, "%s is not there", wanted[i].name);
	}
}

START_TEST(adds_observes_and_removes_elements_of_every_set)
{
	make_tables();
	for (const struct set *set = sets; set->name; set++) {
		struct resource two[] = {example(set, 0), example(set, 1)};

		add(&two[0]);
		add(&two[1]);
		must_commit();
		must_have(two, 2);
		delete (&two[1]);
		must_commit();
		must_have(two, 1);
		delete (&two[0]);
		must_commit();
		must_have(NULL, 0);
	}
	ck_assert(tables_are_intact());
}
END_TEST

START_TEST(tells_commands_that_do_the_same)
{
	make_tables();
	shell("cat /dev/null > /run/told");
	for (const struct set *set = sets; set->name; set++) {
		struct resource one = example(set, 1), other = example(set, 2);
		_cleanup_(freep) char *adding = kind_tell(&kind_element, NULL, &one);
		_cleanup_(freep) char *removing = kind_tell(&kind_element, &other, NULL);
		FILE *script;

		shell("nft flush set %s %s 2>/dev/null || true", set->table, set->name);
		add(&other);
		must_commit();
		script = fopen("/run/told", "we");
		fprintf(script, "%s%s", adding, removing);
		fclose(script);
		shell("sh -e /run/told");
		must_have(&one, 1);
		delete (&one);
		must_commit();
	}
}
END_TEST

/* What nft lists of tables in which every set is filled, it loads again, and then it is the same.
 */
START_TEST(lists_filled_sets_so_that_nft_can_load_them_again)
{
	enum { MOST = 200 };
	struct resource *elements = calloc(MOST, sizeof(*elements));
	unsigned count = 0;

	make_tables();
	for (const struct set *set = sets; set->name; set++)
		for (int i = 0; i < 2; i++) {
			ck_assert_uint_lt(count, MOST);
			elements[count] = example(set, i);
			add(&elements[count++]);
		}
	must_commit();
	shell("list() { nft list ruleset | sed -E 's/( expires) \\w+/\\1/'; }; list > /run/before; "
	      "nft list ruleset > /run/listing; nft flush ruleset; nft -f /run/listing; "
	      "list | diff /run/before - >&2");
	ck_assert(tables_are_intact());
	must_have(elements, count);
	free(elements);
}
END_TEST

START_TEST(changes_an_element_in_one_batch)
{
	struct resource old = any4(8080, "10.1.0.2"), new = any4(8080, "10.1.0.3");
	_cleanup_(freep) char *told = kind_tell(&kind_element, &old, &new);

	make_tables();
	add(&old);
	must_commit();
	ck_assert_int_eq(queue(&kind_element, &old, &new), 0);
	must_commit();
	must_have(&new, 1);
	ck_assert_str_eq(told,
	        "nft 'delete element inet netd nd_any4 { tcp . 8080 : 10.1.0.2 . 80 }; "
	        "add element inet netd nd_any4 { tcp . 8080 : 10.1.0.3 . 80 }'\n");
}
END_TEST

START_TEST(keeps_neighbouring_networks_apart)
{
	const struct resource nets[] = {net4("10.1.0.0", 24), net4("10.1.1.0", 24),
	        net4("10.1.2.0", 23), net4("255.255.255.0", 24), net4("0.0.0.0", 8),
	        net4("10.9.9.9", 32)};
	const size_t count = sizeof(nets) / sizeof(*nets);

	make_tables();
	for (size_t i = 0; i < count; i++)
		add(&nets[i]);
	must_commit();
	must_have(nets, count);
	delete (&nets[0]);
	must_commit();
	must_have(nets + 1, count - 1);
}
END_TEST

START_TEST(reads_verdicts_that_are_not_its_own_as_different)
{
	struct resource wanted = element_of(INET, "nd_in4");
	_cleanup_(resources_done) struct resources list = {0};

	make_tables();
	element_key_ifname(&wanted.element, "netd0");
	element_data_verdict(&wanted.element, VERDICT_DROP);
	shell("nft 'add element inet netd nd_in4 { \"netd0\" : return }'");
	list = observe(&kind_element, SCOPE_INSTANCE);
	ck_assert_int_eq(list.count, 1);
	ck_assert_int_eq(resource_compare(&list.items[0], &wanted), 0);
	ck_assert(!resource_equal(&list.items[0], &wanted));
}
END_TEST

START_TEST(takes_ten_thousand_elements_in_one_batch)
{
	enum { COUNT = 10000 };
	struct resource *elements = calloc(COUNT, sizeof(*elements));
	struct resources list;

	make_tables();
	kernel->changes = 0;
	for (int i = 0; i < COUNT; i++) {
		elements[i] = any4((uint16_t)(1 + i), "10.1.0.2");
		add(&elements[i]);
	}
	must_commit();
	ck_assert_int_eq(kernel->changes, COUNT);
	list = observe(&kind_element, SCOPE_INSTANCE);
	ck_assert_int_eq(list.count, COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert(resource_compare(&list.items[i], &elements[i]) == 0 &&
		          resource_equal(&list.items[i], &elements[i]));
	resources_done(&list);
	/* Half of them go by another hand; removing all is success all the same. */
	shell("nft delete element inet netd nd_any4 \"{ $(seq -s ', ' -f 'tcp . %%g' 1 2 %d) }\"",
	        COUNT);
	for (int i = 0; i < COUNT; i++)
		delete (&elements[i]);
	must_commit();
	must_have(NULL, 0);
	free(elements);
}
END_TEST

static void must_read(const struct set *set, size_t count)
{
	_cleanup_(resources_done) struct resources list = {0};

	ck_assert_msg(nft_set_read(kernel->nft, set, &list, &err) == 0, "%s", err.text);
	resources_sort(&list);
	ck_assert_uint_eq(list.count, count);
}

/* The kernel grows its hash table behind a commit that fills it to three quarters. A single dump
 * meanwhile may miss some elements and have others twice. */
START_TEST(reads_all_elements_while_their_table_grows)
{
	enum { COUNT = 3073, ROUNDS = 25 };
	static const unsigned full[] = {768, 1536, COUNT - 1};
	struct resource *elements = calloc(COUNT, sizeof(*elements));
	const struct set *set = set_find(INET, "nd_any4");

	for (unsigned i = 0; i < COUNT; i++)
		elements[i] = any4((uint16_t)(1 + i), "10.1.0.2");
	for (int round = 0; round < ROUNDS; round++) {
		unsigned filled = 0;

		make_tables();
		for (size_t i = 0; i < sizeof(full) / sizeof(*full); i++) {
			while (filled <= full[i])
				add(&elements[filled++]);
			must_commit();
			must_read(set, filled);
		}
	}
	free(elements);
}
END_TEST

START_TEST(removing_what_is_gone_does_not_break_the_batch)
{
	struct resource first = any4(1, "10.1.0.2"), gone = any4(2, "10.1.0.2"),
	                last = any4(3, "10.1.0.2"), net = net4("10.1.0.0", 24);

	make_tables();
	add(&first);
	must_commit();
	delete (&first);
	delete (&gone);
	delete (&net);
	add(&last);
	kernel->changes = 0;
	must_commit();
	ck_assert_int_eq(kernel->changes, 2);
	must_have(&last, 1);
	delete (&gone);
	must_commit();
	shell("nft delete table inet netd");
	delete (&last);
	must_commit();
}
END_TEST

START_TEST(changing_what_is_gone_makes_it_anew)
{
	struct resource old = any4(8080, "10.1.0.2"), new = any4(8080, "10.1.0.3");

	make_tables();
	ck_assert_int_eq(queue(&kind_element, &old, &new), 0);
	must_commit();
	must_have(&new, 1);
}
END_TEST

START_TEST(an_error_names_the_very_element_and_nothing_is_done)
{
	struct resource elements[300], other = any4(150, "10.9.0.9");

	make_tables();
	add(&other);
	must_commit();
	for (int i = 0; i < 300; i++) {
		elements[i] = any4((uint16_t)(1 + i), "10.1.0.2");
		add(&elements[i]);
	}
	ck_assert_int_eq(commit(), -EEXIST);
	ck_assert_int_eq(err.code, ERROR_KERNEL);
	ck_assert_str_eq(err.text,
	        "add element inet netd nd_any4 { tcp . 150 : 10.1.0.2 . 80 }: File exists");
	must_have(&other, 1);
	must_commit(); /* the batch is gone with its error */
	must_have(&other, 1);
}
END_TEST

START_TEST(an_error_names_the_message)
{
	struct resource element = any4(1, "10.1.0.2"), inet = skeleton(INET);
	struct nlmsghdr *message;

	add(&element);
	ck_assert_int_eq(commit(), -ENOENT);
	ck_assert_str_eq(err.text, "add element inet netd nd_any4 { tcp . 1 : 10.1.0.2 . 80 }: No "
	                           "such file or directory");
	ck_assert_int_eq(queue(&kind_skeleton, NULL, &inet), 0);
	message = nft_queue(kernel->nft, NFT_MSG_DELCHAIN, nft_family(INET), 0, "delete chain x");
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, "netd");
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, "x");
	nft_queued(kernel->nft, message);
	ck_assert_int_eq(commit(), -ENOENT);
	ck_assert_str_eq(err.text, "delete chain x: No such file or directory");
	ck_assert_str_eq(shell_line("nft list ruleset"), "");
	free(inet.text);
}
END_TEST

START_TEST(replaces_a_table_and_fills_it_in_one_batch)
{
	struct resource inet = skeleton(INET), old = any4(1, "10.1.0.2"), new = any4(2, "10.1.0.2");

	make_tables();
	add(&old);
	must_commit();
	shell("nft flush chain inet netd nd_guard");
	ck_assert_int_eq(queue(&kind_skeleton, &inet, &inet), 0);
	delete (&old); /* goes with its table */
	add(&new);
	must_commit();
	ck_assert(tables_are_intact());
	must_have(&new, 1);
	free(inet.text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {adds_observes_and_removes_elements_of_every_set,
	        tells_commands_that_do_the_same, lists_filled_sets_so_that_nft_can_load_them_again,
	        changes_an_element_in_one_batch, keeps_neighbouring_networks_apart,
	        reads_verdicts_that_are_not_its_own_as_different,
	        takes_ten_thousand_elements_in_one_batch,
	        reads_all_elements_while_their_table_grows,
	        removing_what_is_gone_does_not_break_the_batch, changing_what_is_gone_makes_it_anew,
	        an_error_names_the_very_element_and_nothing_is_done, an_error_names_the_message,
	        replaces_a_table_and_fills_it_in_one_batch, NULL};

	host_enter();
	return run_tests("elements", setup, teardown, tests);
}
