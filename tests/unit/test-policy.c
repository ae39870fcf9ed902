/* Permissions between networks that could do nothing, and which flows a change ends. */
#include "daemon/model/setting.h"
#include "daemon/render/render.h"
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"
#include "lib/parse.h"

static struct error err;

static void make(struct model *model, const char *name, const char *subnet, bool no_host_address)
{
	struct request create = {.kind = REQUEST_NETWORK_CREATE, .subnet_count = 1};

	strcpy(create.network, name);
	ck_assert_int_eq(parse_subnet(subnet, "", &create.subnets[0].cidr, &err), 0);
	create.wanted_network.no_host_address = no_host_address;
	create.given =
	        setting_bit(&network_settings, setting_find(&network_settings, "no_host_address"));
	must(model, &create, &quiet_host);
}

static int allow(struct model *model, const char *network, const char *what)
{
	struct request request = {.kind = REQUEST_NETWORK_ALLOW};
	struct answer answer = {0};
	char text[64];
	int r;

	strcpy(request.network, network);
	request.wanted_network.allow = strcpy(text, what);
	r = ask(model, &request, &quiet_host, &answer, &err);
	answer_done(&answer);
	return r;
}

static struct model *networks(void)
{
	struct model *model = made_up_model();

	make(model, "four", "10.1.0.0/24", false);
	make(model, "other", "10.2.0.0/24", false);
	make(model, "six", "fd00:6::/64", false);
	make(model, "alone", "10.3.0.0/24", true);
	return model;
}

START_TEST(a_permission_that_can_do_nothing_is_refused)
{
	static const struct {
		const char *network, *what, *words;
	} bad[] = {
	        {"four", "none", "'none' is no network"},
	        {"four", "host", "host_access"},
	        {"four", "alone", "the host has no address in it"},
	        {"alone", "four", "nothing is forwarded or published here"},
	        {"four", "six", "no family in common"},
	        {"six", "four", "no family in common"},
	        {"four", "four", "reach each other"},
	};
	struct model *model = networks();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(allow(model, bad[i].network, bad[i].what), 0);
		ck_assert_str_eq(err.field, "allow");
		ck_assert_msg(strstr(err.text, bad[i].words) != NULL, "%s", err.text);
	}
	ck_assert_int_eq(allow(model, "four", "other"), 0);
	model_free(model);
}
END_TEST

static const struct tombstone *flows_of(const struct model *model, enum flows_match match)
{
	const struct tombstone *tombstone;
	char key[KEY_SIZE] = "";

	while ((tombstone = model_next(model, TABLE_TOMBSTONES, key)))
		if (tombstone->kind == TOMBSTONE_FLOWS && tombstone->match == match)
			return tombstone;
	return NULL;
}

START_TEST(an_internal_network_ends_all_that_its_members_had)
{
	struct request set = {.kind = REQUEST_NETWORK_SET, .network = "four"};
	struct model *model = networks();
	const struct tombstone *flows;

	must_connect(model, "four", "web");
	must_connect(model, "other", "db");
	set.wanted_network.internal = true;
	set.given = setting_bit(&network_settings, setting_find(&network_settings, "internal"));
	must(model, &set, &quiet_host);
	ck_assert_uint_eq(model_count(model, TABLE_TOMBSTONES), 1);
	flows = flows_of(model, FLOWS_REPLY_SOURCE);
	ck_assert_ptr_nonnull(flows);
	ck_assert_uint_eq(flows->ip.bytes[1], 1);
	ck_assert_uint_eq(flows->protocol + flows->port, 0);
	model_free(model);
}
END_TEST

/* Blocks of 64 between fixed borders, and single ports at the ends. */
START_TEST(what_is_held_back_is_cut_at_fixed_borders)
{
	static const struct {
		uint16_t first, last;
		size_t elements;
	} ranges[] = {{8002, 8002, 1}, {8000, 8063, 1}, {8001, 8063, 63}, {8000, 8128, 3},
	        {1, 65535, 63 + 1023}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
		        .protocol = IPPROTO_UDP,
		        .ip = {AF_INET, {10, 1, 0, 2}},
		        .port = ranges[i].first,
		        .port_end = ranges[i].last,
		        .through = ranges[i].first,
		        .through_end = ranges[i].last};
		struct resources late = {0};

		ck_assert_int_eq(render_late(&flows, &late, &err), 0);
		ck_assert_uint_eq(late.count, ranges[i].elements);
		flows.through++; /* another number outside */
		ck_assert_int_eq(render_late(&flows, &late, &err), 0);
		flows.through--;
		flows.protocol = IPPROTO_TCP;
		ck_assert_int_eq(render_late(&flows, &late, &err), 0);
		ck_assert_uint_eq(late.count, ranges[i].elements);
		resources_done(&late);
	}
}
END_TEST

int main(void)
{
	return SUITE_RUN("policy", a_permission_that_can_do_nothing_is_refused,
	        an_internal_network_ends_all_that_its_members_had,
	        what_is_held_back_is_cut_at_fixed_borders);
}
