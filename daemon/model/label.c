/*
 * Labels: KEY=VALUE, what a user writes on a thing to find it again. They mean nothing to netd.
 */
#include "daemon/model/rules.h"
#include "daemon/model/setting.h"

#include <string.h>

/* `wanted` is KEY, or KEY=VALUE. */
static bool has(const char *labels, const char *wanted)
{
	size_t length = strlen(wanted);
	char end = strchr(wanted, '=') ? '\0' : '=';
	char label[SETTING_ITEM_MAX];

	while (setting_next_item(&labels, label))
		if (strncmp(label, wanted, length) == 0 && label[length] == end)
			return true;
	return false;
}

bool labels_match(const char *labels, const char *filter)
{
	char wanted[SETTING_ITEM_MAX];

	while (setting_next_item(&filter, wanted))
		if (!has(labels, wanted))
			return false;
	return true;
}
