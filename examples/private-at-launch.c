/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Load a guest image while the memory is shared, and make all of it private at launch, with the
 * promise that the image stays what it is. Where nobody can promise that, it has to be loaded by
 * the VM type's own calls.
 *
 * A page stays busy for as long as somebody in the host holds it. Here nobody does; the function
 * that is called for a busy page shows where a VMM lets go of what it holds.
 */
#include "vm.h"

#define RAM_SIZE (UINT64_C(16) << 20)

static enum gmem_busy_action let_go(const struct gmem_error *attempt, void *data)
{
	unsigned int *busy_attempts = (unsigned int *)data;
	uint64_t offset;

	(*busy_attempts)++;
	if (gmem_error_get_first_offset(attempt, &offset))
		printf("busy at 0x%llx: unmap DMA, unregister buffers there\n",
		       (unsigned long long)offset);
	return GMEM_BUSY_BACK_OFF;
}

static int load_image(struct gmem *ram, struct gmem_error *error)
{
	static const char image[] = "what a guest starts from";
	void *address;
	int r = gmem_map(ram, 0, RAM_SIZE, NULL, &address, error);

	if (r < 0)
		return r;
	memcpy(address, image, sizeof(image));
	return gmem_unmap(address, RAM_SIZE, error);
}

static int make_private(struct gmem *ram, struct gmem_error *error)
{
	struct gmem_convert_options options = { .size = sizeof(options) };
	unsigned int busy_attempts = 0;
	int r;

	options.policy = GMEM_POLICY_PRESERVE;
	options.busy = let_go;
	options.busy_data = &busy_attempts;
	r = gmem_convert(ram, 0, RAM_SIZE, GMEM_STATE_PRIVATE, &options, error);
	if (r == 0)
		printf("All memory is private, after %u busy attempts.\n", busy_attempts);
	return r;
}

int main(void)
{
	struct gmem_create_options options = { .size = sizeof(options) };
	struct gmem_error *error = NULL;
	struct gmem *ram = NULL;
	int vm_fd = open_vm();
	int status = EXIT_SUCCESS;

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	options.init = GMEM_INIT_SHARED;
	options.mappable = 1;
	if (gmem_create(vm_fd, RAM_SIZE, &options, &ram, error) < 0 || load_image(ram, error) < 0 ||
	    make_private(ram, error) < 0)
		status = explain(error);
	gmem_release(ram);
	gmem_error_free(error);
	close(vm_fd);
	return status;
}
