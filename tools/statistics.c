/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "statistics.h"

/* "key:\tnumber" of a line; false if there is none. */
static bool find(const char *text, const char *key, uint64_t *ret_number)
{
	size_t size = strlen(key);

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL) {
		char *end;

		if (strncmp(at, key, size) || at[size] != ':')
			continue;
		errno = 0;
		*ret_number = strtoull(at + size + 1, &end, 10);
		return !errno && end != at + size + 1 && (*end == '\n' || !*end);
	}
	return false;
}

int statistics_parse(const char *text, struct statistics *ret_statistics)
{
	struct statistics s = { .descriptors = 1 };
	uint64_t frozen = 0;

	if (!find(text, "gmem-size", &s.size))
		return -ENOENT;
	if (!find(text, "ino", &s.inode) || !find(text, "gmem-allocated", &s.allocated))
		return -EBADMSG;
	if (find(text, "gmem-frozen", &frozen))
		s.frozen = frozen != 0;
	s.has_states = find(text, "gmem-private", &s.private) &&
		       find(text, "gmem-shared", &s.shared) &&
		       find(text, "gmem-to-private", &s.to_private) &&
		       find(text, "gmem-to-shared", &s.to_shared) &&
		       find(text, "gmem-busy", &s.busy) && find(text, "gmem-failed", &s.failed);
	*ret_statistics = s;
	return 0;
}

struct list {
	const char *proc;
	struct statistics *file;
	size_t count;
	bool seen; /* a guest_memfd without statistics */
};

static int add(struct list *list, const struct statistics *file)
{
	struct statistics *more;

	for (size_t i = 0; i < list->count; i++) {
		if (list->file[i].inode == file->inode) {
			list->file[i].descriptors++;
			return 0;
		}
	}
	more = realloc(list->file, (list->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	list->file = more;
	list->file[list->count++] = *file;
	return 0;
}

/* A process that has gone meanwhile, or must not be looked at, has no files. */
static int read_fd(struct list *list, pid_t pid, int fd)
{
	struct statistics file;
	char path[300], text[2048];
	ssize_t size;
	int info, r;

	snprintf(path, sizeof(path), "%s/%d/fdinfo/%d", list->proc, (int)pid, fd);
	info = open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return 0;
	size = read(info, text, sizeof(text) - 1);
	close(info);
	if (size < 0)
		return 0;
	text[size] = '\0';
	r = statistics_parse(text, &file);
	if (r) {
		list->seen = true;
		return r == -ENOENT ? 0 : r;
	}
	file.pid = pid;
	file.fd = fd;
	process_name(list->proc, pid, file.name, sizeof(file.name));
	return add(list, &file);
}

static int read_process(struct list *list, pid_t pid)
{
	int *fds, count = process_gmem_fds(list->proc, pid, &fds), r = 0;

	if (count < 0)
		return count == -ENOMEM ? count : 0;
	for (int i = 0; !r && i < count; i++)
		r = read_fd(list, pid, fds[i]);
	free(fds);
	return r;
}

static int read_all(struct list *list)
{
	DIR *directory = opendir(list->proc);
	struct dirent *entry;
	int pid, r = 0;

	if (!directory)
		return -errno;
	/* procfs has them in the order of their numbers. */
	while (!r && (entry = readdir(directory)))
		if (!process_parse_number(entry->d_name, &pid))
			r = read_process(list, pid);
	closedir(directory);
	return r;
}

int statistics_read(const char *proc, const pid_t *pids, size_t count,
		    struct statistics **ret_statistics)
{
	struct list list = { .proc = proc };
	int r = 0;

	if (!count)
		r = read_all(&list);
	for (size_t i = 0; !r && i < count; i++)
		r = read_process(&list, pids[i]);
	if (!r && list.seen && !list.count)
		r = -ENOENT;
	if (r) {
		free(list.file);
		return r;
	}
	*ret_statistics = list.file;
	return (int)list.count;
}

const struct statistics *statistics_find(const struct statistics *list, size_t count,
					 const struct statistics *file)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].inode == file->inode && list[i].size == file->size)
			return &list[i];
	return NULL;
}

uint64_t statistics_converted(const struct statistics *file)
{
	return file->to_private + file->to_shared;
}
