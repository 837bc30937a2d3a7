/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <sys/mman.h>
#include "allocate.h"
#include "sys.h"
#include "two-backings.h"
#include "uapi/guest_memfd.h"

#define MAX_TRIES 1000

static const struct gmem_answer attribute_answers[] = {
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	/* The range was checked before, so that the VM is all that is left. */
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NO_PRIVATE },
	{ -ENOTTY, -EOPNOTSUPP, GMEM_CAUSE_NO_PRIVATE },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer populate_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },       { -EFAULT, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },	       { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON }, { 0 },
};

bool gmem_two_set(const struct gmem_space *space, uint64_t gpa, uint64_t size,
		  enum gmem_state state, struct gmem_error *report)
{
	struct gmem_uapi_vm_attributes request = {
		.address = gpa,
		.size = size,
		.attributes = state == GMEM_STATE_PRIVATE ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
	};
	int r = gmem_sys->ioctl(space->vm_fd, GMEM_UAPI_SET_VM_ATTRIBUTES, (uintptr_t)&request);

	if (r == 0)
		return true;
	report->system_call = "KVM_SET_MEMORY_ATTRIBUTES";
	report->attempts = 1;
	gmem_error_set_answer(report, r, attribute_answers);
	return false;
}

static bool allocate_private(const struct gmem_piece *piece, struct gmem_error *report)
{
	struct gmem_error error;
	int r = gmem_allocate(piece->gmem, piece->offset, piece->size, NULL, &error);

	if (r == 0)
		return true;
	report->code = error.code;
	report->kernel_code = error.kernel_code;
	report->cause = error.cause;
	report->system_call = error.system_call;
	report->attempts = error.attempts;
	report->has_first_offset = error.has_first_offset;
	report->first_offset = error.first_offset;
	return false;
}

bool gmem_two_allocate(const struct gmem_piece *piece, enum gmem_state state,
		       struct gmem_error *report)
{
	unsigned int tries = 0;
	int r;

	if (state == GMEM_STATE_PRIVATE)
		return allocate_private(piece, report);
	do {
		r = gmem_sys->populate(piece->address, (size_t)piece->size);
	} while (r == -EINTR && ++tries < MAX_TRIES);
	/* An older kernel cannot be asked; then memory comes at its first use. */
	if (r == 0 || r == -EINVAL)
		return true;
	report->system_call = "madvise";
	report->attempts = tries + 1;
	gmem_error_set_answer(report, r, populate_answers);
	return false;
}

bool gmem_two_give_back(const struct gmem_piece *piece, enum gmem_state state)
{
	unsigned int attempts = 0;
	size_t size = (size_t)piece->size;

	if (state == GMEM_STATE_PRIVATE)
		return gmem_punch_hole(piece->gmem, piece->offset, piece->size, &attempts) == 0;
	/* Shared memory of files and of nobody; the other one is for private mappings. */
	return gmem_sys->madvise(piece->address, size, MADV_REMOVE) == 0 ||
	       gmem_sys->madvise(piece->address, size, MADV_DONTNEED) == 0;
}
