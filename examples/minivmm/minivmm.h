/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* minivmm: a small but whole VMM on libgmem's public interface. What fails ends the program. */
#ifndef MINIVMM_H
#define MINIVMM_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "../vm.h"
#include "guest.h"

#define SLOTS 2

struct vcpu {
	uint64_t id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

/* There is one VM. */
extern struct vm {
	int kvm_fd, fd;
	uint64_t type;
	struct gmem_probe *probe;
	struct gmem_space *space;
	struct gmem *files[SLOTS];
	struct gmem_convert_options convert;
	const char *journal; /* name of a file, or NULL */
	struct vcpu vcpu[GUEST_VCPUS];
	atomic_bool stopped, reset;
	int disk;			/* a file */
	struct gmem_listener *listener; /* the disk */
	atomic_ulong not_at_once;	/* so often the disk could not let go */
	struct guest_control wish;	/* what the guest is told at power-on */
	struct guest_control *control;	/* in the guest's memory */
} vm;

/* main.c: end the program unless the call succeeded. A thread has one report for all its calls. */
extern _Thread_local struct gmem_error *report;
void check(int code);

/* vm.c */
void vm_open(void); /* with what a live update brought, if vm has that */
void vm_power_on(void);
void vm_reset(void);
/* vcpu.c */
void vcpu_open(uint64_t id);
void vcpu_reset(struct vcpu *vcpu);
void vcpus_start(void);
void vcpus_wait(void); /* until they are done, or out because vm.stopped is set */
/* disk.c */
void disk_open(void);
void disk_serve(uint32_t queue);
/* live-update.c */
int live_update_save(void); /* returns the exit status */
void live_update_restore(void);

#endif
