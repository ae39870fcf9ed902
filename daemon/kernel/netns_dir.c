/*
 * RESOURCE_NETNS_DIR: the directory of named namespaces, a shared mount of its own, as iproute2
 * makes it. Others may have made it, and others may use it: netd takes back only what it made
 * itself, as a record in the runtime directory says, and only when nobody's namespace is left in
 * it.
 *
 * Making it a shared mount is the one thing for which iproute2 takes the directory's lock, and so
 * does netd: two that do it at once would mount it twice. The lock is anyone's to hold, and
 * everyone waits while the loop does, so it is waited for as long as iproute2 may need it and no
 * longer.
 */
#include "daemon/kernel/netns_dir.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"
#include "lib/clock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define LOCK_TRIES    5
#define LOCK_PAUSE_NS 10000000 /* so: 50 ms ... */
#define LOCK_AGAIN_MS 1000     /* ... and not again before that, so that many do not add up */

#define RECORD    "netns-directory"
#define PATH_SIZE 4096

/* What netd made of it. */
struct made {
	bool directory, mount;
};

static int record_path(const struct kernel *kernel, char path[PATH_SIZE], struct error *err)
{
	if (snprintf(path, PATH_SIZE, "%s/" RECORD, kernel->runtime_dir) >= PATH_SIZE)
		return error_set(err, ERROR_KERNEL, ENAMETOOLONG, "record of " NETNS_DIR);
	return 0;
}

static struct made read_record(const struct kernel *kernel)
{
	_cleanup_(fclosep) FILE *file = NULL;
	struct made made = {0};
	char path[PATH_SIZE], word[16];
	struct error ignored;

	if (record_path(kernel, path, &ignored) == 0)
		file = fopen(path, "re");
	while (file && fscanf(file, "%15s", word) == 1) {
		made.directory |= strcmp(word, "directory") == 0;
		made.mount |= strcmp(word, "mount") == 0;
	}
	return made;
}

/* Before it is made: what a kill leaves is then known. */
static int write_record(const struct kernel *kernel, struct made made, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_SIZE];
	int r = record_path(kernel, path, err);

	if (r < 0)
		return r;
	file = fopen(path, "we");
	if (!file ||
	        fprintf(file, "%s %s\n", made.directory ? "directory" : "",
	                made.mount ? "mount" : "") < 0 ||
	        fflush(file) != 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s", path);
	return 0;
}

static bool is_there(void)
{
	struct stat file;

	return stat(NETNS_DIR, &file) == 0;
}

/* A mount of its own, whose mounts reach the other mount namespaces of the host. */
static bool is_shared(void)
{
	_cleanup_(fclosep) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	bool shared = false;
	size_t size = 0;
	char point[64];

	while (mounts && getline(&line, &size, mounts) >= 0)
		if (sscanf(line, "%*d %*d %*s %*s %63s", point) == 1 &&
		        strcmp(point, NETNS_DIR) == 0)
			shared = strstr(line, " shared:") != NULL;
	return shared;
}

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

/* The directory, locked for as long as it is open. */
static int lock_directory(struct kernel *kernel, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	bool wait = clock_ms() - kernel->netns_lock_waited > LOCK_AGAIN_MS;

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open directory " NETNS_DIR);
	for (int i = 0; i < (wait ? LOCK_TRIES : 1); i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			*ret = TAKE_FD(fd);
			return 0;
		}
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, ERROR_KERNEL, errno, "lock " NETNS_DIR);
		if (wait)
			nanosleep(&pause, NULL);
	}
	if (wait)
		kernel->netns_lock_waited = clock_ms();
	return error_set(err, ERROR_REFUSED, EBUSY,
	        "lock " NETNS_DIR " to make it a shared mount (process %d has the lock)",
	        lock_holder(fd));
}

static int make_directory(struct error *err)
{
	if (mkdir(NETNS_DIR, 0755) < 0)
		return errno == EEXIST
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "create directory " NETNS_DIR);
	/* Whatever the daemon's umask is: users must be able to look in here. */
	if (chmod(NETNS_DIR, 0755) < 0)
		return error_set(err, ERROR_KERNEL, errno, "set the mode of " NETNS_DIR);
	return 0;
}

static int make_shared(struct kernel *kernel, struct error *err)
{
	_cleanup_(closep) int locked = -1;
	int r = lock_directory(kernel, &locked, err);

	if (r < 0)
		return r;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL)
		return error_set(err, ERROR_KERNEL, errno, "share the mount of " NETNS_DIR);
	/* It is no mount of its own yet. */
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) < 0)
		return error_set(err, ERROR_KERNEL, errno, "mount " NETNS_DIR " on itself");
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) < 0)
		return error_set(err, ERROR_KERNEL, errno, "share the mount of " NETNS_DIR);
	return 0;
}

/* The number of the mount that is there; 0: it is no mount of its own. */
static uint64_t mount_number(void)
{
	struct statx file;

	if (statx(AT_FDCWD, NETNS_DIR, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &file) < 0 ||
	        !(file.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return 0;
	return file.stx_mnt_id;
}

/*
 * Whether it is the mount that was found shared before. The kernel's list of mounts has a line or
 * two for each namespace, so it is not read again for each new one. Numbers are given again: that
 * this one is shared is made sure of, which is nothing where it is.
 */
static bool is_known(const struct kernel *kernel)
{
	return kernel->netns_mount && kernel->netns_mount == mount_number() &&
	       mount("", NETNS_DIR, "none", MS_SHARED, NULL) == 0;
}

int netns_dir_make(struct kernel *kernel, struct error *err)
{
	struct made made;
	int r;

	if (is_known(kernel))
		return 0;
	made = read_record(kernel);
	if (is_shared()) {
		kernel->netns_mount = mount_number();
		return 0;
	}
	made.directory |= !is_there();
	made.mount = true;
	r = write_record(kernel, made, err);
	if (r == 0)
		r = make_directory(err);
	if (r == 0)
		r = make_shared(kernel, err);
	if (r == 0)
		kernel->changes++;
	return r;
}

static bool is_empty(void)
{
	_cleanup_(closedirp) DIR *directory = opendir(NETNS_DIR);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return false;
	return true;
}

static int take_back(struct kernel *kernel, struct error *err)
{
	struct made made = read_record(kernel);
	char path[PATH_SIZE];
	int r = record_path(kernel, path, err);

	if (r < 0 || !is_empty())
		return r;
	if (made.mount && umount2(NETNS_DIR, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
	        errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "unmount " NETNS_DIR);
	if (made.directory && rmdir(NETNS_DIR) < 0 && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "remove directory " NETNS_DIR);
	kernel->changes++;
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "remove %s", path);
	return 0;
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return step->new ? netns_dir_make(kernel, err) : take_back(kernel, err);
}

/* Whose it is makes no difference to an instance that needs it; only what netd made is removed. */
static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	struct made made = read_record(observation->kernel);
	bool there =
	        observation->look->scope == SCOPE_ALL ? made.directory || made.mount : is_shared();

	return !there || resources_add(ret, RESOURCE_NETNS_DIR, "", NETNS_DIR) ? 0
	                                                                       : error_memory(err);
}

static void tell(const struct step *step, FILE *out)
{
	if (step->new)
		fputs("mkdir -p " NETNS_DIR "\nmount --bind " NETNS_DIR " " NETNS_DIR
		      "\nmount --make-rshared " NETNS_DIR "\n",
		        out);
	else
		fputs("umount " NETNS_DIR "\nrmdir " NETNS_DIR "\n", out);
}

const struct kind kind_netns_dir = {
        .name = "netns directory",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_NONE,
};
