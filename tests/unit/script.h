/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A kernel that follows a script: it expects exactly the calls that a test wrote down, with exactly
 * these arguments, and gives the answers that the test wants. Any other call, a call in the wrong
 * order and a call that never came fail the test.
 */
#ifndef TEST_SCRIPT_H
#define TEST_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/uapi/live_update.h"

/** The page size that the scripted kernel has, whatever machine the test runs on. */
#define PAGE UINT64_C(4096)

#define VM_FD	1000
#define GMEM_FD 1001
/** A session, /dev/liveupdate, and whatever else is open. */
#define SESSION_FD 1003
#define DEVICE_FD  1004
#define OTHER_FD   1005

/** What the scripted process has. */
#define PROCESS_ID 4242

/** Attributes and content policies of requests. */
#define PRIVATE	 GMEM_UAPI_ATTRIBUTE_PRIVATE
#define ZERO	 GMEM_UAPI_CONTENT_ZERO
#define PRESERVE GMEM_UAPI_CONTENT_PRESERVE

/** Nothing is written to error_offset. */
#define NOT_WRITTEN UINT64_MAX

/**
 * As ck_assert_msg(), for what is asserted tens of thousands of times: libcheck sends a message to
 * its parent process for each assertion that holds, too, which under valgrind is most of the time.
 */
#define must(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)

/** Take the place of the kernel; every test calls it through a fixture. */
void script_begin(void);
/** Fail the test if an expected call did not come. */
void script_end(void);

void expect_api_version(int fd, int result);
void expect_capability(int fd, uint64_t capability, int result);
void expect_create(int fd, uint64_t size, uint64_t flags, int result);
/** All of a creation that succeeds, with GMEM_FD, on a kernel that announces these policies. */
void expect_created(uint64_t size, uint64_t flags, int policies);
void expect_convert(int fd, uint64_t offset, uint64_t size, uint64_t attributes, int result,
		    uint64_t error_offset);
/** The same with a content policy. */
void expect_convert_policy(int fd, uint64_t offset, uint64_t size, uint64_t attributes,
			   uint64_t flags, int result, uint64_t error_offset);
/**
 * A query of all that is left of a range. The kernel describes it with the extents given, all of
 * which are written, and says that they are `count`.
 */
void expect_query(uint64_t offset, uint64_t size, uint64_t flags, uint64_t batch, int result,
		  const struct gmem_uapi_extent *extents, uint64_t count);
/** For the query expected last: the kernel says that this is left of the range, true or not. */
void expect_rest(uint64_t offset, uint64_t size);
/** The same with the error_offset that the library passes in, which the probe leaves 0. */
void expect_convert_scratch(int fd, uint64_t size, int result);
void expect_mmap(uint64_t size, int protection, int flags, int fd, uint64_t offset, int result,
		 void *address);
void expect_munmap(void *address, uint64_t size, int result);
void expect_fallocate(int fd, int mode, uint64_t offset, uint64_t size, int result);
void expect_fstat(int fd, int result, int64_t size);
void expect_fstatfs(int fd, int result, uint64_t type);
void expect_close_on_exec(int fd, int result);
void expect_close(int fd, int result);
void expect_now(uint64_t nanoseconds);
void expect_sleep(uint64_t nanoseconds, int result);

/** Live update: what is written on success comes last. */
void expect_open(const char *path, int flags, int result);
void expect_session(unsigned long request, int device, const char *name, int result, int fd);
void expect_session_name(int fd, int result, const char *name);
/** The question which way a session goes: -E2BIG is out, -EINVAL is in. */
void expect_direction(int fd, int result);
void expect_finish(int fd, int result);
void expect_preserve(int session, int fd, uint64_t token, int result);
void expect_retrieve(int session, uint64_t token, int result, int fd);
/** Of GMEM_FD; the answer is kept by the caller. */
void expect_live_update(uint64_t flags, uint64_t options, int result,
			const struct gmem_uapi_live_update *answer);
/** After this answer, if it is EPERM, the library asks whether the file is frozen: not known. */
void expect_frozen_question(int code);
void expect_memfd_create(const char *name, unsigned int flags, int result);
/** The file is all of it, from offset 0 on; NULL: nothing is read, anything may be written. */
void expect_pread(int fd, size_t size, uint64_t offset, int result, const void *file);
void expect_pwrite(int fd, size_t size, uint64_t offset, int result, const void *file);
void expect_socket(int result);
/** descriptor -1 is none. */
void expect_message(int fd, const void *address, size_t address_size, const char *text,
		    int descriptor, int result);

/** The result of a call of the library during which every allocation fails. */
#define WITHOUT_MEMORY(call) (refuse_allocations(), allow_allocations(call))
void refuse_allocations(void);
int allow_allocations(int result);

#endif
