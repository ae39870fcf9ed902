/*
 * Files that others may have written: the first line says which one the rest is. What is read of a
 * record or of the journal is written again, and read the same.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/outside.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/journal.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/options.h"
#include "lib/cleanup.h"

#include <string.h>
#include <sys/stat.h>

#define BOOT_ID "01234567-89ab-cdef-0123-456789abcdef"

static char directory[64];

static void remove_directory(void)
{
	static const char *const files[] = {"sysctls", "namespaces/web", "namespaces", "."};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[96];

		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		if (remove(path) < 0)
			rmdir(directory);
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[96];

	strcpy(directory, "/dev/shm/fuzz-files-XXXXXX");
	REQUIRE(mkdtemp(directory), "%s", directory);
	snprintf(path, sizeof(path), "%s/namespaces", directory);
	REQUIRE(mkdir(path, 0700) == 0, "%s", path);
	atexit(remove_directory);
	return 0;
}

static void write_file(const char *name, const uint8_t *bytes, size_t size)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	REQUIRE(file && fwrite(bytes, 1, size, file) == size, "%s", path);
}

/* --- one function for each file --- */

static void read_options(const uint8_t *bytes, size_t size)
{
	char *argv[] = {"netd", "--config", "/the/file", NULL};
	struct options options = {0};
	struct error err = {0};

	outside_put_file("/the/file", bytes, size);
	if (options_read(&options, 3, argv, &err) < 0) {
		holds_error(&err);
		return;
	}
	REQUIRE(options.mode == MODE_RUN && options.socket[0] && options.state_dir[0] &&
	                options.runtime_dir[0],
	        "a setting is empty");
	options_done(&options);
}

static void read_record(const uint8_t *bytes, size_t size)
{
	struct netns_record record, again;
	struct error err = {0};
	int r;

	write_file("namespaces/web", bytes, size);
	r = netns_record_read(directory, "web", &record, &err);
	REQUIRE(r >= 0, "%s", err.text);
	if (r == 0)
		return;
	REQUIRE(netns_record_write(directory, &record, &err) == 0, "%s", err.text);
	REQUIRE(netns_record_read(directory, "web", &again, &err) == 1, "%s", err.text);
	REQUIRE(strcmp(record.instance, again.instance) == 0 && record.cookie == again.cookie &&
	                strcmp(record.boot_id, again.boot_id) == 0,
	        "another record");
}

/* A sysctl is read and written at the path that stands here. */
static void hold_path(const char *path)
{
	REQUIRE(strncmp(path, "net/", 4) == 0 && !strstr(path, "/../"),
	        "%s leads out of /proc/sys/net", path);
}

static void read_journal(const uint8_t *bytes, size_t size)
{
	static const struct journal_line added = {
	        .path = "net/ipv4/ip_forward", .old = "0", .new = "1"};
	_cleanup_(journal_done) struct journal journal = {0}, again = {0};
	struct error err = {0};

	outside_put_file(
	        "/proc/sys/kernel/random/boot_id", (const uint8_t *)BOOT_ID "\n", sizeof(BOOT_ID));
	write_file("sysctls", bytes, size);
	REQUIRE(journal_load(directory, &journal, &err) == 0, "%s", err.text);
	for (unsigned i = 0; i < journal.count; i++)
		hold_path(journal.lines[i].path);
	REQUIRE(journal_record(directory, &added, NULL, &err) == 0, "%s", err.text);
	REQUIRE(journal_load(directory, &again, &err) == 0, "%s", err.text);
	REQUIRE(journal_find(&again, "", "net/ipv4/ip_forward"), "a line is lost");
	for (unsigned i = 0; i < journal.count; i++) {
		const struct journal_line *line =
		        journal_find(&again, journal.lines[i].ns, journal.lines[i].path);

		REQUIRE(line && strcmp(line->old, journal.lines[i].old) == 0, "%s is lost",
		        journal.lines[i].path);
	}
}

static void read_resolver(const uint8_t *bytes, size_t size, const char *path)
{
	struct ip upstreams[6];
	struct error err = {0};
	unsigned count = 0;
	bool loopback = false;

	outside_put_file(path, bytes, size);
	if (strcmp(path, "/etc/resolv.conf") != 0)
		outside_put_file(
		        "/etc/resolv.conf", (const uint8_t *)"nameserver 127.0.0.53\n", 22);
	if (look_resolver(&loopback, upstreams, 3, &count, &err) < 0)
		holds_error(&err);
	REQUIRE(count <= 6, "%u servers", count);
	for (unsigned i = 0; i < count; i++)
		REQUIRE(!ip_is_loopback(&upstreams[i]) && !ip_is_any(&upstreams[i]),
		        "a namespace cannot reach it");
}

static void take(const char *name, const uint8_t *bytes, size_t size)
{
	if (strcmp(name, "netd.conf") == 0)
		read_options(bytes, size);
	else if (strcmp(name, "record") == 0)
		read_record(bytes, size);
	else if (strcmp(name, "sysctls") == 0)
		read_journal(bytes, size);
	else if (strcmp(name, "resolv.conf") == 0)
		read_resolver(bytes, size, "/etc/resolv.conf");
	else if (strcmp(name, "upstreams") == 0)
		read_resolver(bytes, size, "/run/systemd/resolve/resolv.conf");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t length = end ? (size_t)(end - data) : 0;
	char name[16];

	if (!end || length >= sizeof(name))
		return 0;
	memcpy(name, data, length);
	name[length] = '\0';
	outside_begin(NULL, 0);
	take(name, end + 1, size - length - 1);
	outside_end();
	return 0;
}
