/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Batches on a kernel in memory that has io_uring commands or not, pages that are busy for a while
 * or for ever, and pages that cannot be allocated. Each batch is compared with the same calls one
 * by one: results, offsets, and what became of each page; whoever carries it out.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "batch-machine.h"
#include "unit.h"

#define MAX_ITEMS 200

static struct gmem *files[FILES];
static struct gmem_batch_item items[MAX_ITEMS];
static struct gmem_batch_options options;
static struct gmem_batch_statistics statistics;

static void begin(void)
{
	int i;

	batch_machine_begin();
	memset(items, 0, sizeof(items));
	options = (struct gmem_batch_options){ .size = sizeof(options) };
	statistics = (struct gmem_batch_statistics){ .size = sizeof(statistics) };
	for (i = 0; i < FILES; i++)
		ck_assert_int_eq(gmem_create(VM_FD, PAGES * PAGE, NULL, &files[i], report), 0);
}

static void end(void)
{
	batch_machine_end();
	gmem_release(files[0]);
	gmem_release(files[1]);
}

static struct gmem_batch *new_batch(void)
{
	struct gmem_batch *batch;

	ck_assert_int_eq(gmem_batch_new(&options, &batch, report), 0);
	return batch;
}

static void set_item(int i, int file, uint64_t first, uint64_t count, enum gmem_batch_kind kind,
		     enum gmem_state state)
{
	items[i] = (struct gmem_batch_item){ .gmem = files[file],
					     .offset = first * PAGE,
					     .size = count * PAGE,
					     .kind = kind,
					     .state = state };
}

static int run(struct gmem_batch *batch, uint64_t count, uint64_t *index)
{
	int r;

	ck_assert_int_eq(gmem_batch_submit(batch, items, count, NULL, report), 0);
	r = gmem_batch_finish(batch, true, index, report);
	ck_assert_int_eq(gmem_batch_get_statistics(batch, &statistics), 0);
	return r;
}

START_TEST(neighbours_become_one_range)
{
	struct gmem_batch *batch;
	uint64_t i;

	options.executor = _i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
	batch = new_batch();
	/* Every other page first, and then those in between. */
	for (i = 0; i < 100; i++)
		set_item((int)i, 0, i < 50 ? 2 * i : 2 * (i - 50) + 1, 1, GMEM_BATCH_CONVERT,
			 GMEM_STATE_PRIVATE);
	ck_assert_int_eq(run(batch, 100, NULL), 0);
	ck_assert_uint_eq(calls, 1);
	ck_assert_uint_eq(statistics.merged, 1);
	ck_assert_uint_eq(statistics.by_uring, !_i);
	for (i = 0; i < 100; i++)
		must(pages[0][i].private && items[i].result == 0, "page %lu", (unsigned long)i);
	/* Scattered: one command for all. */
	calls = 0;
	for (i = 0; i < 100; i++)
		set_item((int)i, 0, 2 * i, 1, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	ck_assert_int_eq(run(batch, 100, NULL), 0);
	ck_assert_uint_eq(calls, 100);
	ck_assert_uint_eq(statistics.merged, 100);
	ck_assert_uint_eq(commands, _i ? 0 : 2);
	if (!_i)
		ck_assert_uint_le(statistics.system_calls, 2);
	gmem_batch_free(batch);
}
END_TEST

START_TEST(a_failure_belongs_to_its_range)
{
	struct gmem_batch *batch;
	uint64_t i, index = 77;

	options.executor = _i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
	options.max_attempts = 3;
	batch = new_batch();
	for (i = 0; i < 20; i++)
		set_item((int)i, 1, i, 1, GMEM_BATCH_CONVERT, GMEM_STATE_PRIVATE);
	pages[1][7].busy = 1000;
	pages[1][12].busy = 2;
	ck_assert_int_eq(run(batch, 20, &index), -EAGAIN);
	ck_assert_uint_eq(index, 7);
	ck_assert_str_eq(gmem_error_get_cause(report), "busy");
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_batch_finish");
	for (i = 0; i < 20; i++) {
		must(pages[1][i].private == (i != 7), "page %lu", (unsigned long)i);
		must(items[i].result == (i == 7 ? -EAGAIN : 0), "item %lu", (unsigned long)i);
		must(items[i].error_offset == (i == 7 ? 7 * PAGE : UINT64_MAX), "item %lu",
		     (unsigned long)i);
	}
	gmem_batch_free(batch);
}
END_TEST

START_TEST(an_ordered_batch_stops_at_the_first_failure)
{
	struct gmem_batch *batch;
	uint64_t index = 77;

	options.ordered = 1;
	options.executor = _i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
	batch = new_batch();
	/* Overlapping: the last one wins. */
	set_item(0, 0, 0, 10, GMEM_BATCH_CONVERT, GMEM_STATE_PRIVATE);
	set_item(1, 0, 5, 10, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	set_item(2, 1, 0, 10, GMEM_BATCH_ALLOCATE, 0);
	set_item(3, 1, 3, 1, GMEM_BATCH_DISCARD, 0);
	set_item(4, 1, 8, 5, GMEM_BATCH_ALLOCATE, 0);
	set_item(5, 0, 0, 1, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	ck_assert_int_eq(run(batch, 6, &index), 0);
	ck_assert(!pages[0][0].private && pages[0][4].private && !pages[0][5].private);
	ck_assert(pages[1][2].there && !pages[1][3].there && pages[1][12].there);
	pages[1][12].broken = true;
	ck_assert_int_eq(run(batch, 6, &index), -EHWPOISON);
	ck_assert_uint_eq(index, 4);
	ck_assert_int_eq(items[3].result, 0);
	ck_assert_int_eq(items[5].result, -ECANCELED);
	ck_assert(pages[0][0].private);
	gmem_batch_free(batch);
}
END_TEST

/* What the machine may lack; results are the same. */
static const struct {
	bool commands, fallocate;
	int ring, reg, submit;
	unsigned int refused;
} machines[] = {
	{ true, true, 0, 0, 0, 0 },	   { false, true, 0, 0, 0, 0 },
	{ true, false, 0, 0, 0, 0 },	   { true, true, -ENOSYS, 0, 0, 0 },
	{ true, true, 0, -EBUSY, 0, 0 },   { false, false, 0, 0, 0, 1 },
	{ false, false, -EPERM, 0, 0, 2 }, { true, true, 0, 0, -EBUSY, 0 },
};

static void set_machine(int i)
{
	has_commands = machines[i].commands;
	has_fallocate = machines[i].fallocate;
	ring_code = machines[i].ring;
	register_code = machines[i].reg;
	submit_code = machines[i].submit;
	threads_refused = machines[i].refused;
}

/* One range by itself, with the function for it. */
static int one_by_one(const struct gmem_batch_item *item)
{
	struct gmem_convert_options convert_options = { .size = sizeof(convert_options) };

	convert_options.max_attempts = options.max_attempts;
	if (item->kind == GMEM_BATCH_CONVERT)
		return gmem_convert(item->gmem, item->offset, item->size, item->state,
				    &convert_options, report);
	if (item->kind == GMEM_BATCH_ALLOCATE)
		return gmem_allocate(item->gmem, item->offset, item->size, NULL, report);
	return gmem_discard(item->gmem, item->offset, item->size, report);
}

static void shuffle(uint64_t count, unsigned int *seed)
{
	for (; count > 1; count--) {
		uint64_t other = (uint64_t)rand_r(seed) % count;
		struct gmem_batch_item item = items[other];

		items[other] = items[count - 1];
		items[count - 1] = item;
	}
}

static unsigned int count_twins(uint64_t count, uint64_t index)
{
	unsigned int twins = 0;

	for (; count; count--)
		twins += items[count - 1].gmem == items[index].gmem &&
			 items[count - 1].offset == items[index].offset;
	return twins;
}

/* Each number of items: the sort takes it for how much it looks at in one go. */
START_TEST(whatever_the_order_neighbours_and_overlaps_are_found)
{
	unsigned int seed = unit_seed();
	struct gmem_batch *batch = new_batch();
	uint64_t count, i, index;

	for (count = 2; count <= MAX_ITEMS; count++) {
		for (i = 0; i < count; i++)
			set_item((int)i, i % FILES, i / FILES, 1, GMEM_BATCH_CONVERT,
				 count % 2 ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED);
		shuffle(count, &seed);
		ck_assert_int_eq(run(batch, count, NULL), 0);
		ck_assert_uint_eq(statistics.merged, FILES);
		for (i = 0; i < count; i++) {
			must(items[i].result == 0, "item %lu", (unsigned long)i);
			must(pages[i % FILES][i / FILES].private == count % 2, "page %lu",
			     (unsigned long)i);
		}
		/* One of them twice. */
		if (count == MAX_ITEMS)
			break;
		items[count] = items[(uint64_t)rand_r(&seed) % count];
		shuffle(count + 1, &seed);
		ck_assert_int_eq(gmem_batch_submit(batch, items, count + 1, &index, report),
				 -EINVAL);
		ck_assert_str_eq(gmem_error_get_cause(report), "overlap");
		ck_assert_uint_eq(count_twins(count + 1, index), 2);
	}
	gmem_batch_free(batch);
}
END_TEST

/* Random ranges; those of a batch that is not ordered do not overlap. */
static uint64_t make_items(unsigned int *seed)
{
	uint64_t used[FILES] = { 0 }, i, first, count;

	for (i = 0; i < MAX_ITEMS; i++) {
		int file = rand_r(seed) % FILES, kind = 1 + rand_r(seed) % 6;

		count = 1 + (uint64_t)rand_r(seed) % 4;
		first = options.ordered ? (uint64_t)rand_r(seed) % (PAGES - count)
					: used[file] + (uint64_t)rand_r(seed) % 3 / 2;
		if (first + count > PAGES)
			break;
		used[file] = first + count;
		kind = kind > 3 ? GMEM_BATCH_CONVERT : kind;
		set_item((int)i, file, first, count, (enum gmem_batch_kind)kind,
			 kind != GMEM_BATCH_CONVERT ? 0
			 : rand_r(seed) % 3	    ? GMEM_STATE_PRIVATE
						    : GMEM_STATE_SHARED);
	}
	if (!options.ordered)
		shuffle(i, seed);
	return i;
}

static void break_pages(unsigned int *seed)
{
	int i;

	for (i = 0; i < FILES * PAGES; i++) {
		struct page *page = &pages[i / PAGES][i % PAGES];

		page->private = rand_r(seed) % 2;
		page->there = rand_r(seed) % 2;
		page->busy = rand_r(seed) % 40 ? 0 : 1000;
		page->broken = rand_r(seed) % 40 == 0;
	}
}

/* What one by one would give: results, and the pages. */
static uint64_t expect_results(uint64_t count, int *results, uint64_t *offsets)
{
	uint64_t i, first = UINT64_MAX;

	for (i = 0; i < count; i++) {
		results[i] =
			options.ordered && first != UINT64_MAX ? -ECANCELED : one_by_one(&items[i]);
		offsets[i] = UINT64_MAX;
		if (results[i] && results[i] != -ECANCELED) {
			gmem_error_get_first_offset(report, &offsets[i]);
			first = first == UINT64_MAX ? i : first;
		}
	}
	return first;
}

static void compare(struct gmem_batch *batch, unsigned int *seed)
{
	static struct page before[FILES][PAGES], expected[FILES][PAGES];
	uint64_t offsets[MAX_ITEMS], i, index = UINT64_MAX, first, count = make_items(seed);
	int results[MAX_ITEMS], r;

	break_pages(seed);
	memcpy(before, pages, sizeof(pages));
	first = expect_results(count, results, offsets);
	memcpy(expected, pages, sizeof(pages));
	memcpy(pages, before, sizeof(pages));
	r = run(batch, count, &index);
	ck_assert_uint_eq(index, first);
	ck_assert_int_eq(r, first == UINT64_MAX ? 0 : results[first]);
	for (i = 0; i < count; i++) {
		must(items[i].result == results[i], "item %lu of %lu: %d instead of %d",
		     (unsigned long)i, (unsigned long)count, items[i].result, results[i]);
		must(items[i].error_offset == offsets[i], "item %lu: 0x%lx instead of 0x%lx",
		     (unsigned long)i, (unsigned long)items[i].error_offset,
		     (unsigned long)offsets[i]);
	}
	for (i = 0; i < FILES * PAGES; i++)
		must(!memcmp(&pages[i / PAGES][i % PAGES], &expected[i / PAGES][i % PAGES],
			     sizeof(struct page)),
		     "page %lu", (unsigned long)i);
}

START_TEST(batches_are_what_their_parts_are_one_by_one)
{
	/* Threads take turns under valgrind: each round takes a second there. */
	unsigned int rounds = getenv("GMEM_ROUNDS") ? 10 : 60;
	unsigned int round, seed = unit_seed();
	struct gmem_batch *batch;

	set_machine(_i / 2);
	options.ordered = (uint32_t)_i % 2;
	options.max_attempts = 2;
	batch = new_batch();
	for (round = 0; round < rounds; round++) {
		threads_refused = machines[_i / 2].refused;
		compare(batch, &seed);
	}
	gmem_batch_free(batch);
}
END_TEST

START_TEST(an_event_loop_is_told)
{
	struct gmem_batch *batch;
	struct pollfd poll_fd = { .events = POLLIN };
	uint64_t i;
	int r, rounds = 0;

	set_machine(_i);
	batch = new_batch();
	poll_fd.fd = gmem_batch_get_fd(batch);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	for (i = 0; i < 100; i++)
		set_item((int)i, (int)i % 2, i, 1, i % 3 ? GMEM_BATCH_CONVERT : GMEM_BATCH_ALLOCATE,
			 i % 3 ? GMEM_STATE_PRIVATE : 0);
	pages[1][1].busy = 1;
	ck_assert_int_eq(gmem_batch_submit(batch, items, 100, NULL, report), 0);
	do {
		/* Some machines have it done at once, and it can be finished at any time. */
		ck_assert_int_eq(poll(&poll_fd, 1, 10000), 1);
		r = gmem_batch_finish(batch, false, NULL, report);
		rounds++;
	} while (r == -EINPROGRESS && rounds < 3000);
	ck_assert_int_eq(r, 0);
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(items[i].result, 0);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	ck_assert_int_eq(gmem_batch_finish(batch, false, NULL, report), -ENODATA);
	gmem_batch_free(batch);
}
END_TEST

START_TEST(one_batch_at_a_time)
{
	struct gmem_batch *batch = new_batch();

	set_item(0, 0, 0, 1, GMEM_BATCH_ALLOCATE, 0);
	ck_assert_int_eq(gmem_batch_submit(batch, items, 1, NULL, report), 0);
	ck_assert_int_eq(gmem_batch_submit(batch, items, 1, NULL, report), -EBUSY);
	ck_assert_str_eq(gmem_error_get_cause(report), "under-way");
	ck_assert_int_eq(gmem_batch_get_statistics(batch, &statistics), -EBUSY);
	/* Freeing waits for the end. */
	gmem_batch_free(batch);
	ck_assert(pages[0][0].there);
	ck_assert_int_eq(items[0].result, 0);
}
END_TEST

static int try(struct gmem_batch *batch, uint64_t count)
{
	uint64_t index = 77;
	int r = gmem_batch_submit(batch, items, count, &index, report);

	ck_assert_uint_ne(index, 77);
	return r;
}

START_TEST(refuses_what_makes_no_sense)
{
	struct gmem_batch *batch = new_batch(), *none;

	set_item(0, 0, 0, 2, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	set_item(1, 0, 1, 2, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "overlap");
	ck_assert_int_eq(try(batch, 0), -EINVAL);
	set_item(1, 0, 1, 2, 0, 0);
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	set_item(1, 0, 5, 2, GMEM_BATCH_CONVERT, 0);
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	set_item(1, 0, 5, 2, GMEM_BATCH_DISCARD, GMEM_STATE_SHARED);
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	set_item(1, 0, PAGES, 1, GMEM_BATCH_DISCARD, 0);
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	set_item(1, 0, 5, 1, GMEM_BATCH_DISCARD, 0);
	items[1].gmem = NULL;
	ck_assert_int_eq(try(batch, 2), -EINVAL);
	ck_assert_int_eq(gmem_batch_submit(batch, NULL, 1, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_batch_submit(NULL, items, 1, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_batch_finish(NULL, true, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_batch_get_statistics(NULL, &statistics), -EINVAL);
	ck_assert_int_eq(gmem_batch_get_fd(NULL), -1);
	ck_assert_int_eq(WITHOUT_MEMORY(gmem_batch_submit(batch, items, 1, NULL, report)), -ENOMEM);
	gmem_batch_free(batch);
	gmem_batch_free(NULL);
	ck_assert_int_eq(gmem_batch_new(NULL, NULL, report), -EINVAL);
	options.executor = GMEM_BATCH_URING;
	ck_assert_int_eq(gmem_batch_new(&options, &none, report), -EINVAL);
	options.executor = GMEM_BATCH_BEST;
	options.threads = 65;
	ck_assert_int_eq(gmem_batch_new(&options, &none, report), -EINVAL);
	ck_assert_int_eq(WITHOUT_MEMORY(gmem_batch_new(NULL, &none, report)), -ENOMEM);
	event_code = -EMFILE;
	ck_assert_int_eq(gmem_batch_new(NULL, &none, report), -EMFILE);
	ck_assert_str_eq(gmem_error_get_cause(report), "process-files");
	ck_assert_uint_eq(calls, 0);
}
END_TEST

/* Of a kernel without policies: as the function for one range says it. */
START_TEST(policies_that_cannot_be_had)
{
	struct gmem_batch *batch = new_batch();

	set_item(0, 0, 0, 2, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	set_item(1, 0, 2, 2, GMEM_BATCH_CONVERT, GMEM_STATE_SHARED);
	items[0].policy = GMEM_POLICY_ZERO;
	ck_assert_int_eq(run(batch, 2, NULL), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-policy");
	ck_assert_int_eq(items[0].result, -EOPNOTSUPP);
	ck_assert_int_eq(items[1].result, 0);
	gmem_batch_free(batch);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("batch");
	TCase *tests = scripted_case(suite, "batches");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, neighbours_become_one_range, 0, 2);
	tcase_add_test(tests, whatever_the_order_neighbours_and_overlaps_are_found);
	tcase_add_loop_test(tests, a_failure_belongs_to_its_range, 0, 2);
	tcase_add_loop_test(tests, an_ordered_batch_stops_at_the_first_failure, 0, 2);
	tcase_add_loop_test(tests, batches_are_what_their_parts_are_one_by_one, 0,
			    2 * COUNT(machines));
	tcase_add_loop_test(tests, an_event_loop_is_told, 0, COUNT(machines));
	tcase_add_test(tests, one_batch_at_a_time);
	tcase_add_test(tests, refuses_what_makes_no_sense);
	tcase_add_test(tests, policies_that_cannot_be_had);
	return suite;
}
