/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "unit.h"

#define ALLOCATED GMEM_UAPI_QUERY_ALLOCATED
#define FILE_SIZE (256 * PAGE)

static struct gmem *gmem;
static struct gmem_query *const untouched = (struct gmem_query *)0x1234;

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

static struct gmem_query *begin_query(uint64_t offset, uint64_t size, uint32_t batch,
				      uint32_t allocated)
{
	struct gmem_query_options options = { sizeof(options), allocated, batch };
	struct gmem_query *query;

	ck_assert_int_eq(gmem_query_new(gmem, offset, size, &options, &query, report), 0);
	return query;
}

static void check_next(struct gmem_query *query, uint64_t offset, uint64_t size,
		       enum gmem_state state, uint64_t allocated)
{
	struct gmem_extent extent;
	int r = WITHOUT_MEMORY(gmem_query_next(query, &extent, report));

	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(extent.offset, offset);
	ck_assert_uint_eq(extent.size, size);
	ck_assert_int_eq(extent.state, state);
	ck_assert_uint_eq(extent.allocated, allocated);
	ck_assert_uint_eq(extent.reserved, 0);
}

static void check_end(struct gmem_query *query)
{
	struct gmem_extent extent = { .offset = 77 };

	ck_assert_int_eq(gmem_query_next(query, &extent, report), -ENODATA);
	ck_assert_int_eq(gmem_query_next(query, &extent, report), -ENODATA);
	ck_assert_uint_eq(extent.offset, 77);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	gmem_query_free(query);
}

START_TEST(goes_through_extents_batch_by_batch)
{
	static const struct gmem_uapi_extent first[] = {
		{ PAGE, PAGE, PRIVATE, 0 },
		{ 2 * PAGE, 3 * PAGE, 0, 0 },
	};
	static const struct gmem_uapi_extent second[] = { { 5 * PAGE, 3 * PAGE, PRIVATE, 0 } };
	struct gmem_query *query = begin_query(PAGE, 7 * PAGE, 2, 0);

	expect_query(PAGE, 7 * PAGE, 0, 2, 0, first, 2);
	check_next(query, PAGE, PAGE, GMEM_STATE_PRIVATE, 0);
	/* Whether this one goes on is up to the next batch. */
	expect_query(5 * PAGE, 3 * PAGE, 0, 2, 0, second, 1);
	check_next(query, 2 * PAGE, 3 * PAGE, GMEM_STATE_SHARED, 0);
	check_next(query, 5 * PAGE, 3 * PAGE, GMEM_STATE_PRIVATE, 0);
	check_end(query);
}
END_TEST

START_TEST(asks_for_a_hundred_and_twenty_eight_extents_by_default)
{
	static const struct gmem_uapi_extent all[] = { { 0, FILE_SIZE, 0, 0 } };
	struct gmem_query *query;

	ck_assert_int_eq(gmem_query_new(gmem, 0, FILE_SIZE, NULL, &query, report), 0);
	expect_query(0, FILE_SIZE, 0, 128, 0, all, 1);
	check_next(query, 0, FILE_SIZE, GMEM_STATE_SHARED, 0);
	check_end(query);
}
END_TEST

START_TEST(joins_neighbours_of_one_state)
{
	/* A conversion in between made them equal. */
	static const struct gmem_uapi_extent first[] = {
		{ 0, PAGE, PRIVATE, PAGE },
		{ PAGE, 2 * PAGE, PRIVATE, 0 },
	};
	static const struct gmem_uapi_extent second[] = {
		{ 3 * PAGE, 2 * PAGE, PRIVATE, 2 * PAGE },
		{ 5 * PAGE, PAGE, 0, PAGE },
	};
	struct gmem_query *query = begin_query(0, 6 * PAGE, 2, 1);

	expect_query(0, 6 * PAGE, ALLOCATED, 2, 0, first, 2);
	expect_query(3 * PAGE, 3 * PAGE, ALLOCATED, 2, 0, second, 2);
	check_next(query, 0, 5 * PAGE, GMEM_STATE_PRIVATE, 3 * PAGE);
	check_next(query, 5 * PAGE, PAGE, GMEM_STATE_SHARED, PAGE);
	check_end(query);
}
END_TEST

START_TEST(loses_no_extent_when_the_kernel_fails_in_between)
{
	static const struct gmem_uapi_extent first[] = { { 0, PAGE, PRIVATE, 0 } };
	static const struct gmem_uapi_extent second[] = { { PAGE, PAGE, PRIVATE, 0 } };
	struct gmem_query *query = begin_query(0, 2 * PAGE, 1, 0);
	struct gmem_extent extent = { .offset = 77 };

	expect_query(0, 2 * PAGE, 0, 1, 0, first, 1);
	expect_query(PAGE, PAGE, 0, 1, -ENOMEM, NULL, 0);
	ck_assert_int_eq(gmem_query_next(query, &extent, report), -ENOMEM);
	ck_assert_uint_eq(extent.offset, 77);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_query_next");
	ck_assert_str_eq(gmem_error_get_system_call(report), "KVM_GUEST_MEMFD_QUERY");
	expect_query(PAGE, PAGE, 0, 1, 0, second, 1);
	check_next(query, 0, 2 * PAGE, GMEM_STATE_PRIVATE, 0);
	ck_assert_int_eq(gmem_query_next(query, &extent, report), -ENODATA);
	gmem_query_free(query);
}
END_TEST

START_TEST(asks_again_after_a_signal)
{
	static const struct gmem_uapi_extent all[] = { { 0, PAGE, PRIVATE, 0 } };
	struct gmem_query *query = begin_query(0, PAGE, 1, 0);
	struct gmem_extent extent;
	int i;

	expect_query(0, PAGE, 0, 1, -EINTR, NULL, 0);
	expect_query(0, PAGE, 0, 1, 0, all, 1);
	check_next(query, 0, PAGE, GMEM_STATE_PRIVATE, 0);
	check_end(query);

	query = begin_query(0, PAGE, 1, 0);
	for (i = 0; i < 1000; i++)
		expect_query(0, PAGE, 0, 1, -EINTR, NULL, 0);
	ck_assert_int_eq(gmem_query_next(query, &extent, report), -EINTR);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1000);
	gmem_query_free(query);
}
END_TEST

/* Answers about pages 2 to 9 that the kernel must not give, and where they go wrong. */
static const struct {
	const char *what;
	struct gmem_uapi_extent extents[2];
	uint64_t count;
	bool with_allocated;
	uint64_t where;
} nonsense[] = {
	{ "none", { { 0 } }, 0, false, 2 },
	{ "more than asked for",
	  { { 2 * PAGE, PAGE, 0, 0 }, { 3 * PAGE, PAGE, 0, 0 } },
	  3,
	  false,
	  2 },
	{ "a count that overflows", { { 2 * PAGE, PAGE, 0, 0 } }, UINT64_MAX, false, 2 },
	{ "starts before", { { PAGE, 2 * PAGE, 0, 0 } }, 1, false, 2 },
	{ "starts after", { { 3 * PAGE, PAGE, 0, 0 } }, 1, false, 2 },
	{ "no progress", { { 2 * PAGE, 0, 0, 0 } }, 1, false, 2 },
	{ "unaligned", { { 2 * PAGE, 512, 0, 0 } }, 1, false, 2 },
	{ "beyond the end", { { 2 * PAGE, 9 * PAGE, 0, 0 } }, 1, false, 2 },
	{ "wraps", { { 2 * PAGE, UINT64_MAX - PAGE + 1, 0, 0 } }, 1, false, 2 },
	{ "a gap", { { 2 * PAGE, PAGE, 0, 0 }, { 4 * PAGE, PAGE, PRIVATE, 0 } }, 2, false, 3 },
	{ "an overlap",
	  { { 2 * PAGE, 2 * PAGE, 0, 0 }, { 3 * PAGE, PAGE, PRIVATE, 0 } },
	  2,
	  false,
	  4 },
	{ "the same again", { { 2 * PAGE, PAGE, 0, 0 }, { 2 * PAGE, PAGE, 0, 0 } }, 2, false, 3 },
	{ "unknown attributes", { { 2 * PAGE, PAGE, 1, 0 } }, 1, false, 2 },
	{ "unknown and known ones", { { 2 * PAGE, PAGE, PRIVATE | 16, 0 } }, 1, false, 2 },
	{ "allocated unasked", { { 2 * PAGE, PAGE, 0, PAGE } }, 1, false, 2 },
	{ "more than all allocated", { { 2 * PAGE, PAGE, 0, 2 * PAGE } }, 1, true, 2 },
	{ "half a page allocated", { { 2 * PAGE, PAGE, 0, 512 } }, 1, true, 2 },
};

START_TEST(believes_no_nonsense)
{
	struct gmem_query *query = begin_query(2 * PAGE, 8 * PAGE, 2, nonsense[_i].with_allocated);
	struct gmem_extent extent = { .offset = 77 };
	uint64_t offset;

	expect_query(2 * PAGE, 8 * PAGE, nonsense[_i].with_allocated ? ALLOCATED : 0, 2, 0,
		     nonsense[_i].extents, nonsense[_i].count);
	ck_assert_msg(gmem_query_next(query, &extent, report) == -EBADE, "%s", nonsense[_i].what);
	ck_assert_uint_eq(extent.offset, 77);
	ck_assert_str_eq(gmem_error_get_cause(report), "extents");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, nonsense[_i].where * PAGE);
	gmem_query_free(query);
}
END_TEST

START_TEST(believes_no_rest_that_does_not_fit_the_extents)
{
	static const struct gmem_uapi_extent page[] = { { 2 * PAGE, PAGE, 0, 0 } };
	static const uint64_t rests[][2] = {
		{ 3 * PAGE, 6 * PAGE }, { 2 * PAGE, 7 * PAGE }, { 4 * PAGE, 6 * PAGE },
		{ 3 * PAGE, 8 * PAGE }, { UINT64_MAX, 0 },
	};
	struct gmem_query *query = begin_query(2 * PAGE, 8 * PAGE, 2, 0);
	struct gmem_extent extent;

	expect_query(2 * PAGE, 8 * PAGE, 0, 2, 0, page, 1);
	expect_rest(rests[_i][0], rests[_i][1]);
	ck_assert_int_eq(gmem_query_next(query, &extent, report), -EBADE);
	gmem_query_free(query);
}
END_TEST

START_TEST(refuses_bad_arguments_without_asking_the_kernel)
{
	struct gmem_query_options options = { sizeof(options), 0, 0 };
	struct gmem_query *query = untouched;
	enum gmem_state state = (enum gmem_state)77;
	struct gmem_extent extent;
	int r;

	ck_assert_int_eq(gmem_query_new(NULL, 0, PAGE, NULL, &query, report), -EINVAL);
	ck_assert_int_eq(gmem_query_new(gmem, 0, PAGE, NULL, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_query_new(gmem, 0, 0, NULL, &query, report), -EINVAL);
	ck_assert_int_eq(gmem_query_new(gmem, 1, PAGE, NULL, &query, report), -EINVAL);
	ck_assert_int_eq(gmem_query_new(gmem, PAGE, FILE_SIZE, NULL, &query, report), -EINVAL);
	options.allocated = 2;
	ck_assert_int_eq(gmem_query_new(gmem, 0, PAGE, &options, &query, report), -EINVAL);
	options.allocated = 0;
	options.batch = 65537;
	ck_assert_int_eq(gmem_query_new(gmem, 0, PAGE, &options, &query, report), -EINVAL);
	options.size = 5000;
	ck_assert_int_eq(gmem_query_new(gmem, 0, PAGE, &options, &query, report), -E2BIG);
	r = WITHOUT_MEMORY(gmem_query_new(gmem, 0, PAGE, NULL, &query, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(query, untouched);
	ck_assert_int_eq(gmem_query_next(NULL, &extent, report), -EINVAL);
	gmem_query_free(NULL);

	ck_assert_int_eq(gmem_get_state(NULL, 0, &state, report), -EINVAL);
	ck_assert_int_eq(gmem_get_state(gmem, 0, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_get_state(gmem, 1, &state, report), -EINVAL);
	ck_assert_int_eq(gmem_get_state(gmem, FILE_SIZE, &state, report), -EINVAL);
	ck_assert_int_eq(gmem_get_state(gmem, UINT64_MAX - PAGE + 1, &state, report), -EINVAL);
	ck_assert_int_eq(state, 77);
}
END_TEST

START_TEST(next_needs_somewhere_to_put_the_extent)
{
	struct gmem_query *query = begin_query(0, PAGE, 1, 0);

	ck_assert_int_eq(gmem_query_next(query, NULL, report), -EINVAL);
	gmem_query_free(query);
}
END_TEST

START_TEST(tells_the_state_of_a_page)
{
	static const struct gmem_uapi_extent extents[] = { { 3 * PAGE, PAGE, PRIVATE, 0 },
							   { 4 * PAGE, PAGE, 0, 0 } };
	enum gmem_state state;
	int r;

	expect_query(3 * PAGE, PAGE, 0, 1, 0, &extents[0], 1);
	r = WITHOUT_MEMORY(gmem_get_state(gmem, 3 * PAGE, &state, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(state, GMEM_STATE_PRIVATE);
	expect_query(4 * PAGE, PAGE, 0, 1, 0, &extents[1], 1);
	ck_assert_int_eq(gmem_get_state(gmem, 4 * PAGE, &state, report), 0);
	ck_assert_int_eq(state, GMEM_STATE_SHARED);
}
END_TEST

/* What the file is, for comparisons: pages 0-3 private, 4-5 shared, 6-15 private. */
static const struct gmem_uapi_extent is[] = {
	{ 0, 4 * PAGE, PRIVATE, 0 },
	{ 4 * PAGE, 2 * PAGE, 0, 0 },
	{ 6 * PAGE, 10 * PAGE, PRIVATE, 0 },
};

static const struct comparison {
	const char *what;
	/* in pages; state 0 ends the list */
	struct gmem_extent expected[4];
	/* in pages; size 0 if there is no difference */
	struct gmem_extent difference;
} comparisons[] = {
	{ "as it is",
	  { { 0, 4, 0, GMEM_STATE_PRIVATE, 0 },
	    { 4, 2, 0, GMEM_STATE_SHARED, 0 },
	    { 6, 10, 0, GMEM_STATE_PRIVATE, 0 } },
	  { 0 } },
	{ "cut otherwise",
	  { { 0, 1, 0, GMEM_STATE_PRIVATE, 0 },
	    { 1, 3, 0, GMEM_STATE_PRIVATE, 0 },
	    { 5, 1, 0, GMEM_STATE_SHARED, 0 },
	    { 15, 1, 0, GMEM_STATE_PRIVATE, 0 } },
	  { 0 } },
	{ "with gaps where it differs",
	  { { 0, 4, 0, GMEM_STATE_PRIVATE, 0 }, { 6, 10, 0, GMEM_STATE_PRIVATE, 0 } },
	  { 0 } },
	{ "all private",
	  { { 0, 16, 0, GMEM_STATE_PRIVATE, 0 } },
	  { 4, 2, 0, GMEM_STATE_SHARED, 0 } },
	{ "all shared",
	  { { 0, 16, 0, GMEM_STATE_SHARED, 0 } },
	  { 0, 4, 0, GMEM_STATE_PRIVATE, 0 } },
	{ "differs in the middle of an extent",
	  { { 0, 5, 0, GMEM_STATE_PRIVATE, 0 }, { 5, 11, 0, GMEM_STATE_PRIVATE, 0 } },
	  { 4, 1, 0, GMEM_STATE_SHARED, 0 } },
	{ "differs in the last page",
	  { { 0, 4, 0, GMEM_STATE_PRIVATE, 0 }, { 15, 1, 0, GMEM_STATE_SHARED, 0 } },
	  { 15, 1, 0, GMEM_STATE_PRIVATE, 0 } },
};

START_TEST(finds_the_first_difference)
{
	const struct comparison *c = &comparisons[_i];
	struct gmem_extent expected[4], difference = { .offset = 77 };
	bool equal = c->difference.size != 0;
	size_t count;
	int r;

	for (count = 0; count < 4 && c->expected[count].state; count++) {
		expected[count] = c->expected[count];
		expected[count].offset *= PAGE;
		expected[count].size *= PAGE;
		/* Not looked at. */
		expected[count].allocated = 12345;
	}
	expect_query(0, 16 * PAGE, 0, 128, 0, is, 3);
	r = WITHOUT_MEMORY(gmem_compare(gmem, expected, count, &equal, &difference, report));
	ck_assert_msg(r == 0, "%s: %d", c->what, r);
	ck_assert_msg(equal == (c->difference.size == 0), "%s", c->what);
	ck_assert_uint_eq(difference.offset, equal ? 77 : c->difference.offset * PAGE);
	ck_assert_uint_eq(difference.size, c->difference.size * PAGE);
	ck_assert_int_eq(difference.state, c->difference.state);
	if (!equal) {
		expect_query(0, 16 * PAGE, 0, 128, 0, is, 3);
		ck_assert_int_eq(gmem_compare(gmem, expected, count, &equal, NULL, report), 0);
	}
}
END_TEST

START_TEST(refuses_a_list_that_is_none)
{
	struct gmem_extent list[2] = { { 0, 2 * PAGE, 0, GMEM_STATE_PRIVATE, 0 },
				       { PAGE, PAGE, 0, GMEM_STATE_PRIVATE, 0 } };
	bool equal = true;

	ck_assert_int_eq(gmem_compare(gmem, list, 2, &equal, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "order");
	list[0].offset = 4 * PAGE;
	ck_assert_int_eq(gmem_compare(gmem, list, 2, &equal, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "order");
	ck_assert_int_eq(gmem_compare(gmem, list, 0, &equal, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_compare(gmem, NULL, 1, &equal, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_compare(NULL, list, 1, &equal, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_compare(gmem, list, 1, NULL, NULL, report), -EINVAL);
	list[0].state = (enum gmem_state)0;
	ck_assert_int_eq(gmem_compare(gmem, list, 1, &equal, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "state");
	list[0] = (struct gmem_extent){ 0, FILE_SIZE + PAGE, 0, GMEM_STATE_PRIVATE, 0 };
	ck_assert_int_eq(gmem_compare(gmem, list, 1, &equal, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "beyond-end");
	ck_assert(equal);
}
END_TEST

static const struct {
	int kernel, returned;
	const char *cause;
} translations[] = {
	{ -ENOTTY, -EOPNOTSUPP, "no-query" }, { -ENOMEM, -ENOMEM, "memory" },
	{ -EINTR, -EINTR, "signals" },	      { -EBADF, -EBADF, "not-open" },
	{ -EPERM, -EPERM, "refused" },	      { -EACCES, -EACCES, "refused" },
	{ -EINVAL, -EBADE, "answer" },	      { -EFAULT, -EBADE, "answer" },
	{ -EIO, -EBADE, "answer" },
};

static void expect_failing_query(uint64_t batch, int code)
{
	int i;

	for (i = 0; i < (code == -EINTR ? 1000 : 1); i++)
		expect_query(0, PAGE, 0, batch, code, NULL, 0);
}

static int next_answer(int code)
{
	struct gmem_query *query = begin_query(0, PAGE, 128, 0);
	struct gmem_extent extent;
	int r;

	expect_failing_query(128, code);
	r = gmem_query_next(query, &extent, report);
	gmem_query_free(query);
	script_end();
	return r;
}

static int state_answer(int code)
{
	enum gmem_state state;
	int r;

	expect_failing_query(1, code);
	r = gmem_get_state(gmem, 0, &state, report);
	script_end();
	return r;
}

static int compare_answer(int code)
{
	struct gmem_extent page = { 0, PAGE, 0, GMEM_STATE_PRIVATE, 0 };
	bool equal;
	int r;

	expect_failing_query(128, code);
	r = gmem_compare(gmem, &page, 1, &equal, NULL, report);
	script_end();
	return r;
}

START_TEST(says_what_the_kernels_answer_means)
{
	int (*const calls[])(int) = { next_answer, state_answer, compare_answer };
	int i;

	for (i = 0; i < COUNT(calls); i++) {
		ck_assert_int_eq(calls[i](translations[_i].kernel), translations[_i].returned);
		ck_assert_int_eq(gmem_error_get_kernel_code(report), translations[_i].kernel);
		ck_assert_str_eq(gmem_error_get_cause(report), translations[_i].cause);
	}
}
END_TEST

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_query_next, next_answer);
	check_closed_set(gmem_get_state, state_answer);
	check_closed_set(gmem_compare, compare_answer);
	check_positive_numbers(next_answer);
	check_positive_numbers(state_answer);
	check_positive_numbers(compare_answer);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("query");
	TCase *extents = scripted_case(suite, "extents");
	TCase *states = scripted_case(suite, "states");
	TCase *answers = scripted_case(suite, "the kernel's answers");

	tcase_add_checked_fixture(extents, begin, end);
	tcase_add_test(extents, goes_through_extents_batch_by_batch);
	tcase_add_test(extents, asks_for_a_hundred_and_twenty_eight_extents_by_default);
	tcase_add_test(extents, joins_neighbours_of_one_state);
	tcase_add_test(extents, loses_no_extent_when_the_kernel_fails_in_between);
	tcase_add_test(extents, asks_again_after_a_signal);
	tcase_add_test(extents, refuses_bad_arguments_without_asking_the_kernel);
	tcase_add_test(extents, next_needs_somewhere_to_put_the_extent);

	tcase_add_checked_fixture(states, begin, end);
	tcase_add_test(states, tells_the_state_of_a_page);
	tcase_add_loop_test(states, finds_the_first_difference, 0, COUNT(comparisons));
	tcase_add_test(states, refuses_a_list_that_is_none);

	tcase_add_checked_fixture(answers, begin, end);
	tcase_add_loop_test(answers, believes_no_nonsense, 0, COUNT(nonsense));
	tcase_add_loop_test(answers, believes_no_rest_that_does_not_fit_the_extents, 0, 5);
	tcase_add_loop_test(answers, says_what_the_kernels_answer_means, 0, COUNT(translations));
	tcase_add_test(answers, returns_only_what_is_documented);
	return suite;
}
