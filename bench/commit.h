/* One durable transaction, as SQLite makes it: the part of a change that no kernel message can
 * avoid. */
#pragma once

#define COMMIT_PAGES_MAX 8

struct sqlite3;

/* A database in `directory`, opened as netd opens its own (WAL, FULL, EXCLUSIVE). Ends the program
 * on failure, as everything here does. */
struct sqlite3 *commit_open(const char *directory);
/* Writes one row of about a hundred bytes to each of so many tables, and so as many pages of the
 * log, and commits. */
void commit_run(struct sqlite3 *db, unsigned pages);
