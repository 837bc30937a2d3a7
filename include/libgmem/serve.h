/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Serving requests: the one call that a vCPU thread makes after KVM_RUN.
 */
#ifndef LIBGMEM_SERVE_H
#define LIBGMEM_SERVE_H

#include <libgmem/base.h>
#include <libgmem/convert.h>

GMEM_BEGIN_DECLS

/** How often a fault exit may repeat without progress, if options do not say. */
#define GMEM_SERVE_DEFAULT_REPEATS 16

struct kvm_run;

/**
 * typedef gmem_allow_fn - whether a guest may have what it asks for
 *
 * @gpa: where the range starts in guest-physical memory, in bytes; not checked against slots yet
 * @size: size of the range in bytes
 * @state: the state that the guest wants
 * @data: allow_data
 *
 * Called on the vCPU's thread, with no lock held. It may take its time, and may call the library.
 *
 * Return: 0 to convert; anything else refuses: a hypercall answers EINVAL, or EAGAIN for -EAGAIN;
 * a fault makes gmem_space_serve() fail with -ECANCELED, or -EAGAIN.
 */
typedef int (*gmem_allow_fn)(uint64_t gpa, uint64_t size, enum gmem_state state, void *data);

/**
 * struct gmem_server - what serving one vCPU needs; one for each vCPU, kept between calls
 */
struct gmem_server {
	/** sizeof(struct gmem_server) */
	uint64_t size;
	/** options of the conversions; NULL for the defaults */
	const struct gmem_convert_options *convert;
	/** asked before a conversion; NULL allows all */
	gmem_allow_fn allow;
	/** handed to allow */
	void *allow_data;
	/** give up when one fault exit has come so often in a row; 0: 16 */
	uint32_t max_repeats;
	/** how often the last fault exit has come in a row; kept by gmem_space_serve() */
	uint32_t repeats;
	/** what the last request asked for, guest-physical, in bytes; 0 before the first one */
	uint64_t gpa;
	/** size of that in bytes */
	uint64_t range_size;
	/** the state that it asked for; 0 if it made no sense */
	enum gmem_state state;
	/**
	 * What became of the last request that had an answer (a hypercall): 0, or the negative
	 * errno because of which the guest was refused.
	 */
	int32_t result;
};

/**
 * gmem_space_serve() - serve what a vCPU asks for
 *
 * @space: the space
 * @run: the vCPU's struct kvm_run, after KVM_RUN
 * @run_result: what KVM_RUN returned: 0, or the negative errno
 * @server: the vCPU's; zeroed at first, but for size and what the caller sets
 * @reterr_error: failure report or NULL
 *
 * If the vCPU left the guest because it asks for a conversion, by KVM_HC_MAP_GPA_RANGE or with a
 * memory fault, the request is decoded, checked, and served with gmem_space_convert(). The guest is
 * hostile: nothing of what it says is believed.
 *
 * A hypercall gets its answer in run->hypercall.ret, whatever happened, in the form that the VM's
 * type wants; then the call returns 0 and the vCPU goes on. What the guest was told is in result of
 * the server, and the report says why it was refused. So a guest that asks for nonsense is told so,
 * and cannot stop its VMM.
 *
 * A memory fault has no answer: the vCPU repeats the access. If one has come more than max_repeats
 * times in a row the guest does not get anywhere, and the call gives up.
 *
 * Errors:
 *   ENODATA     the exit is no request: the caller has to look at it. This is no failure, and no
 *               report is written.
 *   ELOOP       the same memory fault has come more than max_repeats times in a row
 *   EINVAL      space, run or server is NULL or server has a wrong size; for a fault: the range
 * that the kernel reports, or an option, makes no sense E2BIG       server or its options have
 * members that this version of the library does not know ENXIO       for a fault: a part of the
 * range is in no slot EOPNOTSUPP  for a fault: nothing can be converted here, or not with this
 * policy EAGAIN      for a fault: a page or a listener stayed busy; KVM_RUN may be tried again
 *   ECANCELED   for a fault: allow, a listener, or the busy function refused
 *   EDEADLK     called by a listener of this space
 *   ENOMEM      for a fault: the kernel is out of memory
 *   EINTR       for a fault: signals came so fast that memory could not be allocated
 *   EHWPOISON   for a fault: a page that was to be allocated has a memory error
 *   EBADF       for a fault: the VM or a file was closed behind the library's back
 *   EIO         for a fault: the VM belongs to another process, or is dead
 *   EPERM       for a fault: a file is frozen for a live update, or a seccomp filter refused
 *   EBADE       for a fault: the kernel gave an answer that it must not give
 *
 * Threads: safe for different vCPUs, each with a server of its own.
 *
 * Source: KVM_EXIT_HYPERCALL and KVM_EXIT_MEMORY_FAULT in Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   struct gmem_server server = { .size = sizeof(server) };
 *   int r;
 *
 *   do {
 *           r = run_vcpu();
 *           r = gmem_space_serve(space, run, r, &server, error);
 *   } while (r == 0);
 *   if (r != -ENODATA)
 *           return -1;
 */
GMEM_API int gmem_space_serve(struct gmem_space *space, struct kvm_run *run, int run_result,
			      struct gmem_server *server, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
