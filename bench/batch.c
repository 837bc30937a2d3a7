/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What it takes to convert 4,096 single pages: by an ioctl each, by gmem_convert() each, and as one
 * batch, from its submission to its end; pages that are neighbours, and pages with others in
 * between. For the lab's deterministic machine, where a tick is an instruction.
 *
 * Usage: batch [--check]
 */
#include <errno.h>
#include <libgmem/gmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "flow.h"
#include "ticks.h"

#define COUNT 4096
/*
 * So many, and the first one does not count. Memory that conversions free is given back when the
 * kernel's RCU gets to it, some milliseconds later and in whatever round that is: a single round
 * has more or less of it, depending on where the timer's interrupts fall, and the best one has the
 * least.
 */
#define ROUNDS 17

enum {
	IOCTL,
	LIBRARY,
	THREADS,
	BATCH,
	WAYS
};

static const char *const way_names[] = { "ioctl", "library", "batch-threads", "batch" };

/* Ticks of all rounds, and system calls of one, for both directions: to shared, to private. */
struct row {
	const char *pages;
	uint64_t stride;
	uint64_t ticks[WAYS][2];
	uint64_t calls[WAYS];
	uint64_t merged, by_uring;
};

static struct row rows[] = { { .pages = "neighbours", .stride = 1 },
			     { .pages = "scattered", .stride = 2 } };
#define ROWS ((int)(sizeof(rows) / sizeof(rows[0])))

static struct gmem_batch_item items[COUNT];

/* In an order that has no two neighbours one after the other, as requests of guests come. */
static uint64_t place_of(uint64_t i)
{
	return i * 1237 % COUNT;
}

static int one_by_one(struct bench_vm *vm, const struct row *row, bool private, bool library)
{
	const struct flow *flow = library ? &in_place_library : &in_place_ioctl;
	int err = 0;

	for (uint64_t i = 0; i < COUNT && !err; i++)
		err = flow->convert(vm, place_of(i) * row->stride * PAGE, PAGE, private);
	return err;
}

static int as_batch(struct bench_vm *vm, struct gmem_batch *batch, struct row *row, bool private,
		    uint64_t *ret_calls)
{
	struct gmem_batch_statistics statistics = { .size = sizeof(statistics) };
	int err;

	for (uint64_t i = 0; i < COUNT; i++) {
		items[i] = (struct gmem_batch_item){
			.gmem = vm->file,
			.offset = place_of(i) * row->stride * PAGE,
			.size = PAGE,
			.kind = GMEM_BATCH_CONVERT,
			.state = private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED,
		};
	}
	err = gmem_batch_submit(batch, items, COUNT, NULL, NULL);
	if (!err)
		err = gmem_batch_finish(batch, true, NULL, NULL);
	gmem_batch_get_statistics(batch, &statistics);
	*ret_calls = statistics.system_calls;
	row->merged = statistics.merged;
	row->by_uring = statistics.by_uring;
	return err;
}

static int measure(struct bench_vm *vm, struct gmem_batch *batch, struct row *row, int way)
{
	for (int round = 0; round < ROUNDS; round++) {
		/* To private first: all is shared. */
		for (int to_private = 1; to_private >= 0; to_private--) {
			uint64_t start = ticks_now(), ticks;
			int err = way < THREADS
					  ? one_by_one(vm, row, to_private, way == LIBRARY)
					  : as_batch(vm, batch, row, to_private, &row->calls[way]);

			ticks = ticks_now() - start;
			if (err)
				return err;
			if (way < THREADS)
				row->calls[way] = COUNT;
			if (round)
				row->ticks[way][to_private] += ticks;
		}
	}
	return 0;
}

static int measure_way(int way)
{
	struct gmem_batch_options options = { .size = sizeof(options),
					      .executor = way == THREADS ? GMEM_BATCH_THREADS
									 : GMEM_BATCH_BEST };
	const char *step = way_names[way];
	struct gmem_batch *batch = NULL;
	struct bench_vm vm;
	int err = in_place_library.open(&vm, &step);

	if (!err)
		err = gmem_batch_new(&options, &batch, NULL);
	for (int i = 0; i < ROWS && !err; i++)
		err = measure(&vm, batch, &rows[i], way);
	if (err)
		fprintf(stderr, "batch: %s: %s\n", step, strerror(-err));
	gmem_batch_free(batch);
	flow_close(&vm);
	return err;
}

static double ticks_per_page(const struct row *row, int way, bool to_private)
{
	return (double)row->ticks[way][to_private] / COUNT / (ROUNDS - 1);
}

/* The worse direction. */
static double times_cheaper(const struct row *row)
{
	double to_shared = (double)row->ticks[IOCTL][0] / (double)row->ticks[BATCH][0];
	double to_private = (double)row->ticks[IOCTL][1] / (double)row->ticks[BATCH][1];

	return to_shared < to_private ? to_shared : to_private;
}

static bool print_bars(void)
{
	static const double at_least[] = { 3, 1.3 };
	bool good = true;

	printf("  \"bars\": [\n");
	for (int i = 0; i < ROWS; i++) {
		bool holds = times_cheaper(&rows[i]) >= at_least[i];

		printf("    {\"name\": \"%s\", \"text\": \"times cheaper as a batch, %s\", "
		       "\"at_least\": %g, \"value\": %.3f, \"holds\": %s}%s\n",
		       rows[i].pages, rows[i].pages, at_least[i], times_cheaper(&rows[i]),
		       holds ? "true" : "false", i + 1 < ROWS ? "," : "");
		good = good && holds;
	}
	printf("  ]\n");
	return good;
}

static bool print_all(void)
{
	struct utsname name;
	bool good;

	uname(&name);
	printf("{\n  \"format\": \"libgmem-bench-batch\",\n  \"version\": 1,\n");
	printf("  \"kernel\": \"%s %s\",\n", name.release, name.version);
	printf("  \"unit\": \"%s\",\n", ticks_are_instructions() ? "instructions" : "tsc");
	printf("  \"pages\": %d,\n  \"rows\": [\n", COUNT);
	for (int i = 0; i < ROWS; i++) {
		for (int way = 0; way < WAYS; way++) {
			printf("    {\"pages\": \"%s\", \"way\": \"%s\", "
			       "\"to_private_per_page\": %.1f, \"to_shared_per_page\": %.1f, "
			       "\"system_calls\": %llu",
			       rows[i].pages, way_names[way], ticks_per_page(&rows[i], way, true),
			       ticks_per_page(&rows[i], way, false),
			       (unsigned long long)rows[i].calls[way]);
			if (way == BATCH)
				printf(", \"merged\": %llu, \"by_uring\": %llu",
				       (unsigned long long)rows[i].merged,
				       (unsigned long long)rows[i].by_uring);
			printf("}%s\n", i + 1 < ROWS || way + 1 < WAYS ? "," : "");
		}
	}
	printf("  ],\n");
	good = print_bars();
	printf("}\n");
	return good;
}

int main(int argc, char **argv)
{
	bool check = argc == 2 && !strcmp(argv[1], "--check");

	if (argc > 1 && !check) {
		fprintf(stderr, "usage: batch [--check]\n");
		return 2;
	}
	for (int way = 0; way < WAYS; way++) {
		int err = measure_way(way);

		if (err)
			return err == -EOPNOTSUPP || err == -ENOTTY || err == -ENOENT ? 77 : 1;
	}
	return print_all() || !check ? 0 : 1;
}
