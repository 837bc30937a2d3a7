/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where a program stands in "lab/lab live-update": it is run anew in each kernel, and told which
 * one it is by the environment.
 */
#ifndef TESTS_KERNEL_STAGE_H
#define TESTS_KERNEL_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Ends the program as skipped, saying why, if this is no live update. Prints the seed. */
void stage_begin(void);
/* 0 before the first kexec. */
uint64_t stage_number(void);
/* Whether no kexec comes after this stage. */
bool stage_is_last(void);
/* One seed for all stages: GMEM_SEED if it is set in the first one, otherwise a new one. */
uint64_t stage_seed(void);
/* The name of a session that @stage makes; good until the next call. */
const char *stage_session(const char *what, uint64_t stage);
/* A file that lasts over all stages; NULL if it cannot be opened. */
FILE *stage_file(const char *name, const char *mode);

#endif
