/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include "allocate.h"
#include "frozen.h"
#include "options.h"
#include "range.h"
#include "sys.h"

/*
 * The kernel starts from the front after a signal. Pieces keep what that repeats small, so that a
 * program with a timer signal gets to the end.
 */
#define PIECE	  (UINT64_C(64) << 20)
#define MAX_TRIES 1000

static const struct gmem_answer allocate_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },       { -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },       { -EPERM, -EPERM, GMEM_CAUSE_FROZEN },
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON }, { 0 },
};

static const struct gmem_answer discard_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_FROZEN },
	{ 0 },
};

/* Returns what the kernel answered last, and counts the attempts. */
static int fallocate_through_signals(int fd, int mode, uint64_t offset, uint64_t size,
				     unsigned int max_tries, unsigned int *attempts)
{
	unsigned int tries = 0;
	int r;

	do {
		r = gmem_sys->fallocate(fd, mode, offset, size);
		(*attempts)++;
	} while (r == -EINTR && ++tries < max_tries);
	return r;
}

static int read_options(const struct gmem_allocate_options *given, unsigned int *ret_max_tries)
{
	struct gmem_allocate_options options;
	int r = gmem_options_read(&options, sizeof(options), sizeof(options), given);

	if (r < 0)
		return r;
	if (options.interruptible > 1 || options.reserved)
		return -EINVAL;
	*ret_max_tries = options.interruptible ? 1 : MAX_TRIES;
	return 0;
}

int gmem_allocate(struct gmem *gmem, uint64_t offset, uint64_t size,
		  const struct gmem_allocate_options *options, struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_allocate",
		.has_range = true,
		.offset = offset,
		.size = size,
	};
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	uint64_t end = offset + size, piece;
	unsigned int max_tries;
	int r;

	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	r = read_options(options, &max_tries);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);

	for (; offset < end; offset += piece) {
		piece = end - offset < PIECE ? end - offset : PIECE;
		r = fallocate_through_signals(gmem->fd, FALLOC_FL_KEEP_SIZE, offset, piece,
					      max_tries, &error.attempts);
		if (r != 0) {
			error.system_call = "fallocate";
			error.has_first_offset = true;
			error.first_offset = offset;
			error.done = offset - error.offset;
			gmem_error_set_answer(&error, r, allocate_answers);
			gmem_frozen_explain(gmem, &error);
			return gmem_error_fail(reterr_error, &error);
		}
	}
	return 0;
}

int gmem_punch_hole(const struct gmem *gmem, uint64_t offset, uint64_t size, unsigned int *attempts)
{
	return fallocate_through_signals(gmem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 offset, size, MAX_TRIES, attempts);
}

int gmem_discard(struct gmem *gmem, uint64_t offset, uint64_t size, struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_discard",
		.has_range = true,
		.offset = offset,
		.size = size,
	};
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	int r;

	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	r = gmem_punch_hole(gmem, offset, size, &error.attempts);
	if (r != 0) {
		error.system_call = "fallocate";
		gmem_error_set_answer(&error, r, discard_answers);
		gmem_frozen_explain(gmem, &error);
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}
