/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The VM goes to the next kernel and goes on there: the kernel takes VM, memory and disk along, a
 * blob has every vCPU's state. This guest uses no FPU and no interrupts: registers are all of it.
 */
#include "minivmm.h"

#define SESSION "minivmm"

/* Tokens, which only this program gives a meaning. */
enum {
	TOKEN_VM = 1,
	TOKEN_DISK,
	TOKEN_BLOB,
	TOKEN_FILES
};

static struct {
	uint64_t type, vcpus;
	struct kvm_regs regs[GUEST_VCPUS];
	struct kvm_sregs sregs[GUEST_VCPUS];
} saved;

int live_update_save(void)
{
	struct gmem_preserve_options mixed = { .size = sizeof(mixed), .mixed = 1 };
	struct gmem_session *session;
	struct gmem_blob *blob;
	uint64_t i;

	vm_open();
	vm_power_on();
	vcpus_start();
	/* It stops in the middle of whatever the guest does, once each vCPU has done something. */
	for (i = 0; i < vm.wish.vcpus; i++)
		while (vm.control->vcpu[i].rounds < 2 && !vm.control->arrived)
			usleep(1000);
	vm.stopped = true;
	vcpus_wait();
	check(gmem_listener_remove(vm.listener, report));
	saved.type = vm.type;
	saved.vcpus = vm.wish.vcpus;
	for (i = 0; i < saved.vcpus; i++) {
		sys(ioctl(vm.vcpu[i].fd, KVM_GET_REGS, &saved.regs[i]));
		sys(ioctl(vm.vcpu[i].fd, KVM_GET_SREGS, &saved.sregs[i]));
	}
	check(gmem_session_create(SESSION, NULL, &session, report));
	check(gmem_blob_new(&blob, report));
	check(gmem_blob_add_section(blob, SESSION, &saved, sizeof(saved), report));
	check(gmem_preserve_vm(session, vm.fd, TOKEN_VM, report));
	for (i = 0; i < SLOTS; i++) {
		check(gmem_blob_add_file(blob, TOKEN_FILES + i, vm.files[i], report));
		check(gmem_preserve(session, vm.files[i], TOKEN_FILES + i, &mixed, report));
	}
	check(gmem_preserve_fd(session, vm.disk, TOKEN_DISK, report));
	check(gmem_preserve_blob(session, blob, TOKEN_BLOB, report));
	printf("saved\n");
	/* Somebody must have the session open until the kexec, and this program ends. */
	if (sys(fork()) == 0)
		for (;;)
			pause();
	return EXIT_SUCCESS;
}

/* In the next kernel: everything that was saved, as it was. */
void live_update_restore(void)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_blob_section section;
	struct gmem_session *session;
	struct gmem_blob *blob;
	uint64_t i;

	check(gmem_session_retrieve(SESSION, NULL, &session, report));
	check(gmem_retrieve_blob(session, TOKEN_BLOB, &blob, report));
	if (gmem_blob_find_section(blob, SESSION, &section) < 0 || section.size != sizeof(saved))
		errx(EXIT_FAILURE, "the blob is of another VMM");
	memcpy(&saved, section.data, sizeof(saved));
	if (saved.vcpus < 1 || saved.vcpus > GUEST_VCPUS)
		errx(EXIT_FAILURE, "the blob has %" PRIu64 " vCPUs", saved.vcpus);
	vm.type = saved.type;
	vm.wish.vcpus = saved.vcpus;
	check(gmem_retrieve_vm(session, TOKEN_VM, &vm.fd, report));
	check(gmem_probe_new(vm.fd, NULL, &vm.probe, report));
	options.probe = vm.probe;
	options.blob = blob;
	check(gmem_retrieve_fd(session, TOKEN_DISK, &vm.disk, report));
	for (i = 0; i < SLOTS; i++)
		check(gmem_retrieve(session, TOKEN_FILES + i, &options, &vm.files[i], report));
	vm_open();
	for (i = 0; i < saved.vcpus; i++) {
		sys(ioctl(vm.vcpu[i].fd, KVM_SET_SREGS, &saved.sregs[i]));
		sys(ioctl(vm.vcpu[i].fd, KVM_SET_REGS, &saved.regs[i]));
	}
	check(gmem_session_finish(session, report));
	gmem_session_release(session);
	gmem_blob_free(blob);
}
