/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A guest_memfd file, from the inside.
 */
#ifndef GMEM_FILE_H
#define GMEM_FILE_H

#include <libgmem/file.h>
#include "error.h"

/** Not written after creation, but for backing, so that threads share it without a lock. */
struct gmem {
	int fd;
	uint64_t size;
	uint64_t page_size;
	uint64_t creation_flags;
	/** GMEM_UAPI_CONTENT_ flags that the kernel announced for the file's VM */
	uint64_t policies;
	bool knows_creation_flags;
	bool knows_policies;
	bool mappable;
	/** the state in which all pages were at first; 0 if it is not known */
	enum gmem_state initial;
	/** what a space knows about the file; NULL until it is bound */
	struct gmem_backing *backing;
};

#endif
