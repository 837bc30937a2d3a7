/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Serving requests: the one call that a vCPU thread makes after KVM_RUN.
 */
#ifndef LIBGMEM_SERVE_H
#define LIBGMEM_SERVE_H

#include <libgmem/base.h>
#include <libgmem/convert.h>
#include <libgmem/request.h>

GMEM_BEGIN_DECLS

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
 * Return: 0 to convert; anything else refuses: a hypercall is answered with EINVAL, or with EAGAIN
 * for -EAGAIN; for a fault gmem_space_serve() fails with -EACCES, or -EAGAIN.
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
	/** how often the same fault may come in a row; 0: GMEM_REQUEST_DEFAULT_REPEATS */
	uint64_t max_repeats;
	/** counts that; written by gmem_space_serve() */
	struct gmem_request_repeats repeats;
	/** the last request that could be decoded; written by gmem_space_serve() */
	struct gmem_request request;
	/**
	 * What became of the last request that had an answer, a hypercall: 0, or the negative errno
	 * because of which the guest was refused. Written by gmem_space_serve().
	 */
	int32_t result;
	/** must be 0 */
	uint32_t reserved;
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
 * memory fault, the request is decoded, checked, and served as gmem_space_convert() does it. The
 * guest is hostile: nothing of what it says is believed.
 *
 * A hypercall gets its answer in run->hypercall.ret, whatever happened, in the form that the type
 * of the space's VM wants; then the call returns 0 and the vCPU goes on. What the guest was told is
 * in result of the server, and the report says why it was refused. So a guest that asks for
 * nonsense is told so, and cannot stop its VMM.
 *
 * A memory fault has no answer: the vCPU repeats the access. If it comes with the same one
 * more than max_repeats times in a row the guest does not get anywhere, and the call gives up: see
 * gmem_request_count().
 *
 * Errors:
 *   ENODATA     the exit is no request: the caller has to look at it. This is no failure, and no
 *               report is written.
 *   ELOOP       the same memory fault came more often than it may
 *   EINVAL      space, run or server is NULL, or a member of server makes no sense; for a fault: so
 *               do the options
 *   E2BIG       server or, for a fault, its options have members that this version of the library
 *               does not know
 *   EACCES      for a fault: allow refused
 *   ENXIO       for a fault: a part of the range is in no slot
 *   EOPNOTSUPP  for a fault: nothing can be converted here, or not with this policy
 *   EAGAIN      for a fault: a page or a listener stayed busy, or allow said so; KVM_RUN may be
 *               tried again
 *   ECANCELED   for a fault: a listener or the busy function refused
 *   EDEADLK     for a fault: called by a listener of this space
 *   ENOMEM      for a fault: the kernel is out of memory
 *   EINTR       for a fault: signals came so fast that memory could not be allocated
 *   EHWPOISON   the guest touched a page that a memory error has destroyed; or for a fault: a page
 *               that was to be allocated is such a one
 *   EBADF       for a fault: the VM or a file was closed behind the library's back
 *   EIO         for a fault: the VM belongs to another process, or is dead
 *   EPERM       for a fault: a file is frozen for a live update, or a seccomp filter refused
 *   EBADE       for a fault: the kernel gave an answer that it must not give, or reported a
 *               fault that cannot be
 *
 * Threads: safe for different vCPUs, each with a server of its own.
 *
 * Source: KVM_EXIT_HYPERCALL and KVM_EXIT_MEMORY_FAULT in Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   struct gmem_server server = { .size = sizeof(server) };
 *   // What KVM_RUN returned, or the negative errno.
 *   int r = gmem_space_serve(space, run, -EFAULT, &server, error);
 *
 *   if (r == -ENODATA)
 *           puts("no request: look at run->exit_reason");
 *   else if (r < 0)
 *           return -1;
 */
GMEM_API int gmem_space_serve(struct gmem_space *space, struct kvm_run *run, int run_result,
			      struct gmem_server *server, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
