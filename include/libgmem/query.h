/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Query: which pages of a file are private and which are shared, asked of the kernel.
 *
 * Only kernels with libgmem's series have it (GMEM_FEATURE_QUERY). Elsewhere every function here
 * fails with -EOPNOTSUPP: the library guesses nothing, and keeps no list that others who convert
 * the file could make wrong.
 *
 * Conversions may happen while a query runs. Each extent was true at some moment of the query, and
 * extents always cover the range without gaps, but different extents may be of different moments.
 */
#ifndef LIBGMEM_QUERY_H
#define LIBGMEM_QUERY_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * struct gmem_extent - a part of a file that has one state
 *
 * Its layout never changes.
 */
struct gmem_extent {
	/** where it starts in the file, in bytes, a multiple of the page size */
	uint64_t offset;
	/** size in bytes, a multiple of the page size, not 0 */
	uint64_t size;
	/** bytes of it that have memory, if that was asked for; else 0 */
	uint64_t allocated;
	/** state of all its pages */
	enum gmem_state state;
	/** 0 */
	uint32_t reserved;
};

/** struct gmem_query - goes through the extents of a range, made by gmem_query_new() */
struct gmem_query;

/**
 * struct gmem_query_options - options of gmem_query_new()
 */
struct gmem_query_options {
	/** sizeof(struct gmem_query_options), not the size of the range */
	uint64_t size;
	/** 1: count what is allocated, which takes the kernel a look at every allocated page */
	uint32_t allocated;
	/** extents asked for with one system call, at most 65536; 0: 128. 32 bytes each. */
	uint32_t batch;
};

/**
 * gmem_query_new() - begin to go through the extents of a range
 *
 * @gmem: the file, which must not be released before the query
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @options: NULL for the defaults
 * @ret_query: the query, released with gmem_query_free()
 * @reterr_error: failure report or NULL
 *
 * This is the only time that a query allocates, whatever the number of extents. It asks the kernel
 * nothing yet: whether it can be asked at all shows with the first gmem_query_next().
 *
 * Errors:
 *   EINVAL  the range is empty, unaligned, wraps, or ends beyond the file; an option makes
 *           no sense; gmem or ret_query is NULL
 *   E2BIG   options have members that this version of the library does not know
 *   ENOMEM  out of memory
 *
 * Threads: safe. One query must not be used by two threads at once.
 *
 * Example:
 *   struct gmem_query *query;
 *   struct gmem_extent extent;
 *   int r = gmem_query_new(gmem, 0, gmem_get_size(gmem), NULL, &query, error);
 *
 *   if (r < 0)
 *           return r;
 *   while ((r = gmem_query_next(query, &extent, error)) == 0)
 *           puts(gmem_state_name(extent.state));
 *   gmem_query_free(query);
 *   if (r != -ENODATA)
 *           return r;
 */
GMEM_API int gmem_query_new(struct gmem *gmem, uint64_t offset, uint64_t size,
			    const struct gmem_query_options *options, struct gmem_query **ret_query,
			    struct gmem_error *reterr_error);

/**
 * gmem_query_next() - the next extent
 *
 * @query: the query
 * @ret_extent: the extent
 * @reterr_error: failure report or NULL
 *
 * Extents come in the order of the file, cover the range without gaps, and end where the range
 * ends. Neighbours have different states. The state of an extent may have changed since the kernel
 * was asked, which is once per batch.
 *
 * After a failure the call can be repeated: no extent is lost. After the last extent each call
 * returns -ENODATA, which is no failure: no report is written.
 *
 * Errors:
 *   ENODATA     the last extent has been returned before
 *   EINVAL      query or ret_extent is NULL
 *   EOPNOTSUPP  the kernel cannot be queried, or the level was forced down
 *   ENOMEM      the kernel is out of memory
 *   EINTR       signals came so fast that the call did not succeed in 1000 tries
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give, such as extents with gaps
 *
 * Threads: safe for different queries, also of one file.
 *
 * Source: KVM_GUEST_MEMFD_QUERY in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   struct gmem_query *query;
 *   struct gmem_extent first;
 *
 *   if (gmem_query_new(gmem, 0, gmem_get_size(gmem), NULL, &query, error) < 0)
 *           return -1;
 *   if (gmem_query_next(query, &first, error) == 0)
 *           printf("%llu bytes\n", (unsigned long long)first.size);
 *   gmem_query_free(query);
 */
GMEM_API int gmem_query_next(struct gmem_query *query, struct gmem_extent *ret_extent,
			     struct gmem_error *reterr_error);

/**
 * gmem_query_free() - end a query
 *
 * @query: the query; NULL does nothing
 *
 * Threads: safe once no other thread uses the query.
 *
 * Example:
 *   gmem_query_free(NULL);
 */
GMEM_API void gmem_query_free(struct gmem_query *query);

/**
 * gmem_get_state() - the state of one page
 *
 * @gmem: the file
 * @offset: of the page, in bytes, a multiple of the page size
 * @ret_state: the state
 * @reterr_error: failure report or NULL
 *
 * One system call, no allocation.
 *
 * Errors:
 *   EINVAL      the offset is unaligned, or beyond the end of the file; gmem or ret_state is
 *               NULL
 *   EOPNOTSUPP  the kernel cannot be queried, or the level was forced down
 *   ENOMEM      the kernel is out of memory
 *   EINTR       signals came so fast that the call did not succeed in 1000 tries
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: KVM_GUEST_MEMFD_QUERY in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   enum gmem_state state;
 *
 *   if (gmem_get_state(gmem, 0, &state, error) == 0)
 *           puts(gmem_state_name(state));
 */
GMEM_API int gmem_get_state(struct gmem *gmem, uint64_t offset, enum gmem_state *ret_state,
			    struct gmem_error *reterr_error);

/**
 * gmem_compare() - compare the states of a file with a list
 *
 * @gmem: the file
 * @expected: extents in the order of the file that do not overlap; allocated is not looked at
 * @count: how many, not 0; one is enough to ask whether all of a range has a state
 * @ret_equal: whether all pages of the extents have the state that is expected of them
 * @ret_difference: where they first have not: written only if they differ; may be NULL
 * @reterr_error: failure report or NULL
 *
 * Pages between the extents of the list are not compared. The difference begins with the first page
 * that has another state than expected, and ends where its state or the expected one does; its
 * state is the one that the page has. The kernel is asked until the first difference is found.
 *
 * A system call for every 128 extents of the file, no allocation.
 *
 * Errors:
 *   EINVAL      the list is not as described, or not inside the file; gmem, expected or
 *               ret_equal is NULL
 *   EOPNOTSUPP  the kernel cannot be queried, or the level was forced down
 *   ENOMEM      the kernel is out of memory
 *   EINTR       signals came so fast that the call did not succeed in 1000 tries
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: KVM_GUEST_MEMFD_QUERY in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   struct gmem_extent all = { .size = gmem_get_size(gmem), .state = GMEM_STATE_PRIVATE };
 *   bool equal;
 *
 *   if (gmem_compare(gmem, &all, 1, &equal, NULL, error) == 0 && !equal)
 *           puts("some of the file is shared");
 */
GMEM_API int gmem_compare(struct gmem *gmem, const struct gmem_extent *expected, size_t count,
			  bool *ret_equal, struct gmem_extent *ret_difference,
			  struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
