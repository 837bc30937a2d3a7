/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The little of SVG that pictures need. Coordinates are pixels. */
#ifndef GMEMCTL_SVG_H
#define GMEMCTL_SVG_H

#include <stdio.h>

/* Of a text, what x is. */
enum svg_anchor {
	SVG_START,
	SVG_MIDDLE,
	SVG_END
};

void svg_begin(FILE *stream, double width, double height, const char *title);
void svg_end(FILE *stream);
/* stroke may be NULL: no frame */
void svg_rect(FILE *stream, double x, double y, double width, double height, const char *fill,
	      const char *stroke);
/* y is the middle of the line. */
void svg_text(FILE *stream, double x, double y, enum svg_anchor anchor, const char *fill,
	      const char *text);
/* The same in bold, and of fixed width. */
void svg_text_bold(FILE *stream, double x, double y, const char *text);
void svg_text_fixed(FILE *stream, double x, double y, const char *fill, const char *text);
/* A part of the file that tells its text when the pointer is on it. */
void svg_group_begin(FILE *stream, const char *tip);
void svg_group_end(FILE *stream);

#endif
