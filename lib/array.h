/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Arrays that grow.
 */
#ifndef GMEM_ARRAY_H
#define GMEM_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/** gmem_array_grow() - room for one more element; false, and nothing changed, without memory */
bool gmem_array_grow(void **array, size_t count, size_t *room, size_t element_size);

#endif
