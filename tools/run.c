/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Running a flow, step by step. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run.h"
#include "timeline.h"

struct run_vm *run_vm(struct flow_run *run, const struct flow_step *step)
{
	return &run->object[step->vm].vm;
}

struct run_file *run_file(struct flow_run *run, const struct flow_step *step, const char *key)
{
	return &run->object[flow_number(step, key, 0)].file;
}

struct run_mapping *run_mapping(struct flow_run *run, const struct flow_step *step, const char *key)
{
	return &run->object[flow_number(step, key, 0)].mapping;
}

struct run_session *run_session(struct flow_run *run, const struct flow_step *step)
{
	const char *key = flow_arg(step, "session") ? "session" : "name"; /* of a new one */

	return &run->object[flow_number(step, key, 0)].session;
}

struct run_slot *run_find_slot(struct flow_run *run, size_t vm, uint64_t gpa, uint64_t size)
{
	for (size_t i = 0; i < run->slots; i++) {
		struct run_slot *slot = &run->slot[i];

		if (slot->vm == vm && gpa >= slot->gpa && gpa - slot->gpa < slot->size &&
		    size <= slot->size - (gpa - slot->gpa))
			return slot;
	}
	return NULL;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static bool object_made(const struct flow_run *run, size_t index)
{
	const union run_object *object = &run->object[index];

	switch (run->flow->object[index].kind) {
	case FLOW_VM:
		return object->vm.vm;
	case FLOW_FILE:
		return object->file.gmem;
	case FLOW_MAPPING:
		return object->mapping.address;
	case FLOW_PROCESS:
		return object->process.pid > 0;
	case FLOW_SESSION:
		return object->session.session;
	case FLOW_PIN: /* "release" may have let it go: verbs know */
	case FLOW_OBJECT_KINDS:
		break;
	}
	return true;
}

/* The step that should have made an object may have failed, as expected. */
static bool all_made(const struct flow_run *run, const struct flow_step *step,
		     struct outcome *outcome)
{
	/* a step that has no option for it does not work on the VM that was made last */
	bool on_vm = step->verb->syntax && strstr(step->verb->syntax, "[vm ");

	for (size_t i = 0; i < run->flow->objects; i++) {
		const struct flow_object *object = &run->flow->object[i];
		bool used = on_vm && i == step->vm;

		for (size_t n = 0; n < step->args; n++)
			used |= step->arg[n].object && step->arg[n].number == i;
		if (!used || object->line == step->line || object_made(run, i))
			continue;
		outcome_broken(outcome, "there is no %s: line %u has not made it", object->name,
			       object->line);
		return false;
	}
	return true;
}

void run_alone(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	if (all_made(run, step, outcome))
		step->verb->run(run, step, outcome);
}

static bool run_step(struct flow_run *run, const struct flow_step *step, struct output *output,
		     struct progress *progress)
{
	struct outcome outcome = { 0 };
	char expected[1200], got[1200];
	struct output_step told = {
		.flow = run->flow,
		.step = step,
		.outcome = &outcome,
		.expected = expected,
		.got = got,
	};
	uint64_t start = now_ns();

	progress_start(progress, step);
	if (flow_arg(step, "in"))
		process_run_step(run, step, &outcome);
	else
		run_alone(run, step, &outcome);
	progress_stop(progress);
	told.duration_ns = now_ns() - start;
	told.as_expected = outcome_expected(&outcome, &step->expect);
	outcome_describe(&outcome, got, sizeof(got));
	outcome_describe_expected(&step->expect, expected, sizeof(expected));
	output->ops->step(output, &told);
	if (output->timeline)
		timeline_step(output->timeline, run, &told);
	return told.as_expected;
}

/* In the order in which they hold on to each other. */
static void release_all(struct flow_run *run)
{
	static const enum flow_object_kind order[] = { FLOW_PROCESS, FLOW_SESSION, FLOW_PIN,
						       FLOW_MAPPING, FLOW_FILE,	   FLOW_VM };

	for (size_t i = 0; i < run->slots; i++)
		if (run->slot[i].view)
			gmem_unmap(run->slot[i].view, run->slot[i].size, NULL);
	for (size_t pass = 0; pass < sizeof(order) / sizeof(order[0]); pass++) {
		for (size_t i = 0; run->object && i < run->flow->objects; i++) {
			union run_object *object = &run->object[i];

			if (run->flow->object[i].kind != order[pass])
				continue;
			if (order[pass] == FLOW_PROCESS)
				process_end(&object->process);
			else if (order[pass] == FLOW_SESSION)
				run_release_session(&object->session);
			else if (order[pass] == FLOW_PIN)
				pin_free(object->pin);
			else if (order[pass] == FLOW_MAPPING && object->mapping.address)
				gmem_unmap(object->mapping.address, object->mapping.size, NULL);
			else if (order[pass] == FLOW_FILE)
				gmem_release(object->file.gmem);
			else if (order[pass] == FLOW_VM)
				guestvm_destroy(object->vm.vm);
		}
	}
	free(run->slot);
	free(run->object);
	gmem_error_free(run->report);
}

static enum run_result run_steps(struct flow_run *run, struct output *output,
				 struct progress *progress, struct output_end *end)
{
	const struct flow *flow = run->flow;
	size_t first, last;

	flow_stage(flow, output->stage, &first, &last);
	for (size_t i = first; i < last; i++) {
		const struct flow_step *step = &flow->step[i];

		if (!step->verb->run) {
			output->ops->say(output, flow, step, step->arg[0].word);
			if (output->timeline)
				timeline_say(output->timeline, step, step->arg[0].word);
			continue;
		}
		end->steps++;
		if (!run_step(run, step, output, progress))
			return RUN_FAILED;
	}
	return RUN_PASSED;
}

enum run_result flow_run(const struct flow *flow, size_t stage, struct output *output)
{
	static const char *const results[] = { "passed", "failed", "skipped" };
	struct flow_run run = { .flow = flow };
	struct output_end end = { .flow = flow };
	struct progress *progress = NULL;
	enum run_result result;
	char reason[1000];
	uint64_t start = now_ns();

	output->stage = stage;
	output->ops->begin(output, flow);
	result = flow_lacks(flow, reason, sizeof(reason));
	if (result != RUN_PASSED) {
		end.reason = reason;
	} else {
		run.object = calloc(flow->objects + 1, sizeof(*run.object));
		if (!run.object || gmem_error_new(&run.report)) {
			end.reason = "out of memory";
			result = RUN_FAILED;
		} else {
			/* without progress the story is still complete */
			if (output->verbosity >= 0)
				progress_new(&progress);
			result = run_steps(&run, output, progress, &end);
			progress_free(progress);
		}
	}
	release_all(&run);
	imitation_end();
	if (run.level_before)
		gmem_level_set(run.level_before);
	end.result = results[result];
	end.duration_ns = now_ns() - start;
	output->ops->end(output, &end);
	return result;
}
