/* What the parsers of several nouns share when they read a body: all text goes through lib/parse.h.
 */
#include "daemon/api/internal.h"

#include "lib/parse.h"

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
