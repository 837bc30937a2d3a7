/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Requests: what a guest asks for when a vCPU comes out of KVM_RUN, taken out of struct kvm_run and
 * checked, and the answer put back. Pure functions: they call no kernel and keep nothing.
 */
#ifndef LIBGMEM_REQUEST_H
#define LIBGMEM_REQUEST_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/** struct kvm_run - the kernel's own, in <linux/kvm.h>, which this header does not need */
struct kvm_run;

/** How often a fault may repeat without progress, if gmem_request_count() is not told. */
#define GMEM_REQUEST_DEFAULT_REPEATS 16

/**
 * enum gmem_request_kind - how a guest asks for a conversion
 */
enum gmem_request_kind {
	/** By the hypercall KVM_HC_MAP_GPA_RANGE: it waits for an answer. */
	GMEM_REQUEST_HYPERCALL = 1,
	/** By touching a page that has the other state: it tries again when the vCPU runs. */
	GMEM_REQUEST_FAULT = 2,
};

/**
 * struct gmem_request - a guest's request for a conversion
 *
 * Its layout never changes.
 */
struct gmem_request {
	/** where the range starts in guest-physical memory, in bytes, a multiple of 4096 */
	uint64_t gpa;
	/** size in bytes, a multiple of 4096, not 0; gpa + size does not wrap */
	uint64_t size;
	/** the page size that the guest said it uses there, a hint: 4 KiB, 2 MiB or 1 GiB */
	uint64_t page_size;
	/** the state that the guest wants */
	enum gmem_state state;
	/** how it asked */
	enum gmem_request_kind kind;
};

/**
 * struct gmem_request_repeats - counts faults of one vCPU that repeat without progress
 *
 * All 0 at first. Its layout never changes.
 */
struct gmem_request_repeats {
	/** the request that came last */
	struct gmem_request last;
	/** how often it came, one after the other */
	uint64_t count;
};

/**
 * gmem_request_decode() - take a request for a conversion out of struct kvm_run
 *
 * @run: the vCPU's struct kvm_run, as KVM_RUN left it
 * @result: what KVM_RUN returned: 0, or the negative errno of its failure
 * @ret_request: the request
 * @reterr_error: failure report or NULL
 *
 * Two exits are requests: KVM_EXIT_HYPERCALL with KVM_HC_MAP_GPA_RANGE (enabled with
 * KVM_CAP_EXIT_HYPERCALL), and KVM_EXIT_MEMORY_FAULT, with which KVM_RUN fails with EFAULT. Every
 * other exit is the VMM's own business: -ENODATA, which is no failure, and no report is written.
 *
 * What a guest asks for is hostile input. Private is one bit of the attributes; the bits that tell
 * a page size are a hint and never make a request private; bits without meaning, no pages, an
 * address that is not page aligned and a range that wraps are refused. Whether the guest has memory
 * there is up to the caller. After -EINVAL the guest waits for an answer: gmem_request_answer().
 *
 * The report of a failure has the range that the guest asked for, in guest-physical bytes.
 *
 * Errors:
 *   ENODATA    the exit is not a request for a conversion
 *   EINVAL     the guest's hypercall makes no sense; run or ret_request is NULL
 *   EHWPOISON  the guest touched a page that a memory error has destroyed
 *   EBADE      the kernel reported a fault that cannot be: unaligned, empty, wrapping, or of a
 *              kind that the library does not know
 *
 * Threads: safe.
 *
 * Source: KVM_EXIT_HYPERCALL and KVM_EXIT_MEMORY_FAULT in Documentation/virt/kvm/api.rst,
 * KVM_HC_MAP_GPA_RANGE in Documentation/virt/kvm/x86/hypercalls.rst.
 *
 * Example:
 *   // run is what KVM_RUN returned 0 with; guest-physical addresses are offsets of the file.
 *   struct gmem_request request;
 *   int r = gmem_request_decode(run, 0, &request, error);
 *
 *   if (r == 0)
 *           r = gmem_convert(gmem, request.gpa, request.size, request.state, NULL, error);
 *   if (r != -ENODATA)
 *           gmem_request_answer(run, 1, r);
 */
GMEM_API int gmem_request_decode(const struct kvm_run *run, int result,
				 struct gmem_request *ret_request, struct gmem_error *reterr_error);

/**
 * gmem_request_answer() - put the answer to a hypercall where KVM takes it from
 *
 * @run: the vCPU's struct kvm_run, as KVM_RUN left it
 * @vm_type: the VM type that KVM_CREATE_VM was given
 * @code: how the request ended: 0 or a negative errno of any call of the library
 *
 * KVM takes the answer at the next KVM_RUN, and what it may be depends on the VM type. SNP and TDX
 * VMs: 0, or EAGAIN or EINVAL as positive numbers; with anything else KVM_RUN fails. Other VM types
 * hand the number to the guest as it is, and the guest expects a negative one. EAGAIN tells the
 * guest to ask again: it stands for -EAGAIN, -EBUSY, -EINTR and -ECANCELED. Every other failure is
 * EINVAL.
 *
 * A request by a fault has no place for an answer: nothing is done.
 *
 * Errors:
 *   EINVAL  run is NULL, or code is positive
 *
 * Threads: safe. One struct kvm_run belongs to one thread.
 *
 * Source: hypercall.ret in sev_snp and tdx code of arch/x86/kvm; Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   // The guest of a software-protected VM wants what it cannot have.
 *   if (gmem_request_answer(run, 1, -EINVAL) < 0)
 *           return -1;
 */
GMEM_API int gmem_request_answer(struct kvm_run *run, unsigned int vm_type, int code);

/**
 * gmem_request_count() - find out that a vCPU does not get on
 *
 * @repeats: the vCPU's count, all 0 at first
 * @request: the request that it came out with; NULL if it came out with something else
 * @max_repeats: how often the same fault may come; 0: GMEM_REQUEST_DEFAULT_REPEATS
 * @reterr_error: failure report or NULL
 *
 * A fault that was served and comes again at once has several causes: another vCPU converted the
 * page in between, or nothing helps, and the vCPU would go round for ever: there is no memory, the
 * file is frozen, the slot is of another file. A fault is the same if it has the same range and
 * wants the same state; anything else that the vCPU comes out with starts the count again.
 *
 * Errors:
 *   ELOOP   the same fault came more often than it may
 *   EINVAL  repeats is NULL
 *
 * Threads: safe for different counts.
 *
 * Example:
 *   struct gmem_request_repeats repeats = { 0 };
 *   struct gmem_request request = { .size = 4096, .state = GMEM_STATE_PRIVATE,
 *                                   .kind = GMEM_REQUEST_FAULT };
 *
 *   if (gmem_request_count(&repeats, &request, 0, error) == -ELOOP)
 *           return -1;
 */
GMEM_API int gmem_request_count(struct gmem_request_repeats *repeats,
				const struct gmem_request *request, uint64_t max_repeats,
				struct gmem_error *reterr_error);

/**
 * gmem_request_kind_name() - the name of a kind of request
 *
 * @kind: the kind
 *
 * Return: "hypercall" or "fault", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_request_kind_name(GMEM_REQUEST_HYPERCALL));
 */
GMEM_API const char *gmem_request_kind_name(enum gmem_request_kind kind);

GMEM_END_DECLS

#endif
