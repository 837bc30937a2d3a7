/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What bench/live-update preserves: an ordinary memfd, and guest_memfds in different states. */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct subject {
	const char *name;
	bool guest_memfd;
	uint64_t step; /* every other step of so many bytes is private; 0: all of it is shared */
};

extern const struct subject subjects[];
extern const int n_subjects;

/* One of them with memory in every page. */
struct memory {
	int vm; /* -1: none */
	int file;
};

/*
 * All of the @size bytes are allocated and were written to. -EOPNOTSUPP: this kernel has no
 * guest_memfd, or cannot convert. reterr_step: the call that failed.
 */
int subject_open(const struct subject *subject, uint64_t size, struct memory *ret_memory,
		 const char **reterr_step);
void subject_close(struct memory *memory);

#endif
