/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "command.h"

#include <errno.h>

void need_commands(uint64_t mask)
{
	int offered = system_capability(GMEM_CAP_URING);

	if (((uint64_t)offered & mask) != mask)
		skip_all("this kernel has no io_uring commands for guest_memfd (0x%x)",
			 (unsigned int)offered);
}

struct io_uring_sqe command_set(int gmem, struct gmem_uapi_attributes *attributes)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_URING_CMD,
		.fd = gmem,
		.cmd_op = GMEM_UAPI_SET_ATTRIBUTES,
		.addr = (uintptr_t)attributes,
	};
}

struct io_uring_sqe command_convert(int gmem, struct gmem_uapi_conversion *conversions,
				    uint32_t count, uint64_t flags)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_URING_CMD,
		.fd = gmem,
		.cmd_op = GMEM_UAPI_CONVERT,
		.addr = (uintptr_t)conversions,
		.len = count,
		.addr3 = flags,
	};
}

int command_run(struct ring *ring, struct io_uring_sqe sqe)
{
	return ring_run(ring, &sqe);
}

void command_submit(struct ring *ring, int expected)
{
	int submitted = ring_submit(ring, 0);

	ck_assert_msg(submitted == expected, "io_uring_enter: %d, expected %d", submitted,
		      expected);
}

int command_wait(struct ring *ring, uint64_t user_data)
{
	static struct {
		uint64_t user_data;
		int res;
	} kept[64];
	static int count;
	struct io_uring_cqe cqe;

	for (;;) {
		for (int i = 0; i < count; i++) {
			if (kept[i].user_data == user_data) {
				int res = kept[i].res;

				kept[i] = kept[--count];
				return res;
			}
		}
		while (ring_next(ring, &cqe, NULL) == 0) {
			ck_assert_int_lt(count, 64);
			kept[count].user_data = cqe.user_data;
			kept[count++].res = cqe.res;
			if (cqe.user_data == user_data)
				break;
		}
		if (!count || kept[count - 1].user_data != user_data)
			ck_assert_int_ge(ring_submit(ring, 1), 0);
	}
}
