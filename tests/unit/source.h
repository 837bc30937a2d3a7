/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A kernel with a guest_memfd, a source to load from and an io_uring, all in memory: what they do
 * can be chosen, and what was done to them can be asked.
 */
#ifndef TEST_SOURCE_H
#define TEST_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#define SOURCE_FD 2000
#define DIRECT_FD 2001

/** Pages of the guest_memfd: 8 MiB. */
#define GUEST_PAGES 2048
#define GUEST_SIZE  (GUEST_PAGES * UINT64_C(4096))

enum source_kind {
	SOURCE_FILE,
	SOURCE_PIPE,
	SOURCE_DIRECTORY,
	SOURCE_DISK
};

struct source {
	enum source_kind kind;
	unsigned char *bytes;
	uint64_t size;
	/** what it becomes when the first byte was read; UINT64_MAX: stays */
	uint64_t shrinks_to;
	/** holes: whole blocks of 4 KiB of which this is true */
	bool hole[2 * GUEST_PAGES];
	bool tells_holes;
	/** reads give fewer bytes than asked for; a number for the random generator */
	unsigned int short_reads;
	/** reads from this byte on, fail; UINT64_MAX: none does */
	uint64_t bad_at;
	int bad_code;
	/** a signal interrupts, or a pipe is empty, every other time */
	int interrupts;
	/** percent of a piece that is in the page cache; -1: must not be told */
	int cached;
	/** answers of the ring: 0 works */
	int ring_code, register_code, unregister_code, submit_code, open_direct_code, thread_code;
	/** what a direct read answers; 0: works, 1: fewer bytes */
	int direct_result;
};

extern struct source source;

/** The guest's memory as it is, and what state each page has. */
extern unsigned char guest_memory[GUEST_SIZE];
extern bool guest_private[GUEST_PAGES], guest_allocated[GUEST_PAGES];
/** the page has a memory error */
extern uint64_t poisoned_page;

/** What was done. */
extern struct done {
	unsigned int preads, direct_reads, registered, punches, conversions, threads;
	/** what is left behind */
	int mappings, rings, buffers, open_files, running;
} done;

/** Take the place of the kernel and of io_uring, with a file of random bytes of this size. */
void source_begin(uint64_t size, unsigned int seed);
void source_end(void);

#endif
