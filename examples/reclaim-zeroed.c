/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Take memory back from a guest without ever seeing what it kept there: share it with the promise
 * that it is zero. Kernels with content policies promise it themselves. Elsewhere the library does
 * if no vCPU can touch the memory meanwhile: here there is none; a VMM stops them.
 *
 * GMEM_LEVEL=convert shows the second way on a kernel that has the first.
 */
#include "vm.h"

#define RAM_SIZE (UINT64_C(16) << 20)

static int reclaim(struct gmem *ram, struct gmem_error *error)
{
	struct gmem_convert_options options = { .size = sizeof(options) };
	enum gmem_guarantee guarantee;
	uint64_t offset, size;
	int r;

	options.policy = GMEM_POLICY_ZERO;
	options.emulate = 1;
	/* The file's page faults wait for 4 MiB at most, not for all of it. */
	options.step_size = 4 << 20;
	options.ret_guarantee = &guarantee;
	r = gmem_convert(ram, 0, RAM_SIZE, GMEM_STATE_SHARED, &options, error);
	if (r < 0) {
		printf("%llu bytes are shared\n", (unsigned long long)gmem_error_get_done(error));
		if (gmem_error_get_lost(error, &offset, &size))
			printf("the guest has lost %llu bytes more\n", (unsigned long long)size);
		return r;
	}
	printf("All memory is shared and zero; the guarantee is %s.\n",
	       gmem_guarantee_name(guarantee));
	return 0;
}

int main(void)
{
	struct gmem_error *error = NULL;
	struct gmem *ram = NULL;
	int vm_fd = open_vm();
	int status = EXIT_SUCCESS;

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	if (gmem_create(vm_fd, RAM_SIZE, NULL, &ram, error) < 0 || reclaim(ram, error) < 0)
		status = explain(error);
	gmem_release(ram);
	gmem_error_free(error);
	close(vm_fd);
	return status;
}
