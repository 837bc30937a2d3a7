/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Verbs about requests: the guest asks for a conversion by KVM_HC_MAP_GPA_RANGE and waits, the host
 * answers (serve). What the guest asks is hostile input and is checked as a VMM has to check it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

#define REQUEST_PAGE 4096 /* the hypercall's unit, whatever its page size bits say */

static void ask(struct flow_run *run, const struct flow_step *step, uint64_t gpa, uint64_t pages,
		uint64_t attributes, struct outcome *outcome)
{
	struct guestvm_cmd cmd = { GUESTVM_MAP_GPA, { gpa, pages, attributes } };
	char range[64];
	uint64_t size;

	if (!run_guest_start(run, step, &cmd, outcome))
		return;
	if (run->guest.waits == GUEST_REQUESTS) {
		if (__builtin_mul_overflow(pages, REQUEST_PAGE, &size))
			size = UINT64_MAX;
		output_range(range, sizeof(range), gpa, size);
		outcome_done(outcome, "the guest asks to make %s %s, and waits", range,
			     attributes & GUESTVM_HC_PRIVATE ? "private" : "shared");
		return;
	}
	/* KVM refuses by itself what is misaligned, empty or wraps */
	outcome_done(outcome, "KVM answers the request by itself");
	outcome->outcome = FLOW_REFUSED;
	outcome->err = (int)-(int64_t)run->guest.result.value;
}

static void run_share(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	ask(run, step, flow_number(step, "gpa", 0), flow_number(step, "size", 0) / REQUEST_PAGE, 0,
	    outcome);
}

static void run_unshare(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	ask(run, step, flow_number(step, "gpa", 0), flow_number(step, "size", 0) / REQUEST_PAGE,
	    GUESTVM_HC_PRIVATE, outcome);
}

static void run_request(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	ask(run, step, flow_number(step, "gpa", 0), flow_number(step, "pages", 0),
	    flow_number(step, "attributes", 0), outcome);
}

static const char *check_share(const struct flow_step *step)
{
	return flow_number(step, "size", 0) % REQUEST_PAGE ? "expected a multiple of 4K as size"
							   : NULL;
}

/* A request that has passed every check */
struct request {
	struct run_file *file;
	const char *name; /* of the file */
	uint64_t offset;
	uint64_t size;
	enum gmem_state state;
};

/* 0, or -EINVAL and what is wrong with the guest's request. */
static int decode(struct flow_run *run, struct request *request, const char **ret_wrong)
{
	const uint64_t known = GUESTVM_HC_PAGE_2M | GUESTVM_HC_PAGE_1G | GUESTVM_HC_PRIVATE;
	const struct guestvm_result *res = &run->guest.result;
	const struct run_slot *slot;

	*ret_wrong = "it is not KVM_HC_MAP_GPA_RANGE";
	if (res->hypercall.nr != GUESTVM_HC_MAP_GPA_RANGE)
		return -EINVAL;
	*ret_wrong = "it has unknown attributes";
	if (res->hypercall.attributes & ~known)
		return -EINVAL;
	*ret_wrong = "its size wraps";
	if (__builtin_mul_overflow(res->hypercall.pages, REQUEST_PAGE, &request->size))
		return -EINVAL;
	*ret_wrong = "the range is empty or misaligned";
	if (!request->size || res->hypercall.gpa % REQUEST_PAGE)
		return -EINVAL;
	*ret_wrong = "no slot has all of the range";
	slot = run_find_slot(run, run->guest.vm_index, res->hypercall.gpa, request->size);
	if (!slot || !run->object[slot->file].file.gmem)
		return -EINVAL;
	request->file = &run->object[slot->file].file;
	request->name = run->flow->object[slot->file].name;
	request->offset = slot->offset + (res->hypercall.gpa - slot->gpa);
	request->state = res->hypercall.attributes & GUESTVM_HC_PRIVATE ? GMEM_STATE_PRIVATE
									: GMEM_STATE_SHARED;
	return 0;
}

/*
 * Tell the guest and let it go on. For VM types without an ABI of their own the value is what the
 * guest's hypercall returns: 0 or a negative errno. False if that did not work out.
 */
static bool answer(struct flow_run *run, int err, struct outcome *outcome)
{
	guestvm_answer(run->guest.vm, run->guest.vcpu, (uint64_t)(int64_t)err);
	if (!run_guest_resume(run, outcome))
		return false;
	if (run->guest.waits == GUEST_IDLE && (int64_t)run->guest.result.value == err)
		return true;
	outcome_broken(outcome, "the guest was told %d and got %lld", err,
		       (long long)run->guest.result.value);
	return false;
}

static void refuse(struct flow_run *run, int err, const char *why, struct outcome *outcome)
{
	if (!answer(run, err, outcome))
		return;
	outcome_done(outcome, "the host converts nothing: %s", why);
	outcome->outcome = FLOW_REFUSED;
	outcome->err = -err;
}

static void run_serve(struct flow_run *run, const struct flow_step *step, struct outcome *outcome)
{
	const struct flow_arg *refusal = flow_arg(step, "refuse");
	struct request request;
	const char *wrong;
	char range[64], story[200];
	int err;

	if (run->guest.waits != GUEST_REQUESTS) {
		outcome_broken(outcome, "no guest waits for an answer");
		return;
	}
	if (refusal) {
		refuse(run, -(int)refusal->number, "the flow says so", outcome);
		return;
	}
	err = decode(run, &request, &wrong);
	if (err) {
		refuse(run, err, wrong, outcome);
		return;
	}
	err = run_convert(run, step, request.file, request.offset, request.size, request.state,
			  story, sizeof(story));
	/* the guest is told in both cases, and can try again */
	if (!answer(run, err, outcome))
		return;
	if (err) {
		size_t used;

		outcome_failed(outcome, run, err);
		used = strlen(outcome->text);
		snprintf(outcome->text + used, sizeof(outcome->text) - used,
			 "; the guest was told and goes on");
		return;
	}
	output_range(range, sizeof(range), request.offset, request.size);
	outcome_done(outcome, "%s of %s is %s now%s%s%s; the guest goes on", range, request.name,
		     gmem_state_name(request.state), story[0] ? " (" : "", story,
		     story[0] ? ")" : "");
}

const struct verb verbs_request[] = {
	{
		.name = "guest share",
		.syntax = "<number:gpa> <number:size> [vcpu <number:vcpu>] [vm <vm:vm>]",
		.help = "the guest asks to make a range shared, and waits for 'serve'",
		.needs = NEED_HYPERCALL,
		.check = check_share,
		.run = run_share,
	},
	{
		.name = "guest unshare",
		.syntax = "<number:gpa> <number:size> [vcpu <number:vcpu>] [vm <vm:vm>]",
		.help = "the guest asks to make a range private, and waits for 'serve'",
		.needs = NEED_HYPERCALL,
		.check = check_share,
		.run = run_unshare,
	},
	{
		.name = "guest request",
		.syntax = "<number:gpa> <number:pages> <number:attributes> [vcpu <number:vcpu>] "
			  "[vm <vm:vm>]",
		.help = "the guest makes any KVM_HC_MAP_GPA_RANGE request, also a wrong one",
		.needs = NEED_HYPERCALL,
		.run = run_request,
	},
	{
		.name = "serve",
		.syntax = "[refuse <errno:refuse>] " CONVERT_OPTIONS,
		.help = "the host does what the waiting guest asks for, answers, and lets it go on",
		.needs = NEED_CONVERT,
		.check = check_convert_options,
		.more_needs = convert_options_need,
		.run = run_serve,
	},
	{ 0 },
};
