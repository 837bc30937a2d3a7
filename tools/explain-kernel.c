/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's calls that are about guest_memfd, for those who look at a trace of system calls:
 * every errno in the order in which the kernel checks.
 *
 * Sources: virt/kvm/guest_memfd.c and virt/kvm/kvm_main.c of Linux 7.3 with libgmem's series, whose
 * in-place conversion is that of 7.4; Documentation/virt/kvm/api.rst.
 */
#include <errno.h>
#include <stddef.h>

#include "explain.h"

#define PROGRAM "Correct the call."

static const struct explain_error set_attributes2[] = {
	{ ENOTTY,
	  "the kernel keeps no state in files: it is too old, or kvm.gmem_in_place_conversion is off; "
	  "or the descriptor is not a guest_memfd",
	  "gmemctl probe tells; the ioctl goes to the guest_memfd, not to the VM." },
	{ EFAULT, "the struct cannot be read, or error_offset cannot be written",
	  "Pass the address of a writable struct of 128 bytes." },
	{ EINVAL,
	  "flags are unknown or contradict each other (any flag, without content policies); reserved is "
	  "not zero; the VM has no private memory; attributes has other bits than private; the range is "
	  "empty, wraps, is not whole pages, or ends beyond the file",
	  PROGRAM " A VM of a type without private memory can never convert." },
	{ EOPNOTSUPP,
	  "the content policy cannot be kept for this VM; error_offset is the start of the range, and "
	  "nothing has changed",
	  "Convert without the policy and do not rely on the bytes; or copy them." },
	{ ENOMEM, "no memory to keep the new states; error_offset is the start of the range",
	  "Free memory, then repeat." },
	{ EAGAIN,
	  "to private: a page is in use; error_offset is the first such page. No state has changed, "
	  "host mappings of the range are gone and come back with page faults",
	  "Let go of what holds the page, then convert the whole range again." },
	{ EPERM, "the file is frozen for a live update", "Finish or abandon the live update." },
	{ 0 },
};

static const struct explain_error query[] = {
	{ ENOTTY, "the kernel keeps no state in files, or has no query (it is libgmem's extension)",
	  "Keep the state in the program, as upstream expects; libgmem's series has the query." },
	{ EFAULT, "the struct or the array of extents cannot be accessed", PROGRAM },
	{ EINVAL,
	  "flags or reserved are not zero; the range is empty, wraps, is not whole pages, or ends "
	  "beyond the file; nr_extents is 0",
	  PROGRAM },
	{ ENOMEM, "no memory for a page of extents", "Free memory, then repeat." },
	{ EINTR, "a signal came before the first extent", "Repeat." },
	{ 0 },
};

static const struct explain_error create[] = {
	{ ENOTTY, "the kernel has no guest_memfd, or the descriptor is not a VM",
	  "Linux 6.8 or later with CONFIG_KVM_GUEST_MEMFD; the ioctl goes to the VM." },
	{ EIO, "the VM belongs to another process, or is dead", "Create files where the VM is." },
	{ EFAULT, "the struct cannot be read", PROGRAM },
	{ EINVAL,
	  "a flag is not offered to this VM (KVM_CAP_GUEST_MEMFD_FLAGS has the mask); the size is 0, "
	  "negative or not whole pages",
	  "Ask for the mask first. INIT_SHARED for a VM with private memory needs in-place "
	  "conversion." },
	{ EMFILE, "the process has too many open files", "Raise RLIMIT_NOFILE." },
	{ ENFILE, "the system has too many open files", "Raise fs.file-max." },
	{ ENOMEM, "no memory", "Free memory, then repeat." },
	{ 0 },
};

static const struct explain_error set_memory_region[] = {
	{ EFAULT, "the struct cannot be read", PROGRAM },
	{ EINVAL,
	  "flags or padding are wrong (with a guest_memfd neither read-only nor logging); addresses, "
	  "size or offset are not whole pages, or wrap; no such slot number; the slot exists and has a "
	  "guest_memfd: it can only be deleted; the descriptor is not a guest_memfd of this VM; the "
	  "range ends beyond the file",
	  "To change a slot with a guest_memfd, delete it and make it anew: states stay in the "
	  "file." },
	{ EEXIST,
	  "the slot overlaps another one, in guest-physical addresses or in the file (older kernels: "
	  "EINVAL for the latter)",
	  "Bind each page of a file once, at one address." },
	{ ENOMEM, "no memory for the slot", "Free memory, then repeat." },
	{ EBADF, "the guest_memfd is not open", PROGRAM },
	{ 0 },
};

static const struct explain_error set_attributes[] = {
	{ ENOTTY, "the kernel has no VM-wide attributes: 7.4 is usually built without them",
	  "Convert in place, with KVM_SET_MEMORY_ATTRIBUTES2 on the guest_memfd." },
	{ EIO, "the VM belongs to another process, or is dead", "Convert where the VM is." },
	{ EFAULT, "the struct cannot be read", PROGRAM },
	{ EINVAL,
	  "flags are not zero; attributes has unknown bits, or private while in-place conversion is on; "
	  "the range is empty, wraps or is not whole pages",
	  "KVM_CAP_MEMORY_ATTRIBUTES is 0 where this ioctl is not the one to use." },
	{ ENOMEM, "no memory to keep the new states; nothing has changed",
	  "Free memory, then repeat." },
	{ 0 },
};

static const struct explain_error run[] = {
	{ EINTR, "a signal came, or immediate_exit was set", "Enter the guest again." },
	{ EFAULT,
	  "with exit reason KVM_EXIT_MEMORY_FAULT: the guest wanted the other state than the page has "
	  "(flag 1 << 3: it wanted private), or its slot has lost the file",
	  "Take it as a request: check the range, convert if that is allowed, enter the guest "
	  "again." },
	{ EHWPOISON, "with KVM_EXIT_MEMORY_FAULT: the page has a memory error",
	  "Discard the page and tell the guest, or stop it." },
	{ 0 },
};

static const struct explain_error fallocate[] = {
	{ EOPNOTSUPP,
	  "the mode is not FALLOC_FL_KEEP_SIZE, alone or with FALLOC_FL_PUNCH_HOLE; or the file does "
	  "not support it",
	  "The size of a guest_memfd is fixed: always keep it." },
	{ EINVAL, "the range is empty, not whole pages, or (allocating) ends beyond the file",
	  PROGRAM },
	{ ENOMEM,
	  "no memory, or a limit of the cgroup; the beginning of the range may have its memory",
	  "Free memory, then repeat." },
	{ EINTR, "a signal came; the beginning of the range may have its memory", "Repeat." },
	{ EHWPOISON, "a page of the range has a memory error",
	  "Punch it first: a new page is good." },
	{ EPERM, "the file is frozen for a live update", "Finish or abandon the live update." },
	{ 0 },
};

static const struct explain_error map[] = {
	{ ENODEV, "the file was created without GUEST_MEMFD_FLAG_MMAP",
	  "Create it mappable: only what is shared can be touched anyway." },
	{ EINVAL, "the mapping is not MAP_SHARED", "guest_memfd has no private copies." },
	{ EAGAIN, "all memory is locked (mlockall), and the limit is reached",
	  "Raise RLIMIT_MEMLOCK." },
	{ ENOMEM, "no address space, or too many mappings", "Unmap something." },
	{ 0 },
};

const struct explain_call explain_kernel[] = {
	{ "KVM_SET_MEMORY_ATTRIBUTES2", "convert in place, on the guest_memfd", set_attributes2 },
	{ "KVM_GUEST_MEMFD_QUERY", "ask for the state of a range, on the guest_memfd", query },
	{ "KVM_CREATE_GUEST_MEMFD", "create a file, on the VM", create },
	{ "KVM_SET_USER_MEMORY_REGION2", "bind a slot to a file, on the VM", set_memory_region },
	{ "KVM_SET_MEMORY_ATTRIBUTES", "convert VM-wide, with two backings, on the VM",
	  set_attributes },
	{ "KVM_RUN", "enter the guest, on the vCPU", run },
	{ "fallocate", "allocate memory or punch holes, on the guest_memfd", fallocate },
	{ "mmap", "map shared pages, of the guest_memfd", map },
	{ 0 },
};
