/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A conversion of guest-physical memory, for other parts of the library.
 */
#ifndef GMEM_TRANSACTION_H
#define GMEM_TRANSACTION_H

#include "error.h"
#include "space.h"

/**
 * gmem_transaction() - what gmem_space_convert() does
 *
 * @call: the function that is called so by the program, for reports
 * @flags: of the record in the journal
 */
int gmem_transaction(struct gmem_space *space, uint64_t gpa, uint64_t size, enum gmem_state state,
		     const struct gmem_convert_options *options, const char *call,
		     unsigned int flags, struct gmem_error *reterr_error);

#endif
