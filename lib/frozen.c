/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include "frozen.h"
#include "level.h"
#include "sys.h"
#include "uapi/live_update.h"

void gmem_frozen_explain(const struct gmem *gmem, struct gmem_error *error)
{
	struct gmem_uapi_live_update request = { 0 };

	if (error->kernel_code != -EPERM || !gmem_level_permits(GMEM_LEVEL_LIVE_UPDATE))
		return;
	/* A kernel that cannot be asked leaves it open: the words of the cause say both. */
	if (gmem_sys->ioctl(gmem->fd, GMEM_UAPI_LIVE_UPDATE, (uintptr_t)&request) == 0 &&
	    !(request.status & GMEM_UAPI_LIVE_UPDATE_FROZEN))
		error->cause = GMEM_CAUSE_REFUSED;
}
