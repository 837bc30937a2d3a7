/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* minivmm: a small but whole VMM on libgmem's public interface. */
#ifndef MINIVMM_H
#define MINIVMM_H

#include <libgmem/gmem.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "guest.h"

struct vm;
struct disk;

/* What ended a run of all vCPUs. */
enum outcome {
	RUNNING,
	DONE,
	RESET,
	PAUSED,
	FAILED
};

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	struct gmem_error *error;
};

struct vm {
	int kvm_fd, fd;
	uint64_t type;
	struct gmem_space *space;
	struct gmem *files[2];
	bool keeps_contents;
	struct gmem_convert_options convert;
	unsigned int vcpus;
	struct vcpu vcpu[GUEST_VCPUS];
	unsigned int vcpus_left;
	size_t run_size;
	enum outcome outcome; /* of this run, under lock */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct guest_control *control;
	struct guest_control wish; /* what is in it at power-on */
	struct disk *disk;
	int disk_file; /* if there is one already */
	void *image;
	size_t image_size;
	struct gmem_error *error;
};

/* vm.c: all return 0 or a negative errno, and have said what is wrong. */
int vm_open(struct vm *vm, unsigned int vcpus, void *journal, size_t journal_size);
int vm_bind_slots(struct vm *vm);
int vm_power_on(struct vm *vm); /* the guest is put into memory that has slots */
int vm_unbind_slots(struct vm *vm);
void vm_close(struct vm *vm);

/* vcpu.c */
int vcpu_open(struct vcpu *vcpu, struct vm *vm, unsigned int id);
int vcpu_reset(struct vcpu *vcpu);
int vcpus_start(struct vm *vm);
enum outcome vcpus_wait(struct vm *vm, unsigned int seconds); /* RUNNING: the time is over */
void vcpus_stop(struct vm *vm, enum outcome outcome);
void vcpu_close(struct vcpu *vcpu);

/* disk.c: a device that uses what the guest has shared, and nothing else. */
int disk_open(struct vm *vm);
void disk_notify(struct disk *disk);
/* Looks at a word of shared memory; false: the page is private. */
bool disk_peek(struct disk *disk, uint64_t gpa, uint64_t *ret_word);
void disk_report(struct disk *disk);
int disk_detach(struct disk *disk); /* lets go of all memory; returns the file */
void disk_close(struct disk *disk);

/* live-update.c */
int live_update_save(struct vm *vm, struct gmem_session **ret_session);
int live_update_restore(struct vm *vm, void *journal, size_t journal_size);

/* Say what failed; returns the code. */
int complain(const char *what, int code);
int complain_report(const struct gmem_error *error);

#endif
