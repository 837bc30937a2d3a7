/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/map.h>
#include <libgmem/numa.h>
#include <stdlib.h>
#include <string.h>
#include "presence.h"
#include "range.h"
#include "sys.h"

/* Pages that are asked about at once. */
#define WINDOW	  1024
#define MAX_TRIES 1000

static const struct gmem_answer presence_answers[] = {
	{ -EPERM, -EPERM, GMEM_CAUSE_NOT_OWNER }, { -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },  { -EAGAIN, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },  { 0 },
};

static const struct gmem_answer touch_answers[] = {
	{ -EHWPOISON, -EHWPOISON, GMEM_CAUSE_POISON }, { -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },	       { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },      { 0 },
};

static const struct gmem_answer locate_answers[] = {
	{ -ENOSYS, -EOPNOTSUPP, GMEM_CAUSE_NO_NUMA },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

/* The pages of one window. */
struct window {
	struct gmem_presence *presence;
	unsigned char *address;
	uint64_t page_size;
	uint64_t pages;
	unsigned char there[WINDOW];
};

static int refused(struct gmem_error *report, const char *system_call, int answer,
		   const struct gmem_answer *answers)
{
	report->system_call = system_call;
	report->attempts = 1;
	gmem_error_set_answer(report, answer, answers);
	return report->code;
}

static int look(struct window *w, struct gmem_error *report)
{
	struct gmem_presence *presence = w->presence;
	uint64_t i;
	int r = gmem_sys->incore(presence->gmem->fd, w->address, (size_t)(w->pages * w->page_size),
				 w->there);

	if (r != 0)
		return refused(report, "mincore", r, presence_answers);
	for (i = 0; i < w->pages; i++) {
		/* The other bits are not for us. */
		w->there[i] &= 1;
		if (!w->there[i])
			continue;
		if (!presence->present)
			presence->first = presence->offset +
					  (uint64_t)(w->address - presence->address) +
					  i * w->page_size;
		presence->present += w->page_size;
	}
	return 0;
}

/* Maps pages that are there, which is what move_pages() looks at. Private ones cannot be. */
static int touch(struct window *w, uint64_t first, uint64_t count, struct gmem_error *report)
{
	unsigned int tries = 0;
	int r;

	do {
		r = gmem_sys->populate_read(w->address + first * w->page_size,
					    (size_t)(count * w->page_size));
	} while (r == -EINTR && ++tries < MAX_TRIES);
	if (r == 0)
		return 0;
	if (r != -EFAULT)
		return refused(report, "madvise", r, touch_answers);
	if (count == 1) {
		w->there[first] = 0;
		w->presence->hidden += w->page_size;
		return 0;
	}
	r = touch(w, first, count / 2, report);
	return r < 0 ? r : touch(w, first + count / 2, count - count / 2, report);
}

static int touch_all(struct window *w, struct gmem_error *report)
{
	uint64_t i, end;
	int r;

	for (i = 0; i < w->pages; i = end) {
		for (end = i; end < w->pages && w->there[end]; end++)
			;
		if (end == i) {
			end++;
			continue;
		}
		r = touch(w, i, end - i, report);
		if (r < 0)
			return r;
	}
	return 0;
}

static int locate(struct window *w, struct gmem_error *report)
{
	struct gmem_presence *presence = w->presence;
	void *pages[WINDOW];
	int nodes[WINDOW];
	uint64_t i, count = 0;
	int r = touch_all(w, report);

	if (r < 0)
		return r;
	for (i = 0; i < w->pages; i++) {
		if (w->there[i])
			pages[count++] = w->address + i * w->page_size;
	}
	r = count ? gmem_sys->locate_pages((unsigned long)count, pages, nodes) : 0;
	if (r != 0)
		return refused(report, "move_pages", r, locate_answers);
	for (i = 0; i < count; i++) {
		if (nodes[i] < 0) {
			/* It became private, or left, a moment ago. */
			presence->hidden += w->page_size;
		} else if ((uint64_t)nodes[i] >= presence->nr_nodes) {
			report->code = -EOVERFLOW;
			report->cause = GMEM_CAUSE_MORE_NODES;
			return -EOVERFLOW;
		} else {
			presence->bytes_on[nodes[i]] += w->page_size;
		}
	}
	return 0;
}

static int walk(struct gmem_presence *presence, bool where, struct gmem_error *report)
{
	struct window w = { .presence = presence, .page_size = presence->gmem->page_size };
	uint64_t done;
	int r = 0;

	for (done = 0; r == 0 && done < presence->size; done += w.pages * w.page_size) {
		w.address = presence->address + done;
		w.pages = (presence->size - done) / w.page_size;
		if (w.pages > WINDOW)
			w.pages = WINDOW;
		r = look(&w, report);
		if (r == 0 && where)
			r = locate(&w, report);
	}
	return r;
}

int gmem_presence_count(struct gmem_presence *presence, struct gmem_error *report)
{
	return walk(presence, false, report);
}

int gmem_presence_locate(struct gmem_presence *presence, struct gmem_error *report)
{
	return walk(presence, true, report);
}

static int count(struct gmem_presence *presence, struct gmem_error *report)
{
	struct gmem_error outer = *report, inner = { 0 };
	void *address;
	int r = gmem_map((struct gmem *)presence->gmem, presence->offset, presence->size, NULL,
			 &address, &inner);

	if (r == 0) {
		presence->address = address;
		inner = outer;
		r = gmem_presence_locate(presence, &inner);
		gmem_unmap(address, presence->size, r < 0 ? NULL : &inner);
		r = inner.code;
	}
	*report = inner;
	report->call = outer.call;
	report->has_range = true;
	report->offset = outer.offset;
	report->size = outer.size;
	return r;
}

int gmem_numa_count(struct gmem *gmem, uint64_t offset, uint64_t size,
		    struct gmem_numa_usage *ret_usage, struct gmem_error *reterr_error)
{
	struct gmem_error report = {
		.call = "gmem_numa_count", .has_range = true, .offset = offset, .size = size
	};
	struct gmem_presence presence = { .gmem = gmem, .offset = offset, .size = size };
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);

	if (!ret_usage || ret_usage->size < sizeof(*ret_usage) || !ret_usage->nr_nodes ||
	    !ret_usage->bytes_on)
		cause = GMEM_CAUSE_ARGUMENT;
	if (cause)
		return gmem_error_refuse(reterr_error, &report, -EINVAL, cause);
	presence.nr_nodes = ret_usage->nr_nodes;
	/* Outputs are written on success only. */
	presence.bytes_on = calloc((size_t)presence.nr_nodes, sizeof(uint64_t));
	if (!presence.bytes_on)
		return gmem_error_refuse(reterr_error, &report, -ENOMEM, GMEM_CAUSE_MEMORY);
	if (count(&presence, &report) < 0) {
		free(presence.bytes_on);
		return gmem_error_fail(reterr_error, &report);
	}
	memcpy(ret_usage->bytes_on, presence.bytes_on,
	       (size_t)presence.nr_nodes * sizeof(uint64_t));
	ret_usage->absent = size - presence.present;
	ret_usage->hidden = presence.hidden;
	free(presence.bytes_on);
	return 0;
}
