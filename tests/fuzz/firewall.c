/*
 * Other people's firewalls, in nf_tables' answers and in the block of bytes that is a table of
 * iptables-legacy: anything may stand there, and what netd says of it are whole sentences. The
 * first byte is `1` where it asks for one bridge, `2` for two; behind it stand records (outside.h).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/outside.h"

#include "daemon/kernel/look.h"

#include <string.h>

#define SENTENCES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char bridges[][IFNAMSIZ] = {"netd0", "netd-0123456789"};
	struct kernel_config config = {
	        .runtime_dir = "/nonexistent", .instance = outside_instance()};
	char sentences[SENTENCES][512];
	struct kernel *kernel;
	struct error err = {0};
	unsigned count = 0;

	if (size == 0)
		return 0;
	memset(sentences, 0, sizeof(sentences));
	outside_begin(data + 1, size - 1);
	REQUIRE(kernel_open(&kernel, &config, &err) == 0, "%s", err.text);
	if (look_firewall(kernel, bridges, data[0] == '2' ? 2 : 1, sentences, SENTENCES, &count,
	            &err) < 0)
		holds_error(&err);
	REQUIRE(count <= SENTENCES, "%u sentences", count);
	for (unsigned i = 0; i < count; i++)
		REQUIRE(sentences[i][0] && memchr(sentences[i], 0, sizeof(sentences[i])),
		        "a sentence without an end");
	kernel_close(kernel);
	outside_end();
	return 0;
}
