/*
 * A database that cannot be opened for writing, on a read-only file system or a full one, is read
 * all the same: what was committed may stand in its log, which SQLite would have to write to, so
 * both are copied into memory (the runtime directory is a tmpfs) and the copy is opened. The copy
 * has no name any more once it is open, and is gone when it is closed.
 *
 * Also says which process has locked a database.
 */
#include "daemon/store/internal.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The bytes that SQLite locks, outside of the content (its file format, section 1.2, "lock-byte
 * page"; sqlite3.c, PENDING_BYTE): pending, reserved, and then those of readers. */
#define LOCKS_FIRST  0x40000000
#define LOCKS_SHARED (LOCKS_FIRST + 2)
#define LOCKS_END    (LOCKS_FIRST + 512)

/* --- who has locked it --- */

static pid_t holder(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct flock lock = {.l_type = F_WRLCK,
	        .l_whence = SEEK_SET,
	        .l_start = LOCKS_FIRST,
	        .l_len = LOCKS_END - LOCKS_FIRST};

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : 0;
}

static void program_of(pid_t pid, char *ret, size_t size)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(ret, (int)size, file))
		snprintf(ret, size, "unknown");
	ret[strcspn(ret, "\n")] = '\0';
}

int database_holder(const struct store *store, struct error *err)
{
	pid_t pid = holder(store->path);
	char program[32];

	if (pid)
		program_of(pid, program, sizeof(program));
	if (pid)
		error_set(err, ERROR_STORE, 0,
		        "database %s is locked by process %d (%s): end it; two netd need a "
		        "--state-dir "
		        "each",
		        store->path, (int)pid, program);
	else
		error_set(err, ERROR_STORE, 0,
		        "database %s is locked by another process: end it (lsof %s names it); two "
		        "netd "
		        "need a --state-dir each",
		        store->path, store->path);
	err->errnum = EBUSY;
	return -EBUSY;
}

/* --- the copy --- */

static int copy_bytes(int from, int to)
{
	char buffer[16384];
	ssize_t size;

	while ((size = read(from, buffer, sizeof(buffer))) > 0)
		for (ssize_t done = 0, n; done < size; done += n) {
			n = write(to, buffer + done, (size_t)(size - done));
			if (n < 0)
				return -errno;
		}
	return size < 0 ? -errno : 0;
}

/* No one may be writing meanwhile: what SQLite locks for reading is locked. */
static int lock_for_reading(int fd)
{
	struct flock lock = {.l_type = F_RDLCK,
	        .l_whence = SEEK_SET,
	        .l_start = LOCKS_SHARED,
	        .l_len = LOCKS_END - LOCKS_SHARED};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 && (errno == EAGAIN || errno == EACCES) ? -EBUSY
	                                                                                 : 0;
}

/* *ret keeps the lock. A log need not be there. */
static int copy_file(const char *from, const char *to, bool optional, int *ret)
{
	_cleanup_(closep) int out = -1;
	int r;

	*ret = open(from, O_RDONLY | O_CLOEXEC);
	if (*ret < 0)
		return optional && errno == ENOENT ? 0 : -errno;
	r = optional ? 0 : lock_for_reading(*ret);
	if (r < 0)
		return r;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return out < 0 ? -errno : copy_bytes(*ret, out);
}

static int copy_files(const struct store *store, const struct store *copy, struct error *err)
{
	_cleanup_(closep) int file = -1, log = -1;
	int r = copy_file(store->path, copy->opened, false, &file);

	if (r == 0)
		r = copy_file(store->log_path, copy->log_path, true, &log);
	if (r == -EBUSY) {
		closep(&file);
		file = -1;
		return database_holder(store, err);
	}
	if (r < 0)
		return error_set(err, ERROR_STORE, -r, "database %s: read", store->path);
	return 0;
}

int database_open_copy(struct store *store, struct error *err)
{
	_cleanup_(freep) char *path = NULL, *log_path = NULL;
	struct store copy = {.path = store->path};
	int r;

	if (asprintf(&path, "%s/copy.db", store->scratch_dir) < 0)
		path = NULL;
	if (asprintf(&log_path, "%s/copy.db-wal", store->scratch_dir) < 0)
		log_path = NULL;
	if (!path || !log_path)
		return error_memory(err);
	copy.opened = path;
	copy.log_path = log_path;
	unlink(log_path); /* of a netd that was killed just here */
	r = copy_files(store, &copy, err);
	if (r == 0)
		r = database_open(&copy, err);
	unlink(path);
	unlink(log_path);
	if (r == 0) {
		database_take(store, &copy);
		store->copy = true;
	}
	return r;
}
