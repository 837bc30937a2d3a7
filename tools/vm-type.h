/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The types of VMs (KVM_CREATE_VM) and their names. */
#ifndef GMEMCTL_VM_TYPE_H
#define GMEMCTL_VM_TYPE_H

#include <stdint.h>

/* By name or number, 0 to 31; -EINVAL if it is neither. */
int vm_type_parse(const char *word, uint64_t *ret_type);
/* "default", "sw-protected", ...; NULL if the type has no name here. */
const char *vm_type_name(uint64_t type);
/* One line on what it is; never NULL. */
const char *vm_type_describe(uint64_t type);

#endif
