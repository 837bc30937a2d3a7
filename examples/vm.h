/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the examples need and a VMM has anyway: a VM that has private memory.
 */
#ifndef EXAMPLES_VM_H
#define EXAMPLES_VM_H

#include <errno.h>
#include <fcntl.h>
#include <libgmem/gmem.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef KVM_X86_SW_PROTECTED_VM
#define KVM_X86_SW_PROTECTED_VM 1
#endif

/* By convention of test programs: this machine cannot do it. */
#define EXIT_UNSUPPORTED 77

/* The VM's descriptor; does not return if there is none. */
static inline int open_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm;

	if (kvm < 0) {
		fprintf(stderr, "/dev/kvm: %s\n", strerror(errno));
		exit(EXIT_UNSUPPORTED);
	}
	vm = ioctl(kvm, KVM_CREATE_VM, KVM_X86_SW_PROTECTED_VM);
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
