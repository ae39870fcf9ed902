/*
 * Who resolves names for the host, and whether a namespace could ask the same servers. A resolver
 * at a loopback address answers in the host only: inside a namespace 127.0.0.53 is the namespace's
 * own. Then the servers behind it are looked up where the programs that put a local resolver in
 * front leave them for others to read.
 */
#include "daemon/kernel/look.h"

#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <string.h>

#define RESOLV_CONF "/etc/resolv.conf"

/* resolv.conf(5) files with the servers themselves, of systemd-resolved and of NetworkManager. */
static const char *const upstream_files[] = {
        "/run/systemd/resolve/resolv.conf",
        "/run/NetworkManager/no-stub-resolv.conf",
};

struct servers {
	struct ip *items; /* borrowed; reachable from a namespace */
	unsigned max;     /* of each family */
	unsigned count, count6;
	bool any, loopback;
};

static bool read_ip(const char *text, struct ip *ret)
{
	struct ip ip = {0};

	ip.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return false; /* among them fe80::1%eth0, which means nothing elsewhere */
	*ret = ip;
	return true;
}

static void take_server(const char *text, struct servers *servers)
{
	unsigned of_family;
	struct ip ip;

	servers->any = true;
	if (!read_ip(text, &ip))
		return;
	/* 0.0.0.0 and :: lead to the host itself, too. */
	if (ip_is_loopback(&ip) || ip_is_any(&ip)) {
		servers->loopback = true;
		return;
	}
	for (unsigned i = 0; i < servers->count; i++)
		if (ip_equal(&servers->items[i], &ip))
			return;
	of_family = ip.family == AF_INET6 ? servers->count6 : servers->count - servers->count6;
	if (of_family == servers->max)
		return;
	servers->items[servers->count++] = ip;
	servers->count6 += ip.family == AF_INET6;
}

/* No such file: no servers. */
static int read_file(const char *path, struct servers *servers, struct error *err)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	_cleanup_(freep) char *line = NULL;
	size_t capacity = 0;

	if (!file)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "read %s", path);
	while (getline(&line, &capacity, file) > 0) {
		char word[64], address[64];

		if (sscanf(line, "%63s %63s", word, address) == 2 &&
		        strcmp(word, "nameserver") == 0)
			take_server(address, servers);
	}
	return 0;
}

int look_resolver(
        bool *loopback, struct ip *upstreams, unsigned max, unsigned *count, struct error *err)
{
	struct servers servers = {.items = upstreams, .max = max};
	size_t files = sizeof(upstream_files) / sizeof(upstream_files[0]);
	bool is_loopback;
	int r = read_file(RESOLV_CONF, &servers, err);

	/* resolv.conf(5): no server named means the one on this machine. */
	is_loopback = servers.loopback || !servers.any;
	for (size_t i = 0; r == 0 && is_loopback && servers.count == 0 && i < files; i++)
		r = read_file(upstream_files[i], &servers, err);
	if (r < 0)
		return r;
	*loopback = is_loopback;
	*count = servers.count;
	return 0;
}
