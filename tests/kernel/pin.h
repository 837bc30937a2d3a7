/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Host users that hold on to pages, as a device or a registered buffer does. Page aligned ranges.
 */
#ifndef TESTS_KERNEL_PIN_H
#define TESTS_KERNEL_PIN_H

#include <stddef.h>

/*
 * Pins memory as a registered buffer of a new io_uring. Returns its descriptor, which holds the
 * pages until unpin(), or a negative errno: -EFAULT if a page cannot be reached, -ENOSYS or -EPERM
 * where there is no io_uring.
 */
int pin(void *at, size_t size);
/* Lets go, and waits until the kernel has. */
void unpin(int ring);

/*
 * Puts references to memory into a new pipe with vmsplice. Returns 0 or a negative errno. Closing
 * both ends lets go.
 */
int splice_into_pipe(void *at, size_t size, int ret_pipe[2]);

#endif
