/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The VM: its space, two files of memory, and the guest in them. */
#include "minivmm.h"

#include <linux/kvm_para.h>
#include <sys/stat.h>

#define JOURNAL_SIZE (UINT64_C(16) << 20)

/* One with private memory, or of the ordinary sort where the kernel has no other. */
static void new_vm(void)
{
	vm.type = KVM_X86_SW_PROTECTED_VM;
	vm.fd = create_vm(vm.kvm_fd, vm.type);
	if (vm.fd < 0) {
		vm.type = 0;
		vm.fd = sys(create_vm(vm.kvm_fd, vm.type));
	}
	check(gmem_probe_new(vm.fd, NULL, &vm.probe, report));
}

static void create_space(void)
{
	struct gmem_space_options options = { .size = sizeof(options),
					      .vm_type = vm.type,
					      .probe = vm.probe };
	struct kvm_enable_cap hypercalls = { .cap = KVM_CAP_EXIT_HYPERCALL };
	int fd;

	if (vm.journal) {
		fd = sys(open(vm.journal, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
		sys(ftruncate(fd, JOURNAL_SIZE));
		options.journal = map_fd(fd, JOURNAL_SIZE);
		options.journal_size = JOURNAL_SIZE;
	}
	check(gmem_space_new(vm.fd, &options, &vm.space, report));
	vm.wish.can_convert = gmem_space_get_mode(vm.space) != GMEM_MODE_FIXED;
	hypercalls.args[0] = 1 << KVM_HC_MAP_GPA_RANGE;
	if (vm.wish.can_convert)
		sys(ioctl(vm.fd, KVM_ENABLE_CAP, &hypercalls));
	/* If the kernel promises to keep contents the guest checks it. */
	if (gmem_probe_get_policies(vm.probe) & 1 << (GMEM_POLICY_PRESERVE - 1)) {
		vm.convert.policy = GMEM_POLICY_PRESERVE;
		vm.wish.keeps_contents = 1;
	}
}

static void bind_slots(void)
{
	struct gmem_slot slot = { .size = sizeof(slot), .memory_size = GUEST_SLOT_SIZE };
	void *address;

	for (slot.number = 0; slot.number < SLOTS; slot.number++) {
		slot.gpa = slot.number * GUEST_SLOT_SIZE;
		slot.gmem = vm.files[slot.number];
		check(gmem_space_bind(vm.space, &slot, report));
	}
	check(gmem_space_get_address(vm.space, GUEST_CONTROL, sizeof(*vm.control), &address));
	vm.control = address;
}

void vm_open(void)
{
	uint64_t i;

	vm.kvm_fd = open_kvm();
	if (vm.fd < 0)
		new_vm();
	create_space();
	for (i = 0; i < SLOTS && !vm.files[i]; i++)
		check(gmem_space_create(vm.space, GUEST_SLOT_SIZE, GMEM_INIT_SHARED, &vm.files[i],
					report));
	for (i = 0; i < vm.wish.vcpus; i++)
		vcpu_open(i);
	disk_open();
	bind_slots();
}

/* The guest starts from memory that it shares, and has all else for itself. */
void vm_power_on(void)
{
	uint64_t i, rest = GUEST_RAM_SIZE - GUEST_BOOT_SIZE;
	uint8_t *boot = (uint8_t *)vm.control - GUEST_CONTROL;
	uint64_t *tables = (uint64_t *)(boot + GUEST_PAGE_TABLES);
	int fd = open(GUEST_IMAGE, O_RDONLY | O_CLOEXEC);
	struct stat image;

	if (vm.wish.can_convert) {
		check(gmem_space_convert(vm.space, 0, GUEST_BOOT_SIZE, GMEM_STATE_SHARED, NULL,
					 report));
		check(gmem_space_convert(vm.space, GUEST_BOOT_SIZE, rest, GMEM_STATE_PRIVATE, NULL,
					 report));
	}
	memset(boot, 0, GUEST_BOOT_SIZE);
	/*
	 * Page tables of three levels, in large pages: every address is mapped to itself. They say
	 * that all was accessed and written, so that no vCPU writes to them.
	 */
	tables[0] = (GUEST_PAGE_TABLES + GUEST_PAGE) | 0x23;
	tables[512] = (GUEST_PAGE_TABLES + 2 * GUEST_PAGE) | 0x23;
	for (i = 0; i < 512; i++)
		tables[1024 + i] = i << 21 | 0xe3;
	if (fd < 0 || fstat(fd, &image) ||
	    read(fd, boot + GUEST_CODE, GUEST_BOOT_SIZE - GUEST_CODE) != image.st_size)
		err(EXIT_FAILURE, GUEST_IMAGE);
	close(fd);
	*vm.control = vm.wish;
	for (i = 0; i < vm.wish.vcpus; i++)
		vcpu_reset(&vm.vcpu[i]);
}

/* States and contents stay with the files while they have no slots. */
void vm_reset(void)
{
	uint32_t i;

	printf("reset\n");
	for (i = 0; i < SLOTS; i++)
		check(gmem_space_unbind(vm.space, i, report));
	bind_slots();
	vm.wish.boots++;
	vm_power_on();
}
