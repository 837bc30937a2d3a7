/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A picture of a file's state: so many cells of whole pages each, for the terminal and as SVG. */
#ifndef GMEMCTL_PICTURE_H
#define GMEMCTL_PICTURE_H

#include <libgmem/gmem.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes of each state, and how many of them have memory. */
struct picture_cell {
	uint64_t size[2]; /* by enum picture_state */
	uint64_t allocated[2];
};

enum picture_state {
	PICTURE_PRIVATE,
	PICTURE_SHARED
};

struct picture {
	uint64_t size; /* of the file, bytes */
	uint64_t page_size;
	struct picture_cell total;
	uint64_t extents;
	size_t cells;
	struct picture_cell cell[];
};

/* At most max_cells, at least one; fewer if the file has fewer pages. -EINVAL, -ENOMEM. */
int picture_new(uint64_t size, uint64_t page_size, size_t max_cells, struct picture **ret_picture);
void picture_free(struct picture *picture);
/* Where a cell begins; that of the number of cells is the file's end. */
uint64_t picture_offset(const struct picture *picture, size_t cell);
/* An extent that lies in one cell; they come in the order of the file. */
void picture_add(struct picture *picture, size_t cell, const struct gmem_extent *extent);
/* Asks the kernel. 0 or a negative errno: some of the cells are empty then. */
int picture_query(struct picture *picture, struct gmem *gmem, struct gmem_error *reterr_error);
bool picture_cells_equal(const struct picture_cell *a, const struct picture_cell *b);

/* A letter a cell, rows of 64, and what the letters mean (picture-text.c). */
void picture_print(const struct picture *picture, FILE *stream, bool colour);

/* The map as an SVG file; the title is a line about the file (picture-svg.c). */
void picture_write_svg(const struct picture *picture, const char *title, FILE *stream);
/*
 * Some cells as a strip, with labels where there is room for them if wanted. Cells that differ from
 * those of before, which may be NULL, get a frame.
 */
struct picture_strip {
	double x, y, width, height;
	size_t first, cells;
	bool labels;
	const struct picture *before;
};
void picture_strip(const struct picture *picture, const struct picture_strip *strip, FILE *stream);
/* What the colours mean; returns the x after it. */
double picture_legend(const struct picture *totals, double x, double y, FILE *stream);

/* "60 MiB", "1.5 GiB": rounded for people, unlike output_size() */
void picture_size(char *buffer, size_t buffer_size, uint64_t size);

#endif
