/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * From the disk into the memory, past the page cache: io_uring, registered buffers and O_DIRECT.
 */
#include <errno.h>
#include "populate.h"
#include "sys.h"

/* A piece is read by several requests, so that the disk has something to do meanwhile. */
#define REQUESTS     4
#define REQUEST_SIZE (GMEM_PIECE_SIZE / REQUESTS)

#define MAX_TRIES 1000
#define PAUSE_NS  UINT64_C(1000000)

/* What no request has answered yet. */
#define PENDING INT32_MIN

static const struct gmem_answer ring_answers[] = {
	{ -ENOSYS, -EOPNOTSUPP, GMEM_CAUSE_NO_URING },
	{ -EPERM, -EOPNOTSUPP, GMEM_CAUSE_NO_URING },
	{ -EACCES, -EOPNOTSUPP, GMEM_CAUSE_NO_URING },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EMFILE, -EOPNOTSUPP, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -EOPNOTSUPP, GMEM_CAUSE_SYSTEM_FILES },
	{ 0 },
};

static const struct gmem_answer enter_answers[] = {
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },	 { -EAGAIN, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY }, { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN }, { 0 },
};

static const struct gmem_answer direct_answers[] = {
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ 0 },
};

/* Whether the page cache has so much of the piece that copying from there is faster. */
static bool is_cached(const struct gmem_load *load, uint64_t at, uint64_t size)
{
	uint64_t cached;

	if (load->way == GMEM_POPULATE_DIRECT)
		return false;
	/* Who must not know is better off with what the page cache does by itself. */
	if (gmem_sys->count_cached(load->source.fd, at, size, &cached) != 0)
		return true;
	return cached >= size / 2;
}

static bool has_ring(struct gmem_loader *loader, const struct gmem_piece *piece)
{
	struct gmem_load *load = loader->load;
	int r;

	if (loader->ring || loader->has_no_ring)
		return loader->ring;
	r = gmem_uring->create(REQUESTS, &loader->ring);
	if (r == 0)
		return true;
	loader->ring = NULL;
	loader->has_no_ring = true;
	if (load->way == GMEM_POPULATE_DIRECT)
		gmem_load_fail(load, piece->start, "io_uring_setup", r, ring_answers);
	return false;
}

/* Puts all requests of a piece into the ring; returns how many. */
static unsigned int queue_piece(struct gmem_loader *loader, const struct gmem_piece *piece,
				bool fixed)
{
	const struct gmem_load *load = loader->load;
	struct gmem_ring_request request = {
		.kind = fixed ? GMEM_RING_READ_FIXED : GMEM_RING_READ,
		.fd = load->source.direct_fd,
	};
	uint64_t at;

	for (at = 0; at < piece->size; at += request.size, request.token++) {
		request.size = piece->size - at < REQUEST_SIZE ? piece->size - at : REQUEST_SIZE;
		request.address = load->memory + piece->start + at;
		request.offset = load->source.offset + piece->start + at;
		gmem_uring->queue(loader->ring, &request);
	}
	return (unsigned int)request.token;
}

/* Waits until every request is answered: the kernel writes into the memory until then. */
static int complete(struct gmem_ring *ring, unsigned int requests, int *results)
{
	unsigned int tries = 0, done = 0;
	uint64_t token;
	int r, result;

	for (done = 0; done < requests;) {
		r = gmem_uring->submit(ring, requests - done);
		while (gmem_uring->reap(ring, &token, &result)) {
			if (token < requests && results[token] == PENDING) {
				results[token] = result;
				done++;
			}
		}
		if (r < 0 && done < requests) {
			if (++tries == MAX_TRIES)
				return r;
			/* Out of memory or of room for the moment. */
			if (r != -EINTR)
				gmem_sys->sleep(PAUSE_NS);
		}
	}
	return 0;
}

/* How much was read from the start on, without a gap. */
static uint64_t count_read(struct gmem_load *load, const struct gmem_piece *piece,
			   const int *results, unsigned int requests)
{
	uint64_t at = 0, wanted;
	unsigned int i;

	for (i = 0; i < requests; i++) {
		wanted = piece->size - at < REQUEST_SIZE ? piece->size - at : REQUEST_SIZE;
		if (results[i] < 0 && load->way == GMEM_POPULATE_DIRECT &&
		    (results[i] == -EINVAL || results[i] == -EOPNOTSUPP))
			gmem_load_fail(load, piece->start + at, "io_uring read", results[i],
				       direct_answers);
		/* More than was asked for cannot be. */
		if (results[i] < 0 || (uint64_t)results[i] > wanted)
			break;
		at += (uint64_t)results[i];
		if ((uint64_t)results[i] < wanted)
			break;
	}
	return at;
}

static uint64_t read_whole_pages(struct gmem_loader *loader, const struct gmem_piece *piece)
{
	struct gmem_load *load = loader->load;
	int r, results[REQUESTS] = { PENDING, PENDING, PENDING, PENDING };
	unsigned char *memory = load->memory + piece->start;
	unsigned int requests;
	bool fixed;

	/* Refused if more would be locked than the process may lock: then not fixed. */
	fixed = gmem_uring->register_buffer(loader->ring, memory, (size_t)piece->size) == 0;
	requests = queue_piece(loader, piece, fixed);
	r = complete(loader->ring, requests, results);
	if (r < 0) {
		gmem_load_fail(load, piece->start, "io_uring_enter", r, enter_answers);
		return 0;
	}
	if (fixed) {
		r = gmem_uring->unregister_buffer(loader->ring);
		/* Pages must not stay pinned, whatever happened: the ring goes. */
		if (r != 0) {
			gmem_uring->destroy(loader->ring);
			loader->ring = NULL;
		}
	}
	return count_read(load, piece, results, requests);
}

uint64_t gmem_load_directly(struct gmem_loader *loader, const struct gmem_piece *piece)
{
	struct gmem_load *load = loader->load;
	uint64_t mask = load->gmem->page_size - 1, done;
	struct gmem_piece pages = { piece->start, piece->size & ~mask, false };

	if (load->source.direct_fd < 0 || !pages.size || ((load->offset + pages.start) & mask) ||
	    ((load->source.offset + pages.start) & mask) ||
	    is_cached(load, load->source.offset + pages.start, pages.size) ||
	    !has_ring(loader, piece))
		return 0;
	done = read_whole_pages(loader, &pages);
	gmem_load_count(&load->direct, done);
	return done;
}
