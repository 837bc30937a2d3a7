/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What every public header needs: the export mark, C++ linkage, and the two states.
 */
#ifndef LIBGMEM_BASE_H
#define LIBGMEM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_API __attribute__((visibility("default")))

#ifdef __cplusplus
#define GMEM_BEGIN_DECLS extern "C" {
#define GMEM_END_DECLS	 }
#else
#define GMEM_BEGIN_DECLS
#define GMEM_END_DECLS
#endif

/**
 * enum gmem_state - the state of a page of a guest_memfd
 *
 * No state is 0, so that a forgotten initialisation is an error and never opens a page to the host.
 */
enum gmem_state {
	/** Host and guest may use the page: the host can map it. */
	GMEM_STATE_SHARED = 1,
	/** Only the guest may use the page: a host access raises SIGBUS. */
	GMEM_STATE_PRIVATE = 2,
};

/** struct gmem - a guest_memfd file, made by gmem_create() or gmem_adopt() */
struct gmem;

/** struct gmem_probe - what the kernel offers to one VM, made by gmem_probe_new() */
struct gmem_probe;

/** struct gmem_space - guest-physical memory: slots onto files, made by gmem_space_new() */
struct gmem_space;

/** struct gmem_listener - a host user of shared memory, made by gmem_listener_add() */
struct gmem_listener;

/** struct gmem_error - the report of a failure, made by gmem_error_new() */
struct gmem_error;

/** struct gmem_session - a session of a live update, made by gmem_session_create() and the like */
struct gmem_session;

/** struct gmem_blob - what a VMM notes down for after a live update, made by gmem_blob_new() */
struct gmem_blob;

#endif
