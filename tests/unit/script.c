/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "../quick-check.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "lib/sys.h"
#include "script-call.h"

#define MAX_CALLS 4096

static const char *const operation_names[] = {
	[IOCTL] = "ioctl",	     [MMAP] = "mmap",	  [MUNMAP] = "munmap",
	[FALLOCATE] = "fallocate",   [FSTAT] = "fstat",	  [FSTATFS] = "fstatfs",
	[CLOSE_ON_EXEC] = "fcntl",   [CLOSE] = "close",	  [NOW] = "clock_gettime",
	[SLEEP] = "clock_nanosleep", [OPEN] = "open",	  [MEMFD_CREATE] = "memfd_create",
	[PREAD] = "pread",	     [PWRITE] = "pwrite", [SOCKET] = "socket",
	[SENDMSG] = "sendmsg",
};

static struct expected script[MAX_CALLS];
static size_t expected_calls, made_calls;

/*
 * Whether allocations of the library fail; those of libcheck never do. Volatile, because a compiler
 * that sees the whole program knows that malloc() reads no variables.
 */
static volatile bool refusing;

struct expected *expect(const struct call *call, int result, uint64_t output)
{
	must(expected_calls < MAX_CALLS, "more than %d calls are expected", MAX_CALLS);
	script[expected_calls] =
		(struct expected){ .call = *call, .result = result, .output = output };
	return &script[expected_calls++];
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

	call.bytes_size = ioctl_struct_size(request, (const void *)argument);
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
	if (next->result == 0 && next->reply_size)
		memcpy((void *)argument, next->reply, next->reply_size);
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

static int scripted_open(const char *path, int flags)
{
	struct call call = path_call(OPEN, path, (unsigned int)flags);

	return make(&call)->result;
}

static int scripted_memfd_create(const char *name, unsigned int flags)
{
	struct call call = path_call(MEMFD_CREATE, name, flags);

	return make(&call)->result;
}

static int64_t scripted_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
	struct expected *next =
		make(&(struct call){ .operation = PREAD, .fd = fd, .arguments = { size, offset } });

	if (next->result > 0 && next->reply_size)
		memcpy(buffer, (const char *)next->reply + offset,
		       (size_t)next->result < size ? (size_t)next->result : size);
	return next->result;
}

/* What is written is compared with what the script has as a reply. */
static int64_t scripted_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
	struct expected *next = make(
		&(struct call){ .operation = PWRITE, .fd = fd, .arguments = { size, offset } });

	must(!next->reply || (next->reply_size == offset + size &&
			      !memcmp((const char *)next->reply + offset, buffer, size)),
	     "other bytes are written than expected");
	return next->result;
}

static int scripted_socket(int domain, int type, int protocol)
{
	return make(&(struct call){
			    .operation = SOCKET,
			    .arguments = { (uint64_t)domain, (uint64_t)type, (uint64_t)protocol } })
		->result;
}

static int scripted_sendmsg(int fd, const struct msghdr *message, int flags)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int descriptor = -1;
	struct call call;

	must(flags == MSG_NOSIGNAL, "a message that may kill the program");
	if (control) {
		must(control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
			     control->cmsg_len == CMSG_LEN(sizeof(descriptor)),
		     "other control data than a descriptor");
		memcpy(&descriptor, CMSG_DATA(control), sizeof(descriptor));
	}
	call = message_call(fd, message->msg_name, message->msg_namelen, message->msg_iov->iov_base,
			    message->msg_iov->iov_len, descriptor);
	return make(&call)->result;
}

static int scripted_process_id(void)
{
	return PROCESS_ID;
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
	.open = scripted_open,
	.memfd_create = scripted_memfd_create,
	.pread = scripted_pread,
	.pwrite = scripted_pwrite,
	.socket = scripted_socket,
	.sendmsg = scripted_sendmsg,
	.process_id = scripted_process_id,
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
