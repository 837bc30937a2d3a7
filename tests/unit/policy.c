/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Content policies and steps of gmem_convert(): what is asked of the kernel, what is emulated, what
 * is refused, and what is told when it fails half way.
 */
#include <fcntl.h>
#include <string.h>
#include "unit.h"

#define MS    UINT64_C(1000000)
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static struct gmem *gmem;

/* A file on a kernel that announced these policies. */
static struct gmem *file_with(int policies)
{
	struct gmem *file;

	expect_created(256 * PAGE, 0, policies);
	ck_assert_int_eq(gmem_create(VM_FD, 256 * PAGE, NULL, &file, report), 0);
	return file;
}

static void begin(void)
{
	gmem = file_with(ZERO | PRESERVE);
}

static void begin_without_policies(void)
{
	gmem = file_with(0);
}

static void end(void)
{
	drop_file(gmem);
}

static const enum gmem_guarantee untouched = (enum gmem_guarantee)77;

/* Converts pages; the guarantee is written exactly on success. */
static int convert(uint64_t pages, enum gmem_state state, struct gmem_convert_options *options,
		   enum gmem_guarantee *ret_guarantee)
{
	enum gmem_guarantee guarantee = untouched;
	int r;

	options->size = sizeof(*options);
	options->ret_guarantee = &guarantee;
	r = WITHOUT_MEMORY(gmem_convert(gmem, 0, pages * PAGE, state, options, report));
	if (r < 0) {
		ck_assert_int_eq(guarantee, untouched);
		ck_assert_int_eq(gmem_error_get_code(report), r);
	} else if (ret_guarantee) {
		*ret_guarantee = guarantee;
	}
	return r;
}

static const struct {
	enum gmem_policy policy;
	uint64_t flags;
	enum gmem_guarantee guarantee;
} policies[] = {
	{ GMEM_POLICY_UNSPECIFIED, 0, GMEM_GUARANTEE_NONE },
	{ GMEM_POLICY_ZERO, ZERO, GMEM_GUARANTEE_NATIVE },
	{ GMEM_POLICY_PRESERVE, PRESERVE, GMEM_GUARANTEE_NATIVE },
};

START_TEST(asks_the_kernel_for_the_policy_and_says_how_it_was_kept)
{
	/* Even if it could be emulated. */
	struct gmem_convert_options options = { .policy = policies[_i].policy, .emulate = 1 };
	enum gmem_guarantee guarantee;

	expect_convert_policy(GMEM_FD, 0, 3 * PAGE, PRIVATE, policies[_i].flags, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(3, GMEM_STATE_PRIVATE, &options, &guarantee), 0);
	ck_assert_int_eq(guarantee, policies[_i].guarantee);
	expect_convert_policy(GMEM_FD, 0, PAGE, 0, policies[_i].flags, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, &guarantee), 0);
	ck_assert_int_eq(guarantee, policies[_i].guarantee);
	options.ret_guarantee = NULL;
	expect_convert_policy(GMEM_FD, 0, PAGE, 0, policies[_i].flags, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), 0);
}
END_TEST

START_TEST(retries_with_the_policy)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_PRESERVE };

	expect_convert_policy(GMEM_FD, 0, PAGE, PRIVATE, PRESERVE, -EAGAIN, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert_policy(GMEM_FD, 0, PAGE, PRIVATE, PRESERVE, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(1, GMEM_STATE_PRIVATE, &options, NULL), 0);
}
END_TEST

START_TEST(tells_that_the_kernel_refused_the_policy)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO, .emulate = 1 };
	uint64_t offset;

	/* What a kernel with policies refuses is not emulated behind its back. */
	expect_convert_policy(GMEM_FD, 0, 2 * PAGE, 0, ZERO, -EOPNOTSUPP, 0);
	ck_assert_int_eq(convert(2, GMEM_STATE_SHARED, &options, NULL), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "policy-refused");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 0);
	ck_assert_str_contains(explanation(), "to shared, policy zero: EOPNOTSUPP");
}
END_TEST

START_TEST(expects_no_refusal_of_what_was_not_asked_for)
{
	struct gmem_convert_options options = { 0 };

	expect_convert(GMEM_FD, 0, PAGE, 0, -EOPNOTSUPP, 0);
	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), -EBADE);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	static const struct gmem_convert_options bad[] = {
		{ .policy = (enum gmem_policy)3 },
		{ .policy = (enum gmem_policy) - 1 },
		{ .emulate = 2 },
		{ .step_size = 1 },
		{ .step_size = PAGE + 512 },
		{ .reserved = 1 },
	};
	struct gmem_convert_options options = bad[_i];

	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "option");
}
END_TEST

START_TEST(takes_the_options_of_programs_that_know_no_steps)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO };

	options.size = offsetof(struct gmem_convert_options, step_size);
	/* Beyond what the program knows there is other memory of it. */
	memset(&options.step_size, 0xff, sizeof(options) - options.size);
	expect_convert_policy(GMEM_FD, 0, PAGE, 0, ZERO, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), 0);
}
END_TEST

START_TEST(sends_no_flag_that_was_not_announced)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_PRESERVE, .emulate = 1 };

	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-policy");
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
	ck_assert_int_eq(convert(1, GMEM_STATE_PRIVATE, &options, NULL), -EOPNOTSUPP);
	options.policy = GMEM_POLICY_ZERO;
	ck_assert_int_eq(convert(1, GMEM_STATE_PRIVATE, &options, NULL), -EOPNOTSUPP);
	options.emulate = 0;
	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), -EOPNOTSUPP);
	ck_assert_str_contains(explanation(), "set emulate");
}
END_TEST

START_TEST(takes_a_capability_that_cannot_be_read_for_none)
{
	static const int answers[] = { -EPERM, -EINVAL, 0, 4 };
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO };

	end();
	gmem = file_with(answers[_i]);
	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), -EOPNOTSUPP);
}
END_TEST

START_TEST(emulates_zero_to_shared_by_discarding_first)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO, .emulate = 1 };
	enum gmem_guarantee guarantee;

	expect_fallocate(GMEM_FD, PUNCH, 0, 4 * PAGE, -EINTR);
	expect_fallocate(GMEM_FD, PUNCH, 0, 4 * PAGE, 0);
	expect_convert(GMEM_FD, 0, 4 * PAGE, 0, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(4, GMEM_STATE_SHARED, &options, &guarantee), 0);
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_EMULATED);
}
END_TEST

START_TEST(tells_whose_contents_are_gone_if_the_conversion_fails_after_the_discard)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO, .emulate = 1 };
	uint64_t offset, size;

	options.step_size = 2 * PAGE;
	expect_fallocate(GMEM_FD, PUNCH, 0, 2 * PAGE, 0);
	expect_convert(GMEM_FD, 0, 2 * PAGE, 0, 0, NOT_WRITTEN);
	expect_fallocate(GMEM_FD, PUNCH, 2 * PAGE, 2 * PAGE, 0);
	expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, 0, -ENOMEM, 2 * PAGE);
	ck_assert_int_eq(convert(8, GMEM_STATE_SHARED, &options, NULL), -ENOMEM);
	ck_assert_uint_eq(gmem_error_get_done(report), 2 * PAGE);
	ck_assert(gmem_error_get_lost(report, &offset, &size));
	ck_assert_uint_eq(offset, 2 * PAGE);
	ck_assert_uint_eq(size, 2 * PAGE);
	ck_assert_str_contains(explanation(),
			       "Contents are gone: 0x2000 bytes, from offset 0x2000");
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1);
}
END_TEST

START_TEST(tells_nothing_of_a_step_that_was_busy_and_then_converted)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO, .emulate = 1 };

	options.step_size = PAGE;
	expect_fallocate(GMEM_FD, PUNCH, 0, PAGE, 0);
	expect_convert(GMEM_FD, 0, PAGE, 0, -EAGAIN, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
	expect_convert(GMEM_FD, 0, PAGE, 0, 0, NOT_WRITTEN);
	expect_now(0);
	expect_fallocate(GMEM_FD, PUNCH, PAGE, PAGE, -EPERM);
	expect_frozen_question(-EPERM);
	ck_assert_int_eq(convert(2, GMEM_STATE_SHARED, &options, NULL), -EPERM);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
	ck_assert(!gmem_error_get_lost(report, NULL, NULL));
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1);
	ck_assert_uint_eq(gmem_error_get_done(report), PAGE);
}
END_TEST

static const struct {
	int kernel, returned;
	bool lost;
} discards[] = {
	{ -EPERM, -EPERM, false },
	{ -EBADF, -EBADF, false },
	{ -ENOMEM, -ENOMEM, true },
	{ -EIO, -EBADE, true },
};

START_TEST(converts_nothing_if_the_discard_fails)
{
	struct gmem_convert_options options = { .policy = GMEM_POLICY_ZERO, .emulate = 1 };

	expect_fallocate(GMEM_FD, PUNCH, 0, PAGE, discards[_i].kernel);
	expect_frozen_question(discards[_i].kernel);
	ck_assert_int_eq(convert(1, GMEM_STATE_SHARED, &options, NULL), discards[_i].returned);
	ck_assert_str_eq(gmem_error_get_system_call(report), "fallocate");
	ck_assert_int_eq(gmem_error_get_kernel_code(report), discards[_i].kernel);
	ck_assert_int_eq(gmem_error_get_lost(report, NULL, NULL), discards[_i].lost);
}
END_TEST

START_TEST(cuts_a_range_into_steps)
{
	struct gmem_convert_options options = { .step_size = 3 * PAGE };

	expect_convert(GMEM_FD, 0, 3 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_convert(GMEM_FD, 3 * PAGE, 3 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_convert(GMEM_FD, 6 * PAGE, 2 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(8, GMEM_STATE_PRIVATE, &options, NULL), 0);

	/* One step if it is big enough, whatever its size. */
	options.step_size = UINT64_MAX - PAGE + 1;
	expect_convert(GMEM_FD, 0, 8 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(8, GMEM_STATE_PRIVATE, &options, NULL), 0);
	options.step_size = 8 * PAGE;
	expect_convert(GMEM_FD, 0, 8 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(convert(8, GMEM_STATE_PRIVATE, &options, NULL), 0);
}
END_TEST

START_TEST(tells_how_far_it_came)
{
	struct gmem_convert_options options = { .step_size = 2 * PAGE, .max_attempts = 1 };
	uint64_t offset, size;

	expect_convert(GMEM_FD, 0, 2 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, -EAGAIN, 3 * PAGE);
	expect_now(0);
	ck_assert_int_eq(convert(8, GMEM_STATE_PRIVATE, &options, NULL), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_done(report), 2 * PAGE);
	ck_assert(gmem_error_get_range(report, &offset, &size));
	ck_assert_uint_eq(offset, 0);
	ck_assert_uint_eq(size, 8 * PAGE);
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 3 * PAGE);
	ck_assert(!gmem_error_get_lost(report, &offset, &size));
	ck_assert_str_contains(explanation(), "Done before: 0x2000 bytes, from offset 0x0");
}
END_TEST

START_TEST(believes_no_offset_outside_of_the_step)
{
	struct gmem_convert_options options = { .step_size = 2 * PAGE };

	expect_convert(GMEM_FD, 0, 2 * PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_convert(GMEM_FD, 2 * PAGE, 2 * PAGE, PRIVATE, -ENOMEM, _i ? 4 * PAGE : PAGE);
	ck_assert_int_eq(convert(8, GMEM_STATE_PRIVATE, &options, NULL), -ENOMEM);
	ck_assert(!gmem_error_get_first_offset(report, &(uint64_t){ 0 }));
}
END_TEST

START_TEST(each_step_has_its_attempts)
{
	struct gmem_convert_options options = { .step_size = PAGE, .max_attempts = 2 };
	int step;

	for (step = 0; step < 2; step++) {
		expect_convert(GMEM_FD, (uint64_t)step * PAGE, PAGE, PRIVATE, -EAGAIN,
			       (uint64_t)step * PAGE);
		expect_now(0);
		expect_now(0);
		expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
		expect_convert(GMEM_FD, (uint64_t)step * PAGE, PAGE, PRIVATE, step ? -ENOMEM : 0,
			       NOT_WRITTEN);
		if (!step)
			expect_now(0);
	}
	ck_assert_int_eq(convert(2, GMEM_STATE_PRIVATE, &options, NULL), -ENOMEM);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 2);
}
END_TEST

START_TEST(all_steps_together_wait_no_longer_than_allowed)
{
	struct gmem_convert_options options = {
		.step_size = PAGE,
		.timeout_ns = 5 * MS,
		.backoff_ns = 3 * MS,
	};

	/* The first step waits 3 ms, then there are 2 left. The time between them does not count.
	 */
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EAGAIN, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(3 * MS, 0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_now(3 * MS);
	expect_convert(GMEM_FD, PAGE, PAGE, PRIVATE, -EAGAIN, PAGE);
	expect_now(100 * MS);
	expect_now(100 * MS);
	expect_sleep(2 * MS, 0);
	expect_convert(GMEM_FD, PAGE, PAGE, PRIVATE, -EAGAIN, PAGE);
	expect_now(102 * MS);
	ck_assert_int_eq(convert(2, GMEM_STATE_PRIVATE, &options, NULL), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_done(report), PAGE);
}
END_TEST

START_TEST(a_step_after_all_time_is_spent_has_one_attempt)
{
	struct gmem_convert_options options = {
		.step_size = PAGE,
		.timeout_ns = MS,
		.backoff_ns = MS,
	};

	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, -EAGAIN, 0);
	expect_now(0);
	expect_now(0);
	expect_sleep(MS, 0);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	expect_now(2 * MS);
	expect_convert(GMEM_FD, PAGE, PAGE, PRIVATE, -EAGAIN, PAGE);
	expect_now(3 * MS);
	expect_now(3 * MS);
	ck_assert_int_eq(convert(2, GMEM_STATE_PRIVATE, &options, NULL), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 1);
}
END_TEST

START_TEST(no_deadline_stays_none_for_all_steps)
{
	struct gmem_convert_options options = {
		.step_size = PAGE,
		.timeout_ns = GMEM_CONVERT_NO_TIMEOUT,
	};
	int step;

	for (step = 0; step < 2; step++) {
		expect_convert(GMEM_FD, (uint64_t)step * PAGE, PAGE, PRIVATE, -EAGAIN,
			       (uint64_t)step * PAGE);
		expect_now(1000 * MS);
		expect_now(900000 * MS);
		expect_sleep(GMEM_CONVERT_DEFAULT_BACKOFF_NS, 0);
		expect_convert(GMEM_FD, (uint64_t)step * PAGE, PAGE, PRIVATE, 0, NOT_WRITTEN);
	}
	ck_assert_int_eq(convert(2, GMEM_STATE_PRIVATE, &options, NULL), 0);
}
END_TEST

START_TEST(names_policies_and_guarantees)
{
	ck_assert_str_eq(gmem_policy_name(GMEM_POLICY_UNSPECIFIED), "unspecified");
	ck_assert_str_eq(gmem_policy_name(GMEM_POLICY_ZERO), "zero");
	ck_assert_str_eq(gmem_policy_name(GMEM_POLICY_PRESERVE), "preserve");
	ck_assert_ptr_null(gmem_policy_name((enum gmem_policy)3));
	ck_assert_str_eq(gmem_guarantee_name(GMEM_GUARANTEE_NONE), "none");
	ck_assert_str_eq(gmem_guarantee_name(GMEM_GUARANTEE_NATIVE), "native");
	ck_assert_str_eq(gmem_guarantee_name(GMEM_GUARANTEE_EMULATED), "emulated");
	ck_assert_ptr_null(gmem_guarantee_name((enum gmem_guarantee)3));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("policy");
	TCase *native = scripted_case(suite, "native");
	TCase *lacking = scripted_case(suite, "a kernel without policies");
	TCase *steps = scripted_case(suite, "steps");

	tcase_add_checked_fixture(native, begin, end);
	tcase_add_loop_test(native, asks_the_kernel_for_the_policy_and_says_how_it_was_kept, 0,
			    COUNT(policies));
	tcase_add_test(native, retries_with_the_policy);
	tcase_add_test(native, tells_that_the_kernel_refused_the_policy);
	tcase_add_test(native, expects_no_refusal_of_what_was_not_asked_for);
	tcase_add_loop_test(native, refuses_options_without_meaning, 0, 6);
	tcase_add_test(native, takes_the_options_of_programs_that_know_no_steps);
	tcase_add_test(native, names_policies_and_guarantees);

	tcase_add_checked_fixture(lacking, begin_without_policies, end);
	tcase_add_test(lacking, sends_no_flag_that_was_not_announced);
	tcase_add_loop_test(lacking, takes_a_capability_that_cannot_be_read_for_none, 0, 4);
	tcase_add_test(lacking, emulates_zero_to_shared_by_discarding_first);
	tcase_add_test(lacking,
		       tells_whose_contents_are_gone_if_the_conversion_fails_after_the_discard);
	tcase_add_test(lacking, tells_nothing_of_a_step_that_was_busy_and_then_converted);
	tcase_add_loop_test(lacking, converts_nothing_if_the_discard_fails, 0, COUNT(discards));

	tcase_add_checked_fixture(steps, begin, end);
	tcase_add_test(steps, cuts_a_range_into_steps);
	tcase_add_test(steps, tells_how_far_it_came);
	tcase_add_loop_test(steps, believes_no_offset_outside_of_the_step, 0, 2);
	tcase_add_test(steps, each_step_has_its_attempts);
	tcase_add_test(steps, all_steps_together_wait_no_longer_than_allowed);
	tcase_add_test(steps, a_step_after_all_time_is_spent_has_one_attempt);
	tcase_add_test(steps, no_deadline_stays_none_for_all_steps);
	return suite;
}
