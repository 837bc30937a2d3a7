/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Telling listeners, for other parts of the library.
 */
#ifndef GMEM_LISTENER_H
#define GMEM_LISTENER_H

#include <libgmem/convert.h>
#include <libgmem/listener.h>
#include "error.h"
#include "space.h"

struct gmem_listener {
	struct gmem_space *space;
	char name[GMEM_LISTENER_NAME_MAX + 1];
	gmem_listener_fn release;
	gmem_listener_fn populate;
	void *data;
	/** 0 for none */
	uint64_t granularity;
	int32_t order;
};

/** Which memory is told, seen from a range and the blocks of a listener. */
enum gmem_where {
	/** the range itself */
	GMEM_WHERE_EXACT,
	/** all blocks that have a part of it */
	GMEM_WHERE_BLOCKS,
	/** these blocks without the range */
	GMEM_WHERE_EDGES,
};

/** What is told to whom. A claim of all that memory is held. */
struct gmem_telling {
	struct gmem_space *space;
	/** the range */
	uint64_t gpa;
	uint64_t end;
	enum gmem_where where;
	/** only the runs that have this state, as the space knows it */
	enum gmem_state state;
	enum gmem_reason reason;
	/** which listeners */
	size_t first;
	size_t count;
	/** go on behind a refusal; the report has the first one */
	bool to_the_end;
	/** how often and how long -EAGAIN is taken for an answer; what is left of the time is kept
	 */
	struct gmem_convert_options *options;
	/** says who refused, and who failed while things were undone */
	struct gmem_error *report;
};

/** gmem_tell_release() - all let go, or nobody has; then the report says why, and it is false */
bool gmem_tell_release(const struct gmem_telling *telling);
/** gmem_tell_populate() - all may use it, or nobody does; then the report says why */
bool gmem_tell_populate(const struct gmem_telling *telling);
/** gmem_tell_undo() - release or populate, whatever is answered; the report says who failed */
void gmem_tell_undo(const struct gmem_telling *telling, bool release);
/**
 * gmem_tell_busy() - ask about a page that is busy after all have let go
 *
 * The report says who holds it.
 */
void gmem_tell_busy(struct gmem_space *space, const struct gmem_piece *page,
		    struct gmem_error *report);

#endif
