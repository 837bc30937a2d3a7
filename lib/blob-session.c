/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A blob in a memfd of a session.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "blob.h"
#include "preserve.h"
#include "sys.h"

/* Of headers that are older than the kernels with live update. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define MAX_TRIES 1000

static const struct gmem_answer create_answers[] = {
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer write_answers[] = {
	{ -ENOSPC, -ENOSPC, GMEM_CAUSE_MEMORY },  { -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },	  { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED }, { 0 },
};

static const struct gmem_answer read_answers[] = {
	/* what cannot be read like a file */
	{ -EINVAL, -EBADMSG, GMEM_CAUSE_BLOB_FOREIGN },
	{ -ESPIPE, -EBADMSG, GMEM_CAUSE_BLOB_FOREIGN },
	{ -EBADF, -EBADMSG, GMEM_CAUSE_BLOB_FOREIGN },
	{ -EISDIR, -EBADMSG, GMEM_CAUSE_BLOB_FOREIGN },
	{ -EIO, -EIO, GMEM_CAUSE_NOT_RETRIEVED },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static int64_t transfer(int fd, unsigned char *bytes, uint64_t size, uint64_t at, bool writing)
{
	return writing ? gmem_sys->pwrite(fd, bytes + at, (size_t)(size - at), at)
		       : gmem_sys->pread(fd, bytes + at, (size_t)(size - at), at);
}

/* Returns false, and the report says why, unless all bytes were read or written. */
static bool transfer_all(int fd, unsigned char *bytes, uint64_t size, bool writing,
			 struct gmem_error *error)
{
	unsigned int tries = 0;
	uint64_t at = 0;
	int64_t r;

	while (at < size) {
		r = transfer(fd, bytes, size, at, writing);
		if (r == -EINTR && ++tries < MAX_TRIES)
			continue;
		if (r <= 0 || (uint64_t)r > size - at)
			break;
		at += (uint64_t)r;
	}
	if (at == size)
		return true;
	error->attempts = tries + 1;
	error->system_call = writing ? "pwrite" : "pread";
	gmem_error_set_answer(error, (int)r, writing ? write_answers : read_answers);
	/* The end of the file, although it was to be longer. */
	if (r == 0 && !writing) {
		error->code = -EBADMSG;
		error->cause = GMEM_CAUSE_BLOB_LENGTH;
	}
	return false;
}

static bool preserve_bytes(const struct gmem_session *session, unsigned char *bytes, uint64_t size,
			   uint64_t token, struct gmem_error *error)
{
	int fd = gmem_sys->memfd_create("gmem-blob", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	bool ok;

	if (fd < 0) {
		error->attempts = 1;
		error->system_call = "memfd_create";
		gmem_error_set_answer(error, fd, create_answers);
		return false;
	}
	ok = transfer_all(fd, bytes, size, true, error);
	if (ok) {
		error->attempts = 0;
		ok = gmem_put_file(session, fd, token, error);
	}
	/* The session has it now. */
	gmem_sys->close(fd);
	return ok;
}

int gmem_preserve_blob(struct gmem_session *session, const struct gmem_blob *blob, uint64_t token,
		       struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_preserve_blob" };
	unsigned char *bytes;
	bool ok;

	if (!blob)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (gmem_session_require(session, GMEM_DIRECTION_OUTGOING, &error) < 0)
		return gmem_error_fail(reterr_error, &error);
	bytes = malloc(blob->size);
	if (!bytes)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	gmem_blob_write(blob, bytes);
	ok = preserve_bytes(session, bytes, blob->size, token, &error);
	free(bytes);
	return ok ? 0 : gmem_error_fail(reterr_error, &error);
}

/* The size of a file that can be a blob. */
static bool read_size(int fd, uint64_t *ret_size, struct gmem_error *error)
{
	struct stat stat;
	int r = gmem_sys->fstat(fd, &stat);

	if (r != 0) {
		error->system_call = "fstat";
		gmem_error_set_answer(error, r, read_answers);
		return false;
	}
	error->system_call = NULL;
	error->code = -EBADMSG;
	error->cause = stat.st_size > 0 ? GMEM_CAUSE_BLOB_LENGTH : GMEM_CAUSE_BLOB_FOREIGN;
	if (stat.st_size <= 0 || (uint64_t)stat.st_size > GMEM_BLOB_MAX_SIZE)
		return false;
	error->code = 0;
	*ret_size = (uint64_t)stat.st_size;
	return true;
}

static bool read_blob(int fd, struct gmem_blob **ret_blob, struct gmem_error *error)
{
	unsigned char *bytes;
	uint64_t size;
	bool ok;

	if (!read_size(fd, &size, error))
		return false;
	bytes = malloc(size);
	if (!bytes) {
		error->code = -ENOMEM;
		error->cause = GMEM_CAUSE_MEMORY;
		return false;
	}
	ok = transfer_all(fd, bytes, size, false, error) &&
	     gmem_blob_read(bytes, size, ret_blob, error);
	free(bytes);
	return ok;
}

int gmem_retrieve_blob(struct gmem_session *session, uint64_t token, struct gmem_blob **ret_blob,
		       struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_retrieve_blob" };
	bool ok;
	int fd;

	if (!ret_blob)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (gmem_session_require(session, GMEM_DIRECTION_INCOMING, &error) < 0 ||
	    !gmem_get_file(session, token, &fd, &error))
		return gmem_error_fail(reterr_error, &error);
	ok = read_blob(fd, ret_blob, &error);
	gmem_sys->close(fd);
	return ok ? 0 : gmem_error_fail(reterr_error, &error);
}
