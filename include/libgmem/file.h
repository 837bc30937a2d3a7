/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * guest_memfd files: created for a VM, or adopted from somebody who did.
 */
#ifndef LIBGMEM_FILE_H
#define LIBGMEM_FILE_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_init - the state in which all pages of a new file are
 */
enum gmem_init {
	/** All pages start private. What a VM with private memory wants. */
	GMEM_INIT_PRIVATE = 0,
	/** All pages start shared. What a VM without private memory wants. */
	GMEM_INIT_SHARED = 1,
};

/**
 * struct gmem_create_options - options of gmem_create()
 */
struct gmem_create_options {
	/** sizeof(struct gmem_create_options), not the size of the file */
	uint64_t size;
	/** state of all pages at first */
	enum gmem_init init;
	/** 1: the host may map the shared pages, see gmem_map(). 0: no mapping is possible. */
	uint32_t mappable;
	/**
	 * Creation flags passed to the kernel as they are, for flags that the library has no name
	 * for. The flags behind init and mappable must not be in here.
	 */
	uint64_t raw_flags;
};

/**
 * gmem_create() - create a guest_memfd for a VM
 *
 * @vm_fd: the VM, from KVM_CREATE_VM, in the process that created it; only used during the call
 * @size: size of the file in bytes, a multiple of the page size; it never changes
 * @options: NULL for the defaults: initially private, not mappable
 * @ret_gmem: the file, released with gmem_release()
 * @reterr_error: failure report or NULL
 *
 * No memory is allocated for the guest yet: pages come at first use or with gmem_allocate(). The
 * file keeps the VM alive until it is released. It is closed on exec (the kernel does not do that
 * by itself; between its creation and the setting of the flag another thread's exec can inherit
 * it).
 *
 * A VM with private memory can have an initially shared file only where state is kept in the file
 * (GMEM_FEATURE_IN_PLACE). Elsewhere the kernel answers EINVAL, and this call -EOPNOTSUPP.
 *
 * The VM is also asked which content policies it has, for gmem_convert(). If that fails it is taken
 * to have none.
 *
 * Errors:
 *   EINVAL      size is 0, unaligned or 2^63 or more; an option makes no sense; ret_gmem is
 *               NULL; or GMEM_LEVEL does not have the name of a level
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  the kernel does not offer this to this VM: guest_memfd at all, mappable files,
 *               shared as initial state, or a raw flag; or the level was forced down; the
 *               report says which
 *   EBADF       vm_fd is not open
 *   ENOTTY      vm_fd is not a VM: it may be /dev/kvm, or no KVM file at all
 *   EIO         the VM belongs to another process, or is dead
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: KVM_CREATE_GUEST_MEMFD in Documentation/virt/kvm/api.rst; kvm_gmem_create() in
 * virt/kvm/guest_memfd.c.
 *
 * Example:
 *   struct gmem_create_options options = { .size = sizeof(options) };
 *   struct gmem *ram;
 *
 *   options.init = GMEM_INIT_PRIVATE;
 *   options.mappable = 1;
 *   if (gmem_create(vm_fd, 64 << 20, &options, &ram, error) < 0)
 *           return -1;
 *   gmem_release(ram);
 */
GMEM_API int gmem_create(int vm_fd, uint64_t size, const struct gmem_create_options *options,
			 struct gmem **ret_gmem, struct gmem_error *reterr_error);

/**
 * struct gmem_adopt_options - options of gmem_adopt()
 */
struct gmem_adopt_options {
	/** sizeof(struct gmem_adopt_options), not the size of the file */
	uint64_t size;
	/** Size in bytes that the file must have; 0 takes whatever it has. */
	uint64_t expected_size;
	/**
	 * A probe of the VM that the file was made for, which tells its content policies; only read
	 * during the call. NULL: they are not known, and gmem_convert() takes it that there are
	 * none. The kernel tells nobody which VM that is, so the caller has to know.
	 */
	const struct gmem_probe *probe;
};

/**
 * gmem_adopt() - take over a guest_memfd that somebody else created
 *
 * @fd: the file: from another library, another process, or before a live update
 * @options: NULL for the defaults: any size
 * @ret_gmem: the file, released with gmem_release()
 * @reterr_error: failure report or NULL
 *
 * On success the fd belongs to the library: it is closed by gmem_release(), and closed on exec. On
 * failure it still belongs to the caller. To keep an fd, adopt a duplicate.
 *
 * The fd may come from anybody: it is accepted only if it is a guest_memfd with a sane size. That
 * is decided by the type of its file system. Older kernels (6.18 is one) have no type for it: there
 * an anonymous inode that implements fallocate(2) is a guest_memfd. Whether it is mappable is found
 * out by mapping a page, without touching it.
 *
 * Errors:
 *   EINVAL  the file has another size than expected_size, or no sane size; an option makes no
 *           sense; ret_gmem is NULL; or GMEM_LEVEL does not have the name of a level
 *   E2BIG   options have members that this version of the library does not know
 *   EBADF   fd is not open
 *   ENOTTY  fd is not a guest_memfd; or the level was forced down to none
 *   ENOMEM  out of memory, or no address space to try a mapping
 *   EAGAIN  the process locks all its memory (mlockall(2)) and its limit is reached
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: kvm_gmem_init_fs_context(), kvm_gmem_fallocate() and kvm_gmem_mmap() in
 * virt/kvm/guest_memfd.c.
 *
 * Example:
 *   struct gmem *copy;
 *   int fd = dup(gmem_get_fd(gmem));
 *
 *   if (gmem_adopt(fd, NULL, &copy, error) < 0)
 *           close(fd);
 *   else
 *           gmem_release(copy);
 */
GMEM_API int gmem_adopt(int fd, const struct gmem_adopt_options *options, struct gmem **ret_gmem,
			struct gmem_error *reterr_error);

/**
 * gmem_release() - close a guest_memfd
 *
 * @gmem: the file; NULL does nothing
 *
 * Mappings made with gmem_map() stay until they are unmapped. Slots that use the file lose their
 * memory when the last fd and the last mapping of the file are gone.
 *
 * Threads: safe once no other thread uses this file.
 *
 * Example:
 *   gmem_release(NULL);
 */
GMEM_API void gmem_release(struct gmem *gmem);

/**
 * gmem_get_fd() - the file descriptor
 *
 * @gmem: the file
 *
 * For KVM_SET_USER_MEMORY_REGION2, mbind(2) on a mapping, passing to another process and the like.
 * The library keeps it: do not close it. Whoever has the descriptor can convert.
 *
 * Return: the file descriptor.
 *
 * Errors:
 *   EINVAL  gmem is NULL
 *
 * Threads: safe.
 *
 * Example:
 *   printf("fd %d\n", gmem_get_fd(gmem));
 */
GMEM_API int gmem_get_fd(const struct gmem *gmem);

/**
 * gmem_get_size() - the size of the file
 *
 * @gmem: the file
 *
 * Return: the size in bytes; 0 if gmem is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   printf("%llu bytes\n", (unsigned long long)gmem_get_size(gmem));
 */
GMEM_API uint64_t gmem_get_size(const struct gmem *gmem);

/**
 * gmem_is_mappable() - whether the host may map the shared pages of the file
 *
 * @gmem: the file
 *
 * Return: true if gmem_map() can work; false if not, or if gmem is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   if (!gmem_is_mappable(gmem))
 *           puts("only the guest sees this file");
 */
GMEM_API bool gmem_is_mappable(const struct gmem *gmem);

/**
 * gmem_get_creation_flags() - the kernel's creation flags of the file
 *
 * @gmem: the file
 * @ret_flags: the GUEST_MEMFD_FLAG_ bits that the file was created with
 *
 * Errors:
 *   EINVAL   gmem or ret_flags is NULL
 *   ENODATA  the file was adopted: the kernel does not tell what it was created with
 *
 * Threads: safe.
 *
 * Example:
 *   uint64_t flags;
 *
 *   if (gmem_get_creation_flags(gmem, &flags) == 0)
 *           printf("0x%llx\n", (unsigned long long)flags);
 */
GMEM_API int gmem_get_creation_flags(const struct gmem *gmem, uint64_t *ret_flags);

GMEM_END_DECLS

#endif
