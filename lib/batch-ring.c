/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Jobs as commands of io_uring. What comes back as done is done; everything else is left to the
 * threads, which find out why it failed, try again, or take merged ranges apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "batch.h"
#include "level.h"
#include "sys.h"

#define MAX_TRIES 1000
#define PAUSE_NS  UINT64_C(1000000)

static const struct gmem_batch_item *item_of(const struct gmem_batch *batch,
					     const struct gmem_job *job)
{
	return batch->order[job->first];
}

/* Flags are sent only to a kernel that announced them. */
static bool get_flags(const struct gmem_job *job, enum gmem_policy policy, uint64_t *ret_flags)
{
	*ret_flags = 0;
	if (policy == GMEM_POLICY_UNSPECIFIED)
		return true;
	*ret_flags =
		policy == GMEM_POLICY_ZERO ? GMEM_UAPI_CONTENT_ZERO : GMEM_UAPI_CONTENT_PRESERVE;
	return (job->gmem->policies & *ret_flags) && gmem_level_permits(GMEM_LEVEL_POLICY);
}

static bool is_for_ring(const struct gmem_batch *batch, const struct gmem_job *job)
{
	const struct gmem_batch_item *item = item_of(batch, job);
	uint64_t flags;

	if (item->kind != GMEM_BATCH_CONVERT)
		return true;
	return !batch->no_commands && gmem_level_permits(GMEM_LEVEL_FULL) &&
	       get_flags(job, item->policy, &flags);
}

static void set_conversion(const struct gmem_job *job, const struct gmem_batch_item *item,
			   uint64_t flags, struct gmem_uapi_conversion *conversion)
{
	*conversion = (struct gmem_uapi_conversion){
		.offset = job->offset,
		.size = job->size,
		.attributes = item->state == GMEM_STATE_PRIVATE ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
		.flags = flags,
		/* Unless the kernel says otherwise. */
		.result = -ECANCELED,
	};
}

/* All conversions of one file that follow each other go into one command; the first one can. */
static void queue_conversions(struct gmem_batch *batch, struct gmem_wave_entry *entry,
			      struct gmem_ring_request *request)
{
	const struct gmem_job *job = &batch->jobs[entry->first_job], *end;
	const struct gmem *gmem = job->gmem;
	struct gmem_uapi_conversion *conversion = &batch->conversions[entry->first_job];
	const struct gmem_batch_item *item;
	uint64_t flags;

	entry->conversions = conversion;
	for (end = batch->jobs + batch->nr_jobs; job < end && job->gmem == gmem; job++) {
		item = item_of(batch, job);
		if (item->kind != GMEM_BATCH_CONVERT || !get_flags(job, item->policy, &flags))
			break;
		set_conversion(job, item, flags, conversion++);
	}
	batch->next_job = (uint64_t)(job - batch->jobs);
	entry->jobs = batch->next_job - entry->first_job;
	request->kind = GMEM_RING_COMMAND;
	request->address = entry->conversions;
	request->size = entry->jobs;
	request->command = GMEM_UAPI_CONVERT;
	request->flags = batch->options.ordered ? GMEM_UAPI_CONVERT_STOP : 0;
}

static void queue_fallocate(struct gmem_batch *batch, struct gmem_wave_entry *entry,
			    struct gmem_ring_request *request)
{
	const struct gmem_job *job = &batch->jobs[batch->next_job++];

	entry->jobs = 1;
	request->kind = GMEM_RING_FALLOCATE;
	request->offset = job->offset;
	request->size = job->size;
	request->flags = FALLOC_FL_KEEP_SIZE;
	if (item_of(batch, job)->kind == GMEM_BATCH_DISCARD)
		request->flags |= FALLOC_FL_PUNCH_HOLE;
}

/* In an ordered batch nothing may pass by a job that is not for the ring. */
static bool skip_others(struct gmem_batch *batch)
{
	while (batch->next_job < batch->nr_jobs &&
	       !is_for_ring(batch, &batch->jobs[batch->next_job])) {
		if (batch->options.ordered)
			return false;
		batch->next_job++;
	}
	return batch->next_job < batch->nr_jobs;
}

static void queue_next(struct gmem_batch *batch, struct gmem_ring_request *request)
{
	struct gmem_wave_entry *entry = &batch->wave[batch->in_wave];
	const struct gmem_job *job = &batch->jobs[batch->next_job];

	*entry = (struct gmem_wave_entry){ .first_job = batch->next_job, .result = -ECANCELED };
	*request = (struct gmem_ring_request){ .fd = job->gmem->fd, .token = batch->in_wave++ };
	if (item_of(batch, job)->kind == GMEM_BATCH_CONVERT)
		queue_conversions(batch, entry, request);
	else
		queue_fallocate(batch, entry, request);
}

static int submit(struct gmem_batch *batch, unsigned int wait)
{
	int r = gmem_uring->submit(batch->ring, wait);

	batch->system_calls++;
	if (r > 0)
		batch->submitted += (unsigned int)r;
	return r;
}

bool gmem_batch_ring_begin(struct gmem_batch *batch)
{
	struct gmem_ring_request request;
	bool last;

	batch->in_wave = 0;
	batch->reaped = 0;
	batch->submitted = 0;
	if (!batch->ring)
		return false;
	while (batch->in_wave < GMEM_BATCH_ENTRIES && skip_others(batch)) {
		queue_next(batch, &request);
		/* An fallocate() that fails breaks no chain: nothing may come after it. */
		last = batch->options.ordered && request.kind == GMEM_RING_FALLOCATE;
		request.linked = batch->options.ordered && !last &&
				 batch->in_wave < GMEM_BATCH_ENTRIES && skip_others(batch);
		gmem_uring->queue(batch->ring, &request);
		if (last)
			break;
	}
	if (!batch->in_wave)
		return false;
	/* What it does not take now it takes when the batch is finished, which is to be called. */
	if (submit(batch, 0) < 0)
		gmem_sys->signal_event(batch->event_fd);
	return true;
}

/* The kernel is not trusted: a conversion is done if it says so itself. */
static bool is_done(const struct gmem_wave_entry *entry, uint64_t job)
{
	if (!entry->conversions)
		return entry->result == 0;
	return entry->conversions[job].result == 0;
}

/* Whether the kernel did not even look at the conversions. */
static bool is_no_command(const struct gmem_wave_entry *entry)
{
	return entry->conversions && entry->conversions[0].result == -ECANCELED &&
	       (entry->result == -EOPNOTSUPP || entry->result == -ENOTTY ||
		entry->result == -EINVAL);
}

/* Marks what is done; returns whether all of the wave is. */
static bool settle(struct gmem_batch *batch)
{
	bool all = true;
	unsigned int i;
	uint64_t j;

	for (i = 0; i < batch->in_wave; i++) {
		const struct gmem_wave_entry *entry = &batch->wave[i];

		for (j = 0; j < entry->jobs; j++) {
			if (!is_done(entry, j)) {
				all = false;
				continue;
			}
			gmem_batch_job_done(batch, &batch->jobs[entry->first_job + j]);
			batch->by_uring++;
		}
		batch->no_commands |= is_no_command(entry);
	}
	return all;
}

/*
 * The ring is broken. Threads do what it may be doing: twice does no harm. What the kernel may
 * still write to is not given back.
 */
static void give_up(struct gmem_batch *batch)
{
	gmem_uring->destroy(batch->ring);
	batch->ring = NULL;
	if (batch->submitted > batch->reaped)
		batch->conversions = NULL;
}

static void reap(struct gmem_batch *batch)
{
	uint64_t token;
	int result;

	while (gmem_uring->reap(batch->ring, &token, &result)) {
		if (token < batch->in_wave && batch->reaped < batch->in_wave) {
			batch->wave[token].result = result;
			batch->reaped++;
		}
	}
}

bool gmem_batch_ring_reap(struct gmem_batch *batch, bool wait)
{
	unsigned int left;
	int r;

	for (;;) {
		reap(batch);
		left = batch->in_wave - batch->reaped;
		if (!left) {
			batch->ring_failures = 0;
			if (!settle(batch) && batch->options.ordered)
				return true;
			if (!gmem_batch_ring_begin(batch))
				return true;
			continue;
		}
		r = submit(batch, wait ? left : 0);
		if (r < 0 && r != -EINTR && ++batch->ring_failures == MAX_TRIES) {
			give_up(batch);
			return true;
		}
		if (r < 0 && wait && r != -EINTR)
			gmem_sys->sleep(PAUSE_NS);
		/* What could not be submitted is to be tried again. */
		if (r < 0 && !wait)
			gmem_sys->signal_event(batch->event_fd);
		if (r <= 0 && !wait)
			return false;
	}
}
