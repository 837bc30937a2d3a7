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

/* Not by its name: that is a call, for each range. */
static inline bool is_state(enum gmem_state state)
{
	switch (state) {
	case GMEM_STATE_SHARED:
	case GMEM_STATE_PRIVATE:
		return true;
	}
	return false;
}

static inline bool is_policy(enum gmem_policy policy)
{
	switch (policy) {
	case GMEM_POLICY_UNSPECIFIED:
	case GMEM_POLICY_ZERO:
	case GMEM_POLICY_PRESERVE:
		return true;
	}
	return false;
}

static enum gmem_cause check_item(const struct gmem_batch_item *item)
{
	enum gmem_cause cause = gmem_range_check(item->gmem, item->offset, item->size);

	if (cause)
		return cause;
	switch (item->kind) {
	case GMEM_BATCH_CONVERT:
		if (!is_state(item->state))
			return GMEM_CAUSE_STATE;
		return is_policy(item->policy) ? GMEM_CAUSE_NONE : GMEM_CAUSE_ARGUMENT;
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
		if (is_before(batch->order[i], batch->order[i - 1]))
			return false;
	}
	return true;
}

#define MAX_DIGIT_BITS 12

/* A radix sort under way: of the items in from[], by one digit of a key at a time, into to[]. */
struct sort {
	struct gmem_batch_item **from, **to;
	uint64_t count;
	/* Where items go whose digit is the index. */
	uint64_t *places;
	unsigned int digit_bits;
};

static inline uint64_t digit_of(const struct sort *sort, const struct gmem_batch_item *item,
				bool by_file, unsigned int shift)
{
	uint64_t key = by_file ? (uint64_t)(uintptr_t)item->gmem : item->offset;

	return key >> shift & ((UINT64_C(1) << sort->digit_bits) - 1);
}

static void sort_by_digit(struct sort *sort, bool by_file, unsigned int shift)
{
	struct gmem_batch_item **from = sort->from;
	uint64_t digits = UINT64_C(1) << sort->digit_bits, place = 0, digit, count, i;

	memset(sort->places, 0, (size_t)digits * sizeof(*sort->places));
	for (i = 0; i < sort->count; i++)
		sort->places[digit_of(sort, from[i], by_file, shift)]++;
	for (digit = 0; digit < digits; digit++) {
		count = sort->places[digit];
		sort->places[digit] = place;
		place += count;
	}
	for (i = 0; i < sort->count; i++)
		sort->to[sort->places[digit_of(sort, from[i], by_file, shift)]++] = from[i];
	sort->from = sort->to;
	sort->to = from;
}

/* Bits that are the same in all keys, most of them, are skipped. */
static void sort_by_key(struct sort *sort, bool by_file, uint64_t differing)
{
	unsigned int shift = 0, same;

	while (differing) {
		same = (unsigned int)__builtin_ctzll(differing);
		shift += same;
		differing >>= same;
		sort_by_digit(sort, by_file, shift);
		shift += sort->digit_bits;
		differing >>= sort->digit_bits;
	}
}

/*
 * With comparisons sorting would be a good part of what a batch costs. A digit has as many values
 * as there are items, so that mostly one or two will do. The jobs are not there yet, and their
 * memory is large enough to sort into, and for the places.
 */
static void radix_sort(struct gmem_batch *batch)
{
	const struct gmem_batch_item *items = batch->items;
	uint64_t offsets = 0, files = 0, i;
	struct sort sort = {
		.from = batch->order,
		.to = (struct gmem_batch_item **)batch->jobs,
		.count = batch->count,
		.places = (uint64_t *)batch->jobs + batch->count,
		.digit_bits = 63 - (unsigned int)__builtin_clzll(batch->count),
	};

	_Static_assert(sizeof(struct gmem_job) >= sizeof(*sort.to) + sizeof(*sort.places),
		       "room to sort into");
	if (sort.digit_bits > MAX_DIGIT_BITS)
		sort.digit_bits = MAX_DIGIT_BITS;
	for (i = 1; i < batch->count; i++) {
		offsets |= items[i].offset ^ items[0].offset;
		files |= (uintptr_t)items[i].gmem ^ (uintptr_t)items[0].gmem;
	}
	sort_by_key(&sort, false, offsets);
	sort_by_key(&sort, true, files);
	if (sort.from != batch->order)
		memcpy(batch->order, sort.from, (size_t)batch->count * sizeof(*sort.from));
}

/* Returns the index of an item that overlaps another one, or count. */
static uint64_t sort(struct gmem_batch *batch)
{
	const struct gmem_batch_item *item, *before = NULL;
	uint64_t i;

	if (!is_sorted(batch))
		radix_sort(batch);
	for (i = 0; i < batch->count; i++, before = item) {
		item = batch->order[i];
		if (before && item->offset < before->offset + before->size &&
		    item->gmem == before->gmem)
			return (uint64_t)(item - batch->items);
	}
	return batch->count;
}

static bool want_the_same(const struct gmem_batch_item *x, const struct gmem_batch_item *y)
{
	return x->gmem == y->gmem && x->kind == y->kind && x->state == y->state &&
	       x->policy == y->policy;
}

static void make_jobs(struct gmem_batch *batch)
{
	const struct gmem_batch_item *first = NULL;
	struct gmem_job *next = batch->jobs, *job = NULL;
	uint64_t end = 0, i;

	for (i = 0; i < batch->count; i++) {
		struct gmem_batch_item *item = batch->order[i];

		item->result = -ECANCELED;
		item->error_offset = UINT64_MAX;
		if (job && item->offset == end && want_the_same(item, first)) {
			job->size += item->size;
			job->count++;
		} else {
			first = item;
			job = next++;
			*job = (struct gmem_job){
				item->gmem, item->offset, item->size, i, 1, false
			};
		}
		end = item->offset + item->size;
	}
	batch->nr_jobs = (uint64_t)(next - batch->jobs);
}

/* Memory of the batch before is used again: new one has to be zeroed by the kernel first. */
static bool allocate_jobs(struct gmem_batch *batch, struct gmem_batch_item *items, uint64_t count)
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
		batch->order[i] = &items[i];
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
	if (!cause && !allocate_jobs(batch, items, count)) {
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
