/*
 * Options, from the command line and from a file of `key = value` lines with the same names. No
 * file is needed; one that was named has to be there.
 */
#include "daemon/options.h"

#include "daemon/model/model.h"
#include "lib/cleanup.h"
#include "lib/client.h"
#include "lib/parse.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_DEFAULT "/etc/netd/netd.conf"

static const struct option long_options[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
        {"state-dir", required_argument, NULL, 'd'},
        {"runtime-dir", required_argument, NULL, 'r'},
        {"log-level", required_argument, NULL, 'l'},
        {"own-tables", required_argument, NULL, 'o'},
        {"publish-address", required_argument, NULL, 'p'},
        {"default-subnet", required_argument, NULL, 'D'},
        {"default-ipv6", required_argument, NULL, '6'},
        {"cleanup", no_argument, NULL, 'C'},
        {"purge", no_argument, NULL, 'P'},
        {"dry-run", no_argument, NULL, 'n'},
        {"take-over", no_argument, NULL, 'T'},
        {"sandbox", no_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
};

void options_help(void)
{
	puts("Usage: netd [OPTION...]\n"
	     "       netd --take-over\n"
	     "       netd --cleanup [--purge] [--dry-run]\n"
	     "       netd --sandbox -- COMMAND...\n"
	     "\n"
	     "The daemon that keeps networks, namespaces and published ports; netd-ctl talks to "
	     "it.\n"
	     "\n"
	     "  --config FILE       read options from FILE (default " CONFIG_DEFAULT
	     ", if it is there)\n"
	     "  --socket PATH       listen here (default " NETD_SOCKET_DEFAULT ")\n"
	     "  --state-dir DIR     keep the database here (default /var/lib/netd)\n"
	     "  --runtime-dir DIR   keep the records of this boot here (default /run/netd)\n"
	     "  --log-level LEVEL   error, warning, info or debug (default info)\n"
	     "  --take-over         run, and make the host what this database says, though another "
	     "one\n"
	     "                      (or a newer state of it) made it what it is; what is the same "
	     "in "
	     "both\n"
	     "                      stays as it is\n"
	     "  --own-tables yes|no whether no one else can change netd's nf_tables tables, where "
	     "the kernel can\n"
	     "                      do that (default yes)\n"
	     "  --publish-address IP|*\n"
	     "                      the host's address that a port is published on where nobody "
	     "says "
	     "one\n"
	     "                      (default *: every address, of both families)\n"
	     "  --default-subnet CIDR\n"
	     "                      the subnet of network default, for a start that makes it; once "
	     "for each family\n"
	     "  --default-ipv6 yes|no\n"
	     "                      whether that network has IPv6, too (default no)\n"
	     "  --cleanup           remove all that netd ever made on this host, and restore what "
	     "it changed\n"
	     "    --purge           ... the database too\n"
	     "    --dry-run         ... only list the commands that would do it\n"
	     "  --sandbox -- CMD    run netd and CMD in a private host that ends with CMD\n"
	     "  --version, --help");
}

static int set_string(char **target, const char *value, struct error *err)
{
	char *copy;

	if (!*value)
		return error_set(err, ERROR_INVALID, 0, "is empty");
	copy = strdup(value);
	if (!copy)
		return error_memory(err);
	free(*target);
	*target = copy;
	return 0;
}

static int set_switch(bool *target, const char *value, struct error *err)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return error_set(err, ERROR_INVALID, 0, "'%.40s' is neither yes nor no", value);
	*target = strcmp(value, "yes") == 0;
	return 0;
}

static int set_address(struct ip *target, const char *value, struct error *err)
{
	struct error ignored;

	*target = (struct ip){0};
	if (strcmp(value, "*") == 0)
		return 0;
	if (parse_ip(value, "", target, &ignored) < 0)
		return error_set(err, ERROR_INVALID, 0,
		        "'%.46s' is neither an IP address nor * (every address)", value);
	return publication_check_ip(target, "publish-address", err);
}

/* At most one of each family. */
static int add_default_subnet(struct options *options, const char *value, struct error *err)
{
	struct cidr cidr;
	char text[CIDR_TEXT_SIZE];
	int r = parse_subnet_or_size(value, "", &cidr, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < options->default_subnet_count; i++)
		if (options->default_subnets[i].ip.family == cidr.ip.family)
			return error_set(err, ERROR_INVALID, 0,
			        "%s is the second one of its family", cidr_format(&cidr, text));
	options->default_subnets[options->default_subnet_count++] = cidr;
	return 0;
}

/* One of several. */
static int add_pool(struct options *options, const char *value, struct error *err)
{
	struct pool pool;
	char text[CIDR_TEXT_SIZE];
	int r = parse_pool(value, "", &pool, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < options->pool_count; i++)
		if (cidr_overlap(&options->pools[i].cidr, &pool.cidr))
			return error_set(err, ERROR_INVALID, 0, "%s overlaps another pool",
			        cidr_format(&pool.cidr, text));
	if (options->pool_count == POOLS_MAX)
		return error_set(err, ERROR_INVALID, 0, "there are more than %d pools", POOLS_MAX);
	options->pools[options->pool_count++] = pool;
	return 0;
}

/* A setting that the file may have, too. */
static int set(struct options *options, const char *name, const char *value, struct error *err)
{
	if (strcmp(name, "socket") == 0)
		return set_string(&options->socket, value, err);
	if (strcmp(name, "state-dir") == 0)
		return set_string(&options->state_dir, value, err);
	if (strcmp(name, "runtime-dir") == 0)
		return set_string(&options->runtime_dir, value, err);
	if (strcmp(name, "own-tables") == 0)
		return set_switch(&options->own_tables, value, err);
	if (strcmp(name, "publish-address") == 0)
		return set_address(&options->publish_address, value, err);
	if (strcmp(name, "pool") == 0)
		return add_pool(options, value, err);
	if (strcmp(name, "default-subnet") == 0)
		return add_default_subnet(options, value, err);
	if (strcmp(name, "default-ipv6") == 0)
		return set_switch(&options->default_ip6, value, err);
	if (strcmp(name, "log-level") != 0)
		return error_set(err, ERROR_INVALID, 0,
		        "netd has no such setting; there are socket, state-dir, runtime-dir, "
		        "log-level, own-tables, publish-address, default-subnet, default-ipv6 and "
		        "pool");
	if (log_level_parse(value, &options->log_level) < 0)
		return error_set(err, ERROR_INVALID, 0,
		        "'%.40s' is no level; it is error, warning, info or debug", value);
	return 0;
}

/* --- the file --- */

struct file {
	struct options *options;
	struct error *err;
	int result;
};

static int on_setting(void *arg, const char *section, const char *name, const char *value)
{
	struct file *file = arg;

	if (file->result < 0)
		return 1;
	file->result = *section ? error_set(file->err, ERROR_INVALID, 0,
	                                  "the file has no sections; take the line in [] out")
	                        : set(file->options, name, value, file->err);
	if (file->result < 0)
		error_context(
		        file->err, "%s: %s", file->options->config, *section ? section : name);
	return 1;
}

static int read_file(struct options *options, struct error *err)
{
	bool named = options->config != NULL;
	struct file file = {.options = options, .err = err};
	int line;

	if (!named && set_string(&options->config, CONFIG_DEFAULT, err) < 0)
		return -ENOMEM;
	line = ini_parse(options->config, on_setting, &file);
	if (line == -1 && (named || errno != ENOENT))
		return error_set(
		        err, ERROR_INVALID, errno, "read the configuration %s", options->config);
	if (line > 0 && file.result == 0)
		return error_set(err, ERROR_INVALID, 0, "%s: line %d is no 'name = value'",
		        options->config, line);
	return file.result;
}

/* --- the command line --- */

static int set_option(struct options *options, int option, const char *value, struct error *err)
{
	switch (option) {
	case 'C':
		options->mode = MODE_CLEANUP;
		return 0;
	case 'S':
		options->mode = MODE_SANDBOX;
		return 0;
	case 'T':
		options->take_over = true;
		return 0;
	case 'h':
		options->mode = MODE_HELP;
		return 0;
	case 'V':
		options->mode = MODE_VERSION;
		return 0;
	case 'P':
		options->purge = true;
		return 0;
	case 'n':
		options->dry_run = true;
		return 0;
	}
	for (const struct option *known = long_options; known->name; known++)
		if (known->val == option && option != 'c' &&
		        set(options, known->name, value, err) < 0)
			return error_context(err, "--%s", known->name);
	return 0;
}

static int read_arguments(
        struct options *options, int argc, char **argv, bool only_config, struct error *err)
{
	int option, r = 0;

	optind = 1;
	opterr = 0;
	while (r == 0 && (option = getopt_long(argc, argv, "+:", long_options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return error_set(err, ERROR_INVALID, 0,
			        "%s: %s (netd --help lists the options)", argv[optind - 1],
			        option == '?' ? "there is no such option" : "its value is missing");
		if (only_config)
			r = option == 'c' ? set_string(&options->config, optarg, err) : 0;
		else
			r = set_option(options, option, optarg, err);
	}
	return r;
}

static int check(const struct options *options, int argc, char **argv, struct error *err)
{
	if (options->mode == MODE_SANDBOX && optind == argc)
		return error_set(err, ERROR_INVALID, 0,
		        "--sandbox: say what to run: netd --sandbox -- COMMAND");
	if (options->mode != MODE_SANDBOX && optind < argc)
		return error_set(err, ERROR_INVALID, 0, "%s: netd takes no arguments (netd --help)",
		        argv[optind]);
	if ((options->purge || options->dry_run) && options->mode != MODE_CLEANUP)
		return error_set(err, ERROR_INVALID, 0, "--purge and --dry-run go with --cleanup");
	if (options->take_over && options->mode != MODE_RUN)
		return error_set(err, ERROR_INVALID, 0, "--take-over goes with a start of netd");
	return 0;
}

static int set_defaults(struct options *options, struct error *err)
{
	options->log_level = LOG_LEVEL_INFO;
	options->own_tables = true;
	if (set_string(&options->socket, NETD_SOCKET_DEFAULT, err) < 0 ||
	        set_string(&options->state_dir, "/var/lib/netd", err) < 0)
		return error_memory(err);
	return set_string(&options->runtime_dir, "/run/netd", err);
}

int options_read(struct options *ret, int argc, char **argv, struct error *err)
{
	_cleanup_(options_done) struct options options = {0};
	int r = set_defaults(&options, err);

	if (r == 0)
		r = read_arguments(&options, argc, argv, true, err);
	if (r == 0)
		r = read_file(&options, err);
	if (r == 0)
		r = read_arguments(&options, argc, argv, false, err);
	if (r == 0)
		r = check(&options, argc, argv, err);
	if (r < 0)
		return r;
	options.command = argv + optind;
	*ret = options;
	options = (struct options){0};
	return 0;
}

void options_done(struct options *options)
{
	free(options->config);
	free(options->socket);
	free(options->state_dir);
	free(options->runtime_dir);
	*options = (struct options){0};
}
