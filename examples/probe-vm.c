/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Print what the kernel offers to a VM.
 */
#include "vm.h"

int main(void)
{
	struct gmem_probe *probe = NULL;
	struct gmem_error *error = NULL;
	int vm_fd = open_vm();
	int status = EXIT_SUCCESS;
	char text[2048];

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	if (gmem_probe_new(vm_fd, NULL, &probe, error) < 0) {
		status = explain(error);
	} else {
		gmem_probe_format(probe, text, sizeof(text));
		printf("%s\n", text);
	}
	gmem_probe_free(probe);
	gmem_error_free(error);
	close(vm_fd);
	return status;
}
