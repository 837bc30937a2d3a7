/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Making and unmaking the VM: own memory, page tables, vCPUs in long mode, slots. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <cpuid.h>

#include "internal.h"
#include "uapi/guest_memfd.h"

extern const unsigned char guestvm_blob[], guestvm_blob_end[];

#define PTE_PRESENT (1ULL << 0)
#define PTE_WRITE   (1ULL << 1)
#define PTE_LARGE   (1ULL << 7)

/* Newer than the headers we may be built with */
#define CAP_EXIT_HYPERCALL	 201
#define CAP_DISABLE_QUIRKS2	 213
#define QUIRK_FIX_HYPERCALL_INSN (1u << 5)

static int step_failed(const char **reterr_step, const char *step, int err)
{
	if (reterr_step)
		*reterr_step = step;
	return err;
}

static int vm_ioctl(int fd, unsigned long nr, unsigned long arg)
{
	int r = ioctl(fd, nr, arg);

	return r < 0 ? -errno : r;
}

/* KVM_CREATE_VCPU and friends have close-on-exec set by the kernel or not, depending on version. */
static void set_cloexec(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags >= 0)
		fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void on_kick(int sig)
{
	(void)sig;
}

static int install_kick_handler(void)
{
	/* No SA_RESTART: KVM_RUN has to come back with EINTR. */
	struct sigaction sa = { .sa_handler = on_kick };

	sigemptyset(&sa.sa_mask);
	return sigaction(GUESTVM_SIGNAL, &sa, NULL) ? -errno : 0;
}

static void build_page_tables(unsigned char *own)
{
	uint64_t *pml4 = (uint64_t *)(own + OWN_PML4);
	uint64_t *pdpt = (uint64_t *)(own + OWN_PDPT);
	uint64_t *pd = (uint64_t *)(own + OWN_PD);
	uint64_t gib = GUESTVM_ADDRESSABLE >> 30;

	pml4[0] = OWN_PDPT | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < gib; i++)
		pdpt[i] = (OWN_PD + i * OWN_PAGE) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < gib * 512; i++)
		pd[i] = (i << 21) | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static int make_own_memory(struct guestvm *vm)
{
	size_t code = (size_t)(guestvm_blob_end - guestvm_blob);
	struct kvm_userspace_memory_region region = {
		.slot = GUESTVM_OWN_SLOT,
		.memory_size = GUESTVM_OWN_SIZE,
	};

	_Static_assert(OWN_PD + (GUESTVM_ADDRESSABLE >> 30) * OWN_PAGE <= OWN_CONTROL, "layout");
	_Static_assert(OWN_CONTROL + GUESTVM_VCPUS_MAX * OWN_PAGE <= GUESTVM_SCRATCH, "layout");
	if (code > OWN_CODE_SIZE)
		return -E2BIG;
	vm->own = mmap(NULL, GUESTVM_OWN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (vm->own == MAP_FAILED) {
		vm->own = NULL;
		return -errno;
	}
	memcpy(vm->own + OWN_CODE, guestvm_blob, code);
	build_page_tables(vm->own);
	region.userspace_addr = (uintptr_t)vm->own;
	return vm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, (uintptr_t)&region);
}

/* The guest gets what KVM supports: long mode must be in its CPUID before EFER may say so. */
static int set_cpuid(struct guestvm *vm, int vcpu_fd)
{
	const unsigned int entries = 256;
	struct kvm_cpuid2 *cpuid;
	int err;

	cpuid = calloc(1, sizeof(*cpuid) + entries * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = entries;
	err = vm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, (uintptr_t)cpuid);
	if (err >= 0)
		err = vm_ioctl(vcpu_fd, KVM_SET_CPUID2, (uintptr_t)cpuid);
	free(cpuid);
	return err < 0 ? err : 0;
}

int guestvm_set_long_mode(int vcpu_fd)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = 0x08,
		.type = 0xb,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = 0x10,
		.type = 0x3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;
	int err;

	err = vm_ioctl(vcpu_fd, KVM_GET_SREGS, (uintptr_t)&sregs);
	if (err < 0)
		return err;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	/* Intel wants a busy 64-bit TSS in TR */
	sregs.tr.type = 0xb;
	sregs.tr.present = 1;
	sregs.tr.s = 0;
	sregs.tr.limit = 0x67;
	sregs.gdt.base = sregs.idt.base = 0;
	sregs.gdt.limit = sregs.idt.limit = 0; /* any exception is a triple fault: a clear exit */
	sregs.cr0 = 0x80010031;		       /* PG WP NE ET PE */
	sregs.cr3 = OWN_PML4;
	sregs.cr4 = 0x20;   /* PAE */
	sregs.efer = 0x500; /* LMA LME */
	err = vm_ioctl(vcpu_fd, KVM_SET_SREGS, (uintptr_t)&sregs);
	return err < 0 ? err : 0;
}

static int make_vcpu(struct guestvm *vm, unsigned int index, const char **reterr_step)
{
	struct guestvm_vcpu *vcpu = &vm->vcpu[index];
	void *run;
	int err;

	err = vm_ioctl(vm->vm_fd, KVM_CREATE_VCPU, index);
	if (err < 0)
		return step_failed(reterr_step, "KVM_CREATE_VCPU", err);
	vcpu->fd = err;
	set_cloexec(vcpu->fd);
	run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return step_failed(reterr_step, "mmap of struct kvm_run", -errno);
	vcpu->run = run;
	vcpu->control = (void *)(vm->own + OWN_CONTROL + index * OWN_PAGE);
	err = set_cpuid(vm, vcpu->fd);
	if (err)
		return step_failed(reterr_step, "KVM_SET_CPUID2", err);
	err = guestvm_set_long_mode(vcpu->fd);
	if (err)
		return step_failed(reterr_step, "KVM_SET_SREGS", err);
	return 0;
}

/*
 * Without this quirk KVM never rewrites the guest's hypercall instruction, so one that the CPU does
 * not have is a shutdown. With it, a KVM that has neither instruction rewrites and repeats forever.
 */
static int leave_hypercall_instruction_alone(struct guestvm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = CAP_DISABLE_QUIRKS2,
		.args = { QUIRK_FIX_HYPERCALL_INSN },
	};
	int err;

	if (!(guestvm_check_extension(vm, CAP_DISABLE_QUIRKS2) & QUIRK_FIX_HYPERCALL_INSN))
		return 0;
	err = vm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
	return err < 0 ? err : 0;
}

static int enable_hypercall_exit(struct guestvm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = CAP_EXIT_HYPERCALL,
		.args = { 1ULL << GUESTVM_HC_MAP_GPA_RANGE },
	};
	int mask = guestvm_check_extension(vm, CAP_EXIT_HYPERCALL);
	int err;

	if (!(mask & (1 << GUESTVM_HC_MAP_GPA_RANGE)))
		return 0;
	err = vm_ioctl(vm->vm_fd, KVM_ENABLE_CAP, (uintptr_t)&cap);
	if (err < 0)
		return err;
	vm->hypercall_exit = true;
	return 0;
}

/*
 * The capability promises the exit, but not that the guest has a hypercall instruction: a KVM that
 * runs without the CPU's virtualization may have none. A misaligned request tells: KVM refuses it
 * without any exit.
 */
static int probe_hypercall(struct guestvm *vm)
{
	const struct guestvm_cmd misaligned = { GUESTVM_MAP_GPA, { 1, 1, 0 } };
	struct guestvm_result res;
	int err;

	do {
		err = guestvm_run(vm, 0, &misaligned, &res);
	} while (!err && res.exit == GUESTVM_KICKED);
	if (!err)
		vm->hypercall_exit = res.exit == GUESTVM_DONE;
	return err;
}

/* By vendor and not by the SVM bit: KVM can also run on AMD CPUs that hide it. */
static bool cpu_has_vmmcall(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_AMD_ebx ||
	       ebx == 0x6f677948 /* Hygon; GCC's cpuid.h does not name it */;
}

static int create_vm(struct guestvm *vm, const struct guestvm_options *opt,
		     const char **reterr_step)
{
	int err = vm_ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, GMEM_CAP_VM_TYPES);

	if (opt->type && (opt->type > 31 || err < 0 || !(err & (1 << opt->type))))
		return step_failed(reterr_step, "KVM_CAP_VM_TYPES", -EOPNOTSUPP);
	/* Any signal, and work that an I/O ring has left for this thread, is in its way. */
	do {
		err = vm_ioctl(vm->kvm_fd, KVM_CREATE_VM, opt->type);
	} while (err == -EINTR);
	if (err < 0)
		return step_failed(reterr_step, "KVM_CREATE_VM", err);
	vm->vm_fd = err;
	return 0;
}

static int make_vm(struct guestvm *vm, const struct guestvm_options *opt, const char **reterr_step)
{
	int err = 0;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return step_failed(reterr_step, "open /dev/kvm", -errno);
	if (opt->adopt)
		vm->vm_fd = opt->vm_fd;
	else
		err = create_vm(vm, opt, reterr_step);
	if (err)
		return err;
	set_cloexec(vm->vm_fd);
	/* Intel CPUs without unrestricted guests need a place for a TSS; the rest ignores it. */
	err = vm_ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (err < 0)
		return step_failed(reterr_step, "KVM_SET_TSS_ADDR", err);
	if (!opt->no_hypercall_exit) {
		err = enable_hypercall_exit(vm);
		if (err)
			return step_failed(reterr_step, "KVM_CAP_EXIT_HYPERCALL", err);
	}
	err = leave_hypercall_instruction_alone(vm);
	if (err)
		return step_failed(reterr_step, "KVM_CAP_DISABLE_QUIRKS2", err);
	err = make_own_memory(vm);
	if (err < 0)
		return step_failed(reterr_step, "KVM_SET_USER_MEMORY_REGION", err);
	if (vm->irqchip) {
		err = vm_ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0);
		if (err < 0)
			return step_failed(reterr_step, "KVM_CREATE_IRQCHIP", err);
	}
	err = vm_ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (err < 0)
		return step_failed(reterr_step, "KVM_GET_VCPU_MMAP_SIZE", err);
	vm->run_size = (size_t)err;
	for (unsigned int i = 0; i < vm->vcpus; i++) {
		err = make_vcpu(vm, i, reterr_step);
		if (err)
			return err;
	}
	err = install_kick_handler();
	if (err)
		return step_failed(reterr_step, "sigaction", err);
	if (vm->hypercall_exit) {
		err = probe_hypercall(vm);
		if (err)
			return step_failed(reterr_step, "KVM_RUN", err);
	}
	return 0;
}

int guestvm_create(const struct guestvm_options *opt, struct guestvm **ret_vm,
		   const char **reterr_step)
{
	struct guestvm *vm;
	int err;

	if (opt->vcpus > GUESTVM_VCPUS_MAX)
		return step_failed(reterr_step, "number of vCPUs", -EINVAL);
	if (opt->irqchip && !opt->no_hypercall_exit)
		return step_failed(reterr_step, "irqchip without no_hypercall_exit", -EINVAL);
	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return step_failed(reterr_step, "memory", -ENOMEM);
	vm->kvm_fd = vm->vm_fd = -1;
	vm->type = opt->type;
	vm->vcpus = opt->vcpus ? opt->vcpus : 1;
	vm->vmmcall = cpu_has_vmmcall();
	vm->irqchip = opt->irqchip;
	for (unsigned int i = 0; i < vm->vcpus; i++) {
		vm->vcpu[i].fd = -1;
		pthread_mutex_init(&vm->vcpu[i].lock, NULL);
	}
	err = make_vm(vm, opt, reterr_step);
	if (err) {
		if (opt->adopt)
			vm->vm_fd = -1; /* still the caller's */
		guestvm_destroy(vm);
		return err;
	}
	*ret_vm = vm;
	return 0;
}

void guestvm_destroy(struct guestvm *vm)
{
	if (!vm)
		return;
	for (unsigned int i = 0; i < vm->vcpus; i++) {
		if (vm->vcpu[i].run)
			munmap(vm->vcpu[i].run, vm->run_size);
		if (vm->vcpu[i].fd >= 0)
			close(vm->vcpu[i].fd);
		pthread_mutex_destroy(&vm->vcpu[i].lock);
	}
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	if (vm->own)
		munmap(vm->own, GUESTVM_OWN_SIZE);
	free(vm);
}

int guestvm_vm_fd(const struct guestvm *vm)
{
	return vm->vm_fd;
}

int guestvm_vcpu_fd(const struct guestvm *vm, unsigned int vcpu)
{
	return vcpu < vm->vcpus ? vm->vcpu[vcpu].fd : -EINVAL;
}

unsigned int guestvm_vcpus(const struct guestvm *vm)
{
	return vm->vcpus;
}

unsigned int guestvm_type(const struct guestvm *vm)
{
	return vm->type;
}

bool guestvm_has_hypercall_exit(const struct guestvm *vm)
{
	return vm->hypercall_exit;
}

int guestvm_check_extension(const struct guestvm *vm, unsigned int cap)
{
	int r = vm_ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, cap);

	return r < 0 ? 0 : r;
}

void *guestvm_own_memory(struct guestvm *vm, uint64_t offset)
{
	return offset < GUESTVM_OWN_SIZE ? vm->own + offset : NULL;
}

int guestvm_set_slot(struct guestvm *vm, const struct guestvm_slot *slot)
{
	struct gmem_uapi_memory_region region = {
		.slot = slot->slot,
		.guest_phys_addr = slot->gpa,
		.memory_size = slot->size,
		.userspace_addr = slot->userspace_addr,
	};
	int err;

	if (slot->slot >= GUESTVM_OWN_SLOT)
		return -EINVAL;
	if (slot->size && slot->gmem_fd >= 0) {
		region.flags = GMEM_UAPI_MEM_GUEST_MEMFD;
		region.guest_memfd = (uint32_t)slot->gmem_fd;
		region.guest_memfd_offset = slot->gmem_offset;
	}
	err = vm_ioctl(vm->vm_fd, GMEM_UAPI_SET_MEMORY_REGION, (uintptr_t)&region);
	return err < 0 ? err : 0;
}

int guestvm_delete_slot(struct guestvm *vm, uint32_t slot)
{
	return guestvm_set_slot(vm, &(struct guestvm_slot){ .slot = slot, .gmem_fd = -1 });
}
