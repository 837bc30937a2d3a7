/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A model of a kernel whose calls fail: files, mappings and conversions. It counts what is open and
 * mapped.
 */
#include <string.h>
#include <sys/mman.h>
#include "injection.h"
#include "unit.h"

int open_files, mappings;
int stuck;

static int answer_query(struct gmem_uapi_query *query)
{
	struct gmem_uapi_extent *extent = (struct gmem_uapi_extent *)(uintptr_t)query->extents;

	/* One page of each state in turns, so that one answer is not enough. */
	*extent = (struct gmem_uapi_extent){ query->offset, PAGE, 0, 0 };
	extent->attributes = query->offset & PAGE ? PRIVATE : 0;
	query->offset += PAGE;
	query->size -= PAGE;
	query->nr_extents = 1;
	return 0;
}

static int model_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	switch (request) {
	case GMEM_UAPI_GET_API_VERSION:
		return -ENOTTY;
	case GMEM_UAPI_CHECK_EXTENSION:
		return argument == GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES ? (int)PRIVATE : 3;
	case GMEM_UAPI_CREATE_GUEST_MEMFD:
		open_files++;
		return GMEM_FD;
	case GMEM_UAPI_SET_ATTRIBUTES:
		return 0;
	case GMEM_UAPI_QUERY:
		return answer_query((struct gmem_uapi_query *)argument);
	}
	if (model_live_update(request, argument, &code))
		return code;
	ck_abort_msg("unknown ioctl 0x%lx", request);
	return -ENOTTY;
}

static int model_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
		      void **ret_address)
{
	int code;

	(void)size;
	(void)protection;
	(void)flags;
	(void)fd;
	(void)offset;
	if (fails(&code))
		return code;
	mappings++;
	*ret_address = ADDRESS;
	return 0;
}

static int model_munmap(void *address, size_t size)
{
	int code;

	(void)size;
	ck_assert_ptr_eq(address, ADDRESS);
	if (fails(&code)) {
		stuck++;
		return code;
	}
	mappings--;
	return 0;
}

static int model_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	int code;

	(void)fd;
	(void)mode;
	if (fails(&code))
		return code;
	/* Adopting asks for one byte. */
	return (offset | size) & (PAGE - 1) ? -EINVAL : 0;
}

static int model_fstat(int fd, struct stat *ret_stat)
{
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	memset(ret_stat, 0, sizeof(*ret_stat));
	ret_stat->st_size = (off_t)model_file_size(fd, FILE_SIZE);
	ret_stat->st_mode = S_IFREG;
	return 0;
}

static int model_fstatfs(int fd, struct statfs *ret_statfs)
{
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	memset(ret_statfs, 0, sizeof(*ret_statfs));
	ret_statfs->f_type = GMEM_UAPI_ANON_INODE_MAGIC;
	return 0;
}

static int model_set_close_on_exec(int fd)
{
	int code;

	(void)fd;
	return fails(&code) ? code : 0;
}

/* As in Linux, the file is closed whatever is returned. */
static int model_close(int fd)
{
	int code;

	(void)fd;
	open_files--;
	return fails(&code) ? code : 0;
}

static uint64_t now;

static uint64_t model_now(void)
{
	return now;
}

static int model_sleep(uint64_t nanoseconds)
{
	int code;

	if (fails(&code))
		return code;
	now += nanoseconds;
	return 0;
}

static uint64_t model_page_size(void)
{
	return PAGE;
}

static int64_t model_any_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
	return fd == BLOB_FD ? model_read_blob(buffer, size, offset)
			     : model_pread(fd, buffer, size, offset);
}

const struct gmem_sys model = {
	.ioctl = model_ioctl,
	.mmap = model_mmap,
	.munmap = model_munmap,
	.fallocate = model_fallocate,
	.fstat = model_fstat,
	.fstatfs = model_fstatfs,
	.set_close_on_exec = model_set_close_on_exec,
	.close = model_close,
	.now = model_now,
	.sleep = model_sleep,
	.pread = model_any_pread,
	.lseek = model_lseek,
	.open_direct = model_open_direct,
	.count_cached = model_count_cached,
	.populate = model_populate,
	.populate_read = model_populate,
	.incore = model_incore,
	.set_policy = model_set_policy,
	.get_policy = model_get_policy,
	.locate_pages = model_locate_pages,
	.make_event = model_make_event,
	.signal_event = model_event,
	.clear_event = model_event,
	.start_thread = model_start_thread,
	.join_thread = model_join_thread,
	.open = model_open,
	.memfd_create = model_memfd_create,
	.pwrite = model_pwrite,
	.socket = model_socket,
	.sendmsg = model_sendmsg,
	.process_id = model_process_id,
	.page_size = model_page_size,
};
