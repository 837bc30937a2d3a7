/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A load, from the inside: the source, what of it is left to do, and how far it came.
 */
#ifndef GMEM_POPULATE_H
#define GMEM_POPULATE_H

#include <libgmem/populate.h>
#include <pthread.h>
#include "file.h"
#include "uring.h"

/** What a thread loads at once: as much as a huge page, and as fits its cache. */
#define GMEM_PIECE_SIZE (UINT64_C(2) << 20)

enum gmem_source_kind {
	GMEM_SOURCE_MEMORY,
	GMEM_SOURCE_FILE,
	GMEM_SOURCE_STREAM,
};

struct gmem_source {
	enum gmem_source_kind kind;
	const unsigned char *bytes;
	int fd;
	/** the same file with O_DIRECT, or -1 */
	int direct_fd;
	/** where in the file the load begins */
	uint64_t offset;
};

/** A part of a load, counted from its first byte; never across a boundary of GMEM_PIECE_SIZE. */
struct gmem_piece {
	uint64_t start;
	uint64_t size;
	/** a hole of the source, of any size */
	bool hole;
};

struct gmem_load {
	const struct gmem *gmem;
	struct gmem_source source;
	/** where byte 0 of the load goes: its address, and its offset in the guest_memfd */
	unsigned char *memory;
	uint64_t offset;
	uint64_t size;
	bool to_end;
	enum gmem_populate_way way;
	unsigned int threads;
	gmem_populate_fn progress;
	void *progress_data;

	/** guards what follows up to the report */
	pthread_mutex_t lock;
	/** nobody has this byte yet, and what comes after it */
	uint64_t next;
	/** where the data ends that begins before next, as far as that is known */
	uint64_t data_end;
	/** the lowest byte that could not be loaded, and why; UINT64_MAX for none */
	uint64_t failed_at;
	struct gmem_error report;

	/** written by several threads, with atomic operations */
	uint64_t loaded;
	uint64_t holes;
	uint64_t direct;
	/** nobody shall begin another piece */
	bool stop;
};

/** What each thread has for itself. */
struct gmem_loader {
	struct gmem_load *load;
	pthread_t thread;
	struct gmem_ring *ring;
	bool has_no_ring;
};

/** gmem_load_fail() - a byte cannot be loaded: the answer of a system call says why */
void gmem_load_fail(struct gmem_load *load, uint64_t at, const char *system_call, int answer,
		    const struct gmem_answer *answers);

/** gmem_load_next() - the next piece; false at the end of the load, or if it has failed */
bool gmem_load_next(struct gmem_load *load, struct gmem_piece *ret_piece);

/**
 * gmem_load_directly() - load whole pages with io_uring and O_DIRECT
 *
 * Returns how many bytes of the piece were loaded, from its start on: the rest, which may be all
 * of it, is for pread().
 */
uint64_t gmem_load_directly(struct gmem_loader *loader, const struct gmem_piece *piece);

/** gmem_load_run() - load all of it with so many threads; the report has the failure */
void gmem_load_run(struct gmem_load *load);

static inline void gmem_load_count(uint64_t *counter, uint64_t bytes)
{
	__atomic_fetch_add(counter, bytes, __ATOMIC_RELAXED);
}

#endif
