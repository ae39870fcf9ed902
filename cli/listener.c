/*
 * Names the process behind a socket, with the caller's own rights: the daemon has none to look into
 * other people's processes. What may not be read is passed over; of several processes that share
 * the socket (a server and its workers) the first one found is named.
 */
#include "cli/listener.h"

#include "lib/cleanup.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

static bool has_socket(int proc, const char *pid, const char *wanted)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	_cleanup_(closep) int fd = -1;
	char path[64], target[64];
	struct dirent *entry;

	if (snprintf(path, sizeof(path), "%s/fd", pid) >= (int)sizeof(path))
		return false;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir)
		return false;
	fd = -1; /* the directory's now */
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, wanted) == 0)
			return true;
	}
	return false;
}

static void read_program(int proc, const char *pid, char *ret, size_t size)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	ssize_t n = 0;

	if (snprintf(path, sizeof(path), "%s/comm", pid) < (int)sizeof(path))
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, ret, size - 1);
	ret[n > 0 ? n : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (!*ret)
		strcpy(ret, "?");
}

bool listener_find(unsigned long long inode, struct listener *ret)
{
	_cleanup_(closedirp) DIR *dir = opendir("/proc");
	struct dirent *entry;
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "socket:[%llu]", inode);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		        !has_socket(dirfd(dir), entry->d_name, wanted))
			continue;
		ret->pid = (pid_t)strtol(entry->d_name, NULL, 10);
		read_program(dirfd(dir), entry->d_name, ret->program, sizeof(ret->program));
		return true;
	}
	return false;
}
