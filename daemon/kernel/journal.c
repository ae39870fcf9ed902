/*
 * The journal of the sysctls that netd changed and that are not its own.
 *
 * The invariant: a line is on disk before the value it speaks of is written, and it goes only after
 * the old value is back; so whoever dies in between leaves a line too many, never one too few, and
 * a line too many is harmless, since nothing is restored where the present value is not the one
 * netd wrote. The file is small (one line per interface of the host that is not netd's, and what
 * users set in namespaces), so each change writes it anew and renames it into place: there is never
 * half a line.
 *
 * Fields are separated by spaces, so a space within a value is written as '~', as is a value that
 * is empty; a value with '~' is never accepted from a user.
 */
#include "daemon/kernel/journal.h"

#include "daemon/kernel/look.h"
#include "lib/cleanup.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define JOURNAL_LINES_MAX 4096
#define NEW               ".new" /* behind the name while it is written */

void journal_done(struct journal *journal)
{
	free(journal->lines);
	*journal = (struct journal){0};
}

struct journal_line *journal_find(const struct journal *journal, const char *ns, const char *path)
{
	for (unsigned i = 0; i < journal->count; i++)
		if (!strcmp(journal->lines[i].path, path) && !strcmp(journal->lines[i].ns, ns))
			return &journal->lines[i];
	return NULL;
}

/* NULL: out of memory. */
static struct journal_line *append(struct journal *journal)
{
	struct journal_line *lines =
	        reallocarray(journal->lines, journal->count + 1, sizeof *lines);

	if (!lines)
		return NULL;
	journal->lines = lines;
	lines[journal->count] = (struct journal_line){0};
	return &lines[journal->count++];
}

static int file_name(const char *runtime_dir, const char *suffix, char **ret, struct error *err)
{
	return asprintf(ret, "%s/sysctls%s", runtime_dir, suffix) < 0 ? error_memory(err) : 0;
}

/* netd changes what is below /proc/sys/net only, so it restores nothing else. */
static bool is_own(const char *path)
{
	return strncmp(path, "net/", 4) == 0 && !strstr(path, "/../");
}

static void replace(char *text, char what, char with)
{
	for (; *text; text++)
		if (*text == what)
			*text = with;
}

/* A value as one word, and back. */
static void to_word(const char *value, char word[SYSCTL_VALUE_SIZE])
{
	snprintf(word, SYSCTL_VALUE_SIZE, "%s", *value ? value : "~");
	replace(word, ' ', '~');
}

static void from_word(char *word)
{
	if (strcmp(word, "~") == 0)
		*word = '\0';
	replace(word, '~', ' ');
}

/* False: it is no line of this boot. */
static bool read_line(const char *text, const char *boot, struct journal_line *ret)
{
	char line_boot[37], more[2];
	int fields = sscanf(text, "%36s %95s %63s %63s %63s %" SCNu64 " %1s", line_boot, ret->path,
	        ret->old, ret->new, ret->ns, &ret->cookie, more);
	struct error ignored;

	if ((fields != 4 && fields != 6) || strcmp(line_boot, boot) || !is_own(ret->path))
		return false;
	from_word(ret->old);
	from_word(ret->new);
	return fields == 4 || (parse_netns(ret->ns, "", ret->ns, &ignored) == 0 && ret->cookie);
}

static int read_lines(FILE *file, const char *boot, struct journal *journal, struct error *err)
{
	char text[512];

	while (journal->count < JOURNAL_LINES_MAX && fgets(text, sizeof text, file)) {
		struct journal_line read = {0}, *line;

		if (!read_line(text, boot, &read) || journal_find(journal, read.ns, read.path))
			continue;
		line = append(journal);
		if (!line)
			return error_memory(err);
		*line = read;
	}
	return ferror(file) ? error_set(err, ERROR_KERNEL, EIO, "read the journal of sysctls") : 0;
}

int journal_load(const char *runtime_dir, struct journal *ret, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	_cleanup_(freep) char *name = NULL;
	_cleanup_(fclosep) FILE *file = NULL;
	char boot[37];
	int r = look_boot_id(boot, err);

	if (r < 0)
		return r;
	r = file_name(runtime_dir, "", &name, err);
	if (r < 0)
		return r;
	file = fopen(name, "re");
	if (!file && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "open %s", name);
	if (file) {
		r = read_lines(file, boot, &journal, err);
		if (r < 0)
			return r;
	}
	*ret = journal;
	journal = (struct journal){0};
	return 0;
}

void journal_tidy(const char *runtime_dir)
{
	_cleanup_(freep) char *name = NULL;
	struct error ignored;

	if (file_name(runtime_dir, NEW, &name, &ignored) == 0)
		unlink(name);
}

static int sync_directory(const char *runtime_dir, struct error *err)
{
	_cleanup_(closep) int fd = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Some file systems cannot sync a directory and say EINVAL. */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		return error_set(err, ERROR_KERNEL, errno, "sync %s", runtime_dir);
	return 0;
}

static void write_line(FILE *file, const char *boot, const struct journal_line *line)
{
	char old[SYSCTL_VALUE_SIZE], new[SYSCTL_VALUE_SIZE];

	to_word(line->old, old);
	to_word(line->new, new);
	fprintf(file, "%s %s %s %s", boot, line->path, old, new);
	if (line->ns[0])
		fprintf(file, " %s %" PRIu64, line->ns, line->cookie);
	fputc('\n', file);
}

static int write_lines(
        const char *name, const struct journal *journal, const char *boot, struct error *err)
{
	_cleanup_(fclosep) FILE *file = NULL;
	_cleanup_(closep) int fd =
	        open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "create %s", name);
	file = fdopen(fd, "we");
	if (!file)
		return error_memory(err);
	TAKE_FD(fd);
	for (unsigned i = 0; i < journal->count; i++)
		write_line(file, boot, &journal->lines[i]);
	if (fflush(file) != 0 || fsync(fileno(file)) < 0)
		return error_set(err, ERROR_KERNEL, errno, "write %s", name);
	return 0;
}

static int save(const char *runtime_dir, const struct journal *journal, struct error *err)
{
	_cleanup_(freep) char *name = NULL;
	_cleanup_(freep) char *new_name = NULL;
	char boot[37];
	int r = look_boot_id(boot, err);

	if (r < 0)
		return r;
	r = file_name(runtime_dir, "", &name, err);
	if (r < 0)
		return r;
	r = file_name(runtime_dir, NEW, &new_name, err);
	if (r < 0)
		return r;
	if (journal->count == 0) {
		if (unlink(name) < 0 && errno != ENOENT)
			return error_set(err, ERROR_KERNEL, errno, "remove %s", name);
		return sync_directory(runtime_dir, err);
	}
	r = write_lines(new_name, journal, boot, err);
	if (r == 0 && rename(new_name, name) < 0)
		r = error_set(err, ERROR_KERNEL, errno, "rename %s to %s", new_name, name);
	if (r < 0) {
		unlink(new_name);
		return r;
	}
	return sync_directory(runtime_dir, err);
}

int journal_record(const char *runtime_dir, const struct journal_line *new,
        struct journal_line *ret_before, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	struct journal_line *line, before = {0};
	int r = journal_load(runtime_dir, &journal, err);

	if (r < 0)
		return r;
	line = journal_find(&journal, new->ns, new->path);
	if (line)
		before = *line;
	else if (journal.count == JOURNAL_LINES_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "the journal of changed sysctls is full (%u lines)", journal.count);
	else
		line = append(&journal);
	if (!line)
		return error_memory(err);
	*line = *new;
	if (before.cookie == new->cookie && before.path[0])
		memcpy(line->old, before.old, sizeof(line->old));
	if (!before.path[0] || before.cookie != new->cookie || strcmp(before.new, new->new))
		r = save(runtime_dir, &journal, err);
	if (r == 0 && ret_before)
		*ret_before = before;
	return r;
}

int journal_drop(const char *runtime_dir, const char *ns, const char *path, struct error *err)
{
	_cleanup_(journal_done) struct journal journal = {0};
	struct journal_line *line;
	int r = journal_load(runtime_dir, &journal, err);

	if (r < 0)
		return r;
	line = journal_find(&journal, ns, path);
	if (!line)
		return 0;
	*line = journal.lines[--journal.count];
	return save(runtime_dir, &journal, err);
}
