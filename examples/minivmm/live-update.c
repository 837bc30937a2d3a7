/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The VM goes to the next kernel and goes on there: the kernel takes VM, memory and disk along, a
 * blob has what the VMM knows and every vCPU's state.
 */
#include "minivmm.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define SESSION "minivmm"

/* Tokens, which only this program gives a meaning. */
enum {
	TOKEN_VM = 1,
	TOKEN_DISK,
	TOKEN_BLOB,
	TOKEN_FILES
};

struct saved_vm {
	uint64_t type;
	uint64_t vcpus;
};

struct saved_vcpu {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_xsave fpu;
};

static int save_vcpu(struct vcpu *vcpu, struct saved_vcpu *saved)
{
	/* What it came out with last is over only when it has been in again. */
	vcpu->run->immediate_exit = 1;
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0 || errno != EINTR)
		return complain("KVM_RUN", -EIO);
	if (ioctl(vcpu->fd, KVM_GET_REGS, &saved->regs) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &saved->sregs) ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &saved->events) ||
	    ioctl(vcpu->fd, KVM_GET_XSAVE, &saved->fpu))
		return complain("state of a vCPU", -errno);
	return 0;
}

static int restore_vcpu(struct vcpu *vcpu, const struct saved_vcpu *saved)
{
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &saved->sregs) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &saved->regs) ||
	    ioctl(vcpu->fd, KVM_SET_XSAVE, &saved->fpu) ||
	    ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &saved->events))
		return complain("state of a vCPU", -errno);
	return 0;
}

static int fill_blob(struct vm *vm, struct gmem_blob *blob)
{
	struct saved_vm saved_vm = { .type = vm->type, .vcpus = vm->vcpus };
	static struct saved_vcpu saved[GUEST_VCPUS];
	uint64_t i;
	int r = 0;

	for (i = 0; r == 0 && i < vm->vcpus; i++)
		r = save_vcpu(&vm->vcpu[i], &saved[i]);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < 2; i++) {
		struct gmem_blob_slot slot = {
			.slot = (uint32_t)i,
			.guest_address = i * GUEST_SLOT_SIZE,
			.size = GUEST_SLOT_SIZE,
			.token = TOKEN_FILES + i,
		};

		r = gmem_blob_add_file(blob, TOKEN_FILES + i, vm->files[i], vm->error);
		if (r == 0)
			r = gmem_blob_add_slot(blob, &slot, vm->error);
	}
	if (r == 0)
		r = gmem_blob_add_section(blob, "vm", &saved_vm, sizeof(saved_vm), vm->error);
	if (r == 0)
		r = gmem_blob_add_section(blob, "vcpus", saved, sizeof(saved), vm->error);
	return r < 0 ? complain_report(vm->error) : 0;
}

/* vCPUs have stopped. Whoever holds the session holds all of it until the kexec. */
int live_update_save(struct vm *vm, struct gmem_session **ret_session)
{
	struct gmem_preserve_options mixed = { .size = sizeof(mixed), .mixed = 1 };
	struct gmem_session *session;
	struct gmem_blob *blob = NULL;
	int disk = disk_detach(vm->disk), i;
	int r = gmem_session_create(SESSION, NULL, &session, vm->error);

	if (r < 0)
		return complain_report(vm->error);
	r = gmem_blob_new(&blob, vm->error);
	if (r == 0)
		r = fill_blob(vm, blob);
	if (r == 0)
		r = gmem_preserve_vm(session, vm->fd, TOKEN_VM, vm->error);
	for (i = 0; r == 0 && i < 2; i++)
		r = gmem_preserve(session, vm->files[i], (uint64_t)(TOKEN_FILES + i), &mixed,
				  vm->error);
	if (r == 0)
		r = gmem_preserve_fd(session, disk, TOKEN_DISK, vm->error);
	if (r == 0)
		r = gmem_preserve_blob(session, blob, TOKEN_BLOB, vm->error);
	gmem_blob_free(blob);
	if (r < 0) {
		gmem_session_release(session);
		return complain_report(vm->error);
	}
	*ret_session = session;
	return 0;
}

static int restore(struct vm *vm, const struct gmem_blob *blob, void *journal, size_t journal_size)
{
	struct gmem_blob_section section, vcpus;
	const struct saved_vcpu *saved;
	const struct saved_vm *saved_vm;
	unsigned int i;
	int r;

	if (gmem_blob_find_section(blob, "vm", &section) < 0 ||
	    gmem_blob_find_section(blob, "vcpus", &vcpus) < 0 ||
	    section.size != sizeof(*saved_vm) || vcpus.size != GUEST_VCPUS * sizeof(*saved))
		return complain("what the blob says", -EBADMSG);
	saved_vm = section.data;
	saved = vcpus.data;
	if (!saved_vm->vcpus || saved_vm->vcpus > GUEST_VCPUS)
		return complain("what the blob says", -EBADMSG);
	vm->type = saved_vm->type;
	r = vm_open(vm, (unsigned int)saved_vm->vcpus, journal, journal_size);
	if (r == 0)
		r = vm_bind_slots(vm);
	for (i = 0; r == 0 && i < vm->vcpus; i++)
		r = restore_vcpu(&vm->vcpu[i], &saved[i]);
	if (r < 0)
		return r;
	/* Somebody may have asked just before. */
	disk_notify(vm->disk);
	return 0;
}

/* In the next kernel: everything that was saved, as it was. */
int live_update_restore(struct vm *vm, void *journal, size_t journal_size)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_session *session;
	struct gmem_probe *probe = NULL;
	struct gmem_blob *blob = NULL;
	int i, r = gmem_error_new(&vm->error);

	if (r == 0)
		r = gmem_session_retrieve(SESSION, NULL, &session, vm->error);
	if (r < 0)
		return complain_report(vm->error);
	r = gmem_retrieve_blob(session, TOKEN_BLOB, &blob, vm->error);
	if (r == 0)
		r = gmem_retrieve_vm(session, TOKEN_VM, &vm->fd, vm->error);
	if (r == 0)
		r = gmem_probe_new(vm->fd, NULL, &probe, vm->error);
	if (r == 0)
		r = gmem_retrieve_fd(session, TOKEN_DISK, &vm->disk_file, vm->error);
	options.blob = blob;
	options.probe = probe;
	for (i = 0; r == 0 && i < 2; i++)
		r = gmem_retrieve(session, (uint64_t)(TOKEN_FILES + i), &options, &vm->files[i],
				  vm->error);
	if (r < 0)
		complain_report(vm->error);
	else
		r = restore(vm, blob, journal, journal_size);
	if (r == 0 && gmem_session_finish(session, vm->error) < 0)
		r = complain_report(vm->error);
	gmem_probe_free(probe);
	gmem_blob_free(blob);
	gmem_session_release(session);
	return r;
}
