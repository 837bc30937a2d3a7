/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <pthread.h>
#include <string.h>
#include "lib/sys.h"
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

START_TEST(converts_the_range_asked_for_with_one_ioctl_and_no_allocation)
{
	int r;

	expect_convert(GMEM_FD, 2 * PAGE, 3 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	r = WITHOUT_MEMORY(to_private(2 * PAGE, 3 * PAGE, NULL));
	ck_assert_int_eq(r, 0);
	expect_convert(GMEM_FD, 0, 256 * PAGE, 0, 0, NOT_WRITTEN);
	r = WITHOUT_MEMORY(gmem_convert(gmem, 0, 256 * PAGE, GMEM_STATE_SHARED, NULL, report));
	ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(leaves_the_report_alone_on_success)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, NULL), 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	ck_assert_ptr_null(gmem_error_get_call(report));
}
END_TEST

START_TEST(works_without_a_report)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -ENOMEM, 0);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, NULL), -ENOMEM);
	ck_assert_int_eq(gmem_convert(gmem, 0, 1, GMEM_STATE_PRIVATE, NULL, NULL), -EINVAL);
}
END_TEST

static const struct {
	uint64_t offset, size;
	const char *why;
} bad_ranges[] = {
	{ 0, 0, "size is 0" },
	{ PAGE, 0, "size is 0" },
	{ 1, PAGE, "multiple of the page size" },
	{ 0, PAGE + 512, "multiple of the page size" },
	{ UINT64_MAX, UINT64_MAX, "multiple of the page size" },
	{ PAGE, UINT64_MAX - PAGE + 1, "more than 64 bits" },
	{ UINT64_MAX - PAGE + 1, PAGE, "more than 64 bits" },
	{ 255 * PAGE, 2 * PAGE, "beyond the end" },
	{ 256 * PAGE, PAGE, "beyond the end" },
	{ 0, UINT64_MAX - PAGE + 1, "beyond the end" },
};

START_TEST(refuses_a_bad_range_without_asking_the_kernel)
{
	uint64_t offset, size;

	ck_assert_int_eq(to_private(bad_ranges[_i].offset, bad_ranges[_i].size, NULL), -EINVAL);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 0);
	ck_assert(gmem_error_get_range(report, &offset, &size));
	ck_assert_uint_eq(offset, bad_ranges[_i].offset);
	ck_assert_uint_eq(size, bad_ranges[_i].size);
	ck_assert_str_contains(explanation(), bad_ranges[_i].why);
}
END_TEST

START_TEST(refuses_a_state_that_is_none)
{
	static const int states[] = { 0, 3, -1, 8 };
	enum gmem_state state = (enum gmem_state)states[_i];

	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, state, NULL, report), -EINVAL);
	ck_assert_str_contains(explanation(), "neither shared nor private");
}
END_TEST

START_TEST(refuses_no_file)
{
	ck_assert_int_eq(gmem_convert(NULL, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), -EINVAL);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_convert_options options = { .size = sizeof(options), .reserved = 1 };

	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
	options.reserved = 0;
	options.backoff_ns = 2;
	options.backoff_max_ns = 1;
	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
	options.size = 4;
	ck_assert_int_eq(to_private(0, PAGE, &options), -EINVAL);
}
END_TEST

START_TEST(refuses_options_of_a_newer_library_if_they_are_used)
{
	struct {
		struct gmem_convert_options known;
		uint64_t unknown;
	} options = { .known = { .size = sizeof(options) }, .unknown = 1 };

	ck_assert_int_eq(to_private(0, PAGE, &options.known), -E2BIG);
	options.unknown = 0;
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, &options.known), 0);
}
END_TEST

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

START_TEST(does_not_believe_an_impossible_error_offset)
{
	static const uint64_t offsets[] = {
		0, PAGE, 4 * PAGE, 2 * PAGE + 1, UINT64_MAX - PAGE + 1, NOT_WRITTEN
	};
	static const int codes[] = { -EAGAIN, -ENOMEM };
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	uint64_t offset = 77;
	int i;

	for (i = 0; i < 2; i++) {
		expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, codes[i], offsets[_i]);
		if (codes[i] == -EAGAIN)
			expect_now(0);
		ck_assert_int_eq(to_private(2 * PAGE, 2 * PAGE, &options), codes[i]);
		ck_assert(!gmem_error_get_first_offset(report, &offset));
		ck_assert_uint_eq(offset, 77);
	}
}
END_TEST

START_TEST(believes_every_possible_error_offset)
{
	static const uint64_t offsets[] = { 2 * PAGE, 3 * PAGE };
	uint64_t offset;

	expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, -ENOMEM, offsets[_i]);
	ck_assert_int_eq(to_private(2 * PAGE, 2 * PAGE, NULL), -ENOMEM);
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, offsets[_i]);
}
END_TEST

START_TEST(takes_no_offset_from_an_errno_that_has_none)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EINVAL, 0);
	ck_assert_int_eq(to_private(0, PAGE, NULL), -EOPNOTSUPP);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
}
END_TEST

static const struct {
	int kernel, returned;
	const char *why;
} translations[] = {
	{ -ENOTTY, -EOPNOTSUPP, "In-place conversion is not available" },
	{ -EINVAL, -EOPNOTSUPP, "no private memory" },
	{ -ENOMEM, -ENOMEM, "out of memory" },
	{ -EBADF, -EBADF, "not open" },
	{ -EPERM, -EPERM, "frozen for a live update" },
	{ -EFAULT, -EBADE, "not part of its interface" },
	{ -EINTR, -EBADE, "not part of its interface" },
};

START_TEST(says_what_the_kernels_answer_means)
{
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, translations[_i].kernel, NOT_WRITTEN);
	ck_assert_int_eq(to_private(0, PAGE, NULL), translations[_i].returned);
	ck_assert_int_eq(gmem_error_get_code(report), translations[_i].returned);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), translations[_i].kernel);
	ck_assert_str_contains(explanation(), translations[_i].why);
	ck_assert_str_contains(explanation(), gmem_error_name(translations[_i].kernel));
}
END_TEST

static int convert_answer(int code)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	int r;

	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, code, NOT_WRITTEN);
	if (code == -EAGAIN)
		expect_now(0);
	r = to_private(0, PAGE, &options);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_convert, convert_answer);
	check_positive_numbers(convert_answer);
}
END_TEST

START_TEST(names_states)
{
	ck_assert_str_eq(gmem_state_name(GMEM_STATE_SHARED), "shared");
	ck_assert_str_eq(gmem_state_name(GMEM_STATE_PRIVATE), "private");
	ck_assert_ptr_null(gmem_state_name((enum gmem_state)0));
}
END_TEST

/* A kernel for many threads: each page is busy the first time, and then counts its conversions. */
#define THREADS 4
#define ROUNDS	2000

static unsigned int asked[THREADS];

static int threaded_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	struct gmem_uapi_attributes *attributes = (struct gmem_uapi_attributes *)argument;
	unsigned int page = (unsigned int)(attributes->offset / PAGE);

	(void)fd;
	(void)request;
	if (__atomic_add_fetch(&asked[page], 1, __ATOMIC_RELAXED) % 2) {
		attributes->error_offset = attributes->offset;
		return -EAGAIN;
	}
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

static void *convert_one_page(void *page)
{
	uint64_t offset = (uintptr_t)page * PAGE;
	struct gmem_error *own;
	intptr_t failed = gmem_error_new(&own);
	int i;

	for (i = 0; i < ROUNDS && !failed; i++)
		failed = gmem_convert(gmem, offset, PAGE, GMEM_STATE_PRIVATE, NULL, own);
	gmem_error_free(own);
	return (void *)failed;
}

START_TEST(many_threads_convert_one_file)
{
	const struct gmem_sys *single = gmem_sys;
	struct gmem_sys threaded = {
		.ioctl = threaded_ioctl,
		.now = threaded_now,
		.sleep = threaded_sleep,
	};
	pthread_t threads[THREADS];
	uintptr_t i;
	void *failed;

	gmem_sys = &threaded;
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, convert_one_page, (void *)i), 0);
	for (i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
		ck_assert_uint_eq(asked[i], 2 * ROUNDS);
	}
	gmem_sys = single;
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("convert");
	TCase *requests = scripted_case(suite, "requests");
	TCase *retries = scripted_case(suite, "busy pages");
	TCase *answers = scripted_case(suite, "the kernel's answers");

	tcase_add_checked_fixture(requests, begin, end);
	tcase_add_test(requests, converts_the_range_asked_for_with_one_ioctl_and_no_allocation);
	tcase_add_test(requests, leaves_the_report_alone_on_success);
	tcase_add_test(requests, works_without_a_report);
	tcase_add_loop_test(requests, refuses_a_bad_range_without_asking_the_kernel, 0,
			    COUNT(bad_ranges));
	tcase_add_loop_test(requests, refuses_a_state_that_is_none, 0, 4);
	tcase_add_test(requests, refuses_no_file);
	tcase_add_test(requests, refuses_options_without_meaning);
	tcase_add_test(requests, refuses_options_of_a_newer_library_if_they_are_used);
	tcase_add_test(requests, names_states);
	tcase_add_test(requests, many_threads_convert_one_file);

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

	tcase_add_checked_fixture(answers, begin, end);
	tcase_add_loop_test(answers, does_not_believe_an_impossible_error_offset, 0, 6);
	tcase_add_loop_test(answers, believes_every_possible_error_offset, 0, 2);
	tcase_add_test(answers, takes_no_offset_from_an_errno_that_has_none);
	tcase_add_loop_test(answers, says_what_the_kernels_answer_means, 0, COUNT(translations));
	tcase_add_test(answers, returns_only_what_is_documented);
	return suite;
}
