/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the examples need and a VMM has anyway: a VM that has private memory.
 */
#ifndef EXAMPLES_VM_H
#define EXAMPLES_VM_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgmem/gmem.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif

/* By convention of test programs: this machine cannot do it. */
#define EXIT_UNSUPPORTED 77

/* A system call that must not fail. */
#define sys(call) check_call(call, #call)
static inline int check_call(int result, const char *call)
{
	if (result < 0)
		err(EXIT_FAILURE, "%s", call);
	return result;
}

static inline void *map_fd(int fd, size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (address == MAP_FAILED)
		err(EXIT_FAILURE, "mmap");
	return address;
}

/* Does not return if there is no KVM. */
static inline int open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		err(EXIT_UNSUPPORTED, "/dev/kvm");
	return kvm;
}

/* Returns the VM's descriptor, or -1 and errno. */
static inline int create_vm(int kvm, unsigned long type)
{
	int vm;

	/* Any signal, and work that an I/O ring has left for this thread, is in its way. */
	do {
		vm = ioctl(kvm, KVM_CREATE_VM, type);
	} while (vm < 0 && errno == EINTR);
	return vm;
}

/* The VM's descriptor; does not return if there is none. */
static inline int open_vm(void)
{
	int kvm = open_kvm();
	int vm = create_vm(kvm, KVM_X86_SW_PROTECTED_VM);

	if (vm < 0) {
		fprintf(stderr,
			"KVM_CREATE_VM: %s: this kernel has no software-protected VMs. Try\n"
			"lab/lab run -- %s\n",
			strerror(errno), program_invocation_name);
		exit(EXIT_UNSUPPORTED);
	}
	close(kvm);
	return vm;
}

/* Explain a failure, and give the exit status that fits it. */
static inline int explain(const struct gmem_error *error)
{
	char text[1024];

	gmem_error_explain(error, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
	return gmem_error_get_code(error) == -EOPNOTSUPP ? EXIT_UNSUPPORTED : EXIT_FAILURE;
}

#endif
