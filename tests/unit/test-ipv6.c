/* IPv6 in the pure layers: which families a network has, which subnets and addresses are given, and
 * how a host begins and ends to forward it. */
#include "daemon/plan/plan.h"
#include "daemon/render/render.h"
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include <stdio.h>

static struct error err;

static struct request create(const char *network, const char *subnet, const char *other)
{
	struct request request = {.kind = REQUEST_NETWORK_CREATE};
	const char *subnets[] = {subnet, other};

	strcpy(request.network, network);
	for (unsigned i = 0; i < 2 && subnets[i]; i++)
		ck_assert_int_eq(parse_subnet(subnets[i], "",
		                         &request.subnets[request.subnet_count++].cidr, &err),
		        0);
	return request;
}

static struct request connect_with(const char *network, const char *ns, const char *ip)
{
	struct request request = {.kind = REQUEST_CONNECT, .ip_count = ip ? 1 : 0};

	strcpy(request.network, network);
	strcpy(request.namespace, ns);
	if (ip)
		ck_assert_int_eq(parse_ip(ip, "", &request.ips[0], &err), 0);
	return request;
}

static void refused(struct model *model, const struct request *request, const struct facts *facts,
        const char *words)
{
	struct answer answer = {0};

	ck_assert_int_lt(ask(model, request, facts, &answer, &err), 0);
	ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
	answer_done(&answer);
}

static const char *address_of(const struct model *model, const char *ns, const char *network)
{
	static char text[CIDR_TEXT_SIZE];
	const struct endpoint *endpoint = namespace_endpoint(model_namespace(model, ns), network);

	return cidr_format(endpoint_address(endpoint, AF_INET6), text);
}

START_TEST(addresses_are_counted_and_derived)
{
	static const uint8_t mac[] = {0x02, 0x50, 0x0a, 0x4d, 0x00, 0x02};
	struct cidr link_local = cidr_link_local(mac);
	char text[CIDR_TEXT_SIZE], address[IP_TEXT_SIZE];
	struct ip ip = {0}, next;

	ck_assert_str_eq(cidr_format(&link_local, text), "fe80::50:aff:fe4d:2/64");
	ck_assert(ip_is_link_local(&link_local.ip) && !ip_is_multicast(&link_local.ip));
	ck_assert_int_eq(parse_ip("fd00:1:2:3::ffff", "", &ip, &err), 0);
	ck_assert_uint_eq(ip_low(&ip), 0xffff);
	next = ip_further(&ip, 2);
	ck_assert_str_eq(ip_format(&next, address), "fd00:1:2:3::1:1");
	next = ip_further(&ip, UINT64_MAX); /* one back: what stands before them does not change */
	ck_assert_str_eq(ip_format(&next, address), "fd00:1:2:3::fffe");
	ip = ip4(0x0a0000ff);
	next = ip_further(&ip, 1);
	ck_assert_str_eq(ip_format(&next, address), "10.0.1.0");
}
END_TEST

START_TEST(families_follow_from_what_is_asked_for)
{
	static const struct {
		const char *subnet, *other;
		enum choice ip4, ip6;
		bool has4, has6;
		const char *words; /* of the refusal */
	} cases[] = {
	        {NULL, NULL, CHOICE_OPEN, CHOICE_OPEN, true, false, NULL},
	        {NULL, NULL, CHOICE_OPEN, CHOICE_YES, true, true, NULL},
	        {NULL, NULL, CHOICE_NO, CHOICE_YES, false, true, NULL},
	        {NULL, NULL, CHOICE_NO, CHOICE_OPEN, false, false, "needs IPv6"},
	        {NULL, NULL, CHOICE_NO, CHOICE_NO, false, false, "needs IPv6"},
	        {"10.1.0.0/24", NULL, CHOICE_OPEN, CHOICE_OPEN, true, false, NULL},
	        {"10.1.0.0/24", NULL, CHOICE_OPEN, CHOICE_YES, true, true, NULL},
	        {"10.1.0.0/24", NULL, CHOICE_NO, CHOICE_YES, false, false, "is of IPv4, which"},
	        {"fd00:1::/64", NULL, CHOICE_OPEN, CHOICE_OPEN, false, true, NULL},
	        {"fd00:1::/64", NULL, CHOICE_YES, CHOICE_OPEN, true, true, NULL},
	        {"fd00:1::/64", NULL, CHOICE_OPEN, CHOICE_YES, true, true, NULL},
	        {"fd00:1::/64", NULL, CHOICE_OPEN, CHOICE_NO, false, false, "is of IPv6, which"},
	        {"fd00:1::/64", "10.1.0.0/24", CHOICE_OPEN, CHOICE_OPEN, true, true, NULL},
	        {"fd00:1::/64", "fd00:2::/64", CHOICE_OPEN, CHOICE_OPEN, false, false, "second"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request request = create("net", cases[i].subnet, cases[i].other);
		struct model *model = made_up_model();
		const struct network *network;

		request.ip4 = cases[i].ip4;
		request.ip6 = cases[i].ip6;
		if (cases[i].words) {
			refused(model, &request, &quiet_host, cases[i].words);
		} else {
			must(model, &request, &quiet_host);
			network = model_network(model, "net");
			ck_assert_int_eq(network_subnet(network, AF_INET) != NULL, cases[i].has4);
			ck_assert_int_eq(network_subnet(network, AF_INET6) != NULL, cases[i].has6);
			ck_assert_int_eq(model_host(model)->has_ip6, cases[i].has6);
		}
		model_free(model);
	}
}
END_TEST

START_TEST(subnets_come_out_of_the_machines_own_prefix)
{
	struct used_prefix used[1] = {{.ifname = "tun0"}};
	struct facts facts = {.default_mtu = 1500, .used = used, .used_count = 1};
	struct request request = create("a", NULL, NULL);
	struct model *model = made_up_model();
	struct cidr ula = model_ula(model);

	ck_assert(ula.prefix == 48 && ula.ip.bytes[0] == 0xfd);
	request.ip6 = CHOICE_YES;
	used[0].cidr = ula; /* a part of the first one, and of the second */
	used[0].cidr.prefix = 63;
	must(model, &request, &facts);
	ula.ip.bytes[7] = 2;
	ck_assert(
	        cidr_contains(&ula, &network_subnet(model_network(model, "a"), AF_INET6)->cidr.ip));
	ck_assert_int_eq(network_subnet(model_network(model, "a"), AF_INET6)->cidr.ip.bytes[7], 2);
	used[0].cidr.prefix = 8; /* all of them */
	strcpy(request.network, "b");
	refused(model, &request, &facts, "no /64 is free in the pool");
	facts.no_ip6 = true;
	refused(model, &request, &facts, "has no IPv6");
	request.ip6 = CHOICE_OPEN;
	must(model, &request, &facts);
	model_free(model);
}
END_TEST

START_TEST(an_mtu_that_ipv6_does_not_take_is_refused_or_raised)
{
	static const struct facts narrow = {.default_mtu = 1000};
	struct request request = create("a", "fd00:1::/64", NULL);
	struct model *model = made_up_model();

	request.given = UINT64_MAX;
	request.wanted_network.mtu = 1279;
	refused(model, &request, &quiet_host, "1280");
	ck_assert_str_eq(err.field, "mtu");
	request.given = 0;
	must(model, &request, &narrow);
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1280);
	request = create("b", "10.1.0.0/24", NULL);
	must(model, &request, &narrow);
	ck_assert_uint_eq(model_network(model, "b")->link_mtu, 1000);
	model_free(model);
}
END_TEST

START_TEST(addresses_go_round_in_each_family)
{
	struct request request = create("net", "10.1.0.0/24", "fd00:1::/126");
	struct request fixed = connect_with("net", "c", "fd00:1::3");
	struct model *model = made_up_model();

	must(model, &request, &quiet_host);
	must_connect(model, "net", "a");
	ck_assert_str_eq(address_of(model, "a", "net"), "fd00:1::2/126");
	must(model, &fixed, &quiet_host);
	ck_assert_str_eq(address_of(model, "c", "net"), "fd00:1::3/126");
	fixed = connect_with("net", "d", NULL);
	refused(model, &fixed, &quiet_host, "no address of fd00:1::/126 is free");
	ck_assert_ptr_null(model_namespace(model, "d"));

	request = create("wide", "fd00::/16", NULL);
	refused(model, &request, &quiet_host, "overlaps fd00:1::/126 of network net");
	request = create("wide", "fd12::/16", NULL);
	must(model, &request, &quiet_host);
	fixed = connect_with("wide", "a", "fd12:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	must(model, &fixed, &quiet_host);
	must_connect(model, "wide", "c"); /* behind the last one comes the first one */
	ck_assert_str_eq(address_of(model, "c", "wide"), "fd12::2/16");
	model_free(model);
}
END_TEST

START_TEST(an_address_must_be_of_a_family_that_the_network_has)
{
	struct request request = create("four", "10.1.0.0/24", NULL);
	struct request fixed = connect_with("four", "a", "fd00:1::9");
	struct model *model = made_up_model();

	must(model, &request, &quiet_host);
	refused(model, &fixed, &quiet_host, "has none of that");
	request = create("six", "fd00:1::/64", NULL);
	must(model, &request, &quiet_host);
	fixed = connect_with("six", "a", "fd00:1::9");
	fixed.ips[fixed.ip_count++] = fixed.ips[0];
	refused(model, &fixed, &quiet_host, "second one of its family");
	ck_assert_str_eq(err.field, "addresses[1]");
	fixed.ip_count = 1;
	must(model, &fixed, &quiet_host);
	fixed.exist_ok = true;
	must(model, &fixed, &quiet_host);
	fixed.ips[0].bytes[15]++;
	refused(model, &fixed, &quiet_host, "another address (eth0 fd00:1::9/64)");
	model_free(model);
}
END_TEST

START_TEST(each_family_has_its_own_default_route)
{
	struct facts theirs = {
	        .boot_id = "boot-1", .ns_exists = true, .ns_cookie = 7, .ns_default_route6 = true};
	struct request request = create("four", "10.1.0.0/24", NULL);
	struct model *model = made_up_model();
	const struct namespace *ns;

	must(model, &request, &quiet_host);
	request = create("both", "fd00:1::/64", "10.2.0.0/24");
	must(model, &request, &quiet_host);
	must_connect(model, "four", "web");
	must_connect(model, "both", "web");
	ns = model_namespace(model, "web");
	ck_assert_str_eq(namespace_default_endpoint(model, ns, AF_INET)->network, "four");
	ck_assert_str_eq(namespace_default_endpoint(model, ns, AF_INET6)->network, "both");
	request = connect_with("both", "theirs", NULL);
	must(model, &request, &theirs);
	ns = model_namespace(model, "theirs");
	ck_assert_ptr_nonnull(namespace_default_endpoint(model, ns, AF_INET));
	ck_assert_ptr_null(namespace_default_endpoint(model, ns, AF_INET6));
	model_free(model);
}
END_TEST

/* --- the host --- */

static struct model *model_with_interface(bool force_forwarding)
{
	struct interface interface = {
	        .name = "eth0", .ip6 = true, .switched6 = true, .hears_routers = true};
	struct model *model = made_up_model();
	struct host host = *model_host(model);

	host.force_forwarding = force_forwarding;
	ck_assert_int_eq(model_put_host(model, &host), 0);
	ck_assert_int_eq(model_put_interface(model, &interface), 0);
	return model;
}

/* The steps for sysctls of IPv6 that are lent, as "+path=value -path". */
static const char *lent(const struct model *fork, const struct model *model)
{
	static char text[1024];
	struct resources old = {0}, new = {0};
	struct plan plan = {0};
	size_t used = 0;

	ck_assert_int_eq(render_touched(fork, model, &old, &err), 0);
	ck_assert_int_eq(render_touched(fork, fork, &new, &err), 0);
	resources_sort(&old);
	resources_sort(&new);
	ck_assert_int_eq(plan_difference(&old, &new, &plan, &err), 0);
	text[0] = '\0';
	for (size_t i = 0; i < plan.reversible.count; i++) {
		const struct step *step = &plan.reversible.items[i];
		const struct resource *one = step->new ? step->new : step->old;

		if (one->kind == RESOURCE_SYSCTL && one->sysctl.journal &&
		        strncmp(one->name, "net/ipv6/conf/", 14) == 0)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s ",
			        step->new ? "+" : "-", one->name + 14,
			        step->new ? one->sysctl.value : "");
	}
	plan_done(&plan);
	resources_done(&old);
	resources_done(&new);
	return text;
}

static void becomes(struct model *model, const struct request *request, const char *steps)
{
	struct model *fork = model_fork(model);
	struct answer answer = {0};

	ck_assert_int_eq(rules_apply(fork, request, &quiet_host, &answer, &err), 0);
	ck_assert_str_eq(lent(fork, model), steps);
	answer_done(&answer);
	model_merge(fork, model);
}

/* Who forwards is a router, and hears no other unless that was said before. */
START_TEST(a_host_prepares_its_interfaces_before_it_forwards)
{
	struct request first = create("one", "fd00:1::/64", NULL),
	               rm = {.kind = REQUEST_NETWORK_REMOVE};
	struct request second = create("two", "fd00:2::/64", NULL);
	struct request plain = create("plain", "10.1.0.0/24", NULL);
	struct model *model = model_with_interface(false);

	becomes(model, &plain, "");
	becomes(model, &first, "+eth0/accept_ra2 +all/forwarding1 ");
	becomes(model, &second, "");
	strcpy(rm.network, "one");
	becomes(model, &rm, "");
	strcpy(rm.network, "two");
	becomes(model, &rm, "-all/forwarding -eth0/accept_ra ");
	model_free(model);
}
END_TEST

START_TEST(a_newer_kernel_forwards_by_interface)
{
	struct request request = create("one", "fd00:1::/64", NULL),
	               rm = {.kind = REQUEST_NETWORK_REMOVE};
	struct model *model = model_with_interface(true);

	becomes(model, &request, "+eth0/force_forwarding1 ");
	strcpy(rm.network, "one");
	becomes(model, &rm, "-eth0/force_forwarding ");
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("ipv6", addresses_are_counted_and_derived,
	        families_follow_from_what_is_asked_for, subnets_come_out_of_the_machines_own_prefix,
	        an_mtu_that_ipv6_does_not_take_is_refused_or_raised,
	        addresses_go_round_in_each_family,
	        an_address_must_be_of_a_family_that_the_network_has,
	        each_family_has_its_own_default_route,
	        a_host_prepares_its_interfaces_before_it_forwards,
	        a_newer_kernel_forwards_by_interface);
}
