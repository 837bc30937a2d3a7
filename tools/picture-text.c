/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A picture in letters: P and S for private and shared, X for both, small if there is no memory. */
#include <ctype.h>

#include "picture.h"

#define ROW 64

static char letter(const struct picture_cell *cell)
{
	char c = cell->size[PICTURE_PRIVATE] ? cell->size[PICTURE_SHARED] ? 'X' : 'P' : 'S';

	if (!cell->size[PICTURE_PRIVATE] && !cell->size[PICTURE_SHARED])
		return '?';
	if (!cell->allocated[PICTURE_PRIVATE] && !cell->allocated[PICTURE_SHARED])
		return (char)tolower((unsigned char)c);
	return c;
}

static const char *colour_of(char c)
{
	switch (toupper((unsigned char)c)) {
	case 'P':
		return "\033[97;44m";
	case 'S':
		return "\033[30;43m";
	case 'X':
		return "\033[30;45m";
	}
	return "";
}

static void print_row(const struct picture *picture, size_t first, FILE *stream, bool colour)
{
	const char *before = "";
	char label[32];

	picture_size(label, sizeof(label), picture_offset(picture, first));
	fprintf(stream, "%10s  ", first ? label : "0");
	for (size_t i = first; i < picture->cells && i < first + ROW; i++) {
		char c = letter(&picture->cell[i]);

		if (colour && colour_of(c) != before) {
			before = colour_of(c);
			fprintf(stream, "\033[0m%s", before);
		}
		fputc(c, stream);
	}
	fputs(colour ? "\033[0m\n" : "\n", stream);
}

static void print_total(const struct picture *picture, enum picture_state state, const char *name,
			FILE *stream)
{
	char size[32], allocated[32];

	picture_size(size, sizeof(size), picture->total.size[state]);
	picture_size(allocated, sizeof(allocated), picture->total.allocated[state]);
	fprintf(stream, "%s %s (%s with memory)", name, size, allocated);
}

void picture_print(const struct picture *picture, FILE *stream, bool colour)
{
	bool even = picture->size % (picture->cells * picture->page_size) == 0;
	char size[32];

	for (size_t i = 0; i < picture->cells; i += ROW)
		print_row(picture, i, stream, colour);
	picture_size(size, sizeof(size), picture->size / picture->cells);
	fprintf(stream,
		"\nA letter is %s%s: P private, S shared, X some of both; small: without memory\n",
		even ? "" : "about ", size);
	print_total(picture, PICTURE_PRIVATE, "private", stream);
	fputs(", ", stream);
	print_total(picture, PICTURE_SHARED, "shared", stream);
	fprintf(stream, ", %llu extent%s\n", (unsigned long long)picture->extents,
		picture->extents == 1 ? "" : "s");
}
