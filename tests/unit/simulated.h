/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A kernel that works: files with a state for each page, slots, attributes of the VM. Where the
 * script checks which calls are made, this checks what comes of them, over any number of calls,
 * from any number of threads, and fails some of them at random.
 *
 * Pages are plain memory without a lock: conversions of overlapping ranges that the library lets
 * happen at once are a data race, which ThreadSanitizer tells.
 */
#ifndef TEST_SIMULATED_H
#define TEST_SIMULATED_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/uapi/guest_memfd.h"
#include "script.h"

#define SIM_FILES     4
#define SIM_PAGES     64  /* of a file */
#define SIM_GPA_PAGES 256 /* that slots can be in */
#define SIM_SLOTS     8

struct sim_slot {
	bool used;
	uint64_t gpa, pages; /* in pages */
	int file;
	uint64_t offset; /* in pages */
};

struct simulated {
	/* what the VM has */
	bool in_place;
	bool query;
	/* of a hundred conversions so many find a busy page, or no memory */
	unsigned int busy_percent, memory_percent;
	bool open[SIM_FILES];
	uint8_t private[SIM_FILES][SIM_PAGES];
	uint8_t attribute[SIM_GPA_PAGES]; /* of the VM: 1 is private */
	struct sim_slot slots[SIM_SLOTS];
	/* called before pages become private: nobody may use them any more */
	void (*to_private)(int file, uint64_t page, uint64_t pages);
};

extern struct simulated sim;

/** Take the place of the kernel, with everything as at first. */
void sim_begin(bool in_place, bool query);
/** The file of a descriptor, or -1. */
int sim_file(int fd);
/** The file page that is at a guest-physical page; false for a hole. */
bool sim_find(uint64_t gpa_page, int *ret_file, uint64_t *ret_page);

/** Random numbers, for a seed that can be told; a state for each thread. */
uint64_t sim_random(uint64_t *state, uint64_t below);

#endif
