/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <limits.h>
#include <string.h>
#include "unit.h"

START_TEST(names_every_errno_of_this_system)
{
	/* The C library knows which numbers there are; 41 and 58 are holes. */
	int code;

	for (code = 1; code < 4096; code++) {
		bool named = strcmp(gmem_error_name(code), "unknown") != 0;
		bool exists = strncmp(strerror(code), "Unknown error", 13) != 0;

		ck_assert_msg(named == exists, "errno %d is %s", code, gmem_error_name(code));
	}
}
END_TEST

START_TEST(names_negative_and_positive_alike)
{
	ck_assert_str_eq(gmem_error_name(-EAGAIN), "EAGAIN");
	ck_assert_str_eq(gmem_error_name(EAGAIN), "EAGAIN");
	ck_assert_str_eq(gmem_error_name(-EOPNOTSUPP), "EOPNOTSUPP");
	ck_assert_str_eq(gmem_error_name(-EHWPOISON), "EHWPOISON");
	ck_assert_str_eq(gmem_error_name(-EBADE), "EBADE");
}
END_TEST

START_TEST(never_returns_null)
{
	ck_assert_str_eq(gmem_error_name(0), "0");
	ck_assert_str_eq(gmem_error_name(INT_MAX), "unknown");
	ck_assert_str_eq(gmem_error_name(INT_MIN), "unknown");
	ck_assert_str_eq(gmem_error_name(-524), "unknown");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("error-name");
	TCase *tests = scripted_case(suite, "names of errno");

	tcase_add_test(tests, names_every_errno_of_this_system);
	tcase_add_test(tests, names_negative_and_positive_alike);
	tcase_add_test(tests, never_returns_null);
	return suite;
}
