/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include "backing.h"
#include "space.h"
#include "sys.h"

#define WORD 64

struct gmem_backing *gmem_backing_new(const struct gmem *gmem, enum gmem_state state)
{
	uint64_t pages = gmem->size / gmem->page_size;
	struct gmem_backing *backing = NULL;

	if (pages / 8 < SIZE_MAX / 2)
		backing =
			calloc(1, sizeof(*backing) + (size_t)(pages / WORD + 1) * sizeof(uint64_t));
	if (!backing)
		return NULL;
	backing->page_size = gmem->page_size;
	backing->pages = pages;
	if (state == GMEM_STATE_PRIVATE)
		gmem_backing_set(backing, 0, gmem->size, state);
	return backing;
}

static void leave_space(struct gmem_backing *backing)
{
	struct gmem_space *space = backing->space;
	struct gmem_backing **link;

	if (!space)
		return;
	pthread_mutex_lock(&space->lock);
	for (link = &space->backings; *link != backing; link = &(*link)->next)
		;
	*link = backing->next;
	pthread_mutex_unlock(&space->lock);
}

void gmem_backing_free(struct gmem_backing *backing)
{
	if (!backing)
		return;
	leave_space(backing);
	if (backing->host)
		gmem_sys->munmap(backing->host, (size_t)(backing->pages * backing->page_size));
	free(backing);
}

/* Bits of a word from one page on, up to another one that may be beyond the word. */
static uint64_t mask_of(uint64_t page, uint64_t end)
{
	uint64_t count = end - page, first = page % WORD;

	if (count >= WORD - first)
		return ~UINT64_C(0) << first;
	return ((UINT64_C(1) << count) - 1) << first;
}

void gmem_backing_set(struct gmem_backing *backing, uint64_t offset, uint64_t size,
		      enum gmem_state state)
{
	uint64_t page = offset / backing->page_size, end = page + size / backing->page_size, mask;
	uint64_t *word;

	/* Neighbours in a word may belong to another thread's range. */
	for (; page < end; page = (page / WORD + 1) * WORD) {
		word = &backing->bits[page / WORD];
		mask = mask_of(page, end);
		if (state == GMEM_STATE_PRIVATE)
			__atomic_fetch_or(word, mask, __ATOMIC_RELAXED);
		else
			__atomic_fetch_and(word, ~mask, __ATOMIC_RELAXED);
	}
}

uint64_t gmem_backing_run(const struct gmem_backing *backing, uint64_t offset, uint64_t size,
			  enum gmem_state *ret_state)
{
	uint64_t page = offset / backing->page_size, end = page + size / backing->page_size;
	uint64_t start = page, word, flip, others;

	word = __atomic_load_n(&backing->bits[page / WORD], __ATOMIC_RELAXED);
	flip = (word >> (page % WORD)) & 1 ? ~UINT64_C(0) : 0;
	*ret_state = flip ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
	for (;;) {
		others = (word ^ flip) & mask_of(page, end);
		if (others) {
			page = page / WORD * WORD + (uint64_t)__builtin_ctzll(others);
			break;
		}
		page = (page / WORD + 1) * WORD;
		if (page >= end) {
			page = end;
			break;
		}
		word = __atomic_load_n(&backing->bits[page / WORD], __ATOMIC_RELAXED);
	}
	return (page - start) * backing->page_size;
}
