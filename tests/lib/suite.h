/* One test program = one suite, told as TAP. */
#pragma once

#include <check.h>
#include <stdlib.h>

#define SUITE_PATIENCE 50 /* seconds for a test, on a machine that has other work */

/* Runs the cases of a list that ends with NULL, and returns main()'s value. */
static inline int suite_run(TCase *const *cases)
{
	Suite *suite = suite_create("suite");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (; *cases; cases++) {
		tcase_set_timeout(*cases, SUITE_PATIENCE);
		suite_add_tcase(suite, *cases);
	}
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define SUITE_CASES(...) suite_run((TCase *const[]){__VA_ARGS__, NULL})

/* The same for tests, each between `before` and `after`; NULL: neither. The list ends with NULL. */
static inline int run_tests(const char *name, SFun before, SFun after, const TTest *const *tests)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, before, after);
	for (; *tests; tests++)
		tcase_add_test(tcase, *tests);
	return SUITE_CASES(tcase);
}

#define SUITE_RUN(name, ...) run_tests(name, NULL, NULL, (const TTest *const[]){__VA_ARGS__, NULL})
