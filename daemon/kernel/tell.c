/*
 * Told commands are typed, or piped into a shell, so each word that is not netd's own goes through
 * here.
 *
 * The invariant: whatever the text is, sh reads it back as exactly one word with these bytes.
 */
#include "daemon/kernel/tell.h"

#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "%+,-./:=@_";

/* One byte inside single quotes. */
static void put_quoted(FILE *out, char byte)
{
	if (byte == '\'')
		fputs("'\\''", out);
	else
		fputc(byte, out);
}

void tell_word(FILE *out, const char *text)
{
	if (*text && !text[strspn(text, plain)]) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++)
		put_quoted(out, *text);
	fputc('\'', out);
}

void tell_printf(FILE *out, const char *text)
{
	fputs("printf '", out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\\' || *text == '%')
			fprintf(out, "%c%c", *text, *text);
		else
			put_quoted(out, *text);
	}
	fputc('\'', out);
}
