/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The VM: its space, two files of memory, and the guest in them. */
#include "minivmm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif
#define KVM_HC_MAP_GPA_RANGE 12

#define PRESENT_AND_WRITABLE 3
#define LARGE		     (1 << 7)

static int create_vm(struct vm *vm)
{
	struct kvm_enable_cap hypercalls = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args = { 1 << KVM_HC_MAP_GPA_RANGE },
	};

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return complain("/dev/kvm", -errno);
	/* A VM with private memory, or one of the ordinary sort where the kernel has none. */
	if (vm->fd < 0) {
		vm->type = KVM_X86_SW_PROTECTED_VM;
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, vm->type);
	}
	if (vm->fd < 0 && errno == EINVAL) {
		vm->type = 0;
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, vm->type);
	}
	if (vm->fd < 0)
		return complain("KVM_CREATE_VM", -errno);
	/* Some Intel CPUs need a place for this; the rest does not mind. */
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000))
		return complain("KVM_SET_TSS_ADDR", -errno);
	if (vm->type != 0 && ioctl(vm->fd, KVM_ENABLE_CAP, &hypercalls))
		return complain("KVM_CAP_EXIT_HYPERCALL", -errno);
	return 0;
}

/* Contents are kept if the kernel promises to: then the guest checks it. */
static int create_space(struct vm *vm, void *journal, size_t journal_size)
{
	struct gmem_space_options options = { .size = sizeof(options) };
	struct gmem_probe *probe;
	int r = gmem_probe_new(vm->fd, NULL, &probe, vm->error);

	if (r < 0)
		return complain_report(vm->error);
	options.vm_type = vm->type;
	options.probe = probe;
	options.journal = journal;
	options.journal_size = journal_size;
	r = gmem_space_new(vm->fd, &options, &vm->space, vm->error);
	vm->convert = (struct gmem_convert_options){ .size = sizeof(vm->convert) };
	vm->keeps_contents = gmem_probe_get_policies(probe) & 1 << (GMEM_POLICY_PRESERVE - 1);
	if (vm->keeps_contents)
		vm->convert.policy = GMEM_POLICY_PRESERVE;
	gmem_probe_free(probe);
	return r < 0 ? complain_report(vm->error) : 0;
}

int vm_open(struct vm *vm, unsigned int vcpus, void *journal, size_t journal_size)
{
	unsigned int i;
	int r = vm->error ? 0 : gmem_error_new(&vm->error);

	if (r < 0)
		return complain("gmem_error_new", r);
	r = create_vm(vm);
	if (r == 0)
		r = create_space(vm, journal, journal_size);
	for (i = 0; r == 0 && !vm->files[1] && i < 2; i++) {
		r = gmem_space_create(vm->space, GUEST_SLOT_SIZE, GMEM_INIT_SHARED, &vm->files[i],
				      vm->error);
		if (r < 0)
			complain_report(vm->error);
	}
	if (r < 0)
		return r;
	vm->run_size = (size_t)ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	for (vm->vcpus = 0; r == 0 && vm->vcpus < vcpus; vm->vcpus++)
		r = vcpu_open(&vm->vcpu[vm->vcpus], vm, vm->vcpus);
	return r < 0 ? r : disk_open(vm);
}

static void write_page_tables(uint8_t *boot)
{
	uint64_t *pml4 = (uint64_t *)(boot + GUEST_PAGE_TABLES), *pdpt = pml4 + 512;
	uint64_t *pd = pdpt + 512, i;

	pml4[0] = (GUEST_PAGE_TABLES + GUEST_PAGE) | PRESENT_AND_WRITABLE;
	pdpt[0] = (GUEST_PAGE_TABLES + 2 * GUEST_PAGE) | PRESENT_AND_WRITABLE;
	for (i = 0; i < 512; i++)
		pd[i] = i << 21 | PRESENT_AND_WRITABLE | LARGE;
}

/* The guest starts from memory that it shares, and has all else for itself. */
int vm_power_on(struct vm *vm)
{
	bool fixed = gmem_space_get_mode(vm->space) == GMEM_MODE_FIXED;
	struct guest_control *control = vm->control;
	uint8_t *boot = (uint8_t *)control - GUEST_CONTROL;
	unsigned int i;
	int r = 0;

	if (!fixed)
		r = gmem_space_convert(vm->space, 0, GUEST_RAM_SIZE, GMEM_STATE_SHARED, NULL,
				       vm->error);
	if (!fixed && r == 0)
		r = gmem_space_convert(vm->space, GUEST_BOOT_SIZE, GUEST_RAM_SIZE - GUEST_BOOT_SIZE,
				       GMEM_STATE_PRIVATE, NULL, vm->error);
	if (r < 0)
		return complain_report(vm->error);
	memset(boot, 0, GUEST_BOOT_SIZE);
	write_page_tables(boot);
	memcpy(boot + GUEST_CODE, vm->image, vm->image_size);
	*control = vm->wish;
	control->vcpus = vm->vcpus;
	control->can_convert = !fixed;
	control->keeps_contents = vm->keeps_contents;
	for (i = 0; r == 0 && i < vm->vcpus; i++)
		r = vcpu_reset(&vm->vcpu[i]);
	return r;
}

int vm_bind_slots(struct vm *vm)
{
	void *boot;
	uint32_t i;
	int r;

	for (i = 0; i < 2; i++) {
		struct gmem_slot slot = {
			.size = sizeof(slot),
			.number = i,
			.gpa = i * GUEST_SLOT_SIZE,
			.memory_size = GUEST_SLOT_SIZE,
			.gmem = vm->files[i],
			.state = GMEM_STATE_SHARED,
		};

		if (gmem_space_bind(vm->space, &slot, vm->error) < 0)
			return complain_report(vm->error);
	}
	r = gmem_space_get_address(vm->space, 0, GUEST_BOOT_SIZE, &boot);
	if (r < 0)
		return complain("gmem_space_get_address", r);
	vm->control = (struct guest_control *)((uint8_t *)boot + GUEST_CONTROL);
	return 0;
}

int vm_unbind_slots(struct vm *vm)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		if (gmem_space_unbind(vm->space, i, vm->error) < 0)
			return complain_report(vm->error);
	}
	return 0;
}

void vm_close(struct vm *vm)
{
	unsigned int i;

	disk_close(vm->disk);
	for (i = 0; i < vm->vcpus; i++)
		vcpu_close(&vm->vcpu[i]);
	gmem_space_free(vm->space);
	for (i = 0; i < 2; i++)
		gmem_release(vm->files[i]);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	gmem_error_free(vm->error);
}
