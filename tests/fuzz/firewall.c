/*
 * Other people's firewalls, in nf_tables' answers and in the block of bytes that is a table of
 * iptables-legacy: anything may stand there, and what netd says of it are whole sentences. The
 * first byte is `1` where it asks for one bridge, `2` for two; behind it stand records (outside.h).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/kernel.h"

#include "daemon/kernel/look.h"

#include <string.h>

#define SENTENCES 4

static void ask(struct kernel *kernel, char what)
{
	static const char bridges[][IFNAMSIZ] = {"netd0", "netd-0123456789"};
	char sentences[SENTENCES][512];
	struct error err = {0};
	unsigned count = 0;

	memset(sentences, 0, sizeof(sentences));
	if (look_firewall(
	            kernel, bridges, what == '2' ? 2 : 1, sentences, SENTENCES, &count, &err) < 0)
		holds_error(&err);
	REQUIRE(count <= SENTENCES, "%u sentences", count);
	for (unsigned i = 0; i < count; i++)
		REQUIRE(sentences[i][0] && memchr(sentences[i], 0, sizeof(sentences[i])),
		        "a sentence without an end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, ask);
	return 0;
}
