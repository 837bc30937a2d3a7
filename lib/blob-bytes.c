/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A blob as bytes. gmem_live_update(7) describes them. What is read is trusted in nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "blob.h"

#define MAPPABLE	   UINT64_C(1)
#define HAS_CREATION_FLAGS UINT64_C(2)

/* Where the header has what. It has the same layout in all versions. */
#define VERSION_AT  8
#define RESERVED_AT 12
#define LENGTH_AT   16
#define CHECKSUM_AT 24

static void put_u32(unsigned char *to, uint32_t number)
{
	int i;

	for (i = 0; i < 4; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static void put_u64(unsigned char *to, uint64_t number)
{
	put_u32(to, (uint32_t)number);
	put_u32(to + 4, (uint32_t)(number >> 32));
}

static uint32_t get_u32(const unsigned char *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint64_t get_u64(const unsigned char *from)
{
	return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

/*
 * CRC-64 of ECMA-182, as xz has it, with the checksum itself taken as 0. It finds every change of
 * up to 64 bits in a row, and so every single bit.
 */
static uint64_t checksum_of(const unsigned char *bytes, uint64_t size)
{
	uint64_t table[256], crc, i;
	int bit;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ UINT64_C(0xc96c5795d7870f42) : crc >> 1;
		table[i] = crc;
	}
	crc = ~UINT64_C(0);
	for (i = 0; i < size; i++) {
		unsigned char byte = i >= CHECKSUM_AT && i < GMEM_BLOB_HEADER_SIZE ? 0 : bytes[i];

		crc = crc >> 8 ^ table[(crc ^ byte) & 0xff];
	}
	return ~crc;
}

/* Returns where its body goes. */
static unsigned char *write_record(unsigned char *to, enum gmem_blob_kind kind, uint64_t size)
{
	put_u32(to, (uint32_t)kind + 1);
	put_u32(to + 4, 0);
	put_u64(to + 8, size);
	return to + GMEM_BLOB_RECORD_SIZE;
}

static unsigned char *write_file(unsigned char *to, const struct gmem_blob_file_entry *entry)
{
	const struct gmem_blob_file *file = &entry->file;
	uint64_t i;

	to = write_record(to, GMEM_BLOB_FILES, GMEM_BLOB_FILE_SIZE + 8 * file->extents);
	put_u64(to, file->token);
	put_u64(to + 8, file->size);
	put_u64(to + 16, file->creation_flags);
	put_u64(to + 24, (file->mappable ? MAPPABLE : 0) |
				 (file->has_creation_flags ? HAS_CREATION_FLAGS : 0));
	put_u64(to + 32, file->extents);
	to += GMEM_BLOB_FILE_SIZE;
	for (i = 0; i < file->extents; i++, to += 8)
		put_u64(to, entry->extents[i]);
	return to;
}

static unsigned char *write_slot(unsigned char *to, const struct gmem_blob_slot *slot)
{
	to = write_record(to, GMEM_BLOB_SLOTS, GMEM_BLOB_SLOT_SIZE);
	put_u32(to, slot->slot);
	put_u32(to + 4, slot->flags);
	put_u64(to + 8, slot->guest_address);
	put_u64(to + 16, slot->size);
	put_u64(to + 24, slot->token);
	put_u64(to + 32, slot->offset);
	return to + GMEM_BLOB_SLOT_SIZE;
}

static uint64_t padded(uint64_t size)
{
	return (size + 7) & ~UINT64_C(7);
}

static unsigned char *write_section(unsigned char *to, const struct gmem_blob_section_entry *entry)
{
	uint64_t size = padded(entry->size);

	to = write_record(to, GMEM_BLOB_SECTIONS, GMEM_BLOB_SECTION_SIZE + size);
	memcpy(to, entry->name, GMEM_BLOB_NAME_SIZE);
	put_u64(to + GMEM_BLOB_NAME_SIZE, entry->size);
	to += GMEM_BLOB_SECTION_SIZE;
	memcpy(to, entry->data, entry->size);
	memset(to + entry->size, 0, size - entry->size);
	return to + size;
}

void gmem_blob_write(const struct gmem_blob *blob, unsigned char *bytes)
{
	unsigned char *to = bytes + GMEM_BLOB_HEADER_SIZE;
	uint64_t i;

	memcpy(bytes, GMEM_BLOB_MAGIC, VERSION_AT);
	put_u32(bytes + VERSION_AT, GMEM_BLOB_VERSION);
	put_u32(bytes + RESERVED_AT, 0);
	put_u64(bytes + LENGTH_AT, blob->size);
	for (i = 0; i < blob->lists[GMEM_BLOB_FILES].count; i++)
		to = write_file(to, &gmem_blob_files(blob)[i]);
	for (i = 0; i < blob->lists[GMEM_BLOB_SLOTS].count; i++)
		to = write_slot(to, &gmem_blob_slots(blob)[i]);
	for (i = 0; i < blob->lists[GMEM_BLOB_SECTIONS].count; i++)
		to = write_section(to, &gmem_blob_sections(blob)[i]);
	put_u64(bytes + CHECKSUM_AT, checksum_of(bytes, blob->size));
}

int gmem_blob_format(const struct gmem_blob *blob, void *buffer, uint64_t size, uint64_t *ret_size,
		     struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_format" };

	if (!blob || !ret_size || (!buffer && size))
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	*ret_size = blob->size;
	if (size < blob->size)
		return gmem_error_refuse(reterr_error, &error, -ENOSPC, GMEM_CAUSE_BUFFER);
	gmem_blob_write(blob, buffer);
	return 0;
}

/* GMEM_CAUSE_NONE if this is a whole and undamaged blob of a version that can be read. */
static enum gmem_cause check_header(const unsigned char *bytes, uint64_t size)
{
	uint64_t known = size < VERSION_AT ? size : VERSION_AT;

	if (memcmp(bytes, GMEM_BLOB_MAGIC, known) != 0 || size == 0)
		return GMEM_CAUSE_BLOB_FOREIGN;
	if (size < GMEM_BLOB_HEADER_SIZE || get_u64(bytes + LENGTH_AT) != size ||
	    size > GMEM_BLOB_MAX_SIZE)
		return GMEM_CAUSE_BLOB_LENGTH;
	if (get_u64(bytes + CHECKSUM_AT) != checksum_of(bytes, size))
		return GMEM_CAUSE_BLOB_CHECKSUM;
	if (get_u32(bytes + VERSION_AT) > GMEM_BLOB_VERSION)
		return GMEM_CAUSE_BLOB_VERSION;
	if (get_u32(bytes + VERSION_AT) == 0 || get_u32(bytes + RESERVED_AT))
		return GMEM_CAUSE_BLOB_CONTENTS;
	return GMEM_CAUSE_NONE;
}

static enum gmem_cause read_file(struct gmem_blob *blob, const unsigned char *body, uint64_t size)
{
	struct gmem_blob_file file = { 0 };
	uint64_t bits, i, *extents = NULL;
	enum gmem_cause cause;

	if (size < GMEM_BLOB_FILE_SIZE)
		return GMEM_CAUSE_BLOB_CONTENTS;
	bits = get_u64(body + 24);
	file.token = get_u64(body);
	file.size = get_u64(body + 8);
	file.creation_flags = get_u64(body + 16);
	file.mappable = bits & MAPPABLE;
	file.has_creation_flags = bits & HAS_CREATION_FLAGS;
	file.extents = get_u64(body + 32);
	if ((bits & ~(MAPPABLE | HAS_CREATION_FLAGS)) ||
	    (file.creation_flags && !file.has_creation_flags) ||
	    file.extents != (size - GMEM_BLOB_FILE_SIZE) / 8)
		return GMEM_CAUSE_BLOB_CONTENTS;
	if (file.extents) {
		extents = malloc(file.extents * sizeof(*extents));
		if (!extents)
			return GMEM_CAUSE_MEMORY;
	}
	for (i = 0; i < file.extents; i++)
		extents[i] = get_u64(body + GMEM_BLOB_FILE_SIZE + 8 * i);
	cause = gmem_blob_insert_file(blob, &file, extents);
	if (cause)
		free(extents);
	return cause;
}

static enum gmem_cause read_slot(struct gmem_blob *blob, const unsigned char *body, uint64_t size)
{
	struct gmem_blob_slot slot;

	if (size != GMEM_BLOB_SLOT_SIZE)
		return GMEM_CAUSE_BLOB_CONTENTS;
	slot = (struct gmem_blob_slot){
		.slot = get_u32(body),
		.flags = get_u32(body + 4),
		.guest_address = get_u64(body + 8),
		.size = get_u64(body + 16),
		.token = get_u64(body + 24),
		.offset = get_u64(body + 32),
	};
	return gmem_blob_insert_slot(blob, &slot);
}

static bool all_zero(const unsigned char *bytes, uint64_t size)
{
	uint64_t i;

	for (i = 0; i < size; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

static enum gmem_cause read_section(struct gmem_blob *blob, const unsigned char *body,
				    uint64_t size)
{
	const unsigned char *data = body + GMEM_BLOB_SECTION_SIZE;
	char name[GMEM_BLOB_NAME_SIZE];
	uint64_t data_size;
	size_t length;

	if (size < GMEM_BLOB_SECTION_SIZE)
		return GMEM_CAUSE_BLOB_CONTENTS;
	memcpy(name, body, sizeof(name));
	length = strnlen(name, sizeof(name));
	data_size = get_u64(body + GMEM_BLOB_NAME_SIZE);
	if (length == sizeof(name) || data_size > size ||
	    padded(data_size) != size - GMEM_BLOB_SECTION_SIZE ||
	    !all_zero(body + length, sizeof(name) - length) ||
	    !all_zero(data + data_size, padded(data_size) - data_size))
		return GMEM_CAUSE_BLOB_CONTENTS;
	return gmem_blob_insert_section(blob, name, data, data_size);
}

static enum gmem_cause (*const readers[GMEM_BLOB_KINDS])(struct gmem_blob *blob,
							 const unsigned char *body,
							 uint64_t size) = {
	[GMEM_BLOB_FILES] = read_file,
	[GMEM_BLOB_SLOTS] = read_slot,
	[GMEM_BLOB_SECTIONS] = read_section,
};

static enum gmem_cause read_records(struct gmem_blob *blob, const unsigned char *bytes,
				    uint64_t size)
{
	uint64_t at = GMEM_BLOB_HEADER_SIZE, body;
	uint32_t kind, last = 0;
	enum gmem_cause cause;

	for (; at < size; at += body) {
		if (size - at < GMEM_BLOB_RECORD_SIZE)
			return GMEM_CAUSE_BLOB_CONTENTS;
		kind = get_u32(bytes + at);
		body = get_u64(bytes + at + 8);
		/* Files, then slots, then sections: as they are written. */
		if (kind < 1 || kind > GMEM_BLOB_KINDS || kind < last || get_u32(bytes + at + 4) ||
		    body % 8 || body > size - at - GMEM_BLOB_RECORD_SIZE)
			return GMEM_CAUSE_BLOB_CONTENTS;
		last = kind;
		at += GMEM_BLOB_RECORD_SIZE;
		cause = readers[kind - 1](blob, bytes + at, body);
		if (cause)
			return cause == GMEM_CAUSE_MEMORY ? cause : GMEM_CAUSE_BLOB_CONTENTS;
	}
	return GMEM_CAUSE_NONE;
}

static int cause_code(enum gmem_cause cause)
{
	if (cause == GMEM_CAUSE_MEMORY)
		return -ENOMEM;
	return cause == GMEM_CAUSE_BLOB_VERSION ? -EOPNOTSUPP : -EBADMSG;
}

bool gmem_blob_read(const unsigned char *bytes, uint64_t size, struct gmem_blob **ret_blob,
		    struct gmem_error *error)
{
	enum gmem_cause cause = check_header(bytes, size);
	struct gmem_blob *blob = NULL;

	if (!cause && gmem_blob_new(&blob, NULL) < 0)
		cause = GMEM_CAUSE_MEMORY;
	if (!cause) {
		blob->in_order = true;
		cause = read_records(blob, bytes, size);
		blob->in_order = false;
	}
	if (cause) {
		gmem_blob_free(blob);
		error->system_call = NULL;
		error->kernel_code = 0;
		error->code = cause_code(cause);
		error->cause = cause;
		return false;
	}
	*ret_blob = blob;
	return true;
}

int gmem_blob_parse(const void *bytes, uint64_t size, struct gmem_blob **ret_blob,
		    struct gmem_error *reterr_error)
{
	struct gmem_error error = { .call = "gmem_blob_parse" };

	if (!bytes || !ret_blob)
		return gmem_error_refuse(reterr_error, &error, -EINVAL, GMEM_CAUSE_ARGUMENT);
	if (!gmem_blob_read(bytes, size, ret_blob, &error))
		return gmem_error_fail(reterr_error, &error);
	return 0;
}
