/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Random operations on a space, against a model that has one entry for each page.
 *
 * An episode is a new space with files, and some thousand operations: slots come and go, ranges are
 * converted, listeners are added and removed. Pages are busy, memory is short and listeners refuse,
 * at random. After each operation files, slots and what listeners were told are as the model says,
 * or the report says exactly what is not; at the end of an episode the replayed journal says the
 * same. GMEM_SEED and GMEM_EPISODES choose what is run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "lib/error.h"
#include "simulated.h"
#include "tools/journal-read.h"
#include "unit.h"

#define FILES	   3
#define LISTENERS  3
#define OPERATIONS 1000
#define EPISODES   30
/* A record for each operation, and some for what could not be undone. */
#define JOURNAL_RECORDS (8 * OPERATIONS)

/* Seeds that once failed. */
static const uint64_t old_seeds[] = { 1, 2, 3 };

struct listener {
	struct gmem_listener *listener; /* NULL: there is none */
	uint64_t granularity;		/* in pages */
	bool told[SIM_GPA_PAGES];	/* may use the page */
};

static struct {
	uint64_t seed, state, operation;
	enum gmem_holes holes;
	struct gmem_space *space;
	struct gmem *files[FILES];
	uint8_t private[FILES][SIM_PAGES];
	/* Shared, because a failure could not be undone: listeners may not have been told. */
	bool stray[FILES][SIM_PAGES];
	struct sim_slot slots[SIM_SLOTS];
	struct listener listeners[LISTENERS];
	/* of a hundred calls of listeners so many are refused or put off */
	unsigned int refuse_percent;
	uint64_t succeeded, failed, unrestored;
} test;

static _Alignas(
	8) unsigned char journal_memory[sizeof(struct gmem_journal_header) +
					JOURNAL_RECORDS * sizeof(struct gmem_journal_record)];

#define check_that(condition, text)                                                                \
	must(condition, "GMEM_SEED=%llu, operation %llu: %s", (unsigned long long)test.seed,       \
	     (unsigned long long)test.operation, text)

static uint64_t number(uint64_t below)
{
	return sim_random(&test.state, below);
}

/* ---- listeners ---- */

/* The file page that a listener's page is; it must be in a slot. */
static bool is_private(uint64_t gpa_page)
{
	uint64_t page;
	int file;

	check_that(sim_find(gpa_page, &file, &page), "a listener is told of a hole");
	return sim.in_place ? sim.private[file][page] : sim.attribute[gpa_page];
}

static bool is_stray(uint64_t gpa_page)
{
	uint64_t page;
	int file;

	return sim_find(gpa_page, &file, &page) && test.stray[file][page];
}

static int on_populate(const struct gmem_notice *notice, void *data)
{
	struct listener *listener = data;
	uint64_t page = notice->gpa / PAGE, end = page + notice->size / PAGE;

	check_that(notice->size && end <= SIM_GPA_PAGES, "a notice has a range");
	check_that(!listener->granularity ||
			   page / listener->granularity == (end - 1) / listener->granularity,
		   "a notice does not cross the granularity");
	if (notice->reason != GMEM_REASON_UNDO && number(100) < test.refuse_percent)
		return number(2) ? -EAGAIN : -EIO;
	for (; page < end; page++) {
		check_that(!listener->told[page] || is_stray(page), "nothing is populated twice");
		check_that(!is_private(page), "nobody is given what is private");
		listener->told[page] = true;
	}
	return 0;
}

static int on_release(const struct gmem_notice *notice, void *data)
{
	struct listener *listener = data;
	uint64_t page = notice->gpa / PAGE, end = page + notice->size / PAGE;

	check_that(notice->size && end <= SIM_GPA_PAGES, "a notice has a range");
	if (notice->reason != GMEM_REASON_UNDO && notice->reason != GMEM_REASON_LISTENER &&
	    number(100) < test.refuse_percent)
		return number(2) ? -EAGAIN : -EIO;
	if (notice->reason == GMEM_REASON_BUSY)
		return 0;
	for (; page < end; page++) {
		check_that(listener->told[page] || is_stray(page),
			   "what is released was populated");
		listener->told[page] = false;
	}
	return 0;
}

/* The promise of it all. */
static void nobody_uses(int file, uint64_t page, uint64_t pages)
{
	const struct sim_slot *slot;
	uint64_t i, gpa;
	int s, l;

	for (s = 0; s < SIM_SLOTS; s++) {
		slot = &sim.slots[s];
		if (!slot->used || slot->file != file)
			continue;
		for (i = 0; i < slot->pages; i++) {
			gpa = slot->gpa + i;
			if (slot->offset + i < page || slot->offset + i >= page + pages)
				continue;
			for (l = 0; l < LISTENERS; l++)
				check_that(!test.listeners[l].told[gpa],
					   "a page becomes private while a listener has it");
		}
	}
}

/* ---- what must hold after each operation ---- */

static void check_slots(void)
{
	int i;

	for (i = 0; i < SIM_SLOTS; i++)
		check_that(sim.slots[i].used == test.slots[i].used &&
				   (!sim.slots[i].used ||
				    !memcmp(&sim.slots[i], &test.slots[i], sizeof(sim.slots[i]))),
			   "KVM has the slots of the model");
}

static void check_pages(void)
{
	uint64_t gpa, page;
	bool bound, private;
	int file, l;

	if (sim.in_place)
		check_that(!memcmp(sim.private, test.private, sizeof(test.private)),
			   "the kernel has the states of the model");
	for (gpa = 0; gpa < SIM_GPA_PAGES; gpa++) {
		bound = sim_find(gpa, &file, &page);
		private = bound && test.private[file][page];
		check_that(sim.in_place || !bound || sim.attribute[gpa] == private,
			   "the VM has the states of the model");
		for (l = 0; l < LISTENERS; l++)
			check_that(!test.listeners[l].listener || is_stray(gpa) ||
					   test.listeners[l].told[gpa] == (bound && !private),
				   "listeners have what is shared, and nothing else");
	}
}

/* ---- operations ---- */

static void bind(void)
{
	uint32_t slot = (uint32_t)number(SIM_SLOTS);
	struct sim_slot wanted = { .used = true, .file = (int)number(FILES) };
	struct gmem_slot options = { .size = sizeof(options), .number = slot };
	bool in_the_way = test.slots[slot].used;
	int r, i;

	wanted.offset = number(SIM_PAGES);
	wanted.pages = number(24) + 1;
	if (wanted.pages > SIM_PAGES - wanted.offset)
		wanted.pages = SIM_PAGES - wanted.offset;
	wanted.gpa = number(SIM_GPA_PAGES - wanted.pages);
	for (i = 0; i < SIM_SLOTS; i++) {
		const struct sim_slot *other = &test.slots[i];

		if (other->used &&
		    ((wanted.gpa < other->gpa + other->pages &&
		      other->gpa < wanted.gpa + wanted.pages) ||
		     (wanted.file == other->file && wanted.offset < other->offset + other->pages &&
		      other->offset < wanted.offset + wanted.pages)))
			in_the_way = true;
	}
	options.gpa = wanted.gpa * PAGE;
	options.memory_size = wanted.pages * PAGE;
	options.offset = wanted.offset * PAGE;
	options.gmem = test.files[wanted.file];
	r = gmem_space_bind(test.space, &options, report);
	check_that(in_the_way == (r == -EEXIST), "what overlaps is refused");
	check_that(r == 0 || r == -EEXIST || r == -EAGAIN || r == -ECANCELED || r == -ENOMEM,
		   "bind fails as documented");
	check_that(r == 0 || r == -EEXIST || test.refuse_percent || sim.memory_percent,
		   "bind succeeds");
	if (r == 0)
		test.slots[slot] = wanted;
	test.succeeded += r == 0;
	test.failed += r != 0;
}

static void unbind(void)
{
	uint32_t slot = (uint32_t)number(SIM_SLOTS);
	int r = gmem_space_unbind(test.space, slot, report);

	check_that(test.slots[slot].used == (r != -ENOENT), "what is not there is not unbound");
	check_that(r == 0 || r == -ENOENT || r == -EAGAIN || r == -ECANCELED, "as documented");
	check_that(r == 0 || r == -ENOENT || test.refuse_percent, "unbind succeeds");
	/* Who binds it again tells listeners what is shared. */
	if (r == 0) {
		memset(test.stray[test.slots[slot].file] + test.slots[slot].offset, 0,
		       test.slots[slot].pages);
		test.slots[slot].used = false;
	}
	test.succeeded += r == 0;
	test.failed += r != 0;
}

static bool is_unrestored(uint64_t gpa)
{
	uint64_t start, size;
	unsigned int i;

	for (i = 0; gmem_error_get_unrestored(report, i, &start, &size); i++) {
		if (gpa >= start && gpa - start < size)
			return true;
	}
	return false;
}

/* A conversion that failed changed nothing but what its report tells. */
static void accept_unrestored(uint64_t gpa, uint64_t end, bool private)
{
	uint64_t page;
	bool now;
	int file;

	for (; gpa < end; gpa++) {
		if (!sim_find(gpa, &file, &page))
			continue;
		now = sim.in_place ? sim.private[file][page] : sim.attribute[gpa];
		if (now == test.private[file][page])
			continue;
		check_that(now == private && is_unrestored(gpa * PAGE),
			   "what was not undone is told");
		test.private[file][page] = now;
		test.stray[file][page] = !now;
		test.unrestored++;
	}
}

static void convert(void)
{
	uint64_t first = number(SIM_GPA_PAGES), count = number(32) + 1, gpa, page;
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 3 };
	bool private = number(2), has_hole = false, holes_matter;
	const struct sim_slot *slot;
	int file, r, i = 0;

	/* Mostly what is there. */
	do {
		slot = &sim.slots[number(SIM_SLOTS)];
	} while (!slot->used && i++ < 8);
	if (slot->used && number(8)) {
		first = slot->gpa + number(slot->pages);
		if (number(2))
			count = number(slot->gpa + slot->pages - first) + 1;
	}
	count = first + count > SIM_GPA_PAGES ? SIM_GPA_PAGES - first : count;
	for (gpa = first; gpa < first + count; gpa++)
		has_hole |= !sim_find(gpa, &file, &page);
	holes_matter = has_hole && (private || test.holes == GMEM_HOLES_STRICT);
	r = gmem_space_convert(test.space, first * PAGE, count * PAGE,
			       private ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED, &options, report);
	check_that(holes_matter == (r == -ENXIO), "holes");
	check_that(r == 0 || r == -ENXIO || r == -EAGAIN || r == -ECANCELED || r == -ENOMEM,
		   "convert fails as documented");
	check_that(r == 0 || r == -ENXIO || test.refuse_percent || sim.busy_percent ||
			   sim.memory_percent,
		   "convert succeeds");
	test.succeeded += r == 0;
	test.failed += r != 0;
	if (r < 0) {
		accept_unrestored(first, first + count, private);
		return;
	}
	for (gpa = first; gpa < first + count; gpa++) {
		if (!sim_find(gpa, &file, &page))
			continue;
		test.private[file][page] = private;
		test.stray[file][page] &= !private;
	}
}

/* All extents of a range, one after the other, without gaps. */
static void look(void)
{
	uint64_t gpa = number(SIM_GPA_PAGES), end = gpa + number(SIM_GPA_PAGES - gpa) + 1, i, page;
	struct gmem_space_extent extent;
	int file;

	while (gpa < end) {
		check_that(gmem_space_get_extent(test.space, gpa * PAGE, (end - gpa) * PAGE,
						 &extent, report) == 0,
			   "extents can be had");
		check_that(extent.gpa == gpa * PAGE && extent.size &&
				   extent.size <= (end - gpa) * PAGE,
			   "an extent begins where it should");
		for (i = 0; i < extent.size / PAGE; i++) {
			if (!sim_find(gpa + i, &file, &page)) {
				check_that(!extent.gmem && !extent.state, "a hole is none");
				continue;
			}
			check_that(extent.gmem == test.files[file] &&
					   extent.offset + i * PAGE == page * PAGE,
				   "an extent is in its file");
			check_that((extent.state == GMEM_STATE_PRIVATE) == test.private[file][page],
				   "an extent has its state");
		}
		gpa += extent.size / PAGE;
	}
}

static void change_listener(void)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "somebody" };
	struct listener *listener = &test.listeners[number(LISTENERS)];
	int r;

	if (listener->listener) {
		r = gmem_listener_remove(listener->listener, report);
		check_that(r == 0, "a listener is removed");
		listener->listener = NULL;
	} else {
		options.populate = on_populate;
		options.release = on_release;
		options.data = listener;
		options.order = (int32_t)number(3) - 1;
		listener->granularity = number(2) ? UINT64_C(1) << number(5) : 0;
		options.granularity = listener->granularity * PAGE;
		r = gmem_listener_add(test.space, &options, &listener->listener, report);
		check_that(r == 0 || ((r == -EAGAIN || r == -ECANCELED) && test.refuse_percent),
			   "a listener is added");
		if (r < 0)
			listener->listener = NULL;
	}
	for (r = 0; !listener->listener && r < SIM_GPA_PAGES; r++)
		check_that(!listener->told[r], "who is gone has nothing");
}

static void operate(void)
{
	/* Most of the time all goes well. */
	bool chaos = number(4) == 0;

	sim.busy_percent = chaos ? (unsigned int)number(60) : 0;
	sim.memory_percent = chaos ? (unsigned int)number(20) : 0;
	test.refuse_percent = chaos ? (unsigned int)number(30) : 0;
	switch (number(16)) {
	case 0:
	case 1:
	case 2:
		bind();
		break;
	case 3:
		unbind();
		break;
	case 4:
		change_listener();
		break;
	case 5:
		look();
		break;
	default:
		convert();
	}
	check_slots();
	check_pages();
}

/* ---- episodes ---- */

static void check_journal(void)
{
	struct gmem_journal_record record;
	struct journal_extent extent;
	struct journal_model *model;
	struct journal journal;
	/* files are numbered in the order in which they were bound */
	uint32_t file_of[FILES + 1] = { 0 }, file;
	const char *why = "";
	uint64_t i, slots = 0;

	check_that(journal_open(journal_memory, sizeof(journal_memory), &journal, &why) == 0, why);
	check_that(journal.first == 1 && !journal.missing, "the journal is whole");
	check_that(journal_model_new(PAGE, &model) == 0, "memory");
	for (i = 1; i <= journal.last; i++) {
		check_that(journal_get(&journal, i, &record), "a record is there");
		check_that(journal_model_apply(model, &record, &why) == 0, why);
	}
	check_that(journal_model_files(model) <= FILES, "files of the journal");
	for (i = 0; i < journal_model_slots(model); i++) {
		const struct journal_slot *slot = journal_model_slot(model, i);
		const struct sim_slot *bound = &test.slots[slot->number];

		check_that(bound->used && bound->gpa * PAGE == slot->gpa &&
				   bound->pages * PAGE == slot->size &&
				   bound->offset * PAGE == slot->offset,
			   "slots of the journal");
		file_of[slot->file] = (uint32_t)bound->file + 1;
	}
	for (i = 0; i < SIM_SLOTS; i++)
		slots += test.slots[i].used;
	check_that(slots == journal_model_slots(model), "number of slots of the journal");
	for (file = 1; file <= journal_model_files(model); file++) {
		for (i = 0; file_of[file] && journal_model_extent(model, file, i, &extent); i++) {
			for (; extent.size; extent.size -= PAGE, extent.offset += PAGE)
				check_that(test.private[file_of[file] - 1][extent.offset / PAGE] ==
						   (extent.state == GMEM_STATE_PRIVATE),
					   "states of the journal");
		}
	}
	journal_model_free(model);
}

static void begin_episode(uint64_t seed)
{
	struct gmem_space_options options = { .size = sizeof(options) };
	bool shared;
	int i;

	memset(&test, 0, sizeof(test));
	memset(journal_memory, 0, sizeof(journal_memory));
	test.seed = test.state = seed;
	sim_begin(number(3) != 0, number(2) != 0);
	sim.to_private = nobody_uses;
	test.holes = number(2) ? GMEM_HOLES_STRICT : GMEM_HOLES_SHARED_IGNORED;
	options.holes = test.holes;
	options.journal = journal_memory;
	options.journal_size = sizeof(journal_memory);
	check_that(gmem_space_new(VM_FD, &options, &test.space, report) == 0, "a space");
	check_that(gmem_space_get_mode(test.space) ==
			   (sim.in_place ? GMEM_MODE_IN_PLACE : GMEM_MODE_TWO_BACKINGS),
		   "its mode");
	for (i = 0; i < FILES; i++) {
		shared = number(2);
		check_that(gmem_space_create(test.space, SIM_PAGES * PAGE,
					     shared ? GMEM_INIT_SHARED : GMEM_INIT_PRIVATE,
					     &test.files[i], report) == 0,
			   "a file");
		memset(test.private[i], !shared, SIM_PAGES);
	}
}

static void run_episode(uint64_t seed)
{
	uint32_t i;

	begin_episode(seed);
	for (test.operation = 1; test.operation <= OPERATIONS; test.operation++)
		operate();
	check_journal();
	test.refuse_percent = 0;
	for (i = 0; i < SIM_SLOTS; i++) {
		if (test.slots[i].used)
			check_that(gmem_space_unbind(test.space, i, report) == 0, "end");
	}
	gmem_space_free(test.space);
	for (i = 0; i < FILES; i++)
		gmem_release(test.files[i]);
	/* Not vacuous. */
	check_that(test.succeeded > OPERATIONS / 5 && test.failed > OPERATIONS / 20,
		   "operations succeed and fail");
}

START_TEST(seeds_that_once_failed)
{
	run_episode(old_seeds[_i]);
}
END_TEST

START_TEST(random_operations_do_what_the_model_does)
{
	const char *given = getenv("GMEM_SEED"), *wanted = getenv("GMEM_EPISODES");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 20;
	uint64_t episodes = wanted ? strtoull(wanted, NULL, 0) : EPISODES, i, unrestored = 0;

	printf("# GMEM_SEED=%llu, %llu episodes of %d operations\n", (unsigned long long)seed,
	       (unsigned long long)episodes, OPERATIONS);
	fflush(stdout);
	for (i = 0; i < episodes; i++) {
		run_episode(seed + i);
		unrestored += test.unrestored;
	}
	printf("# %llu pages could not be restored, and were told\n",
	       (unsigned long long)unrestored);
	fflush(stdout);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("space-property");
	TCase *tests = scripted_case(suite, "random operations");

	tcase_set_timeout(tests, 3600);
	tcase_add_loop_test(tests, seeds_that_once_failed, 0, COUNT(old_seeds));
	tcase_add_test(tests, random_operations_do_what_the_model_does);
	return suite;
}
