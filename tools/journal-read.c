/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "journal-read.h"

#include <errno.h>
#include <string.h>

static int refuse(const char **reterr_why, const char *why)
{
	*reterr_why = why;
	return -EBADMSG;
}

static bool read_at(const struct journal *journal, uint64_t place,
		    struct gmem_journal_record *ret_record)
{
	struct gmem_journal_record raw;

	memcpy(&raw, journal->records + place * sizeof(raw), sizeof(raw));
	if (le64toh(raw.checksum) != gmem_journal_checksum(&raw))
		return false;
	*ret_record = (struct gmem_journal_record){
		.sequence = le64toh(raw.sequence),
		.gpa = le64toh(raw.gpa),
		.size = le64toh(raw.size),
		.offset = le64toh(raw.offset),
		.kind = raw.kind,
		.state = raw.state,
		.policy = raw.policy,
		.flags = raw.flags,
		.code = (int32_t)le32toh((uint32_t)raw.code),
		.slot = le32toh(raw.slot),
		.file = le32toh(raw.file),
		.attempts = le32toh(raw.attempts),
		.reserved = le32toh(raw.reserved),
		.checksum = le64toh(raw.checksum),
	};
	return ret_record->sequence != 0 && (ret_record->sequence - 1) % journal->capacity == place;
}

/* The ring has what came last; older records of the same places are gone. */
static void find_ends(struct journal *journal)
{
	struct gmem_journal_record record;
	uint64_t place, found = 0;

	for (place = 0; place < journal->capacity; place++) {
		if (read_at(journal, place, &record) && record.sequence > journal->last)
			journal->last = record.sequence;
	}
	if (!journal->last)
		return;
	journal->first =
		journal->last > journal->capacity ? journal->last - journal->capacity + 1 : 1;
	for (place = 0; place < journal->capacity; place++) {
		if (read_at(journal, place, &record) && record.sequence >= journal->first)
			found++;
	}
	journal->missing = journal->last - journal->first + 1 - found;
}

int journal_open(const void *data, size_t size, struct journal *ret_journal,
		 const char **reterr_why)
{
	struct gmem_journal_header header;
	struct journal journal = { 0 };

	if (size < sizeof(header))
		return refuse(reterr_why, "it is too short for a journal");
	memcpy(&header, data, sizeof(header));
	if (memcmp(header.magic, GMEM_JOURNAL_MAGIC, sizeof(header.magic)))
		return refuse(reterr_why, "it is no journal");
	if (le64toh(header.checksum) != gmem_journal_checksum(&header))
		return refuse(reterr_why, "its header is damaged");
	if (le32toh(header.version) != GMEM_JOURNAL_VERSION)
		return refuse(reterr_why, "its version is not known");
	if (le32toh(header.record_size) != sizeof(struct gmem_journal_record))
		return refuse(reterr_why, "its records have a size that is not known");
	journal.capacity = le64toh(header.capacity);
	journal.page_size = le64toh(header.page_size);
	if (journal.capacity == 0 ||
	    journal.capacity > (size - sizeof(header)) / sizeof(struct gmem_journal_record))
		return refuse(reterr_why, "it is shorter than its header says");
	if (journal.page_size < 4096 || (journal.page_size & (journal.page_size - 1)))
		return refuse(reterr_why, "its page size makes no sense");
	journal.records = (const unsigned char *)data + sizeof(header);
	find_ends(&journal);
	*ret_journal = journal;
	return 0;
}

bool journal_get(const struct journal *journal, uint64_t sequence,
		 struct gmem_journal_record *ret_record)
{
	struct gmem_journal_record record;

	if (sequence == 0 || sequence < journal->first || sequence > journal->last ||
	    !read_at(journal, (sequence - 1) % journal->capacity, &record) ||
	    record.sequence != sequence)
		return false;
	*ret_record = record;
	return true;
}

const char *journal_kind_name(unsigned int kind)
{
	static const char *const names[] = {
		[GMEM_JOURNAL_SPACE] = "space",	      [GMEM_JOURNAL_FILE] = "file",
		[GMEM_JOURNAL_BIND] = "bind",	      [GMEM_JOURNAL_UNBIND] = "unbind",
		[GMEM_JOURNAL_CONVERT] = "convert",   [GMEM_JOURNAL_STATE] = "state",
		[GMEM_JOURNAL_LISTENER] = "listener",
	};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : NULL;
}
