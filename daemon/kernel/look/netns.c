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

static bool is_host(const struct stat *status)
{
	struct stat own;

	return stat("/proc/thread-self/ns/net", &own) == 0 && own.st_dev == status->st_dev &&
	       own.st_ino == status->st_ino;
}

/* Reads what is behind the name. -ENOENT: it has gone; -EINVAL: it is no namespace. */
static int read_namespace(int rtnetlink, struct look_netns *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	struct stat status;
	int r = netns_open(ret->name, &fd, err);

	if (r < 0)
		return r;
	if (fstat(fd, &status) < 0)
		return error_set(err, ERROR_KERNEL, errno, "look at namespace %s", ret->name);
	ret->inode = status.st_ino;
	ret->is_host = is_host(&status);
	r = ask_nsid(rtnetlink, fd, &ret->nsid);
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "ask for the nsid of %s", ret->name);
	return netns_cookie(ret->name, &ret->cookie, err);
}

static int look(int rtnetlink, const char *name, struct look_netns *ret, struct error *err)
{
	struct look_netns netns = {.nsid = NETNSA_NSID_NOT_ASSIGNED};
	char path[sizeof NETNS_DIR + NAME_SIZE];
	struct stat status;
	int r;

	snprintf(netns.name, sizeof netns.name, "%s", name);
	snprintf(path, sizeof path, NETNS_DIR "/%s", netns.name);
	*ret = netns;
	if (lstat(path, &status) < 0)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "look at %s", path);
	netns.exists = true;
	netns.symlink = S_ISLNK(status.st_mode);
	r = read_namespace(rtnetlink, &netns, err);
	if (r == -EINVAL)
		netns.stale = true;
	else if (r < 0 && r != -ENOENT)
		return r;
	if (r != -ENOENT)
		*ret = netns;
	return 0;
}

int look_netns(struct kernel *kernel, const char *name, struct look_netns *ret, struct error *err)
{
	_cleanup_(closep) int rtnetlink = -1;
	int r = open_rtnetlink(&rtnetlink, err);

	return r < 0 ? r : look(rtnetlink, name, ret, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct look_netns *)a)->name, ((const struct look_netns *)b)->name);
}

/* Appends the namespace of this name, if it is one. */
static int append(int rtnetlink, const char *file, struct look_netns **list, unsigned *count,
        struct error *err)
{
	char name[NAME_SIZE];
	struct look_netns *longer, netns;
	struct error ignored;
	int r;

	if (parse_netns(file, "", name, &ignored) < 0)
		return 0;
	r = look(rtnetlink, name, &netns, err);
	if (r < 0 || !netns.exists || netns.stale)
		return r;
	if ((*count & (*count - 1)) == 0) {
		longer = reallocarray(*list, *count ? 2 * (size_t)*count : 1, sizeof *longer);
		if (!longer)
			return error_memory(err);
		*list = longer;
	}
	(*list)[(*count)++] = netns;
	return 0;
}

int look_netns_all(
        struct kernel *kernel, struct look_netns **ret, unsigned *count, struct error *err)
{
	_cleanup_(freep) struct look_netns *list = NULL;
	_cleanup_(closedirp) DIR *directory = opendir(NETNS_DIR);
	_cleanup_(closep) int rtnetlink = -1;
	unsigned found = 0;
	int r;

	if (!directory && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "read " NETNS_DIR);
	r = open_rtnetlink(&rtnetlink, err);
	while (r == 0 && directory) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(directory);
		if (!entry && errno)
			r = error_set(err, ERROR_KERNEL, errno, "read " NETNS_DIR);
		if (!entry)
			break;
		r = append(rtnetlink, entry->d_name, &list, &found, err);
	}
	if (r < 0)
		return r;
	if (found > 1)
		qsort(list, found, sizeof *list, by_name);
	*ret = TAKE_PTR(list);
	*count = found;
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
