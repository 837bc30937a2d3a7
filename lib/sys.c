/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The one file that issues system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "sys.h"

#define NS_PER_S UINT64_C(1000000000)

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int sys_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	return result(ioctl(fd, request, argument));
}

static int sys_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
		    void **ret_address)
{
	void *address = mmap(NULL, size, protection, flags, fd, (off_t)offset);

	if (address == MAP_FAILED)
		return -errno;
	*ret_address = address;
	return 0;
}

static int sys_munmap(void *address, size_t size)
{
	return result(munmap(address, size));
}

static int sys_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	return result(fallocate(fd, mode, (off_t)offset, (off_t)size));
}

static int sys_fstat(int fd, struct stat *ret_stat)
{
	return result(fstat(fd, ret_stat));
}

static int sys_fstatfs(int fd, struct statfs *ret_statfs)
{
	return result(fstatfs(fd, ret_statfs));
}

static int sys_set_close_on_exec(int fd)
{
	return result(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

static int sys_close(int fd)
{
	return result(close(fd));
}

static uint64_t sys_now(void)
{
	struct timespec t = { 0 };

	/* CLOCK_MONOTONIC exists on every Linux, and t is valid memory. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int sys_sleep(uint64_t nanoseconds)
{
	struct timespec t = {
		.tv_sec = (time_t)(nanoseconds / NS_PER_S),
		.tv_nsec = (long)(nanoseconds % NS_PER_S),
	};

	/* Returns the errno instead of setting it. */
	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

static uint64_t sys_page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static const struct gmem_sys kernel = {
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.fallocate = sys_fallocate,
	.fstat = sys_fstat,
	.fstatfs = sys_fstatfs,
	.set_close_on_exec = sys_set_close_on_exec,
	.close = sys_close,
	.now = sys_now,
	.sleep = sys_sleep,
	.page_size = sys_page_size,
};

const struct gmem_sys *gmem_sys = &kernel;
