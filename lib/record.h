/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Writing the journal. All of these do nothing without one; the lock of the space is held.
 */
#ifndef GMEM_RECORD_H
#define GMEM_RECORD_H

#include "error.h"
#include "journal.h"
#include "space.h"

/** gmem_record_begin() - an empty journal in the caller's memory, and what the space is */
void gmem_record_begin(struct gmem_space *space, void *memory, uint64_t size);
/** gmem_record_file() - a file, and the states that it has where they differ from the first one */
void gmem_record_file(struct gmem_space *space, struct gmem *gmem, enum gmem_state state);
/** gmem_record_slot() - a slot was bound or unbound, or not */
void gmem_record_slot(struct gmem_space *space, enum gmem_journal_kind kind,
		      const struct gmem_bound_slot *slot, int code);
/** gmem_record_conversion() - one that happened */
void gmem_record_conversion(struct gmem_space *space, uint64_t gpa, uint64_t size,
			    enum gmem_state state, enum gmem_policy policy, unsigned int attempts,
			    unsigned int flags);
/** gmem_record_failure() - one that was undone, and what was not */
void gmem_record_failure(struct gmem_space *space, const struct gmem_error *report,
			 unsigned int flags);
/** gmem_record_listener() - one came (1) or went (2) */
void gmem_record_listener(struct gmem_space *space, unsigned int event, uint64_t granularity,
			  int code);

#endif
