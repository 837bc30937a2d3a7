/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Journals are read whatever is in them, and replayed as a simple model does it. */
#include "../quick-check.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal-read.h"

#define PAGE	 UINT64_C(4096)
#define CAPACITY 8
#define PAGES	 64

static struct {
	struct gmem_journal_header header;
	struct gmem_journal_record records[CAPACITY];
} file;

static void write_header(void)
{
	memset(&file, 0, sizeof(file));
	memcpy(file.header.magic, GMEM_JOURNAL_MAGIC, sizeof(file.header.magic));
	file.header.version = htole32(GMEM_JOURNAL_VERSION);
	file.header.record_size = htole32(sizeof(struct gmem_journal_record));
	file.header.capacity = htole64(CAPACITY);
	file.header.page_size = htole64(PAGE);
	file.header.checksum = htole64(gmem_journal_checksum(&file.header));
}

static void write_record(uint64_t sequence, uint8_t kind)
{
	struct gmem_journal_record *record = &file.records[(sequence - 1) % CAPACITY];

	*record = (struct gmem_journal_record){ .sequence = htole64(sequence), .kind = kind };
	record->checksum = htole64(gmem_journal_checksum(record));
}

static const char *why_not(size_t size)
{
	struct journal journal;
	const char *why = NULL;

	ck_assert_int_eq(journal_open(&file, size, &journal, &why), -EBADMSG);
	return why;
}

static struct journal opened(void)
{
	struct journal journal;
	const char *why;

	ck_assert_int_eq(journal_open(&file, sizeof(file), &journal, &why), 0);
	return journal;
}

START_TEST(refuses_what_is_no_journal)
{
	write_header();
	ck_assert_str_eq(why_not(0), "it is too short for a journal");
	ck_assert_str_eq(why_not(63), "it is too short for a journal");
	ck_assert_str_eq(why_not(sizeof(file) - 1), "it is shorter than its header says");
	file.header.capacity = htole64(UINT64_MAX / 64 + 2);
	ck_assert_str_eq(why_not(sizeof(file)), "its header is damaged");
	file.header.checksum = htole64(gmem_journal_checksum(&file.header));
	ck_assert_str_eq(why_not(sizeof(file)), "it is shorter than its header says");
	write_header();
	file.header.page_size = htole64(PAGE + 1);
	file.header.checksum = htole64(gmem_journal_checksum(&file.header));
	ck_assert_str_eq(why_not(sizeof(file)), "its page size makes no sense");
	file.header.version = htole32(2);
	file.header.checksum = htole64(gmem_journal_checksum(&file.header));
	ck_assert_str_eq(why_not(sizeof(file)), "its version is not known");
	file.header.magic[0] = 'g';
	ck_assert_str_eq(why_not(sizeof(file)), "it is no journal");
}
END_TEST

START_TEST(an_empty_journal_has_no_record)
{
	struct gmem_journal_record record;
	struct journal journal;

	write_header();
	journal = opened();
	ck_assert_uint_eq(journal.last, 0);
	ck_assert_uint_eq(journal.missing, 0);
	ck_assert(!journal_get(&journal, 0, &record));
	ck_assert(!journal_get(&journal, 1, &record));
}
END_TEST

START_TEST(the_ring_has_what_came_last)
{
	struct gmem_journal_record record;
	struct journal journal;
	uint64_t i;

	write_header();
	for (i = 1; i <= 3 * CAPACITY - 2; i++)
		write_record(i, GMEM_JOURNAL_CONVERT);
	journal = opened();
	ck_assert_uint_eq(journal.first, 2 * CAPACITY - 1);
	ck_assert_uint_eq(journal.last, 3 * CAPACITY - 2);
	ck_assert_uint_eq(journal.missing, 0);
	for (i = 0; i < 4 * CAPACITY; i++) {
		ck_assert_int_eq(journal_get(&journal, i, &record),
				 i >= journal.first && i <= journal.last);
	}
}
END_TEST

START_TEST(what_was_being_written_when_the_program_died_is_missing)
{
	struct gmem_journal_record record;
	struct journal journal;
	uint64_t i;

	write_header();
	for (i = 1; i <= CAPACITY; i++)
		write_record(i, GMEM_JOURNAL_CONVERT);
	file.records[3].size ^= 1;
	/* Overtaken: number 2 was to be replaced by 10, but only 9 and 11 came. */
	write_record(9, GMEM_JOURNAL_STATE);
	write_record(11, GMEM_JOURNAL_STATE);
	journal = opened();
	ck_assert_uint_eq(journal.first, 4);
	ck_assert_uint_eq(journal.last, 11);
	ck_assert_uint_eq(journal.missing, 2);
	ck_assert(!journal_get(&journal, 4, &record));
	ck_assert(journal_get(&journal, 5, &record));
	ck_assert(!journal_get(&journal, 10, &record));
	ck_assert(!journal_get(&journal, 2, &record));
}
END_TEST

START_TEST(a_record_counts_only_at_its_place)
{
	struct journal journal;

	write_header();
	write_record(1, GMEM_JOURNAL_CONVERT);
	file.records[1] = file.records[0];
	journal = opened();
	ck_assert_uint_eq(journal.last, 1);
	ck_assert_uint_eq(journal.missing, 0);
}
END_TEST

/* ---- replay ---- */

static struct journal_model *model;
static uint64_t sequence;

static int apply(struct gmem_journal_record record)
{
	const char *why = NULL;
	int r;

	record.sequence = ++sequence;
	r = journal_model_apply(model, &record, &why);
	ck_assert(r == 0 || (r == -EBADMSG && why));
	return r;
}

static int space_is_made(enum gmem_holes holes)
{
	return apply((struct gmem_journal_record){ .kind = GMEM_JOURNAL_SPACE, .policy = holes });
}

static int file_comes(uint32_t number, uint64_t pages, enum gmem_state state)
{
	return apply((struct gmem_journal_record){
		.kind = GMEM_JOURNAL_FILE, .file = number, .size = pages * PAGE, .state = state });
}

static int slot_change(uint8_t kind, uint32_t number, uint64_t page, uint64_t pages, uint32_t in,
		       uint64_t at)
{
	return apply((struct gmem_journal_record){ .kind = kind,
						   .slot = number,
						   .gpa = page * PAGE,
						   .size = pages * PAGE,
						   .file = in,
						   .offset = at * PAGE });
}

static int convert(uint64_t page, uint64_t pages, enum gmem_state state, int code)
{
	return apply((struct gmem_journal_record){ .kind = GMEM_JOURNAL_CONVERT,
						   .gpa = page * PAGE,
						   .size = pages * PAGE,
						   .state = state,
						   .code = code });
}

static void begin(void)
{
	sequence = 0;
	ck_assert_int_eq(journal_model_new(PAGE, &model), 0);
}

static void end(void)
{
	journal_model_free(model);
}

static enum gmem_state state_at(uint32_t number, uint64_t page)
{
	struct journal_extent extent;
	size_t i;

	for (i = 0; journal_model_extent(model, number, i, &extent); i++) {
		if (page * PAGE < extent.offset + extent.size)
			return extent.state;
	}
	return (enum gmem_state)0;
}

START_TEST(states_belong_to_the_file)
{
	ck_assert_int_eq(space_is_made(GMEM_HOLES_STRICT), 0);
	ck_assert_int_eq(file_comes(1, 16, GMEM_STATE_PRIVATE), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 5, 100, 16, 1, 0), 0);
	ck_assert_int_eq(convert(102, 1, GMEM_STATE_SHARED, 0), 0);
	ck_assert_int_eq(convert(110, 1, GMEM_STATE_SHARED, -EAGAIN), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_UNBIND, 5, 100, 16, 1, 0), 0);
	ck_assert_uint_eq(journal_model_slots(model), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 6, 0, 4, 1, 1), 0);
	ck_assert_int_eq(state_at(1, 2), GMEM_STATE_SHARED);
	ck_assert_int_eq(state_at(1, 10), GMEM_STATE_PRIVATE);
	ck_assert_int_eq(convert(1, 1, GMEM_STATE_PRIVATE, 0), 0);
	ck_assert_int_eq(state_at(1, 2), GMEM_STATE_PRIVATE);
}
END_TEST

START_TEST(says_what_does_not_fit)
{
	ck_assert_int_eq(space_is_made(GMEM_HOLES_STRICT), 0);
	ck_assert_int_eq(space_is_made(GMEM_HOLES_STRICT), -EBADMSG);
	ck_assert_int_eq(file_comes(2, 1, GMEM_STATE_SHARED), -EBADMSG);
	ck_assert_int_eq(file_comes(1, 0, GMEM_STATE_SHARED), -EBADMSG);
	ck_assert_int_eq(file_comes(1, 16, (enum gmem_state)3), -EBADMSG);
	ck_assert_int_eq(file_comes(1, 16, GMEM_STATE_SHARED), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 0, 4, 2, 0), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 0, 17, 1, 0), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 0, 1, 1, 16), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, UINT64_MAX / PAGE, 1, 1, 0), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 4, 4, 1, 0), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 8, 4, 1, 4), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 1, 7, 4, 1, 4), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 1, 3, 2, 1, 4), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 1, 8, 4, 1, 3), -EBADMSG);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_UNBIND, 1, 4, 4, 1, 0), -EBADMSG);
	ck_assert_int_eq(convert(3, 2, GMEM_STATE_SHARED, 0), -EBADMSG);
	ck_assert_int_eq(convert(7, 2, GMEM_STATE_SHARED, 0), -EBADMSG);
	ck_assert_int_eq(convert(4, 4, (enum gmem_state)0, 0), -EBADMSG);
	ck_assert_int_eq(convert(4, 0, GMEM_STATE_SHARED, 0), -EBADMSG);
	ck_assert_int_eq(apply((struct gmem_journal_record){ .kind = 9 }), -EBADMSG);
	ck_assert_int_eq(apply((struct gmem_journal_record){ .kind = GMEM_JOURNAL_STATE,
							     .file = 1,
							     .offset = 16 * PAGE,
							     .size = PAGE,
							     .state = 1 }),
			 -EBADMSG);
}
END_TEST

START_TEST(holes_are_left_out_if_the_space_leaves_them_out)
{
	ck_assert_int_eq(space_is_made(GMEM_HOLES_SHARED_IGNORED), 0);
	ck_assert_int_eq(file_comes(1, 16, GMEM_STATE_PRIVATE), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 4, 4, 1, 0), 0);
	ck_assert_int_eq(convert(0, 100, GMEM_STATE_SHARED, 0), 0);
	ck_assert_int_eq(state_at(1, 3), GMEM_STATE_SHARED);
	ck_assert_int_eq(state_at(1, 4), GMEM_STATE_PRIVATE);
	ck_assert_int_eq(convert(0, 100, GMEM_STATE_PRIVATE, 0), -EBADMSG);
}
END_TEST

static unsigned int new_seed(void)
{
	const char *given = getenv("GMEM_SEED");
	unsigned int seed = given ? (unsigned int)atoi(given) : (unsigned int)time(NULL);

	printf("# GMEM_SEED=%u\n", seed);
	fflush(stdout);
	return seed;
}

/* A file whose two halves are bound the other way round, so that each conversion is cut. */
START_TEST(agrees_with_one_state_for_each_page)
{
	enum gmem_state pages[PAGES], state;
	unsigned int seed = new_seed(), first_seed = seed;
	uint64_t start, count, i;
	struct journal_extent extent, before;
	int round;

	ck_assert_int_eq(space_is_made(GMEM_HOLES_STRICT), 0);
	ck_assert_int_eq(file_comes(1, PAGES, GMEM_STATE_PRIVATE), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 0, 0, PAGES / 2, 1, PAGES / 2), 0);
	ck_assert_int_eq(slot_change(GMEM_JOURNAL_BIND, 1, PAGES / 2, PAGES / 2, 1, 0), 0);
	for (i = 0; i < PAGES; i++)
		pages[i] = GMEM_STATE_PRIVATE;
	for (round = 0; round < 20000; round++) {
		start = (unsigned int)rand_r(&seed) % PAGES;
		count = (unsigned int)rand_r(&seed) % (PAGES - start) + 1;
		state = rand_r(&seed) % 2 ? GMEM_STATE_SHARED : GMEM_STATE_PRIVATE;
		if (convert(start, count, state, 0))
			ck_abort_msg("seed %u", first_seed);
		for (i = start; i < start + count; i++)
			pages[(i + PAGES / 2) % PAGES] = state;
		before = (struct journal_extent){ 0 };
		for (i = 0; journal_model_extent(model, 1, i, &extent); i++) {
			if (extent.offset != before.offset + before.size ||
			    extent.state == before.state)
				ck_abort_msg("seed %u, round %d: extents", first_seed, round);
			before = extent;
		}
		for (i = 0; i < PAGES; i++) {
			if (state_at(1, i) != pages[i])
				ck_abort_msg("seed %u, round %d, page %llu", first_seed, round,
					     (unsigned long long)i);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tests = tcase_create("reading");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, refuses_what_is_no_journal);
	tcase_add_test(tests, an_empty_journal_has_no_record);
	tcase_add_test(tests, the_ring_has_what_came_last);
	tcase_add_test(tests, what_was_being_written_when_the_program_died_is_missing);
	tcase_add_test(tests, a_record_counts_only_at_its_place);
	suite_add_tcase(suite, tests);
	tests = tcase_create("replay");
	tcase_add_checked_fixture(tests, begin, end);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, states_belong_to_the_file);
	tcase_add_test(tests, says_what_does_not_fit);
	tcase_add_test(tests, holes_are_left_out_if_the_space_leaves_them_out);
	tcase_add_test(tests, agrees_with_one_state_for_each_page);
	suite_add_tcase(suite, tests);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
