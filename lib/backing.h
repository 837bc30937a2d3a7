/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a space knows about a file: the state of each page, and where the host has its shared
 * memory. It belongs to the file, so that it survives its slots.
 */
#ifndef GMEM_BACKING_H
#define GMEM_BACKING_H

#include <libgmem/base.h>
#include "file.h"

struct gmem_space;

struct gmem_backing {
	/** of the list of its space; NULL once that is freed */
	struct gmem_space *space;
	struct gmem_backing *next;
	uint64_t page_size;
	uint64_t pages;
	/** where the whole file's shared memory is mapped by the library; NULL if it is not */
	void *host;
	/** in the journal of the space, from 1 on */
	uint32_t number;
	/** a bit for each page: 1 is private */
	uint64_t bits[];
};

/**
 * gmem_backing_new() - all pages have one state; NULL if there is no memory
 *
 * Bits, so that a conversion never allocates, whatever it does to the extents.
 */
struct gmem_backing *gmem_backing_new(const struct gmem *gmem, enum gmem_state state);
/** gmem_backing_free() - takes it out of its space, too; NULL does nothing */
void gmem_backing_free(struct gmem_backing *backing);
/** gmem_backing_set() - the range has this state; safe for different ranges at once */
void gmem_backing_set(struct gmem_backing *backing, uint64_t offset, uint64_t size,
		      enum gmem_state state);
/** gmem_backing_run() - the state at an offset, and how far it goes: size at most */
uint64_t gmem_backing_run(const struct gmem_backing *backing, uint64_t offset, uint64_t size,
			  enum gmem_state *ret_state);

#endif
