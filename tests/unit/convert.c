/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/sys.h"
#include "unit.h"

static struct gmem *gmem;

static int to_private(uint64_t offset, uint64_t size, const struct gmem_convert_options *options)
{
	return gmem_convert(gmem, offset, size, GMEM_STATE_PRIVATE, options, report);
}

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

START_TEST(converts_the_range_asked_for_with_one_ioctl_and_no_allocation)
{
	int r;

	expect_convert(GMEM_FD, 2 * PAGE, 3 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	r = WITHOUT_MEMORY(to_private(2 * PAGE, 3 * PAGE, NULL));
	ck_assert_int_eq(r, 0);
	expect_convert(GMEM_FD, 0, 256 * PAGE, 0, 0, NOT_WRITTEN);
	r = WITHOUT_MEMORY(gmem_convert(gmem, 0, 256 * PAGE, GMEM_STATE_SHARED, NULL, report));
	ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(leaves_the_report_alone_on_success)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, NULL), 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	ck_assert_ptr_null(gmem_error_get_call(report));
}
END_TEST

START_TEST(works_without_a_report)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -ENOMEM, 0);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, NULL), -ENOMEM);
	ck_assert_int_eq(gmem_convert(gmem, 0, 1, GMEM_STATE_PRIVATE, NULL, NULL), -EINVAL);
}
END_TEST

static const struct {
	uint64_t offset, size;
	const char *why;
} bad_ranges[] = {
	{ 0, 0, "size is 0" },
	{ PAGE, 0, "size is 0" },
	{ 1, PAGE, "multiple of the page size" },
	{ 0, PAGE + 512, "multiple of the page size" },
	{ UINT64_MAX, UINT64_MAX, "multiple of the page size" },
	{ PAGE, UINT64_MAX - PAGE + 1, "more than 64 bits" },
	{ UINT64_MAX - PAGE + 1, PAGE, "more than 64 bits" },
	{ 255 * PAGE, 2 * PAGE, "beyond the end" },
	{ 256 * PAGE, PAGE, "beyond the end" },
	{ 0, UINT64_MAX - PAGE + 1, "beyond the end" },
};

START_TEST(refuses_a_bad_range_without_asking_the_kernel)
{
	uint64_t offset, size;

	ck_assert_int_eq(to_private(bad_ranges[_i].offset, bad_ranges[_i].size, NULL), -EINVAL);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 0);
	ck_assert(gmem_error_get_range(report, &offset, &size));
	ck_assert_uint_eq(offset, bad_ranges[_i].offset);
	ck_assert_uint_eq(size, bad_ranges[_i].size);
	ck_assert_str_contains(explanation(), bad_ranges[_i].why);
}
END_TEST

START_TEST(refuses_a_state_that_is_none)
{
	static const int states[] = { 0, 3, -1, 8 };
	enum gmem_state state = (enum gmem_state)states[_i];

	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, state, NULL, report), -EINVAL);
	ck_assert_str_contains(explanation(), "neither shared nor private");
}
END_TEST

START_TEST(refuses_no_file)
{
	ck_assert_int_eq(gmem_convert(NULL, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), -EINVAL);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_convert_options options = { .size = sizeof(options), .reserved = 1 };

	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
	options.reserved = 0;
	options.backoff_ns = 2;
	options.backoff_max_ns = 1;
	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
	options.size = 4;
	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
}
END_TEST

START_TEST(refuses_options_of_a_newer_library_if_they_are_used)
{
	struct {
		struct gmem_convert_options known;
		uint64_t unknown;
	} options = { .known = { .size = sizeof(options) }, .unknown = 1 };

	ck_assert_int_eq(to_private(0, PAGE, &options.known), -E2BIG);
	options.unknown = 0;
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, &options.known), 0);
}
END_TEST

START_TEST(does_not_believe_an_impossible_error_offset)
{
	static const uint64_t offsets[] = {
		0, PAGE, 4 * PAGE, 2 * PAGE + 1, UINT64_MAX - PAGE + 1, NOT_WRITTEN
	};
	static const int codes[] = { -EAGAIN, -ENOMEM };
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	uint64_t offset = 77;
	int i;

	for (i = 0; i < 2; i++) {
		expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, codes[i], offsets[_i]);
		if (codes[i] == -EAGAIN)
			expect_now(0);
		ck_assert_int_eq(to_private(2 * PAGE, 2 * PAGE, &options), codes[i]);
		ck_assert(!gmem_error_get_first_offset(report, &offset));
		ck_assert_uint_eq(offset, 77);
	}
}
END_TEST

START_TEST(believes_every_possible_error_offset)
{
	static const uint64_t offsets[] = { 2 * PAGE, 3 * PAGE };
	uint64_t offset;

	expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, -ENOMEM, offsets[_i]);
	ck_assert_int_eq(to_private(2 * PAGE, 2 * PAGE, NULL), -ENOMEM);
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, offsets[_i]);
}
END_TEST

START_TEST(takes_no_offset_from_an_errno_that_has_none)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EINVAL, 0);
	ck_assert_int_eq(to_private(0, PAGE, NULL), -EOPNOTSUPP);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
}
END_TEST

static const struct {
	int kernel, returned;
	const char *why;
} translations[] = {
	{ -ENOTTY, -EOPNOTSUPP, "In-place conversion is not available" },
	{ -EINVAL, -EOPNOTSUPP, "no private memory" },
	{ -ENOMEM, -ENOMEM, "out of memory" },
	{ -EBADF, -EBADF, "not open" },
	{ -EPERM, -EPERM, "frozen for a live update" },
	{ -EFAULT, -EBADE, "not part of its interface" },
	{ -EINTR, -EBADE, "not part of its interface" },
};

START_TEST(says_what_the_kernels_answer_means)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, translations[_i].kernel, NOT_WRITTEN);
	expect_frozen_question(translations[_i].kernel);
	ck_assert_int_eq(to_private(0, PAGE, NULL), translations[_i].returned);
	ck_assert_int_eq(gmem_error_get_code(report), translations[_i].returned);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), translations[_i].kernel);
	ck_assert_str_contains(explanation(), translations[_i].why);
	ck_assert_str_contains(explanation(), gmem_error_name(translations[_i].kernel));
}
END_TEST

static int convert_answer(int code)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	int r;

	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, code, NOT_WRITTEN);
	if (code == -EAGAIN)
		expect_now(0);
	expect_frozen_question(code);
	r = to_private(0, PAGE, &options);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_convert, convert_answer);
	check_positive_numbers(convert_answer);
}
END_TEST

START_TEST(names_states)
{
	ck_assert_str_eq(gmem_state_name(GMEM_STATE_SHARED), "shared");
	ck_assert_str_eq(gmem_state_name(GMEM_STATE_PRIVATE), "private");
	ck_assert_ptr_null(gmem_state_name((enum gmem_state)0));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("convert");
	TCase *requests = scripted_case(suite, "requests");
	TCase *answers = scripted_case(suite, "the kernel's answers");

	tcase_add_checked_fixture(requests, begin, end);
	tcase_add_test(requests, converts_the_range_asked_for_with_one_ioctl_and_no_allocation);
	tcase_add_test(requests, leaves_the_report_alone_on_success);
	tcase_add_test(requests, works_without_a_report);
	tcase_add_loop_test(requests, refuses_a_bad_range_without_asking_the_kernel, 0,
			    COUNT(bad_ranges));
	tcase_add_loop_test(requests, refuses_a_state_that_is_none, 0, 4);
	tcase_add_test(requests, refuses_no_file);
	tcase_add_test(requests, refuses_options_without_meaning);
	tcase_add_test(requests, refuses_options_of_a_newer_library_if_they_are_used);
	tcase_add_test(requests, names_states);

	tcase_add_checked_fixture(answers, begin, end);
	tcase_add_loop_test(answers, does_not_believe_an_impossible_error_offset, 0, 6);
	tcase_add_loop_test(answers, believes_every_possible_error_offset, 0, 2);
	tcase_add_test(answers, takes_no_offset_from_an_errno_that_has_none);
	tcase_add_loop_test(answers, says_what_the_kernels_answer_means, 0, COUNT(translations));
	tcase_add_test(answers, returns_only_what_is_documented);
	return suite;
}
