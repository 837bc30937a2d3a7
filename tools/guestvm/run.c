/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Running commands on a vCPU: registers in, exits out. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "internal.h"
#include "uapi/guest_memfd.h"

extern const unsigned char guestvm_blob[];

/* clang-format off */
#define ROUTINES(X) \
	X(read8) X(read64) X(write8) X(write64) X(set) X(compare) X(fill) X(check) X(checksum) \
	X(copy) X(move) X(add) X(map_gpa_svm) X(map_gpa_vmx) X(spin_read) X(spin_write) X(spin_add)
#define DECLARE(name) extern const unsigned char guestvm_op_##name[];
ROUTINES(DECLARE)
/* clang-format on */

static const unsigned char *const routines[GUESTVM_OPS] = {
	[GUESTVM_READ8] = guestvm_op_read8,
	[GUESTVM_READ64] = guestvm_op_read64,
	[GUESTVM_WRITE8] = guestvm_op_write8,
	[GUESTVM_WRITE64] = guestvm_op_write64,
	[GUESTVM_SET] = guestvm_op_set,
	[GUESTVM_COMPARE] = guestvm_op_compare,
	[GUESTVM_FILL] = guestvm_op_fill,
	[GUESTVM_CHECK] = guestvm_op_check,
	[GUESTVM_CHECKSUM] = guestvm_op_checksum,
	[GUESTVM_COPY] = guestvm_op_copy,
	[GUESTVM_MOVE] = guestvm_op_move,
	[GUESTVM_ADD] = guestvm_op_add,
	[GUESTVM_MAP_GPA] = guestvm_op_map_gpa_vmx,
	[GUESTVM_SPIN_READ] = guestvm_op_spin_read,
	[GUESTVM_SPIN_WRITE] = guestvm_op_spin_write,
	[GUESTVM_SPIN_ADD] = guestvm_op_spin_add,
};

static bool range_ok(uint64_t gpa, uint64_t size)
{
	return !(gpa % 8) && !(size % 8) && gpa <= GUESTVM_ADDRESSABLE &&
	       size <= GUESTVM_ADDRESSABLE - gpa;
}

/* Only what would make the guest loop or wrap is refused; where it points is the caller's. */
static bool cmd_ok(const struct guestvm_cmd *cmd)
{
	switch (cmd->op) {
	case GUESTVM_READ8:
	case GUESTVM_READ64:
	case GUESTVM_WRITE8:
	case GUESTVM_WRITE64:
	case GUESTVM_MOVE:
	case GUESTVM_MAP_GPA:
		return true;
	case GUESTVM_SET:
	case GUESTVM_COMPARE:
	case GUESTVM_FILL:
	case GUESTVM_CHECK:
	case GUESTVM_CHECKSUM:
		return range_ok(cmd->arg[0], cmd->arg[1]);
	case GUESTVM_COPY:
		return range_ok(cmd->arg[0], cmd->arg[2]) && range_ok(cmd->arg[1], cmd->arg[2]);
	case GUESTVM_ADD:
		return cmd->arg[2] > 0;
	case GUESTVM_SPIN_READ:
	case GUESTVM_SPIN_WRITE:
	case GUESTVM_SPIN_ADD:
		return range_ok(cmd->arg[0], cmd->arg[1]) && cmd->arg[1] > 0 && cmd->arg[2] > 0 &&
		       cmd->arg[2] <= GUESTVM_ADDRESSABLE;
	case GUESTVM_OPS:
		break;
	}
	return false;
}

/* KVM_RUN, with the thread known to guestvm_kick() while it is inside. Returns 0 or -errno. */
static int enter(struct guestvm_vcpu *vcpu)
{
	int err;

	pthread_mutex_lock(&vcpu->lock);
	vcpu->tid = (pid_t)syscall(SYS_gettid);
	pthread_mutex_unlock(&vcpu->lock);
	err = ioctl(vcpu->fd, KVM_RUN, 0) ? -errno : 0;
	pthread_mutex_lock(&vcpu->lock);
	vcpu->tid = 0;
	pthread_mutex_unlock(&vcpu->lock);
	return err;
}

/* Whether the next KVM_RUN is to come out at once. */
static void set_immediate_exit(struct guestvm_vcpu *vcpu, bool at_once)
{
	pthread_mutex_lock(&vcpu->lock);
	vcpu->run->immediate_exit = at_once || vcpu->kicked;
	pthread_mutex_unlock(&vcpu->lock);
}

/*
 * The kernel finishes an MMIO or hypercall exit on the next KVM_RUN, by changing registers. When a
 * new command replaces the old one that has to be over first, without running the guest.
 */
static int abandon(struct guestvm_vcpu *vcpu)
{
	int err;

	if (vcpu->pending != PENDING_HYPERCALL && vcpu->pending != PENDING_MMIO)
		return 0;
	set_immediate_exit(vcpu, true);
	do {
		err = enter(vcpu);
		/* an access that spans two pages comes out once for each */
	} while (!err && vcpu->run->exit_reason == KVM_EXIT_MMIO);
	set_immediate_exit(vcpu, false);
	vcpu->pending = PENDING_NOTHING;
	return err == -EINTR ? 0 : err;
}

static int start(struct guestvm *vm, struct guestvm_vcpu *vcpu, const struct guestvm_cmd *cmd)
{
	const unsigned char *routine = routines[cmd->op];
	struct kvm_regs regs = {
		.rflags = 2 | (vm->irqchip ? 1 << 9 : 0), /* IF */
		.rdi = cmd->arg[0],
		.rsi = cmd->arg[1],
		.rdx = cmd->arg[2],
		.rcx = cmd->arg[3],
		.r15 = OWN_CONTROL + (uint64_t)(vcpu - vm->vcpu) * OWN_PAGE,
	};
	int err;

	err = abandon(vcpu);
	if (err)
		return err;
	if (vcpu->lost_state) {
		err = guestvm_set_long_mode(vcpu->fd);
		if (err)
			return err;
		vcpu->lost_state = false;
	}
	if (cmd->op == GUESTVM_MAP_GPA && vm->vmmcall)
		routine = guestvm_op_map_gpa_svm;
	regs.rip = OWN_CODE + (uint64_t)(routine - guestvm_blob);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	__atomic_store_n(&vcpu->control->stop, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&vcpu->control->rounds, 0, __ATOMIC_RELAXED);
	vcpu->pending = PENDING_RESUME;
	return 0;
}

static int take_done(struct guestvm_vcpu *vcpu, struct guestvm_result *res)
{
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		return -errno;
	res->exit = GUESTVM_DONE;
	res->value = regs.rax;
	res->value2 = regs.rdx;
	vcpu->pending = PENDING_NOTHING;
	return 0;
}

static void take_hypercall(struct guestvm_vcpu *vcpu, struct guestvm_result *res)
{
	struct kvm_run *run = vcpu->run;

	res->exit = GUESTVM_HYPERCALL;
	res->hypercall.nr = run->hypercall.nr;
	res->hypercall.gpa = run->hypercall.args[0];
	res->hypercall.pages = run->hypercall.args[1];
	res->hypercall.attributes = run->hypercall.args[2];
	run->hypercall.ret = 0;
	vcpu->pending = PENDING_HYPERCALL;
}

static void take_mmio(struct guestvm_vcpu *vcpu, struct guestvm_result *res)
{
	struct kvm_run *run = vcpu->run;
	uint32_t size = run->mmio.len <= 8 ? run->mmio.len : 8;

	res->exit = GUESTVM_MMIO;
	res->mmio.gpa = run->mmio.phys_addr;
	res->mmio.size = size;
	res->mmio.is_write = run->mmio.is_write;
	if (run->mmio.is_write)
		memcpy(&res->mmio.value, run->mmio.data, size);
	else
		memset(run->mmio.data, 0, sizeof(run->mmio.data));
	vcpu->pending = PENDING_MMIO;
}

static int decode(struct guestvm_vcpu *vcpu, int err, struct guestvm_result *res)
{
	const struct gmem_uapi_memory_fault *fault = (const void *)&vcpu->run->hw;

	res->kvm_exit_reason = vcpu->run->exit_reason;
	res->error = -err;
	if (err == -EINTR || err == -EAGAIN) {
		pthread_mutex_lock(&vcpu->lock);
		vcpu->kicked = false;
		vcpu->run->immediate_exit = 0;
		pthread_mutex_unlock(&vcpu->lock);
		res->exit = GUESTVM_KICKED;
		vcpu->pending = PENDING_RESUME;
		return 0;
	}
	if (err == -EFAULT || err == -EHWPOISON || err == -EPERM) {
		if (vcpu->run->exit_reason == GMEM_UAPI_EXIT_MEMORY_FAULT) {
			res->exit = GUESTVM_MEMORY_FAULT;
			res->fault.flags = fault->flags;
			res->fault.gpa = fault->gpa;
			res->fault.size = fault->size;
			vcpu->pending = PENDING_RESUME;
			return 0;
		}
	}
	if (err && err != -EFAULT && err != -EHWPOISON)
		return err;
	if (!err) {
		switch (vcpu->run->exit_reason) {
		case KVM_EXIT_HLT:
			return take_done(vcpu, res);
		case KVM_EXIT_HYPERCALL:
			take_hypercall(vcpu, res);
			return 0;
		case KVM_EXIT_MMIO:
			take_mmio(vcpu, res);
			return 0;
		case KVM_EXIT_SHUTDOWN:
			res->exit = GUESTVM_SHUTDOWN;
			vcpu->lost_state = true;
			vcpu->pending = PENDING_NOTHING;
			return 0;
		}
	}
	res->exit = GUESTVM_OTHER;
	vcpu->pending = PENDING_NOTHING;
	return 0;
}

int guestvm_run(struct guestvm *vm, unsigned int vcpu_index, const struct guestvm_cmd *cmd,
		struct guestvm_result *ret_result)
{
	struct guestvm_result res = { 0 };
	struct guestvm_vcpu *vcpu;
	int err;

	if (vcpu_index >= vm->vcpus)
		return -EINVAL;
	vcpu = &vm->vcpu[vcpu_index];
	if (cmd) {
		if (!cmd_ok(cmd))
			return -EINVAL;
		err = start(vm, vcpu, cmd);
		if (err)
			return err;
	} else if (vcpu->pending == PENDING_NOTHING) {
		return -EINVAL;
	}
	err = decode(vcpu, enter(vcpu), &res);
	if (err)
		return err;
	*ret_result = res;
	return 0;
}

int guestvm_run_done(struct guestvm *vm, unsigned int vcpu, const struct guestvm_cmd *cmd,
		     unsigned int max_faults, struct guestvm_result *ret_result)
{
	unsigned int faults = 0;
	int err;

	err = guestvm_run(vm, vcpu, cmd, ret_result);
	while (!err && ret_result->exit == GUESTVM_MEMORY_FAULT && faults++ < max_faults)
		err = guestvm_run(vm, vcpu, NULL, ret_result);
	return err;
}

int guestvm_answer(struct guestvm *vm, unsigned int vcpu_index, uint64_t value)
{
	struct guestvm_vcpu *vcpu;

	if (vcpu_index >= vm->vcpus)
		return -EINVAL;
	vcpu = &vm->vcpu[vcpu_index];
	if (vcpu->pending == PENDING_HYPERCALL) {
		vcpu->run->hypercall.ret = value;
		return 0;
	}
	if (vcpu->pending == PENDING_MMIO && !vcpu->run->mmio.is_write) {
		memcpy(vcpu->run->mmio.data, &value, sizeof(value));
		return 0;
	}
	return -EINVAL;
}

int guestvm_kick(struct guestvm *vm, unsigned int vcpu_index)
{
	struct guestvm_vcpu *vcpu;
	int err = 0;

	if (vcpu_index >= vm->vcpus)
		return -EINVAL;
	vcpu = &vm->vcpu[vcpu_index];
	/* with the lock held the thread can not leave KVM_RUN for good and its id be reused */
	pthread_mutex_lock(&vcpu->lock);
	vcpu->kicked = true;
	vcpu->run->immediate_exit = 1;
	if (vcpu->tid && syscall(SYS_tgkill, getpid(), vcpu->tid, GUESTVM_SIGNAL))
		err = -errno;
	pthread_mutex_unlock(&vcpu->lock);
	return err;
}

int guestvm_stop(struct guestvm *vm, unsigned int vcpu)
{
	if (vcpu >= vm->vcpus)
		return -EINVAL;
	__atomic_store_n(&vm->vcpu[vcpu].control->stop, 1, __ATOMIC_RELAXED);
	return 0;
}

uint64_t guestvm_progress(const struct guestvm *vm, unsigned int vcpu)
{
	return vcpu < vm->vcpus ? __atomic_load_n(&vm->vcpu[vcpu].control->rounds, __ATOMIC_RELAXED)
				: 0;
}

const char *guestvm_exit_name(enum guestvm_exit exit)
{
	switch (exit) {
	case GUESTVM_DONE:
		return "done";
	case GUESTVM_HYPERCALL:
		return "hypercall";
	case GUESTVM_MEMORY_FAULT:
		return "memory fault";
	case GUESTVM_MMIO:
		return "MMIO";
	case GUESTVM_KICKED:
		return "kicked";
	case GUESTVM_SHUTDOWN:
		return "shutdown";
	case GUESTVM_OTHER:
		break;
	}
	return "other";
}
