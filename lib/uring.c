/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * io_uring through liburing. Its header has the queues as inline functions; the few functions that
 * are in the library itself are looked up at run time.
 */
#include <errno.h>
#include "uring.h"

#ifdef HAVE_LIBURING
#include <dlfcn.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

struct functions {
	int (*queue_init)(unsigned int entries, struct io_uring *ring, unsigned int flags);
	void (*queue_exit)(struct io_uring *ring);
	int (*register_buffers)(struct io_uring *ring, const struct iovec *buffers,
				unsigned int count);
	int (*unregister_buffers)(struct io_uring *ring);
	int (*register_eventfd)(struct io_uring *ring, int fd);
	int (*submit_and_wait)(struct io_uring *ring, unsigned int wait);
};

struct gmem_ring {
	struct io_uring ring;
	struct functions call;
};

static bool look_up(void *library, const char *name, void *ret_function)
{
	void *function = dlsym(library, name);

	memcpy(ret_function, &function, sizeof(function));
	return function;
}

/*
 * Loaded again for every ring, which only counts a reference once it is there, and never unloaded:
 * the library keeps no state for the process.
 */
static bool load_functions(struct functions *call)
{
	void *library = dlopen("liburing.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	return library && look_up(library, "io_uring_queue_init", &call->queue_init) &&
	       look_up(library, "io_uring_queue_exit", &call->queue_exit) &&
	       look_up(library, "io_uring_register_buffers", &call->register_buffers) &&
	       look_up(library, "io_uring_unregister_buffers", &call->unregister_buffers) &&
	       look_up(library, "io_uring_register_eventfd", &call->register_eventfd) &&
	       look_up(library, "io_uring_submit_and_wait", &call->submit_and_wait);
}

static int uring_create(unsigned int entries, struct gmem_ring **ret_ring)
{
	struct gmem_ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		return -ENOMEM;
	r = load_functions(&ring->call) ? ring->call.queue_init(entries, &ring->ring, 0) : -ENOSYS;
	if (r < 0) {
		free(ring);
		return r;
	}
	*ret_ring = ring;
	return 0;
}

static void uring_destroy(struct gmem_ring *ring)
{
	ring->call.queue_exit(&ring->ring);
	free(ring);
}

static int uring_register_buffer(struct gmem_ring *ring, void *address, size_t size)
{
	struct iovec buffer = { address, size };

	return ring->call.register_buffers(&ring->ring, &buffer, 1);
}

static int uring_unregister_buffer(struct gmem_ring *ring)
{
	return ring->call.unregister_buffers(&ring->ring);
}

static int uring_register_event(struct gmem_ring *ring, int event_fd)
{
	return ring->call.register_eventfd(&ring->ring, event_fd);
}

static void uring_queue(struct gmem_ring *ring, const struct gmem_ring_request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

	switch (request->kind) {
	case GMEM_RING_READ:
		io_uring_prep_read(sqe, request->fd, request->address, (unsigned int)request->size,
				   request->offset);
		break;
	case GMEM_RING_READ_FIXED:
		io_uring_prep_read_fixed(sqe, request->fd, request->address,
					 (unsigned int)request->size, request->offset, 0);
		break;
	case GMEM_RING_FALLOCATE:
		io_uring_prep_fallocate(sqe, request->fd, (int)request->flags,
					(off_t)request->offset, (off_t)request->size);
		break;
	case GMEM_RING_COMMAND:
		io_uring_prep_rw(IORING_OP_URING_CMD, sqe, request->fd, request->address,
				 (unsigned int)request->size, 0);
		sqe->cmd_op = request->command;
		sqe->addr3 = request->flags;
		break;
	}
	if (request->linked)
		sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = request->token;
}

static int uring_submit(struct gmem_ring *ring, unsigned int wait)
{
	return ring->call.submit_and_wait(&ring->ring, wait);
}

static bool uring_reap(struct gmem_ring *ring, uint64_t *ret_token, int *ret_result)
{
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(&ring->ring, head, cqe)
	{
		*ret_token = cqe->user_data;
		*ret_result = cqe->res;
		io_uring_cq_advance(&ring->ring, 1);
		return true;
	}
	return false;
}

static const struct gmem_uring through_liburing = {
	.create = uring_create,
	.destroy = uring_destroy,
	.register_buffer = uring_register_buffer,
	.unregister_buffer = uring_unregister_buffer,
	.register_event = uring_register_event,
	.queue = uring_queue,
	.submit = uring_submit,
	.reap = uring_reap,
};
#else
static int uring_create(unsigned int entries, struct gmem_ring **ret_ring)
{
	(void)entries;
	(void)ret_ring;
	return -ENOSYS;
}

/* Without a ring nothing else is called. */
static const struct gmem_uring through_liburing = { .create = uring_create };
#endif

const struct gmem_uring *gmem_uring = &through_liburing;
