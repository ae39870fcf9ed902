/*
 * A sysfs shows the interfaces of the network namespace in which it was mounted, so a command in
 * another namespace needs another one. It is laid over the old one, which is not unmounted before:
 * if the kernel refuses the new one (in a user namespace it does where parts of /sys are hidden),
 * all is as it was; and the mounts below /sys (cgroups, bpf, tracing), which the new one would
 * hide, can be cloned first and put back on top. One of these that cannot be cloned, or has no
 * place any more, stays hidden, as it would be with `ip netns exec`.
 */
#include "cli/sysfs.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define KEPT_MAX 64

struct kept {
	char *path; /* owned */
	int tree;   /* owned: the detached clone */
};

struct kept_list {
	struct kept mounts[KEPT_MAX];
	size_t n;
};

static void kept_done(struct kept_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->mounts[i].path);
		close(list->mounts[i].tree);
	}
}

/* Undoes mountinfo's "\040" for a space, in place. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		unsigned value;

		if (*text == '\\' && sscanf(text + 1, "%3o", &value) == 1) {
			*out++ = (char)value;
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* What is below a kept mount comes with it. */
static bool is_kept(const struct kept_list *list, const char *path)
{
	for (size_t i = 0; i < list->n; i++) {
		size_t length = strlen(list->mounts[i].path);

		if (strncmp(path, list->mounts[i].path, length) == 0 &&
		        (path[length] == '/' || path[length] == '\0'))
			return true;
	}
	return false;
}

/* A mount that another one covers is listed, too, but its path leads elsewhere. */
static bool is_visible_mount(const char *path)
{
	struct statx stat;

	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW, 0, &stat) == 0 &&
	       (stat.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void keep(struct kept_list *list, char *path)
{
	_cleanup_(closep) int tree = -1;
	char *copy;

	unescape(path);
	if (list->n == KEPT_MAX || is_kept(list, path) || !is_visible_mount(path))
		return;
	tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	copy = tree < 0 ? NULL : strdup(path);
	if (copy)
		list->mounts[list->n++] = (struct kept){copy, TAKE_FD(tree)};
}

static void keep_all(struct kept_list *list)
{
	_cleanup_(fclosep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	while (mounts && getline(&line, &size, mounts) > 0) {
		char *rest = line, *path = NULL;

		/* id, parent, device, root, mount point: proc(5) */
		for (int field = 0; rest && field < 5; field++)
			path = strsep(&rest, " ");
		if (rest && strncmp(path, "/sys/", 5) == 0)
			keep(list, path);
	}
}

int sysfs_mount(void)
{
	_cleanup_(kept_done) struct kept_list list = {.n = 0};
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	struct statvfs before;

	/* The kernel lets no read-write sysfs cover a read-only one that the caller may not change.
	 */
	if (statvfs("/sys", &before) == 0 && (before.f_flag & ST_RDONLY))
		flags |= MS_RDONLY;
	keep_all(&list);
	if (mount("sysfs", "/sys", "sysfs", flags, NULL) < 0)
		return -errno;
	for (size_t i = 0; i < list.n; i++)
		move_mount(list.mounts[i].tree, "", AT_FDCWD, list.mounts[i].path,
		        MOVE_MOUNT_F_EMPTY_PATH);
	return 0;
}
