/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about child processes: fork, end. What a child does is said by "in CHILD" of other verbs.
 */
#include <sys/wait.h>

#include "run.h"

static void run_fork(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_process *process = &run->object[flow_number(step, "name", 0)].process;
	int err = process_fork(run, process);

	if (err)
		outcome_call_failed(outcome, "fork", err);
	else
		outcome_done(outcome, "a child has the same mappings and descriptors now");
}

static void run_end(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_process *process = &run->object[flow_number(step, "process", 0)].process;
	int status = process_end(process);

	if (WIFSIGNALED(status))
		outcome_broken(outcome, "signal %d has killed the child", WTERMSIG(status));
	else
		outcome_done(outcome, "the child has ended");
}

const struct verb verbs_process[] = {
	{
		.name = "fork",
		.syntax = "<new-process:name>",
		.help = "fork a child, which has all descriptors and mappings of this moment",
		.run = run_fork,
	},
	{
		.name = "end",
		.syntax = "<end-process:process>",
		.help = "end a child",
		.run = run_end,
	},
	{ 0 },
};
