/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Time goes down, a row for each step, with the flow's line at its left. Addresses go right: each
 * file has a column. Colour is state; what the step has changed has a frame.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "picture.h"
#include "run.h"
#include "svg.h"
#include "timeline.h"

#define MARGIN	 16
#define HEAD	 96
#define ROW	 22
#define LINES	 470 /* width of the flow's lines */
#define FILES	 560 /* and of all files */
#define GAP	 24  /* between files */
#define OUTCOMES 330
#define CELLS	 512 /* of a file */
#define TEXT_MAX 60  /* characters of a line that have room */
#define FILE_MIN 60  /* pixels of a file */

/* A file at one moment. */
struct state {
	size_t object;
	struct picture *picture; /* NULL: the kernel did not tell */
};

struct row {
	unsigned int line;
	char *text;    /* of the step or of "say" */
	char *outcome; /* NULL: it is "say" */
	char *tip;
	bool as_expected, as_usual; /* it ended with what the flow says; which is that it works */
	size_t states;
	struct state *state;
};

struct column {
	size_t object;
	char name[FLOW_NAME_MAX + 1];
	uint64_t size;
};

struct timeline {
	size_t rows, columns;
	struct row *row;
	struct column *column;
	bool untold; /* states of some file, at some time */
	int err;
};

int timeline_new(struct timeline **ret_timeline)
{
	*ret_timeline = calloc(1, sizeof(**ret_timeline));
	return *ret_timeline ? 0 : -ENOMEM;
}

void timeline_free(struct timeline *timeline)
{
	if (!timeline)
		return;
	for (size_t i = 0; i < timeline->rows; i++) {
		struct row *row = &timeline->row[i];

		for (size_t n = 0; n < row->states; n++)
			picture_free(row->state[n].picture);
		free(row->state);
		free(row->text);
		free(row->outcome);
		free(row->tip);
	}
	free(timeline->row);
	free(timeline->column);
	free(timeline);
}

/* One more element, of zeroes; NULL if there is no memory, which is kept. */
static void *grow(struct timeline *timeline, void *array, size_t *count, size_t size, void **ret)
{
	char *more = realloc(array, (*count + 1) * size);

	if (!more) {
		timeline->err = -ENOMEM;
		return NULL;
	}
	*ret = more;
	memset(more + *count * size, 0, size);
	return more + (*count)++ * size;
}

static struct row *add_row(struct timeline *timeline, const struct flow_step *step,
			   const char *text)
{
	void *rows = timeline->row;
	struct row *row = grow(timeline, rows, &timeline->rows, sizeof(*row), &rows);

	timeline->row = rows;
	if (!row)
		return NULL;
	row->line = step->line;
	row->text = strdup(text);
	if (!row->text)
		timeline->err = -ENOMEM;
	return row;
}

void timeline_say(struct timeline *timeline, const struct flow_step *step, const char *text)
{
	add_row(timeline, step, text);
}

static void add_column(struct timeline *timeline, const struct flow_run *run, size_t object,
		       uint64_t size)
{
	void *columns = timeline->column;
	struct column *column;

	for (size_t i = 0; i < timeline->columns; i++)
		if (timeline->column[i].object == object)
			return;
	column = grow(timeline, columns, &timeline->columns, sizeof(*column), &columns);
	timeline->column = columns;
	if (!column)
		return;
	column->object = object;
	column->size = size;
	memcpy(column->name, run->flow->object[object].name, sizeof(column->name));
}

/* The run's report must not be touched: the next steps tell it. */
static struct picture *look(struct timeline *timeline, struct gmem *gmem)
{
	struct picture *picture = NULL;

	if (picture_new(gmem_get_size(gmem), (uint64_t)sysconf(_SC_PAGESIZE), CELLS, &picture))
		timeline->err = -ENOMEM;
	else if (picture_query(picture, gmem, NULL) < 0) {
		picture_free(picture);
		picture = NULL;
		timeline->untold = true;
	}
	return picture;
}

static void add_states(struct timeline *timeline, const struct flow_run *run, struct row *row)
{
	for (size_t i = 0; i < run->flow->objects; i++) {
		struct gmem *gmem = run->object[i].file.gmem;
		void *states = row->state;
		struct state *state;

		if (run->flow->object[i].kind != FLOW_FILE || !gmem)
			continue;
		add_column(timeline, run, i, gmem_get_size(gmem));
		state = grow(timeline, states, &row->states, sizeof(*state), &states);
		row->state = states;
		if (!state)
			return;
		state->object = i;
		state->picture = look(timeline, gmem);
	}
}

void timeline_step(struct timeline *timeline, struct flow_run *run, const struct output_step *told)
{
	struct row *row = add_row(timeline, told->step, told->step->text);

	if (!row)
		return;
	row->outcome = strdup(told->got);
	row->tip = strdup(told->outcome->text);
	if (!row->outcome || !row->tip)
		timeline->err = -ENOMEM;
	row->as_expected = told->as_expected;
	row->as_usual = told->outcome->outcome == FLOW_DONE;
	add_states(timeline, run, row);
}

/* At most so many characters (not bytes) of a text. */
static void shorten(const char *text, size_t characters, char *buffer, size_t buffer_size)
{
	size_t used = 0, count = 0;

	for (; text[used] && used + 8 < buffer_size; used++) {
		if (((unsigned char)text[used] & 0xc0) != 0x80 && count++ == characters)
			break;
		buffer[used] = text[used];
	}
	memcpy(buffer + used, "...", 4);
	if (!text[used])
		buffer[used] = '\0';
}

static const struct state *state_of(const struct row *row, size_t object)
{
	for (size_t i = 0; i < row->states; i++)
		if (row->state[i].object == object)
			return &row->state[i];
	return NULL;
}

static double column_width(const struct timeline *timeline)
{
	double width = (FILES + GAP) / (double)timeline->columns - GAP;

	return width < FILE_MIN ? FILE_MIN : width;
}

static double columns_width(const struct timeline *timeline)
{
	double width = timeline->columns
			       ? (column_width(timeline) + GAP) * (double)timeline->columns - GAP
			       : 0;

	return width < FILES ? FILES : width;
}

static double column_x(const struct timeline *timeline, size_t column)
{
	return MARGIN + LINES + (column_width(timeline) + GAP) * (double)column;
}

static void write_head(const struct timeline *timeline, const char *title, FILE *stream)
{
	double width = column_width(timeline), x;
	char size[32];

	svg_text_bold(stream, MARGIN, 20, title);
	x = picture_legend(NULL, MARGIN, 44, stream);
	svg_rect(stream, x, 44 - 7, 14, 14, "none", "#111111");
	svg_text(stream, x + 20, 44, SVG_START, "#222222", "changed by this step");
	if (timeline->untold) {
		svg_rect(stream, x + 170, 44 - 7, 14, 14, "#dddddd", NULL);
		svg_text(stream, x + 190, 44, SVG_START, "#222222", "the kernel does not tell");
	}
	for (size_t i = 0; i < timeline->columns; i++) {
		x = column_x(timeline, i);
		picture_size(size, sizeof(size), timeline->column[i].size);
		svg_text_bold(stream, x, 68, timeline->column[i].name);
		svg_text(stream, x, 84, SVG_START, "#555555", "0");
		svg_text(stream, x + width, 84, SVG_END, "#555555", size);
	}
}

static void write_states(const struct timeline *timeline, const struct row *row,
			 const struct row *before, double y, FILE *stream)
{
	for (size_t i = 0; i < timeline->columns; i++) {
		const struct state *state = state_of(row, timeline->column[i].object);
		const struct state *last =
			before ? state_of(before, timeline->column[i].object) : NULL;
		struct picture_strip strip = {
			.x = column_x(timeline, i),
			.y = y - ROW / 2 + 2,
			.width = column_width(timeline),
			.height = ROW - 4,
		};

		if (!state)
			continue;
		if (!state->picture) {
			svg_rect(stream, strip.x, strip.y, strip.width, strip.height, "#dddddd",
				 NULL);
			continue;
		}
		strip.cells = state->picture->cells;
		strip.before = last ? last->picture : NULL;
		picture_strip(state->picture, &strip, stream);
	}
}

static void write_step(const struct timeline *timeline, const struct row *row,
		       const struct row *before, double y, FILE *stream)
{
	char number[16], text[300], tip[1200];

	snprintf(number, sizeof(number), "%u", row->line);
	snprintf(tip, sizeof(tip), "line %u: %s: %s", row->line, row->text, row->tip);
	svg_group_begin(stream, tip);
	svg_text(stream, MARGIN + 26, y, SVG_END, "#888888", number);
	shorten(row->text, TEXT_MAX, text, sizeof(text));
	svg_text_fixed(stream, MARGIN + 34, y, "#222222", text);
	write_states(timeline, row, before, y, stream);
	if (!row->as_expected || !row->as_usual) {
		shorten(row->outcome, TEXT_MAX - 16, text, sizeof(text));
		svg_text(stream, MARGIN + LINES + columns_width(timeline) + 12, y, SVG_START,
			 row->as_expected ? "#555555" : "#c00000", text);
	}
	svg_group_end(stream);
}

int timeline_write(const struct timeline *timeline, const char *title, FILE *stream)
{
	const struct row *before = NULL;
	double y = HEAD + ROW / 2;
	char text[400];

	if (timeline->err)
		return timeline->err;
	svg_begin(stream, 2 * MARGIN + LINES + columns_width(timeline) + OUTCOMES,
		  HEAD + (double)timeline->rows * ROW + MARGIN, title);
	write_head(timeline, title, stream);
	for (size_t i = 0; i < timeline->rows; i++, y += ROW) {
		const struct row *row = &timeline->row[i];

		if (row->outcome) {
			write_step(timeline, row, before, y, stream);
			before = row;
			continue;
		}
		shorten(row->text, 3 * TEXT_MAX, text, sizeof(text));
		svg_text_bold(stream, MARGIN + 34, y, text);
	}
	svg_end(stream);
	return fflush(stream) || ferror(stream) ? -EIO : 0;
}
