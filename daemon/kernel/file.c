/*
 * RESOURCE_FILE: small files that netd writes for a namespace, /etc/netns/NAME/resolv.conf.
 *
 * The invariant: netd writes and removes only files whose first line is its own mark, `# netd:
 * INSTANCE`. Anything else at that path (a file without the mark, a symbolic link, a directory that
 * is a link) is a user's, and a user's decision: it stays, and the step is done. A file is written
 * beside its place, synced and renamed, so that a reader sees the old one or the new one; the
 * directories are made with an explicit mode, since the daemon's umask is for its own secrets.
 */
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NETNS_ETC "/etc/netns"
#define FILE_NAME "resolv.conf"
#define MARK      "# netd: "
#define FILE_MAX  65536

/* Where a resource's file is: an open directory and the name in it. */
struct place {
	char parent[RESOURCE_NAME_SIZE];
	const char *base; /* borrowed */
	int fd;           /* -1: there is no such directory */
	bool users;       /* it is not a directory of ours to write in */
};

static void place_done(struct place *place)
{
	closep(&place->fd);
}

static int open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int place_open(const char *path, struct place *ret, struct error *err)
{
	struct place place = {.fd = -1};
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path || !slash[1])
		return error_set(err, ERROR_KERNEL, EINVAL, "file \"%s\"", path);
	snprintf(place.parent, sizeof place.parent, "%.*s", (int)(slash - path), path);
	place.base = slash + 1;
	place.fd = open_directory(place.parent);
	if (place.fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		place.users = true;
	else if (place.fd < 0 && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "open directory %s", place.parent);
	*ret = place;
	return 0;
}

/* Makes a directory, readable for all; one that is there keeps its mode. */
static int make_directory(const char *path, struct error *err)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "create directory %s", path);
	if (chmod(path, 0755) < 0)
		return error_set(err, ERROR_KERNEL, errno, "set the mode of %s", path);
	return 0;
}

/* What is at the place: NULL for nothing, or for what is no plain file of at most FILE_MAX bytes
 * (then *users). */
static int read_content(const struct place *place, char **ret, bool *users, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) char *text = NULL;
	struct stat status;
	ssize_t size;

	*ret = NULL;
	*users = place->users;
	if (place->fd < 0)
		return 0;
	fd = openat(place->fd, place->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == ELOOP || errno == ENXIO)) { /* a link, a socket */
		*users = true;
		return 0;
	}
	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set(
		        err, ERROR_KERNEL, errno, "open %s/%s", place->parent, place->base);
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX) {
		*users = true;
		return 0;
	}
	text = malloc((size_t)status.st_size + 1);
	if (!text)
		return error_memory(err);
	size = pread(fd, text, (size_t)status.st_size, 0);
	if (size < 0)
		return error_set(
		        err, ERROR_KERNEL, errno, "read %s/%s", place->parent, place->base);
	text[size] = '\0';
	*ret = TAKE_PTR(text);
	return 0;
}

static bool marked(const char *content)
{
	return !strncmp(content, MARK, strlen(MARK));
}

static int write_new(
        const struct place *place, const char *temporary, const char *content, struct error *err)
{
	size_t size = strlen(content);
	_cleanup_(closep) int fd = openat(
	        place->fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	ssize_t written = fd < 0 ? -1 : write(fd, content, size);

	if (written >= 0 && (size_t)written < size) {
		errno = ENOSPC;
		written = -1;
	}
	if (written < 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s/%s", place->parent, temporary);
	return 0;
}

/* Puts the file in its place. `fresh`: nothing is there, and what comes there meanwhile is a
 * user's. */
static int replace(const struct place *place, const char *content, bool fresh, struct error *err)
{
	char temporary[RESOURCE_NAME_SIZE + 16];
	int r;

	snprintf(temporary, sizeof temporary, ".%s.netd", place->base);
	r = write_new(place, temporary, content, err);
	if (r == 0 &&
	        renameat2(place->fd, temporary, place->fd, place->base,
	                fresh ? RENAME_NOREPLACE : 0) < 0 &&
	        !(fresh && errno == EEXIST))
		r = error_set(err, ERROR_KERNEL, errno, "rename %s/%s to %s", place->parent,
		        temporary, place->base);
	unlinkat(place->fd, temporary, 0); /* gone already where the rename took it */
	if (r == 0 && fsync(place->fd) < 0 && errno != EINVAL)
		r = error_set(err, ERROR_KERNEL, errno, "sync %s", place->parent);
	return r;
}

/* A directory that a user has put something into stays. */
static void remove_empty(const struct place *place)
{
	if (rmdir(place->parent) == 0)
		rmdir(NETNS_ETC);
}

static int write_file(const struct resource *new, struct error *err)
{
	_cleanup_(place_done) struct place place = {.fd = -1};
	_cleanup_(freep) char *content = NULL;
	bool users;
	int r = place_open(new->name, &place, err);

	if (r < 0)
		return r;
	r = read_content(&place, &content, &users, err);
	if (r < 0 || users || (content && (!marked(content) || !strcmp(content, new->text))))
		return r;
	if (place.fd < 0) {
		r = make_directory(NETNS_ETC, err);
		if (r == 0)
			r = make_directory(place.parent, err);
		if (r < 0)
			return r;
		place.fd = open_directory(place.parent);
		if (place.fd < 0)
			return error_set(
			        err, ERROR_KERNEL, errno, "open directory %s", place.parent);
	}
	r = replace(&place, new->text, !content, err);
	if (r < 0)
		remove_empty(&place);
	return r;
}

/* Whether both begin with the same line: the same instance's mark. */
static bool same_mark(const char *a, const char *b)
{
	size_t size = strcspn(a, "\n");

	return size == strcspn(b, "\n") && !memcmp(a, b, size);
}

static int remove_file(const struct resource *old, struct error *err)
{
	_cleanup_(place_done) struct place place = {.fd = -1};
	_cleanup_(freep) char *content = NULL;
	bool users;
	int r = place_open(old->name, &place, err);

	if (r < 0)
		return r;
	r = read_content(&place, &content, &users, err);
	if (r < 0 || users || (content && !(marked(content) && same_mark(content, old->text))))
		return r;
	if (content && unlinkat(place.fd, place.base, 0) < 0 && errno != ENOENT)
		return error_set(
		        err, ERROR_KERNEL, errno, "remove %s/%s", place.parent, place.base);
	remove_empty(&place);
	return 0;
}

static int file_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = step->new ? write_file(step->new, err) : remove_file(step->old, err);

	if (r < 0)
		return r;
	step->done = true;
	return 0;
}

static int observe_one(const struct kernel *kernel, enum kernel_scope scope, const char *name,
        struct resources *ret, struct error *err)
{
	_cleanup_(place_done) struct place place = {.fd = -1};
	_cleanup_(freep) char *content = NULL;
	struct resource *resource;
	char path[RESOURCE_NAME_SIZE];
	bool users;
	int r;

	if ((size_t)snprintf(path, sizeof path, NETNS_ETC "/%s/" FILE_NAME, name) >= sizeof path)
		return 0; /* longer than any name that netd accepts */
	r = place_open(path, &place, err);
	if (r == 0)
		r = read_content(&place, &content, &users, err);
	if (r < 0 || !content || !marked(content))
		return r;
	if (scope == SCOPE_INSTANCE) {
		size_t size = strlen(kernel->instance);

		if (strncmp(content + strlen(MARK), kernel->instance, size) ||
		        content[strlen(MARK) + size] != '\n')
			return 0;
	}
	resource = resources_add(ret, RESOURCE_FILE, "", path);
	if (!resource)
		return error_memory(err);
	resource->text = TAKE_PTR(content);
	return 0;
}

static int file_observe(struct observation *observation, struct resources *ret, struct error *err)
{
	_cleanup_(closedirp) DIR *directory = opendir(NETNS_ETC);
	int r = 0;

	if (!directory)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : error_set(err, ERROR_KERNEL, errno, "read " NETNS_ETC);
	while (r == 0) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(directory);
		if (!entry)
			return errno ? error_set(err, ERROR_KERNEL, errno, "read " NETNS_ETC) : 0;
		if (entry->d_name[0] != '.')
			r = observe_one(observation->kernel, observation->look->scope,
			        entry->d_name, ret, err);
	}
	return r;
}

static void file_tell(const struct step *step, FILE *out)
{
	const char *path = step->new ? step->new->name : step->old->name;
	char parent[RESOURCE_NAME_SIZE];

	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
	if (step->new) {
		fputs("mkdir -p ", out);
		tell_word(out, parent);
		fputc('\n', out);
		tell_printf(out, step->new->text);
		fputs(" > ", out);
		tell_word(out, path);
	} else {
		fputs("rm -f ", out);
		tell_word(out, path);
		fputs("\nrmdir --ignore-fail-on-non-empty ", out);
		tell_word(out, parent);
		fputs(" " NETNS_ETC, out);
	}
	fputc('\n', out);
}

const struct kind kind_file = {
        .name = "file",
        .apply = file_apply,
        .observe = file_observe,
        .tell = file_tell,
};
