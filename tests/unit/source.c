/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "../quick-check.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "lib/sys.h"
#include "lib/uring.h"
#include "script.h"
#include "source.h"

#define RING_SIZE 16

struct source source;
unsigned char guest_memory[GUEST_SIZE] __attribute__((aligned(4096)));
bool guest_private[GUEST_PAGES], guest_allocated[GUEST_PAGES];
uint64_t poisoned_page;
struct done done;

static const struct gmem_sys *real_sys;
static const struct gmem_uring *real_uring;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t stream_at;
static unsigned int calls;

/* Threads of the library call all of this: one at a time. */
static void enter(void)
{
	pthread_mutex_lock(&lock);
	calls++;
}

static int leave(int result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

static uint64_t first_page_of(const void *address)
{
	return (uint64_t)((const unsigned char *)address - guest_memory) / PAGE;
}

static bool is_guest(const void *address, uint64_t size)
{
	const unsigned char *at = address;

	return at >= guest_memory && at < guest_memory + GUEST_SIZE &&
	       size <= (uint64_t)(guest_memory + GUEST_SIZE - at);
}

/* As a page fault of the host does. */
static int touch(void *address, uint64_t size)
{
	uint64_t page, last = first_page_of((unsigned char *)address + size - 1);

	for (page = first_page_of(address); page <= last; page++) {
		if (guest_private[page])
			return -EFAULT;
		if (page == poisoned_page)
			return -EHWPOISON;
		/* What the kernel gives out is zero. */
		if (!guest_allocated[page])
			memset(guest_memory + page * PAGE, 0, PAGE);
		guest_allocated[page] = true;
	}
	return 0;
}

static int convert(struct gmem_uapi_attributes *request)
{
	uint64_t i;

	done.conversions++;
	for (i = request->offset / PAGE; i < (request->offset + request->size) / PAGE; i++)
		guest_private[i] = request->attributes & PRIVATE;
	return 0;
}

static int model_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd;
	if (request == GMEM_UAPI_CHECK_EXTENSION)
		return ZERO | PRESERVE;
	if (request == GMEM_UAPI_CREATE_GUEST_MEMFD)
		return GMEM_FD;
	if (request != GMEM_UAPI_SET_ATTRIBUTES)
		return -ENOTTY;
	enter();
	return leave(convert((struct gmem_uapi_attributes *)argument));
}

static int model_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
		      void **ret_address)
{
	(void)protection;
	(void)flags;
	enter();
	if (fd != GMEM_FD || offset + size > GUEST_SIZE)
		return leave(-EINVAL);
	done.mappings++;
	*ret_address = guest_memory + offset;
	return leave(0);
}

static int model_munmap(void *address, size_t size)
{
	enter();
	done.mappings -= is_guest(address, size);
	return leave(0);
}

static int model_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	enter();
	if (fd != GMEM_FD || mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) ||
	    (offset | size) % PAGE)
		return leave(-EINVAL);
	done.punches++;
	memset(guest_memory + offset, 0, size);
	memset(guest_allocated + offset / PAGE, 0, size / PAGE);
	return leave(0);
}

static int model_fstat(int fd, struct stat *ret_stat)
{
	static const mode_t modes[] = { S_IFREG, S_IFIFO, S_IFDIR, S_IFBLK };

	if (fd != SOURCE_FD)
		return -EBADF;
	memset(ret_stat, 0, sizeof(*ret_stat));
	ret_stat->st_mode = modes[source.kind];
	if (source.kind == SOURCE_FILE) {
		enter();
		ret_stat->st_size = (off_t)source.size;
		leave(0);
	}
	return 0;
}

static int model_close(int fd)
{
	done.open_files -= fd == DIRECT_FD;
	return 0;
}

/* Copies out of the source, or fails as it was told to. With the lock held. */
static int64_t copy(void *buffer, uint64_t size, uint64_t offset)
{
	int r;

	if (source.interrupts && calls % 2)
		return source.interrupts;
	if (offset >= source.size)
		return 0;
	if (size > source.size - offset)
		size = source.size - offset;
	if (offset >= source.bad_at)
		return source.bad_code;
	if (size > source.bad_at - offset)
		size = source.bad_at - offset;
	if (source.short_reads)
		size = 1 + (uint64_t)rand_r(&source.short_reads) % size;
	if (is_guest(buffer, size)) {
		r = touch(buffer, size);
		if (r < 0)
			return r;
	}
	memcpy(buffer, source.bytes + offset, size);
	if (source.shrinks_to < source.size)
		source.size = source.shrinks_to;
	return (int64_t)size;
}

static int64_t model_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
	int64_t r;

	enter();
	done.preads++;
	r = fd == SOURCE_FD ? copy(buffer, size, offset) : -EBADF;
	leave(0);
	return r;
}

static int64_t model_read(int fd, void *buffer, size_t size)
{
	int64_t r;

	enter();
	r = fd == SOURCE_FD ? copy(buffer, size, stream_at) : -EBADF;
	stream_at += r > 0 ? (uint64_t)r : 0;
	leave(0);
	return r;
}

static int64_t model_lseek(int fd, uint64_t offset, int whence)
{
	bool wanted = whence == SEEK_HOLE;
	uint64_t at;

	if (fd != SOURCE_FD)
		return -EBADF;
	if (whence == SEEK_END)
		return (int64_t)source.size;
	if (!source.tells_holes)
		return -EINVAL;
	if (offset >= source.size)
		return -ENXIO;
	for (at = offset; at < source.size; at = (at / 4096 + 1) * 4096)
		if (source.hole[at / 4096] == wanted)
			return (int64_t)at;
	return wanted ? (int64_t)source.size : -ENXIO;
}

static int model_wait_input(int fd)
{
	return fd == SOURCE_FD ? 0 : -EBADF;
}

static int model_open_direct(int fd)
{
	if (fd != SOURCE_FD || source.open_direct_code)
		return fd == SOURCE_FD ? source.open_direct_code : -ENOENT;
	done.open_files++;
	return DIRECT_FD;
}

static int model_count_cached(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes)
{
	(void)offset;
	if (fd != SOURCE_FD || source.cached < 0)
		return -EPERM;
	*ret_bytes = size * (uint64_t)source.cached / 100;
	return 0;
}

static int model_populate(void *address, size_t size)
{
	enter();
	ck_assert(is_guest(address, size));
	ck_assert_uint_eq(((uintptr_t)address | size) % PAGE, 0);
	if (source.interrupts == -EINTR && calls % 2)
		return leave(-EINTR);
	return leave(touch(address, size));
}

static int model_start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread)
{
	if (source.thread_code)
		return source.thread_code;
	done.threads++;
	done.running++;
	return -pthread_create(ret_thread, NULL, function, data);
}

static void model_join_thread(pthread_t thread)
{
	pthread_join(thread, NULL);
	done.running--;
}

static int model_set_close_on_exec(int fd)
{
	(void)fd;
	return 0;
}

static int model_sleep(uint64_t nanoseconds)
{
	(void)nanoseconds;
	return 0;
}

static uint64_t model_now(void)
{
	return 0;
}

static uint64_t model_page_size(void)
{
	return PAGE;
}

static const struct gmem_sys model = {
	.ioctl = model_ioctl,
	.mmap = model_mmap,
	.munmap = model_munmap,
	.fallocate = model_fallocate,
	.fstat = model_fstat,
	.set_close_on_exec = model_set_close_on_exec,
	.close = model_close,
	.now = model_now,
	.sleep = model_sleep,
	.pread = model_pread,
	.read = model_read,
	.lseek = model_lseek,
	.wait_input = model_wait_input,
	.open_direct = model_open_direct,
	.count_cached = model_count_cached,
	.populate = model_populate,
	.start_thread = model_start_thread,
	.join_thread = model_join_thread,
	.page_size = model_page_size,
};

/* ---- io_uring ---- */

struct gmem_ring {
	struct gmem_ring_request queue[RING_SIZE];
	unsigned int queued, submitted, reaped, entries;
	unsigned char *buffer;
	uint64_t buffer_size;
};

static int ring_create(unsigned int entries, struct gmem_ring **ret_ring)
{
	struct gmem_ring *ring;

	if (source.ring_code)
		return source.ring_code;
	ring = calloc(1, sizeof(*ring));
	ck_assert_ptr_nonnull(ring);
	ck_assert_uint_le(entries, RING_SIZE);
	ring->entries = entries;
	enter();
	done.rings++;
	leave(0);
	*ret_ring = ring;
	return 0;
}

/* The kernel would go on writing into memory. */
static void ring_destroy(struct gmem_ring *ring)
{
	enter();
	if (!source.submit_code)
		ck_assert_uint_eq(ring->reaped, ring->queued);
	done.rings--;
	if (ring->buffer)
		done.buffers--;
	leave(0);
	free(ring);
}

static int ring_register_buffer(struct gmem_ring *ring, void *address, size_t size)
{
	int r;

	enter();
	r = source.register_code ? source.register_code : touch(address, size);
	if (r == 0) {
		ring->buffer = address;
		ring->buffer_size = size;
		done.registered++;
		done.buffers++;
	}
	return leave(r);
}

static int ring_unregister_buffer(struct gmem_ring *ring)
{
	enter();
	if (!source.unregister_code) {
		ring->buffer = NULL;
		done.buffers--;
	}
	return leave(source.unregister_code);
}

static void ring_queue(struct gmem_ring *ring, const struct gmem_ring_request *request)
{
	ck_assert_uint_lt(ring->queued - ring->reaped, ring->entries);
	ring->queue[ring->queued++ % RING_SIZE] = *request;
}

static int ring_submit(struct gmem_ring *ring, unsigned int wait)
{
	unsigned int count = ring->queued - ring->submitted;

	enter();
	if (source.submit_code && (source.submit_code != -EINTR || calls % 2))
		return leave(source.submit_code);
	ck_assert_uint_ge(ring->queued - ring->reaped, wait);
	ring->submitted = ring->queued;
	return leave((int)count);
}

static int answer(struct gmem_ring *ring, const struct gmem_ring_request *request)
{
	unsigned char *address = request->address;

	done.direct_reads++;
	ck_assert_int_eq(request->fd, DIRECT_FD);
	ck_assert_uint_eq(((uintptr_t)address | request->size | request->offset) % PAGE, 0);
	if (request->kind == GMEM_RING_READ_FIXED)
		ck_assert(address >= ring->buffer &&
			  address + request->size <= ring->buffer + ring->buffer_size);
	if (source.direct_result < 0 || source.direct_result > 1)
		return source.direct_result;
	if (source.direct_result == 1)
		return (int)copy(address, request->size / 2, request->offset);
	return (int)copy(address, request->size, request->offset);
}

static bool ring_reap(struct gmem_ring *ring, uint64_t *ret_token, int *ret_result)
{
	const struct gmem_ring_request *request;

	if (ring->reaped == ring->submitted)
		return false;
	enter();
	request = &ring->queue[ring->reaped++ % RING_SIZE];
	*ret_token = request->token;
	*ret_result = answer(ring, request);
	leave(0);
	return true;
}

static const struct gmem_uring model_uring = {
	.create = ring_create,
	.destroy = ring_destroy,
	.register_buffer = ring_register_buffer,
	.unregister_buffer = ring_unregister_buffer,
	.queue = ring_queue,
	.submit = ring_submit,
	.reap = ring_reap,
};

void source_begin(uint64_t size, unsigned int seed)
{
	uint64_t i, word = 88172645463325252 + seed;

	source = (struct source){
		.size = size, .shrinks_to = UINT64_MAX, .bad_at = UINT64_MAX, .tells_holes = true
	};
	/* Not what the library allocates: that is refused at times. */
	source.bytes = malloc(size + 1);
	ck_assert_ptr_nonnull(source.bytes);
	/* Eight bytes at a time: there are many, and sanitizers look at each access. */
	for (i = 0; i < size / sizeof(word); i++) {
		word ^= word << 13;
		word ^= word >> 7;
		word ^= word << 17;
		memcpy(source.bytes + i * sizeof(word), &word, sizeof(word));
	}
	memset(source.bytes + i * sizeof(word), 'x', size % sizeof(word));
	memset(guest_memory, 0xa5, sizeof(guest_memory));
	memset(guest_private, 0, sizeof(guest_private));
	memset(guest_allocated, 1, sizeof(guest_allocated));
	poisoned_page = UINT64_MAX;
	done = (struct done){ 0 };
	stream_at = 0;
	calls = 0;
	real_sys = gmem_sys;
	real_uring = gmem_uring;
	gmem_sys = &model;
	gmem_uring = &model_uring;
}

void source_end(void)
{
	ck_assert_int_eq(done.mappings, 0);
	ck_assert_int_eq(done.rings, 0);
	ck_assert_int_eq(done.buffers, 0);
	ck_assert_int_eq(done.open_files, 0);
	ck_assert_int_eq(done.running, 0);
	free(source.bytes);
	gmem_sys = real_sys;
	gmem_uring = real_uring;
}
