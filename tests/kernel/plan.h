/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a file is to look like before a kexec and after it: a function of a seed, so that the next
 * kernel need be told nothing else. Which pages exist never changes; states and bytes do with each
 * round.
 */
#ifndef TESTS_KERNEL_PLAN_H
#define TESTS_KERNEL_PLAN_H

#include "kernel.h"

struct plan {
	uint64_t seed;
	uint64_t pages;
	bool holes; /* some pages are absent, and some that are there have never been touched */
	bool mixed; /* some pages are private, in extents of random length; otherwise none is */
};

/* Makes pages and bytes of a new, shared file, then the states, of @round. */
void plan_create(const struct plan *plan, int gmem, uint64_t round);
/* Overwrites the bytes and changes the states of a file that is all shared. */
void plan_change(const struct plan *plan, int gmem, uint64_t round);
/*
 * Fails the test unless the file is exactly as made in @round: states, extent by extent, pages and
 * bytes. Leaves it all shared. Private pages are converted to be read.
 */
void plan_verify(const struct plan *plan, int gmem, uint64_t round);
/* Bytes of memory that the file has. */
uint64_t plan_allocated(const struct plan *plan);

#endif
