/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The parts of struct kvm_run that requests are decoded from, laid out by ourselves. ABI: it never
 * changes.
 *
 * Source: struct kvm_run in include/uapi/linux/kvm.h and KVM_HC_MAP_GPA_RANGE in
 * include/uapi/linux/kvm_para.h of Linux 7.3.
 */
#ifndef GMEM_UAPI_RUN_H
#define GMEM_UAPI_RUN_H

#include <stddef.h>
#include <stdint.h>
#include "guest_memfd.h"

#define GMEM_UAPI_EXIT_HYPERCALL 3

struct gmem_uapi_hypercall {
	uint64_t nr;
	uint64_t args[6];
	uint64_t ret;
	uint64_t flags;
};

/* The union is larger in the kernel. The type may stand for what the program calls kvm_run. */
struct gmem_uapi_run {
	uint8_t request_interrupt_window;
	uint8_t immediate_exit;
	uint8_t padding[6];
	uint32_t exit_reason;
	uint8_t ready_for_interrupt_injection;
	uint8_t if_flag;
	uint16_t flags;
	uint64_t cr8;
	uint64_t apic_base;
	union {
		struct gmem_uapi_hypercall hypercall;
		struct gmem_uapi_memory_fault memory_fault;
	};
} __attribute__((may_alias));

/* args: guest-physical address, number of 4 KiB pages, attributes */
#define GMEM_UAPI_HC_MAP_GPA_RANGE 12
#define GMEM_UAPI_MAP_GPA_PAGE	   UINT64_C(4096)
#define GMEM_UAPI_MAP_GPA_2M	   (1ULL << 0)
#define GMEM_UAPI_MAP_GPA_1G	   (1ULL << 1)
#define GMEM_UAPI_MAP_GPA_PRIVATE  (1ULL << 4)

/* VM types that interpret hypercall.ret themselves */
#define GMEM_UAPI_VM_SNP 4
#define GMEM_UAPI_VM_TDX 5

_Static_assert(offsetof(struct gmem_uapi_run, exit_reason) == 8, "KVM ABI");
_Static_assert(offsetof(struct gmem_uapi_run, hypercall.nr) == 32, "KVM ABI");
_Static_assert(offsetof(struct gmem_uapi_run, hypercall.ret) == 88, "KVM ABI");
_Static_assert(offsetof(struct gmem_uapi_run, memory_fault.flags) == 32, "KVM ABI");
_Static_assert(offsetof(struct gmem_uapi_run, memory_fault.size) == 48, "KVM ABI");

#endif
