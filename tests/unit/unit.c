/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "unit.h"

struct gmem_error *report;

static void begin(void)
{
	script_begin();
	/* Whatever the environment of the tests says. */
	ck_assert_int_eq(gmem_level_set(GMEM_LEVEL_FULL), 0);
	ck_assert_int_eq(gmem_error_new(&report), 0);
}

static void end(void)
{
	script_end();
	gmem_error_free(report);
}

unsigned int unit_seed(void)
{
	const char *given = getenv("GMEM_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0)
				  : (unsigned int)time(NULL) ^ (unsigned int)getpid() << 8;

	printf("# GMEM_SEED=%u\n", seed);
	/* It is told even if the test is the end of the process. */
	fflush(stdout);
	return seed;
}

TCase *scripted_case(Suite *suite, const char *name)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, begin, end);
	/* Under valgrind on a busy machine; no test waits for time. */
	tcase_set_timeout(tests, 120);
	suite_add_tcase(suite, tests);
	return tests;
}

struct gmem *some_file(void)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };
	struct gmem *gmem;

	expect_created(256 * PAGE, GMEM_UAPI_FLAG_MMAP, ZERO | PRESERVE);
	ck_assert_int_eq(gmem_create(VM_FD, 256 * PAGE, &options, &gmem, report), 0);
	return gmem;
}

void drop_file(struct gmem *gmem)
{
	expect_close(GMEM_FD, 0);
	gmem_release(gmem);
}

static bool is_documented(const int *documented, int code)
{
	for (; *documented; documented++) {
		if (code == -*documented)
			return true;
	}
	return false;
}

void check_every_errno(const char *function, const int *documented, int (*answer)(int code))
{
	int code, result;

	for (code = 1; code <= 4095; code++) {
		result = answer(-code);
		must(is_documented(documented, result),
		     "%s returned %d (%s), which is not documented, for %s", function, result,
		     gmem_error_name(result), gmem_error_name(code));
	}
}

void check_positive_numbers(int (*answer)(int code))
{
	static const int numbers[] = { 1, 2, EAGAIN, 4096, INT32_MAX };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		ck_assert_int_eq(answer(numbers[i]), -EBADE);
		ck_assert_int_eq(gmem_error_get_kernel_code(report), numbers[i]);
	}
}

const char *explanation(void)
{
	static char text[1024];

	ck_assert_int_lt(gmem_error_explain(report, text, sizeof(text)), (int)sizeof(text));
	return text;
}

int main(void)
{
	SRunner *runner = srunner_create(unit_suite());
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
