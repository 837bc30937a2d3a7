/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a child does whose system calls are traced: for each part of the library its functions, the
 * ways in which they fail, too. Live update has a file of its own.
 */
#include <errno.h>
#include <string.h>

#include "test-seccomp.h"

#define UNKNOWN_FLAGS (UINT64_C(1) << 40)

static int run_probe(struct here *here)
{
	struct gmem_probe *probe = NULL;
	int r = gmem_probe_new(here->vm, NULL, &probe, here->error);

	gmem_probe_free(probe);
	return result(r, 0);
}

static int run_create(struct here *here)
{
	struct gmem_create_options options = { .size = sizeof(options) };
	struct gmem *gmem;
	int r = gmem_create(here->vm, SIZE, &options, &gmem, here->error);

	if (r)
		return result(r, 0);
	options.raw_flags = UNKNOWN_FLAGS;
	return result(gmem_create(here->vm, SIZE, &options, &gmem, here->error), -EOPNOTSUPP);
}

static int run_adopt(struct here *here)
{
	struct gmem *gmem;

	return result(gmem_adopt(here->spare, NULL, &gmem, here->error), 0);
}

static int run_release(struct here *here)
{
	gmem_release(here->gmem);
	return result(0, 0);
}

static int run_convert(struct here *here)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 2 };
	int r = gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_SHARED, NULL, here->error);

	if (!here->converts)
		return result(r, -EOPNOTSUPP);
	if (!r && here->frozen)
		r = gmem_convert(here->frozen, 0, SIZE, GMEM_STATE_PRIVATE, NULL, here->error) ==
				    -EPERM
			    ? 0
			    : 1;
	if (r || here->busy)
		return result(r, 0);
	r = gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_PRIVATE, &options, here->error);
	if (r != -EAGAIN)
		return result(r, -EAGAIN);
	/* as on a kernel that has no policies */
	gmem_level_set(GMEM_LEVEL_CONVERT);
	options.policy = GMEM_POLICY_ZERO;
	options.emulate = 1;
	return result(gmem_convert(here->gmem, 0, SIZE, GMEM_STATE_SHARED, &options, here->error),
		      0);
}

static int run_query(struct here *here)
{
	const struct gmem_extent all = { .size = SIZE, .state = GMEM_STATE_SHARED };
	int want = here->queries ? 0 : -EOPNOTSUPP, r;
	struct gmem_extent extent;
	struct gmem_query *query;
	enum gmem_state state;
	bool equal;

	r = gmem_query_new(here->gmem, 0, SIZE, NULL, &query, here->error);
	if (r)
		return result(r, 0);
	r = gmem_query_next(query, &extent, here->error);
	gmem_query_free(query);
	if (r != want || gmem_get_state(here->gmem, 0, &state, here->error) != want)
		return result(r, want);
	return result(gmem_compare(here->gmem, &all, 1, &equal, NULL, here->error), want);
}

static int run_map(struct here *here)
{
	void *address;
	int r = gmem_map(here->gmem, 0, SIZE, NULL, &address, here->error);

	return result(r ? r : gmem_unmap(address, SIZE, here->error), 0);
}

static int run_allocate(struct here *here)
{
	int r = gmem_allocate(here->gmem, 0, SIZE, NULL, here->error);

	if (!r && here->frozen && gmem_discard(here->frozen, 0, SIZE, here->error) != -EPERM)
		return 1;
	return result(r ? r : gmem_discard(here->gmem, 0, SIZE, here->error), 0);
}

/* From a file with a hole, past the page cache and from it; from a stream; and into private pages.
 */
static int run_populate(struct here *here)
{
	struct gmem_populate_options options = { .size = sizeof(options), .to_end = 1 };
	int r;

	options.way = here->direct ? GMEM_POPULATE_DIRECT : GMEM_POPULATE_PLAIN;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	if (r)
		return result(r, 0);
	options.way = GMEM_POPULATE_BEST;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	if (r || (r = gmem_populate(here->gmem, 0, SIZE, here->pipe, &options, here->error)))
		return result(r, 0);
	if (!here->converts || !here->policies)
		return result(r, 0);
	options.state = GMEM_STATE_PRIVATE;
	r = gmem_populate(here->gmem, 0, SIZE, here->source, &options, here->error);
	return result(r, here->busy ? 0 : -EAGAIN);
}

static int run_numa(struct here *here)
{
	struct gmem_numa_options options = { .size = sizeof(options), .late = 1 };
	uint64_t bytes_on[64];
	struct gmem_numa_usage usage = { sizeof(usage), 64, bytes_on, 0, 0 };
	int r = gmem_numa_place(here->gmem, 0, SIZE, GMEM_NUMA_BIND, "0", &options, here->error);

	/* An older kernel does not keep it. */
	if (r && r != -EOPNOTSUPP)
		return result(r, 0);
	r = gmem_populate_memory(here->gmem, 0, 5, "bytes", NULL, here->error);
	if (!r)
		r = gmem_numa_count(here->gmem, 0, SIZE, &usage, here->error);
	return result(r, 0);
}

static int no_release(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	(void)data;
	return 0;
}

/* A slot that the space maps, and one that the program has mapped. */
static int bind_slots(struct gmem_space *space, struct gmem *gmem, struct gmem_error *error)
{
	struct gmem_slot slot = { .size = sizeof(slot), .gmem = gmem };
	int r;

	slot.memory_size = SIZE / 2;
	r = gmem_space_bind(space, &slot, error);
	slot.number = 1;
	slot.gpa = slot.offset = SIZE / 2;
	if (!r)
		r = gmem_space_get_address(space, 0, 1, &slot.address);
	slot.address = (char *)slot.address + slot.offset;
	return r ? r : gmem_space_bind(space, &slot, error);
}

static int run_space(struct here *here)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "test" };
	struct gmem_space *space;
	struct gmem_listener *listener;
	struct gmem *gmem = NULL;
	int r = gmem_space_new(here->vm, NULL, &space, here->error);

	if (r)
		return result(r, 0);
	options.release = no_release;
	r = gmem_listener_add(space, &options, &listener, here->error);
	if (!r)
		r = gmem_space_create(space, SIZE, GMEM_INIT_SHARED, &gmem, here->error);
	if (!r)
		r = bind_slots(space, gmem, here->error);
	if (!r)
		r = gmem_space_unbind(space, 0, here->error);
	if (!r)
		r = gmem_space_unbind(space, 1, here->error);
	if (!r)
		r = gmem_listener_remove(listener, here->error);
	gmem_release(gmem);
	gmem_space_free(space);
	return result(r, 0);
}

static int run_serve(struct here *here)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 2 };
	struct gmem_space_extent extent;
	void *address;
	int r = gmem_space_get_address(here->space, 0, SIZE, &address);

	if (!r)
		r = gmem_space_get_extent(here->space, 0, SIZE, &extent, here->error);
	if (!r)
		r = gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_SHARED, NULL, here->error);
	if (r || !here->converts || here->busy)
		return result(r, 0);
	r = gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_PRIVATE, &options, here->error);
	if (r != -EAGAIN)
		return result(r, -EAGAIN);
	gmem_level_set(GMEM_LEVEL_CONVERT);
	options.policy = GMEM_POLICY_ZERO;
	options.emulate = 1;
	return result(
		gmem_space_convert(here->space, 0, SIZE, GMEM_STATE_SHARED, &options, here->error),
		0);
}

/* A space with a slot, before anything is traced. */
static int make_space(struct here *here)
{
	struct gmem_slot slot = { .size = sizeof(slot), .gmem = here->gmem };

	slot.memory_size = SIZE;
	if (gmem_space_new(here->vm, NULL, &here->space, here->error))
		return -1;
	return gmem_space_bind(here->space, &slot, here->error);
}

/* By a ring and by threads, of which the first does what it can while it is traced. */
static int run_batch(struct here *here)
{
	struct gmem_batch_options options = { .size = sizeof(options) };
	struct gmem_batch_item items[2] = {
		{ here->gmem, 0, 4096, GMEM_BATCH_ALLOCATE, 0, 0, 0, 0 },
		{ here->gmem, 8192, 4096, GMEM_BATCH_DISCARD, 0, 0, 0, 0 },
	};
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		struct gmem_batch *batch;

		options.executor = i ? GMEM_BATCH_THREADS : GMEM_BATCH_BEST;
		r = gmem_batch_new(&options, &batch, here->error);
		if (r)
			break;
		r = gmem_batch_submit(batch, items, 2, NULL, here->error);
		if (!r)
			r = gmem_batch_finish(batch, true, NULL, here->error);
		gmem_batch_free(batch);
	}
	return result(r, 0);
}

static int run_report(struct here *here)
{
	struct gmem_error *error;
	int r = gmem_error_new(&error);

	(void)here;
	if (!r)
		gmem_error_free(error);
	return result(r, 0);
}

/* Of those without a system call, the ones that do something. */
static int run_other(struct here *here)
{
	struct gmem_request_repeats repeats = { 0 };
	char text[2048];
	uint64_t flags;

	if (gmem_request_count(&repeats, NULL, 0, here->error) ||
	    gmem_convert(here->gmem, 1, 1, GMEM_STATE_SHARED, NULL, here->error) != -EINVAL ||
	    gmem_error_explain(here->error, text, sizeof(text)) <= 0 ||
	    gmem_error_format_json(here->error, text, sizeof(text)) <= 0)
		return 1;
	return result(gmem_get_creation_flags(here->gmem, &flags), 0);
}

const struct run runs[] = {
	{ "probe", run_probe, NULL },	    { "create", run_create, NULL },
	{ "adopt", run_adopt, NULL },	    { "release", run_release, NULL },
	{ "convert", run_convert, NULL },   { "query", run_query, NULL },
	{ "map", run_map, NULL },	    { "allocate", run_allocate, NULL },
	{ "report", run_report, NULL },	    { "other", run_other, NULL },
	{ "populate", run_populate, NULL }, { "numa", run_numa, NULL },
	{ "space", run_space, NULL },	    { "serve", run_serve, make_space },
	{ "batch", run_batch, NULL },	    { "session", run_session, NULL },
	{ "preserve", run_preserve, NULL }, { "retrieve", run_retrieve, NULL },
	{ "blob", run_blob, NULL },	    { "blob-session", run_blob_session, NULL },
	{ "store", run_store, NULL },	    { 0 },
};
