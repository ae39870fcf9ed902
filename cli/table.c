/*
 * Lays answers out for people. A cell is made once, then measured and printed; programs get the
 * same objects as JSON instead. Nothing is aligned by tabs, and nothing is cut unless a terminal is
 * too narrow: then the widest column gives way first, and "..." shows it.
 */
#include "cli/table.h"

#include "cli/output.h"
#include "lib/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define GAP      2
#define CELL_MIN 8 /* no column is cut to less */

struct table {
	size_t n_columns;
	size_t n_lines; /* with the headers */
	char **cells;   /* n_lines * n_columns, owned */
	size_t *widths; /* owned */
};

static void table_done(struct table *table)
{
	for (size_t i = 0; table->cells && i < table->n_lines * table->n_columns; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->widths);
}

static int put_value(FILE *out, const json_t *value)
{
	const json_t *element;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return fputs(json_string_value(value), out);
	case JSON_INTEGER:
		return fprintf(out, "%lld", (long long)json_integer_value(value));
	case JSON_REAL:
		return fprintf(out, "%g", json_real_value(value));
	case JSON_TRUE:
		return fputs("yes", out);
	case JSON_FALSE:
		return fputs("no", out);
	case JSON_NULL:
		return fputs("-", out);
	case JSON_OBJECT:
		return fputs("{...}", out);
	case JSON_ARRAY:
		break;
	}
	json_array_foreach (value, i, element) {
		if (i > 0)
			fputs(", ", out);
		if (!json_is_array(element))
			put_value(out, element);
	}
	return json_array_size(value) ? 0 : fputs("-", out);
}

char *cell_value(const json_t *value)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (!value)
		return strdup("-");
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	put_value(out, value);
	if (fclose(out) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

static bool is_set(const json_t *value)
{
	const char *text = json_string_value(value);

	return json_is_true(value) || (text && *text) || json_integer_value(value) != 0;
}

static void put_setting(FILE *out, const struct option_spec *spec, const json_t *value)
{
	fprintf(out, "%s%s", ftell(out) > 0 ? ", " : "", spec->name + 2);
	if (json_is_true(value))
		return;
	fputc(' ', out);
	put_value(out, value);
}

char *cell_settings(const json_t *object, const enum option_id *keys)
{
	char *text = NULL, field[OPTION_FIELD_SIZE];
	const json_t *item;
	size_t i, size = 0;
	FILE *out = open_memstream(&text, &size);

	for (; out && *keys; keys++) {
		const struct option_spec *spec = &option_specs[*keys];
		const json_t *value = json_object_get(object, option_field(spec, field));

		if (json_is_array(value))
			json_array_foreach (value, i, item)
				put_setting(out, spec, item);
		else if (is_set(value))
			put_setting(out, spec, value);
	}
	if (out && fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static char *make_cell(const struct column *column, const json_t *object)
{
	if (column->cell)
		return column->cell(object);
	return cell_value(json_object_get(object, column->field));
}

static size_t count_columns(const struct column *columns)
{
	size_t n = 0;

	while (columns[n].header)
		n++;
	return n;
}

static int fill(struct table *table, const struct column *columns, const json_t *objects)
{
	table->n_columns = count_columns(columns);
	table->n_lines = json_array_size(objects) + 1;
	table->cells = calloc(table->n_lines * table->n_columns, sizeof(table->cells[0]));
	table->widths = calloc(table->n_columns, sizeof(table->widths[0]));
	if (!table->cells || !table->widths)
		return -ENOMEM;
	for (size_t line = 0; line < table->n_lines; line++) {
		for (size_t i = 0; i < table->n_columns; i++) {
			char **cell = &table->cells[line * table->n_columns + i];
			size_t width;

			*cell = line == 0
			                ? strdup(columns[i].header)
			                : make_cell(&columns[i], json_array_get(objects, line - 1));
			if (!*cell)
				return -ENOMEM;
			width = strlen(*cell);
			if (width > table->widths[i])
				table->widths[i] = width;
		}
	}
	return 0;
}

/* Takes columns off the widest one until the lines fit, or nothing more can be cut. */
static void shrink(struct table *table, size_t width)
{
	size_t total = GAP * (table->n_columns - 1);

	for (size_t i = 0; i < table->n_columns; i++)
		total += table->widths[i];
	for (; total > width; total--) {
		size_t widest = 0;

		for (size_t i = 1; i < table->n_columns; i++)
			if (table->widths[i] > table->widths[widest])
				widest = i;
		if (table->widths[widest] <= CELL_MIN)
			return;
		table->widths[widest]--;
	}
}

static void print_line(const struct table *table, char **cells, char *line)
{
	char *end = line;

	for (size_t i = 0; i < table->n_columns; i++) {
		size_t width = table->widths[i], length = strlen(cells[i]);
		bool cut = length > width;

		memcpy(end, cells[i], cut ? width - 3 : length);
		memcpy(end + (cut ? width - 3 : length), "...", cut ? 3 : 0);
		length = cut ? width : length;
		memset(end + length, ' ', width - length + GAP);
		end += width + GAP;
	}
	while (end > line && end[-1] == ' ')
		end--;
	*end = '\0';
	output_line("%s", line);
}

void table_print(const struct column *columns, const json_t *objects, size_t width)
{
	_cleanup_(table_done) struct table table = {0};
	_cleanup_(freep) char *line = NULL;
	size_t longest = 1;

	if (fill(&table, columns, objects) == 0) {
		if (width)
			shrink(&table, width);
		for (size_t i = 0; i < table.n_columns; i++)
			longest += table.widths[i] + GAP;
		line = malloc(longest);
	}
	if (!line) {
		output_memory();
		return;
	}
	for (size_t i = 0; i < table.n_lines; i++)
		print_line(&table, table.cells + i * table.n_columns, line);
}

static void record_cell(const char *header, int header_width, char *cell)
{
	char *rest = cell, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (*line || line == cell)
			output_line("%-*s  %s", header_width, header, *line ? line : "-");
		header = "";
	}
}

/* The columns of a record, with each setting as one of them. */
struct rows {
	struct column *columns; /* owned, ends with header NULL */
	struct names {
		char header[OPTION_FIELD_SIZE], field[OPTION_FIELD_SIZE];
	} * names; /* owned: what the columns of settings point to */
};

static void rows_done(struct rows *rows)
{
	free(rows->columns);
	free(rows->names);
}

static size_t count_settings(const enum option_id *settings)
{
	size_t n = 0;

	while (settings && settings[n])
		n++;
	return n;
}

/* "--ip-range" is under IP RANGE. */
static struct column setting_column(enum option_id id, struct names *names)
{
	const char *from = option_specs[id].name + 2;
	size_t n = 0;

	for (; from[n] && n < sizeof(names->header) - 1; n++)
		names->header[n] = from[n] == '-' ? ' ' : (char)toupper((unsigned char)from[n]);
	names->header[n] = '\0';
	option_field(&option_specs[id], names->field);
	return (struct column){names->header, names->field};
}

static int expand(const struct column *columns, struct rows *rows)
{
	size_t n = count_columns(columns), named = 0;

	for (const struct column *column = columns; column->header; column++)
		named += count_settings(column->settings);
	rows->columns = calloc(n + named + 1, sizeof(rows->columns[0]));
	rows->names = calloc(named + 1, sizeof(rows->names[0]));
	if (!rows->columns || !rows->names)
		return -ENOMEM;
	for (n = named = 0; columns->header; columns++) {
		size_t settings = count_settings(columns->settings);

		for (size_t i = 0; i < settings; i++)
			rows->columns[n++] =
			        setting_column(columns->settings[i], &rows->names[named++]);
		if (!columns->settings)
			rows->columns[n++] = *columns;
	}
	return 0;
}

void record_print(const struct column *columns, const json_t *objects)
{
	_cleanup_(rows_done) struct rows rows = {0};
	int header_width = 0;
	const json_t *object;
	size_t at;

	if (expand(columns, &rows) < 0) {
		output_memory();
		return;
	}
	for (const struct column *column = rows.columns; column->header; column++)
		if ((int)strlen(column->header) > header_width)
			header_width = (int)strlen(column->header);
	json_array_foreach (objects, at, object) {
		if (at > 0)
			output_line("%s", "");
		for (const struct column *column = rows.columns; column->header; column++) {
			_cleanup_(freep) char *cell = make_cell(column, object);

			if (cell)
				record_cell(column->header, header_width, cell);
			else
				output_memory();
		}
	}
}
