/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What happens when the kernel has no memory for what it is asked: every allocation of a call is
 * made to fail in turn. A conversion gives ENOMEM with the offset of the range, and nothing has
 * changed, not even the page tables. Needs a kernel with fault injection (the lab's debug flavour)
 * and root.
 */
#include "fault.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PAGES = 64
};
#define SIZE (PAGES * PAGE)

static int vm, gmem;
static uint8_t *mapped;
static bool is_private[PAGES];

static void open_all(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	for (uint64_t page = 0; page < PAGES; page++) {
		fill_page(mapped + page * PAGE, page, 1);
		is_private[page] = false;
	}
}

static void close_all(void)
{
	munmap(mapped, SIZE);
	close(gmem);
	close(vm);
}

/* ---- conversions ---- */

static void nothing_changed(const bool *in_page_tables)
{
	for (uint64_t page = 0; page < PAGES; page++) {
		uint8_t byte, *at = mapped + page * PAGE;

		ck_assert_int_eq(is_in_page_tables(at), in_page_tables[page]);
		ck_assert_int_eq(try_read(at, &byte), !is_private[page]);
		if (!is_private[page])
			ck_assert(page_is_filled(at, page, 1));
	}
}

/* Brings all shared pages in, and remembers. */
static void map_shared(bool *ret_in_page_tables)
{
	for (uint64_t page = 0; page < PAGES; page++) {
		uint8_t byte;

		ret_in_page_tables[page] = try_read(mapped + page * PAGE, &byte);
	}
}

/* Converts with every allocation failing in turn, until none is left. Returns how many failed. */
static int convert_with_failures(uint64_t first, uint64_t count, uint64_t state)
{
	bool in_page_tables[PAGES];
	int failures = 0;

	for (unsigned int nth = 1;; nth++) {
		uint64_t where = ~0ULL;
		bool failed;
		int ret;

		map_shared(in_page_tables);
		fail_at(nth);
		ret = convert_where(gmem, first * PAGE, count * PAGE, state, &where);
		failed = has_failed();
		if (ret == -ENOMEM) {
			ck_assert(failed);
			ck_assert_uint_eq(where, first * PAGE);
			nothing_changed(in_page_tables);
			failures++;
			continue;
		}
		must_give(ret, 0);
		ck_assert_uint_eq(where, ~0ULL);
		for (uint64_t page = first; page < first + count; page++)
			is_private[page] = state == PRIVATE;
		/* An allocation may fail without harm, such as one that is tried again. */
		if (!failed)
			return failures;
		must_give(convert(gmem, first * PAGE, count * PAGE, PRIVATE - state), 0);
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
		memset(is_private, false, sizeof(is_private));
	}
}

START_TEST(a_conversion_without_memory_is_enomem_and_changes_nothing)
{
	uint64_t random = test_seed();
	int failures = 0;

	for (int i = 0; i < (in_a_hurry() ? 40 : 150); i++) {
		uint64_t first = random_below(&random, PAGES);
		uint64_t count = 1 + random_below(&random, i % 2 ? 2 : PAGES) % (PAGES - first);

		failures += convert_with_failures(first, count,
						  random_below(&random, 2) ? PRIVATE : SHARED);
	}
	printf("# %d conversions failed for want of memory\n", failures);
	fflush(stdout);
	ck_assert_int_gt(failures, 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert(page_is_filled(mapped + page * PAGE, page, 1));
}
END_TEST

START_TEST(a_conversion_that_changes_nothing_allocates_nothing)
{
	must_give(convert(gmem, PAGE, PAGE, PRIVATE), 0);
	fail_at(1);
	must_give(convert(gmem, PAGE, PAGE, PRIVATE), 0);
	must_give(convert(gmem, 2 * PAGE, SIZE - 2 * PAGE, SHARED), 0);
	ck_assert(!has_failed());
}
END_TEST

START_TEST(want_of_memory_is_told_before_a_busy_page)
{
	int ring = pin(mapped + 5 * PAGE, PAGE), failures = 0;
	bool in_page_tables[PAGES];

	ck_assert_int_ge(ring, 0);
	for (unsigned int nth = 1;; nth++) {
		uint64_t where = ~0ULL;
		int ret;

		map_shared(in_page_tables);
		fail_at(nth);
		ret = convert_where(gmem, PAGE, 10 * PAGE, PRIVATE, &where);
		if (!has_failed()) {
			must_give(ret, -EAGAIN);
			ck_assert_uint_eq(where, 5 * PAGE);
			break;
		}
		if (ret == -EAGAIN)
			continue;
		must_give(ret, -ENOMEM);
		ck_assert_uint_eq(where, PAGE);
		nothing_changed(in_page_tables);
		failures++;
	}
	ck_assert_int_gt(failures, 0);
	unpin(ring);
}
END_TEST

START_TEST(want_of_memory_that_cannot_be_told_is_efault)
{
	struct gmem_uapi_attributes *request =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool in_page_tables[PAGES];

	ck_assert(request != MAP_FAILED);
	request->offset = PAGE;
	request->size = PAGE;
	request->attributes = PRIVATE;
	ck_assert(!mprotect(request, PAGE, PROT_READ));
	map_shared(in_page_tables);
	fail_at(1);
	must_give(convert_raw(gmem, request), -EFAULT);
	ck_assert(has_failed());
	nothing_changed(in_page_tables);
	munmap(request, PAGE);
}
END_TEST

/* ---- other calls ---- */

/* The lowest free descriptor: moves if a failed call leaves one behind. */
static int next_descriptor(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

START_TEST(a_file_that_cannot_be_made_leaves_nothing_behind)
{
	int before, failures = 0;

	fail_at(0); /* opens a file when it is first called, which must not be counted */
	before = next_descriptor();
	for (unsigned int nth = 1;; nth++) {
		bool failed;
		int file;

		fail_at(nth);
		file = try_new_gmem(vm, SIZE, MAPPABLE);
		failed = has_failed();
		if (file >= 0) {
			must_give(convert(file, 0, SIZE, SHARED), 0);
			close(file);
			if (!failed)
				break;
			continue;
		}
		must_give(file, -ENOMEM);
		ck_assert(failed);
		ck_assert_int_eq(next_descriptor(), before);
		failures++;
	}
	ck_assert_int_gt(failures, 0);
}
END_TEST

START_TEST(a_slot_that_cannot_be_made_can_be_made_later)
{
	int failures = 0;

	for (unsigned int nth = 1;; nth++) {
		bool failed;
		int ret;

		fail_at(nth);
		ret = set_slot(vm, 0, 1ULL << 30, SIZE, gmem, 0);
		failed = has_failed();
		if (ret == 0) {
			must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
			must_give(convert(gmem, 0, SIZE, SHARED), 0);
			must_give(delete_slot(vm, 0), 0);
			if (!failed)
				break;
			continue;
		}
		must_give(ret, -ENOMEM);
		failures++;
	}
	ck_assert_int_gt(failures, 0);
}
END_TEST

START_TEST(an_allocation_that_fails_keeps_the_state)
{
	int failures = 0;

	must_give(convert(gmem, 0, SIZE / 2, PRIVATE), 0);
	must_give(punch(gmem, 0, SIZE), 0);
	for (unsigned int nth = 1;; nth++) {
		bool failed;
		int ret;

		fail_at(nth);
		ret = allocate(gmem, SIZE / 4, SIZE / 2);
		failed = has_failed();
		must_sigbus(mapped + SIZE / 4);
		must_hold(mapped + SIZE / 2, 0);
		must_give(punch(gmem, 0, SIZE), 0);
		if (!failed) {
			must_give(ret, 0);
			break;
		}
		failures += ret != 0;
		ck_assert(ret == 0 || ret == -ENOMEM);
	}
	ck_assert_int_gt(failures, 0);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *conversions = new_case(suite, "conversions");
	TCase *others = new_case(suite, "other calls");

	tcase_add_checked_fixture(conversions, open_all, close_all);
	tcase_add_test(conversions, a_conversion_without_memory_is_enomem_and_changes_nothing);
	tcase_add_test(conversions, a_conversion_that_changes_nothing_allocates_nothing);
	tcase_add_test(conversions, want_of_memory_is_told_before_a_busy_page);
	tcase_add_test(conversions, want_of_memory_that_cannot_be_told_is_efault);
	tcase_add_checked_fixture(others, open_all, close_all);
	tcase_add_test(others, a_file_that_cannot_be_made_leaves_nothing_behind);
	tcase_add_test(others, a_slot_that_cannot_be_made_can_be_made_later);
	tcase_add_test(others, an_allocation_that_fails_keeps_the_state);
}

int main(void)
{
	Suite *suite = suite_create("fault-injection");

	need_in_place();
	need_fault_injection();
	test_seed();
	add_tests(suite);
	return run_suite(suite);
}
