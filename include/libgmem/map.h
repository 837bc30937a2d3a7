/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Host mappings of shared pages.
 */
#ifndef LIBGMEM_MAP_H
#define LIBGMEM_MAP_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * struct gmem_map_options - options of gmem_map()
 */
struct gmem_map_options {
	/** sizeof(struct gmem_map_options), not the size of the mapping */
	uint64_t size;
	/** 1: map for reading only */
	uint32_t read_only;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_map() - map a range into the process
 *
 * @gmem: the file, created mappable
 * @offset: where the range starts, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @options: NULL for the defaults: read and write
 * @ret_address: where it is mapped, released with gmem_unmap()
 * @reterr_error: failure report or NULL
 *
 * Mapping does not look at states: private pages can be in the range, and shared ones can become
 * private later. Touching a private page raises SIGBUS. A mapping by itself does not make a page
 * busy: the kernel removes private pages from it.
 *
 * The mapping is MAP_SHARED and has the page size. A child process inherits it.
 *
 * Errors:
 *   EINVAL     the range is empty, unaligned, wraps, or ends beyond the file; an option makes no
 *              sense; gmem or ret_address is NULL
 *   E2BIG      options have members that this version of the library does not know
 *   EOVERFLOW  size is more than the process can address
 *   ENODEV     the file is not mappable: it was created without that option; or the level was
 *              forced down
 *   ENOMEM     no address space, or too many mappings, or a resource limit
 *   EAGAIN     the process locks all its memory (mlockall(2)) and its limit is reached
 *   EBADF      the descriptor was closed behind the library's back
 *   EPERM      a seccomp filter or a security module refused
 *   EACCES     a security module refused
 *   EBADE      the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_mmap() and kvm_gmem_fault_user_mapping() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   void *address;
 *
 *   if (gmem_map(gmem, 0, 4096, NULL, &address, error) < 0)
 *           return -1;
 *   memcpy(address, "hello", 6);
 *   gmem_unmap(address, 4096, NULL);
 */
GMEM_API int gmem_map(struct gmem *gmem, uint64_t offset, uint64_t size,
		      const struct gmem_map_options *options, void **ret_address,
		      struct gmem_error *reterr_error);

/**
 * gmem_unmap() - remove a mapping
 *
 * @address: where it starts, from gmem_map() or a page inside; NULL does nothing
 * @size: size in bytes, a multiple of the page size, not 0
 * @reterr_error: failure report or NULL
 *
 * Whatever is mapped there is unmapped: the library keeps no list.
 *
 * Errors:
 *   EINVAL     address or size is unaligned, or size is 0, or the range wraps
 *   EOVERFLOW  size is more than the process can address
 *   ENOMEM     cutting a hole into a mapping would make too many mappings
 *   EPERM      a seccomp filter refused, or the mapping is sealed
 *   EBADE      the kernel gave an answer that it must not give
 *
 * Threads: safe for different ranges.
 *
 * Example:
 *   gmem_unmap(NULL, 0, NULL);
 */
GMEM_API int gmem_unmap(void *address, uint64_t size, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
