/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "vcpu.h"

#include <check.h>
#include <string.h>

struct guestvm_result vcpu_run(struct guestvm *guest, const struct guestvm_cmd *command)
{
	struct guestvm_result result;
	int err = guestvm_run(guest, 0, command, &result);

	/* Nobody kicks it, but work that an io_uring of this thread has left does the same. */
	while (!err && result.exit == GUESTVM_KICKED)
		err = guestvm_run(guest, 0, NULL, &result);
	ck_assert_msg(!err, "running the guest: %s", strerror(-err));
	return result;
}
