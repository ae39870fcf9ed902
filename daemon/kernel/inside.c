/*
 * The way into a network namespace, and the only file that calls setns() or unshare().
 *
 * The invariant: the daemon's own threads never change their namespace. A helper thread enters, or
 * goes from one to the next, and ends in there; whatever it leaves behind (a socket) belongs to
 * that namespace by itself. So there is no way back that could fail. It takes no signals: those are
 * for the event loop.
 *
 * A file is trusted to be a network namespace only after the kernel said so, of the open file
 * itself: it is opened without any effect first (O_PATH), since /run/netns may hold a fifo, a
 * device or a link to one.
 */
#include "daemon/kernel/inside.h"

#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define STACK_SIZE (256 * 1024)

/* 1: yes, 0: no. A negative errno: who knows. */
static int is_namespace(int fd)
{
	struct statfs file;

	return fstatfs(fd, &file) < 0 ? -errno : file.f_type == NSFS_MAGIC;
}

/* The same, of the network. ENOTTY: it is no namespace at all. */
static int is_network(int fd)
{
	int type = ioctl(fd, NS_GET_NSTYPE);

	return type >= 0 || errno == ENOTTY ? type == CLONE_NEWNET : -errno;
}

static int open_own(int *ret, struct error *err)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open the host's network namespace");
	*ret = fd;
	return 0;
}

/* Keeps errno. */
static bool is_link(const char *path)
{
	int before = errno;
	struct stat file;
	bool link = lstat(path, &file) == 0 && S_ISLNK(file.st_mode);

	errno = before;
	return link;
}

/* Opens what an O_PATH descriptor stands for. */
static int reopen(int path_fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int netns_reopen(int path_fd, const char *what, const char *path, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	int r = is_namespace(path_fd);

	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "%s: look at %s", what, path);
	if (r == 0)
		return error_set(err, ERROR_KERNEL, EINVAL,
		        "%s: %s is a file without a namespace behind it (remove it: rm %s)", what,
		        path, path);
	fd = reopen(path_fd);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "%s: open %s", what, path);
	r = is_network(fd);
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "%s: look at %s", what, path);
	if (r == 0)
		return error_set(err, ERROR_KERNEL, EINVAL,
		        "%s: %s is a namespace, but not a network namespace", what, path);
	*ret = TAKE_FD(fd);
	return 0;
}

int netns_open(const char *ns, int *ret, struct error *err)
{
	_cleanup_(closep) int path_fd = -1;
	char path[sizeof(NETNS_DIR) + NAME_SIZE], what[NAME_SIZE + 16];

	if (!ns || !ns[0])
		return open_own(ret, err);
	if (strchr(ns, '/') || strcmp(ns, ".") == 0 || strcmp(ns, "..") == 0 ||
	        strlen(ns) >= NAME_SIZE)
		return error_set(err, ERROR_INVALID, 0, "namespace %.70s: not a name", ns);
	snprintf(path, sizeof(path), NETNS_DIR "/%s", ns);
	path_fd = open(path, O_PATH | O_CLOEXEC);
	/* To nothing, to itself, through a file ... */
	if (path_fd < 0 && is_link(path))
		return error_set(err, ERROR_KERNEL, EINVAL,
		        "namespace %s: %s is a symbolic link that leads nowhere (remove it: rm %s)",
		        ns, path, path);
	if (path_fd < 0)
		return error_set(err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_KERNEL, errno,
		        "namespace %s: open %s", ns, path);
	snprintf(what, sizeof(what), "namespace %s", ns);
	return netns_reopen(path_fd, what, path, ret, err);
}

struct errand {
	const char *ns;
	int fd; /* -1: a new namespace */
	int (*work)(void *arg, struct error *err);
	void *arg;
	struct error *err;
	int result;
};

/* fd -1: a new one. */
static int enter(const char *ns, int fd, struct error *err)
{
	enum error_code code;
	int r = fd < 0 ? unshare(CLONE_NEWNET) : setns(fd, CLONE_NEWNET);

	if (r == 0)
		return 0;
	code = errno == EPERM ? ERROR_PERMISSION : ERROR_KERNEL;
	return error_set(err, code, errno, "%s network namespace%s%s%s",
	        fd < 0 ? "unshare the" : "enter", fd < 0 ? "" : " ", ns,
	        code == ERROR_PERMISSION ? " (this needs CAP_SYS_ADMIN)" : "");
}

static void *run_errand(void *arg)
{
	struct errand *errand = arg;

	errand->result = enter(errand->ns, errand->fd, errand->err);
	if (errand->result == 0)
		errand->result = errand->work(errand->arg, errand->err);
	return NULL;
}

static int start(pthread_t *thread, void *(*work)(void *arg), void *arg)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int r = pthread_attr_init(&attributes);

	if (r != 0)
		return r;
	sigfillset(&all);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(thread, &attributes, work, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return r;
}

/* Until the thread has ended. */
static int run(void *(*work)(void *arg), void *arg, struct error *err)
{
	pthread_t thread;
	int r = start(&thread, work, arg);

	if (r != 0)
		return error_set(err, ERROR_KERNEL, r, "start a thread for a namespace");
	pthread_join(thread, NULL);
	return 0;
}

static int run_errand_in_thread(struct errand *errand)
{
	int r = run(run_errand, errand, errand->err);

	return r < 0 ? r : errand->result;
}

int netns_inside(
        const char *ns, int (*work)(void *arg, struct error *err), void *arg, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	struct errand errand = {.ns = ns, .work = work, .arg = arg, .err = err};
	int r;

	if (!ns || !ns[0])
		return work(arg, err);
	r = netns_open(ns, &fd, err);
	if (r < 0)
		return r;
	errand.fd = fd;
	return run_errand_in_thread(&errand);
}

int netns_inside_fd(int fd, const char *ns, int (*work)(void *arg, struct error *err), void *arg,
        struct error *err)
{
	struct errand errand = {.ns = ns, .fd = fd, .work = work, .arg = arg, .err = err};

	return run_errand_in_thread(&errand);
}

int netns_inside_new(int (*work)(void *arg, struct error *err), void *arg, struct error *err)
{
	struct errand errand = {.ns = "", .fd = -1, .work = work, .arg = arg, .err = err};

	return run_errand_in_thread(&errand);
}

struct tour {
	const char *const *namespaces;
	size_t count;
	int (*work)(unsigned number, int fd, void *arg, struct error *err);
	void *arg;
	struct error *err;
	int result;
};

static int visit(const struct tour *tour, unsigned number)
{
	const char *ns = tour->namespaces[number];
	_cleanup_(closep) int fd = -1;
	int r = netns_open(ns, &fd, tour->err);

	if (r == -ENOENT || r == -EINVAL)
		return 0;
	if (r == 0)
		r = enter(ns, fd, tour->err);
	return r < 0 ? r : tour->work(number, fd, tour->arg, tour->err);
}

static void *run_tour(void *arg)
{
	struct tour *tour = arg;

	for (unsigned i = 0; tour->result == 0 && i < tour->count; i++)
		tour->result = visit(tour, i);
	return NULL;
}

int netns_tour(const char *const *namespaces, size_t count,
        int (*work)(unsigned number, int fd, void *arg, struct error *err), void *arg,
        struct error *err)
{
	struct tour tour = {
	        .namespaces = namespaces, .count = count, .work = work, .arg = arg, .err = err};
	int r = count ? run(run_tour, &tour, err) : 0;

	return r < 0 ? r : tour.result;
}

struct socket_errand {
	int domain, type, protocol, fd;
};

static int open_socket(void *arg, struct error *err)
{
	struct socket_errand *errand = arg;

	errand->fd = socket(errand->domain, errand->type | SOCK_CLOEXEC, errand->protocol);
	return errand->fd < 0 ? error_set(err, ERROR_KERNEL, errno, "open a socket") : 0;
}

int netns_socket(const char *ns, int domain, int type, int protocol, int *ret, struct error *err)
{
	struct socket_errand errand = {.domain = domain, .type = type, .protocol = protocol};
	int r = netns_inside(ns, open_socket, &errand, err);

	if (r < 0)
		return r;
	*ret = errand.fd;
	return 0;
}

int netns_cookie(const char *ns, uint64_t *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	uint64_t cookie;
	socklen_t size = sizeof(cookie);
	int r = netns_socket(ns, AF_UNIX, SOCK_DGRAM, 0, &fd, err);

	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
		return error_set(err, ERROR_KERNEL, errno,
		        "read the cookie of namespace %s (netd needs Linux 5.14 or later)",
		        ns ? ns : "");
	*ret = cookie;
	return 0;
}
