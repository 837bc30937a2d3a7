/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* An io_uring for one operation at a time, without a library. */
#ifndef TESTS_KERNEL_RING_H
#define TESTS_KERNEL_RING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	int fd;
	uint8_t *rings;
	size_t rings_size;
	struct io_uring_sqe *sqe;
	struct io_uring_params params;
};

/* 0 or a negative errno. */
int ring_open(struct ring *ret_ring);
void ring_close(struct ring *ring);
/* Does one operation and waits for its end: its result, which may be a negative errno. */
int ring_run(struct ring *ring, const struct io_uring_sqe *sqe);

#endif
