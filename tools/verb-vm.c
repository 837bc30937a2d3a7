/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Verbs about VMs and their slots: vm, slot, unslot. */
#include <errno.h>
#include <stdlib.h>

#include "run.h"
#include "vm-type.h"

static const char *check_vm(const struct flow_step *step)
{
	uint64_t vcpus = flow_number(step, "vcpus", 1);

	_Static_assert(GUESTVM_VCPUS_MAX == 64, "message");
	return vcpus < 1 || vcpus > GUESTVM_VCPUS_MAX ? "expected 1 to 64 vCPUs" : NULL;
}

static void run_vm_verb(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	uint64_t type = flow_number(step, "type", GUESTVM_TYPE_DEFAULT);
	struct guestvm_options options = {
		.type = (unsigned int)type,
		.vcpus = (unsigned int)flow_number(step, "vcpus", 1),
	};
	const char *failed;
	int err;

	err = guestvm_create(&options, &run_vm(run, step)->vm, &failed);
	if (err)
		outcome_call_failed(outcome, failed, err);
	else
		outcome_done(outcome, "%s; %u vCPU%s", vm_type_describe(type), options.vcpus,
			     options.vcpus == 1 ? "" : "s");
}

static const char *check_slot(const struct flow_step *step)
{
	_Static_assert(GUESTVM_OWN_SLOT == 30000, "message");
	return flow_number(step, "slot", 0) >= GUESTVM_OWN_SLOT
		       ? "expected a slot number below 30000 (the rest belongs to the small guest)"
		       : NULL;
}

static struct run_slot *add_slot(struct flow_run *run)
{
	struct run_slot *slots = realloc(run->slot, (run->slots + 1) * sizeof(*slots));

	if (!slots)
		return NULL;
	run->slot = slots;
	return &slots[run->slots];
}

bool run_bind_slot(struct flow_run *run, const struct run_slot *wanted, struct outcome *outcome)
{
	const struct run_file *file = &run->object[wanted->file].file;
	struct run_slot *slot = add_slot(run);
	int err;

	if (!slot) {
		outcome_broken(outcome, "out of memory");
		return false;
	}
	*slot = *wanted;
	/* The host's address of the slot has to be the same memory: KVM's own accesses use it. */
	if (gmem_is_mappable(file->gmem)) {
		err = gmem_map(file->gmem, slot->offset, slot->size, NULL, &slot->view,
			       run->report);
		if (err) {
			outcome_failed(outcome, run, err);
			return false;
		}
	}
	err = guestvm_set_slot(run->object[slot->vm].vm.vm,
			       &(struct guestvm_slot){ slot->number, slot->gpa, slot->size,
						       gmem_get_fd(file->gmem), slot->offset,
						       (uintptr_t)slot->view });
	if (err) {
		gmem_unmap(slot->view, slot->size, NULL);
		outcome_call_failed(outcome, "KVM_SET_USER_MEMORY_REGION2", err);
		return false;
	}
	run->slots++;
	return true;
}

static void run_slot_verb(struct flow_run *run, const struct flow_step *step,
			  struct outcome *outcome)
{
	uint64_t file_size = gmem_get_size(run_file(run, step, "file")->gmem);
	uint64_t offset = flow_number(step, "offset", 0);
	const struct run_slot slot = {
		.vm = step->vm,
		.number = (uint32_t)flow_number(step, "slot", 0),
		.gpa = flow_number(step, "gpa", 0),
		.size = flow_number(step, "size", offset < file_size ? file_size - offset : 0),
		.file = flow_number(step, "file", 0),
		.offset = offset,
	};
	char range[64], gpas[64];

	if (!slot.size) {
		outcome_broken(outcome, "the slot is empty: the file has 0x%llx bytes",
			       (unsigned long long)file_size);
		return;
	}
	if (!run_bind_slot(run, &slot, outcome))
		return;
	output_range(range, sizeof(range), offset, slot.size);
	output_range(gpas, sizeof(gpas), slot.gpa, slot.size);
	outcome_done(outcome, "guest-physical %s is %s of %s", gpas, range,
		     flow_arg(step, "file")->word);
}

static void run_unslot(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	uint32_t number = (uint32_t)flow_number(step, "slot", 0);
	char gpas[64];
	int err;

	for (size_t i = 0; i < run->slots; i++) {
		struct run_slot *slot = &run->slot[i];

		if (slot->vm != step->vm || slot->number != number)
			continue;
		err = guestvm_delete_slot(run_vm(run, step)->vm, number);
		if (err) {
			outcome_call_failed(outcome, "KVM_SET_USER_MEMORY_REGION2", err);
			return;
		}
		if (slot->view)
			gmem_unmap(slot->view, slot->size, NULL);
		output_range(gpas, sizeof(gpas), slot->gpa, slot->size);
		*slot = run->slot[--run->slots];
		outcome_done(outcome, "nothing is at guest-physical %s any more", gpas);
		return;
	}
	outcome_broken(outcome, "the VM has no slot %u", number);
}

static const unsigned int requirements[] = {
	NEED_FILE,	NEED_MAP, NEED_INIT_SHARED, NEED_IN_PLACE, NEED_CONVERT,
	NEED_HYPERCALL, NEED_PIN, NEED_POLICY,	    NEED_QUERY,	   NEED_PRESERVE,
};

static unsigned int require_needs(const struct flow_step *step)
{
	return requirements[flow_number(step, "what", 0)];
}

/* All of it was done before the flow began. */
static void run_require(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	(void)run;
	outcome_done(outcome, "there is %s here", flow_arg(step, "what")->word);
}

const struct verb verbs_vm[] = {
	{
		.name = "vm",
		.syntax = "<new-vm:name> [type <type:type>] [vcpus <number:vcpus>]",
		.help = "create a VM with a small guest in it",
		.check = check_vm,
		.run = run_vm_verb,
	},
	{
		.name = "require",
		.syntax =
			"{what:create|map|init-shared|in-place|convert|hypercall|pin|policy|query|live-update} [vm <vm:vm>]",
		.help = "skip the flow where the kernel does not offer this to the VM",
		.more_needs = require_needs,
		.run = run_require,
	},
	{
		.name = "slot",
		.syntax = "<number:slot> <file:file> at <number:gpa> [offset <number:offset>] "
			  "[size <number:size>] [vm <vm:vm>]",
		.help = "bind a range of a file to guest-physical addresses",
		.check = check_slot,
		.run = run_slot_verb,
	},
	{
		.name = "unslot",
		.syntax = "<number:slot> [vm <vm:vm>]",
		.help = "delete a slot",
		.check = check_slot,
		.run = run_unslot,
	},
	{ 0 },
};
