/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The memory behind a range: allocate it ahead of its first use, or give it back.
 *
 * Neither changes the state of a page.
 */
#ifndef LIBGMEM_ALLOCATE_H
#define LIBGMEM_ALLOCATE_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * struct gmem_allocate_options - options of gmem_allocate()
 */
struct gmem_allocate_options {
	/** sizeof(struct gmem_allocate_options), not the size of the range */
	uint64_t size;
	/** 1: a signal ends the call with -EINTR. 0: the call goes on after a signal. */
	uint32_t interruptible;
	/** threads that share the work, the caller's included, 64 at most. 0: no other one. */
	uint32_t threads;
};

/**
 * gmem_allocate() - allocate the memory of a range
 *
 * @gmem: the file
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @options: NULL for the defaults: go on after a signal
 * @reterr_error: failure report or NULL
 *
 * Pages that are there already stay as they are. The memory is asked for in pieces of 64 MiB. If a
 * piece fails, what was allocated before stays allocated, and the report says up to where that
 * certainly is; the call can be repeated. With threads pieces are allocated, and zeroed, at once.
 *
 * Errors:
 *   EINVAL     the range is empty, unaligned, wraps, or ends beyond the file; an option makes
 *              no sense; gmem is NULL
 *   E2BIG      options have members that this version of the library does not know
 *   ENOMEM     out of memory, or a memory cgroup's limit
 *   EINTR      interruptible is set and a signal came; or signals came so fast that a piece
 *              made no progress in 1000 tries
 *   EBADF      the descriptor was closed behind the library's back
 *   EPERM      the file is frozen for a live update; or a seccomp filter refused
 *   EHWPOISON  a page in the range has a memory error
 *   EBADE      the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_allocate() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   if (gmem_allocate(gmem, 0, gmem_get_size(gmem), NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_allocate(struct gmem *gmem, uint64_t offset, uint64_t size,
			   const struct gmem_allocate_options *options,
			   struct gmem_error *reterr_error);

/**
 * gmem_discard() - give the memory of a range back
 *
 * @gmem: the file
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @reterr_error: failure report or NULL
 *
 * The contents are gone for guest and host. The state stays: the next touch finds a new page of
 * zeroes in the same state. Pages that somebody holds leave the file, too; their memory is freed
 * when they are let go.
 *
 * madvise(2) is no replacement: MADV_DONTNEED on a mapping frees nothing.
 *
 * Errors:
 *   EINVAL  the range is empty, unaligned, wraps, or ends beyond the file; gmem is NULL
 *   ENOMEM  the kernel is out of memory
 *   EINTR   signals came so fast that the call did not succeed in 1000 tries
 *   EBADF   the descriptor was closed behind the library's back
 *   EPERM   the file is frozen for a live update; or a seccomp filter refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_punch_hole() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   if (gmem_discard(gmem, 0, 4096, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_discard(struct gmem *gmem, uint64_t offset, uint64_t size,
			  struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
