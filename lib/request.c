/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/request.h>
#include "error.h"
#include "uapi/run.h"

static enum gmem_cause check_range(uint64_t gpa, uint64_t size)
{
	if (size == 0)
		return GMEM_CAUSE_EMPTY;
	if ((gpa | size) & (GMEM_UAPI_MAP_GPA_PAGE - 1))
		return GMEM_CAUSE_UNALIGNED;
	if (size > UINT64_MAX - gpa)
		return GMEM_CAUSE_WRAPS;
	return GMEM_CAUSE_NONE;
}

/* The size bits exclude each other; 0 if both are set. */
static uint64_t page_size_of(uint64_t attributes)
{
	switch (attributes & (GMEM_UAPI_MAP_GPA_2M | GMEM_UAPI_MAP_GPA_1G)) {
	case 0:
		return GMEM_UAPI_MAP_GPA_PAGE;
	case GMEM_UAPI_MAP_GPA_2M:
		return UINT64_C(2) << 20;
	case GMEM_UAPI_MAP_GPA_1G:
		return UINT64_C(1) << 30;
	}
	return 0;
}

/* Failures are out of line: a report is large, and served requests are many. */
#define COLD __attribute__((noinline, cold))

static COLD int refuse(const char *call, const struct gmem_request *request, int code,
		       enum gmem_cause cause, struct gmem_error *reterr_error)
{
	struct gmem_error report = { .call = call, .guest = true };

	if (request) {
		report.state = request->state;
		/* No size: it was more than 64 bits can hold. */
		report.has_range = request->size || cause != GMEM_CAUSE_WRAPS;
		report.offset = report.has_range ? request->gpa : 0;
		report.size = request->size;
	}
	return gmem_error_refuse(reterr_error, &report, code, cause);
}

static enum gmem_cause decode_hypercall(const struct gmem_uapi_hypercall *hypercall,
					struct gmem_request *request)
{
	uint64_t pages = hypercall->args[1], attributes = hypercall->args[2];

	*request = (struct gmem_request){
		.gpa = hypercall->args[0],
		.page_size = page_size_of(attributes),
		.state = attributes & GMEM_UAPI_MAP_GPA_PRIVATE ? GMEM_STATE_PRIVATE
								: GMEM_STATE_SHARED,
		.kind = GMEM_REQUEST_HYPERCALL,
	};
	/* The unit is always 4 KiB, whatever the page size. */
	if (pages > UINT64_MAX / GMEM_UAPI_MAP_GPA_PAGE)
		return GMEM_CAUSE_WRAPS;
	request->size = pages * GMEM_UAPI_MAP_GPA_PAGE;
	if (!request->page_size || (attributes & ~(GMEM_UAPI_MAP_GPA_2M | GMEM_UAPI_MAP_GPA_1G |
						   GMEM_UAPI_MAP_GPA_PRIVATE)))
		return GMEM_CAUSE_ATTRIBUTES;
	return check_range(request->gpa, request->size);
}

static enum gmem_cause decode_fault(const struct gmem_uapi_memory_fault *fault,
				    struct gmem_request *request)
{
	bool private = fault->flags & GMEM_UAPI_MEMORY_FAULT_PRIVATE;

	*request = (struct gmem_request){
		.gpa = fault->gpa,
		.size = fault->size,
		.page_size = GMEM_UAPI_MAP_GPA_PAGE,
		.state = private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED,
		.kind = GMEM_REQUEST_FAULT,
	};
	if (fault->flags & ~(uint64_t)GMEM_UAPI_MEMORY_FAULT_PRIVATE)
		return GMEM_CAUSE_ATTRIBUTES;
	return check_range(request->gpa, request->size);
}

/* Returns 0, -ENODATA without a cause, or what the call fails with. */
static int decode(const struct gmem_uapi_run *run, int result, struct gmem_request *request,
		  enum gmem_cause *ret_cause)
{
	if (result == 0 && run->exit_reason == GMEM_UAPI_EXIT_HYPERCALL) {
		if (run->hypercall.nr != GMEM_UAPI_HC_MAP_GPA_RANGE)
			return -ENODATA;
		*ret_cause = decode_hypercall(&run->hypercall, request);
		return *ret_cause ? -EINVAL : 0;
	}
	if (run->exit_reason != GMEM_UAPI_EXIT_MEMORY_FAULT ||
	    (result != -EFAULT && result != -EHWPOISON))
		return -ENODATA;
	*ret_cause = decode_fault(&run->memory_fault, request);
	if (*ret_cause)
		return -EBADE;
	if (result == -EHWPOISON)
		*ret_cause = GMEM_CAUSE_POISON;
	return result == -EHWPOISON ? -EHWPOISON : 0;
}

int gmem_request_decode(const struct kvm_run *run, int result, struct gmem_request *ret_request,
			struct gmem_error *reterr_error)
{
	enum gmem_cause cause = GMEM_CAUSE_NONE;
	struct gmem_request request;
	int r;

	if (!run || !ret_request)
		return refuse("gmem_request_decode", NULL, -EINVAL, GMEM_CAUSE_ARGUMENT,
			      reterr_error);
	r = decode((const struct gmem_uapi_run *)run, result, &request, &cause);
	if (r == -ENODATA)
		return r;
	if (r < 0)
		return refuse("gmem_request_decode", &request, r, cause, reterr_error);
	*ret_request = request;
	return 0;
}

/* The positive errno that stands for a code. */
static uint64_t answer_of(int code)
{
	switch (code) {
	case 0:
		return 0;
	case -EAGAIN:
	case -EBUSY:
	case -EINTR:
	case -ECANCELED:
		return EAGAIN;
	}
	return EINVAL;
}

int gmem_request_answer(struct kvm_run *run, unsigned int vm_type, int code)
{
	struct gmem_uapi_run *known = (struct gmem_uapi_run *)run;
	uint64_t answer = answer_of(code);

	if (!run || code > 0)
		return -EINVAL;
	if (known->exit_reason != GMEM_UAPI_EXIT_HYPERCALL)
		return 0;
	if (vm_type != GMEM_UAPI_VM_SNP && vm_type != GMEM_UAPI_VM_TDX)
		answer = -answer;
	known->hypercall.ret = answer;
	return 0;
}

static bool is_same_fault(const struct gmem_request *a, const struct gmem_request *b)
{
	return a->kind == GMEM_REQUEST_FAULT && b->kind == GMEM_REQUEST_FAULT && a->gpa == b->gpa &&
	       a->size == b->size && a->state == b->state;
}

int gmem_request_count(struct gmem_request_repeats *repeats, const struct gmem_request *request,
		       uint64_t max_repeats, struct gmem_error *reterr_error)
{
	if (!repeats)
		return refuse("gmem_request_count", NULL, -EINVAL, GMEM_CAUSE_ARGUMENT,
			      reterr_error);
	if (!request || request->kind != GMEM_REQUEST_FAULT) {
		*repeats = (struct gmem_request_repeats){ 0 };
		return 0;
	}
	if (!is_same_fault(&repeats->last, request))
		*repeats = (struct gmem_request_repeats){ .last = *request };
	/* Stays where it is, so that it never begins again. */
	if (repeats->count < (max_repeats ? max_repeats : GMEM_REQUEST_DEFAULT_REPEATS)) {
		repeats->count++;
		return 0;
	}
	return refuse("gmem_request_count", request, -ELOOP, GMEM_CAUSE_NO_PROGRESS, reterr_error);
}

const char *gmem_request_kind_name(enum gmem_request_kind kind)
{
	switch (kind) {
	case GMEM_REQUEST_HYPERCALL:
		return "hypercall";
	case GMEM_REQUEST_FAULT:
		return "fault";
	}
	return NULL;
}
