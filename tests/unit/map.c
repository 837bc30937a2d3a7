/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <sys/mman.h>
#include "unit.h"

#define READ_WRITE (PROT_READ | PROT_WRITE)

static struct gmem *gmem;
static void *const somewhere = (void *)0x7000000;

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

START_TEST(maps_the_range_asked_for_shared)
{
	struct gmem_map_options options = { .size = sizeof(options), .read_only = 1 };
	void *address = NULL;
	int r;

	expect_mmap(2 * PAGE, READ_WRITE, MAP_SHARED, GMEM_FD, PAGE, 0, somewhere);
	r = WITHOUT_MEMORY(gmem_map(gmem, PAGE, 2 * PAGE, NULL, &address, report));
	ck_assert_int_eq(r, 0);
	ck_assert_ptr_eq(address, somewhere);
	expect_mmap(PAGE, PROT_READ, MAP_SHARED, GMEM_FD, 0, 0, somewhere);
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, &options, &address, report), 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
}
END_TEST

START_TEST(refuses_bad_ranges_without_asking_the_kernel)
{
	void *address = somewhere;

	ck_assert_int_eq(gmem_map(gmem, 0, 0, NULL, &address, report), -EINVAL);
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE + 1, NULL, &address, report), -EINVAL);
	ck_assert_int_eq(gmem_map(gmem, PAGE, -PAGE, NULL, &address, report), -EINVAL);
	ck_assert_int_eq(gmem_map(gmem, 0, 257 * PAGE, NULL, &address, report), -EINVAL);
	ck_assert_int_eq(gmem_map(NULL, 0, PAGE, NULL, &address, report), -EINVAL);
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, NULL, NULL, report), -EINVAL);
	ck_assert_ptr_eq(address, somewhere);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_map_options options = { .size = sizeof(options), .read_only = 2 };
	void *address;

	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, &options, &address, report), -EINVAL);
	options.read_only = 0;
	options.reserved = 1;
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, &options, &address, report), -EINVAL);
	options.size = UINT64_MAX;
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, &options, &address, report), -E2BIG);
}
END_TEST

START_TEST(unmaps)
{
	expect_munmap(somewhere, 2 * PAGE, 0);
	ck_assert_int_eq(gmem_unmap(somewhere, 2 * PAGE, report), 0);
	ck_assert_int_eq(gmem_unmap(NULL, 0, report), 0);
}
END_TEST

START_TEST(refuses_to_unmap_what_is_no_range)
{
	ck_assert_int_eq(gmem_unmap(somewhere, 0, report), -EINVAL);
	ck_assert_int_eq(gmem_unmap(somewhere, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_unmap((char *)somewhere + 1, PAGE, report), -EINVAL);
	/* Whether it wraps the address space is for the kernel to say. */
	expect_munmap(somewhere, SIZE_MAX - PAGE + 1, -EINVAL);
	ck_assert_int_eq(gmem_unmap(somewhere, SIZE_MAX - PAGE + 1, report), -EINVAL);
}
END_TEST

START_TEST(refuses_more_than_can_be_addressed)
{
#if SIZE_MAX < UINT64_MAX
	void *address;

	expect_create(VM_FD, UINT64_C(1) << 40, 0, GMEM_FD + 1);
	expect_close_on_exec(GMEM_FD + 1, 0);
	expect_capability(VM_FD, GMEM_CAP_CONTENT_POLICIES, 0);
	struct gmem *huge;
	ck_assert_int_eq(gmem_create(VM_FD, UINT64_C(1) << 40, NULL, &huge, report), 0);
	ck_assert_int_eq(gmem_map(huge, 0, UINT64_C(1) << 40, NULL, &address, report), -EOVERFLOW);
	ck_assert_int_eq(gmem_unmap(somewhere, UINT64_C(1) << 40, report), -EOVERFLOW);
	expect_close(GMEM_FD + 1, 0);
	gmem_release(huge);
#else
	/* Every size of a file fits: the kernel says what is too much. */
	void *address;

	expect_mmap(256 * PAGE, READ_WRITE, MAP_SHARED, GMEM_FD, 0, -ENOMEM, NULL);
	ck_assert_int_eq(gmem_map(gmem, 0, 256 * PAGE, NULL, &address, report), -ENOMEM);
#endif
}
END_TEST

static int map_answer(int code)
{
	void *address = somewhere;
	int r;

	expect_mmap(PAGE, READ_WRITE, MAP_SHARED, GMEM_FD, 0, code, NULL);
	r = gmem_map(gmem, 0, PAGE, NULL, &address, report);
	ck_assert_ptr_eq(address, somewhere);
	script_end();
	return r;
}

static int unmap_answer(int code)
{
	int r;

	expect_munmap(somewhere, PAGE, code);
	r = gmem_unmap(somewhere, PAGE, report);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_map, map_answer);
	check_positive_numbers(map_answer);
	check_closed_set(gmem_unmap, unmap_answer);
	check_positive_numbers(unmap_answer);
}
END_TEST

static const struct {
	int (*answer)(int code);
	int code;
	const char *why;
} causes[] = {
	{ map_answer, -ENODEV, "not created mappable" },
	{ map_answer, -ENOMEM, "address space" },
	{ map_answer, -EAGAIN, "may not lock that much" },
	{ map_answer, -EBADF, "not open" },
	{ map_answer, -EPERM, "seccomp" },
	{ map_answer, -EACCES, "security module" },
	{ unmap_answer, -ENOMEM, "too many mappings" },
	{ unmap_answer, -EPERM, "sealed" },
	{ unmap_answer, -EINVAL, "more than 64 bits" },
};

START_TEST(says_why_the_kernel_refused)
{
	ck_assert_int_eq(causes[_i].answer(causes[_i].code), causes[_i].code);
	ck_assert_str_contains(explanation(), causes[_i].why);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("map");
	TCase *tests = scripted_case(suite, "host mappings");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, maps_the_range_asked_for_shared);
	tcase_add_test(tests, refuses_bad_ranges_without_asking_the_kernel);
	tcase_add_test(tests, refuses_options_without_meaning);
	tcase_add_test(tests, unmaps);
	tcase_add_test(tests, refuses_to_unmap_what_is_no_range);
	tcase_add_test(tests, refuses_more_than_can_be_addressed);
	tcase_add_test(tests, returns_only_what_is_documented);
	tcase_add_loop_test(tests, says_why_the_kernel_refused, 0, COUNT(causes));
	return suite;
}
