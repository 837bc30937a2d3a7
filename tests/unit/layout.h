/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Guest memory for tests of the space, on the model machine: three slots of two files, with a hole,
 * a journal, and listeners that check what they are told.
 *
 *   pages 0 to 15   slot 1, file 0 from page 0 on
 *   pages 16 to 31  slot 2, file 1 from page 4 on
 *   pages 32 to 39  hole
 *   pages 40 to 55  slot 3, file 0 from page 32 on
 */
#ifndef TEST_LAYOUT_H
#define TEST_LAYOUT_H

#include "machine.h"

#define LAYOUT_PAGES   56
#define LAYOUT_RECORDS 4096
#define WATCHERS       2

/* A listener that knows which pages it may use, and checks that it is right. */
struct watcher {
	struct gmem_listener *listener;
	char name[16];
	bool has[MACHINE_PAGES];
	/* the first page of the part that was populated in one call */
	uint64_t part[MACHINE_PAGES];
	uint64_t granularity;
	int calls, populated, released;
	/* fails these calls, counted from 1, with this */
	int fail_first, fail_last, fail_code;
	/* what it answers about a page that is busy */
	int busy_code;
	int busy_calls;
};

extern struct layout {
	struct gmem_space *space;
	struct gmem *files[2];
	struct watcher watchers[WATCHERS];
	int watcher_count;
	/* the order in which watchers were told: 1-based numbers of watchers */
	int order[1024];
	int told;
	uint64_t journal[8 + 8 * LAYOUT_RECORDS];
} layout;

/** The space with its slots, all private, on a fresh machine of this mode. */
void layout_begin(enum gmem_mode mode, const struct gmem_space_options *options);
void layout_end(void);
/** A space, with a fresh report. */
int layout_new_space(const struct gmem_space_options *options, struct gmem_space **ret_space);
/** A slot that has room: number 4, pages 64 to 71, file 1 from page 32 on. */
struct gmem_slot layout_fourth_slot(void);
/** Binds a slot, with a fresh report. */
int layout_try_bind(const struct gmem_slot *slot);
void layout_bind(uint32_t number);
/** Adds a watcher, which is the next of layout.watchers. */
struct watcher *layout_watch(uint64_t granularity, int order);
/** Makes states mixed: in turns, some pages of each. */
void layout_mix(void);
/** A fresh report, and a conversion of pages with it. */
int layout_convert(uint64_t page, uint64_t end, enum gmem_state state,
		   const struct gmem_convert_options *options);
/**
 * What the machine, the space, the watchers and the journal know of each page is the same, but for
 * what the report says.
 */
void layout_check(void);
/** Remembers states; and compares them, but for what the report says. */
void layout_remember(void);
void layout_check_unchanged(void);
/** Checks that all pages of the range that are in slots have a state. */
void layout_check_state(uint64_t page, uint64_t end, enum gmem_state state);
bool layout_has_slot(uint64_t page);

#endif
