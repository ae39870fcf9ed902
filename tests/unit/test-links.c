/* Links between namespaces: what is granted, what is refused and with which words, what they are
 * rendered to, and what goes with a namespace. */
#include "daemon/plan/plan.h"

#include "daemon/model/ns_link.h"
#include "daemon/render/render.h"
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include <stdio.h>

static struct error err;
static struct facts other, host = {.boot_id = "boot-1", .default_mtu = 1500, .peer = &other};

static void end(struct request *request, unsigned number, const char *ns, const char *ifname,
        const char *address)
{
	struct ns_link_end *end = &request->ends[number];

	strcpy(end->namespace, ns);
	strcpy(end->ifname, ifname);
	if (address)
		ck_assert_int_eq(
		        parse_cidr(address, "", &end->addresses[end->address_count++], &err), 0);
	if (number == 0)
		strcpy(request->namespace, ns);
}

static struct request between(const char *one, const char *two)
{
	struct request request = {.kind = REQUEST_NS_LINK};

	settings_start(&ns_link_settings, &request.wanted_ns_link);
	end(&request, 0, one, "", NULL);
	end(&request, 1, two, "", NULL);
	return request;
}

static void refused(
        struct model *model, const struct request *request, enum error_code code, const char *words)
{
	struct answer answer = {0};

	ck_assert_int_lt(ask(model, request, &host, &answer, &err), 0);
	ck_assert_msg(err.code == code && strstr(err.text, words), "%s", err.text);
	answer_done(&answer);
}

static const struct ns_link *only(const struct model *model)
{
	char key[KEY_SIZE] = "";
	const struct ns_link *link = model_next(model, TABLE_NS_LINKS, key);

	ck_assert_ptr_nonnull(link);
	ck_assert_ptr_null(model_next(model, TABLE_NS_LINKS, key));
	return link;
}

START_TEST(a_link_has_names_and_macs_of_its_own)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b");
	const struct ns_link *link;
	char text[NS_LINK_TEXT_SIZE];

	must(model, &request, &host);
	link = only(model);
	ck_assert_str_eq(ns_link_format(link, text), "a:eth0 b:eth0");
	ck_assert_mem_ne(link->ends[0].mac, link->ends[1].mac, MAC_SIZE);
	ck_assert_uint_eq(link->ends[0].mac[0] & 3, 2); /* local, of one interface */
	ck_assert_int_eq(link->mtu, 1500);
	ck_assert(!ns_link_has_ip6(link));
	ck_assert_int_eq(model_namespace(model, "a")->origin, ORIGIN_CREATED);
	model_free(model);
}
END_TEST

START_TEST(names_that_are_taken_are_refused)
{
	char links[][IFNAMSIZ] = {"lo", "eth0"};
	struct model *model = made_up_model();
	struct request request = between("a", "b");
	char text[NS_LINK_TEXT_SIZE];

	must_create(model, "net");
	must_connect(model, "net", "a");
	other = (struct facts){.ns_links = links, .ns_link_count = 2};
	must(model, &request, &host);
	ck_assert_str_eq(ns_link_format(only(model), text), "a:eth1 b:eth1");
	strcpy(request.ends[0].ifname, "eth0");
	refused(model, &request, ERROR_EXISTS, "interface eth0: namespace a has");
	strcpy(request.ends[0].ifname, "eth1");
	refused(model, &request, ERROR_EXISTS, "interface eth1: namespace a has");
	strcpy(request.ends[0].ifname, "lo");
	refused(model, &request, ERROR_EXISTS, "interface lo");
	other = (struct facts){0};
	model_free(model);
}
END_TEST

START_TEST(bad_ones_are_refused_by_field)
{
	static const struct {
		const char *address, *words;
	} bad[] = {
	        {"10.1.0.0/24", "the network's own"},
	        {"10.1.0.255/24", "broadcast"},
	        {"127.0.0.1/8", "none that an interface"},
	        {"0.0.0.0/24", "none that an interface"},
	        {"224.0.0.1/24", "none that an interface"},
	        {"10.1.0.1/0", "prefix length"},
	        {"fd00::/64", "routers"},
	        {"fe80::1/64", "link-local"},
	        {"ff02::1/64", "none that an interface"},
	        {"::1/128", "none that an interface"},
	};
	struct model *model = made_up_model();
	struct request request = between("a", "a");

	refused(model, &request, ERROR_INVALID, "from one namespace to another");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		request = between("a", "b");
		end(&request, 1, "b", "", bad[i].address);
		refused(model, &request, ERROR_INVALID, bad[i].words);
		ck_assert_str_eq(err.field, "ends[1].addresses[0]");
	}
	request = between("a", "b");
	memcpy(request.ends[0].mac, "\2\0\0\0\0\1", MAC_SIZE);
	memcpy(request.ends[1].mac, "\2\0\0\0\0\1", MAC_SIZE);
	refused(model, &request, ERROR_INVALID, "both ends would have it");
	request = between("a", "b");
	end(&request, 0, "a", "", "fd00::1/64");
	request.wanted_ns_link.mtu = 1279;
	request.given = 1;
	refused(model, &request, ERROR_INVALID, "IPv6 needs 1280");
	request.wanted_ns_link.mtu = 1280;
	must(model, &request, &host);
	model_free(model);
}
END_TEST

START_TEST(no_address_and_no_subnet_twice_in_a_namespace)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b");
	struct request connect = {.kind = REQUEST_CONNECT, .network = "net", .namespace = "b"};

	must_create(model, "net"); /* 10.208.0.0/24 */
	must_connect(model, "net", "a");
	end(&request, 0, "a", "", "10.208.0.7/24");
	refused(model, &request, ERROR_EXISTS, "this subnet on its interface eth0");
	request = between("a", "b");
	end(&request, 1, "b", "", "10.1.0.1/30");
	end(&request, 1, "b", "", "10.1.0.2/30");
	refused(model, &request, ERROR_EXISTS, "this subnet");
	request = between("a", "b");
	end(&request, 1, "b", "wan", "10.208.0.9/24");
	must(model, &request, &host);
	request = between("b", "c");
	end(&request, 0, "b", "", "10.208.0.9/32");
	refused(model, &request, ERROR_EXISTS, "has it on its interface wan");
	refused(model, &connect, ERROR_EXISTS, "on its interface wan");
	model_free(model);
}
END_TEST

START_TEST(one_that_is_there_is_compared)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b"), back = between("b", "a");

	end(&request, 0, "a", "", "10.1.0.1/30");
	must(model, &request, &host);
	request.exist_ok = back.exist_ok = true;
	must(model, &request, &host);
	only(model);
	refused(model, &back, ERROR_EXISTS, "other addresses in namespace a");
	end(&back, 1, "a", "", "10.1.0.1/30");
	must(model, &back, &host);
	only(model);
	back.wanted_ns_link.mtu = 1400;
	refused(model, &back, ERROR_EXISTS, "another setting: mtu");
	/* Another name is another link. */
	back = between("b", "a");
	back.exist_ok = true;
	strcpy(back.ends[1].ifname, "eth5");
	must(model, &back, &host);
	ck_assert_uint_eq(model_count(model, TABLE_NS_LINKS), 2);
	back.kind = REQUEST_NS_UNLINK;
	back.ends[1].ifname[0] = '\0';
	refused(model, &back, ERROR_REFUSED, "several links");
	strcpy(back.ends[1].ifname, "eth0");
	must(model, &back, &host);
	refused(model, &back, ERROR_NOT_FOUND, "no such link");
	only(model);
	model_free(model);
}
END_TEST

START_TEST(there_is_a_limit_for_a_namespace)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b");

	for (unsigned i = 0; i < NAMESPACE_LINKS_MAX; i++) {
		snprintf(request.ends[1].namespace, NAME_SIZE, "n%u", i);
		must(model, &request, &host);
	}
	strcpy(request.ends[1].namespace, "n0");
	refused(model, &request, ERROR_REFUSED, "namespace a has 256 links");
	model_free(model);
}
END_TEST

START_TEST(links_go_with_their_namespace)
{
	struct model *model = made_up_model();
	struct request request = between("a", "theirs");
	struct request removal = {.kind = REQUEST_NS_REMOVE, .namespace = "a"};
	const struct tombstone *tombstone;
	struct answer answer = {0};
	char key[KEY_SIZE] = "";

	other = (struct facts){.ns_exists = true, .ns_cookie = 7, .boot_id = "boot-1"};
	must(model, &request, &host);
	ck_assert_int_eq(model_namespace(model, "theirs")->origin, ORIGIN_ADOPTED);
	ck_assert_int_eq(ask(model, &removal, &host, &answer, &err), 0);
	ck_assert_ptr_nonnull(strstr(answer.removed, "link a:eth0 theirs:eth0\n"));
	answer_done(&answer);
	ck_assert_uint_eq(model_count(model, TABLE_NS_LINKS), 0);
	ck_assert_ptr_null(model_namespace(model, "theirs"));
	do
		tombstone = model_next(model, TABLE_TOMBSTONES, key);
	while (tombstone && tombstone->kind != TOMBSTONE_LINK);
	ck_assert_ptr_nonnull(tombstone);
	ck_assert_str_eq(tombstone->namespace, "a");
	ck_assert_str_eq(tombstone->peer, "theirs");
	other = (struct facts){0};
	model_free(model);
}
END_TEST

static unsigned count(const struct resources *list, enum resource_kind kind, const char *ns)
{
	unsigned found = 0;

	for (size_t i = 0; i < list->count; i++)
		found += list->items[i].kind == kind && strcmp(list->items[i].ns, ns) == 0;
	return found;
}

START_TEST(nothing_of_it_is_in_the_host)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b");
	struct resources list = {0};

	end(&request, 0, "a", "", "10.1.0.1/30");
	end(&request, 0, "a", "", "fd00::1/128");
	must(model, &request, &host);
	ck_assert_int_eq(render_ns_link(model, only(model), &list, &err), 0);
	for (size_t i = 0; i < list.count; i++)
		ck_assert_msg(list.items[i].ns[0], "kind %d", list.items[i].kind);
	ck_assert_uint_eq(count(&list, RESOURCE_LINK, "a"), 1);
	ck_assert_uint_eq(count(&list, RESOURCE_END, "a"), 1);
	ck_assert_uint_eq(count(&list, RESOURCE_END, "b"), 1);
	ck_assert_uint_eq(count(&list, RESOURCE_ADDRESS, "a"), 3); /* one is link-local */
	ck_assert_uint_eq(count(&list, RESOURCE_ROUTE, "a"), 2);   /* none of a single address */
	ck_assert_uint_eq(count(&list, RESOURCE_ADDRESS, "b"), 1);
	resources_done(&list);
	model_free(model);
}
END_TEST

START_TEST(a_broken_pair_is_replaced_with_all_that_stands_on_it)
{
	struct model *model = made_up_model();
	struct request request = between("a", "b");
	struct resources wanted = {0}, there = {0};
	struct plan plan;

	end(&request, 0, "a", "", "10.1.0.1/30");
	must(model, &request, &host);
	ck_assert_int_eq(render_ns_link(model, only(model), &wanted, &err), 0);
	ck_assert_int_eq(render_ns_link(model, only(model), &there, &err), 0);
	resources_sort(&wanted);
	resources_sort(&there);
	ck_assert_int_eq(plan_difference(&there, &wanted, &plan, &err), 0);
	ck_assert_uint_eq(plan.reversible.count + plan.final.count, 0);
	plan_done(&plan);
	for (size_t i = 0; i < there.count; i++)
		if (there.items[i].kind == RESOURCE_LINK)
			there.items[i].link.broken = true;
	ck_assert_int_eq(plan_difference(&there, &wanted, &plan, &err), 0);
	ck_assert_uint_eq(plan.reversible.count, wanted.count + 1);
	ck_assert_ptr_null(plan.reversible.items[0].new);
	plan_done(&plan);
	resources_done(&wanted);
	resources_done(&there);
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("links", a_link_has_names_and_macs_of_its_own,
	        names_that_are_taken_are_refused, bad_ones_are_refused_by_field,
	        no_address_and_no_subnet_twice_in_a_namespace, one_that_is_there_is_compared,
	        there_is_a_limit_for_a_namespace, links_go_with_their_namespace,
	        nothing_of_it_is_in_the_host, a_broken_pair_is_replaced_with_all_that_stands_on_it);
}
