/*
 * Who is in a namespace, and who keeps one alive whose name is gone: processes that run in it, bind
 * mounts of it in any mount namespace, and open files of it.
 *
 * Going through /proc costs a call or more for each process, and everyone waits meanwhile. So only
 * processes are looked for beforehand; the rest is asked only once a namespace that was removed is
 * known to live on, and only for so long.
 */
#include "daemon/kernel/look.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#define NAMED_MAX  3  /* holders that a sentence names */
#define MOUNTS_MAX 64 /* mount namespaces that are looked at */
#define LIMIT_MS   100

struct search {
	ino_t inode;
	uint64_t end; /* in milliseconds; 0: none */
	bool everything;
	unsigned found, processes;
	ino_t mounts[MOUNTS_MAX]; /* mount namespaces that were looked at */
	unsigned mount_count;
	char *text;
	size_t size;
	/* who is inside, where the list is asked for */
	struct look_process *list;
	unsigned listed;
	bool listing, out_of_memory;
};

static void add(struct search *search, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

static void add(struct search *search, const char *format, ...)
{
	size_t length = strlen(search->text);
	va_list args;

	if (search->found++ >= NAMED_MAX)
		return;
	length += (size_t)snprintf(
	        search->text + length, search->size - length, "%s", search->found > 1 ? ", " : "");
	va_start(args, format);
	if (length < search->size)
		vsnprintf(search->text + length, search->size - length, format, args);
	va_end(args);
}

/* A process may have any name: it is not to break a line or a terminal. */
static void read_name(int process, char ret[32])
{
	_cleanup_(closep) int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, ret, 31);

	ret[size > 0 ? size : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	for (char *c = ret; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void look_at_mounts(struct search *search, int process, const char *pid, const char *name)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(fclosep) FILE *mounts = NULL;
	_cleanup_(freep) char *line = NULL;
	char sought[64], root[64], point[256];
	struct stat status;
	size_t size = 0;

	if (fstatat(process, "ns/mnt", &status, 0) < 0 || search->mount_count == MOUNTS_MAX)
		return;
	for (unsigned i = 0; i < search->mount_count; i++)
		if (search->mounts[i] == status.st_ino)
			return;
	search->mounts[search->mount_count++] = status.st_ino;
	fd = openat(process, "mountinfo", O_RDONLY | O_CLOEXEC);
	mounts = fd < 0 ? NULL : fdopen(fd, "re");
	if (!mounts)
		return;
	TAKE_FD(fd);
	snprintf(sought, sizeof(sought), "net:[%ju]", (uintmax_t)search->inode);
	while (getline(&line, &size, mounts) >= 0)
		if (sscanf(line, "%*d %*d %*s %63s %255s", root, point) == 2 &&
		        strcmp(root, sought) == 0)
			add(search, "it is mounted on %s, as process %s (%s) sees it", point, pid,
			        name);
}

static void look_at_files(struct search *search, int process, const char *pid, const char *name)
{
	_cleanup_(closep) int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(closedirp) DIR *files = fd < 0 ? NULL : fdopendir(fd);
	struct stat own, status;
	struct dirent *entry;

	if (!files)
		return;
	TAKE_FD(fd);
	if (fstatat(process, "ns/net", &own, 0) < 0)
		return;
	while ((entry = readdir(files)))
		if (fstatat(dirfd(files), entry->d_name, &status, 0) == 0 &&
		        status.st_ino == search->inode && status.st_dev == own.st_dev) {
			add(search, "process %s (%s) has it open", pid, name);
			return;
		}
}

static void append(struct search *search, const char *pid, const char *name)
{
	struct look_process *process;

	/* Room for the next power of two. */
	if ((search->listed & (search->listed - 1)) == 0) {
		size_t room = search->listed ? 2 * (size_t)search->listed : 1;

		process = reallocarray(search->list, room, sizeof(*process));
		search->out_of_memory |= !process;
		if (!process)
			return;
		search->list = process;
	}
	process = &search->list[search->listed++];
	process->pid = (pid_t)strtol(pid, NULL, 10);
	snprintf(process->program, sizeof(process->program), "%s", name);
}

/* One that has just ended, or that may not be looked at, is not counted. */
static void look_at(struct search *search, int proc, const char *pid)
{
	_cleanup_(closep) int process = -1;
	char path[300], name[32];
	struct stat status;
	bool inside;

	snprintf(path, sizeof(path), "%s/ns/net", pid);
	if (fstatat(proc, path, &status, 0) < 0)
		return;
	inside = status.st_ino == search->inode;
	if (inside || search->everything)
		process = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (process < 0)
		return;
	read_name(process, name);
	if (inside && search->listing)
		append(search, pid, name);
	if (inside) {
		search->processes++;
		add(search, search->everything ? "process %s (%s) runs in it" : "%s (%s)", pid,
		        name);
	}
	if (search->everything) {
		look_at_mounts(search, process, pid, name);
		if (!inside)
			look_at_files(search, process, pid, name);
	}
}

static int walk(struct search *search, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = opendir("/proc");
	size_t length;

	if (!directory)
		return error_set(err, ERROR_KERNEL, errno, "read /proc");
	search->text[0] = '\0';
	while (!search->end || clock_ms() < search->end) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(directory);
		if (!entry && errno)
			return error_set(err, ERROR_KERNEL, errno, "read /proc");
		if (!entry)
			break;
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			look_at(search, dirfd(directory), entry->d_name);
	}
	length = strlen(search->text);
	if (search->found > NAMED_MAX)
		snprintf(search->text + length, search->size - length, " and %u more",
		        search->found - NAMED_MAX);
	return 0;
}

int look_inside(ino_t inode, unsigned *count, char *text, size_t size, struct error *err)
{
	struct search search = {.inode = inode, .text = text, .size = size};
	int r = walk(&search, err);

	*count = search.processes;
	return r;
}

static int by_pid(const void *a, const void *b)
{
	const struct look_process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

int look_process_list(ino_t inode, struct look_process **ret, unsigned *count, struct error *err)
{
	char text[256];
	struct search search = {
	        .inode = inode, .text = text, .size = sizeof(text), .listing = true};
	int r = walk(&search, err);

	if (r == 0 && search.out_of_memory)
		r = error_memory(err);
	if (r < 0) {
		free(search.list);
		return r;
	}
	if (search.listed)
		qsort(search.list, search.listed, sizeof(*search.list), by_pid);
	*ret = search.list;
	*count = search.listed;
	return 0;
}

static int ignore(const struct nlmsghdr *header, void *arg)
{
	return MNL_CB_OK;
}

/* Whether the host's number for a namespace still means one: it is taken back when nothing holds
 * the namespace any more. */
static bool lives_on(int nsid)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct nlmsghdr *request = talk_start(buffer, RTM_GETNSID, 0);

	if (fd < 0 || nsid < 0)
		return false;
	mnl_nlmsg_put_extra_header(request, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(request, NETNSA_NSID, (uint32_t)nsid);
	return talk(fd, request, ignore, NULL) == 0;
}

int look_holders(ino_t inode, int nsid, char *text, size_t size, struct error *err)
{
	struct search search = {.inode = inode,
	        .end = clock_ms() + LIMIT_MS,
	        .everything = true,
	        .text = text,
	        .size = size};

	text[0] = '\0';
	return lives_on(nsid) ? walk(&search, err) : 0;
}
