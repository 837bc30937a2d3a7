/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef BENCH_FREE_MEMORY_H
#define BENCH_FREE_MEMORY_H

#include <stdint.h>

/*
 * The bytes of the machine that nobody uses, to the page: those in the free lists and those that
 * each CPU keeps at hand. Waits until that number stays: -ETIMEDOUT if it never does, or the errno
 * of what failed.
 */
int free_memory(uint64_t *ret_bytes);

/* The same at this moment, whatever is on its way. 0 or the errno of what failed. */
int free_memory_now(uint64_t *ret_bytes);

#endif
