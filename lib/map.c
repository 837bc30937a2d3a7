/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/map.h>
#include <sys/mman.h>
#include "level.h"
#include "options.h"
#include "range.h"
#include "sys.h"

static const struct gmem_answer map_answers[] = {
	{ -ENODEV, -ENODEV, GMEM_CAUSE_NOT_MAPPABLE },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_ADDRESS_SPACE },
	{ -EAGAIN, -EAGAIN, GMEM_CAUSE_LOCK_LIMIT },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer unmap_answers[] = {
	{ -EINVAL, -EINVAL, GMEM_CAUSE_WRAPS },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_ADDRESS_SPACE },
	{ -EPERM, -EPERM, GMEM_CAUSE_SEALED },
	{ 0 },
};

static int read_options(const struct gmem_map_options *given, int *ret_protection)
{
	struct gmem_map_options options;
	int r = gmem_options_read(&options, sizeof(options), sizeof(options), given);

	if (r < 0)
		return r;
	if (options.read_only > 1 || options.reserved)
		return -EINVAL;
	*ret_protection = options.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	return 0;
}

int gmem_map(struct gmem *gmem, uint64_t offset, uint64_t size,
	     const struct gmem_map_options *options, void **ret_address,
	     struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_map",
		.has_range = true,
		.offset = offset,
		.size = size,
	};
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	int protection, r;
	void *address;

	if (!ret_address)
		cause = GMEM_CAUSE_ARGUMENT;
	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	r = read_options(options, &protection);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	if (size > SIZE_MAX)
		return gmem_error_refuse(reterr_error, &error, -EOVERFLOW, GMEM_CAUSE_TOO_BIG);
	if (!gmem_level_permits(GMEM_LEVEL_MAP))
		return gmem_error_refuse(reterr_error, &error, -ENODEV, GMEM_CAUSE_LEVEL);

	r = gmem_sys->mmap((size_t)size, protection, MAP_SHARED, gmem->fd, offset, &address);
	if (r != 0) {
		error.system_call = "mmap";
		error.attempts = 1;
		gmem_error_set_answer(&error, r, map_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	*ret_address = address;
	return 0;
}

int gmem_unmap(void *address, uint64_t size, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_unmap" };
	uint64_t page_size = gmem_sys->page_size();
	int r;

	if (!address)
		return 0;
	if (size == 0)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_EMPTY);
	if (((uintptr_t)address | size) & (page_size - 1))
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_UNALIGNED);
	if (size > SIZE_MAX)
		return gmem_error_refuse(reterr_error, &error, -EOVERFLOW, GMEM_CAUSE_TOO_BIG);

	r = gmem_sys->munmap(address, (size_t)size);
	if (r != 0) {
		error.system_call = "munmap";
		error.attempts = 1;
		gmem_error_set_answer(&error, r, unmap_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}
