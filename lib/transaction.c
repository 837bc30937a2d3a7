/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A conversion over slots, files and listeners, which happens whole or not at all.
 *
 * What is known of states is written at the end. Until then it is the old states, by which
 * listeners are told and failures are undone: nothing has to be remembered, nor allocated.
 */
#include <errno.h>
#include <string.h>
#include "convert.h"
#include "level.h"
#include "listener.h"
#include "record.h"
#include "transaction.h"
#include "two-backings.h"

#define COLD __attribute__((noinline, cold))

struct transaction {
	struct gmem_space *space;
	uint64_t gpa;
	uint64_t end;
	enum gmem_state state;
	/** a copy with ask_listeners() for busy; the time left is counted down */
	struct gmem_convert_options options;
	/** the caller's own */
	gmem_busy_fn busy;
	void *busy_data;
	/** the weakest way in which a policy is kept */
	enum gmem_guarantee guarantee;
	/** what is being converted, and what became of it */
	struct gmem_piece piece;
	struct gmem_error part;
	/** the most that one piece took */
	unsigned int attempts;
	/** for the journal */
	unsigned int flags;
	struct gmem_error *report;
	/** the kernel has been asked for the first piece, and this is what it said */
	bool asked;
	int result;
	uint64_t error_offset;
};

static bool fail(struct transaction *tx, int code, enum gmem_cause cause)
{
	tx->report->code = code;
	tx->report->cause = cause;
	return false;
}

static enum gmem_state other_state(enum gmem_state state)
{
	return state == GMEM_STATE_PRIVATE ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
}

static bool fail_in_piece(struct transaction *tx, const struct gmem_piece *piece, int code,
			  enum gmem_cause cause)
{
	tx->report->has_slot = piece->gmem != NULL;
	tx->report->slot = piece->slot;
	tx->report->has_first_offset = true;
	tx->report->first_offset = piece->gpa;
	return fail(tx, code, cause);
}

/* Whatever can be refused is refused before anything happens. */
static bool check_pieces(struct transaction *tx)
{
	const struct gmem_space *space = tx->space;
	enum gmem_guarantee guarantee;
	struct gmem_pieces pieces;
	struct gmem_piece piece;
	enum gmem_cause cause;

	if (space->mode == GMEM_MODE_FIXED && tx->state == GMEM_STATE_PRIVATE)
		return fail(tx, -EOPNOTSUPP, GMEM_CAUSE_NO_PRIVATE);
	if (space->mode == GMEM_MODE_FIXED && tx->options.policy)
		return fail(tx, -EOPNOTSUPP, GMEM_CAUSE_NO_POLICY);
	if (space->mode == GMEM_MODE_TWO_BACKINGS && tx->options.policy)
		return fail(tx, -EOPNOTSUPP, GMEM_CAUSE_TWO_BACKINGS);
	if (space->mode == GMEM_MODE_IN_PLACE && !gmem_level_permits(GMEM_LEVEL_CONVERT))
		return fail(tx, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	gmem_pieces_begin(&pieces, space, tx->gpa, tx->end);
	while (gmem_pieces_next(&pieces, &piece)) {
		if (!piece.gmem) {
			if (tx->state == GMEM_STATE_PRIVATE || space->holes == GMEM_HOLES_STRICT)
				return fail_in_piece(tx, &piece, -ENXIO, GMEM_CAUSE_HOLE);
			continue;
		}
		cause = gmem_convert_choose(piece.gmem, tx->state, &tx->options, &guarantee);
		if (cause)
			return fail_in_piece(tx, &piece, -EOPNOTSUPP, cause);
		if (guarantee > tx->guarantee)
			tx->guarantee = guarantee;
	}
	return true;
}

/* A page is busy: listeners get another chance, and then it is the caller's turn. */
static enum gmem_busy_action ask_listeners(const struct gmem_error *attempt, void *data)
{
	struct transaction *tx = data;
	struct gmem_piece page = tx->piece;
	uint64_t inside;

	if (attempt->attempts >= tx->attempts)
		tx->attempts = attempt->attempts + 1;
	tx->part.holder[0] = '\0';
	tx->part.listener_code = 0;
	if (attempt->has_first_offset) {
		inside = attempt->first_offset - tx->piece.offset;
		page.gpa += inside;
		page.offset += inside;
		page.size = tx->space->page_size;
		if (page.address)
			page.address = (char *)page.address + inside;
		gmem_tell_busy(tx->space, &page, &tx->part);
	}
	return tx->busy ? tx->busy(attempt, tx->busy_data) : GMEM_BUSY_BACK_OFF;
}

static void begin_part(struct transaction *tx, const struct gmem_piece *piece,
		       enum gmem_state state)
{
	tx->piece = *piece;
	tx->part = (struct gmem_error){
		.call = tx->report->call,
		.state = state,
		.policy = tx->options.policy,
		.has_range = true,
		.offset = piece->offset,
		.size = piece->size,
	};
}

/* What failed in a file, told of guest-physical memory. */
static void report_part(struct transaction *tx)
{
	const struct gmem_error *part = &tx->part;
	struct gmem_error *report = tx->report;
	uint64_t base = tx->piece.gpa - tx->piece.offset;

	report->code = part->code;
	report->kernel_code = part->kernel_code;
	report->cause = part->cause;
	report->system_call = part->system_call;
	report->attempts = part->attempts;
	report->listener_code = part->listener_code;
	memcpy(report->holder, part->holder, sizeof(report->holder));
	report->has_slot = true;
	report->slot = tx->piece.slot;
	report->has_first_offset = part->has_first_offset;
	report->first_offset = part->has_first_offset ? base + part->first_offset : 0;
	report->has_lost = part->has_lost;
	report->lost_offset = part->has_lost ? base + part->lost_offset : 0;
	report->lost_size = part->lost_size;
}

static COLD bool retry_piece(struct transaction *tx, const struct gmem_piece *piece, int result,
			     uint64_t error_offset)
{
	struct gmem_step step = { piece->gmem, piece->offset, piece->size, tx->state };

	begin_part(tx, piece, tx->state);
	return gmem_retry(&step, gmem_policy_flags(tx->options.policy), result, error_offset,
			  &tx->options, &tx->part);
}

/* The first attempt needs no report, nor what it takes to try again. */
static bool convert_in_place(struct transaction *tx, const struct gmem_piece *piece)
{
	struct gmem_step step = { piece->gmem, piece->offset, piece->size, tx->state };
	enum gmem_guarantee guarantee;
	uint64_t error_offset;
	int r;

	if (tx->asked) {
		tx->asked = false;
		return retry_piece(tx, piece, tx->result, tx->error_offset);
	}
	gmem_convert_choose(piece->gmem, tx->state, &tx->options, &guarantee);
	if (guarantee == GMEM_GUARANTEE_EMULATED) {
		begin_part(tx, piece, tx->state);
		return gmem_convert_step(&step, guarantee, &tx->options, &tx->part);
	}
	r = gmem_step_ask(&step, gmem_policy_flags(tx->options.policy), &error_offset);
	return r == 0 || retry_piece(tx, piece, r, error_offset);
}

static bool convert_apart(struct transaction *tx, const struct gmem_piece *piece)
{
	begin_part(tx, piece, tx->state);
	return (!tx->space->allocate || gmem_two_allocate(piece, tx->state, &tx->part)) &&
	       gmem_two_set(tx->space, piece->gpa, piece->size, tx->state, &tx->part);
}

static bool convert_piece(struct transaction *tx, const struct gmem_piece *piece)
{
	bool done = tx->space->mode == GMEM_MODE_TWO_BACKINGS ? convert_apart(tx, piece)
							      : convert_in_place(tx, piece);

	if (!done)
		report_part(tx);
	return done;
}

static void add_lost(struct gmem_error *report, uint64_t gpa, uint64_t size)
{
	uint64_t start = gpa, end = gpa + size, lost_end = report->lost_offset + report->lost_size;

	if (report->has_lost) {
		start = report->lost_offset < gpa ? report->lost_offset : gpa;
		end = lost_end > end ? lost_end : end;
	}
	report->has_lost = true;
	report->lost_offset = start;
	report->lost_size = end - start;
}

/* In place, back to the old state, with its contents if they were to be preserved. */
static bool convert_back(struct transaction *tx, const struct gmem_piece *run, enum gmem_state old)
{
	bool preserve = tx->options.policy == GMEM_POLICY_PRESERVE;
	uint64_t flags = preserve ? GMEM_UAPI_CONTENT_PRESERVE : 0, error_offset;
	struct gmem_step step = { run->gmem, run->offset, run->size, old };
	int r = gmem_step_ask(&step, flags, &error_offset);

	if (r == -EOPNOTSUPP && preserve) {
		preserve = false;
		flags = 0;
		r = gmem_step_ask(&step, flags, &error_offset);
	}
	if (!preserve)
		add_lost(tx->report, run->gpa, run->size);
	return r == 0 || gmem_retry(&step, flags, r, error_offset, &tx->options, &tx->part);
}

static void restore_run(struct transaction *tx, const struct gmem_piece *run, enum gmem_state old)
{
	bool done;

	begin_part(tx, run, old);
	if (tx->space->mode == GMEM_MODE_TWO_BACKINGS)
		done = gmem_two_set(tx->space, run->gpa, run->size, old, &tx->part);
	else
		done = convert_back(tx, run, old);
	if (done)
		return;
	gmem_error_add_unrestored(tx->report, run->gpa, run->size);
	gmem_piece_commit(run, tx->state);
}

/* With two backings: what was allocated for a state that memory does not have now. */
static void give_back(struct transaction *tx, uint64_t end, enum gmem_state state,
		      enum gmem_state unused)
{
	struct gmem_piece run;
	struct gmem_runs runs;

	gmem_runs_begin(&runs, tx->space, tx->gpa, end, state, 0);
	while (gmem_runs_next(&runs, &run)) {
		if (gmem_two_give_back(&run, unused))
			continue;
		__atomic_fetch_add(&tx->space->kept, run.size, __ATOMIC_RELAXED);
		tx->flags |= GMEM_JOURNAL_KEPT;
	}
}

/* Gives what was converted, up to an address, its old states back. */
static COLD void restore(struct transaction *tx, uint64_t end)
{
	enum gmem_state old = other_state(tx->state);
	struct gmem_piece run;
	struct gmem_runs runs;

	/* The policy was kept for all pages, also those that had the state. */
	if (tx->options.policy == GMEM_POLICY_ZERO && end > tx->gpa)
		add_lost(tx->report, tx->gpa, end - tx->gpa);
	gmem_runs_begin(&runs, tx->space, tx->gpa, end, old, 0);
	while (gmem_runs_next(&runs, &run))
		restore_run(tx, &run, old);
	if (tx->space->mode == GMEM_MODE_TWO_BACKINGS && tx->space->allocate)
		give_back(tx, tx->end, old, tx->state);
}

static struct gmem_telling telling(struct transaction *tx, enum gmem_where where,
				   enum gmem_state state)
{
	return (struct gmem_telling){
		.space = tx->space,
		.gpa = tx->gpa,
		.end = tx->end,
		.where = where,
		.state = state,
		.reason = GMEM_REASON_CONVERT,
		.count = tx->space->listener_count,
		.options = &tx->options,
		.report = tx->report,
	};
}

/* Returns false if a piece failed; then all of them have their old states. */
static bool convert_pieces(struct transaction *tx)
{
	struct gmem_pieces pieces;
	struct gmem_piece piece;

	gmem_pieces_begin(&pieces, tx->space, tx->gpa, tx->end);
	while (gmem_pieces_next(&pieces, &piece)) {
		if (piece.gmem && !convert_piece(tx, &piece)) {
			restore(tx, piece.gpa);
			return false;
		}
	}
	return true;
}

/* Nothing can fail any more. */
static void commit(struct transaction *tx)
{
	struct gmem_pieces pieces;
	struct gmem_piece piece;

	if (tx->space->mode == GMEM_MODE_TWO_BACKINGS)
		give_back(tx, tx->end, other_state(tx->state), other_state(tx->state));
	gmem_pieces_begin(&pieces, tx->space, tx->gpa, tx->end);
	while (gmem_pieces_next(&pieces, &piece)) {
		if (piece.gmem)
			gmem_piece_commit(&piece, tx->state);
	}
}

static bool to_private(struct transaction *tx)
{
	struct gmem_telling blocks = telling(tx, GMEM_WHERE_BLOCKS, GMEM_STATE_SHARED);
	struct gmem_telling edges = telling(tx, GMEM_WHERE_EDGES, GMEM_STATE_SHARED);

	if (!gmem_tell_release(&blocks))
		return false;
	if (!convert_pieces(tx)) {
		gmem_tell_undo(&blocks, false);
		return false;
	}
	if (!gmem_tell_populate(&edges)) {
		restore(tx, tx->end);
		gmem_tell_undo(&blocks, false);
		return false;
	}
	commit(tx);
	return true;
}

static bool to_shared(struct transaction *tx)
{
	struct gmem_telling changed = telling(tx, GMEM_WHERE_EXACT, GMEM_STATE_PRIVATE);

	if (!convert_pieces(tx))
		return false;
	if (!gmem_tell_populate(&changed)) {
		restore(tx, tx->end);
		return false;
	}
	commit(tx);
	return true;
}

static bool convert_claimed(struct transaction *tx)
{
	if (!check_pieces(tx))
		return false;
	if (tx->space->mode == GMEM_MODE_FIXED)
		return true;
	return tx->state == GMEM_STATE_PRIVATE ? to_private(tx) : to_shared(tx);
}

static COLD int refuse(struct gmem_error *reterr_error, struct gmem_error *report, int code,
		       enum gmem_cause cause)
{
	return gmem_error_refuse(reterr_error, report, code, cause);
}

static struct gmem_error report_of(uint64_t gpa, uint64_t size, enum gmem_state state,
				   const char *call)
{
	return (struct gmem_error){
		.call = call,
		.state = state,
		.guest = true,
		.has_range = true,
		.offset = gpa,
		.size = size,
	};
}

/* The range is claimed; ends the claim. */
static COLD int run_claimed(struct transaction *tx, struct gmem_claim *claim,
			    struct gmem_error *reterr_error)
{
	struct gmem_space *space = tx->space;
	bool done;

	tx->report->policy = tx->options.policy;
	tx->busy = tx->options.busy;
	tx->busy_data = tx->options.busy_data;
	tx->options.busy = ask_listeners;
	tx->options.busy_data = tx;
	/* What time is left counts for all that comes next. */
	tx->options.step_size = space->page_size;
	tx->attempts = 1;
	done = convert_claimed(tx);
	pthread_mutex_lock(&space->lock);
	if (done)
		gmem_record_conversion(space, tx->gpa, tx->end - tx->gpa, tx->state,
				       tx->options.policy, tx->attempts, tx->flags);
	else
		gmem_record_failure(space, tx->report, tx->flags);
	gmem_claim_end(space, claim);
	pthread_mutex_unlock(&space->lock);
	if (!done)
		return gmem_error_fail(reterr_error, tx->report);
	if (tx->options.ret_guarantee)
		*tx->options.ret_guarantee = tx->guarantee;
	return 0;
}

static COLD int run_with_defaults(struct transaction *tx, struct gmem_claim *claim,
				  const char *call, struct gmem_error *reterr_error)
{
	struct gmem_error report = report_of(tx->gpa, tx->end - tx->gpa, tx->state, call);

	tx->report = &report;
	tx->options = (struct gmem_convert_options){ 0 };
	gmem_retry_set_defaults(&tx->options);
	return run_claimed(tx, claim, reterr_error);
}

static COLD int run_with_options(struct gmem_space *space, uint64_t gpa, uint64_t size,
				 enum gmem_state state, const struct gmem_convert_options *options,
				 const char *call, unsigned int flags,
				 struct gmem_error *reterr_error)
{
	struct gmem_error report = report_of(gpa, size, state, call);
	struct transaction tx = {
		.space = space,
		.gpa = gpa,
		.end = gpa + size,
		.state = state,
		.flags = flags,
		.report = &report,
	};
	struct gmem_claim claim;
	int r = gmem_convert_read_options(space->page_size, options, &tx.options);

	if (r == 0 && tx.options.step_size)
		r = -EINVAL;
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &report, r);
	pthread_mutex_lock(&space->lock);
	r = gmem_claim_begin(space, &claim, gpa, gpa + (size - 1));
	pthread_mutex_unlock(&space->lock);
	if (r < 0)
		return refuse(reterr_error, &report, r, GMEM_CAUSE_LISTENER_CALLS);
	return run_claimed(&tx, &claim, reterr_error);
}

/* One slot, in place, and nobody to tell: one system call is all there is to do. */
static bool is_simple(const struct gmem_space *space, const struct gmem_piece *piece, uint64_t size)
{
	return piece->gmem && piece->size == size && !space->listener_count &&
	       space->mode == GMEM_MODE_IN_PLACE && gmem_level_permits(GMEM_LEVEL_CONVERT);
}

static int run(struct gmem_space *space, uint64_t gpa, uint64_t size, enum gmem_state state,
	       const char *call, unsigned int flags, struct gmem_error *reterr_error)
{
	struct transaction tx;
	struct gmem_pieces pieces;
	struct gmem_claim claim;
	struct gmem_piece piece;
	struct gmem_step step;
	uint64_t error_offset = 0;
	int r, asked = 0;

	pthread_mutex_lock(&space->lock);
	r = gmem_claim_begin(space, &claim, gpa, gpa + (size - 1));
	pthread_mutex_unlock(&space->lock);
	if (r < 0) {
		struct gmem_error report = report_of(gpa, size, state, call);

		return refuse(reterr_error, &report, r, GMEM_CAUSE_LISTENER_CALLS);
	}
	gmem_pieces_begin(&pieces, space, gpa, gpa + size);
	gmem_pieces_next(&pieces, &piece);
	if (is_simple(space, &piece, size)) {
		step = (struct gmem_step){ piece.gmem, piece.offset, size, state };
		r = gmem_step_ask(&step, 0, &error_offset);
		if (r == 0) {
			gmem_piece_commit(&piece, state);
			pthread_mutex_lock(&space->lock);
			gmem_record_conversion(space, gpa, size, state, GMEM_POLICY_UNSPECIFIED, 1,
					       flags);
			gmem_claim_end(space, &claim);
			pthread_mutex_unlock(&space->lock);
			return 0;
		}
		asked = 1;
	}
	tx = (struct transaction){
		.space = space,
		.gpa = gpa,
		.end = gpa + size,
		.state = state,
		.flags = flags,
		.asked = asked,
		.result = r,
		.error_offset = error_offset,
	};
	return run_with_defaults(&tx, &claim, call, reterr_error);
}

int gmem_transaction(struct gmem_space *space, uint64_t gpa, uint64_t size, enum gmem_state state,
		     const struct gmem_convert_options *options, const char *call,
		     unsigned int flags, struct gmem_error *reterr_error)
{
	enum gmem_cause cause = gmem_space_check_range(space, gpa, size);

	if (!cause && state != GMEM_STATE_SHARED && state != GMEM_STATE_PRIVATE)
		cause = GMEM_CAUSE_STATE;
	if (cause) {
		struct gmem_error report = report_of(gpa, size, state, call);

		return refuse(reterr_error, &report, -EINVAL, cause);
	}
	if (options)
		return run_with_options(space, gpa, size, state, options, call, flags,
					reterr_error);
	return run(space, gpa, size, state, call, flags, reterr_error);
}

int gmem_space_convert(struct gmem_space *space, uint64_t gpa, uint64_t size, enum gmem_state state,
		       const struct gmem_convert_options *options, struct gmem_error *reterr_error)
{
	return gmem_transaction(space, gpa, size, state, options, "gmem_space_convert", 0,
				reterr_error);
}
