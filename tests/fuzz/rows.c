/*
 * A database. Bytes that begin as SQLite's files do are the file itself. All others are the rows of
 * one whose schema is netd's, and whose values are anything: one row in each line, the table's name
 * and the columns, with tabs in between; `~` is NULL.
 *
 * It is refused with a sentence, or it is a model that renders; then what is saved is loaded again,
 * and renders the same.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"

#include "daemon/render/render.h"
#include "daemon/store/internal.h"
#include "lib/cleanup.h"

#include <string.h>
#include <sys/stat.h>

#define COLUMNS_MAX 12

#define MAGIC "SQLite format 3"

static char directory[64], path[80];
static uint8_t *fresh; /* a database as netd makes it */
static size_t fresh_size;

static void remove_files(void)
{
	static const char *const suffixes[] = {"", "-wal", "-journal", "-shm"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

static void remove_directory(void)
{
	remove_files();
	rmdir(directory);
	free(fresh);
}

static void write_database(const uint8_t *bytes, size_t size)
{
	_cleanup_(fclosep) FILE *file = NULL;

	remove_files();
	file = fopen(path, "we");
	REQUIRE(file && fwrite(bytes, 1, size, file) == size, "%s", path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	_cleanup_(fclosep) FILE *file = NULL;
	struct store *store;
	struct error err;
	struct stat status;

	strcpy(directory, "/dev/shm/fuzz-rows-XXXXXX");
	REQUIRE(mkdtemp(directory), "%s", directory);
	snprintf(path, sizeof(path), "%s/netd.db", directory);
	atexit(remove_directory);
	REQUIRE(store_open(&store, directory, directory, &err) == 0, "%s", err.text);
	store_close(store);
	file = fopen(path, "re");
	REQUIRE(file && fstat(fileno(file), &status) == 0, "%s", path);
	fresh_size = (size_t)status.st_size;
	fresh = malloc(fresh_size);
	REQUIRE(fresh && fread(fresh, 1, fresh_size, file) == fresh_size, "%s", path);
	return 0;
}

static struct store *open_store(struct error *err)
{
	struct store *store = NULL;
	int r = store_open(&store, directory, directory, err);

	if (r < 0)
		holds_error(err);
	REQUIRE((r == 0) == (store != NULL), "%d", r);
	return store;
}

/* --- putting rows in --- */

static void bind_value(sqlite3_stmt *statement, int column, const char *value)
{
	char *end;
	long long number = strtoll(value, &end, 10);

	if (strcmp(value, "~") == 0)
		sqlite3_bind_null(statement, column);
	else if (*value && !*end)
		sqlite3_bind_int64(statement, column, number);
	else
		sqlite3_bind_text(statement, column, value, -1, SQLITE_TRANSIENT);
}

/* What the schema refuses is left out. */
static void insert(sqlite3 *db, char *line)
{
	static const struct {
		const char *name, *sql;
	} tables[] = {
	        {"meta", "UPDATE meta SET instance = ?, next_id = ?, boot_id = ?"},
	        {"networks", "INSERT INTO networks VALUES (?, ?, ?, ?, ?, ?)"},
	        {"subnets", "INSERT INTO subnets VALUES (?, ?, ?, ?, ?)"},
	        {"namespaces",
	                "INSERT INTO namespaces (name, origin, cookie, boot_id, own_route, source)"
	                " VALUES (?, ?, ?, ?, ?, coalesce(?, ''))"},
	        {"endpoints", "INSERT INTO endpoints VALUES (?, ?, ?, ?, ?, ?, ?)"},
	        {"addresses",
	                "INSERT INTO endpoint_addresses (namespace, endpoint, position, address,"
	                " prefix, fixed) VALUES (?, ?, ?, ?, ?, coalesce(?, 0))"},
	        {"publications", "INSERT INTO publications VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
	        {"tombstones", "INSERT INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
	                       " coalesce(?, 0), coalesce(?, 0), coalesce(?, ''))"},
	        {"settings", "INSERT INTO settings VALUES (?, ?, ?, ?, ?)"},
	        {"leases", "INSERT INTO leases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
	        {"links", "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?, ?)"},
	        {"link_addresses", "INSERT INTO link_addresses VALUES (?, ?, ?, ?, ?)"},
	};
	const char *table = strsep(&line, "\t"), *value;
	sqlite3_stmt *statement = NULL;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		if (strcmp(table, tables[i].name) == 0)
			REQUIRE(sqlite3_prepare_v2(db, tables[i].sql, -1, &statement, NULL) ==
			                SQLITE_OK,
			        "%s: %s", table, sqlite3_errmsg(db));
	if (!statement)
		return;
	for (int column = 1; column <= COLUMNS_MAX && (value = strsep(&line, "\t")); column++)
		bind_value(statement, column, value);
	sqlite3_step(statement);
	sqlite3_finalize(statement);
}

static void fill(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *text = strndup((const char *)data, size);
	char *rest = text, *line;
	sqlite3 *db;

	REQUIRE(text && sqlite3_open(path, &db) == SQLITE_OK, "memory");
	sqlite3_exec(db, "PRAGMA synchronous=OFF; BEGIN", NULL, NULL, NULL);
	while ((line = strsep(&rest, "\n")))
		insert(db, line);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
}

/* --- and what comes out of it --- */

/* The model as a fork of nothing, so that all of it is saved. */
static struct model *load(struct store *store, struct model *empty, struct error *err)
{
	struct model *model = model_fork(empty);

	REQUIRE(model, "memory");
	if (store_load(store, model, err) == 0)
		return model;
	holds_error(err);
	return model_free(model);
}

static void hold_equal(const struct model *a, const struct model *b)
{
	_cleanup_(resources_done) struct resources first = {0}, second = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	struct error err = {0};

	REQUIRE(render_all(a, &first, &err) == 0 && render_all(b, &second, &err) == 0, "%s",
	        err.text);
	resources_sort(&first);
	resources_sort(&second);
	REQUIRE(plan_difference(&first, &second, &plan, &err) == 0, "%s", err.text);
	REQUIRE(plan.reversible.count == 0 && plan.final.count == 0,
	        "what was saved is another model");
	for (int table = 0; table < TABLE_COUNT; table++)
		REQUIRE(model_count(a, (enum model_table)table) ==
		                model_count(b, (enum model_table)table),
		        "table %d", table);
}

static void save_and_compare(struct model *empty, const struct model *model)
{
	struct error err = {0};
	struct store *store;
	struct model *again;
	char meta[64];

	write_database(fresh, fresh_size);
	snprintf(meta, sizeof(meta), "meta\t%s\t1\t", model_host(model)->instance);
	fill((const uint8_t *)meta, strlen(meta));
	store = open_store(&err);
	REQUIRE(store && store_commit(store, model, &err) == 0, "%s", err.text);
	again = load(store, empty, &err);
	REQUIRE(again, "%s", err.text);
	hold_equal(model, again);
	model_free(again);
	store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model *empty = model_new(), *model = NULL;
	struct error err = {0};
	struct store *store;

	REQUIRE(empty, "memory");
	if (size >= sizeof(MAGIC) && memcmp(data, MAGIC, sizeof(MAGIC)) == 0) {
		write_database(data, size);
	} else {
		write_database(fresh, fresh_size);
		fill(data, size);
	}
	store = open_store(&err);
	if (store)
		model = load(store, empty, &err);
	store_close(store);
	if (model) {
		holds_model(model);
		holds_change(model, empty);
		save_and_compare(empty, model);
	}
	model_free(model);
	model_free(empty);
	return 0;
}
