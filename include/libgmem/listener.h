/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Listeners: host users of shared memory that must let go before a page becomes private.
 *
 * VFIO, vhost, registered buffers, emulated devices: whoever pins or reads guest memory is told by
 * the space what it may use, and when it has to stop.
 */
#ifndef LIBGMEM_LISTENER_H
#define LIBGMEM_LISTENER_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/** What a listener's name may have at most, without the terminating 0. */
#define GMEM_LISTENER_NAME_MAX 31

/**
 * enum gmem_reason - why a listener is told something
 */
enum gmem_reason {
	/** A conversion is under way. */
	GMEM_REASON_CONVERT = 1,
	/** A conversion, or a change of slots, failed and is undone. */
	GMEM_REASON_UNDO = 2,
	/** Everybody has let go, and the kernel still finds this page busy: asked once more. */
	GMEM_REASON_BUSY = 3,
	/** A slot is bound, or is about to be unbound. */
	GMEM_REASON_SLOT = 4,
	/** The listener is being added or removed: told of all the memory there is. */
	GMEM_REASON_LISTENER = 5,
};

/**
 * struct gmem_notice - a part of guest memory that a listener is told of
 *
 * It lies in one slot. It only grows at its end, and is valid only during the call.
 */
struct gmem_notice {
	/** where it starts in guest-physical memory, in bytes, a multiple of the page size */
	uint64_t gpa;
	/** size in bytes, a multiple of the page size, not 0 */
	uint64_t size;
	/** the file of the slot */
	struct gmem *gmem;
	/** where it starts in the file, in bytes */
	uint64_t offset;
	/** where the host has its shared memory mapped; NULL if the slot has no mapping */
	void *address;
	/** number of the slot */
	uint32_t slot;
	/** why */
	enum gmem_reason reason;
};

/**
 * typedef gmem_listener_fn - a listener is told to let go of memory, or that it may use it
 *
 * @notice: which memory, and why; borrowed
 * @data: data of the listener
 *
 * It is called on the thread that converts, binds or adds, while overlapping conversions wait for
 * it. It may use the memory and any function of the library that does not change this space:
 * those fail with -EDEADLK.
 *
 * After something that could not be undone it may be told to let go of memory that it was never
 * told to use.
 *
 * Return: 0 for done. -EAGAIN: not yet; the call is repeated after a pause, as often and as long as
 * the conversion may be tried. Anything else refuses: what was done is undone. While something is
 * undone (GMEM_REASON_UNDO) and when a listener is removed, the return value changes nothing, but a
 * report tells of the first one that was not 0.
 */
typedef int (*gmem_listener_fn)(const struct gmem_notice *notice, void *data);

/**
 * struct gmem_listener_options - what gmem_listener_add() wants to know about a listener
 */
struct gmem_listener_options {
	/** sizeof(struct gmem_listener_options) */
	uint64_t size;
	/** what people call it, such as "vfio 0000:01:00.0"; copied, cut after 31 bytes */
	const char *name;
	/** told before memory becomes private or goes away */
	gmem_listener_fn release;
	/** told after memory became shared or came; NULL if it is of no interest */
	gmem_listener_fn populate;
	/** handed to both */
	void *data;
	/**
	 * 0: any part of what the listener was told to populate can be released. Else it cannot cut
	 * what it has mapped: memory is populated in pieces that do not cross a multiple of this
	 * many bytes (a power of two, not less than the page size) in guest-physical memory, and
	 * released in whole pieces; what of them stays shared is populated again.
	 */
	uint64_t granularity;
	/**
	 * Listeners are told to populate from the lowest to the highest order, and to release the
	 * other way round; those of one order in the order in which they were added.
	 */
	int32_t order;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_listener_add() - add a listener to a space
 *
 * @space: the space
 * @options: the listener
 * @ret_listener: the listener, removed with gmem_listener_remove()
 * @reterr_error: failure report or NULL
 *
 * Before the call returns the listener is told to populate all memory of the space that is shared.
 * If it refuses it is told to release what it got, and is not added.
 *
 * The call waits for conversions that are under way.
 *
 * Errors:
 *   EINVAL     space, options, its name or release, or ret_listener is NULL; the granularity is
 *              no power of two, or less than the page size
 *   E2BIG      options have members that this version of the library does not know
 *   ENOMEM     out of memory
 *   EAGAIN     the listener said so at each of 100 attempts, or for a second
 *   ECANCELED  the listener refused
 *   EDEADLK    called by a listener of this space
 *
 * Threads: safe.
 *
 * Example:
 *   int let_go(const struct gmem_notice *notice, void *data);
 *   struct gmem_listener_options options = { .size = sizeof(options), .name = "vhost-net" };
 *   struct gmem_listener *vhost;
 *
 *   options.release = let_go;
 *   if (gmem_listener_add(space, &options, &vhost, error) < 0)
 *           return -1;
 *   gmem_listener_remove(vhost, NULL);
 */
GMEM_API int gmem_listener_add(struct gmem_space *space,
			       const struct gmem_listener_options *options,
			       struct gmem_listener **ret_listener,
			       struct gmem_error *reterr_error);

/**
 * gmem_listener_remove() - remove a listener from its space
 *
 * @listener: the listener; NULL does nothing. It is gone unless the call fails with -EDEADLK.
 * @reterr_error: failure report or NULL
 *
 * It is told to release all memory that it was told to populate. The call waits for conversions
 * that are under way. gmem_space_free() removes listeners without telling them.
 *
 * Errors:
 *   EAGAIN     the listener is removed, but said at each attempt that it has not let go
 *   ECANCELED  the listener is removed, but refused to let go
 *   EDEADLK    called by a listener of this space; nothing happened
 *
 * Threads: safe for different listeners.
 *
 * Example:
 *   gmem_listener_remove(NULL, NULL);
 */
GMEM_API int gmem_listener_remove(struct gmem_listener *listener, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
