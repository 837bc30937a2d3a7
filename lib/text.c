/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdarg.h>
#include <stdio.h>
#include "text.h"

void gmem_text_add(struct gmem_text *text, const char *format, ...)
{
	size_t used = text->length < text->size ? text->length : text->size;
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(used < text->size ? text->buffer + used : NULL, text->size - used, format,
		      arguments);
	va_end(arguments);
	/* vsnprintf() fails only on wide characters, which no format of ours has. */
	if (n > 0)
		text->length += (size_t)n;
}

void gmem_text_add_json(struct gmem_text *text, const char *string)
{
	unsigned char c;

	if (!string) {
		gmem_text_add(text, "null");
		return;
	}
	gmem_text_add(text, "\"");
	for (; (c = (unsigned char)*string); string++) {
		if (c == '"' || c == '\\')
			gmem_text_add(text, "\\%c", c);
		else if (c < 0x20)
			gmem_text_add(text, "\\u%04x", c);
		else
			gmem_text_add(text, "%c", c);
	}
	gmem_text_add(text, "\"");
}
