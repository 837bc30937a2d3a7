/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Causes: why a call failed, finer than an errno. A report has one; these are the words for all.
 */
#ifndef LIBGMEM_CAUSE_H
#define LIBGMEM_CAUSE_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * gmem_cause_name() - the name of a cause
 *
 * @number: its number, from 0 on; numbers differ between versions of the library
 *
 * Return: a name such as "busy", which stays the same in all versions, valid for ever; NULL if
 * there are not that many causes, so that a loop over all needs no constant.
 *
 * Threads: safe.
 *
 * Example:
 *   const char *name;
 *   unsigned int i;
 *
 *   for (i = 0; (name = gmem_cause_name(i)); i++)
 *           puts(name);
 */
GMEM_API const char *gmem_cause_name(unsigned int number);

/**
 * gmem_cause_explain() - what a cause means, for people
 *
 * @name: the name, as gmem_error_get_cause() or gmem_cause_name() give it
 *
 * Return: a sentence, valid for ever; NULL if there is no such cause. The wording may change.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_cause_explain("busy"));
 */
GMEM_API const char *gmem_cause_explain(const char *name);

/**
 * gmem_cause_remedy() - what to do about a cause, for people
 *
 * @name: the name, as gmem_error_get_cause() or gmem_cause_name() give it
 *
 * Return: a sentence, valid for ever; NULL if there is no such cause. The wording may change.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_cause_remedy("busy"));
 */
GMEM_API const char *gmem_cause_remedy(const char *name);

GMEM_END_DECLS

#endif
