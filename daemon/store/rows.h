/* Reading rows, column by column, each with the check that its kind needs. What is refused says
 * where it stands. */
#pragma once

#include "daemon/store/internal.h"

/* One statement being read, column by column. The first error stays. */
struct rows {
	struct store *store;
	struct error *err;
	sqlite3_stmt *statement;
	const char *table;
	int column;
	int result;
};

struct rows rows_start(
        struct store *store, enum statement id, const char *table, struct error *err);
bool rows_next(struct rows *rows);
/* Gives the statement back. Returns the first error. */
int rows_end(struct rows *rows);
void rows_damaged(struct rows *rows, const char *what);
void rows_text(struct rows *rows, char *ret, size_t size);
/* A name as parse_name() takes it; "" only where it may be missing. */
void rows_name(struct rows *rows, bool optional, char ret[NAME_SIZE]);
void rows_ifname(struct rows *rows, char ret[IFNAMSIZ]);
/* `length` hex digits, as in an id, or dashes, as in a boot's. */
void rows_digits(struct rows *rows, size_t length, char *ret);
/* "" where no boot is meant. */
void rows_boot(struct rows *rows, char ret[BOOT_ID_SIZE]);
/* What was attached was found by a process or a path, and nothing else was. */
void rows_source(struct rows *rows, enum namespace_origin origin, char ret[SOURCE_SIZE]);
uint64_t rows_number(struct rows *rows, uint64_t max);
/* NULL leaves *ret as it is: no address. */
void rows_ip(struct rows *rows, struct ip *ret);
/* The host's address of a publication; "*": every one. */
void rows_host(struct rows *rows, struct ip *ret);
void rows_cidr(struct rows *rows, struct cidr *ret);
uint16_t rows_port(struct rows *rows);
/* 0: every one, where that may be meant. */
uint8_t rows_protocol(struct rows *rows, bool optional);
void rows_mac(struct rows *rows, uint8_t ret[MAC_SIZE]);
unsigned rows_word(struct rows *rows, const struct words *words);
/* The parent's key, for the statement of its children. */
void rows_of(struct rows *rows, int position, const char *parent);
