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
 * enum gmem_policy - content policy: what a conversion promises about the bytes
 *
 * A policy is asked for, and then kept for every page of the range, also for those that have the
 * wanted state already and those that are not allocated; or the conversion fails with -EOPNOTSUPP.
 */
enum gmem_policy {
	/** Nothing is promised: what becomes of the bytes depends on the VM type. */
	GMEM_POLICY_UNSPECIFIED = 0,
	/** All of the range reads as zeroes. */
	GMEM_POLICY_ZERO = 1,
	/** All of the range reads as it did before. */
	GMEM_POLICY_PRESERVE = 2,
};

/**
 * enum gmem_guarantee - how a content policy was kept
 */
enum gmem_guarantee {
	/** No policy was asked for. */
	GMEM_GUARANTEE_NONE = 0,
	/** The kernel kept it. */
	GMEM_GUARANTEE_NATIVE = 1,
	/** The library kept it, see emulate of struct gmem_convert_options. */
	GMEM_GUARANTEE_EMULATED = 2,
};

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
 * called on the thread that called gmem_convert(), with no lock held, and may call the library, but
 * must not release the file. Every attempt is told, the last one too.
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
	/** how often to ask the kernel at most, for each step; 1 never retries */
	uint32_t max_attempts;
	/** what is promised about the bytes */
	enum gmem_policy policy;
	/**
	 * No attempt starts later than this many nanoseconds after the first one failed. With
	 * steps, all of them together wait no longer for busy pages than this.
	 */
	uint64_t timeout_ns;
	/** the first pause in nanoseconds; each pause is twice the one before */
	uint64_t backoff_ns;
	/** the longest pause in nanoseconds, not less than backoff_ns */
	uint64_t backoff_max_ns;
	/** called for every busy attempt; NULL for none */
	gmem_busy_fn busy;
	/** handed to busy */
	void *busy_data;
	/**
	 * Convert this many bytes with one system call, a multiple of the page size. 0: all of the
	 * range at once, and all or nothing.
	 */
	uint64_t step_size;
	/** How policy was kept, written on success only; NULL if nobody asks. */
	enum gmem_guarantee *ret_guarantee;
	/**
	 * 1: the zero policy may be emulated on the way to shared. With this the caller says that
	 * until the call returns no vCPU can touch the range (they are stopped, or no slot has it),
	 * and that no host user touches or holds pages of it. 0: only the kernel can give it.
	 */
	uint32_t emulate;
	/** must be 0 */
	uint32_t reserved;
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
 * Content. Without a policy nothing is promised about the bytes: what the kernel does to them
 * depends on the VM type. A policy is a guarantee that is asked for in the options. Kernels with
 * libgmem's series give it or refuse it (GMEM_FEATURE_POLICY); that is native. A file's policies
 * are known if gmem_create() made it, or if gmem_adopt() got a probe of its VM; flags are never
 * sent to a kernel that did not announce them, because they could mean something else there.
 *
 * Where the kernel has no policies, zero can be emulated on the way to shared, and nothing else.
 * The range is discarded while it is still private, and then converted: the host finds new pages.
 * Nobody sees the old bytes, but what a vCPU writes to its private page between the two would be
 * seen, and a page that a vCPU only touches is scrambled on some VM types. The other order, or
 * writing zeroes through a mapping, would show the old bytes to all who have the file mapped. And a
 * shared page that is discarded leaves the file, while devices that hold it go on using it. So it
 * is sound only if the caller can say that nobody touches or holds the range, by setting emulate.
 * If a conversion then fails after its range was discarded, gmem_error_get_lost() tells which bytes
 * are gone. Zero on the way to private is not emulated, because what the guest will see is up to
 * its VM type. Preserve is never emulated.
 *
 * Steps. The kernel holds the file's lock for all of a range, which stops page faults and other
 * conversions of the file; seconds, for a huge range. With step_size the range is cut into steps of
 * that size, in the order of the file, each a conversion of its own. If a step fails those before
 * it stay converted: gmem_error_get_done() tells how many bytes from the start that is, and
 * everything after is as it was. Call again for what is left, or for the whole range: but not with
 * the zero policy if somebody may have written to what was done, because it would be zeroed again.
 * Nothing is rolled back: that could fail like the step did, and bytes would not come back. Others
 * can see a range that is half converted.
 *
 * Without steps and emulation this is one system call on success, and no allocation. No conversion
 * allocates.
 *
 * Errors:
 *   EINVAL      the range is empty, unaligned, wraps, or ends beyond the file; state or an
 *               option makes no sense; gmem is NULL
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  nothing can be converted here: the kernel has no in-place conversion, or it is
 *               not in force, or the VM has no private memory, or the level was forced down; or
 *               the policy cannot be kept; the report says which
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
 * guest_memfd, flags 0), in Documentation/virt/kvm/api.rst; "Content policies" there in libgmem's
 * series.
 *
 * Example:
 *   // The guest asked to share one page; later it takes it back.
 *   if (gmem_convert(gmem, 0, 4096, GMEM_STATE_SHARED, NULL, error) < 0)
 *           return -1;
 *   if (gmem_convert(gmem, 0, 4096, GMEM_STATE_PRIVATE, NULL, error) < 0)
 *           return -1;
 *
 *   // Load an image through the mapping, keep its bytes, 64 MiB at a time.
 *   struct gmem_convert_options options = { .size = sizeof(options) };
 *
 *   options.policy = GMEM_POLICY_PRESERVE;
 *   options.step_size = 64 << 20;
 *   if (gmem_convert(gmem, 0, gmem_get_size(gmem), GMEM_STATE_PRIVATE, &options, error) < 0)
 *           printf("%llu bytes\n", (unsigned long long)gmem_error_get_done(error));
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

/**
 * gmem_policy_name() - the name of a content policy
 *
 * @policy: the policy
 *
 * Return: "unspecified", "zero" or "preserve", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_policy_name(GMEM_POLICY_ZERO));
 */
GMEM_API const char *gmem_policy_name(enum gmem_policy policy);

/**
 * gmem_guarantee_name() - the name of a way to keep a content policy
 *
 * @guarantee: the way
 *
 * Return: "none", "native" or "emulated", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_guarantee_name(GMEM_GUARANTEE_NATIVE));
 */
GMEM_API const char *gmem_guarantee_name(enum gmem_guarantee guarantee);

GMEM_END_DECLS

#endif
