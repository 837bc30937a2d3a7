/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many threads use one file at once, each with a report and ranges of its own. What they race for
 * shows with -Db_sanitize=thread, where ./check runs this, too.
 */
#include <pthread.h>
#include <string.h>
#include "lib/sys.h"
#include "unit.h"

#define THREADS 4
#define ROUNDS	2000

static struct gmem *gmem;

/* A kernel for many threads: a page is busy every other time, and counts its conversions. */
static unsigned int asked[THREADS];

static int answer_conversion(struct gmem_uapi_attributes *request)
{
	unsigned int page = (unsigned int)(request->offset / PAGE);

	if (__atomic_add_fetch(&asked[page % THREADS], 1, __ATOMIC_RELAXED) % 2) {
		request->error_offset = request->offset;
		return -EAGAIN;
	}
	return 0;
}

/* All is shared. */
static int answer_query(struct gmem_uapi_query *request)
{
	*(struct gmem_uapi_extent *)(uintptr_t)request->extents =
		(struct gmem_uapi_extent){ request->offset, request->size, 0, 0 };
	request->offset += request->size;
	request->size = 0;
	request->nr_extents = 1;
	return 0;
}

static int threaded_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd;
	if (request == GMEM_UAPI_QUERY)
		return answer_query((struct gmem_uapi_query *)argument);
	return answer_conversion((struct gmem_uapi_attributes *)argument);
}

static int threaded_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	(void)fd;
	(void)mode;
	(void)offset;
	(void)size;
	return 0;
}

static uint64_t threaded_now(void)
{
	return 0;
}

static int threaded_sleep(uint64_t nanoseconds)
{
	(void)nanoseconds;
	return 0;
}

static const struct gmem_sys threaded = {
	.ioctl = threaded_ioctl,
	.fallocate = threaded_fallocate,
	.now = threaded_now,
	.sleep = threaded_sleep,
};

/* Runs a function in many threads, each with its number and report; all must return 0. */
struct thread {
	pthread_t id;
	uint64_t number;
	int (*function)(uint64_t number, struct gmem_error *own);
};

static void *run_thread(void *data)
{
	struct thread *thread = data;
	struct gmem_error *own;
	intptr_t failed = gmem_error_new(&own);
	int i;

	for (i = 0; i < ROUNDS && !failed; i++)
		failed = thread->function(thread->number, own);
	gmem_error_free(own);
	return (void *)failed;
}

static void run_threads(int (*function)(uint64_t number, struct gmem_error *own))
{
	const struct gmem_sys *single = gmem_sys;
	struct thread threads[THREADS];
	uint64_t i;
	void *failed;

	gmem_sys = &threaded;
	for (i = 0; i < THREADS; i++) {
		threads[i].number = i;
		threads[i].function = function;
		ck_assert_int_eq(pthread_create(&threads[i].id, NULL, run_thread, &threads[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i].id, &failed), 0);
		ck_assert_ptr_null(failed);
	}
	gmem_sys = single;
}

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

static int convert_own_page(uint64_t number, struct gmem_error *own)
{
	return gmem_convert(gmem, number * PAGE, PAGE, GMEM_STATE_PRIVATE, NULL, own);
}

START_TEST(convert_different_pages)
{
	int i;

	run_threads(convert_own_page);
	for (i = 0; i < THREADS; i++)
		ck_assert_uint_eq(asked[i], 2 * ROUNDS);
}
END_TEST

static int convert_with_options(uint64_t number, struct gmem_error *own)
{
	enum gmem_guarantee guarantee = GMEM_GUARANTEE_NONE;
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = GMEM_POLICY_ZERO,
		.step_size = PAGE,
		.ret_guarantee = &guarantee,
		.emulate = 1,
	};
	/* The same options for all calls, and overlapping ranges: pages are busy in any order. */
	int r = gmem_convert(gmem, 0, (number + 1) * PAGE, GMEM_STATE_SHARED, &options, own);

	return r == 0 && guarantee == GMEM_GUARANTEE_NONE ? -EPROTO : r;
}

START_TEST(convert_overlapping_ranges_in_steps)
{
	run_threads(convert_with_options);
}
END_TEST

static int fail_and_explain(uint64_t number, struct gmem_error *own)
{
	uint64_t offset = 0, size = (number + 1) * PAGE + 1;
	char text[1024];

	if (gmem_convert(gmem, 0, size, GMEM_STATE_PRIVATE, NULL, own) != -EINVAL)
		return -EPROTO;
	if (!gmem_error_get_range(own, &offset, &size) || size != (number + 1) * PAGE + 1)
		return -EPROTO;
	return gmem_error_explain(own, text, sizeof(text)) > 0 ? 0 : -EPROTO;
}

START_TEST(fail_each_with_its_report)
{
	run_threads(fail_and_explain);
}
END_TEST

static int query(uint64_t number, struct gmem_error *own)
{
	struct gmem_extent extent;
	struct gmem_query *own_query;
	int r = gmem_query_new(gmem, 0, (number + 1) * PAGE, NULL, &own_query, own);

	if (r < 0)
		return r;
	r = gmem_query_next(own_query, &extent, own);
	gmem_query_free(own_query);
	return r == 0 && extent.size != (number + 1) * PAGE ? -EPROTO : r;
}

START_TEST(query_one_file)
{
	run_threads(query);
}
END_TEST

static int force_level(uint64_t number, struct gmem_error *own)
{
	enum gmem_level level;
	int r = convert_own_page(number, own);

	if (r == 0)
		r = gmem_level_set(number % 2 ? GMEM_LEVEL_FULL : GMEM_LEVEL_CONVERT);
	return r == 0 ? gmem_level_get(&level) : r;
}

START_TEST(force_the_level_while_others_convert)
{
	run_threads(force_level);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("threads");
	TCase *tests = scripted_case(suite, "threads");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, convert_different_pages);
	tcase_add_test(tests, convert_overlapping_ranges_in_steps);
	tcase_add_test(tests, fail_each_with_its_report);
	tcase_add_test(tests, query_one_file);
	tcase_add_test(tests, force_the_level_while_others_convert);
	return suite;
}
