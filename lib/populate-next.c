/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which piece of a load comes next, and what happens when one fails.
 *
 * Pieces are given out in the order of the source, and a thread finishes the piece that it has
 * even if another one fails: so everything below the first failure is loaded in the end, and so is
 * everything that was given out if none failed.
 */
#include <errno.h>
#include <unistd.h>
#include "populate.h"
#include "sys.h"

static const struct gmem_answer seek_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_SOURCE_NOT_READABLE }, { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },	    { -EIO, -EIO, GMEM_CAUSE_SOURCE_ERROR },
	{ -ENODATA, -ENODATA, GMEM_CAUSE_SOURCE_SHRANK },   { 0 },
};

/* With the lock held. The lowest failure is the one that is told. */
static void note_failure(struct gmem_load *load, uint64_t at, const char *system_call, int answer,
			 const struct gmem_answer *answers)
{
	__atomic_store_n(&load->stop, true, __ATOMIC_RELAXED);
	if (at >= load->failed_at)
		return;
	load->failed_at = at;
	load->report.system_call = system_call;
	gmem_error_set_answer(&load->report, answer, answers);
}

void gmem_load_fail(struct gmem_load *load, uint64_t at, const char *system_call, int answer,
		    const struct gmem_answer *answers)
{
	pthread_mutex_lock(&load->lock);
	note_failure(load, at, system_call, answer, answers);
	pthread_mutex_unlock(&load->lock);
}

static bool seek_failed(struct gmem_load *load, int64_t answer)
{
	note_failure(load, load->next, "lseek", answer < 0 ? (int)answer : 1, seek_answers);
	return false;
}

static bool take_hole(struct gmem_load *load, uint64_t end, struct gmem_piece *ret_piece)
{
	*ret_piece = (struct gmem_piece){ load->next, end - load->next, true };
	load->next = end;
	return true;
}

/* No data from here on: a hole at the end, unless the file has become shorter. */
static bool take_last_hole(struct gmem_load *load, struct gmem_piece *ret_piece)
{
	struct stat stat;
	int r = gmem_sys->fstat(load->source.fd, &stat);

	if (r != 0) {
		note_failure(load, load->next, "fstat", r, seek_answers);
		return false;
	}
	if (S_ISREG(stat.st_mode) && (uint64_t)stat.st_size < load->source.offset + load->size) {
		note_failure(load, load->next, "fstat", -ENODATA, seek_answers);
		load->report.kernel_code = 0;
		return false;
	}
	return take_hole(load, load->size, ret_piece);
}

/*
 * Finds out what the file has at next. Returns false if that is data, with its end in data_end, or
 * if the file cannot be asked; true with a piece if it is a hole.
 */
static bool find_data(struct gmem_load *load, struct gmem_piece *ret_piece)
{
	uint64_t at = load->source.offset + load->next;
	int64_t data = gmem_sys->lseek(load->source.fd, at, SEEK_DATA), hole;

	if (data == -ENXIO)
		return take_last_hole(load, ret_piece);
	if (data == -EINVAL || data == -EOPNOTSUPP) {
		/* This file system does not tell. */
		load->data_end = load->size;
		return false;
	}
	if (data < 0 || (uint64_t)data < at)
		return seek_failed(load, data);
	if ((uint64_t)data > at) {
		uint64_t end = (uint64_t)data - load->source.offset;

		return take_hole(load, end < load->size ? end : load->size, ret_piece);
	}
	hole = gmem_sys->lseek(load->source.fd, at, SEEK_HOLE);
	if (hole == -ENXIO) {
		/* It has become shorter just now: reading tells where it ends. */
		load->data_end = load->size;
		return false;
	}
	if (hole < 0 || (uint64_t)hole <= at)
		return seek_failed(load, hole);
	load->data_end = (uint64_t)hole - load->source.offset;
	if (load->data_end > load->size)
		load->data_end = load->size;
	return false;
}

static bool take(struct gmem_load *load, struct gmem_piece *ret_piece)
{
	uint64_t size;

	if (load->source.kind == GMEM_SOURCE_FILE && load->next >= load->data_end) {
		if (find_data(load, ret_piece))
			return true;
		if (load->next >= load->data_end)
			return false;
	}
	size = GMEM_PIECE_SIZE - (load->offset + load->next) % GMEM_PIECE_SIZE;
	if (size > load->data_end - load->next)
		size = load->data_end - load->next;
	*ret_piece = (struct gmem_piece){ load->next, size, false };
	load->next += size;
	return true;
}

bool gmem_load_next(struct gmem_load *load, struct gmem_piece *ret_piece)
{
	bool found;

	pthread_mutex_lock(&load->lock);
	found = !__atomic_load_n(&load->stop, __ATOMIC_RELAXED) && load->next < load->size &&
		take(load, ret_piece);
	pthread_mutex_unlock(&load->lock);
	return found;
}
