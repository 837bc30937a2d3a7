/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <libgmem/query.h>
#include <stdlib.h>
#include <string.h>
#include "blob.h"
#include "file.h"

/* Room that a list begins with; it doubles when it is full. */
#define FIRST_ROOM 16

static int compare_file(const void *key, const void *entry)
{
	uint64_t a = *(const uint64_t *)key;
	uint64_t b = ((const struct gmem_blob_file_entry *)entry)->file.token;

	return a < b ? -1 : a > b;
}

static int compare_slot(const void *key, const void *entry)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct gmem_blob_slot *)entry)->slot;

	return a < b ? -1 : a > b;
}

static int compare_section(const void *key, const void *entry)
{
	return strcmp(key, ((const struct gmem_blob_section_entry *)entry)->name);
}

static const struct {
	size_t entry_size;
	uint64_t limit;
	int (*compare)(const void *key, const void *entry);
} kinds[GMEM_BLOB_KINDS] = {
	[GMEM_BLOB_FILES] = { sizeof(struct gmem_blob_file_entry), GMEM_BLOB_MAX_FILES,
			      compare_file },
	[GMEM_BLOB_SLOTS] = { sizeof(struct gmem_blob_slot), GMEM_BLOB_MAX_SLOTS, compare_slot },
	[GMEM_BLOB_SECTIONS] = { sizeof(struct gmem_blob_section_entry), GMEM_BLOB_MAX_SECTIONS,
				 compare_section },
};

int gmem_blob_new(struct gmem_blob **ret_blob, struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_new" };
	struct gmem_blob *blob;

	if (!ret_blob)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	blob = calloc(1, sizeof(*blob));
	if (!blob)
		return gmem_error_refuse(reterr_error, &error, -ENOMEM, GMEM_CAUSE_MEMORY);
	blob->size = GMEM_BLOB_HEADER_SIZE;
	*ret_blob = blob;
	return 0;
}

void gmem_blob_free(struct gmem_blob *blob)
{
	uint64_t i;
	int kind;

	if (!blob)
		return;
	for (i = 0; i < blob->lists[GMEM_BLOB_FILES].count; i++)
		free(gmem_blob_files(blob)[i].extents);
	for (i = 0; i < blob->lists[GMEM_BLOB_SECTIONS].count; i++)
		free(gmem_blob_sections(blob)[i].data);
	for (kind = 0; kind < GMEM_BLOB_KINDS; kind++)
		free(blob->lists[kind].entries);
	free(blob);
}

static void *entry_of(const struct gmem_blob *blob, enum gmem_blob_kind kind, uint64_t number)
{
	return (char *)blob->lists[kind].entries + number * kinds[kind].entry_size;
}

/* Returns the number of the entry with this key, or the one that it would get. */
static uint64_t find(const struct gmem_blob *blob, enum gmem_blob_kind kind, const void *key,
		     bool *ret_found)
{
	uint64_t low = 0, high = blob->lists[kind].count, middle;
	int order;

	*ret_found = false;
	while (low < high && !*ret_found) {
		middle = low + (high - low) / 2;
		order = kinds[kind].compare(key, entry_of(blob, kind, middle));
		*ret_found = order == 0;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	return *ret_found ? high : low;
}

static bool make_room(struct gmem_blob *blob, enum gmem_blob_kind kind)
{
	struct gmem_blob_list *list = &blob->lists[kind];
	uint64_t room = list->room ? 2 * list->room : FIRST_ROOM;
	void *entries;

	if (list->count < list->room)
		return true;
	entries = malloc(room * kinds[kind].entry_size);
	if (!entries)
		return false;
	if (list->count)
		memcpy(entries, list->entries, list->count * kinds[kind].entry_size);
	free(list->entries);
	list->entries = entries;
	list->room = room;
	return true;
}

/* bytes is the size of the record's body. The entry is copied. */
static enum gmem_cause insert(struct gmem_blob *blob, enum gmem_blob_kind kind, const void *key,
			      const void *entry, uint64_t bytes)
{
	struct gmem_blob_list *list = &blob->lists[kind];
	bool found;
	uint64_t number = find(blob, kind, key, &found);

	if (found)
		return GMEM_CAUSE_BLOB_HAS;
	if (blob->in_order && number != list->count)
		return GMEM_CAUSE_ORDER;
	if (list->count >= kinds[kind].limit ||
	    bytes > GMEM_BLOB_MAX_SIZE - blob->size - GMEM_BLOB_RECORD_SIZE)
		return GMEM_CAUSE_BLOB_FULL;
	if (!make_room(blob, kind))
		return GMEM_CAUSE_MEMORY;
	memmove(entry_of(blob, kind, number + 1), entry_of(blob, kind, number),
		(list->count - number) * kinds[kind].entry_size);
	memcpy(entry_of(blob, kind, number), entry, kinds[kind].entry_size);
	list->count++;
	blob->size += GMEM_BLOB_RECORD_SIZE + bytes;
	return GMEM_CAUSE_NONE;
}

static bool unaligned(uint64_t number)
{
	return number & (GMEM_BLOB_ALIGNMENT - 1);
}

/* They cover the file, and neighbours differ. */
static bool check_extents(const struct gmem_blob_file *file, const uint64_t *extents)
{
	uint64_t i, offset, last = 0;

	for (i = 0; i < file->extents; i++) {
		offset = extents[i] & ~GMEM_BLOB_EXTENT_PRIVATE;
		if (unaligned(offset) || offset >= file->size || (i == 0 && offset != 0))
			return false;
		if (i > 0 &&
		    (offset <= last || !((extents[i] ^ extents[i - 1]) & GMEM_BLOB_EXTENT_PRIVATE)))
			return false;
		last = offset;
	}
	return true;
}

enum gmem_cause gmem_blob_insert_file(struct gmem_blob *blob, const struct gmem_blob_file *file,
				      uint64_t *extents)
{
	struct gmem_blob_file_entry entry = { *file, extents };

	if (file->size == 0)
		return GMEM_CAUSE_EMPTY;
	if (unaligned(file->size))
		return GMEM_CAUSE_UNALIGNED;
	if (file->size > INT64_MAX)
		return GMEM_CAUSE_TOO_BIG;
	if (!check_extents(file, extents))
		return GMEM_CAUSE_ORDER;
	return insert(blob, GMEM_BLOB_FILES, &file->token, &entry,
		      GMEM_BLOB_FILE_SIZE + file->extents * sizeof(*extents));
}

enum gmem_cause gmem_blob_insert_slot(struct gmem_blob *blob, const struct gmem_blob_slot *slot)
{
	struct gmem_blob_file file;

	if (slot->size == 0)
		return GMEM_CAUSE_EMPTY;
	if (unaligned(slot->size | slot->offset | slot->guest_address))
		return GMEM_CAUSE_UNALIGNED;
	if (slot->size > UINT64_MAX - slot->offset || slot->size > UINT64_MAX - slot->guest_address)
		return GMEM_CAUSE_WRAPS;
	if (gmem_blob_find_file(blob, slot->token, &file) < 0)
		return GMEM_CAUSE_BLOB_HAS_NOT;
	if (slot->offset + slot->size > file.size)
		return GMEM_CAUSE_BEYOND_END;
	return insert(blob, GMEM_BLOB_SLOTS, &slot->slot, slot, GMEM_BLOB_SLOT_SIZE);
}

static bool check_name(const char *name)
{
	size_t i;

	for (i = 0; i <= GMEM_BLOB_NAME_MAX; i++) {
		if (!name[i])
			return i > 0;
		if (name[i] < ' ' || name[i] > '~')
			return false;
	}
	return false;
}

enum gmem_cause gmem_blob_insert_section(struct gmem_blob *blob, const char *name, const void *data,
					 uint64_t size)
{
	struct gmem_blob_section_entry entry = { .size = size };
	enum gmem_cause cause;

	if (!check_name(name))
		return GMEM_CAUSE_BLOB_NAME;
	if (size > GMEM_BLOB_MAX_SIZE)
		return GMEM_CAUSE_BLOB_FULL;
	memcpy(entry.name, name, strlen(name));
	/* Never NULL, so that who reads it needs no special case. */
	entry.data = malloc(size ? size : 1);
	if (!entry.data)
		return GMEM_CAUSE_MEMORY;
	if (size)
		memcpy(entry.data, data, size);
	cause = insert(blob, GMEM_BLOB_SECTIONS, entry.name, &entry,
		       GMEM_BLOB_SECTION_SIZE + ((size + 7) & ~UINT64_C(7)));
	if (cause)
		free(entry.data);
	return cause;
}

static int cause_code(enum gmem_cause cause)
{
	switch (cause) {
	case GMEM_CAUSE_BLOB_HAS:
		return -EEXIST;
	case GMEM_CAUSE_BLOB_HAS_NOT:
		return -ENOENT;
	case GMEM_CAUSE_BLOB_FULL:
		return -EFBIG;
	case GMEM_CAUSE_MEMORY:
		return -ENOMEM;
	default:
		return -EINVAL;
	}
}

/* Extents that a query finds, as long as the blob could hold them. */
struct collected {
	uint64_t *extents;
	uint64_t count, room, limit;
};

/* Returns GMEM_CAUSE_NONE, GMEM_CAUSE_MEMORY, or GMEM_CAUSE_BLOB_FULL. */
static enum gmem_cause collect(struct collected *all, const struct gmem_extent *extent)
{
	uint64_t room = all->room ? 2 * all->room : FIRST_ROOM, *extents;

	if (all->count == all->limit)
		return GMEM_CAUSE_BLOB_FULL;
	if (all->count == all->room) {
		extents = malloc(room * sizeof(*extents));
		if (!extents)
			return GMEM_CAUSE_MEMORY;
		if (all->count)
			memcpy(extents, all->extents, all->count * sizeof(*extents));
		free(all->extents);
		all->extents = extents;
		all->room = room;
	}
	all->extents[all->count++] =
		extent->offset |
		(extent->state == GMEM_STATE_PRIVATE ? GMEM_BLOB_EXTENT_PRIVATE : 0);
	return GMEM_CAUSE_NONE;
}

/* Returns false, and the report says why, unless states are known, cannot be, or are too many. */
static bool collect_states(struct gmem *gmem, struct collected *all, struct gmem_error *error)
{
	struct gmem_error inner = { 0 };
	struct gmem_extent extent;
	struct gmem_query *query;
	enum gmem_cause cause;
	int r = gmem_query_new(gmem, 0, gmem->size, NULL, &query, &inner);

	if (r < 0)
		goto out;
	while ((r = gmem_query_next(query, &extent, &inner)) == 0) {
		cause = collect(all, &extent);
		if (cause == GMEM_CAUSE_MEMORY)
			r = gmem_error_refuse(NULL, &inner, -ENOMEM, cause);
		if (cause)
			break;
	}
	gmem_query_free(query);
	/* What cannot be known or held is left out. */
	if (r == 0 || r == -EOPNOTSUPP)
		all->count = 0;
	if (r == 0 || r == -EOPNOTSUPP || r == -ENODATA)
		return true;
out:
	inner.call = error->call;
	*error = inner;
	return false;
}

int gmem_blob_add_file(struct gmem_blob *blob, uint64_t token, struct gmem *gmem,
		       struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_add_file" };
	struct gmem_blob_file file = { .token = token };
	struct collected all = { 0 };
	enum gmem_cause cause;

	if (!blob || !gmem)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	all.limit = (GMEM_BLOB_MAX_SIZE - blob->size) / sizeof(*all.extents);
	if (!collect_states(gmem, &all, &error)) {
		free(all.extents);
		return gmem_error_fail(reterr_error, &error);
	}
	file.size = gmem->size;
	file.mappable = gmem->mappable;
	file.has_creation_flags = gmem->knows_creation_flags;
	file.creation_flags = gmem->knows_creation_flags ? gmem->creation_flags : 0;
	file.extents = all.count;
	cause = gmem_blob_insert_file(blob, &file, all.extents);
	if (cause == GMEM_CAUSE_BLOB_FULL && file.extents) {
		file.extents = 0;
		cause = gmem_blob_insert_file(blob, &file, all.extents);
	}
	if (cause) {
		free(all.extents);
		return gmem_error_refuse(reterr_error, &error, cause_code(cause), cause);
	}
	return 0;
}

int gmem_blob_add_slot(struct gmem_blob *blob, const struct gmem_blob_slot *slot,
		       struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_add_slot" };
	enum gmem_cause cause = GMEM_CAUSE_ARGUMENT;

	if (blob && slot)
		cause = gmem_blob_insert_slot(blob, slot);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, cause_code(cause), cause);
	return 0;
}

int gmem_blob_add_section(struct gmem_blob *blob, const char *name, const void *data, uint64_t size,
			  struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_add_section" };
	enum gmem_cause cause = GMEM_CAUSE_ARGUMENT;

	if (blob && name && (data || !size))
		cause = gmem_blob_insert_section(blob, name, data, size);
	if (cause)
		return gmem_error_refuse(reterr_error, &error, cause_code(cause), cause);
	return 0;
}

int gmem_blob_get_file(const struct gmem_blob *blob, uint64_t number,
		       struct gmem_blob_file *ret_file)
{
	if (!blob || !ret_file)
		return -EINVAL;
	if (number >= blob->lists[GMEM_BLOB_FILES].count)
		return -ENODATA;
	*ret_file = gmem_blob_files(blob)[number].file;
	return 0;
}

int gmem_blob_find_file(const struct gmem_blob *blob, uint64_t token,
			struct gmem_blob_file *ret_file)
{
	uint64_t number;
	bool found;

	if (!blob || !ret_file)
		return -EINVAL;
	number = find(blob, GMEM_BLOB_FILES, &token, &found);
	if (!found)
		return -ENOENT;
	*ret_file = gmem_blob_files(blob)[number].file;
	return 0;
}

int gmem_blob_get_extent(const struct gmem_blob *blob, uint64_t token, uint64_t number,
			 struct gmem_extent *ret_extent)
{
	const struct gmem_blob_file_entry *entry;
	uint64_t offset, end, file;
	bool found;

	if (!blob || !ret_extent)
		return -EINVAL;
	file = find(blob, GMEM_BLOB_FILES, &token, &found);
	if (!found)
		return -ENOENT;
	entry = &gmem_blob_files(blob)[file];
	if (number >= entry->file.extents)
		return -ENODATA;
	offset = entry->extents[number] & ~GMEM_BLOB_EXTENT_PRIVATE;
	end = entry->file.size;
	if (number + 1 < entry->file.extents)
		end = entry->extents[number + 1] & ~GMEM_BLOB_EXTENT_PRIVATE;
	*ret_extent = (struct gmem_extent){
		.offset = offset,
		.size = end - offset,
		.state = entry->extents[number] & GMEM_BLOB_EXTENT_PRIVATE ? GMEM_STATE_PRIVATE
									   : GMEM_STATE_SHARED,
	};
	return 0;
}

int gmem_blob_get_slot(const struct gmem_blob *blob, uint64_t number,
		       struct gmem_blob_slot *ret_slot)
{
	if (!blob || !ret_slot)
		return -EINVAL;
	if (number >= blob->lists[GMEM_BLOB_SLOTS].count)
		return -ENODATA;
	*ret_slot = gmem_blob_slots(blob)[number];
	return 0;
}

int gmem_blob_get_section(const struct gmem_blob *blob, uint64_t number,
			  struct gmem_blob_section *ret_section)
{
	const struct gmem_blob_section_entry *entry;

	if (!blob || !ret_section)
		return -EINVAL;
	if (number >= blob->lists[GMEM_BLOB_SECTIONS].count)
		return -ENODATA;
	entry = &gmem_blob_sections(blob)[number];
	*ret_section = (struct gmem_blob_section){ entry->name, entry->data, entry->size };
	return 0;
}

int gmem_blob_find_section(const struct gmem_blob *blob, const char *name,
			   struct gmem_blob_section *ret_section)
{
	uint64_t number;
	bool found;

	if (!blob || !name || !ret_section)
		return -EINVAL;
	number = find(blob, GMEM_BLOB_SECTIONS, name, &found);
	return found ? gmem_blob_get_section(blob, number, ret_section) : -ENOENT;
}
