/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The journal's format: a header, then a ring of records of one size, all little-endian.
 *
 * It is written into memory that the caller of gmem_space_new() provides. Record n, counted from 1,
 * stands at place (n - 1) % capacity. Its checksum is written last, so that a record which was
 * being written when the program died is found out. A place that was never written is all 0.
 *
 * Every change of state is a record, written while nobody else can convert the same memory: records
 * of overlapping ranges have the order of what happened. To replay: create each FILE, bind and
 * unbind slots, and apply each CONVERT whose code is 0 and each STATE.
 */
#ifndef GMEM_JOURNAL_H
#define GMEM_JOURNAL_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_JOURNAL_MAGIC   "GMEMJRNL"
#define GMEM_JOURNAL_VERSION 1

/** What a record is about. Numbers are part of the format. */
enum gmem_journal_kind {
	/** The space was made: state is the mode, policy the hole policy, offset the VM type. */
	GMEM_JOURNAL_SPACE = 1,
	/** A file is bound for the first time: size; state is its state at first; flags MAPPABLE */
	GMEM_JOURNAL_FILE = 2,
	/** A slot was bound: gpa, size, file, offset, slot; or code says why not. */
	GMEM_JOURNAL_BIND = 3,
	/** A slot was unbound: gpa, size, file, offset, slot; or code says why not. */
	GMEM_JOURNAL_UNBIND = 4,
	/**
	 * A conversion: gpa, size, state, policy, attempts. code 0: it happened. Otherwise it was
	 * undone, but for what STATE records behind it say; offset is the guest-physical address
	 * of the first page that failed if flags has FIRST_KNOWN.
	 */
	GMEM_JOURNAL_CONVERT = 5,
	/**
	 * A part has another state than it would have by the records before: of a file that was
	 * adopted, or after a conversion that could not be undone. By file, offset and size, with
	 * slot and gpa where it is bound.
	 */
	GMEM_JOURNAL_STATE = 6,
	/** A listener was added (state 1) or removed (state 2); offset is its granularity. */
	GMEM_JOURNAL_LISTENER = 7,
};

enum {
	/** FILE: the host can map it. */
	GMEM_JOURNAL_MAPPABLE = 1 << 0,
	/** CONVERT: offset has the guest-physical address of the first page that failed. */
	GMEM_JOURNAL_FIRST_KNOWN = 1 << 1,
	/** CONVERT: memory of the old state could not be given back. */
	GMEM_JOURNAL_KEPT = 1 << 2,
	/** CONVERT: contents are, or may be, lost in the part that was converted and undone. */
	GMEM_JOURNAL_LOST = 1 << 3,
	/** CONVERT: it came from a guest, through gmem_space_serve(). */
	GMEM_JOURNAL_REQUEST = 1 << 4,
};

struct gmem_journal_header {
	char magic[8];
	uint32_t version;
	/** sizeof(struct gmem_journal_record) */
	uint32_t record_size;
	/** number of records that there is room for */
	uint64_t capacity;
	uint64_t page_size;
	uint64_t reserved[3];
	/** gmem_journal_checksum() of the seven words before */
	uint64_t checksum;
};

struct gmem_journal_record {
	/** from 1 on; 0 for a place that was never written */
	uint64_t sequence;
	uint64_t gpa;
	uint64_t size;
	uint64_t offset;
	uint8_t kind;
	/** enum gmem_state, unless the kind says otherwise */
	uint8_t state;
	uint8_t policy;
	uint8_t flags;
	/** what the call returned: 0 or a negative errno */
	int32_t code;
	uint32_t slot;
	/** number of the file in this journal, from 1 on; 0 for none */
	uint32_t file;
	/** how often the kernel was asked, at most, for one slot */
	uint32_t attempts;
	uint32_t reserved;
	/** gmem_journal_checksum() of the seven words before */
	uint64_t checksum;
};

_Static_assert(sizeof(struct gmem_journal_header) == 64, "format of the journal");
_Static_assert(sizeof(struct gmem_journal_record) == 64, "format of the journal");

/** gmem_journal_checksum() - of the first seven words, as they lie in memory */
static inline uint64_t gmem_journal_checksum(const void *words)
{
	const unsigned char *bytes = words;
	uint64_t sum = UINT64_C(0xcbf29ce484222325), word;
	int i;

	for (i = 0; i < 7; i++) {
		__builtin_memcpy(&word, bytes + i * sizeof(word), sizeof(word));
		sum = (sum ^ le64toh(word)) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	return sum;
}

#endif
