/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The version of the library that is running.
 */
#ifndef LIBGMEM_VERSION_H
#define LIBGMEM_VERSION_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * gmem_version() - the version of the library that is running
 *
 * Return: text such as "0.1.0", valid for ever.
 *
 * Threads: safe.
 *
 * Example:
 *   printf("libgmem %s\n", gmem_version());
 */
GMEM_API const char *gmem_version(void);

GMEM_END_DECLS

#endif
