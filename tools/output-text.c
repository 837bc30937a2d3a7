/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Text that several outputs and verbs need. */
#include <stdlib.h>
#include <unistd.h>

#include "output.h"

bool output_colour(FILE *stream)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(stream)) && !(no_colour && *no_colour) && term &&
	       !(term[0] == 'd' && term[1] == 'u'); /* dumb */
}

void output_json_string(FILE *stream, const char *text)
{
	fputc('"', stream);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(stream, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(stream, "\\u%04x", c);
		else
			fputc(c, stream);
	}
	fputc('"', stream);
}

void output_range(char *buffer, size_t buffer_size, uint64_t offset, uint64_t size)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, size, &end))
		snprintf(buffer, buffer_size, "[0x%llx, beyond 2^64)", (unsigned long long)offset);
	else
		snprintf(buffer, buffer_size, "[0x%llx, 0x%llx)", (unsigned long long)offset,
			 (unsigned long long)end);
}

void output_size(char *buffer, size_t buffer_size, uint64_t size)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;

	while (size && !(size % 1024) && unit + 1 < sizeof(units) / sizeof(units[0])) {
		size /= 1024;
		unit++;
	}
	snprintf(buffer, buffer_size, "%llu %s", (unsigned long long)size, units[unit]);
}
