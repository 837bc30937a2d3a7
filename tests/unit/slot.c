/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Binding and unbinding slots. */
#include <string.h>
#include "layout.h"

static void begin(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

static void end(void)
{
	layout_end();
}

static void must_refuse(const struct gmem_slot *slot, int code, const char *cause)
{
	unsigned int before = machine.slot_count;

	ck_assert_int_eq(layout_try_bind(slot), code);
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
	struct gmem_slot slot = layout_fourth_slot();

	slot.number = 2;
	must_meet(&slot, "slot-number", 2);
	slot = layout_fourth_slot();
	slot.gpa = 15 * PAGE;
	slot.memory_size = PAGE;
	must_meet(&slot, "slot-overlap", 1);
	slot.gpa = 39 * PAGE;
	slot.memory_size = 2 * PAGE;
	must_meet(&slot, "slot-overlap", 3);
	slot = layout_fourth_slot();
	slot.offset = 0;
	must_meet(&slot, "bound-twice", 2);
	slot.offset = 19 * PAGE;
	must_meet(&slot, "bound-twice", 2);
	slot.offset = 20 * PAGE;
	ck_assert_int_eq(layout_try_bind(&slot), 0);
	ck_assert_uint_eq(machine.slot_count, 4);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
}
END_TEST

START_TEST(explains_what_kvm_refuses)
{
	struct gmem_slot slot = layout_fourth_slot();

	slot.number = MACHINE_SLOTS;
	must_refuse(&slot, -EINVAL, "slot-refused");
	/* A slot that somebody else made. */
	machine.slots[machine.slot_count++] = (struct machine_slot){ 9, 64 * PAGE, PAGE, 0, 0, 1 };
	slot = layout_fourth_slot();
	must_refuse(&slot, -EEXIST, "foreign-slot");
	machine.slot_count--;
}
END_TEST

START_TEST(refuses_slots_that_make_no_sense)
{
	struct gmem_slot slot = layout_fourth_slot();

	slot.memory_size = 0;
	must_refuse(&slot, -EINVAL, "empty");
	slot.memory_size = PAGE + 1;
	must_refuse(&slot, -EINVAL, "unaligned");
	slot.memory_size = 64 * PAGE;
	must_refuse(&slot, -EINVAL, "beyond-end");
	slot = layout_fourth_slot();
	slot.gpa = 1;
	must_refuse(&slot, -EINVAL, "unaligned");
	slot.gpa = UINT64_MAX - PAGE + 1;
	must_refuse(&slot, -EINVAL, "wraps");
	slot = layout_fourth_slot();
	slot.reserved = 1;
	must_refuse(&slot, -EINVAL, "option");
	slot = layout_fourth_slot();
	slot.state = (enum gmem_state)3;
	must_refuse(&slot, -EINVAL, "option");
	slot = layout_fourth_slot();
	slot.unverified = 2;
	must_refuse(&slot, -EINVAL, "option");
	slot = layout_fourth_slot();
	slot.gmem = NULL;
	must_refuse(&slot, -EINVAL, "argument");
	slot = layout_fourth_slot();
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
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem_space *other;

	ck_assert_int_eq(layout_new_space(NULL, &other), 0);
	ck_assert_int_eq(gmem_space_bind(other, &slot, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "other-space");
	gmem_space_free(other);
}
END_TEST

/* By a question to the kernel, and by reading all of /proc/self/maps. */
START_TEST(verifies_that_the_address_is_the_file)
{
	struct gmem_slot slot = layout_fourth_slot();
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
	ck_assert_int_eq(layout_try_bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	/* Nothing is mapped there, or not all of it. */
	slot = layout_fourth_slot();
	slot.address = (void *)(uintptr_t)0x10000;
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = (void *)(UINTPTR_MAX - PAGE + 1);
	must_refuse(&slot, -EFAULT, "not-aliased");
	slot.address = (char *)mapped + 1;
	must_refuse(&slot, -EFAULT, "not-aliased");
	/* Unless it is not to be verified. */
	slot.address = (void *)(uintptr_t)0x10000;
	slot.unverified = 1;
	ck_assert_int_eq(layout_try_bind(&slot), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
}
END_TEST

START_TEST(says_so_if_nobody_can_verify)
{
	struct gmem_slot slot = layout_fourth_slot();

	slot.address = (void *)(uintptr_t)0x10000;
	/* fstat(), then open(). */
	machine_fail(2, false, -ENOENT);
	must_refuse(&slot, -EOPNOTSUPP, "no-proc");
	machine_fail(2, false, -EMFILE);
	must_refuse(&slot, -EMFILE, "process-files");
	machine.procmap = false;
	machine_fail(4, true, -EINTR);
	ck_assert_int_eq(layout_try_bind(&slot), -EOPNOTSUPP);
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
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem_space_extent extent;

	layout_end();
	layout_begin(_i ? GMEM_MODE_TWO_BACKINGS : GMEM_MODE_IN_PLACE, NULL);
	ck_assert_int_eq(layout_convert(16, 20, GMEM_STATE_SHARED, NULL), 0);
	ck_assert_int_eq(gmem_space_unbind(layout.space, 2, report), 0);
	slot = layout_fourth_slot();
	slot.offset = 6 * PAGE;
	ck_assert_int_eq(layout_try_bind(&slot), 0);
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
	struct gmem_slot slot = layout_fourth_slot();
	struct gmem *gmem;

	ck_assert_int_eq(
		gmem_space_create(layout.space, 64 * PAGE, GMEM_INIT_PRIVATE, &gmem, report), 0);
	ck_assert_int_eq(gmem_convert(gmem, 33 * PAGE, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	slot.gmem = gmem;
	layout_watch(0, 0);
	ck_assert_int_eq(layout_try_bind(&slot), 0);
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
	slot = layout_fourth_slot();
	slot.gmem = gmem;
	must_refuse(&slot, -EINVAL, "mappable-twice");
	gmem_release(gmem);
}
END_TEST

START_TEST(a_listener_can_refuse_a_slot)
{
	struct gmem_slot slot = layout_fourth_slot();
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
	slot = layout_fourth_slot();
	slot.gmem = layout.files[0];
	slot.offset = 0;
	ck_assert_int_eq(layout_try_bind(&slot), -ECANCELED);
	ck_assert_str_eq(gmem_error_get_cause(report), "listener");
	ck_assert_uint_eq(machine.slot_count, 2);
	/* If KVM keeps the slot then so does the space, and the report says it. */
	watcher->calls = 0;
	machine_fail(2, false, -ENOMEM);
	ck_assert_int_eq(layout_try_bind(&slot), -ECANCELED);
	ck_assert(gmem_error_get_unrestored(report, 0, NULL, NULL));
	watcher->fail_last = 0;
	ck_assert_uint_eq(machine.slot_count, 3);
	/* The listener let none of it in. */
	memset(watcher->has, 0, sizeof(watcher->has));
	ck_assert_int_eq(gmem_space_unbind(layout.space, 4, report), 0);
	layout_bind(1);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("slot");
	TCase *bound = scripted_case(suite, "slots");

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
	return suite;
}
