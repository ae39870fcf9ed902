/*
 * `netd-ctl ns identify [PID]`: the names in /run/netns of the namespace that a process is in, none
 * for that of the host. It needs no daemon, as `ip netns identify` needs none, and it sees what its
 * caller may see: also a netd-ctl that runs inside a namespace can ask where it is.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "lib/cleanup.h"
#include "lib/parse.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define NETNS_DIR "/run/netns"

static int look_at_process(const char *pid, struct stat *ret, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	if (stat(path, ret) == 0)
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return error_set(err, ERROR_NOT_FOUND, 0, "identify: there is no process %s", pid);
	return error_set(err, errno == EACCES ? ERROR_PERMISSION : ERROR_KERNEL, errno,
	        "identify: look at process %s%s", pid,
	        errno == EACCES ? " (sudo netd-ctl may)" : "");
}

static bool is_same(int directory, const char *name, const struct stat *sought)
{
	struct stat status;

	return fstatat(directory, name, &status, 0) == 0 && status.st_dev == sought->st_dev &&
	       status.st_ino == sought->st_ino;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names, sorted; NULL: out of memory. */
static json_t *sorted(json_t *names)
{
	size_t count = json_array_size(names);
	_cleanup_(freep) const char **texts = calloc(count + 1, sizeof(*texts));
	json_t *list = texts ? json_array() : NULL;

	for (size_t i = 0; list && i < count; i++)
		texts[i] = json_string_value(json_array_get(names, i));
	if (list)
		qsort(texts, count, sizeof(*texts), by_text);
	for (size_t i = 0; list && i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *find_names(const struct stat *sought)
{
	_cleanup_(closedirp) DIR *directory = opendir(NETNS_DIR);
	json_auto_t *names = json_array();
	struct dirent *entry;

	while (directory && names && (entry = readdir(directory)))
		if (is_same(dirfd(directory), entry->d_name, sought))
			json_array_append_new(names, json_string(entry->d_name));
	return names ? sorted(names) : NULL;
}

int namespace_identify(const struct call *call)
{
	const char *pid = call->n_arguments ? call->arguments[0] : "self";
	json_auto_t *names = NULL;
	const json_t *name;
	unsigned long number;
	struct stat sought;
	struct error err;
	size_t i;

	if (call->n_arguments && parse_number(pid, "pid", 1, INT_MAX, &number, &err) < 0)
		return change_error(call, &err);
	if (look_at_process(pid, &sought, &err) < 0)
		return output_error(&err);
	names = find_names(&sought);
	if (call_has(call, OPTION_JSON))
		output_json(names);
	else
		json_array_foreach (names, i, name)
			output_line("%s", json_string_value(name));
	return EXIT_DONE;
}
