/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Text into a caller's buffer, with the conventions of snprintf(3).
 */
#ifndef GMEM_TEXT_H
#define GMEM_TEXT_H

#include <stddef.h>

struct gmem_text {
	char *buffer;
	size_t size;
	/** of the whole text, also of what did not fit */
	size_t length;
};

/** gmem_text_add() - append; never writes beyond the buffer, always terminates it */
__attribute__((format(printf, 2, 3))) void gmem_text_add(struct gmem_text *text, const char *format,
							 ...);

/** gmem_text_add_json() - append a string as JSON has it, with quotes; null for NULL */
void gmem_text_add_json(struct gmem_text *text, const char *string);

#endif
