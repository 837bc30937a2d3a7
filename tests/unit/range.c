/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include "lib/range.h"
#include "unit.h"

static const struct gmem file = { .size = 256 * PAGE, .page_size = PAGE };

START_TEST(accepts_what_lies_in_the_file)
{
	ck_assert_int_eq(gmem_range_check(&file, 0, PAGE), GMEM_CAUSE_NONE);
	ck_assert_int_eq(gmem_range_check(&file, 0, 256 * PAGE), GMEM_CAUSE_NONE);
	ck_assert_int_eq(gmem_range_check(&file, 255 * PAGE, PAGE), GMEM_CAUSE_NONE);
}
END_TEST

START_TEST(says_what_is_wrong_in_the_kernels_order)
{
	ck_assert_int_eq(gmem_range_check(NULL, 0, PAGE), GMEM_CAUSE_ARGUMENT);
	ck_assert_int_eq(gmem_range_check(&file, 1, 0), GMEM_CAUSE_EMPTY);
	ck_assert_int_eq(gmem_range_check(&file, 256 * PAGE + 1, PAGE), GMEM_CAUSE_UNALIGNED);
	ck_assert_int_eq(gmem_range_check(&file, 0, 1), GMEM_CAUSE_UNALIGNED);
	ck_assert_int_eq(gmem_range_check(&file, -PAGE, PAGE), GMEM_CAUSE_WRAPS);
	ck_assert_int_eq(gmem_range_check(&file, PAGE, -PAGE), GMEM_CAUSE_WRAPS);
	ck_assert_int_eq(gmem_range_check(&file, -PAGE, -PAGE), GMEM_CAUSE_WRAPS);
	ck_assert_int_eq(gmem_range_check(&file, 0, 257 * PAGE), GMEM_CAUSE_BEYOND_END);
	ck_assert_int_eq(gmem_range_check(&file, 256 * PAGE, PAGE), GMEM_CAUSE_BEYOND_END);
}
END_TEST

/* Numbers near the places where something can go wrong. */
static uint64_t random_number(unsigned int *seed)
{
	static const uint64_t near[] = { 0, PAGE, 256 * PAGE, UINT64_C(1) << 63, UINT64_MAX };
	uint64_t number = near[(unsigned int)rand_r(seed) % 5];

	number += ((uint64_t)((unsigned int)rand_r(seed) % 7) - 3) * PAGE;
	if (rand_r(seed) % 8 == 0)
		number += (uint64_t)rand_r(seed);
	return number;
}

START_TEST(agrees_with_arithmetic_that_cannot_overflow)
{
	unsigned int seed = unit_seed(), first_seed = seed;
	int i;

	for (i = 0; i < 200000; i++) {
		uint64_t offset = random_number(&seed), size = random_number(&seed);
		bool good = size > 0 && offset % PAGE == 0 && size % PAGE == 0 &&
			    (unsigned __int128)offset + size <= file.size;

		must(good == (gmem_range_check(&file, offset, size) == GMEM_CAUSE_NONE),
		     "seed %u: offset 0x%llx, size 0x%llx", first_seed, (unsigned long long)offset,
		     (unsigned long long)size);
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("range");
	TCase *tests = scripted_case(suite, "ranges of a file");

	tcase_add_test(tests, accepts_what_lies_in_the_file);
	tcase_add_test(tests, says_what_is_wrong_in_the_kernels_order);
	tcase_add_test(tests, agrees_with_arithmetic_that_cannot_overflow);
	return suite;
}
