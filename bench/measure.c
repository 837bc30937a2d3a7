/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guestvm.h"
#include "ticks.h"

static const uint64_t steps[] = { 4096, 65536, 2097152 };

static int fail(const struct flow *flow, const char *step, int err)
{
	fprintf(stderr, "convert: %s by %s: %s: %s\n", flow->name, flow->via, step, strerror(-err));
	return err;
}

double row_ticks_per_page(const struct row *row)
{
	return (double)row->median * PAGE / (double)row->step;
}

/* Brings every page into the host's page tables, or throws them out of there. */
static void map_by_host(struct bench_vm *vm, bool mapped)
{
	if (!mapped)
		madvise(vm->mapped, BENCH_SIZE, MADV_DONTNEED);
	for (uint64_t offset = 0; mapped && offset < BENCH_SIZE; offset += PAGE)
		(void)*(volatile uint8_t *)(vm->mapped + offset);
}

/* Brings every page into the guest's second-level page tables. */
static int touch_by_guest(struct bench_vm *vm)
{
	struct guestvm_cmd cmd = { GUESTVM_CHECKSUM, { BENCH_GPA, BENCH_SIZE } };
	struct guestvm_result result;
	int err = guestvm_run_done(vm->guest, 0, &cmd, 0, &result);

	if (!err && result.exit != GUESTVM_DONE)
		err = result.error ? -result.error : -EIO;
	return err;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Converts all of the memory once. */
static int pass(const struct flow *flow, struct bench_vm *vm, struct row *row)
{
	static uint64_t of_call[BENCH_SIZE / PAGE];

	row->calls = BENCH_SIZE / row->step;
	/* Touched now, so that its page faults are in no call. */
	memset(of_call, 0xff, sizeof(of_call));
	for (uint64_t i = 0; i < row->calls; i++) {
		uint64_t start = ticks_now();
		int err = flow->convert(vm, i * row->step, row->step, row->to_private);

		of_call[i] = ticks_now() - start;
		row->ticks += of_call[i];
		if (err)
			return fail(flow, row->to_private ? "to private" : "to shared", err);
	}
	qsort(of_call, row->calls, sizeof(of_call[0]), by_size);
	row->median = of_call[row->calls / 2];
	row->measured = true;
	return 0;
}

/* To private and back, after the memory was touched by those who are to have it mapped. */
static int there_and_back(const struct flow *flow, struct bench_vm *vm, uint64_t step, bool host,
			  bool guest, struct results *results)
{
	for (int back = 0; back < 2; back++) {
		struct row *row = &results->rows[results->n_rows];
		int err = 0;

		*row = (struct row){
			.flow = flow->name,
			.via = flow->via,
			.to_private = !back,
			.step = step,
			.host_mapped = host,
			.guest_mapped = guest,
		};
		/* Nobody but the guest can touch private memory. */
		if (!back)
			map_by_host(vm, host);
		if (guest)
			err = touch_by_guest(vm);
		if (err)
			return fail(flow, "running the guest", err);
		err = pass(flow, vm, row);
		if (err)
			return err;
		results->n_rows++;
	}
	return 0;
}

int measure_flow(const struct flow *flow, struct results *results)
{
	struct bench_vm vm;
	const char *step = NULL;
	int err = flow->open(&vm, &step);

	if (err) {
		fail(flow, step, err);
		goto out;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		fprintf(stderr, "convert: %s by %s, %llu KiB at a time\n", flow->name, flow->via,
			(unsigned long long)steps[i] / 1024);
		for (int mapped = 0; mapped < 4; mapped++) {
			err = there_and_back(flow, &vm, steps[i], mapped & 1, mapped & 2, results);
			if (err)
				goto out;
		}
	}
out:
	flow_close(&vm);
	return err;
}

/* The least ticks of many calls: one that no timer interrupt has hit. */
int measure_calls(struct results *results)
{
	const struct flow *flows[] = { &in_place_ioctl, &in_place_library };
	uint64_t least[2][2] = { { UINT64_MAX, UINT64_MAX }, { UINT64_MAX, UINT64_MAX } };
	struct bench_vm vm;
	const char *step = NULL;
	int err = in_place_ioctl.open(&vm, &step);

	if (err)
		fail(&in_place_ioctl, step, err);
	fprintf(stderr, "convert: one call by ioctl and by the library\n");
	for (int i = 0; !err && i < 4000; i++) {
		const struct flow *flow = flows[i / 2 % 2];
		bool private = i % 2 == 0;
		uint64_t start = ticks_now(), ticks;

		err = flow->convert(&vm, PAGE, PAGE, private);
		ticks = ticks_now() - start;
		if (ticks < least[i / 2 % 2][private])
			least[i / 2 % 2][private] = ticks;
		if (err)
			fail(flow, "one page", err);
	}
	for (int private = 0; private < 2; private ++)
		results->calls[private] = (struct call_row){ least[0][private], least[1][private] };
	results->has_calls = !err;
	flow_close(&vm);
	return err;
}
