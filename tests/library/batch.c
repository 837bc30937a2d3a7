/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Batches on a real kernel: random ranges of two files, carried out by io_uring and by threads,
 * have the results and the states that a model has of the same calls one by one; with pages that
 * are held.
 */
#include "library.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernel/pin.h"

#define FILES	  2
#define PAGES	  UINT64_C(512)
#define SIZE	  (PAGES * PAGE)
#define MAX_ITEMS 300
/* A page that somebody holds, of the first file. */
#define HELD UINT64_C(200)

static struct file files[FILES];
static struct gmem_batch_item items[MAX_ITEMS];
static struct gmem_batch_options options;
static struct gmem_batch_statistics statistics;
static int ring;

/* What the files are to be: which pages are private, and which are there. */
static bool is_private[FILES][PAGES], there[FILES][PAGES];

static void begin(void)
{
	int i;

	options = (struct gmem_batch_options){ .size = sizeof(options), .max_attempts = 2 };
	statistics = (struct gmem_batch_statistics){ .size = sizeof(statistics) };
	memset(is_private, 0, sizeof(is_private));
	memset(there, 0, sizeof(there));
	for (i = 0; i < FILES; i++)
		files[i] = open_file(VM_PROTECTED, SIZE, GMEM_INIT_SHARED);
	/* Pinned, the page is there. */
	ring = pin(files[0].mapped + HELD * PAGE, PAGE);
	ck_assert_int_ge(ring, 0);
	there[0][HELD] = true;
}

static void end(void)
{
	int i;

	unpin(ring);
	for (i = 0; i < FILES; i++)
		close_file(&files[i]);
}

static int file_of(const struct gmem_batch_item *item)
{
	return item->gmem == files[1].gmem;
}

/* One call as the documentation has it. */
static int expect(const struct gmem_batch_item *item, uint64_t *offset)
{
	uint64_t first = item->offset / PAGE, last = first + item->size / PAGE, i;
	int file = file_of(item);

	*offset = UINT64_MAX;
	if (item->kind == GMEM_BATCH_CONVERT && item->state == GMEM_STATE_PRIVATE && file == 0 &&
	    first <= HELD && HELD < last) {
		*offset = HELD * PAGE;
		return -EAGAIN;
	}
	for (i = first; i < last; i++) {
		if (item->kind == GMEM_BATCH_CONVERT)
			is_private[file][i] = item->state == GMEM_STATE_PRIVATE;
		else
			there[file][i] = item->kind == GMEM_BATCH_ALLOCATE;
	}
	return 0;
}

/* Random ranges; those of a batch that is not ordered do not overlap, and come in any order. */
static uint64_t make_items(unsigned int *seed)
{
	uint64_t used[FILES] = { 0 }, i, j;

	for (i = 0; i < MAX_ITEMS; i++) {
		int file = rand_r(seed) % FILES;
		uint64_t count = 1 + (uint64_t)rand_r(seed) % 5, first;
		struct gmem_batch_item *item = &items[i];

		first = options.ordered ? (uint64_t)rand_r(seed) % (PAGES - count)
					: used[file] + (uint64_t)rand_r(seed) % 3 / 2;
		if (first + count > PAGES)
			break;
		used[file] = first + count;
		memset(item, 0, sizeof(*item));
		item->gmem = files[file].gmem;
		item->offset = first * PAGE;
		item->size = count * PAGE;
		item->kind = (enum gmem_batch_kind)(1 + rand_r(seed) % 6);
		/* A discarded page that is held would not be held any more. */
		if (item->kind > GMEM_BATCH_DISCARD ||
		    (file == 0 && first <= HELD && HELD < first + count))
			item->kind = GMEM_BATCH_CONVERT;
		if (item->kind == GMEM_BATCH_CONVERT)
			item->state = rand_r(seed) % 3 ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
	}
	for (j = i; !options.ordered && j > 1; j--) {
		uint64_t other = (uint64_t)rand_r(seed) % j;
		struct gmem_batch_item item = items[other];

		items[other] = items[j - 1];
		items[j - 1] = item;
	}
	return i;
}

static void check_files(void)
{
	struct gmem_query_options counting = { .size = sizeof(counting), .allocated = 1 };
	struct gmem_extent extent;
	struct gmem_query *query;
	uint64_t i, allocated;
	int file;

	for (file = 0; file < FILES; file++) {
		must(gmem_query_new(files[file].gmem, 0, SIZE, &counting, &query, report), 0);
		while (gmem_query_next(query, &extent, report) == 0) {
			allocated = 0;
			for (i = extent.offset / PAGE; i < (extent.offset + extent.size) / PAGE;
			     i++) {
				ck_assert_int_eq(is_private[file][i],
						 extent.state == GMEM_STATE_PRIVATE);
				allocated += there[file][i] ? PAGE : 0;
			}
			ck_assert_uint_eq(extent.allocated, allocated);
		}
		gmem_query_free(query);
	}
}

static void run_once(struct gmem_batch *batch, unsigned int *seed)
{
	uint64_t i, offset, index = UINT64_MAX, first = UINT64_MAX, count = make_items(seed);
	int wanted, r;

	must(gmem_batch_submit(batch, items, count, NULL, report), 0);
	r = gmem_batch_finish(batch, true, &index, report);
	must(gmem_batch_get_statistics(batch, &statistics), 0);
	for (i = 0; i < count; i++) {
		if (options.ordered && first != UINT64_MAX) {
			wanted = -ECANCELED;
			offset = UINT64_MAX;
		} else {
			wanted = expect(&items[i], &offset);
		}
		if (wanted && first == UINT64_MAX)
			first = i;
		ck_assert_msg(items[i].result == wanted && items[i].error_offset == offset,
			      "item %" PRIu64 " of %" PRIu64 ": %d at 0x%" PRIx64
			      " instead of %d at 0x%" PRIx64,
			      i, count, items[i].result, items[i].error_offset, wanted, offset);
	}
	ck_assert_uint_eq(index, first);
	ck_assert_int_eq(r, first == UINT64_MAX ? 0 : -EAGAIN);
	check_files();
}

/* Ordered or not, by whoever it is. */
START_TEST(random_batches_are_what_their_parts_are)
{
	unsigned int round, seed = (unsigned int)test_seed();
	struct gmem_batch *batch;
	uint64_t by_uring = 0;

	options.ordered = (uint32_t)_i & 1;
	options.executor = _i & 2 ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
	must(gmem_batch_new(&options, &batch, report), 0);
	for (round = 0; round < (in_a_hurry() ? 6U : 25U); round++) {
		run_once(batch, &seed);
		by_uring += statistics.by_uring;
	}
	printf("# %" PRIu64 " ranges by io_uring\n", by_uring);
	if (_i & 2)
		ck_assert_uint_eq(by_uring, 0);
	gmem_batch_free(batch);
}
END_TEST

static void scatter(enum gmem_state state, uint64_t stride)
{
	uint64_t i;

	memset(items, 0, sizeof(items));
	for (i = 0; i < 200; i++) {
		items[i].gmem = files[1].gmem;
		items[i].offset = i * stride * PAGE;
		items[i].size = PAGE;
		items[i].kind = GMEM_BATCH_CONVERT;
		items[i].state = state;
	}
}

START_TEST(few_system_calls_for_many_ranges)
{
	struct gmem_batch *batch;

	must(gmem_batch_new(&options, &batch, report), 0);
	scatter(GMEM_STATE_PRIVATE, 1);
	must(gmem_batch_submit(batch, items, 200, NULL, report), 0);
	must(gmem_batch_finish(batch, true, NULL, report), 0);
	must(gmem_batch_get_statistics(batch, &statistics), 0);
	ck_assert_uint_eq(statistics.merged, 1);
	ck_assert_uint_le(statistics.system_calls, 3);
	must_be(&files[1], 0, 200 * PAGE, GMEM_STATE_PRIVATE);
	scatter(GMEM_STATE_SHARED, 2);
	must(gmem_batch_submit(batch, items, 200, NULL, report), 0);
	must(gmem_batch_finish(batch, true, NULL, report), 0);
	must(gmem_batch_get_statistics(batch, &statistics), 0);
	ck_assert_uint_eq(statistics.merged, 200);
	printf("# %" PRIu64 " system calls, %" PRIu64 " ranges by io_uring\n",
	       statistics.system_calls, statistics.by_uring);
	/* Of a kernel that has the commands. */
	if (statistics.by_uring)
		ck_assert_uint_le(statistics.system_calls, 3);
	must_be(&files[1], 0, PAGE, GMEM_STATE_SHARED);
	must_be(&files[1], PAGE, PAGE, GMEM_STATE_PRIVATE);
	gmem_batch_free(batch);
}
END_TEST

START_TEST(an_event_loop_converts)
{
	struct gmem_batch *batch;
	struct pollfd poll_fd = { .events = POLLIN };
	int r;

	options.executor = _i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
	must(gmem_batch_new(&options, &batch, report), 0);
	poll_fd.fd = gmem_batch_get_fd(batch);
	scatter(GMEM_STATE_PRIVATE, 2);
	must(gmem_batch_submit(batch, items, 200, NULL, report), 0);
	do {
		ck_assert_int_eq(poll(&poll_fd, 1, 30000), 1);
		r = gmem_batch_finish(batch, false, NULL, report);
	} while (r == -EINPROGRESS);
	must(r, 0);
	must_be(&files[1], 398 * PAGE, PAGE, GMEM_STATE_PRIVATE);
	gmem_batch_free(batch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library-batch");
	TCase *tests = library_case(suite, "batches");

	need_in_place();
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, random_batches_are_what_their_parts_are, 0, 4);
	tcase_add_test(tests, few_system_calls_for_many_ranges);
	tcase_add_loop_test(tests, an_event_loop_converts, 0, 2);
	return run_suite(suite);
}
