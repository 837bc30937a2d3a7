/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Files into a session and out of it, for other parts of the library.
 */
#ifndef GMEM_PRESERVE_H
#define GMEM_PRESERVE_H

#include <libgmem/preserve.h>
#include "session.h"

/**
 * gmem_put_file() - preserve a file that nobody else has; the session has been checked
 *
 * Returns false if that fails, and then the report says why.
 */
bool gmem_put_file(const struct gmem_session *session, int fd, uint64_t token,
		   struct gmem_error *error);

/** gmem_get_file() - retrieve any file; the session has been checked. Returns as gmem_put_file().
 */
bool gmem_get_file(const struct gmem_session *session, uint64_t token, int *ret_fd,
		   struct gmem_error *error);

#endif
