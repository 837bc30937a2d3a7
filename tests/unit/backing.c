/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include <string.h>
#include "lib/backing.h"
#include "unit.h"

#define PAGES 300

static struct gmem *gmem;
static struct gmem_backing *backing;
/* what is right: a byte for each page */
static bool model[PAGES];

static void begin(void)
{
	static struct gmem file;

	file = (struct gmem){ .size = PAGES * PAGE, .page_size = PAGE };
	gmem = &file;
	backing = gmem_backing_new(gmem, GMEM_STATE_SHARED);
	ck_assert_ptr_nonnull(backing);
	memset(model, 0, sizeof(model));
}

static void end(void)
{
	gmem_backing_free(backing);
}

static void set(uint64_t page, uint64_t pages, bool private)
{
	gmem_backing_set(backing, page * PAGE, pages * PAGE,
			 private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED);
	memset(model + page, private, pages);
}

/* Every run from every page on, cut at several places. */
static void check(void)
{
	static const uint64_t limits[] = { 1, 2, 63, 64, 65, 128, PAGES };
	uint64_t page, run, limit;
	enum gmem_state state;
	int i;

	for (page = 0; page < PAGES; page++) {
		for (i = 0; i < COUNT(limits); i++) {
			limit = limits[i] < PAGES - page ? limits[i] : PAGES - page;
			for (run = 1; run < limit && model[page + run] == model[page]; run++)
				;
			must(gmem_backing_run(backing, page * PAGE, limit * PAGE, &state) ==
				     run * PAGE,
			     "the run from page %d on", (int)page);
			must((state == GMEM_STATE_PRIVATE) == model[page], "the state of page %d",
			     (int)page);
		}
	}
}

START_TEST(sets_every_range)
{
	uint64_t page, pages;

	check();
	for (page = 0; page < PAGES; page += 7) {
		for (pages = 1; pages <= PAGES - page; pages += 61) {
			set(page, pages, true);
			set(page, (pages + 1) / 2, false);
		}
		check();
	}
	set(0, PAGES, true);
	check();
	set(0, PAGES, false);
	check();
}
END_TEST

START_TEST(is_right_after_random_changes)
{
	uint64_t page, pages;
	int i;

	srandom(unit_seed());
	for (i = 0; i < 200; i++) {
		page = (uint64_t)random() % PAGES;
		pages = 1 + (uint64_t)random() % (PAGES - page);
		set(page, pages, random() % 2);
		check();
	}
}
END_TEST

START_TEST(starts_as_it_is_told)
{
	gmem_backing_free(backing);
	backing = gmem_backing_new(gmem, GMEM_STATE_PRIVATE);
	memset(model, true, sizeof(model));
	check();
	gmem_backing_free(NULL);
}
END_TEST

START_TEST(needs_memory)
{
	struct gmem_backing *none;

	refuse_allocations();
	none = gmem_backing_new(gmem, GMEM_STATE_PRIVATE);
	allow_allocations(0);
	ck_assert_ptr_null(none);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("backing");
	TCase *tests = scripted_case(suite, "states of a file");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, sets_every_range);
	tcase_add_test(tests, is_right_after_random_changes);
	tcase_add_test(tests, starts_as_it_is_told);
	tcase_add_test(tests, needs_memory);
	return suite;
}
