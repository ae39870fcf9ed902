/*
 * The seam: what stands between netd's own code and everything outside of it in netd-faulty, a
 * daemon that is linked from the very objects of the real one. The linker sends each call of
 * calls.h here (--wrap), so the release build knows nothing of it.
 *
 * A test arms the control file, makes a request, and the k-th call fails, or the process dies
 * there. Only calls of the groups that are counted have numbers. Helper threads call through here,
 * too, but never at the same time as the thread that waits for them, so numbers are the same in
 * each run.
 *
 * Of netlink a call has more faces than its own errno: see enum seam_action. A refusal is made by
 * the kernel, which gets a message of a type that it does not know; only the errno in its answer is
 * changed. So of a pipeline all other messages are really done, and a batch is really not
 * committed.
 */
#include "tests/fault/seam.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/msg.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum call {
#define CALL(name, group, errnos, source) CALL_##name,
#define HOOK(name, group, errnos, source) CALL_##name,
#include "tests/fault/calls.h"
#undef CALL
#undef HOOK
};

static const struct {
	const char *name;
	uint32_t group;
} table[] = {
#define CALL(name, group, errnos, source) {#name, group},
#define HOOK(name, group, errnos, source) {#name, group},
#include "tests/fault/calls.h"
#undef CALL
#undef HOOK
};

extern char __executable_start[];

static struct seam_control *control;

/* What happens to this call. */
struct fate {
	enum seam_action action;
	uint32_t message;
	struct seam_call *call; /* NULL: not counted */
};

static void die(void)
{
	raise(SIGKILL);
}

static struct fate happen(enum seam_action action)
{
	struct fate fate = {.action = action, .message = control->message};

	__atomic_add_fetch(&control->hits, 1, __ATOMIC_SEQ_CST);
	if (action == ACTION_KILL_BEFORE)
		die();
	if (action == ACTION_FAIL)
		errno = (int)control->errnum;
	return fate;
}

static struct fate meet(enum call id, const void *site)
{
	struct fate fate = {0};
	struct seam_call *call;
	uint32_t number;

	if (!control)
		return fate;
	__atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
	if (!(control->counted & table[id].group))
		return fate;
	number = __atomic_add_fetch(&control->count, 1, __ATOMIC_SEQ_CST);
	call = number <= SEAM_CALLS ? &control->calls[number - 1] : NULL;
	if (call) {
		memset(call, 0, sizeof(*call));
		strncpy(call->name, table[id].name, SEAM_NAME - 1);
		call->group = table[id].group;
		call->site = (uint32_t)((const char *)site - __executable_start);
	}
	if (control->at && number == control->at)
		fate = happen((enum seam_action)control->action);
	else if (control->at && number > control->at && (control->lasting & table[id].group))
		fate = happen(ACTION_FAIL);
	fate.call = call;
	return fate;
}

static void left(struct fate fate)
{
	if (fate.action == ACTION_KILL_AFTER)
		die();
}

#define SITE __builtin_return_address(0)

/* A wrapper that fails with `bad`, and else is the call itself. */
#define PLAIN(type, name, bad, parameters, arguments)                                              \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		struct fate fate = meet(CALL_##name, SITE);                                        \
		type result;                                                                       \
                                                                                                   \
		if (fate.action == ACTION_FAIL)                                                    \
			return bad;                                                                \
		result = __real_##name arguments;                                                  \
		left(fate);                                                                        \
		return result;                                                                     \
	}

/* --- sockets --- */

PLAIN(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
PLAIN(int, bind, -1, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
PLAIN(int, listen, -1, (int fd, int backlog), (fd, backlog))
PLAIN(int, setsockopt, -1, (int fd, int level, int name, const void *value, socklen_t size),
        (fd, level, name, value, size))
PLAIN(int, getsockopt, -1, (int fd, int level, int name, void *value, socklen_t *size),
        (fd, level, name, value, size))
PLAIN(struct mnl_socket *, mnl_socket_open2, NULL, (int bus, int flags), (bus, flags))
PLAIN(int, mnl_socket_bind, -1, (struct mnl_socket * socket, unsigned groups, pid_t pid),
        (socket, groups, pid))
PLAIN(int, mnl_socket_setsockopt, -1,
        (const struct mnl_socket *socket, int type, void *value, socklen_t size),
        (socket, type, value, size))

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct fate fate = meet(CALL_ioctl, SITE);
	va_list arguments;
	void *argument;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	result = __real_ioctl(fd, request, argument);
	left(fate);
	return result;
}

/* --- netlink --- */

void *__real_malloc(size_t size);

/* Refused by every family: of rtnetlink it is above RTM_MAX, of nfnetlink no subsystem's. */
#define UNKNOWN_TYPE 0x7fff

/* The refusal whose answer has not come yet. */
static struct {
	int fd;
	uint32_t sequence, batch;
	bool open, whole;
} refusal;

/* The protocol of a netlink socket, -1 for any other. */
static int netlink_protocol(int fd)
{
	int domain = 0, protocol = 0;
	socklen_t size = sizeof(int);

	if (__real_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
	        domain != AF_NETLINK)
		return -1;
	return __real_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0 ? -1 : protocol;
}

static bool is_mark(const struct nlmsghdr *header)
{
	return header->nlmsg_type == NFNL_MSG_BATCH_BEGIN ||
	       header->nlmsg_type == NFNL_MSG_BATCH_END;
}

/* The message of this number in a send, and how many there are, not counting the marks of a batch.
 */
static struct nlmsghdr *message_at(void *bytes, size_t size, uint32_t number, uint32_t *count)
{
	struct nlmsghdr *header = bytes, *found = NULL;
	int rest = (int)size;

	*count = 0;
	for (; nlmsg_ok(header, rest); header = nlmsg_next(header, &rest)) {
		if (is_mark(header))
			continue;
		if (++*count == number)
			found = header;
	}
	return found;
}

/* Makes one message of these bytes one that the kernel refuses. */
static void spoil(int fd, char *bytes, size_t size, uint32_t number)
{
	const struct nlmsghdr *first = (const struct nlmsghdr *)bytes;
	uint32_t count;
	struct nlmsghdr *header = message_at(bytes, size, number ? number : 1, &count);

	if (!header)
		return;
	refusal.fd = fd;
	refusal.sequence = header->nlmsg_seq;
	refusal.batch = first->nlmsg_seq;
	refusal.whole = number == 0;
	refusal.open = true;
	header->nlmsg_type = UNKNOWN_TYPE;
}

/* Puts the errno of the test into the answer to what was spoiled. */
static void colour(int fd, char *bytes, ssize_t size)
{
	struct nlmsghdr *header = (struct nlmsghdr *)bytes;
	int rest = (int)size;

	if (!refusal.open || refusal.fd != fd || size <= 0)
		return;
	for (; nlmsg_ok(header, rest); header = nlmsg_next(header, &rest)) {
		struct nlmsgerr *answer = nlmsg_data(header);

		if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq != refusal.sequence)
			continue;
		if (answer->error == 0)
			abort(); /* the kernel knows the type after all */
		answer->error = -(int)control->errnum;
		if (refusal.whole)
			header->nlmsg_seq = answer->msg.nlmsg_seq = refusal.batch;
		refusal.open = false;
	}
}

ssize_t __real_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
        const struct sockaddr *address, socklen_t address_size)
{
	struct fate fate = meet(CALL_sendto, SITE);
	int protocol = fate.call ? netlink_protocol(fd) : -1;
	ssize_t result;

	if (protocol >= 0) {
		fate.call->protocol = (uint32_t)protocol + 1;
		message_at((void *)bytes, size, 0, &fate.call->messages);
	}
	if (fate.action == ACTION_FAIL)
		return -1;
	if (fate.action == ACTION_REFUSE && protocol >= 0) {
		char *copy = __real_malloc(size);

		if (!copy)
			abort();
		spoil(fd, memcpy(copy, bytes, size), size, fate.message);
		result = __real_sendto(fd, copy, size, flags, address, address_size);
		free(copy);
	} else {
		result = __real_sendto(fd, bytes, size, flags, address, address_size);
	}
	left(fate);
	return result;
}

/* What a receive returns in the end. */
static ssize_t received(struct fate fate, int fd, void *bytes, ssize_t size)
{
	if (fate.call) {
		int protocol = netlink_protocol(fd);

		fate.call->protocol = protocol < 0 ? 0 : (uint32_t)protocol + 1;
		fate.call->messages = size > 0;
	}
	colour(fd, bytes, size);
	left(fate);
	if (fate.action != ACTION_LOSE || size < 0)
		return size;
	errno = ENOBUFS;
	return -1;
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct fate fate = meet(CALL_recvmsg, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(fate, fd, message->msg_iov[0].iov_base, __real_recvmsg(fd, message, flags));
}

ssize_t __real_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size);
ssize_t __wrap_recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *address,
        socklen_t *address_size)
{
	struct fate fate = meet(CALL_recvfrom, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(
	        fate, fd, bytes, __real_recvfrom(fd, bytes, size, flags, address, address_size));
}

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
	struct fate fate = meet(CALL_recv, SITE);

	if (fate.action == ACTION_FAIL)
		return -1;
	return received(fate, fd, bytes, __real_recv(fd, bytes, size, flags));
}

/* --- namespaces and mounts --- */

PLAIN(int, setns, -1, (int fd, int type), (fd, type))
PLAIN(int, unshare, -1, (int flags), (flags))
PLAIN(int, mount, -1,
        (const char *source, const char *target, const char *type, unsigned long flags,
                const void *data),
        (source, target, type, flags, data))
PLAIN(int, umount2, -1, (const char *target, int flags), (target, flags))
PLAIN(int, pidfd_open, -1, (pid_t pid, unsigned flags), (pid, flags))
PLAIN(int, pthread_create, (int)control->errnum,
        (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg),
        (thread, attributes, start, arg))

/* --- files --- */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	struct fate fate = meet(CALL_open64, SITE);
	va_list arguments;
	mode_t mode;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	result = __real_open64(path, flags, mode);
	left(fate);
	return result;
}

int __real_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...);
int __wrap_openat64(int directory, const char *path, int flags, ...)
{
	struct fate fate = meet(CALL_openat64, SITE);
	va_list arguments;
	mode_t mode;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, flags);
	mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	result = __real_openat64(directory, path, flags, mode);
	left(fate);
	return result;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	/* The log is not what is tried: it tells what happened. */
	struct fate fate = fd == STDERR_FILENO ? (struct fate){0} : meet(CALL_write, SITE);
	ssize_t result;

	if (fate.action == ACTION_FAIL)
		return -1;
	result = __real_write(fd, bytes, fate.action == ACTION_SHORT ? size / 2 : size);
	left(fate);
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

/* --- memory --- */

PLAIN(void *, malloc, NULL, (size_t size), (size))
PLAIN(void *, calloc, NULL, (size_t count, size_t size), (count, size))
PLAIN(void *, realloc, NULL, (void *old, size_t size), (old, size))
PLAIN(void *, reallocarray, NULL, (void *old, size_t count, size_t size), (old, count, size))
PLAIN(char *, strdup, NULL, (const char *text), (text))
PLAIN(char *, strndup, NULL, (const char *text, size_t size), (text, size))
PLAIN(int, vasprintf, -1, (char **ret, const char *format, va_list arguments),
        (ret, format, arguments))
PLAIN(FILE *, open_memstream, NULL, (char **text, size_t *size), (text, size))
PLAIN(FILE *, fmemopen, NULL, (void *bytes, size_t size, const char *mode), (bytes, size, mode))
PLAIN(struct nl_msg *, nlmsg_alloc_simple, NULL, (int type, int flags), (type, flags))
PLAIN(struct nftnl_udata_buf *, nftnl_udata_buf_alloc, NULL, (uint32_t size), (size))
PLAIN(struct event *, event_new, NULL,
        (struct event_base * base, evutil_socket_t fd, short events, event_callback_fn callback,
                void *arg),
        (base, fd, events, callback, arg))

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **ret, const char *format, ...)
{
	struct fate fate = meet(CALL_asprintf, SITE);
	va_list arguments;
	int result;

	if (fate.action == ACTION_FAIL)
		return -1;
	va_start(arguments, format);
	result = __real_vasprintf(ret, format, arguments);
	va_end(arguments);
	left(fate);
	return result;
}

static void *json_malloc(size_t size)
{
	struct fate fate = meet(CALL_json_malloc, SITE);

	return fate.action == ACTION_FAIL ? NULL : __real_malloc(size);
}

/* --- time --- */

int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
	struct timeval sooner;
	int64_t usec;

	if (!control || !control->hurry || !timeout)
		return __real_event_add(event, timeout);
	usec = timeout->tv_sec * INT64_C(1000000) + timeout->tv_usec;
	if (usec >= 100000)
		usec /= control->hurry;
	sooner = (struct timeval){.tv_sec = usec / 1000000, .tv_usec = usec % 1000000};
	return __real_event_add(event, &sooner);
}

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
	struct fate fate = meet(CALL_sqlite_malloc, SITE);

	return fate.action == ACTION_FAIL ? NULL : real_memory.xMalloc(size);
}

static void *sqlite_realloc(void *old, int size)
{
	struct fate fate = meet(CALL_sqlite_malloc, SITE);

	return fate.action == ACTION_FAIL ? NULL : real_memory.xRealloc(old, size);
}

static int vfs_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
	struct fate fate = meet(CALL_vfs_read, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_READ;
	result = real(file)->xRead(file, data, size, offset);
	left(fate);
	return result;
}

static int vfs_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	struct fate fate = meet(CALL_vfs_write, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return control->errnum == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	result = real(file)->xWrite(file, data, size, offset);
	left(fate);
	return result;
}

static int vfs_sync(sqlite3_file *file, int flags)
{
	struct fate fate = meet(CALL_vfs_sync, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_FSYNC;
	result = real(file)->xSync(file, flags);
	left(fate);
	return result;
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct fate fate = meet(CALL_vfs_truncate, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_TRUNCATE;
	result = real(file)->xTruncate(file, size);
	left(fate);
	return result;
}

static int vfs_delete(sqlite3_vfs *self, const char *name, int sync)
{
	struct fate fate = meet(CALL_vfs_delete, SITE);
	int result;

	if (fate.action == ACTION_FAIL)
		return SQLITE_IOERR_DELETE;
	result = real_vfs->xDelete(real_vfs, name, sync);
	left(fate);
	return result;
}

static int vfs_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct fate fate = meet(CALL_vfs_open, SITE);
	struct kind *kind = kinds;
	int result;

	if (fate.action == ACTION_FAIL) {
		file->pMethods = NULL;
		return SQLITE_CANTOPEN;
	}
	result = real_vfs->xOpen(real_vfs, name, file, flags, out);
	left(fate);
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

static void hook_sqlite(void)
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

__attribute__((constructor)) static void open_control(void)
{
	const char *path = getenv(SEAM_VARIABLE);
	int fd = path ? __real_open64(path, O_RDWR | O_CLOEXEC) : -1;

	if (!path)
		return;
	control = fd < 0 ? MAP_FAILED
	                 : mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control == MAP_FAILED) {
		perror(path);
		_exit(1);
	}
	close(fd);
	json_set_alloc_funcs(json_malloc, free);
	hook_sqlite();
}
