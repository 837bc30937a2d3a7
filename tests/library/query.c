/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Queries through the library, on a real kernel: the model's extents, a million of them in bounded
 * memory, comparisons, and queries while others convert.
 *
 * query [--extents N]: N extents in the big file, an even number; 20000 if not given.
 */
#include "library.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t many = 20000;
static struct file file;

static int convert_pages(uint64_t first, uint64_t count, bool private)
{
	return gmem_convert(file.gmem, first * PAGE, count * PAGE,
			    private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED, NULL, report);
}

static enum gmem_state state_of(bool private)
{
	return private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
}

static struct gmem_query *begin_query(uint64_t offset, uint64_t size, uint32_t batch,
				      bool allocated)
{
	struct gmem_query_options options = { sizeof(options), allocated, batch };
	struct gmem_query *query;

	must(gmem_query_new(file.gmem, offset, size, &options, &query, report), 0);
	return query;
}

/* Goes through a range of pages, and compares with what each page is by the model. */
static void check_extents(const bool *private, uint64_t from, uint64_t count, uint32_t batch)
{
	struct gmem_query *query = begin_query(from * PAGE, count * PAGE, batch, false);
	uint64_t page = from;
	struct gmem_extent extent;
	enum gmem_state last = (enum gmem_state)0;
	int r;

	while ((r = gmem_query_next(query, &extent, report)) == 0) {
		ck_assert_uint_eq(extent.offset, page * PAGE);
		ck_assert_uint_eq(extent.allocated, 0);
		ck_assert_int_ne(extent.state, last);
		last = extent.state;
		for (; page * PAGE < extent.offset + extent.size; page++)
			ck_assert_int_eq(state_of(private[page]), extent.state);
	}
	must(r, -ENODATA);
	ck_assert_uint_eq(page, from + count);
	gmem_query_free(query);
}

/* The model as a list, to compare with. */
static size_t list_extents(const bool *private, struct gmem_extent *list)
{
	size_t count = 0;

	for (uint64_t page = 0; page < NPAGE; page++) {
		if (!count || list[count - 1].state != state_of(private[page]))
			list[count++] = (struct gmem_extent){ page * PAGE, 0, 0,
							      state_of(private[page]), 0 };
		list[count - 1].size += PAGE;
	}
	return count;
}

static void check_comparison(const bool *private, uint64_t *random)
{
	struct gmem_extent list[NPAGE], difference;
	size_t count = list_extents(private, list);
	uint64_t wrong = random_below(random, count);
	bool equal = false;

	must(gmem_compare(file.gmem, list, count, &equal, NULL, report), 0);
	ck_assert(equal);
	list[wrong].state =
		list[wrong].state == GMEM_STATE_SHARED ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
	must(gmem_compare(file.gmem, list, count, &equal, &difference, report), 0);
	ck_assert(!equal);
	ck_assert_uint_eq(difference.offset, list[wrong].offset);
	ck_assert_uint_eq(difference.size, list[wrong].size);
	ck_assert_int_ne(difference.state, list[wrong].state);
}

START_TEST(random_conversions_are_as_the_model_says)
{
	static const uint32_t batches[] = { 1, 2, 3, 0 };
	bool private[NPAGE] = { false };
	uint64_t random = test_seed();

	file = open_file(VM_PROTECTED, FILE_SIZE, GMEM_INIT_SHARED);
	for (int round = 0; round < 200; round++) {
		uint64_t first = random_below(&random, NPAGE);
		uint64_t count = 1 + random_below(&random, NPAGE - first);
		uint64_t from = random_below(&random, NPAGE);
		bool to_private = next_random(&random) & 1;
		enum gmem_state state;

		must(convert_pages(first, count, to_private), 0);
		memset(private + first, to_private, count);
		check_extents(private, 0, NPAGE, batches[round % 4]);
		check_extents(private, from, 1 + random_below(&random, NPAGE - from),
			      batches[round % 4]);
		must(gmem_get_state(file.gmem, from * PAGE, &state, report), 0);
		ck_assert_int_eq(state, state_of(private[from]));
		check_comparison(private, &random);
	}
	close_file(&file);
}
END_TEST

START_TEST(counts_what_is_allocated)
{
	struct gmem_query *query;
	struct gmem_extent extent;

	file = open_file(VM_PROTECTED, FILE_SIZE, GMEM_INIT_SHARED);
	must(gmem_allocate(file.gmem, PAGE, 3 * PAGE, NULL, report), 0);
	must(convert_pages(2, 4, true), 0);
	query = begin_query(0, FILE_SIZE, 0, true);
	must(gmem_query_next(query, &extent, report), 0);
	ck_assert_uint_eq(extent.size, 2 * PAGE);
	ck_assert_uint_eq(extent.allocated, PAGE);
	must(gmem_query_next(query, &extent, report), 0);
	ck_assert_uint_eq(extent.size, 4 * PAGE);
	ck_assert_uint_eq(extent.allocated, 2 * PAGE);
	must(gmem_query_next(query, &extent, report), 0);
	ck_assert_uint_eq(extent.allocated, 0);
	gmem_query_free(query);
	close_file(&file);
}
END_TEST

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* All memory that the process has from malloc(), mapped or not. */
static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

START_TEST(streams_many_extents_in_bounded_memory)
{
	struct gmem_query *query;
	struct gmem_extent extent;
	uint64_t i, start, wrong = 0;
	size_t before = memory_in_use(), most = 0;
	int r;

	file = open_file(VM_PROTECTED, many * PAGE, GMEM_INIT_SHARED);
	for (i = 0; i < many; i += 2)
		must(convert_pages(i, 1, true), 0);

	start = now_ns();
	must(gmem_query_new(file.gmem, 0, file.size, NULL, &query, report), 0);
	/* An assertion each would be most of the time that this takes. */
	for (i = 0; (r = gmem_query_next(query, &extent, report)) == 0; i++) {
		wrong += extent.offset != i * PAGE || extent.size != PAGE ||
			 extent.state != state_of(i % 2 == 0);
		if (i % 1024 == 0 && memory_in_use() > most)
			most = memory_in_use();
	}
	must(r, -ENODATA);
	ck_assert_uint_eq(i, many);
	ck_assert_uint_eq(wrong, 0);
	/* In the lab's deterministic clock these are instructions. */
	printf("# %llu extents, %llu ns each, %zu bytes of memory\n", (unsigned long long)many,
	       (unsigned long long)((now_ns() - start) / many), most - before);
	ck_assert_uint_lt(most - before, 16384);
	gmem_query_free(query);
	close_file(&file);
}
END_TEST

static atomic_bool stop;

/* Its own report: one per thread. */
static void *convert_all_the_time(void *data)
{
	uint64_t random = *(uint64_t *)data;
	struct gmem_error *own;
	intptr_t r = gmem_error_new(&own);

	while (r == 0 && !atomic_load(&stop)) {
		uint64_t first = random_below(&random, NPAGE);
		enum gmem_state state = state_of(next_random(&random) & 1);

		r = gmem_convert(file.gmem, first * PAGE,
				 (1 + random_below(&random, NPAGE - first)) * PAGE, state, NULL,
				 own);
	}
	gmem_error_free(own);
	return (void *)r;
}

START_TEST(extents_cover_the_range_while_others_convert)
{
	uint64_t random = test_seed();
	pthread_t converter;
	void *failed;

	file = open_file(VM_PROTECTED, FILE_SIZE, GMEM_INIT_SHARED);
	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&converter, NULL, convert_all_the_time, &random), 0);
	for (int round = 0; round < 500; round++) {
		struct gmem_query *query = begin_query(0, FILE_SIZE, 1 + round % 3, false);
		enum gmem_state last = (enum gmem_state)0;
		struct gmem_extent extent;
		uint64_t at = 0;
		int r;

		while ((r = gmem_query_next(query, &extent, report)) == 0) {
			ck_assert_uint_eq(extent.offset, at);
			ck_assert_int_ne(extent.state, last);
			last = extent.state;
			at += extent.size;
		}
		must(r, -ENODATA);
		ck_assert_uint_eq(at, FILE_SIZE);
		gmem_query_free(query);
	}
	atomic_store(&stop, true);
	pthread_join(converter, &failed);
	ck_assert_ptr_null(failed);
	close_file(&file);
}
END_TEST

START_TEST(files_of_vms_without_private_memory_can_be_queried)
{
	file = open_file(VM_DEFAULT, PAGE, GMEM_INIT_SHARED);
	must_be(&file, 0, PAGE, GMEM_STATE_SHARED);
	close_file(&file);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("library-query");
	TCase *tests = library_case(suite, "queries");

	if (argc == 3 && !strcmp(argv[1], "--extents"))
		many = strtoull(argv[2], NULL, 0) & ~1ULL;
	if ((argc != 1 && argc != 3) || many < 2) {
		fprintf(stderr, "usage: query [--extents N]\n");
		return 2;
	}
	need_in_place();
	tcase_add_test(tests, random_conversions_are_as_the_model_says);
	tcase_add_test(tests, counts_what_is_allocated);
	tcase_add_test(tests, streams_many_extents_in_bounded_memory);
	tcase_add_test(tests, extents_cover_the_range_while_others_convert);
	tcase_add_test(tests, files_of_vms_without_private_memory_can_be_queried);
	/* A million conversions take the emulated CPU a while. */
	if (many > 100000)
		tcase_set_timeout(tests, 1800);
	return run_suite(suite);
}
