/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about host users that hold pages: pin, unpin. */
#include "run.h"

static void run_pin(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_mapping *mapping = run_mapping(run, step, "mapping");
	uint64_t offset = flow_number(step, "offset", 0), size = flow_number(step, "size", 0);
	char range[64];
	int err;

	if (!size || offset > mapping->size || size > mapping->size - offset) {
		outcome_broken(outcome,
			       "the range is not inside of the mapping, which has 0x%llx "
			       "bytes",
			       (unsigned long long)mapping->size);
		return;
	}
	err = pin_new(mapping->address + offset, size,
		      &run->object[flow_number(step, "name", 0)].pin);
	if (err) {
		outcome_call_failed(outcome, "registering a buffer with io_uring", err);
		return;
	}
	output_range(range, sizeof(range), mapping->offset + offset, size);
	outcome_done(outcome, "an io_uring holds %s of %s", range,
		     run->flow->object[mapping->file].name);
}

static void run_unpin(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct pin **pin = &run->object[flow_number(step, "pin", 0)].pin;

	outcome_done(outcome, "%s", *pin ? "the pages are let go" : "it had let go already");
	pin_free(*pin);
	*pin = NULL;
}

const struct verb verbs_pin[] = {
	{
		.name = "pin",
		.syntax = "<new-pin:name> <mapping:mapping> <number:offset> <number:size>",
		.help = "hold pages of a mapping, as a registered buffer of an io_uring",
		.needs = NEED_PIN,
		.run = run_pin,
	},
	{
		.name = "unpin",
		.syntax = "<end-pin:pin>",
		.help = "let the pages go",
		.run = run_unpin,
	},
	{ 0 },
};
