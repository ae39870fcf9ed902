/*
 * Elements of sets as bytes and as text: the bytes are what the kernel takes, the text is what nft
 * reads.
 */
#include "daemon/plan/sets.h"
#include "lib/parse.h"
#include "tests/lib/suite.h"

#include <stdio.h>

#include <arpa/inet.h>
#include <string.h>

static struct ip ip_of(const char *text)
{
	struct ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	ck_assert_int_eq(inet_pton(ip.family, text, ip.bytes), 1);
	return ip;
}

static struct cidr cidr_of(const char *text, uint8_t prefix)
{
	return (struct cidr){ip_of(text), prefix};
}

static struct element element_of(const char *table, const char *name)
{
	struct element element = {.set = set_find(table, name)};

	ck_assert_ptr_nonnull(element.set);
	return element;
}

static void must_read(const struct element *element, const char *text)
{
	char buffer[256];

	ck_assert_str_eq(element_format(element, buffer, sizeof(buffer)), text);
}

START_TEST(every_set_is_found_by_table_and_name)
{
	for (const struct set *set = sets; set->name; set++) {
		ck_assert_ptr_eq(set_find(set->table, set->name), set);
		ck_assert_uint_gt(set_fields_size(set->key), 0);
		ck_assert_uint_le(set_fields_size(set->key), SET_KEY_SIZE);
		ck_assert_uint_le(set_fields_size(set->data), SET_KEY_SIZE);
	}
	ck_assert_ptr_null(set_find("bridge netd", "nd_any4"));
	ck_assert_ptr_null(set_find("inet netd", "nd_none"));
}
END_TEST

START_TEST(what_opens_a_way_is_a_publication)
{
	static const char *const publications[] = {"nd_pub4", "nd_any4", "nd_rng4", "nd_pubrng4",
	        "nd_pub6", "nd_any6", "nd_rng6", "nd_pubrng6", "nd_trusted", "nd_allowed4",
	        "nd_allowed6", "nd_served4", "nd_served6", "nd_open4", "nd_open6", "nd_openrng4",
	        "nd_openrng6", "nd_via4", "nd_via6", "nd_from4", "nd_from6", "nd_countany4",
	        "nd_countany6", "nd_countpub4", "nd_countpub6", "nd_countrng4", "nd_countrng6"};
	const unsigned count = sizeof(publications) / sizeof(*publications);
	unsigned found = 0;

	for (const struct set *set = sets; set->name; set++)
		found += set->class == ELEMENT_PUBLICATION;
	ck_assert_uint_eq(found, count);
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(
		        set_find("inet netd", publications[i])->class, ELEMENT_PUBLICATION);
}
END_TEST

START_TEST(fields_are_padded_to_four_bytes)
{
	static const uint8_t key[] = {6, 0, 0, 0, 0x1f, 0x90, 0, 0};
	static const uint8_t data[] = {10, 0, 0, 2, 0, 80, 0, 0};
	struct element element = element_of("inet netd", "nd_any4");
	struct ip target = ip_of("10.0.0.2");

	element_key_protocol(&element, IPPROTO_TCP);
	element_key_port(&element, 8080);
	element_data_ip(&element, &target);
	element_data_port(&element, 80);
	ck_assert_uint_eq(element.key_size, sizeof(key));
	ck_assert_mem_eq(element.key, key, sizeof(key));
	ck_assert_mem_eq(element.key_end, key, sizeof(key));
	ck_assert_uint_eq(element.data_size, sizeof(data));
	ck_assert_mem_eq(element.data, data, sizeof(data));
	must_read(&element, "tcp . 8080 : 10.0.0.2 . 80");
}
END_TEST

START_TEST(names_are_quoted_and_padded_with_zeros)
{
	struct element element = element_of("inet netd", "nd_pairs");
	static const char padded[IFNAMSIZ] = "nd-a";

	element_key_ifname(&element, "nd-a");
	element_key_ifname(&element, "nd-b");
	ck_assert_uint_eq(element.key_size, 2 * IFNAMSIZ);
	ck_assert_mem_eq(element.key, padded, IFNAMSIZ);
	must_read(&element, "\"nd-a\" . \"nd-b\"");
}
END_TEST

START_TEST(prefixes_are_first_and_last_address)
{
	struct element element = element_of("inet netd", "nd_nets4");
	struct cidr cidr = cidr_of("10.1.0.0", 24);
	static const uint8_t last[] = {10, 1, 0, 255};

	element_key_cidr(&element, &cidr);
	ck_assert_mem_eq(element.key_end, last, sizeof(last));
	must_read(&element, "10.1.0.0/24");

	element.key_end[3] = 77;
	must_read(&element, "10.1.0.0-10.1.0.77");
	element.key_end[3] = 0;
	must_read(&element, "10.1.0.0");
	element.key[0] = element.key[1] = 0;
	memset(element.key_end, 0xff, 4);
	must_read(&element, "0.0.0.0/0");

	element = element_of("inet netd", "nd_members6");
	cidr = cidr_of("fd00:a::", 64);
	element_key_cidr(&element, &cidr);
	element_key_ifname(&element, "nd-a");
	must_read(&element, "fd00:a::/64 . \"nd-a\"");
}
END_TEST

START_TEST(ranges_of_ports_read_as_ranges)
{
	struct element element = element_of("inet netd", "nd_rng4");
	struct ip target = ip_of("10.0.0.2");
	static const uint8_t last[] = {0x4e, 0x20}; /* 20000 */

	element_key_protocol(&element, IPPROTO_UDP);
	element_key_port(&element, 10000);
	memcpy(element.key_end + 4, last, sizeof(last));
	element_data_ip(&element, &target);
	must_read(&element, "udp . 10000-20000 : 10.0.0.2");
}
END_TEST

START_TEST(verdicts_and_addresses_of_hardware_read_as_nft_writes_them)
{
	static const uint8_t mac[MAC_SIZE] = {2, 0, 0, 0xab, 0, 1};
	struct element element = element_of("inet netd", "nd_in4");
	struct ip target = ip_of("fd00::1");

	element_key_ifname(&element, "netd0");
	element_data_verdict(&element, VERDICT_PUBLISHED);
	must_read(&element, "\"netd0\" : goto nd_published");
	element.data_size = 0;
	element_data_verdict(&element, VERDICT_DROP);
	must_read(&element, "\"netd0\" : drop");

	element = element_of("bridge netd", "nd_mac");
	element_key_ifname(&element, "nv1");
	element_key_mac(&element, mac);
	ck_assert_uint_eq(element.key_size, 24);
	must_read(&element, "\"nv1\" . 02:00:00:ab:00:01");

	element = element_of("bridge netd", "nd_target6");
	element_key_ifname(&element, "nv1");
	element_key_ip(&element, &target);
	must_read(&element, "\"nv1\" . 0xfd00000000000000 . 0x1");
}
END_TEST

START_TEST(rates_read_as_nft_takes_them)
{
	struct element element = element_of("bridge netd", "nd_ratein");

	element_key_ifname(&element, "nv1");
	element.rate = 1250000;
	must_read(&element, "\"nv1\" limit rate over 1250000 bytes/second burst 65536 bytes");
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut)
{
	struct element element = element_of("inet netd", "nd_pairs");
	char text[8];

	element_key_ifname(&element, "nd-a");
	element_key_ifname(&element, "nd-b");
	element_format(&element, text, sizeof(text));
	ck_assert_uint_lt(strlen(text), sizeof(text));
}
END_TEST

int main(void)
{
	return SUITE_RUN("sets", every_set_is_found_by_table_and_name,
	        what_opens_a_way_is_a_publication, fields_are_padded_to_four_bytes,
	        names_are_quoted_and_padded_with_zeros, prefixes_are_first_and_last_address,
	        ranges_of_ports_read_as_ranges,
	        verdicts_and_addresses_of_hardware_read_as_nft_writes_them,
	        rates_read_as_nft_takes_them, a_text_that_is_too_long_is_cut);
}
