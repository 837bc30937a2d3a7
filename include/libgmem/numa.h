/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * On which nodes of the machine memory is: where it shall be, said before its first use, and where
 * it is.
 */
#ifndef LIBGMEM_NUMA_H
#define LIBGMEM_NUMA_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_numa_policy - how pages are spread over nodes
 */
enum gmem_numa_policy {
	/** On these nodes only; if they are full there is no memory. */
	GMEM_NUMA_BIND = 1,
	/** Page by page on one of these nodes after the other. */
	GMEM_NUMA_INTERLEAVE = 2,
	/** On this one node, or elsewhere if it is full. */
	GMEM_NUMA_PREFERRED = 3,
};

/**
 * struct gmem_numa_options - options of gmem_numa_place() and gmem_numa_place_guest()
 */
struct gmem_numa_options {
	/** sizeof(struct gmem_numa_options) */
	uint64_t size;
	/**
	 * Bytes that were there before, and stay where they are; written on success. UINT64_MAX:
	 * the process may not ask. NULL if nobody asks.
	 */
	uint64_t *ret_late;
	/**
	 * 1: place what is allocated from now on, even if some pages are there already. 0: that is
	 * an error.
	 */
	uint32_t late;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_numa_place() - say on which nodes the memory of a range shall be
 *
 * @gmem: the file, created mappable
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @policy: how pages are spread
 * @nodes: which nodes, as libnuma writes them: "0-1,3", "!0" for all but one, "+0" counted among
 *         those that the process may use, "all"
 * @options: NULL for the defaults
 * @reterr_error: failure report or NULL
 *
 * The policy belongs to the file: it holds for guest and host, whoever touches a page first, and
 * until another is set. Pages that are there already do not move, because guest_memfd cannot move
 * pages. So place memory before anybody allocates, loads or touches it: otherwise the call fails
 * with -EEXIST and the offset of the first page, and nothing is changed; or late is set, and
 * ret_late tells how much of the range stays where it is. Discard and load again what must move.
 *
 * Needs libnuma at run time, which knows the nodes, and a kernel that keeps policies in files of
 * guest_memfd (6.19); whether it does is found out by asking for what was set.
 *
 * Errors:
 *   EINVAL      the range is empty, unaligned, wraps, or ends beyond the file; nodes are none, or
 *               not such that the process may use; policy or an option makes no sense; gmem or
 * nodes is NULL E2BIG       options have members that this version of the library does not know
 *   EEXIST      pages of the range are there already, and late is not set
 *   EOPNOTSUPP  libnuma is not there or was left out; or the kernel has no nodes, or does not keep
 *               policies in the file
 *   EOVERFLOW   size is more than the process can address
 *   ENODEV      the file is not mappable: it was created without that option; or the level was
 *               forced down
 *   ENOMEM      out of memory, of address space, or too many mappings
 *   EAGAIN      the process locks all its memory (mlockall(2)) and its limit is reached
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_set_policy() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   uint64_t half = gmem_get_size(gmem) / 2;
 *
 *   if (gmem_numa_place(gmem, 0, half, GMEM_NUMA_BIND, "0", NULL, error) < 0 ||
 *       gmem_numa_place(gmem, half, half, GMEM_NUMA_BIND, "1", NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_numa_place(struct gmem *gmem, uint64_t offset, uint64_t size,
			     enum gmem_numa_policy policy, const char *nodes,
			     const struct gmem_numa_options *options,
			     struct gmem_error *reterr_error);

/**
 * struct gmem_numa_node - a virtual node of a guest: a range of a file, and nodes of the machine
 *
 * A virtual node whose memory is in several ranges or files has several of these.
 */
struct gmem_numa_node {
	/** the file, created mappable */
	struct gmem *gmem;
	/** where the range starts, in bytes, a multiple of the page size */
	uint64_t offset;
	/** size of the range in bytes, a multiple of the page size, not 0 */
	uint64_t size;
	/** how pages are spread */
	enum gmem_numa_policy policy;
	/** must be 0 */
	uint32_t reserved;
	/** nodes of the machine, as for gmem_numa_place() */
	const char *nodes;
};

/**
 * gmem_numa_place_guest() - place all virtual nodes of a guest
 *
 * @list: the ranges, which must not overlap
 * @count: how many, not 0
 * @options: NULL for the defaults; ret_late is the sum
 * @reterr_index: which range failed, or UINT64_MAX if it was none of them; NULL if nobody asks
 * @reterr_error: failure report or NULL
 *
 * As gmem_numa_place() for each of them. All are checked before the first is placed. If one fails
 * the ranges placed before it have no policy again.
 *
 * Errors:
 *   EINVAL      the list is empty or has overlapping ranges, or a reason that gmem_numa_place() has
 *   E2BIG       options have members that this version of the library does not know
 *   EEXIST      pages of a range are there already, and late is not set
 *   EOPNOTSUPP  libnuma is not there or was left out; or the kernel has no nodes, or does not keep
 *               policies in the file
 *   EOVERFLOW   a size is more than the process can address
 *   ENODEV      a file is not mappable, or the level was forced down
 *   ENOMEM      out of memory, of address space, or too many mappings
 *   EAGAIN      the process locks all its memory (mlockall(2)) and its limit is reached
 *   EBADF       a descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_set_policy() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   struct gmem_numa_node list[] = {
 *           { gmem, 0, 64 << 20, GMEM_NUMA_BIND, 0, "0" },
 *           { gmem, 64 << 20, 64 << 20, GMEM_NUMA_BIND, 0, "1" },
 *   };
 *
 *   if (gmem_numa_place_guest(list, 2, NULL, NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_numa_place_guest(const struct gmem_numa_node *list, uint64_t count,
				   const struct gmem_numa_options *options, uint64_t *reterr_index,
				   struct gmem_error *reterr_error);

/**
 * struct gmem_numa_usage - how much of a range is on which node
 */
struct gmem_numa_usage {
	/** sizeof(struct gmem_numa_usage), set by the caller */
	uint64_t size;
	/** how many nodes there is room for in bytes_on, set by the caller */
	uint64_t nr_nodes;
	/** bytes on each node, written to an array of the caller */
	uint64_t *bytes_on;
	/** bytes that are not allocated */
	uint64_t absent;
	/** bytes that are allocated, but cannot be looked at: private pages */
	uint64_t hidden;
};

/**
 * gmem_numa_count() - find out where the memory of a range is
 *
 * @gmem: the file, created mappable
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @ret_usage: how much is where; size, nr_nodes and bytes_on are set by the caller
 * @reterr_error: failure report or NULL
 *
 * Asks move_pages(2) about every page that is there and shared; does not need libnuma. Pages are
 * mapped for that, so that it takes a while for much memory. If somebody discards a page meanwhile
 * it may be allocated again.
 *
 * Errors:
 *   EINVAL      the range is empty, unaligned, wraps, or ends beyond the file; gmem or an output is
 *               NULL; the size of ret_usage is too small
 *   EOPNOTSUPP  the kernel has no nodes
 *   EOVERFLOW   a page is on a node that bytes_on has no room for, or size is more than the process
 *               can address
 *   ENODEV      the file is not mappable: it was created without that option; or the level was
 *               forced down
 *   EHWPOISON   a page of the range has a memory error
 *   ENOMEM      out of memory, of address space, or too many mappings
 *   EAGAIN      the process locks all its memory (mlockall(2)) and its limit is reached
 *   EINTR       signals came so fast that the call made no progress in 1000 tries
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       the process is neither the owner of the file nor privileged, and may not ask which
 *               pages are there; or a seccomp filter refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: mincore(2), move_pages(2).
 *
 * Example:
 *   uint64_t bytes_on[2];
 *   struct gmem_numa_usage usage = { sizeof(usage), 2, bytes_on, 0, 0 };
 *
 *   if (gmem_numa_count(gmem, 0, gmem_get_size(gmem), &usage, error) < 0)
 *           return -1;
 *   printf("node 1: %llu bytes\n", (unsigned long long)bytes_on[1]);
 */
GMEM_API int gmem_numa_count(struct gmem *gmem, uint64_t offset, uint64_t size,
			     struct gmem_numa_usage *ret_usage, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
