/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A picture as SVG. Colour is state. A cell that has some of both is divided in proportion. Full
 * colour rises as high as there is memory, the rest is pale.
 */
#include "picture.h"
#include "svg.h"

#define WIDTH  1024
#define MARGIN 16
#define LABEL  84 /* offsets, left of the rows */
#define ROW    24
#define CELLS  128 /* of a row */
#define HEAD   84

static const char *const full[] = { "#2b5c9e", "#e08e0b" };
static const char *const pale[] = { "#b9cfea", "#fae0ae" };
static const char *const names[] = { "private", "shared" };

/* One state's part of some equal cells. */
static void put_part(const struct picture_cell *cell, enum picture_state state, double x, double y,
		     double width, double height, FILE *stream)
{
	double filled;

	if (!cell->size[state])
		return;
	filled = (double)cell->allocated[state] / (double)cell->size[state];
	if (filled > 1)
		filled = 1;
	if (filled < 1)
		svg_rect(stream, x, y, width, height * (1 - filled), pale[state], NULL);
	if (filled > 0)
		svg_rect(stream, x, y + height * (1 - filled), width, height * filled, full[state],
			 NULL);
}

static void put_label(const struct picture_cell *cell, uint64_t size, double x, double y,
		      double width, FILE *stream)
{
	enum picture_state state = cell->size[PICTURE_SHARED] ? PICTURE_SHARED : PICTURE_PRIVATE;
	bool has_memory = cell->allocated[state] * 2 > cell->size[state];
	char text[64], number[32];

	if (cell->size[PICTURE_PRIVATE] && cell->size[PICTURE_SHARED])
		return;
	picture_size(number, sizeof(number), size);
	snprintf(text, sizeof(text), "%s %s", names[state], number);
	if (width > 120)
		svg_text(stream, x + width / 2, y, SVG_MIDDLE,
			 has_memory && state == PICTURE_PRIVATE ? "#ffffff" : "#222222", text);
}

static bool same(const struct picture *picture, size_t a, size_t b)
{
	const struct picture_cell *one = &picture->cell[a], *other = &picture->cell[b];
	bool mixed = one->size[PICTURE_PRIVATE] && one->size[PICTURE_SHARED];

	/* Cells of as many pages; or all in one state, with memory everywhere or nowhere. */
	if (picture_cells_equal(one, other))
		return !mixed;
	for (int state = 0; state < 2; state++) {
		if (!one->size[state] != !other->size[state])
			return false;
		if (one->allocated[state] && one->allocated[state] != one->size[state])
			return false;
		if (other->allocated[state] && other->allocated[state] != other->size[state])
			return false;
		if (!one->allocated[state] != !other->allocated[state])
			return false;
	}
	return !mixed;
}

static void put_run(const struct picture *picture, const struct picture_strip *strip, size_t from,
		    size_t to, FILE *stream)
{
	const struct picture_cell *cell = &picture->cell[from];
	uint64_t both = cell->size[PICTURE_PRIVATE] + cell->size[PICTURE_SHARED];
	double step = strip->width / (double)strip->cells;
	double x = strip->x + step * (double)(from - strip->first);
	double width = step * (double)(to - from), private;

	if (!both) {
		svg_rect(stream, x, strip->y, width, strip->height, "#dddddd", NULL);
		return;
	}
	private = width * (double)cell->size[PICTURE_PRIVATE] / (double)both;
	put_part(cell, PICTURE_PRIVATE, x, strip->y, private, strip->height, stream);
	put_part(cell, PICTURE_SHARED, x + private, strip->y, width - private, strip->height,
		 stream);
	if (strip->labels)
		put_label(cell, picture_offset(picture, to) - picture_offset(picture, from), x,
			  strip->y + strip->height / 2, width, stream);
}

static void put_frames(const struct picture *picture, const struct picture_strip *strip,
		       FILE *stream)
{
	double step = strip->width / (double)strip->cells;
	size_t end = strip->first + strip->cells, from, to;

	for (from = strip->first; from < end; from = to) {
		bool differs =
			!picture_cells_equal(&picture->cell[from], &strip->before->cell[from]);

		for (to = from + 1; to < end; to++)
			if (differs ==
			    picture_cells_equal(&picture->cell[to], &strip->before->cell[to]))
				break;
		if (differs)
			svg_rect(stream, strip->x + step * (double)(from - strip->first), strip->y,
				 step * (double)(to - from), strip->height, "none", "#111111");
	}
}

void picture_strip(const struct picture *picture, const struct picture_strip *strip, FILE *stream)
{
	size_t end = strip->first + strip->cells, from, to;

	for (from = strip->first; from < end; from = to) {
		for (to = from + 1; to < end && same(picture, from, to);)
			to++;
		put_run(picture, strip, from, to, stream);
	}
	if (strip->before && strip->before->cells == picture->cells)
		put_frames(picture, strip, stream);
}

double picture_legend(const struct picture *totals, double x, double y, FILE *stream)
{
	char text[128], size[32], allocated[32];

	for (int state = 0; state < 2; state++) {
		svg_rect(stream, x, y - 7, 14, 14, full[state], NULL);
		snprintf(text, sizeof(text), "%s", names[state]);
		if (totals) {
			picture_size(size, sizeof(size), totals->total.size[state]);
			picture_size(allocated, sizeof(allocated), totals->total.allocated[state]);
			snprintf(text, sizeof(text), "%s %s, %s with memory", names[state], size,
				 allocated);
		}
		svg_text(stream, x + 20, y, SVG_START, "#222222", text);
		x += totals ? 270 : 90;
	}
	svg_rect(stream, x, y - 7, 7, 14, pale[PICTURE_PRIVATE], NULL);
	svg_rect(stream, x + 7, y - 7, 7, 14, pale[PICTURE_SHARED], NULL);
	svg_text(stream, x + 20, y, SVG_START, "#222222", "pale: without memory");
	return x + 184;
}

void picture_write_svg(const struct picture *picture, const char *title, FILE *stream)
{
	size_t rows = (picture->cells + CELLS - 1) / CELLS, i;
	double width = WIDTH - 2 * MARGIN - LABEL;
	char text[128], label[32];

	svg_begin(stream, WIDTH, HEAD + (double)rows * ROW + MARGIN, title);
	svg_text_bold(stream, MARGIN, 20, title);
	picture_legend(picture, MARGIN, 46, stream);
	picture_size(label, sizeof(label),
		     picture_offset(picture, rows > 1 ? CELLS : picture->cells));
	snprintf(text, sizeof(text), "%llu extent%s; a row is %s, from the offset at its left",
		 (unsigned long long)picture->extents, picture->extents == 1 ? "" : "s", label);
	svg_text(stream, MARGIN, 68, SVG_START, "#555555", text);
	for (i = 0; i < rows; i++) {
		struct picture_strip strip = {
			.x = MARGIN + LABEL,
			.y = HEAD + (double)i * ROW,
			.height = ROW - 4,
			.first = i * CELLS,
			.labels = true,
		};

		strip.cells =
			picture->cells - strip.first < CELLS ? picture->cells - strip.first : CELLS;
		strip.width = rows == 1 ? width : width * (double)strip.cells / CELLS;
		picture_size(label, sizeof(label), picture_offset(picture, strip.first));
		svg_text(stream, MARGIN + LABEL - 8, strip.y + strip.height / 2, SVG_END, "#555555",
			 i ? label : "0");
		picture_strip(picture, &strip, stream);
	}
	svg_end(stream);
}
