/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whether a file is frozen for a live update: the kernel has one EPERM for that, and so do filters.
 */
#ifndef GMEM_FROZEN_H
#define GMEM_FROZEN_H

#include "file.h"

/** gmem_frozen_explain() - find out which EPERM it was, if the kernel's answer in the report is one
 */
void gmem_frozen_explain(const struct gmem *gmem, struct gmem_error *error);

#endif
