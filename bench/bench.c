/*
 * The whole run: a private host, the daemon, all that is measured at nothing and at many, one
 * table. It ends by itself, whatever happens, and it passes no judgement: a number here is no test.
 */
#include "bench/rounds.h"

#include "bench/fatal.h"
#include "bench/restart.h"
#include "tests/lib/host.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#define RUN_SECONDS_MAX 300
#define DESCRIPTORS     400 /* that are no held ports */

#define RESTART_ENDPOINTS    1000
#define RESTART_PUBLICATIONS 100
#define RESTART_ROUNDS       10

struct options {
	bool restart;
	const char *build, *directory;
	unsigned rounds, endpoints, publications;
};

void fatal(const char *format, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void help(void)
{
	puts("Usage: bench/run [restart] [OPTION...]\n"
	     "\n"
	     "Measures netd beside the bare kernel, in a private host. Prints one table: of single "
	     "requests, or of a\n"
	     "start with nothing to repair (`restart`: 10 rounds, 1000 endpoints, 100 published "
	     "ports).\n"
	     "\n"
	     "  --rounds N        how often each thing is done (default 100, at most 1000)\n"
	     "  --endpoints N     how many are \"many endpoints\" (default 500, at most 900)\n"
	     "  --publications N  how many are \"many published ports\" (default 10000)\n"
	     "  --directory DIR   where the database is: on a disk, for a commit to be one "
	     "(default /var/tmp)\n"
	     "  --build DIR       the build directory");
}

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end || value < 1 || value > max)
		fatal("%s: a number from 1 to %u", text, max);
	return (unsigned)value;
}

/* What is no option names the measure. */
static void take_measure(struct options *options, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		options->restart |= strcmp(argv[i], "restart") == 0;
	if (!options->restart)
		return;
	options->rounds = RESTART_ROUNDS;
	options->endpoints = RESTART_ENDPOINTS;
	options->publications = RESTART_PUBLICATIONS;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option names[] = {{"rounds", required_argument, NULL, 'r'},
	        {"endpoints", required_argument, NULL, 'e'},
	        {"publications", required_argument, NULL, 'p'},
	        {"directory", required_argument, NULL, 'd'},
	        {"build", required_argument, NULL, 'b'}, {"help", no_argument, NULL, 'h'}, {0}};
	struct options options = {false, "build", "/var/tmp", 100, 500, 10000};
	int option;

	take_measure(&options, argc, argv);

	while ((option = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		if (option == 'r')
			options.rounds = number(optarg, SAMPLES_MAX);
		else if (option == 'e')
			options.endpoints = number(optarg, options.restart ? RESTART_MAX : 900);
		else if (option == 'p')
			options.publications = number(optarg, 20000);
		else if (option == 'd')
			options.directory = optarg;
		else if (option == 'b')
			options.build = optarg;
		else if (option == 'h')
			help();
		if (option == 'h' || option == '?')
			exit(option == 'h' ? 0 : 2);
	}
	return options;
}

/* Each published port is held by a socket of the daemon's. */
static unsigned raise_limit(unsigned publications)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < publications + DESCRIPTORS) {
		publications = (unsigned)limit.rlim_max - DESCRIPTORS;
		printf("(only %u published ports: no more open files are allowed here)\n",
		        publications);
	}
	return publications;
}

static void print_row(struct row *row)
{
	rows_print(row, stdout);
	free(row);
}

static struct row *new_row(const char *name, unsigned existing, const char *of_what)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		fatal("out of memory");
	snprintf(row->name, sizeof(row->name), of_what ? "%s, %u %s" : "%s", name, existing,
	        of_what);
	return row;
}

static void measure_endpoints(struct bench *bench, unsigned existing)
{
	struct row *connect = new_row("connect", existing, "endpoints");
	struct row *disconnect = new_row("disconnect", existing, "endpoints");
	struct row *later = new_row("  and later: the pair is gone", 0, NULL);

	rounds_endpoints(bench, connect, disconnect, later);
	print_row(connect);
	print_row(disconnect);
	print_row(later);
}

static void measure_publications(struct bench *bench, unsigned existing)
{
	struct row *publish = new_row("publish", existing, "published");
	struct row *unpublish = new_row("unpublish", existing, "published");

	rounds_publications(bench, publish, unpublish);
	print_row(publish);
	print_row(unpublish);
}

static void measure_ranges(struct bench *bench)
{
	struct row *publish = new_row("publish a range of 10,000 ports", 0, NULL);
	struct row *unpublish = new_row("unpublish it", 0, NULL);

	rounds_ranges(bench, publish, unpublish);
	print_row(publish);
	print_row(unpublish);
}

static void measure_rest(struct bench *bench)
{
	struct row *networks = new_row("network create", 0, NULL);
	struct row *program = new_row("netd-ctl connect | kernel: /bin/true", 0, NULL);
	struct row *kept = new_row("GET /v1/version, kept connection", 0, NULL);
	struct row *new = new_row("GET /v1/version, new connection", 0, NULL);

	rounds_networks(bench, networks);
	print_row(networks);
	rounds_programs(bench, program);
	print_row(program);
	rounds_transport(bench, kept, new);
	print_row(kept);
	print_row(new);
}

static void print_host(const struct options *options)
{
	struct utsname name;

	uname(&name);
	printf("Linux %s, %ld processors, database in %s, %u rounds\n", name.release,
	        sysconf(_SC_NPROCESSORS_ONLN), options->directory, options->rounds);
}

static void measure_requests(struct bench *bench, const struct options *options)
{
	double idle, endpoints, publications;

	bench_open(bench, options->build, options->directory);
	idle = netd_pss(&bench->netd);
	rows_head(stdout);
	measure_rest(bench);
	measure_endpoints(bench, 0);
	measure_publications(bench, 0);
	fill_endpoints(bench, options->endpoints);
	endpoints = netd_pss(&bench->netd);
	measure_endpoints(bench, options->endpoints);
	fill_publications(bench, options->publications);
	publications = netd_pss(&bench->netd);
	measure_publications(bench, options->publications);
	measure_ranges(bench);
	printf("Pss of netd: %.1f MB idle, %.1f MB with %u endpoints, %.1f MB with %u published "
	       "ports "
	       "more\n",
	        idle, endpoints, options->endpoints, publications, options->publications);
	bench_close(bench);
}

static void measure_restart(struct bench *bench, const struct options *options)
{
	struct row *row = new_row("restart", options->endpoints, "endpoints");
	unsigned long changes;

	netd_start(&bench->netd, options->build, options->directory);
	restart_fill(bench, options->endpoints, options->publications);
	rows_head(stdout);
	changes = rounds_restart(bench, options->endpoints, row);
	print_row(row);
	printf("Changing messages in the last start: %lu. Pss of netd: %.1f MB\n", changes,
	        netd_pss(&bench->netd));
	netd_stop(&bench->netd);
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	static struct bench bench;

	alarm(RUN_SECONDS_MAX);
	options.publications = raise_limit(options.publications);
	host_enter();
	bench.rounds = options.rounds;
	print_host(&options);
	(options.restart ? measure_restart : measure_requests)(&bench, &options);
	return 0;
}
