/* What the parsers of several nouns share when they read a body: all text goes through lib/parse.h.
 */
#include "daemon/api/internal.h"

#include "lib/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int field_required(const char *text, const char *field, struct error *err)
{
	return text ? 0 : error_field(err, field, "%s is missing", field);
}

int field_name(const char *text, const char *field, char ret[NAME_SIZE], struct error *err)
{
	int r = field_required(text, field, err);

	return r < 0 ? r : parse_name(text, field, ret, err);
}

int field_id(
        const char *text, const char *noun, const char *list, char ret[ID_SIZE], struct error *err)
{
	if (strlen(text) != ID_SIZE - 1 || strspn(text, "0123456789abcdef") != ID_SIZE - 1)
		return error_field(err, "id",
		        "id: a %s's id is %d hex digits (netd-ctl %s --json lists them)", noun,
		        ID_SIZE - 1, list);
	memcpy(ret, text, ID_SIZE);
	return 0;
}

int field_ip(const char *text, const char *field, struct ip *ret, struct error *err)
{
	struct ip ip;
	int r;

	if (!text)
		return 0;
	r = parse_ip(text, field, &ip, err);
	if (r < 0)
		return r;
	if (ip.family != AF_INET)
		return error_field(err, field,
		        "%s: %s is an IPv6 address, and this version takes IPv4 only", field, text);
	*ret = ip;
	return 0;
}

int field_list(const json_t *list, const char *field, const struct setting *setting, void *object,
        struct error *err)
{
	const json_t *item;
	char place[ERROR_FIELD_SIZE];
	size_t i;
	int r = 0;

	json_array_foreach (list, i, item) {
		snprintf(place, sizeof(place), "%s[%zu]", field, i);
		if (!json_is_string(item))
			return error_field(err, place, "%s must be a string", place);
		r = setting_read(setting, json_string_value(item), object, err);
		if (r < 0)
			break;
	}
	return r;
}

/* The field is there. Its type is checked by the reader, its content by the setting. */
static int read_setting(
        struct json_reader *reader, const struct setting *setting, void *object, struct error *err)
{
	char number[32];
	const char *text = NULL;
	const json_t *list = NULL;

	setting_reset(setting, object);
	switch (setting->type) {
	case SETTING_SWITCH:
		text = json_read_bool(reader, setting->name) ? "yes" : "no";
		break;
	case SETTING_NUMBER:
		snprintf(number, sizeof(number), "%" PRId64,
		        json_read_number(
		                reader, setting->name, setting->min, setting->max, setting->min));
		text = number;
		break;
	case SETTING_LIST:
		list = json_read_array(reader, setting->name);
		break;
	case SETTING_WORD:
	case SETTING_RATE:
	case SETTING_IP:
	case SETTING_NAME:
	case SETTING_IFNAME:
		text = json_read_string(reader, setting->name);
		break;
	}
	if (reader->result < 0 || json_is_null(json_object_get(reader->object, setting->name)))
		return reader->result;
	return text ? setting_read(setting, text, object, err)
	            : field_list(list, setting->name, setting, object, err);
}

int field_settings(struct json_reader *reader, const struct settings *settings, void *object,
        struct request *request, struct error *err)
{
	int r = 0;

	settings_start(settings, object);
	for (unsigned i = 0; r == 0 && i < settings->count; i++) {
		const struct setting *setting = &settings->rows[i];

		if (!json_object_get(reader->object, setting->name))
			continue;
		request->given |= setting_bit(settings, setting);
		r = read_setting(reader, setting, object, err);
	}
	return r;
}

int field_changes(struct json_reader *reader, const struct settings *settings, const char *what,
        void *object, struct request *request, struct error *err)
{
	const struct fixed *fixed = settings->fixed;

	/* Whether one that is a setting is changed at all is the rules' to say. */
	for (; fixed && fixed->field; fixed++)
		if (json_object_get(reader->object, fixed->field) &&
		        !setting_find(settings, fixed->field))
			return setting_refuse(fixed, what, err);
	return field_settings(reader, settings, object, request, err);
}

int field_label_filter(const struct call *call, struct request *request, struct error *err)
{
	struct json_reader reader = json_reader_start(call->body, err);
	const json_t *list = json_read_array(&reader, "labels"), *item;
	char *longer;
	size_t i;
	int r = json_reader_end(&reader);

	if (r < 0)
		return r;
	if (json_array_size(list) > SETTING_ITEMS)
		return error_field(err, "labels", "labels: at most %d items", SETTING_ITEMS);
	json_array_foreach (list, i, item) {
		const char *text = json_string_value(item);

		if (!text || !*text || strlen(text) >= SETTING_ITEM_MAX || strpbrk(text, "\n\t"))
			return error_field(err, "labels", "labels: write each as KEY or KEY=VALUE");
		if (asprintf(&longer, "%s%s\n", request->label_filter ? request->label_filter : "",
		            text) < 0)
			return error_memory(err);
		free(request->label_filter);
		request->label_filter = longer;
	}
	return 0;
}

int field_within(struct error *err, int result, const char *place)
{
	char field[ERROR_FIELD_SIZE];

	if (result == 0)
		return 0;
	memcpy(field, err->field, sizeof(field));
	if (snprintf(err->field, sizeof(err->field), "%s.%s", place, field) < 0)
		err->field[0] = '\0';
	return error_context(err, "%s", place);
}
