/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Any struct kvm_run may be handed to the decoder of requests. Input: VM type (1 byte), errno of
 * KVM_RUN (1 byte), then the struct's bytes from its start.
 */
#include <errno.h>
#include <libgmem/gmem.h>
#include <string.h>
#include "fuzz.h"
#include "lib/uapi/run.h"

/* A good request has what 128 bits say, and nothing else is good. */
static void check_hypercall(const struct gmem_uapi_hypercall *call, int r,
			    const struct gmem_request *request)
{
	unsigned __int128 end = (unsigned __int128)call->args[1] * 4096 + call->args[0];
	uint64_t size_bits = call->args[2] & 3;
	bool good = call->args[1] && !(call->args[0] % 4096) && end <= UINT64_MAX &&
		    size_bits != 3 && !(call->args[2] & ~UINT64_C(0x13));

	must((r == 0) == good, "a good hypercall is taken, a bad one refused");
	must(r == 0 || r == -EINVAL, "a bad hypercall is EINVAL");
	if (r)
		return;
	must(request->gpa == call->args[0] && request->size == call->args[1] * 4096, "its range");
	must((request->state == GMEM_STATE_PRIVATE) == (call->args[2] >> 4 & 1), "bit 4 alone");
	must(request->kind == GMEM_REQUEST_HYPERCALL, "its kind");
}

static void check_fault(const struct gmem_uapi_memory_fault *fault, int r,
			const struct gmem_request *request)
{
	if (r) {
		must(r == -EBADE || r == -EHWPOISON, "a bad fault is EBADE");
		return;
	}
	must(request->gpa == fault->gpa && request->size == fault->size, "its range");
	must(request->state == (fault->flags ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED), "state");
	must(request->kind == GMEM_REQUEST_FAULT, "its kind");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gmem_uapi_run run = { 0 };
	struct gmem_request_repeats repeats = { 0 };
	struct gmem_request request;
	unsigned int vm_type;
	int result, r;

	if (size < 2)
		return 0;
	vm_type = data[0];
	result = -(int)data[1];
	size = size - 2 < sizeof(run) ? size - 2 : sizeof(run);
	memcpy(&run, data + 2, size);
	memset(&request, 0x77, sizeof(request));
	r = gmem_request_decode((struct kvm_run *)&run, result, &request, NULL);
	if (r)
		must(request.gpa == UINT64_C(0x7777777777777777), "nothing is written on failure");
	if (r == -ENODATA)
		return 0;
	if (!r)
		must(request.size && !((request.gpa | request.size) % 4096) &&
			     request.gpa + request.size > request.gpa,
		     "a request has a range");
	if (run.exit_reason == GMEM_UAPI_EXIT_HYPERCALL)
		check_hypercall(&run.hypercall, r, &request);
	else
		check_fault(&run.memory_fault, r, &request);
	must(gmem_request_answer((struct kvm_run *)&run, vm_type, r) == 0, "it can be answered");
	if (run.exit_reason == GMEM_UAPI_EXIT_HYPERCALL)
		must(run.hypercall.ret == 0 || run.hypercall.ret == EINVAL ||
			     run.hypercall.ret == (uint64_t)-EINVAL,
		     "the answer is one that KVM takes");
	must(gmem_request_count(&repeats, r ? NULL : &request, 1, NULL) == 0, "counted");
	return 0;
}
