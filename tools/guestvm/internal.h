/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What vm.c and run.c share. */
#ifndef GUESTVM_INTERNAL_H
#define GUESTVM_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/types.h>
#include <linux/kvm.h>

#include "guestvm.h"

/* Layout of the VM's own memory, guest-physical. Page 0 stays empty: a NULL catches nothing here,
 * but nothing of ours is overwritten through it either. */
#define OWN_CODE      0x1000ULL
#define OWN_CODE_SIZE 0x1000ULL
#define OWN_PML4      0x2000ULL
#define OWN_PDPT      0x3000ULL
#define OWN_PD	      0x4000ULL	 /* one page for each GiB that the guest can address */
#define OWN_CONTROL   0x20000ULL /* one page for each vCPU */
#define OWN_PAGE      0x1000ULL

#define GUESTVM_SIGNAL (SIGRTMIN + 5)

/* A vCPU's control page; guest.S knows the offsets. */
struct guestvm_control {
	uint64_t stop;
	uint64_t rounds;
};

/* What the vCPU waits for, i.e. what the kernel does first when KVM_RUN is called again. */
enum guestvm_pending {
	PENDING_NOTHING, /* no command under way */
	PENDING_RESUME,	 /* a command, nothing to complete */
	PENDING_HYPERCALL,
	PENDING_MMIO,
};

struct guestvm_vcpu {
	int fd;
	struct kvm_run *run;
	struct guestvm_control *control;
	enum guestvm_pending pending;
	bool lost_state; /* a shutdown has put the registers back to power-on */
	/* lock guards tid, kicked and writes to run->immediate_exit */
	pthread_mutex_t lock;
	pid_t tid;   /* the thread inside KVM_RUN, 0 if none */
	bool kicked; /* by guestvm_kick(), not yet reported */
};

struct guestvm {
	int kvm_fd;
	int vm_fd;
	unsigned int type;
	bool hypercall_exit;
	bool vmmcall;
	bool irqchip;
	unsigned char *own;
	size_t run_size;
	unsigned int vcpus;
	struct guestvm_vcpu vcpu[GUESTVM_VCPUS_MAX];
};

/* Put a vCPU into long mode at privilege level 0 (vm.c). */
int guestvm_set_long_mode(int vcpu_fd);

#endif
