/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "flow.h"

#include <libgmem/gmem.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestvm.h"

int flow_new_vm(struct bench_vm *vm, const char **reterr_step)
{
	struct guestvm_options options = { .type = GUESTVM_TYPE_SW_PROTECTED, .vcpus = 1 };
	int err;

	*vm = (struct bench_vm){ .gmem = -1, .shared = -1, .mapped = MAP_FAILED };
	err = guestvm_create(&options, &vm->guest, reterr_step);
	if (!err)
		vm->vm = guestvm_vm_fd(vm->guest);
	return err;
}

void flow_close(struct bench_vm *vm)
{
	gmem_release(vm->file);
	if (vm->mapped != MAP_FAILED)
		munmap(vm->mapped, BENCH_SIZE);
	if (vm->gmem >= 0)
		close(vm->gmem);
	if (vm->shared >= 0)
		close(vm->shared);
	guestvm_destroy(vm->guest);
}
