/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many conversions, allocations and discards at once, while the caller goes on.
 */
#ifndef LIBGMEM_BATCH_H
#define LIBGMEM_BATCH_H

#include <libgmem/base.h>
#include <libgmem/convert.h>

GMEM_BEGIN_DECLS

/** struct gmem_batch - carries out batches, one at a time; made by gmem_batch_new() */
struct gmem_batch;

/**
 * enum gmem_batch_kind - what is done with a range
 *
 * No kind is 0, so that a forgotten initialisation is an error.
 */
enum gmem_batch_kind {
	/** as gmem_convert() does */
	GMEM_BATCH_CONVERT = 1,
	/** as gmem_allocate() does */
	GMEM_BATCH_ALLOCATE = 2,
	/** as gmem_discard() does */
	GMEM_BATCH_DISCARD = 3,
};

/**
 * enum gmem_batch_executor - who carries a batch out
 */
enum gmem_batch_executor {
	/** io_uring where it can be had, threads for the rest. */
	GMEM_BATCH_BEST = 0,
	/** Threads of the library. */
	GMEM_BATCH_THREADS = 1,
	/** Commands of an io_uring. Not to be asked for; told by gmem_batch_get_statistics(). */
	GMEM_BATCH_URING = 2,
};

/**
 * struct gmem_batch_item - one range of a batch
 *
 * It is the caller's, and must stay where it is and as it is until the batch is finished.
 */
struct gmem_batch_item {
	/** the file; one batch can have ranges of many */
	struct gmem *gmem;
	/** where the range starts, in bytes, a multiple of the page size */
	uint64_t offset;
	/** size of the range in bytes, a multiple of the page size, not 0 */
	uint64_t size;
	/** what is done */
	enum gmem_batch_kind kind;
	/** the state to convert to; 0 for other kinds */
	enum gmem_state state;
	/** the content policy of a conversion; 0 for other kinds */
	enum gmem_policy policy;
	/**
	 * What came of it: 0, or what the function for this kind would have returned; -ECANCELED if
	 * it was not begun. Written by the library.
	 */
	int32_t result;
	/** The first offset that failed, UINT64_MAX if it is not known. Written by the library. */
	uint64_t error_offset;
};

/**
 * struct gmem_batch_options - options of gmem_batch_new()
 */
struct gmem_batch_options {
	/** sizeof(struct gmem_batch_options) */
	uint64_t size;
	/** who carries batches out */
	enum gmem_batch_executor executor;
	/**
	 * 1: each range after the one before it, and none after the first failure. 0: in any order,
	 * perhaps at once, whatever fails; then ranges of a file must not overlap.
	 */
	uint32_t ordered;
	/** threads for what io_uring does not do, 64 at most; 0: up to 4. Ordered batches have one.
	 */
	uint32_t threads;
	/** how often to try a conversion whose pages are busy; 0: as gmem_convert() does */
	uint32_t max_attempts;
	/** how long to try, in nanoseconds; 0: as gmem_convert() does */
	uint64_t timeout_ns;
};

/**
 * gmem_batch_new() - make what carries out batches
 *
 * @options: NULL for the defaults
 * @ret_batch: released with gmem_batch_free()
 * @reterr_error: failure report or NULL
 *
 * Without liburing, or where the kernel forbids io_uring, batches are carried out by threads, with
 * the same results. Whether a file has io_uring commands is found out when they are tried.
 *
 * Errors:
 *   EINVAL  an option makes no sense, or ret_batch is NULL
 *   E2BIG   options have members that this version of the library does not know
 *   EMFILE  the process has too many open files
 *   ENFILE  the system has too many open files
 *   ENOMEM  out of memory
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_uring_cmd() of libgmem's series.
 *
 * Example:
 *   struct gmem_batch *batch;
 *
 *   if (gmem_batch_new(NULL, &batch, error) < 0)
 *           return -1;
 *   gmem_batch_free(batch);
 */
GMEM_API int gmem_batch_new(const struct gmem_batch_options *options, struct gmem_batch **ret_batch,
			    struct gmem_error *reterr_error);

/**
 * gmem_batch_free() - release it, after waiting for a batch that is under way
 *
 * @batch: what to release; NULL does nothing
 *
 * Threads: nobody else may use it any more.
 *
 * Example:
 *   gmem_batch_free(NULL);
 */
GMEM_API void gmem_batch_free(struct gmem_batch *batch);

/**
 * gmem_batch_submit() - begin a batch
 *
 * @batch: who carries it out
 * @items: the ranges
 * @count: how many, not 0
 * @reterr_index: which range is wrong, UINT64_MAX if none is; NULL if nobody asks
 * @reterr_error: failure report or NULL
 *
 * Returns before the batch is carried out; the caller goes on, and calls gmem_batch_finish() when
 * gmem_batch_get_fd() can be read, or to wait. All ranges are checked before the first begins.
 *
 * Neighbours with the same wish become one range: in an ordered batch those that follow each other
 * in the list, otherwise all. If such a range fails its parts are done one by one, so that results
 * are those of the parts. Guests and others may see a part done before another in any case.
 *
 * Files must not be released before the end. The order that listeners need (see gmem_convert())
 * is the caller's: nobody is asked to let go of busy pages.
 *
 * Errors:
 *   EINVAL  a range is empty, unaligned, wraps, or ends beyond its file; a kind, state or policy
 *           makes no sense; ranges overlap in a batch that is not ordered; a pointer is NULL
 *   EBUSY   a batch is under way
 *   ENOMEM  out of memory
 *
 * Threads: one at a time.
 *
 * Example:
 *   struct gmem_batch_item items[] = {
 *           { .gmem = gmem, .offset = 0, .size = 4096, .kind = GMEM_BATCH_ALLOCATE },
 *           { .gmem = gmem, .offset = 8192, .size = 4096, .kind = GMEM_BATCH_DISCARD },
 *   };
 *   struct gmem_batch *batch;
 *
 *   if (gmem_batch_new(NULL, &batch, error) < 0)
 *           return -1;
 *   if (gmem_batch_submit(batch, items, 2, NULL, error) < 0 ||
 *       gmem_batch_finish(batch, true, NULL, error) < 0)
 *           puts("not all of it");
 *   gmem_batch_free(batch);
 */
GMEM_API int gmem_batch_submit(struct gmem_batch *batch, struct gmem_batch_item *items,
			       uint64_t count, uint64_t *reterr_index,
			       struct gmem_error *reterr_error);

/**
 * gmem_batch_finish() - the end of a batch
 *
 * @batch: who carries it out
 * @wait: wait for the end; otherwise come back with -EINPROGRESS
 * @reterr_index: the first range in the list that failed, UINT64_MAX if none did; NULL if nobody
 *                asks
 * @reterr_error: failure report or NULL
 *
 * Does what is left to do when commands of io_uring come back: so an event loop has to call it
 * every time the descriptor can be read. It does not block without wait. After the end every item
 * has its result.
 *
 * Errors:
 *   EINPROGRESS  the batch is under way, and wait is not set
 *   ENODATA      no batch was submitted
 *   EINVAL       batch is NULL
 *   EOPNOTSUPP   a range cannot be converted, as gmem_convert() says
 *   EAGAIN       a page of a range was busy at every attempt
 *   ENOMEM       out of memory
 *   EINTR        signals came too fast
 *   EBADF        a descriptor was closed behind the library's back
 *   EPERM        a file is frozen for a live update; or a seccomp filter refused
 *   EHWPOISON    a page to allocate has a memory error
 *   EBADE        the kernel gave an answer that it must not give
 *
 * Threads: one at a time.
 *
 * Source: kvm_gmem_uring_cmd() of libgmem's series.
 *
 * Example:
 *   struct gmem_batch *batch;
 *
 *   if (gmem_batch_new(NULL, &batch, error) < 0)
 *           return -1;
 *   if (gmem_batch_finish(batch, false, NULL, error) == -ENODATA)
 *           puts("nothing to do");
 *   gmem_batch_free(batch);
 */
GMEM_API int gmem_batch_finish(struct gmem_batch *batch, bool wait, uint64_t *reterr_index,
			       struct gmem_error *reterr_error);

/**
 * gmem_batch_get_fd() - a descriptor that can be read when there is something to finish
 *
 * @batch: whose
 *
 * For poll(2) and the like. gmem_batch_finish() makes it unreadable again; the program must not
 * read from it or close it.
 *
 * Return: the descriptor, -1 for NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   printf("%d\n", gmem_batch_get_fd(NULL));
 */
GMEM_API int gmem_batch_get_fd(const struct gmem_batch *batch);

/**
 * struct gmem_batch_statistics - what the last batch took
 */
struct gmem_batch_statistics {
	/** sizeof(struct gmem_batch_statistics), set by the caller */
	uint64_t size;
	/** ranges after neighbours became one */
	uint64_t merged;
	/** ranges, as merged, that commands of io_uring carried out */
	uint64_t by_uring;
	/** system calls that carried out and waited, at least */
	uint64_t system_calls;
};

/**
 * gmem_batch_get_statistics() - what the last batch took
 *
 * @batch: which has no batch under way
 * @ret_statistics: written if 0 is returned
 *
 * Errors:
 *   EINVAL  an argument is NULL, or the size is too small
 *   EBUSY   a batch is under way
 *
 * Threads: one at a time.
 *
 * Example:
 *   struct gmem_batch_statistics statistics = { .size = sizeof(statistics) };
 *
 *   if (gmem_batch_get_statistics(NULL, &statistics) < 0)
 *           puts("no batch");
 */
GMEM_API int gmem_batch_get_statistics(const struct gmem_batch *batch,
				       struct gmem_batch_statistics *ret_statistics);

GMEM_END_DECLS

#endif
