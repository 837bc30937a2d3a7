/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include "sys.h"
#include "uapi/guest_memfd.h"
#include "vm.h"

static const struct gmem_answer answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ENOTTY, -ENOTTY, GMEM_CAUSE_NOT_A_VM },
	/* what a vCPU answers */
	{ -EINVAL, -ENOTTY, GMEM_CAUSE_NOT_A_VM },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

bool gmem_check_vm(int fd, struct gmem_error *error)
{
	int r;

	/* /dev/kvm answers capabilities, too. */
	if (gmem_sys->ioctl(fd, GMEM_UAPI_GET_API_VERSION, 0) >= 0) {
		error->code = -ENOTTY;
		error->cause = GMEM_CAUSE_NOT_A_VM;
		return false;
	}
	r = gmem_sys->ioctl(fd, GMEM_UAPI_CHECK_EXTENSION, GMEM_CAP_GUEST_MEMFD);
	/* EIO: of another process, or dead */
	if (r >= 0 || r == -EIO)
		return true;
	error->system_call = "KVM_CHECK_EXTENSION";
	error->attempts = 1;
	gmem_error_set_answer(error, r, answers);
	return false;
}
