/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a conversion does to a range, seen from the host: the pages asked for change state and no
 * others, no byte changes, nothing depends on whether memory has been allocated. Punching a hole
 * and allocating do the opposite: they touch the bytes and never the state.
 */
#include "kernel.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the file should be like: the model every test compares with. */
static struct {
	bool private[NPAGE];
	uint64_t round[NPAGE]; /* argument of fill_page(); 0: the page reads as zero */
} model;

static int vm, gmem;
static uint8_t *mapped;

static void open_with(uint64_t flags)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | flags);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	for (int page = 0; page < NPAGE; page++) {
		model.private[page] = !(flags & INIT_SHARED);
		model.round[page] = 0;
	}
}

static void open_private(void)
{
	open_with(INIT_PRIVATE);
}

static void open_shared(void)
{
	open_with(INIT_SHARED);
}

static void close_all(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	close(vm);
}

static void convert_pages(int first, int count, bool private)
{
	must_give(convert(gmem, first * PAGE, count * PAGE, private ? PRIVATE : SHARED), 0);
	for (int page = first; page < first + count; page++)
		model.private[page] = private;
}

static void fill(int page, uint64_t round)
{
	must_write(mapped + page * PAGE, 1);
	fill_page(mapped + page * PAGE, page, round);
	model.round[page] = round;
}

static void check_page(const uint8_t *at, int page)
{
	uint8_t byte;

	ck_assert_msg(try_read(at, &byte) == !model.private[page],
		      "page %d is %s, the model says %s", page,
		      model.private[page] ? "shared" : "private",
		      model.private[page] ? "private" : "shared");
	if (model.private[page])
		return;
	if (model.round[page])
		ck_assert_msg(page_is_filled(at, page, model.round[page]),
			      "page %d lost what was written in round %llu", page,
			      (unsigned long long)model.round[page]);
	else
		ck_assert_msg(page_is_zero(at), "page %d is not zero", page);
}

/* Through the mapping that lived through it all, and through a fresh one. */
static void check_model(void)
{
	uint8_t *fresh = map_gmem(gmem, 0, FILE_SIZE);

	for (int page = 0; page < NPAGE; page++) {
		check_page(mapped + page * PAGE, page);
		check_page(fresh + page * PAGE, page);
	}
	munmap(fresh, FILE_SIZE);
}

static void check_all_contents(void)
{
	check_model();
	convert_pages(0, NPAGE, false);
	check_model();
}

/* Leaves memory behind that is not zero, for the next allocations to find. */
static void dirty_free_memory(void)
{
	uint64_t size = 8 * MIB;
	int file = new_gmem(vm, size, MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(file, 0, size);

	memset(at, 0xA5, size);
	munmap(at, size);
	close(file);
}

START_TEST(every_range_of_every_pattern_changes_only_itself)
{
	enum {
		SMALL = 5
	};

	for (int pattern = 0; pattern < 1 << SMALL; pattern++) {
		for (int first = 0; first < SMALL; first++) {
			for (int count = 1; first + count <= SMALL; count++) {
				for (int page = 0; page < SMALL; page++)
					convert_pages(page, 1, pattern >> page & 1);
				convert_pages(first, count, _i);
				for (int page = 0; page < SMALL; page++)
					check_page(mapped + page * PAGE, page);
			}
		}
	}
	check_model();
}
END_TEST

START_TEST(random_calls_leave_what_the_model_says)
{
	uint64_t random = test_seed();

	for (uint64_t round = 1; round <= (in_a_hurry() ? 100 : 400); round++) {
		int first = (int)random_below(&random, NPAGE);
		int count = 1 + (int)random_below(&random, NPAGE - first);

		switch (random_below(&random, 6)) {
		case 0:
		case 1:
			convert_pages(first, count, true);
			break;
		case 2:
		case 3:
			convert_pages(first, count, false);
			break;
		case 4:
			must_give(punch(gmem, first * PAGE, count * PAGE), 0);
			for (int page = first; page < first + count; page++)
				model.round[page] = 0;
			break;
		case 5:
			must_give(allocate(gmem, first * PAGE, count * PAGE), 0);
			break;
		}
		first = (int)random_below(&random, NPAGE);
		if (!model.private[first])
			fill(first, round);
		check_model();
	}
	check_all_contents();
}
END_TEST

START_TEST(converting_again_changes_nothing)
{
	fill(3, 1);
	fill(4, 2);
	for (int i = 0; i < 3; i++) {
		convert_pages(2, 4, true);
		check_model();
	}
	for (int i = 0; i < 3; i++) {
		convert_pages(3, 1, false);
		check_model();
	}
	check_all_contents();
}
END_TEST

START_TEST(a_range_of_both_states_becomes_one)
{
	for (int page = 0; page < NPAGE; page++)
		fill(page, page + 1);
	for (int page = 0; page < NPAGE; page += 2)
		convert_pages(page, 1, true);
	check_model();
	convert_pages(1, NPAGE - 2, true);
	check_model();
	for (int page = 0; page < NPAGE; page += 3)
		convert_pages(page, 1, false);
	check_model();
	convert_pages(1, NPAGE - 2, false);
	check_all_contents();
}
END_TEST

START_TEST(contents_survive_both_directions_byte_for_byte)
{
	for (int page = 0; page < NPAGE; page++)
		fill(page, 7);
	for (int i = 0; i < 20; i++) {
		convert_pages(0, NPAGE, true);
		check_model();
		convert_pages(0, NPAGE, false);
		check_model();
	}
}
END_TEST

START_TEST(a_page_never_allocated_can_be_converted)
{
	dirty_free_memory();
	convert_pages(2, 3, !_i);
	check_model();
	convert_pages(2, 3, _i);
	check_all_contents();
}
END_TEST

START_TEST(a_page_allocated_while_private_is_zero_when_shared)
{
	dirty_free_memory();
	must_give(allocate(gmem, 0, FILE_SIZE), 0);
	check_model();
	check_all_contents();
}
END_TEST

START_TEST(a_page_allocated_while_shared_is_zero)
{
	dirty_free_memory();
	must_give(allocate(gmem, 0, FILE_SIZE), 0);
	check_model();
	convert_pages(0, NPAGE, true);
	check_all_contents();
}
END_TEST

START_TEST(punching_a_hole_keeps_the_state_and_drops_the_bytes)
{
	for (int page = 0; page < NPAGE; page++)
		fill(page, 9);
	convert_pages(4, 4, true);
	convert_pages(10, 1, true);
	must_give(punch(gmem, 2 * PAGE, 10 * PAGE), 0);
	for (int page = 2; page < 12; page++)
		model.round[page] = 0;
	check_model();
	check_all_contents();
}
END_TEST

START_TEST(punching_what_was_never_allocated_keeps_the_state)
{
	convert_pages(4, 4, true);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
	check_model();
	must_give(punch(gmem, 5 * PAGE, PAGE), 0);
	check_all_contents();
}
END_TEST

START_TEST(allocating_keeps_state_and_bytes)
{
	fill(1, 3);
	fill(5, 3);
	convert_pages(4, 4, true);
	must_give(allocate(gmem, 0, FILE_SIZE), 0);
	check_model();
	must_give(allocate(gmem, 3 * PAGE, 3 * PAGE), 0);
	check_all_contents();
}
END_TEST

START_TEST(a_second_life_never_shows_the_first)
{
	for (int i = 0; i < 10; i++) {
		for (int page = 0; page < NPAGE; page++)
			fill(page, i + 1);
		/* Punched while private, while shared, and with a conversion in between. */
		convert_pages(0, NPAGE / 2, true);
		must_give(punch(gmem, 0, FILE_SIZE), 0);
		memset(model.round, 0, sizeof(model.round));
		convert_pages(NPAGE / 4, NPAGE / 2, true);
		must_give(allocate(gmem, 0, i % 2 ? FILE_SIZE : PAGE), 0);
		check_all_contents();
	}
}
END_TEST

START_TEST(a_new_file_never_shows_an_old_one)
{
	for (int page = 0; page < NPAGE; page++)
		fill(page, 5);
	convert_pages(0, NPAGE, true);
	close_all();
	open_private();
	check_all_contents();
}
END_TEST

START_TEST(the_state_belongs_to_the_file_and_not_to_a_descriptor)
{
	int other = dup(gmem);

	ck_assert_int_ge(other, 0);
	fill(2, 4);
	must_give(convert(other, 0, FILE_SIZE, PRIVATE), 0);
	memset(model.private, true, sizeof(model.private));
	check_model();
	/* The mapping alone keeps the file too. */
	close(gmem);
	gmem = other;
	check_model();
	check_all_contents();
}
END_TEST

START_TEST(the_state_of_one_file_is_not_that_of_another)
{
	int other = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(other, 0, FILE_SIZE);

	must_write(at, 17);
	convert_pages(0, NPAGE, true);
	check_model();
	must_hold(at, 17);
	must_give(convert(other, 0, FILE_SIZE, PRIVATE), 0);
	convert_pages(0, 1, false);
	check_model();
	must_sigbus(at);
	munmap(at, FILE_SIZE);
	close(other);
}
END_TEST

START_TEST(many_extents_are_kept_apart_and_merge_again)
{
	const uint64_t pages = in_a_hurry() ? 512 : 4096;
	int file = new_gmem(vm, pages * PAGE, MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(file, 0, pages * PAGE);
	uint8_t byte;

	for (uint64_t page = 0; page < pages; page++)
		must_write(at + page * PAGE, page % 251);
	for (uint64_t page = 0; page < pages; page += 2)
		must_give(convert(file, page * PAGE, PAGE, PRIVATE), 0);
	for (uint64_t page = 0; page < pages; page++)
		ck_assert_int_eq(try_read(at + page * PAGE, &byte), page % 2);
	must_give(convert(file, PAGE, (pages - 2) * PAGE, PRIVATE), 0);
	for (uint64_t page = 0; page < pages; page++)
		ck_assert_int_eq(try_read(at + page * PAGE, &byte), page == pages - 1);
	must_give(convert(file, 0, pages * PAGE, SHARED), 0);
	for (uint64_t page = 0; page < pages; page++)
		must_hold(at + page * PAGE, page % 251);
	munmap(at, pages * PAGE);
	close(file);
}
END_TEST

/* Deep enough that whole branches of the kernel's record go at once, by a conversion or a close. */
START_TEST(any_number_of_extents_can_be_merged_and_closed)
{
	/* The kernel's tree gets deeper with them. */
	static const uint64_t counts[] = { 300, 1300, 30000 };
	uint64_t count = counts[_i];

	for (int part = 0; part < 3; part++) {
		int file = new_gmem(vm, 2 * count * PAGE, MAPPABLE | INIT_SHARED);
		uint8_t *at = map_gmem(file, 0, 2 * count * PAGE), byte;
		/* Nothing, the middle, or all but the ends becomes one extent. */
		uint64_t first = part == 1 ? count / 3 : 1;
		uint64_t last = part == 0 ? first : 2 * count - first;

		for (uint64_t i = 0; i < count; i++)
			must_give(convert(file, 2 * i * PAGE, PAGE, PRIVATE), 0);
		if (last > first)
			must_give(convert(file, first * PAGE, (last - first) * PAGE, PRIVATE), 0);
		for (uint64_t page = 0; page < 2 * count; page += 1 + page % 61) {
			bool private = page % 2 == 0 || (page >= first && page < last);

			ck_assert_int_eq(try_read(at + page * PAGE, &byte), !private);
		}
		munmap(at, 2 * count * PAGE);
		close(file);
	}
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *shared = new_case(suite, "shared file");
	TCase *private = new_case(suite, "private file");

	tcase_add_checked_fixture(shared, open_shared, close_all);
	tcase_add_loop_test(shared, every_range_of_every_pattern_changes_only_itself, 0, 2);
	tcase_add_test(shared, random_calls_leave_what_the_model_says);
	tcase_add_test(shared, converting_again_changes_nothing);
	tcase_add_test(shared, a_range_of_both_states_becomes_one);
	tcase_add_test(shared, contents_survive_both_directions_byte_for_byte);
	tcase_add_loop_test(shared, a_page_never_allocated_can_be_converted, 0, 2);
	tcase_add_test(shared, a_page_allocated_while_shared_is_zero);
	tcase_add_test(shared, punching_a_hole_keeps_the_state_and_drops_the_bytes);
	tcase_add_test(shared, punching_what_was_never_allocated_keeps_the_state);
	tcase_add_test(shared, allocating_keeps_state_and_bytes);
	tcase_add_test(shared, a_second_life_never_shows_the_first);
	tcase_add_test(shared, a_new_file_never_shows_an_old_one);
	tcase_add_test(shared, the_state_belongs_to_the_file_and_not_to_a_descriptor);
	tcase_add_test(shared, the_state_of_one_file_is_not_that_of_another);
	tcase_add_test(shared, many_extents_are_kept_apart_and_merge_again);
	/* The largest takes most of the time. */
	tcase_add_loop_test(shared, any_number_of_extents_can_be_merged_and_closed, 0,
			    in_a_hurry() ? 2 : 3);

	tcase_add_checked_fixture(private, open_private, close_all);
	tcase_add_test(private, random_calls_leave_what_the_model_says);
	tcase_add_loop_test(private, a_page_never_allocated_can_be_converted, 0, 2);
	tcase_add_test(private, a_page_allocated_while_private_is_zero_when_shared);
	tcase_add_test(private, punching_what_was_never_allocated_keeps_the_state);
}

int main(void)
{
	Suite *suite = suite_create("range");

	need_in_place();
	test_seed();
	add_tests(suite);
	return run_suite(suite);
}
