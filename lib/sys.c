/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The one file that issues system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "sys.h"

#define NS_PER_S UINT64_C(1000000000)

/* What older headers do not have. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

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

static int sys_madvise(void *address, size_t size, int advice)
{
	return result(madvise(address, size, advice));
}

static int sys_open(const char *path, int flags)
{
	return result(open(path, flags));
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

static int64_t sys_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
	ssize_t r = pread(fd, buffer, size, (off_t)offset);

	return r < 0 ? -errno : r;
}

static int64_t sys_read(int fd, void *buffer, size_t size)
{
	ssize_t r = read(fd, buffer, size);

	return r < 0 ? -errno : r;
}

static int64_t sys_lseek(int fd, uint64_t offset, int whence)
{
	off_t r = lseek(fd, (off_t)offset, whence);

	return r < 0 ? -errno : r;
}

static int sys_wait_input(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, -1) < 0 ? -errno : 0;
}

static int sys_open_direct(int fd)
{
	char name[40];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return result(open(name, O_RDONLY | O_DIRECT | O_CLOEXEC));
}

static int sys_count_cached(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes)
{
	/* cachestat(2), which the C library does not have */
	struct {
		uint64_t offset, size;
	} range = { offset, size };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} pages;

	if (syscall(SYS_cachestat, fd, &range, &pages, 0) < 0)
		return -errno;
	*ret_bytes = pages.cached * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

static int sys_populate(void *address, size_t size)
{
	return result(madvise(address, size, MADV_POPULATE_WRITE));
}

static int sys_populate_read(void *address, size_t size)
{
	return result(madvise(address, size, MADV_POPULATE_READ));
}

static int sys_incore(int fd, void *address, size_t size, unsigned char *ret_pages)
{
	uid_t user = geteuid();
	struct stat stat;

	if (fstat(fd, &stat) < 0)
		return -errno;
	/* Others are told that all pages are there. */
	if (user && user != stat.st_uid)
		return -EPERM;
	return result(mincore(address, size, ret_pages));
}

static int sys_set_policy(void *address, size_t size, int mode, const unsigned long *nodes,
			  unsigned long max_node)
{
	/* The kernel takes the number of bits for one too many. */
	return result((int)syscall(SYS_mbind, address, size, mode, nodes, max_node + 1, 0));
}

static int sys_get_policy(void *address, int *ret_mode)
{
	return result((int)syscall(SYS_get_mempolicy, ret_mode, NULL, 0, address, MPOL_F_ADDR));
}

static int sys_locate_pages(unsigned long count, void **pages, int *ret_nodes)
{
	return result((int)syscall(SYS_move_pages, 0, count, pages, NULL, ret_nodes, 0));
}

static int sys_make_event(void)
{
	return result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static void sys_signal_event(int fd)
{
	/* Fails only if the counter is full, which is as good. */
	eventfd_write(fd, 1);
}

static void sys_clear_event(int fd)
{
	eventfd_t count;

	/* Fails if there was no signal. */
	eventfd_read(fd, &count);
}

/* No signal of the program is for a thread of ours. */
static int sys_start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, NULL, function, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void sys_join_thread(pthread_t thread)
{
	pthread_join(thread, NULL);
}

static int sys_memfd_create(const char *name, unsigned int flags)
{
	return result(memfd_create(name, flags));
}

static int64_t sys_pwrite(int fd, const void *buffer, size_t size, uint64_t offset)
{
	ssize_t r = pwrite(fd, buffer, size, (off_t)offset);

	return r < 0 ? -errno : r;
}

static int sys_socket(int domain, int type, int protocol)
{
	return result(socket(domain, type, protocol));
}

static int sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t n = sendmsg(fd, message, flags);

	return n < 0 ? -errno : (int)n;
}

static int sys_process_id(void)
{
	return getpid();
}

static uint64_t sys_page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static const struct gmem_sys kernel = {
	.ioctl = sys_ioctl,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.madvise = sys_madvise,
	.open = sys_open,
	.fallocate = sys_fallocate,
	.fstat = sys_fstat,
	.fstatfs = sys_fstatfs,
	.set_close_on_exec = sys_set_close_on_exec,
	.close = sys_close,
	.now = sys_now,
	.sleep = sys_sleep,
	.pread = sys_pread,
	.read = sys_read,
	.lseek = sys_lseek,
	.wait_input = sys_wait_input,
	.open_direct = sys_open_direct,
	.count_cached = sys_count_cached,
	.populate = sys_populate,
	.populate_read = sys_populate_read,
	.incore = sys_incore,
	.set_policy = sys_set_policy,
	.get_policy = sys_get_policy,
	.locate_pages = sys_locate_pages,
	.make_event = sys_make_event,
	.signal_event = sys_signal_event,
	.clear_event = sys_clear_event,
	.start_thread = sys_start_thread,
	.join_thread = sys_join_thread,
	.memfd_create = sys_memfd_create,
	.pwrite = sys_pwrite,
	.socket = sys_socket,
	.sendmsg = sys_sendmsg,
	.process_id = sys_process_id,
	.page_size = sys_page_size,
};

const struct gmem_sys *gmem_sys = &kernel;
