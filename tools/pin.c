/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Holding pages as a device driver or an I/O ring does: registered buffers of io_uring stay pinned
 * until they are unregistered.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "run.h"

#ifdef HAVE_LIBURING
#include <liburing.h>

struct pin {
	struct io_uring ring;
};

int pin_new(void *address, uint64_t size, struct pin **ret_pin)
{
	struct iovec buffer = { .iov_base = address, .iov_len = size };
	struct pin *pin = malloc(sizeof(*pin));
	int err;

	if (!pin)
		return -ENOMEM;
	err = io_uring_queue_init(1, &pin->ring, 0);
	if (err) {
		free(pin);
		return err;
	}
	err = io_uring_register_buffers(&pin->ring, &buffer, 1);
	if (err) {
		io_uring_queue_exit(&pin->ring);
		free(pin);
		return err;
	}
	*ret_pin = pin;
	return 0;
}

void pin_free(struct pin *pin)
{
	if (!pin)
		return;
	/* the kernel takes the ring apart later: pages are let go here */
	io_uring_unregister_buffers(&pin->ring);
	io_uring_queue_exit(&pin->ring);
	free(pin);
}

int pin_available(void)
{
	struct io_uring ring;
	int err = io_uring_queue_init(1, &ring, 0);

	if (!err)
		io_uring_queue_exit(&ring);
	return err;
}

#else

int pin_new(void *address, uint64_t size, struct pin **ret_pin)
{
	(void)address, (void)size, (void)ret_pin;
	return -EOPNOTSUPP;
}

void pin_free(struct pin *pin)
{
	(void)pin;
}

int pin_available(void)
{
	return -EOPNOTSUPP;
}

#endif
