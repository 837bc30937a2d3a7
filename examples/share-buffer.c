/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The guest asks to share a buffer with the host, and later takes it back.
 *
 * The function is the example of the README.
 */
#include "vm.h"

#define BUFFER_OFFSET 0x10000
#define BUFFER_SIZE   0x1000

/* example */
static int greet_guest(struct gmem *ram, struct gmem_error *error)
{
	void *buffer;
	int r = gmem_convert(ram, BUFFER_OFFSET, BUFFER_SIZE, GMEM_STATE_SHARED, NULL, error);

	if (r == 0)
		r = gmem_map(ram, BUFFER_OFFSET, BUFFER_SIZE, NULL, &buffer, error);
	if (r < 0)
		return r;
	strcpy((char *)buffer, "hello, guest");
	gmem_unmap(buffer, BUFFER_SIZE, NULL);
	return gmem_convert(ram, BUFFER_OFFSET, BUFFER_SIZE, GMEM_STATE_PRIVATE, NULL, error);
}
/* end of example */

int main(void)
{
	struct gmem_create_options options = { .size = sizeof(options) };
	struct gmem_error *error = NULL;
	struct gmem *ram = NULL;
	int vm_fd = open_vm();
	int status = EXIT_SUCCESS;

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	options.init = GMEM_INIT_PRIVATE;
	options.mappable = 1;
	if (gmem_create(vm_fd, 16 << 20, &options, &ram, error) < 0 || greet_guest(ram, error) < 0)
		status = explain(error);
	else
		printf("The guest has its buffer back, with a greeting in it.\n");
	gmem_release(ram);
	gmem_error_free(error);
	close(vm_fd);
	return status;
}
