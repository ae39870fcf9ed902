/* What the targets share that ask the kernel layer. */
#include "tests/fuzz/kernel.h"

#include "lib/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/holds.h"
#include "tests/fuzz/outside.h"

void fuzz_kernel(const uint8_t *data, size_t size, void (*ask)(struct kernel *kernel, char what))
{
	struct kernel_config config = {
	        .runtime_dir = "/nonexistent", .instance = outside_instance()};
	struct kernel *kernel;
	struct error err;

	if (size == 0)
		return;
	outside_begin(data + 1, size - 1);
	REQUIRE(kernel_open(&kernel, &config, &err) == 0, "%s", err.text);
	ask(kernel, (char)data[0]);
	kernel_close(kernel);
	outside_end();
}

void fuzz_observe(
        struct kernel *kernel, const struct kernel_look *look, const struct resources *wanted)
{
	_cleanup_(resources_done) struct resources there = {0};
	struct error err = {0};

	if (kernel_observe(kernel, look, &there, &err) < 0) {
		holds_error(&err);
		return;
	}
	holds_resources(&there);
	holds_difference(&there, wanted);
}

void fuzz_plan(struct plan *ret, const struct resources *list, bool create)
{
	static const struct resources none;
	struct error err = {0};

	REQUIRE(plan_difference(create ? &none : list, create ? list : &none, ret, &err) == 0, "%s",
	        err.text);
}
