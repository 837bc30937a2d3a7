/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whether an address is a mapping of a file.
 */
#ifndef GMEM_ALIAS_H
#define GMEM_ALIAS_H

#include "error.h"
#include "file.h"

/**
 * gmem_alias_verify() - whether memory is a shared mapping of a file from an offset on
 *
 * Returns false, with why in the report, if it is not, or if nobody can tell.
 */
bool gmem_alias_verify(const struct gmem *gmem, uint64_t offset, const void *address, uint64_t size,
		       struct gmem_error *report);

#endif
