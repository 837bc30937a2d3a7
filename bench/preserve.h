/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What it costs to preserve memory and to get it back. All functions return 0 or a negative errno,
 * and say on stderr what failed.
 */
#ifndef BENCH_PRESERVE_H
#define BENCH_PRESERVE_H

#include "subject.h"

#define MAX_SUBJECTS 8

struct figures {
	int refused; /* negative errno with which the kernel does not preserve this; the rest is 0
			then */
	uint64_t metadata;	   /* bytes that the kernel takes while it is preserved */
	uint64_t preserve;	   /* ticks of a call: the least of some */
	uint64_t unpreserve;	   /* ticks of closing the session */
	bool froze;		   /* whether the next is known */
	uint64_t freeze;	   /* ticks that it adds to a reboot(2) that is refused */
	uint64_t retrieve, finish; /* ticks, once, in the next kernel */
};

/* Goes from one stage to the next. */
struct results {
	uint64_t size; /* bytes of each subject */
	uint64_t left; /* ticks when the old kernel's program was done... */
	uint64_t back; /* ...and when the new kernel's began */
	char kernel[256];
	struct figures figures[MAX_SUBJECTS];
};

/* In the old kernel. What is preserved at the end stays so while this process, or its child, lives.
 */
int measure_before(struct results *results);
/* In the new kernel. */
int measure_after(struct results *results);

/* Prints all as JSON. Returns whether all bars hold that can be told; ret_known: whether all can.
 */
bool print_results(const struct results *results, bool *ret_known);

#endif
