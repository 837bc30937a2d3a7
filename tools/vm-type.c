/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The types of VMs and their names. The numbers are KVM's (arch/x86/include/uapi/asm/kvm.h); other
 * architectures use the argument of KVM_CREATE_VM for something else, and only 0 means the same.
 */
#include <errno.h>
#include <string.h>

#include "flow.h"
#include "vm-type.h"

static const struct {
	const char *name;
	const char *describe;
} vm_types[] = {
	{ "default", "an ordinary VM: no private memory" },
	{ "sw-protected",
	  "a software-protected VM: private memory without protection by hardware" },
	{ "sev", "an AMD SEV VM" },
	{ "sev-es", "an AMD SEV-ES VM" },
	{ "snp", "an AMD SEV-SNP VM" },
	{ "tdx", "an Intel TDX VM" },
};

#define VM_TYPES (sizeof(vm_types) / sizeof(vm_types[0]))

const char *vm_type_name(uint64_t type)
{
	return type < VM_TYPES ? vm_types[type].name : NULL;
}

const char *vm_type_describe(uint64_t type)
{
	return type < VM_TYPES ? vm_types[type].describe : "a VM of a type without a name here";
}

int vm_type_parse(const char *word, uint64_t *ret_type)
{
	for (uint64_t i = 0; i < VM_TYPES; i++) {
		if (!strcmp(word, vm_types[i].name)) {
			*ret_type = i;
			return 0;
		}
	}
	/* KVM_CAP_VM_TYPES is a mask of 32 bits */
	if (flow_parse_number(word, ret_type) || *ret_type > 31)
		return -EINVAL;
	return 0;
}
