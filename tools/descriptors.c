/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "descriptors.h"

int process_parse_number(const char *text, int *ret_number)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < 0 || number > INT_MAX)
		return -EINVAL;
	*ret_number = (int)number;
	return 0;
}

void process_name(const char *proc, pid_t pid, char *buffer, size_t buffer_size)
{
	char path[300], *at;
	ssize_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%d/comm", proc, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, buffer, buffer_size - 1);
		close(fd);
	}
	buffer[size > 0 ? size : 0] = '\0';
	for (at = buffer; *at && *at != '\n'; at++)
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	*at = '\0';
	if (!*buffer)
		snprintf(buffer, buffer_size, "?");
}

static int compare(const void *a, const void *b)
{
	int one = *(const int *)a, other = *(const int *)b;

	return (one > other) - (one < other);
}

static int is_gmem_name(int directory, const char *entry)
{
	char target[256];
	ssize_t size = readlinkat(directory, entry, target, sizeof(target) - 1);

	if (size < 0)
		return 0;
	target[size] = '\0';
	return strstr(target, "kvm-gmem") != NULL;
}

int process_gmem_fds(const char *proc, pid_t pid, int **ret_fds)
{
	int *fds = NULL, *more, count = 0, r = 0;
	struct dirent *entry;
	char path[300];
	DIR *directory;

	snprintf(path, sizeof(path), "%s/%d/fd", proc, (int)pid);
	directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(directory))) {
		int fd;

		if (process_parse_number(entry->d_name, &fd) ||
		    !is_gmem_name(dirfd(directory), entry->d_name))
			continue;
		more = realloc(fds, (size_t)(count + 1) * sizeof(*fds));
		if (!more) {
			r = -ENOMEM;
			break;
		}
		fds = more;
		fds[count++] = fd;
	}
	closedir(directory);
	if (r) {
		free(fds);
		return r;
	}
	if (count)
		qsort(fds, (size_t)count, sizeof(*fds), compare);
	*ret_fds = fds;
	return count;
}

int process_take_fd(pid_t pid, int fd)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0), copy;

	if (process < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0)
		copy = -errno;
	close(process);
	return copy;
}

const char *process_take_fd_why(int code)
{
	switch (code) {
	case EPERM:
	case EACCES:
		return "you may not trace the process: be root, or its user where "
		       "/proc/sys/kernel/yama/ptrace_scope is 0";
	case ESRCH:
		return "there is no such process";
	case EBADF:
		return "it has no such descriptor";
	default:
		return strerror(code);
	}
}
