/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Other processes and their guest_memfd descriptors. proc is where procfs is: "/proc". */
#ifndef GMEMCTL_DESCRIPTORS_H
#define GMEMCTL_DESCRIPTORS_H

#include <stddef.h>
#include <sys/types.h>

/* A number from 0 to INT_MAX. -EINVAL: it is none. */
int process_parse_number(const char *text, int *ret_number);
/* What the kernel calls the process, printable; "?" if that cannot be read. */
void process_name(const char *proc, pid_t pid, char *buffer, size_t buffer_size);
/*
 * The descriptors whose name is that of a guest_memfd, in order; to be freed. Returns how many or a
 * negative errno. Whether one is a guest_memfd is decided by gmem_adopt().
 */
int process_gmem_fds(const char *proc, pid_t pid, int **ret_fds);
/* A duplicate of a descriptor, or a negative errno, which the other function explains. */
int process_take_fd(pid_t pid, int fd);
const char *process_take_fd_why(int code);

#endif
