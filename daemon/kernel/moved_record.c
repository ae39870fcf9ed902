/*
 * What is kept about an interface while it is away: RUNTIME_DIR/moved/NAME/record, with what it had
 * on the host, and the mount RUNTIME_DIR/moved/NAME/netns.
 *
 * The invariant: the mount keeps the namespace alive, whoever takes its name away and whether netd
 * runs or not: an interface of hardware would come back without its addresses when its namespace
 * ends, and any other kind would end with it. So both are there before the interface leaves, the
 * record first, and go when it has returned, the mount first.
 */
#include "daemon/kernel/moved_record.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define DIRECTORY   "moved"
#define PATH_SIZE   4096
#define HEADER_SIZE 128
#define LINE_SIZE   512

/* RUNTIME_DIR/moved[/NAME[/FILE]] */
static int path_of(const struct kernel *kernel, const char *name, const char *file,
        char path[PATH_SIZE], struct error *err)
{
	if (snprintf(path, PATH_SIZE, "%s/" DIRECTORY "%s%s%s%s", kernel->runtime_dir,
	            name[0] ? "/" : "", name, file[0] ? "/" : "", file) >= PATH_SIZE)
		return error_set(err, ERROR_KERNEL, ENAMETOOLONG, "record of interface %s", name);
	return 0;
}

static int make_directory(const char *path, struct error *err)
{
	return mkdir(path, 0755) < 0 && errno != EEXIST
	               ? error_set(err, ERROR_KERNEL, errno, "create directory %s", path)
	               : 0;
}

static int write_record(
        const struct kernel *kernel, const struct resource *moved, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_SIZE];
	int r = path_of(kernel, "", "", path, err);

	if (r == 0)
		r = make_directory(path, err);
	if (r == 0)
		r = path_of(kernel, moved->name, "", path, err);
	if (r == 0)
		r = make_directory(path, err);
	if (r == 0)
		r = path_of(kernel, moved->name, "record", path, err);
	if (r < 0)
		return r;
	file = fopen(path, "we");
	if (!file ||
	        fprintf(file, "%s %s %d\n%s", kernel->instance, moved->moved.ns, moved->moved.index,
	                moved->text ? moved->text : "") < 0 ||
	        fflush(file) != 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s", path);
	return 0;
}

/* -1: out of memory. */
static int read_rest(FILE *file, char **ret)
{
	char line[LINE_SIZE], *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	while (out && fgets(line, sizeof(line), file))
		fputs(line, out);
	if (!out || fclose(out) != 0) {
		free(text);
		return -1;
	}
	*ret = text;
	return 0;
}

int moved_record_read(const struct kernel *kernel, const char *name, char instance[33],
        struct resource *ret, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_SIZE], header[HEADER_SIZE];
	int r = path_of(kernel, name, "record", path, err);

	if (r < 0)
		return r;
	file = fopen(path, "re");
	if (!file && errno != ENOENT && errno != ENOTDIR)
		return error_set(err, ERROR_KERNEL, errno, "open %s", path);
	if (!file || !fgets(header, sizeof(header), file) ||
	        sscanf(header, "%32s %63s %d", instance, ret->moved.ns, &ret->moved.index) != 3)
		return 0;
	return read_rest(file, &ret->text) < 0 ? error_memory(err) : 1;
}

/* In the namespace. */
static int mount_here(void *arg, struct error *err)
{
	const char *path = arg;

	return mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0
	               ? error_set(err, ERROR_KERNEL, errno, "mount its namespace on %s", path)
	               : 0;
}

static int hold(const struct kernel *kernel, const struct resource *moved, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_SIZE];
	int r = path_of(kernel, moved->name, "netns", path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "create %s", path);
	return netns_inside(moved->moved.ns, mount_here, path, err);
}

int moved_keep(const struct kernel *kernel, const struct resource *moved, struct error *err)
{
	int r = write_record(kernel, moved, err);

	return r == 0 ? hold(kernel, moved, err) : r;
}

int moved_forget(const struct kernel *kernel, const char *name, struct error *err)
{
	static const char *const files[] = {"netns", "record", ""};
	char path[PATH_SIZE];
	int r = path_of(kernel, name, "netns", path, err);

	if (r < 0)
		return r;
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL && errno != ENOENT &&
	        errno != ENOTDIR)
		return error_set(err, ERROR_KERNEL, errno, "unmount %s", path);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		path_of(kernel, name, files[i], path, err);
		if ((files[i][0] ? unlink(path) : rmdir(path)) < 0 && errno != ENOENT &&
		        errno != ENOTDIR)
			return error_set(err, ERROR_KERNEL, errno, "remove %s", path);
	}
	path_of(kernel, "", "", path, err);
	return rmdir(path) == 0 || errno == ENOENT || errno == ENOTEMPTY
	               ? 0
	               : error_set(err, ERROR_KERNEL, errno, "remove %s", path);
}

int moved_held(const struct kernel *kernel, const char *name, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_SIZE];
	int r = path_of(kernel, name, "netns", path, err);

	if (r < 0)
		return r;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR)
		errno = ENOENT;
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open %s", path);
	r = netns_reopen(fd, name, path, ret, err);
	return r == -EINVAL ? -ENOENT : r; /* a kill was before the mount */
}

int moved_records(const struct kernel *kernel, DIR **ret, struct error *err)
{
	char path[PATH_SIZE];
	int r = path_of(kernel, "", "", path, err);

	if (r < 0)
		return r;
	rmdir(path); /* a kill may have left it empty */
	*ret = opendir(path);
	return *ret || errno == ENOENT
	               ? 0
	               : error_set(err, ERROR_KERNEL, errno, "read directory %s", path);
}
