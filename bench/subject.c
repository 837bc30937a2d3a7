/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi/guest_memfd.h"

#define PAGE 4096

#define VM_TYPE_SW_PROTECTED 1

const struct subject subjects[] = {
	{ "memfd", false, 0 },
	{ "guest_memfd, all shared", true, 0 },
	{ "guest_memfd, every other 2 MiB private", true, 2 << 20 },
	{ "guest_memfd, every other page private", true, PAGE },
};
const int n_subjects = sizeof(subjects) / sizeof(subjects[0]);

/* A byte into each page, which allocates it. */
static int touch(int file, uint64_t size)
{
	uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (bytes == MAP_FAILED)
		return -errno;
	for (uint64_t offset = 0; offset < size; offset += PAGE)
		*(volatile uint8_t *)(bytes + offset) = 1;
	munmap(bytes, size);
	return 0;
}

static int make_private(int file, uint64_t size, uint64_t step)
{
	for (uint64_t offset = 0; step && offset < size; offset += 2 * step) {
		struct gmem_uapi_attributes request = {
			.offset = offset,
			.size = step,
			.attributes = GMEM_UAPI_ATTRIBUTE_PRIVATE,
		};

		if (ioctl(file, GMEM_UAPI_SET_ATTRIBUTES, &request))
			return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	}
	return 0;
}

static int open_memfd(uint64_t size, struct memory *memory, const char **reterr_step)
{
	*reterr_step = "memfd_create";
	memory->file = memfd_create("bench", MFD_CLOEXEC);
	if (memory->file < 0 || ftruncate(memory->file, (off_t)size))
		return -errno;
	*reterr_step = "writing to a memfd";
	return touch(memory->file, size);
}

static int open_guest_memfd(uint64_t size, uint64_t step, struct memory *memory,
			    const char **reterr_step)
{
	struct gmem_uapi_create create = {
		.size = size,
		.flags = GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), err;

	*reterr_step = "/dev/kvm";
	if (kvm < 0)
		return -errno;
	*reterr_step = "KVM_CREATE_VM";
	memory->vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, VM_TYPE_SW_PROTECTED);
	err = memory->vm < 0 ? -errno : 0;
	close(kvm);
	if (err)
		return err;
	*reterr_step = "KVM_CREATE_GUEST_MEMFD";
	memory->file = ioctl(memory->vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &create);
	if (memory->file < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno;
	*reterr_step = "writing to a guest_memfd";
	err = touch(memory->file, size);
	*reterr_step = "KVM_SET_MEMORY_ATTRIBUTES2";
	return err ? err : make_private(memory->file, size, step);
}

int subject_open(const struct subject *subject, uint64_t size, struct memory *ret_memory,
		 const char **reterr_step)
{
	struct memory memory = { -1, -1 };
	int err;

	if (subject->guest_memfd)
		err = open_guest_memfd(size, subject->step, &memory, reterr_step);
	else
		err = open_memfd(size, &memory, reterr_step);
	if (err)
		subject_close(&memory);
	else
		*ret_memory = memory;
	return err;
}

void subject_close(struct memory *memory)
{
	if (memory->file >= 0)
		close(memory->file);
	if (memory->vm >= 0)
		close(memory->vm);
	*memory = (struct memory){ -1, -1 };
}
