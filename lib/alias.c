/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include "alias.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

#define MAX_TRIES 1000
/* What stands before the path is shorter. */
#define LINE_SIZE 256

static const struct gmem_answer stat_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

/* Everything else means that /proc is not there for us. */
static const struct gmem_answer open_answers[] = {
	{ -EMFILE, -EMFILE, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -ENFILE, GMEM_CAUSE_SYSTEM_FILES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ 0 },
};

struct mapping {
	uint64_t start, end, offset, inode;
	unsigned int major, minor;
	bool shared;
};

/* What is verified: next is what comes next of it. */
struct alias {
	uint64_t next, end, offset;
	struct stat file;
};

/* Takes a mapping at next off the front; false if it is not one of the file. */
static bool take(struct alias *alias, const struct mapping *m)
{
	if (m->start > alias->next || m->end <= alias->next || !m->shared ||
	    m->inode != alias->file.st_ino || m->major != major(alias->file.st_dev) ||
	    m->minor != minor(alias->file.st_dev) ||
	    m->offset + (alias->next - m->start) != alias->offset)
		return false;
	if (m->end > alias->end)
		alias->offset += alias->end - alias->next;
	else
		alias->offset += m->end - alias->next;
	alias->next = m->end < alias->end ? m->end : alias->end;
	return true;
}

/* One question for each mapping. Returns -ENOTTY where the kernel cannot be asked so. */
static int ask(int fd, struct alias *alias)
{
	struct gmem_uapi_procmap query;
	struct mapping mapping;
	int r;

	while (alias->next < alias->end) {
		query = (struct gmem_uapi_procmap){
			.size = sizeof(query),
			.query_addr = alias->next,
		};
		r = gmem_sys->ioctl(fd, GMEM_UAPI_PROCMAP_QUERY, (uintptr_t)&query);
		if (r == -ENOENT)
			return -EFAULT;
		if (r != 0)
			return -ENOTTY;
		mapping = (struct mapping){
			.start = query.vma_start,
			.end = query.vma_end,
			.offset = query.vma_offset,
			.inode = query.inode,
			.major = query.dev_major,
			.minor = query.dev_minor,
			.shared = query.vma_flags & GMEM_UAPI_PROCMAP_SHARED,
		};
		if (!take(alias, &mapping))
			return -EFAULT;
	}
	return 0;
}

/* Returns 1 if it was the last line that is needed. */
static int take_line(struct alias *alias, const char *line)
{
	char permissions[5] = "";
	struct mapping m;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &m.start, &m.end,
		   permissions, &m.offset, &m.major, &m.minor, &m.inode) != 7)
		return -EBADMSG;
	if (m.end <= alias->next)
		return 0;
	m.shared = permissions[3] == 's';
	if (!take(alias, &m))
		return -EFAULT;
	return alias->next == alias->end;
}

/* All lines up to the last one that is needed. */
static int read_lines(int fd, struct alias *alias)
{
	unsigned int tries = 0;
	char buffer[4096], line[LINE_SIZE];
	size_t length = 0;
	int64_t count, i;
	int r;

	for (;;) {
		count = gmem_sys->read(fd, buffer, sizeof(buffer));
		if (count == -EINTR && ++tries < MAX_TRIES)
			continue;
		if (count < 0 || (size_t)count > sizeof(buffer))
			return count < 0 ? (int)count : -EBADMSG;
		/* Behind the last mapping there is none. */
		if (count == 0)
			return -EFAULT;
		for (i = 0; i < count; i++) {
			if (buffer[i] != '\n') {
				if (length < sizeof(line) - 1)
					line[length++] = buffer[i];
				continue;
			}
			line[length] = '\0';
			length = 0;
			r = take_line(alias, line);
			if (r != 0)
				return r < 0 ? r : 0;
		}
	}
}

static bool refuse(struct gmem_error *report, int code, enum gmem_cause cause)
{
	report->code = code;
	report->cause = cause;
	return false;
}

static bool verify(int fd, struct alias *alias, struct gmem_error *report)
{
	struct alias begun = *alias;
	int r = ask(fd, alias);

	if (r == -ENOTTY) {
		*alias = begun;
		r = read_lines(fd, alias);
		report->system_call = "read";
	}
	if (r == 0)
		return true;
	if (r == -EFAULT) {
		report->system_call = NULL;
		return refuse(report, -EFAULT, GMEM_CAUSE_NOT_ALIASED);
	}
	report->kernel_code = r;
	return refuse(report, -EOPNOTSUPP, GMEM_CAUSE_NO_PROC);
}

bool gmem_alias_verify(const struct gmem *gmem, uint64_t offset, const void *address, uint64_t size,
		       struct gmem_error *report)
{
	struct alias alias = { .next = (uintptr_t)address, .offset = offset };
	bool is;
	int fd, r;

	if (alias.next % gmem->page_size || size > UINT64_MAX - alias.next)
		return refuse(report, -EFAULT, GMEM_CAUSE_NOT_ALIASED);
	alias.end = alias.next + size;
	r = gmem_sys->fstat(gmem->fd, &alias.file);
	if (r != 0) {
		report->system_call = "fstat";
		gmem_error_set_answer(report, r, stat_answers);
		return false;
	}
	fd = gmem_sys->open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		report->system_call = "open";
		gmem_error_set_answer(report, fd, open_answers);
		return report->cause == GMEM_CAUSE_ANSWER
			       ? refuse(report, -EOPNOTSUPP, GMEM_CAUSE_NO_PROC)
			       : false;
	}
	is = verify(fd, &alias, report);
	gmem_sys->close(fd);
	return is;
}
