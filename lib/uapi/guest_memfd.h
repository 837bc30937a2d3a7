/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's guest_memfd numbers and layouts, laid out by ourselves so that the library builds
 * against any kernel headers and runs on any kernel. Everything here is ABI: it never changes, it
 * only grows.
 *
 * Sources: include/uapi/linux/kvm.h of Linux 7.3 (creation, memory regions, VM-wide attributes) and
 * the form of in-place conversion applied for Linux 7.4 (attributes on the guest_memfd fd).
 */
#ifndef GMEM_UAPI_GUEST_MEMFD_H
#define GMEM_UAPI_GUEST_MEMFD_H

#include <stdint.h>
#include <sys/ioctl.h>

#define GMEM_KVMIO 0xAE

/* KVM_GET_API_VERSION: answered by /dev/kvm only, which is how a VM is told from it */
#define GMEM_UAPI_GET_API_VERSION _IO(GMEM_KVMIO, 0x00)

/* KVM_CHECK_EXTENSION: its argument is the number of a capability */
#define GMEM_UAPI_CREATE_VM	   _IO(GMEM_KVMIO, 0x01)
#define GMEM_UAPI_CHECK_EXTENSION  _IO(GMEM_KVMIO, 0x03)
#define GMEM_CAP_MEMORY_ATTRIBUTES 233 /* VM-wide attributes: value is the attribute mask */
#define GMEM_CAP_GUEST_MEMFD	   234
#define GMEM_CAP_VM_TYPES	   235
#define GMEM_CAP_GUEST_MEMFD_FLAGS 244 /* value is the mask of creation flags */
#define GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES                                                     \
	252 /* attributes on the guest_memfd fd: value is the attribute mask */

/* Attributes: 0 is shared. */
#define GMEM_UAPI_ATTRIBUTE_PRIVATE (1ULL << 3)

/* Creation flags */
#define GMEM_UAPI_FLAG_MMAP	   (1ULL << 0)
#define GMEM_UAPI_FLAG_INIT_SHARED (1ULL << 1)

/* KVM_CREATE_GUEST_MEMFD, on the VM fd. The kernel does not check reserved. */
struct gmem_uapi_create {
	uint64_t size;
	uint64_t flags;
	uint64_t reserved[6];
};
#define GMEM_UAPI_CREATE_GUEST_MEMFD _IOWR(GMEM_KVMIO, 0xd4, struct gmem_uapi_create)

/* KVM_SET_MEMORY_ATTRIBUTES, on the VM fd */
struct gmem_uapi_vm_attributes {
	uint64_t address;
	uint64_t size;
	uint64_t attributes;
	uint64_t flags;
};
#define GMEM_UAPI_SET_VM_ATTRIBUTES _IOW(GMEM_KVMIO, 0xd2, struct gmem_uapi_vm_attributes)

/* KVM_SET_MEMORY_ATTRIBUTES2, on the guest_memfd fd. error_offset is written on ENOMEM and EAGAIN
 * only. */
struct gmem_uapi_attributes {
	uint64_t offset;
	uint64_t size;
	uint64_t attributes;
	uint64_t flags;
	uint64_t error_offset;
	uint64_t reserved[11];
};
#define GMEM_UAPI_SET_ATTRIBUTES _IOWR(GMEM_KVMIO, 0xd2, struct gmem_uapi_attributes)

/*
 * Content policies, as flags of the above. Not in any kernel but one with our series, which says so
 * by a capability from a range of our own: its value is the mask of flags.
 */
#define GMEM_CAP_CONTENT_POLICIES  0x676d0000UL
#define GMEM_UAPI_CONTENT_ZERO	   (1ULL << 0)
#define GMEM_UAPI_CONTENT_PRESERVE (1ULL << 1)
#define GMEM_UAPI_CONTENT_POLICIES (GMEM_UAPI_CONTENT_ZERO | GMEM_UAPI_CONTENT_PRESERVE)

/* Query of state, on the guest_memfd fd. With our series only; value 1. */
#define GMEM_CAP_QUERY 0x676d0001UL
struct gmem_uapi_extent {
	uint64_t offset;
	uint64_t size;
	uint64_t attributes;
	uint64_t allocated; /* bytes; 0 unless asked for */
};
#define GMEM_UAPI_QUERY_ALLOCATED (1ULL << 0)
struct gmem_uapi_query {
	uint64_t offset;
	uint64_t size;
	uint64_t flags;
	uint64_t extents; /* address of the first struct gmem_uapi_extent */
	uint64_t nr_extents;
	uint64_t reserved[3];
};
#define GMEM_UAPI_QUERY _IOWR(GMEM_KVMIO, 0xf8, struct gmem_uapi_query)

/*
 * IORING_OP_URING_CMD on the guest_memfd fd. With our series only; the capability is a mask of what
 * is offered. cmd_op is GMEM_UAPI_SET_ATTRIBUTES, with the address of one struct
 * gmem_uapi_attributes in addr; or GMEM_UAPI_CONVERT, with the address of an array in addr, its
 * length in len, and flags in addr3.
 */
#define GMEM_CAP_URING		       0x676d0003UL
#define GMEM_UAPI_URING_SET_ATTRIBUTES (1ULL << 0)
#define GMEM_UAPI_URING_CONVERT	       (1ULL << 1)
struct gmem_uapi_conversion {
	uint64_t offset;
	uint64_t size;
	uint64_t attributes;
	uint64_t flags;
	uint64_t error_offset; /* out; 0 where struct gmem_uapi_attributes would not have it */
	int64_t result;	       /* out: 0 or a negative errno */
	uint64_t reserved[2];
};
#define GMEM_UAPI_CONVERT_STOP (1ULL << 0) /* those after the first failure: -ECANCELED */
#define GMEM_UAPI_CONVERT      _IOWR(GMEM_KVMIO, 0xfa, struct gmem_uapi_conversion)

/* What the kernel tells of conversions: a mask of lines in fdinfo and events. With our series only.
 */
#define GMEM_CAP_STATS		    0x676d0004UL
#define GMEM_UAPI_STATS_FDINFO	    (1ULL << 0)
#define GMEM_UAPI_STATS_TRACEPOINTS (1ULL << 1)

/* KVM_SET_USER_MEMORY_REGION2, on the VM fd */
#define GMEM_UAPI_MEM_GUEST_MEMFD (1U << 2)
struct gmem_uapi_memory_region {
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_phys_addr;
	uint64_t memory_size;
	uint64_t userspace_addr;
	uint64_t guest_memfd_offset;
	uint32_t guest_memfd;
	uint32_t pad1;
	uint64_t pad2[14];
};
#define GMEM_UAPI_SET_MEMORY_REGION _IOW(GMEM_KVMIO, 0x49, struct gmem_uapi_memory_region)

/* KVM_EXIT_MEMORY_FAULT: KVM_RUN fails with EFAULT or EHWPOISON; this lies in struct kvm_run's
 * union */
#define GMEM_UAPI_EXIT_MEMORY_FAULT    39
#define GMEM_UAPI_MEMORY_FAULT_PRIVATE (1ULL << 3)
struct gmem_uapi_memory_fault {
	uint64_t flags;
	uint64_t gpa;
	uint64_t size;
};

/* PROCMAP_QUERY, on /proc/self/maps, from Linux 6.11 on: the mapping at an address */
struct gmem_uapi_procmap {
	uint64_t size; /* of this struct */
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};
#define GMEM_UAPI_PROCMAP_QUERY	 _IOWR('f', 17, struct gmem_uapi_procmap)
#define GMEM_UAPI_PROCMAP_SHARED (1ULL << 3)

/* fstatfs(2) type of a guest_memfd, where the kernel has a file system of its own for it */
#define GMEM_UAPI_MAGIC 0x474d454d
/* and where it has not: then it is one of many kinds of anonymous inode */
#define GMEM_UAPI_ANON_INODE_MAGIC 0x09041934

_Static_assert(sizeof(struct gmem_uapi_create) == 64, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_vm_attributes) == 32, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_attributes) == 128, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_extent) == 32, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_query) == 64, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_conversion) == 64, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_memory_region) == 160, "KVM ABI");
_Static_assert(sizeof(struct gmem_uapi_procmap) == 104, "Linux ABI");
_Static_assert(GMEM_UAPI_SET_ATTRIBUTES == 0xC080AED2UL, "KVM ABI");
_Static_assert(GMEM_UAPI_SET_VM_ATTRIBUTES == 0x4020AED2UL, "KVM ABI");
_Static_assert(GMEM_UAPI_CREATE_GUEST_MEMFD == 0xC040AED4UL, "KVM ABI");
_Static_assert(GMEM_UAPI_QUERY == 0xC040AEF8UL, "KVM ABI");
_Static_assert(GMEM_UAPI_CONVERT == 0xC040AEFAUL, "KVM ABI");

#endif
