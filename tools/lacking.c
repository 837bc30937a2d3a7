/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a flow needs and this kernel does not have: found out by trying on a VM of the same type,
 * before the flow does anything.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "run.h"
#include "stages.h"
#include "uapi/live_update.h"
#include "vm-type.h"

#define LAB_HINT "The lab has a kernel that offers it: lab/lab run -- build/tools/gmemctl run FLOW"

#define NEEDS_OF_HOST (NEED_PIN | NEED_IMITATE | NEED_SESSION | NEED_STAGES)

static const struct {
	enum need need;
	int feature; /* enum gmem_feature, -1 for what is no feature of libgmem */
	const char *what;
} needs[NEEDS] = {
	{ NEED_FILE, GMEM_FEATURE_CREATE, "guest_memfd files" },
	{ NEED_MAP, GMEM_FEATURE_MAP, "guest_memfd files that the host can map" },
	{ NEED_INIT_SHARED, GMEM_FEATURE_INIT_SHARED,
	  "guest_memfd files that are shared at first" },
	{ NEED_CONVERT, GMEM_FEATURE_CONVERT, "in-place conversion" },
	{ NEED_IN_PLACE, GMEM_FEATURE_IN_PLACE, "state that is kept in the file" },
	{ NEED_POLICY, GMEM_FEATURE_POLICY, "content policies" },
	{ NEED_QUERY, GMEM_FEATURE_QUERY, "the query of states" },
	{ NEED_PRESERVE, GMEM_FEATURE_LIVE_UPDATE, "guest_memfd files that survive a live update" },
	{ NEED_MIXED, GMEM_FEATURE_MIXED, "files with private pages that survive a live update" },
	{ NEED_HYPERCALL, -1, "conversion requests by hypercall" },
	{ NEED_PIN, -1, "registered buffers of io_uring" },
	{ NEED_IMITATE, -1, "to set the kernel's parameter kvm.gmem_imitate" },
	{ NEED_SESSION, -1, "to open /dev/liveupdate" },
	{ NEED_STAGES, -1, "the kernel to be replaced under gmemctl" },
};

/* What the kernel offers to one type of VM */
struct offer {
	bool asked;
	unsigned int has; /* enum need */
};

static int ask_vm(uint64_t type, struct offer *offer, const char **reterr_step)
{
	struct guestvm_options options = { .type = (unsigned int)type };
	struct gmem_probe *probe = NULL;
	struct guestvm *vm;
	int err;

	err = guestvm_create(&options, &vm, reterr_step);
	if (err)
		return err;
	err = gmem_probe_new(guestvm_vm_fd(vm), NULL, &probe, NULL);
	for (int i = 0; !err && i < NEEDS; i++)
		if (needs[i].feature >= 0 &&
		    gmem_probe_has(probe, (enum gmem_feature)needs[i].feature))
			offer->has |= needs[i].need;
	if (guestvm_has_hypercall_exit(vm))
		offer->has |= NEED_HYPERCALL;
	*reterr_step = "gmem_probe_new";
	offer->asked = true;
	gmem_probe_free(probe);
	guestvm_destroy(vm);
	return err;
}

static const char *kernel(void)
{
	static struct utsname name;

	return uname(&name) ? "" : name.release;
}

static const struct flow_step *step_of(const struct flow *flow, size_t object)
{
	for (size_t i = 0; i < flow->steps; i++)
		if (flow->step[i].line == flow->object[object].line)
			return &flow->step[i];
	return NULL;
}

/* The VM that a step retrieves, as it was preserved before: SIZE_MAX if no step has done that. */
static size_t preserved_vm(const struct flow *flow, const struct flow_step *retrieve)
{
	size_t found = SIZE_MAX;

	for (const struct flow_step *step = flow->step; step < retrieve; step++)
		if (!strcmp(step->verb->name, "preserve vm") &&
		    flow_number(step, "token", 0) == flow_number(retrieve, "token", 0) &&
		    !strcmp(flow_arg(step, "session")->word, flow_arg(retrieve, "session")->word))
			found = flow_number(step, "vm", 0);
	return found;
}

uint64_t flow_vm_type(const struct flow *flow, size_t vm)
{
	while (vm != SIZE_MAX) {
		const struct flow_step *step = step_of(flow, vm);

		if (!step || !flow_arg(step, "token"))
			return step ? flow_number(step, "type", GUESTVM_TYPE_DEFAULT)
				    : GUESTVM_TYPE_DEFAULT;
		vm = preserved_vm(flow, step);
	}
	return GUESTVM_TYPE_DEFAULT;
}

static const char *type_text(uint64_t type, char *buffer, size_t size)
{
	const char *name = vm_type_name(type);

	if (name)
		return name;
	snprintf(buffer, size, "type %llu", (unsigned long long)type);
	return buffer;
}

static enum run_result no_vm(const struct flow_step *step, uint64_t type, int err,
			     const char *failed, char *buffer, size_t size)
{
	char text[40];

	if (err == -ENOENT || err == -EACCES || err == -ENXIO || err == -EPERM) {
		snprintf(buffer, size,
			 "line %u ('%s') needs KVM: %s gives %s. Load the module kvm_amd or "
			 "kvm_intel and ask for access to /dev/kvm; the lab needs neither: lab/lab "
			 "run -- build/tools/gmemctl run FLOW",
			 step->line, step->text, failed, gmem_error_name(err));
		return RUN_LACKING;
	}
	if (err == -EOPNOTSUPP) {
		snprintf(buffer, size,
			 "line %u ('%s') needs VMs of type %s, which this kernel (%s) does not "
			 "offer. " LAB_HINT,
			 step->line, step->text, type_text(type, text, sizeof(text)), kernel());
		return RUN_LACKING;
	}
	snprintf(buffer, size,
		 "line %u ('%s'): cannot find out what the kernel offers: %s gives %s", step->line,
		 step->text, failed, gmem_error_name(err));
	return RUN_FAILED;
}

/* 0 if sessions can be made here, or why not. */
static int session_available(void)
{
	return access(GMEM_UAPI_LIVEUPDATE_DEVICE, R_OK | W_OK) ? -errno : 0;
}

/* Of those that have nothing to do with a VM. */
static void explain_lack_of_host(enum need need, size_t updates, char *buffer, size_t size)
{
	if (need == NEED_PIN && pin_available() == -EOPNOTSUPP)
		snprintf(buffer, size,
			 "which this gmemctl was built without: install liburing's development "
			 "files and build again");
	else if (need == NEED_PIN)
		snprintf(buffer, size,
			 "which this kernel (%s) or a sandbox refuses: see sysctl "
			 "kernel.io_uring_disabled",
			 kernel());
	else if ((need == NEED_IMITATE && imitation_available() == -EACCES) ||
		 (need == NEED_SESSION && session_available() == -EACCES))
		snprintf(buffer, size, "which only root may do");
	else if (need == NEED_IMITATE)
		snprintf(buffer, size, "which this kernel (%s) does not have. " LAB_HINT, kernel());
	else if (need == NEED_SESSION)
		snprintf(buffer, size,
			 "but this kernel (%s) has no live update, or it is off: boot it with "
			 "liveupdate=on and kho=on. " LAB_HINT,
			 kernel());
	else
		snprintf(buffer, size,
			 "%zu time%s in all, as this does: lab/lab live-update --cycles %zu -- "
			 "build/tools/gmemctl run FLOW",
			 updates, updates == 1 ? "" : "s", updates);
}

/* Why a need is not met, and what to do, after "line 1 ('...') needs ...". */
static void explain_lack(enum need need, uint64_t type, size_t updates, char *buffer, size_t size)
{
	enum gmem_level level = GMEM_LEVEL_FULL;
	char text[40];

	gmem_level_get(&level);
	if (need & NEEDS_OF_HOST)
		explain_lack_of_host(need, updates, buffer, size);
	else if (level != GMEM_LEVEL_FULL && need != NEED_HYPERCALL)
		snprintf(buffer, size,
			 "which a VM of type %s does not have at the level '%s' that GMEM_LEVEL "
			 "forces: unset it to see what the kernel (%s) offers",
			 type_text(type, text, sizeof(text)), gmem_level_name(level), kernel());
	else
		snprintf(buffer, size,
			 "which this kernel (%s) does not offer to a VM of type %s. " LAB_HINT,
			 kernel(), type_text(type, text, sizeof(text)));
}

static enum run_result lacking(const struct flow_step *step, uint64_t type, unsigned int lacks,
			       size_t updates, char *buffer, size_t size)
{
	char why[400];

	for (int i = 0; i < NEEDS; i++) {
		if (!(lacks & needs[i].need))
			continue;
		explain_lack(needs[i].need, type, updates, why, sizeof(why));
		snprintf(buffer, size, "line %u ('%s') needs %s, %s", step->line, step->text,
			 needs[i].what, why);
		break;
	}
	return RUN_LACKING;
}

/* What does not depend on a VM, of those that are wanted. */
static unsigned int offered_by_host(unsigned int wants, size_t updates)
{
	unsigned int has = 0;

	if ((wants & NEED_PIN) && !pin_available())
		has |= NEED_PIN;
	if ((wants & NEED_IMITATE) && !imitation_available())
		has |= NEED_IMITATE;
	if ((wants & NEED_SESSION) && !session_available())
		has |= NEED_SESSION;
	if ((wants & NEED_STAGES) && stages_offered(updates))
		has |= NEED_STAGES;
	return has;
}

enum run_result flow_lacks(const struct flow *flow, char *buffer, size_t size)
{
	struct offer offers[32] = { 0 };
	/* one that is refused is one that could have been */
	size_t updates = flow->updates ? flow->updates : 1;

	for (size_t i = 0; i < flow->steps; i++) {
		const struct flow_step *step = &flow->step[i];
		unsigned int wants = step->verb->needs;
		uint64_t type = GUESTVM_TYPE_DEFAULT;
		const char *failed;
		int err;

		/* a flow that expects to be told so needs nothing for it */
		if (step->expect.line && step->expect.err == EOPNOTSUPP)
			wants = 0;
		else if (step->verb->more_needs)
			wants |= step->verb->more_needs(step);
		wants &= ~offered_by_host(wants, updates);
		if (step->vm != SIZE_MAX) {
			type = flow_vm_type(flow, step->vm);
			err = offers[type].asked ? 0 : ask_vm(type, &offers[type], &failed);
			if (err)
				return no_vm(step, type, err, failed, buffer, size);
			wants &= ~offers[type].has;
		}
		if (wants)
			return lacking(step, type, wants, updates, buffer, size);
	}
	return RUN_PASSED;
}
