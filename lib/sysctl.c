/*
 * The strict parser of a sysctl of a namespace: KEY=VALUE. Only what belongs to a network namespace
 * as a whole can be written so: a key begins with "net.", and what an interface has for itself is
 * left out, as that comes and goes with the interface, which may be netd's own.
 */
#include "lib/parse.h"

#include <stdio.h>
#include <string.h>

#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:./"

static int bad_key(const char *key, const char *field, const char *why, struct error *err)
{
	return error_field(err, field, "%s: %s %s", field, quote(key).text, why);
}

/* As sysctl(8) has it: '/' stands for a dot that is part of a name. */
static void swap_separators(char *path)
{
	for (; *path; path++)
		*path = *path == '.' ? '/' : *path == '/' ? '.' : *path;
}

static bool has_bad_part(const char *path)
{
	for (const char *part = path;; part++) {
		size_t length = strcspn(part, "/");

		if (length == 0 || (part[0] == '.' && length <= 2 && part[length - 1] == '.'))
			return true;
		part += length;
		if (!*part)
			return false;
	}
}

/* "net/ipv4/conf/eth0/...": the interface's part; NULL where it is none's, or that of all. */
static const char *interface_of(const char *path)
{
	static const char *const tables[] = {"/conf/", "/neigh/"};
	static const char *const whole[] = {"all/", "default/", "lo/"};
	const char *interface = NULL;

	for (size_t i = 0; !interface && i < sizeof(tables) / sizeof(tables[0]); i++)
		if ((interface = strstr(path, tables[i])))
			interface += strlen(tables[i]);
	for (size_t i = 0; interface && i < sizeof(whole) / sizeof(whole[0]); i++)
		if (strncmp(interface, whole[i], strlen(whole[i])) == 0)
			return NULL;
	return interface;
}

/* What netd keeps for its own interfaces. */
static bool is_netds(const char *path)
{
	const char *last = strrchr(path, '/');

	return strncmp(path, "net/ipv6/conf/", 14) == 0 &&
	       (strcmp(last, "/disable_ipv6") == 0 || strcmp(last, "/addr_gen_mode") == 0);
}

static int read_key(
        const char *key, const char *field, char path[SYSCTL_PATH_SIZE], struct error *err)
{
	if (strncmp(key, "net.", 4) != 0)
		return bad_key(key, field, "is no sysctl of a network namespace (net.*)", err);
	if (strlen(key) >= SYSCTL_PATH_SIZE || strspn(key, KEY_CHARACTERS) != strlen(key))
		return bad_key(key, field, "is no name of a sysctl", err);
	strcpy(path, key);
	swap_separators(path);
	if (has_bad_part(path))
		return bad_key(key, field, "is no name of a sysctl", err);
	if (interface_of(path))
		return bad_key(key, field,
		        "is one interface's own, and goes with it; set it for 'all' or 'default'",
		        err);
	return is_netds(path) ? bad_key(key, field,
	                                "is netd's to set, as it knows which interfaces have "
	                                "IPv6",
	                                err)
	                      : 0;
}

/* '~' is what a space is written as where values are kept. */
static int read_value(const char *value, const char *field, struct error *err)
{
	size_t length = strlen(value);

	if (length == 0 || length >= SYSCTL_TEXT_SIZE || value[0] == ' ' ||
	        value[length - 1] == ' ' || strstr(value, "  ") || strchr(value, '~'))
		return error_field(err, field,
		        "%s: a value has 1 to %d characters, words with one space between them, "
		        "and no '~'",
		        field, SYSCTL_TEXT_SIZE - 1);
	for (; *value; value++)
		if (*value < ' ' || *value > '~')
			return error_field(err, field,
			        "%s: the value has characters that are not printable ASCII", field);
	return 0;
}

int parse_sysctl(const char *text, const char *field, char path[SYSCTL_PATH_SIZE],
        char value[SYSCTL_TEXT_SIZE], struct error *err)
{
	const char *equal = strchr(text, '=');
	char key[SYSCTL_PATH_SIZE + 1], read[SYSCTL_PATH_SIZE];
	int r;

	if (!equal)
		return error_field(err, field, "%s: write it as KEY=VALUE", field);
	snprintf(key, sizeof(key), "%.*s", (int)(equal - text), text);
	r = read_key(key, field, read, err);
	if (r == 0)
		r = read_value(equal + 1, field, err);
	if (r < 0)
		return r;
	strcpy(path, read);
	strcpy(value, equal + 1);
	return 0;
}
