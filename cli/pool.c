/* `netd-ctl pools`: where subnets come from, and below it how many addresses each network has left.
 */
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "cli/table.h"
#include "lib/cleanup.h"

static char *cell_size(const json_t *pool)
{
	char *text = NULL;

	return asprintf(&text, "/%lld", field_number(pool, "size")) < 0 ? NULL : text;
}

static const struct column pools[] = {
        {"POOL", "pool"},
        {"SIZE", NULL, cell_size},
        {"SUBNETS", "subnets"},
        {"USED", "used"},
        {"FREE", "free"},
        {NULL},
};

static const struct column networks[] = {
        {"NETWORK", "network"},
        {"SUBNET", "subnet"},
        {"RANGE", "range"},
        {"ADDRESSES", "addresses"},
        {"USED", "used"},
        {"KEPT", "kept"},
        {"RESERVED", "reserved"},
        {"FREE", "free"},
        {NULL},
};

int pools_show(const struct call *call)
{
	json_auto_t *answer = NULL;
	struct error err;

	if (request_send(call, "GET", "/v1/pools", NULL, &answer, &err) < 0)
		return output_error(&err);
	if (call_has(call, OPTION_JSON)) {
		output_json(answer);
	} else if (call_has(call, OPTION_QUIET)) {
		const json_t *pool;
		size_t i;

		json_array_foreach (json_object_get(answer, "pools"), i, pool)
			output_line("%s", field_text(pool, "pool"));
	} else {
		table_print(pools, json_object_get(answer, "pools"), output_width());
		output_line("%s", "");
		table_print(networks, json_object_get(answer, "networks"), output_width());
	}
	return EXIT_DONE;
}
