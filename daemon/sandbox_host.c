/*
 * The private host's file system and loopback interface.
 *
 * The invariant: no write inside reaches a file or a mount of the machine outside that netd cares
 * for. /run is a tmpfs, /proc and /sys are mounted for the new namespaces, and /etc is a tmpfs of
 * symbolic links into a read-only view of the real one. Links, and no overlay: an overlay needs a
 * module and 5.11 in a user namespace, and cannot lie over an /etc in which others have mounted
 * files, as containers do. A program that replaces /etc/x gets its own, one that writes to /etc/x
 * in place is told that it is read-only. What would make one sandbox start otherwise than another
 * is left out.
 */
#include "daemon/sandbox_host.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define KEPT_ETC SANDBOX_DIR "/etc"

static int refused(struct error *err, const char *what)
{
	bool right = errno == EPERM || errno == EACCES;

	return error_set(err, right ? ERROR_PERMISSION : ERROR_KERNEL, errno, "%s", what);
}

static int mount_new(const char *type, const char *where, unsigned long flags, struct error *err)
{
	const char *data = strcmp(type, "tmpfs") == 0 ? "mode=0755" : NULL;
	char what[64];

	if (mount(type, where, type, flags | MS_NOSUID | MS_NODEV, data) < 0) {
		snprintf(what, sizeof what, "mount a new %s on %s", type, where);
		return refused(err, what);
	}
	return 0;
}

static int directory_make(const char *path, mode_t mode, struct error *err)
{
	if (mkdir(path, mode) < 0)
		return error_set(err, ERROR_KERNEL, errno, "make %s", path);
	return 0;
}

/* A copy of the mounts at `path`, to be put elsewhere when something new has covered them; -1 where
 * there is none. */
static int tree_keep(const char *path)
{
	return open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
}

static int tree_put(int tree, const char *path)
{
	return move_mount(tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

/* /etc/NAME becomes what leads to the kept one. A link is copied, since a relative one means
 * something else elsewhere. */
static int etc_link(int kept, int etc, const char *name, struct error *err)
{
	char target[PATH_MAX];
	ssize_t size = readlinkat(kept, name, target, sizeof target - 1);

	if (size >= 0)
		target[size] = '\0';
	else
		snprintf(target, sizeof target, KEPT_ETC "/%s", name);
	if (symlinkat(target, etc, name) < 0)
		return error_set(err, ERROR_KERNEL, errno, "link /etc/%s", name);
	return 0;
}

/* The host's own settings for namespaces and for netd; and its resolver, to which there is no way
 * from in here: without the file, a question about a name is refused at once instead of waited for.
 */
static bool is_left_out(const char *name)
{
	static const char *const names[] = {".", "..", "netns", "netd", "resolv.conf"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int etc_fill(struct error *err)
{
	_cleanup_(closedirp) DIR *kept = opendir(KEPT_ETC);
	_cleanup_(closep) int etc = open("/etc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	const struct dirent *entry;
	int r;

	if (!kept || etc < 0)
		return error_set(err, ERROR_KERNEL, errno, "open /etc");
	while ((entry = readdir(kept))) {
		const char *name = entry->d_name;

		if (is_left_out(name))
			continue;
		r = etc_link(dirfd(kept), etc, name, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int etc_cover(int tree, struct error *err)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	int r;

	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &read_only, sizeof read_only) < 0)
		return refused(err, "make the kept /etc read-only");
	r = directory_make(KEPT_ETC, 0755, err);
	if (r < 0)
		return r;
	if (tree_put(tree, KEPT_ETC) < 0)
		return refused(err, "mount the kept /etc");
	r = mount_new("tmpfs", "/etc", 0, err);
	return r < 0 ? r : etc_fill(err);
}

/* The kernel gives the units of listeners by their control group, so that tree stays in view. */
static int sys_cover(struct error *err)
{
	_cleanup_(closep) int cgroups = tree_keep("/sys/fs/cgroup");
	int r = mount_new("sysfs", "/sys", MS_NOEXEC, err);

	if (r < 0)
		return r;
	if (cgroups >= 0 && tree_put(cgroups, "/sys/fs/cgroup") < 0)
		return refused(err, "mount /sys/fs/cgroup");
	return 0;
}

/* As iproute2 makes it, so that a namespace mounted there by one program is there for all. */
static int netns_directory(struct error *err)
{
	int r = directory_make("/run/netns", 0755, err);

	if (r < 0)
		return r;
	if (mount("/run/netns", "/run/netns", NULL, MS_BIND | MS_REC, NULL) < 0 ||
	        mount(NULL, "/run/netns", NULL, MS_SHARED | MS_REC, NULL) < 0)
		return refused(err, "make /run/netns a shared mount");
	return 0;
}

static int loopback_up(struct error *err)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return refused(err, "set lo up");
	return 0;
}

int sandbox_host_make(struct error *err)
{
	_cleanup_(closep) int etc = -1;
	int r;

	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return refused(err, "make the mounts private");
	etc = tree_keep("/etc");
	if (etc < 0)
		return refused(err, "keep a view of /etc");
	if ((r = mount_new("tmpfs", "/run", 0, err)) < 0 ||
	        (r = directory_make(SANDBOX_DIR, 0755, err)) < 0 ||
	        (r = directory_make(SANDBOX_DIR "/state", 0700, err)) < 0 ||
	        (r = directory_make("/run/lock", 0755, err)) < 0)
		return r;
	if ((r = etc_cover(etc, err)) < 0 || (r = mount_new("proc", "/proc", MS_NOEXEC, err)) < 0 ||
	        (r = sys_cover(err)) < 0 || (r = netns_directory(err)) < 0)
		return r;
	return loopback_up(err);
}
