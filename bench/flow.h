/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The ways to convert that are compared: a VM with guest memory of BENCH_SIZE bytes, all of it
 * shared and allocated at first, and a function that converts a range of it.
 */
#ifndef BENCH_FLOW_H
#define BENCH_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE	   4096ULL
#define BENCH_SIZE (64ULL << 20)
/* Where the guest finds it. */
#define BENCH_GPA (1ULL << 30)

struct guestvm;
struct gmem;

struct bench_vm {
	struct guestvm *guest;
	int vm;
	int gmem;
	/* The library's view of the same file; NULL if the flow has none. */
	struct gmem *file;
	/* Two backings: shared memory, a memfd. -1 in place. */
	int shared;
	/* The host's mapping of shared memory. */
	uint8_t *mapped;
};

struct flow {
	const char *name; /* "two-backings" or "in-place" */
	const char *via;  /* "ioctl" or "library" */
	/* 0 or a negative errno, and what failed. */
	int (*open)(struct bench_vm *vm, const char **reterr_step);
	/* Converts a range; offset in bytes from the start of the memory. 0 or a negative errno. */
	int (*convert)(struct bench_vm *vm, uint64_t offset, uint64_t size, bool private);
};

extern const struct flow two_backings;
extern const struct flow in_place_ioctl;
extern const struct flow in_place_library;

/* Releases what open made; also what a failed open left. */
void flow_close(struct bench_vm *vm);

/* A VM with private memory and no slot. 0 or a negative errno. */
int flow_new_vm(struct bench_vm *vm, const char **reterr_step);

#endif
