/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which pages of a mapped range are there, and on which nodes.
 */
#ifndef GMEM_PRESENCE_H
#define GMEM_PRESENCE_H

#include "file.h"

struct gmem_presence {
	const struct gmem *gmem;
	/** where the range is mapped */
	unsigned char *address;
	uint64_t offset;
	uint64_t size;
	/** bytes that are there, and the offset of the first of them */
	uint64_t present;
	uint64_t first;
	/** for gmem_presence_locate(): bytes per node, and of those that cannot be looked at */
	uint64_t *bytes_on;
	uint64_t nr_nodes;
	uint64_t hidden;
};

/**
 * gmem_presence_count() - how much of the range is there, and where it begins
 *
 * Returns 0, or -EPERM if this process must not ask, or another failure that is in the report.
 */
int gmem_presence_count(struct gmem_presence *presence, struct gmem_error *report);

/** gmem_presence_locate() - the same, and on which nodes */
int gmem_presence_locate(struct gmem_presence *presence, struct gmem_error *report);

#endif
