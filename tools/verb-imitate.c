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

const struct verb verbs_imitate[] = {
	{
		.name = "imitate",
		.syntax = "{what:none|scramble|tdx|snp-finalized}",
		.help = "make software-protected VMs treat content like others, up to the flow's "
			"end",
		.needs = NEED_IMITATE,
		.run = run_imitate,
	},
	{ 0 },
};
