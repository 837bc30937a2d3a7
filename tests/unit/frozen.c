/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "unit.h"

static struct gmem *gmem;

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

/* What the kernel says when it is asked whether the file is frozen. */
static const struct {
	int code;
	uint64_t status;
	const char *cause;
} answers[] = {
	{ 0, GMEM_UAPI_LIVE_UPDATE_FROZEN, "frozen" },
	{ 0, GMEM_UAPI_LIVE_UPDATE_FROZEN | GMEM_UAPI_LIVE_UPDATE_RETRIEVED, "frozen" },
	{ 0, 0, "refused" },
	{ 0, GMEM_UAPI_LIVE_UPDATE_RETRIEVED, "refused" },
	/* It cannot be asked: the words of the cause leave it open. */
	{ -ENOTTY, 0, "frozen" },
	{ -EPERM, 0, "frozen" },
	{ 1, 0, "frozen" },
};

static int convert(void)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EPERM, NOT_WRITTEN);
	return 0;
}

static int convert_with_options(void)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EPERM, NOT_WRITTEN);
	return 1;
}

static int convert_again(void)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EAGAIN, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EPERM, NOT_WRITTEN);
	return 0;
}

static int emulate(void)
{
	expect_fallocate(GMEM_FD, 3, 0, PAGE, -EPERM);
	return 2;
}

static int allocate(void)
{
	expect_fallocate(GMEM_FD, 1, 0, PAGE, -EPERM);
	return 3;
}

static int discard(void)
{
	expect_fallocate(GMEM_FD, 3, 0, PAGE, -EPERM);
	return 4;
}

static int (*const expectations[])(void) = {
	convert, convert_with_options, convert_again, emulate, allocate, discard,
};

static int call(int which)
{
	struct gmem_convert_options options = { .size = sizeof(options) };

	switch (which) {
	case 0:
		return gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report);
	case 1:
		return gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, &options, report);
	case 2:
		options.policy = GMEM_POLICY_ZERO;
		options.emulate = 1;
		gmem_level_set(GMEM_LEVEL_CONVERT);
		return gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report);
	case 3:
		return gmem_allocate(gmem, 0, PAGE, NULL, report);
	default:
		return gmem_discard(gmem, 0, PAGE, report);
	}
}

START_TEST(a_frozen_file_is_told_from_a_filter)
{
	struct gmem_uapi_live_update now = { .status = answers[_i].status };
	const char *wanted;
	int i, which;

	for (i = 0; i < COUNT(expectations); i++) {
		gmem_level_set(GMEM_LEVEL_FULL);
		which = expectations[i]();
		/* At a level below nothing is asked. */
		if (which != 2)
			expect_live_update(0, 0, answers[_i].code, &now);
		ck_assert_int_eq(call(which), -EPERM);
		wanted = which == 2 ? "frozen" : answers[_i].cause;
		ck_assert_str_eq(gmem_error_get_cause(report), wanted);
		ck_assert_int_eq(gmem_error_get_kernel_code(report), -EPERM);
		ck_assert_str_ne(gmem_error_get_system_call(report), "KVM_GUEST_MEMFD_LIVE_UPDATE");
	}
}
END_TEST

START_TEST(other_failures_are_not_asked_about)
{
	expect_fallocate(GMEM_FD, 3, 0, PAGE, -ENOMEM);
	ck_assert_int_eq(call(4), -ENOMEM);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -ENOMEM, 0);
	ck_assert_int_eq(call(0), -ENOMEM);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("frozen");
	TCase *tests = scripted_case(suite, "EPERM");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_frozen_file_is_told_from_a_filter, 0, COUNT(answers));
	tcase_add_test(tests, other_failures_are_not_asked_about);
	return suite;
}
