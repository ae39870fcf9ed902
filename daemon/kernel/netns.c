/*
 * RESOURCE_NETNS: named network namespaces, kept in /run/netns exactly as iproute2 keeps them, so
 * that `ip netns` and netd see, use and remove each other's.
 *
 * The invariant: netd unmounts only what it made. It knows that by the record beside it
 * (netns_record.c) and by the namespace's cookie, never by the name: a name may have been given to
 * another namespace since. What is adopted stays, except that a symbolic link is removed as a link;
 * what it leads to is somebody else's mount.
 *
 * A name is taken by whoever creates its file, as iproute2 takes it, and no lock is needed for
 * that: one that anyone may hold, since it needs no right but to open the directory, would stop
 * everyone.
 */
#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/netns.h"
#include "daemon/kernel/netns_dir.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/netns_source.h"
#include "daemon/kernel/rtnl.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MOUNTS_MAX      8 /* mounts stacked on one name */
#define NETNS_PATH_SIZE (sizeof(NETNS_DIR) + NAME_SIZE)

static void path_of(const char *name, char path[NETNS_PATH_SIZE])
{
	snprintf(path, NETNS_PATH_SIZE, NETNS_DIR "/%s", name);
}

/* --- the directory --- */

/* -ENOENT: there is none. */
static int open_directory(int *ret, struct error *err)
{
	int fd = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open directory " NETNS_DIR);
	*ret = fd;
	return 0;
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

	*ret = ENTRY_NONE;
	if (fd < 0 && errno == ENOENT)
		return 0;
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

bool netns_is_stale(const char *name)
{
	_cleanup_(closep) int directory = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum entry entry = ENTRY_NONE;
	struct error ignored;

	return directory >= 0 && look_at(directory, name, &entry, &ignored) == 0 &&
	       entry == ENTRY_STALE;
}

/* --- creating --- */

struct birth {
	struct kernel *kernel;
	const struct resource *netns;
	int directory;
};

static const char *describe(enum entry entry)
{
	switch (entry) {
	case ENTRY_NETNS:
		return "there is a namespace of this name";
	case ENTRY_LINK:
		return "there is a symbolic link of this name";
	case ENTRY_OTHER:
		return "there is a file or directory of this name that is no namespace; remove it";
	case ENTRY_NONE:
	case ENTRY_STALE:
		break;
	}
	return "";
}

/* Makes room for the name. A stale file goes; anything else stays, and has the name. */
static int clear_name(int directory, const char *name, struct error *err)
{
	enum entry entry = ENTRY_NONE;
	int r = look_at(directory, name, &entry, err);

	if (r < 0)
		return r;
	if (entry == ENTRY_STALE && unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return error_set(
		        err, ERROR_KERNEL, errno, "remove the stale file " NETNS_DIR "/%s", name);
	if (entry != ENTRY_NONE && entry != ENTRY_STALE)
		return error_set(err, ERROR_EXISTS, EEXIST, "create " NETNS_DIR "/%s (%s)", name,
		        describe(entry));
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

static int write_record(struct kernel *kernel, const char *name, uint64_t cookie, struct error *err)
{
	struct netns_record record = {.cookie = cookie};
	int r = look_boot_id(record.boot_id, err);

	if (r < 0)
		return r;
	snprintf(record.name, sizeof(record.name), "%s", name);
	memcpy(record.instance, kernel->instance, sizeof(record.instance));
	return netns_record_write(kernel->runtime_dir, &record, err);
}

/* In the new namespace, or the one that is to get the name: the record comes before the file, and
 * the file before the mount, so that whatever a kill leaves is known to be netd's. */
static int give_birth(void *arg, struct error *err)
{
	const struct birth *birth = arg;
	const char *name = birth->netns->name, *source = birth->netns->netns.source;
	uint64_t cookie = 0;
	int r = netns_cookie("", &cookie, err);

	if (r == 0 && source[0] && cookie != birth->netns->netns.cookie)
		return error_set(err, ERROR_REFUSED, ESTALE, "%s%s leads to another namespace now",
		        netns_source_is_process(source) ? "process " : "", source);
	if (r == 0)
		r = write_record(birth->kernel, name, cookie, err);
	return r < 0 ? r : mount_here(birth->directory, name, err);
}

/* What someone else made gets a name, too. */
static int attach(struct birth *birth, struct error *err)
{
	const char *source = birth->netns->netns.source;
	_cleanup_(closep) int fd = -1;
	int r = netns_source_open(source, &fd, err);

	return r < 0 ? r : netns_inside_fd(fd, source, give_birth, birth, err);
}

static int create(struct kernel *kernel, struct step *step, struct error *err)
{
	const char *name = step->new->name;
	_cleanup_(closep) int directory = -1;
	const char *verb = step->new->netns.source[0] ? "attach" : "create";
	struct birth birth = {.kernel = kernel, .netns = step->new};
	struct error ignored;
	int r = netns_dir_make(kernel, err);

	if (r == 0)
		r = open_directory(&directory, err);
	if (r == 0)
		r = clear_name(directory, name, err);
	if (r < 0)
		return error_context(err, "%s namespace %s", verb, name);
	birth.directory = directory;
	r = step->new->netns.source[0] ? attach(&birth, err)
	                               : netns_inside_new(give_birth, &birth, err);
	if (r < 0) {
		bool left = unlinkat(directory, name, 0) < 0 && errno != ENOENT;

		step->unsure = netns_record_remove(kernel->runtime_dir, name, &ignored) < 0 || left;
		return error_context(err, "%s namespace %s", verb, name);
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
	enum entry entry = ENTRY_NONE;
	int r = open_directory(&directory, err);

	if (r == 0)
		r = look_at(directory, netns->name, &entry, err);
	if (r < 0)
		return r == -ENOENT ? netns_record_remove(kernel->runtime_dir, netns->name, err)
		                    : r;
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
	enum entry entry = ENTRY_NONE;
	int r = open_directory(&directory, err);

	if (r == 0)
		r = look_at(directory, netns->name, &entry, err);
	if (r < 0 || entry != ENTRY_LINK)
		return r == -ENOENT ? 0 : r;
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

/* It is there, and the database's: its record says so from now on. */
static int claim(struct kernel *kernel, const struct resource *netns, struct error *err)
{
	uint64_t cookie = 0;
	int r = require(netns, err);

	if (r == 0)
		r = netns_cookie(netns->name, &cookie, err);
	if (r == 0)
		r = write_record(kernel, netns->name, cookie, err);
	if (r < 0)
		return error_context(err, "take over namespace %s", netns->name);
	kernel->changes++;
	return 0;
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r;

	if (!step->new)
		r = delete (kernel, step->old, err);
	else if (step->new->netns.adopted)
		r = require(step->new, err);
	else if (step->old && !step->old->netns.gone)
		r = claim(kernel, step->new, err);
	else
		r = create(kernel, step, err);
	if (r == 0)
		step->done = true;
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

static void tell_attachment(const struct resource *netns, FILE *out)
{
	const char *source = netns->netns.source;
	char path[NETNS_PATH_SIZE];

	path_of(netns->name, path);
	fputs(netns_source_is_process(source) ? "ip netns attach " : "touch ", out);
	tell_word(out, netns_source_is_process(source) ? netns->name : path);
	fputs(netns_source_is_process(source) ? " " : "\nmount --bind ", out);
	tell_word(out, source);
	if (!netns_source_is_process(source)) {
		fputc(' ', out);
		tell_word(out, path);
	}
	fputc('\n', out);
}

static void tell(const struct step *step, FILE *out)
{
	if (!step->new) {
		tell_removal(step->old, out);
	} else if (!step->old && step->new->netns.source[0]) {
		tell_attachment(step->new, out);
	} else if (!step->old && !step->new->netns.adopted) {
		fputs("ip netns add ", out);
		tell_word(out, step->new->name);
		fputc('\n', out);
	}
}

const struct kind kind_netns = {
        .name = "netns",
        .apply = apply,
        .observe = netns_observe,
        .tell = tell,
        .pipe = PIPE_NONE,
};
