/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/convert.h>
#include <string.h>
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

/* What the caller asked for. */
struct asked {
	const struct gmem *gmem;
	uint64_t offset;
	uint64_t size;
	enum gmem_state state;
	const struct gmem_convert_options *options;
	struct gmem_error *reterr_error;
};

/* One conversion that the kernel refused at least once. */
struct conversion {
	const struct gmem *gmem;
	struct gmem_convert_options options;
	struct gmem_error report;
	uint64_t deadline;
	uint64_t pause;
};

/*
 * Failures are out of line, and get what was asked in one piece, so that the way of success stays
 * short: it is to cost next to nothing beside the ioctl.
 */
#define COLD __attribute__((noinline, cold))

/* No offset of a range, whose end is 2^63 at most: tells that the kernel wrote none. */
#define NO_OFFSET UINT64_MAX

static inline int ask_kernel(const struct asked *asked, uint64_t *ret_error_offset)
{
	struct gmem_uapi_attributes request;
	int r;

	/* In halves: compilers clear all of it at once with a slow string instruction. */
	memset(&request, 0, sizeof(request) / 2);
	memset((char *)&request + sizeof(request) / 2, 0, sizeof(request) / 2);
	request.offset = asked->offset;
	request.size = asked->size;
	if (asked->state == GMEM_STATE_PRIVATE)
		request.attributes = GMEM_UAPI_ATTRIBUTE_PRIVATE;
	request.error_offset = NO_OFFSET;
	r = gmem_sys->ioctl(asked->gmem->fd, GMEM_UAPI_SET_ATTRIBUTES, (uintptr_t)&request);
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

static struct gmem_error call_report(const struct asked *asked)
{
	return (struct gmem_error){
		.call = "gmem_convert",
		.state = asked->state,
		.has_range = true,
		.offset = asked->offset,
		.size = asked->size,
	};
}

/*
 * The first attempt failed. The whole range is asked for again each time: the kernel converts all
 * of it or nothing.
 */
static COLD int retry(const struct asked *asked, int result, uint64_t error_offset)
{
	struct conversion c = { .gmem = asked->gmem, .report = call_report(asked) };

	/* Valid: they were read before the first attempt. */
	read_options(asked->options, &c.options);
	c.report.system_call = "KVM_SET_MEMORY_ATTRIBUTES2";
	set_attempt(&c, result, error_offset);
	if (result == -EAGAIN) {
		set_defaults(&c.options);
		set_deadline(&c);
		c.pause = c.options.backoff_ns;
	}
	while (result == -EAGAIN && wait_for_busy_page(&c)) {
		result = ask_kernel(asked, &error_offset);
		if (result == 0)
			return 0;
		set_attempt(&c, result, error_offset);
	}
	return gmem_error_fail(asked->reterr_error, &c.report);
}

static COLD int refuse_options(const struct asked *asked, int code)
{
	struct gmem_error error = call_report(asked);

	return gmem_error_refuse_options(asked->reterr_error, &error, code);
}

static COLD int refuse(const struct asked *asked)
{
	struct gmem_error error = call_report(asked);
	enum gmem_cause cause = gmem_range_check(asked->gmem, asked->offset, asked->size);

	if (!gmem_state_name(asked->state))
		cause = GMEM_CAUSE_STATE;
	return gmem_error_refuse(asked->reterr_error, &error, -EINVAL, cause);
}

static inline int convert(const struct asked *asked)
{
	uint64_t error_offset;
	int r = ask_kernel(asked, &error_offset);

	if (r == 0)
		return 0;
	return retry(asked, r, error_offset);
}

static __attribute__((noinline)) int convert_with_options(const struct asked *asked)
{
	struct gmem_convert_options options;
	int r = read_options(asked->options, &options);

	if (r < 0)
		return refuse_options(asked, r);
	return convert(asked);
}

int gmem_convert(struct gmem *gmem, uint64_t offset, uint64_t size, enum gmem_state state,
		 const struct gmem_convert_options *options, struct gmem_error *reterr_error)
{
	struct asked asked = { gmem, offset, size, state, options, reterr_error };

	if (gmem_range_check(gmem, offset, size) ||
	    (state != GMEM_STATE_SHARED && state != GMEM_STATE_PRIVATE))
		return refuse(&asked);
	if (options)
		return convert_with_options(&asked);
	return convert(&asked);
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
