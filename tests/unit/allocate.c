/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include "lib/sys.h"
#include "unit.h"

#define ALLOCATE  FALLOC_FL_KEEP_SIZE
#define PUNCH	  (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define PIECE	  (UINT64_C(64) << 20)
#define MAX_TRIES 1000

static struct gmem *gmem;

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

static uint64_t first_offset(void)
{
	uint64_t offset = UINT64_MAX;

	gmem_error_get_first_offset(report, &offset);
	return offset;
}

START_TEST(allocates_the_range_asked_for)
{
	int r;

	expect_fallocate(GMEM_FD, ALLOCATE, PAGE, 3 * PAGE, 0);
	r = WITHOUT_MEMORY(gmem_allocate(gmem, PAGE, 3 * PAGE, NULL, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
}
END_TEST

START_TEST(punches_the_range_asked_for)
{
	int r;

	expect_fallocate(GMEM_FD, PUNCH, PAGE, 255 * PAGE, 0);
	r = WITHOUT_MEMORY(gmem_discard(gmem, PAGE, 255 * PAGE, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
}
END_TEST

START_TEST(refuses_bad_ranges_without_asking_the_kernel)
{
	ck_assert_int_eq(gmem_allocate(gmem, 0, 0, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_allocate(gmem, 1, PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_allocate(gmem, PAGE, -PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_allocate(gmem, 0, 257 * PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_allocate(NULL, 0, PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_discard(gmem, 0, 0, report), -EINVAL);
	ck_assert_int_eq(gmem_discard(gmem, PAGE, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_discard(gmem, -PAGE, PAGE, report), -EINVAL);
	ck_assert_int_eq(gmem_discard(gmem, 256 * PAGE, PAGE, report), -EINVAL);
	ck_assert_int_eq(gmem_discard(NULL, 0, PAGE, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_discard");
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_allocate_options options = { .size = sizeof(options), .interruptible = 2 };

	ck_assert_int_eq(gmem_allocate(gmem, 0, PAGE, &options, report), -EINVAL);
	options.interruptible = 0;
	options.threads = 65;
	ck_assert_int_eq(gmem_allocate(gmem, 0, PAGE, &options, report), -EINVAL);
	options.size = 1 << 20;
	ck_assert_int_eq(gmem_allocate(gmem, 0, PAGE, &options, report), -E2BIG);
}
END_TEST

START_TEST(goes_on_after_a_signal)
{
	expect_fallocate(GMEM_FD, ALLOCATE, 0, 256 * PAGE, -EINTR);
	expect_fallocate(GMEM_FD, ALLOCATE, 0, 256 * PAGE, -EINTR);
	expect_fallocate(GMEM_FD, ALLOCATE, 0, 256 * PAGE, 0);
	ck_assert_int_eq(gmem_allocate(gmem, 0, 256 * PAGE, NULL, report), 0);
}
END_TEST

START_TEST(stops_at_a_signal_if_asked_to)
{
	struct gmem_allocate_options options = { .size = sizeof(options), .interruptible = 1 };

	expect_fallocate(GMEM_FD, ALLOCATE, PAGE, PAGE, -EINTR);
	ck_assert_int_eq(gmem_allocate(gmem, PAGE, PAGE, &options, report), -EINTR);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1);
	ck_assert_uint_eq(first_offset(), PAGE);
	ck_assert_str_contains(explanation(), "Call again");
}
END_TEST

START_TEST(gives_up_when_signals_never_stop)
{
	int i;

	for (i = 0; i < MAX_TRIES; i++)
		expect_fallocate(GMEM_FD, ALLOCATE, 0, PAGE, -EINTR);
	ck_assert_int_eq(gmem_allocate(gmem, 0, PAGE, NULL, report), -EINTR);
	ck_assert_uint_eq(gmem_error_get_attempts(report), MAX_TRIES);

	for (i = 0; i < MAX_TRIES; i++)
		expect_fallocate(GMEM_FD, PUNCH, 0, PAGE, -EINTR);
	ck_assert_int_eq(gmem_discard(gmem, 0, PAGE, report), -EINTR);
	ck_assert_uint_eq(gmem_error_get_attempts(report), MAX_TRIES);
}
END_TEST

START_TEST(allocates_in_pieces_and_says_where_it_stopped)
{
	struct gmem *big;

	expect_created(3 * PIECE, 0, 0);
	ck_assert_int_eq(gmem_create(VM_FD, 3 * PIECE, NULL, &big, report), 0);

	expect_fallocate(GMEM_FD, ALLOCATE, PAGE, PIECE, 0);
	expect_fallocate(GMEM_FD, ALLOCATE, PIECE + PAGE, PIECE, -EINTR);
	expect_fallocate(GMEM_FD, ALLOCATE, PIECE + PAGE, PIECE, 0);
	expect_fallocate(GMEM_FD, ALLOCATE, 2 * PIECE + PAGE, PAGE, -ENOMEM);
	ck_assert_int_eq(gmem_allocate(big, PAGE, 2 * PIECE + PAGE, NULL, report), -ENOMEM);
	ck_assert_uint_eq(first_offset(), 2 * PIECE + PAGE);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 4);

	/* One call to punch: nothing there is interrupted. */
	expect_fallocate(GMEM_FD, PUNCH, 0, 3 * PIECE, 0);
	ck_assert_int_eq(gmem_discard(big, 0, 3 * PIECE, report), 0);
	expect_close(GMEM_FD, 0);
	gmem_release(big);
}
END_TEST

/* A kernel for threads: pieces that were asked for, and one that fails. */
static uint64_t asked, failing;
static unsigned int started;

static int count_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	(void)fd;
	(void)mode;
	__atomic_fetch_add(&asked, size, __ATOMIC_RELAXED);
	return offset >= failing ? -ENOMEM : 0;
}

static int start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread)
{
	if (++started == 4)
		return -EAGAIN;
	return -pthread_create(ret_thread, NULL, function, data);
}

static void join_thread(pthread_t thread)
{
	pthread_join(thread, NULL);
}

START_TEST(threads_share_the_work)
{
	static const struct gmem_sys threaded = { .fallocate = count_fallocate,
						  .start_thread = start_thread,
						  .join_thread = join_thread };
	struct gmem_allocate_options options = { .size = sizeof(options), .threads = 8 };
	const struct gmem_sys *scripted = gmem_sys;
	struct gmem *big;

	expect_created(20 * PIECE, 0, 0);
	ck_assert_int_eq(gmem_create(VM_FD, 20 * PIECE, NULL, &big, report), 0);
	gmem_sys = &threaded;
	asked = started = 0;
	failing = UINT64_MAX;
	ck_assert_int_eq(gmem_allocate(big, 0, 20 * PIECE, &options, report), 0);
	ck_assert_uint_eq(asked, 20 * PIECE);
	/* One could not be started. */
	ck_assert_uint_eq(started, 4);
	failing = 11 * PIECE;
	started = 0;
	ck_assert_int_eq(gmem_allocate(big, PIECE, 19 * PIECE, &options, report), -ENOMEM);
	ck_assert_uint_eq(gmem_error_get_done(report), 10 * PIECE);
	ck_assert_uint_eq(first_offset(), 11 * PIECE);
	gmem_sys = scripted;
	expect_close(GMEM_FD, 0);
	gmem_release(big);
}
END_TEST

static int allocate_answer(int code)
{
	struct gmem_allocate_options options = { .size = sizeof(options), .interruptible = 1 };
	int r;

	expect_fallocate(GMEM_FD, ALLOCATE, 0, PAGE, code);
	expect_frozen_question(code);
	r = gmem_allocate(gmem, 0, PAGE, &options, report);
	script_end();
	return r;
}

static int discard_answer(int code)
{
	int i, r;

	for (i = 0; i < (code == -EINTR ? MAX_TRIES : 1); i++)
		expect_fallocate(GMEM_FD, PUNCH, 0, PAGE, code);
	expect_frozen_question(code);
	r = gmem_discard(gmem, 0, PAGE, report);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_allocate, allocate_answer);
	check_positive_numbers(allocate_answer);
	check_closed_set(gmem_discard, discard_answer);
	check_positive_numbers(discard_answer);
}
END_TEST

static const struct {
	int code;
	const char *why;
} causes[] = {
	{ -ENOMEM, "out of memory" },
	{ -EBADF, "not open" },
	{ -EPERM, "frozen for a live update" },
	{ -EHWPOISON, "memory error" },
};

START_TEST(says_why_the_kernel_refused)
{
	int r = allocate_answer(causes[_i].code);

	ck_assert_int_eq(r, causes[_i].code);
	ck_assert_str_contains(explanation(), causes[_i].why);
	/* Nothing to punch is poisoned: there the kernel must not say so. */
	r = discard_answer(causes[_i].code);
	ck_assert_int_eq(r, causes[_i].code == -EHWPOISON ? -EBADE : causes[_i].code);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("allocate");
	TCase *tests = scripted_case(suite, "memory of a range");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, allocates_the_range_asked_for);
	tcase_add_test(tests, punches_the_range_asked_for);
	tcase_add_test(tests, refuses_bad_ranges_without_asking_the_kernel);
	tcase_add_test(tests, refuses_options_without_meaning);
	tcase_add_test(tests, goes_on_after_a_signal);
	tcase_add_test(tests, stops_at_a_signal_if_asked_to);
	tcase_add_test(tests, gives_up_when_signals_never_stop);
	tcase_add_test(tests, allocates_in_pieces_and_says_where_it_stopped);
	tcase_add_test(tests, threads_share_the_work);
	tcase_add_test(tests, returns_only_what_is_documented);
	tcase_add_loop_test(tests, says_why_the_kernel_refused, 0, COUNT(causes));
	return suite;
}
