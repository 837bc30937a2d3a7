/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * vCPUs, the host, and somebody who changes slots and listeners, all at once on overlapping ranges
 * of one space. Nothing here has a lock of its own: what the library lets happen at once, and must
 * not, is a data race, which ThreadSanitizer tells. GMEM_SECONDS makes it last.
 */
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/uapi/run.h"
#include "simulated.h"
#include "unit.h"

#define VCPUS	   4
#define LISTENERS  3
#define OPERATIONS 3000
/* Two slots, of a file each, next to each other. A third one comes and goes behind them. */
#define ARENA_PAGES UINT64_C(96)
#define EXTRA_SLOT  2

static struct {
	uint64_t seed;
	time_t end; /* 0: by number of operations */
	struct gmem_space *space;
	struct gmem *files[3];
	bool told[LISTENERS][SIM_GPA_PAGES];
} test;

struct worker {
	pthread_t thread;
	uint64_t state;
	uint64_t succeeded, refused, busy;
};

static bool goes_on(uint64_t operation)
{
	return test.end ? time(NULL) < test.end : operation < OPERATIONS;
}

/* ---- listeners: plain memory, one byte a page ---- */

static int on_populate(const struct gmem_notice *notice, void *data)
{
	bool *told = data;
	uint64_t page = notice->gpa / PAGE, end = page + notice->size / PAGE, file_page;
	int file;

	for (; page < end; page++) {
		must(!told[page], "populated twice");
		must(sim_find(page, &file, &file_page) && !sim.private[file][file_page],
		     "populated what is private");
		told[page] = true;
	}
	return 0;
}

static int on_release(const struct gmem_notice *notice, void *data)
{
	bool *told = data;
	uint64_t page = notice->gpa / PAGE, end = page + notice->size / PAGE;

	for (; notice->reason != GMEM_REASON_BUSY && page < end; page++) {
		must(told[page], "released what was not populated");
		told[page] = false;
	}
	return 0;
}

static void nobody_uses(int file, uint64_t page, uint64_t pages)
{
	uint64_t gpa, found;
	int in, l;

	/* Files are bound at the multiples of their size. */
	for (gpa = (uint64_t)file * SIM_PAGES + page; pages; gpa++, pages--) {
		if (!sim_find(gpa, &in, &found) || in != file)
			continue;
		for (l = 0; l < LISTENERS; l++)
			must(!test.told[l][gpa], "a page becomes private while somebody has it");
	}
}

/* ---- those who work ---- */

/* A guest's request, sometimes nonsense, by one call after KVM_RUN. */
static void *be_vcpu(void *data)
{
	struct worker *worker = data;
	struct gmem_server server = { .size = sizeof(server) };
	struct kvm_run *run = calloc(1, sizeof(*run));
	uint64_t i, first, count;

	must(run, "memory");
	for (i = 0; goes_on(i); i++) {
		first = sim_random(&worker->state, 2 * SIM_PAGES);
		count = sim_random(&worker->state, ARENA_PAGES / 2);
		run->exit_reason = KVM_EXIT_HYPERCALL;
		run->hypercall.nr = GMEM_UAPI_HC_MAP_GPA_RANGE;
		run->hypercall.args[0] = first * PAGE;
		run->hypercall.args[1] = count;
		run->hypercall.args[2] = sim_random(&worker->state, 2) << 4;
		run->hypercall.ret = 77;
		must(gmem_space_serve(test.space, run, 0, &server, NULL) == 0, "served");
		must(run->hypercall.ret != 77, "answered");
		must(count || run->hypercall.ret, "nothing is nothing to convert");
		worker->succeeded += run->hypercall.ret == 0;
		worker->busy += run->hypercall.ret == (uint64_t)-EAGAIN;
		worker->refused += run->hypercall.ret == (uint64_t)-EINVAL;
	}
	free(run);
	return NULL;
}

static void *be_host(void *data)
{
	struct worker *worker = data;
	uint64_t i, first, count;
	int r;

	for (i = 0; goes_on(i); i++) {
		first = sim_random(&worker->state, ARENA_PAGES);
		count = sim_random(&worker->state, ARENA_PAGES - first) + 1;
		r = gmem_space_convert(test.space, first * PAGE, count * PAGE,
				       sim_random(&worker->state, 2) ? GMEM_STATE_PRIVATE
								     : GMEM_STATE_SHARED,
				       NULL, NULL);
		must(r == 0 || r == -EAGAIN, "the host converts: %d", r);
		worker->succeeded += r == 0;
		worker->busy += r == -EAGAIN;
	}
	return NULL;
}

static int add_listener(int number, struct gmem_listener **ret_listener)
{
	struct gmem_listener_options options = {
		.size = sizeof(options),
		.name = "somebody",
		.populate = on_populate,
		.release = on_release,
		.data = test.told[number],
		.order = number,
		/* Of one page, of two, of four. */
		.granularity = PAGE << number,
	};

	return gmem_listener_add(test.space, &options, ret_listener, NULL);
}

static int bind(uint32_t number)
{
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.number = number,
		.gpa = number * SIM_PAGES * PAGE,
		.memory_size = SIM_PAGES * PAGE,
		.gmem = test.files[number],
	};

	return gmem_space_bind(test.space, &slot, NULL);
}

static void *be_manager(void *data)
{
	struct worker *worker = data;
	struct gmem_listener *listener;
	uint64_t i;

	for (i = 0; goes_on(i * 10); i++) {
		must(bind(EXTRA_SLOT) == 0, "bind");
		must(add_listener(LISTENERS - 1, &listener) == 0, "add");
		must(gmem_space_unbind(test.space, EXTRA_SLOT, NULL) == 0, "unbind");
		must(gmem_listener_remove(listener, NULL) == 0, "remove");
		worker->succeeded++;
	}
	return NULL;
}

static void prepare(void)
{
	struct gmem_space_options options = { .size = sizeof(options), .vm_type = 1 };
	const char *seed = getenv("GMEM_SEED"), *seconds = getenv("GMEM_SECONDS");
	uint32_t i;

	memset(&test, 0, sizeof(test));
	test.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	test.end = seconds ? time(NULL) + atoi(seconds) : 0;
	printf("# GMEM_SEED=%llu\n", (unsigned long long)test.seed);
	fflush(stdout);
	sim_begin(true, false);
	ck_assert_int_eq(gmem_space_new(VM_FD, &options, &test.space, report), 0);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(gmem_space_create(test.space, SIM_PAGES * PAGE, GMEM_INIT_PRIVATE,
						   &test.files[i], report),
				 0);
	sim.to_private = nobody_uses;
	sim.busy_percent = 30;
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(bind(i), 0);
}

static void check_end(void)
{
	uint64_t gpa, page;
	bool shared;
	int l, file;

	for (gpa = 0; gpa < SIM_GPA_PAGES; gpa++) {
		shared = sim_find(gpa, &file, &page) && !sim.private[file][page];
		for (l = 0; l < LISTENERS - 1; l++)
			ck_assert_int_eq(test.told[l][gpa], shared);
	}
}

START_TEST(overlapping_ranges_from_many_threads)
{
	struct worker workers[VCPUS + 2] = { 0 };
	struct gmem_listener *listener;
	uint64_t succeeded = 0, refused = 0, busy = 0;
	int i;

	prepare();
	for (i = 0; i < LISTENERS - 1; i++)
		ck_assert_int_eq(add_listener(i, &listener), 0);
	for (i = 0; i < VCPUS + 2; i++) {
		workers[i].state = test.seed + (uint64_t)i;
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL,
						i < VCPUS    ? be_vcpu
						: i == VCPUS ? be_host
							     : be_manager,
						&workers[i]),
				 0);
	}
	for (i = 0; i < VCPUS + 2; i++) {
		pthread_join(workers[i].thread, NULL);
		succeeded += workers[i].succeeded;
		refused += workers[i].refused;
		busy += workers[i].busy;
	}
	check_end();
	printf("# %llu succeeded, %llu refused, %llu busy\n", (unsigned long long)succeeded,
	       (unsigned long long)refused, (unsigned long long)busy);
	fflush(stdout);
	ck_assert_uint_gt(succeeded, OPERATIONS / 4);
	ck_assert_uint_gt(refused, 0);
	gmem_space_free(test.space);
	for (i = 0; i < 3; i++)
		gmem_release(test.files[i]);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("space-stress");
	TCase *tests = scripted_case(suite, "a space used by many threads");

	tcase_set_timeout(tests, 7200);
	tcase_add_test(tests, overlapping_ranges_from_many_threads);
	return suite;
}
