/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a conversion costs in a file of many extents: private pages with shared ones in between. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "guestvm.h"
#include "measure.h"
#include "ticks.h"
#include "uapi/guest_memfd.h"

static int convert(int gmem, uint64_t page, bool private)
{
	struct gmem_uapi_attributes request = {
		.offset = page * PAGE,
		.size = PAGE,
		.attributes = private ? GMEM_UAPI_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(gmem, GMEM_UAPI_SET_ATTRIBUTES, &request) ? -errno : 0;
}

/* Extent number i is page 2 i. A page in the middle of the file becomes private and shared again.
 */
static int measure(int gmem, uint64_t extents, struct extents_row *row)
{
	uint64_t least[2] = { UINT64_MAX, UINT64_MAX };

	/* Between two extents, so that it joins them, and at as many places as there are. */
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t page = 2 * (extents * i / 200) + 1;

		for (int shared = 0; shared < 2; shared++) {
			uint64_t start = ticks_now(), ticks;
			int err = convert(gmem, page, !shared);

			ticks = ticks_now() - start;
			if (err)
				return err;
			least[shared] = ticks < least[shared] ? ticks : least[shared];
		}
	}
	*row = (struct extents_row){ extents, least[0], least[1] };
	return 0;
}

static int new_file(struct bench_vm *vm, uint64_t most)
{
	struct gmem_uapi_create create = {
		.size = (2 * most + 2) * PAGE,
		.flags = GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED,
	};

	vm->gmem = ioctl(vm->vm, GMEM_UAPI_CREATE_GUEST_MEMFD, &create);
	return vm->gmem < 0 ? -errno : 0;
}

/* Where there is no query there is nothing to measure. */
static int add_query(int gmem, uint64_t extents, struct results *results)
{
	int err = measure_query(gmem, 2 * extents * PAGE, &results->queries[results->n_queries]);

	if (!err)
		results->n_queries++;
	return err == -EOPNOTSUPP ? 0 : err;
}

int measure_extents(uint64_t most, struct results *results)
{
	struct bench_vm vm;
	const char *step = NULL;
	uint64_t made = 0;
	int err = flow_new_vm(&vm, &step);

	if (!err)
		err = new_file(&vm, most);
	for (uint64_t extents = 1; !err && extents <= most; extents *= 10) {
		fprintf(stderr, "convert: one page among %llu extents\n",
			(unsigned long long)extents);
		for (; !err && made < extents; made++)
			err = convert(vm.gmem, 2 * made, true);
		if (!err)
			err = measure(vm.gmem, extents, &results->extents[results->n_extents++]);
		if (!err)
			err = add_query(vm.gmem, extents, results);
	}
	if (err)
		fprintf(stderr, "convert: extents: %s\n", strerror(-err));
	flow_close(&vm);
	return err;
}
