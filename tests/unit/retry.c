/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "unit.h"

#define MS UINT64_C(1000000)

static struct gmem *gmem;

static int to_private(uint64_t offset, uint64_t size, const struct gmem_convert_options *options)
{
	return gmem_convert(gmem, offset, size, GMEM_STATE_PRIVATE, options, report);
}

static void expect_busy(uint64_t offset, uint64_t size, uint64_t busy_offset)
{
	expect_convert(GMEM_FD, offset, size, PRIVATE, -EAGAIN, busy_offset);
}

static void begin(void)
{
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
}

START_TEST(retries_the_full_range_until_the_page_is_free)
{
	int r;

	expect_busy(PAGE, 4 * PAGE, 3 * PAGE);
	expect_now(0);
	expect_now(100);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_busy(PAGE, 4 * PAGE, 4 * PAGE);
	expect_now(MS);
	expect_sleep(2 * GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert(GMEM_FD, PAGE, 4 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	r = WITHOUT_MEMORY(to_private(PAGE, 4 * PAGE, NULL));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
}
END_TEST

START_TEST(gives_up_after_the_attempts_it_was_given)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 3 };
	uint64_t offset;

	expect_busy(0, 2 * PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_busy(0, 2 * PAGE, 0);
	expect_now(0);
	expect_sleep(2 * GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_busy(0, 2 * PAGE, PAGE);
	ck_assert_int_eq(to_private(0, 2 * PAGE, &options), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 3);
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, PAGE);
	ck_assert_str_eq(gmem_error_get_system_call(report), "KVM_SET_MEMORY_ATTRIBUTES2");
	ck_assert_str_contains(explanation(), "Let go of what covers the first offset");
}
END_TEST

START_TEST(asks_once_if_it_shall_not_retry)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };

	expect_busy(0, PAGE, 0);
	expect_now(0);
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1);
}
END_TEST

START_TEST(asks_a_hundred_times_by_default)
{
	int i;

	expect_busy(0, PAGE, 0);
	expect_now(0);
	for (i = 1; i < GMEM_CONVERT_DEFAULT_ATTEMPTS; i++) {
		uint64_t pause = GMEM_CONVERT_DEFAULT_BACKOFF_NS << (i < 10 ? i - 1 : 9);

		if (pause > GMEM_CONVERT_DEFAULT_BACKOFF_MAX_NS)
			pause = GMEM_CONVERT_DEFAULT_BACKOFF_MAX_NS;
		expect_now(0);
		expect_sleep(pause, 0);
		expect_busy(0, PAGE, 0);
	}
	ck_assert_int_eq(to_private(0, PAGE, NULL), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_attempts(report), GMEM_CONVERT_DEFAULT_ATTEMPTS);
}
END_TEST

START_TEST(makes_the_last_attempt_at_the_deadline)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.timeout_ns = 5 * MS,
		.backoff_ns = 4 * MS,
	};

	expect_busy(0, PAGE, 0);
	expect_now(7 * MS);
	expect_now(8 * MS);
	expect_sleep(4 * MS, 0);
	expect_busy(0, PAGE, 0);
	/* The deadline is 12 ms. */
	expect_now(11 * MS);
	expect_sleep(1 * MS, 0);
	expect_busy(0, PAGE, 0);
	expect_now(12 * MS);
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 3);
}
END_TEST

START_TEST(has_no_deadline_if_asked_for_none)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = 2,
		.timeout_ns = GMEM_CONVERT_NO_TIMEOUT,
	};

	expect_busy(0, PAGE, 0);
	expect_now(1000 * MS);
	expect_now(UINT64_MAX - 1000 * MS);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, &options), 0);
}
END_TEST

START_TEST(pauses_no_longer_than_allowed)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = 5,
		.backoff_ns = 3,
		.backoff_max_ns = 10,
	};
	static const uint64_t pauses[] = { 3, 6, 10, 10 };
	int i;

	expect_busy(0, PAGE, 0);
	expect_now(0);
	for (i = 0; i < 4; i++) {
		expect_now(0);
		expect_sleep(pauses[i], 0);
		expect_busy(0, PAGE, 0);
	}
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);
}
END_TEST

START_TEST(keeps_a_first_pause_longer_than_the_default_maximum)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = 3,
		.backoff_ns = 20 * MS,
		.backoff_max_ns = 20 * MS,
	};

	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(20 * MS, 0);
	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_sleep(20 * MS, 0);
	expect_busy(0, PAGE, 0);
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);

	/* The same if only the first pause is given. */
	options.backoff_max_ns = 0;
	options.max_attempts = 2;
	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(20 * MS, 0);
	expect_busy(0, PAGE, 0);
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);
}
END_TEST

START_TEST(tries_again_early_after_a_signal)
{
	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, -EINTR);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, NULL), 0);
}
END_TEST

START_TEST(reports_the_last_failure_if_a_retry_fails_differently)
{
	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -ENOTTY, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, NULL), -EOPNOTSUPP);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 2);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
}
END_TEST

/* What a busy function saw, and what it shall do. */
struct seen {
	unsigned int calls;
	uint64_t offsets[8];
	unsigned int attempts[8];
	enum gmem_busy_action action;
};

static enum gmem_busy_action watch(const struct gmem_error *attempt, void *data)
{
	struct seen *seen = data;
	uint64_t offset = UINT64_MAX;

	ck_assert_int_eq(gmem_error_get_code(attempt), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_call(attempt), "gmem_convert");
	gmem_error_get_first_offset(attempt, &offset);
	seen->offsets[seen->calls] = offset;
	seen->attempts[seen->calls] = gmem_error_get_attempts(attempt);
	seen->calls++;
	return seen->action;
}

START_TEST(tells_every_busy_attempt_with_its_offset)
{
	struct seen seen = { .action = GMEM_BUSY_BACK_OFF };
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = 2,
		.busy = watch,
		.busy_data = &seen,
	};

	expect_busy(0, 4 * PAGE, PAGE);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_busy(0, 4 * PAGE, 3 * PAGE);
	ck_assert_int_eq(to_private(0, 4 * PAGE, &options), -EAGAIN);
	ck_assert_uint_eq(seen.calls, 2);
	ck_assert_uint_eq(seen.offsets[0], PAGE);
	ck_assert_uint_eq(seen.offsets[1], 3 * PAGE);
	ck_assert_uint_eq(seen.attempts[0], 1);
	ck_assert_uint_eq(seen.attempts[1], 2);
}
END_TEST

START_TEST(retries_at_once_when_the_page_was_let_go)
{
	struct seen seen = { .action = GMEM_BUSY_RETRY_NOW };
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.busy = watch,
		.busy_data = &seen,
	};

	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, &options), 0);
	ck_assert_uint_eq(seen.calls, 1);
}
END_TEST

START_TEST(stays_bounded_if_the_page_is_said_to_be_let_go_for_ever)
{
	struct seen seen = { .action = GMEM_BUSY_RETRY_NOW };
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.timeout_ns = MS,
		.busy = watch,
		.busy_data = &seen,
	};

	expect_busy(0, PAGE, 0);
	expect_now(0);
	expect_now(0);
	expect_busy(0, PAGE, 0);
	expect_now(MS);
	ck_assert_int_eq(to_private(0, PAGE, &options), -EAGAIN);
	ck_assert_uint_eq(seen.calls, 2);
}
END_TEST

START_TEST(stops_when_told_so_or_told_nonsense)
{
	static const int actions[] = { GMEM_BUSY_STOP, -1, 3 };
	struct seen seen = { .action = (enum gmem_busy_action)actions[_i] };
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.busy = watch,
		.busy_data = &seen,
	};
	uint64_t offset;

	expect_busy(0, PAGE, 0);
	expect_now(0);
	ck_assert_int_eq(to_private(0, PAGE, &options), -ECANCELED);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), -EAGAIN);
	ck_assert(gmem_error_get_first_offset(report, &offset));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("retry");
	TCase *retries = scripted_case(suite, "busy pages");

	tcase_add_checked_fixture(retries, begin, end);
	tcase_add_test(retries, retries_the_full_range_until_the_page_is_free);
	tcase_add_test(retries, gives_up_after_the_attempts_it_was_given);
	tcase_add_test(retries, asks_once_if_it_shall_not_retry);
	tcase_add_test(retries, asks_a_hundred_times_by_default);
	tcase_add_test(retries, makes_the_last_attempt_at_the_deadline);
	tcase_add_test(retries, has_no_deadline_if_asked_for_none);
	tcase_add_test(retries, pauses_no_longer_than_allowed);
	tcase_add_test(retries, keeps_a_first_pause_longer_than_the_default_maximum);
	tcase_add_test(retries, tries_again_early_after_a_signal);
	tcase_add_test(retries, reports_the_last_failure_if_a_retry_fails_differently);
	tcase_add_test(retries, tells_every_busy_attempt_with_its_offset);
	tcase_add_test(retries, retries_at_once_when_the_page_was_let_go);
	tcase_add_test(retries, stays_bounded_if_the_page_is_said_to_be_let_go_for_ever);
	tcase_add_loop_test(retries, stops_when_told_so_or_told_nonsense, 0, 3);
	return suite;
}
