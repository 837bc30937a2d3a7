/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The check that every range of a file goes through. Inline: it is on the way of every conversion.
 */
#ifndef GMEM_RANGE_H
#define GMEM_RANGE_H

#include "file.h"

/** gmem_range_check() - GMEM_CAUSE_NONE, or what is wrong with a range of the file */
static inline enum gmem_cause gmem_range_check(const struct gmem *gmem, uint64_t offset,
					       uint64_t size)
{
	if (!gmem)
		return GMEM_CAUSE_ARGUMENT;
	if (size == 0)
		return GMEM_CAUSE_EMPTY;
	if ((offset | size) & (gmem->page_size - 1))
		return GMEM_CAUSE_UNALIGNED;
	if (size > UINT64_MAX - offset)
		return GMEM_CAUSE_WRAPS;
	if (offset + size > gmem->size)
		return GMEM_CAUSE_BEYOND_END;
	return GMEM_CAUSE_NONE;
}

#endif
