/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

int picture_new(uint64_t size, uint64_t page_size, size_t max_cells, struct picture **ret_picture)
{
	struct picture *picture;
	uint64_t pages;

	if (!size || !page_size || size % page_size || !max_cells)
		return -EINVAL;
	pages = size / page_size;
	if (pages < max_cells)
		max_cells = (size_t)pages;
	picture = calloc(1, sizeof(*picture) + max_cells * sizeof(picture->cell[0]));
	if (!picture)
		return -ENOMEM;
	picture->size = size;
	picture->page_size = page_size;
	picture->cells = max_cells;
	*ret_picture = picture;
	return 0;
}

void picture_free(struct picture *picture)
{
	free(picture);
}

uint64_t picture_offset(const struct picture *picture, size_t cell)
{
	uint64_t pages = picture->size / picture->page_size;

	/* The product has more than 64 bits for a file of some EiB. */
	return (uint64_t)((unsigned __int128)pages * cell / picture->cells) * picture->page_size;
}

void picture_add(struct picture *picture, size_t cell, const struct gmem_extent *extent)
{
	enum picture_state state =
		extent->state == GMEM_STATE_SHARED ? PICTURE_SHARED : PICTURE_PRIVATE;
	struct picture_cell *in = &picture->cell[cell];

	in->size[state] += extent->size;
	in->allocated[state] += extent->allocated;
	picture->total.size[state] += extent->size;
	picture->total.allocated[state] += extent->allocated;
}

/* The last state is kept over cells: an extent that goes over several is one. */
static int query_cell(struct picture *picture, size_t cell, struct gmem *gmem, int *last_state,
		      struct gmem_error *reterr_error)
{
	struct gmem_query_options options = { .size = sizeof(options), .allocated = 1 };
	uint64_t offset = picture_offset(picture, cell);
	uint64_t end = picture_offset(picture, cell + 1);
	struct gmem_extent extent;
	struct gmem_query *query;
	int r = gmem_query_new(gmem, offset, end - offset, &options, &query, reterr_error);

	if (r < 0)
		return r;
	while ((r = gmem_query_next(query, &extent, reterr_error)) == 0) {
		picture_add(picture, cell, &extent);
		picture->extents += (int)extent.state != *last_state;
		*last_state = (int)extent.state;
	}
	gmem_query_free(query);
	return r == -ENODATA ? 0 : r;
}

int picture_query(struct picture *picture, struct gmem *gmem, struct gmem_error *reterr_error)
{
	int r = 0, last_state = -1;
	size_t i;

	for (i = 0; r == 0 && i < picture->cells; i++)
		r = query_cell(picture, i, gmem, &last_state, reterr_error);
	return r;
}

bool picture_cells_equal(const struct picture_cell *a, const struct picture_cell *b)
{
	return !memcmp(a, b, sizeof(*a));
}

void picture_size(char *buffer, size_t buffer_size, uint64_t size)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t unit = 0;
	uint64_t scale = 1;

	while (size / scale >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		scale *= 1024;
		unit++;
	}
	if (size % scale == 0)
		snprintf(buffer, buffer_size, "%llu %s", (unsigned long long)(size / scale),
			 units[unit]);
	else
		snprintf(buffer, buffer_size, "%.1f %s", (double)size / (double)scale, units[unit]);
}
