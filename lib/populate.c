/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/map.h>
#include <unistd.h>
#include "level.h"
#include "options.h"
#include "populate.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

#define DEFAULT_THREADS 4
#define MAX_THREADS	64

static const struct gmem_answer source_answers[] = {
	{ -EBADF, -EBADF, GMEM_CAUSE_SOURCE_NOT_READABLE },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ -EIO, -EIO, GMEM_CAUSE_SOURCE_ERROR },
	{ 0 },
};

static const struct gmem_answer direct_answers[] = {
	{ -EINVAL, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -ENOENT, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -EACCES, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -EPERM, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -EOPNOTSUPP, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT },
	{ -EMFILE, -EOPNOTSUPP, GMEM_CAUSE_PROCESS_FILES },
	{ -ENFILE, -EOPNOTSUPP, GMEM_CAUSE_SYSTEM_FILES },
	{ 0 },
};

/* One call: the load, and the pages that it touches. */
struct call {
	struct gmem_load load;
	struct gmem *gmem;
	enum gmem_state state;
	uint64_t first_page, span;
	struct gmem_populate_result *ret_result;
};

static bool set_failure(struct gmem_error *report, int code, enum gmem_cause cause)
{
	report->code = code;
	report->cause = cause;
	return false;
}

static enum gmem_cause check_range(const struct gmem *gmem, uint64_t offset, uint64_t size)
{
	if (!gmem)
		return GMEM_CAUSE_ARGUMENT;
	if (size == 0)
		return GMEM_CAUSE_EMPTY;
	if (size > UINT64_MAX - offset)
		return GMEM_CAUSE_WRAPS;
	/* The size of a file is whole pages, so that rounding up stays inside. */
	return offset + size > gmem->size ? GMEM_CAUSE_BEYOND_END : GMEM_CAUSE_NONE;
}

static int read_options(struct call *call, const struct gmem_populate_options *given)
{
	struct gmem_load *load = &call->load;
	struct gmem_populate_options options;
	int r = gmem_options_read(&options, sizeof(options), sizeof(options), given);

	if (r < 0)
		return r;
	if (options.way > GMEM_POPULATE_DIRECT || options.to_end > 1 ||
	    options.threads > MAX_THREADS || (options.state && !gmem_state_name(options.state)))
		return -EINVAL;
	if (options.ret_result && options.ret_result->size < sizeof(*options.ret_result))
		return -EINVAL;
	if (load->source.kind != GMEM_SOURCE_MEMORY)
		load->source.offset = options.source_offset;
	load->to_end = options.to_end;
	load->way = options.way;
	load->threads = options.threads ? options.threads : DEFAULT_THREADS;
	load->progress = options.progress;
	load->progress_data = options.progress_data;
	call->state = options.state;
	call->ret_result = options.ret_result;
	return 0;
}

static bool source_refused(struct gmem_load *load, const char *system_call, int answer)
{
	load->report.system_call = system_call;
	gmem_error_set_answer(&load->report, answer, source_answers);
	return false;
}

/* What a file has from the offset on, and what of it is to be loaded. */
static bool measure_file(struct gmem_load *load, uint64_t file_size)
{
	uint64_t offset = load->source.offset;
	uint64_t rest = file_size > offset ? file_size - offset : 0;

	if (load->to_end && rest > load->size)
		return set_failure(&load->report, -EFBIG, GMEM_CAUSE_SOURCE_BIGGER);
	if (!load->to_end && rest < load->size)
		return set_failure(&load->report, -ENODATA, GMEM_CAUSE_SOURCE_ENDED);
	if (load->to_end)
		load->size = rest;
	return true;
}

static bool open_directly(struct gmem_load *load)
{
	uint64_t mask = load->gmem->page_size - 1;
	int r = -EINVAL;

	/* Disks read whole blocks into whole blocks. */
	if (!((load->offset ^ load->source.offset) & mask)) {
		r = gmem_sys->open_direct(load->source.fd);
		if (r >= 0) {
			load->source.direct_fd = r;
			return true;
		}
		load->report.system_call = "openat";
	}
	if (load->way != GMEM_POPULATE_DIRECT)
		return true;
	gmem_error_set_answer(&load->report, r, direct_answers);
	if (!load->report.system_call)
		load->report.kernel_code = 0;
	return false;
}

/* Finds out what the source is, and refuses it before anything is done. */
static bool look_at_source(struct gmem_load *load)
{
	struct stat stat;
	int64_t size;
	int r;

	if (load->source.kind == GMEM_SOURCE_MEMORY)
		return true;
	r = gmem_sys->fstat(load->source.fd, &stat);
	if (r != 0)
		return source_refused(load, "fstat", r);
	if (S_ISDIR(stat.st_mode))
		return set_failure(&load->report, -EISDIR, GMEM_CAUSE_SOURCE_KIND);
	size = stat.st_size;
	if (S_ISBLK(stat.st_mode)) {
		size = gmem_sys->lseek(load->source.fd, 0, SEEK_END);
		if (size < 0)
			return source_refused(load, "lseek", (int)size);
	}
	/* Files of /proc have no size, and are read like a stream. */
	if ((S_ISREG(stat.st_mode) && (size || load->source.offset)) || S_ISBLK(stat.st_mode)) {
		load->source.kind = GMEM_SOURCE_FILE;
		return measure_file(load, (uint64_t)size) &&
		       (load->way == GMEM_POPULATE_PLAIN || !load->size || open_directly(load));
	}
	load->source.kind = GMEM_SOURCE_STREAM;
	if (load->source.offset)
		return set_failure(&load->report, -ESPIPE, GMEM_CAUSE_SOURCE_KIND);
	if (load->way == GMEM_POPULATE_DIRECT)
		return set_failure(&load->report, -EOPNOTSUPP, GMEM_CAUSE_NO_DIRECT);
	return true;
}

/* Whether contents outlive a conversion is to be known before anything is converted. */
static bool can_preserve(const struct call *call, struct gmem_error *report)
{
	const struct gmem *gmem = call->gmem;

	if (call->state != GMEM_STATE_PRIVATE)
		return true;
	report->state = GMEM_STATE_PRIVATE;
	report->policy = GMEM_POLICY_PRESERVE;
	if (!(gmem->policies & GMEM_UAPI_CONTENT_PRESERVE))
		return set_failure(report, -EOPNOTSUPP,
				   gmem->knows_policies ? GMEM_CAUSE_NO_POLICY
							: GMEM_CAUSE_UNKNOWN_POLICY);
	if (!gmem_level_permits(GMEM_LEVEL_POLICY))
		return set_failure(report, -EOPNOTSUPP, GMEM_CAUSE_LEVEL);
	return true;
}

/* A failure of another part of the library becomes one of this call. */
static bool take_over(struct call *call, const struct gmem_error *inner)
{
	struct gmem_error *report = &call->load.report;
	struct gmem_error outer = *report;

	*report = *inner;
	report->call = outer.call;
	report->offset = outer.offset;
	report->size = outer.size;
	report->done = 0;
	return false;
}

static bool convert(struct call *call, enum gmem_state state)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = GMEM_POLICY_PRESERVE,
	};
	struct gmem_error inner = { 0 };

	if (call->state != GMEM_STATE_PRIVATE ||
	    gmem_convert(call->gmem, call->first_page, call->span, state, &options, &inner) == 0)
		return true;
	return take_over(call, &inner);
}

static bool map(struct call *call)
{
	struct gmem_error inner = { 0 };
	void *address;

	if (gmem_map(call->gmem, call->first_page, call->span, NULL, &address, &inner) < 0)
		return take_over(call, &inner);
	call->load.memory = (unsigned char *)address + (call->load.offset - call->first_page);
	return true;
}

static bool unmap(struct call *call)
{
	struct gmem_error inner = { 0 };
	unsigned char *address = call->load.memory - (call->load.offset - call->first_page);

	return gmem_unmap(address, call->span, &inner) == 0 || take_over(call, &inner);
}

/* Returns whether all was loaded; else the report says how much was. */
static bool run(struct gmem_load *load)
{
	struct gmem_error *report = &load->report;
	uint64_t mask = load->gmem->page_size - 1;

	load->next = 0;
	load->data_end = load->source.kind == GMEM_SOURCE_FILE ? 0 : load->size;
	load->failed_at = UINT64_MAX;
	pthread_mutex_init(&load->lock, NULL);
	gmem_load_run(load);
	pthread_mutex_destroy(&load->lock);
	if (load->failed_at == UINT64_MAX && load->loaded == load->size)
		return true;
	if (load->failed_at == UINT64_MAX) {
		report->system_call = NULL;
		set_failure(report, -ECANCELED, GMEM_CAUSE_CANCELED);
	}
	report->done = load->failed_at < load->next ? load->failed_at : load->next;
	if (report->done < load->size) {
		report->has_first_offset = true;
		report->first_offset = (load->offset + report->done) & ~mask;
	}
	return false;
}

/* Loads, and has no mapping any more, so that nothing of ours holds pages that become private. */
static bool map_and_run(struct call *call)
{
	struct gmem_error first;

	if (!map(call))
		return false;
	if (run(&call->load))
		return unmap(call);
	first = call->load.report;
	unmap(call);
	call->load.report = first;
	return false;
}

static bool load_pages(struct call *call)
{
	struct gmem_error first;

	if (!convert(call, GMEM_STATE_SHARED))
		return false;
	if (map_and_run(call))
		return convert(call, GMEM_STATE_PRIVATE);
	first = call->load.report;
	convert(call, GMEM_STATE_PRIVATE);
	call->load.report = first;
	return false;
}

static void set_result(const struct call *call)
{
	const struct gmem_load *load = &call->load;

	if (!call->ret_result)
		return;
	call->ret_result->loaded = load->loaded;
	call->ret_result->holes = load->holes;
	call->ret_result->direct = load->direct;
	call->ret_result->threads = load->threads;
}

static int populate(struct call *call, const struct gmem_populate_options *options,
		    enum gmem_cause cause, struct gmem_error *reterr_error)
{
	struct gmem_load *load = &call->load;
	struct gmem_error *report = &load->report;
	bool done;
	int r;

	if (!cause)
		cause = check_range(call->gmem, load->offset, load->size);
	if (cause)
		return gmem_error_refuse(reterr_error, report, -EINVAL, cause);
	r = read_options(call, options);
	if (r == 0 && load->source.kind == GMEM_SOURCE_MEMORY && load->to_end)
		r = -EINVAL;
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, report, r);
	if (load->size > UINT64_MAX - load->source.offset)
		return gmem_error_refuse(reterr_error, report, -EINVAL, GMEM_CAUSE_WRAPS);
	if (!can_preserve(call, report) || !look_at_source(load))
		return gmem_error_fail(reterr_error, report);
	call->first_page = load->offset & ~(call->gmem->page_size - 1);
	call->span = load->offset + load->size - call->first_page;
	call->span = (call->span + call->gmem->page_size - 1) & ~(call->gmem->page_size - 1);
	/* An empty source with to_end. */
	done = !load->size || load_pages(call);
	if (load->source.direct_fd >= 0)
		gmem_sys->close(load->source.direct_fd);
	if (!done)
		return gmem_error_fail(reterr_error, report);
	set_result(call);
	return 0;
}

static struct call call_of(const char *name, struct gmem *gmem, uint64_t offset, uint64_t size)
{
	return (struct call){
		.gmem = gmem,
		.load = {
			.gmem = gmem,
			.offset = offset,
			.size = size,
			.source = { .fd = -1, .direct_fd = -1 },
			.report = { .call = name, .has_range = true, .offset = offset, .size = size },
		},
	};
}

int gmem_populate(struct gmem *gmem, uint64_t offset, uint64_t size, int fd,
		  const struct gmem_populate_options *options, struct gmem_error *reterr_error)
{
	struct call call = call_of("gmem_populate", gmem, offset, size);

	call.load.source.kind = GMEM_SOURCE_FILE;
	call.load.source.fd = fd;
	return populate(&call, options, GMEM_CAUSE_NONE, reterr_error);
}

int gmem_populate_memory(struct gmem *gmem, uint64_t offset, uint64_t size, const void *bytes,
			 const struct gmem_populate_options *options,
			 struct gmem_error *reterr_error)
{
	struct call call = call_of("gmem_populate_memory", gmem, offset, size);

	call.load.source.kind = GMEM_SOURCE_MEMORY;
	call.load.source.bytes = bytes;
	return populate(&call, options, bytes ? GMEM_CAUSE_NONE : GMEM_CAUSE_ARGUMENT,
			reterr_error);
}
