/*
 * The socket file. Who may open it administers the network, so it is never wider than 0660 for a
 * moment: the mode is set on the socket before it is bound (the kernel makes the file with it, less
 * the umask), and widened only after it belongs to its group.
 */
#include "daemon/api/server.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define GROUP       "netd"
#define SOCKET_MODE 0660
#define FOLDER_MODE 0750
#define BACKLOG     256
#define NO_GROUP    ((gid_t)-1) /* chown(2): leave it */

static gid_t find_group(void)
{
	char buffer[4096];
	struct group group, *found = NULL;

	if (getgrnam_r(GROUP, &group, buffer, sizeof(buffer), &found) != 0 || !found)
		return NO_GROUP;
	return found->gr_gid;
}

/* Without the right to give it away the owner alone uses it, which is no failure. */
static void give_to_group(const char *path, gid_t group)
{
	if (group != NO_GROUP && lchown(path, (uid_t)-1, group) < 0)
		errno = 0;
}

static int make_folder(const char *path, gid_t group, struct error *err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(freep) char *folder = NULL;

	if (!slash || slash == path)
		return 0;
	folder = strndup(path, (size_t)(slash - path));
	if (!folder)
		return error_memory(err);
	if (mkdir(folder, FOLDER_MODE) == 0)
		give_to_group(folder, group);
	else if (errno != EEXIST)
		return error_set(err, ERROR_KERNEL, errno, "socket %s: create its directory", path);
	return 0;
}

/* Removes what a daemon that died has left. */
static int clear_place(const struct sockaddr_un *address, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0
		                       : error_set(err, ERROR_KERNEL, errno, "socket %s",
		                                 address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ERROR_EXISTS, EEXIST,
		        "socket %s: something else than a socket is there", address->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "socket %s", address->sun_path);
	/* EAGAIN is a daemon that is busy. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return error_set(err, ERROR_EXISTS, EADDRINUSE,
		        "socket %s: another daemon answers there", address->sun_path);
	if (errno != ECONNREFUSED || unlink(address->sun_path) < 0)
		return error_set(err, ERROR_KERNEL, errno, "socket %s: remove the old one",
		        address->sun_path);
	return 0;
}

void api_unlink(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error in_use;

	if (strlen(path) < sizeof(address.sun_path)) {
		strcpy(address.sun_path, path);
		clear_place(&address, &in_use);
	}
}

int api_listen(const char *path, int *ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = -1;
	gid_t group = find_group();
	int r;

	if (strlen(path) >= sizeof(address.sun_path) || !*path)
		return error_set(err, ERROR_INVALID, 0,
		        "socket '%.200s': a path of 1 to %zu bytes is needed", path,
		        sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	r = make_folder(path, group, err);
	if (r == 0)
		r = clear_place(&address, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || fchmod(fd, SOCKET_MODE) < 0 ||
	        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, ERROR_KERNEL, errno, "socket %s: bind", path);
	give_to_group(path, group);
	if (chmod(path, SOCKET_MODE) < 0 || listen(fd, BACKLOG) < 0)
		return error_set(err, ERROR_KERNEL, errno, "socket %s: listen", path);
	*ret = TAKE_FD(fd);
	return 0;
}
