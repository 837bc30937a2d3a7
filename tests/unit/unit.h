/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What all unit tests share: a suite that speaks TAP, and helpers that say what a test means.
 */
#ifndef TEST_UNIT_H
#define TEST_UNIT_H

#include "../quick-check.h"
#include <errno.h>
#include <libgmem/gmem.h>
#include "documented-errors.h"
#include "script.h"

/** Every unit test program has one. */
Suite *unit_suite(void);

/** A test case whose tests run on the scripted kernel, with a fresh report in `report`. */
TCase *scripted_case(Suite *suite, const char *name);
/** The failure report of the running test. */
extern struct gmem_error *report;

/** A file of 1 MiB, private, mappable, with the fd GMEM_FD. */
struct gmem *some_file(void);
/** Release it; the scripted kernel expects the close. */
void drop_file(struct gmem *gmem);

/**
 * `answer` makes a call run once with the kernel answering `code`, and returns what the call
 * returned. That must be documented for each errno that there can be.
 */
#define check_closed_set(function, answer)                                                         \
	check_every_errno(#function, (const int[])DOCUMENTED_##function, answer)
void check_every_errno(const char *function, const int *documented, int (*answer)(int code));

/** Kernel interfaces that return only 0 or an errno must not return anything else. */
void check_positive_numbers(int (*answer)(int code));

/** Seed of a random test: GMEM_SEED if it is set, else a new one; it is printed. */
unsigned int unit_seed(void);

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/** The text of the report, for ck_assert_str_contains(). */
const char *explanation(void);
#define ck_assert_str_contains(text, part)                                                         \
	ck_assert_msg(strstr(text, part), "'%s' is not in '%s'", part, text)

#endif
