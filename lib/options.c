/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "options.h"

/* No options struct will ever be this big: a larger size was never initialised. */
#define SIZE_LIMIT 4096

int gmem_options_read(void *options, size_t size, size_t first_size, const void *given)
{
	const unsigned char *bytes = given;
	uint64_t given_size;
	size_t i;

	memset(options, 0, size);
	if (!given)
		return 0;
	memcpy(&given_size, given, sizeof(given_size));
	if (given_size < first_size)
		return -EINVAL;
	if (given_size > SIZE_LIMIT)
		return -E2BIG;
	for (i = size; i < given_size; i++) {
		if (bytes[i])
			return -E2BIG;
	}
	memcpy(options, given, given_size < size ? (size_t)given_size : size);
	return 0;
}
