/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "array.h"

#define FIRST_ROOM 8

bool gmem_array_grow(void **array, size_t count, size_t *room, size_t element_size)
{
	size_t wanted = *room ? 2 * *room : FIRST_ROOM;
	void *grown;

	if (count < *room)
		return true;
	if (wanted > SIZE_MAX / element_size / 2)
		return false;
	grown = calloc(wanted, element_size);
	if (!grown)
		return false;
	if (count)
		memcpy(grown, *array, count * element_size);
	free(*array);
	*array = grown;
	*room = wanted;
	return true;
}
