/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "backing.h"
#include "file.h"
#include "level.h"
#include "options.h"
#include "probe.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

#define TYPED_FLAGS (GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED)

/* EINVAL and ENOTTY have several causes: create_refused() finds out which. */
static const struct gmem_answer create_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer descriptor_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer try_map_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },     { -ENOMEM, -ENOMEM, GMEM_CAUSE_ADDRESS_SPACE },
	{ -EAGAIN, -EAGAIN, GMEM_CAUSE_LOCK_LIMIT }, { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },    { 0 },
};

static void set_refusal(struct gmem_error *error, int code, enum gmem_cause cause)
{
	error->code = code;
	error->cause = cause;
}

/* The kernel has one EINVAL for a file descriptor that is no VM and for every flag it refuses. */
static void explain_einval(struct gmem_error *error, int vm_fd, uint64_t flags)
{
	int supported = -1;

	/* /dev/kvm answers the capabilities, too. */
	if (gmem_sys->ioctl(vm_fd, GMEM_UAPI_GET_API_VERSION, 0) < 0)
		supported = gmem_sys->ioctl(vm_fd, GMEM_UAPI_CHECK_EXTENSION,
					    GMEM_CAP_GUEST_MEMFD_FLAGS);
	if (supported < 0)
		return set_refusal(error, -ENOTTY, GMEM_CAUSE_NOT_A_VM);
	flags &= ~(uint64_t)supported;
	if (flags & GMEM_UAPI_FLAG_MMAP)
		set_refusal(error, -EOPNOTSUPP, GMEM_CAUSE_NO_MAPPABLE);
	else if (flags & GMEM_UAPI_FLAG_INIT_SHARED)
		set_refusal(error, -EOPNOTSUPP, GMEM_CAUSE_NO_INIT_SHARED);
	else if (flags)
		set_refusal(error, -EOPNOTSUPP, GMEM_CAUSE_RAW_FLAGS);
}

static void create_refused(struct gmem_error *error, int result, int vm_fd, uint64_t flags)
{
	gmem_error_set_answer(error, result, create_answers);
	if (result == -EINVAL) {
		explain_einval(error, vm_fd, flags);
	} else if (result == -ENOTTY) {
		if (gmem_sys->ioctl(vm_fd, GMEM_UAPI_CHECK_EXTENSION, GMEM_CAP_GUEST_MEMFD) == 0)
			set_refusal(error, -EOPNOTSUPP, GMEM_CAUSE_NO_GUEST_MEMFD);
		else
			set_refusal(error, -ENOTTY, GMEM_CAUSE_NOT_A_VM);
	}
}

static enum gmem_cause check_size(uint64_t size, uint64_t page_size)
{
	if (size == 0)
		return GMEM_CAUSE_EMPTY;
	if (size & (page_size - 1))
		return GMEM_CAUSE_UNALIGNED;
	if (size > INT64_MAX)
		return GMEM_CAUSE_TOO_BIG;
	return GMEM_CAUSE_NONE;
}

static int read_create_options(const struct gmem_create_options *given, uint64_t *ret_flags)
{
	struct gmem_create_options options;
	uint64_t flags;
	int r = gmem_options_read(&options, sizeof(options), sizeof(options), given);

	if (r < 0)
		return r;
	if (options.init != GMEM_INIT_PRIVATE && options.init != GMEM_INIT_SHARED)
		return -EINVAL;
	if (options.mappable > 1 || (options.raw_flags & TYPED_FLAGS))
		return -EINVAL;
	flags = options.raw_flags;
	if (options.init == GMEM_INIT_SHARED)
		flags |= GMEM_UAPI_FLAG_INIT_SHARED;
	if (options.mappable)
		flags |= GMEM_UAPI_FLAG_MMAP;
	*ret_flags = flags;
	return 0;
}

/* As a kernel of the level in force would answer. */
static enum gmem_cause check_level(int vm_fd, uint64_t flags, int *ret_code)
{
	int level = gmem_level_read();

	*ret_code = -EINVAL;
	if (level < 0)
		return GMEM_CAUSE_LEVEL_NAME;
	*ret_code = -EOPNOTSUPP;
	if (level < GMEM_LEVEL_CREATE || (level < GMEM_LEVEL_MAP && flags))
		return GMEM_CAUSE_LEVEL;
	/* Where state is not kept in the file, those of VMs with private memory start private. */
	if (level < GMEM_LEVEL_CONVERT && (flags & GMEM_UAPI_FLAG_INIT_SHARED) &&
	    gmem_sys->ioctl(vm_fd, GMEM_UAPI_CHECK_EXTENSION,
			    GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES) > 0)
		return GMEM_CAUSE_LEVEL;
	return GMEM_CAUSE_NONE;
}

/*
 * Flags are sent only to a kernel that announced them: elsewhere they could mean something else.
 * The file works without, so that a failure means none.
 */
static uint64_t read_policies(int vm_fd)
{
	int r = gmem_sys->ioctl(vm_fd, GMEM_UAPI_CHECK_EXTENSION, GMEM_CAP_CONTENT_POLICIES);

	return r > 0 ? (uint64_t)r & GMEM_UAPI_CONTENT_POLICIES : 0;
}

int gmem_create(int vm_fd, uint64_t size, const struct gmem_create_options *options,
		struct gmem **ret_gmem, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_create" };
	struct gmem_uapi_create request = { .size = size };
	uint64_t page_size = gmem_sys->page_size();
	enum gmem_cause cause = check_size(size, page_size);
	struct gmem *gmem;
	int r, code;

	if (!ret_gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	r = read_create_options(options, &request.flags);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	cause = check_level(vm_fd, request.flags, &code);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, code, cause);
	gmem = malloc(sizeof(*gmem));
	if (!gmem)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);

	error.system_call = "KVM_CREATE_GUEST_MEMFD";
	error.attempts = 1;
	r = gmem_sys->ioctl(vm_fd, GMEM_UAPI_CREATE_GUEST_MEMFD, (uintptr_t)&request);
	if (r < 0) {
		create_refused(&error, r, vm_fd, request.flags);
		goto out_free;
	}
	*gmem = (struct gmem){
		.fd = r,
		.size = size,
		.page_size = page_size,
		.creation_flags = request.flags,
		.knows_creation_flags = true,
		.mappable = request.flags & GMEM_UAPI_FLAG_MMAP,
		.initial = request.flags & GMEM_UAPI_FLAG_INIT_SHARED ? GMEM_STATE_SHARED
								      : GMEM_STATE_PRIVATE,
	};
	r = gmem_sys->set_close_on_exec(gmem->fd);
	if (r != 0) {
		error.system_call = "fcntl";
		gmem_error_set_answer(&error, r, descriptor_answers);
		goto out_close;
	}
	gmem->policies = read_policies(vm_fd);
	gmem->knows_policies = true;
	*ret_gmem = gmem;
	return 0;

out_close:
	gmem_sys->close(gmem->fd);
out_free:
	free(gmem);
	return gmem_error_fail(reterr_error, &error);
}

/* Sets the failure in error and returns false if fd is no guest_memfd. */
static bool check_type(int fd, struct gmem_error *error)
{
	struct statfs statfs;
	int r;

	error->system_call = "fstatfs";
	r = gmem_sys->fstatfs(fd, &statfs);
	if (r != 0) {
		gmem_error_set_answer(error, r, descriptor_answers);
		return false;
	}
	if (statfs.f_type == GMEM_UAPI_MAGIC)
		return true;
	if (statfs.f_type == GMEM_UAPI_ANON_INODE_MAGIC) {
		/*
		 * Of all anonymous inodes only guest_memfd gets as far as to look at the alignment:
		 * the others have no fallocate().
		 */
		error->system_call = "fallocate";
		r = gmem_sys->fallocate(fd, FALLOC_FL_KEEP_SIZE, 1, 1);
		if (r == -EINVAL)
			return true;
		if (r == -EPERM || r == -EACCES) {
			gmem_error_set_answer(error, r, descriptor_answers);
			return false;
		}
		error->kernel_code = r;
	} else {
		error->system_call = NULL;
	}
	set_refusal(error, -ENOTTY, GMEM_CAUSE_NOT_GUEST_MEMFD);
	return false;
}

static bool read_size(int fd, uint64_t expected, uint64_t page_size, uint64_t *ret_size,
		      struct gmem_error *error)
{
	struct stat stat;
	int r;

	error->system_call = "fstat";
	r = gmem_sys->fstat(fd, &stat);
	if (r != 0) {
		gmem_error_set_answer(error, r, descriptor_answers);
		return false;
	}
	error->system_call = NULL;
	if (stat.st_size <= 0 || check_size((uint64_t)stat.st_size, page_size) ||
	    (expected && expected != (uint64_t)stat.st_size)) {
		set_refusal(error, -EINVAL, GMEM_CAUSE_WRONG_SIZE);
		return false;
	}
	*ret_size = (uint64_t)stat.st_size;
	return true;
}

/* PROT_NONE, so that no page comes into being even where mlockall() populates every mapping. */
static bool try_map(int fd, uint64_t page_size, bool *ret_mappable, struct gmem_error *error)
{
	void *address;
	int r;

	error->system_call = "mmap";
	r = gmem_sys->mmap((size_t)page_size, PROT_NONE, MAP_SHARED, fd, 0, &address);
	*ret_mappable = r == 0;
	if (r == -ENODEV)
		return true;
	if (r != 0) {
		gmem_error_set_answer(error, r, try_map_answers);
		return false;
	}
	error->system_call = "munmap";
	r = gmem_sys->munmap(address, (size_t)page_size);
	if (r != 0)
		gmem_error_set_answer(error, r, descriptor_answers);
	return r == 0;
}

int gmem_adopt(int fd, const struct gmem_adopt_options *options, struct gmem **ret_gmem,
	       struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_adopt" };
	struct gmem_adopt_options known;
	struct gmem *gmem;
	int r, level;

	if (!ret_gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = gmem_options_read(&known, sizeof(known), offsetof(struct gmem_adopt_options, probe),
			      options);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	level = gmem_level_read();
	if (level < 0)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_LEVEL_NAME);
	if (level < GMEM_LEVEL_CREATE)
		return gmem_error_refuse(reterr_error, &error, -ENOTTY, GMEM_CAUSE_LEVEL);
	gmem = malloc(sizeof(*gmem));
	if (!gmem)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	*gmem = (struct gmem){
		.fd = fd,
		.page_size = gmem_sys->page_size(),
		.policies = gmem_probe_policies(known.probe),
		.knows_policies = known.probe != NULL,
	};

	error.attempts = 1;
	if (!check_type(fd, &error) ||
	    !read_size(fd, known.expected_size, gmem->page_size, &gmem->size, &error) ||
	    !try_map(fd, gmem->page_size, &gmem->mappable, &error))
		goto out_free;
	r = gmem_sys->set_close_on_exec(fd);
	if (r != 0) {
		error.system_call = "fcntl";
		gmem_error_set_answer(&error, r, descriptor_answers);
		goto out_free;
	}
	*ret_gmem = gmem;
	return 0;

out_free:
	free(gmem);
	return gmem_error_fail(reterr_error, &error);
}

void gmem_release(struct gmem *gmem)
{
	if (!gmem)
		return;
	gmem_backing_free(gmem->backing);
	/* The descriptor is gone whatever close() returns: there is nothing to report. */
	gmem_sys->close(gmem->fd);
	free(gmem);
}

int gmem_get_fd(const struct gmem *gmem)
{
	return gmem ? gmem->fd : -EINVAL;
}

uint64_t gmem_get_size(const struct gmem *gmem)
{
	return gmem ? gmem->size : 0;
}

bool gmem_is_mappable(const struct gmem *gmem)
{
	return gmem && gmem->mappable && gmem_level_permits(GMEM_LEVEL_MAP);
}

int gmem_get_creation_flags(const struct gmem *gmem, uint64_t *ret_flags)
{
	if (!gmem || !ret_flags)
		return -EINVAL;
	if (!gmem->knows_creation_flags)
		return -ENODATA;
	*ret_flags = gmem->creation_flags;
	return 0;
}
