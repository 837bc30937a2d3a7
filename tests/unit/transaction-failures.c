/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversions are whole, or undone, or the report says exactly what is not; whatever fails, and
 * wherever: each system call and each call of a listener, alone and with others.
 */
#include <string.h>
#include "layout.h"
#include "lib/file.h"

struct scenario {
	enum gmem_mode mode;
	uint64_t page, end;
	enum gmem_state state;
	enum gmem_policy policy;
	bool allocate, emulate;
	/* one of them with this granularity */
	int watchers;
	uint64_t granularity;
};

#define IN_PLACE GMEM_MODE_IN_PLACE
#define TWO	 GMEM_MODE_TWO_BACKINGS
#define TO_P	 GMEM_STATE_PRIVATE
#define TO_S	 GMEM_STATE_SHARED

static const struct scenario scenarios[] = {
	{ IN_PLACE, 2, 12, TO_P, GMEM_POLICY_UNSPECIFIED, false, false, 0, 0 },
	{ IN_PLACE, 2, 12, TO_S, GMEM_POLICY_UNSPECIFIED, false, false, 0, 0 },
	{ IN_PLACE, 2, 31, TO_P, GMEM_POLICY_UNSPECIFIED, false, false, 2, 0 },
	{ IN_PLACE, 2, 55, TO_S, GMEM_POLICY_UNSPECIFIED, false, false, 2, 0 },
	{ IN_PLACE, 3, 31, TO_P, GMEM_POLICY_PRESERVE, false, false, 2, 8 * PAGE },
	{ IN_PLACE, 3, 55, TO_S, GMEM_POLICY_PRESERVE, false, false, 2, 8 * PAGE },
	{ IN_PLACE, 3, 31, TO_P, GMEM_POLICY_ZERO, false, false, 1, 4 * PAGE },
	{ IN_PLACE, 3, 55, TO_S, GMEM_POLICY_ZERO, false, false, 1, 4 * PAGE },
	{ IN_PLACE, 3, 55, TO_S, GMEM_POLICY_ZERO, false, true, 1, 0 },
	{ TWO, 2, 12, TO_P, GMEM_POLICY_UNSPECIFIED, false, false, 0, 0 },
	{ TWO, 2, 12, TO_S, GMEM_POLICY_UNSPECIFIED, false, false, 0, 0 },
	{ TWO, 3, 31, TO_P, GMEM_POLICY_UNSPECIFIED, false, false, 2, 8 * PAGE },
	{ TWO, 3, 55, TO_S, GMEM_POLICY_UNSPECIFIED, false, false, 2, 8 * PAGE },
	{ TWO, 3, 31, TO_P, GMEM_POLICY_UNSPECIFIED, true, false, 2, 0 },
	{ TWO, 3, 55, TO_S, GMEM_POLICY_UNSPECIFIED, true, false, 2, 0 },
};

static void prepare(const struct scenario *s)
{
	struct gmem_space_options options = { .size = sizeof(options), .allocate = s->allocate };
	int i;

	options.holes = GMEM_HOLES_SHARED_IGNORED;
	layout_begin(s->mode, &options);
	if (s->emulate)
		layout.files[0]->policies = layout.files[1]->policies = 0;
	for (i = 0; i < s->watchers; i++)
		layout_watch(i ? s->granularity : 0, 0);
	layout_mix();
	layout_remember();
	for (i = 0; i < s->watchers; i++)
		layout.watchers[i].calls = 0;
}

static int run(const struct scenario *s)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 2 };

	options.policy = s->policy;
	options.emulate = s->emulate;
	return layout_convert(s->page, s->end, s->state, &options);
}

static bool is_documented(int result)
{
	static const int documented[] = DOCUMENTED_gmem_space_convert;
	int i;

	for (i = 0; documented[i]; i++) {
		if (result == -documented[i])
			return true;
	}
	return result == 0;
}

/* Whatever failed, all agree; and a call that failed changed nothing but what it says. */
static void check_outcome(const struct scenario *s, int result)
{
	must(is_documented(result), "%d is not documented", result);
	if (result == 0) {
		layout_check_state(s->page, s->end, s->state);
	} else {
		must(gmem_error_get_code(report) == result && gmem_error_is_guest(report) &&
			     !strcmp(gmem_error_get_call(report), "gmem_space_convert"),
		     "the report is of something else");
		layout_check_unchanged();
	}
	layout_check();
}

static int count_calls(const struct scenario *s)
{
	int before, count;

	prepare(s);
	before = machine.calls;
	must(run(s) == 0, "it fails although nothing was injected:\n%s", explanation());
	count = machine.calls - before;
	check_outcome(s, 0);
	layout_end();
	return count;
}

static const int codes[] = {
	ENOMEM, EBADF, EPERM, EINVAL, EAGAIN, ENOTTY, EOPNOTSUPP, EIO, EFAULT
};

START_TEST(each_system_call_fails_alone_or_with_all_after_it)
{
	const struct scenario *s = &scenarios[_i];
	int count = count_calls(s), call, i, after, result;

	ck_assert_int_gt(count, 0);
	for (call = 1; call <= count; call++) {
		for (i = 0; i < COUNT(codes); i++) {
			for (after = 0; after < 2; after++) {
				prepare(s);
				machine_fail(call, after, -codes[i]);
				result = run(s);
				must(machine.failed > 0, "call %d did not come", call);
				machine_fail(0, false, 0);
				check_outcome(s, result);
				layout_end();
			}
		}
	}
}
END_TEST

START_TEST(each_pair_of_system_calls_fails)
{
	const struct scenario *s = &scenarios[_i];
	int count = count_calls(s), first, second, result;

	for (first = 1; first <= count; first++) {
		for (second = first + 1; second <= first + 8; second++) {
			prepare(s);
			machine_fail(first, false, -EBADF);
			/* What is undone fails once, too. */
			machine.fail_again = machine.calls + second;
			result = run(s);
			machine_fail(0, false, 0);
			check_outcome(s, result);
			layout_end();
		}
	}
}
END_TEST

static int count_notices(const struct scenario *s, int watcher)
{
	int count;

	prepare(s);
	must(run(s) == 0, "it fails although nothing was injected");
	count = layout.watchers[watcher].calls;
	layout_end();
	return count;
}

static const int listener_codes[] = { -EIO, -EAGAIN, 1 };

START_TEST(each_call_of_a_listener_fails)
{
	const struct scenario *s = &scenarios[_i];
	struct watcher *watcher;
	int w, count, call, i, result;

	for (w = 0; w < s->watchers; w++) {
		count = count_notices(s, w);
		ck_assert_int_gt(count, 0);
		for (call = 1; call <= count; call++) {
			for (i = 0; i < COUNT(listener_codes); i++) {
				prepare(s);
				watcher = &layout.watchers[w];
				watcher->fail_first = call;
				/* As often as it is asked. */
				watcher->fail_last = call + (listener_codes[i] == -EAGAIN);
				watcher->fail_code = listener_codes[i];
				result = run(s);
				ck_assert_int_eq(result, listener_codes[i] == -EAGAIN ? -EAGAIN
										      : -ECANCELED);
				ck_assert_str_eq(gmem_error_get_holder(report), watcher->name);
				ck_assert_int_eq(gmem_error_get_listener_code(report),
						 listener_codes[i]);
				watcher->fail_last = 0;
				check_outcome(s, result);
				layout_end();
			}
		}
	}
}
END_TEST

START_TEST(a_listener_fails_while_a_failed_system_call_is_undone)
{
	const struct scenario *s = &scenarios[_i];
	int count = count_calls(s), w, call, notice, result;

	for (w = 0; w < s->watchers; w++) {
		for (call = 1; call <= count; call++) {
			for (notice = 1; notice <= 12; notice++) {
				prepare(s);
				machine_fail(call, false, -EBADF);
				layout.watchers[w].fail_first = notice;
				layout.watchers[w].fail_last = notice;
				layout.watchers[w].fail_code = -EIO;
				result = run(s);
				layout.watchers[w].fail_last = 0;
				machine_fail(0, false, 0);
				check_outcome(s, result);
				layout_end();
			}
		}
	}
}
END_TEST

START_TEST(a_listener_that_needs_more_time_gets_it)
{
	const struct scenario *s = &scenarios[_i];
	int w;

	for (w = 0; w < s->watchers; w++) {
		prepare(s);
		layout.watchers[w].fail_first = layout.watchers[w].fail_last = 2;
		layout.watchers[w].fail_code = -EAGAIN;
		ck_assert_int_eq(run(s), 0);
		check_outcome(s, 0);
		layout_end();
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("transaction-failures");
	TCase *failures = scripted_case(suite, "failures");

	tcase_add_loop_test(failures, each_system_call_fails_alone_or_with_all_after_it, 0,
			    COUNT(scenarios));
	tcase_add_loop_test(failures, each_pair_of_system_calls_fails, 0, COUNT(scenarios));
	tcase_add_loop_test(failures, each_call_of_a_listener_fails, 0, COUNT(scenarios));
	tcase_add_loop_test(failures, a_listener_fails_while_a_failed_system_call_is_undone, 0,
			    COUNT(scenarios));
	tcase_add_loop_test(failures, a_listener_that_needs_more_time_gets_it, 0, COUNT(scenarios));
	return suite;
}
