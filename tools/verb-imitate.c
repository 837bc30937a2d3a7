/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs that play the part of hardware that is not there: imitate, launch-update. */
#include <errno.h>
#include <stdio.h>

#include "run.h"

static void run_imitate(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	static const char *const told[] = {
		"as they are: a conversion leaves the bytes alone",
		"as ones that fill converted pages with noise",
		"as TDX guests that run: converted pages are zero, and nothing is preserved",
		"as SNP guests that run: converted pages are noise, and nothing is preserved",
	};
	const struct flow_arg *what = flow_arg(step, "what");
	int err = imitation_begin(what->word);

	(void)run;
	if (err)
		outcome_call_failed(outcome, "setting kvm.gmem_imitate", err);
	else
		outcome_done(outcome, "software-protected VMs behave %s", told[what->number]);
}

/*
 * SNP_LAUNCH_UPDATE of the CPUID page: the firmware looks at the page, refuses what is not safe to
 * tell a guest, and writes into the page what it would accept. The small guest plays the firmware:
 * it can get at private memory, and the host cannot.
 */
static void run_launch_update(struct flow_run *run, const struct flow_step *step,
			      struct outcome *outcome)
{
	uint64_t gpa = flow_number(step, "gpa", 0), value = flow_number(step, "value", 0);
	const struct run_slot *slot = run_find_slot(run, step->vm, gpa, 4096);
	struct guestvm_cmd read = { GUESTVM_READ64, { gpa } };
	struct guestvm_cmd write = { GUESTVM_WRITE64, { gpa, value } };
	enum gmem_state state;
	int err;

	if (!slot || !run->object[slot->file].file.gmem) {
		outcome_broken(outcome, "no slot has the page");
		return;
	}
	err = gmem_get_state(run->object[slot->file].file.gmem, slot->offset + (gpa - slot->gpa),
			     &state, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	if (state != GMEM_STATE_PRIVATE) {
		outcome_refused(outcome, -EINVAL, "the page is shared, and a guest starts private");
		return;
	}
	if (!run_guest_start(run, step, &read, outcome))
		return;
	if (run->guest.result.value == value) {
		outcome_done(outcome, "the firmware (imitated) accepts the page");
		return;
	}
	if (!run_guest_start(run, step, &write, outcome))
		return;
	outcome_refused(outcome, -EIO,
			"the firmware (imitated) refuses, and has written what it would accept");
}

static const char *check_launch_update(const struct flow_step *step)
{
	return flow_number(step, "gpa", 0) % 4096 ? "expected the address of a page of 4K" : NULL;
}

const struct verb verbs_imitate[] = {
	{
		.name = "imitate",
		.syntax = "{what:none|scramble|tdx|snp-finalized}",
		.help = "make software-protected VMs treat content like others, up to the flow's "
			"end",
		.needs = NEED_IMITATE,
		.run = run_imitate,
	},
	{
		.name = "launch-update",
		.syntax = "<number:gpa> <number:value> [vm <vm:vm>]",
		.help = "imitated: SNP's firmware accepts a page that begins with a u64, or "
			"corrects it",
		.needs = NEED_QUERY,
		.check = check_launch_update,
		.run = run_launch_update,
	},
	{ 0 },
};
