/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about files: file, close, convert, allocate, punch, query. */
#include <errno.h>

#include "run.h"

static unsigned int file_needs(const struct flow_step *step)
{
	return (flow_arg(step, "mappable") ? NEED_MAP : 0) |
	       (flow_number(step, "init", 0) ? NEED_INIT_SHARED : 0);
}

static void run_file_verb(struct flow_run *run, const struct flow_step *step,
			  struct outcome *outcome)
{
	struct gmem_create_options options = {
		.size = sizeof(options),
		.init = flow_number(step, "init", 0) ? GMEM_INIT_SHARED : GMEM_INIT_PRIVATE,
		.mappable = flow_arg(step, "mappable") != NULL,
		.raw_flags = flow_number(step, "raw", 0),
	};
	uint64_t size = flow_number(step, "size", 0);
	struct run_file *file = run_file(run, step, "name");
	char text[32];
	int err;

	file->vm = step->vm;
	file->session = SIZE_MAX;
	err = gmem_create(guestvm_vm_fd(run_vm(run, step)->vm), size, &options, &file->gmem,
			  run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	output_size(text, sizeof(text), size);
	outcome_done(outcome, "%s of guest memory, all %s; the host %s", text,
		     options.init == GMEM_INIT_SHARED ? "shared" : "private",
		     options.mappable ? "can map what is shared" : "cannot map it");
}

static void run_close(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	size_t index = flow_number(step, "file", 0);
	struct run_file *file = &run->object[index].file;

	/* a slot's own view would keep the file alive behind the flow's back */
	for (size_t i = 0; i < run->slots; i++) {
		struct run_slot *slot = &run->slot[i];

		if (slot->file == index && slot->view) {
			gmem_unmap(slot->view, slot->size, NULL);
			slot->view = NULL;
		}
	}
	gmem_release(file->gmem);
	file->gmem = NULL;
	outcome_done(outcome, "closed; slots on it have no memory once its mappings are gone, too");
}

static void run_convert_verb(struct flow_run *run, const struct flow_step *step,
			     struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	uint64_t offset = flow_number(step, "offset", 0);
	uint64_t size = flow_number(step, "size", 0);
	enum gmem_state state =
		flow_number(step, "state", 0) ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
	char range[64], story[200];
	int err;

	err = run_convert(run, step, file, offset, size, state, story, sizeof(story));
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	output_range(range, sizeof(range), offset, size);
	outcome_done(outcome, "%s is %s now%s%s%s", range, gmem_state_name(state),
		     story[0] ? " (" : "", story, story[0] ? ")" : "");
}

static void run_allocate(struct flow_run *run, const struct flow_step *step,
			 struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	uint64_t offset = flow_number(step, "offset", 0);
	uint64_t size = flow_number(step, "size", 0);
	char range[64];
	int err;

	err = gmem_allocate(file->gmem, offset, size, NULL, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	output_range(range, sizeof(range), offset, size);
	outcome_done(outcome, "%s has its memory", range);
}

static void run_punch(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	uint64_t offset = flow_number(step, "offset", 0);
	uint64_t size = flow_number(step, "size", 0);
	char range[64];
	int err;

	err = gmem_discard(file->gmem, offset, size, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	output_range(range, sizeof(range), offset, size);
	outcome_done(outcome, "the memory of %s is given back; its state stays", range);
}

/* The kernel's own answer; "state" tries instead. */
static void run_query(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	const struct gmem_query_options options = { .size = sizeof(options), .allocated = 1 };
	struct run_file *file = run_file(run, step, "file");
	struct gmem_query *query = NULL;
	struct gmem_extent extent;
	uint64_t extents = 0;
	int err;

	err = gmem_query_new(file->gmem, flow_number(step, "offset", 0),
			     flow_number(step, "size", 0), &options, &query, run->report);
	while (!err && !(err = gmem_query_next(query, &extent, run->report))) {
		extents_add(outcome->extents, sizeof(outcome->extents), extent.size,
			    gmem_state_name(extent.state));
		outcome->allocated += extent.allocated;
		extents++;
	}
	gmem_query_free(query);
	if (err != -ENODATA) {
		outcome_failed(outcome, run, err);
		return;
	}
	outcome_done(outcome, "%llu extent%s: %.300s", (unsigned long long)extents,
		     extents == 1 ? "" : "s", outcome->extents);
}

const struct verb verbs_file[] = {
	{
		.name = "file",
		.syntax = "<new-file:name> <number:size> {init:private|shared} [mappable] "
			  "[raw <number:raw>] [vm <vm:vm>] " IN_PROCESS,
		.help = "create a guest_memfd, all private or all shared at first",
		.needs = NEED_FILE,
		.more_needs = file_needs,
		.run = run_file_verb,
	},
	{
		.name = "close",
		.syntax = "<end-file:file>",
		.help = "close a file",
		.run = run_close,
	},
	{
		.name = "convert",
		.syntax = "<file:file> <number:offset> <number:size> "
			  "{state:private|shared} " CONVERT_OPTIONS " " IN_PROCESS,
		.help = "change the state of a range, retrying while pages are busy",
		.needs = NEED_CONVERT,
		.check = check_convert_options,
		.more_needs = convert_options_need,
		.run = run_convert_verb,
	},
	{
		.name = "allocate",
		.syntax = "<file:file> <number:offset> <number:size>",
		.help = "allocate the memory of a range",
		.run = run_allocate,
	},
	{
		.name = "punch",
		.syntax = "<file:file> <number:offset> <number:size>",
		.help = "give the memory of a range back: contents are lost, the state stays",
		.run = run_punch,
	},
	{
		.name = "query",
		.syntax = "<file:file> <number:offset> <number:size> " IN_PROCESS,
		.help = "ask the kernel for the states of a range, and how much of it has memory",
		.needs = NEED_QUERY,
		.run = run_query,
	},
	{ 0 },
};
