/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Giving memory back, for other parts of the library.
 */
#ifndef GMEM_ALLOCATE_H
#define GMEM_ALLOCATE_H

#include <libgmem/allocate.h>
#include "file.h"

/**
 * gmem_punch_hole() - the system call behind gmem_discard(), repeated if signals interrupt it
 *
 * Returns what the kernel answered last, and adds to attempts how often it was asked.
 */
int gmem_punch_hole(const struct gmem *gmem, uint64_t offset, uint64_t size,
		    unsigned int *attempts);

#endif
