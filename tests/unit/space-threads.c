/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many threads convert, bind, and come and go as listeners in one space. Conversions that overlap
 * follow each other, others run at the same time, and in the end all agree on every page. What they
 * race for shows with -Db_sanitize=thread, where ./check runs this, too.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "layout.h"

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

/* One conversion waits in a listener until another one, which does not overlap, has been made. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static bool inside, open_gate;

static int wait_at_the_gate(const struct gmem_notice *notice, void *data)
{
	(void)data;
	if (notice->gpa)
		return 0;
	pthread_mutex_lock(&gate);
	inside = true;
	pthread_cond_broadcast(&opened);
	while (!open_gate)
		pthread_cond_wait(&opened, &gate);
	pthread_mutex_unlock(&gate);
	return 0;
}

static void *convert_first_page(void *data)
{
	*(int *)data = gmem_space_convert(layout.space, 0, PAGE, GMEM_STATE_PRIVATE, NULL, NULL);
	return NULL;
}

START_TEST(conversions_that_do_not_overlap_run_at_the_same_time)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "gate" };
	struct gmem_listener *listener;
	pthread_t id;
	int r = -1;

	layout_begin(GMEM_MODE_IN_PLACE, NULL);
	inside = open_gate = false;
	ck_assert_int_eq(layout_convert(0, 32, GMEM_STATE_SHARED, NULL), 0);
	options.release = wait_at_the_gate;
	ck_assert_int_eq(gmem_listener_add(layout.space, &options, &listener, report), 0);
	ck_assert_int_eq(pthread_create(&id, NULL, convert_first_page, &r), 0);
	pthread_mutex_lock(&gate);
	while (!inside)
		pthread_cond_wait(&opened, &gate);
	pthread_mutex_unlock(&gate);
	/* This would hang if it waited for the other one. */
	ck_assert_int_eq(layout_convert(1, 32, GMEM_STATE_PRIVATE, NULL), 0);
	layout_check_state(0, 1, GMEM_STATE_SHARED);
	pthread_mutex_lock(&gate);
	open_gate = true;
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&gate);
	ck_assert_int_eq(pthread_join(id, NULL), 0);
	ck_assert_int_eq(r, 0);
	layout_check_state(0, 32, GMEM_STATE_PRIVATE);
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
	return suite;
}
