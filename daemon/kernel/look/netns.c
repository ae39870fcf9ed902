/*
 * Questions about the namespaces in /run/netns: what each name is, and who lives inside.
 *
 * The invariant: a name is described by what is behind it at one moment, through one open
 * descriptor, so that inode and nsid are of the same namespace; a name that vanishes while it is
 * looked at is one that is not there. Files that are no namespace (stale ones, which a crash or an
 * interrupted `ip netns add` leaves) are told by statfs(), which needs no right to open them.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/stat.h>

static int nsid_attribute(const struct nlattr *attribute, void *arg)
{
	if (mnl_attr_get_type(attribute) == NETNSA_NSID && mnl_attr_get_payload_len(attribute) == 4)
		*(int *)arg = (int)mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int nsid_answer(const struct nlmsghdr *header, void *arg)
{
	if (header->nlmsg_type == RTM_NEWNSID)
		mnl_attr_parse(header, sizeof(struct rtgenmsg), nsid_attribute, arg);
	return MNL_CB_OK;
}

static int ask_nsid(int rtnetlink, int netns, int *ret)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_GETNSID, 0);
	int nsid = NETNSA_NSID_NOT_ASSIGNED, r;

	mnl_nlmsg_put_extra_header(request, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(request, NETNSA_FD, (uint32_t)netns);
	r = talk(rtnetlink, request, nsid_answer, &nsid);
	if (r < 0)
		return r;
	*ret = nsid;
	return 0;
}

static int open_rtnetlink(int *ret, struct error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open an rtnetlink socket");
	*ret = fd;
	return 0;
}

/* One look at several names. */
struct search {
	int rtnetlink;
	struct stat host; /* the host's own namespace */
	struct look_netns *list;
};

/* In the namespace. */
static int visit(unsigned number, int fd, void *arg, struct error *err)
{
	const struct search *search = arg;
	struct look_netns *netns = &search->list[number];
	struct stat status;
	int r;

	if (fstat(fd, &status) < 0)
		return error_set(err, ERROR_KERNEL, errno, "look at namespace %s", netns->name);
	netns->inode = status.st_ino;
	netns->is_host =
	        status.st_dev == search->host.st_dev && status.st_ino == search->host.st_ino;
	r = ask_nsid(search->rtnetlink, fd, &netns->nsid);
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "ask for the nsid of %s", netns->name);
	return netns_cookie("", &netns->cookie, err);
}

/* What the name itself is. */
static int look_at_file(struct look_netns *netns, struct error *err)
{
	char path[sizeof NETNS_DIR + NAME_SIZE];
	struct stat status;

	netns->nsid = NETNSA_NSID_NOT_ASSIGNED;
	snprintf(path, sizeof path, NETNS_DIR "/%s", netns->name);
	if (lstat(path, &status) < 0)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "look at %s", path);
	netns->exists = true;
	netns->symlink = S_ISLNK(status.st_mode);
	return 0;
}

/* One that could not be visited: a file without a namespace, or it went meanwhile. */
static void settle_unvisited(struct look_netns *netns)
{
	_cleanup_(closep) int fd = -1;
	struct error ignored;

	netns->stale = netns_open(netns->name, &fd, &ignored) == -EINVAL;
	netns->exists = netns->stale;
	netns->symlink &= netns->exists;
}

/* Of these nothing but the names is known yet. */
static int look_at(struct look_netns *list, size_t count, struct error *err)
{
	_cleanup_(closep) int rtnetlink = -1;
	_cleanup_(freep) const char **names = calloc(count + 1, sizeof(*names));
	struct search search = {.list = list};
	int r = names ? 0 : error_memory(err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		names[i] = list[i].name;
		r = look_at_file(&list[i], err);
	}
	if (r == 0 && stat("/proc/thread-self/ns/net", &search.host) < 0)
		r = error_set(err, ERROR_KERNEL, errno, "look at the host's own namespace");
	if (r == 0)
		r = open_rtnetlink(&rtnetlink, err);
	search.rtnetlink = rtnetlink;
	if (r == 0)
		r = netns_tour(names, count, visit, &search, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (list[i].exists && !list[i].cookie)
			settle_unvisited(&list[i]);
	return r;
}

int look_netns(struct kernel *kernel, const char *name, struct look_netns *ret, struct error *err)
{
	struct look_netns netns = {0};
	int r;

	snprintf(netns.name, sizeof netns.name, "%s", name);
	r = look_at(&netns, 1, err);
	if (r == 0)
		*ret = netns;
	return r;
}

int look_netns_many(struct kernel *kernel, const char *const *names, size_t count,
        struct look_netns **ret, struct error *err)
{
	_cleanup_(freep) struct look_netns *list = calloc(count + 1, sizeof *list);
	int r;

	if (!list)
		return error_memory(err);
	for (size_t i = 0; i < count; i++)
		snprintf(list[i].name, sizeof list[i].name, "%s", names[i]);
	r = look_at(list, count, err);
	if (r == 0)
		*ret = TAKE_PTR(list);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct look_netns *)a)->name, ((const struct look_netns *)b)->name);
}

/* Appends this name, if it is one of netd's kind. */
static int append(const char *file, struct look_netns **list, unsigned *count, struct error *err)
{
	struct look_netns *longer, netns = {0};
	struct error ignored;

	if (parse_netns(file, "", netns.name, &ignored) < 0)
		return 0;
	if ((*count & (*count - 1)) == 0) {
		longer = reallocarray(*list, *count ? 2 * (size_t)*count : 1, sizeof *longer);
		if (!longer)
			return error_memory(err);
		*list = longer;
	}
	(*list)[(*count)++] = netns;
	return 0;
}

int look_netns_names(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = opendir(NETNS_DIR);
	_cleanup_(freep) struct look_netns *list = NULL;
	unsigned found = 0;
	int r = 0;

	if (!directory && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "read " NETNS_DIR);
	while (r == 0 && directory) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(directory);
		if (!entry && errno)
			r = error_set(err, ERROR_KERNEL, errno, "read " NETNS_DIR);
		if (!entry)
			break;
		r = append(entry->d_name, &list, &found, err);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	*count = found;
	return 0;
}

int look_netns_all(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err)
{
	_cleanup_(freep) struct look_netns *list = NULL;
	unsigned found = 0, kept = 0;
	int r = look_netns_names(kernel, &list, &found, err);

	if (r == 0)
		r = look_at(list, found, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < found; i++)
		if (list[i].exists && !list[i].stale)
			list[kept++] = list[i];
	if (kept > 1)
		qsort(list, kept, sizeof *list, by_name);
	*ret = TAKE_PTR(list);
	*count = kept;
	return 0;
}

int look_processes(const ino_t *inodes, unsigned *counts, unsigned count, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = opendir("/proc");

	if (!directory)
		return error_set(err, ERROR_KERNEL, errno, "read /proc");
	memset(counts, 0, count * sizeof *counts);
	for (;;) {
		struct dirent *entry;
		struct stat status;
		char path[sizeof entry->d_name + 8];

		errno = 0;
		entry = readdir(directory);
		if (!entry)
			return errno ? error_set(err, ERROR_KERNEL, errno, "read /proc") : 0;
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "%s/ns/net", entry->d_name);
		/* One that has just ended, or that may not be looked at, is not counted. */
		if (fstatat(dirfd(directory), path, &status, 0) < 0)
			continue;
		for (unsigned i = 0; i < count; i++)
			counts[i] += inodes[i] == status.st_ino;
	}
}

/* --- by what a namespace was found --- */

static int look_at_name(const char *name, struct stat *ret)
{
	char path[sizeof NETNS_DIR + NAME_SIZE];

	snprintf(path, sizeof path, NETNS_DIR "/%s", name);
	return stat(path, ret) < 0 ? -errno : 0;
}

bool look_is_symlink(const char *name)
{
	char path[sizeof NETNS_DIR + NAME_SIZE];
	struct stat status;

	snprintf(path, sizeof path, NETNS_DIR "/%s", name);
	return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

int look_source(const char *name, const char *source)
{
	char path[sizeof "/proc//ns/net" + SOURCE_SIZE];
	struct stat named, found;
	int r = look_at_name(name, &named);

	if (r < 0)
		return r;
	snprintf(path, sizeof path, source[0] == '/' ? "%s" : "/proc/%s/ns/net", source);
	if (stat(path, &found) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ESRCH ? 0 : -errno;
	return named.st_dev == found.st_dev && named.st_ino == found.st_ino;
}

int look_inhabitants(const char *const *names, unsigned *counts, unsigned count, struct error *err)
{
	_cleanup_(freep) ino_t *inodes = calloc(count + 1, sizeof *inodes);
	struct stat status;
	int r;

	if (!inodes)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++) {
		r = look_at_name(names[i], &status);
		if (r < 0 && r != -ENOENT)
			return error_set(err, ERROR_KERNEL, -r, "look at namespace %s", names[i]);
		inodes[i] = r == 0 ? status.st_ino : 0;
	}
	r = look_processes(inodes, counts, count, err);
	for (unsigned i = 0; r == 0 && i < count; i++)
		counts[i] += inodes[i] == 0;
	return r;
}
