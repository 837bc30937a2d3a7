/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#define MAX_THREADS 64

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

static int read_options(const struct gmem_allocate_options *given,
			struct gmem_allocate_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	return options->interruptible > 1 || options->threads > MAX_THREADS ? -EINVAL : 0;
}

/* One call, whose pieces threads take in the order of the file. */
struct allocation {
	const struct gmem *gmem;
	uint64_t end;
	unsigned int max_tries;
	pthread_mutex_t lock;
	/* where nobody has begun */
	uint64_t next;
	/* the lowest piece that failed, and its report */
	uint64_t failed_at;
	struct gmem_error *report;
};

static void note_failure(struct allocation *a, uint64_t offset, int answer, unsigned int attempts)
{
	pthread_mutex_lock(&a->lock);
	a->report->attempts += attempts;
	if (offset < a->failed_at) {
		a->failed_at = offset;
		gmem_error_set_answer(a->report, answer, allocate_answers);
	}
	pthread_mutex_unlock(&a->lock);
}

/* A thread ends its piece even if another one fails, so that all below the failure is allocated. */
static bool take_piece(struct allocation *a, uint64_t *ret_offset, uint64_t *ret_size)
{
	bool found;

	pthread_mutex_lock(&a->lock);
	found = a->next < a->end && a->failed_at == UINT64_MAX;
	if (found) {
		*ret_offset = a->next;
		*ret_size = a->end - a->next < PIECE ? a->end - a->next : PIECE;
		a->next += *ret_size;
	}
	pthread_mutex_unlock(&a->lock);
	return found;
}

static void *allocate_pieces(void *data)
{
	struct allocation *a = data;
	uint64_t offset, size;
	unsigned int attempts = 0;
	int r;

	while (take_piece(a, &offset, &size)) {
		r = fallocate_through_signals(a->gmem->fd, FALLOC_FL_KEEP_SIZE, offset, size,
					      a->max_tries, &attempts);
		if (r != 0) {
			note_failure(a, offset, r, attempts);
			break;
		}
	}
	return NULL;
}

static void allocate_with_threads(struct allocation *a, unsigned int wanted)
{
	pthread_t threads[MAX_THREADS];
	uint64_t pieces = (a->end - a->next + PIECE - 1) / PIECE;
	unsigned int i, started = 0;

	/* Fewer do the same; the caller's is one of them. */
	while (started + 1 < wanted && started + 1 < pieces &&
	       gmem_sys->start_thread(allocate_pieces, a, &threads[started]) == 0)
		started++;
	allocate_pieces(a);
	for (i = 0; i < started; i++)
		gmem_sys->join_thread(threads[i]);
}

int gmem_allocate(struct gmem *gmem, uint64_t offset, uint64_t size,
		  const struct gmem_allocate_options *given, struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_allocate",
		.has_range = true,
		.offset = offset,
		.size = size,
	};
	struct allocation a = {
		.gmem = gmem,
		.next = offset,
		.end = offset + size,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.failed_at = UINT64_MAX,
		.report = &error,
	};
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	struct gmem_allocate_options options;
	int r;

	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	r = read_options(given, &options);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	a.max_tries = options.interruptible ? 1 : MAX_TRIES;
	allocate_with_threads(&a, options.threads);
	if (a.failed_at == UINT64_MAX)
		return 0;
	error.system_call = "fallocate";
	error.has_first_offset = true;
	error.first_offset = a.failed_at;
	error.done = a.failed_at - offset;
	gmem_frozen_explain(gmem, &error);
	return gmem_error_fail(reterr_error, &error);
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
