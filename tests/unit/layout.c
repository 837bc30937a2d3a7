/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "layout.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/journal.h"
#include "lib/space.h"

#define FILE_PAGES 64
/* Numbers of slots are smaller. */
#define SLOTS 16

struct layout layout;
static bool remembered[LAYOUT_PAGES];

static const struct {
	uint64_t page, pages, offset_page;
	int file;
} slots[] = {
	[1] = { 0, 16, 0, 0 },
	[2] = { 16, 16, 4, 1 },
	[3] = { 40, 16, 32, 0 },
};

bool layout_has_slot(uint64_t page)
{
	return page < 32 || (page >= 40 && page < LAYOUT_PAGES);
}

void layout_bind(uint32_t number)
{
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.gpa = slots[number].page * PAGE,
		.memory_size = slots[number].pages * PAGE,
		.gmem = layout.files[slots[number].file],
		.offset = slots[number].offset_page * PAGE,
		.number = number,
	};

	ck_assert_msg(gmem_space_bind(layout.space, &slot, report) == 0, "%s", explanation());
}

void layout_begin(enum gmem_mode mode, const struct gmem_space_options *options)
{
	struct gmem_space_options known = { .size = sizeof(known) };
	enum gmem_init init = mode == GMEM_MODE_FIXED ? GMEM_INIT_SHARED : GMEM_INIT_PRIVATE;
	int i;

	machine_begin(mode);
	memset(&layout, 0, sizeof(layout));
	if (options)
		known = *options;
	known.journal = layout.journal;
	known.journal_size = sizeof(layout.journal);
	ck_assert_int_eq(gmem_space_new(VM_FD, &known, &layout.space, report), 0);
	ck_assert_int_eq(gmem_space_get_mode(layout.space), mode);
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(gmem_space_create(layout.space, FILE_PAGES * PAGE, init,
						   &layout.files[i], report),
				 0);
	for (i = 1; i <= 3; i++)
		layout_bind((uint32_t)i);
}

void layout_end(void)
{
	gmem_space_free(layout.space);
	gmem_release(layout.files[0]);
	gmem_release(layout.files[1]);
	must(machine.open_files == 0 && machine.mappings == 0, "%d files, %d mappings are left",
	     machine.open_files, machine.mappings);
}

/* Returns true if this call is to fail. */
static bool fails(struct watcher *watcher)
{
	must(layout.told < 1024, "too many notices");
	layout.order[layout.told++] = (int)(watcher - layout.watchers) + 1;
	watcher->calls++;
	return watcher->calls >= watcher->fail_first && watcher->calls <= watcher->fail_last;
}

static void check_notice(const struct gmem_notice *notice)
{
	const struct machine_slot *slot = machine.slots;

	while (slot->number != notice->slot)
		slot++;
	must(notice->gpa >= slot->gpa && notice->size &&
		     notice->gpa + notice->size <= slot->gpa + slot->size,
	     "the notice is not in its slot");
	must(notice->offset == slot->offset + (notice->gpa - slot->gpa), "it has a wrong offset");
	must((uintptr_t)notice->address == slot->address + (notice->gpa - slot->gpa),
	     "it has a wrong address");
	must(gmem_get_fd(notice->gmem) == slot->fd, "it has a wrong file");
}

static int on_busy(struct watcher *watcher, const struct gmem_notice *notice)
{
	must(notice->size == PAGE, "more than a page is busy");
	watcher->busy_calls++;
	return watcher->busy_code;
}

static int on_release(const struct gmem_notice *notice, void *data)
{
	struct watcher *watcher = data;
	uint64_t first = notice->gpa / PAGE, end = first + notice->size / PAGE, page;

	check_notice(notice);
	if (notice->reason == GMEM_REASON_BUSY)
		return on_busy(watcher, notice);
	if (fails(watcher))
		return watcher->fail_code;
	watcher->released++;
	for (page = first; page < end; page++) {
		must(notice->reason == GMEM_REASON_UNDO || !machine_is_private(page * PAGE),
		     "page %" PRIu64 " is private before it is let go", page);
		if (!watcher->has[page] || !watcher->granularity)
			continue;
		must(watcher->part[page] >= first, "a part is cut at its start");
	}
	/* Nor at its end. */
	must(!watcher->granularity || !watcher->has[end - 1] || end >= MACHINE_PAGES ||
		     !watcher->has[end] || watcher->part[end] != watcher->part[end - 1],
	     "a part is cut at its end");
	memset(watcher->has + first, 0, end - first);
	return 0;
}

static int on_populate(const struct gmem_notice *notice, void *data)
{
	struct watcher *watcher = data;
	uint64_t first = notice->gpa / PAGE, end = first + notice->size / PAGE, page;

	check_notice(notice);
	for (page = first; page < end; page++) {
		must(!machine_is_private(page * PAGE), "page %" PRIu64 " is private", page);
		must(!watcher->has[page], "page %" PRIu64 " is populated twice", page);
	}
	must(!watcher->granularity ||
		     notice->gpa / watcher->granularity ==
			     (notice->gpa + notice->size - 1) / watcher->granularity,
	     "a part goes over the granularity");
	if (fails(watcher))
		return watcher->fail_code;
	watcher->populated++;
	for (page = first; page < end; page++) {
		watcher->has[page] = true;
		watcher->part[page] = first;
	}
	return 0;
}

struct watcher *layout_watch(uint64_t granularity, int order)
{
	struct watcher *watcher = &layout.watchers[layout.watcher_count++];
	struct gmem_listener_options options = { .size = sizeof(options) };

	watcher->granularity = granularity;
	snprintf(watcher->name, sizeof(watcher->name), "w%d", layout.watcher_count);
	options.name = watcher->name;
	options.release = on_release;
	options.populate = on_populate;
	options.data = watcher;
	options.granularity = granularity;
	options.order = order;
	ck_assert_msg(gmem_listener_add(layout.space, &options, &watcher->listener, report) == 0,
		      "%s", explanation());
	return watcher;
}

int layout_convert(uint64_t page, uint64_t end, enum gmem_state state,
		   const struct gmem_convert_options *options)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_convert(layout.space, page * PAGE, (end - page) * PAGE, state, options,
				  report);
}

void layout_mix(void)
{
	uint64_t page, pages;

	for (page = 1; page < LAYOUT_PAGES; page += pages + 2) {
		pages = page % 3 + 1;
		if (layout_has_slot(page) && layout_has_slot(page + pages - 1))
			ck_assert_int_eq(
				layout_convert(page, page + pages, GMEM_STATE_SHARED, NULL), 0);
	}
	layout_check();
}

static bool is_unrestored(uint64_t page)
{
	uint64_t gpa, size;
	unsigned int i;

	for (i = 0; gmem_error_get_unrestored(report, i, &gpa, &size); i++) {
		if (page * PAGE >= gpa && page * PAGE < gpa + size)
			return true;
	}
	return false;
}

static bool is_detached(const struct watcher *watcher, uint64_t page)
{
	uint64_t gpa, size;
	const char *name = gmem_error_get_detached(report, &gpa, &size);

	return name && !strcmp(name, watcher->name) && page * PAGE >= gpa &&
	       page * PAGE < gpa + size;
}

static enum gmem_state state_of(uint64_t page)
{
	return machine_is_private(page * PAGE) ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
}

static void check_space(uint64_t page)
{
	struct gmem_space_extent extent;
	struct gmem_pieces pieces;
	struct gmem_piece piece;
	enum gmem_state known;

	gmem_pieces_begin(&pieces, layout.space, page * PAGE, (page + 1) * PAGE);
	must(gmem_pieces_next(&pieces, &piece) && piece.gmem, "page %" PRIu64 " has no slot", page);
	gmem_backing_run(piece.gmem->backing, piece.offset, PAGE, &known);
	must(known == state_of(page), "the space is wrong about page %" PRIu64, page);
	must(gmem_space_get_extent(layout.space, page * PAGE, PAGE, &extent, NULL) == 0 &&
		     extent.state == known,
	     "the extent is wrong about page %" PRIu64, page);
}

/* The journal, applied to nothing. */
static enum gmem_state replayed[3][FILE_PAGES];

static void set_replayed(uint32_t file, uint64_t offset, uint64_t size, uint8_t state)
{
	uint64_t page;

	must(file >= 1 && file <= 2, "a record of file %u", file);
	for (page = offset / PAGE; page < (offset + size) / PAGE; page++)
		replayed[file][page] = (enum gmem_state)state;
}

static void replay_conversion(const struct gmem_journal_record *record,
			      const struct gmem_journal_record *bound[SLOTS])
{
	uint64_t page, end = record->gpa + record->size, gpa;
	int i;

	for (gpa = record->gpa; gpa < end; gpa += PAGE) {
		for (i = 0; i < SLOTS; i++) {
			if (!bound[i] || gpa < bound[i]->gpa ||
			    gpa - bound[i]->gpa >= bound[i]->size)
				continue;
			page = bound[i]->offset + (gpa - bound[i]->gpa);
			set_replayed(bound[i]->file, page, PAGE, record->state);
		}
	}
}

static void replay(void)
{
	const struct gmem_journal_header *header = (void *)layout.journal;
	const struct gmem_journal_record *records = (const void *)(header + 1), *record;
	const struct gmem_journal_record *bound[SLOTS] = { NULL };
	uint64_t i;

	must(!memcmp(header->magic, GMEM_JOURNAL_MAGIC, 8) && header->version == 1 &&
		     header->checksum == gmem_journal_checksum(header) &&
		     header->capacity == LAYOUT_RECORDS,
	     "the journal has a wrong header");
	for (i = 0; records[i].sequence; i++) {
		record = &records[i];
		must(record->sequence == i + 1 && i + 1 < LAYOUT_RECORDS &&
			     record->checksum == gmem_journal_checksum(record) &&
			     (record->slot < SLOTS || record->code),
		     "record %" PRIu64 " is damaged", i);
		if (record->kind == GMEM_JOURNAL_FILE)
			set_replayed(record->file, 0, record->size, record->state);
		else if (record->kind == GMEM_JOURNAL_STATE)
			set_replayed(record->file, record->offset, record->size, record->state);
		else if (record->kind == GMEM_JOURNAL_BIND && !record->code)
			bound[record->slot] = record;
		else if (record->kind == GMEM_JOURNAL_UNBIND && !record->code)
			bound[record->slot] = NULL;
		else if (record->kind == GMEM_JOURNAL_CONVERT && !record->code)
			replay_conversion(record, bound);
	}
}

static void check_journal(uint64_t page)
{
	int i;

	for (i = 1; i <= 3; i++) {
		if (page < slots[i].page || page >= slots[i].page + slots[i].pages)
			continue;
		must(replayed[slots[i].file + 1][page - slots[i].page + slots[i].offset_page] ==
			     state_of(page),
		     "the journal is wrong about page %" PRIu64, page);
	}
}

void layout_check(void)
{
	struct watcher *watcher;
	uint64_t page;
	int i;

	replay();
	for (page = 0; page < LAYOUT_PAGES; page++) {
		if (!layout_has_slot(page))
			continue;
		check_space(page);
		check_journal(page);
		for (i = 0; i < layout.watcher_count; i++) {
			watcher = &layout.watchers[i];
			must(watcher->has[page] == !machine_is_private(page * PAGE) ||
				     is_unrestored(page) || is_detached(watcher, page),
			     "%s is wrong about page %" PRIu64, watcher->name, page);
		}
	}
}

void layout_remember(void)
{
	uint64_t page;

	for (page = 0; page < LAYOUT_PAGES; page++)
		remembered[page] = layout_has_slot(page) && machine_is_private(page * PAGE);
}

/* The fourth part of a report is a rough one: it goes up to the end of the last one there is. */
static bool is_rough(uint64_t page)
{
	uint64_t gpa, size;

	return gmem_error_get_unrestored(report, 3, &gpa, &size) && page * PAGE >= gpa &&
	       page * PAGE < gpa + size;
}

void layout_check_unchanged(void)
{
	uint64_t page;
	bool same;

	for (page = 0; page < LAYOUT_PAGES; page++) {
		if (!layout_has_slot(page))
			continue;
		same = remembered[page] == machine_is_private(page * PAGE);
		must(same || is_unrestored(page),
		     "page %" PRIu64 " has lost its state, and the report does not say it", page);
		must(!same || !is_unrestored(page) || is_rough(page),
		     "page %" PRIu64 " has its old state, other than the report says", page);
	}
}

void layout_check_state(uint64_t page, uint64_t end, enum gmem_state state)
{
	for (; page < end; page++)
		must(!layout_has_slot(page) || state_of(page) == state, "page %" PRIu64 " is %s",
		     page, gmem_state_name(state_of(page)));
}

int layout_new_space(const struct gmem_space_options *options, struct gmem_space **ret_space)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_new(VM_FD, options, ret_space, report);
}

struct gmem_slot layout_fourth_slot(void)
{
	return (struct gmem_slot){
		.size = sizeof(struct gmem_slot),
		.gpa = 64 * PAGE,
		.memory_size = 8 * PAGE,
		.gmem = layout.files[1],
		.offset = 32 * PAGE,
		.number = 4,
	};
}

int layout_try_bind(const struct gmem_slot *slot)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_bind(layout.space, slot, report);
}
