/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "free-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)

/* Brings what each CPU has counted for itself into the counters that can be read. */
static int refresh(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

int free_memory_now(uint64_t *ret_bytes)
{
	unsigned long long number, pages = 0;
	char line[256];
	int err = refresh();
	FILE *file;

	if (err)
		return err;
	file = fopen("/proc/zoneinfo", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		/* "pages free N" of a zone, and "count: N" of each of its CPUs */
		if (sscanf(line, " pages free %llu", &number) == 1 ||
		    sscanf(line, " count: %llu", &number) == 1)
			pages += number;
	}
	fclose(file);
	*ret_bytes = pages * PAGE;
	return pages ? 0 : -EBADMSG;
}

/*
 * Page tables and the like are freed only after nobody can be reading them any more: until then
 * they are neither free nor anybody's. So wait for that, and then until the count stays.
 */
int free_memory(uint64_t *ret_bytes)
{
	uint64_t now, before = 0;
	int err = 0, same = 0;

	for (int i = 0; !err && same < 3; i++) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		usleep(10000);
		err = free_memory_now(&now);
		same = now == before ? same + 1 : 0;
		before = now;
		if (i == 500)
			err = -ETIMEDOUT;
	}
	if (!err)
		*ret_bytes = now;
	return err;
}
