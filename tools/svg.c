/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "svg.h"

static const char *const anchors[] = { "start", "middle", "end" };

static void put_escaped(FILE *stream, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", stream);
		else if (c == '&')
			fputs("&amp;", stream);
		else
			/* XML has no control characters, not even escaped. */
			fputc(c < 0x20 || c == 0x7f ? ' ' : c, stream);
	}
}

void svg_begin(FILE *stream, double width, double height, const char *title)
{
	fprintf(stream,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" height=\"%g\" "
		"viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" font-size=\"13\">\n<title>",
		width, height, width, height);
	put_escaped(stream, title);
	fputs("</title>\n", stream);
	svg_rect(stream, 0, 0, width, height, "#ffffff", NULL);
}

void svg_end(FILE *stream)
{
	fputs("</svg>\n", stream);
}

void svg_rect(FILE *stream, double x, double y, double width, double height, const char *fill,
	      const char *stroke)
{
	fprintf(stream, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\"", x,
		y, width, height, fill);
	if (stroke)
		fprintf(stream, " stroke=\"%s\" stroke-width=\"1.5\"", stroke);
	fputs("/>\n", stream);
}

static void put_text(FILE *stream, double x, double y, const char *attributes, const char *fill,
		     const char *text)
{
	fprintf(stream, "<text x=\"%.2f\" y=\"%.2f\" dy=\"0.35em\" fill=\"%s\"%s>", x, y, fill,
		attributes);
	put_escaped(stream, text);
	fputs("</text>\n", stream);
}

void svg_text(FILE *stream, double x, double y, enum svg_anchor anchor, const char *fill,
	      const char *text)
{
	char attributes[64];

	snprintf(attributes, sizeof(attributes), " text-anchor=\"%s\"", anchors[anchor]);
	put_text(stream, x, y, attributes, fill, text);
}

void svg_text_bold(FILE *stream, double x, double y, const char *text)
{
	put_text(stream, x, y, " font-weight=\"bold\"", "#222222", text);
}

void svg_text_fixed(FILE *stream, double x, double y, const char *fill, const char *text)
{
	put_text(stream, x, y, " font-family=\"monospace\" font-size=\"12\" xml:space=\"preserve\"",
		 fill, text);
}

void svg_group_begin(FILE *stream, const char *tip)
{
	fputs("<g><title>", stream);
	put_escaped(stream, tip);
	fputs("</title>\n", stream);
}

void svg_group_end(FILE *stream)
{
	fputs("</g>\n", stream);
}
