/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include "allocate.h"
#include "convert.h"
#include "frozen.h"
#include "level.h"
#include "options.h"
#include "range.h"
#include "retry.h"

/* What the caller asked for: the whole range as one step, until options say otherwise. */
struct asked {
	struct gmem_step whole;
	const struct gmem_convert_options *options;
	struct gmem_error *reterr_error;
};

/*
 * Failures are out of line, and get what was asked in one piece, so that the way of success stays
 * short: it is to cost next to nothing beside the ioctl.
 */
#define COLD __attribute__((noinline, cold))

static const uint64_t policy_flags[] = {
	[GMEM_POLICY_UNSPECIFIED] = 0,
	[GMEM_POLICY_ZERO] = GMEM_UAPI_CONTENT_ZERO,
	[GMEM_POLICY_PRESERVE] = GMEM_UAPI_CONTENT_PRESERVE,
};

uint64_t gmem_policy_flags(enum gmem_policy policy)
{
	return policy_flags[policy];
}

static const struct gmem_answer discard_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_FROZEN },
	{ 0 },
};

static struct gmem_error call_report(const struct asked *asked)
{
	return (struct gmem_error){
		.call = "gmem_convert",
		.state = asked->whole.state,
		.has_range = true,
		.offset = asked->whole.offset,
		.size = asked->whole.size,
	};
}

static COLD int refuse_options(const struct asked *asked, int code)
{
	struct gmem_error error = call_report(asked);

	return gmem_error_refuse_options(asked->reterr_error, &error, code);
}

static COLD int refuse_policy(const struct asked *asked, enum gmem_policy policy,
			      enum gmem_cause cause)
{
	struct gmem_error error = call_report(asked);

	error.policy = policy;
	return gmem_error_refuse(asked->reterr_error, &error, -EOPNOTSUPP, cause);
}

static COLD int refuse(const struct asked *asked)
{
	const struct gmem_step *whole = &asked->whole;
	enum gmem_cause cause = gmem_range_check(whole->gmem, whole->offset, whole->size);
	struct gmem_error error = call_report(asked);

	if (!gmem_state_name(whole->state))
		cause = GMEM_CAUSE_STATE;
	if (!cause)
		return gmem_error_refuse(asked->reterr_error, &error, -EOPNOTSUPP,
					 GMEM_CAUSE_LEVEL);
	return gmem_error_refuse(asked->reterr_error, &error, -EINVAL, cause);
}

static COLD int retry_without_options(const struct asked *asked, int result, uint64_t error_offset)
{
	struct gmem_error report = call_report(asked);
	struct gmem_convert_options options = { 0 };

	gmem_retry_set_defaults(&options);
	if (gmem_retry(&asked->whole, 0, result, error_offset, &options, &report))
		return 0;
	return gmem_error_fail(asked->reterr_error, &report);
}

int gmem_convert_read_options(uint64_t page_size, const struct gmem_convert_options *given,
			      struct gmem_convert_options *options)
{
	int r = gmem_options_read(options, sizeof(*options),
				  offsetof(struct gmem_convert_options, step_size), given);
	bool has_longest_pause;

	if (r < 0)
		return r;
	has_longest_pause = options->backoff_max_ns != 0;
	if (!gmem_policy_name(options->policy) || options->emulate > 1 || options->reserved ||
	    (options->step_size & (page_size - 1)))
		return -EINVAL;
	if (has_longest_pause &&
	    options->backoff_max_ns <
		    (options->backoff_ns ? options->backoff_ns : GMEM_CONVERT_DEFAULT_BACKOFF_NS))
		return -EINVAL;
	gmem_retry_set_defaults(options);
	return 0;
}

enum gmem_cause gmem_convert_choose(const struct gmem *gmem, enum gmem_state state,
				    const struct gmem_convert_options *options,
				    enum gmem_guarantee *ret_guarantee)
{
	uint64_t flag = policy_flags[options->policy];

	*ret_guarantee = GMEM_GUARANTEE_NONE;
	if (!flag)
		return GMEM_CAUSE_NONE;
	*ret_guarantee = GMEM_GUARANTEE_NATIVE;
	if ((gmem->policies & flag) && gmem_level_permits(GMEM_LEVEL_POLICY))
		return GMEM_CAUSE_NONE;
	*ret_guarantee = GMEM_GUARANTEE_EMULATED;
	if (options->policy == GMEM_POLICY_ZERO && state == GMEM_STATE_SHARED && options->emulate)
		return GMEM_CAUSE_NONE;
	if (gmem->policies & flag)
		return GMEM_CAUSE_LEVEL;
	return gmem->knows_policies ? GMEM_CAUSE_NO_POLICY : GMEM_CAUSE_UNKNOWN_POLICY;
}

/*
 * What makes a step zero where the kernel cannot: its pages go while they are private, so that
 * nobody ever sees what they held. See gmem_convert() for why only the caller knows if that is
 * sound.
 */
static bool discard_step(const struct gmem_step *step, struct gmem_error *report)
{
	int r = gmem_punch_hole(step->gmem, step->offset, step->size, &report->attempts);

	report->has_lost = true;
	report->lost_offset = step->offset;
	report->lost_size = step->size;
	if (r == 0) {
		report->attempts = 0;
		return true;
	}
	/* These two come before anything is done. */
	if (r == -EBADF || r == -EPERM)
		report->has_lost = false;
	report->system_call = "fallocate";
	gmem_error_set_answer(report, r, discard_answers);
	gmem_frozen_explain(step->gmem, report);
	return false;
}

bool gmem_convert_step(const struct gmem_step *step, enum gmem_guarantee guarantee,
		       struct gmem_convert_options *options, struct gmem_error *report)
{
	uint64_t flags = guarantee == GMEM_GUARANTEE_NATIVE ? policy_flags[options->policy] : 0;
	uint64_t error_offset;
	int r;

	if (guarantee == GMEM_GUARANTEE_EMULATED && !discard_step(step, report))
		return false;
	r = gmem_step_ask(step, flags, &error_offset);
	if (r != 0 && !gmem_retry(step, flags, r, error_offset, options, report))
		return false;
	/* What happened in this step is not to be told of the next. */
	report->attempts = 0;
	report->has_first_offset = false;
	report->has_lost = false;
	return true;
}

static __attribute__((noinline)) int convert_with_options(const struct asked *asked)
{
	uint64_t end = asked->whole.offset + asked->whole.size;
	struct gmem_error report = call_report(asked);
	struct gmem_convert_options options;
	struct gmem_step step = asked->whole;
	enum gmem_guarantee guarantee;
	enum gmem_cause cause;
	int r = gmem_convert_read_options(asked->whole.gmem->page_size, asked->options, &options);

	if (r < 0)
		return refuse_options(asked, r);
	cause = gmem_convert_choose(asked->whole.gmem, asked->whole.state, &options, &guarantee);
	if (cause)
		return refuse_policy(asked, options.policy, cause);
	report.policy = options.policy;

	for (; step.offset < end; step.offset += step.size) {
		step.size = end - step.offset;
		if (options.step_size && options.step_size < step.size)
			step.size = options.step_size;
		report.done = step.offset - asked->whole.offset;
		if (!gmem_convert_step(&step, guarantee, &options, &report))
			return gmem_error_fail(asked->reterr_error, &report);
	}
	if (options.ret_guarantee)
		*options.ret_guarantee = guarantee;
	return 0;
}

int gmem_convert(struct gmem *gmem, uint64_t offset, uint64_t size, enum gmem_state state,
		 const struct gmem_convert_options *options, struct gmem_error *reterr_error)
{
	struct asked asked = { { gmem, offset, size, state }, options, reterr_error };
	uint64_t error_offset;
	int r;

	if (gmem_range_check(gmem, offset, size) ||
	    (state != GMEM_STATE_SHARED && state != GMEM_STATE_PRIVATE) ||
	    !gmem_level_permits(GMEM_LEVEL_CONVERT))
		return refuse(&asked);
	if (options)
		return convert_with_options(&asked);
	r = gmem_step_ask(&asked.whole, 0, &error_offset);
	if (r == 0)
		return 0;
	return retry_without_options(&asked, r, error_offset);
}

const char *gmem_state_name(enum gmem_state state)
{
	switch (state) {
	case GMEM_STATE_SHARED:
		return "shared";
	case GMEM_STATE_PRIVATE:
		return "private";
	}
	return NULL;
}

const char *gmem_policy_name(enum gmem_policy policy)
{
	switch (policy) {
	case GMEM_POLICY_UNSPECIFIED:
		return "unspecified";
	case GMEM_POLICY_ZERO:
		return "zero";
	case GMEM_POLICY_PRESERVE:
		return "preserve";
	}
	return NULL;
}

const char *gmem_guarantee_name(enum gmem_guarantee guarantee)
{
	switch (guarantee) {
	case GMEM_GUARANTEE_NONE:
		return "none";
	case GMEM_GUARANTEE_NATIVE:
		return "native";
	case GMEM_GUARANTEE_EMULATED:
		return "emulated";
	}
	return NULL;
}
