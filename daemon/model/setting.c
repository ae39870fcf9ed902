/*
 * What is done with a row of the tables of settings. A value is checked where it comes in, be it
 * from a client or from the database; whoever reads it later may trust it.
 */
#include "daemon/model/setting.h"

#include "daemon/model/model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct setting *setting_find(const struct settings *settings, const char *name)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (strcmp(settings->rows[i].name, name) == 0)
			return &settings->rows[i];
	return NULL;
}

const struct fixed *setting_fixed(const struct settings *settings, const char *field)
{
	for (const struct fixed *fixed = settings->fixed; fixed && fixed->field; fixed++)
		if (strcmp(fixed->field, field) == 0)
			return fixed;
	return NULL;
}

int setting_refuse(const struct fixed *fixed, const char *what, struct error *err)
{
	error_field(
	        err, fixed->field, "%s: %s cannot be changed: %s", what, fixed->field, fixed->why);
	err->code = ERROR_REFUSED;
	return -EINVAL;
}

uint64_t setting_bit(const struct settings *settings, const struct setting *setting)
{
	return UINT64_C(1) << (setting - settings->rows);
}

static void *value(const struct setting *setting, void *object)
{
	return (char *)object + setting->offset;
}

static const void *value_of(const struct setting *setting, const void *object)
{
	return (const char *)object + setting->offset;
}

static size_t value_size(const struct setting *setting)
{
	switch (setting->type) {
	case SETTING_SWITCH:
		return sizeof(bool);
	case SETTING_NUMBER:
	case SETTING_RATE:
		return sizeof(int64_t);
	case SETTING_WORD:
		return sizeof(unsigned);
	case SETTING_IP:
		return sizeof(struct ip);
	case SETTING_NAME:
		return NAME_SIZE;
	case SETTING_IFNAME:
		return IFNAMSIZ;
	case SETTING_LIST:
		return sizeof(char *);
	}
	return 0;
}

static char *list_of(const struct setting *setting, const void *object)
{
	char *list;

	memcpy(&list, value_of(setting, object), sizeof(list));
	return list;
}

/* --- reading --- */

static int read_switch(
        const struct setting *setting, const char *text, bool *ret, struct error *err)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return error_field(err, setting->name, "%s: write yes or no", setting->name);
	*ret = strcmp(text, "yes") == 0;
	return 0;
}

static int read_number(
        const struct setting *setting, const char *text, int64_t *ret, struct error *err)
{
	bool negative = text[0] == '-';
	const char *digits = text + negative;
	size_t length = strlen(digits);
	int64_t number = 0;

	if (length >= 1 && length <= 18 && strspn(digits, "0123456789") == length)
		number = strtoll(text, NULL, 10);
	else
		length = 0;
	if (length == 0 || number < setting->min || number > setting->max)
		return error_field(err, setting->name,
		        "%s must be a whole number from %" PRId64 " to %" PRId64, setting->name,
		        setting->min, setting->max);
	*ret = number;
	return 0;
}

static int read_word(
        const struct setting *setting, const char *text, unsigned *ret, struct error *err)
{
	char all[256] = "";
	size_t used = 0;

	for (unsigned i = 0; setting->words[i]; i++) {
		if (strcmp(setting->words[i], text) == 0) {
			*ret = i;
			return 0;
		}
		used += (size_t)snprintf(
		        all + used, sizeof(all) - used, "%s%s", i ? ", " : "", setting->words[i]);
	}
	return error_field(err, setting->name, "%s must be one of: %s", setting->name, all);
}

/* Whether the two are one item: by what stands before '=', where that is a key. */
static bool is_same(const struct setting *setting, const char *a, const char *b)
{
	size_t length = strcspn(a, "=");

	return setting->keyed ? strcspn(b, "=") == length && memcmp(a, b, length) == 0
	                      : strcmp(a, b) == 0;
}

static bool has_item(const struct setting *setting, const char *list, const char *item)
{
	char line[SETTING_ITEM_MAX];

	while (setting_next_item(&list, line))
		if (is_same(setting, line, item))
			return true;
	return false;
}

static unsigned count_items(const char *list)
{
	unsigned n = 0;

	for (; list && *list; list++)
		n += *list == '\n';
	return n;
}

static int read_item(
        const struct setting *setting, const char *text, void *object, struct error *err)
{
	char *list = list_of(setting, object), *longer, item[SETTING_ITEM_MAX];

	if (strlen(text) >= SETTING_ITEM_MAX || strpbrk(text, "\n\t"))
		return error_field(err, setting->name,
		        "%s: an item has at most %d characters and no line breaks", setting->name,
		        SETTING_ITEM_MAX - 1);
	if (setting->check(text, setting->name, err) < 0)
		return -EINVAL;
	snprintf(item, sizeof(item), "%s", text);
	if (setting->write)
		setting->write(item);
	if (has_item(setting, list, item))
		return error_field(err, setting->name, "%s: '%.*s' is given twice", setting->name,
		        setting->keyed ? (int)strcspn(text, "=") : (int)strlen(text), text);
	if (count_items(list) == SETTING_ITEMS)
		return error_field(
		        err, setting->name, "%s: at most %d items", setting->name, SETTING_ITEMS);
	if (asprintf(&longer, "%s%s\n", list ? list : "", item) < 0)
		return error_memory(err);
	free(list);
	memcpy(value(setting, object), &longer, sizeof(longer));
	return 0;
}

int setting_read(const struct setting *setting, const char *text, void *object, struct error *err)
{
	void *ret = value(setting, object);

	switch (setting->type) {
	case SETTING_SWITCH:
		return read_switch(setting, text, ret, err);
	case SETTING_NUMBER:
		return read_number(setting, text, ret, err);
	case SETTING_WORD:
		return read_word(setting, text, ret, err);
	case SETTING_RATE:
		return parse_rate(text, setting->name, ret, err);
	case SETTING_IP:
		if (setting->check && setting->check(text, setting->name, err) < 0)
			return -EINVAL;
		return parse_ip(text, setting->name, ret, err);
	case SETTING_NAME:
		return parse_name(text, setting->name, ret, err);
	case SETTING_IFNAME:
		return parse_ifname(text, setting->name, ret, err);
	case SETTING_LIST:
		return read_item(setting, text, object, err);
	}
	return error_set(err, ERROR_INVALID, 0, "%s: no such type", setting->name);
}

bool setting_next_item(const char **rest, char ret[SETTING_ITEM_MAX])
{
	size_t length = *rest ? strcspn(*rest, "\n") : 0;

	if (length == 0 || length >= SETTING_ITEM_MAX)
		return false;
	memcpy(ret, *rest, length);
	ret[length] = '\0';
	*rest += length + ((*rest)[length] == '\n');
	return true;
}

/* --- what is there --- */

char *setting_text(const struct setting *setting, const void *object)
{
	const void *from = value_of(setting, object);
	char *list = NULL, *text = NULL, address[IP_TEXT_SIZE], rate[RATE_TEXT_SIZE];

	switch (setting->type) {
	case SETTING_SWITCH:
		return strdup(*(const bool *)from ? "yes" : "no");
	case SETTING_NUMBER:
		return asprintf(&text, "%" PRId64, *(const int64_t *)from) < 0 ? NULL : text;
	case SETTING_WORD:
		return strdup(setting->words[*(const unsigned *)from]);
	case SETTING_RATE:
		return strdup(
		        *(const int64_t *)from ? rate_format(*(const int64_t *)from, rate) : "");
	case SETTING_IP:
		return strdup(((const struct ip *)from)->family ? ip_format(from, address) : "");
	case SETTING_NAME:
	case SETTING_IFNAME:
		return strdup(from);
	case SETTING_LIST:
		list = list_of(setting, object);
		return strdup(list ? list : "");
	}
	return NULL;
}

bool setting_equal(const struct setting *setting, const void *a, const void *b)
{
	const char *one, *other;

	switch (setting->type) {
	case SETTING_IP:
		return ip_equal(value_of(setting, a), value_of(setting, b));
	case SETTING_NAME:
	case SETTING_IFNAME:
		return strcmp(value_of(setting, a), value_of(setting, b)) == 0;
	case SETTING_LIST:
		one = list_of(setting, a);
		other = list_of(setting, b);
		return strcmp(one ? one : "", other ? other : "") == 0;
	case SETTING_SWITCH:
	case SETTING_NUMBER:
	case SETTING_WORD:
	case SETTING_RATE:
		break;
	}
	return memcmp(value_of(setting, a), value_of(setting, b), value_size(setting)) == 0;
}

bool setting_default(const struct setting *setting, const void *object)
{
	switch (setting->type) {
	case SETTING_SWITCH:
		return !*(const bool *)value_of(setting, object);
	case SETTING_NUMBER:
	case SETTING_RATE:
		return *(const int64_t *)value_of(setting, object) == setting->otherwise;
	case SETTING_WORD:
		return *(const unsigned *)value_of(setting, object) == (unsigned)setting->otherwise;
	case SETTING_IP:
		return ((const struct ip *)value_of(setting, object))->family == 0;
	case SETTING_NAME:
	case SETTING_IFNAME:
		return *(const char *)value_of(setting, object) == '\0';
	case SETTING_LIST:
		return list_of(setting, object) == NULL;
	}
	return true;
}

/* --- changing --- */

/* As if nothing were there yet: a list is forgotten, not freed. */
static void start(const struct setting *setting, void *object)
{
	unsigned word = (unsigned)setting->otherwise;

	memset(value(setting, object), 0, value_size(setting));
	if (setting->type == SETTING_NUMBER)
		memcpy(value(setting, object), &setting->otherwise, sizeof(setting->otherwise));
	if (setting->type == SETTING_WORD)
		memcpy(value(setting, object), &word, sizeof(word));
}

void setting_reset(const struct setting *setting, void *object)
{
	if (setting->type == SETTING_LIST)
		free(list_of(setting, object));
	start(setting, object);
}

int setting_copy(const struct setting *setting, const void *from, void *to)
{
	char *list = setting->type == SETTING_LIST ? list_of(setting, from) : NULL;
	char *copy = list ? strdup(list) : NULL;

	if (list && !copy)
		return -ENOMEM;
	setting_reset(setting, to);
	if (setting->type == SETTING_LIST)
		memcpy(value(setting, to), &copy, sizeof(copy));
	else
		memcpy(value(setting, to), value_of(setting, from), value_size(setting));
	return 0;
}

const char *settings_differ(const struct settings *settings, const void *a, const void *b)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (!setting_equal(&settings->rows[i], a, b))
			return settings->rows[i].name;
	return NULL;
}

void settings_start(const struct settings *settings, void *object)
{
	for (unsigned i = 0; i < settings->count; i++)
		start(&settings->rows[i], object);
}

void settings_forget(const struct settings *settings, void *object)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (settings->rows[i].type == SETTING_LIST)
			start(&settings->rows[i], object);
}

int settings_copy(const struct settings *settings, uint64_t given, const void *from, void *to)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < settings->count; i++)
		if (given & UINT64_C(1) << i)
			r = setting_copy(&settings->rows[i], from, to);
	return r;
}

int settings_own(const struct settings *settings, void *object)
{
	bool failed = false;

	for (unsigned i = 0; i < settings->count; i++) {
		const struct setting *setting = &settings->rows[i];
		char *list = setting->type == SETTING_LIST ? list_of(setting, object) : NULL;
		char *copy = list && !failed ? strdup(list) : NULL;

		failed = failed || (list && !copy);
		if (setting->type == SETTING_LIST)
			memcpy(value(setting, object), &copy, sizeof(copy));
	}
	if (!failed)
		return 0;
	settings_free(settings, object);
	return -ENOMEM;
}

void settings_free(const struct settings *settings, void *object)
{
	for (unsigned i = 0; i < settings->count; i++)
		if (settings->rows[i].type == SETTING_LIST)
			setting_reset(&settings->rows[i], object);
}
