/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "batch-machine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "lib/sys.h"
#include "lib/uring.h"
#include "unit.h"

#define RING_SIZE 64

struct page pages[FILES][PAGES];
unsigned int calls, threads_refused, commands;
bool has_commands, has_fallocate;
int ring_code, event_code, submit_code, register_code;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* What is left behind. */
static int rings, events, running;

/* ---- the kernel ---- */

static int convert(unsigned int file, uint64_t offset, uint64_t size, bool private, uint64_t *error)
{
	uint64_t i, end = (offset + size) / PAGE;

	calls++;
	for (i = offset / PAGE; private && i < end; i++) {
		if (!pages[file][i].busy)
			continue;
		if (pages[file][i].busy < 1000)
			pages[file][i].busy--;
		*error = i * PAGE;
		return -EAGAIN;
	}
	for (i = offset / PAGE; i < end; i++)
		pages[file][i].private = private;
	return 0;
}

static int allocate(unsigned int file, int mode, uint64_t offset, uint64_t size)
{
	uint64_t i;

	calls++;
	for (i = offset / PAGE; i < (offset + size) / PAGE; i++) {
		if (mode & FALLOC_FL_PUNCH_HOLE) {
			pages[file][i].there = false;
			continue;
		}
		if (pages[file][i].broken)
			return -EHWPOISON;
		pages[file][i].there = true;
	}
	return 0;
}

static int fake_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	struct gmem_uapi_attributes *r = (struct gmem_uapi_attributes *)argument;
	static int next;
	int result;

	if (request == GMEM_UAPI_CREATE_GUEST_MEMFD)
		return GMEM_FD + next++ % FILES;
	if (request == GMEM_UAPI_CHECK_EXTENSION)
		return 0;
	ck_assert_uint_eq(request, GMEM_UAPI_SET_ATTRIBUTES);
	pthread_mutex_lock(&lock);
	result = convert((unsigned int)(fd - GMEM_FD), r->offset, r->size, r->attributes & PRIVATE,
			 &r->error_offset);
	pthread_mutex_unlock(&lock);
	return result;
}

static int fake_fallocate(int fd, int mode, uint64_t offset, uint64_t size)
{
	int r;

	pthread_mutex_lock(&lock);
	r = allocate((unsigned int)(fd - GMEM_FD), mode, offset, size);
	pthread_mutex_unlock(&lock);
	return r;
}

static int fake_make_event(void)
{
	if (event_code)
		return event_code;
	events++;
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void fake_signal_event(int fd)
{
	ck_assert_int_eq(eventfd_write(fd, 1), 0);
}

static void fake_clear_event(int fd)
{
	eventfd_t count;

	eventfd_read(fd, &count);
}

static int fake_close(int fd)
{
	if (fd < GMEM_FD || fd >= GMEM_FD + FILES) {
		events--;
		close(fd);
	}
	return 0;
}

static int fake_start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread)
{
	if (threads_refused && threads_refused-- == 1)
		return -EAGAIN;
	running++;
	return -pthread_create(ret_thread, NULL, function, data);
}

static void fake_join_thread(pthread_t thread)
{
	pthread_join(thread, NULL);
	running--;
}

static uint64_t fake_now(void)
{
	return 0;
}

static int fake_sleep(uint64_t nanoseconds)
{
	(void)nanoseconds;
	return 0;
}

static int fake_set_close_on_exec(int fd)
{
	(void)fd;
	return 0;
}

static uint64_t fake_page_size(void)
{
	return PAGE;
}

static const struct gmem_sys fake = {
	.ioctl = fake_ioctl,
	.fallocate = fake_fallocate,
	.set_close_on_exec = fake_set_close_on_exec,
	.close = fake_close,
	.now = fake_now,
	.sleep = fake_sleep,
	.make_event = fake_make_event,
	.signal_event = fake_signal_event,
	.clear_event = fake_clear_event,
	.start_thread = fake_start_thread,
	.join_thread = fake_join_thread,
	.page_size = fake_page_size,
};

/* ---- its io_uring ---- */

struct gmem_ring {
	struct gmem_ring_request queue[RING_SIZE];
	unsigned int queued, submitted, reaped;
	int event_fd;
	bool chain_broken;
};

static int ring_create(unsigned int entries, struct gmem_ring **ret_ring)
{
	ck_assert_uint_le(entries, RING_SIZE);
	if (ring_code)
		return ring_code;
	*ret_ring = calloc(1, sizeof(**ret_ring));
	rings++;
	return 0;
}

static void ring_destroy(struct gmem_ring *ring)
{
	if (!submit_code)
		ck_assert_uint_eq(ring->reaped, ring->queued);
	rings--;
	free(ring);
}

static int ring_register_event(struct gmem_ring *ring, int event_fd)
{
	ring->event_fd = event_fd;
	return register_code;
}

static void ring_queue(struct gmem_ring *ring, const struct gmem_ring_request *request)
{
	ck_assert_uint_lt(ring->queued - ring->reaped, RING_SIZE);
	ring->queue[ring->queued++ % RING_SIZE] = *request;
}

static int ring_submit(struct gmem_ring *ring, unsigned int wait)
{
	unsigned int count = ring->queued - ring->submitted;

	ck_assert_uint_ge(ring->queued - ring->reaped, wait);
	if (submit_code)
		return submit_code;
	ring->submitted = ring->queued;
	if (count)
		fake_signal_event(ring->event_fd);
	return (int)count;
}

static int command(const struct gmem_ring_request *request)
{
	struct gmem_uapi_conversion *all = request->address;
	int first = 0;
	uint64_t i;

	if (!has_commands)
		return -EOPNOTSUPP;
	ck_assert_uint_eq(request->command, GMEM_UAPI_CONVERT);
	commands++;
	for (i = 0; i < request->size; i++) {
		if (first && request->flags == GMEM_UAPI_CONVERT_STOP) {
			all[i].result = -ECANCELED;
			continue;
		}
		all[i].result = convert((unsigned int)(request->fd - GMEM_FD), all[i].offset,
					all[i].size, all[i].attributes, &all[i].error_offset);
		first = first ? first : (int)all[i].result;
	}
	return first;
}

static bool ring_reap(struct gmem_ring *ring, uint64_t *ret_token, int *ret_result)
{
	const struct gmem_ring_request *request;

	if (ring->reaped == ring->submitted)
		return false;
	request = &ring->queue[ring->reaped++ % RING_SIZE];
	*ret_token = request->token;
	pthread_mutex_lock(&lock);
	if (ring->chain_broken)
		*ret_result = -ECANCELED;
	else if (request->kind == GMEM_RING_COMMAND)
		*ret_result = command(request);
	else
		*ret_result = has_fallocate ? allocate((unsigned int)(request->fd - GMEM_FD),
						       (int)request->flags, request->offset,
						       request->size)
					    : -EINTR;
	pthread_mutex_unlock(&lock);
	/* As in Linux, where fallocate() that fails does not break a chain. */
	ring->chain_broken = request->linked && *ret_result != 0 &&
			     (ring->chain_broken || request->kind == GMEM_RING_COMMAND);
	return true;
}

static const struct gmem_uring fake_uring = {
	.create = ring_create,
	.destroy = ring_destroy,
	.register_event = ring_register_event,
	.queue = ring_queue,
	.submit = ring_submit,
	.reap = ring_reap,
};

void batch_machine_begin(void)
{
	gmem_sys = &fake;
	gmem_uring = &fake_uring;
	memset(pages, 0, sizeof(pages));
	calls = threads_refused = commands = 0;
	has_commands = has_fallocate = true;
	ring_code = event_code = submit_code = register_code = 0;
	rings = events = running = 0;
}

void batch_machine_end(void)
{
	ck_assert_int_eq(rings, 0);
	ck_assert_int_eq(events, 0);
	ck_assert_int_eq(running, 0);
}
