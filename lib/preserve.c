/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include "file.h"
#include "level.h"
#include "options.h"
#include "preserve.h"
#include "sys.h"
#include "vm.h"

/* How often a guest_memfd is tried whose states change while the kernel looks. */
#define MAX_TRIES 10

/* What any handler may say of a new file. Others have words of their own, which come first. */
static const struct gmem_answer put_answers[] = {
	{ -EEXIST, -EEXIST, GMEM_CAUSE_TOKEN_USED },
	{ -ENOSPC, -ENOSPC, GMEM_CAUSE_SESSION_FULL },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ENOENT, -EOPNOTSUPP, GMEM_CAUSE_NO_HANDLER },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_NOT_PRESERVED },
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NOT_PRESERVED },
	{ 0 },
};

static const struct gmem_answer other_answers[] = {
	{ -EBUSY, -EBUSY, GMEM_CAUSE_ALREADY_PRESERVED },
	{ -EFBIG, -EFBIG, GMEM_CAUSE_TOO_BIG },
	{ 0 },
};

static const struct gmem_answer vm_answers[] = {
	{ -EBUSY, -EBUSY, GMEM_CAUSE_ALREADY_PRESERVED },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_VM_TYPE },
	{ -ENODEV, -ENODEV, GMEM_CAUSE_VM_GONE },
	/* of a series that others have posted */
	{ -EINVAL, -ENODEV, GMEM_CAUSE_VM_GONE },
	{ 0 },
};

static const struct gmem_answer gmem_answers[] = {
	{ -EBUSY, -EBUSY, GMEM_CAUSE_ALREADY_PRESERVED },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_VM_TYPE },
	{ -EACCES, -EACCES, GMEM_CAUSE_PRIVATE_PAGES },
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON },
	{ -EAGAIN, -EAGAIN, GMEM_CAUSE_STATES_CHANGED },
	{ -ENODEV, -ENODEV, GMEM_CAUSE_VM_GONE },
	{ 0 },
};

static const struct gmem_answer option_answers[] = {
	/* EPERM and ENOTTY are looked at before. */
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NO_MIXED }, { -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },       { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },      { 0 },
};

static const struct gmem_answer status_answers[] = {
	{ -ENOTTY, -EOPNOTSUPP, GMEM_CAUSE_NO_LIVE_UPDATE },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

/* Why gmem_preserve() is refused, by the kernel's numbers from 1 on. */
static const struct {
	int code;
	enum gmem_cause cause;
	bool has_offset;
} refusals[] = {
	[GMEM_UAPI_REFUSAL_VM_TYPE] = { -EOPNOTSUPP, GMEM_CAUSE_VM_TYPE, false },
	[GMEM_UAPI_REFUSAL_PRIVATE] = { -EACCES, GMEM_CAUSE_PRIVATE_PAGES, true },
	[GMEM_UAPI_REFUSAL_POISONED] = { -EHWPOISON, GMEM_CAUSE_POISON, true },
	[GMEM_UAPI_REFUSAL_LIVE_UPDATE_OFF] = { -EOPNOTSUPP, GMEM_CAUSE_NO_LIVE_UPDATE, false },
	[GMEM_UAPI_REFUSAL_VM_GONE] = { -ENODEV, GMEM_CAUSE_VM_GONE, false },
	[GMEM_UAPI_REFUSAL_ALREADY] = { -EBUSY, GMEM_CAUSE_ALREADY_PRESERVED, false },
	[GMEM_UAPI_REFUSAL_FLAGS] = { -EOPNOTSUPP, GMEM_CAUSE_CREATION_FLAGS, false },
};
#define NR_REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* Returns what the kernel answered. */
static int put(const struct gmem_session *session, int fd, uint64_t token, struct gmem_error *error)
{
	struct gmem_uapi_token request = { sizeof(request), fd, token };

	error->system_call = "LIVEUPDATE_SESSION_PRESERVE_FD";
	error->attempts++;
	return gmem_sys->ioctl(session->fd, GMEM_UAPI_PRESERVE_FD, (uintptr_t)&request);
}

/* The words of the handler, or else those for all. */
static void set_put_answer(struct gmem_error *error, int r, const struct gmem_answer *words)
{
	gmem_error_set_answer(error, r, words);
	if (error->code == -EBADE)
		gmem_error_set_answer(error, r, put_answers);
}

bool gmem_put_file(const struct gmem_session *session, int fd, uint64_t token,
		   struct gmem_error *error)
{
	int r = put(session, fd, token, error);

	if (r != 0)
		gmem_error_set_answer(error, r, put_answers);
	return r == 0;
}

int gmem_preserve_fd(struct gmem_session *session, int fd, uint64_t token,
		     struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_preserve_fd" };
	int r;

	if (gmem_session_require(session, GMEM_DIRECTION_OUTGOING, &error) < 0)
		return gmem_error_fail(reterr_error, &error);
	r = put(session, fd, token, &error);
	if (r != 0) {
		set_put_answer(&error, r, other_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}

int gmem_preserve_vm(struct gmem_session *session, int vm_fd, uint64_t token,
		     struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_preserve_vm" };
	int r;

	if (gmem_session_require(session, GMEM_DIRECTION_OUTGOING, &error) < 0 ||
	    !gmem_check_vm(vm_fd, &error))
		return gmem_error_fail(reterr_error, &error);
	r = put(session, vm_fd, token, &error);
	if (r != 0) {
		set_put_answer(&error, r, vm_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	return 0;
}

static int ask_status(const struct gmem *gmem, struct gmem_uapi_live_update *request)
{
	*request = (struct gmem_uapi_live_update){ 0 };
	return gmem_sys->ioctl(gmem->fd, GMEM_UAPI_LIVE_UPDATE, (uintptr_t)request);
}

/* The kernel is not trusted: an offset that cannot be is none. */
static bool check_offset(const struct gmem *gmem, uint64_t offset)
{
	return offset < gmem->size && !(offset & (gmem->page_size - 1));
}

/*
 * Why it was refused, finer than by errno. What the kernel says now counts only if it fits what it
 * said before: meanwhile others may have changed what it was about.
 */
static void explain_refusal(const struct gmem *gmem, struct gmem_error *error)
{
	struct gmem_uapi_live_update now;

	if (ask_status(gmem, &now) != 0 || now.refusal == 0 || now.refusal >= NR_REFUSALS ||
	    refusals[now.refusal].code != error->code)
		return;
	error->cause = refusals[now.refusal].cause;
	if (refusals[now.refusal].has_offset && check_offset(gmem, now.error_offset)) {
		error->has_first_offset = true;
		error->first_offset = now.error_offset;
	}
}

static int ask_mixed(const struct gmem *gmem, bool mixed)
{
	struct gmem_uapi_live_update request = {
		.flags = GMEM_UAPI_LIVE_UPDATE_SET_OPTIONS,
		.options = mixed ? GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED : 0,
	};

	return gmem_sys->ioctl(gmem->fd, GMEM_UAPI_LIVE_UPDATE, (uintptr_t)&request);
}

/* Also without: the caller before may have set it. Returns false and fills the report on failure.
 */
static bool set_mixed(const struct gmem *gmem, bool mixed, struct gmem_error *error)
{
	struct gmem_uapi_live_update now;
	int r = ask_mixed(gmem, mixed);

	if (r == 0)
		return true;
	if (r == -ENOTTY && !mixed)
		return true;
	error->system_call = "KVM_GUEST_MEMFD_LIVE_UPDATE";
	error->attempts = 1;
	gmem_error_set_answer(error, r, option_answers);
	if (r == -ENOTTY) {
		error->code = -EOPNOTSUPP;
		error->cause = GMEM_CAUSE_NO_MIXED;
	} else if (r == -EPERM && ask_status(gmem, &now) == 0 &&
		   (now.status & GMEM_UAPI_LIVE_UPDATE_FROZEN)) {
		error->code = -EBUSY;
		error->cause = GMEM_CAUSE_ALREADY_PRESERVED;
	}
	return false;
}

/* Freezes the file. Returns false and fills the report if that fails; then nothing has changed. */
static bool put_gmem(const struct gmem_session *session, const struct gmem *gmem, uint64_t token,
		     bool mixed, struct gmem_error *error)
{
	int r;

	if (!set_mixed(gmem, mixed, error))
		return false;
	do {
		r = put(session, gmem->fd, token, error);
	} while (r == -EAGAIN && error->attempts < MAX_TRIES);
	if (r == 0)
		return true;
	set_put_answer(error, r, gmem_answers);
	explain_refusal(gmem, error);
	/* Not for whoever preserves it next. */
	if (mixed)
		ask_mixed(gmem, false);
	return false;
}

static int read_preserve_options(const struct gmem_preserve_options *given, bool *ret_mixed)
{
	struct gmem_preserve_options options;
	int r = gmem_options_read(&options, sizeof(options), sizeof(options), given);

	if (r < 0)
		return r;
	if (options.mixed > 1 || options.reserved)
		return -EINVAL;
	*ret_mixed = options.mixed;
	return 0;
}

int gmem_preserve(struct gmem_session *session, struct gmem *gmem, uint64_t token,
		  const struct gmem_preserve_options *options, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_preserve" };
	bool mixed;
	int r;

	if (!gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = read_preserve_options(options, &mixed);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	if (gmem_session_require(session, GMEM_DIRECTION_OUTGOING, &error) < 0)
		return gmem_error_fail(reterr_error, &error);
	if (mixed && !gmem_level_permits(GMEM_LEVEL_MIXED))
		return gmem_error_refuse(reterr_error, &error, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	error.has_range = true;
	error.size = gmem->size;
	if (!put_gmem(session, gmem, token, mixed, &error))
		return gmem_error_fail(reterr_error, &error);
	return 0;
}

int gmem_get_live_update(struct gmem *gmem, struct gmem_live_update *ret_live_update,
			 struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_get_live_update" };
	struct gmem_live_update found = { 0 };
	struct gmem_uapi_live_update now;
	int r;

	if (!gmem || !ret_live_update)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (!gmem_level_permits(GMEM_LEVEL_LIVE_UPDATE))
		return gmem_error_refuse(reterr_error, &error, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	error.system_call = "KVM_GUEST_MEMFD_LIVE_UPDATE";
	error.attempts = 1;
	r = ask_status(gmem, &now);
	if (r != 0) {
		gmem_error_set_answer(&error, r, status_answers);
		return gmem_error_fail(reterr_error, &error);
	}
	if (now.refusal >= NR_REFUSALS || (now.refusal && refusals[now.refusal].has_offset &&
					   !check_offset(gmem, now.error_offset)))
		return gmem_error_refuse(reterr_error, &error, -EBADE, GMEM_CAUSE_ANSWER);
	if (now.refusal) {
		found.refusal = gmem_cause_text(refusals[now.refusal].cause)->name;
		found.has_refusal_offset = refusals[now.refusal].has_offset;
		found.refusal_offset = found.has_refusal_offset ? now.error_offset : 0;
	}
	found.frozen = now.status & GMEM_UAPI_LIVE_UPDATE_FROZEN;
	found.retrieved = now.status & GMEM_UAPI_LIVE_UPDATE_RETRIEVED;
	found.numa_policy = now.status & GMEM_UAPI_LIVE_UPDATE_NUMA_POLICY;
	found.mixed = now.options & GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED;
	*ret_live_update = found;
	return 0;
}
