/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a query has found is compared with what a flow expects. */
#include "../quick-check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

START_TEST(sizes_are_written_as_flows_have_them)
{
	static const struct {
		uint64_t size;
		const char *text;
	} sizes[] = {
		{ 0, "0" },
		{ 4095, "4095" },
		{ 4096, "4K" },
		{ 5 << 20, "5M" },
		{ 1536 << 10, "1536K" },
		{ 1ULL << 30, "1G" },
		{ 3ULL << 40, "3T" },
		{ 1ULL << 60, "1048576T" },
		{ UINT64_MAX, "18446744073709551615" },
	};
	char text[32];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		extents_size(text, sizeof(text), sizes[i].size);
		ck_assert_str_eq(text, sizes[i].text);
	}
}
END_TEST

START_TEST(lists_are_equal_by_what_they_mean)
{
	ck_assert(extents_equal("4K private", "0x1000 private"));
	ck_assert(extents_equal("1024K private, 4096 shared", "1M private, 4K shared"));
	ck_assert(extents_equal("", ""));
	ck_assert(!extents_equal("4K private", "4K shared"));
	ck_assert(!extents_equal("4K private", "8K private"));
	ck_assert(!extents_equal("4K private", "4K private, 4K shared"));
	ck_assert(!extents_equal("4K private, 4K shared", "4K private"));
	ck_assert(!extents_equal("4K private, ...", "4K private"));
	ck_assert(!extents_equal("4K private, ...", "4K private, ..."));
	ck_assert(!extents_equal("", "4K private"));
}
END_TEST

START_TEST(a_state_of_all_is_one_extent)
{
	ck_assert(extents_all("4K private", "private"));
	ck_assert(!extents_all("4K private", "shared"));
	ck_assert(!extents_all("4K private, 4K shared", "private"));
	ck_assert(!extents_all("4K private, ...", "private"));
	ck_assert(!extents_all("", "private"));
}
END_TEST

START_TEST(a_list_that_is_too_long_tells_so_and_equals_nothing)
{
	char list[64] = "", guard[64];

	for (int i = 0; i < 100; i++) {
		extents_add(list, sizeof(list), 4096, i % 2 ? "shared" : "private");
		ck_assert_uint_lt(strlen(list), sizeof(list));
	}
	ck_assert_str_eq(list + strlen(list) - 5, ", ...");
	ck_assert(!extents_equal(list, list));
	memset(guard, 'x', sizeof(guard));
	guard[0] = '\0';
	for (int i = 0; i < 100; i++)
		extents_add(guard, 32, UINT64_MAX, "private");
	for (size_t i = 32; i < sizeof(guard); i++)
		ck_assert_int_eq(guard[i], 'x');
}
END_TEST

START_TEST(a_list_that_was_put_together_can_be_read)
{
	char list[200] = "";

	extents_add(list, sizeof(list), 16384, "private");
	ck_assert_str_eq(list, "16K private");
	extents_add(list, sizeof(list), 1 << 20, "shared");
	ck_assert_str_eq(list, "16K private, 1M shared");
	ck_assert_ptr_null(extents_check(list));
	ck_assert(extents_equal(list, "0x4000 private, 1024K shared"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow-extents");
	TCase *tcase = tcase_create("extents");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 0); /* meson's is enough, and knows about valgrind */
	tcase_add_test(tcase, sizes_are_written_as_flows_have_them);
	tcase_add_test(tcase, lists_are_equal_by_what_they_mean);
	tcase_add_test(tcase, a_state_of_all_is_one_extent);
	tcase_add_test(tcase, a_list_that_is_too_long_tells_so_and_equals_nothing);
	tcase_add_test(tcase, a_list_that_was_put_together_can_be_read);
	suite_add_tcase(suite, tcase);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
