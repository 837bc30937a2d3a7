/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Makes an allocation of the kernel fail, in a kernel that is built for that (the lab's debug
 * flavour). By the main thread of a test only.
 */
#ifndef TESTS_KERNEL_FAULT_H
#define TESTS_KERNEL_FAULT_H

#include "kernel.h"

/* Ends the program as skipped, saying why, unless allocations can be made to fail. */
void need_fault_injection(void);
/* The next @nth allocation of this thread shall fail. */
void fail_at(unsigned int nth);
/* Whether it has; none fails from here on. */
bool has_failed(void);

/*
 * Slab allocations of this process shall fail once it has had @bytes, and go on failing, so that
 * nothing is gained by trying again. Until fail_no_more().
 */
void fail_after(uint64_t bytes);
void fail_no_more(void);

#endif
