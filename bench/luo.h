/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The kernel's live update as it is, without the library. All return a descriptor or 0, or a
 * negative errno. */
#ifndef BENCH_LUO_H
#define BENCH_LUO_H

#include <stdint.h>

/* /dev/liveupdate, which one process at a time may have open. */
int luo_open(void);
int luo_create_session(int device, const char *name);
int luo_retrieve_session(int device, const char *name);
int luo_preserve(int session, int fd, uint64_t token);
int luo_retrieve(int session, uint64_t token);
int luo_finish(int session);

#endif
