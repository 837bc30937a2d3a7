/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The verb about how much of the kernel the library uses: level. */
#include <errno.h>

#include "run.h"

static void run_level(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	const char *name = flow_arg(step, "level")->word;
	enum gmem_level level;
	int err = 0;

	if (!run->level_before)
		err = gmem_level_get(&run->level_before);
	if (!err)
		err = gmem_level_parse(name, &level);
	if (!err)
		err = gmem_level_set(level);
	if (err)
		outcome_call_failed(outcome, "gmem_level_set", err);
	else if (level == GMEM_LEVEL_FULL)
		outcome_done(outcome, "libgmem uses all that the kernel has");
	else
		outcome_done(outcome, "libgmem behaves as if the kernel had no more than '%s'",
			     name);
}

const struct verb verbs_level[] = {
	{
		.name = "level",
		.syntax = "{level:none|create|map|convert|policy|query|live-update|mixed|full}",
		.help = "force the capability level of libgmem, up to the flow's end",
		.run = run_level,
	},
	{ 0 },
};
