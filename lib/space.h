/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A space, from the inside: slots, claims, and the parts of memory that a range is made of.
 *
 * There is one lock, which is never held while anybody else is called: no system call, no listener,
 * no caller's function. Whoever changes anything claims the range first: claims of overlapping
 * ranges follow each other in the order in which they were made. Slots and listeners change only
 * under a claim of the whole space, so that who has any claim reads them without the lock.
 */
#ifndef GMEM_SPACE_H
#define GMEM_SPACE_H

#include <libgmem/space.h>
#include <pthread.h>
#include "backing.h"
#include "file.h"
#include "journal.h"

struct gmem_bound_slot {
	uint64_t gpa;
	uint64_t size;
	struct gmem *gmem;
	uint64_t offset;
	void *address;
	uint32_t number;
};

/** Somebody works on this range, or waits until he can. On his stack. */
struct gmem_claim {
	struct gmem_claim *next;
	/** both ends belong to it */
	uint64_t first;
	uint64_t last;
	pthread_t owner;
};

struct gmem_space {
	int vm_fd;
	enum gmem_mode mode;
	enum gmem_holes holes;
	unsigned int vm_type;
	uint64_t page_size;
	bool can_query;
	bool allocate;

	pthread_mutex_t lock;
	/** a claim has ended */
	pthread_cond_t ended;
	/** in the order in which they were made */
	struct gmem_claim *claims;
	unsigned int waiting;

	/** in the order of guest-physical memory */
	struct gmem_bound_slot *slots;
	size_t slot_count;
	size_t slot_room;

	/** in the order in which they are told to populate */
	struct gmem_listener **listeners;
	size_t listener_count;
	size_t listener_room;
	/** the coarsest of listeners; the page size at least */
	uint64_t granularity;

	/** of all files that were bound, until they are released */
	struct gmem_backing *backings;
	/** bytes that could not be given back */
	uint64_t kept;

	struct gmem_journal_header *journal;
	uint64_t journal_capacity;
	uint64_t journal_count;
	uint32_t journal_files;
};

/** gmem_space_check_range() - GMEM_CAUSE_NONE, or what is wrong with a guest-physical range */
static inline enum gmem_cause gmem_space_check_range(const struct gmem_space *space, uint64_t gpa,
						     uint64_t size)
{
	if (!space)
		return GMEM_CAUSE_ARGUMENT;
	if (size == 0)
		return GMEM_CAUSE_EMPTY;
	if ((gpa | size) & (space->page_size - 1))
		return GMEM_CAUSE_UNALIGNED;
	if (size > UINT64_MAX - gpa)
		return GMEM_CAUSE_WRAPS;
	return GMEM_CAUSE_NONE;
}

/**
 * gmem_claim_begin() - claim a range, and wait for those who have a part of it
 *
 * The lock is held, and may be let go for a while. The range is rounded to the granularity of
 * listeners. Returns -EDEADLK if the thread has a claim already: it is in a listener.
 */
int gmem_claim_begin(struct gmem_space *space, struct gmem_claim *claim, uint64_t first,
		     uint64_t last);
/** gmem_claim_end() - the lock is held */
void gmem_claim_end(struct gmem_space *space, struct gmem_claim *claim);
/** gmem_claim_all() - claim the whole space; takes the lock itself */
int gmem_claim_all(struct gmem_space *space, struct gmem_claim *claim);
/** gmem_claim_drop() - end a claim; takes the lock itself */
void gmem_claim_drop(struct gmem_space *space, struct gmem_claim *claim);

/** A part of a range that is in one slot, or in none: then gmem is NULL. */
struct gmem_piece {
	uint64_t gpa;
	uint64_t size;
	struct gmem *gmem;
	uint64_t offset;
	void *address;
	uint32_t slot;
};

/** Goes through the pieces of a range. */
struct gmem_pieces {
	const struct gmem_space *space;
	uint64_t next;
	uint64_t end;
	/** of the first slot that ends behind next */
	size_t index;
};

/** gmem_space_find() - the first slot that ends behind an address, or the number of slots */
size_t gmem_space_find(const struct gmem_space *space, uint64_t gpa);
/** gmem_pieces_begin() - in O(log slots); the lock or a claim is held until the end */
void gmem_pieces_begin(struct gmem_pieces *pieces, const struct gmem_space *space, uint64_t gpa,
		       uint64_t end);
/** gmem_pieces_next() - in O(1); false after the last piece */
bool gmem_pieces_next(struct gmem_pieces *pieces, struct gmem_piece *ret_piece);

/** Goes through the parts of a range that have one state, as the space knows it. */
struct gmem_runs {
	struct gmem_pieces pieces;
	/** what is left of one */
	struct gmem_piece piece;
	enum gmem_state state;
	/** no run goes over a multiple of this, a power of two; 0: any run does */
	uint64_t granularity;
};

/** gmem_runs_begin() - a claim is held until the end */
void gmem_runs_begin(struct gmem_runs *runs, const struct gmem_space *space, uint64_t gpa,
		     uint64_t end, enum gmem_state state, uint64_t granularity);
/** gmem_runs_next() - false after the last run */
bool gmem_runs_next(struct gmem_runs *runs, struct gmem_piece *ret_run);

/** gmem_piece_commit() - a piece, or a part of one, has a state now */
static inline void gmem_piece_commit(const struct gmem_piece *piece, enum gmem_state state)
{
	gmem_backing_set(piece->gmem->backing, piece->offset, piece->size, state);
}

#endif
