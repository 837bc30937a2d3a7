/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What KVM writes to guest memory on its own account. Functions return 0 or a negative errno. */
#ifndef TESTS_KERNEL_KVM_WRITE_H
#define TESTS_KERNEL_KVM_WRITE_H

#include "guestvm.h"

int set_msr(struct guestvm *guest, uint32_t index, uint64_t value);
/* What the guest does then is nothing, but KVM does what it has to before it lets a guest run. */
int let_run(struct guestvm *guest);

enum {
	WALL_CLOCK,
	SYSTEM_TIME,
	STEAL_TIME,
	HYPERCALL_PAGE,
	NR_KVM_WRITES
};

struct kvm_write {
	const char *text;
	int (*start)(struct guestvm *guest, uint64_t gpa); /* tells KVM the place, makes it write */
	int (*again)(struct guestvm *guest);		   /* makes it write again, or NULL */
	int refusal;					   /* what start() says on private memory */
};

extern const struct kvm_write kvm_writes[NR_KVM_WRITES];

#endif
