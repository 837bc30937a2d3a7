/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The pieces of a guest-physical range: by slot, and by state.
 */
#include "space.h"

size_t gmem_space_find(const struct gmem_space *space, uint64_t gpa)
{
	size_t low = 0, high = space->slot_count, middle;
	const struct gmem_bound_slot *slot;

	while (low < high) {
		middle = low + (high - low) / 2;
		slot = &space->slots[middle];
		if (slot->gpa + slot->size <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void gmem_pieces_begin(struct gmem_pieces *pieces, const struct gmem_space *space, uint64_t gpa,
		       uint64_t end)
{
	*pieces = (struct gmem_pieces){ space, gpa, end, gmem_space_find(space, gpa) };
}

bool gmem_pieces_next(struct gmem_pieces *pieces, struct gmem_piece *ret_piece)
{
	const struct gmem_space *space = pieces->space;
	uint64_t gpa = pieces->next, left = pieces->end - gpa, inside;
	const struct gmem_bound_slot *slot = NULL;

	if (!left)
		return false;
	if (pieces->index < space->slot_count)
		slot = &space->slots[pieces->index];
	*ret_piece = (struct gmem_piece){ .gpa = gpa, .size = left };
	if (slot && slot->gpa > gpa) {
		if (slot->gpa - gpa < left)
			ret_piece->size = slot->gpa - gpa;
	} else if (slot) {
		inside = gpa - slot->gpa;
		if (slot->size - inside < left)
			ret_piece->size = slot->size - inside;
		ret_piece->gmem = slot->gmem;
		ret_piece->offset = slot->offset + inside;
		ret_piece->slot = slot->number;
		if (slot->address)
			ret_piece->address = (char *)slot->address + inside;
		pieces->index++;
	}
	pieces->next += ret_piece->size;
	return true;
}

void gmem_runs_begin(struct gmem_runs *runs, const struct gmem_space *space, uint64_t gpa,
		     uint64_t end, enum gmem_state state, uint64_t granularity)
{
	*runs = (struct gmem_runs){ .state = state, .granularity = granularity };
	gmem_pieces_begin(&runs->pieces, space, gpa, end);
}

/* Takes the first bytes off what is left of a piece. */
static void advance(struct gmem_piece *piece, uint64_t size)
{
	piece->gpa += size;
	piece->size -= size;
	piece->offset += size;
	if (piece->address)
		piece->address = (char *)piece->address + size;
}

bool gmem_runs_next(struct gmem_runs *runs, struct gmem_piece *ret_run)
{
	struct gmem_piece *piece = &runs->piece;
	enum gmem_state state;
	uint64_t size, block;

	for (;;) {
		while (!piece->size || !piece->gmem) {
			if (!gmem_pieces_next(&runs->pieces, piece))
				return false;
		}
		size = gmem_backing_run(piece->gmem->backing, piece->offset, piece->size, &state);
		if (runs->granularity) {
			block = runs->granularity - (piece->gpa & (runs->granularity - 1));
			size = size < block ? size : block;
		}
		*ret_run = *piece;
		ret_run->size = size;
		advance(piece, size);
		if (state == runs->state)
			return true;
	}
}
