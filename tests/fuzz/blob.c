/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Any bytes may be handed to the reader of blobs. Input: 0, then the bytes as they are; or anything
 * else, then bytes whose length and checksum are made right, so that what is behind them is
 * reached.
 */
#include <errno.h>
#include <libgmem/gmem.h>
#include <string.h>
#include "fuzz.h"

static void put(uint8_t *to, uint64_t number)
{
	for (int i = 0; i < 8; i++, number >>= 8)
		to[i] = (uint8_t)number;
}

static void make_right(uint8_t *bytes, size_t size)
{
	uint64_t crc = ~UINT64_C(0);

	if (size < 32)
		return;
	memcpy(bytes, "gmemblob", 8);
	put(bytes + 16, size);
	put(bytes + 24, 0);
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ UINT64_C(0xc96c5795d7870f42) : crc >> 1;
	}
	put(bytes + 24, ~crc);
}

/* All that is in it can be had, and makes sense. */
static void check_contents(const struct gmem_blob *blob)
{
	struct gmem_blob_section section;
	struct gmem_blob_file file, found;
	struct gmem_blob_slot slot;
	struct gmem_extent extent;
	uint64_t i, n, end, sum = 0;

	for (i = 0; gmem_blob_get_file(blob, i, &file) == 0; i++) {
		must(file.size && file.size % 4096 == 0 && file.size <= INT64_MAX, "a size");
		end = 0;
		for (n = 0; gmem_blob_get_extent(blob, file.token, n, &extent) == 0; n++) {
			must(extent.offset == end && extent.size, "extents have no gaps");
			end += extent.size;
		}
		must(n == file.extents && (!n || end == file.size), "extents cover the file");
	}
	for (i = 0; gmem_blob_get_slot(blob, i, &slot) == 0; i++) {
		must(gmem_blob_find_file(blob, slot.token, &found) == 0, "a slot has a file");
		must(slot.size && slot.offset + slot.size > slot.offset &&
			     slot.offset + slot.size <= found.size &&
			     slot.guest_address + slot.size > slot.guest_address,
		     "a slot is inside of its file");
	}
	for (i = 0; gmem_blob_get_section(blob, i, &section) == 0; i++) {
		must(section.name[0] && strlen(section.name) <= GMEM_BLOB_NAME_MAX, "a name");
		/* All of it can be read; a sanitizer looks on. */
		for (n = 0; n < section.size; n++)
			sum += ((const volatile uint8_t *)section.data)[n];
	}
	(void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gmem_blob *blob = NULL;
	uint8_t *bytes, *again;
	uint64_t written = 0;
	bool right;
	int r;

	if (!size)
		return 0;
	right = data[0];
	/* in memory of its own, so that reading beyond the end is found */
	bytes = malloc(--size ? size : 1);
	again = malloc(size ? size : 1);
	memcpy(bytes, data + 1, size);
	if (right)
		make_right(bytes, size);
	r = gmem_blob_parse(bytes, size, &blob, NULL);
	if (r == 0) {
		check_contents(blob);
		must(gmem_blob_format(blob, again, size, &written, NULL) == 0 && written == size &&
			     !memcmp(bytes, again, size),
		     "the same contents are the same bytes");
		gmem_blob_free(blob);
	} else {
		must(r == -EBADMSG || r == -EOPNOTSUPP || r == -ENOMEM, "the errno of a blob");
		must(!blob, "nothing is returned on failure");
	}
	free(again);
	free(bytes);
	return 0;
}
