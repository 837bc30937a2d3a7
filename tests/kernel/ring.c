/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "ring.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 1

static uint32_t *word(const struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->rings + offset);
}

int ring_open(struct ring *ret_ring)
{
	struct ring ring = { .fd = -1 };
	size_t submissions, completions;
	void *at;
	int err;

	ring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &ring.params);
	if (ring.fd < 0)
		return -errno;
	submissions = ring.params.sq_off.array + ring.params.sq_entries * sizeof(uint32_t);
	completions =
		ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe);
	ring.rings_size = submissions > completions ? submissions : completions;
	at = mmap(NULL, ring.rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
		  IORING_OFF_SQ_RING);
	if (at == MAP_FAILED)
		goto fail;
	ring.rings = at;
	at = mmap(NULL, ring.params.sq_entries * sizeof(struct io_uring_sqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	if (at == MAP_FAILED)
		goto fail;
	ring.sqe = at;
	*ret_ring = ring;
	return 0;
fail:
	err = -errno;
	close(ring.fd);
	return err;
}

void ring_close(struct ring *ring)
{
	munmap(ring->sqe, ring->params.sq_entries * sizeof(struct io_uring_sqe));
	munmap(ring->rings, ring->rings_size);
	close(ring->fd);
}

int ring_run(struct ring *ring, const struct io_uring_sqe *sqe)
{
	const struct io_sqring_offsets *sq = &ring->params.sq_off;
	const struct io_cqring_offsets *cq = &ring->params.cq_off;
	uint32_t tail = *word(ring, sq->tail), head = *word(ring, cq->head);
	const struct io_uring_cqe *cqe = (void *)(ring->rings + cq->cqes);

	ring->sqe[0] = *sqe;
	word(ring, sq->array)[tail & *word(ring, sq->ring_mask)] = 0;
	__atomic_store_n(word(ring, sq->tail), tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return -errno;
	if (__atomic_load_n(word(ring, cq->tail), __ATOMIC_ACQUIRE) == head)
		return -EIO;
	cqe += head & *word(ring, cq->ring_mask);
	__atomic_store_n(word(ring, cq->head), head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}
