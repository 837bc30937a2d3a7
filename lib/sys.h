/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The system calls of the library, as a table that unit tests replace.
 *
 * Every operation returns a negative errno on failure and leaves it to its caller what that means.
 */
#ifndef GMEM_SYS_H
#define GMEM_SYS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

struct gmem_sys {
	/** returns what the kernel returns: 0, or a value that depends on the request */
	int (*ioctl)(int fd, unsigned long request, uintptr_t argument);
	int (*mmap)(size_t size, int protection, int flags, int fd, uint64_t offset,
		    void **ret_address);
	int (*munmap)(void *address, size_t size);
	int (*madvise)(void *address, size_t size, int advice);
	int (*open)(const char *path, int flags);
	int (*fallocate)(int fd, int mode, uint64_t offset, uint64_t size);
	int (*fstat)(int fd, struct stat *ret_stat);
	int (*fstatfs)(int fd, struct statfs *ret_statfs);
	int (*set_close_on_exec)(int fd);
	int (*close)(int fd);
	/** CLOCK_MONOTONIC in nanoseconds; cannot fail */
	uint64_t (*now)(void);
	/** may return early, -EINTR, after a signal */
	int (*sleep)(uint64_t nanoseconds);
	/** from an offset of a file; bytes, 0 at its end */
	int64_t (*pread)(int fd, void *buffer, size_t size, uint64_t offset);
	/** from a stream; bytes, 0 at its end */
	int64_t (*read)(int fd, void *buffer, size_t size);
	int64_t (*lseek)(int fd, uint64_t offset, int whence);
	/** waits until a stream has something to read, or has ended */
	int (*wait_input)(int fd);
	/** the same file once more, past the page cache; returns the new descriptor */
	int (*open_direct)(int fd);
	/** how many bytes of a part of a file are in the page cache */
	int (*count_cached)(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes);
	/** allocates and maps whole pages for writing, without touching what is there */
	int (*populate)(void *address, size_t size);
	/** the same for reading */
	int (*populate_read)(void *address, size_t size);
	/** one byte per page of a mapping of a file: bit 0 says that it is there; -EPERM if the
	 * kernel would not tell this process */
	int (*incore)(int fd, void *address, size_t size, unsigned char *ret_pages);
	/** mbind(2) */
	int (*set_policy)(void *address, size_t size, int mode, const unsigned long *nodes,
			  unsigned long max_node);
	/** the mode of get_mempolicy(2) at an address */
	int (*get_policy)(void *address, int *ret_mode);
	/** move_pages(2) that moves nothing: the node of each page, or a negative errno */
	int (*locate_pages)(unsigned long count, void **pages, int *ret_nodes);
	/** a new descriptor that can be read after a signal, until it is cleared; never blocks */
	int (*make_event)(void);
	void (*signal_event)(int fd);
	void (*clear_event)(int fd);
	/** threads come through here, too, so that tests can refuse them */
	int (*start_thread)(void *(*function)(void *), void *data, pthread_t *ret_thread);
	void (*join_thread)(pthread_t thread);
	int (*memfd_create)(const char *name, unsigned int flags);
	/** bytes */
	int64_t (*pwrite)(int fd, const void *buffer, size_t size, uint64_t offset);
	int (*socket)(int domain, int type, int protocol);
	int (*sendmsg)(int fd, const struct msghdr *message, int flags);
	/** cannot fail */
	int (*process_id)(void);
	/** no system call, but tests must not depend on the machine */
	uint64_t (*page_size)(void);
};

/** The table in use: the kernel, except in unit tests. Hidden: one instruction less to get at it.
 */
extern const struct gmem_sys *gmem_sys __attribute__((visibility("hidden")));

#endif
