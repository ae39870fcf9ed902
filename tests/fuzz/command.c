/*
 * A command line of netd-ctl and what answers it. The first line is the command line, its words
 * separated by spaces; then stand the bytes of one answer, and after an empty line (which an answer
 * has, too: a line of `--` alone ends it) those of the next, whoever it is that sits behind the
 * socket.
 *
 * It ends with an exit status that the manual has, and no byte that a terminal obeys is written.
 */
#include "tests/fuzz/fuzz.h"

#include "cli/commands.h"
#include "cli/output.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* What the linker puts in place of a function is declared nowhere. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

#define WORDS_MAX 24
#define SEPARATOR "\n--\n"

static struct {
	const uint8_t *answers;
	size_t size;
	size_t left; /* of the answer that is being read */
} world;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("NETD_SOCKET", "/run/netd/netd.sock", 1);
	return 0;
}

/* --- the daemon's side --- */

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const uint8_t *end =
	        world.size ? memmem(world.answers, world.size, SEPARATOR, strlen(SEPARATOR)) : NULL;

	if (world.size == 0) {
		errno = ECONNREFUSED;
		return -1;
	}
	world.left = end ? (size_t)(end - world.answers) : world.size;
	return 0;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	return (ssize_t)size;
}

/* In pieces of one byte to seven, so that every border is somewhere. */
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
	size_t piece = world.left > 512 ? 256 : world.left % 7 + 1;

	if (piece > world.left)
		piece = world.left;
	if (piece > size)
		piece = size;
	memcpy(bytes, world.answers, piece);
	world.answers += piece;
	world.size -= piece;
	world.left -= piece;
	if (piece == 0 && world.size >= strlen(SEPARATOR)) {
		world.answers += strlen(SEPARATOR);
		world.size -= strlen(SEPARATOR);
	}
	return (ssize_t)piece;
}

/* Nothing of this machine is looked at or entered. */
int __wrap_exec_run(const struct call *call)
{
	return EXIT_DONE;
}

bool __wrap_listener_find(unsigned long long inode, void *ret)
{
	return false;
}

/* --- the person's side --- */

static void hold_output(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		REQUIRE(text[i] == '\n' || (text[i] >= ' ' && text[i] != 127), "byte %d in: %s",
		        text[i], text);
}

/* Runs it with streams in place of standard output and error; the descriptors stay what they are,
 * for the sanitizers' reports. */
static int run(char *line)
{
	FILE *kept_out = stdout, *kept_err = stderr;
	char *argv[WORDS_MAX + 2] = {"netd-ctl"}, *word, *text[2] = {NULL, NULL};
	int argc = 1, status;
	size_t size[2];

	while (argc <= WORDS_MAX && (word = strsep(&line, " ")))
		argv[argc++] = word;
	stdout = open_memstream(&text[0], &size[0]);
	stderr = open_memstream(&text[1], &size[1]);
	REQUIRE(stdout && stderr, "memory");
	status = cli_main(argc, argv);
	fclose(stdout);
	fclose(stderr);
	stdout = kept_out;
	stderr = kept_err;
	for (int i = 0; i < 2; i++) {
		hold_output(text[i], size[i]);
		free(text[i]);
	}
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t length = end ? (size_t)(end - data) : size;
	_cleanup_(freep) char *line = strndup((const char *)data, length);
	int status;

	REQUIRE(line, "memory");
	world.answers = end ? end + 1 : data;
	world.size = end ? size - length - 1 : 0;
	status = run(line);
	REQUIRE(status >= EXIT_DONE && status <= EXIT_EXISTS, "exit status %d", status);
	return 0;
}
