/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the library needs of io_uring, as a second table that unit tests replace.
 *
 * liburing is loaded when the first ring is made: a program that uses none does not need it.
 */
#ifndef GMEM_URING_H
#define GMEM_URING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gmem_ring;

enum gmem_ring_kind {
	/** into memory, from an offset of a file */
	GMEM_RING_READ,
	/** the same, into the registered buffer */
	GMEM_RING_READ_FIXED,
	/** fallocate(2), flags is the mode */
	GMEM_RING_FALLOCATE,
	/** a command of the file, with an address, a size, and flags */
	GMEM_RING_COMMAND,
};

/** One request; what its kind does not have is 0. */
struct gmem_ring_request {
	enum gmem_ring_kind kind;
	int fd;
	void *address;
	uint64_t offset;
	uint64_t size;
	/** number of a command */
	uint32_t command;
	/** the next request begins when this one has succeeded */
	bool linked;
	uint64_t flags;
	/** comes back with the completion */
	uint64_t token;
};

/** Every operation that can fail returns a negative errno. */
struct gmem_uring {
	/** -ENOSYS if there is no liburing, or no io_uring in the kernel */
	int (*create)(unsigned int entries, struct gmem_ring **ret_ring);
	/** all requests must have completed */
	void (*destroy)(struct gmem_ring *ring);
	/** one buffer, which the kernel pins until it is unregistered */
	int (*register_buffer)(struct gmem_ring *ring, void *address, size_t size);
	int (*unregister_buffer)(struct gmem_ring *ring);
	/** signals an eventfd at each completion */
	int (*register_event)(struct gmem_ring *ring, int event_fd);
	/** puts a request into the ring; the caller knows that there is room */
	void (*queue)(struct gmem_ring *ring, const struct gmem_ring_request *request);
	/**
	 * submits what is in the ring, and waits for so many completions; returns how many were
	 * submitted, or -EINTR and the like when perhaps some were
	 */
	int (*submit)(struct gmem_ring *ring, unsigned int wait);
	/** the next completion, if there is one */
	bool (*reap)(struct gmem_ring *ring, uint64_t *ret_token, int *ret_result);
};

/** The table in use: liburing, except in unit tests. */
extern const struct gmem_uring *gmem_uring __attribute__((visibility("hidden")));

#endif
