/*
 * A namespace that someone else made and that netd is to give a name: by a process in it, or by a
 * file that it is mounted on, as container runtimes keep theirs.
 *
 * A number may be given to another process, and a path may lead elsewhere a moment later. So a
 * process is held by a descriptor while its namespace is opened, and what is opened is compared,
 * by its cookie, with what was granted. No symbolic link is followed: whoever can write one of the
 * directories on the way would choose what a process with more rights opens. Nothing but a
 * namespace is opened at all: a path may lead to a fifo or a device.
 */
#include "daemon/kernel/netns_source.h"

#include "daemon/kernel/inside.h"
#include "lib/cleanup.h"
#include "lib/parse.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_process(long pid, struct error *err)
{
	error_field(err, "pid", "process %ld: there is no such process", pid);
	err->code = ERROR_NOT_FOUND;
	return -ENOENT;
}

/* The error of a step with this source; keeps `errnum`'s reason. */
static int failed(const char *source, const char *step, int errnum, struct error *err)
{
	bool rights = errnum == EACCES || errnum == EPERM;
	int r = error_set(err, rights ? ERROR_PERMISSION : ERROR_KERNEL, errnum, "%s: %s%s", source,
	        step, rights ? " (netd lacks the right)" : "");

	snprintf(err->field, sizeof(err->field), "%s",
	        netns_source_is_process(source) ? "pid" : "path");
	return r;
}

static bool has_ended(int process)
{
	struct pollfd end = {.fd = process, .events = POLLIN};

	return poll(&end, 1, 0) != 0;
}

static int open_of_process(const char *source, int *ret, struct error *err)
{
	long pid = strtol(source, NULL, 10);
	_cleanup_(closep) int process = pidfd_open((pid_t)pid, 0), fd = -1;
	char path[64];

	if (process < 0)
		return errno == ESRCH || errno == EINVAL
		               ? no_process(pid, err)
		               : failed(source, "open the process", errno, err);
	snprintf(path, sizeof(path), "/proc/%ld/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT && errno != ESRCH)
		return failed(source, "open its network namespace", errno, err);
	/* Else the number may be another one's by now. */
	if (fd < 0 || has_ended(process))
		return no_process(pid, err);
	*ret = TAKE_FD(fd);
	return 0;
}

static int nothing_there(const char *path, struct error *err)
{
	error_field(err, "path", "%s: there is no such file", path);
	err->code = ERROR_NOT_FOUND;
	return -ENOENT;
}

static int refuse(const char *path, const char *why, struct error *err)
{
	int r = error_field(err, "path", "%s %s", path, why);

	err->code = ERROR_REFUSED;
	return r;
}

/* One part of the path, without any effect on what is there. */
static int step_into(int directory, const char *part, const char *path, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = openat(directory, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat file;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return nothing_there(path, err);
	if (fd < 0 || fstat(fd, &file) < 0)
		return failed(path, "open it", errno, err);
	if (S_ISLNK(file.st_mode))
		return refuse(path,
		        "has a symbolic link in it, and netd follows none: give the path it leads "
		        "to, or a process with --pid",
		        err);
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_path(const char *path, int *ret, struct error *err)
{
	char parts[SOURCE_SIZE], *rest = parts, *part;
	_cleanup_(closep) int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? failed(path, "open /", errno, err) : 0;

	snprintf(parts, sizeof(parts), "%s", path + 1);
	while (r == 0 && (part = strsep(&rest, "/"))) {
		int next = -1;

		r = step_into(fd, part, path, &next, err);
		closep(&fd);
		fd = next;
	}
	if (r < 0)
		return r;
	r = netns_reopen(fd, "attach", path, ret, err);
	return r == -EINVAL ? refuse(path, "is no network namespace", err) : r;
}

/* The host's own has the number that the daemon's own has. */
static int refuse_host(const char *source, int fd, struct error *err)
{
	struct stat host, there;
	int r;

	if (stat("/proc/thread-self/ns/net", &host) < 0 || fstat(fd, &there) < 0)
		return failed(source, "look at its network namespace", errno, err);
	if (host.st_dev != there.st_dev || host.st_ino != there.st_ino)
		return 0;
	r = error_field(err, netns_source_is_process(source) ? "pid" : "path",
	        netns_source_is_process(source)
	                ? "process %s is in the host's own network namespace"
	                : "%s is the host's own network namespace",
	        source);
	err->code = ERROR_REFUSED;
	return r;
}

bool netns_source_is_process(const char *source)
{
	return source[0] != '/';
}

int netns_source_open(const char *source, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	int r = netns_source_is_process(source) ? open_of_process(source, &fd, err)
	                                        : open_path(source, &fd, err);

	if (r == 0)
		r = refuse_host(source, fd, err);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

static int read_cookie(void *arg, struct error *err)
{
	return netns_cookie("", arg, err);
}

int netns_source_cookie(const char *source, uint64_t *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	int r = netns_source_open(source, &fd, err);

	return r < 0 ? r : netns_inside_fd(fd, source, read_cookie, ret, err);
}
