/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The calls of a script, from the inside: script.c follows them, expect.c writes them.
 */
#ifndef TEST_SCRIPT_CALL_H
#define TEST_SCRIPT_CALL_H

#include "script.h"

enum operation {
	IOCTL,
	MMAP,
	MUNMAP,
	FALLOCATE,
	FSTAT,
	FSTATFS,
	CLOSE_ON_EXEC,
	CLOSE,
	NOW,
	SLEEP,
	OPEN,
	MEMFD_CREATE,
	PREAD,
	PWRITE,
	SOCKET,
	SENDMSG,
};

/* All arguments of any operation; what it does not have is 0. */
struct call {
	enum operation operation;
	int fd;
	uint64_t arguments[4];
	/* what an argument points to, compared byte for byte */
	unsigned char bytes[512];
	size_t bytes_size;
};

struct expected {
	struct call call;
	int result;
	/* what the operation writes: an error offset, address, size, type, time or count */
	uint64_t output;
	const struct gmem_uapi_extent *extents;
	/* what the kernel says is left of a range; size 0 and offset 0 for what the extents say */
	uint64_t rest_offset, rest_size;
	/* what is written where the argument points to, if the operation succeeds */
	const void *reply;
	size_t reply_size;
	/* a place for that */
	unsigned char place[sizeof(struct gmem_uapi_session)];
};

/** The call is expected next; to be filled further. */
struct expected *expect(const struct call *call, int result, uint64_t output);

/** The size of what a request's argument points to; those of live update begin with it. */
size_t ioctl_struct_size(unsigned long request, const void *argument);
struct call path_call(enum operation operation, const char *path, unsigned int flags);
struct call message_call(int fd, const void *address, size_t address_size, const char *text,
			 size_t text_size, int descriptor);

#endif
