/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many threads convert, bind, and come and go as listeners in one space. Conversions that overlap
 * follow each other, others run at the same time, and in the end all agree on every page. What they
 * race for shows with -Db_sanitize=thread, where ./check runs this, too.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include "layout.h"
#include "lib/space.h"

#define THREADS 4
#define ROUNDS	400

/* Pages that are being told of; a listener is never told of one page by two threads at once. */
static bool told[MACHINE_PAGES];
static bool has[MACHINE_PAGES];

static int check_told(const struct gmem_notice *notice, bool populate)
{
	uint64_t page = notice->gpa / PAGE, end = page + notice->size / PAGE;

	for (; page < end; page++) {
		must(!__atomic_exchange_n(&told[page], true, __ATOMIC_RELAXED),
		     "two threads in one page");
		/* No lock: that the space serialises this is what is tested. */
		if (notice->reason != GMEM_REASON_BUSY)
			has[page] = populate;
		__atomic_store_n(&told[page], false, __ATOMIC_RELAXED);
	}
	return 0;
}

static int on_release(const struct gmem_notice *notice, void *data)
{
	(void)data;
	return check_told(notice, false);
}

static int on_populate(const struct gmem_notice *notice, void *data)
{
	(void)data;
	return check_told(notice, true);
}

static void listen(uint64_t granularity)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "all" };
	struct gmem_listener *listener;

	options.release = on_release;
	options.populate = on_populate;
	options.granularity = granularity;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
}

static int later(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	/* Not always ready. */
	return __atomic_add_fetch((int *)data, 1, __ATOMIC_RELAXED) % 3 ? 0 : -EAGAIN;
}

struct thread {
	pthread_t id;
	unsigned int seed;
	int failed;
};

static int convert_anything(struct thread *self, struct gmem_error *own)
{
	uint64_t page = (uint64_t)rand_r(&self->seed) % 31;
	uint64_t pages = 1 + (uint64_t)rand_r(&self->seed) % (32 - page);
	bool private = rand_r(&self->seed) % 2;

	return gmem_space_convert(layout.space, page * PAGE, pages * PAGE,
				  private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED, NULL, own);
}

static int come_and_go(struct gmem_error *own)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "guest" };
	struct gmem_listener *listener;
	int calls = 0, r;

	options.release = later;
	options.populate = later;
	options.data = &calls;
	options.granularity = 4 * PAGE;
	r = gmem_listener_add(layout.space, &options, &listener, own);
	return r ? r : gmem_listener_remove(listener, own);
}

/* The third slot, which nobody converts. */
static int bind_and_unbind(struct gmem_error *own)
{
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.gpa = 64 * PAGE,
		.memory_size = 4 * PAGE,
		.gmem = layout.files[1],
		.offset = 32 * PAGE,
		.number = 9,
	};
	int r = gmem_space_bind(layout.space, &slot, own);

	return r ? r : gmem_space_unbind(layout.space, 9, own);
}

static int look(struct gmem_error *own)
{
	struct gmem_space_extent extent;
	void *address;
	int r = gmem_space_get_extent(layout.space, 0, 64 * PAGE, &extent, own);

	return r ? r : gmem_space_get_address(layout.space, 0, PAGE, &address);
}

static void *run(void *data)
{
	struct thread *self = data;
	struct gmem_error *own;
	int i;

	self->failed = gmem_error_new(&own);
	for (i = 0; i < ROUNDS && !self->failed; i++) {
		self->failed = convert_anything(self, own);
		if (!self->failed && i % 16 == 0)
			self->failed = look(own);
		/* One of them changes the space meanwhile. */
		if (!self->failed && self->seed % 5 == 0)
			self->failed = come_and_go(own);
		if (!self->failed && self->seed % 7 == 0 && i % 2)
			self->failed = look(own);
	}
	gmem_error_free(own);
	return NULL;
}

static void *run_binding(void *data)
{
	struct thread *self = data;
	struct gmem_error *own;
	int i;

	self->failed = gmem_error_new(&own);
	for (i = 0; i < ROUNDS / 4 && !self->failed; i++)
		self->failed = bind_and_unbind(own);
	gmem_error_free(own);
	return NULL;
}

static void run_threads(void)
{
	struct thread threads[THREADS + 1];
	int i;

	for (i = 0; i <= THREADS; i++) {
		threads[i].seed = (unsigned int)i + 1;
		ck_assert_int_eq(pthread_create(&threads[i].id, NULL,
						i < THREADS ? run : run_binding, &threads[i]),
				 0);
	}
	for (i = 0; i <= THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i].id, NULL), 0);
		ck_assert_int_eq(threads[i].failed, 0);
	}
}

static const enum gmem_mode modes[] = { GMEM_MODE_IN_PLACE, GMEM_MODE_TWO_BACKINGS };

static void check_all(void)
{
	uint64_t page;

	layout_check();
	for (page = 0; page < 32; page++)
		ck_assert_int_eq(has[page], !machine_is_private(page * PAGE));
}

START_TEST(overlapping_conversions_follow_each_other)
{
	layout_begin(modes[_i], NULL);
	listen(0);
	run_threads();
	check_all();
	layout_end();
}
END_TEST

START_TEST(so_do_those_in_one_block_of_a_listener)
{
	layout_begin(modes[_i], NULL);
	listen(8 * PAGE);
	run_threads();
	check_all();
	layout_end();
}
END_TEST

START_TEST(without_listeners)
{
	layout_begin(modes[_i], NULL);
	run_threads();
	layout_check();
	layout_end();
}
END_TEST

/*
 * A listener that stays inside until the gate is opened, so that it can be seen who waits
 * meanwhile. It counts who is inside: only those may be at the same time that have no page in
 * common.
 */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static int inside;
static bool open_gate;

static int wait_at_the_gate(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	(void)data;
	pthread_mutex_lock(&gate);
	inside++;
	pthread_cond_broadcast(&opened);
	while (!open_gate)
		pthread_cond_wait(&opened, &gate);
	inside--;
	pthread_mutex_unlock(&gate);
	return 0;
}

static void close_the_gate(void)
{
	inside = 0;
	open_gate = false;
}

static void open_the_gate(void)
{
	pthread_mutex_lock(&gate);
	open_gate = true;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&gate);
}

/* Until so many are inside and so many wait in the space. Nothing else ends it but the test's
 * limit. */
static void wait_until(int wanted_inside, unsigned int wanted_waiting)
{
	bool is = false;

	while (!is) {
		pthread_mutex_lock(&gate);
		is = inside == wanted_inside;
		pthread_mutex_unlock(&gate);
		pthread_mutex_lock(&layout.space->lock);
		is = is && layout.space->waiting == wanted_waiting;
		pthread_mutex_unlock(&layout.space->lock);
		sched_yield();
	}
}

struct conversion {
	pthread_t id;
	uint64_t page, pages;
	int result;
};

static void *convert_pages(void *data)
{
	struct conversion *c = data;

	c->result = gmem_space_convert(layout.space, c->page * PAGE, c->pages * PAGE,
				       GMEM_STATE_PRIVATE, NULL, NULL);
	return NULL;
}

static void start(struct conversion *c, uint64_t page, uint64_t pages)
{
	*c = (struct conversion){ .page = page, .pages = pages, .result = -1 };
	ck_assert_int_eq(pthread_create(&c->id, NULL, convert_pages, c), 0);
}

static void finish(struct conversion *c)
{
	ck_assert_int_eq(pthread_join(c->id, NULL), 0);
	ck_assert_int_eq(c->result, 0);
}

static void add_gate(uint64_t granularity)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "gate" };
	struct gmem_listener *listener;

	options.release = wait_at_the_gate;
	options.granularity = granularity;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
}

START_TEST(conversions_that_do_not_overlap_run_at_the_same_time)
{
	struct conversion first, second;

	layout_begin(GMEM_MODE_IN_PLACE, NULL);
	close_the_gate();
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	add_gate(0);
	start(&first, 0, 1);
	start(&second, 1, 31);
	wait_until(2, 0);
	open_the_gate();
	finish(&first);
	finish(&second);
	layout_check_state(0, 32, GMEM_STATE_PRIVATE);
	layout_check();
	layout_end();
}
END_TEST

START_TEST(one_that_overlaps_waits_and_so_does_who_comes_after_it)
{
	struct conversion first, second, third, fourth;

	layout_begin(GMEM_MODE_IN_PLACE, NULL);
	close_the_gate();
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	add_gate(0);
	start(&first, 0, 4);
	wait_until(1, 0);
	start(&second, 3, 4);
	wait_until(1, 1);
	/* It has nothing in common with the first one, but with the second, which came before it.
	 */
	start(&third, 6, 2);
	wait_until(1, 2);
	start(&fourth, 8, 1);
	wait_until(2, 2);
	open_the_gate();
	finish(&first);
	finish(&second);
	finish(&third);
	finish(&fourth);
	layout_check_state(0, 9, GMEM_STATE_PRIVATE);
	layout_check();
	layout_end();
}
END_TEST

START_TEST(conversions_in_one_block_of_a_listener_wait)
{
	struct conversion first, second, third;

	layout_begin(GMEM_MODE_IN_PLACE, NULL);
	close_the_gate();
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	add_gate(8 * PAGE);
	start(&first, 0, 1);
	wait_until(1, 0);
	start(&second, 7, 1);
	wait_until(1, 1);
	start(&third, 8, 1);
	wait_until(2, 1);
	open_the_gate();
	finish(&first);
	finish(&second);
	finish(&third);
	layout_check();
	layout_end();
}
END_TEST

/* A gate of its own, for a conversion of this page. */
#define FAR_PAGE 20
static bool far_inside, far_opened;

static int wait_far_away(const struct gmem_notice *notice, void *data)
{
	(void)data;
	if (notice->gpa != FAR_PAGE * PAGE)
		return 0;
	pthread_mutex_lock(&gate);
	far_inside = true;
	pthread_cond_broadcast(&opened);
	while (!far_opened)
		pthread_cond_wait(&opened, &gate);
	pthread_mutex_unlock(&gate);
	return 0;
}

static int wait_near(const struct gmem_notice *notice, void *data)
{
	return notice->gpa == FAR_PAGE * PAGE ? 0 : wait_at_the_gate(notice, data);
}

static void *add_coarse_listener(void *data)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "coarse" };
	struct gmem_listener *listener;

	options.release = wait_near;
	options.granularity = 8 * PAGE;
	*(int *)data = gmem_listener_add(layout.space, &options, &listener, NULL);
	return NULL;
}

/* A conversion that is under way keeps the listener waiting, which keeps others waiting. */
static void start_far_away(struct conversion *c)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "far" };
	struct gmem_listener *listener;

	far_inside = far_opened = false;
	options.release = wait_far_away;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
	start(c, FAR_PAGE, 1);
	pthread_mutex_lock(&gate);
	while (!far_inside)
		pthread_cond_wait(&opened, &gate);
	pthread_mutex_unlock(&gate);
}

static void let_go_far_away(void)
{
	pthread_mutex_lock(&gate);
	far_opened = true;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&gate);
}

/* Until both claims are of the whole block: only then it is certain that the second one waits
 * again. */
static void wait_until_widened(void)
{
	const struct gmem_claim *claim;
	int widened = 0;

	while (widened != 2) {
		widened = 0;
		pthread_mutex_lock(&layout.space->lock);
		for (claim = layout.space->claims; claim; claim = claim->next)
			widened += claim->first == 0 && claim->last == 8 * PAGE - 1;
		pthread_mutex_unlock(&layout.space->lock);
		sched_yield();
	}
}

START_TEST(who_waited_for_a_coarser_listener_heeds_its_blocks)
{
	struct conversion far, first, second;
	pthread_t id;
	int r = -1;

	layout_begin(GMEM_MODE_IN_PLACE, NULL);
	close_the_gate();
	ck_assert_int_eq(layout_convert(0, 2, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(layout_convert(FAR_PAGE, FAR_PAGE + 1, GMEM_STATE_SHARED, NULL), 0);
	start_far_away(&far);
	ck_assert_int_eq(pthread_create(&id, NULL, add_coarse_listener, &r), 0);
	wait_until(0, 1);
	/* Blocks are still of one page when these begin. */
	start(&first, 0, 1);
	start(&second, 1, 1);
	wait_until(0, 3);
	let_go_far_away();
	ck_assert_int_eq(pthread_join(id, NULL), 0);
	ck_assert_int_eq(r, 0);
	wait_until_widened();
	wait_until(1, 1);
	open_the_gate();
	finish(&far);
	finish(&first);
	finish(&second);
	layout_check_state(0, 2, GMEM_STATE_PRIVATE);
	layout_check();
	layout_end();
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("space-threads");
	TCase *tests = scripted_case(suite, "threads");

	tcase_add_loop_test(tests, overlapping_conversions_follow_each_other, 0, COUNT(modes));
	tcase_add_loop_test(tests, so_do_those_in_one_block_of_a_listener, 0, COUNT(modes));
	tcase_add_loop_test(tests, without_listeners, 0, COUNT(modes));
	tcase_add_test(tests, conversions_that_do_not_overlap_run_at_the_same_time);
	tcase_add_test(tests, one_that_overlaps_waits_and_so_does_who_comes_after_it);
	tcase_add_test(tests, conversions_in_one_block_of_a_listener_wait);
	tcase_add_test(tests, who_waited_for_a_coarser_listener_heeds_its_blocks);
	return suite;
}
