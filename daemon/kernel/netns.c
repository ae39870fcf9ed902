/*
 * RESOURCE_NETNS: named network namespaces, kept in /run/netns exactly as iproute2 keeps them, so
 * that `ip netns` and netd see, use and remove each other's.
 *
 * The invariant: netd unmounts only what it made. It knows that by the record beside it
 * (netns_record.c) and by the namespace's cookie, never by the name: a name may have been given to
 * another namespace since. What is adopted stays, except that a symbolic link is removed as a link;
 * what it leads to is somebody else's mount.
 *
 * The directory is locked while names come and go, as iproute2 locks it. The lock is anyone's to
 * take, since it needs no right but to open the directory, so it is waited for only so long.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/netns_dir.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/rtnl.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#define LOCK_TRIES      200
#define LOCK_PAUSE_NS   10000000 /* so: two seconds */
#define MOUNTS_MAX      8        /* mounts stacked on one name */
#define NETNS_PATH_SIZE (sizeof(NETNS_DIR) + NAME_SIZE)

static void path_of(const char *name, char path[NETNS_PATH_SIZE])
{
	snprintf(path, NETNS_PATH_SIZE, NETNS_DIR "/%s", name);
}

/* --- the directory --- */

/* The process that has the lock of this file, from /proc/locks; 0: unknown. */
static int lock_holder(int fd)
{
	_cleanup_(fclosep) FILE *locks = fopen("/proc/locks", "re");
	struct stat file;
	char line[256];

	if (!locks || fstat(fd, &file) < 0)
		return 0;
	while (fgets(line, sizeof(line), locks)) {
		unsigned major, minor;
		unsigned long inode;
		int pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &major, &minor, &inode) ==
		                4 &&
		        inode == file.st_ino && makedev(major, minor) == file.st_dev)
			return pid;
	}
	return 0;
}

static int lock(int fd, struct error *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, ERROR_KERNEL, errno, "lock " NETNS_DIR);
		nanosleep(&pause, NULL);
	}
	return error_set(err, ERROR_REFUSED, EBUSY, "lock " NETNS_DIR " (process %d has it)",
	        lock_holder(fd));
}

/* The directory, locked for as long as it is open. -ENOENT: there is none. */
static int open_directory(int *ret, struct error *err)
{
	_cleanup_(closep) int fd = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open directory " NETNS_DIR);
	r = lock(fd, err);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

/* --- one name --- */

enum entry {
	ENTRY_NONE,
	ENTRY_NETNS,
	ENTRY_LINK,
	ENTRY_STALE, /* an empty file that a crash left: nothing was mounted on it */
	ENTRY_OTHER,
};

static int look_at(int directory, const char *name, enum entry *ret, struct error *err)
{
	_cleanup_(closep) int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct statfs file_system;
	struct stat file;

	if (fd < 0 && errno == ENOENT) {
		*ret = ENTRY_NONE;
		return 0;
	}
	if (fd < 0 || fstat(fd, &file) < 0 || fstatfs(fd, &file_system) < 0)
		return error_set(err, ERROR_KERNEL, errno, "look at " NETNS_DIR "/%s", name);
	if (S_ISLNK(file.st_mode))
		*ret = ENTRY_LINK;
	else if (file_system.f_type == NSFS_MAGIC)
		*ret = ENTRY_NETNS;
	else
		*ret = S_ISREG(file.st_mode) && file.st_size == 0 ? ENTRY_STALE : ENTRY_OTHER;
	return 0;
}

/* --- creating --- */

struct birth {
	struct kernel *kernel;
	const char *name;
	int directory;
};

/* Makes room for the name. A stale file goes; anything else stays, and has the name. */
static int clear_name(int directory, const char *name, struct error *err)
{
	enum entry entry;
	int r = look_at(directory, name, &entry, err);

	if (r < 0)
		return r;
	if (entry == ENTRY_STALE && unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return error_set(
		        err, ERROR_KERNEL, errno, "remove the stale file " NETNS_DIR "/%s", name);
	if (entry != ENTRY_NONE && entry != ENTRY_STALE)
		return error_set(err, ERROR_EXISTS, EEXIST, "create " NETNS_DIR "/%s", name);
	return 0;
}

static int mount_here(int directory, const char *name, struct error *err)
{
	_cleanup_(closep) int fd =
	        openat(directory, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	char path[NETNS_PATH_SIZE];

	path_of(name, path);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "create %s", path);
	if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) < 0)
		return error_set(err, ERROR_KERNEL, errno, "mount it on %s%s", path,
		        errno == EPERM || errno == EACCES ? " (this needs CAP_SYS_ADMIN)" : "");
	return 0;
}

/* In the new namespace: the record comes before the file, and the file before the mount, so that
 * whatever a kill leaves is known to be netd's. */
static int give_birth(void *arg, struct error *err)
{
	const struct birth *birth = arg;
	struct netns_record record = {0};
	int r = netns_cookie("", &record.cookie, err);

	if (r == 0)
		r = look_boot_id(record.boot_id, err);
	if (r < 0)
		return r;
	snprintf(record.name, sizeof(record.name), "%s", birth->name);
	memcpy(record.instance, birth->kernel->instance, sizeof(record.instance));
	r = netns_record_write(birth->kernel->runtime_dir, &record, err);
	return r < 0 ? r : mount_here(birth->directory, birth->name, err);
}

static int create(struct kernel *kernel, const char *name, struct error *err)
{
	_cleanup_(closep) int directory = -1;
	struct birth birth = {.kernel = kernel, .name = name};
	struct error ignored;
	int r = netns_dir_make(kernel, err);

	if (r == 0)
		r = open_directory(&directory, err);
	if (r == 0)
		r = clear_name(directory, name, err);
	if (r < 0)
		return error_context(err, "create namespace %s", name);
	birth.directory = directory;
	r = netns_inside_new(give_birth, &birth, err);
	if (r < 0) {
		unlinkat(directory, name, 0);
		netns_record_remove(kernel->runtime_dir, name, &ignored);
		return error_context(err, "create namespace %s", name);
	}
	kernel->changes++;
	return 0;
}

/* --- removing --- */

static int unlink_name(struct kernel *kernel, int directory, const char *name, struct error *err)
{
	if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "remove " NETNS_DIR "/%s", name);
	kernel->changes++;
	return 0;
}

static int unmount(struct kernel *kernel, int directory, const char *name, struct error *err)
{
	char path[NETNS_PATH_SIZE];
	enum entry entry = ENTRY_NETNS;
	int r = 0;

	path_of(name, path);
	rtnl_forget(kernel->rtnl, name);
	for (int i = 0; r == 0 && i < MOUNTS_MAX && entry == ENTRY_NETNS; i++) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
			return error_set(err, ERROR_KERNEL, errno, "unmount %s", path);
		r = look_at(directory, name, &entry, err);
	}
	return r < 0 ? r : unlink_name(kernel, directory, name, err);
}

/* What has this name now, and what its record says. */
struct identity {
	bool meant;    /* it is the namespace that the resource means */
	bool recorded; /* and the record is about it */
};

/* Where the resource knows no cookie yet, it means the namespace of the record. */
static int identify(struct kernel *kernel, const struct resource *netns, struct identity *ret,
        struct error *err)
{
	struct netns_record record = {0};
	uint64_t cookie = 0;
	char boot_id[37];
	int r = netns_record_read(kernel->runtime_dir, netns->name, &record, err);

	if (r >= 0)
		r = look_boot_id(boot_id, err);
	if (r == 0)
		r = netns_cookie(netns->name, &cookie, err);
	if (r < 0)
		return r;
	/* Cookies are counted anew in every boot. */
	ret->recorded = strcmp(record.boot_id, boot_id) == 0 && record.cookie == cookie;
	ret->meant = netns->netns.cookie ? netns->netns.cookie == cookie : ret->recorded;
	if (record.boot_id[0] && strcmp(record.boot_id, boot_id) != 0)
		ret->meant = false;
	return 0;
}

static int delete_created(struct kernel *kernel, const struct resource *netns, struct error *err)
{
	_cleanup_(closep) int directory = -1;
	struct identity identity = {0};
	enum entry entry;
	int r = open_directory(&directory, err);

	if (r == -ENOENT)
		return netns_record_remove(kernel->runtime_dir, netns->name, err);
	if (r == 0)
		r = look_at(directory, netns->name, &entry, err);
	if (r < 0)
		return r;
	switch (entry) {
	case ENTRY_NETNS:
		r = identify(kernel, netns, &identity, err);
		if (r == 0 && identity.meant)
			r = unmount(kernel, directory, netns->name, err);
		else if (r == 0 && identity.recorded)
			return 0; /* another of netd's has the name now */
		break;
	case ENTRY_STALE:
		r = unlink_name(kernel, directory, netns->name, err);
		break;
	case ENTRY_NONE:
	case ENTRY_LINK:
	case ENTRY_OTHER:
		break;
	}
	return r < 0 ? r : netns_record_remove(kernel->runtime_dir, netns->name, err);
}

static int delete_adopted(struct kernel *kernel, const struct resource *netns, struct error *err)
{
	_cleanup_(closep) int directory = -1;
	enum entry entry;
	int r = open_directory(&directory, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = look_at(directory, netns->name, &entry, err);
	if (r < 0 || entry != ENTRY_LINK)
		return r;
	rtnl_forget(kernel->rtnl, netns->name);
	return unlink_name(kernel, directory, netns->name, err);
}

static int delete (struct kernel *kernel, const struct resource *netns, struct error *err)
{
	int r = netns->netns.adopted ? delete_adopted(kernel, netns, err)
	                             : delete_created(kernel, netns, err);

	return r < 0 ? error_context(err, "remove namespace %s", netns->name) : 0;
}

static bool is_link(const char *name)
{
	char path[NETNS_PATH_SIZE];
	struct stat file;

	path_of(name, path);
	return lstat(path, &file) == 0 && S_ISLNK(file.st_mode);
}

/* What cannot be made, only found: an adopted namespace, or the one with this cookie. */
static int require(const struct resource *netns, struct error *err)
{
	uint64_t cookie;
	int r;

	if (netns->netns.adopted && !netns->netns.cookie && is_link(netns->name))
		return 0; /* it leads nowhere */
	r = netns_cookie(netns->name, &cookie, err);
	if (r < 0)
		return r;
	if (netns->netns.cookie && netns->netns.cookie != cookie)
		return error_set(err, ERROR_REFUSED, ESTALE,
		        "namespace %s: another namespace has this name now", netns->name);
	return 0;
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r;

	if (!step->new)
		r = delete (kernel, step->old, err);
	else if (step->old || step->new->netns.adopted)
		r = require(step->new, err);
	else
		r = create(kernel, step->new->name, err);
	if (r == 0)
		step->done = true;
	return r;
}

/* --- observing --- */

static int add_observed(
        const char *name, bool adopted, uint64_t cookie, struct resources *ret, struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_NETNS, "", name);

	if (!resource)
		return error_memory(err);
	resource->netns.adopted = adopted;
	resource->netns.cookie = cookie;
	return 0;
}

/* An empty file where a namespace should be. */
static bool is_stale(const char *name)
{
	_cleanup_(closep) int directory = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum entry entry;
	struct error ignored;

	return directory >= 0 && look_at(directory, name, &entry, &ignored) == 0 &&
	       entry == ENTRY_STALE;
}

/* 0: none of this name. */
static int cookie_now(const char *name, uint64_t *ret, struct error *err)
{
	uint64_t cookie = 0;
	int r = netns_cookie(name, &cookie, err);

	*ret = cookie;
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int compare_records(const void *a, const void *b)
{
	const struct netns_record *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The records of this boot that are in scope, by name. */
static int read_records(const struct observation *observation, struct netns_record **ret,
        unsigned *count, struct error *err)
{
	bool all = observation->look->scope == SCOPE_ALL;
	struct netns_record *records;
	char boot_id[37];
	unsigned kept = 0;
	int r = look_boot_id(boot_id, err);

	if (r == 0)
		r = netns_records(observation->kernel->runtime_dir, ret, count, err);
	records = *ret;
	for (unsigned i = 0; r == 0 && i < *count; i++)
		if (all || (strcmp(records[i].instance, observation->kernel->instance) == 0 &&
		                   strcmp(records[i].boot_id, boot_id) == 0))
			records[kept++] = records[i];
	*count = kept;
	if (kept)
		qsort(records, kept, sizeof(*records), compare_records);
	return r;
}

/* One that the look names: netd's if it has the cookie of its record. For whoever cleans up the
 * record is enough. */
static int observe_listed(const struct observation *observation, unsigned number,
        const struct netns_record *record, struct resources *ret, struct error *err)
{
	const char *name = observation->look->namespaces[number];
	uint64_t cookie = observation->insides[number].cookie;

	if (record && (observation->look->scope == SCOPE_ALL || record->cookie == cookie))
		return add_observed(name, false, record->cookie, ret, err);
	return cookie ? add_observed(name, true, cookie, ret, err) : 0;
}

/* An orphan: with the cookie of its record, or the file that a kill left before it was mounted. */
static int observe_unlisted(const struct observation *observation,
        const struct netns_record *record, struct resources *ret, struct error *err)
{
	bool all = observation->look->scope == SCOPE_ALL;
	uint64_t cookie = 0;
	int r = all ? 0 : cookie_now(record->name, &cookie, err);

	if (r < 0 || !(all || cookie == record->cookie || is_stale(record->name)))
		return r;
	return add_observed(record->name, false, record->cookie, ret, err);
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	const struct kernel_look *look = observation->look;
	_cleanup_(freep) struct netns_record *records = NULL;
	unsigned count = 0;
	int r = observation_read(observation, err);

	if (r == 0)
		r = read_records(observation, &records, &count, err);
	for (unsigned i = 0; r == 0 && i < look->namespace_count; i++) {
		struct netns_record key, *record = NULL;

		snprintf(key.name, sizeof(key.name), "%s", look->namespaces[i]);
		if (count)
			record = bsearch(&key, records, count, sizeof(key), compare_records);
		r = observe_listed(observation, i, record, ret, err);
		if (record)
			record->instance[0] = '\0'; /* done */
	}
	for (unsigned i = 0; r == 0 && i < count; i++)
		if (records[i].instance[0])
			r = observe_unlisted(observation, &records[i], ret, err);
	return r;
}

/* --- telling --- */

static void tell_removal(const struct resource *netns, FILE *out)
{
	char path[NETNS_PATH_SIZE];

	path_of(netns->name, path);
	if (!netns->netns.adopted) {
		fputs("ip netns del ", out);
		tell_word(out, netns->name);
		fputc('\n', out);
	} else if (is_link(netns->name)) {
		fputs("rm ", out);
		tell_word(out, path);
		fputc('\n', out);
	} else {
		fprintf(out, "# namespace %s was not made by netd: it stays\n", netns->name);
	}
}

static void tell(const struct step *step, FILE *out)
{
	if (!step->new) {
		tell_removal(step->old, out);
	} else if (!step->old && !step->new->netns.adopted) {
		fputs("ip netns add ", out);
		tell_word(out, step->new->name);
		fputc('\n', out);
	}
}

const struct kind kind_netns = {
        .name = "netns",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_NONE,
};
