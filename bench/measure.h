/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The measurements. All functions return 0 or a negative errno, and say on stderr what failed. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "flow.h"

/* All of the memory converted once, in steps. */
struct row {
	const char *flow, *via;
	bool to_private;
	uint64_t step; /* bytes a call */
	bool host_mapped, guest_mapped;
	uint64_t calls;
	uint64_t ticks;	 /* of all calls together, timer interrupts included */
	uint64_t median; /* of one call */
	bool measured;	 /* in this run; otherwise taken from the reference */
};

/* One page converted in a file of so many extents. */
struct extents_row {
	uint64_t extents;
	uint64_t to_private, to_shared; /* ticks a call */
};

/* The query of all extents of a file, as many at a time as a buffer of fixed size takes. */
struct query_row {
	uint64_t extents; /* that the query returned */
	uint64_t all;	  /* ticks to get all of them... */
	uint64_t counted; /* ...and how much memory each has */
	uint64_t one;	  /* ticks to ask for one extent in the middle */
	uint64_t grown;	  /* bytes that the process needed more than before, at most */
};

/* Extents that go into the buffer. */
#define QUERY_ROOM 1024

/* One page of an unmapped file converted again and again: the least ticks of a call. */
struct call_row {
	uint64_t ioctl, library;
};

enum {
	MAX_ROWS = 96,
	MAX_EXTENTS_ROWS = 16
};

struct results {
	struct row rows[MAX_ROWS];
	int n_rows;
	struct extents_row extents[MAX_EXTENTS_ROWS];
	int n_extents;
	struct query_row queries[MAX_EXTENTS_ROWS];
	int n_queries;		  /* 0 where the kernel has no query */
	struct call_row calls[2]; /* to shared, to private */
	bool has_calls;
};

/* Appends the rows of one flow: every step, mapped or not, both directions. */
int measure_flow(const struct flow *flow, struct results *results);
int measure_calls(struct results *results);
/* Appends rows for 1, 10, 100 ... up to @most extents. */
int measure_extents(uint64_t most, struct results *results);

/* Queries the first @size bytes of a file. -EOPNOTSUPP where the kernel has no query. */
int measure_query(int gmem, uint64_t size, struct query_row *ret_row);

/* From the median call. */
double row_ticks_per_page(const struct row *row);

#endif
