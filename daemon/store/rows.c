/*
 * The columns of a row, one after the other. Every value passes the parser that it passed on its
 * way in. The first error stays, and what comes behind it is read without effect.
 */
#include "daemon/store/rows.h"

#include "lib/parse.h"

#include <errno.h>
#include <string.h>

struct rows rows_start(struct store *store, enum statement id, const char *table, struct error *err)
{
	struct rows rows = {.store = store, .err = err, .table = table};

	rows.statement = store_statement(store, id, err);
	if (!rows.statement)
		rows.result = -EIO;
	return rows;
}

bool rows_next(struct rows *rows)
{
	int r;

	if (rows->result < 0)
		return false;
	r = sqlite3_step(rows->statement);
	rows->column = 0;
	if (r != SQLITE_ROW && r != SQLITE_DONE)
		rows->result = store_error(rows->store, "read", rows->err);
	return r == SQLITE_ROW;
}

int rows_end(struct rows *rows)
{
	if (rows->statement)
		sqlite3_reset(rows->statement);
	return rows->result;
}

void rows_damaged(struct rows *rows, const char *what)
{
	if (rows->result == 0)
		rows->result = store_damaged(rows->store, rows->err, "table %s, column %s: %s",
		        rows->table, sqlite3_column_name(rows->statement, rows->column - 1), what);
}

void rows_text(struct rows *rows, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);

	if (!text || strlen(text) >= size)
		rows_damaged(rows, text ? "the text is too long" : "there is no text");
	else
		memcpy(ret, text, strlen(text) + 1);
}

void rows_name(struct rows *rows, bool optional, char ret[NAME_SIZE])
{
	struct error ignored;

	rows_text(rows, ret, NAME_SIZE);
	if (!(optional && !ret[0]) && parse_name(ret, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no name");
}

void rows_ifname(struct rows *rows, char ret[IFNAMSIZ])
{
	struct error ignored;

	rows_text(rows, ret, IFNAMSIZ);
	if (parse_ifname(ret, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no name of an interface");
}

void rows_digits(struct rows *rows, size_t length, char *ret)
{
	rows_text(rows, ret, length + 1);
	if (strlen(ret) != length || strspn(ret, "0123456789abcdef-") != length)
		rows_damaged(rows, "it is no id");
}

void rows_boot(struct rows *rows, char ret[BOOT_ID_SIZE])
{
	rows_text(rows, ret, BOOT_ID_SIZE);
	if (strspn(ret, "0123456789abcdef-") != strlen(ret))
		rows_damaged(rows, "it is no id of a boot");
}

void rows_source(struct rows *rows, enum namespace_origin origin, char ret[SOURCE_SIZE])
{
	struct error ignored;

	rows_text(rows, ret, SOURCE_SIZE);
	if ((origin == ORIGIN_ATTACHED) != (ret[0] != '\0') ||
	        (strspn(ret, "0123456789") != strlen(ret) &&
	                parse_source_path(ret, "", ret, &ignored) < 0))
		rows_damaged(rows, "it is neither a process nor a path");
}

uint64_t rows_number(struct rows *rows, uint64_t max)
{
	uint64_t number = (uint64_t)sqlite3_column_int64(rows->statement, rows->column++);

	if (number > max)
		rows_damaged(rows, "the number is too large");
	return number;
}

void rows_ip(struct rows *rows, struct ip *ret)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);
	struct error ignored;

	if (text && parse_ip(text, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no IP address");
}

void rows_host(struct rows *rows, struct ip *ret)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column);

	if (text && strcmp(text, "*") == 0)
		rows->column++;
	else
		rows_ip(rows, ret);
}

void rows_cidr(struct rows *rows, struct cidr *ret)
{
	rows_ip(rows, &ret->ip);
	ret->prefix = (uint8_t)rows_number(rows, ip_size(ret->ip.family) * 8);
}

uint16_t rows_port(struct rows *rows)
{
	uint16_t port = (uint16_t)rows_number(rows, UINT16_MAX);

	if (port == 0)
		rows_damaged(rows, "it is no port");
	return port;
}

uint8_t rows_protocol(struct rows *rows, bool optional)
{
	uint8_t protocol = (uint8_t)rows_number(rows, UINT8_MAX);

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP &&
	        !(optional && protocol == 0))
		rows_damaged(rows, "it is no protocol");
	return protocol;
}

void rows_mac(struct rows *rows, uint8_t ret[MAC_SIZE])
{
	char text[MAC_TEXT_SIZE] = "";
	struct error ignored;

	rows_text(rows, text, sizeof(text));
	if (parse_mac(text, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no MAC address");
}

unsigned rows_word(struct rows *rows, const struct words *words)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);

	for (unsigned i = 0; text && i < words->count; i++)
		if (strcmp(words->words[i], text) == 0)
			return i;
	rows_damaged(rows, "it is no word that netd knows");
	return 0;
}

void rows_of(struct rows *rows, int position, const char *parent)
{
	if (rows->result == 0 && sqlite3_bind_text(rows->statement, position, parent, -1,
	                                 SQLITE_TRANSIENT) != SQLITE_OK)
		rows->result = store_error(rows->store, "bind", rows->err);
}
