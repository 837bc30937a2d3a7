/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Converting as a VMM does it: bounded retries, and a listener that lets go when it is asked. */
#include <stdio.h>
#include <string.h>

#include "run.h"

#define NS_PER_MS 1000000ULL

struct story {
	struct pin **release;
	unsigned int busy; /* attempts that found a busy page */
	uint64_t first_busy;
	bool released;
};

static enum gmem_busy_action on_busy(const struct gmem_error *attempt, void *data)
{
	struct story *story = data;

	if (!story->busy++)
		gmem_error_get_first_offset(attempt, &story->first_busy);
	if (!story->release || !*story->release)
		return GMEM_BUSY_BACK_OFF;
	pin_free(*story->release);
	*story->release = NULL;
	story->released = true;
	return GMEM_BUSY_RETRY_NOW;
}

const char *check_convert_options(const struct flow_step *step)
{
	uint64_t attempts = flow_number(step, "attempts", 1);
	uint64_t timeout = flow_number(step, "timeout", 1);

	if (flow_arg(step, "zero") && flow_arg(step, "preserve"))
		return "expected zero or preserve, not both";
	if (flow_arg(step, "emulate") && !flow_arg(step, "zero"))
		return "expected zero with emulate: nothing else can be emulated";
	if (!attempts || attempts > UINT32_MAX)
		return "expected 1 to 4294967295 attempts";
	if (!timeout || timeout > 3600 * 1000)
		return "expected a timeout of 1 to 3600000 milliseconds";
	return NULL;
}

unsigned int convert_options_need(const struct flow_step *step)
{
	bool policy = flow_arg(step, "zero") || flow_arg(step, "preserve");

	return policy && !flow_arg(step, "emulate") ? NEED_POLICY : 0;
}

static enum gmem_policy step_policy(const struct flow_step *step)
{
	return flow_arg(step, "zero")	    ? GMEM_POLICY_ZERO
	       : flow_arg(step, "preserve") ? GMEM_POLICY_PRESERVE
					    : GMEM_POLICY_UNSPECIFIED;
}

static void tell_story(const struct story *story, const char *released, enum gmem_policy policy,
		       enum gmem_guarantee guarantee, char *ret_story, size_t size)
{
	int used = 0;

	ret_story[0] = '\0';
	if (policy)
		used = snprintf(ret_story, size, "%s, %s", gmem_policy_name(policy),
				guarantee == GMEM_GUARANTEE_EMULATED ? "emulated by the library"
								     : "kept by the kernel");
	if (story->busy && (size_t)used < size)
		snprintf(ret_story + used, size - (size_t)used,
			 "%s%u busy attempt%s, the first at 0x%llx%s%s%s", used ? "; " : "",
			 story->busy, story->busy == 1 ? "" : "s",
			 (unsigned long long)story->first_busy, story->released ? "; " : "",
			 story->released ? released : "",
			 story->released ? " was asked and let go" : "");
}

int run_convert(struct flow_run *run, const struct flow_step *step, struct run_file *file,
		uint64_t offset, uint64_t size, enum gmem_state state, char *ret_story,
		size_t story_size)
{
	const struct flow_arg *release = flow_arg(step, "release");
	enum gmem_guarantee guarantee = GMEM_GUARANTEE_NONE;
	struct story story = { 0 };
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = (uint32_t)flow_number(step, "attempts", 0),
		.timeout_ns = flow_number(step, "timeout", 0) * NS_PER_MS,
		.busy = on_busy,
		.busy_data = &story,
		.policy = step_policy(step),
		.emulate = flow_arg(step, "emulate") != NULL,
		.step_size = flow_number(step, "step", 0),
		.ret_guarantee = &guarantee,
	};
	int err;

	if (release)
		story.release = &run->object[release->number].pin;
	err = gmem_convert(file->gmem, offset, size, state, &options, run->report);
	tell_story(&story, release ? release->word : "", options.policy, guarantee, ret_story,
		   story_size);
	return err;
}
