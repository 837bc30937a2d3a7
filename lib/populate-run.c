/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The work of a load: threads that take one piece after the other.
 */
#include <errno.h>
#include <string.h>
#include "allocate.h"
#include "populate.h"
#include "sys.h"

#define MAX_TRIES   1000
#define MAX_THREADS 64
#define STEP	    (UINT64_C(128) << 10)

static const struct gmem_answer memory_answers[] = {
	{ -EFAULT, -EFAULT, GMEM_CAUSE_PRIVATE_PAGE },
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer discard_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_FROZEN },
	{ 0 },
};

static const struct gmem_answer read_answers[] = {
	{ -EFAULT, -EFAULT, GMEM_CAUSE_PRIVATE_PAGE },
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EBADF, -EBADF, GMEM_CAUSE_SOURCE_NOT_READABLE },
	{ -EISDIR, -EISDIR, GMEM_CAUSE_SOURCE_KIND },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer end_answers[] = {
	{ -ENODATA, -ENODATA, GMEM_CAUSE_SOURCE_ENDED },
	{ -EFBIG, -EFBIG, GMEM_CAUSE_SOURCE_BIGGER },
	{ 0 },
};

static const struct gmem_answer shrank_answers[] = {
	{ -ENODATA, -ENODATA, GMEM_CAUSE_SOURCE_SHRANK },
	{ 0 },
};

/* What a source answers is up to its file system: what is not ours is an error of the source. */
static bool read_failed(struct gmem_load *load, uint64_t at, const char *system_call, int64_t r)
{
	const struct gmem_answer other[] = { { (int)r, -EIO, GMEM_CAUSE_SOURCE_ERROR }, { 0 } };
	const struct gmem_answer *known = read_answers;

	while (known->kernel_code && known->kernel_code != r)
		known++;
	/* More bytes than there was room for is a number that cannot be. */
	gmem_load_fail(load, at, system_call, r < 0 ? (int)r : 1,
		       known->kernel_code || r > 0 ? read_answers : other);
	return false;
}

/* Allocates and maps the pages of some bytes at once, which is cheaper than a fault for each. */
static bool prepare(struct gmem_load *load, uint64_t start, uint64_t size)
{
	uint64_t mask = load->gmem->page_size - 1;
	uint64_t first = (load->offset + start) & ~mask;
	uint64_t end = (load->offset + start + size + mask) & ~mask;
	unsigned char *memory = load->memory + start - (load->offset + start - first);
	unsigned int tries = 0;
	int r;

	do {
		r = gmem_sys->populate(memory, (size_t)(end - first));
	} while (r == -EINTR && ++tries < MAX_TRIES);
	if (r == 0)
		return true;
	gmem_load_fail(load, start, "madvise", r, memory_answers);
	return false;
}

static bool zero(struct gmem_load *load, uint64_t start, uint64_t end)
{
	if (start == end)
		return true;
	if (!prepare(load, start, end - start))
		return false;
	memset(load->memory + start, 0, (size_t)(end - start));
	return true;
}

/* Whole pages go; parts of pages are zeroed. */
static bool load_hole(struct gmem_load *load, const struct gmem_piece *piece)
{
	uint64_t mask = load->gmem->page_size - 1, end = piece->start + piece->size;
	uint64_t first = ((load->offset + piece->start + mask) & ~mask) - load->offset;
	uint64_t last = ((load->offset + end) & ~mask) - load->offset;
	unsigned int attempts = 0;
	int r;

	if (load->offset + piece->start + mask < load->offset || first >= last || first >= end)
		return zero(load, piece->start, end);
	r = gmem_punch_hole(load->gmem, load->offset + first, last - first, &attempts);
	if (r != 0) {
		gmem_load_fail(load, piece->start, "fallocate", r, discard_answers);
		return false;
	}
	return zero(load, piece->start, first) && zero(load, last, end);
}

/* Reads pages that are there. */
static bool read_step(struct gmem_load *load, uint64_t at, uint64_t size)
{
	unsigned int tries = 0;
	int64_t r;

	while (size) {
		r = gmem_sys->pread(load->source.fd, load->memory + at, (size_t)size,
				    load->source.offset + at);
		if (r == -EINTR && ++tries < MAX_TRIES)
			continue;
		if (r == 0) {
			gmem_load_fail(load, at, "pread", -ENODATA, shrank_answers);
			return false;
		}
		if (r < 0 || (uint64_t)r > size)
			return read_failed(load, at, "pread", r);
		at += (uint64_t)r;
		size -= (uint64_t)r;
		tries = 0;
	}
	return true;
}

/*
 * Step by step, so that a page that the kernel has just zeroed is still in the processor's cache
 * when it gets its bytes.
 */
static bool copy_piece(struct gmem_load *load, const struct gmem_piece *piece, uint64_t done)
{
	uint64_t at, size;

	for (; done < piece->size; done += size) {
		at = piece->start + done;
		size = STEP - (load->offset + at) % STEP;
		if (size > piece->size - done)
			size = piece->size - done;
		if (!prepare(load, at, size))
			return false;
		if (load->source.kind == GMEM_SOURCE_MEMORY)
			memcpy(load->memory + at, load->source.bytes + at, (size_t)size);
		else if (!read_step(load, at, size))
			return false;
	}
	return true;
}

static bool load_piece(struct gmem_loader *loader, const struct gmem_piece *piece)
{
	struct gmem_load *load = loader->load;
	uint64_t done = 0;

	if (piece->hole) {
		if (!load_hole(load, piece))
			return false;
		gmem_load_count(&load->holes, piece->size);
	} else {
		if (load->source.kind == GMEM_SOURCE_FILE)
			done = gmem_load_directly(loader, piece);
		if (!copy_piece(load, piece, done))
			return false;
	}
	gmem_load_count(&load->loaded, piece->size);
	return true;
}

static void tell(struct gmem_load *load, bool last)
{
	bool unknown = load->source.kind == GMEM_SOURCE_STREAM && load->to_end && !last;
	uint64_t loaded = __atomic_load_n(&load->loaded, __ATOMIC_RELAXED);

	if (!load->progress)
		return;
	if (load->progress(loaded, unknown ? 0 : load->size, load->progress_data) ==
		    GMEM_POPULATE_GO_ON ||
	    last)
		return;
	__atomic_store_n(&load->stop, true, __ATOMIC_RELAXED);
}

/* The first loader is the caller's thread, which alone tells of progress. */
static void load_pieces(struct gmem_loader *loader, bool first)
{
	struct gmem_piece piece;

	while (gmem_load_next(loader->load, &piece)) {
		if (!load_piece(loader, &piece))
			break;
		if (first && !__atomic_load_n(&loader->load->stop, __ATOMIC_RELAXED) &&
		    __atomic_load_n(&loader->load->loaded, __ATOMIC_RELAXED) < loader->load->size)
			tell(loader->load, false);
	}
	if (loader->ring)
		gmem_uring->destroy(loader->ring);
	loader->ring = NULL;
}

static void *help(void *data)
{
	load_pieces(data, false);
	return NULL;
}

/* Less than size is read only at the end of the stream. False: the source failed. */
static bool read_stream(struct gmem_load *load, uint64_t at, unsigned char *buffer, uint64_t size,
			uint64_t *ret_done)
{
	uint64_t done = 0;
	unsigned int tries = 0;
	int64_t r;

	while (done < size) {
		r = gmem_sys->read(load->source.fd, buffer + done, (size_t)(size - done));
		if (r == 0)
			break;
		if (r == -EAGAIN)
			r = gmem_sys->wait_input(load->source.fd) == 0 ? -EINTR : -EAGAIN;
		if (r == -EINTR && ++tries < MAX_TRIES)
			continue;
		if (r < 0 || (uint64_t)r > size - done)
			return read_failed(load, at + done, "read", r);
		done += (uint64_t)r;
		tries = 0;
	}
	*ret_done = done;
	return true;
}

/* With to_end nothing may come after the last byte that there is room for. */
static void check_end(struct gmem_load *load)
{
	unsigned char byte;
	uint64_t done;

	if (read_stream(load, load->size, &byte, 1, &done) && done)
		gmem_load_fail(load, load->size, "read", -EFBIG, end_answers);
}

static void load_stream(struct gmem_load *load)
{
	struct gmem_piece piece;
	uint64_t done;

	while (gmem_load_next(load, &piece)) {
		if (!prepare(load, piece.start, piece.size) ||
		    !read_stream(load, piece.start, load->memory + piece.start, piece.size, &done))
			return;
		gmem_load_count(&load->loaded, done);
		if (done < piece.size) {
			if (load->to_end)
				load->size = piece.start + done;
			else
				gmem_load_fail(load, piece.start + done, "read", -ENODATA,
					       end_answers);
			return;
		}
		if (load->next < load->size)
			tell(load, false);
		else if (load->to_end)
			check_end(load);
	}
}

static unsigned int count_threads(const struct gmem_load *load)
{
	uint64_t pieces = load->size / GMEM_PIECE_SIZE + 1;

	if (load->source.kind == GMEM_SOURCE_STREAM)
		return 1;
	return pieces < load->threads ? (unsigned int)pieces : load->threads;
}

void gmem_load_run(struct gmem_load *load)
{
	struct gmem_loader loaders[MAX_THREADS];
	unsigned int i, wanted = count_threads(load);

	for (load->threads = 1; load->threads < wanted; load->threads++) {
		loaders[load->threads] = (struct gmem_loader){ .load = load };
		/* Fewer threads do the same work. */
		if (gmem_sys->start_thread(help, &loaders[load->threads],
					   &loaders[load->threads].thread) != 0)
			break;
	}
	loaders[0] = (struct gmem_loader){ .load = load };
	if (load->source.kind == GMEM_SOURCE_STREAM)
		load_stream(load);
	else
		load_pieces(&loaders[0], true);
	for (i = 1; i < load->threads; i++)
		gmem_sys->join_thread(loaders[i].thread);
	if (load->failed_at == UINT64_MAX && load->loaded == load->size)
		tell(load, true);
}
