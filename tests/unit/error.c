/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/error.h"
#include "unit.h"

START_TEST(is_empty_at_first)
{
	uint64_t offset = 77, size = 77;

	ck_assert_int_eq(gmem_error_get_code(report), 0);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
	ck_assert_ptr_null(gmem_error_get_call(report));
	ck_assert_ptr_null(gmem_error_get_system_call(report));
	ck_assert(!gmem_error_get_range(report, &offset, &size));
	ck_assert(!gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(gmem_error_get_attempts(report), 0);
	ck_assert_uint_eq(offset, 77);
	ck_assert_uint_eq(size, 77);
}
END_TEST

START_TEST(has_what_a_failed_call_put_in)
{
	struct gmem_error failure = {
		.code = -EAGAIN,
		.kernel_code = -EBUSY,
		.cause = GMEM_CAUSE_BUSY,
		.call = "gmem_convert",
		.system_call = "ioctl",
		.state = GMEM_STATE_PRIVATE,
		.has_range = true,
		.has_first_offset = true,
		.offset = 1,
		.size = 2,
		.first_offset = 3,
		.attempts = 4,
	};
	uint64_t offset, size;

	ck_assert_int_eq(gmem_error_fail(report, &failure), -EAGAIN);
	ck_assert_int_eq(gmem_error_get_code(report), -EAGAIN);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), -EBUSY);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_convert");
	ck_assert_str_eq(gmem_error_get_system_call(report), "ioctl");
	ck_assert(gmem_error_get_range(report, &offset, &size));
	ck_assert_uint_eq(offset, 1);
	ck_assert_uint_eq(size, 2);
	ck_assert(gmem_error_get_range(report, NULL, NULL));
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 3);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 4);
}
END_TEST

START_TEST(keeps_nothing_of_an_earlier_failure)
{
	struct gmem *gmem = some_file();

	ck_assert_int_eq(gmem_discard(gmem, 0, 0, report), -EINVAL);
	ck_assert(gmem_error_get_range(report, NULL, NULL));
	ck_assert_int_eq(gmem_unmap((void *)1, 1, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_unmap");
	ck_assert(!gmem_error_get_range(report, NULL, NULL));
	drop_file(gmem);
}
END_TEST

START_TEST(allocates_only_when_made)
{
	struct gmem_error *other = report;
	struct gmem *gmem = some_file();
	int r;

	r = WITHOUT_MEMORY(gmem_error_new(&other));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(other, report);
	expect_fallocate(GMEM_FD, 3, 0, PAGE, -EPERM);
	expect_frozen_question(-EPERM);
	r = WITHOUT_MEMORY(gmem_discard(gmem, 0, PAGE, report));
	ck_assert_int_eq(r, -EPERM);
	ck_assert_int_eq(gmem_error_get_code(report), -EPERM);
	drop_file(gmem);
}
END_TEST

START_TEST(takes_null)
{
	uint64_t offset;

	ck_assert_int_eq(gmem_error_new(NULL), -EINVAL);
	gmem_error_free(NULL);
	ck_assert_int_eq(gmem_error_get_code(NULL), 0);
	ck_assert_int_eq(gmem_error_get_kernel_code(NULL), 0);
	ck_assert_ptr_null(gmem_error_get_call(NULL));
	ck_assert_ptr_null(gmem_error_get_system_call(NULL));
	ck_assert(!gmem_error_get_range(NULL, NULL, NULL));
	ck_assert(!gmem_error_get_first_offset(NULL, &offset));
	ck_assert(!gmem_error_get_first_offset(report, NULL));
	ck_assert_uint_eq(gmem_error_get_attempts(NULL), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("error");
	TCase *tests = scripted_case(suite, "reports");

	tcase_add_test(tests, is_empty_at_first);
	tcase_add_test(tests, has_what_a_failed_call_put_in);
	tcase_add_test(tests, keeps_nothing_of_an_earlier_failure);
	tcase_add_test(tests, allocates_only_when_made);
	tcase_add_test(tests, takes_null);
	return suite;
}
