/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A probe, from the inside.
 */
#ifndef GMEM_PROBE_H
#define GMEM_PROBE_H

#include <libgmem/probe.h>

/** gmem_probe_policies() - what the kernel announced, whatever the level; 0 if probe is NULL */
uint64_t gmem_probe_policies(const struct gmem_probe *probe);

#endif
