/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Host accesses to memory that may be private. The kernel answers those with SIGBUS, which here
 * ends the access and nothing else. A SIGBUS outside of such an access stays deadly.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "run.h"

static _Thread_local sigjmp_buf *guard;
static _Thread_local void *fault_address;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (guard) {
		fault_address = info->si_addr;
		siglongjmp(*guard, 1);
	}
	/* the access that follows is the same one, and now deadly */
	signal(sig, SIG_DFL);
}

int access_guarded(void (*fn)(void *data), void *data, void **ret_fault)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
	struct sigaction before;
	sigjmp_buf here;
	volatile int err = 0;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, &action, &before))
		return -errno;
	if (sigsetjmp(here, 1)) {
		err = -EFAULT;
		*ret_fault = fault_address;
	} else {
		guard = &here;
		fn(data);
	}
	guard = NULL;
	sigaction(SIGBUS, &before, NULL);
	return err;
}
