/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What tests write down: the calls that they expect of the library.
 */
#include "../quick-check.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "script-call.h"

/* The one that was expected last. */
static struct expected *last;

size_t ioctl_struct_size(unsigned long request, const void *argument)
{
	if (_IOC_TYPE(request) == GMEM_LUOIO)
		return *(const uint32_t *)argument;
	return _IOC_DIR(request) == _IOC_NONE ? 0 : _IOC_SIZE(request);
}

struct call path_call(enum operation operation, const char *path, unsigned int flags)
{
	struct call call = { .operation = operation, .arguments = { flags } };

	call.bytes_size = strlen(path);
	memcpy(call.bytes, path, call.bytes_size);
	return call;
}

struct call message_call(int fd, const void *address, size_t address_size, const char *text,
			 size_t text_size, int descriptor)
{
	struct call call = { .operation = SENDMSG,
			     .fd = fd,
			     .arguments = { address_size, text_size, (uint64_t)descriptor } };

	must(address_size + text_size <= sizeof(call.bytes), "a message is too long");
	call.bytes_size = address_size + text_size;
	memcpy(call.bytes, address, address_size);
	memcpy(call.bytes + address_size, text, text_size);
	return call;
}

void expect_api_version(int fd, int result)
{
	last = expect(&(struct call){ .operation = IOCTL,
				      .fd = fd,
				      .arguments = { GMEM_UAPI_GET_API_VERSION } },
		      result, 0);
}

void expect_capability(int fd, uint64_t capability, int result)
{
	last = expect(&(struct call){ .operation = IOCTL,
				      .fd = fd,
				      .arguments = { GMEM_UAPI_CHECK_EXTENSION, capability } },
		      result, 0);
}

static void expect_struct(int fd, unsigned long request, const void *bytes, int result,
			  uint64_t output)
{
	struct call call = { .operation = IOCTL, .fd = fd, .arguments = { request } };

	call.bytes_size = ioctl_struct_size(request, bytes);
	memcpy(call.bytes, bytes, call.bytes_size);
	last = expect(&call, result, output);
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
	last->extents = extents;
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
	last->rest_offset = offset;
	last->rest_size = size;
}

void expect_mmap(uint64_t size, int protection, int flags, int fd, uint64_t offset, int result,
		 void *address)
{
	last = expect(&(struct call){ .operation = MMAP,
				      .fd = fd,
				      .arguments = { size, (uint64_t)protection, (uint64_t)flags,
						     offset } },
		      result, (uintptr_t)address);
}

void expect_munmap(void *address, uint64_t size, int result)
{
	last = expect(
		&(struct call){ .operation = MUNMAP, .arguments = { (uintptr_t)address, size } },
		result, 0);
}

void expect_fallocate(int fd, int mode, uint64_t offset, uint64_t size, int result)
{
	last = expect(&(struct call){ .operation = FALLOCATE,
				      .fd = fd,
				      .arguments = { (uint64_t)mode, offset, size } },
		      result, 0);
}

void expect_fstat(int fd, int result, int64_t size)
{
	last = expect(&(struct call){ .operation = FSTAT, .fd = fd }, result, (uint64_t)size);
}

void expect_fstatfs(int fd, int result, uint64_t type)
{
	last = expect(&(struct call){ .operation = FSTATFS, .fd = fd }, result, type);
}

void expect_close_on_exec(int fd, int result)
{
	last = expect(&(struct call){ .operation = CLOSE_ON_EXEC, .fd = fd }, result, 0);
}

void expect_close(int fd, int result)
{
	last = expect(&(struct call){ .operation = CLOSE, .fd = fd }, result, 0);
}

void expect_now(uint64_t nanoseconds)
{
	last = expect(&(struct call){ .operation = NOW }, 0, nanoseconds);
}

void expect_sleep(uint64_t nanoseconds, int result)
{
	last = expect(&(struct call){ .operation = SLEEP, .arguments = { nanoseconds } }, result,
		      0);
}

/* The call that was expected last succeeds with this; kept by the caller. */
static void reply(const void *bytes, size_t size)
{
	last->reply = bytes;
	last->reply_size = size;
}

static void reply_copy(const void *bytes, size_t size)
{
	memcpy(last->place, bytes, size);
	reply(last->place, size);
}

void expect_open(const char *path, int flags, int result)
{
	struct call call = path_call(OPEN, path, (unsigned int)flags);

	last = expect(&call, result, 0);
}

void expect_session(unsigned long request, int device, const char *name, int result, int fd)
{
	struct gmem_uapi_session argument = { sizeof(argument), -1, "" };

	memcpy(argument.name, name, strlen(name));
	expect_struct(device, request, &argument, result, 0);
	argument.fd = fd;
	reply_copy(&argument, sizeof(argument));
}

void expect_session_name(int fd, int result, const char *name)
{
	struct gmem_uapi_session_name argument = { .size = sizeof(argument) };

	expect_struct(fd, GMEM_UAPI_GET_NAME, &argument, result, 0);
	memcpy(argument.name, name, strnlen(name, sizeof(argument.name)));
	reply_copy(&argument, sizeof(argument));
}

void expect_direction(int fd, int result)
{
	struct {
		struct gmem_uapi_token token;
		uint64_t unknown[7];
	} argument = { { sizeof(argument), -1, 0 }, { [6] = UINT64_MAX } };

	expect_struct(fd, GMEM_UAPI_PRESERVE_FD, &argument, result, 0);
}

void expect_finish(int fd, int result)
{
	struct gmem_uapi_finish argument = { .size = sizeof(argument) };

	expect_struct(fd, GMEM_UAPI_FINISH, &argument, result, 0);
}

void expect_preserve(int session, int fd, uint64_t token, int result)
{
	struct gmem_uapi_token argument = { sizeof(argument), fd, token };

	expect_struct(session, GMEM_UAPI_PRESERVE_FD, &argument, result, 0);
}

void expect_retrieve(int session, uint64_t token, int result, int fd)
{
	struct gmem_uapi_token argument = { sizeof(argument), -1, token };

	expect_struct(session, GMEM_UAPI_RETRIEVE_FD, &argument, result, 0);
	argument.fd = fd;
	reply_copy(&argument, sizeof(argument));
}

void expect_live_update(uint64_t flags, uint64_t options, int result,
			const struct gmem_uapi_live_update *answer)
{
	struct gmem_uapi_live_update argument = { .flags = flags, .options = options };

	expect_struct(GMEM_FD, GMEM_UAPI_LIVE_UPDATE, &argument, result, 0);
	if (answer)
		reply(answer, sizeof(*answer));
}

void expect_frozen_question(int code)
{
	if (code == -EPERM)
		expect_live_update(0, 0, -ENOTTY, NULL);
}

void expect_memfd_create(const char *name, unsigned int flags, int result)
{
	struct call call = path_call(MEMFD_CREATE, name, flags);

	last = expect(&call, result, 0);
}

void expect_pread(int fd, size_t size, uint64_t offset, int result, const void *file)
{
	last = expect(&(struct call){ .operation = PREAD, .fd = fd, .arguments = { size, offset } },
		      result, 0);
	reply(file, file ? offset + size : 0);
}

void expect_pwrite(int fd, size_t size, uint64_t offset, int result, const void *file)
{
	last = expect(
		&(struct call){ .operation = PWRITE, .fd = fd, .arguments = { size, offset } },
		result, 0);
	reply(file, offset + size);
}

void expect_socket(int result)
{
	last = expect(&(struct call){ .operation = SOCKET,
				      .arguments = { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0 } },
		      result, 0);
}

void expect_message(int fd, const void *address, size_t address_size, const char *text,
		    int descriptor, int result)
{
	struct call call = message_call(fd, address, address_size, text, strlen(text), descriptor);

	last = expect(&call, result, 0);
}
