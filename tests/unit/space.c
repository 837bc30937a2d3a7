/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The space: its modes, and what it says about memory. Slots are in slot.c, conversions in
 * transaction.c, and what comes of system calls that fail in space-failures.c.
 */
#include <string.h>
#include <sys/mman.h>
#include "layout.h"
#include "lib/file.h"
#include "lib/journal.h"
#include "lib/space.h"

/* -- modes */

static const struct {
	bool in_place, vm_attributes;
	enum gmem_mode wanted, mode;
} modes[] = {
	{ true, false, GMEM_MODE_BEST, GMEM_MODE_IN_PLACE },
	{ true, true, GMEM_MODE_BEST, GMEM_MODE_IN_PLACE },
	{ false, true, GMEM_MODE_BEST, GMEM_MODE_TWO_BACKINGS },
	{ false, false, GMEM_MODE_BEST, GMEM_MODE_FIXED },
	{ true, true, GMEM_MODE_TWO_BACKINGS, GMEM_MODE_TWO_BACKINGS },
	{ true, false, GMEM_MODE_IN_PLACE, GMEM_MODE_IN_PLACE },
	{ false, false, GMEM_MODE_FIXED, GMEM_MODE_FIXED },
	/* what the VM does not have: GMEM_MODE_BEST stands for a failure */
	{ true, false, GMEM_MODE_TWO_BACKINGS, GMEM_MODE_BEST },
	{ false, true, GMEM_MODE_IN_PLACE, GMEM_MODE_BEST },
	{ true, false, GMEM_MODE_FIXED, GMEM_MODE_BEST },
	{ false, true, GMEM_MODE_FIXED, GMEM_MODE_BEST },
};

START_TEST(has_the_mode_that_the_vm_has)
{
	struct gmem_space_options options = { .size = sizeof(options), .mode = modes[_i].wanted };
	struct gmem_space *space = NULL;

	machine_begin(GMEM_MODE_FIXED);
	machine.in_place = modes[_i].in_place;
	machine.vm_attributes = modes[_i].vm_attributes;
	if (modes[_i].mode == GMEM_MODE_BEST) {
		ck_assert_int_eq(layout_new_space(&options, &space), -EOPNOTSUPP);
		ck_assert_str_eq(gmem_error_get_cause(report), "no-mode");
		ck_assert_ptr_null(space);
	} else {
		ck_assert_int_eq(layout_new_space(&options, &space), 0);
		ck_assert_int_eq(gmem_space_get_mode(space), modes[_i].mode);
		gmem_space_free(space);
	}
}
END_TEST

START_TEST(a_lower_level_takes_two_backings)
{
	struct gmem_space *space;

	machine_begin(GMEM_MODE_IN_PLACE);
	machine.vm_attributes = true;
	gmem_level_set(GMEM_LEVEL_MAP);
	ck_assert_int_eq(layout_new_space(NULL, &space), 0);
	ck_assert_int_eq(gmem_space_get_mode(space), GMEM_MODE_TWO_BACKINGS);
	gmem_space_free(space);
	gmem_level_set(GMEM_LEVEL_FULL);
}
END_TEST

START_TEST(takes_a_probe_and_asks_nothing_itself)
{
	struct gmem_space_options options = { .size = sizeof(options) };
	struct gmem_space *space;
	struct gmem_probe *probe;
	int before;

	machine_begin(GMEM_MODE_IN_PLACE);
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), 0);
	options.probe = probe;
	before = machine.calls;
	ck_assert_int_eq(layout_new_space(&options, &space), 0);
	ck_assert_int_eq(machine.calls, before);
	ck_assert_int_eq(gmem_space_get_mode(space), GMEM_MODE_IN_PLACE);
	gmem_space_free(space);
	gmem_probe_free(probe);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	static uint64_t journal[32];
	const struct gmem_space_options bad[] = {
		{ .size = sizeof(bad[0]), .mode = (enum gmem_mode)4 },
		{ .size = sizeof(bad[0]), .holes = (enum gmem_holes)2 },
		{ .size = sizeof(bad[0]), .vm_type = UINT64_C(1) << 32 },
		{ .size = sizeof(bad[0]), .allocate = 2 },
		{ .size = sizeof(bad[0]), .reserved = 1 },
		{ .size = sizeof(bad[0]), .journal_size = 128 },
		{ .size = sizeof(bad[0]), .journal = journal },
		{ .size = sizeof(bad[0]), .journal = journal, .journal_size = 127 },
		{ .size = sizeof(bad[0]), .journal = (char *)journal + 1, .journal_size = 128 },
		{ .size = 7 },
	};
	struct {
		struct gmem_space_options known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	struct gmem_space *space;
	int i;

	machine_begin(GMEM_MODE_IN_PLACE);
	for (i = 0; i < COUNT(bad); i++)
		ck_assert_int_eq(layout_new_space(&bad[i], &space), -EINVAL);
	ck_assert_int_eq(layout_new_space(&newer.known, &space), -E2BIG);
	ck_assert_int_eq(layout_new_space(NULL, NULL), -EINVAL);
	ck_assert_int_eq(machine.calls, 0);
}
END_TEST

START_TEST(names_modes)
{
	ck_assert_str_eq(gmem_mode_name(GMEM_MODE_BEST), "best");
	ck_assert_str_eq(gmem_mode_name(GMEM_MODE_IN_PLACE), "in-place");
	ck_assert_str_eq(gmem_mode_name(GMEM_MODE_TWO_BACKINGS), "two-backings");
	ck_assert_str_eq(gmem_mode_name(GMEM_MODE_FIXED), "fixed");
	ck_assert_ptr_null(gmem_mode_name((enum gmem_mode)4));
	ck_assert_int_eq(gmem_space_get_mode(NULL), GMEM_MODE_FIXED);
	ck_assert_uint_eq(gmem_space_get_kept(NULL), 0);
	gmem_space_free(NULL);
}
END_TEST

START_TEST(creates_files_that_fit)
{
	struct gmem *gmem = NULL;

	layout_begin(GMEM_MODE_TWO_BACKINGS, NULL);
	ck_assert(!gmem_is_mappable(layout.files[0]));
	ck_assert_int_eq(gmem_space_create(layout.space, PAGE, GMEM_INIT_SHARED, &gmem, report), 0);
	ck_assert(!gmem_is_mappable(gmem));
	gmem_release(gmem);
	layout_end();

	layout_begin(GMEM_MODE_FIXED, NULL);
	ck_assert(gmem_is_mappable(layout.files[0]));
	ck_assert_int_eq(gmem_space_create(layout.space, PAGE, GMEM_INIT_PRIVATE, &gmem, report),
			 -EINVAL);
	ck_assert_int_eq(gmem_space_create(layout.space, PAGE, (enum gmem_init)2, &gmem, report),
			 -EINVAL);
	ck_assert_int_eq(gmem_space_create(layout.space, 1, GMEM_INIT_SHARED, &gmem, report),
			 -EINVAL);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_space_create");
	ck_assert_int_eq(gmem_space_create(NULL, PAGE, GMEM_INIT_SHARED, &gmem, report), -EINVAL);
	ck_assert_int_eq(gmem_space_create(layout.space, PAGE, GMEM_INIT_SHARED, NULL, report),
			 -EINVAL);
	layout_end();
}
END_TEST

static void begin(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

static void end(void)
{
	layout_end();
}

/* -- what it says about memory */

START_TEST(describes_memory_by_extents)
{
	static const struct {
		uint64_t page, pages;
		enum gmem_state state;
		uint32_t slot;
	} expected[] = {
		{ 0, 14, GMEM_STATE_PRIVATE, 1 },  { 14, 2, GMEM_STATE_SHARED, 1 },
		{ 16, 3, GMEM_STATE_SHARED, 2 },   { 19, 13, GMEM_STATE_PRIVATE, 2 },
		{ 32, 8, (enum gmem_state)0, 0 },  { 40, 16, GMEM_STATE_PRIVATE, 3 },
		{ 56, 44, (enum gmem_state)0, 0 },
	};
	struct gmem_space_extent extent;
	uint64_t gpa = 0;
	int i;

	ck_assert_int_eq(layout_convert(14, 19, GMEM_STATE_SHARED, NULL), 0);
	/* By what the space knows, if the kernel cannot be asked. */
	gmem_level_set(_i ? GMEM_LEVEL_FULL : GMEM_LEVEL_CONVERT);
	for (i = 0; i < COUNT(expected); i++) {
		ck_assert_int_eq(
			gmem_space_get_extent(layout.space, gpa, 100 * PAGE - gpa, &extent, report),
			0);
		ck_assert_uint_eq(extent.gpa, expected[i].page * PAGE);
		ck_assert_uint_eq(extent.size, expected[i].pages * PAGE);
		ck_assert_int_eq(extent.state, expected[i].state);
		ck_assert_uint_eq(extent.slot, expected[i].slot);
		ck_assert_int_eq(extent.gmem != NULL, expected[i].state != 0);
		gpa += extent.size;
	}
	gmem_level_set(GMEM_LEVEL_FULL);
	ck_assert_uint_eq(gpa, 100 * PAGE);
	ck_assert_int_eq(gmem_space_get_extent(layout.space, 1, PAGE, &extent, report), -EINVAL);
	ck_assert_int_eq(gmem_space_get_extent(layout.space, 0, PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_space_get_extent(NULL, 0, PAGE, &extent, report), -EINVAL);
}
END_TEST

START_TEST(asks_the_kernel_for_states_where_it_can)
{
	struct gmem_space_extent extent;

	/* Somebody else converted. */
	machine_file(layout.files[0])->private[1] = false;
	ck_assert_int_eq(gmem_space_get_extent(layout.space, PAGE, PAGE, &extent, report), 0);
	ck_assert_int_eq(extent.state, GMEM_STATE_SHARED);
	gmem_level_set(GMEM_LEVEL_CONVERT);
	ck_assert_int_eq(gmem_space_get_extent(layout.space, PAGE, PAGE, &extent, report), 0);
	ck_assert_int_eq(extent.state, GMEM_STATE_PRIVATE);
	gmem_level_set(GMEM_LEVEL_FULL);
}
END_TEST

START_TEST(finds_addresses)
{
	void *address = NULL, *next = NULL;

	ck_assert_int_eq(gmem_space_get_address(layout.space, 5 * PAGE + 8, 16, &address), 0);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 6 * PAGE, PAGE, &next), 0);
	ck_assert_ptr_eq((char *)address + PAGE - 8, next);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 15 * PAGE, 2 * PAGE, &next), -ENXIO);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 33 * PAGE, 1, &next), -ENXIO);
	ck_assert_int_eq(gmem_space_get_address(layout.space, UINT64_MAX - 1, 1, &next), -ENXIO);
	ck_assert_int_eq(gmem_space_get_address(layout.space, UINT64_MAX, 1, &next), -EINVAL);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 0, 0, &next), -EINVAL);
	ck_assert_int_eq(gmem_space_get_address(NULL, 0, 1, &next), -EINVAL);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 0, 1, NULL), -EINVAL);
}
END_TEST

START_TEST(has_no_address_of_a_file_that_is_not_mappable)
{
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem *gmem;
	void *address;

	ck_assert_int_eq(gmem_create(VM_FD, 64 * PAGE, NULL, &gmem, report), 0);
	slot.gmem = gmem;
	ck_assert_int_eq(layout_try_bind(&slot), 0);
	ck_assert_uint_eq(machine.slots[3].address, 0);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 64 * PAGE, 1, &address), -ENODEV);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	gmem_release(gmem);
}
END_TEST

START_TEST(the_journal_goes_round)
{
	static uint64_t small[8 + 8 * 3];
	const struct gmem_journal_record *records = (const void *)(small + 8);
	struct gmem_space_options options = { .size = sizeof(options), .journal = small };
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem_space *space;
	struct gmem *gmem;
	int i;

	options.journal_size = sizeof(small);
	ck_assert_int_eq(layout_new_space(&options, &space), 0);
	ck_assert_int_eq(gmem_space_create(space, 64 * PAGE, GMEM_INIT_SHARED, &gmem, report), 0);
	slot.gmem = gmem;
	ck_assert_int_eq(gmem_space_bind(space, &slot, report), 0);
	/* The space, the file, the slot; then five conversions. */
	ck_assert_int_eq(records[0].kind, GMEM_JOURNAL_SPACE);
	ck_assert_int_eq(records[1].kind, GMEM_JOURNAL_FILE);
	ck_assert_int_eq(records[2].kind, GMEM_JOURNAL_BIND);
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(gmem_space_convert(space, (uint64_t)(64 + i) * PAGE, PAGE,
						    GMEM_STATE_PRIVATE, NULL, report),
				 0);
	ck_assert_uint_eq(records[0].sequence, 7);
	ck_assert_uint_eq(records[1].sequence, 8);
	ck_assert_uint_eq(records[2].sequence, 6);
	ck_assert_uint_eq(records[1].gpa, 68 * PAGE);
	for (i = 0; i < 3; i++)
		ck_assert_uint_eq(records[i].checksum, gmem_journal_checksum(&records[i]));
	gmem_space_free(space);
	gmem_release(gmem);
}
END_TEST

START_TEST(a_file_outlives_its_space)
{
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem_space *space;
	uint32_t number;

	for (number = 1; number <= 3; number++)
		ck_assert_int_eq(gmem_space_unbind(layout.space, number, report), 0);
	gmem_space_free(layout.space);
	ck_assert_int_eq(layout_new_space(NULL, &space), 0);
	layout.space = space;
	ck_assert_int_eq(layout_try_bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(space, 4, report), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("space");
	TCase *spaces = scripted_case(suite, "spaces");
	TCase *bound = scripted_case(suite, "memory");

	tcase_add_loop_test(spaces, has_the_mode_that_the_vm_has, 0, COUNT(modes));
	tcase_add_test(spaces, a_lower_level_takes_two_backings);
	tcase_add_test(spaces, takes_a_probe_and_asks_nothing_itself);
	tcase_add_test(spaces, refuses_options_without_meaning);
	tcase_add_test(spaces, names_modes);
	tcase_add_test(spaces, creates_files_that_fit);

	tcase_add_checked_fixture(bound, begin, end);
	tcase_add_loop_test(bound, describes_memory_by_extents, 0, 2);
	tcase_add_test(bound, asks_the_kernel_for_states_where_it_can);
	tcase_add_test(bound, finds_addresses);
	tcase_add_test(bound, has_no_address_of_a_file_that_is_not_mappable);
	tcase_add_test(bound, the_journal_goes_round);
	tcase_add_test(bound, a_file_outlives_its_space);
	return suite;
}
