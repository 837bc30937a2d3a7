/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What VMMs do today, on kernels that convert nothing in place: private memory in a guest_memfd,
 * shared memory in a memfd, and VM-wide attributes that say which of the two the guest sees. A
 * conversion switches, gives the memory of the one back, and gets memory for the other. It is over
 * when what was got can be used: so shared memory is populated. Private memory is only allocated,
 * as the host cannot do more; zeroing it is left to the guest's first access and not counted.
 */
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#include "guestvm.h"
#include "uapi/guest_memfd.h"

static int open_two_backings(struct bench_vm *vm, const char **reterr_step)
{
	struct gmem_uapi_create create = { .size = BENCH_SIZE };
	int err = flow_new_vm(vm, reterr_step);

	if (err)
		return err;
	*reterr_step = "KVM_CREATE_GUEST_MEMFD";
	vm->gmem = ioctl(vm->vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &create);
	if (vm->gmem < 0)
		return -errno;
	*reterr_step = "a memfd for shared memory";
	vm->shared = memfd_create("shared", MFD_CLOEXEC);
	if (vm->shared < 0 || ftruncate(vm->shared, BENCH_SIZE) ||
	    fallocate(vm->shared, 0, 0, BENCH_SIZE))
		return -errno;
	vm->mapped = mmap(NULL, BENCH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->shared, 0);
	if (vm->mapped == MAP_FAILED)
		return -errno;
	*reterr_step = "KVM_SET_USER_MEMORY_REGION2";
	return guestvm_set_slot(vm->guest, &(struct guestvm_slot){
						   .gpa = BENCH_GPA,
						   .size = BENCH_SIZE,
						   .gmem_fd = vm->gmem,
						   .userspace_addr = (uintptr_t)vm->mapped,
					   });
}

static int convert_two_backings(struct bench_vm *vm, uint64_t offset, uint64_t size, bool private)
{
	struct gmem_uapi_vm_attributes request = {
		.address = BENCH_GPA + offset,
		.size = size,
		.attributes = private ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
	};
	int give_back = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (ioctl(vm->vm, GMEM_UAPI_SET_VM_ATTRIBUTES, &request))
		return -errno;
	if (fallocate(private ? vm->shared : vm->gmem, give_back, (off_t)offset, (off_t)size))
		return -errno;
	if (private ? fallocate(vm->gmem, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size)
		    : madvise(vm->mapped + offset, size, MADV_POPULATE_WRITE))
		return -errno;
	return 0;
}

const struct flow two_backings = {
	.name = "two-backings",
	.via = "ioctl",
	.open = open_two_backings,
	.convert = convert_two_backings,
};
