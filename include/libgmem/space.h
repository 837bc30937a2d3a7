/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The space: the guest-physical memory of a VM, as slots onto guest_memfd files.
 *
 * It knows where guest-physical memory is, and converts any range of it: over slots and files, with
 * listeners told in the right order, whole or not at all, from many vCPU threads at once.
 */
#ifndef LIBGMEM_SPACE_H
#define LIBGMEM_SPACE_H

#include <libgmem/base.h>
#include <libgmem/convert.h>
#include <libgmem/file.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_mode - how a space keeps what is private apart from what is shared
 */
enum gmem_mode {
	/** In options: the best that the VM has. */
	GMEM_MODE_BEST = 0,
	/** One page is private or shared: conversion in place. */
	GMEM_MODE_IN_PLACE = 1,
	/**
	 * Kernels without conversion in place: private pages are in the file, shared ones in
	 * ordinary memory, and the VM's memory attributes tell which the guest uses. Contents are
	 * lost with every conversion, and no content policy can be had.
	 */
	GMEM_MODE_TWO_BACKINGS = 2,
	/** The VM has no private memory: nothing can be converted. */
	GMEM_MODE_FIXED = 3,
};

/**
 * enum gmem_holes - what a conversion does where its range is in no slot
 */
enum gmem_holes {
	/** It fails with -ENXIO. */
	GMEM_HOLES_STRICT = 0,
	/** To shared: what is in no slot is left out. To private it fails. */
	GMEM_HOLES_SHARED_IGNORED = 1,
};

/**
 * struct gmem_space_options - options of gmem_space_new()
 */
struct gmem_space_options {
	/** sizeof(struct gmem_space_options) */
	uint64_t size;
	/** the mode; any but GMEM_MODE_BEST fails if the VM does not have it */
	enum gmem_mode mode;
	/** what to do about holes */
	enum gmem_holes holes;
	/** the VM's type, as given to KVM_CREATE_VM: what hypercalls return depends on it */
	uint64_t vm_type;
	/** a probe of the VM, only read during the call; NULL: the call makes one */
	const struct gmem_probe *probe;
	/**
	 * Memory for a journal, filled while the space lives: every change of the space and every
	 * conversion is a record, the oldest make room for new ones. Aligned to 8 bytes; a mapped
	 * file makes it last. NULL for none. See journal.h.
	 */
	void *journal;
	/** size of that memory in bytes: 128 at least */
	uint64_t journal_size;
	/**
	 * With two backings, 1: allocate the memory that a range gets before it is converted, so
	 * that a lack of memory makes the conversion fail, and not the guest. In place nothing has
	 * to be allocated.
	 */
	uint32_t allocate;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_space_new() - make a space for a VM
 *
 * @vm_fd: the VM, in the process that created it, open until the space is freed
 * @options: NULL for the defaults: the best mode, strict about holes, VM type 0, no journal
 * @ret_space: the space, without slots; freed with gmem_space_free()
 * @reterr_error: failure report or NULL
 *
 * A VM has one space. Which mode it has is found out with gmem_probe_new(), once;
 * gmem_space_get_mode() tells.
 *
 * Errors:
 *   EINVAL      an option makes no sense; ret_space is NULL; or GMEM_LEVEL does not have the name
 *               of a level
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  the VM does not have the wanted mode, or the level was forced down
 *   EBADF       vm_fd is not open
 *   ENOTTY      vm_fd is not a VM
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
 * Source: KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES and KVM_CAP_MEMORY_ATTRIBUTES in
 * Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   struct gmem_space_options options = { .size = sizeof(options), .vm_type = 1 };
 *   struct gmem_space *ram;
 *
 *   options.holes = GMEM_HOLES_SHARED_IGNORED;
 *   if (gmem_space_new(vm_fd, &options, &ram, error) < 0)
 *           return -1;
 *   puts(gmem_mode_name(gmem_space_get_mode(ram)));
 *   gmem_space_free(ram);
 */
GMEM_API int gmem_space_new(int vm_fd, const struct gmem_space_options *options,
			    struct gmem_space **ret_space, struct gmem_error *reterr_error);

/**
 * gmem_space_free() - free a space
 *
 * @space: the space; NULL does nothing
 *
 * The VM keeps its slots, and files keep their states: this is not a reset of the VM. Listeners are
 * freed and not told anything.
 *
 * Threads: safe once no other thread uses the space or its listeners.
 *
 * Example:
 *   gmem_space_free(NULL);
 */
GMEM_API void gmem_space_free(struct gmem_space *space);

/**
 * gmem_space_get_mode() - the mode of a space
 *
 * @space: the space
 *
 * Return: the mode, never GMEM_MODE_BEST; GMEM_MODE_FIXED if space is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   if (gmem_space_get_mode(space) == GMEM_MODE_TWO_BACKINGS)
 *           puts("this kernel does not convert in place");
 */
GMEM_API enum gmem_mode gmem_space_get_mode(const struct gmem_space *space);

/**
 * gmem_mode_name() - the name of a mode
 *
 * @mode: the mode
 *
 * Return: "best", "in-place", "two-backings" or "fixed", valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_mode_name(GMEM_MODE_IN_PLACE));
 */
GMEM_API const char *gmem_mode_name(enum gmem_mode mode);

/**
 * gmem_space_create() - create a file that fits a space
 *
 * @space: the space
 * @size: size of the file in bytes, a multiple of the page size
 * @init: the state of all pages at first
 * @ret_gmem: the file, released with gmem_release(), after its slots are unbound
 * @reterr_error: failure report or NULL
 *
 * As gmem_create(), with what the mode needs: in place and fixed, the file is mappable. With two
 * backings it is not, and a file that starts shared is one whose slots start shared. So a program
 * that makes its files with this call runs in every mode. In a fixed space nothing is private: the
 * files start shared, and GMEM_INIT_PRIVATE is refused.
 *
 * Errors:
 *   EINVAL      size is 0, unaligned or 2^63 or more; init is no state to start with; space or
 *               ret_gmem is NULL
 *   EOPNOTSUPP  the kernel does not offer this to the VM
 *   EBADF       the VM was closed
 *   ENOTTY      the VM is none any more: its descriptor was closed and used for something else
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
 * Source: KVM_CREATE_GUEST_MEMFD in Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   struct gmem *ram;
 *
 *   if (gmem_space_create(space, 64 << 20, GMEM_INIT_PRIVATE, &ram, error) < 0)
 *           return -1;
 *   gmem_release(ram);
 */
GMEM_API int gmem_space_create(struct gmem_space *space, uint64_t size, enum gmem_init init,
			       struct gmem **ret_gmem, struct gmem_error *reterr_error);

/**
 * struct gmem_slot - a slot: a part of guest-physical memory, and where in a file it is
 */
struct gmem_slot {
	/** sizeof(struct gmem_slot) */
	uint64_t size;
	/** where it starts in guest-physical memory, in bytes, a multiple of the page size */
	uint64_t gpa;
	/** size of the memory in bytes, a multiple of the page size, not 0 */
	uint64_t memory_size;
	/** the file, of this VM; not released before the slot is unbound */
	struct gmem *gmem;
	/** where the slot starts in the file, in bytes, a multiple of the page size */
	uint64_t offset;
	/**
	 * Where the host has the slot's shared memory mapped. NULL: the space maps it, see
	 * gmem_space_get_address(). In place, it must be a shared mapping of this file at this
	 * offset, which is verified. With two backings it is the memory that holds what is shared.
	 */
	void *address;
	/** KVM's number of the slot, not used by another one */
	uint32_t number;
	/** 1: do not verify address, for sandboxes without /proc */
	uint32_t unverified;
	/**
	 * The state that the whole file has, if it was adopted and the kernel cannot be asked; 0:
	 * private. Only looked at when a file is bound for the first time.
	 */
	enum gmem_state state;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_space_bind() - add a slot
 *
 * @space: the space
 * @slot: the slot; only read during the call
 * @reterr_error: failure report or NULL
 *
 * The slot is registered with KVM. Overlaps with other slots are found first, in guest-physical
 * memory and in the file, and the report says which slot it is. If address is given it is verified
 * that it is this file at this offset: otherwise the host would read and write other pages than the
 * guest, and nobody would ever say so. Then listeners are told of what is shared.
 *
 * States belong to the file. They survive gmem_space_unbind() and binding again, at the same place
 * or another one, as across a reboot of the VM. With two backings the space takes care of that, and
 * the memory of shared pages stays with the file, too, if the space has mapped it.
 *
 * Whoever binds a file converts it through the space only. Others can convert it in place, too, if
 * they have its descriptor: what listeners are told goes by what this space did.
 *
 * Errors:
 *   EINVAL      the slot is empty, unaligned, wraps, or is not inside the file; space, slot or its
 *               file is NULL; a member makes no sense; the file belongs to another VM, or, with two
 *               backings, is mappable; or KVM refuses the slot, perhaps its number
 *   E2BIG       the slot has members that this version of the library does not know
 *   EEXIST      another slot has the number, or a part of the memory, or a part of the file
 *   EFAULT      address is not a shared mapping of this file at this offset
 *   EAGAIN      a listener said so at each of 100 attempts, or for a second; or the process locks
 *               all its memory and its limit is reached
 *   ECANCELED   a listener refused
 *   EDEADLK     called by a listener of this space
 *   EOPNOTSUPP  /proc/self/maps cannot be read, so that address cannot be verified; or KVM has no
 *               slots with a file
 *   EBADF       the VM or the file was closed
 *   EIO         the VM belongs to another process, or is dead
 *   ENOMEM      out of memory
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   EINTR       signals came so fast that the call did not succeed in 1000 tries
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe. It waits for conversions that are under way.
 *
 * Source: KVM_SET_USER_MEMORY_REGION2 in Documentation/virt/kvm/api.rst; kvm_gmem_bind() in
 * virt/kvm/guest_memfd.c. guest_memfd slots cannot be changed, only deleted.
 *
 * Example:
 *   struct gmem_slot slot = { .size = sizeof(slot), .number = 0, .gmem = gmem };
 *
 *   slot.gpa = UINT64_C(4) << 30;
 *   slot.memory_size = gmem_get_size(gmem);
 *   if (gmem_space_bind(space, &slot, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_space_bind(struct gmem_space *space, const struct gmem_slot *slot,
			     struct gmem_error *reterr_error);

/**
 * gmem_space_unbind() - remove a slot
 *
 * @space: the space
 * @number: KVM's number of the slot
 * @reterr_error: failure report or NULL
 *
 * Listeners let go of the slot's memory first; if one refuses, or KVM does, the others get it back.
 * States and contents stay with the file.
 *
 * Errors:
 *   EINVAL     space is NULL
 *   ENOENT     the space has no slot of this number
 *   EAGAIN     a listener said so at each of 100 attempts, or for a second
 *   ECANCELED  a listener refused
 *   EDEADLK    called by a listener of this space
 *   EBADF      the VM was closed
 *   EIO        the VM belongs to another process, or is dead
 *   ENOMEM     the kernel is out of memory
 *   EPERM      a seccomp filter or a security module refused
 *   EACCES     a security module refused
 *   EBADE      the kernel gave an answer that it must not give
 *
 * Threads: safe. It waits for conversions that are under way.
 *
 * Source: KVM_SET_USER_MEMORY_REGION2 with size 0 in Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   if (gmem_space_unbind(space, 0, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_space_unbind(struct gmem_space *space, uint32_t number,
			       struct gmem_error *reterr_error);

/**
 * gmem_space_convert() - change the state of a range of guest-physical memory
 *
 * @space: the space
 * @gpa: where the range starts in guest-physical memory, in bytes, a multiple of the page size
 * @size: size of the range in bytes, a multiple of the page size, not 0
 * @state: the state that all pages of the range shall have
 * @options: as of gmem_convert(), NULL for the defaults; step_size must be 0
 * @reterr_error: failure report or NULL; its ranges are guest-physical
 *
 * To private: listeners let go of what is shared in the range, from the highest order to the
 * lowest; then each slot's part is converted. To shared: each part is converted, then listeners may
 * map what was private, from the lowest order to the highest. On the way of success there is one
 * system call for each slot, and no allocation.
 *
 * If something fails, a busy page, a listener, a file that was closed, everything is undone: parts
 * that were converted get the states back that they had, also mixed ones, and listeners take back
 * what they let go. What could not be undone is in the report: gmem_error_get_unrestored() has the
 * memory that does not have its old state, gmem_error_get_detached() a listener that did not take
 * its memory back, and gmem_error_get_lost() where contents are, or may be, gone, because it was
 * converted there and back. With the preserve policy, both ways preserve.
 *
 * Busy pages are retried as gmem_convert() does it. After each attempt that found one, the
 * listeners are asked about that page once more, with GMEM_REASON_BUSY; gmem_error_get_holder()
 * names the one that said it holds it. Attempts count per slot, time for the whole call. The busy
 * function of the options gets reports with offsets in the file.
 *
 * With two backings (GMEM_MODE_TWO_BACKINGS) a range gets fresh memory in its new state; the memory
 * that it had is given back, once nothing can fail any more. If that cannot be done the conversion
 * has still happened; gmem_space_get_kept() counts the bytes.
 *
 * Conversions of overlapping ranges happen one after the other, in the order of the calls. Others
 * run at the same time. Ranges are taken to be rounded to the coarsest granularity of listeners.
 *
 * Errors:
 *   EINVAL      the range is empty, unaligned or wraps; state or an option makes no sense; space is
 *               NULL
 *   E2BIG       options have members that this version of the library does not know
 *   ENXIO       a part of the range is in no slot; nothing happened
 *   EOPNOTSUPP  nothing can be converted here: the VM has no private memory, or the level was
 *               forced down; or the policy cannot be kept
 *   EAGAIN      a page was busy, or a listener said that it needs more time, at every attempt
 *   ECANCELED   a listener refused, or the busy function returned GMEM_BUSY_STOP
 *   EDEADLK     called by a listener of this space
 *   ENOMEM      the kernel is out of memory
 *   EINTR       signals came so fast that memory could not be allocated in 1000 tries
 *   EHWPOISON   a page that was to be allocated has a memory error
 *   EBADF       the VM or a file was closed behind the library's back
 *   EIO         the VM belongs to another process, or is dead
 *   EPERM       a file is frozen for a live update; or a seccomp filter refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe, also for overlapping ranges.
 *
 * Source: KVM_SET_MEMORY_ATTRIBUTES2 and KVM_SET_MEMORY_ATTRIBUTES in
 * Documentation/virt/kvm/api.rst.
 *
 * Example:
 *   if (gmem_space_convert(space, UINT64_C(4) << 30, 4096, GMEM_STATE_SHARED, NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_space_convert(struct gmem_space *space, uint64_t gpa, uint64_t size,
				enum gmem_state state, const struct gmem_convert_options *options,
				struct gmem_error *reterr_error);

/**
 * struct gmem_space_extent - a part of guest-physical memory that is in one slot and has one state
 *
 * Its layout never changes.
 */
struct gmem_space_extent {
	/** where it starts in guest-physical memory, in bytes */
	uint64_t gpa;
	/** size in bytes, not 0 */
	uint64_t size;
	/** its file; NULL for a hole: what is in no slot */
	struct gmem *gmem;
	/** where it starts in the file, in bytes */
	uint64_t offset;
	/** where the host has it mapped; NULL if the slot has no mapping */
	void *address;
	/** number of its slot */
	uint32_t slot;
	/** state of all its pages; 0 for a hole */
	enum gmem_state state;
};

/**
 * gmem_space_get_extent() - what there is at a guest-physical address, and how far it goes
 *
 * @space: the space
 * @gpa: where to begin, in bytes, a multiple of the page size
 * @size: how far to look, in bytes, a multiple of the page size, not 0
 * @ret_extent: begins at gpa, and is not longer than size; what follows it differs from it
 * @reterr_error: failure report or NULL
 *
 * To go through a range, go on behind each extent. The state is asked of the kernel where that is
 * possible in place (GMEM_FEATURE_QUERY); else it is what this space knows from all it did. It may
 * change while other threads convert.
 *
 * Errors:
 *   EINVAL  the range is empty, unaligned or wraps; space or ret_extent is NULL
 *   ENOMEM  out of memory
 *   EINTR   signals came so fast that the call did not succeed in 1000 tries
 *   EBADF   a file was closed behind the library's back
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: KVM_GUEST_MEMFD_QUERY in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   uint64_t gpa = 0, end = UINT64_C(1) << 40;
 *   struct gmem_space_extent extent;
 *
 *   for (; gpa < end; gpa += extent.size) {
 *           if (gmem_space_get_extent(space, gpa, end - gpa, &extent, error) < 0)
 *                   return -1;
 *           if (extent.gmem)
 *                   puts(gmem_state_name(extent.state));
 *   }
 */
GMEM_API int gmem_space_get_extent(struct gmem_space *space, uint64_t gpa, uint64_t size,
				   struct gmem_space_extent *ret_extent,
				   struct gmem_error *reterr_error);

/**
 * gmem_space_get_address() - where the host has guest-physical memory mapped
 *
 * @space: the space
 * @gpa: where the memory starts, in bytes
 * @size: its size in bytes, not 0; it must be in one slot
 * @ret_address: the address of its first byte, valid until the slot is unbound or the file released
 *
 * Shared memory only may be touched: in place a private page raises SIGBUS; with two backings it is
 * memory that the guest does not see.
 *
 * Errors:
 *   EINVAL  size is 0, or the range wraps; space or ret_address is NULL
 *   ENXIO   the memory is not in one slot
 *   ENODEV  the slot's file is not mappable
 *
 * Threads: safe.
 *
 * Example:
 *   void *ring;
 *
 *   if (gmem_space_get_address(space, UINT64_C(4) << 30, 256, &ring) == 0)
 *           memset(ring, 0, 256);
 */
GMEM_API int gmem_space_get_address(struct gmem_space *space, uint64_t gpa, uint64_t size,
				    void **ret_address);

/**
 * gmem_space_get_kept() - memory that could not be given back
 *
 * @space: the space
 *
 * With two backings, the memory of the old state is given back after a conversion. If the kernel
 * refuses that, the guest does not notice, but its memory exists twice.
 *
 * Return: bytes that were not given back, since the space was made; 0 if space is NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   printf("%llu bytes\n", (unsigned long long)gmem_space_get_kept(space));
 */
GMEM_API uint64_t gmem_space_get_kept(const struct gmem_space *space);

GMEM_END_DECLS

#endif
