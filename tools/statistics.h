/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the kernel counts for each guest_memfd, from /proc/PID/fdinfo. */
#ifndef GMEMCTL_STATISTICS_H
#define GMEMCTL_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct statistics {
	uint64_t inode;
	uint64_t size, allocated; /* bytes */
	bool frozen;		  /* by a live update */
	bool has_states;	  /* the rest is known */
	uint64_t private, shared; /* bytes */
	uint64_t to_private, to_shared, busy, failed;

	/* a descriptor of the file, the first of so many */
	pid_t pid;
	int fd;
	unsigned int descriptors;
	char name[32]; /* of the process */
};

/* From the text of an fdinfo. -ENOENT: it has no statistics, -EBADMSG: it makes no sense. */
int statistics_parse(const char *text, struct statistics *ret_statistics);

/*
 * All files of some processes, or of all that may be looked at if there are none; each file once,
 * ordered by process and descriptor. proc is where procfs is. To be freed. Returns how many or a
 * negative errno; -ENOENT: none of the files has statistics, so this kernel has none.
 */
int statistics_read(const char *proc, const pid_t *pids, size_t count,
		    struct statistics **ret_statistics);

/* The same file among those of another time, NULL if it was not there. */
const struct statistics *statistics_find(const struct statistics *list, size_t count,
					 const struct statistics *file);

/* Conversions that succeeded. */
uint64_t statistics_converted(const struct statistics *file);

#endif
