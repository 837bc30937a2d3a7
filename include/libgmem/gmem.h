/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/**
 * libgmem - the library for KVM's guest_memfd
 *
 * This header includes all the others; programs need only this one.
 *
 * Rules that hold for every function:
 *
 * - A function that can fail returns 0 or a negative errno out of the closed set that its comment
 *   lists. Outputs (ret_...) are written only on success.
 * - The last parameter, reterr_error, is a report that the caller made once with gmem_error_new().
 *   It may be NULL. It is written only on failure, and never allocates.
 * - Options are structs whose first member, size, is sizeof() of the struct. NULL means the
 *   defaults, and so does a member that is 0. Bytes that this version of the library does not know
 *   must be 0: otherwise the call fails with -E2BIG and nothing happens.
 * - Offsets and sizes are bytes in the file, multiples of the page size; those of loads can be any.
 * - The library never exits, never prints and has no constructor. It starts threads only to load
 *   and, if asked to, to allocate memory, and for batches: see gmem_populate() and
 *   gmem_batch_new(). It takes locks only there and in a space. The capability level is the only
 *   state it keeps for the process, see gmem_level_set(). errno is not part of the interface and
 *   may be changed by any call.
 */
#ifndef LIBGMEM_GMEM_H
#define LIBGMEM_GMEM_H

#include <libgmem/base.h>
#include <libgmem/error.h>
#include <libgmem/cause.h>
#include <libgmem/version.h>
#include <libgmem/level.h>
#include <libgmem/probe.h>
#include <libgmem/file.h>
#include <libgmem/convert.h>
#include <libgmem/query.h>
#include <libgmem/map.h>
#include <libgmem/allocate.h>
#include <libgmem/listener.h>
#include <libgmem/space.h>
#include <libgmem/serve.h>
#include <libgmem/session.h>
#include <libgmem/preserve.h>
#include <libgmem/blob.h>
#include <libgmem/store.h>
#include <libgmem/request.h>
#include <libgmem/populate.h>
#include <libgmem/numa.h>
#include <libgmem/batch.h>

#endif
