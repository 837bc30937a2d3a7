/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Writes the journal: see journal.h.
 */
#include <string.h>
#include "record.h"

static void write_record(struct gmem_space *space, struct gmem_journal_record record)
{
	struct gmem_journal_record *place;

	if (!space->journal)
		return;
	place = (struct gmem_journal_record *)(space->journal + 1) +
		space->journal_count % space->journal_capacity;
	record.sequence = htole64(++space->journal_count);
	record.gpa = htole64(record.gpa);
	record.size = htole64(record.size);
	record.offset = htole64(record.offset);
	record.code = (int32_t)htole32((uint32_t)record.code);
	record.slot = htole32(record.slot);
	record.file = htole32(record.file);
	record.attempts = htole32(record.attempts);
	record.checksum = htole64(gmem_journal_checksum(&record));
	/* What was there is gone before anything new is there, and the checksum comes last. */
	__atomic_store_n(&place->checksum, 0, __ATOMIC_RELEASE);
	memcpy(place, &record, offsetof(struct gmem_journal_record, checksum));
	__atomic_store_n(&place->checksum, record.checksum, __ATOMIC_RELEASE);
}

void gmem_record_begin(struct gmem_space *space, void *memory, uint64_t size)
{
	struct gmem_journal_header header = {
		.version = htole32(GMEM_JOURNAL_VERSION),
		.record_size = htole32(sizeof(struct gmem_journal_record)),
		.page_size = htole64(space->page_size),
	};

	memset(memory, 0, (size_t)size);
	space->journal = memory;
	space->journal_capacity = (size - sizeof(header)) / sizeof(struct gmem_journal_record);
	memcpy(header.magic, GMEM_JOURNAL_MAGIC, sizeof(header.magic));
	header.capacity = htole64(space->journal_capacity);
	header.checksum = htole64(gmem_journal_checksum(&header));
	memcpy(memory, &header, sizeof(header));
	write_record(space, (struct gmem_journal_record){
				    .kind = GMEM_JOURNAL_SPACE,
				    .state = (uint8_t)space->mode,
				    .policy = (uint8_t)space->holes,
				    .offset = space->vm_type,
			    });
}

void gmem_record_file(struct gmem_space *space, struct gmem *gmem, enum gmem_state state)
{
	struct gmem_backing *backing = gmem->backing;
	uint64_t offset = 0, size;
	enum gmem_state found;

	if (!space->journal)
		return;
	backing->number = ++space->journal_files;
	write_record(space, (struct gmem_journal_record){
				    .kind = GMEM_JOURNAL_FILE,
				    .size = gmem->size,
				    .state = (uint8_t)state,
				    .file = backing->number,
				    .flags = gmem->mappable ? GMEM_JOURNAL_MAPPABLE : 0,
			    });
	for (; offset < gmem->size; offset += size) {
		size = gmem_backing_run(backing, offset, gmem->size - offset, &found);
		if (found != state)
			write_record(space, (struct gmem_journal_record){
						    .kind = GMEM_JOURNAL_STATE,
						    .offset = offset,
						    .size = size,
						    .state = (uint8_t)found,
						    .file = backing->number,
					    });
	}
}

void gmem_record_slot(struct gmem_space *space, enum gmem_journal_kind kind,
		      const struct gmem_bound_slot *slot, int code)
{
	write_record(space, (struct gmem_journal_record){
				    .kind = (uint8_t)kind,
				    .gpa = slot->gpa,
				    .size = slot->size,
				    .offset = slot->offset,
				    .slot = slot->number,
				    .file = slot->gmem->backing->number,
				    .code = code,
			    });
}

void gmem_record_conversion(struct gmem_space *space, uint64_t gpa, uint64_t size,
			    enum gmem_state state, enum gmem_policy policy, unsigned int attempts,
			    unsigned int flags)
{
	if (space->journal)
		write_record(space, (struct gmem_journal_record){
					    .kind = GMEM_JOURNAL_CONVERT,
					    .gpa = gpa,
					    .size = size,
					    .state = (uint8_t)state,
					    .policy = (uint8_t)policy,
					    .attempts = attempts,
					    .flags = (uint8_t)flags,
				    });
}

/* A part that could not be undone, cut where slots end. */
static void record_part(struct gmem_space *space, const struct gmem_error_part *part,
			enum gmem_state state)
{
	struct gmem_piece run;
	struct gmem_runs runs;

	gmem_runs_begin(&runs, space, part->gpa, part->gpa + part->size, state, 0);
	while (gmem_runs_next(&runs, &run))
		write_record(space, (struct gmem_journal_record){
					    .kind = GMEM_JOURNAL_STATE,
					    .gpa = run.gpa,
					    .size = run.size,
					    .offset = run.offset,
					    .slot = run.slot,
					    .file = run.gmem->backing->number,
					    .state = (uint8_t)state,
				    });
}

void gmem_record_failure(struct gmem_space *space, const struct gmem_error *report,
			 unsigned int flags)
{
	unsigned int i;

	if (!space->journal)
		return;
	if (report->has_first_offset)
		flags |= GMEM_JOURNAL_FIRST_KNOWN;
	if (report->has_lost)
		flags |= GMEM_JOURNAL_LOST;
	write_record(space, (struct gmem_journal_record){
				    .kind = GMEM_JOURNAL_CONVERT,
				    .gpa = report->offset,
				    .size = report->size,
				    .offset = report->has_first_offset ? report->first_offset : 0,
				    .state = (uint8_t)report->state,
				    .policy = (uint8_t)report->policy,
				    .flags = (uint8_t)flags,
				    .code = report->code,
				    .attempts = report->attempts,
			    });
	/* By what is known of states, so that a part that is a rough one adds nothing wrong. */
	for (i = 0; i < report->unrestored_count; i++)
		record_part(space, &report->unrestored[i], report->state);
}

void gmem_record_listener(struct gmem_space *space, unsigned int event, uint64_t granularity,
			  int code)
{
	write_record(space, (struct gmem_journal_record){
				    .kind = GMEM_JOURNAL_LISTENER,
				    .state = (uint8_t)event,
				    .offset = granularity,
				    .code = code,
			    });
}
