/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "level.h"
#include "options.h"
#include "session.h"
#include "sys.h"

#define FIRST_PAUSE_NS	 UINT64_C(100000)
#define LONGEST_PAUSE_NS UINT64_C(20000000)

/* The session of PID 1: whoever took it would destroy what all services have stored. */
#define RESERVED_NAME "systemd"

_Static_assert(GMEM_SESSION_NAME_MAX == GMEM_UAPI_LIVEUPDATE_NAME_SIZE - 1, "the kernel's limit");

static const struct gmem_answer open_answers[] = {
	{ -ENOENT, -EOPNOTSUPP, GMEM_CAUSE_NO_LIVE_UPDATE },
	{ -ENXIO, -EOPNOTSUPP, GMEM_CAUSE_NO_LIVE_UPDATE },
	{ -ENODEV, -EOPNOTSUPP, GMEM_CAUSE_NO_LIVE_UPDATE },
	{ -EBUSY, -EBUSY, GMEM_CAUSE_DEVICE_BUSY },
	{ -EIO, -EIO, GMEM_CAUSE_SESSIONS_LOST },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_DEVICE_ACCESS },
	{ -EACCES, -EACCES, GMEM_CAUSE_DEVICE_ACCESS },
	{ 0 },
};

static const struct gmem_answer create_answers[] = {
	/* The name was checked before, so that another device is all that is left. */
	{ -EINVAL, -ENOTTY, GMEM_CAUSE_NOT_THE_DEVICE },
	{ -ENOTTY, -ENOTTY, GMEM_CAUSE_NOT_THE_DEVICE },
	{ -EEXIST, -EEXIST, GMEM_CAUSE_SESSION_EXISTS },
	{ -ENOSPC, -ENOSPC, GMEM_CAUSE_SESSION_FULL },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer retrieve_answers[] = {
	{ -EINVAL, -EALREADY, GMEM_CAUSE_SESSION_TAKEN },
	{ -ENOENT, -ENOENT, GMEM_CAUSE_NO_SESSION },
	{ -ENOTTY, -ENOTTY, GMEM_CAUSE_NOT_THE_DEVICE },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

/* EINVAL is what sessions answer to requests that they do not know, and the device to this one. */
static const struct gmem_answer name_answers[] = {
	{ -ENOTTY, -ENOTTY, GMEM_CAUSE_NOT_A_SESSION },
	{ -EINVAL, -ENOTTY, GMEM_CAUSE_NOT_A_SESSION },
	/* a VM of another process */
	{ -EIO, -ENOTTY, GMEM_CAUSE_NOT_A_SESSION },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer descriptor_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer finish_answers[] = {
	{ -EBUSY, -EBUSY, GMEM_CAUSE_CANNOT_FINISH },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static void refuse(struct gmem_error *error, int code, enum gmem_cause cause)
{
	error->system_call = NULL;
	error->kernel_code = 0;
	error->code = code;
	error->cause = cause;
}

/* The kernel is not trusted: what it must not give. */
static void refuse_answer(struct gmem_error *error)
{
	error->kernel_code = 0;
	error->code = -EBADE;
	error->cause = GMEM_CAUSE_ANSWER;
}

static bool check_level(struct gmem_error *error)
{
	int level = gmem_level_read();

	if (level < 0)
		refuse(error, -EINVAL, GMEM_CAUSE_LEVEL_NAME);
	else if (level < GMEM_LEVEL_LIVE_UPDATE)
		refuse(error, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	return level >= GMEM_LEVEL_LIVE_UPDATE;
}

int gmem_session_require(const struct gmem_session *session, enum gmem_direction direction,
			 struct gmem_error *error)
{
	error->code = 0;
	if (!session)
		refuse(error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	else if (session->direction != direction)
		refuse(error, -EINVAL, GMEM_CAUSE_DIRECTION);
	else if (!gmem_level_permits(GMEM_LEVEL_LIVE_UPDATE))
		refuse(error, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	return error->code;
}

static enum gmem_cause check_name(const char *name)
{
	size_t length = name ? strnlen(name, GMEM_SESSION_NAME_MAX + 1) : 0;

	if (length == 0 || length > GMEM_SESSION_NAME_MAX)
		return GMEM_CAUSE_SESSION_NAME;
	return strcmp(name, RESERVED_NAME) ? GMEM_CAUSE_NONE : GMEM_CAUSE_SESSION_RESERVED;
}

static int read_options(const struct gmem_session_options *given,
			struct gmem_session_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	if (options->use_device_fd > 1 || (!options->use_device_fd && options->device_fd))
		return -EINVAL;
	if (!options->timeout_ns)
		options->timeout_ns = GMEM_SESSION_DEFAULT_TIMEOUT_NS;
	return 0;
}

/* Returns the device, or what open() answered last: others have it open for moments only. */
static int open_device(uint64_t timeout, struct gmem_error *error)
{
	uint64_t now, deadline = 0, pause = FIRST_PAUSE_NS;
	int r;

	error->system_call = "open";
	for (;;) {
		r = gmem_sys->open(GMEM_UAPI_LIVEUPDATE_DEVICE, O_RDWR | O_CLOEXEC);
		error->attempts++;
		if (r != -EBUSY || timeout == GMEM_SESSION_NO_WAIT)
			break;
		now = gmem_sys->now();
		if (!deadline)
			deadline = timeout > UINT64_MAX - now ? UINT64_MAX : now + timeout;
		if (now >= deadline)
			break;
		/* The last attempt is made at the deadline. A signal makes it come earlier. */
		gmem_sys->sleep(pause < deadline - now ? pause : deadline - now);
		pause = pause > LONGEST_PAUSE_NS / 2 ? LONGEST_PAUSE_NS : 2 * pause;
	}
	if (r < 0)
		gmem_error_set_answer(error, r, open_answers);
	return r;
}

/* Creates or retrieves a session. Returns false and fills the report if that fails. */
static bool ask_device(int device, struct gmem_session *session, struct gmem_error *error)
{
	bool create = session->direction == GMEM_DIRECTION_OUTGOING;
	struct gmem_uapi_session request = { .size = sizeof(request), .fd = -1 };
	int r;

	memcpy(request.name, session->name, sizeof(request.name));
	error->attempts = 1;
	error->system_call =
		create ? "LIVEUPDATE_IOCTL_CREATE_SESSION" : "LIVEUPDATE_IOCTL_RETRIEVE_SESSION";
	r = gmem_sys->ioctl(device, create ? GMEM_UAPI_CREATE_SESSION : GMEM_UAPI_RETRIEVE_SESSION,
			    (uintptr_t)&request);
	if (r != 0)
		gmem_error_set_answer(error, r, create ? create_answers : retrieve_answers);
	else if (request.fd < 0)
		refuse_answer(error);
	session->fd = request.fd;
	return r == 0 && request.fd >= 0;
}

/* The session has its direction and name; the rest of creation and retrieval is the same. */
static int get_session(const struct gmem_session *wanted, const struct gmem_session_options *given,
		       struct gmem_session **ret_session, struct gmem_error *error)
{
	struct gmem_session_options options;
	struct gmem_session *session;
	int device, r;
	bool ok;

	r = read_options(given, &options);
	if (r < 0) {
		refuse(error, r, r == -E2BIG ? GMEM_CAUSE_NEWER_OPTIONS : GMEM_CAUSE_OPTION);
		return r;
	}
	if (!check_level(error))
		return error->code;
	session = malloc(sizeof(*session));
	if (!session) {
		refuse(error, -ENOMEM, GMEM_CAUSE_MEMORY);
		return error->code;
	}
	*session = *wanted;
	device = options.device_fd;
	if (!options.use_device_fd) {
		device = open_device(options.timeout_ns, error);
		if (device < 0)
			goto out_free;
	}
	ok = ask_device(device, session, error);
	if (!options.use_device_fd)
		gmem_sys->close(device);
	if (!ok)
		goto out_free;
	*ret_session = session;
	return 0;

out_free:
	free(session);
	return error->code;
}

static int create_or_retrieve(const char *name, enum gmem_direction direction,
			      const struct gmem_session_options *options,
			      struct gmem_session **ret_session, struct gmem_error *reterr_error)
{
	struct gmem_session wanted = { .direction = direction };
	struct gmem_error error = { 0 };
	enum gmem_cause cause;

	error.call = direction == GMEM_DIRECTION_OUTGOING ? "gmem_session_create"
							  : "gmem_session_retrieve";
	if (!name || !ret_session)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	cause = check_name(name);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	memcpy(wanted.name, name, strlen(name));
	if (get_session(&wanted, options, ret_session, &error) < 0)
		return gmem_error_fail(reterr_error, &error);
	return 0;
}

int gmem_session_create(const char *name, const struct gmem_session_options *options,
			struct gmem_session **ret_session, struct gmem_error *reterr_error)
{
	return create_or_retrieve(name, GMEM_DIRECTION_OUTGOING, options, ret_session,
				  reterr_error);
}

int gmem_session_retrieve(const char *name, const struct gmem_session_options *options,
			  struct gmem_session **ret_session, struct gmem_error *reterr_error)
{
	return create_or_retrieve(name, GMEM_DIRECTION_INCOMING, options, ret_session,
				  reterr_error);
}

static bool read_name(struct gmem_session *session, struct gmem_error *error)
{
	struct gmem_uapi_session_name request = { .size = sizeof(request) };
	int r;

	error->system_call = "LIVEUPDATE_SESSION_GET_NAME";
	r = gmem_sys->ioctl(session->fd, GMEM_UAPI_GET_NAME, (uintptr_t)&request);
	if (r != 0) {
		gmem_error_set_answer(error, r, name_answers);
		return false;
	}
	memcpy(session->name, request.name, sizeof(session->name));
	if (session->name[0] && !session->name[sizeof(session->name) - 1])
		return true;
	refuse_answer(error);
	return false;
}

/*
 * The kernel does not tell the direction. But it looks whether a request fits it before it looks
 * for bytes that it does not know; these are such bytes, and no file, so that nothing can come of
 * it.
 */
static bool read_direction(struct gmem_session *session, struct gmem_error *error)
{
	struct {
		struct gmem_uapi_token request;
		uint64_t unknown[7];
	} beyond = { { .size = sizeof(beyond), .fd = -1 }, { [6] = UINT64_MAX } };
	int r;

	error->system_call = "LIVEUPDATE_SESSION_PRESERVE_FD";
	r = gmem_sys->ioctl(session->fd, GMEM_UAPI_PRESERVE_FD, (uintptr_t)&beyond);
	if (r == -E2BIG || r == -EINVAL) {
		session->direction =
			r == -E2BIG ? GMEM_DIRECTION_OUTGOING : GMEM_DIRECTION_INCOMING;
		return true;
	}
	gmem_error_set_answer(error, r, descriptor_answers);
	return false;
}

static bool adopt(struct gmem_session *session, struct gmem_error *error)
{
	int r;

	error->attempts = 1;
	if (!read_name(session, error))
		return false;
	if (!strcmp(session->name, RESERVED_NAME)) {
		refuse(error, -EINVAL, GMEM_CAUSE_SESSION_RESERVED);
		return false;
	}
	if (!read_direction(session, error))
		return false;
	error->system_call = "fcntl";
	r = gmem_sys->set_close_on_exec(session->fd);
	if (r != 0)
		gmem_error_set_answer(error, r, descriptor_answers);
	return r == 0;
}

int gmem_session_adopt(int fd, struct gmem_session **ret_session, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_session_adopt" };
	struct gmem_session *session;

	if (!ret_session)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (!check_level(&error))
		return gmem_error_fail(reterr_error, &error);
	session = malloc(sizeof(*session));
	if (!session)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	session->fd = fd;
	if (!adopt(session, &error)) {
		free(session);
		return gmem_error_fail(reterr_error, &error);
	}
	*ret_session = session;
	return 0;
}

int gmem_session_finish(struct gmem_session *session, struct gmem_error *reterr_error)
{
	struct gmem_uapi_finish request = { .size = sizeof(request) };
	struct gmem_error error = { .call = "gmem_session_finish" };
	int r;

	if (!session)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (session->direction != GMEM_DIRECTION_INCOMING)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_DIRECTION);
	error.system_call = "LIVEUPDATE_SESSION_FINISH";
	error.attempts = 1;
	r = gmem_sys->ioctl(session->fd, GMEM_UAPI_FINISH, (uintptr_t)&request);
	if (r != 0) {
		gmem_error_set_answer(&error, r, finish_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}

void gmem_session_release(struct gmem_session *session)
{
	if (!session)
		return;
	/* The descriptor is gone whatever close() returns: there is nothing to report. */
	gmem_sys->close(session->fd);
	free(session);
}

int gmem_session_get_fd(const struct gmem_session *session)
{
	return session ? session->fd : -EINVAL;
}

const char *gmem_session_get_name(const struct gmem_session *session)
{
	return session ? session->name : NULL;
}

enum gmem_direction gmem_session_get_direction(const struct gmem_session *session)
{
	return session ? session->direction : (enum gmem_direction)0;
}

const char *gmem_direction_name(enum gmem_direction direction)
{
	switch (direction) {
	case GMEM_DIRECTION_OUTGOING:
		return "outgoing";
	case GMEM_DIRECTION_INCOMING:
		return "incoming";
	}
	return NULL;
}
