/*
 * Whether this database is the one that made this host what it is. Two things speak against it:
 * marks of another instance (a second state directory, a new one where the old one is not mounted),
 * and a later commit of its own (a restored backup). In both, what the database does not know may
 * be alive, so netd refuses to start, unless the administrator says that this database is the right
 * one from now on.
 *
 * The last commit is kept in RUNTIME_DIR/generation, one line `BOOT_ID INSTANCE GENERATION` of a
 * fixed length, written in one call after each commit. So whoever is killed leaves a line that is
 * too old, and never one that is too new: only a line newer than the database counts.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define RECORD    "generation"
#define PATH_SIZE 4096
#define LINE_SIZE 128

static int record_path(const char *runtime_dir, char path[PATH_SIZE], struct error *err)
{
	if (snprintf(path, PATH_SIZE, "%s/" RECORD, runtime_dir) >= PATH_SIZE)
		return error_set(err, ERROR_KERNEL, ENAMETOOLONG, "record of the last commit");
	return 0;
}

static int write_record(const struct engine *engine, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char path[PATH_SIZE], line[LINE_SIZE];
	int r = record_path(engine->runtime_dir, path, err), length;
	ssize_t written;

	if (r < 0)
		return r;
	length = snprintf(line, sizeof(line), "%s %s %020" PRIu64 "\n", engine->boot_id,
	        store_instance(engine->store), store_generation(engine->store));
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	written = fd < 0 ? -1 : write(fd, line, (size_t)length);
	if (written != length)
		return error_set(err, ERROR_KERNEL, written < 0 ? errno : ENOSPC, "write %s", path);
	return 0;
}

void instance_record(const struct engine *engine)
{
	struct error err;

	if (write_record(engine, &err) < 0)
		log_warning("%s: a database that is restored while netd is stopped may not be "
		            "recognised as older",
		        err.text);
}

/* The last commit of this instance in this boot, as far as it is known; else 0. */
static uint64_t read_record(const struct engine *engine)
{
	char path[PATH_SIZE], line[LINE_SIZE], boot_id[BOOT_ID_SIZE], instance[INSTANCE_SIZE];
	_cleanup_(closep) int fd = -1;
	uint64_t generation = 0;
	struct error ignored;
	ssize_t size;

	if (record_path(engine->runtime_dir, path, &ignored) < 0)
		return 0;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	if (size < 0)
		return 0;
	line[size] = '\0';
	if (sscanf(line, "%36s %32s %20" SCNu64 "\n", boot_id, instance, &generation) != 3 ||
	        strcmp(boot_id, engine->boot_id) != 0 ||
	        strcmp(instance, store_instance(engine->store)) != 0)
		return 0;
	return generation;
}

int instance_forget(const char *runtime_dir, struct error *err)
{
	char path[PATH_SIZE];
	int r = record_path(runtime_dir, path, err);

	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		return error_set(err, ERROR_KERNEL, errno, "remove %s", path);
	return r;
}

static int refuse_other(const struct engine *engine, const char *other, struct error *err)
{
	return error_set(err, ERROR_REFUSED, 0,
	        "this host bears the marks of another netd, instance %s; the database %s is "
	        "instance %s%s: start netd with the state directory it had before, or, if this "
	        "database is the right one, make the host what it says with 'netd --take-over' "
	        "('netd --cleanup' removes all that any netd made)",
	        other, store_path(engine->store), store_instance(engine->store),
	        store_generation(engine->store) == 0 ? ", a new one" : "");
}

static int refuse_older(const struct engine *engine, uint64_t seen, struct error *err)
{
	return error_set(err, ERROR_REFUSED, 0,
	        "the database %s is older than what netd made on this host since (it ends with "
	        "change %" PRIu64 ", the host has seen %" PRIu64 "): put the newer one back, or, "
	        "if this is the right one, make the host what it says with 'netd --take-over' "
	        "('netd --cleanup' removes all that any netd made)",
	        store_path(engine->store), store_generation(engine->store), seen);
}

static void log_take_over(const struct engine *engine, const char *other, uint64_t seen)
{
	uint64_t generation = store_generation(engine->store);

	if (other[0])
		log_info("take-over: instance %s (%s) takes over from instance %s: what is as it "
		         "says "
		         "stays, the rest of netd's goes",
		        store_instance(engine->store), store_path(engine->store), other);
	if (generation < seen)
		log_info("take-over: %s, which ends with change %" PRIu64
		         ", takes over from change %" PRIu64
		         ": what is as it says stays, the rest of netd's goes",
		        store_path(engine->store), generation, seen);
	if (!other[0] && generation >= seen)
		log_info("take-over: this database is the one that made this host what it is; "
		         "there is nothing to take over");
}

int instance_check(struct engine *engine, struct error *err)
{
	char other[INSTANCE_SIZE] = "";
	uint64_t seen = read_record(engine);
	int r = look_other_instance(engine->kernel, other, err);

	if (r < 0)
		return r;
	if (engine->take_over)
		log_take_over(engine, other, seen);
	else if (other[0])
		return refuse_other(engine, other, err);
	else if (store_generation(engine->store) < seen)
		return refuse_older(engine, seen, err);
	return 0;
}
