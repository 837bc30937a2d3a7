/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The space: modes, slots, and what it says about memory. Conversions are in transaction.c.
 */
#include <string.h>
#include <sys/mman.h>
#include "layout.h"
#include "lib/file.h"
#include "lib/journal.h"
#include "lib/space.h"

static int new_space(const struct gmem_space_options *options, struct gmem_space **ret_space)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_new(VM_FD, options, ret_space, report);
}

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
		ck_assert_int_eq(new_space(&options, &space), -EOPNOTSUPP);
		ck_assert_str_eq(gmem_error_get_cause(report), "no-mode");
		ck_assert_ptr_null(space);
	} else {
		ck_assert_int_eq(new_space(&options, &space), 0);
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
	ck_assert_int_eq(new_space(NULL, &space), 0);
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
	ck_assert_int_eq(new_space(&options, &space), 0);
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
		ck_assert_int_eq(new_space(&bad[i], &space), -EINVAL);
	ck_assert_int_eq(new_space(&newer.known, &space), -E2BIG);
	ck_assert_int_eq(new_space(NULL, NULL), -EINVAL);
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

/* -- slots */

static void begin(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

static void end(void)
{
	layout_end();
}

static struct gmem_slot fourth_slot(void)
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

static int bind(const struct gmem_slot *slot)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_bind(layout.space, slot, report);
}

static void must_refuse(const struct gmem_slot *slot, int code, const char *cause)
{
	unsigned int before = machine.slot_count;

	ck_assert_int_eq(bind(slot), code);
	ck_assert_str_eq(gmem_error_get_cause(report), cause);
	ck_assert_uint_eq(machine.slot_count, before);
	layout_check();
}

static void must_meet(const struct gmem_slot *slot, const char *cause, uint32_t other)
{
	uint32_t found = 77;

	must_refuse(slot, -EEXIST, cause);
	ck_assert(gmem_error_get_slot(report, &found));
	ck_assert_uint_eq(found, other);
}

START_TEST(finds_the_slot_in_the_way)
{
	struct gmem_slot slot = fourth_slot();

	slot.number = 2;
	must_meet(&slot, "slot-number", 2);
	slot = fourth_slot();
	slot.gpa = 15 * PAGE;
	slot.memory_size = PAGE;
	must_meet(&slot, "slot-overlap", 1);
	slot.gpa = 39 * PAGE;
	slot.memory_size = 2 * PAGE;
	must_meet(&slot, "slot-overlap", 3);
	slot = fourth_slot();
	slot.offset = 0;
	must_meet(&slot, "bound-twice", 2);
	slot.offset = 19 * PAGE;
	must_meet(&slot, "bound-twice", 2);
	slot.offset = 20 * PAGE;
	ck_assert_int_eq(bind(&slot), 0);
	ck_assert_uint_eq(machine.slot_count, 4);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
}
END_TEST

START_TEST(explains_what_kvm_refuses)
{
	struct gmem_slot slot = fourth_slot();

	slot.number = MACHINE_SLOTS;
	must_refuse(&slot, -EINVAL, "slot-refused");
	/* A slot that somebody else made. */
	machine.slots[machine.slot_count++] = (struct machine_slot){ 9, 64 * PAGE, PAGE, 0, 0, 1 };
	slot = fourth_slot();
	must_refuse(&slot, -EEXIST, "foreign-slot");
	machine.slot_count--;
}
END_TEST

START_TEST(refuses_slots_that_make_no_sense)
{
	struct gmem_slot slot = fourth_slot();

	slot.memory_size = 0;
	must_refuse(&slot, -EINVAL, "empty");
	slot.memory_size = PAGE + 1;
	must_refuse(&slot, -EINVAL, "unaligned");
	slot.memory_size = 64 * PAGE;
	must_refuse(&slot, -EINVAL, "beyond-end");
	slot = fourth_slot();
	slot.gpa = 1;
	must_refuse(&slot, -EINVAL, "unaligned");
	slot.gpa = UINT64_MAX - PAGE + 1;
	must_refuse(&slot, -EINVAL, "wraps");
	slot = fourth_slot();
	slot.reserved = 1;
	must_refuse(&slot, -EINVAL, "option");
	slot = fourth_slot();
	slot.state = (enum gmem_state)3;
	must_refuse(&slot, -EINVAL, "option");
	slot = fourth_slot();
	slot.unverified = 2;
	must_refuse(&slot, -EINVAL, "option");
	slot = fourth_slot();
	slot.gmem = NULL;
	must_refuse(&slot, -EINVAL, "argument");
	slot = fourth_slot();
	slot.size = 8;
	must_refuse(&slot, -EINVAL, "option");
	ck_assert_int_eq(gmem_space_bind(NULL, &slot, report), -EINVAL);
	ck_assert_int_eq(gmem_space_bind(layout.space, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_space_unbind(NULL, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 77, report), -ENOENT);
}
END_TEST

START_TEST(refuses_a_file_of_another_space)
{
	struct gmem_slot slot = fourth_slot();
	struct gmem_space *other;

	ck_assert_int_eq(new_space(NULL, &other), 0);
	ck_assert_int_eq(gmem_space_bind(other, &slot, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "other-space");
	gmem_space_free(other);
}
END_TEST

/* By a question to the kernel, and by reading all of /proc/self/maps. */
START_TEST(verifies_that_the_address_is_the_file)
{
	struct gmem_slot slot = fourth_slot();
	void *mapped, *other;

	machine.procmap = _i;
	ck_assert_int_eq(gmem_space_get_address(layout.space, 16 * PAGE, PAGE, &mapped), 0);
	ck_assert_int_eq(gmem_space_get_address(layout.space, 0, PAGE, &other), 0);
	/* The mapping starts at offset 0, and slot 2 at page 4. */
	mapped = (char *)mapped - 4 * PAGE;
	slot.address = (char *)mapped + 31 * PAGE;
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = other;
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = (char *)mapped + 60 * PAGE;
	slot.offset = 60 * PAGE;
	slot.memory_size = 4 * PAGE;
	ck_assert_int_eq(bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	/* Nothing is mapped there, or not all of it. */
	slot = fourth_slot();
	slot.address = (void *)(uintptr_t)0x10000;
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = (void *)(UINTPTR_MAX - PAGE + 1);
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = (char *)mapped + 1;
	must_refuse(&slot, -EFAULT, "not-aliased");
	/* Unless it is not to be verified. */
	slot.address = (void *)(uintptr_t)0x10000;
	slot.unverified = 1;
	ck_assert_int_eq(bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
}
END_TEST

START_TEST(says_so_if_nobody_can_verify)
{
	struct gmem_slot slot = fourth_slot();

	slot.address = (void *)(uintptr_t)0x10000;
	/* fstat(), then open(). */
	machine_fail(2, false, -ENOENT);
	must_refuse(&slot, -EOPNOTSUPP, "no-proc");
	machine_fail(2, false, -EMFILE);
	must_refuse(&slot, -EMFILE, "process-files");
	machine.procmap = false;
	machine_fail(4, true, -EINTR);
	ck_assert_int_eq(bind(&slot), -EOPNOTSUPP);
	machine_fail(0, false, 0);
	layout_check();
}
END_TEST

START_TEST(states_and_mappings_survive_a_reboot)
{
	void *before, *after;
	uint32_t number;
	int i;

	/* In place and with two backings. */
	layout_end();
	layout_begin(_i ? GMEM_MODE_TWO_BACKINGS : GMEM_MODE_IN_PLACE, NULL);
	layout_watch(0, 0);
	layout_mix();
	layout_remember();
	ck_assert_int_eq(gmem_space_get_address(layout.space, 40 * PAGE, PAGE, &before), 0);
	for (i = 0; i < 2; i++) {
		for (number = 1; number <= 3; number++)
			ck_assert_int_eq(gmem_space_unbind(layout.space, number, report), 0);
		ck_assert_uint_eq(machine.slot_count, 0);
		/* What others did to attributes of the VM meanwhile does not matter. */
		memset(machine.vm_private, i, sizeof(machine.vm_private));
		for (number = 1; number <= 3; number++)
			layout_bind(number);
		layout_check_unchanged();
		layout_check();
	}
	ck_assert_int_eq(gmem_space_get_address(layout.space, 40 * PAGE, PAGE, &after), 0);
	ck_assert_ptr_eq(before, after);
}
END_TEST

START_TEST(states_move_with_the_file)
{
	struct gmem_slot slot = fourth_slot();
	struct gmem_space_extent extent;

	layout_end();
	layout_begin(_i ? GMEM_MODE_TWO_BACKINGS : GMEM_MODE_IN_PLACE, NULL);
	ck_assert_int_eq(layout_convert(16, 20, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 2, report), 0);
	slot = fourth_slot();
	slot.offset = 6 * PAGE;
	ck_assert_int_eq(bind(&slot), 0);
	/* Pages 4 to 7 of the file are shared. */
	ck_assert_int_eq(gmem_space_get_extent(layout.space, 64 * PAGE, 8 * PAGE, &extent, report),
			 0);
	ck_assert_uint_eq(extent.size, 2 * PAGE);
	ck_assert_int_eq(extent.state, GMEM_STATE_SHARED);
	ck_assert(!machine_is_private(65 * PAGE));
	ck_assert(machine_is_private(66 * PAGE));
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	layout_bind(2);
	layout_check();
}
END_TEST

START_TEST(knows_what_was_converted_before_it_was_bound)
{
	struct gmem_slot slot = fourth_slot();
	struct gmem *gmem;

	ck_assert_int_eq(
		gmem_space_create(layout.space, 64 * PAGE, GMEM_INIT_PRIVATE, &gmem, report), 0);
	ck_assert_int_eq(gmem_convert(gmem, 33 * PAGE, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	slot.gmem = gmem;
	layout_watch(0, 0);
	ck_assert_int_eq(bind(&slot), 0);
	ck_assert(layout.watchers[0].has[65]);
	ck_assert_int_eq(layout.watchers[0].populated, 1);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	ck_assert(!layout.watchers[0].has[65]);
	gmem_release(gmem);
}
END_TEST

START_TEST(two_backings_refuse_a_mappable_file)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };
	struct gmem_slot slot;
	struct gmem *gmem;

	layout_end();
	layout_begin(GMEM_MODE_TWO_BACKINGS, NULL);
	ck_assert_int_eq(gmem_create(VM_FD, 64 * PAGE, &options, &gmem, report), 0);
	slot = fourth_slot();
	slot.gmem = gmem;
	must_refuse(&slot, -EINVAL, "mappable-twice");
	gmem_release(gmem);
}
END_TEST

START_TEST(a_listener_can_refuse_a_slot)
{
	struct gmem_slot slot = fourth_slot();
	struct watcher *watcher = layout_watch(0, 0);

	ck_assert_int_eq(layout_convert(0, 4, GMEM_STATE_SHARED, NULL), 0);
	watcher->calls = 0;
	watcher->fail_first = watcher->fail_last = 1;
	watcher->fail_code = -EIO;
	ck_assert_int_eq(gmem_space_unbind(layout.space, 1, report), -ECANCELED);
	ck_assert_str_eq(gmem_error_get_holder(report), "w1");
	ck_assert_uint_eq(machine.slot_count, 3);
	layout_check();
	watcher->fail_last = 0;
	ck_assert_int_eq(gmem_space_unbind(layout.space, 1, report), 0);
	watcher->calls = 0;
	watcher->fail_last = 1;
	slot = fourth_slot();
	slot.gmem = layout.files[0];
	slot.offset = 0;
	ck_assert_int_eq(bind(&slot), -ECANCELED);
	ck_assert_str_eq(gmem_error_get_cause(report), "listener");
	ck_assert_uint_eq(machine.slot_count, 2);
	/* If KVM keeps the slot then so does the space, and the report says it. */
	watcher->calls = 0;
	machine_fail(2, false, -ENOMEM);
	ck_assert_int_eq(bind(&slot), -ECANCELED);
	ck_assert(gmem_error_get_unrestored(report, 0, NULL, NULL));
	watcher->fail_last = 0;
	ck_assert_uint_eq(machine.slot_count, 3);
	/* The listener let none of it in. */
	memset(watcher->has, 0, sizeof(watcher->has));
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	layout_bind(1);
}
END_TEST

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
	struct gmem_slot slot = fourth_slot();
	struct gmem *gmem;
	void *address;

	ck_assert_int_eq(gmem_create(VM_FD, 64 * PAGE, NULL, &gmem, report), 0);
	slot.gmem = gmem;
	ck_assert_int_eq(bind(&slot), 0);
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
	struct gmem_slot slot = fourth_slot();
	struct gmem_space *space;
	struct gmem *gmem;
	int i;

	options.journal_size = sizeof(small);
	ck_assert_int_eq(new_space(&options, &space), 0);
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
	struct gmem_slot slot = fourth_slot();
	struct gmem_space *space;
	uint32_t number;

	for (number = 1; number <= 3; number++)
		ck_assert_int_eq(gmem_space_unbind(layout.space, number, report), 0);
	gmem_space_free(layout.space);
	ck_assert_int_eq(new_space(NULL, &space), 0);
	layout.space = space;
	ck_assert_int_eq(bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(space, 4, report), 0);
}
END_TEST

/* -- system calls that fail */

static int result;
static struct gmem *made;

static void try_new(void)
{
	struct gmem_space *space = NULL;

	result = new_space(NULL, &space);
	ck_assert_int_eq(space == NULL, result < 0);
	gmem_space_free(space);
}

static void try_create(void)
{
	made = NULL;
	result = gmem_space_create(layout.space, PAGE, GMEM_INIT_PRIVATE, &made, report);
	ck_assert_int_eq(made == NULL, result < 0);
	gmem_release(made);
}

/* A fresh file, whose states are read and which is mapped. */
static void try_bind(void)
{
	struct gmem_slot slot = fourth_slot();

	slot.gmem = made;
	result = bind(&slot);
}

static void try_bind_at_an_address(void)
{
	struct gmem_slot slot = fourth_slot();
	void *address;

	ck_assert_int_eq(gmem_space_get_address(layout.space, 16 * PAGE, PAGE, &address), 0);
	slot.address = (char *)address + 28 * PAGE;
	result = bind(&slot);
}

static void try_unbind(void)
{
	result = gmem_space_unbind(layout.space, 3, report);
}

static void try_extent(void)
{
	struct gmem_space_extent extent = { .gpa = 77 };

	result = gmem_space_get_extent(layout.space, 0, PAGE, &extent, report);
	ck_assert_uint_eq(extent.gpa, result < 0 ? 77 : 0);
}

static const struct {
	const char *name;
	const int *documented;
	void (*run)(void);
	/* all that it may take */
	int calls;
	enum gmem_mode mode;
} functions[] = {
	{ "gmem_space_new", (const int[])DOCUMENTED_gmem_space_new, try_new, 12,
	  GMEM_MODE_IN_PLACE },
	{ "gmem_space_create", (const int[])DOCUMENTED_gmem_space_create, try_create, 4,
	  GMEM_MODE_IN_PLACE },
	{ "gmem_space_bind", (const int[])DOCUMENTED_gmem_space_bind, try_bind, 3,
	  GMEM_MODE_IN_PLACE },
	{ "gmem_space_bind", (const int[])DOCUMENTED_gmem_space_bind, try_bind, 3,
	  GMEM_MODE_TWO_BACKINGS },
	{ "gmem_space_bind", (const int[])DOCUMENTED_gmem_space_bind, try_bind_at_an_address, 6,
	  GMEM_MODE_IN_PLACE },
	{ "gmem_space_unbind", (const int[])DOCUMENTED_gmem_space_unbind, try_unbind, 1,
	  GMEM_MODE_IN_PLACE },
	{ "gmem_space_get_extent", (const int[])DOCUMENTED_gmem_space_get_extent, try_extent, 1,
	  GMEM_MODE_IN_PLACE },
};

static bool is_documented(int function, int r)
{
	const int *code;

	for (code = functions[function].documented; *code; code++) {
		if (r == -*code)
			return true;
	}
	return r == 0;
}

/* The slots of the machine and of the space are the same. */
static void check_slots(void)
{
	unsigned int i, j;

	must(machine.slot_count == layout.space->slot_count, "%u slots in KVM, %zu in the space",
	     machine.slot_count, layout.space->slot_count);
	for (i = 0; i < machine.slot_count; i++) {
		for (j = 0; layout.space->slots[j].number != machine.slots[i].number; j++)
			;
		must(layout.space->slots[j].gpa == machine.slots[i].gpa, "another address");
	}
}

static void fail_once(int function, int call, int code)
{
	struct gmem *fresh;

	layout_begin(functions[function].mode, NULL);
	machine.procmap = code % 2;
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	ck_assert_int_eq(
		gmem_space_create(layout.space, 64 * PAGE, GMEM_INIT_PRIVATE, &fresh, report), 0);
	made = fresh;
	machine_fail(call, false, -code);
	functions[function].run();
	machine_fail(0, false, 0);
	must(is_documented(function, result), "%s: %d for errno %d of call %d",
	     functions[function].name, result, code, call);
	if (result < 0)
		must(!strcmp(gmem_error_get_call(report), functions[function].name) &&
			     gmem_error_get_code(report) == result,
		     "%s: the report is of something else", functions[function].name);
	check_slots();
	gmem_space_unbind(layout.space, 4, NULL);
	gmem_release(fresh);
	layout_end();
}

START_TEST(each_system_call_fails_once_with_each_errno)
{
	int call, code;

	for (call = 1; call <= functions[_i].calls; call++) {
		for (code = 1; code <= 134; code++)
			fail_once(_i, call, code);
	}
}
END_TEST

START_TEST(nothing_leaks_without_memory)
{
	struct gmem_space *space = NULL;
	struct gmem_slot slot = fourth_slot();
	struct gmem *gmem;
	int r;

	r = WITHOUT_MEMORY(gmem_space_new(VM_FD, NULL, &space, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_int_eq(
		gmem_space_create(layout.space, 64 * PAGE, GMEM_INIT_PRIVATE, &gmem, report), 0);
	slot.gmem = gmem;
	r = WITHOUT_MEMORY(gmem_space_bind(layout.space, &slot, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_uint_eq(machine.slot_count, 3);
	gmem_release(gmem);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("space");
	TCase *spaces = scripted_case(suite, "spaces");
	TCase *bound = scripted_case(suite, "slots");
	TCase *failures = scripted_case(suite, "failures");

	tcase_add_loop_test(spaces, has_the_mode_that_the_vm_has, 0, COUNT(modes));
	tcase_add_test(spaces, a_lower_level_takes_two_backings);
	tcase_add_test(spaces, takes_a_probe_and_asks_nothing_itself);
	tcase_add_test(spaces, refuses_options_without_meaning);
	tcase_add_test(spaces, names_modes);
	tcase_add_test(spaces, creates_files_that_fit);

	tcase_add_checked_fixture(bound, begin, end);
	tcase_add_test(bound, finds_the_slot_in_the_way);
	tcase_add_test(bound, explains_what_kvm_refuses);
	tcase_add_test(bound, refuses_slots_that_make_no_sense);
	tcase_add_test(bound, refuses_a_file_of_another_space);
	tcase_add_loop_test(bound, verifies_that_the_address_is_the_file, 0, 2);
	tcase_add_test(bound, says_so_if_nobody_can_verify);
	tcase_add_loop_test(bound, states_and_mappings_survive_a_reboot, 0, 2);
	tcase_add_loop_test(bound, states_move_with_the_file, 0, 2);
	tcase_add_test(bound, knows_what_was_converted_before_it_was_bound);
	tcase_add_test(bound, two_backings_refuse_a_mappable_file);
	tcase_add_test(bound, a_listener_can_refuse_a_slot);
	tcase_add_loop_test(bound, describes_memory_by_extents, 0, 2);
	tcase_add_test(bound, asks_the_kernel_for_states_where_it_can);
	tcase_add_test(bound, finds_addresses);
	tcase_add_test(bound, has_no_address_of_a_file_that_is_not_mappable);
	tcase_add_test(bound, the_journal_goes_round);
	tcase_add_test(bound, a_file_outlives_its_space);
	tcase_add_test(bound, nothing_leaks_without_memory);

	tcase_add_loop_test(failures, each_system_call_fails_once_with_each_errno, 0,
			    COUNT(functions));
	return suite;
}
