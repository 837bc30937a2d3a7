/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/convert.h>
#include "options.h"
#include "range.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

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

/* One conversion that the kernel refused at least once. */
struct conversion {
	const struct gmem *gmem;
	struct gmem_convert_options options;
	struct gmem_error report;
	uint64_t deadline;
	uint64_t pause;
};

#define COLD __attribute__((noinline, cold))

/* No offset of a range, whose end is 2^63 at most: tells that the kernel wrote none. */
#define NO_OFFSET UINT64_MAX

static int ask_kernel(const struct gmem *gmem, uint64_t offset, uint64_t size,
		      enum gmem_state state, uint64_t *ret_error_offset)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = size,
		.attributes = state == GMEM_STATE_PRIVATE ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
		.error_offset = NO_OFFSET,
	};
	int r = gmem_sys->ioctl(gmem->fd, GMEM_UAPI_SET_ATTRIBUTES, (uintptr_t)&request);

	*ret_error_offset = request.error_offset;
	return r;
}

static void set_attempt(struct conversion *c, int result, uint64_t error_offset)
{
	struct gmem_error *report = &c->report;

	gmem_error_set_answer(report, result, convert_answers);
	report->attempts++;
	/* The kernel is not trusted: an offset that cannot be is none. */
	report->has_first_offset = (result == -EAGAIN || result == -ENOMEM) &&
				   error_offset >= report->offset &&
				   error_offset - report->offset < report->size &&
				   !(error_offset & (c->gmem->page_size - 1));
	report->first_offset = report->has_first_offset ? error_offset : 0;
}

static void set_defaults(struct gmem_convert_options *options)
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

static void set_deadline(struct conversion *c)
{
	uint64_t now = gmem_sys->now();

	c->deadline =
		c->options.timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + c->options.timeout_ns;
}

/* Returns true if another attempt is to be made. */
static bool wait_for_busy_page(struct conversion *c)
{
	const struct gmem_convert_options *options = &c->options;
	enum gmem_busy_action action = GMEM_BUSY_BACK_OFF;
	uint64_t now;

	if (options->busy)
		action = options->busy(&c->report, options->busy_data);
	if (action != GMEM_BUSY_BACK_OFF && action != GMEM_BUSY_RETRY_NOW) {
		c->report.code = -ECANCELED;
		c->report.cause = GMEM_CAUSE_STOPPED;
		return false;
	}
	if (c->report.attempts >= options->max_attempts)
		return false;
	now = gmem_sys->now();
	if (now >= c->deadline)
		return false;
	if (action == GMEM_BUSY_RETRY_NOW)
		return true;
	/* The last attempt is made at the deadline, not given up before it. */
	gmem_sys->sleep(c->pause < c->deadline - now ? c->pause : c->deadline - now);
	c->pause = c->pause > options->backoff_max_ns / 2 ? options->backoff_max_ns : 2 * c->pause;
	return true;
}

static int read_options(const struct gmem_convert_options *given,
			struct gmem_convert_options *options)
{
	uint64_t first;
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	first = options->backoff_ns ? options->backoff_ns : GMEM_CONVERT_DEFAULT_BACKOFF_NS;
	if (options->reserved || (options->backoff_max_ns && options->backoff_max_ns < first))
		return -EINVAL;
	return 0;
}

static int check_options(const struct gmem_convert_options *given)
{
	struct gmem_convert_options options;

	return read_options(given, &options);
}

static struct gmem_error call_report(uint64_t offset, uint64_t size, enum gmem_state state)
{
	return (struct gmem_error){
		.call = "gmem_convert",
		.state = state,
		.has_range = true,
		.offset = offset,
		.size = size,
	};
}

/*
 * The first attempt failed. The whole range is asked for again each time: the kernel converts all
 * of it or nothing.
 *
 * Failures are out of line, so that the way of success stays short: it is to cost next to nothing
 * beside the ioctl.
 */
static COLD int retry(const struct gmem *gmem, uint64_t offset, uint64_t size,
		      enum gmem_state state, const struct gmem_convert_options *options, int result,
		      uint64_t error_offset, struct gmem_error *reterr_error)
{
	struct conversion c = { .gmem = gmem, .report = call_report(offset, size, state) };

	/* Valid: they were read before the first attempt. */
	read_options(options, &c.options);
	c.report.system_call = "KVM_SET_MEMORY_ATTRIBUTES2";
	set_attempt(&c, result, error_offset);
	if (result == -EAGAIN) {
		set_defaults(&c.options);
		set_deadline(&c);
		c.pause = c.options.backoff_ns;
	}
	while (result == -EAGAIN && wait_for_busy_page(&c)) {
		result = ask_kernel(gmem, offset, size, state, &error_offset);
		if (result == 0)
			return 0;
		set_attempt(&c, result, error_offset);
	}
	return gmem_error_fail(reterr_error, &c.report);
}

static COLD int refuse_options(int code, uint64_t offset, uint64_t size, enum gmem_state state,
			       struct gmem_error *reterr_error)
{
	struct gmem_error error = call_report(offset, size, state);

	return gmem_error_refuse_options(reterr_error, &error, code);
}

static COLD int refuse(enum gmem_cause cause, uint64_t offset, uint64_t size, enum gmem_state state,
		       struct gmem_error *reterr_error)
{
	struct gmem_error error = call_report(offset, size, state);

	return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
}

int gmem_convert(struct gmem *gmem, uint64_t offset, uint64_t size, enum gmem_state state,
		 const struct gmem_convert_options *options, struct gmem_error *reterr_error)
{
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	uint64_t error_offset;
	int r;

	if (state != GMEM_STATE_SHARED && state != GMEM_STATE_PRIVATE)
		cause = GMEM_CAUSE_STATE;
	if (cause)
		return refuse(cause, offset, size, state, reterr_error);
	r = options ? check_options(options) : 0;
	if (r < 0)
		return refuse_options(r, offset, size, state, reterr_error);

	r = ask_kernel(gmem, offset, size, state, &error_offset);
	if (r == 0)
		return 0;
	return retry(gmem, offset, size, state, options, r, error_offset, reterr_error);
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
