/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Any bytes may be handed to the reader of journals, and what it takes for records to the model.
 * Input: a byte, then the journal. If the byte is odd the checksums are made good, so that what
 * lies behind them is reached.
 */
#include <errno.h>
#include <string.h>
#include "fuzz.h"
#include "journal-read.h"

static void put_checksum(uint8_t *words)
{
	uint64_t sum = htole64(gmem_journal_checksum(words));

	memcpy(words + 56, &sum, sizeof(sum));
}

static void check_file(const struct journal_model *model, uint32_t file)
{
	struct journal_extent extent, before = { 0 };
	uint64_t next = 0;
	size_t i;

	for (i = 0; journal_model_extent(model, file, i, &extent); i++) {
		must(extent.offset == next && extent.size, "extents have no gaps");
		must(extent.state != before.state, "neighbours differ");
		must(extent.state == GMEM_STATE_SHARED || extent.state == GMEM_STATE_PRIVATE,
		     "each has a state");
		next += extent.size;
		before = extent;
	}
	must(next == journal_model_file_size(model, file), "extents cover the file");
}

static void check_model(const struct journal_model *model)
{
	const struct journal_slot *slot;
	uint64_t end = 0;
	size_t i;

	for (i = 0; i < journal_model_slots(model); i++) {
		slot = journal_model_slot(model, i);
		must(slot->size && slot->gpa >= end, "slots do not overlap");
		must(slot->offset + slot->size <= journal_model_file_size(model, slot->file),
		     "a slot is in its file");
		end = slot->gpa + slot->size;
	}
	for (i = 1; i <= journal_model_files(model); i++)
		check_file(model, (uint32_t)i);
}

static void replay(const struct journal *journal, FILE *nowhere)
{
	uint64_t i, last = journal->last, seen = 0;
	struct gmem_journal_record record;
	struct journal_model *model;
	const char *why;
	int r = journal_model_new(journal->page_size, &model);

	must(r == 0, "memory");
	must(last == 0 || last - journal->first < journal->capacity, "not more than there is room");
	for (i = journal->first; last && i <= last && i; i++) {
		if (!journal_get(journal, i, &record))
			continue;
		seen++;
		must(record.sequence == i, "a record has its number");
		journal_print(nowhere, &record);
		journal_print_json(nowhere, &record);
		why = NULL;
		r = journal_model_apply(model, &record, &why);
		must(r == 0 || (r == -EBADMSG && why), "a record fits, or it is said why not");
	}
	must(!last || seen + journal->missing == last - journal->first + 1, "what misses is told");
	check_model(model);
	journal_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	struct journal journal;
	const char *why = NULL;
	uint8_t *copy;
	size_t i;

	if (!nowhere)
		nowhere = fopen("/dev/null", "we");
	if (!nowhere || size < 1)
		return 0;
	/* One byte off: alignment must not matter. */
	copy = malloc(size);
	must(copy != NULL, "memory");
	memcpy(copy, data, size);
	for (i = 1; data[0] & 1 && i + 64 <= size; i += 64)
		put_checksum(copy + i);
	if (journal_open(copy + 1, size - 1, &journal, &why) == 0)
		replay(&journal, nowhere);
	else
		must(why != NULL, "it is said what is wrong");
	free(copy);
	return 0;
}
