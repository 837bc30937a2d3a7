/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "batch.h"
#include "options.h"
#include "range.h"
#include "sys.h"

static const struct gmem_answer event_answers[] = {
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static int read_options(const struct gmem_batch_options *given, struct gmem_batch_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	return options->executor > GMEM_BATCH_THREADS || options->ordered > 1 ||
			       options->threads > GMEM_BATCH_MAX_THREADS
		       ? -EINVAL
		       : 0;
}

/* Without a ring threads do all of it: no failure. */
static void make_ring(struct gmem_batch *batch)
{
	if (batch->options.executor == GMEM_BATCH_THREADS ||
	    gmem_uring->create(GMEM_BATCH_ENTRIES, &batch->ring) != 0) {
		batch->ring = NULL;
		return;
	}
	if (gmem_uring->register_event(batch->ring, batch->event_fd) == 0)
		return;
	gmem_uring->destroy(batch->ring);
	batch->ring = NULL;
}

int gmem_batch_new(const struct gmem_batch_options *given, struct gmem_batch **ret_batch,
		   struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_batch_new" };
	struct gmem_batch_options options;
	struct gmem_batch *batch;
	int r;

	if (!ret_batch)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = read_options(given, &options);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	batch = calloc(1, sizeof(*batch));
	if (!batch)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	batch->options = options;
	r = gmem_sys->make_event();
	if (r < 0) {
		free(batch);
		error.system_call = "eventfd2";
		error.attempts = 1;
		gmem_error_set_answer(&error, r, event_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	batch->event_fd = r;
	pthread_mutex_init(&batch->lock, NULL);
	make_ring(batch);
	*ret_batch = batch;
	return 0;
}

static void free_jobs(struct gmem_batch *batch)
{
	free(batch->order);
	free(batch->jobs);
	free(batch->conversions);
	batch->order = NULL;
	batch->jobs = NULL;
	batch->conversions = NULL;
	batch->room = 0;
}

void gmem_batch_free(struct gmem_batch *batch)
{
	if (!batch)
		return;
	if (batch->phase != GMEM_BATCH_IDLE)
		gmem_batch_finish(batch, true, NULL, NULL);
	if (batch->ring)
		gmem_uring->destroy(batch->ring);
	gmem_sys->close(batch->event_fd);
	pthread_mutex_destroy(&batch->lock);
	free_jobs(batch);
	free(batch);
}

static enum gmem_cause check_item(const struct gmem_batch_item *item)
{
	enum gmem_cause cause = gmem_range_check(item->gmem, item->offset, item->size);

	if (cause)
		return cause;
	switch (item->kind) {
	case GMEM_BATCH_CONVERT:
		if (!gmem_state_name(item->state))
			return GMEM_CAUSE_STATE;
		return gmem_policy_name(item->policy) ? GMEM_CAUSE_NONE : GMEM_CAUSE_ARGUMENT;
	case GMEM_BATCH_ALLOCATE:
	case GMEM_BATCH_DISCARD:
		return item->state || item->policy ? GMEM_CAUSE_ARGUMENT : GMEM_CAUSE_NONE;
	}
	return GMEM_CAUSE_ARGUMENT;
}

/* By file and offset. */
static inline bool is_before(const struct gmem_batch_item *x, const struct gmem_batch_item *y)
{
	if (x->gmem != y->gmem)
		return (uintptr_t)x->gmem < (uintptr_t)y->gmem;
	return x->offset < y->offset;
}

static bool is_sorted(const struct gmem_batch *batch)
{
	uint64_t i;

	for (i = 1; i < batch->count; i++) {
		if (is_before(&batch->items[batch->order[i]], &batch->items[batch->order[i - 1]]))
			return false;
	}
	return true;
}

/* Digits of the sort: of the offset, then of the file. */
#define DIGIT	   4
#define DIGITS	   (64 / DIGIT)
#define KEY_DIGITS (2 * DIGITS)

static inline uint64_t digit_of(const struct gmem_batch_item *item, int digit)
{
	uint64_t key = digit < DIGITS ? item->offset : (uint64_t)(uintptr_t)item->gmem;

	return key >> digit % DIGITS * DIGIT & ((1 << DIGIT) - 1);
}

/*
 * A radix sort that skips what is the same in all items, which is most of it. With comparisons it
 * would be a good part of what a batch costs. The jobs are not there yet, and their memory is large
 * enough to sort into.
 */
static void radix_sort(struct gmem_batch *batch)
{
	uint64_t *from = batch->order, *to = (uint64_t *)batch->jobs, *swap, i;
	const struct gmem_batch_item *items = batch->items;
	uint64_t differing[2] = { 0 };
	int digit;

	_Static_assert(sizeof(struct gmem_job) >= sizeof(uint64_t), "room to sort into");
	for (i = 1; i < batch->count; i++) {
		differing[0] |= items[i].offset ^ items[0].offset;
		differing[1] |= (uintptr_t)items[i].gmem ^ (uintptr_t)items[0].gmem;
	}
	for (digit = 0; digit < KEY_DIGITS; digit++) {
		uint64_t places[(1 << DIGIT) + 1] = { 0 };

		if (!(differing[digit / DIGITS] >> digit % DIGITS * DIGIT & ((1 << DIGIT) - 1)))
			continue;
		for (i = 0; i < batch->count; i++)
			places[digit_of(&items[i], digit) + 1]++;
		for (i = 1; i < 1 << DIGIT; i++)
			places[i] += places[i - 1];
		for (i = 0; i < batch->count; i++)
			to[places[digit_of(&items[from[i]], digit)]++] = from[i];
		swap = from;
		from = to;
		to = swap;
	}
	if (from != batch->order)
		memcpy(batch->order, from, (size_t)batch->count * sizeof(*from));
}

/* Returns the index of an item that overlaps another one, or count. */
static uint64_t sort(struct gmem_batch *batch)
{
	uint64_t i;

	if (!is_sorted(batch))
		radix_sort(batch);
	for (i = 1; i < batch->count; i++) {
		const struct gmem_batch_item *before = &batch->items[batch->order[i - 1]];
		const struct gmem_batch_item *item = &batch->items[batch->order[i]];

		if (item->gmem == before->gmem && item->offset < before->offset + before->size)
			return batch->order[i];
	}
	return batch->count;
}

static bool belongs_to(const struct gmem_batch *batch, const struct gmem_job *job,
		       const struct gmem_batch_item *item)
{
	const struct gmem_batch_item *first = &batch->items[batch->order[job->first]];

	return item->gmem == first->gmem && item->kind == first->kind &&
	       item->state == first->state && item->policy == first->policy &&
	       item->offset == job->offset + job->size;
}

static void make_jobs(struct gmem_batch *batch)
{
	struct gmem_job *job = NULL;
	uint64_t i;

	batch->nr_jobs = 0;
	for (i = 0; i < batch->count; i++) {
		struct gmem_batch_item *item = &batch->items[batch->order[i]];

		item->result = -ECANCELED;
		item->error_offset = UINT64_MAX;
		if (job && belongs_to(batch, job, item)) {
			job->size += item->size;
			job->count++;
			continue;
		}
		job = &batch->jobs[batch->nr_jobs++];
		*job = (struct gmem_job){ item->gmem, item->offset, item->size, i, 1, false };
	}
}

/* Memory of the batch before is used again: new one has to be zeroed by the kernel first. */
static bool allocate_jobs(struct gmem_batch *batch, uint64_t count)
{
	uint64_t i;

	if (count > batch->room) {
		free_jobs(batch);
		if (count > SIZE_MAX / sizeof(*batch->conversions))
			return false;
		batch->order = malloc((size_t)count * sizeof(*batch->order));
		batch->jobs = malloc((size_t)count * sizeof(*batch->jobs));
		if (batch->ring)
			batch->conversions = malloc((size_t)count * sizeof(*batch->conversions));
		if (!batch->order || !batch->jobs || (batch->ring && !batch->conversions)) {
			free_jobs(batch);
			return false;
		}
		batch->room = count;
	}
	for (i = 0; i < count; i++)
		batch->order[i] = i;
	return true;
}

/* Fills in why a batch cannot begin; returns false then. */
static bool check(struct gmem_batch *batch, struct gmem_batch_item *items, uint64_t count,
		  uint64_t *index, struct gmem_error *error)
{
	enum gmem_cause cause = GMEM_CAUSE_NONE;
	uint64_t i;

	for (i = 0; i < count; i++) {
		cause = check_item(&items[i]);
		if (cause)
			break;
	}
	if (!cause && !allocate_jobs(batch, count)) {
		error->code = -ENOMEM;
		error->cause = GMEM_CAUSE_MEMORY;
		return false;
	}
	if (!cause) {
		batch->items = items;
		batch->count = count;
		i = batch->options.ordered ? count : sort(batch);
		if (i == count)
			return true;
		cause = GMEM_CAUSE_OVERLAP;
		free_jobs(batch);
	}
	*index = i;
	error->code = -EINVAL;
	error->cause = cause;
	error->has_range = true;
	error->offset = items[i].offset;
	error->size = items[i].size;
	return false;
}

static void begin_threads(struct gmem_batch *batch)
{
	batch->phase = GMEM_BATCH_IN_THREADS;
	/* With nothing left to do the end can be seen at once. */
	if (!gmem_batch_threads_begin(batch))
		gmem_sys->signal_event(batch->event_fd);
}

int gmem_batch_submit(struct gmem_batch *batch, struct gmem_batch_item *items, uint64_t count,
		      uint64_t *reterr_index, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_batch_submit" };
	uint64_t index = UINT64_MAX;

	if (!batch || !items || !count) {
		error.code = -EINVAL;
		error.cause = batch && items ? GMEM_CAUSE_EMPTY : GMEM_CAUSE_ARGUMENT;
	} else if (batch->phase != GMEM_BATCH_IDLE) {
		error.code = -EBUSY;
		error.cause = GMEM_CAUSE_UNDER_WAY;
	} else {
		check(batch, items, count, &index, &error);
	}
	if (error.code) {
		if (reterr_index)
			*reterr_index = index;
		return gmem_error_fail(reterr_error, &error);
	}
	make_jobs(batch);
	batch->failed = UINT64_MAX;
	batch->next_job = 0;
	batch->by_uring = 0;
	batch->system_calls = 0;
	batch->nr_threads = 0;
	batch->running = 0;
	if (gmem_batch_ring_begin(batch))
		batch->phase = GMEM_BATCH_IN_RING;
	else
		begin_threads(batch);
	return 0;
}

/* Returns whether the batch has come to its end. */
static bool advance(struct gmem_batch *batch, bool wait)
{
	if (!wait)
		gmem_sys->clear_event(batch->event_fd);
	if (batch->phase == GMEM_BATCH_IN_RING) {
		if (!gmem_batch_ring_reap(batch, wait))
			return false;
		begin_threads(batch);
	}
	return gmem_batch_threads_end(batch, wait);
}

static void set_results(struct gmem_batch *batch)
{
	uint64_t i, j;

	for (i = 0; i < batch->nr_jobs; i++) {
		const struct gmem_job *job = &batch->jobs[i];

		for (j = job->first; job->done && j < job->first + job->count; j++)
			batch->items[batch->order[j]].result = 0;
	}
}

int gmem_batch_finish(struct gmem_batch *batch, bool wait, uint64_t *reterr_index,
		      struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_batch_finish" };
	uint64_t index = UINT64_MAX;

	if (!batch) {
		error.code = -EINVAL;
		error.cause = GMEM_CAUSE_ARGUMENT;
	} else if (batch->phase == GMEM_BATCH_IDLE) {
		error.code = -ENODATA;
		error.cause = GMEM_CAUSE_NO_BATCH;
	} else if (!advance(batch, wait)) {
		error.code = -EINPROGRESS;
		error.cause = GMEM_CAUSE_UNDER_WAY;
	} else {
		gmem_sys->clear_event(batch->event_fd);
		set_results(batch);
		batch->phase = GMEM_BATCH_IDLE;
		batch->has_result = true;
		if (batch->failed != UINT64_MAX) {
			error = batch->report;
			error.call = "gmem_batch_finish";
			index = batch->failed;
		}
	}
	if (!error.code)
		return 0;
	if (reterr_index)
		*reterr_index = index;
	return gmem_error_fail(reterr_error, &error);
}

int gmem_batch_get_fd(const struct gmem_batch *batch)
{
	return batch ? batch->event_fd : -1;
}

int gmem_batch_get_statistics(const struct gmem_batch *batch,
			      struct gmem_batch_statistics *ret_statistics)
{
	if (!batch || !ret_statistics || ret_statistics->size < sizeof(*ret_statistics))
		return -EINVAL;
	if (batch->phase != GMEM_BATCH_IDLE)
		return -EBUSY;
	ret_statistics->merged = batch->has_result ? batch->nr_jobs : 0;
	ret_statistics->by_uring = batch->by_uring;
	ret_statistics->system_calls = batch->system_calls;
	return 0;
}
