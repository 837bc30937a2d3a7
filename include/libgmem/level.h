/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The capability level: how much of what the kernel offers the library uses. It can be forced down,
 * so that a program's fallbacks are tested on a kernel that does not need them.
 */
#ifndef LIBGMEM_LEVEL_H
#define LIBGMEM_LEVEL_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_level - how much of what the kernel offers the library uses
 *
 * Each level has what the one before has. The numbers are ABI; new levels come before
 * GMEM_LEVEL_FULL.
 */
enum gmem_level {
	/** As on a kernel before 6.8: no guest_memfd. */
	GMEM_LEVEL_NONE = 1,
	/** As on 6.8: files that start private and cannot be mapped. */
	GMEM_LEVEL_CREATE = 2,
	/**
	 * As on 6.18: files can be mappable, and those of VMs without private memory can start
	 * shared.
	 */
	GMEM_LEVEL_MAP = 3,
	/** As on 7.4: conversion in place. */
	GMEM_LEVEL_CONVERT = 4,
	/** Also content policies that the kernel guarantees. */
	GMEM_LEVEL_POLICY = 5,
	/** Also the query of states. */
	GMEM_LEVEL_QUERY = 6,
	/** Also live update of VMs and of files that are all shared. */
	GMEM_LEVEL_LIVE_UPDATE = 7,
	/** Also live update of files with private pages. */
	GMEM_LEVEL_MIXED = 8,
	/** All that the kernel offers; the default. */
	GMEM_LEVEL_FULL = 255,
};

/**
 * gmem_level_set() - force the capability level of the process
 *
 * @level: the level; GMEM_LEVEL_FULL takes all limits away
 *
 * The level limits gmem_probe_new(), gmem_create(), gmem_adopt(), gmem_map(), gmem_convert() and
 * the queries, and makes all of live update fail: they behave as if the kernel did not have what is
 * above the level, and the report's cause says that it was the level. It never makes anything
 * possible that the kernel does not have. The guest and other processes are not affected.
 *
 * Without this call the level is that of the environment variable GMEM_LEVEL, which has a name as
 * gmem_level_name() gives it, and is read once, at the first call that needs the level. Not set,
 * empty, or in a program that runs with more privileges than its caller (secure_getenv(3)), it
 * means full. With any other value gmem_probe_new(), gmem_create(), gmem_adopt() and the
 * functions that begin with a session fail with -EINVAL: a test of a fallback must not pass because
 * of a typing error.
 *
 * The level is the only state that the library keeps for the process.
 *
 * Errors:
 *   EINVAL  level is no level
 *
 * Threads: safe. Calls that are under way in other threads go by the old or the new level.
 *
 * Example:
 *   // Test what the program does on a kernel without conversion in place.
 *   gmem_level_set(GMEM_LEVEL_MAP);
 *   gmem_level_set(GMEM_LEVEL_FULL);
 */
GMEM_API int gmem_level_set(enum gmem_level level);

/**
 * gmem_level_get() - the capability level in force
 *
 * @ret_level: the level
 *
 * Errors:
 *   EINVAL  ret_level is NULL, or no level was set and GMEM_LEVEL does not have the name of one
 *
 * Threads: safe.
 *
 * Example:
 *   enum gmem_level level;
 *
 *   if (gmem_level_get(&level) == 0)
 *           puts(gmem_level_name(level));
 */
GMEM_API int gmem_level_get(enum gmem_level *ret_level);

/**
 * gmem_level_name() - the name of a level, as GMEM_LEVEL has it
 *
 * @level: the level
 *
 * Return: "none", "create", "map", "convert", "policy", "query", "live-update", "mixed" or "full",
 * valid for ever; NULL for anything else.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_level_name(GMEM_LEVEL_FULL));
 */
GMEM_API const char *gmem_level_name(enum gmem_level level);

/**
 * gmem_level_parse() - the level of a name
 *
 * @name: the name, as gmem_level_name() gives it
 * @ret_level: the level
 *
 * Errors:
 *   EINVAL  name is no level's name, or an argument is NULL
 *
 * Threads: safe.
 *
 * Example:
 *   enum gmem_level level;
 *
 *   if (gmem_level_parse("convert", &level) == 0)
 *           gmem_level_set(level);
 */
GMEM_API int gmem_level_parse(const char *name, enum gmem_level *ret_level);

GMEM_END_DECLS

#endif
