/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about what the guest does with memory: guest read|write|fill|check|resume. */
#include <errno.h>

#include "run.h"

static bool guest_exited(struct flow_run *run, int err, struct outcome *outcome)
{
	struct run_guest *guest = &run->guest;
	const struct guestvm_result *res = &guest->result;

	guest->waits = GUEST_IDLE;
	if (err) {
		outcome_call_failed(outcome, "KVM_RUN", err);
		return false;
	}
	switch (res->exit) {
	case GUESTVM_DONE:
		return true;
	case GUESTVM_HYPERCALL:
		guest->waits = GUEST_REQUESTS;
		return true;
	case GUESTVM_MEMORY_FAULT:
		guest->waits = GUEST_STOPPED;
		outcome->err = res->error;
		outcome->private_wanted = res->fault.flags & GUESTVM_FAULT_PRIVATE;
		outcome->has_offset = true;
		outcome->offset = res->fault.gpa;
		outcome_done(outcome, "the guest is stopped in its access (KVM_RUN: %s)",
			     gmem_error_name(res->error));
		outcome->outcome = FLOW_MEMORY_FAULT;
		return false;
	case GUESTVM_MMIO:
		guest->waits = GUEST_STOPPED;
		outcome->has_offset = true;
		outcome->offset = res->mmio.gpa;
		outcome_done(outcome, "no slot has memory there: the guest waits for a device");
		outcome->outcome = FLOW_MMIO;
		return false;
	case GUESTVM_SHUTDOWN:
		outcome_broken(outcome, "the guest has shut down (it can address 8 GiB)");
		return false;
	case GUESTVM_KICKED:
	case GUESTVM_OTHER:
		break;
	}
	outcome_broken(outcome, "KVM gave the exit %u, errno %s", res->kvm_exit_reason,
		       gmem_error_name(res->error));
	return false;
}

static bool run_guest_command(struct flow_run *run, const struct guestvm_cmd *cmd,
			      struct outcome *outcome)
{
	struct run_guest *guest = &run->guest;
	int err;

	do {
		err = guestvm_run(guest->vm, guest->vcpu, cmd, &guest->result);
		cmd = NULL; /* a signal came in between */
	} while (!err && guest->result.exit == GUESTVM_KICKED);
	return guest_exited(run, err, outcome);
}

bool run_guest_resume(struct flow_run *run, struct outcome *outcome)
{
	return run_guest_command(run, NULL, outcome);
}

bool run_guest_start(struct flow_run *run, const struct flow_step *step,
		     const struct guestvm_cmd *cmd, struct outcome *outcome)
{
	uint64_t vcpu = flow_number(step, "vcpu", 0);
	struct run_guest *guest = &run->guest;

	guest->waits = GUEST_IDLE;
	guest->vm = run_vm(run, step)->vm;
	guest->vm_index = step->vm;
	if (vcpu >= guestvm_vcpus(guest->vm)) {
		outcome_broken(outcome, "the VM has the vCPUs 0 to %u only",
			       guestvm_vcpus(guest->vm) - 1);
		return false;
	}
	guest->vcpu = (unsigned int)vcpu;
	guest->cmd = *cmd;
	return run_guest_command(run, cmd, outcome);
}

/* What a command that is done has found. */
static void guest_done(struct flow_run *run, struct outcome *outcome)
{
	const struct guestvm_cmd *cmd = &run->guest.cmd;
	const struct guestvm_result *res = &run->guest.result;
	char size[32];

	output_size(size, sizeof(size), cmd->arg[1]);
	switch (cmd->op) {
	case GUESTVM_READ64:
		outcome_done(outcome, "the guest reads 0x%llx", (unsigned long long)res->value);
		outcome->has_value = true;
		outcome->value = res->value;
		return;
	case GUESTVM_WRITE64:
		outcome_done(outcome, "the guest has written 0x%llx",
			     (unsigned long long)cmd->arg[1]);
		return;
	case GUESTVM_SET:
	case GUESTVM_FILL:
		outcome_done(outcome, "the guest has filled %s", size);
		return;
	case GUESTVM_COMPARE:
	case GUESTVM_CHECK:
		if (res->value == cmd->arg[1]) {
			outcome_done(outcome, "the guest finds %s as expected", size);
			return;
		}
		outcome_done(outcome, "the guest finds 0x%llx there",
			     (unsigned long long)res->value2);
		outcome->outcome = FLOW_DIFFERS;
		outcome->has_offset = true;
		outcome->offset = cmd->arg[0] + res->value;
		return;
	default:
		outcome_done(outcome, "the guest is done");
	}
}

static void start(struct flow_run *run, const struct flow_step *step, const struct guestvm_cmd *cmd,
		  struct outcome *outcome)
{
	if (run_guest_start(run, step, cmd, outcome))
		guest_done(run, outcome);
}

static void run_guest_read(struct flow_run *run, const struct flow_step *step,
			   struct outcome *outcome)
{
	struct guestvm_cmd cmd = { GUESTVM_READ64, { flow_number(step, "gpa", 0) } };

	start(run, step, &cmd, outcome);
}

static void run_guest_write(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	struct guestvm_cmd cmd = { GUESTVM_WRITE64,
				   { flow_number(step, "gpa", 0), flow_number(step, "value", 0) } };

	start(run, step, &cmd, outcome);
}

/* The pattern goes by the offset in the file, so that guest and host mean the same. */
static uint64_t position(struct flow_run *run, const struct flow_step *step, uint64_t gpa,
			 uint64_t size)
{
	const struct run_slot *slot = run_find_slot(run, step->vm, gpa, size);

	return slot ? slot->offset + (gpa - slot->gpa) : gpa;
}

static void range_command(struct flow_run *run, const struct flow_step *step,
			  enum guestvm_op by_value, enum guestvm_op by_seed,
			  struct outcome *outcome)
{
	const struct flow_arg *pattern = flow_arg(step, "pattern");
	uint64_t gpa = flow_number(step, "gpa", 0), size = flow_number(step, "size", 0);
	struct guestvm_cmd cmd = {
		pattern->pattern == FLOW_PATTERN_SEED ? by_seed : by_value,
		{ gpa, size, pattern->number, position(run, step, gpa, size) },
	};

	start(run, step, &cmd, outcome);
}

static void run_guest_fill(struct flow_run *run, const struct flow_step *step,
			   struct outcome *outcome)
{
	range_command(run, step, GUESTVM_SET, GUESTVM_FILL, outcome);
}

static void run_guest_check(struct flow_run *run, const struct flow_step *step,
			    struct outcome *outcome)
{
	range_command(run, step, GUESTVM_COMPARE, GUESTVM_CHECK, outcome);
}

static const char *check_guest_range(const struct flow_step *step)
{
	uint64_t gpa = flow_number(step, "gpa", 0), size = flow_number(step, "size", 0);

	if (gpa % 8 || size % 8 || !size)
		return "expected an address and a size that are multiples of 8";
	if (gpa > GUESTVM_ADDRESSABLE || size > GUESTVM_ADDRESSABLE - gpa)
		return "expected a range below 8 GiB, all that the small guest can address";
	return NULL;
}

static void run_resume(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	(void)step;
	if (run->guest.waits != GUEST_STOPPED) {
		outcome_broken(outcome, "no guest is stopped in an access");
		return;
	}
	if (run_guest_resume(run, outcome))
		guest_done(run, outcome);
}

const struct verb verbs_guest[] = {
	{
		.name = "guest read",
		.syntax = "<number:gpa> [vcpu <number:vcpu>] [vm <vm:vm>] " IN_PROCESS,
		.help = "the guest reads a u64",
		.run = run_guest_read,
	},
	{
		.name = "guest write",
		.syntax = "<number:gpa> <number:value> [vcpu <number:vcpu>] [vm <vm:vm>]",
		.help = "the guest writes a u64",
		.run = run_guest_write,
	},
	{
		.name = "guest fill",
		.syntax = "<number:gpa> <number:size> <pattern:pattern> [vcpu <number:vcpu>] "
			  "[vm <vm:vm>]",
		.help = "the guest fills a range",
		.check = check_guest_range,
		.run = run_guest_fill,
	},
	{
		.name = "guest check",
		.syntax = "<number:gpa> <number:size> <pattern:pattern> [vcpu <number:vcpu>] "
			  "[vm <vm:vm>]",
		.help = "the guest checks the contents of a range",
		.check = check_guest_range,
		.run = run_guest_check,
	},
	{
		.name = "guest resume",
		.help = "the guest repeats the access in which it was stopped",
		.run = run_resume,
	},
	{ 0 },
};
