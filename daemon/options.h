/* What the command line and the configuration file say: the command line wins. */
#pragma once

#include "lib/error.h"
#include "lib/parse.h"
#include "lib/ip.h"
#include "lib/log.h"

#include <stdbool.h>

enum mode { MODE_RUN, MODE_CLEANUP, MODE_SANDBOX, MODE_HELP, MODE_VERSION };

struct options {
	enum mode mode;
	bool dry_run, purge, own_tables, take_over;
	struct pool pools[POOLS_MAX];
	unsigned pool_count;
	struct ip publish_address;      /* family 0: every */
	struct cidr default_subnets[2]; /* of network default, one of each family */
	unsigned default_subnet_count;
	bool default_ip6;
	char *config, *socket, *state_dir, *runtime_dir; /* owned */
	enum log_level log_level;
	char **command; /* sandbox: borrowed from argv, ends with NULL */
};

/* Fills *ret, defaults included. An error is wrong usage, and names the option or the line of the
 * file. */
int options_read(struct options *ret, int argc, char **argv, struct error *err);
void options_done(struct options *options);
void options_help(void);
