/* SQLite's own ways outside: a file system over its own one, and its memory. */
#include "tests/fault/internal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

/* --- SQLite --- */

static sqlite3_mem_methods real_memory;
static sqlite3_vfs vfs, *real_vfs;

/* SQLite has more than one kind of file: each gets its own copy. */
static struct kind {
	sqlite3_io_methods methods; /* first: what a file points at */
	const sqlite3_io_methods *real;
} kinds[8];

static const sqlite3_io_methods *real(const sqlite3_file *file)
{
	return ((const struct kind *)file->pMethods)->real;
}

static void *sqlite_malloc(int size)
{
	struct fate fate = seam_meet(CALL_sqlite_malloc, SITE);

	return fate.action == ACTION_FAIL ? NULL : real_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	struct fate fate = seam_meet(CALL_sqlite_malloc, SITE);

	return fate.action == ACTION_FAIL ? NULL : real_memory.xRealloc(old, size);
}

static int vfs_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	struct fate fate = seam_meet(CALL_vfs_read, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_READ;
	result = real(file)->xRead(file, data, size, offset);
	seam_left(fate);
	return result;
}

static int vfs_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	struct fate fate = seam_meet(CALL_vfs_write, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return seam_control->errnum == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	result = real(file)->xWrite(file, data, size, offset);
	seam_left(fate);
	return result;
}

static int vfs_sync(sqlite3_file *file, int flags)
{
	struct fate fate = seam_meet(CALL_vfs_sync, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_FSYNC;
	result = real(file)->xSync(file, flags);
	seam_left(fate);
	return result;
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct fate fate = seam_meet(CALL_vfs_truncate, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_TRUNCATE;
	result = real(file)->xTruncate(file, size);
	seam_left(fate);
	return result;
}

static int vfs_delete(sqlite3_vfs *self, const char *name, int sync)
{
	struct fate fate = seam_meet(CALL_vfs_delete, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_DELETE;
	result = real_vfs->xDelete(real_vfs, name, sync);
	seam_left(fate);
	return result;
}

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct fate fate = seam_meet(CALL_vfs_open, SITE);
	struct kind *kind = kinds;
	int result;

	if (fate.action == ACTION_FAIL) {
		file->pMethods = NULL;
		return SQLITE_CANTOPEN;
	}
	result = real_vfs->xOpen(real_vfs, name, file, flags, out);
	seam_left(fate);
	if (result != SQLITE_OK || !file->pMethods)
		return result;
	while (kind->real && kind->real != file->pMethods)
		kind++;
	if (kind == kinds + sizeof(kinds) / sizeof(kinds[0]))
		abort();
	kind->real = file->pMethods;
	kind->methods = *kind->real;
	kind->methods.xRead = vfs_read;
	kind->methods.xWrite = vfs_write;
	kind->methods.xSync = vfs_sync;
	kind->methods.xTruncate = vfs_truncate;
	file->pMethods = &kind->methods;
	return result;
}

void seam_hook_sqlite(void)
{
	sqlite3_mem_methods memory;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
		abort();
	memory = real_memory;
	memory.xMalloc = sqlite_malloc;
	memory.xRealloc = sqlite_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK)
		abort();
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "faulty";
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}
