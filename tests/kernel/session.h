/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update as the kernel's tests see it: sessions by raw system calls, and a process that holds
 * them until the kexec, which no test lives to see.
 */
#ifndef TESTS_KERNEL_SESSION_H
#define TESTS_KERNEL_SESSION_H

#include "kernel.h"
#include "uapi/live_update.h"

/* Ends the program as skipped, saying why, unless this kernel preserves VMs and guest_memfds. */
void need_live_update(void);

/* ---- sessions: results are 0, a new descriptor or a negative errno ---- */

int try_create_session(const char *name);
int try_retrieve_session(const char *name);
/* Fail the running test if the kernel refuses. */
int new_session(const char *name);
int old_session(const char *name);
int preserve(int session, int file, uint64_t token);
int retrieve(int session, uint64_t token);
int finish(int session);
/* reboot(KEXEC); returns only if it is refused. */
int try_kexec(void);

/* ---- the ioctl of guest_memfd ---- */

int live_update_raw(int gmem, struct gmem_uapi_live_update *request);
struct gmem_uapi_live_update live_update(int gmem);
int set_options(int gmem, uint64_t options);

/* Fails the test unless preserve would be refused so, as far as the ioctl knows. */
void must_be_refused(int gmem, uint64_t refusal, uint64_t where);
#define must_refuse(gmem, reason, where)                                                           \
	must_be_refused((gmem), GMEM_UAPI_REFUSAL_##reason, (where))

/* Fails the test unless the file is frozen, or is not. */
void must_be_frozen(int gmem);
void must_be_thawed(int gmem);

/*
 * Fails the test unless @size more bytes than @before (free_memory_now()) become free, but for what
 * the first use of something takes for good. What is freed after a grace period is waited for.
 */
void must_have_freed(uint64_t before, uint64_t size);

/* ---- the holder ---- */

/*
 * Starts the process that keep() sends descriptors to, and that keeps them open until the
 * kernel is gone. Before the first test is forked.
 */
void start_holder(void);
void keep(int fd);

#endif
