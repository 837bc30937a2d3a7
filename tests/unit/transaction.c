/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversions over slots, files and listeners. What comes of failures is in transaction-failures.c.
 */
#include <string.h>
#include "layout.h"
#include "lib/file.h"
#include "lib/sys.h"

static void end(void)
{
	layout_end();
}

static void begin_in_place(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

START_TEST(one_slot_takes_one_system_call_and_no_allocation)
{
	int before = machine.calls, r;

	r = WITHOUT_MEMORY(
		gmem_space_convert(layout.space, PAGE, 3 * PAGE, GMEM_STATE_SHARED, NULL, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(machine.calls - before, 1);
	layout_check_state(0, 1, GMEM_STATE_PRIVATE);
	layout_check_state(1, 4, GMEM_STATE_SHARED);
	layout_check_state(4, LAYOUT_PAGES, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

START_TEST(several_slots_and_listeners_take_no_allocation_either)
{
	int before, r;

	layout_watch(0, 0);
	layout_watch(4 * PAGE, 0);
	layout_mix();
	before = machine.calls;
	r = WITHOUT_MEMORY(
		gmem_space_convert(layout.space, 0, 32 * PAGE, GMEM_STATE_SHARED, NULL, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(machine.calls - before, 2);
	layout_check_state(0, 32, GMEM_STATE_SHARED);
	layout_check();
	r = WITHOUT_MEMORY(gmem_space_convert(layout.space, 3 * PAGE, 26 * PAGE, GMEM_STATE_PRIVATE,
					      NULL, report));
	ck_assert_int_eq(r, 0);
	layout_check_state(3, 29, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

static const struct {
	uint64_t gpa, size;
	const char *why;
} bad_ranges[] = {
	{ 0, 0, "size is 0" },
	{ 1, PAGE, "multiple of the page size" },
	{ 0, PAGE + 512, "multiple of the page size" },
	{ PAGE, UINT64_MAX - PAGE + 1, "more than 64 bits" },
	{ UINT64_MAX - PAGE + 1, PAGE, "more than 64 bits" },
};

START_TEST(refuses_a_range_that_makes_no_sense)
{
	int before = machine.calls;

	ck_assert_int_eq(gmem_space_convert(layout.space, bad_ranges[_i].gpa, bad_ranges[_i].size,
					    GMEM_STATE_SHARED, NULL, report),
			 -EINVAL);
	ck_assert_str_contains(explanation(), bad_ranges[_i].why);
	ck_assert_int_eq(machine.calls, before);
	ck_assert_int_eq(gmem_space_convert(NULL, 0, PAGE, GMEM_STATE_SHARED, NULL, report),
			 -EINVAL);
	ck_assert_int_eq(
		gmem_space_convert(layout.space, 0, PAGE, (enum gmem_state)3, NULL, report),
		-EINVAL);
}
END_TEST

START_TEST(refuses_steps)
{
	struct gmem_convert_options options = { .size = sizeof(options), .step_size = PAGE };

	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_SHARED, &options), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "option");
}
END_TEST

START_TEST(refuses_holes_before_anything_happens)
{
	uint64_t offset = 0;
	int before = machine.calls;

	ck_assert_int_eq(layout_convert(30, 42, GMEM_STATE_SHARED, NULL), -ENXIO);
	ck_assert(gmem_error_is_guest(report));
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 32 * PAGE);
	ck_assert_int_eq(layout_convert(60, 61, GMEM_STATE_PRIVATE, NULL), -ENXIO);
	ck_assert_int_eq(gmem_space_convert(layout.space, UINT64_MAX - 3 * PAGE + 1, PAGE,
					    GMEM_STATE_SHARED, NULL, report),
			 -ENXIO);
	ck_assert_int_eq(machine.calls, before);
	layout_check_state(0, LAYOUT_PAGES, GMEM_STATE_PRIVATE);
}
END_TEST

static void begin_ignoring_holes(void)
{
	struct gmem_space_options options = { .size = sizeof(options) };

	options.holes = GMEM_HOLES_SHARED_IGNORED;
	layout_begin(GMEM_MODE_IN_PLACE, &options);
}

START_TEST(leaves_holes_out_on_the_way_to_shared_only)
{
	ck_assert_int_eq(layout_convert(10, 50, GMEM_STATE_SHARED, NULL), 0);
	layout_check_state(10, 50, GMEM_STATE_SHARED);
	ck_assert_int_eq(layout_convert(33, 35, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(layout_convert(10, 50, GMEM_STATE_PRIVATE, NULL), -ENXIO);
	layout_check_state(10, 50, GMEM_STATE_SHARED);
	layout_check();
}
END_TEST

/* What the busy function of a caller sees. */
static int busy_calls;
static char busy_holder[32];

static enum gmem_busy_action note_busy(const struct gmem_error *attempt, void *data)
{
	const char *holder = gmem_error_get_holder(attempt);

	busy_calls++;
	strcpy(busy_holder, holder ? holder : "");
	return *(enum gmem_busy_action *)data;
}

START_TEST(tells_who_holds_a_page_that_stays_busy)
{
	enum gmem_busy_action action = GMEM_BUSY_BACK_OFF;
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 3 };
	struct watcher *first, *second;
	uint64_t offset = 0;
	uint32_t slot = 0;

	busy_calls = 0;
	options.busy = note_busy;
	options.busy_data = &action;
	first = layout_watch(0, 0);
	second = layout_watch(0, 0);
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	layout_remember();
	machine_file(layout.files[1])->busy[4 + 5] = INT32_MAX;
	first->busy_code = -EAGAIN;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, &options), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_holder(report), "w1");
	ck_assert_int_eq(gmem_error_get_listener_code(report), -EAGAIN);
	ck_assert_str_contains(explanation(), "guest-physical 0x15000 is held by w1");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 21 * PAGE);
	ck_assert(gmem_error_get_slot(report, &slot));
	ck_assert_uint_eq(slot, 2);
	ck_assert_uint_eq(gmem_error_get_attempts(report), 3);
	ck_assert_int_eq(first->busy_calls, 3);
	ck_assert_int_eq(second->busy_calls, 3);
	ck_assert_int_eq(busy_calls, 3);
	ck_assert_str_eq(busy_holder, "w1");
	/* The first slot was converted and is shared again, which may have cost its contents. */
	ck_assert(gmem_error_get_lost(report, &offset, NULL));
	ck_assert_uint_eq(offset, 0);
	layout_check_unchanged();
	layout_check();
}
END_TEST

START_TEST(says_so_if_nobody_holds_a_busy_page)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };

	layout_watch(0, 0);
	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_SHARED, NULL), 0);
	machine_file(layout.files[0])->busy[1] = INT32_MAX;
	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_PRIVATE, &options), -EAGAIN);
	ck_assert_ptr_null(gmem_error_get_holder(report));
	layout_check();
}
END_TEST

START_TEST(converts_when_a_busy_page_is_let_go)
{
	int i;

	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
		machine_file(layout.files[0])->busy[3] = 4;
		machine_file(layout.files[1])->busy[4 + 3] = 4;
		/* One slot, which is the short way, and several. */
		ck_assert_int_eq(layout_convert(0, i ? 32 : 8, GMEM_STATE_PRIVATE, NULL), 0);
		layout_check();
	}
	layout_check_state(0, 32, GMEM_STATE_PRIVATE);
}
END_TEST

START_TEST(stops_when_the_busy_function_says_so)
{
	enum gmem_busy_action action = GMEM_BUSY_STOP;
	struct gmem_convert_options options = { .size = sizeof(options), .busy = note_busy };

	options.busy_data = &action;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	layout_remember();
	machine_file(layout.files[1])->busy[4 + 3] = INT32_MAX;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, &options), -ECANCELED);
	ck_assert_str_eq(gmem_error_get_cause(report), "stopped");
	layout_check_unchanged();
	layout_check();
}
END_TEST

START_TEST(time_is_that_of_the_whole_call)
{
	struct gmem_convert_options options = { .size = sizeof(options) };
	uint64_t begun;

	options.timeout_ns = 1000000;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	machine_file(layout.files[0])->busy[3] = 4;
	machine_file(layout.files[1])->busy[4 + 3] = INT32_MAX;
	begun = machine.now;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, &options), -EAGAIN);
	ck_assert_uint_eq(machine.now - begun, 1000000);
}
END_TEST

START_TEST(listeners_take_time_from_it_too)
{
	struct gmem_convert_options options = { .size = sizeof(options) };
	struct watcher *watcher = layout_watch(0, 0);
	uint64_t begun;

	options.timeout_ns = 1000000;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	/* It asks for more time once, and then a page stays busy. */
	watcher->calls = 0;
	watcher->fail_first = watcher->fail_last = 1;
	watcher->fail_code = -EAGAIN;
	machine_file(layout.files[1])->busy[4 + 3] = INT32_MAX;
	begun = machine.now;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, &options), -EAGAIN);
	ck_assert_uint_eq(machine.now - begun, 1000000);
	layout_check();
}
END_TEST

START_TEST(a_file_that_was_closed_undoes_all)
{
	ck_assert_int_eq(layout_convert(3, 9, GMEM_STATE_SHARED, NULL), 0);
	layout_remember();
	machine_file(layout.files[1])->fd = 0;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), -EBADF);
	machine.files[1].fd = layout.files[1]->fd;
	ck_assert_str_eq(gmem_error_get_cause(report), "not-open");
	layout_check_unchanged();
	layout_check();
}
END_TEST

START_TEST(policies_are_given_or_refused_for_all_slots)
{
	enum gmem_guarantee guarantee = GMEM_GUARANTEE_NONE;
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_ZERO };
	int before;

	options.ret_guarantee = &guarantee;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, &options), 0);
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_NATIVE);
	layout.files[1]->policies = 0;
	before = machine.calls;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, &options), -EOPNOTSUPP);
	ck_assert_int_eq(machine.calls, before);
	options.emulate = 1;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, &options), 0);
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_EMULATED);
	layout_check();
}
END_TEST

START_TEST(preserve_loses_nothing_when_it_is_undone)
{
	struct gmem_convert_options options = { .size = sizeof(options) };
	uint64_t offset, size;

	options.policy = GMEM_POLICY_PRESERVE;
	layout_remember();
	machine_fail(2, false, -ENOMEM);
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, &options), -ENOMEM);
	ck_assert(!gmem_error_get_lost(report, &offset, &size));
	layout_check_unchanged();
	options.policy = GMEM_POLICY_ZERO;
	machine_fail(2, false, -ENOMEM);
	ck_assert_int_eq(layout_convert(2, 32, GMEM_STATE_SHARED, &options), -ENOMEM);
	ck_assert(gmem_error_get_lost(report, &offset, &size));
	ck_assert_uint_eq(offset, 2 * PAGE);
	ck_assert_uint_eq(size, 14 * PAGE);
	layout_check_unchanged();
	layout_check();
}
END_TEST

START_TEST(the_level_stops_conversions_in_place)
{
	gmem_level_set(GMEM_LEVEL_MAP);
	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_SHARED, NULL), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	gmem_level_set(GMEM_LEVEL_FULL);
}
END_TEST

START_TEST(nothing_is_converted_in_a_fixed_space)
{
	layout_begin(GMEM_MODE_FIXED, NULL);
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_PRIVATE, NULL), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-private");
	ck_assert_int_eq(layout_convert(32, 33, GMEM_STATE_SHARED, NULL), -ENXIO);
	layout_end();
}
END_TEST

static void begin_two_backings(void)
{
	layout_begin(GMEM_MODE_TWO_BACKINGS, NULL);
}

START_TEST(two_backings_give_the_memory_of_the_old_state_back)
{
	struct machine_file *file = machine_file(layout.files[0]);

	memset(file->allocated, true, sizeof(file->allocated));
	ck_assert_int_eq(layout_convert(2, 4, GMEM_STATE_SHARED, NULL), 0);
	ck_assert(file->allocated[1] && !file->allocated[2] && !file->allocated[3]);
	ck_assert(file->allocated[4]);
	memset(file->shared_allocated, true, sizeof(file->shared_allocated));
	ck_assert_int_eq(layout_convert(0, 16, GMEM_STATE_PRIVATE, NULL), 0);
	/* Only what was shared; the rest is not looked at. */
	ck_assert(file->shared_allocated[1] && !file->shared_allocated[2]);
	ck_assert(!file->shared_allocated[3] && file->shared_allocated[4]);
	ck_assert_uint_eq(gmem_space_get_kept(layout.space), 0);
	layout_check();
}
END_TEST

START_TEST(two_backings_count_what_they_cannot_give_back)
{
	/* The attributes, then the hole. */
	machine_fail(2, false, -EPERM);
	ck_assert_int_eq(layout_convert(2, 4, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_uint_eq(gmem_space_get_kept(layout.space), 2 * PAGE);
	layout_check_state(2, 4, GMEM_STATE_SHARED);
	layout_check();
}
END_TEST

START_TEST(two_backings_have_no_policies)
{
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_ZERO };

	options.emulate = 1;
	ck_assert_int_eq(layout_convert(2, 4, GMEM_STATE_SHARED, &options), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "two-backings");
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("transaction");
	TCase *in_place = scripted_case(suite, "in place");
	TCase *holes = scripted_case(suite, "holes");
	TCase *two = scripted_case(suite, "two backings");
	TCase *fixed = scripted_case(suite, "fixed");

	tcase_add_checked_fixture(in_place, begin_in_place, end);
	tcase_add_test(in_place, one_slot_takes_one_system_call_and_no_allocation);
	tcase_add_test(in_place, several_slots_and_listeners_take_no_allocation_either);
	tcase_add_loop_test(in_place, refuses_a_range_that_makes_no_sense, 0, COUNT(bad_ranges));
	tcase_add_test(in_place, refuses_steps);
	tcase_add_test(in_place, refuses_holes_before_anything_happens);
	tcase_add_test(in_place, tells_who_holds_a_page_that_stays_busy);
	tcase_add_test(in_place, says_so_if_nobody_holds_a_busy_page);
	tcase_add_test(in_place, converts_when_a_busy_page_is_let_go);
	tcase_add_test(in_place, stops_when_the_busy_function_says_so);
	tcase_add_test(in_place, time_is_that_of_the_whole_call);
	tcase_add_test(in_place, listeners_take_time_from_it_too);
	tcase_add_test(in_place, a_file_that_was_closed_undoes_all);
	tcase_add_test(in_place, policies_are_given_or_refused_for_all_slots);
	tcase_add_test(in_place, preserve_loses_nothing_when_it_is_undone);
	tcase_add_test(in_place, the_level_stops_conversions_in_place);

	tcase_add_checked_fixture(holes, begin_ignoring_holes, end);
	tcase_add_test(holes, leaves_holes_out_on_the_way_to_shared_only);

	tcase_add_checked_fixture(two, begin_two_backings, end);
	tcase_add_test(two, two_backings_give_the_memory_of_the_old_state_back);
	tcase_add_test(two, two_backings_count_what_they_cannot_give_back);
	tcase_add_test(two, two_backings_have_no_policies);

	tcase_add_test(fixed, nothing_is_converted_in_a_fixed_space);
	return suite;
}
