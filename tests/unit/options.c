/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/options.h"
#include "unit.h"

/* A struct of this version; version 1 ended after `first`. */
struct known {
	uint64_t size;
	uint64_t first;
	uint64_t second;
};

#define FIRST_SIZE (2 * sizeof(uint64_t))

static int read_known(struct known *known, const void *given)
{
	memset(known, 0xff, sizeof(*known));
	return gmem_options_read(known, sizeof(*known), FIRST_SIZE, given);
}

START_TEST(takes_null_as_all_zero)
{
	struct known known;

	ck_assert_int_eq(read_known(&known, NULL), 0);
	ck_assert_uint_eq(known.size, 0);
	ck_assert_uint_eq(known.first, 0);
	ck_assert_uint_eq(known.second, 0);
}
END_TEST

START_TEST(takes_the_struct_of_an_older_program)
{
	uint64_t older[2] = { sizeof(older), 5 };
	struct known known;

	ck_assert_uint_eq(sizeof(older), FIRST_SIZE);
	ck_assert_int_eq(read_known(&known, older), 0);
	ck_assert_uint_eq(known.first, 5);
	ck_assert_uint_eq(known.second, 0);
}
END_TEST

START_TEST(takes_its_own_struct)
{
	struct known given = { sizeof(given), 5, 6 }, known;

	ck_assert_int_eq(read_known(&known, &given), 0);
	ck_assert_uint_eq(known.first, 5);
	ck_assert_uint_eq(known.second, 6);
}
END_TEST

START_TEST(takes_the_struct_of_a_newer_program_if_the_rest_is_zero)
{
	uint64_t newer[5] = { sizeof(newer), 5, 6, 0, 0 };
	struct known known;

	ck_assert_int_eq(read_known(&known, newer), 0);
	ck_assert_uint_eq(known.second, 6);
}
END_TEST

START_TEST(refuses_every_bit_that_it_does_not_know)
{
	unsigned char newer[40] = { 0 };
	uint64_t size = sizeof(newer);
	struct known known;

	memcpy(newer, &size, sizeof(size));
	newer[_i / 8] = (unsigned char)(1 << _i % 8);
	ck_assert_int_eq(read_known(&known, newer), -E2BIG);
}
END_TEST

START_TEST(refuses_a_size_that_was_never_one)
{
	struct known given = { 0 }, known;
	static const struct {
		uint64_t size;
		int returned;
	} sizes[] = {
		{ 0, -EINVAL },	  { 7, -EINVAL },	  { FIRST_SIZE - 1, -EINVAL },
		{ 4097, -E2BIG }, { UINT64_MAX, -E2BIG },
	};

	/* Nothing beyond the struct may be read: the address sanitizer sees to that. */
	given.size = sizes[_i].size;
	ck_assert_int_eq(read_known(&known, &given), sizes[_i].returned);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("options");
	TCase *tests = scripted_case(suite, "sized structs");

	tcase_add_test(tests, takes_null_as_all_zero);
	tcase_add_test(tests, takes_the_struct_of_an_older_program);
	tcase_add_test(tests, takes_its_own_struct);
	tcase_add_test(tests, takes_the_struct_of_a_newer_program_if_the_rest_is_zero);
	tcase_add_loop_test(tests, refuses_every_bit_that_it_does_not_know,
			    8 * (int)sizeof(struct known), 8 * 40);
	tcase_add_loop_test(tests, refuses_a_size_that_was_never_one, 0, 5);
	return suite;
}
