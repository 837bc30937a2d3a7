/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Reading an options struct that was made for an older or a newer library.
 */
#ifndef GMEM_OPTIONS_H
#define GMEM_OPTIONS_H

#include <stddef.h>

/**
 * gmem_options_read() - copy the caller's options into a struct of this version
 *
 * @options: the copy; members that the caller's struct does not have become 0
 * @size: size of the copy in bytes
 * @first_size: size in bytes that the struct had when it first appeared
 * @given: the caller's struct, whose first member is its size as uint64_t; NULL for all 0
 *
 * Returns 0, -EINVAL if given is too small to be one of ours, -E2BIG if it sets what this version
 * does not know, or is so big that its size cannot be initialised.
 */
int gmem_options_read(void *options, size_t size, size_t first_size, const void *given);

#endif
