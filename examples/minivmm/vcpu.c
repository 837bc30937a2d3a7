/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vCPUs: a thread each, which serves what its vCPU comes out with. */
#include "minivmm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Brings a thread out of KVM_RUN. */
static void on_signal(int signal)
{
	(void)signal;
}

static int set_cpuid(struct vcpu *vcpu)
{
	const unsigned int entries = 256;
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + entries * sizeof(cpuid->entries[0]));
	int r = 0;

	if (!cpuid)
		return complain("CPUID", -ENOMEM);
	cpuid->nent = entries;
	if (ioctl(vcpu->vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		r = complain("CPUID", -errno);
	free(cpuid);
	return r;
}

int vcpu_open(struct vcpu *vcpu, struct vm *vm, unsigned int id)
{
	*vcpu = (struct vcpu){ .vm = vm, .id = id };
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		return complain("KVM_CREATE_VCPU", -errno);
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return complain("mmap of struct kvm_run", -errno);
	}
	if (gmem_error_new(&vcpu->error) < 0)
		return complain("gmem_error_new", -ENOMEM);
	return set_cpuid(vcpu);
}

void vcpu_close(struct vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->run_size);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	gmem_error_free(vcpu->error);
}

/* Long mode, with page tables that map every address to itself. */
int vcpu_reset(struct vcpu *vcpu)
{
	struct kvm_segment data = { .limit = UINT32_MAX, .selector = 0x10, .type = 3, .s = 1 };
	struct kvm_segment code = { .limit = UINT32_MAX, .selector = 8, .type = 11, .s = 1 };
	struct kvm_regs regs = {
		.rip = GUEST_CODE,
		.rsp = GUEST_STACKS + (vcpu->id + 1) * GUEST_STACK_SIZE,
		.rdi = vcpu->id,
		.rflags = 2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return complain("KVM_GET_SREGS", -errno);
	code.present = code.l = code.g = 1;
	data.present = data.db = data.g = 1;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr.type = 11;
	sregs.tr.present = 1;
	sregs.tr.s = 0;
	/* The guest has tables of its own. */
	sregs.gdt.limit = sregs.idt.limit = 0;
	sregs.cr0 = 0x80010031;
	sregs.cr3 = GUEST_PAGE_TABLES;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return complain("registers", -errno);
	return 0;
}

static void report_end(const struct vcpu *vcpu, uint32_t value)
{
	struct kvm_regs regs = { 0 };

	if (value < GUEST_EXCEPTION) {
		fprintf(stderr, "vCPU %u: the guest gave up at line %u of guest.c\n", vcpu->id,
			value);
		return;
	}
	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	fprintf(stderr, "vCPU %u: exception %u, stack 0x%llx 0x%llx, address 0x%llx\n", vcpu->id,
		value - GUEST_EXCEPTION, regs.rcx, regs.rdx, regs.rbx);
}

/* What the guest wrote to a port. Returns false if the vCPU is not to go on. */
static bool serve_port(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint32_t value = 0;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 || run->io.count != 1) {
		fprintf(stderr, "vCPU %u: access to port 0x%x\n", vcpu->id, run->io.port);
		vcpus_stop(vcpu->vm, FAILED);
		return false;
	}
	memcpy(&value, (const uint8_t *)run + run->io.data_offset, sizeof(value));
	switch (run->io.port) {
	case GUEST_PORT_NOTIFY:
		disk_notify(vcpu->vm->disk);
		return true;
	case GUEST_PORT_IDLE:
		usleep(20);
		return true;
	case GUEST_PORT_RESET:
		vcpus_stop(vcpu->vm, RESET);
		return false;
	case GUEST_PORT_EXIT:
		if (value == 0)
			return false;
		report_end(vcpu, value);
		break;
	default:
		fprintf(stderr, "vCPU %u: unknown port 0x%x\n", vcpu->id, run->io.port);
	}
	vcpus_stop(vcpu->vm, FAILED);
	return false;
}

static bool is_stopped(struct vm *vm)
{
	bool stopped;

	pthread_mutex_lock(&vm->lock);
	stopped = vm->outcome != RUNNING;
	pthread_mutex_unlock(&vm->lock);
	return stopped;
}

/* All of it: enter the guest, let libgmem serve requests, look at what is left. */
static void run_vcpu(struct vcpu *vcpu)
{
	struct gmem_server server = {
		.size = sizeof(server),
		.convert = &vcpu->vm->convert,
		/* Other vCPUs may take away what this one wants. */
		.max_repeats = 1000,
	};
	int result, r;

	while (!is_stopped(vcpu->vm)) {
		result = ioctl(vcpu->fd, KVM_RUN, 0) ? -errno : 0;
		r = gmem_space_serve(vcpu->vm->space, vcpu->run, result, &server, vcpu->error);
		if (r == 0 || r == -EAGAIN)
			continue;
		if (r != -ENODATA) {
			complain_report(vcpu->error);
			vcpus_stop(vcpu->vm, FAILED);
		} else if (result == -EINTR || result == -EAGAIN) {
			continue;
		} else if (result < 0) {
			complain("KVM_RUN", result);
			vcpus_stop(vcpu->vm, FAILED);
		} else if (vcpu->run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "vCPU %u: exit %u\n", vcpu->id, vcpu->run->exit_reason);
			vcpus_stop(vcpu->vm, FAILED);
		} else if (!serve_port(vcpu)) {
			return;
		}
	}
}

static void *vcpu_thread(void *data)
{
	struct vcpu *vcpu = data;
	struct vm *vm = vcpu->vm;

	run_vcpu(vcpu);
	pthread_mutex_lock(&vm->lock);
	if (--vm->vcpus_left == 0) {
		if (vm->outcome == RUNNING)
			vm->outcome = DONE;
		pthread_cond_signal(&vm->ended);
	}
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

int vcpus_start(struct vm *vm)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned int i;
	int r;

	sigaction(SIGUSR1, &action, NULL);
	vm->outcome = RUNNING;
	vm->vcpus_left = vm->vcpus;
	for (i = 0; i < vm->vcpus; i++) {
		vm->vcpu[i].run->immediate_exit = 0;
		r = pthread_create(&vm->vcpu[i].thread, NULL, vcpu_thread, &vm->vcpu[i]);
		if (r) {
			complain("pthread_create", -r);
			exit(EXIT_FAILURE);
		}
	}
	return 0;
}

/* From any thread, vCPUs' too. What happened first counts. */
void vcpus_stop(struct vm *vm, enum outcome outcome)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	if (vm->outcome == RUNNING)
		vm->outcome = outcome;
	for (i = 0; i < vm->vcpus; i++) {
		/* For one that has not entered yet, and for one that has. */
		vm->vcpu[i].run->immediate_exit = 1;
		pthread_kill(vm->vcpu[i].thread, SIGUSR1);
	}
	pthread_mutex_unlock(&vm->lock);
}

enum outcome vcpus_wait(struct vm *vm, unsigned int seconds)
{
	struct timespec end;
	enum outcome outcome;
	unsigned int i;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += seconds;
	pthread_mutex_lock(&vm->lock);
	while (vm->vcpus_left && r != ETIMEDOUT)
		r = seconds ? pthread_cond_timedwait(&vm->ended, &vm->lock, &end)
			    : pthread_cond_wait(&vm->ended, &vm->lock);
	outcome = vm->vcpus_left ? RUNNING : vm->outcome;
	pthread_mutex_unlock(&vm->lock);
	for (i = 0; outcome != RUNNING && i < vm->vcpus; i++)
		pthread_join(vm->vcpu[i].thread, NULL);
	return outcome;
}
