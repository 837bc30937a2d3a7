/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include "error.h"

int gmem_error_new(struct gmem_error **ret_error)
{
	struct gmem_error *error;

	if (!ret_error)
		return -EINVAL;
	error = calloc(1, sizeof(*error));
	if (!error)
		return -ENOMEM;
	*ret_error = error;
	return 0;
}

void gmem_error_free(struct gmem_error *error)
{
	free(error);
}

int gmem_error_get_code(const struct gmem_error *error)
{
	return error ? error->code : 0;
}

int gmem_error_get_kernel_code(const struct gmem_error *error)
{
	return error ? error->kernel_code : 0;
}

const char *gmem_error_get_call(const struct gmem_error *error)
{
	return error ? error->call : NULL;
}

const char *gmem_error_get_system_call(const struct gmem_error *error)
{
	return error ? error->system_call : NULL;
}

bool gmem_error_get_range(const struct gmem_error *error, uint64_t *ret_offset, uint64_t *ret_size)
{
	if (!error || !error->has_range)
		return false;
	if (ret_offset)
		*ret_offset = error->offset;
	if (ret_size)
		*ret_size = error->size;
	return true;
}

bool gmem_error_get_first_offset(const struct gmem_error *error, uint64_t *ret_offset)
{
	if (!error || !error->has_first_offset || !ret_offset)
		return false;
	*ret_offset = error->first_offset;
	return true;
}

uint64_t gmem_error_get_done(const struct gmem_error *error)
{
	return error ? error->done : 0;
}

bool gmem_error_get_lost(const struct gmem_error *error, uint64_t *ret_offset, uint64_t *ret_size)
{
	if (!error || !error->has_lost)
		return false;
	if (ret_offset)
		*ret_offset = error->lost_offset;
	if (ret_size)
		*ret_size = error->lost_size;
	return true;
}

const char *gmem_error_get_cause(const struct gmem_error *error)
{
	return error && error->code ? gmem_cause_text(error->cause)->name : NULL;
}

unsigned int gmem_error_get_attempts(const struct gmem_error *error)
{
	return error ? error->attempts : 0;
}

bool gmem_error_is_guest(const struct gmem_error *error)
{
	return error && error->guest;
}

bool gmem_error_get_slot(const struct gmem_error *error, uint32_t *ret_slot)
{
	if (!error || !error->has_slot || !ret_slot)
		return false;
	*ret_slot = error->slot;
	return true;
}

const char *gmem_error_get_holder(const struct gmem_error *error)
{
	return error && error->holder[0] ? error->holder : NULL;
}

int gmem_error_get_listener_code(const struct gmem_error *error)
{
	return error ? error->listener_code : 0;
}

const char *gmem_error_get_detached(const struct gmem_error *error, uint64_t *ret_gpa,
				    uint64_t *ret_size)
{
	if (!error || !error->detached[0])
		return NULL;
	if (ret_gpa)
		*ret_gpa = error->detached_part.gpa;
	if (ret_size)
		*ret_size = error->detached_part.size;
	return error->detached;
}

bool gmem_error_get_unrestored(const struct gmem_error *error, unsigned int index,
			       uint64_t *ret_gpa, uint64_t *ret_size)
{
	if (!error || index >= error->unrestored_count)
		return false;
	if (ret_gpa)
		*ret_gpa = error->unrestored[index].gpa;
	if (ret_size)
		*ret_size = error->unrestored[index].size;
	return true;
}

/* Parts come in the order of memory. The last one grows if there are too many. */
void gmem_error_add_unrestored(struct gmem_error *error, uint64_t gpa, uint64_t size)
{
	unsigned int count = error->unrestored_count;
	struct gmem_error_part *last = count ? &error->unrestored[count - 1] : NULL;

	if (last && (last->gpa + last->size == gpa || count == GMEM_ERROR_PARTS)) {
		last->size = gpa + size - last->gpa;
		return;
	}
	error->unrestored[error->unrestored_count++] = (struct gmem_error_part){ gpa, size };
}

void gmem_error_set_answer(struct gmem_error *error, int kernel_code,
			   const struct gmem_answer *answers)
{
	error->kernel_code = kernel_code;
	error->code = -EBADE;
	error->cause = GMEM_CAUSE_ANSWER;
	for (; answers->kernel_code; answers++) {
		if (answers->kernel_code == kernel_code) {
			error->code = answers->code;
			error->cause = answers->cause;
			return;
		}
	}
}

int gmem_error_fail(struct gmem_error *reterr_error, const struct gmem_error *error)
{
	if (reterr_error)
		*reterr_error = *error;
	return error->code;
}

int gmem_error_refuse(struct gmem_error *reterr_error, struct gmem_error *error, int code,
		      enum gmem_cause cause)
{
	error->code = code;
	error->cause = cause;
	return gmem_error_fail(reterr_error, error);
}

int gmem_error_refuse_options(struct gmem_error *reterr_error, struct gmem_error *error, int code)
{
	return gmem_error_refuse(reterr_error, error, code,
				 code == -E2BIG ? GMEM_CAUSE_NEWER_OPTIONS : GMEM_CAUSE_OPTION);
}
