/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "kvm-write.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>

/* Linux: arch/x86/include/uapi/asm/kvm_para.h, include/hyperv/hvgdk.h */
#define MSR_WALL_CLOCK	 0x4b564d00
#define MSR_SYSTEM_TIME	 0x4b564d01
#define MSR_STEAL_TIME	 0x4b564d03
#define MSR_HV_GUEST_OS	 0x40000000
#define MSR_HV_HYPERCALL 0x40000001

int set_msr(struct guestvm *guest, uint32_t index, uint64_t value)
{
	struct {
		uint32_t count, pad; /* struct kvm_msrs, of one entry */
		struct kvm_msr_entry entry;
	} msrs = { 1, 0, { .index = index, .data = value } };
	int set = ioctl(guestvm_vcpu_fd(guest, 0), KVM_SET_MSRS, &msrs);

	return set < 0 ? -errno : set == 1 ? 0 : -EIO;
}

int let_run(struct guestvm *guest)
{
	struct guestvm_cmd command = { GUESTVM_READ8, { GUESTVM_SCRATCH } };
	struct guestvm_result result;
	int err = guestvm_run(guest, 0, &command, &result);

	return err ? err : result.exit == GUESTVM_DONE ? 0 : -EIO;
}

static int write_wall_clock(struct guestvm *guest, uint64_t gpa)
{
	return set_msr(guest, MSR_WALL_CLOCK, gpa);
}

/* Every vCPU's clock is written again when the VM's is set. */
static int set_clock(struct guestvm *guest)
{
	struct kvm_clock_data clock = { .clock = 1000 };

	return ioctl(guestvm_vm_fd(guest), KVM_SET_CLOCK, &clock) ? -errno : let_run(guest);
}

static int write_system_time(struct guestvm *guest, uint64_t gpa)
{
	int err = set_msr(guest, MSR_SYSTEM_TIME, gpa | 1);

	return err ? err : set_clock(guest);
}

static int write_steal_time(struct guestvm *guest, uint64_t gpa)
{
	int err = set_msr(guest, MSR_STEAL_TIME, gpa | 1);

	return err ? err : let_run(guest);
}

static int write_hypercall_page(struct guestvm *guest, uint64_t gpa)
{
	int err = set_msr(guest, MSR_HV_GUEST_OS, 1);

	return err ? err : set_msr(guest, MSR_HV_HYPERCALL, gpa | 1);
}

static int clear_hypercall_page(struct guestvm *guest)
{
	return set_msr(guest, MSR_HV_GUEST_OS, 0);
}

const struct kvm_write kvm_writes[NR_KVM_WRITES] = {
	{ "wall clock (MSR 0x4b564d00)", write_wall_clock, NULL, 0 },
	{ "pvclock (MSR 0x4b564d01)", write_system_time, set_clock, 0 },
	{ "steal time (MSR 0x4b564d03)", write_steal_time, let_run, 0 },
	{ "Hyper-V hypercall page (MSR 0x40000001)", write_hypercall_page, clear_hypercall_page,
	  -EIO },
};
