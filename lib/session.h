/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A session of a live update, from the inside.
 */
#ifndef GMEM_SESSION_H
#define GMEM_SESSION_H

#include <libgmem/session.h>
#include "error.h"
#include "uapi/live_update.h"

/** Never written after creation, so that threads share it without a lock. */
struct gmem_session {
	int fd;
	enum gmem_direction direction;
	char name[GMEM_UAPI_LIVEUPDATE_NAME_SIZE];
};

/**
 * gmem_session_require() - whether a session goes the right way, and the level permits its use
 *
 * Returns 0, or -EINVAL or -EOPNOTSUPP, and then the report says why.
 */
int gmem_session_require(const struct gmem_session *session, enum gmem_direction direction,
			 struct gmem_error *error);

#endif
