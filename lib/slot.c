/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Binding and unbinding slots.
 */
#include <errno.h>
#include <libgmem/query.h>
#include <string.h>
#include <sys/mman.h>
#include "alias.h"
#include "array.h"
#include "level.h"
#include "listener.h"
#include "options.h"
#include "range.h"
#include "record.h"
#include "retry.h"
#include "space.h"
#include "sys.h"
#include "two-backings.h"
#include "uapi/guest_memfd.h"

static const struct gmem_answer bind_answers[] = {
	{ -EEXIST, -EEXIST, GMEM_CAUSE_FOREIGN_SLOT },
	{ -EINVAL, -EINVAL, GMEM_CAUSE_SLOT_REFUSED },
	{ -ENOTTY, -EOPNOTSUPP, GMEM_CAUSE_NO_FILE_SLOTS },
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },
	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },
	{ 0 },
};

static const struct gmem_answer unbind_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_MEMORY },  { -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },
	{ -EIO, -EIO, GMEM_CAUSE_FOREIGN_VM },	  { -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED }, { 0 },
};

static const struct gmem_answer map_answers[] = {
	{ -ENOMEM, -ENOMEM, GMEM_CAUSE_ADDRESS_SPACE }, { -EAGAIN, -EAGAIN, GMEM_CAUSE_LOCK_LIMIT },
	{ -EBADF, -EBADF, GMEM_CAUSE_NOT_OPEN },	{ -EPERM, -EPERM, GMEM_CAUSE_REFUSED },
	{ -EACCES, -EACCES, GMEM_CAUSE_REFUSED },	{ 0 },
};

static bool refuse(struct gmem_error *error, int code, enum gmem_cause cause)
{
	error->code = code;
	error->cause = cause;
	return false;
}

static bool answered(struct gmem_error *error, const char *system_call, int r,
		     const struct gmem_answer *answers)
{
	if (r == 0)
		return true;
	error->system_call = system_call;
	error->attempts = 1;
	gmem_error_set_answer(error, r, answers);
	return false;
}

/* The slot that a new one meets is in the report. */
static bool meets(struct gmem_error *error, const struct gmem_bound_slot *other,
		  enum gmem_cause cause)
{
	error->has_slot = true;
	error->slot = other->number;
	return refuse(error, -EEXIST, cause);
}

static bool check_others(const struct gmem_space *space, const struct gmem_bound_slot *slot,
			 struct gmem_error *error)
{
	size_t place = gmem_space_find(space, slot->gpa), i;
	const struct gmem_bound_slot *other;

	for (i = 0; i < space->slot_count; i++) {
		other = &space->slots[i];
		if (other->number == slot->number)
			return meets(error, other, GMEM_CAUSE_SLOT_NUMBER);
	}
	if (place < space->slot_count && space->slots[place].gpa < slot->gpa + slot->size)
		return meets(error, &space->slots[place], GMEM_CAUSE_SLOT_OVERLAP);
	for (i = 0; i < space->slot_count; i++) {
		other = &space->slots[i];
		if (other->gmem == slot->gmem && other->offset < slot->offset + slot->size &&
		    slot->offset < other->offset + other->size)
			return meets(error, other, GMEM_CAUSE_BOUND_TWICE);
	}
	return true;
}

/* What the kernel says about the states of a file that is bound for the first time. */
static bool read_states(struct gmem *gmem, struct gmem_backing *backing, struct gmem_error *error)
{
	struct gmem_extent extent;
	struct gmem_query *query;
	struct gmem_error failure;
	int r = gmem_query_new(gmem, 0, gmem->size, NULL, &query, &failure);

	if (r == 0) {
		while ((r = gmem_query_next(query, &extent, &failure)) == 0)
			gmem_backing_set(backing, extent.offset, extent.size, extent.state);
		gmem_query_free(query);
	}
	if (r != -ENODATA && r != -EOPNOTSUPP) {
		failure.call = error->call;
		*error = failure;
	}
	/* Where the kernel cannot be asked after all, it stays at what the file started with. */
	return r == -ENODATA || r == -EOPNOTSUPP;
}

/* A file that is bound for the first time. */
static bool attach(struct gmem_space *space, struct gmem *gmem, enum gmem_state told,
		   struct gmem_error *error)
{
	enum gmem_state state = gmem->initial ? gmem->initial : told;
	struct gmem_backing *backing = gmem->backing;

	if (!state)
		state = space->mode == GMEM_MODE_FIXED ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
	if (!backing)
		backing = gmem_backing_new(gmem, state);
	if (!backing)
		return refuse(error, -ENOMEM, GMEM_CAUSE_MEMORY);
	if (space->can_query && gmem_level_permits(GMEM_LEVEL_QUERY) &&
	    !read_states(gmem, backing, error)) {
		if (!gmem->backing)
			gmem_backing_free(backing);
		return false;
	}
	pthread_mutex_lock(&space->lock);
	gmem->backing = backing;
	backing->space = space;
	backing->next = space->backings;
	space->backings = backing;
	gmem_record_file(space, gmem, state);
	pthread_mutex_unlock(&space->lock);
	return true;
}

/* All of the file's shared memory, once: it survives the slots. */
static bool map_file(const struct gmem_space *space, struct gmem *gmem, struct gmem_error *error)
{
	bool apart = space->mode == GMEM_MODE_TWO_BACKINGS;
	int flags = apart ? MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	void *address;
	int r;

	if (gmem->backing->host || (!apart && !gmem_is_mappable(gmem)))
		return true;
	if (gmem->size > SIZE_MAX)
		return refuse(error, -ENOMEM, GMEM_CAUSE_ADDRESS_SPACE);
	r = gmem_sys->mmap((size_t)gmem->size, PROT_READ | PROT_WRITE, flags, apart ? -1 : gmem->fd,
			   0, &address);
	if (!answered(error, "mmap", r, map_answers))
		return false;
	gmem->backing->host = address;
	return true;
}

/* Where the host has the slot's memory, verified. */
static bool find_address(const struct gmem_space *space, const struct gmem_slot *asked,
			 struct gmem_bound_slot *slot, struct gmem_error *error)
{
	if (slot->address) {
		if (space->mode == GMEM_MODE_TWO_BACKINGS || asked->unverified)
			return true;
		return gmem_alias_verify(slot->gmem, slot->offset, slot->address, slot->size,
					 error);
	}
	if (!map_file(space, slot->gmem, error))
		return false;
	if (slot->gmem->backing->host)
		slot->address = (char *)slot->gmem->backing->host + slot->offset;
	return true;
}

/* With two backings states belong to addresses in KVM: they follow the file. */
static bool set_attributes(const struct gmem_space *space, const struct gmem_bound_slot *slot,
			   struct gmem_error *error)
{
	uint64_t done = 0, size;
	enum gmem_state state;

	if (space->mode != GMEM_MODE_TWO_BACKINGS)
		return true;
	for (; done < slot->size; done += size) {
		size = gmem_backing_run(slot->gmem->backing, slot->offset + done, slot->size - done,
					&state);
		if (!gmem_two_set(space, slot->gpa + done, size, state, error))
			return false;
	}
	return true;
}

static int tell_kvm(const struct gmem_space *space, const struct gmem_bound_slot *slot, bool bind)
{
	struct gmem_uapi_memory_region region = {
		.slot = slot->number,
		.guest_phys_addr = slot->gpa,
	};

	if (bind) {
		region.flags = GMEM_UAPI_MEM_GUEST_MEMFD;
		region.memory_size = slot->size;
		region.userspace_addr = (uintptr_t)slot->address;
		region.guest_memfd = (uint32_t)slot->gmem->fd;
		region.guest_memfd_offset = slot->offset;
	}
	return gmem_sys->ioctl(space->vm_fd, GMEM_UAPI_SET_MEMORY_REGION, (uintptr_t)&region);
}

static void insert(struct gmem_space *space, const struct gmem_bound_slot *slot)
{
	size_t place = gmem_space_find(space, slot->gpa);

	memmove(&space->slots[place + 1], &space->slots[place],
		(space->slot_count - place) * sizeof(*slot));
	space->slots[place] = *slot;
	space->slot_count++;
}

static void take_out(struct gmem_space *space, const struct gmem_bound_slot *slot)
{
	size_t place = gmem_space_find(space, slot->gpa);

	space->slot_count--;
	memmove(&space->slots[place], &space->slots[place + 1],
		(space->slot_count - place) * sizeof(*slot));
}

/* With patience as by default. */
static struct gmem_telling tell_slot(struct gmem_space *space, const struct gmem_bound_slot *slot,
				     struct gmem_convert_options *options, struct gmem_error *error)
{
	*options = (struct gmem_convert_options){ 0 };
	gmem_retry_set_defaults(options);
	return (struct gmem_telling){
		.space = space,
		.gpa = slot->gpa,
		.end = slot->gpa + slot->size,
		.where = GMEM_WHERE_EXACT,
		.state = GMEM_STATE_SHARED,
		.reason = GMEM_REASON_SLOT,
		.count = space->listener_count,
		.options = options,
		.report = error,
	};
}

static void change_slots(struct gmem_space *space, const struct gmem_bound_slot *slot, bool bind)
{
	pthread_mutex_lock(&space->lock);
	if (bind)
		insert(space, slot);
	else
		take_out(space, slot);
	gmem_record_slot(space, bind ? GMEM_JOURNAL_BIND : GMEM_JOURNAL_UNBIND, slot, 0);
	pthread_mutex_unlock(&space->lock);
}

static void record_refusal(struct gmem_space *space, enum gmem_journal_kind kind,
			   const struct gmem_bound_slot *slot, int code)
{
	pthread_mutex_lock(&space->lock);
	gmem_record_slot(space, kind, slot, code);
	pthread_mutex_unlock(&space->lock);
}

/* Listeners refuse the new slot: it goes again. If KVM keeps it, so does the space. */
static bool bind_undo(struct gmem_space *space, const struct gmem_bound_slot *slot,
		      struct gmem_error *error)
{
	if (tell_kvm(space, slot, false) == 0)
		change_slots(space, slot, false);
	else
		gmem_error_add_unrestored(error, slot->gpa, slot->size);
	return false;
}

/* All of the space is claimed. */
static bool bind_claimed(struct gmem_space *space, const struct gmem_slot *asked,
			 struct gmem_bound_slot *slot, struct gmem_error *error)
{
	struct gmem_convert_options options;
	struct gmem_telling telling;

	if (slot->gmem->backing && slot->gmem->backing->space &&
	    slot->gmem->backing->space != space)
		return refuse(error, -EINVAL, GMEM_CAUSE_OTHER_SPACE);
	if (!check_others(space, slot, error))
		return false;
	if (!gmem_array_grow((void **)&space->slots, space->slot_count, &space->slot_room,
			     sizeof(*space->slots)))
		return refuse(error, -ENOMEM, GMEM_CAUSE_MEMORY);
	if ((!slot->gmem->backing || !slot->gmem->backing->space) &&
	    !attach(space, slot->gmem, asked->state, error))
		return false;
	if (!find_address(space, asked, slot, error) || !set_attributes(space, slot, error))
		return false;
	if (!answered(error, "KVM_SET_USER_MEMORY_REGION2", tell_kvm(space, slot, true),
		      bind_answers)) {
		record_refusal(space, GMEM_JOURNAL_BIND, slot, error->code);
		return false;
	}
	change_slots(space, slot, true);
	telling = tell_slot(space, slot, &options, error);
	if (!gmem_tell_populate(&telling))
		return bind_undo(space, slot, error);
	return true;
}

static int read_slot(const struct gmem_space *space, const struct gmem_slot *given,
		     struct gmem_slot *slot, enum gmem_cause *ret_cause)
{
	int r = gmem_options_read(slot, sizeof(*slot), sizeof(*slot), given);

	*ret_cause = r == -E2BIG ? GMEM_CAUSE_NEWER_OPTIONS : GMEM_CAUSE_OPTION;
	if (r < 0)
		return r;
	if (slot->unverified > 1 || slot->reserved ||
	    (slot->state && !gmem_state_name(slot->state)))
		return -EINVAL;
	*ret_cause = gmem_range_check(slot->gmem, slot->offset, slot->memory_size);
	if (!*ret_cause)
		*ret_cause = gmem_space_check_range(space, slot->gpa, slot->memory_size);
	if (!*ret_cause && space->mode == GMEM_MODE_TWO_BACKINGS && slot->gmem->mappable)
		*ret_cause = GMEM_CAUSE_MAPPABLE_TWICE;
	return *ret_cause ? -EINVAL : 0;
}

int gmem_space_bind(struct gmem_space *space, const struct gmem_slot *slot,
		    struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_space_bind", .guest = true };
	struct gmem_bound_slot bound;
	struct gmem_claim claim;
	struct gmem_slot known;
	enum gmem_cause cause;
	bool done;
	int r;

	if (!space || !slot)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	r = read_slot(space, slot, &known, &cause);
	error.has_range = r == 0 || cause != GMEM_CAUSE_NEWER_OPTIONS;
	error.offset = known.gpa;
	error.size = known.memory_size;
	if (r < 0)
		return gmem_error_refuse(reterr_error, &error, r, cause);
	bound = (struct gmem_bound_slot){ known.gpa,	known.memory_size, known.gmem,
					  known.offset, known.address,	   known.number };
	if (gmem_claim_all(space, &claim) < 0)
		return gmem_error_refuse(reterr_error, &error, -EDEADLK, GMEM_CAUSE_LISTENER_CALLS);
	done = bind_claimed(space, &known, &bound, &error);
	gmem_claim_drop(space, &claim);
	return done ? 0 : gmem_error_fail(reterr_error, &error);
}

/* All of the space is claimed. */
static bool unbind_claimed(struct gmem_space *space, uint32_t number, struct gmem_error *error)
{
	struct gmem_convert_options options;
	struct gmem_telling telling;
	struct gmem_bound_slot slot;
	size_t i = 0;

	while (i < space->slot_count && space->slots[i].number != number)
		i++;
	if (i == space->slot_count)
		return refuse(error, -ENOENT, GMEM_CAUSE_NO_SLOT);
	slot = space->slots[i];
	error->has_range = true;
	error->offset = slot.gpa;
	error->size = slot.size;
	telling = tell_slot(space, &slot, &options, error);
	if (!gmem_tell_release(&telling)) {
		record_refusal(space, GMEM_JOURNAL_UNBIND, &slot, error->code);
		return false;
	}
	if (!answered(error, "KVM_SET_USER_MEMORY_REGION2", tell_kvm(space, &slot, false),
		      unbind_answers)) {
		gmem_tell_undo(&telling, false);
		record_refusal(space, GMEM_JOURNAL_UNBIND, &slot, error->code);
		return false;
	}
	change_slots(space, &slot, false);
	return true;
}

int gmem_space_unbind(struct gmem_space *space, uint32_t number, struct gmem_error *reterr_error)
{
	struct gmem_error error = {
		.call = "gmem_space_unbind",
		.guest = true,
		.has_slot = true,
		.slot = number,
	};
	struct gmem_claim claim;
	bool done;

	if (!space)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (gmem_claim_all(space, &claim) < 0)
		return gmem_error_refuse(reterr_error, &error, -EDEADLK, GMEM_CAUSE_LISTENER_CALLS);
	done = unbind_claimed(space, number, &error);
	gmem_claim_drop(space, &claim);
	return done ? 0 : gmem_error_fail(reterr_error, &error);
}
