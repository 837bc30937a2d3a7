/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the model of a kernel whose calls fail consists of: its source to load from, and its
 * io_uring, have a file of their own.
 */
#ifndef TEST_INJECTION_H
#define TEST_INJECTION_H

#include "lib/sys.h"
#include "lib/uring.h"

/** Counts a system call; true if it is to fail, and how. */
bool fails(int *ret_code);
/** What is left behind by a function. */
extern int open_files, mappings;

/** What is mapped, and what is loaded into it: 8 pages. */
#define LOADED (8 * UINT64_C(4096))
extern unsigned char memory[LOADED], loaded[LOADED];

int64_t model_pread(int fd, void *buffer, size_t size, uint64_t offset);
int64_t model_lseek(int fd, uint64_t offset, int whence);
int model_open_direct(int fd);
int model_count_cached(int fd, uint64_t offset, uint64_t size, uint64_t *ret_bytes);
int model_populate(void *address, size_t size);
extern const struct gmem_uring model_uring;

#endif
