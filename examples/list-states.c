/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * List which parts of a file are private and which are shared, as the kernel sees it: what a VMM
 * prints when a guest and it disagree. A file of any number of extents takes the same memory.
 */
#include "vm.h"

#define RAM_SIZE (UINT64_C(16) << 20)

static int list_states(struct gmem *ram, struct gmem_error *error)
{
	struct gmem_query_options options = { .size = sizeof(options) };
	struct gmem_query *query;
	struct gmem_extent extent;
	int r;

	options.allocated = 1;
	r = gmem_query_new(ram, 0, gmem_get_size(ram), &options, &query, error);
	if (r < 0)
		return r;
	while ((r = gmem_query_next(query, &extent, error)) == 0)
		printf("0x%08llx  %-7s  %8llu KiB, %llu with memory\n",
		       (unsigned long long)extent.offset, gmem_state_name(extent.state),
		       (unsigned long long)extent.size / 1024,
		       (unsigned long long)extent.allocated / 1024);
	gmem_query_free(query);
	return r == -ENODATA ? 0 : r;
}

int main(void)
{
	struct gmem_error *error = NULL;
	struct gmem *ram = NULL;
	int vm_fd = open_vm();
	int status = EXIT_SUCCESS;

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	if (gmem_create(vm_fd, RAM_SIZE, NULL, &ram, error) < 0 ||
	    gmem_convert(ram, 1 << 20, 64 << 10, GMEM_STATE_SHARED, NULL, error) < 0 ||
	    gmem_allocate(ram, 0, 2 << 20, NULL, error) < 0 || list_states(ram, error) < 0)
		status = explain(error);
	gmem_release(ram);
	gmem_error_free(error);
	close(vm_fd);
	return status;
}
