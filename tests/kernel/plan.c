/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "plan.h"

#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* How many extents are asked for at once. */
#define BATCH 512

/* A number that depends on all of its arguments. */
static uint64_t mix(uint64_t seed, uint64_t a, uint64_t b)
{
	uint64_t state = (seed ^ a * 0x9E3779B97F4A7C15ULL ^ b * 0xBF58476D1CE4E5B9ULL) | 1;

	next_random(&state);
	return next_random(&state) >> 16;
}

enum kind {
	FILLED,
	UNTOUCHED, /* allocated, but nobody has written to it */
	ABSENT
};

static enum kind kind_of(const struct plan *plan, uint64_t page)
{
	static const enum kind kinds[] = { FILLED, FILLED, UNTOUCHED, ABSENT };

	/* In runs, so that there are holes of many pages, too. */
	return plan->holes ? kinds[mix(plan->seed, page / 5, 0) % 4] : FILLED;
}

/* The next page at which the state may change: 1 to 32 pages on. */
static uint64_t end_of(const struct plan *plan, uint64_t page, uint64_t round)
{
	uint64_t end = page + 1 + mix(plan->seed, page, round + 1) % 32;

	return end < plan->pages ? end : plan->pages;
}

static uint64_t state_of(const struct plan *plan, uint64_t page, uint64_t round)
{
	return plan->mixed && mix(plan->seed, page, ~round) % 2 ? PRIVATE : SHARED;
}

uint64_t plan_allocated(const struct plan *plan)
{
	uint64_t pages = 0;

	for (uint64_t page = 0; page < plan->pages; page++)
		pages += kind_of(plan, page) != ABSENT;
	return pages * PAGE;
}

static void set_states(const struct plan *plan, int gmem, uint64_t round)
{
	for (uint64_t page = 0, end; page < plan->pages; page = end) {
		end = end_of(plan, page, round);
		if (state_of(plan, page, round) == PRIVATE)
			must_give(convert(gmem, page * PAGE, (end - page) * PAGE, PRIVATE), 0);
	}
}

static void fill(const struct plan *plan, int gmem, uint64_t round)
{
	uint8_t *at = map_gmem(gmem, 0, plan->pages * PAGE);

	for (uint64_t page = 0; page < plan->pages; page++)
		if (kind_of(plan, page) == FILLED)
			fill_page(at + page * PAGE, page, plan->seed + round);
	munmap(at, plan->pages * PAGE);
}

void plan_create(const struct plan *plan, int gmem, uint64_t round)
{
	for (uint64_t page = 0; page < plan->pages; page++)
		if (kind_of(plan, page) == UNTOUCHED)
			must_give(allocate(gmem, page * PAGE, PAGE), 0);
	plan_change(plan, gmem, round);
}

void plan_change(const struct plan *plan, int gmem, uint64_t round)
{
	fill(plan, gmem, round);
	set_states(plan, gmem, round);
}

/* The states, in the fewest extents there can be. */
static void verify_extents(const struct plan *plan, int gmem, uint64_t round)
{
	struct gmem_uapi_extent *extents = calloc(BATCH, sizeof(*extents));
	struct gmem_uapi_query query = {
		.size = plan->pages * PAGE,
		.flags = GMEM_UAPI_QUERY_ALLOCATED,
	};
	uint64_t page = 0, allocated = 0, end_page = 0, state = ~0ULL;

	ck_assert_ptr_nonnull(extents);
	while (query.size) {
		query.extents = (uintptr_t)extents;
		query.nr_extents = BATCH;
		must_give(ioctl(gmem, GMEM_UAPI_QUERY, &query) ? -errno : 0, 0);
		for (uint64_t i = 0; i < query.nr_extents; i++) {
			uint64_t last = (extents[i].offset + extents[i].size) / PAGE;

			ck_assert_uint_eq(extents[i].offset, page * PAGE);
			/* A batch may end in the middle of nothing but an extent. */
			ck_assert_uint_ne(extents[i].attributes, state);
			state = extents[i].attributes;
			allocated += extents[i].allocated;
			for (uint64_t wanted = state; page < last; page++) {
				if (page == end_page) {
					wanted = state_of(plan, page, round);
					end_page = end_of(plan, page, round);
				}
				ck_assert_uint_eq(wanted, state);
			}
		}
	}
	free(extents);
	ck_assert_uint_eq(page, plan->pages);
	ck_assert_uint_eq(allocated, plan_allocated(plan));
}

/* The host is kept out from the very beginning. */
static void verify_private(const struct plan *plan, const uint8_t *at, uint64_t round)
{
	uint8_t byte;

	for (uint64_t page = 0, end; page < plan->pages; page = end) {
		end = end_of(plan, page, round);
		if (state_of(plan, page, round) == PRIVATE)
			ck_assert(!try_read(at + page * PAGE, &byte) &&
				  !try_read(at + (end - 1) * PAGE, &byte));
	}
}

void plan_verify(const struct plan *plan, int gmem, uint64_t round)
{
	uint8_t *at = map_gmem(gmem, 0, plan->pages * PAGE);

	verify_extents(plan, gmem, round);
	if (plan->mixed) {
		verify_private(plan, at, round);
		must_give(convert(gmem, 0, plan->pages * PAGE, SHARED), 0);
	}
	for (uint64_t page = 0; page < plan->pages; page++) {
		const uint8_t *there = at + page * PAGE;

		switch (kind_of(plan, page)) {
		case FILLED:
			ck_assert_msg(page_is_filled(there, page, plan->seed + round),
				      "page %llu is lost (seed 0x%llx, round %llu)",
				      (unsigned long long)page, (unsigned long long)plan->seed,
				      (unsigned long long)round);
			break;
		case UNTOUCHED:
			ck_assert_msg(page_is_zero(there), "page %llu is not zero",
				      (unsigned long long)page);
			break;
		case ABSENT:
			break;
		}
	}
	munmap(at, plan->pages * PAGE);
}
