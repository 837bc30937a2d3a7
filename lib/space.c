/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/probe.h>
#include <libgmem/query.h>
#include <stdlib.h>
#include "level.h"
#include "listener.h"
#include "options.h"
#include "record.h"
#include "space.h"
#include "sys.h"

static int read_options(const struct gmem_space_options *given, struct gmem_space_options *options)
{
	int r = gmem_options_read(options, sizeof(*options), sizeof(*options), given);

	if (r < 0)
		return r;
	if (!gmem_mode_name(options->mode) || options->holes > GMEM_HOLES_SHARED_IGNORED ||
	    options->vm_type > UINT32_MAX || options->allocate > 1 || options->reserved)
		return -EINVAL;
	if (options->journal
		    ? options->journal_size < sizeof(struct gmem_journal_header) +
						      sizeof(struct gmem_journal_record) ||
			      options->journal_size > SIZE_MAX || (uintptr_t)options->journal % 8
		    : options->journal_size != 0)
		return -EINVAL;
	return 0;
}

/* The best mode that the VM has, or the wanted one if it has that; else GMEM_MODE_BEST. */
static enum gmem_mode choose_mode(const struct gmem_probe *probe, enum gmem_mode wanted)
{
	bool in_place = gmem_probe_has(probe, GMEM_FEATURE_CONVERT);
	bool has[] = {
		[GMEM_MODE_IN_PLACE] = in_place,
		/* Where both are there attributes of the VM refuse to be private. */
		[GMEM_MODE_TWO_BACKINGS] = gmem_probe_has(probe, GMEM_FEATURE_VM_ATTRIBUTES),
		[GMEM_MODE_FIXED] = !gmem_probe_has(probe, GMEM_FEATURE_PRIVATE),
	};

	if (wanted != GMEM_MODE_BEST)
		return has[wanted] ? wanted : GMEM_MODE_BEST;
	if (has[GMEM_MODE_IN_PLACE])
		return GMEM_MODE_IN_PLACE;
	if (has[GMEM_MODE_TWO_BACKINGS])
		return GMEM_MODE_TWO_BACKINGS;
	return has[GMEM_MODE_FIXED] ? GMEM_MODE_FIXED : GMEM_MODE_BEST;
}

static bool initialise(struct gmem_space *space)
{
	if (pthread_mutex_init(&space->lock, NULL))
		return false;
	if (pthread_cond_init(&space->ended, NULL)) {
		pthread_mutex_destroy(&space->lock);
		return false;
	}
	return true;
}

static int make_space(int vm_fd, const struct gmem_space_options *options,
		      const struct gmem_probe *probe, struct gmem_space **ret_space,
		      struct gmem_error *error)
{
	enum gmem_mode mode = choose_mode(probe, options->mode);
	struct gmem_space *space;

	error->code = -EOPNOTSUPP;
	error->cause = GMEM_CAUSE_NO_MODE;
	if (mode == GMEM_MODE_BEST)
		return error->code;
	error->code = -ENOMEM;
	error->cause = GMEM_CAUSE_MEMORY;
	space = calloc(1, sizeof(*space));
	if (!space)
		return error->code;
	*space = (struct gmem_space){
		.vm_fd = vm_fd,
		.mode = mode,
		.holes = options->holes,
		.vm_type = (unsigned int)options->vm_type,
		.page_size = gmem_sys->page_size(),
		.can_query =
			mode == GMEM_MODE_IN_PLACE && gmem_probe_has(probe, GMEM_FEATURE_QUERY),
		.allocate = options->allocate,
	};
	space->granularity = space->page_size;
	if (!initialise(space)) {
		free(space);
		return error->code;
	}
	if (options->journal)
		gmem_record_begin(space, options->journal, options->journal_size);
	*ret_space = space;
	return 0;
}

int gmem_space_new(int vm_fd, const struct gmem_space_options *options,
		   struct gmem_space **ret_space, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_space_new", .guest = true };
	struct gmem_probe *own = NULL;
	struct gmem_space_options known;
	int r;

	if (!ret_space)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = read_options(options, &known);
	if (r < 0)
		return gmem_error_refuse_options(reterr_error, &error, r);
	if (!known.probe) {
		r = gmem_probe_new(vm_fd, NULL, &own, &error);
		if (r < 0) {
			error.call = "gmem_space_new";
			return gmem_error_fail(reterr_error, &error);
		}
		known.probe = own;
	}
	r = make_space(vm_fd, &known, known.probe, ret_space, &error);
	gmem_probe_free(own);
	return r < 0 ? gmem_error_fail(reterr_error, &error) : 0;
}

void gmem_space_free(struct gmem_space *space)
{
	struct gmem_backing *backing;
	size_t i;

	if (!space)
		return;
	for (backing = space->backings; backing; backing = backing->next) {
		backing->space = NULL;
		backing->number = 0;
	}
	for (i = 0; i < space->listener_count; i++)
		free(space->listeners[i]);
	free(space->listeners);
	free(space->slots);
	pthread_cond_destroy(&space->ended);
	pthread_mutex_destroy(&space->lock);
	free(space);
}

enum gmem_mode gmem_space_get_mode(const struct gmem_space *space)
{
	return space ? space->mode : GMEM_MODE_FIXED;
}

uint64_t gmem_space_get_kept(const struct gmem_space *space)
{
	return space ? __atomic_load_n(&space->kept, __ATOMIC_RELAXED) : 0;
}

const char *gmem_mode_name(enum gmem_mode mode)
{
	switch (mode) {
	case GMEM_MODE_BEST:
		return "best";
	case GMEM_MODE_IN_PLACE:
		return "in-place";
	case GMEM_MODE_TWO_BACKINGS:
		return "two-backings";
	case GMEM_MODE_FIXED:
		return "fixed";
	}
	return NULL;
}

int gmem_space_create(struct gmem_space *space, uint64_t size, enum gmem_init init,
		      struct gmem **ret_gmem, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_space_create" };
	struct gmem_create_options options = { .size = sizeof(options), .init = init };
	struct gmem *gmem;
	int r;

	if (!space || !ret_gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if ((init != GMEM_INIT_SHARED && init != GMEM_INIT_PRIVATE) ||
	    (space->mode == GMEM_MODE_FIXED && init != GMEM_INIT_SHARED))
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_STATE);
	options.mappable = space->mode != GMEM_MODE_TWO_BACKINGS;
	/* There, what is shared is not in the file: to the kernel every file starts private. */
	if (space->mode == GMEM_MODE_TWO_BACKINGS)
		options.init = GMEM_INIT_PRIVATE;
	r = gmem_create(space->vm_fd, size, &options, &gmem, &error);
	if (r < 0) {
		error.call = "gmem_space_create";
		return gmem_error_fail(reterr_error, &error);
	}
	gmem->initial = init == GMEM_INIT_SHARED ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
	*ret_gmem = gmem;
	return 0;
}

/* The kernel's answer, where it can be asked. */
static int query_state(const struct gmem_piece *piece, struct gmem_space_extent *extent,
		       struct gmem_error *error)
{
	struct gmem_query *query;
	struct gmem_extent found;
	int r = gmem_query_new(piece->gmem, piece->offset, piece->size, NULL, &query, error);

	if (r < 0)
		return r;
	r = gmem_query_next(query, &found, error);
	gmem_query_free(query);
	if (r == -EOPNOTSUPP) {
		extent->size = gmem_backing_run(piece->gmem->backing, piece->offset, piece->size,
						&extent->state);
		return 0;
	}
	if (r < 0)
		return r;
	extent->size = found.size;
	extent->state = found.state;
	return 0;
}

int gmem_space_get_extent(struct gmem_space *space, uint64_t gpa, uint64_t size,
			  struct gmem_space_extent *ret_extent, struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_space_get_extent",
		.guest = true,
		.has_range = true,
		.offset = gpa,
		.size = size,
	};
	enum gmem_cause cause = gmem_space_check_range(space, gpa, size);
	struct gmem_error query_error;
	struct gmem_space_extent extent;
	struct gmem_pieces pieces;
	struct gmem_piece piece;
	bool ask;

	if (!ret_extent)
		cause = GMEM_CAUSE_ARGUMENT;
	if (cause)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, cause);
	pthread_mutex_lock(&space->lock);
	gmem_pieces_begin(&pieces, space, gpa, gpa + size);
	gmem_pieces_next(&pieces, &piece);
	extent = (struct gmem_space_extent){
		.gpa = gpa,
		.size = piece.size,
		.gmem = piece.gmem,
		.offset = piece.offset,
		.address = piece.address,
		.slot = piece.slot,
	};
	ask = piece.gmem && space->can_query && gmem_level_permits(GMEM_LEVEL_QUERY);
	if (piece.gmem && !ask)
		extent.size = gmem_backing_run(piece.gmem->backing, piece.offset, piece.size,
					       &extent.state);
	pthread_mutex_unlock(&space->lock);
	if (ask && query_state(&piece, &extent, &query_error) < 0) {
		query_error.call = error.call;
		return gmem_error_fail(reterr_error, &query_error);
	}
	*ret_extent = extent;
	return 0;
}

int gmem_space_get_address(struct gmem_space *space, uint64_t gpa, uint64_t size,
			   void **ret_address)
{
	struct gmem_pieces pieces;
	struct gmem_piece piece;

	if (!space || !ret_address || size == 0 || size > UINT64_MAX - gpa)
		return -EINVAL;
	pthread_mutex_lock(&space->lock);
	gmem_pieces_begin(&pieces, space, gpa, gpa + size);
	gmem_pieces_next(&pieces, &piece);
	pthread_mutex_unlock(&space->lock);
	if (!piece.gmem || piece.size != size)
		return -ENXIO;
	if (!piece.address)
		return -ENODEV;
	*ret_address = piece.address;
	return 0;
}
