/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * VMs, of which the library knows no more than that they are some.
 */
#ifndef GMEM_VM_H
#define GMEM_VM_H

#include "error.h"

/** gmem_check_vm() - whether a file is a VM, of this process or another; the report says why not */
bool gmem_check_vm(int fd, struct gmem_error *error);

#endif
