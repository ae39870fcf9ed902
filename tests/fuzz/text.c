/* What people write: the first byte says as what the rest is read. What is taken is printed, and
 * what is printed is taken again, and is the same; what is not taken has a sentence. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"

#include "lib/cleanup.h"

#include <string.h>

static void check(int r, const struct error *err)
{
	REQUIRE(r == 0 || r == -EINVAL, "%d", r);
	if (r == 0)
		return;
	REQUIRE(err->code == ERROR_INVALID && strcmp(err->field, "field") == 0, "%s", err->text);
	holds_error(err);
}

static void read_names(const char *text)
{
	char name[NAME_SIZE] = "", again[NAME_SIZE] = "", ifname[IFNAMSIZ] = "";
	struct error err = {0};
	int r = parse_name(text, "field", name, &err);

	check(r, &err);
	REQUIRE(r < 0 || strcmp(name, text) == 0, "%s", text);
	/* Every name can be looked at. */
	REQUIRE(r < 0 || parse_netns(text, "field", again, &err) == 0, "%s", text);
	r = parse_netns(text, "field", again, &err);
	check(r, &err);
	REQUIRE(r < 0 || (!strchr(again, '/') && strcmp(again, ".") && strcmp(again, "..")), "%s",
	        text);
	r = parse_ifname(text, "field", ifname, &err);
	check(r, &err);
	REQUIRE(r < 0 || (strcmp(ifname, text) == 0 && !strpbrk(ifname, "/ \t:%'\"\\")), "%s",
	        text);
}

static void read_ip(const char *text)
{
	struct ip ip = {0}, again = {0};
	char printed[IP_TEXT_SIZE];
	struct error err = {0};
	int r = parse_ip(text, "field", &ip, &err);

	check(r, &err);
	if (r < 0)
		return;
	ip_format(&ip, printed);
	REQUIRE(parse_ip(printed, "field", &again, &err) == 0 && ip_equal(&ip, &again), "%s",
	        printed);
}

/* Items of lists, and what goes with a subnet. */
static void read_lists(const char *text)
{
	char name[NAME_SIZE] = "";
	struct cidr cidr = {0};
	struct pool pool = {0};
	struct error err = {0};
	struct ip ip = {0};
	int r = parse_route(text, "field", &cidr, &ip, &err);

	check(r, &err);
	REQUIRE(r < 0 || (cidr.prefix && cidr.ip.family == ip.family), "%s", text);
	r = parse_reserve(text, "field", name, &ip, &err);
	check(r, &err);
	REQUIRE(r < 0 || (name[0] && ip.family), "%s", text);
	r = parse_subnet_or_size(text, "field", &cidr, &err);
	check(r, &err);
	REQUIRE(r < 0 || cidr.prefix <= 8 * ip_size(cidr.ip.family), "%s", text);
	r = parse_pool(text, "field", &pool, &err);
	check(r, &err);
	REQUIRE(r < 0 || (pool.size >= pool.cidr.prefix && pool.size - pool.cidr.prefix <= 24),
	        "%s", text);
}

static void read_subnet(const char *text)
{
	struct cidr cidr = {0}, again = {0};
	char printed[CIDR_TEXT_SIZE];
	struct error err = {0};
	struct ip first, last;
	int r = parse_subnet(text, "field", &cidr, &err);

	check(r, &err);
	if (r < 0)
		return;
	cidr_format(&cidr, printed);
	REQUIRE(parse_subnet(printed, "field", &again, &err) == 0 && cidr_equal(&cidr, &again),
	        "%s", printed);
	first = cidr_first(&cidr);
	last = cidr_last(&cidr);
	REQUIRE(ip_equal(&first, &cidr.ip) && cidr_contains(&cidr, &last), "%s", printed);
	REQUIRE(cidr_overlap(&cidr, &again), "%s", printed);
}

static void read_mac(const char *text)
{
	uint8_t mac[MAC_SIZE] = {0}, again[MAC_SIZE] = {0};
	char printed[MAC_TEXT_SIZE];
	struct error err = {0};
	int r = parse_mac(text, "field", mac, &err);

	check(r, &err);
	if (r < 0)
		return;
	REQUIRE(!(mac[0] & 1), "%s is no unicast address", text);
	mac_format(mac, printed);
	REQUIRE(parse_mac(printed, "field", again, &err) == 0 &&
	                memcmp(mac, again, sizeof(mac)) == 0,
	        "%s", printed);
}

static size_t print_range(char *text, size_t size, uint16_t first, uint16_t last)
{
	char ports[PORTS_TEXT_SIZE];

	return (size_t)snprintf(text, size, "%s", ports_format(first, last, ports));
}

static void print_spec(const struct port_spec *spec, char *text, size_t size)
{
	char host[HOST_TEXT_SIZE];
	size_t used = 0;

	if (spec->every || spec->host_ip.family)
		used = (size_t)snprintf(text, size, "%s:", host_format(&spec->host_ip, host));
	used += print_range(text + used, size - used, spec->host_port, spec->host_port_end);
	if (spec->port)
		text[used++] = ':';
	if (spec->port)
		used += print_range(text + used, size - used, spec->port, spec->port_end);
	if (spec->protocol)
		snprintf(text + used, size - used, "/%s", protocol_name(spec->protocol));
}

static void read_ports(const char *text, bool target)
{
	int (*parse)(const char *, const char *, struct port_spec *, struct error *) =
	        target ? parse_port_spec : parse_port_key;
	struct port_spec spec = {0}, again = {0};
	char printed[128];
	struct error err = {0};
	int r = parse(text, "field", &spec, &err);

	check(r, &err);
	if (r < 0)
		return;
	REQUIRE(target ? spec.port && spec.protocol : spec.host_port, "%s: a port is 0", text);
	REQUIRE(spec.host_port_end >= spec.host_port && spec.port_end >= spec.port, "%s", text);
	print_spec(&spec, printed, sizeof(printed));
	REQUIRE(parse(printed, "field", &again, &err) == 0, "%s: %s", printed, err.text);
	REQUIRE(ip_equal(&spec.host_ip, &again.host_ip) && spec.every == again.every &&
	                spec.host_port == again.host_port &&
	                spec.host_port_end == again.host_port_end && spec.port == again.port &&
	                spec.port_end == again.port_end && spec.protocol == again.protocol,
	        "%s", printed);
}

static void read_number(const char *text)
{
	unsigned long number = 0, again = 0;
	char printed[32];
	struct error err = {0};
	int r = parse_number(text, "field", 5, 70000, &number, &err);

	check(r, &err);
	if (r < 0)
		return;
	REQUIRE(number >= 5 && number <= 70000, "%lu", number);
	snprintf(printed, sizeof(printed), "%lu", number);
	REQUIRE(parse_number(printed, "field", 5, 70000, &again, &err) == 0 && again == number,
	        "%s", printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = NULL;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	REQUIRE(text, "memory");
	switch (data[0]) {
	case 'n':
		read_names(text);
		break;
	case 'i':
		read_ip(text);
		break;
	case 's':
		read_subnet(text);
		read_lists(text);
		break;
	case 'm':
		read_mac(text);
		break;
	case 'p':
		read_ports(text, true);
		break;
	case 'k':
		read_ports(text, false);
		break;
	case 'd':
		read_number(text);
		break;
	}
	return 0;
}
