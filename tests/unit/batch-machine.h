/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A machine for batches: files whose pages are private or shared, a kernel with io_uring commands
 * or without, and threads. What is wrong with it is set by the test.
 */
#ifndef TEST_BATCH_MACHINE_H
#define TEST_BATCH_MACHINE_H

#include <stdbool.h>

#define FILES 2
#define PAGES 256

/* What a page is, and what is wrong with it. */
struct page {
	bool private, there;
	/** conversions to private that find it busy; many are for ever */
	unsigned int busy;
	bool broken;
};

extern struct page pages[FILES][PAGES];
/** Conversions and allocations that the kernel was asked for, and commands of the ring. */
extern unsigned int calls, commands;
/** The thread that cannot be started, counted from 1; 0: all can. */
extern unsigned int threads_refused;
/** What the ring knows. */
extern bool has_commands, has_fallocate;
/** What making a ring, an event, submitting and registering the event fail with. */
extern int ring_code, event_code, submit_code, register_code;

/** All works. */
void batch_machine_begin(void);
/** Nothing is left of what was made. */
void batch_machine_end(void);

#endif
