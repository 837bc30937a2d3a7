/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of a kernel with one VM, for tests of the space: it has slots, files with states,
 * attributes of the VM, pages that somebody holds, and memory that is allocated; and it fails when
 * it is told to.
 *
 * Other than the script it does not say which calls have to come: tests look at what is there
 * afterwards. It can be used by several threads.
 */
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include "unit.h"

#define MACHINE_FILES 4
#define MACHINE_PAGES 128 /* of a file, at most, and of guest-physical memory with attributes */
#define MACHINE_SLOTS 8192

struct machine_file {
	int fd; /* 0: not there */
	uint64_t pages;
	bool private[MACHINE_PAGES];
	/* attempts that the page stays busy for; INT32_MAX for ever */
	int busy[MACHINE_PAGES];
	/* memory in the file, and with two backings that of the shared mapping */
	bool allocated[MACHINE_PAGES];
	bool shared_allocated[MACHINE_PAGES];
	/* where it, or its other backing, is mapped; 0 if not */
	uint64_t mapped;
};

struct machine_slot {
	uint32_t number;
	uint64_t gpa, size, address, offset;
	int fd;
};

extern struct machine {
	/* what the VM has */
	bool in_place, vm_attributes, queries, policies;
	/* Linux from 6.11 on */
	bool procmap;
	struct machine_file files[MACHINE_FILES];
	struct machine_slot slots[MACHINE_SLOTS];
	unsigned int slot_count;
	bool vm_private[MACHINE_PAGES];
	/* system calls so far */
	int calls;
	/* fails these calls, counted from 1, with this errno; 0 fails none */
	int fail_first, fail_last, fail_code;
	/* and this one, too */
	int fail_again;
	/* of those that failed */
	int failed;
	uint64_t now;
	int mappings, open_files;
} machine;

/** A fresh machine takes the place of the kernel, of this kind. */
void machine_begin(enum gmem_mode mode);
/** The file of an fd. */
struct machine_file *machine_file(const struct gmem *gmem);
/** What the machine knows: the state of guest memory, as the guest finds it. */
bool machine_is_private(uint64_t gpa);
/** Fails calls from now on: the nth to come, or that and all after it. */
void machine_fail(int nth, bool and_all_after, int code);

#endif
