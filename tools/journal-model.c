/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a journal says that files and slots came to be. */
#include "journal-read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* From offset to the next one, or to the end of the file. Neighbours differ. */
struct change {
	uint64_t offset;
	enum gmem_state state;
};

struct file {
	uint64_t size;
	struct change *changes;
	size_t count, room;
};

struct journal_model {
	uint64_t page_size;
	bool shared_holes_ignored;
	struct file *files;
	uint32_t file_count;
	struct journal_slot *slots;
	size_t slot_count;
};

static int refuse(const char **reterr_why, const char *why)
{
	*reterr_why = why;
	return -EBADMSG;
}

/* Room for one more, by doubling: the count is the only size that is kept. NULL: no memory. */
static void *grow(void *array, size_t count, size_t element)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? count * 2 : 1, element);
}

static bool good_state(uint8_t state)
{
	return state == GMEM_STATE_SHARED || state == GMEM_STATE_PRIVATE;
}

static bool good_range(const struct journal_model *model, uint64_t start, uint64_t size)
{
	return size && !((start | size) & (model->page_size - 1)) && size <= UINT64_MAX - start;
}

/* ---- states of a file ---- */

/* The change that a page belongs to. */
static size_t find_change(const struct file *file, uint64_t offset)
{
	size_t low = 0, high = file->count, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (file->changes[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Room for two more. Nothing else of setting a state can fail. */
static int make_room(struct file *file)
{
	size_t room = file->room ? file->room * 2 : 4;
	struct change *changes;

	if (file->count + 2 <= file->room)
		return 0;
	changes = reallocarray(file->changes, room, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	file->changes = changes;
	file->room = room;
	return 0;
}

static void set_state(struct file *file, uint64_t offset, uint64_t size, enum gmem_state state)
{
	uint64_t end = offset + size;
	size_t from = find_change(file, offset), to = from;
	struct change add[3];
	size_t added = 0;
	enum gmem_state after;

	while (to < file->count && file->changes[to].offset < end)
		to++;
	after = file->changes[to - 1].state;
	if (file->changes[from].offset < offset)
		add[added++] = file->changes[from];
	else if (from > 0)
		add[added++] = file->changes[--from];
	if (!added || add[added - 1].state != state)
		add[added++] = (struct change){ offset, state };
	if (end < file->size && (to == file->count || file->changes[to].offset > end)) {
		if (after != state)
			add[added++] = (struct change){ end, after };
	} else if (to < file->count && file->changes[to].state == state) {
		to++;
	}
	memmove(file->changes + from + added, file->changes + to,
		(file->count - to) * sizeof(*file->changes));
	memcpy(file->changes + from, add, added * sizeof(*add));
	file->count = file->count - (to - from) + added;
}

static struct file *find_file(const struct journal_model *model, uint32_t number)
{
	return number && number <= model->file_count ? &model->files[number - 1] : NULL;
}

/* ---- slots ---- */

/* The first slot that ends behind an address. */
static size_t find_slot(const struct journal_model *model, uint64_t gpa)
{
	size_t low = 0, high = model->slot_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (model->slots[middle].gpa + model->slots[middle].size > gpa)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int apply_bind(struct journal_model *model, const struct gmem_journal_record *record,
		      const char **reterr_why)
{
	const struct file *file = find_file(model, record->file);
	struct journal_slot *slots;
	size_t at, i;

	if (!file)
		return refuse(reterr_why, "it binds a file that there is not");
	if (!good_range(model, record->gpa, record->size) ||
	    !good_range(model, record->offset, record->size) ||
	    record->offset + record->size > file->size)
		return refuse(reterr_why, "its range makes no sense");
	at = find_slot(model, record->gpa);
	if (at < model->slot_count && model->slots[at].gpa < record->gpa + record->size)
		return refuse(reterr_why, "it overlaps another slot");
	for (i = 0; i < model->slot_count; i++) {
		if (model->slots[i].number == record->slot)
			return refuse(reterr_why, "there is a slot of that number");
		if (model->slots[i].file == record->file &&
		    model->slots[i].offset < record->offset + record->size &&
		    record->offset < model->slots[i].offset + model->slots[i].size)
			return refuse(reterr_why, "a part of the file is in another slot");
	}
	slots = grow(model->slots, model->slot_count, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	model->slots = slots;
	memmove(model->slots + at + 1, model->slots + at,
		(model->slot_count - at) * sizeof(*model->slots));
	model->slots[at] = (struct journal_slot){ record->gpa, record->size, record->offset,
						  record->slot, record->file };
	model->slot_count++;
	return 0;
}

static int apply_unbind(struct journal_model *model, const struct gmem_journal_record *record,
			const char **reterr_why)
{
	size_t at = find_slot(model, record->gpa);
	const struct journal_slot *slot = &model->slots[at];

	if (at >= model->slot_count || slot->gpa != record->gpa || slot->size != record->size ||
	    slot->number != record->slot || slot->file != record->file)
		return refuse(reterr_why, "there is no such slot");
	model->slot_count--;
	memmove(model->slots + at, model->slots + at + 1,
		(model->slot_count - at) * sizeof(*model->slots));
	return 0;
}

/* ---- what happened ---- */

static int apply_file(struct journal_model *model, const struct gmem_journal_record *record,
		      const char **reterr_why)
{
	struct file *files, *file;

	if (record->file != model->file_count + 1)
		return refuse(reterr_why, "files are numbered one after the other");
	if (!good_range(model, 0, record->size) || !good_state(record->state))
		return refuse(reterr_why, "its size or state makes no sense");
	files = grow(model->files, model->file_count, sizeof(*files));
	if (!files)
		return -ENOMEM;
	model->files = files;
	file = &files[model->file_count];
	*file = (struct file){ .size = record->size };
	if (make_room(file))
		return -ENOMEM;
	file->changes[0] = (struct change){ 0, (enum gmem_state)record->state };
	file->count = 1;
	model->file_count++;
	return 0;
}

/* Whether a conversion that succeeded can have been: no hole but those that are left out. */
static int check_holes(struct journal_model *model, const struct gmem_journal_record *record,
		       const char **reterr_why)
{
	uint64_t gpa = record->gpa, end = record->gpa + record->size;
	size_t i;

	if (model->shared_holes_ignored && record->state == GMEM_STATE_SHARED)
		return 0;
	for (i = find_slot(model, gpa); gpa < end; i++) {
		if (i == model->slot_count || model->slots[i].gpa > gpa)
			return refuse(reterr_why, "it converted what is in no slot");
		gpa = model->slots[i].gpa + model->slots[i].size;
	}
	return 0;
}

static int apply_convert(struct journal_model *model, const struct gmem_journal_record *record,
			 const char **reterr_why)
{
	uint64_t end = record->gpa + record->size, from, to;
	const struct journal_slot *slot;
	size_t first = find_slot(model, record->gpa), i;
	int r;

	if (!good_range(model, record->gpa, record->size) || !good_state(record->state))
		return refuse(reterr_why, "its range or state makes no sense");
	r = check_holes(model, record, reterr_why);
	if (r)
		return r;
	for (i = first; i < model->slot_count && model->slots[i].gpa < end; i++) {
		slot = &model->slots[i];
		if (make_room(find_file(model, slot->file)))
			return -ENOMEM;
		from = slot->gpa > record->gpa ? slot->gpa : record->gpa;
		to = slot->gpa + slot->size < end ? slot->gpa + slot->size : end;
		set_state(find_file(model, slot->file), slot->offset + (from - slot->gpa),
			  to - from, (enum gmem_state)record->state);
	}
	return 0;
}

static int apply_state(struct journal_model *model, const struct gmem_journal_record *record,
		       const char **reterr_why)
{
	struct file *file = find_file(model, record->file);

	if (!file)
		return refuse(reterr_why, "it is about a file that there is not");
	if (!good_range(model, record->offset, record->size) ||
	    record->offset + record->size > file->size || !good_state(record->state))
		return refuse(reterr_why, "its range or state makes no sense");
	if (make_room(file))
		return -ENOMEM;
	set_state(file, record->offset, record->size, (enum gmem_state)record->state);
	return 0;
}

int journal_model_apply(struct journal_model *model, const struct gmem_journal_record *record,
			const char **reterr_why)
{
	switch (record->kind) {
	case GMEM_JOURNAL_SPACE:
		if (record->sequence != 1)
			return refuse(reterr_why, "a space is made once, and first");
		model->shared_holes_ignored = record->policy == GMEM_HOLES_SHARED_IGNORED;
		return 0;
	case GMEM_JOURNAL_FILE:
		return apply_file(model, record, reterr_why);
	case GMEM_JOURNAL_BIND:
		return record->code ? 0 : apply_bind(model, record, reterr_why);
	case GMEM_JOURNAL_UNBIND:
		return record->code ? 0 : apply_unbind(model, record, reterr_why);
	case GMEM_JOURNAL_CONVERT:
		return record->code ? 0 : apply_convert(model, record, reterr_why);
	case GMEM_JOURNAL_STATE:
		return apply_state(model, record, reterr_why);
	case GMEM_JOURNAL_LISTENER:
		return 0;
	}
	return refuse(reterr_why, "its kind is not known");
}

/* ---- the model itself ---- */

int journal_model_new(uint64_t page_size, struct journal_model **ret_model)
{
	struct journal_model *model = calloc(1, sizeof(*model));

	if (!model)
		return -ENOMEM;
	model->page_size = page_size;
	*ret_model = model;
	return 0;
}

void journal_model_free(struct journal_model *model)
{
	uint32_t i;

	if (!model)
		return;
	for (i = 0; i < model->file_count; i++)
		free(model->files[i].changes);
	free(model->files);
	free(model->slots);
	free(model);
}

uint32_t journal_model_files(const struct journal_model *model)
{
	return model->file_count;
}

uint64_t journal_model_file_size(const struct journal_model *model, uint32_t number)
{
	const struct file *file = find_file(model, number);

	return file ? file->size : 0;
}

bool journal_model_extent(const struct journal_model *model, uint32_t number, size_t index,
			  struct journal_extent *ret_extent)
{
	const struct file *file = find_file(model, number);
	uint64_t end;

	if (!file || index >= file->count)
		return false;
	end = index + 1 < file->count ? file->changes[index + 1].offset : file->size;
	*ret_extent = (struct journal_extent){
		.offset = file->changes[index].offset,
		.size = end - file->changes[index].offset,
		.state = file->changes[index].state,
	};
	return true;
}

size_t journal_model_slots(const struct journal_model *model)
{
	return model->slot_count;
}

const struct journal_slot *journal_model_slot(const struct journal_model *model, size_t index)
{
	return index < model->slot_count ? &model->slots[index] : NULL;
}
