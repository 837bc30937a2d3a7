/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The capability level, from the inside. Inline: it is on the way of every conversion.
 */
#ifndef GMEM_LEVEL_H
#define GMEM_LEVEL_H

#include <libgmem/level.h>

/**
 * The level in force; 0 until gmem_level_read(), which creation and adoption of a file do. Hidden:
 * one instruction less to get at it.
 */
extern int gmem_level_in_force __attribute__((visibility("hidden")));

/** gmem_level_read() - the level in force, or -EINVAL if GMEM_LEVEL has no level's name */
int gmem_level_read(void);

/** gmem_level_permits() - whether a feature of this level may be used; needs a file or a probe */
static inline bool gmem_level_permits(enum gmem_level feature)
{
	return __atomic_load_n(&gmem_level_in_force, __ATOMIC_RELAXED) >= (int)feature;
}

#endif
