/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/map.h>
#include <libgmem/numa.h>
#include <linux/mempolicy.h>
#include "nodes.h"
#include "options.h"
#include "presence.h"
#include "range.h"
#include "sys.h"

static const struct gmem_answer parse_answers[] = {
	{ -ENOSYS, -EOPNOTSUPP, GMEM_CAUSE_NO_LIBNUMA },
	{ -ENODEV, -EOPNOTSUPP, GMEM_CAUSE_NO_NUMA },
	{ -EINVAL, -EINVAL, GMEM_CAUSE_NODES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ 0 },
};

static const struct gmem_answer policy_answers[] = {
	{ -ENOSYS, -EOPNOTSUPP, GMEM_CAUSE_NO_NUMA }, { -EINVAL, -EINVAL, GMEM_CAUSE_NODES },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },      { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },     { 0 },
};

static const int modes[] = {
	[GMEM_NUMA_BIND] = MPOL_BIND,
	[GMEM_NUMA_INTERLEAVE] = MPOL_INTERLEAVE,
	[GMEM_NUMA_PREFERRED] = MPOL_PREFERRED,
};

/* What one range is to become. */
struct placement {
	struct gmem *gmem;
	uint64_t offset, size;
	int mode;
	struct gmem_nodes nodes;
};

static int fail(struct gmem_error *report, int code, enum gmem_cause cause)
{
	report->code = code;
	report->cause = cause;
	return code;
}

static int refused(struct gmem_error *report, const char *system_call, int answer,
		   const struct gmem_answer *answers)
{
	report->system_call = system_call;
	report->attempts = 1;
	gmem_error_set_answer(report, answer, answers);
	return report->code;
}

/* A failure of another part of the library becomes one of this call. */
static int take_over(struct gmem_error *report, const struct gmem_error *inner)
{
	struct gmem_error outer = *report;

	*report = *inner;
	report->call = outer.call;
	report->has_range = outer.has_range;
	report->offset = outer.offset;
	report->size = outer.size;
	return report->code;
}

static int map(const struct placement *p, void **ret_address, struct gmem_error *report)
{
	struct gmem_error inner = { 0 };

	if (gmem_map(p->gmem, p->offset, p->size, NULL, ret_address, &inner) < 0)
		return take_over(report, &inner);
	return 0;
}

static int unmap(const struct placement *p, void *address, struct gmem_error *report)
{
	struct gmem_error inner = { 0 };

	if (gmem_unmap(address, p->size, &inner) < 0 && report)
		return take_over(report, &inner);
	return 0;
}

static int read_options(const struct gmem_numa_options *given, struct gmem_numa_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	return options->late > 1 || options->reserved ? -EINVAL : 0;
}

/* All that can be found out without the kernel. */
static int prepare(const struct gmem_numa_node *node, struct placement *placement,
		   struct gmem_error *report)
{
	enum gmem_cause cause = gmem_range_check(node->gmem, node->offset, node->size);
	unsigned int i, first = GMEM_MAX_NODES;
	int r;

	report->has_range = true;
	report->offset = node->offset;
	report->size = node->size;
	if (cause)
		return fail(report, -EINVAL, cause);
	if (!node->nodes || node->reserved || node->policy < GMEM_NUMA_BIND ||
	    node->policy > GMEM_NUMA_PREFERRED)
		return fail(report, -EINVAL, GMEM_CAUSE_ARGUMENT);
	*placement = (struct placement){
		node->gmem, node->offset, node->size, modes[node->policy], { { 0 } }
	};
	r = gmem_node_parser->parse(node->nodes, &placement->nodes);
	if (r != 0) {
		gmem_error_set_answer(report, r, parse_answers);
		report->kernel_code = 0;
		return report->code;
	}
	/* The kernel would take the first one of several, and say nothing. */
	for (i = 0; node->policy == GMEM_NUMA_PREFERRED && i < GMEM_MAX_NODES; i++) {
		if (!(placement->nodes.words[i / GMEM_NODES_PER_WORD] >> i % GMEM_NODES_PER_WORD &
		      1))
			continue;
		if (first != GMEM_MAX_NODES)
			return fail(report, -EINVAL, GMEM_CAUSE_NODES);
		first = i;
	}
	return 0;
}

/* Where a kernel does not keep the policy in the file, it went with the mapping it was set on. */
static int check_kept(const struct placement *p, struct gmem_error *report)
{
	int r, mode = MPOL_DEFAULT;
	void *address;

	r = map(p, &address, report);
	if (r < 0)
		return r;
	r = gmem_sys->get_policy(address, &mode);
	if (r != 0)
		r = refused(report, "get_mempolicy", r, policy_answers);
	else if (mode != p->mode)
		r = fail(report, -EOPNOTSUPP, GMEM_CAUSE_NO_PLACEMENT);
	unmap(p, address, NULL);
	return r;
}

static int set_policy(const struct placement *p, struct gmem_error *report)
{
	void *address;
	int r;

	r = map(p, &address, report);
	if (r < 0)
		return r;
	r = gmem_sys->set_policy(address, (size_t)p->size, p->mode, p->nodes.words, GMEM_MAX_NODES);
	if (r != 0) {
		r = refused(report, "mbind", r, policy_answers);
		unmap(p, address, NULL);
		return r;
	}
	return unmap(p, address, report);
}

/* Nothing more can be done if this fails. */
static void unset_policy(const struct placement *p)
{
	struct placement none = *p;
	struct gmem_error ignored = { 0 };

	none.mode = MPOL_DEFAULT;
	none.nodes = (struct gmem_nodes){ { 0 } };
	set_policy(&none, &ignored);
}

/* How much of the range is there already; UINT64_MAX if that must not be asked. */
static int find_late(const struct placement *p, bool late, uint64_t *ret_bytes,
		     struct gmem_error *report)
{
	struct gmem_presence presence = { .gmem = p->gmem, .offset = p->offset, .size = p->size };
	void *address;
	int r;

	r = map(p, &address, report);
	if (r < 0)
		return r;
	presence.address = address;
	r = gmem_presence_count(&presence, report);
	unmap(p, address, NULL);
	*ret_bytes = presence.present;
	if (r == -EPERM) {
		*ret_bytes = UINT64_MAX;
		return 0;
	}
	if (r < 0 || late || !presence.present)
		return r;
	report->has_first_offset = true;
	report->first_offset = presence.first;
	report->system_call = NULL;
	return fail(report, -EEXIST, GMEM_CAUSE_TOUCHED);
}

static int place(const struct placement *p, const struct gmem_numa_options *options, uint64_t *late,
		 struct gmem_error *report)
{
	uint64_t bytes = 0;
	int r = find_late(p, options->late, &bytes, report);

	if (r < 0)
		return r;
	r = set_policy(p, report);
	if (r == 0)
		r = check_kept(p, report);
	if (r < 0) {
		unset_policy(p);
		return r;
	}
	*late = bytes == UINT64_MAX || *late == UINT64_MAX ? UINT64_MAX : *late + bytes;
	return 0;
}

int gmem_numa_place(struct gmem *gmem, uint64_t offset, uint64_t size, enum gmem_numa_policy policy,
		    const char *nodes, const struct gmem_numa_options *given,
		    struct gmem_error *reterr_error)
{
	const struct gmem_numa_node node = { gmem, offset, size, policy, 0, nodes };
	struct gmem_error report = { .call = "gmem_numa_place" };
	struct gmem_numa_options options;
	struct placement placement;
	uint64_t late = 0;
	int r;

	report.has_range = true;
	report.offset = offset;
	report.size = size;
	r = read_options(given, &options);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &report, r);
	if (prepare(&node, &placement, &report) < 0 ||
	    place(&placement, &options, &late, &report) < 0)
		return gmem_error_fail(reterr_error, &report);
	if (options.ret_late)
		*options.ret_late = late;
	return 0;
}

static bool overlaps(const struct gmem_numa_node *a, const struct gmem_numa_node *b)
{
	return a->gmem == b->gmem && a->offset < b->offset + b->size &&
	       b->offset < a->offset + a->size;
}

/* Returns the index of the first range that cannot be placed, or count. */
static uint64_t check_list(const struct gmem_numa_node *list, uint64_t count,
			   struct gmem_error *report)
{
	struct placement placement;
	uint64_t i, j;

	for (i = 0; i < count; i++) {
		if (prepare(&list[i], &placement, report) < 0)
			return i;
		for (j = 0; j < i; j++) {
			if (overlaps(&list[i], &list[j])) {
				fail(report, -EINVAL, GMEM_CAUSE_ORDER);
				return i;
			}
		}
	}
	return count;
}

static uint64_t place_list(const struct gmem_numa_node *list, uint64_t count,
			   const struct gmem_numa_options *options, uint64_t *late,
			   struct gmem_error *report)
{
	struct gmem_error ignored = { 0 };
	struct placement placement;
	uint64_t i, j;

	for (i = 0; i < count; i++) {
		if (prepare(&list[i], &placement, report) < 0 ||
		    place(&placement, options, late, report) < 0)
			break;
	}
	for (j = 0; i < count && j < i; j++) {
		if (prepare(&list[j], &placement, &ignored) == 0)
			unset_policy(&placement);
	}
	return i;
}

int gmem_numa_place_guest(const struct gmem_numa_node *list, uint64_t count,
			  const struct gmem_numa_options *given, uint64_t *reterr_index,
			  struct gmem_error *reterr_error)
{
	struct gmem_error report = { .call = "gmem_numa_place_guest" };
	struct gmem_numa_options options;
	uint64_t late = 0, index = UINT64_MAX;
	int r = read_options(given, &options);

	if (r == 0 && (!list || !count))
		fail(&report, -EINVAL, list ? GMEM_CAUSE_EMPTY : GMEM_CAUSE_ARGUMENT);
	else if (r < 0)
		gmem_error_refuse_options(NULL, &report, r);
	if (!report.code) {
		index = check_list(list, count, &report);
		if (index == count)
			index = place_list(list, count, &options, &late, &report);
	}
	if (report.code) {
		if (reterr_index)
			*reterr_index = index;
		return gmem_error_fail(reterr_error, &report);
	}
	if (options.ret_late)
		*options.ret_late = late;
	return 0;
}
