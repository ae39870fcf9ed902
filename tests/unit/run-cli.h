/*
 * netd-ctl run as a person runs it: a command line in, its output, sentences and exit status out.
 * Each runs in a child process, against the daemon that the test prepared.
 */
#pragma once

#include "cli/commands.h"
#include "cli/output.h"
#include "tests/unit/fake-daemon.h"

#include <fcntl.h>

/* Objects as the daemon answers them. */
#define NETWORK                                                                                    \
	"{\"id\": \"3f2a9c\", \"name\": \"my-net\", \"driver\": \"bridge\", \"bridge\": "          \
	"\"netd-3f2a9c\", \"subnets\": [{\"subnet\": \"10.200.1.0/24\", \"gateway\": "             \
	"\"10.200.1.1\"}], \"mtu\": 1500, \"internal\": false, \"endpoints\": [" ENDPOINT "]}"
#define ENDPOINT                                                                                   \
	"{\"network\": \"my-net\", \"namespace\": \"web\", \"interface\": \"eth0\", "              \
	"\"host_interface\": \"nv12\", \"mac\": \"02:00:0a:c8:01:02\", \"addresses\": "            \
	"[\"10.200.1.2/24\"]}"
#define NAMESPACE                                                                                  \
	"{\"name\": \"web\", \"path\": \"/run/netns/web\", \"origin\": \"created\", \"inode\": "   \
	"7, "                                                                                      \
	"\"cookie\": \"18446744073709551615\", \"nsid\": null, \"processes\": 2, \"interfaces\": " \
	"[\"lo\", \"eth0\"], \"endpoints\": [" ENDPOINT "]}"
#define PUBLICATION                                                                                \
	"{\"id\": \"p1\", \"protocol\": \"tcp\", \"host_ip\": \"0.0.0.0\", \"host_port\": 8080, "  \
	"\"host_port_end\": 8080, \"network\": \"my-net\", \"namespace\": \"web\", \"port\": 80, " \
	"\"port_end\": 80, \"target\": \"10.0.0.2\", \"targets\": [\"10.0.0.2\"], "                \
	"\"state\": \"active\", \"reason\": null, \"packets\": 12, \"bytes\": 3456}"
#define PENDING                                                                                    \
	"{\"id\": \"p2\", \"protocol\": \"udp\", \"host_ip\": \"::\", \"host_port\": 53, "         \
	"\"host_port_end\": 53, \"network\": null, \"namespace\": \"dns\", \"port\": 53, "         \
	"\"port_end\": 53, \"target\": null, \"targets\": [], \"state\": \"pending\", "            \
	"\"reason\": \"dns is connected to no network\", \"packets\": null, \"bytes\": null}"

static struct fake fake;
static int status;
static char out[1 << 16], err[1 << 16];

static inline void setup(void)
{
	fake_prepare(&fake);
}

static inline void teardown(void)
{
	fake_done(&fake);
}

static inline void read_back(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	close(fd);
}

static inline int temporary(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Splits the line at spaces and runs it with this standard output. */
static inline void run_into(int output, const char *line)
{
	int errors = temporary();
	char *copy = strdup(line), *rest = copy, *argv[32] = {"netd-ctl"};
	int argc = 1, wait_status;
	pid_t pid;

	while (rest && *rest && argc < 31)
		argv[argc++] = strsep(&rest, " ");
	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		setenv("NETD_SOCKET", fake.path, 1);
		if (output >= 0)
			dup2(output, STDOUT_FILENO);
		else
			close(STDOUT_FILENO);
		dup2(errors, STDERR_FILENO);
		wait_status = cli_main(argc, argv);
		free(copy);
		exit(wait_status);
	}
	ck_assert_int_eq(waitpid(pid, &wait_status, 0), pid);
	read_back(errors, err, sizeof(err));
	ck_assert_msg(WIFEXITED(wait_status), "%s: %s", line, err);
	status = WEXITSTATUS(wait_status);
	free(copy);
}

static inline void run(const char *line)
{
	int output = temporary();

	if (fake.n_answers > 0 && fake.pid == 0)
		fake_start(&fake);
	run_into(output, line);
	read_back(output, out, sizeof(out));
}

static inline void check_contains(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part), "'%s' is not in:\n%s", part, text);
}

/* The first line of the request, up to " HTTP". */
static inline void check_request(size_t i, const char *wanted)
{
	size_t length = strlen(wanted);

	ck_assert_uint_lt(i, fake.record->n_requests);
	ck_assert_msg(strncmp(fake.record->requests[i], wanted, length) == 0 &&
	                      strncmp(fake.record->requests[i] + length, " HTTP", 5) == 0,
	        "'%s' is not: %s", wanted, fake.record->requests[i]);
}

static inline const char *request_body(size_t i)
{
	ck_assert_uint_lt(i, fake.record->n_requests);
	return strstr(fake.record->requests[i], "\r\n\r\n") + 4;
}
