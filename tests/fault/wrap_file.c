/* Files, mounts, namespaces. */
#include "tests/fault/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* --- namespaces and mounts --- */

PLAIN(int, setns, -1, (int fd, int type), (fd, type))
PLAIN(int, unshare, -1, (int flags), (flags))
PLAIN(int, mount, -1,
        (const char *source, const char *target, const char *type, unsigned long flags,
                const void *data),
        (source, target, type, flags, data))
PLAIN(int, umount2, -1, (const char *target, int flags), (target, flags))
PLAIN(int, pidfd_open, -1, (pid_t pid, unsigned flags), (pid, flags))
PLAIN(int, pthread_create, (int)seam_control->errnum,
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg),
        (thread, attributes, start, arg))

/* --- files --- */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	struct fate fate = seam_meet(CALL_open64, SITE);
	va_list arguments;
	mode_t mode;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	result = __real_open64(path, flags, mode);
	seam_left(fate);
	return result;
}

int __real_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...)
{
	struct fate fate = seam_meet(CALL_openat64, SITE);
	va_list arguments;
	mode_t mode;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	result = __real_openat64(directory, path, flags, mode);
	seam_left(fate);
	return result;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	/* The log is not what is tried: it tells what happened. */
	struct fate fate = fd == STDERR_FILENO ? (struct fate){0} : seam_meet(CALL_write, SITE);
	ssize_t result;

	if (fate.action == ACTION_FAIL)
		return -1;
	result = __real_write(fd, bytes, fate.action == ACTION_SHORT ? size / 2 : size);
	seam_left(fate);
	return result;
}

PLAIN(FILE *, fopen64, NULL, (const char *path, const char *mode), (path, mode))
PLAIN(FILE *, fdopen, NULL, (int fd, const char *mode), (fd, mode))
PLAIN(int, fflush, EOF, (FILE * file), (file))
PLAIN(DIR *, opendir, NULL, (const char *path), (path))
PLAIN(struct dirent64 *, readdir64, NULL, (DIR * directory), (directory))
PLAIN(ssize_t, read, -1, (int fd, void *bytes, size_t size), (fd, bytes, size))
PLAIN(ssize_t, pread64, -1, (int fd, void *bytes, size_t size, off64_t offset),
        (fd, bytes, size, offset))
PLAIN(ssize_t, pwrite64, -1, (int fd, const void *bytes, size_t size, off64_t offset),
        (fd, bytes, size, offset))
PLAIN(int, fsync, -1, (int fd), (fd))
PLAIN(int, rename, -1, (const char *from, const char *to), (from, to))
PLAIN(int, renameat2, -1,
        (int from_directory, const char *from, int to_directory, const char *to, unsigned flags),
        (from_directory, from, to_directory, to, flags))
PLAIN(int, unlink, -1, (const char *path), (path))
PLAIN(int, unlinkat, -1, (int directory, const char *path, int flags), (directory, path, flags))
PLAIN(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
PLAIN(int, rmdir, -1, (const char *path), (path))
PLAIN(int, chmod, -1, (const char *path, mode_t mode), (path, mode))
PLAIN(int, fchmod, -1, (int fd, mode_t mode), (fd, mode))
PLAIN(int, flock, -1, (int fd, int operation), (fd, operation))
PLAIN(int, stat64, -1, (const char *path, struct stat64 *ret), (path, ret))
PLAIN(int, fstat64, -1, (int fd, struct stat64 *ret), (fd, ret))
PLAIN(int, statfs64, -1, (const char *path, struct statfs64 *ret), (path, ret))
PLAIN(int, fstatfs64, -1, (int fd, struct statfs64 *ret), (fd, ret))
PLAIN(int, statx, -1,
        (int directory, const char *path, int flags, unsigned mask, struct statx *ret),
        (directory, path, flags, mask, ret))
PLAIN(int, faccessat, -1, (int directory, const char *path, int mode, int flags),
        (directory, path, mode, flags))
PLAIN(int, inotify_init1, -1, (int flags), (flags))
PLAIN(int, inotify_add_watch, -1, (int fd, const char *path, uint32_t mask), (fd, path, mask))
PLAIN(ssize_t, getrandom, -1, (void *bytes, size_t size, unsigned flags), (bytes, size, flags))
