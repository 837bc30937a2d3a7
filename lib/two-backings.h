/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversion with two backings: what is private is in the file, what is shared in other memory, and
 * attributes of the VM tell which the guest uses.
 */
#ifndef GMEM_TWO_BACKINGS_H
#define GMEM_TWO_BACKINGS_H

#include "error.h"
#include "space.h"

/** gmem_two_set() - from now on the guest uses the memory of this state; false, and why, if not */
bool gmem_two_set(const struct gmem_space *space, uint64_t gpa, uint64_t size,
		  enum gmem_state state, struct gmem_error *report);
/** gmem_two_allocate() - allocate the memory of a state */
bool gmem_two_allocate(const struct gmem_piece *piece, enum gmem_state state,
		       struct gmem_error *report);
/** gmem_two_give_back() - give the memory of a state back; false if that cannot be done */
bool gmem_two_give_back(const struct gmem_piece *piece, enum gmem_state state);

#endif
