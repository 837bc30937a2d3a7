/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* io_uring commands on a guest_memfd file, as tests send them. Functions fail the test if the ring
 * does. */
#ifndef TESTS_KERNEL_COMMAND_H
#define TESTS_KERNEL_COMMAND_H

#include "kernel.h"
#include "ring.h"

/* Ends the program as skipped unless the kernel has the commands in @mask. */
void need_commands(uint64_t mask);
/* KVM_SET_MEMORY_ATTRIBUTES2 */
struct io_uring_sqe command_set(int gmem, struct gmem_uapi_attributes *attributes);
/* KVM_GUEST_MEMFD_CONVERT */
struct io_uring_sqe command_convert(int gmem, struct gmem_uapi_conversion *conversions,
				    uint32_t count, uint64_t flags);
/* Submits one and waits for its result, which may be a negative errno. */
int command_run(struct ring *ring, struct io_uring_sqe sqe);
/* Submits what was added. */
void command_submit(struct ring *ring, int expected);
/* Waits for the completion with this user_data; its result. Others are kept for later. */
int command_wait(struct ring *ring, uint64_t user_data);

#endif
