/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about what the host does with memory: map, unmap, host read|write|fill|check, state. */
#include <errno.h>
#include <unistd.h>

#include "run.h"

static void run_map(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	struct run_mapping *mapping = run_mapping(run, step, "name");
	uint64_t file_size = gmem_get_size(file->gmem);
	uint64_t offset = flow_number(step, "offset", 0);
	uint64_t size = flow_number(step, "size", offset < file_size ? file_size - offset : 0);
	struct gmem_map_options options = {
		.size = sizeof(options),
		.read_only = flow_arg(step, "read-only") != NULL,
	};
	void *address;
	char range[64];
	int err;

	err = gmem_map(file->gmem, offset, size, &options, &address, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	*mapping = (struct run_mapping){ address, size, offset, flow_number(step, "file", 0) };
	output_range(range, sizeof(range), offset, size);
	outcome_done(outcome, "the host has %s of %s mapped", range, flow_arg(step, "file")->word);
}

static void run_unmap(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_mapping *mapping = run_mapping(run, step, "mapping");
	int err;

	if (mapping->address) {
		err = gmem_unmap(mapping->address, mapping->size, run->report);
		if (err) {
			outcome_failed(outcome, run, err);
			return;
		}
	}
	mapping->address = NULL;
	outcome_done(outcome, "unmapped");
}

/* One host access, done under guard. */
struct access {
	enum {
		READ,
		WRITE,
		FILL,
		CHECK
	} what;
	unsigned char *address;
	uint64_t size;
	uint64_t position; /* of address in the file */
	enum flow_pattern pattern;
	uint64_t number; /* value or seed */
	/* results */
	uint64_t found;
	uint64_t differs_at; /* size: nowhere */
};

static void do_access(void *data)
{
	struct access *a = data;

	switch (a->what) {
	case READ:
		a->found = *(volatile uint64_t *)a->address;
		break;
	case WRITE:
		*(volatile uint64_t *)a->address = a->number;
		break;
	case FILL:
		if (a->pattern == FLOW_PATTERN_SEED) {
			guestvm_host_fill(a->address, a->size, a->number, a->position);
			break;
		}
		for (uint64_t i = 0; i < a->size; i += 8)
			*(volatile uint64_t *)(a->address + i) = a->number;
		break;
	case CHECK:
		a->differs_at =
			a->pattern == FLOW_PATTERN_SEED
				? guestvm_host_check(a->address, a->size, a->number, a->position,
						     &a->found)
				: guestvm_host_compare(a->address, a->size, a->number, &a->found);
		break;
	}
}

/* Do it; true if it got through and the outcome is left to the caller. */
static bool access_memory(struct flow_run *run, const struct flow_step *step, struct access *a,
			  struct outcome *outcome)
{
	struct run_mapping *mapping = run_mapping(run, step, "mapping");
	const struct flow_arg *pattern = flow_arg(step, "pattern");
	uint64_t offset = flow_number(step, "offset", 0);
	void *fault = NULL;
	int err;

	a->size = flow_number(step, "size", 8);
	if (!mapping->address || offset % 8 || a->size % 8 || offset > mapping->size ||
	    a->size > mapping->size - offset) {
		outcome_broken(outcome,
			       "offset and size must be multiples of 8 inside of the mapping, "
			       "which has 0x%llx bytes",
			       (unsigned long long)mapping->size);
		return false;
	}
	a->address = mapping->address + offset;
	a->position = mapping->offset + offset;
	a->number = pattern ? pattern->number : flow_number(step, "value", 0);
	a->pattern = pattern ? pattern->pattern : FLOW_PATTERN_VALUE;
	err = access_guarded(do_access, a, &fault);
	if (!err)
		return true;
	if (err != -EFAULT) {
		outcome_call_failed(outcome, "sigaction", err);
		return false;
	}
	outcome_done(outcome, "the kernel refused the access");
	outcome->outcome = FLOW_SIGBUS;
	outcome->has_offset = true;
	outcome->offset = (uint64_t)((unsigned char *)fault - mapping->address);
	return false;
}

static void run_host_read(struct flow_run *run, const struct flow_step *step,
			  struct outcome *outcome)
{
	struct access a = { .what = READ };

	if (!access_memory(run, step, &a, outcome))
		return;
	outcome_done(outcome, "the host reads 0x%llx", (unsigned long long)a.found);
	outcome->has_value = true;
	outcome->value = a.found;
}

static void run_host_write(struct flow_run *run, const struct flow_step *step,
			   struct outcome *outcome)
{
	struct access a = { .what = WRITE };

	if (access_memory(run, step, &a, outcome))
		outcome_done(outcome, "the host has written 0x%llx", (unsigned long long)a.number);
}

static void run_host_fill(struct flow_run *run, const struct flow_step *step,
			  struct outcome *outcome)
{
	struct access a = { .what = FILL };
	char size[32];

	if (!access_memory(run, step, &a, outcome))
		return;
	output_size(size, sizeof(size), a.size);
	outcome_done(outcome, "the host has filled %s", size);
}

static void run_host_check(struct flow_run *run, const struct flow_step *step,
			   struct outcome *outcome)
{
	struct access a = { .what = CHECK };
	char size[32];

	if (!access_memory(run, step, &a, outcome))
		return;
	output_size(size, sizeof(size), a.size);
	outcome_done(outcome, "the host finds %s as expected", size);
	if (a.differs_at == a.size)
		return;
	outcome_done(outcome, "the host finds 0x%llx there", (unsigned long long)a.found);
	outcome->outcome = FLOW_DIFFERS;
	outcome->has_offset = true;
	outcome->offset = flow_number(step, "offset", 0) + a.differs_at;
}

static void touch(void *data)
{
	(void)*(volatile unsigned char *)data;
}

/* The kernel has no question for the state: a page is shared if the host can read it. */
static void run_state(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	struct run_file *file = run_file(run, step, "file");
	struct gmem_map_options options = { .size = sizeof(options), .read_only = 1 };
	uint64_t offset = flow_number(step, "offset", 0);
	uint64_t size = flow_number(step, "size", 0);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool want_shared = flow_number(step, "state", 0);
	const char *word = flow_arg(step, "state")->word;
	void *address, *fault;
	char range[64];
	int err;

	err = gmem_map(file->gmem, offset, size, &options, &address, run->report);
	if (err) {
		outcome_failed(outcome, run, err);
		return;
	}
	output_range(range, sizeof(range), offset, size);
	outcome_done(outcome, "every page of %s is %s: %s", range, word,
		     want_shared ? "the host can read it" : "the host gets SIGBUS");
	for (uint64_t i = 0; i < size; i += page) {
		err = access_guarded(touch, (unsigned char *)address + i, &fault);
		if ((err == 0) == want_shared)
			continue;
		outcome_done(outcome, "the page is not %s: %s", word,
			     err ? "the host gets SIGBUS" : "the host can read it");
		outcome->outcome = FLOW_DIFFERS;
		outcome->has_offset = true;
		outcome->offset = offset + i;
		break;
	}
	gmem_unmap(address, size, NULL);
}

const struct verb verbs_host[] = {
	{
		.name = "map",
		.syntax = "<new-mapping:name> <file:file> [offset <number:offset>] "
			  "[size <number:size>] [read-only] " IN_PROCESS,
		.help = "map a range of a file into the host process",
		.needs = NEED_MAP,
		.run = run_map,
	},
	{
		.name = "unmap",
		.syntax = "<end-mapping:mapping>",
		.help = "remove a mapping",
		.run = run_unmap,
	},
	{
		.name = "host read",
		.syntax = "<mapping:mapping> <number:offset> " IN_PROCESS,
		.help = "the host reads a u64",
		.run = run_host_read,
	},
	{
		.name = "host write",
		.syntax = "<mapping:mapping> <number:offset> <number:value> " IN_PROCESS,
		.help = "the host writes a u64",
		.run = run_host_write,
	},
	{
		.name = "host fill",
		.syntax =
			"<mapping:mapping> <number:offset> <number:size> <pattern:pattern> " IN_PROCESS,
		.help = "the host fills a range",
		.run = run_host_fill,
	},
	{
		.name = "host check",
		.syntax =
			"<mapping:mapping> <number:offset> <number:size> <pattern:pattern> " IN_PROCESS,
		.help = "the host checks the contents of a range",
		.run = run_host_check,
	},
	{
		.name = "state",
		.syntax =
			"<file:file> <number:offset> <number:size> {state:private|shared} " IN_PROCESS,
		.help = "check the state of every page of a range, by a host access",
		.needs = NEED_MAP,
		.run = run_state,
	},
	{ 0 },
};
