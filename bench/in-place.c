/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Conversion in place: by the ioctl as it is, and through the library. */
#include "flow.h"

#include <errno.h>
#include <fcntl.h>
#include <libgmem/gmem.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestvm.h"
#include "uapi/guest_memfd.h"

static int open_in_place(struct bench_vm *vm, const char **reterr_step)
{
	struct gmem_uapi_create create = {
		.size = BENCH_SIZE,
		.flags = GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED,
	};
	int err = flow_new_vm(vm, reterr_step), copy;

	if (err)
		return err;
	*reterr_step = "KVM_CREATE_GUEST_MEMFD";
	vm->gmem = ioctl(vm->vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &create);
	if (vm->gmem < 0)
		return -errno;
	*reterr_step = "mapping a guest_memfd";
	vm->mapped = mmap(NULL, BENCH_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->gmem, 0);
	if (vm->mapped == MAP_FAILED || fallocate(vm->gmem, FALLOC_FL_KEEP_SIZE, 0, BENCH_SIZE))
		return -errno;
	*reterr_step = "gmem_adopt";
	copy = dup(vm->gmem);
	err = gmem_adopt(copy, NULL, &vm->file, NULL);
	if (err) {
		close(copy);
		return err;
	}
	*reterr_step = "KVM_SET_USER_MEMORY_REGION2";
	return guestvm_set_slot(vm->guest, &(struct guestvm_slot){
						   .gpa = BENCH_GPA,
						   .size = BENCH_SIZE,
						   .gmem_fd = vm->gmem,
						   .userspace_addr = (uintptr_t)vm->mapped,
					   });
}

static int convert_ioctl(struct bench_vm *vm, uint64_t offset, uint64_t size, bool private)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = size,
		.attributes = private ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(vm->gmem, GMEM_UAPI_SET_ATTRIBUTES, &request) ? -errno : 0;
}

static int convert_library(struct bench_vm *vm, uint64_t offset, uint64_t size, bool private)
{
	return gmem_convert(vm->file, offset, size,
			    private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED, NULL, NULL);
}

const struct flow in_place_ioctl = {
	.name = "in-place",
	.via = "ioctl",
	.open = open_in_place,
	.convert = convert_ioctl,
};

const struct flow in_place_library = {
	.name = "in-place",
	.via = "library",
	.open = open_in_place,
	.convert = convert_library,
};
