/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * One system call's worth of a conversion, and what happens when it finds a busy page.
 */
#ifndef GMEM_RETRY_H
#define GMEM_RETRY_H

#include <libgmem/convert.h>
#include <string.h>
#include "file.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

struct gmem_step {
	const struct gmem *gmem;
	uint64_t offset;
	uint64_t size;
	enum gmem_state state;
};

/** No offset of a range, whose end is 2^63 at most: tells that the kernel wrote none. */
#define GMEM_NO_OFFSET UINT64_MAX

/**
 * gmem_step_ask() - the system call; returns what the kernel answered
 *
 * @flags: GMEM_UAPI_CONTENT_ flags, which the kernel must have announced
 */
static inline int gmem_step_ask(const struct gmem_step *step, uint64_t flags,
				uint64_t *ret_error_offset)
{
	struct gmem_uapi_attributes request;
	int r;

	/* In halves: compilers clear all of it at once with a slow string instruction. */
	memset(&request, 0, sizeof(request) / 2);
	memset((char *)&request + sizeof(request) / 2, 0, sizeof(request) / 2);
	request.offset = step->offset;
	request.size = step->size;
	request.flags = flags;
	if (step->state == GMEM_STATE_PRIVATE)
		request.attributes = GMEM_UAPI_ATTRIBUTE_PRIVATE;
	request.error_offset = GMEM_NO_OFFSET;
	r = gmem_sys->ioctl(step->gmem->fd, GMEM_UAPI_SET_ATTRIBUTES, (uintptr_t)&request);
	*ret_error_offset = request.error_offset;
	return r;
}

/** gmem_retry_set_defaults() - replace the members that are 0 by what that means */
void gmem_retry_set_defaults(struct gmem_convert_options *options);

/** How long somebody who has to wait goes on: of one step, or of one listener. */
struct gmem_patience {
	uint64_t deadline;
	uint64_t pause;
};

/** gmem_patience_begin() - the first attempt failed: from now on time counts */
void gmem_patience_begin(struct gmem_patience *patience,
			 const struct gmem_convert_options *options);

/** gmem_patience_wait() - false if the time is over; else, after a pause, true */
bool gmem_patience_wait(struct gmem_patience *patience, const struct gmem_convert_options *options,
			bool at_once);

/** gmem_patience_charge() - what is left of the time is for what comes next */
void gmem_patience_charge(const struct gmem_patience *patience,
			  struct gmem_convert_options *options);

/**
 * gmem_retry() - the first attempt of a step failed: try again as the options say
 *
 * @step: the step; all of it is asked for again each time: the kernel converts all or nothing
 * @flags: what gmem_step_ask() got
 * @result: what the kernel answered to the first attempt
 * @error_offset: and what it wrote
 * @options: with defaults set; timeout_ns becomes what is left of it for further steps
 * @report: what the call is about; the failure is put in
 *
 * Returns true if the step was converted in the end.
 */
bool gmem_retry(const struct gmem_step *step, uint64_t flags, int result, uint64_t error_offset,
		struct gmem_convert_options *options, struct gmem_error *report);

#endif
