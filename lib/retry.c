/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include "frozen.h"
#include "retry.h"

static const struct gmem_answer convert_answers[] = {
	{ -EAGAIN, -EAGAIN, GMEM_CAUSE_BUSY },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -ENOTTY, -EOPNOTSUPP, GMEM_CAUSE_NOT_IN_PLACE },
	/* The range was checked before, so that the VM's type is all that is left. */
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NO_PRIVATE },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_FROZEN },
	{ 0 },
};

/* And this one if a content policy was asked for. */
static const struct gmem_answer policy_answers[] = {
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_POLICY_REFUSED },
	{ 0 },
};

/* A step that the kernel refused at least once. */
struct attempts {
	const struct gmem_step *step;
	uint64_t flags;
	struct gmem_convert_options *options;
	struct gmem_error *report;
	struct gmem_patience patience;
};

static void set_attempt(const struct attempts *a, int result, uint64_t error_offset)
{
	struct gmem_error *report = a->report;
	const struct gmem_step *step = a->step;
	bool refused = result == -EOPNOTSUPP && a->flags;

	gmem_error_set_answer(report, result, refused ? policy_answers : convert_answers);
	report->attempts++;
	/* The kernel is not trusted: an offset that cannot be is none. */
	report->has_first_offset = (result == -EAGAIN || result == -ENOMEM || refused) &&
				   error_offset >= step->offset &&
				   error_offset - step->offset < step->size &&
				   !(error_offset & (step->gmem->page_size - 1));
	report->first_offset = report->has_first_offset ? error_offset : 0;
}

void gmem_retry_set_defaults(struct gmem_convert_options *options)
{
	if (!options->max_attempts)
		options->max_attempts = GMEM_CONVERT_DEFAULT_ATTEMPTS;
	if (!options->timeout_ns)
		options->timeout_ns = GMEM_CONVERT_DEFAULT_TIMEOUT_NS;
	if (!options->backoff_ns)
		options->backoff_ns = GMEM_CONVERT_DEFAULT_BACKOFF_NS;
	if (!options->backoff_max_ns)
		options->backoff_max_ns = GMEM_CONVERT_DEFAULT_BACKOFF_MAX_NS;
	if (options->backoff_max_ns < options->backoff_ns)
		options->backoff_max_ns = options->backoff_ns;
}

void gmem_patience_begin(struct gmem_patience *patience, const struct gmem_convert_options *options)
{
	uint64_t now = gmem_sys->now(), timeout = options->timeout_ns;

	patience->deadline = timeout > UINT64_MAX - now ? UINT64_MAX : now + timeout;
	patience->pause = options->backoff_ns;
}

bool gmem_patience_wait(struct gmem_patience *patience, const struct gmem_convert_options *options,
			bool at_once)
{
	uint64_t now = gmem_sys->now(), pause = patience->pause;

	if (now >= patience->deadline)
		return false;
	if (at_once)
		return true;
	/* The last attempt is made at the deadline, not given up before it. */
	gmem_sys->sleep(pause < patience->deadline - now ? pause : patience->deadline - now);
	patience->pause = pause > options->backoff_max_ns / 2 ? options->backoff_max_ns : 2 * pause;
	return true;
}

void gmem_patience_charge(const struct gmem_patience *patience,
			  struct gmem_convert_options *options)
{
	uint64_t now;

	if (options->timeout_ns == GMEM_CONVERT_NO_TIMEOUT)
		return;
	now = gmem_sys->now();
	options->timeout_ns = now < patience->deadline ? patience->deadline - now : 0;
}

/* Returns true if another attempt is to be made. */
static bool wait_for_busy_page(struct attempts *a)
{
	const struct gmem_convert_options *options = a->options;
	enum gmem_busy_action action = GMEM_BUSY_BACK_OFF;

	if (options->busy)
		action = options->busy(a->report, options->busy_data);
	if (action != GMEM_BUSY_BACK_OFF && action != GMEM_BUSY_RETRY_NOW) {
		a->report->code = -ECANCELED;
		a->report->cause = GMEM_CAUSE_STOPPED;
		return false;
	}
	if (a->report->attempts >= options->max_attempts)
		return false;
	return gmem_patience_wait(&a->patience, options, action == GMEM_BUSY_RETRY_NOW);
}

bool gmem_retry(const struct gmem_step *step, uint64_t flags, int result, uint64_t error_offset,
		struct gmem_convert_options *options, struct gmem_error *report)
{
	struct attempts a = { step, flags, options, report, { 0 } };

	report->system_call = "KVM_SET_MEMORY_ATTRIBUTES2";
	set_attempt(&a, result, error_offset);
	if (result == -EAGAIN)
		gmem_patience_begin(&a.patience, options);
	while (result == -EAGAIN && wait_for_busy_page(&a)) {
		result = gmem_step_ask(step, flags, &error_offset);
		if (result == 0) {
			/* Further steps have what this one left of the time. */
			if (options->step_size)
				gmem_patience_charge(&a.patience, options);
			return true;
		}
		set_attempt(&a, result, error_offset);
	}
	gmem_frozen_explain(step->gmem, report);
	return false;
}
