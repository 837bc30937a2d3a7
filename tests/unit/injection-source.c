/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <unistd.h>
#include "injection.h"
#include "unit.h"

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

/* Every other page is there, on node 0. */
int model_incore(int fd, void *address, size_t size, unsigned char *ret_pages)
{
	size_t i;
	int code;

	(void)fd;
	(void)address;
	for (i = 0; i < size / PAGE; i++)
		ret_pages[i] = i % 2;
	return fails(&code) ? code : 0;
}

static int mode;

int model_set_policy(void *address, size_t size, int new_mode, const unsigned long *nodes,
		     unsigned long max_node)
{
	int code;

	(void)address;
	(void)size;
	(void)nodes;
	(void)max_node;
	if (fails(&code))
		return code;
	mode = new_mode;
	return 0;
}

int model_get_policy(void *address, int *ret_mode)
{
	int code;

	(void)address;
	if (fails(&code))
		return code;
	*ret_mode = mode;
	return 0;
}

int model_locate_pages(unsigned long count, void **pages, int *ret_nodes)
{
	int code;

	(void)pages;
	memset(ret_nodes, 0, count * sizeof(int));
	return fails(&code) ? code : 0;
}

static int parse(const char *text, struct gmem_nodes *ret_nodes)
{
	memset(ret_nodes, 0, sizeof(*ret_nodes));
	ret_nodes->words[0] = 1UL << (*text - '0');
	return 0;
}

const struct gmem_node_parser model_node_parser = { parse };

int model_make_event(void)
{
	int code;

	if (fails(&code))
		return code;
	open_files++;
	return GMEM_FD + 6;
}

void model_event(int fd)
{
	(void)fd;
}

/* A thread is over before it has begun. */
int model_start_thread(void *(*function)(void *), void *data, pthread_t *ret_thread)
{
	int code;

	if (fails(&code))
		return code;
	memset(ret_thread, 0, sizeof(*ret_thread));
	function(data);
	return 0;
}

void model_join_thread(pthread_t thread)
{
	(void)thread;
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

static int ring_register_event(struct gmem_ring *ring, int event_fd)
{
	int code;

	(void)ring;
	(void)event_fd;
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
	*ret_result = 0;
	if (reaped && queued.kind == GMEM_RING_READ_FIXED)
		*ret_result = (int)copy(queued.address, queued.size, queued.offset);
	if (reaped && queued.kind == GMEM_RING_READ)
		*ret_result = (int)copy(queued.address, queued.size, queued.offset);
	if (reaped && queued.kind == GMEM_RING_COMMAND && !fails(ret_result))
		((struct gmem_uapi_conversion *)queued.address)->result = 0;
	has_request = false;
	return reaped;
}

const struct gmem_uring model_uring = {
	.create = ring_create,
	.destroy = ring_destroy,
	.register_buffer = ring_register_buffer,
	.unregister_buffer = ring_unregister_buffer,
	.register_event = ring_register_event,
	.queue = ring_queue,
	.submit = ring_submit,
	.reap = ring_reap,
};

static int run_load(uint64_t size, enum gmem_state state)
{
	struct gmem_populate_result result = { .size = sizeof(result), .loaded = 77 };
	struct gmem_populate_options options = { .size = sizeof(options), .threads = 1 };
	int r;

	options.state = state;
	options.ret_result = &result;
	memset(memory, 0, sizeof(memory));
	r = gmem_populate(gmem, 0, size, GMEM_FD + 4, &options, report);
	mappings -= stuck;
	ck_assert_uint_eq(result.loaded, r < 0 ? 77 : size);
	/* ENXIO says that there is a hole. */
	if (r == 0 && !injects(-ENXIO))
		ck_assert_int_eq(memcmp(memory, loaded, PAGE), 0);
	return r;
}

int run_populate(void)
{
	return run_load(LOADED - 1, GMEM_STATE_SHARED);
}

int run_populate_private(void)
{
	return run_load(PAGE, GMEM_STATE_PRIVATE);
}

int run_populate_memory(void)
{
	int r = gmem_populate_memory(gmem, 0, 2 * PAGE, loaded, NULL, report);

	mappings -= stuck;
	if (r == 0)
		ck_assert_int_eq(memcmp(memory, loaded, 2 * PAGE), 0);
	return r;
}

int run_numa_place(void)
{
	uint64_t late = 77;
	struct gmem_numa_options options = { .size = sizeof(options),
					     .ret_late = &late,
					     .late = 1 };
	int r = gmem_numa_place(gmem, 0, LOADED, GMEM_NUMA_BIND, "1", &options, report);

	mappings -= stuck;
	ck_assert_int_eq(late == 77, r < 0);
	return r;
}

int run_numa_place_guest(void)
{
	const struct gmem_numa_node list[] = { { gmem, 0, PAGE, GMEM_NUMA_BIND, 0, "1" },
					       { gmem, PAGE, PAGE, GMEM_NUMA_BIND, 0, "0" } };
	int r = gmem_numa_place_guest(list, 2, NULL, NULL, report);

	mappings -= stuck;
	return r;
}

int run_numa_count(void)
{
	uint64_t bytes_on = 77;
	struct gmem_numa_usage usage = { sizeof(usage), 1, &bytes_on, 77, 77 };
	int r = gmem_numa_count(gmem, 0, LOADED, &usage, report);

	mappings -= stuck;
	ck_assert_int_eq(bytes_on == 77, r < 0);
	return r;
}

static struct gmem_batch *batch;

static int run_batch(uint32_t ordered, enum gmem_batch_executor executor)
{
	struct gmem_batch_options options = { .size = sizeof(options), .executor = executor };
	struct gmem_batch_item item = { .gmem = gmem, .size = PAGE, .kind = GMEM_BATCH_CONVERT };
	int r;

	item.state = GMEM_STATE_PRIVATE;
	options.ordered = ordered;
	r = gmem_batch_new(&options, &batch, report);
	/* Of this only the function for it tells, below. */
	if (r < 0)
		return 0;
	ck_assert_int_eq(gmem_batch_submit(batch, &item, 1, NULL, report), 0);
	r = gmem_batch_finish(batch, true, NULL, report);
	ck_assert_int_eq(item.result, r);
	gmem_batch_free(batch);
	return r;
}

int run_batch_in_ring(void)
{
	return run_batch(1, GMEM_BATCH_BEST);
}

int run_batch_in_threads(void)
{
	return run_batch(0, GMEM_BATCH_THREADS);
}

int run_batch_new(void)
{
	int r = gmem_batch_new(NULL, &batch, report);

	if (r == 0)
		gmem_batch_free(batch);
	return r;
}
