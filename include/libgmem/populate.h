/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Filling memory before a guest runs: a kernel image, an initrd, a snapshot, a buffer.
 */
#ifndef LIBGMEM_POPULATE_H
#define LIBGMEM_POPULATE_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_populate_way - how a file is read
 */
enum gmem_populate_way {
	/**
	 * Whatever is fastest: what the page cache has is copied from there by several threads; the
	 * rest goes from the disk into the memory by io_uring and O_DIRECT, where that can be had.
	 */
	GMEM_POPULATE_BEST = 0,
	/** With read(2) only. */
	GMEM_POPULATE_PLAIN = 1,
	/** With io_uring and O_DIRECT, or fail with -EOPNOTSUPP. */
	GMEM_POPULATE_DIRECT = 2,
};

/**
 * enum gmem_populate_action - whether a load goes on
 */
enum gmem_populate_action {
	/** Go on. */
	GMEM_POPULATE_GO_ON = 0,
	/** Give up: the load ends with -ECANCELED. */
	GMEM_POPULATE_STOP = 1,
};

/**
 * typedef gmem_populate_fn - told how far a load has come
 *
 * @loaded: bytes that are loaded by now, holes included
 * @total: bytes to load; 0 if nobody knows: a stream that may end early
 * @data: progress_data of the options
 *
 * Called on the thread that called the library, with no lock held, after every piece that this
 * thread has loaded (2 MiB at most), and once at the end of a load that was successful, when what
 * it returns makes no difference. It may call the library, but must not release the file.
 *
 * Return: whether to go on; anything but GMEM_POPULATE_GO_ON stops.
 */
typedef enum gmem_populate_action (*gmem_populate_fn)(uint64_t loaded, uint64_t total, void *data);

/**
 * struct gmem_populate_result - what a load has done
 *
 * Written on success only, as much as size says there is room for.
 */
struct gmem_populate_result {
	/** sizeof(struct gmem_populate_result) */
	uint64_t size;
	/** bytes from the source, holes included */
	uint64_t loaded;
	/** of these: bytes of holes of a sparse file */
	uint64_t holes;
	/** of these: bytes that io_uring put into the memory past the page cache */
	uint64_t direct;
	/** threads that took part, the caller's included */
	uint64_t threads;
};

/**
 * struct gmem_populate_options - options of gmem_populate() and gmem_populate_memory()
 *
 * A member that is 0 has its default.
 */
struct gmem_populate_options {
	/** sizeof(struct gmem_populate_options) */
	uint64_t size;
	/** where to begin in the source, in bytes; a stream has no such place */
	uint64_t source_offset;
	/** called as the load goes on; NULL for none */
	gmem_populate_fn progress;
	/** handed to progress */
	void *progress_data;
	/** what was done; NULL if nobody asks */
	struct gmem_populate_result *ret_result;
	/** The state that the pages have afterwards. 0: they are shared, and stay so. */
	enum gmem_state state;
	/** how a file is read */
	enum gmem_populate_way way;
	/** threads that share the work, the caller's included, 64 at most. 0: up to 4. */
	uint32_t threads;
	/**
	 * 1: the source may end before size bytes, and must not have more. 0: it must have size
	 * bytes, and may have more.
	 */
	uint32_t to_end;
};

/**
 * gmem_populate() - load a file or a stream into a range
 *
 * @gmem: the file, created mappable
 * @offset: where the first byte goes, in bytes; any
 * @size: how many bytes to load, not 0; any
 * @fd: what to load: a file, a block device, a pipe, a socket, or what else can be read
 * @options: NULL for the defaults
 * @reterr_error: failure report or NULL
 *
 * Bytes of the first and the last page that are not in the range stay as they are. The file
 * position of a file is not looked at, and may be changed; a stream is read from where it is.
 *
 * Holes. Where a sparse file has a hole the whole pages of the range are discarded, so that they
 * take no memory and read as zeroes; parts of pages are zeroed.
 *
 * State. Without options the pages must be shared, and no other thread may convert them before the
 * call returns. With GMEM_STATE_PRIVATE the pages are converted to shared, whatever they were,
 * loaded, and converted to private with GMEM_POLICY_PRESERVE, which the kernel must have for the
 * VM: otherwise nothing is done. If the load fails half way they are converted to private, too, if
 * that can be done.
 *
 * How it reads. A file is cut into pieces of 2 MiB at most, which threads load at once. A piece of
 * which half or more is in the page cache is copied from there. Other pieces are registered with
 * an io_uring as buffers, and read into with O_DIRECT: no copy is made, and the page cache stays
 * as it is. That needs liburing at run time, a source that can be opened again from /proc/self/fd
 * with O_DIRECT, the right to ask what is in the page cache (cachestat(2), for who owns the file
 * or may write to it), and that source_offset and offset differ by whole pages. Where something is
 * missing pieces are read with pread(2). What io_uring could not read, pread(2) is asked for, too,
 * so that its errors are those told.
 *
 * How it fails. Every failure tells how far the load came: gmem_error_get_done() bytes from the
 * start are loaded; after that, some may be. gmem_error_get_kernel_code() has what the source
 * answered.
 *
 * Errors:
 *   EINVAL      the range is empty, wraps, or ends beyond the file; an option makes no sense; gmem
 *               is NULL
 *   E2BIG       options have members that this version of the library does not know
 *   EOVERFLOW   size is more than the process can address
 *   EOPNOTSUPP  the way asked for cannot be had: no io_uring, or the source cannot be read
 *               directly; or private pages were asked for and the kernel cannot preserve contents
 *   ENODATA     the source has ended before size bytes, without to_end, or became shorter
 *   EFBIG       the source has more than size bytes, with to_end
 *   EIO         the source cannot be read: a disk error, or what else it answered
 *   EISDIR      the source is a directory
 *   ESPIPE      source_offset is not 0, and the source is a stream
 *   ECANCELED   progress did not return GMEM_POPULATE_GO_ON
 *   EFAULT      a page of the range is private, or became private meanwhile
 *   EHWPOISON   a page of the range has a memory error
 *   ENODEV      the file is not mappable: it was created without that option; or the level was
 *               forced down
 *   EAGAIN      a page was busy when it was to become private; or the process locks all its memory
 *               and its limit is reached
 *   ENOMEM      out of memory, of address space, or a memory cgroup's limit
 *   EINTR       signals came so fast that the call made no progress in 1000 tries
 *   EBADF       fd is not open for reading; or a descriptor was closed behind the library's back
 *   EPERM       the file is frozen for a live update; or a seccomp filter refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe for different ranges.
 *
 * Source: kvm_gmem_fault_user_mapping() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   struct gmem_populate_options options = { .size = sizeof(options), .to_end = 1 };
 *   int fd = open("initrd.img", O_RDONLY | O_CLOEXEC);
 *
 *   // Whatever its size: 64 MiB at most.
 *   if (gmem_populate(gmem, 0x8000000, 64 << 20, fd, &options, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_populate(struct gmem *gmem, uint64_t offset, uint64_t size, int fd,
			   const struct gmem_populate_options *options,
			   struct gmem_error *reterr_error);

/**
 * gmem_populate_memory() - load a buffer into a range
 *
 * @gmem: the file, created mappable
 * @offset: where the first byte goes, in bytes; any
 * @size: how many bytes to load, not 0; any
 * @bytes: what to load
 * @options: NULL for the defaults; source_offset and way make no difference, to_end must be 0
 * @reterr_error: failure report or NULL
 *
 * As gmem_populate(), from memory: pieces of 2 MiB are copied by several threads.
 *
 * Errors:
 *   EINVAL      the range is empty, wraps, or ends beyond the file; an option makes no sense; gmem
 *               or bytes is NULL
 *   E2BIG       options have members that this version of the library does not know
 *   EOVERFLOW   size is more than the process can address
 *   EOPNOTSUPP  private pages were asked for and the kernel cannot preserve contents
 *   ECANCELED   progress did not return GMEM_POPULATE_GO_ON
 *   EFAULT      a page of the range is private, or became private meanwhile
 *   EHWPOISON   a page of the range has a memory error
 *   ENODEV      the file is not mappable: it was created without that option; or the level was
 *               forced down
 *   EAGAIN      a page was busy when it was to become private; or the process locks all its memory
 *               and its limit is reached
 *   ENOMEM      out of memory, of address space, or a memory cgroup's limit
 *   EINTR       signals came so fast that the call made no progress in 1000 tries
 *   EBADF       a descriptor was closed behind the library's back
 *   EPERM       the file is frozen for a live update; or a seccomp filter refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe for different ranges.
 *
 * Source: kvm_gmem_fault_user_mapping() in virt/kvm/guest_memfd.c.
 *
 * Example:
 *   static const char command_line[] = "console=ttyS0";
 *
 *   if (gmem_populate_memory(gmem, 0x20000, sizeof(command_line), command_line, NULL, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_populate_memory(struct gmem *gmem, uint64_t offset, uint64_t size,
				  const void *bytes, const struct gmem_populate_options *options,
				  struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
