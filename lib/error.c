/*
 * Makes the sentences. The text is bounded: what does not fit is cut at the end, never in front,
 * since callers put their context in front of it. It is one line without a byte that a terminal
 * obeys, whatever of the input is repeated in it: sentences go to terminals, logs and JSON.
 */
#include "lib/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
        [ERROR_NONE] = "none",
        [ERROR_INVALID] = "invalid",
        [ERROR_NOT_FOUND] = "not-found",
        [ERROR_EXISTS] = "exists",
        [ERROR_REFUSED] = "refused",
        [ERROR_PERMISSION] = "permission",
        [ERROR_KERNEL] = "kernel",
        [ERROR_STORE] = "store",
        [ERROR_UNKNOWN] = "unknown",
        [ERROR_TOO_LARGE] = "too-large",
        [ERROR_UNREACHABLE] = "unreachable",
};

static int result(const struct error *err)
{
	return err->errnum ? -err->errnum : -EINVAL;
}

static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
}

int error_set(struct error *err, enum error_code code, int errnum, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	err->code = code;
	err->errnum = errnum;
	err->field[0] = '\0';
	if (errnum)
		snprintf(err->text, sizeof(err->text), "%.900s: %s", text, strerror(errnum));
	else
		memcpy(err->text, text, sizeof(text));
	clean(err->text);
	return result(err);
}

static int set_field(struct error *err, enum error_code code, const char *field, const char *format,
        va_list args)
{
	err->code = code;
	err->errnum = 0;
	snprintf(err->field, sizeof(err->field), "%s", field);
	vsnprintf(err->text, sizeof(err->text), format, args);
	clean(err->field);
	clean(err->text);
	return result(err);
}

int error_field(struct error *err, const char *field, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = set_field(err, ERROR_INVALID, field, format, args);
	va_end(args);
	return r;
}

int error_unknown(struct error *err, const char *field, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = set_field(err, ERROR_UNKNOWN, field, format, args);
	va_end(args);
	return r;
}

int error_context(struct error *err, const char *format, ...)
{
	char inner[ERROR_TEXT_SIZE];
	va_list args;
	int length;

	memcpy(inner, err->text, sizeof(inner));
	va_start(args, format);
	length = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	clean(err->text);
	if (length < 0 || (size_t)length + 3 > sizeof(err->text))
		return result(err);
	err->text[length++] = ':';
	err->text[length++] = ' ';
	snprintf(err->text + length, sizeof(err->text) - (size_t)length, "%.*s",
	        (int)sizeof(err->text) - length - 1, inner);
	return result(err);
}

int error_memory(struct error *err)
{
	return error_set(err, ERROR_KERNEL, ENOMEM, "allocate memory");
}

const char *error_code_name(enum error_code code)
{
	return code_names[code];
}

enum error_code error_code_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof(code_names) / sizeof(code_names[0]); i++)
		if (strcmp(code_names[i], name) == 0)
			return (enum error_code)i;
	return ERROR_KERNEL;
}
