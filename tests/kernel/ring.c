/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "ring.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint32_t *word(const struct ring *ring, uint32_t offset)
{
	return (uint32_t *)(ring->rings + offset);
}

static size_t sqe_size(const struct ring *ring)
{
	return sizeof(struct io_uring_sqe) << !!(ring->params.flags & IORING_SETUP_SQE128);
}

static size_t cqe_size(const struct ring *ring)
{
	return sizeof(struct io_uring_cqe) << !!(ring->params.flags & IORING_SETUP_CQE32);
}

int ring_open(struct ring *ret_ring)
{
	return ring_open_with(1, 0, ret_ring);
}

int ring_open_with(unsigned int entries, unsigned int flags, struct ring *ret_ring)
{
	struct ring ring = { .fd = -1, .params.flags = flags };
	size_t submissions, completions;
	void *at;
	int err;

	ring.fd = (int)syscall(SYS_io_uring_setup, entries, &ring.params);
	if (ring.fd < 0)
		return -errno;
	submissions = ring.params.sq_off.array + ring.params.sq_entries * sizeof(uint32_t);
	completions = ring.params.cq_off.cqes + ring.params.cq_entries * cqe_size(&ring);
	ring.rings_size = submissions > completions ? submissions : completions;
	at = mmap(NULL, ring.rings_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
		  IORING_OFF_SQ_RING);
	if (at == MAP_FAILED)
		goto fail;
	ring.rings = at;
	ring.sqes_size = ring.params.sq_entries * sqe_size(&ring);
	at = mmap(NULL, ring.sqes_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd,
		  IORING_OFF_SQES);
	if (at == MAP_FAILED)
		goto fail;
	ring.sqes = at;
	*ret_ring = ring;
	return 0;
fail:
	err = -errno;
	close(ring.fd);
	return err;
}

void ring_close(struct ring *ring)
{
	munmap(ring->sqes, ring->sqes_size);
	munmap(ring->rings, ring->rings_size);
	close(ring->fd);
}

void ring_add(struct ring *ring, const struct io_uring_sqe *sqe, const void *second)
{
	const struct io_sqring_offsets *sq = &ring->params.sq_off;
	uint32_t tail = *word(ring, sq->tail), index = tail & *word(ring, sq->ring_mask);
	uint8_t *at = ring->sqes + index * sqe_size(ring);

	memset(at, 0, sqe_size(ring));
	memcpy(at, sqe, sizeof(*sqe));
	if (second)
		memcpy(at + sizeof(*sqe), second, sizeof(*sqe));
	word(ring, sq->array)[index] = index;
	__atomic_store_n(word(ring, sq->tail), tail + 1, __ATOMIC_RELEASE);
}

int ring_submit(struct ring *ring, unsigned int wait_for)
{
	const struct io_sqring_offsets *sq = &ring->params.sq_off;
	uint32_t added =
		*word(ring, sq->tail) - __atomic_load_n(word(ring, sq->head), __ATOMIC_ACQUIRE);
	unsigned int flags = IORING_ENTER_GETEVENTS;
	long submitted;

	if (ring->params.flags & IORING_SETUP_SQPOLL)
		flags |= IORING_ENTER_SQ_WAKEUP;
	submitted = syscall(SYS_io_uring_enter, ring->fd, added, wait_for, flags, NULL, 0);

	return submitted < 0 ? -errno : (int)submitted;
}

int ring_next(struct ring *ring, struct io_uring_cqe *ret_cqe, uint64_t *ret_more)
{
	const struct io_cqring_offsets *cq = &ring->params.cq_off;
	uint32_t head = *word(ring, cq->head);
	const uint8_t *at =
		ring->rings + cq->cqes + (head & *word(ring, cq->ring_mask)) * cqe_size(ring);

	if (__atomic_load_n(word(ring, cq->tail), __ATOMIC_ACQUIRE) == head)
		return -ENOENT;
	memcpy(ret_cqe, at, sizeof(*ret_cqe));
	if (ret_more)
		memcpy(ret_more, at + sizeof(*ret_cqe), sizeof(*ret_more));
	__atomic_store_n(word(ring, cq->head), head + 1, __ATOMIC_RELEASE);
	return 0;
}

int ring_run(struct ring *ring, const struct io_uring_sqe *sqe)
{
	struct io_uring_cqe cqe;
	int ret;

	ring_add(ring, sqe, NULL);
	/* Rings that poll come back without a completion now and then. */
	do {
		ret = ring_submit(ring, 1);
		if (ret < 0)
			return ret;
		ret = ring_next(ring, &cqe, NULL);
	} while (ret == -ENOENT);
	return cqe.res;
}
