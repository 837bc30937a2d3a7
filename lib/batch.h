/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A batch, from the inside. Its ranges become jobs: ranges that are carried out at once. First a
 * ring does what it can, then threads do what is left; they are the ones who know why something
 * fails.
 */
#ifndef GMEM_BATCH_H
#define GMEM_BATCH_H

#include <libgmem/batch.h>
#include <pthread.h>
#include "file.h"
#include "uapi/guest_memfd.h"
#include "uring.h"

#define GMEM_BATCH_MAX_THREADS 64
/** Requests that a ring has room for. */
#define GMEM_BATCH_ENTRIES 64

/** Some ranges that follow each other in the file, and want the same. */
struct gmem_job {
	const struct gmem *gmem;
	uint64_t offset, size;
	/** which they are: places in order[] */
	uint64_t first, count;
	bool done;
};

/** A request in the ring, and the jobs that it carries out. */
struct gmem_wave_entry {
	uint64_t first_job, jobs;
	struct gmem_uapi_conversion *conversions;
	int result;
};

enum gmem_batch_phase {
	GMEM_BATCH_IDLE,
	GMEM_BATCH_IN_RING,
	GMEM_BATCH_IN_THREADS,
};

struct gmem_batch {
	struct gmem_batch_options options;
	int event_fd;
	struct gmem_ring *ring;
	/** the kernel has no commands for these files */
	bool no_commands;
	bool has_result;
	enum gmem_batch_phase phase;

	struct gmem_batch_item *items;
	uint64_t count;
	/** so many items the memory below is for */
	uint64_t room;
	/** the items in the order in which they are looked at */
	struct gmem_batch_item **order;
	struct gmem_job *jobs;
	uint64_t nr_jobs;

	/** the ring's: what is in it, and the first job that was never in it */
	struct gmem_uapi_conversion *conversions;
	struct gmem_wave_entry wave[GMEM_BATCH_ENTRIES];
	unsigned int in_wave, submitted, reaped, ring_failures;
	uint64_t next_job;

	/** the threads': guarded by lock */
	pthread_mutex_t lock;
	pthread_t threads[GMEM_BATCH_MAX_THREADS];
	unsigned int nr_threads, running;
	uint64_t next_left;
	bool stop;
	/** the first item that failed */
	uint64_t failed;
	struct gmem_error report;

	uint64_t by_uring;
	uint64_t system_calls;
};

/** gmem_batch_job_done() - all ranges of a job have been carried out */
static inline void gmem_batch_job_done(struct gmem_batch *batch, struct gmem_job *job)
{
	uint64_t i;

	job->done = true;
	for (i = job->first; i < job->first + job->count; i++)
		batch->order[i]->result = 0;
}

/** gmem_batch_ring_begin() - put the next jobs into the ring; false: nothing is for the ring */
bool gmem_batch_ring_begin(struct gmem_batch *batch);

/** gmem_batch_ring_reap() - take what has come back; true when nothing is in the ring */
bool gmem_batch_ring_reap(struct gmem_batch *batch, bool wait);

/** gmem_batch_threads_begin() - threads take the jobs that are not done; false: there are none */
bool gmem_batch_threads_begin(struct gmem_batch *batch);

/** gmem_batch_threads_end() - whether they are through; waits for it if told to */
bool gmem_batch_threads_end(struct gmem_batch *batch, bool wait);

#endif
