/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The blob of a live update, from the inside: three lists that are sorted and have no doubles,
 * whoever filled them, so that the same contents are the same bytes.
 */
#ifndef GMEM_BLOB_H
#define GMEM_BLOB_H

#include <libgmem/blob.h>
#include "error.h"

/** As bytes: a header, then records. All numbers are little endian, all sizes multiples of 8. */
#define GMEM_BLOB_MAGIC	       "gmemblob"
#define GMEM_BLOB_VERSION      1
#define GMEM_BLOB_HEADER_SIZE  32
#define GMEM_BLOB_RECORD_SIZE  16
#define GMEM_BLOB_FILE_SIZE    40 /* without extents, which are 8 bytes each */
#define GMEM_BLOB_SLOT_SIZE    40
#define GMEM_BLOB_SECTION_SIZE 72 /* without data */
#define GMEM_BLOB_NAME_SIZE    (GMEM_BLOB_NAME_MAX + 1)
/** What files, slots and extents are multiples of, whatever the page size. */
#define GMEM_BLOB_ALIGNMENT UINT64_C(4096)

/** An extent is its offset, and this bit if it is private. */
#define GMEM_BLOB_EXTENT_PRIVATE UINT64_C(1)

struct gmem_blob_file_entry {
	struct gmem_blob_file file;
	/** file.extents of them; the blob's own */
	uint64_t *extents;
};

struct gmem_blob_section_entry {
	char name[GMEM_BLOB_NAME_SIZE];
	uint64_t size;
	/** the blob's own */
	void *data;
};

enum gmem_blob_kind {
	GMEM_BLOB_FILES,
	GMEM_BLOB_SLOTS,
	GMEM_BLOB_SECTIONS,
	GMEM_BLOB_KINDS
};

struct gmem_blob_list {
	/** struct gmem_blob_file_entry, gmem_blob_slot or gmem_blob_section_entry */
	void *entries;
	uint64_t count;
	/** how many there is memory for */
	uint64_t room;
};

struct gmem_blob {
	struct gmem_blob_list lists[GMEM_BLOB_KINDS];
	/** as bytes */
	uint64_t size;
	/** only what belongs at the end of its list may be inserted */
	bool in_order;
};

/**
 * gmem_blob_insert_file() - put a file at its place in the list
 *
 * @extents: allocated; the blob's own after success
 *
 * Returns GMEM_CAUSE_NONE, or what is wrong.
 */
enum gmem_cause gmem_blob_insert_file(struct gmem_blob *blob, const struct gmem_blob_file *file,
				      uint64_t *extents);
/** The same for a slot, whose file must be there. */
enum gmem_cause gmem_blob_insert_slot(struct gmem_blob *blob, const struct gmem_blob_slot *slot);
/** The same for a section, whose data is copied. */
enum gmem_cause gmem_blob_insert_section(struct gmem_blob *blob, const char *name, const void *data,
					 uint64_t size);

static inline const struct gmem_blob_file_entry *gmem_blob_files(const struct gmem_blob *blob)
{
	return blob->lists[GMEM_BLOB_FILES].entries;
}

static inline const struct gmem_blob_slot *gmem_blob_slots(const struct gmem_blob *blob)
{
	return blob->lists[GMEM_BLOB_SLOTS].entries;
}

static inline const struct gmem_blob_section_entry *gmem_blob_sections(const struct gmem_blob *blob)
{
	return blob->lists[GMEM_BLOB_SECTIONS].entries;
}

/** gmem_blob_write() - the bytes of a blob, into a buffer of its size */
void gmem_blob_write(const struct gmem_blob *blob, unsigned char *bytes);

/** gmem_blob_read() - the blob of these bytes; false if they are none, and the report says why */
bool gmem_blob_read(const unsigned char *bytes, uint64_t size, struct gmem_blob **ret_blob,
		    struct gmem_error *error);

#endif
