/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The way out of a session. preserve.h has both ways.
 */
#include <errno.h>
#include <libgmem/blob.h>
#include <libgmem/query.h>
#include "file.h"
#include "options.h"
#include "preserve.h"
#include "sys.h"
#include "vm.h"

/* Extents that are compared with one question to the kernel. */
#define BATCH 128

static const struct gmem_answer get_answers[] = {
	{ -ENOENT, -ENOENT, GMEM_CAUSE_NO_TOKEN },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_NO_RETRIEVAL },
	{ -EIO, -EIO, GMEM_CAUSE_NOT_RETRIEVED },
	/* The request was right, so that it is the handler that found something wrong. */
	{ -EINVAL, -EIO, GMEM_CAUSE_NOT_RETRIEVED },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

bool gmem_get_file(const struct gmem_session *session, uint64_t token, int *ret_fd,
		   struct gmem_error *error)
{
	struct gmem_uapi_token request = { sizeof(request), -1, token };
	int r = gmem_sys->ioctl(session->fd, GMEM_UAPI_RETRIEVE_FD, (uintptr_t)&request);

	error->attempts = 1;
	error->system_call = "LIVEUPDATE_SESSION_RETRIEVE_FD";
	if (r != 0) {
		gmem_error_set_answer(error, r, get_answers);
		return false;
	}
	if (request.fd < 0) {
		error->code = -EBADE;
		error->cause = GMEM_CAUSE_ANSWER;
		return false;
	}
	*ret_fd = request.fd;
	return true;
}

int gmem_retrieve_fd(struct gmem_session *session, uint64_t token, int *ret_fd,
		     struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_retrieve_fd" };

	if (!ret_fd)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (gmem_session_require(session, GMEM_DIRECTION_INCOMING, &error) < 0 ||
	    !gmem_get_file(session, token, ret_fd, &error))
		return gmem_error_fail(reterr_error, &error);
	return 0;
}

int gmem_retrieve_vm(struct gmem_session *session, uint64_t token, int *ret_vm_fd,
		     struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_retrieve_vm" };
	int fd;

	if (!ret_vm_fd)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (gmem_session_require(session, GMEM_DIRECTION_INCOMING, &error) < 0 ||
	    !gmem_get_file(session, token, &fd, &error))
		return gmem_error_fail(reterr_error, &error);
	if (!gmem_check_vm(fd, &error)) {
		gmem_sys->close(fd);
		return gmem_error_fail(reterr_error, &error);
	}
	*ret_vm_fd = fd;
	return 0;
}

/* A failure of a public function that another one has called is one of its own. */
static bool pass_on(const struct gmem_error *inner, struct gmem_error *error)
{
	const char *call = error->call;

	*error = *inner;
	error->call = call;
	return false;
}

static bool differs(struct gmem_error *error)
{
	error->system_call = NULL;
	error->code = -EBADMSG;
	error->cause = GMEM_CAUSE_BLOB_DIFFERS;
	return false;
}

/* Where the kernel cannot be asked there is nothing to compare. */
static bool compare_states(struct gmem *gmem, uint64_t token, const struct gmem_blob *blob,
			   struct gmem_error *error)
{
	struct gmem_extent extents[BATCH], difference;
	struct gmem_error inner = { 0 };
	uint64_t next = 0;
	bool equal = true;
	size_t count;
	int r;

	do {
		for (count = 0; count < BATCH; count++) {
			if (gmem_blob_get_extent(blob, token, next, &extents[count]) < 0)
				break;
			next++;
		}
		if (count == 0)
			return true;
		r = gmem_compare(gmem, extents, count, &equal, &difference, &inner);
	} while (r == 0 && equal && count == BATCH);
	if (r == -EOPNOTSUPP)
		return true;
	/* Extents of another page size: they are inside of the file and in order. */
	if (r == -EINVAL)
		return differs(error);
	if (r < 0)
		return pass_on(&inner, error);
	if (equal)
		return true;
	error->has_range = true;
	error->size = gmem->size;
	error->has_first_offset = true;
	error->first_offset = difference.offset;
	return differs(error);
}

static bool compare(struct gmem *gmem, const struct gmem_blob_file *file,
		    const struct gmem_blob *blob, struct gmem_error *error)
{
	if (gmem->size != file->size || gmem->mappable != file->mappable)
		return differs(error);
	if (!compare_states(gmem, file->token, blob, error))
		return false;
	gmem->creation_flags = file->creation_flags;
	gmem->knows_creation_flags = file->has_creation_flags;
	return true;
}

/* Returns the file, or NULL and the report says why. */
static struct gmem *get_gmem(const struct gmem_session *session, uint64_t token,
			     const struct gmem_retrieve_options *options, struct gmem_error *error)
{
	struct gmem_adopt_options adopt = {
		.size = sizeof(adopt),
		.expected_size = options->expected_size,
		.probe = options->probe,
	};
	struct gmem_error inner = { 0 };
	struct gmem_blob_file file;
	struct gmem *gmem;
	int fd;

	if (options->blob && gmem_blob_find_file(options->blob, token, &file) < 0) {
		error->code = -ENOENT;
		error->cause = GMEM_CAUSE_BLOB_HAS_NOT;
		return NULL;
	}
	if (!gmem_get_file(session, token, &fd, error))
		return NULL;
	if (gmem_adopt(fd, &adopt, &gmem, &inner) < 0) {
		pass_on(&inner, error);
		gmem_sys->close(fd);
		return NULL;
	}
	if (options->blob && !compare(gmem, &file, options->blob, error)) {
		gmem_release(gmem);
		return NULL;
	}
	return gmem;
}

int gmem_retrieve(struct gmem_session *session, uint64_t token,
		  const struct gmem_retrieve_options *options, struct gmem **ret_gmem,
		  struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_retrieve" };
	struct gmem_retrieve_options known;
	struct gmem *gmem;
	int r;

	if (!ret_gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = gmem_options_read(&known, sizeof(known), sizeof(known), options);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	if (gmem_session_require(session, GMEM_DIRECTION_INCOMING, &error) < 0)
		return gmem_error_fail(reterr_error, &error);
	gmem = get_gmem(session, token, &known, &error);
	if (!gmem)
		return gmem_error_fail(reterr_error, &error);
	*ret_gmem = gmem;
	return 0;
}
