/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* An io_uring without a library, as small as the tests need it. One thread at a time. */
#ifndef TESTS_KERNEL_RING_H
#define TESTS_KERNEL_RING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	int fd;
	uint8_t *rings;
	size_t rings_size;
	uint8_t *sqes;
	size_t sqes_size;
	struct io_uring_params params;
};

/* Room for one operation, nothing special. 0 or a negative errno. */
int ring_open(struct ring *ret_ring);
/* Room for @entries operations; @flags are those of io_uring_setup(). 0 or a negative errno. */
int ring_open_with(unsigned int entries, unsigned int flags, struct ring *ret_ring);
void ring_close(struct ring *ring);
/* Adds an operation to those to submit. With big entries, *@second is what follows, or NULL. */
void ring_add(struct ring *ring, const struct io_uring_sqe *sqe, const void *second);
/* Submits what was added and waits for so many completions. How many were submitted, or -errno. */
int ring_submit(struct ring *ring, unsigned int wait_for);
/* The next completion; of a big one also the first of its additional words. 0, -ENOENT if none. */
int ring_next(struct ring *ring, struct io_uring_cqe *ret_cqe, uint64_t *ret_more);
/* Does one operation and waits for its end: its result, which may be a negative errno. */
int ring_run(struct ring *ring, const struct io_uring_sqe *sqe);

#endif
