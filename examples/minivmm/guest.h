/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the guest and its VMM agree on: where things are in guest-physical memory, and ports. */
#ifndef MINIVMM_GUEST_H
#define MINIVMM_GUEST_H

/* For guest-start.S, too, which knows numbers only. */
#define GUEST_CODE_NUMBER 0x100000
#define GUEST_EXCEPTION	  0x10000 /* what a vCPU ends with, and the number of the exception */
#define GUEST_PORT_EXIT	  0x10	  /* this vCPU is done; 0, or where the guest gave up */

#ifndef __ASSEMBLER__
#include <stdint.h>

#define GUEST_PAGE  UINT64_C(4096)
#define GUEST_VCPUS 8

/* Always shared: page tables, control page, queues, stacks, code. */
#define GUEST_BOOT_SIZE	  (UINT64_C(2) << 20)
#define GUEST_PAGE_TABLES UINT64_C(0x1000)
#define GUEST_CONTROL	  UINT64_C(0x8000)
#define GUEST_QUEUES	  UINT64_C(0xa000)
#define GUEST_STACKS	  UINT64_C(0x40000)
#define GUEST_STACK_SIZE  UINT64_C(0x4000)
#define GUEST_CODE	  UINT64_C(0x100000)

/* Private from launch on, for each vCPU. */
#define GUEST_WORK	(UINT64_C(2) << 20)
#define GUEST_WORK_SIZE (UINT64_C(256) << 10)
/* What vCPUs share with the host and take back: the disk reads and writes here. */
#define GUEST_BUFFERS	  (UINT64_C(4) << 20)
#define GUEST_BUFFER_SIZE (UINT64_C(64) << 10)
/* Two slots, of a file each. */
#define GUEST_SLOT_SIZE (UINT64_C(16) << 20)
#define GUEST_RAM_SIZE	(2 * GUEST_SLOT_SIZE)
/* Everybody converts parts of this, across the border of the slots: --stress. */
#define GUEST_ARENA	  (GUEST_SLOT_SIZE - GUEST_ARENA_SIZE / 2)
#define GUEST_ARENA_SIZE  (GUEST_ARENA_PAGES * GUEST_PAGE)
#define GUEST_ARENA_PAGES 64

/* Ports, all written as 32 bits. */
#define GUEST_PORT_RESET  0x11 /* start all of it again */
#define GUEST_PORT_NOTIFY 0x12 /* there is something in a queue; its number */
#define GUEST_PORT_IDLE	  0x13 /* nothing to do for a moment */

struct guest_control {
	/* the VMM's */
	uint64_t vcpus;
	uint64_t rounds;
	uint64_t boots;	 /* counts resets */
	uint64_t resets; /* that the guest shall ask for */
	uint64_t can_convert;
	uint64_t keeps_contents;
	uint64_t stress;
	uint64_t stop; /* end of stress */
	/* the guest's */
	uint64_t arrived; /* at the end of the rounds */
	struct {
		uint64_t rounds;
		uint64_t conversions;
		uint64_t refused;
		uint64_t checksum; /* of its work area */
	} vcpu[GUEST_VCPUS];
};

/* A queue for each vCPU, as virtio has them: the guest adds, the host works them off in order. */
#define GUEST_QUEUE_ENTRIES 8
#define GUEST_DISK_PAGES    (GUEST_VCPUS * 16)

enum {
	GUEST_DISK_READ,
	GUEST_DISK_WRITE
};

struct guest_queue {
	uint32_t added; /* written by the guest */
	uint32_t used;	/* written by the host */
	struct {
		uint64_t gpa;  /* of a page in the buffers */
		uint32_t page; /* of the disk */
		uint32_t what;
		int64_t result; /* 0 or a negative errno */
	} entry[GUEST_QUEUE_ENTRIES];
};

#endif

#endif
