/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "layout.h"

static int let_go(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	(void)data;
	return 0;
}

static void begin(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

static void end(void)
{
	layout_end();
}

START_TEST(a_new_listener_is_told_of_all_that_is_shared)
{
	struct watcher *watcher;

	layout_mix();
	watcher = layout_watch(0, 0);
	layout_check();
	ck_assert_int_gt(watcher->populated, 3);
	ck_assert_int_eq(gmem_listener_remove(watcher->listener, report), 0);
	ck_assert_int_eq(watcher->released, watcher->populated);
	ck_assert(!memchr(watcher->has, true, sizeof(watcher->has)));
	layout.watcher_count = 0;
	ck_assert_int_eq(layout_convert(0, 8, GMEM_STATE_PRIVATE, NULL), 0);
	layout_check();
}
END_TEST

static int told;

static int refuse_the_third(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	return ++told == 3 ? *(int *)data : 0;
}

static int count_undone(const struct gmem_notice *notice, void *data)
{
	(void)data;
	ck_assert_int_eq(notice->reason, GMEM_REASON_UNDO);
	told -= 100;
	return 0;
}

START_TEST(what_a_new_listener_got_is_taken_back_if_it_refuses)
{
	static const int codes[][2] = { { -EPERM, -ECANCELED }, { 1, -ECANCELED } };
	struct gmem_listener_options options = { .size = sizeof(options), .name = "picky" };
	struct gmem_listener *listener = NULL;
	int code = codes[_i][0];

	layout_mix();
	options.release = count_undone;
	options.populate = refuse_the_third;
	options.data = &code;
	told = 0;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report),
			 codes[_i][1]);
	ck_assert_int_eq(told, 3 - 200);
	ck_assert_ptr_null(listener);
	ck_assert_str_eq(gmem_error_get_holder(report), "picky");
	ck_assert_int_eq(gmem_error_get_listener_code(report), code);
	/* It is not told of anything any more. */
	ck_assert_int_eq(layout_convert(0, 8, GMEM_STATE_PRIVATE, NULL), 0);
	ck_assert_int_eq(told, 3 - 200);
}
END_TEST

static int always_later(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	++*(int *)data;
	return -EAGAIN;
}

START_TEST(a_listener_is_asked_again_but_not_for_ever)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "slow" };
	struct gmem_listener *listener;
	uint64_t begun = machine.now;
	int asked = 0;

	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_SHARED, NULL), 0);
	options.release = let_go;
	options.populate = always_later;
	options.data = &asked;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_cause(report), "listener-busy");
	ck_assert_int_eq(asked, GMEM_CONVERT_DEFAULT_ATTEMPTS);
	ck_assert_uint_le(machine.now - begun, GMEM_CONVERT_DEFAULT_TIMEOUT_NS);
}
END_TEST

START_TEST(removal_happens_whatever_the_listener_says)
{
	struct watcher *watcher;

	layout_mix();
	watcher = layout_watch(0, 0);
	watcher->calls = 0;
	watcher->fail_first = watcher->fail_last = 2;
	watcher->fail_code = -EIO;
	ck_assert_int_eq(gmem_listener_remove(watcher->listener, report), -ECANCELED);
	ck_assert_str_eq(gmem_error_get_holder(report), "w1");
	ck_assert_int_eq(watcher->released, watcher->populated - 1);
	layout.watcher_count = 0;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, NULL), 0);
	ck_assert_int_eq(gmem_listener_remove(NULL, NULL), 0);
}
END_TEST

/* The order in which three listeners are told. */
static char order[16];

static int note_release(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	strcat(order, data);
	return 0;
}

START_TEST(listeners_are_told_in_order)
{
	static const struct {
		const char *name;
		int order;
	} added[] = { { "b", 5 }, { "d", 7 }, { "a", -3 }, { "c", 5 } };
	struct gmem_listener_options options = { .size = sizeof(options) };
	struct gmem_listener *listeners[4];
	int i;

	options.release = note_release;
	options.populate = note_release;
	for (i = 0; i < 4; i++) {
		options.name = added[i].name;
		options.data = (void *)(uintptr_t)added[i].name;
		options.order = added[i].order;
		ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listeners[i], report),
				 0);
	}
	order[0] = '\0';
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_str_eq(order, "abcd");
	order[0] = '\0';
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_PRIVATE, NULL), 0);
	ck_assert_str_eq(order, "dcba");
	/* Nothing changes: nobody is told. */
	order[0] = '\0';
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_PRIVATE, NULL), 0);
	ck_assert_str_eq(order, "");
}
END_TEST

START_TEST(parts_are_never_cut_with_a_granularity)
{
	struct watcher *watcher;

	layout_mix();
	watcher = layout_watch(8 * PAGE, 0);
	layout_check();
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	layout_check();
	/* One page: its block is let go, and what stays shared comes back in two parts. */
	watcher->released = watcher->populated = 0;
	ck_assert_int_eq(layout_convert(10, 11, GMEM_STATE_PRIVATE, NULL), 0);
	ck_assert_int_gt(watcher->released, 0);
	ck_assert_int_eq(watcher->populated, 2);
	ck_assert_uint_eq(watcher->part[9], 8);
	ck_assert_uint_eq(watcher->part[15], 11);
	layout_check();
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_PRIVATE, NULL), 0);
	layout_check();
}
END_TEST

static struct gmem_space *own;
static int results[5];

/* Tries all that changes the space, while it is told. */
static int meddle(const struct gmem_notice *notice, void *data)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "second" };
	struct gmem_space_extent extent;
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.gmem = notice->gmem,
		.gpa = 64 * PAGE,
		.offset = 63 * PAGE,
		.memory_size = PAGE,
		.number = 7,
	};
	struct gmem_listener *listener;

	options.release = let_go;
	/* What only looks works. */
	ck_assert_int_eq(gmem_space_get_extent(own, 0, PAGE, &extent, NULL), 0);
	results[0] = gmem_space_convert(own, 20 * PAGE, PAGE, GMEM_STATE_SHARED, NULL, NULL);
	results[1] = gmem_space_bind(own, &slot, NULL);
	results[2] = gmem_space_unbind(own, 1, NULL);
	results[3] = gmem_listener_add(own, &options, &listener, NULL);
	results[4] = gmem_listener_remove(*(struct gmem_listener **)data, NULL);
	return 0;
}

START_TEST(a_listener_that_changes_its_space_is_told_so)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "meddler" };
	struct gmem_listener *listener;
	int i;

	own = layout.space;
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_SHARED, NULL), 0);
	options.release = meddle;
	options.data = &listener;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_PRIVATE, NULL), 0);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(results[i], -EDEADLK);
	layout_check();
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	const struct gmem_listener_options bad[] = {
		{ .size = sizeof(bad[0]), .release = let_go },
		{ .size = sizeof(bad[0]), .release = let_go, .name = "" },
		{ .size = sizeof(bad[0]), .name = "x" },
		{ .size = sizeof(bad[0]), .name = "x", .release = let_go, .granularity = 512 },
		{ .size = sizeof(bad[0]), .name = "x", .release = let_go, .granularity = 3 * PAGE },
		{ .size = sizeof(bad[0]), .name = "x", .release = let_go, .reserved = 1 },
		{ .size = 8 },
	};
	struct {
		struct gmem_listener_options known;
		uint64_t unknown;
	} newer = { { .size = sizeof(newer), .name = "x", .release = let_go }, 1 };
	struct gmem_listener *listener;
	int i;

	for (i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(gmem_listener_add(layout.space, &bad[i], &listener, report),
				 -EINVAL);
	ck_assert_int_eq(gmem_listener_add(layout.space, &newer.known, &listener, report), -E2BIG);
	newer.unknown = 0;
	ck_assert_int_eq(gmem_listener_add(NULL, &newer.known, &listener, report), -EINVAL);
	ck_assert_int_eq(gmem_listener_add(layout.space, NULL, &listener, report), -EINVAL);
	ck_assert_int_eq(gmem_listener_add(layout.space, &newer.known, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_listener_add(layout.space, &newer.known, &listener, report), 0);
}
END_TEST

START_TEST(cuts_a_long_name)
{
	struct gmem_listener_options options = { .size = sizeof(options) };
	struct gmem_listener *listener;

	options.name = "0123456789012345678901234567890123456789";
	options.release = always_later;
	options.data = &told;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(layout_convert(0, 1, GMEM_STATE_PRIVATE, NULL), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_holder(report), "0123456789012345678901234567890");
	layout_check();
}
END_TEST

START_TEST(is_not_added_without_memory)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "x" };
	struct gmem_listener *listener;
	int r;

	options.release = let_go;
	r = WITHOUT_MEMORY(gmem_listener_add(layout.space, &options, &listener, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
	ck_assert_int_eq(gmem_listener_remove(listener, report), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("listener");
	TCase *tests = scripted_case(suite, "listeners");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_new_listener_is_told_of_all_that_is_shared);
	tcase_add_loop_test(tests, what_a_new_listener_got_is_taken_back_if_it_refuses, 0, 2);
	tcase_add_test(tests, a_listener_is_asked_again_but_not_for_ever);
	tcase_add_test(tests, removal_happens_whatever_the_listener_says);
	tcase_add_test(tests, listeners_are_told_in_order);
	tcase_add_test(tests, parts_are_never_cut_with_a_granularity);
	tcase_add_test(tests, a_listener_that_changes_its_space_is_told_so);
	tcase_add_test(tests, refuses_options_without_meaning);
	tcase_add_test(tests, cuts_a_long_name);
	tcase_add_test(tests, is_not_added_without_memory);
	return suite;
}
