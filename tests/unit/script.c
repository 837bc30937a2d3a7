/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "lib/sys.h"
#include "script.h"

#define MAX_CALLS 4096

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
};

static const char *const operation_names[] = {
	[IOCTL] = "ioctl",	     [MMAP] = "mmap",	[MUNMAP] = "munmap",
	[FALLOCATE] = "fallocate",   [FSTAT] = "fstat", [FSTATFS] = "fstatfs",
	[CLOSE_ON_EXEC] = "fcntl",   [CLOSE] = "close", [NOW] = "clock_gettime",
	[SLEEP] = "clock_nanosleep",
};

/* All arguments of any operation; what it does not have is 0. */
struct call {
	enum operation operation;
	int fd;
	uint64_t arguments[4];
	/* what an ioctl's argument points to, compared byte for byte */
	unsigned char bytes[sizeof(struct gmem_uapi_attributes)];
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
};

static struct expected script[MAX_CALLS];
static size_t expected_calls, made_calls;

/*
 * Whether allocations of the library fail; those of libcheck never do. Volatile, because a compiler
 * that sees the whole program knows that malloc() reads no variables.
 */
static volatile bool refusing;

static void expect(const struct call *call, int result, uint64_t output)
{
	must(expected_calls < MAX_CALLS, "more than %d calls are expected", MAX_CALLS);
	script[expected_calls++] = (struct expected){ *call, result, output, NULL, 0, 0 };
}

static void check_call(const struct call *call, const struct call *expected)
{
	const char *name = operation_names[call->operation];
	int i;

	must(call->operation == expected->operation && call->fd == expected->fd,
	     "call %zu: %s on fd %d instead of %s on fd %d", made_calls + 1, name, call->fd,
	     operation_names[expected->operation], expected->fd);
	for (i = 0; i < 4; i++)
		must(call->arguments[i] == expected->arguments[i],
		     "call %zu, %s: argument %d is 0x%" PRIx64 " instead of 0x%" PRIx64,
		     made_calls + 1, name, i, call->arguments[i], expected->arguments[i]);
	must(call->bytes_size == expected->bytes_size &&
		     !memcmp(call->bytes, expected->bytes, call->bytes_size),
	     "call %zu: the ioctl's struct has other contents than expected", made_calls + 1);
}

static struct expected *make(const struct call *call)
{
	bool was_refusing = refusing;

	refusing = false;
	must(made_calls < expected_calls, "unexpected %s on fd %d after all %zu calls",
	     operation_names[call->operation], call->fd, expected_calls);
	check_call(call, &script[made_calls].call);
	refusing = was_refusing;
	return &script[made_calls++];
}

static size_t ioctl_struct_size(unsigned long request)
{
	return _IOC_DIR(request) == _IOC_NONE ? 0 : _IOC_SIZE(request);
}

/* Describes a range by the extents of the script, as the kernel does if they make sense. */
static void answer_query(struct gmem_uapi_query *query, const struct expected *next)
{
	struct gmem_uapi_extent *extents = (struct gmem_uapi_extent *)(uintptr_t)query->extents;
	uint64_t i, end = query->offset + query->size;

	for (i = 0; i < next->output && i < query->nr_extents; i++) {
		extents[i] = next->extents[i];
		query->offset = extents[i].offset + extents[i].size;
	}
	query->size = end - query->offset;
	query->nr_extents = next->output;
	if (next->rest_offset || next->rest_size) {
		query->offset = next->rest_offset;
		query->size = next->rest_size;
	}
}

static int scripted_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	struct call call = { .operation = IOCTL, .fd = fd, .arguments = { request } };
	struct expected *next;

	call.bytes_size = ioctl_struct_size(request);
	/* A struct too big for any request of ours is not the expected one, and is found out. */
	if (call.bytes_size > sizeof(call.bytes))
		call.bytes_size = 0;
	if (call.bytes_size)
		memcpy(call.bytes, (const void *)argument, call.bytes_size);
	else
		call.arguments[1] = argument;
	/* Where the extents go is up to the library. */
	if (request == GMEM_UAPI_QUERY)
		memset(call.bytes + offsetof(struct gmem_uapi_query, extents), 0, sizeof(uint64_t));
	next = make(&call);
	if (request == GMEM_UAPI_SET_ATTRIBUTES && next->output != NOT_WRITTEN)
		((struct gmem_uapi_attributes *)argument)->error_offset = next->output;
	if (request == GMEM_UAPI_QUERY && next->extents)
		answer_query((struct gmem_uapi_query *)argument, next);
	return next->result;
}

static int scripted_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
			 void **ret_address)
{
	struct expected *next = make(&(struct call){
		.operation = MMAP,
		.fd = fd,
		.arguments = { size, (uint64_t)protection, (uint64_t)flags, offset } });

	if (next->result == 0)
		*ret_address = (void *)(uintptr_t)next->output;
	return next->result;
}

static int scripted_munmap(void *address, size_t size)
{
	return make(&(struct call){ .operation = MUNMAP,
				    .arguments = { (uintptr_t)address, size } })
		->result;
}

static int scripted_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	return make(&(struct call){ .operation = FALLOCATE,
				    .fd = fd,
				    .arguments = { (uint64_t)mode, offset, size } })
		->result;
}

static int scripted_fstat(int fd, struct stat *ret_stat)
{
	struct expected *next = make(&(struct call){ .operation = FSTAT, .fd = fd });

	if (next->result == 0) {
		memset(ret_stat, 0, sizeof(*ret_stat));
		ret_stat->st_size = (off_t)next->output;
	}
	return next->result;
}

static int scripted_fstatfs(int fd, struct statfs *ret_statfs)
{
	struct expected *next = make(&(struct call){ .operation = FSTATFS, .fd = fd });

	if (next->result == 0) {
		memset(ret_statfs, 0, sizeof(*ret_statfs));
		ret_statfs->f_type = (__typeof__(ret_statfs->f_type))next->output;
	}
	return next->result;
}

static int scripted_close_on_exec(int fd)
{
	return make(&(struct call){ .operation = CLOSE_ON_EXEC, .fd = fd })->result;
}

static int scripted_close(int fd)
{
	return make(&(struct call){ .operation = CLOSE, .fd = fd })->result;
}

static uint64_t scripted_now(void)
{
	return make(&(struct call){ .operation = NOW })->output;
}

static int scripted_sleep(uint64_t nanoseconds)
{
	return make(&(struct call){ .operation = SLEEP, .arguments = { nanoseconds } })->result;
}

static uint64_t scripted_page_size(void)
{
	return PAGE;
}

static const struct gmem_sys scripted = {
	.ioctl = scripted_ioctl,
	.mmap = scripted_mmap,
	.munmap = scripted_munmap,
	.fallocate = scripted_fallocate,
	.fstat = scripted_fstat,
	.fstatfs = scripted_fstatfs,
	.set_close_on_exec = scripted_close_on_exec,
	.close = scripted_close,
	.now = scripted_now,
	.sleep = scripted_sleep,
	.page_size = scripted_page_size,
};

void script_begin(void)
{
	gmem_sys = &scripted;
	expected_calls = 0;
	made_calls = 0;
}

void script_end(void)
{
	ck_assert_msg(made_calls == expected_calls, "%zu calls instead of %zu: no %s", made_calls,
		      expected_calls, operation_names[script[made_calls].call.operation]);
	expected_calls = 0;
	made_calls = 0;
}

void expect_api_version(int fd, int result)
{
	expect(&(struct call){ .operation = IOCTL,
			       .fd = fd,
			       .arguments = { GMEM_UAPI_GET_API_VERSION } },
	       result, 0);
}

void expect_capability(int fd, uint64_t capability, int result)
{
	expect(&(struct call){ .operation = IOCTL,
			       .fd = fd,
			       .arguments = { GMEM_UAPI_CHECK_EXTENSION, capability } },
	       result, 0);
}

static void expect_struct(int fd, unsigned long request, const void *bytes, int result,
			  uint64_t output)
{
	struct call call = { .operation = IOCTL, .fd = fd, .arguments = { request } };

	call.bytes_size = ioctl_struct_size(request);
	memcpy(call.bytes, bytes, call.bytes_size);
	expect(&call, result, output);
}

void expect_create(int fd, uint64_t size, uint64_t flags, int result)
{
	struct gmem_uapi_create request = { .size = size, .flags = flags };

	expect_struct(fd, GMEM_UAPI_CREATE_GUEST_MEMFD, &request, result, 0);
}

void expect_created(uint64_t size, uint64_t flags, int policies)
{
	expect_create(VM_FD, size, flags, GMEM_FD);
	expect_close_on_exec(GMEM_FD, 0);
	expect_capability(VM_FD, GMEM_CAP_CONTENT_POLICIES, policies);
}

void expect_convert(int fd, uint64_t offset, uint64_t size, uint64_t attributes, int result,
		    uint64_t error_offset)
{
	expect_convert_policy(fd, offset, size, attributes, 0, result, error_offset);
}

void expect_convert_policy(int fd, uint64_t offset, uint64_t size, uint64_t attributes,
			   uint64_t flags, int result, uint64_t error_offset)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = size,
		.attributes = attributes,
		.flags = flags,
		.error_offset = UINT64_MAX,
	};

	expect_struct(fd, GMEM_UAPI_SET_ATTRIBUTES, &request, result, error_offset);
}

void expect_query(uint64_t offset, uint64_t size, uint64_t flags, uint64_t batch, int result,
		  const struct gmem_uapi_extent *extents, uint64_t count)
{
	struct gmem_uapi_query request = {
		.offset = offset,
		.size = size,
		.flags = flags,
		.nr_extents = batch,
	};

	expect_struct(GMEM_FD, GMEM_UAPI_QUERY, &request, result, count);
	script[expected_calls - 1].extents = extents;
}

void expect_convert_scratch(int fd, uint64_t size, int result)
{
	struct gmem_uapi_attributes request = {
		.size = size,
		.attributes = GMEM_UAPI_ATTRIBUTE_PRIVATE,
	};

	expect_struct(fd, GMEM_UAPI_SET_ATTRIBUTES, &request, result, NOT_WRITTEN);
}

void expect_rest(uint64_t offset, uint64_t size)
{
	script[expected_calls - 1].rest_offset = offset;
	script[expected_calls - 1].rest_size = size;
}

void expect_mmap(uint64_t size, int protection, int flags, int fd, uint64_t offset, int result,
		 void *address)
{
	expect(&(struct call){ .operation = MMAP,
			       .fd = fd,
			       .arguments = { size, (uint64_t)protection, (uint64_t)flags,
					      offset } },
	       result, (uintptr_t)address);
}

void expect_munmap(void *address, uint64_t size, int result)
{
	expect(&(struct call){ .operation = MUNMAP, .arguments = { (uintptr_t)address, size } },
	       result, 0);
}

void expect_fallocate(int fd, int mode, uint64_t offset, uint64_t size, int result)
{
	expect(&(struct call){ .operation = FALLOCATE,
			       .fd = fd,
			       .arguments = { (uint64_t)mode, offset, size } },
	       result, 0);
}

void expect_fstat(int fd, int result, int64_t size)
{
	expect(&(struct call){ .operation = FSTAT, .fd = fd }, result, (uint64_t)size);
}

void expect_fstatfs(int fd, int result, uint64_t type)
{
	expect(&(struct call){ .operation = FSTATFS, .fd = fd }, result, type);
}

void expect_close_on_exec(int fd, int result)
{
	expect(&(struct call){ .operation = CLOSE_ON_EXEC, .fd = fd }, result, 0);
}

void expect_close(int fd, int result)
{
	expect(&(struct call){ .operation = CLOSE, .fd = fd }, result, 0);
}

void expect_now(uint64_t nanoseconds)
{
	expect(&(struct call){ .operation = NOW }, 0, nanoseconds);
}

void expect_sleep(uint64_t nanoseconds, int result)
{
	expect(&(struct call){ .operation = SLEEP, .arguments = { nanoseconds } }, result, 0);
}

/* The linker sends the library's allocations here: see --wrap in meson.build. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return refusing ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return refusing ? NULL : __real_calloc(count, size);
}

void refuse_allocations(void)
{
	refusing = true;
}

int allow_allocations(int result)
{
	refusing = false;
	return result;
}
