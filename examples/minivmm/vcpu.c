/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vCPUs: a thread each, which serves what its vCPU comes out with. */
#include "minivmm.h"

#include <signal.h>

void vcpu_open(uint64_t id)
{
	static union {
		struct kvm_cpuid2 head;
		uint8_t bytes[16384];
	} cpuid;
	struct vcpu *vcpu = &vm.vcpu[id];

	vcpu->id = id;
	vcpu->fd = sys(ioctl(vm.fd, KVM_CREATE_VCPU, id));
	vcpu->run = map_fd(vcpu->fd, (size_t)sys(ioctl(vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0)));
	cpuid.head.nent = 256;
	sys(ioctl(vm.kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid));
	sys(ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid));
}

/* Long mode, with the page tables of vm.c. The guest loads descriptor tables of its own. */
void vcpu_reset(struct vcpu *vcpu)
{
	struct kvm_segment code = { .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1 };
	struct kvm_segment data = { .selector = 0x10, .type = 3, .present = 1, .s = 1, .db = 1 };
	struct kvm_regs regs = { .rip = GUEST_CODE, .rdi = vcpu->id, .rflags = 2 };
	struct kvm_sregs sregs;

	sys(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 = 0x80010031;
	sregs.cr3 = GUEST_PAGE_TABLES;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	sys(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	regs.rsp = GUEST_STACKS + (vcpu->id + 1) * GUEST_STACK_SIZE;
	sys(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

static _Noreturn void give_up(const struct vcpu *vcpu)
{
	struct kvm_regs regs;

	sys(ioctl(vcpu->fd, KVM_GET_REGS, &regs));
	errx(EXIT_FAILURE,
	     "vCPU %" PRIu64 " has an exit %u at 0x%llx, after %" PRIu64 " conversions", vcpu->id,
	     vcpu->run->exit_reason, regs.rip, vm.control->vcpu[vcpu->id].conversions);
}

/* What the guest wrote to a port. Returns false if the vCPU is not to go on. */
static bool serve_port(const struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint32_t value;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.size != sizeof(value))
		give_up(vcpu);
	memcpy(&value, (const uint8_t *)run + run->io.data_offset, sizeof(value));
	if (run->io.port == GUEST_PORT_NOTIFY)
		disk_serve(value);
	else if (run->io.port == GUEST_PORT_RESET)
		vm.stopped = vm.reset = true;
	else if (run->io.port == GUEST_PORT_IDLE)
		usleep(20);
	else if (value >= GUEST_EXCEPTION)
		errx(EXIT_FAILURE, "the guest has exception %u", value - GUEST_EXCEPTION);
	else if (value)
		errx(EXIT_FAILURE, "the guest gave up at line %u of guest.c", value);
	return run->io.port != GUEST_PORT_EXIT;
}

/* All of it: enter the guest, let libgmem serve requests, look at what is left. */
static void *run_vcpu(void *data)
{
	/* Other vCPUs may take away what this one wants. */
	struct gmem_server server = { .size = sizeof(server),
				      .convert = &vm.convert,
				      .max_repeats = 1000 };
	struct vcpu *vcpu = data;
	bool goes_on = true;
	int result, r;

	check(gmem_error_new(&report));
	while (goes_on) {
		result = ioctl(vcpu->fd, KVM_RUN, 0) ? -errno : 0;
		r = gmem_space_serve(vm.space, vcpu->run, result, &server, report);
		if (r != -ENODATA)
			check(r == -EAGAIN ? 0 : r);
		else if (result == 0)
			goes_on = serve_port(vcpu);
		else if (result == -EINTR)
			goes_on = !vm.stopped; /* nothing that it came out with is unfinished */
		else if (result != -EAGAIN)
			errx(EXIT_FAILURE, "KVM_RUN: %s", strerror(-result));
	}
	gmem_error_free(report);
	return NULL;
}

/* Brings a thread out of KVM_RUN. */
static void on_signal(int signal)
{
	(void)signal;
}

void vcpus_start(void)
{
	uint64_t i;

	signal(SIGUSR1, on_signal);
	vm.stopped = vm.reset = false;
	for (i = 0; i < vm.wish.vcpus; i++) {
		if (pthread_create(&vm.vcpu[i].thread, NULL, run_vcpu, &vm.vcpu[i]))
			errx(EXIT_FAILURE, "no thread for a vCPU");
	}
}

/* Signals are repeated: one that comes just before KVM_RUN is lost. */
void vcpus_wait(void)
{
	uint64_t i;

	for (i = 0; i < vm.wish.vcpus; i++) {
		while (pthread_tryjoin_np(vm.vcpu[i].thread, NULL)) {
			if (vm.stopped)
				pthread_kill(vm.vcpu[i].thread, SIGUSR1);
			usleep(1000);
		}
	}
}
