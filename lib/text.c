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
