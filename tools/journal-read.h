/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Reading a journal of a space and replaying it on a model. lib/journal.h describes the format.
 *
 * A journal is hostile input: it may come from anywhere, and from a program that died while it
 * wrote. Nothing in it is believed, and no number of it is used before it is checked.
 */
#ifndef GMEMCTL_JOURNAL_H
#define GMEMCTL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "journal.h"
#include <libgmem/space.h>

/* A journal in memory, which must stay as long as this is used. */
struct journal {
	const unsigned char *records;
	uint64_t capacity;
	uint64_t page_size;
	/* sequence of the oldest and the newest record that there can be; 0: none */
	uint64_t first, last;
	/* how many between the two are not there or damaged */
	uint64_t missing;
};

/* Returns 0, or -EBADMSG and what is wrong with it. Alignment does not matter. */
int journal_open(const void *data, size_t size, struct journal *ret_journal,
		 const char **reterr_why);

/* The record of a sequence number; false if it is missing or damaged. Byte order is the host's. */
bool journal_get(const struct journal *journal, uint64_t sequence,
		 struct gmem_journal_record *ret_record);

/* "convert", or NULL */
const char *journal_kind_name(unsigned int kind);

/* The model: what files and slots there are, and which states files have. */
struct journal_model;

int journal_model_new(uint64_t page_size, struct journal_model **ret_model);
void journal_model_free(struct journal_model *model);

/*
 * Returns 0, or -EBADMSG and what does not fit to what was before: then nothing was changed.
 * -ENOMEM: the model is of no use any more.
 */
int journal_model_apply(struct journal_model *model, const struct gmem_journal_record *record,
			const char **reterr_why);

struct journal_slot {
	uint64_t gpa, size, offset;
	uint32_t number, file;
};

struct journal_extent {
	uint64_t offset, size;
	enum gmem_state state;
};

uint32_t journal_model_files(const struct journal_model *model); /* numbered from 1 on */
uint64_t journal_model_file_size(const struct journal_model *model, uint32_t file);
/* Extents of a file in its order; neighbours differ. False: there are not that many. */
bool journal_model_extent(const struct journal_model *model, uint32_t file, size_t index,
			  struct journal_extent *ret_extent);
/* Slots in the order of guest-physical memory. */
size_t journal_model_slots(const struct journal_model *model);
const struct journal_slot *journal_model_slot(const struct journal_model *model, size_t index);

/* As people read it, and as JSON, one object on a line. */
void journal_print(FILE *stream, const struct gmem_journal_record *record);
void journal_print_json(FILE *stream, const struct gmem_journal_record *record);

#endif
