/*
 * conntrack's and sock_diag's answers: which flows must go, and who has a port. The first byte says
 * which; behind it stand records (outside.h).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/kernel.h"

#include "daemon/kernel/flows.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "lib/cleanup.h"

#include <string.h>

/* Enough of them for one walk of the whole table; the first alone is asked for with a filter. */
static const struct resource resources[] = {
        {.kind = RESOURCE_FLOWS,
                .flows = {.protocol = IPPROTO_TCP,
                        .ip = {AF_INET, {10, 200, 0, 2}},
                        .port = 80,
                        .through = 8080}},
        {.kind = RESOURCE_FLOWS,
                .flows = {.protocol = IPPROTO_UDP,
                        .ip = {AF_INET, {0}},
                        .port = 53,
                        .original_local = true}},
        {.kind = RESOURCE_FLOWS, .flows = {.ip = {AF_INET, {10, 200, 0, 3}}}},
        {.kind = RESOURCE_FLOWS, .flows = {.ip = {AF_INET6, {0xfd, [15] = 2}}}},
        {.kind = RESOURCE_FLOWS, .flows = {.ip = {AF_INET, {10, 200, 0, 4}}}},
        {.kind = RESOURCE_FLOWS, .flows = {.ip = {AF_INET, {10, 200, 0, 5}}}},
};

static void purge(struct kernel *kernel, size_t count)
{
	const struct resource *flows[sizeof(resources) / sizeof(resources[0])];
	struct error err = {0};

	for (size_t i = 0; i < count; i++)
		flows[i] = &resources[i];
	if (flows_purge(kernel, flows, count, &err) < 0)
		holds_error(&err);
}

static void look(struct kernel *kernel, uint8_t protocol)
{
	_cleanup_(freep) struct look_listener *list = NULL;
	struct error err = {0};
	unsigned count = 0;

	if (look_listeners(kernel, "", protocol, 53, 53, &list, &count, &err) < 0)
		holds_error(&err);
	for (unsigned i = 0; i < count; i++) {
		REQUIRE(list[i].port == 53 && ip_size(list[i].ip.family), "not asked for");
		REQUIRE(memchr(list[i].unit, 0, sizeof(list[i].unit)), "no end");
	}
}

static void ask(struct kernel *kernel, char what)
{
	switch (what) {
	case 'o':
		purge(kernel, 1);
		break;
	case 'm':
		purge(kernel, sizeof(resources) / sizeof(resources[0]));
		break;
	case 't':
		look(kernel, IPPROTO_TCP);
		break;
	case 'u':
		look(kernel, IPPROTO_UDP);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, ask);
	return 0;
}
