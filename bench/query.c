/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What it costs to ask for the state of a file of many extents, and how much memory. */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "measure.h"
#include "ticks.h"
#include "uapi/guest_memfd.h"

static struct gmem_uapi_extent buffer[QUERY_ROOM];

/* All extents, at most @room a call. */
static int query_all(int gmem, uint64_t size, uint64_t flags, uint64_t room, uint64_t *ret_extents)
{
	struct gmem_uapi_query query = {
		.size = size,
		.flags = flags,
		.extents = (uintptr_t)buffer,
	};
	uint64_t extents = 0;

	while (query.size) {
		query.nr_extents = room;
		if (ioctl(gmem, GMEM_UAPI_QUERY, &query))
			return -errno;
		extents += query.nr_extents;
	}
	*ret_extents = extents;
	return 0;
}

static uint64_t memory_used(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}

/* The least of some, as other figures of single calls are. */
static int measure_one(int gmem, uint64_t page, uint64_t *ret_ticks)
{
	*ret_ticks = UINT64_MAX;
	for (int i = 0; i < 100; i++) {
		struct gmem_uapi_query query = {
			.offset = page * PAGE,
			.size = PAGE,
			.extents = (uintptr_t)buffer,
			.nr_extents = 1,
		};
		uint64_t start = ticks_now(), ticks;
		int err = ioctl(gmem, GMEM_UAPI_QUERY, &query) ? -errno : 0;

		ticks = ticks_now() - start;
		if (err)
			return err;
		*ret_ticks = ticks < *ret_ticks ? ticks : *ret_ticks;
	}
	return 0;
}

int measure_query(int gmem, uint64_t size, struct query_row *ret_row)
{
	struct query_row row = { 0 };
	uint64_t before, start, counted;
	int err;

	/* Also brings in the buffer, so that nothing is left to grow but what a query needs. */
	err = query_all(gmem, PAGE, 0, QUERY_ROOM, &row.extents);
	if (err)
		return err == -ENOTTY ? -EOPNOTSUPP : err;
	for (int i = 0; i < QUERY_ROOM; i++)
		buffer[i].size = 1;
	before = memory_used();
	start = ticks_now();
	err = query_all(gmem, size, 0, QUERY_ROOM, &row.extents);
	row.all = ticks_now() - start;
	if (err)
		return err;
	start = ticks_now();
	err = query_all(gmem, size, GMEM_UAPI_QUERY_ALLOCATED, QUERY_ROOM, &counted);
	row.counted = ticks_now() - start;
	row.grown = memory_used() - before;
	if (!err)
		err = measure_one(gmem, size / PAGE / 2, &row.one);
	if (!err)
		*ret_row = row;
	return err;
}
