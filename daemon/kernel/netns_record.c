/*
 * Records of the namespaces that netd made. They stand in the runtime directory, which dies with
 * the boot as the namespaces do; the boot id in them is for runtime directories that outlive it.
 *
 * The invariant: a record is there before its namespace can be seen, and goes after it. So a
 * namespace without a record is never netd's, and a record without its namespace is only a line too
 * many.
 */
#include "daemon/kernel/netns_record.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORY "namespaces"
#define PATH_SIZE 4096

static int path_of(
        const char *runtime_dir, const char *name, char path[PATH_SIZE], struct error *err)
{
	if (snprintf(path, PATH_SIZE, "%s/" DIRECTORY "%s%s", runtime_dir, name[0] ? "/" : "",
	            name) >= PATH_SIZE)
		return error_set(err, ERROR_KERNEL, ENAMETOOLONG, "record of namespace %s", name);
	return 0;
}

static int make_directory(const char *runtime_dir, struct error *err)
{
	char path[PATH_SIZE];
	int r = path_of(runtime_dir, "", path, err);

	if (r < 0)
		return r;
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "create directory %s", path);
	/* Whatever the umask says. */
	return chmod(path, 0755) < 0
	               ? error_set(err, ERROR_KERNEL, errno, "set the mode of %s", path)
	               : 0;
}

/* Of the file that is being written: no name begins with a dot. */
static void hidden_name(const char *name, char hidden[NAME_SIZE + 1])
{
	snprintf(hidden, NAME_SIZE + 1, ".%s", name);
}

static int write_line(const char *path, const struct netns_record *record, struct error *err)
{
	_cleanup_(closep) int fd =
	        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	char line[128];
	int length = snprintf(line, sizeof(line), "%s %" PRIu64 " %s\n", record->instance,
	        record->cookie, record->boot_id);
	ssize_t written = fd < 0 ? -1 : write(fd, line, (size_t)length);

	if (written >= 0 && written < length) {
		errno = ENOSPC;
		written = -1;
	}
	if (written < 0 || fchmod(fd, 0644) < 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s", path);
	return 0;
}

int netns_record_write(
        const char *runtime_dir, const struct netns_record *record, struct error *err)
{
	char path[PATH_SIZE], temporary[PATH_SIZE], hidden[NAME_SIZE + 1];
	int r = make_directory(runtime_dir, err);

	hidden_name(record->name, hidden);
	if (r == 0)
		r = path_of(runtime_dir, record->name, path, err);
	if (r == 0)
		r = path_of(runtime_dir, hidden, temporary, err);
	if (r < 0)
		return r;
	r = write_line(temporary, record, err);
	if (r == 0 && rename(temporary, path) < 0)
		r = error_set(err, ERROR_KERNEL, errno, "rename %s to %s", temporary, path);
	if (r < 0)
		unlink(temporary);
	return r;
}

/* Exactly what write_line() writes. */
static bool parse_line(const char *line, struct netns_record *record)
{
	int end = -1;

	if (sscanf(line, "%32[0-9a-f] %" SCNu64 " %36[0-9a-f-]%n", record->instance,
	            &record->cookie, record->boot_id, &end) != 3)
		return false;
	return end >= 0 && line[end] == '\n' && strlen(record->instance) == 32 &&
	       strlen(record->boot_id) == 36 && record->cookie != 0;
}

int netns_record_read(
        const char *runtime_dir, const char *name, struct netns_record *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	struct netns_record record = {0};
	char path[PATH_SIZE], line[128];
	ssize_t size;
	int r = path_of(runtime_dir, name, path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		return 0;
	size = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (size < 0)
		return error_set(err, ERROR_KERNEL, errno, "read %s", path);
	line[size] = '\0';
	if (!parse_line(line, &record))
		return 0;
	snprintf(record.name, sizeof(record.name), "%s", name);
	*ret = record;
	return 1;
}

int netns_record_remove(const char *runtime_dir, const char *name, struct error *err)
{
	char path[PATH_SIZE], temporary[PATH_SIZE], directory[PATH_SIZE], hidden[NAME_SIZE + 1];
	int r = path_of(runtime_dir, name, path, err);

	hidden_name(name, hidden);
	if (r == 0)
		r = path_of(runtime_dir, hidden, temporary, err);
	if (r == 0)
		r = path_of(runtime_dir, "", directory, err);
	if (r < 0)
		return r;
	if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
		return error_set(err, ERROR_KERNEL, errno, "remove %s", path);
	unlink(temporary); /* there after a crash only */
	rmdir(directory);  /* if this was the last one */
	return 0;
}

/* What a kill left of a record that was being written. */
static void remove_hidden(DIR *directory, const char *file)
{
	if (file[0] == '.' && strcmp(file, ".") != 0 && strcmp(file, "..") != 0)
		unlinkat(dirfd(directory), file, 0);
}

/* Appends the record of this file, if it is one. */
static int append(const char *runtime_dir, const char *file, struct netns_record **list,
        unsigned *count, struct error *err)
{
	struct netns_record record, *longer;
	struct error ignored;
	char name[NAME_SIZE];
	int r;

	if (parse_name(file, "", name, &ignored) < 0)
		return 0;
	r = netns_record_read(runtime_dir, name, &record, err);
	if (r <= 0)
		return r;
	/* Room for the next power of two. */
	if ((*count & (*count - 1)) == 0) {
		longer = reallocarray(*list, *count ? 2 * (size_t)*count : 1, sizeof(*longer));
		if (!longer)
			return error_memory(err);
		*list = longer;
	}
	(*list)[(*count)++] = record;
	return 0;
}

int netns_records(
        const char *runtime_dir, struct netns_record **ret, unsigned *count, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = NULL;
	_cleanup_(freep) struct netns_record *list = NULL;
	struct dirent *entry;
	char path[PATH_SIZE];
	unsigned found = 0;
	int r = path_of(runtime_dir, "", path, err);

	if (r < 0)
		return r;
	directory = opendir(path);
	if (!directory && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "read directory %s", path);
	while (directory && (errno = 0, entry = readdir(directory))) {
		remove_hidden(directory, entry->d_name);
		r = append(runtime_dir, entry->d_name, &list, &found, err);
		if (r < 0)
			return r;
	}
	if (directory && errno != 0)
		return error_set(err, ERROR_KERNEL, errno, "read directory %s", path);
	*ret = TAKE_PTR(list);
	*count = found;
	return 0;
}
