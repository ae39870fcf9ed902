/* The files of a database: what a released netd has left is opened, and what is not right is
 * refused and never touched. */
#include "tests/unit/store-fixture.h"
#include "daemon/store/internal.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- what must not be opened --- */

struct image {
	char *bytes;
	size_t size;
	struct timespec changed;
};

static const char *log_path(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s-wal", database);
	return path;
}

/* No file is like an empty one. */
static struct image read_image(const char *path)
{
	struct image image = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return image;
	ck_assert_int_eq(fstat(fd, &st), 0);
	image.size = (size_t)st.st_size;
	image.changed = st.st_mtim;
	image.bytes = calloc(1, image.size + 1);
	ck_assert_int_eq(read(fd, image.bytes, image.size), (ssize_t)image.size);
	close(fd);
	return image;
}

static void check_untouched(const char *path, struct image *before)
{
	struct image after = read_image(path);

	ck_assert_uint_eq(before->size, after.size);
	if (after.size) {
		ck_assert_mem_eq(before->bytes, after.bytes, after.size);
		ck_assert_mem_eq(&before->changed, &after.changed, sizeof(after.changed));
	}
	free(before->bytes);
	free(after.bytes);
}

/* Opening must fail with this sentence and leave the files as they are, byte for byte. */
static void refused_untouched(const char *sentence)
{
	struct image before = read_image(database), log = read_image(log_path());
	struct store *store = NULL;
	struct error err = {0};

	ck_assert_int_lt(store_open(&store, directory, directory, &err), 0);
	ck_assert_ptr_null(store);
	ck_assert_int_eq(err.code, ERROR_STORE);
	ck_assert_msg(strstr(err.text, sentence) != NULL, "%s", err.text);
	ck_assert_msg(strstr(err.text, "left as it is") != NULL, "%s", err.text);
	check_untouched(database, &before);
	check_untouched(log_path(), &log);
}

static void write_file(const char *path, const char *bytes, size_t size, off_t offset)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, size, offset), (ssize_t)size);
	close(fd);
}

static void run_sql(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

START_TEST(a_file_that_is_no_database_is_left_alone)
{
	write_file(database, "this was never a database", 25, 0);
	refused_untouched("is damaged");
}
END_TEST

START_TEST(an_empty_file_is_no_fresh_start)
{
	write_file(database, "", 0, 0);
	refused_untouched("is damaged");
}
END_TEST

START_TEST(another_programs_database_is_left_alone)
{
	run_sql("CREATE TABLE t (x); PRAGMA user_version=1");
	refused_untouched("netd's mark");
}
END_TEST

START_TEST(a_damaged_page_is_found)
{
	char garbage[4096];

	store_filled();
	memset(garbage, 0xa5, sizeof(garbage));
	write_file(database, garbage, sizeof(garbage), 4096L * 2);
	refused_untouched("is damaged");
}
END_TEST

START_TEST(a_truncated_database_is_found)
{
	store_filled();
	ck_assert_int_eq(truncate(database, 4096 * 3), 0);
	refused_untouched("is damaged");
}
END_TEST

START_TEST(a_newer_database_is_left_alone)
{
	store_filled();
	run_sql("PRAGMA user_version=99");
	refused_untouched("newer netd");
}
END_TEST

/* A netd that commits and is killed: what it committed stands in the log only. */
static void killed_after_commit(const char *sql)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct store *store = open_store();
		struct model *model = load(store), *fork = model_fork(model);

		fill(fork);
		commit(store, fork);
		if (sql)
			ck_assert_int_eq(sqlite3_exec(store->db, sql, NULL, NULL, NULL), SQLITE_OK);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(access(log_path(), F_OK), 0);
}

START_TEST(what_is_newer_or_damaged_in_the_log_only_is_left_alone)
{
	store_close(open_store());
	killed_after_commit("PRAGMA user_version=99");
	refused_untouched("newer netd");
	empty_directory();
	store_close(open_store());
	killed_after_commit("PRAGMA application_id=7");
	refused_untouched("netd's mark");
}
END_TEST

/* SQLite takes a frame that is not whole for the end of the log, as a power cut leaves it. */
START_TEST(a_log_that_is_damaged_ends_there)
{
	struct image log;

	store_close(open_store());
	killed_after_commit(NULL);
	log = read_image(log_path());
	ck_assert_uint_gt(log.size, 4096);
	for (size_t at = 0; at < log.size; at += 997) {
		struct store *store;
		struct model *model;
		unsigned networks;

		empty_directory();
		store_close(open_store());
		killed_after_commit(NULL);
		write_file(log_path(), "\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5", 8, (off_t)at);
		store = open_store();
		model = load(store);
		networks = model_count(model, TABLE_NETWORKS);
		if (networks)
			check_filled(model);
		ck_assert(networks == 0 || networks == 2);
		model_free(model);
		store_close(store);
	}
	free(log.bytes);
}
END_TEST

START_TEST(a_log_with_garbage_behind_it_says_what_it_said)
{
	struct image log;
	struct store *store;
	struct model *model;
	char garbage[9000];

	store_close(open_store());
	killed_after_commit(NULL);
	log = read_image(log_path());
	memset(garbage, 0xa5, sizeof(garbage));
	write_file(log_path(), garbage, sizeof(garbage), (off_t)log.size);
	store = open_store();
	model = load(store);
	check_filled(model);
	model_free(model);
	store_close(store);
	free(log.bytes);
}
END_TEST

START_TEST(wherever_it_is_cut_off_it_is_refused)
{
	struct image whole;

	store_filled();
	whole = read_image(database);
	for (size_t size = 0; size < whole.size; size += 512) {
		write_file(database, whole.bytes, whole.size, 0);
		ck_assert_int_eq(truncate(database, (off_t)size), 0);
		refused_untouched("is damaged");
	}
	free(whole.bytes);
}
END_TEST

/* SQLite keeps no sums over its pages: a letter of a name may become another. But whatever the
 * bytes are, they are read safely, and what is refused is not touched. The test's number is the
 * seed. */
START_TEST(random_bytes_at_random_places)
{
	struct image whole;
	unsigned refused = 0;

	srand((unsigned)_i + 1);
	store_filled();
	whole = read_image(database);
	for (int round = 0; round < 300; round++) {
		struct image before;
		struct store *store = NULL;
		struct model *model = model_new();
		struct error err = {0};

		empty_directory();
		write_file(database, whole.bytes, whole.size, 0);
		for (int n = 0; n < 1 << (round % 8); n++) {
			char byte = (char)rand();

			write_file(database, &byte, 1,
			        rand() % (off_t)(round % 2 ? 4096 : whole.size));
		}
		before = read_image(database);
		if (store_open(&store, directory, directory, &err) < 0) {
			ck_assert_msg(strstr(err.text, "left as it is") != NULL, "%s", err.text);
			check_untouched(database, &before);
			refused++;
		} else {
			if (store_load(store, model, &err) < 0)
				ck_assert_msg(
				        strstr(err.text, "is damaged") != NULL, "%s", err.text);
			free(before.bytes);
		}
		model_free(model);
		store_close(store);
	}
	ck_assert_uint_gt(refused, 30);
	free(whole.bytes);
}
END_TEST

/* --- released versions --- */

static char *read_text(const char *path)
{
	struct image image = read_image(path);

	ck_assert_msg(image.size > 0, "%s", path);
	return image.bytes;
}

static char *schema_of(const char *path)
{
	static const char sql[] = "SELECT group_concat(sql, char(10)) FROM"
	                          " (SELECT sql FROM sqlite_schema ORDER BY name)";
	sqlite3_stmt *statement;
	sqlite3 *db;
	char *schema;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	schema = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return schema;
}

#define RELEASED 2 /* the newest schema that a released netd writes */

static void check_version_1(const struct model *model)
{
	const struct network *network = model_network(model, "first");
	const struct namespace *ns = model_namespace(model, "web");
	const struct publication *publication = model_publication(model, "00000000000a");
	const struct ip address = ip4(0x0a020002);

	ck_assert_ptr_nonnull(network);
	ck_assert_str_eq(network->id, "0123456789ab");
	ck_assert_str_eq(network->bridge, "br-first");
	ck_assert(network->internal && network->mtu == 1400 && network->link_mtu == 1400);
	ck_assert_uint_eq(network->subnet_count, 1);
	ck_assert(network->subnets[0].gateway.family == AF_INET && !network->labels);
	ck_assert_ptr_nonnull(ns);
	ck_assert(ns->origin == ORIGIN_ADOPTED && ns->own_route && !ns->own_route6);
	ck_assert_uint_eq(ns->cookie, 0xfedcba9876543210);
	ck_assert_uint_eq(ns->endpoint_count, 2);
	ck_assert_str_eq(ns->endpoints[0].network, "second");
	ck_assert_uint_eq(ns->endpoints[0].address_count, 1);
	ck_assert(ip_equal(&ns->endpoints[0].addresses[0].ip, &address));
	ck_assert_ptr_nonnull(model_namespace(model, "alone"));
	ck_assert_ptr_nonnull(publication);
	ck_assert(publication->protocol == IPPROTO_UDP && publication->host_port == 8080 &&
	          publication->port == 80);
	ck_assert_str_eq(publication->namespace, "web");
	ck_assert_uint_eq(model_count(model, TABLE_TOMBSTONES), 2);
}

static void check_version_2(const struct model *model)
{
	const struct network *network = model_network(model, "first");
	const struct namespace *ns = model_namespace(model, "web");
	const struct tombstone *pair = model_object(model, TABLE_TOMBSTONES, "00000000000c");

	ck_assert_ptr_nonnull(network);
	ck_assert(network->subnet_count == 2 && network->mtu == 1400);
	ck_assert_str_eq(network->labels, "team=a\ntier=b\n");
	ck_assert_ptr_nonnull(ns);
	ck_assert_str_eq(ns->sysctls, "net.ipv4.ip_forward=1\n");
	ck_assert(ns->endpoints[0].router && ns->endpoints[0].fixed[1]);
	ck_assert(model_namespace(model, "theirs")->own_route6);
	ck_assert_str_eq(model_namespace(model, "box")->source, "/run/a key");
	ck_assert_str_eq(model_publication(model, "00000000000a")->from, "192.0.2.0/24\n");
	ck_assert_ptr_nonnull(model_lease(model, "second", "web"));
	ck_assert_ptr_nonnull(model_object(model, TABLE_MOVED, "eth7"));
	ck_assert_ptr_nonnull(pair);
	ck_assert_str_eq(pair->namespace, "web");
	ck_assert_str_eq(pair->peer, ""); /* there were no links between namespaces */
	ck_assert_uint_eq(model_count(model, TABLE_NS_LINKS), 0);
}

static void (*const checks[])(const struct model *) = {NULL, check_version_1, check_version_2};

/* The test's number is the version of the schema. */
START_TEST(a_database_of_each_released_version_says_the_same)
{
	char path[512], *dump, *schema, *now;
	struct store *store;
	struct model *model;

	snprintf(path, sizeof(path), TESTS "/data/schema-%d.sql", _i);
	dump = read_text(path);
	run_sql(dump);
	store = open_store();
	model = load(store);
	checks[_i](model);
	model_free(model);
	store_close(store);
	schema = schema_of(database);
	empty_directory();
	store_close(open_store());
	now = schema_of(database);
	ck_assert_str_eq(schema, now); /* as it is after its migration, also for the newest */
	free(now);
	free(schema);
	free(dump);
}
END_TEST

START_TEST(a_log_without_its_database_is_no_fresh_start)
{
	struct store *store = NULL;
	struct error err = {0};

	write_file(log_path(), "frames", 6, 0);
	ck_assert_int_lt(store_open(&store, directory, directory, &err), 0);
	ck_assert_msg(strstr(err.text, "netd.db-wal") != NULL, "%s", err.text);
	ck_assert_int_lt(access(database, F_OK), 0);
	/* An empty one is what opening a file that turned out to be bad has left. */
	ck_assert_int_eq(truncate(log_path(), 0), 0);
	store_close(open_store());
}
END_TEST

int main(void)
{
	TCase *tests = store_case();

	tcase_add_test(tests, a_file_that_is_no_database_is_left_alone);
	tcase_add_test(tests, an_empty_file_is_no_fresh_start);
	tcase_add_test(tests, another_programs_database_is_left_alone);
	tcase_add_test(tests, a_damaged_page_is_found);
	tcase_add_test(tests, a_truncated_database_is_found);
	tcase_add_test(tests, a_newer_database_is_left_alone);
	tcase_add_test(tests, what_is_newer_or_damaged_in_the_log_only_is_left_alone);
	tcase_add_test(tests, a_log_that_is_damaged_ends_there);
	tcase_add_test(tests, a_log_with_garbage_behind_it_says_what_it_said);
	tcase_add_test(tests, wherever_it_is_cut_off_it_is_refused);
	tcase_add_loop_test(tests, random_bytes_at_random_places, 0, 3);
	tcase_add_loop_test(
	        tests, a_database_of_each_released_version_says_the_same, 1, RELEASED + 1);
	tcase_add_test(tests, a_log_without_its_database_is_no_fresh_start);
	return SUITE_CASES(tests);
}
