/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversion: changing the state of a range of a guest_memfd, in place.
 */
#ifndef LIBGMEM_CONVERT_H
#define LIBGMEM_CONVERT_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/** How often gmem_convert() asks the kernel at most, if options do not say. */
#define GMEM_CONVERT_DEFAULT_ATTEMPTS 100
/** How long gmem_convert() tries, in nanoseconds, if options do not say. */
#define GMEM_CONVERT_DEFAULT_TIMEOUT_NS UINT64_C(1000000000)
/** Try for as long as max_attempts allows. */
#define GMEM_CONVERT_NO_TIMEOUT UINT64_MAX
/** The first pause between two attempts, in nanoseconds, if options do not say. */
#define GMEM_CONVERT_DEFAULT_BACKOFF_NS UINT64_C(20000)
/** The longest pause between two attempts, in nanoseconds, if options do not say. */
#define GMEM_CONVERT_DEFAULT_BACKOFF_MAX_NS UINT64_C(10000000)

/**
 * enum gmem_busy_action - what to do after an attempt that found a busy page
 */
enum gmem_busy_action {
	/** Pause, then try again: whoever holds the page has been asked, or is unknown. */
	GMEM_BUSY_BACK_OFF = 0,
	/** Try again at once: the page has been let go. */
	GMEM_BUSY_RETRY_NOW = 1,
	/** Give up: gmem_convert() returns -ECANCELED. */
	GMEM_BUSY_STOP = 2,
};

/**
 * typedef gmem_busy_fn - called after every attempt that found a busy page
 *
 * @attempt: report of this attempt: -EAGAIN, range, first busy offset, attempts so far; borrowed
 * @data: busy_data of the options
 *
 * The callee lets go of what it holds at that offset (unmaps DMA, unregisters buffers). It is
 *called on the thread that called gmem_convert(), with no lock held, and may call the library, but
 *must not release the file. Every attempt is told, the last one too.
 *
 * Return: what to do; anything else than the three values stops.
 */
typedef enum gmem_busy_action (*gmem_busy_fn)(const struct gmem_error *attempt, void *data);

/**
 * struct gmem_convert_options - options of gmem_convert()
 *
 * A member that is 0 has its default.
 */
struct gmem_convert_options {
	/** sizeof(struct gmem_convert_options) */
	uint64_t size;
	/** how often to ask the kernel at most; 1 never retries */
	uint32_t max_attempts;
	/** must be 0 */
	uint32_t reserved;
	/** no attempt starts later than this many nanoseconds after the first one failed */
	uint64_t timeout_ns;
	/** the first pause in nanoseconds; each pause is twice the one before */
	uint64_t backoff_ns;
	/** the longest pause in nanoseconds, not less than backoff_ns */
	uint64_t backoff_max_ns;
	/** called for every busy attempt; NULL for none */
	gmem_busy_fn busy;
	/** handed to busy */
	void *busy_data;
};

/**
 * gmem_convert() - change the state of a range
 *
 * @gmem: the file
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @state: the state that all pages of the range shall have
 * @options: NULL for the defaults
 * @reterr_error: failure report or NULL
 *
 * Pages that have the state already stay as they are. Pages need not be allocated: the state holds
 * from their first use. All slots and all files of the inode see the change.
 *
 * Order, for host users of shared memory (VFIO, vhost, registered buffers, anything that pins):
 *
 * - To private: they let go of the range first; then convert; if that fails they take it back.
 * - To shared: convert first; then make the contents safe; then they may map it.
 *
 * The kernel removes the range from all host page tables on the way to private, and then refuses
 * with EAGAIN if a page is still referenced. That has two causes: somebody holds it, or a fault was
 * just under way and the next attempt will work. So the whole range is tried again, after busy was
 * called and after a pause, until max_attempts or timeout_ns is reached. A conversion that failed
 * changed no state, but host mappings of the range are gone and come back with page faults.
 *
 * What the kernel does to the bytes depends on the VM type; no content is promised by this call.
 *
 * On success this is one system call and no allocation.
 *
 * Errors:
 *   EINVAL      the range is empty, unaligned, wraps, or ends beyond the file; state or an
 *               option makes no sense; gmem is NULL
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  nothing can be converted here: the kernel has no in-place conversion, or it is
 *               not in force, or the VM has no private memory; the report says which
 *   EAGAIN      a page was busy at every attempt; the report has the first one's offset
 *   ECANCELED   busy returned GMEM_BUSY_STOP
 *   ENOMEM      the kernel is out of memory
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       the file is frozen for a live update; or a seccomp filter refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * EINTR never occurs: a signal only ends a pause early.
 *
 * Threads: safe, also for overlapping ranges of one file: the kernel serialises them, and the
 * result is that of some order.
 *
 * Source: KVM_SET_MEMORY_ATTRIBUTES2 on a guest_memfd, as applied for Linux 7.4 (128 bytes, on the
 * guest_memfd, flags 0), in Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   // The guest asked to share one page; later it takes it back.
 *   if (gmem_convert(gmem, 0, 4096, GMEM_STATE_SHARED, NULL, error) < 0)
 *           return -1;
 *   if (gmem_convert(gmem, 0, 4096, GMEM_STATE_PRIVATE, NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_convert(struct gmem *gmem, uint64_t offset, uint64_t size, enum gmem_state state,
			  const struct gmem_convert_options *options,
			  struct gmem_error *reterr_error);

/**
 * gmem_state_name() - the name of a state
 *
 * @state: the state
 *
 * Return: "shared" or "private", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_state_name(GMEM_STATE_SHARED));
 */
GMEM_API const char *gmem_state_name(enum gmem_state state);

GMEM_END_DECLS

#endif
