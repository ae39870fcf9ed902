/*
 * How the caller came to this host: sshd says so to the session it starts, in SSH_CONNECTION. sudo
 * takes that away, so it is looked for in the environments of the processes above as well, as far
 * as they may be read.
 */
#include "cli/ssh.h"

#include "lib/cleanup.h"
#include "lib/parse.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE        "SSH_CONNECTION="
#define ENVIRONMENT_MAX (256 * 1024)
#define ANCESTORS_MAX   16

/* "CLIENT PORT SERVER PORT": the third word. One of a link has the link's name behind it, "%eth0".
 */
static bool take(const char *connection, char ret[IP_TEXT_SIZE])
{
	char server[IP_TEXT_SIZE];
	struct error ignored;
	struct ip ip;

	if (sscanf(connection, "%*s %*s %45[^ %]", server) != 1 ||
	        parse_ip(server, "", &ip, &ignored) < 0)
		return false;
	memcpy(ret, server, sizeof(server));
	return true;
}

static bool look_at(long pid, char ret[IP_TEXT_SIZE])
{
	_cleanup_(freep) char *environment = malloc(ENVIRONMENT_MAX + 1);
	_cleanup_(closep) int fd = -1;
	char path[64];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%ld/environ", pid);
	fd = environment ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	size = fd < 0 ? -1 : read(fd, environment, ENVIRONMENT_MAX);
	if (size <= 0)
		return false;
	environment[size] = '\0';
	for (const char *one = environment; one < environment + size; one += strlen(one) + 1)
		if (strncmp(one, VARIABLE, strlen(VARIABLE)) == 0)
			return take(one + strlen(VARIABLE), ret);
	return false;
}

/* 0: there is none, or it cannot be known. */
static long parent_of(long pid)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[64], line[256];
	long parent = 0;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "PPid: %ld", &parent) == 1)
			return parent;
	return 0;
}

bool ssh_server_address(char ret[IP_TEXT_SIZE])
{
	const char *own = getenv("SSH_CONNECTION");
	long pid = getppid();

	if (own)
		return take(own, ret);
	for (int i = 0; pid > 1 && i < ANCESTORS_MAX; i++, pid = parent_of(pid))
		if (look_at(pid, ret))
			return true;
	return false;
}
