/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int pin(void *at, size_t size)
{
	struct io_uring_params params = { 0 };
	struct iovec buffer = { at, size };
	int ring, err;

	ring = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return -errno;
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &buffer, 1)) {
		err = -errno;
		close(ring);
		return err;
	}
	return ring;
}

void unpin(int ring)
{
	/* Closing the ring would let go too, but at some time later. */
	syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
	close(ring);
}

int splice_into_pipe(void *at, size_t size, int ret_pipe[2])
{
	struct iovec buffer = { at, size };
	ssize_t moved;

	if (pipe2(ret_pipe, O_CLOEXEC))
		return -errno;
	moved = vmsplice(ret_pipe[1], &buffer, 1, SPLICE_F_NONBLOCK);
	if (moved == (ssize_t)size)
		return 0;
	moved = moved < 0 ? -errno : -EIO;
	close(ret_pipe[0]);
	close(ret_pipe[1]);
	return (int)moved;
}
