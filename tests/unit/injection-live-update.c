/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update in the model of a kernel whose calls fail: a device, sessions, what comes out of
 * them, and the socket of a service manager.
 */
#include <stdlib.h>
#include <string.h>
#include "injection.h"
#include "unit.h"

#define SMALL	     (4 * PAGE)
#define RETRIEVED_FD (GMEM_FD + 20)

/* Tokens of what comes out of a session. */
#define VM_TOKEN   1
#define GMEM_TOKEN 2
#define BLOB_TOKEN 3

static struct gmem_session *outgoing, *incoming;
static struct gmem_blob *blob;
static struct gmem *small;
static unsigned char blob_bytes[1024];
static uint64_t blob_size;
static bool goes_out;

uint64_t model_file_size(int fd, uint64_t otherwise)
{
	if (fd == RETRIEVED_FD)
		return SMALL;
	return fd == BLOB_FD ? blob_size : otherwise;
}

static int give(struct gmem_uapi_token *request)
{
	static const int files[] = {
		[VM_TOKEN] = VM_FD, [GMEM_TOKEN] = RETRIEVED_FD, [BLOB_TOKEN] = BLOB_FD
	};

	open_files++;
	request->fd = files[request->token];
	return 0;
}

bool model_live_update(unsigned long request, uintptr_t argument, int *ret_result)
{
	*ret_result = 0;
	switch (request) {
	case GMEM_UAPI_CREATE_SESSION:
	case GMEM_UAPI_RETRIEVE_SESSION:
		open_files++;
		((struct gmem_uapi_session *)argument)->fd = SESSION_FD;
		return true;
	case GMEM_UAPI_GET_NAME:
		strcpy((char *)((struct gmem_uapi_session_name *)argument)->name, "vm");
		return true;
	case GMEM_UAPI_PRESERVE_FD:
		/* the question for the direction */
		if (((struct gmem_uapi_token *)argument)->size > sizeof(struct gmem_uapi_token))
			*ret_result = goes_out ? -E2BIG : -EINVAL;
		return true;
	case GMEM_UAPI_RETRIEVE_FD:
		*ret_result = give((struct gmem_uapi_token *)argument);
		return true;
	case GMEM_UAPI_FINISH:
	case GMEM_UAPI_LIVE_UPDATE:
		return true;
	}
	return false;
}

/* What opens a file. */
static int opened(int fd)
{
	int code;

	if (fails(&code))
		return code;
	open_files++;
	return fd;
}

int model_open(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return opened(DEVICE_FD);
}

int model_memfd_create(const char *name, unsigned int flags)
{
	(void)name;
	(void)flags;
	return opened(BLOB_FD);
}

int model_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	return opened(BLOB_FD);
}

/* A few bytes at a time, so that one call is not enough. */
static size_t part(size_t size)
{
	return size < 200 ? size : 200;
}

int64_t model_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	must(!memcmp(buffer, blob_bytes + offset, size), "other bytes than those of the blob");
	return (int64_t)part(size);
}

int64_t model_read_blob(void *buffer, size_t size, uint64_t offset)
{
	int code;

	if (fails(&code))
		return code;
	memcpy(buffer, blob_bytes + offset, part(size));
	return (int64_t)part(size);
}

int model_sendmsg(int fd, const struct msghdr *message, int flags)
{
	int code;

	(void)fd;
	(void)flags;
	return fails(&code) ? code : (int)message->msg_iov->iov_len;
}

int model_process_id(void)
{
	return PROCESS_ID;
}

void begin_live_update(void)
{
	struct gmem_blob_slot slot = { .size = SMALL, .token = GMEM_TOKEN };
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };

	goes_out = true;
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &outgoing, report), 0);
	goes_out = false;
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &incoming, report), 0);
	ck_assert_int_eq(gmem_create(VM_FD, SMALL, &options, &small, report), 0);
	ck_assert_int_eq(gmem_blob_new(&blob, report), 0);
	ck_assert_int_eq(gmem_blob_add_file(blob, GMEM_TOKEN, small, report), 0);
	ck_assert_int_eq(gmem_blob_add_slot(blob, &slot, report), 0);
	ck_assert_int_eq(gmem_blob_add_section(blob, "own", loaded, 300, report), 0);
	ck_assert_int_eq(gmem_blob_format(blob, blob_bytes, sizeof(blob_bytes), &blob_size, report),
			 0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/run/notify", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_PID", "4242", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDS", "1", 1), 0);
	ck_assert_int_eq(setenv("LISTEN_FDNAMES", "vm", 1), 0);
}

void end_live_update(void)
{
	gmem_session_release(outgoing);
	gmem_session_release(incoming);
	gmem_release(small);
	gmem_blob_free(blob);
}

/* The session is made, or nothing is written. */
static int check_session(int r, struct gmem_session *session)
{
	if (r < 0)
		ck_assert_ptr_eq(session, memory);
	else
		gmem_session_release(session);
	return r;
}

int run_session_create(void)
{
	struct gmem_session *session = (struct gmem_session *)memory;
	int r = gmem_session_create("vm", NULL, &session, report);

	return check_session(r, session);
}

int run_session_retrieve(void)
{
	struct gmem_session *session = (struct gmem_session *)memory;
	int r = gmem_session_retrieve("vm", NULL, &session, report);

	return check_session(r, session);
}

/* On failure the descriptor is the caller's. */
static int check_adopted(int r, struct gmem_session *session)
{
	ck_assert_int_eq(open_files, 1);
	if (r < 0)
		open_files--;
	return check_session(r, session);
}

int run_session_adopt(void)
{
	struct gmem_session *session = (struct gmem_session *)memory;
	int r;

	open_files++;
	r = gmem_session_adopt(SESSION_FD, &session, report);
	return check_adopted(r, session);
}

int run_session_finish(void)
{
	return gmem_session_finish(incoming, report);
}

int run_preserve_vm(void)
{
	return gmem_preserve_vm(outgoing, VM_FD, VM_TOKEN, report);
}

int run_preserve(void)
{
	struct gmem_preserve_options options = { .size = sizeof(options), .mixed = 1 };

	return gmem_preserve(outgoing, small, GMEM_TOKEN, &options, report);
}

int run_preserve_fd(void)
{
	return gmem_preserve_fd(outgoing, BLOB_FD, BLOB_TOKEN, report);
}

int run_get_live_update(void)
{
	struct gmem_live_update now = { .refusal_offset = 77 };
	int r = gmem_get_live_update(small, &now, report);

	ck_assert_uint_eq(now.refusal_offset, r < 0 ? 77 : 0);
	return r;
}

static int check_file(int r, int fd)
{
	ck_assert_int_eq(fd < 0, r < 0);
	if (r == 0)
		open_files--;
	return r;
}

int run_retrieve_vm(void)
{
	int fd = -77, r = gmem_retrieve_vm(incoming, VM_TOKEN, &fd, report);

	return check_file(r, fd);
}

int run_retrieve_fd(void)
{
	int fd = -77, r = gmem_retrieve_fd(incoming, BLOB_TOKEN, &fd, report);

	return check_file(r, fd);
}

int run_retrieve(void)
{
	struct gmem_retrieve_options options = { .size = sizeof(options), .blob = blob };
	struct gmem *made = (struct gmem *)memory;
	int r = gmem_retrieve(incoming, GMEM_TOKEN, &options, &made, report);
	uint64_t flags;

	if (r == 0) {
		ck_assert_int_eq(gmem_get_creation_flags(made, &flags), 0);
		ck_assert_uint_eq(flags, GMEM_UAPI_FLAG_MMAP);
		gmem_release(made);
		return 0;
	}
	ck_assert_ptr_eq(made, memory);
	/* The one mapping that cannot be taken back is that which munmap() refused. */
	if (gmem_error_get_system_call(report) &&
	    !strcmp(gmem_error_get_system_call(report), "munmap"))
		mappings--;
	return r;
}

int run_blob_add_file(void)
{
	struct gmem_blob *fresh;
	struct gmem_blob_file file;
	int r;

	ck_assert_int_eq(gmem_blob_new(&fresh, report), 0);
	r = gmem_blob_add_file(fresh, GMEM_TOKEN, small, report);
	ck_assert_int_eq(gmem_blob_get_file(fresh, 0, &file), r < 0 ? -ENODATA : 0);
	gmem_blob_free(fresh);
	return r;
}

int run_preserve_blob(void)
{
	return gmem_preserve_blob(outgoing, blob, BLOB_TOKEN, report);
}

int run_retrieve_blob(void)
{
	struct gmem_blob *came = (struct gmem_blob *)memory;
	int r = gmem_retrieve_blob(incoming, BLOB_TOKEN, &came, report);

	if (r < 0)
		ck_assert_ptr_eq(came, memory);
	else
		gmem_blob_free(came);
	return r;
}

int run_store_push(void)
{
	return gmem_store_push(outgoing, NULL, report);
}

int run_store_take(void)
{
	struct gmem_session *session = (struct gmem_session *)memory;
	int r;

	open_files++;
	r = gmem_store_take("vm", &session, report);
	return check_adopted(r, session);
}

int run_store_remove(void)
{
	return gmem_store_remove("vm", report);
}
