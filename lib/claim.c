/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Claims: who works on which part of a space.
 */
#include <errno.h>
#include "space.h"

/* Whether an earlier claim has a part of this one. */
static bool must_wait(const struct gmem_space *space, const struct gmem_claim *claim)
{
	const struct gmem_claim *other;

	for (other = space->claims; other != claim; other = other->next) {
		if (other->first <= claim->last && claim->first <= other->last)
			return true;
	}
	return false;
}

/* Listeners are told of whole blocks, so that nobody else may be in them. */
static void widen(const struct gmem_space *space, struct gmem_claim *claim)
{
	claim->first &= ~(space->granularity - 1);
	claim->last |= space->granularity - 1;
}

int gmem_claim_begin(struct gmem_space *space, struct gmem_claim *claim, uint64_t first,
		     uint64_t last)
{
	struct gmem_claim **end;

	*claim = (struct gmem_claim){ NULL, first, last, pthread_self() };
	for (end = &space->claims; *end; end = &(*end)->next) {
		/* It would wait for itself, or two threads for each other. */
		if (pthread_equal((*end)->owner, claim->owner))
			return -EDEADLK;
	}
	*end = claim;
	widen(space, claim);
	while (must_wait(space, claim)) {
		space->waiting++;
		pthread_cond_wait(&space->ended, &space->lock);
		space->waiting--;
		/* A listener with coarser blocks may have come meanwhile. */
		widen(space, claim);
	}
	return 0;
}

void gmem_claim_end(struct gmem_space *space, struct gmem_claim *claim)
{
	struct gmem_claim **link;

	for (link = &space->claims; *link != claim; link = &(*link)->next)
		;
	*link = claim->next;
	if (space->waiting)
		pthread_cond_broadcast(&space->ended);
}

int gmem_claim_all(struct gmem_space *space, struct gmem_claim *claim)
{
	int r;

	pthread_mutex_lock(&space->lock);
	r = gmem_claim_begin(space, claim, 0, UINT64_MAX);
	pthread_mutex_unlock(&space->lock);
	return r;
}

void gmem_claim_drop(struct gmem_space *space, struct gmem_claim *claim)
{
	pthread_mutex_lock(&space->lock);
	gmem_claim_end(space, claim);
	pthread_mutex_unlock(&space->lock);
}
