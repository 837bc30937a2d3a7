/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "level.h"

int gmem_level_in_force;

static const struct {
	enum gmem_level level;
	const char *name;
} levels[] = {
	{ GMEM_LEVEL_NONE, "none" },
	{ GMEM_LEVEL_CREATE, "create" },
	{ GMEM_LEVEL_MAP, "map" },
	{ GMEM_LEVEL_CONVERT, "convert" },
	{ GMEM_LEVEL_POLICY, "policy" },
	{ GMEM_LEVEL_QUERY, "query" },
	{ GMEM_LEVEL_LIVE_UPDATE, "live-update" },
	{ GMEM_LEVEL_MIXED, "mixed" },
	{ GMEM_LEVEL_FULL, "full" },
};

#define COUNT (sizeof(levels) / sizeof(levels[0]))

int gmem_level_read(void)
{
	int known = __atomic_load_n(&gmem_level_in_force, __ATOMIC_RELAXED);
	enum gmem_level level = GMEM_LEVEL_FULL;
	const char *name;

	if (known)
		return known;
	name = secure_getenv("GMEM_LEVEL");
	if (name && *name && gmem_level_parse(name, &level) < 0)
		return -EINVAL;
	/* Unless another thread has just set it: what was set goes before the environment. */
	if (__atomic_compare_exchange_n(&gmem_level_in_force, &known, (int)level, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		known = (int)level;
	return known;
}

int gmem_level_set(enum gmem_level level)
{
	if (!gmem_level_name(level))
		return -EINVAL;
	__atomic_store_n(&gmem_level_in_force, (int)level, __ATOMIC_RELAXED);
	return 0;
}

int gmem_level_get(enum gmem_level *ret_level)
{
	int level = gmem_level_read();

	if (!ret_level || level < 0)
		return -EINVAL;
	*ret_level = (enum gmem_level)level;
	return 0;
}

const char *gmem_level_name(enum gmem_level level)
{
	size_t i;

	for (i = 0; i < COUNT; i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return NULL;
}

int gmem_level_parse(const char *name, enum gmem_level *ret_level)
{
	size_t i;

	if (!name || !ret_level)
		return -EINVAL;
	for (i = 0; i < COUNT; i++) {
		if (!strcmp(levels[i].name, name)) {
			*ret_level = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}
