/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <unistd.h>
#include "injection.h"
#include "script.h"

unsigned char memory[LOADED] __attribute__((aligned(4096)));
unsigned char loaded[LOADED];

static int64_t copy(void *buffer, size_t size, uint64_t offset)
{
	/* Never all at once. */
	size = size > PAGE ? size - PAGE : size;
	memcpy(buffer, loaded + offset, size);
	return (int64_t)size;
}

int64_t model_pread(int fd, void *buffer, size_t size, uint64_t offset)
{
	int code;

	(void)fd;
	return fails(&code) ? code : copy(buffer, size, offset);
}

/* A page of data, and a hole after it, and so on. */
int64_t model_lseek(int fd, uint64_t offset, int whence)
{
	bool wanted = whence == SEEK_HOLE;
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	while ((offset / (2 * PAGE) % 2 == 1) != wanted)
		offset += PAGE;
	return (int64_t)offset;
}

int model_open_direct(int fd)
{
	int code;

	(void)fd;
	if (fails(&code))
		return code;
	open_files++;
	return GMEM_FD + 5;
}

int model_count_cached(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes)
{
	int code;

	(void)fd;
	(void)offset;
	*ret_bytes = offset ? 0 : size;
	return fails(&code) ? code : 0;
}

int model_populate(void *address, size_t size)
{
	int code;

	(void)address;
	(void)size;
	return fails(&code) ? code : 0;
}

/* A ring with one request, whose operations fail like system calls. */
static struct gmem_ring_request queued;
static bool has_request;

static int ring_create(unsigned int entries, struct gmem_ring **ret_ring)
{
	int code;

	(void)entries;
	if (fails(&code))
		return code;
	open_files++;
	*ret_ring = (struct gmem_ring *)memory;
	return 0;
}

static void ring_destroy(struct gmem_ring *ring)
{
	(void)ring;
	open_files--;
}

static int ring_register_buffer(struct gmem_ring *ring, void *address, size_t size)
{
	int code;

	(void)ring;
	(void)address;
	(void)size;
	return fails(&code) ? code : 0;
}

static int ring_unregister_buffer(struct gmem_ring *ring)
{
	int code;

	(void)ring;
	return fails(&code) ? code : 0;
}

static void ring_queue(struct gmem_ring *ring, const struct gmem_ring_request *request)
{
	(void)ring;
	queued = *request;
}

static int ring_submit(struct gmem_ring *ring, unsigned int wait)
{
	int code;

	(void)ring;
	(void)wait;
	if (fails(&code))
		return code;
	has_request = true;
	return 1;
}

static bool ring_reap(struct gmem_ring *ring, uint64_t *ret_token, int *ret_result)
{
	bool reaped = has_request;

	(void)ring;
	*ret_token = queued.token;
	*ret_result = reaped ? (int)copy(queued.address, queued.size, queued.offset) : 0;
	has_request = false;
	return reaped;
}

const struct gmem_uring model_uring = {
	.create = ring_create,
	.destroy = ring_destroy,
	.register_buffer = ring_register_buffer,
	.unregister_buffer = ring_unregister_buffer,
	.queue = ring_queue,
	.submit = ring_submit,
	.reap = ring_reap,
};
