/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Every system call of the functions of a space fails, with every errno. */
#include <string.h>
#include "layout.h"
#include "lib/space.h"

static void begin(void)
{
	layout_begin(GMEM_MODE_IN_PLACE, NULL);
}

static void end(void)
{
	layout_end();
}

/* -- system calls that fail */

static int result;
static struct gmem *made;

static void try_new(void)
{
	struct gmem_space *space = NULL;

	result = layout_new_space(NULL, &space);
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
	struct gmem_slot slot = layout_fourth_slot();

	slot.gmem = made;
	result = layout_try_bind(&slot);
}

static void try_bind_at_an_address(void)
{
	struct gmem_slot slot = layout_fourth_slot();
	void *address;

	ck_assert_int_eq(gmem_space_get_address(layout.space, 16 * PAGE, PAGE, &address), 0);
	slot.address = (char *)address + 28 * PAGE;
	result = layout_try_bind(&slot);
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
	struct gmem_slot slot = layout_fourth_slot();
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
	Suite *suite = suite_create("space-failures");
	TCase *failures = scripted_case(suite, "system calls");
	TCase *memory = scripted_case(suite, "memory");

	tcase_add_loop_test(failures, each_system_call_fails_once_with_each_errno, 0,
			    COUNT(functions));
	tcase_add_test(memory, nothing_leaks_without_memory);
	tcase_add_checked_fixture(memory, begin, end);
	return suite;
}
