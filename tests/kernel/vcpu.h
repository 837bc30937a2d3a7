/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A guest that must run. */
#ifndef TESTS_KERNEL_VCPU_H
#define TESTS_KERNEL_VCPU_H

#include "guestvm.h"

/*
 * Has the guest's first vCPU carry out a command, or, if that is NULL, go on with the one it has.
 * However it ends, it must have run; if it cannot, the test fails.
 */
struct guestvm_result vcpu_run(struct guestvm *guest, const struct guestvm_cmd *command);

#endif
