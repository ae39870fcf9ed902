/* The database: what goes in comes out. */
#include "tests/unit/store-fixture.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- content --- */

START_TEST(a_new_database_has_an_instance_and_nothing_else)
{
	struct store *store = open_store();
	struct model *model = load(store);
	char instance[INSTANCE_SIZE];
	struct stat st;

	strcpy(instance, store_instance(store));
	ck_assert_uint_eq(strlen(instance), 32);
	ck_assert_uint_eq(strspn(instance, "0123456789abcdef"), 32);
	ck_assert_str_eq(model_host(model)->instance, instance);
	ck_assert_uint_eq(model_host(model)->next_id, 1);
	ck_assert_uint_eq(model_count(model, TABLE_NETWORKS), 0);
	ck_assert_int_eq(stat(database, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	model_free(model);
	store_close(store);
	store = open_store();
	ck_assert_str_eq(store_instance(store), instance);
	store_close(store);
}
END_TEST

START_TEST(a_missing_state_directory_is_made_private)
{
	struct stat st;

	ck_assert_int_eq(rmdir(directory), 0);
	store_close(open_store());
	ck_assert_int_eq(stat(directory, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
}
END_TEST

START_TEST(every_kind_of_object_comes_back)
{
	struct store *store;
	struct model *model;

	store_filled();
	store = open_store();
	model = load(store);
	check_filled(model);
	model_free(model);
	store_close(store);
}
END_TEST

START_TEST(what_was_attached_is_known_by_what_it_was_found_by)
{
	struct store *store = open_store();
	struct model *model = load(store), *fork = model_fork(model);
	struct namespace ns = {.name = "box",
	        .origin = ORIGIN_ATTACHED,
	        .cookie = 7,
	        .source = (char *)"/run/a key"};
	struct error err;

	ck_assert_int_eq(model_put_namespace(fork, &ns), 0);
	strcpy(ns.name, "other");
	ns.source = (char *)"12";
	ck_assert_int_eq(model_put_namespace(fork, &ns), 0);
	ck_assert_int_eq(store_commit(store, fork, &err), 0);
	model_free(fork);
	model_free(model);
	model = load(store);
	ck_assert_int_eq(model_namespace(model, "box")->origin, ORIGIN_ATTACHED);
	ck_assert_str_eq(model_namespace(model, "box")->source, "/run/a key");
	ck_assert_str_eq(model_namespace(model, "other")->source, "12");
	model_free(model);
	store_close(store);
}
END_TEST

START_TEST(a_fork_is_saved_as_what_it_touched)
{
	struct store *store;
	struct model *model, *fork;
	struct network changed = a_network("first");
	struct namespace web;

	store_filled();
	store = open_store();
	model = load(store);
	fork = model_fork(model);
	changed.subnet_count = 1;
	changed.mtu = 9000;
	ck_assert_int_eq(model_put_network(fork, &changed), 0);
	web = *model_namespace(fork, "web");
	ck_assert_int_eq(model_remove_endpoint(fork, &web, "second"), 0);
	ck_assert_int_eq(model_remove(fork, TABLE_NETWORKS, "second"), 0);
	ck_assert_int_eq(model_remove(fork, TABLE_NS_LINKS, "0000000000ff"), 0);
	ck_assert_int_eq(model_remove(fork, TABLE_NAMESPACES, "alone"), 0);
	ck_assert_int_eq(model_remove(fork, TABLE_PUBLICATIONS, "00000000000a"), 0);
	ck_assert_int_eq(model_remove(fork, TABLE_TOMBSTONES, "00000000000b"), 0);
	commit(store, fork);
	model_free(fork);
	model_free(model);
	store_close(store);

	store = open_store();
	model = load(store);
	ck_assert_uint_eq(model_count(model, TABLE_NETWORKS), 1);
	ck_assert_mem_eq(model_network(model, "first")->driver, "bridge", 7);
	ck_assert_uint_eq(model_network(model, "first")->mtu, 9000);
	ck_assert_uint_eq(model_network(model, "first")->subnet_count, 1);
	ck_assert_uint_eq(model_count(model, TABLE_NAMESPACES), 1);
	ck_assert_uint_eq(model_namespace(model, "web")->endpoint_count, 1);
	ck_assert_str_eq(model_namespace(model, "web")->endpoints[0].network, "first");
	ck_assert_uint_eq(model_count(model, TABLE_PUBLICATIONS), 0);
	ck_assert_uint_eq(model_count(model, TABLE_TOMBSTONES), 2);
	ck_assert_uint_eq(model_count(model, TABLE_NS_LINKS), 0);
	model_free(model);
	store_close(store);
}
END_TEST

static void run_sql(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(database, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

START_TEST(values_that_cannot_be_are_refused)
{
	static const char *const edits[] = {
	        "UPDATE networks SET name = hex(randomblob(40)) WHERE name = 'first'",
	        "UPDATE networks SET mac = 'none'",
	        "UPDATE subnets SET address = '10.0.0'",
	        "UPDATE subnets SET prefix = 33",
	        "UPDATE namespaces SET origin = 'found'",
	        "UPDATE publications SET host_port = 65536",
	        "UPDATE tombstones SET kind = ''",
	        "INSERT INTO subnets VALUES ('first', 2, '10.9.0.0', 24, '10.9.0.1')",
	        "UPDATE meta SET instance = '0123456789abcdef0123456789abcde.'",
	        "UPDATE networks SET name = '../first' WHERE name = 'first'",
	        "UPDATE networks SET id = '0123456789a/'",
	        "UPDATE networks SET bridge = 'a b'",
	        "UPDATE subnets SET gateway = '10.8.0.1'",
	        "UPDATE namespaces SET name = '../web' WHERE name = 'web'",
	        "UPDATE namespaces SET boot_id = 'a boot'",
	        "UPDATE namespaces SET source = '12' WHERE name = 'web'",
	        "UPDATE namespaces SET origin = 'attached' WHERE name = 'alone'",
	        "UPDATE namespaces SET origin = 'attached', source = '/../x' WHERE name = 'alone'",
	        "UPDATE endpoints SET network = 'third'",
	        "UPDATE endpoints SET ifname = 'eth/0'",
	        "UPDATE endpoints SET host_ifname = ''",
	        "DELETE FROM subnets WHERE network = 'first'",
	        "DELETE FROM endpoint_addresses",
	        "UPDATE publications SET host_port = 0",
	        "UPDATE publications SET host_port_end = 8079",
	        "UPDATE publications SET port = 65530",
	        "UPDATE publications SET host_ip = '**'",
	        "UPDATE publications SET protocol = 1",
	        "UPDATE publications SET namespace = ''",
	        "UPDATE tombstones SET kind = 'link'",
	        "UPDATE tombstones SET namespace = '' WHERE kind = 'link'",
	        "UPDATE tombstones SET peer = '../x'",
	        "UPDATE links SET id = '../x'",
	        "UPDATE links SET peer = 'nobody'",
	        "UPDATE links SET peer = namespace",
	        "UPDATE links SET peer_ifname = 'a/b'",
	        "UPDATE links SET mac = 'none'",
	        "UPDATE link_addresses SET side = 2 WHERE side = 1",
	        "UPDATE link_addresses SET prefix = 129",
	        "UPDATE link_addresses SET prefix = 0",
	        "UPDATE link_addresses SET address = '10.0.0'",
	        "UPDATE settings SET value = '67' WHERE object = 'link' AND name = 'mtu'",
	        "UPDATE tombstones SET ip = NULL WHERE kind = 'flows'",
	        "UPDATE tombstones SET name = '../gone' WHERE kind = 'netns'",
	};

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct store *store;
		struct model *model;
		struct error err = {0};

		store_filled();
		run_sql(edits[i]);
		store = open_store();
		model = model_new();
		ck_assert_msg(store_load(store, model, &err) < 0, "%s", edits[i]);
		ck_assert_msg(strstr(err.text, "is damaged") != NULL, "%s", err.text);
		model_free(model);
		store_close(store);
		empty_directory();
	}
}
END_TEST

START_TEST(a_second_netd_is_refused)
{
	struct store *store = open_store();
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct store *second = NULL;
		struct error err = {0};

		_exit(store_open(&second, directory, directory, &err) < 0 && !second &&
		                        strstr(err.text, "is locked by process")
		                ? 0
		                : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	store_close(store);
	store_close(open_store());
}
END_TEST

int main(void)
{
	TCase *tests = store_case();

	tcase_add_test(tests, a_new_database_has_an_instance_and_nothing_else);
	tcase_add_test(tests, a_missing_state_directory_is_made_private);
	tcase_add_test(tests, every_kind_of_object_comes_back);
	tcase_add_test(tests, what_was_attached_is_known_by_what_it_was_found_by);
	tcase_add_test(tests, a_fork_is_saved_as_what_it_touched);
	tcase_add_test(tests, values_that_cannot_be_are_refused);
	tcase_add_test(tests, a_second_netd_is_refused);
	return SUITE_CASES(tests);
}
