/* The strict parsers: what they take, what they refuse, and that a refusal leaves the result alone.
 */
#include "lib/parse.h"
#include "lib/ports.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static struct error err;

START_TEST(a_path_is_absolute_and_says_one_thing)
{
	static const char *const bad[] = {"", "x", "./x", "/", "/x/", "//x", "/x//y", "/x/./y",
	        "/x/../y", "/x\ny", "/\xc3\xa4"};
	char path[SOURCE_SIZE] = "before", long_path[SOURCE_SIZE + 1];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_source_path(bad[i], "path", path, &err) < 0, "%s", bad[i]);
	memset(long_path, '/', 1);
	memset(long_path + 1, 'a', SOURCE_SIZE - 1);
	long_path[SOURCE_SIZE] = '\0';
	ck_assert_int_lt(parse_source_path(long_path, "path", path, &err), 0);
	ck_assert_str_eq(path, "before");
	long_path[SOURCE_SIZE - 1] = '\0';
	ck_assert_int_eq(parse_source_path(long_path, "path", path, &err), 0);
	ck_assert_int_eq(parse_source_path("/run/a key/..x", "path", path, &err), 0);
	ck_assert_str_eq(path, "/run/a key/..x");
}
END_TEST

START_TEST(names_are_file_names_of_letters_digits_and_dots)
{
	static const char *const bad[] = {
	        "", ".", "..", "../x", "a/b", "a b", "a\nb", "-a", "_a", ".a", "\xc3\xa4", "a\x01"};
	char long_name[301], name[NAME_SIZE] = "before";

	ck_assert_int_eq(parse_name("my-net_1.x", "name", name, &err), 0);
	ck_assert_str_eq(name, "my-net_1.x");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_lt(parse_name(bad[i], "name", name, &err), 0);
		ck_assert_str_eq(err.field, "name");
		ck_assert_int_eq(err.code, ERROR_INVALID);
	}
	memset(long_name, 'a', 300);
	long_name[300] = '\0';
	ck_assert_int_lt(parse_name(long_name, "name", name, &err), 0);
	ck_assert_ptr_null(strchr(err.text, '\n'));
	ck_assert_uint_lt(strlen(err.text), 300);
	ck_assert_str_eq(name, "my-net_1.x");
	long_name[63] = '\0';
	ck_assert_int_eq(parse_name(long_name, "name", name, &err), 0);
}
END_TEST

START_TEST(names_that_others_gave_may_be_looked_at)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "../x", "a\nb", "\303\251"};
	char name[NAME_SIZE];

	ck_assert_int_eq(parse_netns("sp ace", "name", name, &err), 0);
	ck_assert_str_eq(name, "sp ace");
	ck_assert_int_eq(parse_netns("we.ird@x", "name", name, &err), 0);
	ck_assert_int_eq(parse_netns("_x", "name", name, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_netns(bad[i], "name", name, &err) < 0, "%s", bad[i]);
	ck_assert_str_eq(name, "_x");
}
END_TEST

START_TEST(an_address_has_its_prefix_with_it)
{
	static const char *const bad[] = {"", "10.1.0.1", "10.1.0.1/", "10.1.0.1/33", "fd00::1/129",
	        "10.1.0/24", "/24", "10.1.0.1/24 "};
	struct cidr cidr;
	char text[CIDR_TEXT_SIZE];

	ck_assert_int_eq(parse_cidr("10.1.0.7/24", "address", &cidr, &err), 0);
	ck_assert_str_eq(cidr_format(&cidr, text), "10.1.0.7/24");
	ck_assert_int_eq(parse_cidr("fd00::7/128", "address", &cidr, &err), 0);
	ck_assert_str_eq(cidr_format(&cidr, text), "fd00::7/128");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_cidr(bad[i], "address", &cidr, &err) < 0, "%s", bad[i]);
	ck_assert_str_eq(err.field, "address");
}
END_TEST

START_TEST(subnets_have_a_prefix_and_no_host_bits)
{
	static const char *const bad[] = {"", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/-1",
	        "10.1.0/24", "10.1.0.0/24 ", "x/24", "10.1.0.0/024000000000", "fd00::/129"};
	struct cidr cidr;

	ck_assert_int_eq(parse_subnet("10.1.0.0/24", "subnet", &cidr, &err), 0);
	ck_assert_uint_eq(cidr.prefix, 24);
	ck_assert_int_eq(parse_subnet("fd00:1::/64", "subnet", &cidr, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_subnet(bad[i], "subnet", &cidr, &err) < 0, "%s", bad[i]);
	ck_assert_int_lt(parse_subnet("10.1.0.7/24", "subnet", &cidr, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "10.1.0.0/24"));
}
END_TEST

START_TEST(macs_belong_to_one_interface)
{
	static const char *const bad[] = {"", "02:00:00:00:00", "02:00:00:00:00:01:02",
	        "02-00-00-00-00-01", "0g:00:00:00:00:01", "01:00:00:00:00:01", "00:00:00:00:00:00",
	        "2:0:0:0:0:1"};
	uint8_t mac[MAC_SIZE];

	ck_assert_int_eq(parse_mac("02:00:00:00:00:Af", "mac", mac, &err), 0);
	ck_assert_uint_eq(mac[5], 0xaf);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_mac(bad[i], "mac", mac, &err) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(port_specs_are_read_whole)
{
	static const char *const bad[] = {"", "80:", ":", "0", "80:0", "65536:80", "80:65536",
	        "a:b", "8080:80/icmp", "8080:80/", "8080:80/tcp/udp", "1.2.3:8080:80",
	        "8080:80:90:100", "+80:80", " 80:80", "80:80\n", "80-90", "8080:80-90",
	        "8000-8010:80-81", "8000-8010:80-91", "8010-8000:80", "8010-8000:8010-8000",
	        "8000-:80", "-8000:80", "0-9:80", "8000-70000:80", "8000-8001-8002:80",
	        "fd00::1:8080:80", "[fd00::1]8080:80", "[fd00::1:8080:80", "[10.0.0.1]:8080:80",
	        "[]:8080:80", "[*]:8080:80", "**:8080:80", "10.0.0.1:80", "[fd00::1]:1:2:3"};
	struct port_spec spec;
	char text[IP_TEXT_SIZE];

	ck_assert_int_eq(parse_port_spec("8080:80", "spec", &spec, &err), 0);
	ck_assert_uint_eq(spec.host_ip.family, 0);
	ck_assert(!spec.every && !port_spec_is_open(&spec));
	ck_assert_uint_eq(spec.host_port, 8080);
	ck_assert_uint_eq(spec.port, 80);
	ck_assert_uint_eq(spec.protocol, IPPROTO_TCP);
	ck_assert_int_eq(parse_port_spec("127.0.0.1:53:5353/udp", "spec", &spec, &err), 0);
	ck_assert_str_eq(ip_format(&spec.host_ip, text), "127.0.0.1");
	ck_assert_uint_eq(spec.protocol, IPPROTO_UDP);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_port_spec(bad[i], "spec", &spec, &err) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(port_specs_of_every_form)
{
	static const struct {
		const char *text, *host;
		uint16_t host_port, host_port_end, port, port_end;
		bool open;
	} good[] = {
	        {"80", "*", 0, 0, 80, 80, true},
	        {"0:80", "*", 0, 0, 80, 80, true},
	        {":80/udp", "*", 0, 0, 80, 80, true},
	        {"127.0.0.1::80", "127.0.0.1", 0, 0, 80, 80, true},
	        {"[fd00::1]:8080:80", "[fd00::1]", 8080, 8080, 80, 80, false},
	        {"[fd00::1]:80", "[fd00::1]", 0, 0, 80, 80, true},
	        {"8000-8010:8000-8010", "*", 8000, 8010, 8000, 8010, false},
	        {"8000-8010:9000-9010/sctp", "*", 8000, 8010, 9000, 9010, false},
	        {"8000-9000:80", "*", 8000, 9000, 80, 80, true},
	        {"8000-8000:80-80", "*", 8000, 8000, 80, 80, false},
	        {"1-65535:1-65535", "*", 1, 65535, 1, 65535, false},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct port_spec spec;
		char text[HOST_TEXT_SIZE];

		ck_assert_msg(parse_port_spec(good[i].text, "spec", &spec, &err) == 0, "%s: %s",
		        good[i].text, err.text);
		ck_assert_str_eq(host_format(&spec.host_ip, text), good[i].host);
		ck_assert(!spec.every);
		ck_assert_uint_eq(spec.host_port, good[i].host_port);
		ck_assert_uint_eq(spec.host_port_end, good[i].host_port_end);
		ck_assert_uint_eq(spec.port, good[i].port);
		ck_assert_uint_eq(spec.port_end, good[i].port_end);
		ck_assert(port_spec_is_open(&spec) == good[i].open);
	}
}
END_TEST

START_TEST(port_keys_may_leave_out_what_is_clear)
{
	struct port_spec spec;

	ck_assert_int_eq(parse_port_key("8080", "port", &spec, &err), 0);
	ck_assert_uint_eq(spec.host_ip.family, 0);
	ck_assert_uint_eq(spec.protocol, 0);
	ck_assert_int_eq(parse_port_key("10.0.0.1:8080/udp", "port", &spec, &err), 0);
	ck_assert_uint_eq(spec.protocol, IPPROTO_UDP);
	ck_assert_int_eq(parse_port_key("8080:80", "port", &spec, &err), 0);
	ck_assert(spec.host_port == 8080 && spec.port == 80 && !spec.host_ip.family);
	ck_assert_int_eq(parse_port_key("[fd00::1]:8000-8010/sctp", "port", &spec, &err), 0);
	ck_assert(spec.host_port == 8000 && spec.host_port_end == 8010 && spec.port == 0);
	ck_assert_uint_eq(spec.host_ip.family, AF_INET6);
	ck_assert_int_eq(parse_port_key("*:8000-8010:9000-9010", "port", &spec, &err), 0);
	ck_assert(spec.every && spec.port == 9000 && spec.port_end == 9010);
	ck_assert_int_lt(parse_port_key("0", "port", &spec, &err), 0);
	ck_assert_int_lt(parse_port_key(":80", "port", &spec, &err), 0);
	ck_assert_int_lt(parse_port_key("fd00::1:80", "port", &spec, &err), 0);
}
END_TEST

START_TEST(interface_names_are_the_kernels)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a:b", "a%d",
	        "1234567890123456", "a\"b", "all", "default"};
	char name[IFNAMSIZ];

	ck_assert_int_eq(parse_ifname("eth0", "interface", name, &err), 0);
	ck_assert_int_eq(parse_ifname("123456789012345", "interface", name, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(parse_ifname(bad[i], "interface", name, &err) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(prefixes_know_their_bounds)
{
	struct cidr wide, narrow, other;
	char text[IP_TEXT_SIZE];
	struct ip last;

	ck_assert_int_eq(parse_subnet("10.0.0.0/9", "", &wide, &err), 0);
	ck_assert_int_eq(parse_subnet("10.127.255.0/24", "", &narrow, &err), 0);
	ck_assert_int_eq(parse_subnet("10.128.0.0/24", "", &other, &err), 0);
	ck_assert(cidr_overlap(&wide, &narrow));
	ck_assert(cidr_overlap(&narrow, &wide));
	ck_assert(!cidr_overlap(&wide, &other));
	last = cidr_last(&wide);
	ck_assert_str_eq(ip_format(&last, text), "10.127.255.255");
}
END_TEST

START_TEST(context_reads_as_a_path)
{
	char deep[900];

	ck_assert_int_eq(error_set(&err, ERROR_KERNEL, EBUSY, "add veth nv1"), -EBUSY);
	ck_assert_int_eq(error_context(&err, "connect %s", "web"), -EBUSY);
	ck_assert_str_eq(err.text, "connect web: add veth nv1: Device or resource busy");
	memset(deep, 'x', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	for (int i = 0; i < 3; i++)
		error_context(&err, "%s", deep);
	ck_assert_uint_lt(strlen(err.text), ERROR_TEXT_SIZE);
}
END_TEST

START_TEST(rates_are_whole_numbers_of_a_unit)
{
	static const struct {
		const char *text;
		int64_t rate;
		const char *shown;
	} good[] = {{"10mbit", 10000000, "10mbit"}, {"1gbit", 1000000000, "1gbit"},
	        {"500kbit", 500000, "500kbit"}, {"8000bit", 8000, "8kbit"},
	        {"1500kbit", 1500000, "1500kbit"}, {"8001bit", 8001, "8001bit"},
	        {"100gbit", RATE_MAX, "100gbit"}, {"1000mbit", 1000000000, "1gbit"}};
	static const char *const bad[] = {"", "0", "0mbit", "10", "mbit", "10 mbit", " 10mbit",
	        "10mbit ", "10Mbit", "10mb", "10mbits", "-1mbit", "+1mbit", "1.5mbit", "010mbit",
	        "0x1mbit", "7999bit", "101gbit", "100000000001bit", "999999999999gbit",
	        "9999999999999bit"};
	char text[RATE_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		int64_t rate = 0;

		ck_assert_int_eq(parse_rate(good[i].text, "rate_in", &rate, &err), 0);
		ck_assert_int_eq(rate, good[i].rate);
		ck_assert_str_eq(rate_format(rate, text), good[i].shown);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		int64_t rate = 7;

		ck_assert_int_eq(parse_rate(bad[i], "rate_in", &rate, &err), -EINVAL);
		ck_assert_str_eq(err.field, "rate_in");
		ck_assert_int_eq(rate, 7);
	}
}
END_TEST

START_TEST(sentences_are_one_line_of_printable_text)
{
	error_set(&err, ERROR_INVALID, 0, "a\nb%s", "\x1b[2J\x7f");
	ck_assert_str_eq(err.text, "a?b?[2J?");
	error_context(&err, "in\r");
	ck_assert_str_eq(err.text, "in?: a?b?[2J?");
	error_field(&err, "x\ty", "\xc3\xa4 \b");
	ck_assert_str_eq(err.field, "x?y");
	ck_assert_str_eq(err.text, "\xc3\xa4 ?");
}
END_TEST

int main(void)
{
	return SUITE_RUN("parse", names_are_file_names_of_letters_digits_and_dots,
	        a_path_is_absolute_and_says_one_thing, names_that_others_gave_may_be_looked_at,
	        an_address_has_its_prefix_with_it, subnets_have_a_prefix_and_no_host_bits,
	        macs_belong_to_one_interface, port_specs_are_read_whole, port_specs_of_every_form,
	        port_keys_may_leave_out_what_is_clear, interface_names_are_the_kernels,
	        prefixes_know_their_bounds, rates_are_whole_numbers_of_a_unit,
	        context_reads_as_a_path, sentences_are_one_line_of_printable_text);
}
