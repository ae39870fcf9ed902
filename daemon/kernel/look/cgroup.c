/*
 * Names a cgroup by its number.
 *
 * The number of a cgroup is the inode number of its directory. There is no call from one to the
 * other without CAP_DAC_READ_SEARCH, which the daemon has no other use for, so the tree is walked;
 * it is asked only when a port is refused. The invariant: the walk ends, after at most
 * DIRECTORIES_MAX directories, and a name that was not found is "", never a guess.
 */
#include "daemon/kernel/look/cgroup.h"

#include "lib/cleanup.h"

#include <fts.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define DIRECTORIES_MAX 20000

static bool is_cgroup2(const char *path)
{
	struct statfs system;

	return statfs(path, &system) == 0 && system.f_type == CGROUP2_SUPER_MAGIC;
}

/* Where the v2 hierarchy is mounted, alone or beside v1's; one that something else is mounted over
 * does not count. */
static bool find_mount(char ret[PATH_MAX])
{
	_cleanup_(fclosep) FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) >= 0) {
		if (strstr(line, " - cgroup2 ") &&
		        sscanf(line, "%*s %*s %*s %*s %4095s", ret) == 1 && is_cgroup2(ret))
			return true;
	}
	return false;
}

static bool is_unit(const char *part, size_t size)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket"};

	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		size_t suffix = strlen(suffixes[i]);

		if (size > suffix && !memcmp(part + size - suffix, suffixes[i], suffix))
			return true;
	}
	return false;
}

void look_cgroup_unit(const char *path, char *ret, size_t size)
{
	const char *end = path + strlen(path);

	while (end > path) {
		const char *part = memrchr(path, '/', (size_t)(end - path));

		if (!part)
			break;
		if (is_unit(part + 1, (size_t)(end - part - 1))) {
			snprintf(ret, size, "%.*s", (int)(end - part - 1), part + 1);
			return;
		}
		end = part;
	}
	snprintf(ret, size, "%s", path);
}

void look_cgroup(uint64_t id, char *ret, size_t size)
{
	char mount[PATH_MAX], *roots[] = {mount, NULL};
	unsigned directories = 0;
	FTSENT *entry;
	FTS *walk;

	*ret = '\0';
	if (!find_mount(mount))
		return;
	walk = fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	while (walk && (entry = fts_read(walk)) && directories < DIRECTORIES_MAX) {
		if (entry->fts_info != FTS_D)
			continue;
		directories++;
		if (entry->fts_statp->st_ino == id) {
			look_cgroup_unit(entry->fts_path + strlen(mount), ret, size);
			break;
		}
	}
	if (walk)
		fts_close(walk);
}
