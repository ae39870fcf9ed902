/* The strict reader of JSON objects: what it takes, what it refuses, and how it names the field. */
#include "lib/json.h"
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

static json_t *parse(const char *text)
{
	struct error err;
	json_t *object = NULL;

	ck_assert_int_eq(json_parse_object(text, strlen(text), &object, &err), 0);
	return object;
}

static void refused(const char *text, const char *sentence)
{
	struct error err;
	json_t *object = (json_t *)&err;

	ck_assert_int_lt(json_parse_object(text, strlen(text), &object, &err), 0);
	ck_assert_ptr_eq(object, (json_t *)&err);
	ck_assert_int_eq(err.code, ERROR_INVALID);
	ck_assert_msg(strstr(err.text, sentence) != NULL, "%s", err.text);
}

START_TEST(an_empty_body_reads_as_an_empty_object)
{
	json_t *object = parse("");

	ck_assert_uint_eq(json_object_size(object), 0);
	json_decref(object);
}
END_TEST

START_TEST(what_is_not_one_object_is_refused)
{
	refused("nonsense", "line 1");
	refused("{\n\"a\": }", "line 2");
	refused("[]", "not a list");
	refused("\"text\"", "not a string");
	refused("{} {}", "not JSON");
	refused("{\"a\": 1, \"a\": 2}", "duplicate");
	refused("{\"a\": \"\xff\"}", "decode byte");
	refused("{\"a\": \"\\u0000\"}", "not JSON");
	refused("{\"a\": 99999999999999999999}", "not JSON");
	refused(" ", "not JSON");
}
END_TEST

START_TEST(a_sentence_never_repeats_control_characters)
{
	struct error err;
	json_t *object;

	ck_assert_int_lt(json_parse_object("{\x1b[2J", 5, &object, &err), 0);
	for (const char *c = err.text; *c; c++)
		ck_assert_int_ge(*c, ' ');
	object = parse("{\"a\\n\\u001b\xc3\xa4\": 1}");
	struct json_reader reader = json_reader_start(object, &err);
	ck_assert_int_lt(json_reader_end(&reader), 0);
	ck_assert_str_eq(err.field, "a\?\?\?\?");
	json_decref(object);
}
END_TEST

START_TEST(deep_nesting_is_an_error_not_a_crash)
{
	static char deep[256 * 1024];
	struct error err;
	json_t *object;

	memset(deep, '[', sizeof(deep));
	ck_assert_int_lt(json_parse_object(deep, sizeof(deep), &object, &err), 0);
}
END_TEST

START_TEST(fields_are_read_by_type)
{
	struct error err;
	json_t *object =
	        parse("{\"s\": \"text\", \"b\": true, \"n\": 42, \"l\": [1], \"z\": null}");
	struct json_reader reader = json_reader_start(object, &err);

	ck_assert_str_eq(json_read_string(&reader, "s"), "text");
	ck_assert(json_read_bool(&reader, "b"));
	ck_assert_uint_eq(json_read_number(&reader, "n", 42, 42, 7), 42);
	ck_assert_uint_eq(json_array_size(json_read_array(&reader, "l")), 1);
	ck_assert_ptr_null(json_read_string(&reader, "z"));
	ck_assert_ptr_null(json_read_string(&reader, "absent"));
	ck_assert_uint_eq(json_read_number(&reader, "absent", 1, 2, 7), 7);
	ck_assert_int_eq(json_reader_end(&reader), 0);
	json_decref(object);
}
END_TEST

static void refused_field(const char *text, const char *sentence)
{
	struct error err;
	json_t *object = parse(text);
	struct json_reader reader = json_reader_start(object, &err);

	json_read_string(&reader, "s");
	json_read_bool(&reader, "b");
	ck_assert_uint_eq(json_read_number(&reader, "n", 1, 10, 5), 5);
	json_read_array(&reader, "l");
	ck_assert_int_eq(json_reader_end(&reader), -22);
	ck_assert_int_eq(
	        err.code, strstr(sentence, "no such field") ? ERROR_UNKNOWN : ERROR_INVALID);
	ck_assert_str_eq(err.text, sentence);
	json_decref(object);
}

START_TEST(a_wrong_type_names_the_field)
{
	refused_field("{\"s\": 1}", "s must be a string, not a number");
	refused_field("{\"b\": \"true\"}", "b must be true or false, not a string");
	refused_field("{\"n\": \"1\"}", "n must be a number, not a string");
	refused_field("{\"n\": 1.0}", "n must be a whole number from 1 to 10");
	refused_field("{\"n\": 0}", "n must be a whole number from 1 to 10");
	refused_field("{\"n\": -1}", "n must be a whole number from 1 to 10");
	refused_field("{\"n\": 11}", "n must be a whole number from 1 to 10");
	refused_field("{\"l\": {}}", "l must be a list, not an object");
}
END_TEST

START_TEST(an_unknown_field_is_refused)
{
	refused_field("{\"s\": \"x\", \"nmae\": 1}", "nmae: there is no such field here");
	refused_field("{\"x\": null}", "x: there is no such field here");
	refused_field("{\"\": 1}", "\"\": there is no such field here");
}
END_TEST

START_TEST(the_first_error_stays)
{
	refused_field("{\"unknown\": 1, \"l\": 1, \"s\": 1}", "s must be a string, not a number");
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("json");

	tcase_add_test(tests, an_empty_body_reads_as_an_empty_object);
	tcase_add_test(tests, what_is_not_one_object_is_refused);
	tcase_add_test(tests, a_sentence_never_repeats_control_characters);
	tcase_add_test(tests, deep_nesting_is_an_error_not_a_crash);
	tcase_add_test(tests, fields_are_read_by_type);
	tcase_add_test(tests, a_wrong_type_names_the_field);
	tcase_add_test(tests, an_unknown_field_is_refused);
	tcase_add_test(tests, the_first_error_stays);
	return SUITE_CASES(tests);
}
