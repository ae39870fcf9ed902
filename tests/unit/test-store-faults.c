/*
 * A commit is whole or nothing, whatever fails, and its answer is the truth. Faults come from a
 * wrapper around SQLite's own file functions: at the k-th write, sync or truncation the process
 * dies, or the call fails. Every k is tried until the operation gets through undisturbed.
 */
#include "tests/unit/store-fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FAULTS_MAX 200 /* no operation makes that many calls */

static struct {
	int countdown; /* 0: off; else the call that fails */
	bool die;
	bool lasting; /* every later call fails, too */
	bool happened;
} fault;

/* SQLite has more than one kind of file: each gets its own copy. */
static struct faulty {
	sqlite3_io_methods methods; /* first: what a file points at */
	const sqlite3_io_methods *real;
} kinds[4];

static sqlite3_vfs vfs;
static sqlite3_vfs *real_vfs;

/* Whether this call is the one to fail. */
static bool failing(void)
{
	if (fault.countdown == 0 || (fault.countdown > 1 && fault.countdown--))
		return false;
	if (fault.die)
		_exit(0);
	fault.happened = true;
	fault.countdown = fault.lasting;
	return true;
}

static const sqlite3_io_methods *real(const sqlite3_file *file)
{
	return ((const struct faulty *)file->pMethods)->real;
}

static int faulty_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
	return failing() ? SQLITE_IOERR_WRITE : real(file)->xWrite(file, data, size, offset);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
	return failing() ? SQLITE_IOERR_FSYNC : real(file)->xSync(file, flags);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return failing() ? SQLITE_IOERR_TRUNCATE : real(file)->xTruncate(file, size);
}

static int faulty_open(sqlite3_vfs *self, const char *name, sqlite3_file *file, int flags, int *out)
{
	int r = real_vfs->xOpen(real_vfs, name, file, flags, out);
	struct faulty *kind = kinds;

	if (r != SQLITE_OK || !file->pMethods)
		return r;
	while (kind->real && kind->real != file->pMethods)
		kind++;
	ck_assert(kind < kinds + sizeof(kinds) / sizeof(kinds[0]));
	kind->real = file->pMethods;
	kind->methods = *kind->real;
	kind->methods.xWrite = faulty_write;
	kind->methods.xSync = faulty_sync;
	kind->methods.xTruncate = faulty_truncate;
	file->pMethods = &kind->methods;
	return r;
}

/* What netd's own question for a name fails with; 0: it is answered. SQLite's are not meant. */
static int stat_fails;

__attribute__((visibility("hidden"))) int stat(const char *path, struct stat *ret)
{
	errno = stat_fails;
	return stat_fails ? -1 : fstatat(AT_FDCWD, path, ret, 0);
}

static void install_faults(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.zName = "faulty";
	vfs.xOpen = faulty_open;
	ck_assert_int_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

START_TEST(a_full_disk_refuses_the_change_and_space_lets_it_through)
{
	struct store *store;
	struct model *model, *fork, *again;
	struct rlimit limit, none = {0, RLIM_INFINITY};
	struct error err = {0};

	signal(SIGXFSZ, SIG_IGN);
	store = open_store();
	model = load(store);
	fork = model_fork(model);
	fill(fork);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_lt(store_commit(store, fork, &err), 0);
	ck_assert_int_eq(err.code, ERROR_STORE);
	ck_assert_msg(strstr(err.text, "commit") != NULL, "%s", err.text);
	ck_assert_ptr_null(strstr(err.text, "unknown"));
	again = load(store);
	ck_assert_uint_eq(model_count(again, TABLE_NETWORKS), 0);
	model_free(again);

	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	commit(store, fork);
	again = load(store);
	check_filled(again);
	model_free(again);
	model_free(fork);
	model_free(model);
	store_close(store);
}
END_TEST

/* Whether the database has the filled state (true) or none of it. */
static bool read_back(void)
{
	struct store *store = open_store();
	struct model *model = load(store);
	bool filled = model_count(model, TABLE_NETWORKS) > 0;

	if (filled)
		check_filled(model);
	else
		ck_assert_uint_eq(model_host(model)->next_id, 1);
	model_free(model);
	store_close(store);
	return filled;
}

/* In a child that dies at the k-th call: opens, and commits if `opened` says that only that is to
 * be disturbed. Returns whether it lived on. */
static bool child_fill(int k, bool opened)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct store *store;
		struct model *model, *fork;
		struct error err = {0};

		install_faults();
		fault.die = true;
		fault.countdown = opened ? 0 : k;
		if (store_open(&store, directory, directory, &err) < 0)
			_exit(2);
		model = model_new();
		if (store_load(store, model, &err) < 0)
			_exit(2);
		fork = model_fork(model);
		fill(fork);
		if (opened)
			fault.countdown = k;
		if (store_commit(store, fork, &err) < 0)
			_exit(2);
		_exit(1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_ne(WEXITSTATUS(status), 2);
	return WEXITSTATUS(status) == 1;
}

START_TEST(killed_at_any_call_of_a_commit_it_is_whole_or_nothing)
{
	bool lived = false, filled = false;
	int k;

	for (k = 1; !lived && k < FAULTS_MAX; k++) {
		empty_directory();
		store_close(open_store());
		lived = child_fill(k, true);
		filled = read_back();
	}
	ck_assert(lived);
	ck_assert(filled);
	ck_assert_int_gt(k, 3);
}
END_TEST

START_TEST(killed_at_any_call_of_a_first_start_the_next_one_works)
{
	bool lived = false;
	int k;

	for (k = 1; !lived && k < FAULTS_MAX; k++) {
		empty_directory();
		lived = child_fill(k, false);
		read_back();
	}
	ck_assert(lived);
	ck_assert_int_gt(k, 10);
}
END_TEST

/* After an unknown commit nothing is taken until the store has come back, which tells what is true.
 */
static void come_back(struct store *store)
{
	struct model *empty = model_new(), *model;
	struct error err = {0};
	bool filled;
	int r;

	ck_assert_ptr_nonnull(store_refused(store));
	ck_assert_int_lt(store_commit(store, empty, &err), 0);
	r = store_recover(store, &err);
	ck_assert_msg(r >= 0, "%s", err.text);
	ck_assert_ptr_null(store_refused(store));
	model = load(store);
	filled = model_count(model, TABLE_NETWORKS) > 0;
	ck_assert_int_eq(r, filled);
	commit(store, empty);
	store_close(store);
	ck_assert_int_eq(read_back(), filled);
	model_free(model);
	model_free(empty);
}

/* The answer of store_commit() must be what a later reader finds, or say that it does not know. */
static bool fail_call(int k, unsigned *unknown)
{
	struct store *store;
	struct model *model, *fork;
	struct error err = {0};
	int r;

	empty_directory();
	store = open_store();
	model = load(store);
	fork = model_fork(model);
	commit(store, fork); /* the log is in use: closing it does not simply remove it */
	fill(fork);
	fault.happened = false;
	fault.countdown = k;
	r = store_commit(store, fork, &err);
	fault.countdown = 0;
	if (r < 0 && strstr(err.text, "unknown")) {
		come_back(store);
		++*unknown;
	} else {
		store_close(store);
		ck_assert_int_eq(read_back(), r == 0);
	}
	model_free(fork);
	model_free(model);
	return fault.happened;
}

/* The test's number says whether the disk recovers (0) or not (1). */
START_TEST(whichever_call_of_a_commit_fails_the_answer_is_the_truth)
{
	unsigned unknown = 0;
	int k = 1;

	install_faults();
	fault.lasting = _i == 1;
	while (k < FAULTS_MAX && fail_call(k, &unknown))
		k++;
	ck_assert_int_eq(unknown > 0, fault.lasting);
	ck_assert_int_lt(k, FAULTS_MAX);
	ck_assert_int_gt(k, 3);
}
END_TEST

START_TEST(commits_after_a_failed_one_go_on)
{
	struct store *store;
	struct model *model, *fork;
	struct error err = {0};

	install_faults();
	store = open_store();
	model = load(store);
	fork = model_fork(model);
	fill(fork);
	fault.countdown = 2;
	ck_assert_int_lt(store_commit(store, fork, &err), 0);
	commit(store, fork);
	model_free(fork);
	model_free(model);
	store_close(store);
	ck_assert(read_back());
}
END_TEST

/* A file that could not be looked at is none that its name has left: such a database was held for
 * another one, and locked itself out. */
START_TEST(a_store_that_could_not_look_at_its_files_comes_back)
{
	struct store *store;
	struct model *model, *fork;
	struct error err = {0};
	int r;

	install_faults();
	store = open_store();
	model = load(store);
	fork = model_fork(model);
	fill(fork);
	fault.countdown = 2;
	stat_fails = ENOMEM;
	ck_assert_int_lt(store_commit(store, fork, &err), 0);
	ck_assert(fault.happened);
	ck_assert_int_lt(store_recover(store, &err), 0);
	ck_assert_msg(strstr(err.text, strerror(ENOMEM)) != NULL, "%s", err.text);

	stat_fails = 0;
	r = store_recover(store, &err);
	ck_assert_msg(r >= 0, "%s", err.text);
	commit(store, fork);
	model_free(fork);
	model_free(model);
	store_close(store);
	ck_assert(read_back());
}
END_TEST

int main(void)
{
	TCase *tests = store_case();

	tcase_add_test(tests, a_full_disk_refuses_the_change_and_space_lets_it_through);
	tcase_add_test(tests, killed_at_any_call_of_a_commit_it_is_whole_or_nothing);
	tcase_add_test(tests, killed_at_any_call_of_a_first_start_the_next_one_works);
	tcase_add_loop_test(tests, whichever_call_of_a_commit_fails_the_answer_is_the_truth, 0, 2);
	tcase_add_test(tests, commits_after_a_failed_one_go_on);
	tcase_add_test(tests, a_store_that_could_not_look_at_its_files_comes_back);
	return SUITE_CASES(tests);
}
