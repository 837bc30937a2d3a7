/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Jobs by threads: each does with its ranges what the function for one range does.
 */
#include <errno.h>
#include <libgmem/allocate.h>
#include "batch.h"
#include "sys.h"

#define DEFAULT_THREADS 4

static int carry_out(struct gmem_batch *batch, const struct gmem_batch_item *item, uint64_t offset,
		     uint64_t size, unsigned int max_attempts, struct gmem_error *report)
{
	struct gmem_convert_options options = { .size = sizeof(options), .policy = item->policy };

	__atomic_fetch_add(&batch->system_calls, 1, __ATOMIC_RELAXED);
	switch (item->kind) {
	case GMEM_BATCH_CONVERT:
		options.max_attempts = max_attempts;
		options.timeout_ns = batch->options.timeout_ns;
		return gmem_convert(item->gmem, offset, size, item->state, &options, report);
	case GMEM_BATCH_ALLOCATE:
		return gmem_allocate(item->gmem, offset, size, NULL, report);
	case GMEM_BATCH_DISCARD:
		break;
	}
	return gmem_discard(item->gmem, offset, size, report);
}

static void note_failure(struct gmem_batch *batch, uint64_t index, const struct gmem_error *report)
{
	pthread_mutex_lock(&batch->lock);
	if (batch->options.ordered)
		batch->stop = true;
	if (index < batch->failed) {
		batch->failed = index;
		batch->report = *report;
	}
	pthread_mutex_unlock(&batch->lock);
}

/* One range by itself. Returns whether the next one shall be tried. */
static bool do_item(struct gmem_batch *batch, struct gmem_batch_item *item)
{
	struct gmem_error report = { 0 };

	item->result = carry_out(batch, item, item->offset, item->size, batch->options.max_attempts,
				 &report);
	if (item->result == 0)
		return true;
	if (report.has_first_offset)
		item->error_offset = report.first_offset;
	note_failure(batch, (uint64_t)(item - batch->items), &report);
	return !batch->options.ordered;
}

static void do_job(struct gmem_batch *batch, struct gmem_job *job)
{
	const struct gmem_batch_item *first = batch->order[job->first];
	struct gmem_error report = { 0 };
	uint64_t i;

	/* Who waits for a busy page waits for the part that has it. */
	if (job->count > 1 && carry_out(batch, first, job->offset, job->size, 1, &report) == 0) {
		gmem_batch_job_done(batch, job);
		return;
	}
	for (i = job->first; i < job->first + job->count; i++) {
		if (!do_item(batch, batch->order[i]))
			return;
	}
}

static struct gmem_job *take_job(struct gmem_batch *batch)
{
	struct gmem_job *job = NULL;

	pthread_mutex_lock(&batch->lock);
	while (!job && !batch->stop && batch->next_left < batch->nr_jobs) {
		job = &batch->jobs[batch->next_left++];
		if (job->done)
			job = NULL;
	}
	pthread_mutex_unlock(&batch->lock);
	return job;
}

static void *work(void *data)
{
	struct gmem_batch *batch = data;
	struct gmem_job *job;
	bool last;

	while ((job = take_job(batch)))
		do_job(batch, job);
	pthread_mutex_lock(&batch->lock);
	last = --batch->running == 0;
	pthread_mutex_unlock(&batch->lock);
	/* Nothing may be touched after this: who reads it may go on. */
	if (last)
		gmem_sys->signal_event(batch->event_fd);
	return NULL;
}

static unsigned int count_threads(const struct gmem_batch *batch)
{
	uint64_t left = batch->nr_jobs - batch->by_uring;
	unsigned int threads = batch->options.threads ? batch->options.threads : DEFAULT_THREADS;

	if (batch->options.ordered && left)
		return 1;
	return left < threads ? (unsigned int)left : threads;
}

bool gmem_batch_threads_begin(struct gmem_batch *batch)
{
	unsigned int wanted = count_threads(batch);

	if (!wanted)
		return false;
	batch->next_left = 0;
	batch->stop = false;
	/* One more than there are, so that none is the last one before all were started. */
	batch->running = 1;
	for (batch->nr_threads = 0; batch->nr_threads < wanted; batch->nr_threads++) {
		pthread_mutex_lock(&batch->lock);
		batch->running++;
		pthread_mutex_unlock(&batch->lock);
		if (gmem_sys->start_thread(work, batch, &batch->threads[batch->nr_threads]) == 0)
			continue;
		pthread_mutex_lock(&batch->lock);
		batch->running--;
		pthread_mutex_unlock(&batch->lock);
		break;
	}
	if (batch->nr_threads) {
		bool last;

		pthread_mutex_lock(&batch->lock);
		last = --batch->running == 0;
		pthread_mutex_unlock(&batch->lock);
		if (last)
			gmem_sys->signal_event(batch->event_fd);
	} else {
		/* No thread can be had: the caller's does the work now. */
		work(batch);
	}
	return true;
}

bool gmem_batch_threads_end(struct gmem_batch *batch, bool wait)
{
	unsigned int i, running;

	pthread_mutex_lock(&batch->lock);
	running = batch->running;
	pthread_mutex_unlock(&batch->lock);
	if (running && !wait)
		return false;
	for (i = 0; i < batch->nr_threads; i++)
		gmem_sys->join_thread(batch->threads[i]);
	batch->nr_threads = 0;
	return true;
}
