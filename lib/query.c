/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/query.h>
#include <stdlib.h>
#include "level.h"
#include "options.h"
#include "range.h"
#include "sys.h"
#include "uapi/guest_memfd.h"

#define DEFAULT_BATCH 128
#define MAX_BATCH     65536
#define MAX_TRIES     1000

struct gmem_query {
	/* what the report says: call, and the whole range */
	struct gmem_error report;
	const struct gmem *gmem;
	/* what the kernel has not been asked for yet */
	uint64_t next;
	uint64_t end;
	uint64_t flags;
	/* what it answered last */
	struct gmem_uapi_extent *extents;
	uint64_t batch;
	uint64_t count;
	uint64_t used;
	/* an extent that may go on; size 0 is none */
	struct gmem_extent pending;
};

static const struct gmem_answer query_answers[] = {
	{ -ENOTTY, -EOPNOTSUPP, GMEM_CAUSE_NO_QUERY },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EINTR, -EINTR, GMEM_CAUSE_SIGNALS },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static int ask_kernel(struct gmem_query *query, struct gmem_uapi_query *request)
{
	unsigned int tries = 0;
	int r;

	do {
		*request = (struct gmem_uapi_query){
			.offset = query->next,
			.size = query->end - query->next,
			.flags = query->flags,
			.extents = (uintptr_t)query->extents,
			.nr_extents = query->batch,
		};
		r = gmem_sys->ioctl(query->gmem->fd, GMEM_UAPI_QUERY, (uintptr_t)request);
		tries++;
	} while (r == -EINTR && tries < MAX_TRIES);
	query->report.attempts = tries;
	return r;
}

/* The kernel is not trusted. Returns whether an extent is one that can begin at this offset. */
static bool check_extent(const struct gmem_query *query, const struct gmem_uapi_extent *extent,
			 uint64_t offset)
{
	uint64_t mask = query->gmem->page_size - 1;

	return extent->offset == offset && extent->size != 0 && !(extent->size & mask) &&
	       extent->size <= query->end - offset &&
	       !(extent->attributes & ~(uint64_t)GMEM_UAPI_ATTRIBUTE_PRIVATE) &&
	       !(extent->allocated & mask) &&
	       extent->allocated <= (query->flags ? extent->size : 0);
}

/* Returns where the extents end, or the offset of the first one that cannot be and false. */
static bool check_answer(const struct gmem_query *query, const struct gmem_uapi_query *answer,
			 uint64_t *ret_offset)
{
	uint64_t i;

	*ret_offset = query->next;
	if (answer->nr_extents == 0 || answer->nr_extents > query->batch)
		return false;
	for (i = 0; i < answer->nr_extents; i++) {
		if (!check_extent(query, &query->extents[i], *ret_offset))
			return false;
		*ret_offset += query->extents[i].size;
	}
	return answer->offset == *ret_offset && answer->size == query->end - *ret_offset;
}

/* Asks for the next batch. */
static int fill(struct gmem_query *query)
{
	struct gmem_error *report = &query->report;
	struct gmem_uapi_query answer;
	uint64_t offset;
	int r;

	if (!gmem_level_permits(GMEM_LEVEL_QUERY)) {
		report->code = -EOPNOTSUPP;
		report->cause = GMEM_CAUSE_LEVEL;
		return -EOPNOTSUPP;
	}
	report->has_first_offset = false;
	report->system_call = "KVM_GUEST_MEMFD_QUERY";
	r = ask_kernel(query, &answer);
	if (r != 0) {
		gmem_error_set_answer(report, r, query_answers);
		return report->code;
	}
	if (!check_answer(query, &answer, &offset)) {
		report->kernel_code = 0;
		report->code = -EBADE;
		report->cause = GMEM_CAUSE_EXTENTS;
		report->has_first_offset = offset < query->end;
		report->first_offset = report->has_first_offset ? offset : 0;
		return -EBADE;
	}
	query->next = offset;
	query->count = answer.nr_extents;
	query->used = 0;
	return 0;
}

static enum gmem_state extent_state(const struct gmem_uapi_extent *extent)
{
	return extent->attributes ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
}

/*
 * Neighbours of one state are one extent, however the kernel cut them. Returns -ENODATA after the
 * last one. What was collected stays for the next call if the kernel fails.
 */
static int next_extent(struct gmem_query *query, struct gmem_extent *ret_extent)
{
	struct gmem_extent *pending = &query->pending;
	const struct gmem_uapi_extent *extent;
	int r;

	for (;;) {
		if (query->used == query->count) {
			if (query->next == query->end)
				break;
			r = fill(query);
			if (r < 0)
				return r;
		}
		extent = &query->extents[query->used];
		if (!pending->size) {
			pending->offset = extent->offset;
			pending->state = extent_state(extent);
		} else if (pending->state != extent_state(extent)) {
			break;
		}
		pending->size += extent->size;
		pending->allocated += extent->allocated;
		query->used++;
	}
	if (!pending->size)
		return -ENODATA;
	*ret_extent = *pending;
	*pending = (struct gmem_extent){ 0 };
	return 0;
}

static struct gmem_query query_of(const char *call, const struct gmem *gmem, uint64_t offset,
				  uint64_t size)
{
	return (struct gmem_query){
		.report = { .call = call, .has_range = true, .offset = offset, .size = size },
		.gmem = gmem,
		.next = offset,
		.end = offset + size,
	};
}

static int read_options(const struct gmem_query_options *given, struct gmem_query_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	if (options->allocated > 1 || options->batch > MAX_BATCH)
		return -EINVAL;
	if (!options->batch)
		options->batch = DEFAULT_BATCH;
	return 0;
}

int gmem_query_new(struct gmem *gmem, uint64_t offset, uint64_t size,
		   const struct gmem_query_options *options, struct gmem_query **ret_query,
		   struct gmem_error *reterr_error)
{
	struct gmem_query begun = query_of("gmem_query_new", gmem, offset, size), *query;
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	struct gmem_query_options known;
	int r;

	if (!ret_query)
		cause = GMEM_CAUSE_ARGUMENT;
	if (cause)
		return gmem_error_refuse(reterr_error, &begun.report, -EINVAL, cause);
	r = read_options(options, &known);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &begun.report, r);
	query = malloc(sizeof(*query) + known.batch * sizeof(*query->extents));
	if (!query)
		return gmem_error_refuse(reterr_error, &begun.report, -ENOMEM, GMEM_CAUSE_MEMORY);
	*query = begun;
	query->report.call = "gmem_query_next";
	query->flags = known.allocated ? GMEM_UAPI_QUERY_ALLOCATED : 0;
	query->extents = (struct gmem_uapi_extent *)(query + 1);
	query->batch = known.batch;
	*ret_query = query;
	return 0;
}

int gmem_query_next(struct gmem_query *query, struct gmem_extent *ret_extent,
		    struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_query_next" };
	int r;

	if (!query || !ret_extent)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = next_extent(query, ret_extent);
	if (r == 0 || r == -ENODATA)
		return r;
	return gmem_error_fail(reterr_error, &query->report);
}

void gmem_query_free(struct gmem_query *query)
{
	free(query);
}

int gmem_get_state(struct gmem *gmem, uint64_t offset, enum gmem_state *ret_state,
		   struct gmem_error *reterr_error)
{
	uint64_t size = gmem ? gmem->page_size : 0;
	struct gmem_query query = query_of("gmem_get_state", gmem, offset, size);
	enum gmem_cause cause = gmem_range_check(gmem, offset, size);
	struct gmem_uapi_extent extent;

	if (!ret_state)
		cause = GMEM_CAUSE_ARGUMENT;
	if (cause)
		return gmem_error_refuse(reterr_error, &query.report, -EINVAL, cause);
	query.extents = &extent;
	query.batch = 1;
	if (fill(&query) < 0)
		return gmem_error_fail(reterr_error, &query.report);
	*ret_state = extent_state(&extent);
	return 0;
}

static enum gmem_cause check_expected(const struct gmem *gmem, const struct gmem_extent *expected,
				      size_t count)
{
	enum gmem_cause cause;
	size_t i;

	for (i = 0; i < count; i++) {
		cause = gmem_range_check(gmem, expected[i].offset, expected[i].size);
		if (!cause && !gmem_state_name(expected[i].state))
			cause = GMEM_CAUSE_STATE;
		if (!cause && i > 0 &&
		    expected[i].offset < expected[i - 1].offset + expected[i - 1].size)
			cause = GMEM_CAUSE_ORDER;
		if (cause)
			return cause;
	}
	return GMEM_CAUSE_NONE;
}

/* Both are of one state, and overlap in size bytes from offset on. */
static uint64_t overlap(const struct gmem_extent *a, const struct gmem_extent *b,
			uint64_t *ret_offset)
{
	uint64_t a_end = a->offset + a->size, b_end = b->offset + b->size;
	uint64_t start = a->offset > b->offset ? a->offset : b->offset;
	uint64_t end = a_end < b_end ? a_end : b_end;

	*ret_offset = start;
	return end > start ? end - start : 0;
}

/* Returns 0 if there is no difference, 1 if there is, or what the query failed with. */
static int find_difference(struct gmem_query *query, const struct gmem_extent *expected,
			   size_t count, struct gmem_extent *ret_difference)
{
	struct gmem_extent found, difference = { 0 };
	size_t i = 0;
	int r;

	while (i < count) {
		r = next_extent(query, &found);
		if (r < 0)
			return r;
		for (; i < count; i++) {
			difference.size = overlap(&found, &expected[i], &difference.offset);
			difference.state = found.state;
			if (difference.size && found.state != expected[i].state) {
				*ret_difference = difference;
				return 1;
			}
			/* The next extent of the file goes on in this one. */
			if (expected[i].offset + expected[i].size > found.offset + found.size)
				break;
		}
	}
	return 0;
}

int gmem_compare(struct gmem *gmem, const struct gmem_extent *expected, size_t count,
		 bool *ret_equal, struct gmem_extent *ret_difference,
		 struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_compare" };
	struct gmem_uapi_extent extents[DEFAULT_BATCH];
	enum gmem_cause cause = GMEM_CAUSE_ARGUMENT;
	struct gmem_extent difference;
	struct gmem_query query;
	uint64_t end;
	int r;

	if (gmem && expected && count && ret_equal)
		cause = check_expected(gmem, expected, count);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	end = expected[count - 1].offset + expected[count - 1].size;
	query = query_of("gmem_compare", gmem, expected[0].offset, end - expected[0].offset);
	query.extents = extents;
	query.batch = DEFAULT_BATCH;
	r = find_difference(&query, expected, count, &difference);
	if (r < 0)
		return gmem_error_fail(reterr_error, &query.report);
	*ret_equal = r == 0;
	if (r && ret_difference)
		*ret_difference = difference;
	return 0;
}
