/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a file may look like while many threads change it at once.
 *
 * A logical clock gives every operation a start and an end. Two operations that overlap in time may
 * have happened in either order, others only in one. So each page has a set of states it may be in,
 * and each word a set of values it may hold: often one, never more than two.
 *
 * Bytes: every writer (a host thread, a vCPU) owns one u64 of each page and writes stamps to it
 * that say who, where and how often. A stamp seen anywhere else, or an older one, is memory that
 * was mixed up or a mapping that should be gone.
 *
 * Threads: any, but one writer's and one converter's operations come from one thread each, and all
 * punching from one thread.
 */
#ifndef TESTS_KERNEL_RACE_MODEL_H
#define TESTS_KERNEL_RACE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	MODEL_PAGES = 64,
	MODEL_CONVERTERS = 2,
	MODEL_WRITERS = 4,
};

/* Everything shared or private, all bytes zero; no other thread may use the model. */
void model_reset(bool private);

/* A conversion of pages; @done: whether the kernel said 0. A failed one changes nothing. */
void model_convert_begin(int converter, int first, int count);
void model_convert_end(int converter, int first, int count, bool private, bool done);

void model_punch_begin(int first, int count);
void model_punch_end(int first, int count);

/* The stamp to write, and where in the page. Ends with whether it was written. */
uint64_t model_write_begin(int writer, int page);
void model_write_end(int writer, int page, bool done);
/* Offset of a writer's word in a page, bytes. */
uint64_t model_word_offset(int writer);

enum model_state {
	MODEL_SHARED,
	MODEL_PRIVATE,
	MODEL_EITHER,
};

/*
 * The state of a page now. If the same call gives the same state and *@ret_version after an access,
 * then the page was in that state all the time in between.
 */
enum model_state model_state(int page, uint64_t *ret_version);

/* Changes whenever punching a page begins or ends; odd in between. */
uint64_t model_punches(int page);

/* The time now, to be given to the functions below as the time before an access. */
uint64_t model_now(void);

/*
 * Whether a writer may find @value in its own word, read after @since. To be called by the writer,
 * or by anybody while all is quiet. NULL if it may, or why not.
 */
const char *model_judge_own(int writer, int page, uint64_t value, uint64_t since);
/* As above for a reader who is not the writer: only tells stamps from what can be none. */
const char *model_judge_other(int writer, int page, uint64_t value);

#endif
