/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/error.h"
#include "unit.h"

START_TEST(every_cause_has_a_name_of_its_own_and_words)
{
	const char *name = gmem_cause_name((unsigned int)_i);
	unsigned int other;

	ck_assert_ptr_nonnull(name);
	ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
	for (other = 0; other < (unsigned int)_i; other++)
		ck_assert_str_ne(gmem_cause_name(other), name);
	ck_assert_str_eq(gmem_cause_explain(name), gmem_cause_text((enum gmem_cause)_i)->why);
	ck_assert_str_eq(gmem_cause_remedy(name), gmem_cause_text((enum gmem_cause)_i)->remedy);
	/* Sentences. */
	ck_assert_int_eq(gmem_cause_explain(name)[strlen(gmem_cause_explain(name)) - 1], '.');
	ck_assert_int_eq(gmem_cause_remedy(name)[strlen(gmem_cause_remedy(name)) - 1], '.');
}
END_TEST

START_TEST(knows_no_other_cause)
{
	ck_assert_ptr_null(gmem_cause_name(GMEM_CAUSE_COUNT));
	ck_assert_ptr_null(gmem_cause_name(UINT32_MAX));
	ck_assert_ptr_null(gmem_cause_explain("bus"));
	ck_assert_ptr_null(gmem_cause_explain(NULL));
	ck_assert_ptr_null(gmem_cause_remedy(""));
	ck_assert_ptr_null(gmem_cause_remedy(NULL));
}
END_TEST

START_TEST(a_report_names_its_cause)
{
	ck_assert_ptr_null(gmem_error_get_cause(report));
	ck_assert_ptr_null(gmem_error_get_cause(NULL));
	ck_assert_int_eq(gmem_get_state(NULL, 0, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "argument");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("cause");
	TCase *tests = scripted_case(suite, "causes");

	tcase_add_loop_test(tests, every_cause_has_a_name_of_its_own_and_words, 0,
			    GMEM_CAUSE_COUNT);
	tcase_add_test(tests, knows_no_other_cause);
	tcase_add_test(tests, a_report_names_its_cause);
	return suite;
}
