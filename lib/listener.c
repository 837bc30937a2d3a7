/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "array.h"
#include "convert.h"
#include "listener.h"
#include "options.h"
#include "record.h"

/* No address of memory: nothing has failed. */
#define NOWHERE UINT64_MAX

static int call(const struct gmem_listener *listener, bool release, const struct gmem_piece *run,
		enum gmem_reason reason)
{
	gmem_listener_fn function = release ? listener->release : listener->populate;
	struct gmem_notice notice = {
		.gpa = run->gpa,
		.size = run->size,
		.gmem = run->gmem,
		.offset = run->offset,
		.address = run->address,
		.slot = run->slot,
		.reason = reason,
	};

	return function ? function(&notice, listener->data) : 0;
}

/* As often as the listener asks for more time, and there is some. */
static int call_patiently(const struct gmem_telling *t, const struct gmem_listener *listener,
			  bool release, const struct gmem_piece *run, enum gmem_reason reason)
{
	int r = call(listener, release, run, reason);
	struct gmem_patience patience;
	unsigned int attempts = 1;

	if (r != -EAGAIN)
		return r;
	gmem_patience_begin(&patience, t->options);
	while (r == -EAGAIN && attempts < t->options->max_attempts &&
	       gmem_patience_wait(&patience, t->options, false)) {
		r = call(listener, release, run, reason);
		attempts++;
	}
	gmem_patience_charge(&patience, t->options);
	return r;
}

static void set_refusal(struct gmem_error *report, const struct gmem_listener *listener, int code,
			const struct gmem_piece *run)
{
	report->code = code == -EAGAIN ? -EAGAIN : -ECANCELED;
	report->cause = code == -EAGAIN ? GMEM_CAUSE_LISTENER_BUSY : GMEM_CAUSE_LISTENER;
	report->listener_code = code;
	memcpy(report->holder, listener->name, sizeof(report->holder));
	report->has_first_offset = true;
	report->first_offset = run->gpa;
	report->has_slot = true;
	report->slot = run->slot;
}

static void set_detached(struct gmem_error *report, const struct gmem_listener *listener,
			 const struct gmem_piece *run)
{
	if (report->detached[0])
		return;
	memcpy(report->detached, listener->name, sizeof(report->detached));
	report->detached_part = (struct gmem_error_part){ run->gpa, run->size };
}

/* The memory that a listener is told of, in two parts at most. */
static void find_parts(const struct gmem_telling *t, const struct gmem_listener *listener,
		       uint64_t starts[2], uint64_t ends[2])
{
	uint64_t mask = listener->granularity ? listener->granularity - 1 : 0;
	uint64_t block_start = t->gpa & ~mask, block_end = ((t->end - 1) | mask) + 1;

	/* The last block of all can end at 2^64; nothing is there. */
	if (block_end == 0)
		block_end = UINT64_MAX & ~(t->space->page_size - 1);
	starts[0] = t->where == GMEM_WHERE_EXACT ? t->gpa : block_start;
	ends[0] = t->where == GMEM_WHERE_EXACT ? t->end : block_end;
	starts[1] = ends[1] = 0;
	if (t->where == GMEM_WHERE_EDGES) {
		ends[0] = t->gpa;
		starts[1] = t->end;
		ends[1] = block_end;
	}
}

/*
 * Tells one listener of all runs below an address. Returns the address of the run that it refused,
 * or NOWHERE. When things are undone no answer stops it.
 */
static uint64_t tell(const struct gmem_telling *t, size_t index, bool release,
		     enum gmem_reason reason, uint64_t below)
{
	const struct gmem_listener *listener = t->space->listeners[index];
	uint64_t starts[2], ends[2];
	struct gmem_piece run;
	struct gmem_runs runs;
	int part, r;

	find_parts(t, listener, starts, ends);
	for (part = 0; part < 2; part++) {
		gmem_runs_begin(&runs, t->space, starts[part], ends[part], t->state,
				listener->granularity);
		while (gmem_runs_next(&runs, &run)) {
			if (run.gpa >= below)
				return NOWHERE;
			r = call_patiently(t, listener, release, &run, reason);
			if (r != 0 && reason == GMEM_REASON_UNDO) {
				set_detached(t->report, listener, &run);
			} else if (r != 0 && !t->report->code) {
				set_refusal(t->report, listener, r, &run);
			}
			if (t->report->code && !t->to_the_end && reason != GMEM_REASON_UNDO)
				return run.gpa;
		}
	}
	return NOWHERE;
}

bool gmem_tell_release(const struct gmem_telling *t)
{
	size_t i, told = t->first + t->count;
	uint64_t refused = NOWHERE;

	while (told > t->first && refused == NOWHERE)
		refused = tell(t, --told, true, t->reason, NOWHERE);
	if (refused == NOWHERE)
		return true;
	/* The one that refused has let go of what is below. */
	for (i = told; i < t->first + t->count; i++)
		tell(t, i, false, GMEM_REASON_UNDO, i == told ? refused : NOWHERE);
	return false;
}

bool gmem_tell_populate(const struct gmem_telling *t)
{
	size_t i = t->first, told;
	uint64_t refused = NOWHERE;

	for (told = t->first; told < t->first + t->count && refused == NOWHERE; told++)
		refused = tell(t, told, false, t->reason, NOWHERE);
	if (refused == NOWHERE)
		return true;
	for (i = told; i > t->first; i--)
		tell(t, i - 1, true, GMEM_REASON_UNDO, i == told ? refused : NOWHERE);
	return false;
}

void gmem_tell_undo(const struct gmem_telling *t, bool release)
{
	size_t i;

	for (i = 0; i < t->count; i++)
		tell(t, t->first + (release ? t->count - 1 - i : i), release, GMEM_REASON_UNDO,
		     NOWHERE);
}

void gmem_tell_busy(struct gmem_space *space, const struct gmem_piece *page,
		    struct gmem_error *report)
{
	size_t i;
	int r;

	report->holder[0] = '\0';
	report->listener_code = 0;
	for (i = space->listener_count; i > 0; i--) {
		r = call(space->listeners[i - 1], true, page, GMEM_REASON_BUSY);
		if (r == 0 || report->holder[0])
			continue;
		memcpy(report->holder, space->listeners[i - 1]->name, sizeof(report->holder));
		report->listener_code = r;
	}
}

static void find_granularity(struct gmem_space *space)
{
	size_t i;

	space->granularity = space->page_size;
	for (i = 0; i < space->listener_count; i++) {
		if (space->listeners[i]->granularity > space->granularity)
			space->granularity = space->listeners[i]->granularity;
	}
}

/* Behind those of the same order. Returns false if there is no memory. */
static bool insert(struct gmem_space *space, struct gmem_listener *listener, size_t *ret_index)
{
	size_t i = space->listener_count;

	if (!gmem_array_grow((void **)&space->listeners, space->listener_count,
			     &space->listener_room, sizeof(*space->listeners)))
		return false;
	for (; i > 0 && space->listeners[i - 1]->order > listener->order; i--)
		space->listeners[i] = space->listeners[i - 1];
	space->listeners[i] = listener;
	space->listener_count++;
	*ret_index = i;
	return true;
}

/* Of the whole space, with patience as by default. */
static struct gmem_telling tell_all(struct gmem_space *space, size_t index,
				    struct gmem_convert_options *options, struct gmem_error *report)
{
	*options = (struct gmem_convert_options){ 0 };
	gmem_retry_set_defaults(options);
	return (struct gmem_telling){
		.space = space,
		.end = UINT64_MAX & ~(space->page_size - 1),
		.where = GMEM_WHERE_EXACT,
		.state = GMEM_STATE_SHARED,
		.reason = GMEM_REASON_LISTENER,
		.first = index,
		.count = 1,
		.options = options,
		.report = report,
	};
}

/* Ends the claim. */
static void leave(struct gmem_space *space, struct gmem_claim *claim,
		  const struct gmem_listener *listener)
{
	size_t i = 0;

	pthread_mutex_lock(&space->lock);
	while (space->listeners[i] != listener)
		i++;
	memmove(&space->listeners[i], &space->listeners[i + 1],
		(space->listener_count - i - 1) * sizeof(*space->listeners));
	space->listener_count--;
	find_granularity(space);
	gmem_claim_end(space, claim);
	pthread_mutex_unlock(&space->lock);
}

static int add(struct gmem_listener *listener, struct gmem_error *error)
{
	struct gmem_space *space = listener->space;
	struct gmem_convert_options options;
	struct gmem_telling telling;
	struct gmem_claim claim;
	bool inserted;
	size_t index;

	error->code = gmem_claim_all(space, &claim);
	error->cause = GMEM_CAUSE_LISTENER_CALLS;
	if (error->code < 0)
		return error->code;
	pthread_mutex_lock(&space->lock);
	inserted = insert(space, listener, &index);
	find_granularity(space);
	if (!inserted)
		gmem_claim_end(space, &claim);
	pthread_mutex_unlock(&space->lock);
	if (!inserted) {
		error->cause = GMEM_CAUSE_MEMORY;
		return error->code = -ENOMEM;
	}
	telling = tell_all(space, index, &options, error);
	if (!gmem_tell_populate(&telling)) {
		leave(space, &claim, listener);
		return error->code;
	}
	pthread_mutex_lock(&space->lock);
	gmem_record_listener(space, 1, listener->granularity, 0);
	gmem_claim_end(space, &claim);
	pthread_mutex_unlock(&space->lock);
	return 0;
}

static int read_options(const struct gmem_space *space, const struct gmem_listener_options *given,
			struct gmem_listener_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);
	uint64_t granularity = options->granularity;

	if (r < 0)
		return r;
	if (!options->name || !options->name[0] || !options->release || options->reserved)
		return -EINVAL;
	if (granularity && (granularity < space->page_size || (granularity & (granularity - 1))))
		return -EINVAL;
	return 0;
}

int gmem_listener_add(struct gmem_space *space, const struct gmem_listener_options *options,
		      struct gmem_listener **ret_listener, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_listener_add", .guest = true };
	struct gmem_listener_options known;
	struct gmem_listener *listener;
	size_t length;
	int r;

	if (!space || !options || !ret_listener)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = read_options(space, options, &known);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	*listener = (struct gmem_listener){
		.space = space,
		.release = known.release,
		.populate = known.populate,
		.data = known.data,
		.granularity = known.granularity,
		.order = known.order,
	};
	length = strnlen(known.name, GMEM_LISTENER_NAME_MAX);
	memcpy(listener->name, known.name, length);
	r = add(listener, &error);
	if (r < 0) {
		free(listener);
		return gmem_error_fail(reterr_error, &error);
	}
	*ret_listener = listener;
	return 0;
}

int gmem_listener_remove(struct gmem_listener *listener, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_listener_remove", .guest = true };
	struct gmem_convert_options options;
	struct gmem_telling telling;
	struct gmem_claim claim;
	struct gmem_space *space;
	size_t index = 0;

	if (!listener)
		return 0;
	space = listener->space;
	if (gmem_claim_all(space, &claim) < 0)
		return gmem_error_refuse(reterr_error, &error, -EDEADLK, GMEM_CAUSE_LISTENER_CALLS);
	while (space->listeners[index] != listener)
		index++;
	telling = tell_all(space, index, &options, &error);
	telling.to_the_end = true;
	tell(&telling, index, true, telling.reason, NOWHERE);
	pthread_mutex_lock(&space->lock);
	gmem_record_listener(space, 2, listener->granularity, error.code);
	pthread_mutex_unlock(&space->lock);
	leave(space, &claim, listener);
	free(listener);
	return error.code ? gmem_error_fail(reterr_error, &error) : 0;
}
