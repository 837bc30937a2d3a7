/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Placement on a real kernel with two nodes: move_pages() finds pages where they were to be,
 * whoever allocated them, and counts agree with it.
 */
#include "library.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGES UINT64_C(512)
#define SIZE  (PAGES * PAGE)

static struct file file;
static uint64_t bytes_on[2];
static struct gmem_numa_usage usage;

static void begin(void)
{
	file = open_file(VM_PROTECTED, SIZE, GMEM_INIT_SHARED);
	usage = (struct gmem_numa_usage){ sizeof(usage), 2, bytes_on, 0, 0 };
}

static void end(void)
{
	close_file(&file);
}

/* Asked without the library, of the mapping that the test has. */
static int node_of(uint64_t page)
{
	void *address = file.mapped + page * PAGE;
	int node = -1;

	(void)*(volatile uint8_t *)address;
	ck_assert_int_eq(syscall(SYS_move_pages, 0, 1UL, &address, NULL, &node, 0), 0);
	return node;
}

static void count(void)
{
	must(gmem_numa_count(file.gmem, 0, SIZE, &usage, report), 0);
}

/* Pages are allocated by a load, by the library, or by a write. */
static void fill_memory(int how)
{
	static unsigned char bytes[SIZE];

	if (how == 0)
		must(gmem_populate_memory(file.gmem, 0, SIZE, bytes, NULL, report), 0);
	else if (how == 1)
		must(gmem_allocate(file.gmem, 0, SIZE, NULL, report), 0);
	else
		memset(file.mapped, 1, SIZE);
}

START_TEST(pages_are_where_they_were_to_be)
{
	uint64_t page;

	must(gmem_numa_place(file.gmem, 0, SIZE / 2, GMEM_NUMA_BIND, "1", NULL, report), 0);
	must(gmem_numa_place(file.gmem, SIZE / 2, SIZE / 2, GMEM_NUMA_BIND, "0", NULL, report), 0);
	count();
	ck_assert_uint_eq(usage.absent, SIZE);
	fill_memory(_i);
	for (page = 0; page < PAGES; page++)
		ck_assert_int_eq(node_of(page), page < PAGES / 2);
	count();
	ck_assert_uint_eq(usage.absent + usage.hidden, 0);
	ck_assert_uint_eq(bytes_on[0], SIZE / 2);
	ck_assert_uint_eq(bytes_on[1], SIZE / 2);
}
END_TEST

START_TEST(nodes_take_turns)
{
	uint64_t page, on_1 = 0;

	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_INTERLEAVE, "0-1", NULL, report), 0);
	fill_memory(2);
	for (page = 0; page < PAGES; page++)
		on_1 += node_of(page) == 1;
	ck_assert_uint_eq(on_1, PAGES / 2);
	for (page = 1; page < PAGES; page++)
		ck_assert_int_ne(node_of(page), node_of(page - 1));
}
END_TEST

START_TEST(preferred_and_relative_nodes)
{
	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_PREFERRED, "+1", NULL, report), 0);
	fill_memory(1);
	count();
	ck_assert_uint_eq(bytes_on[1], SIZE);
}
END_TEST

START_TEST(virtual_nodes_and_private_pages)
{
	struct gmem_numa_node list[] = {
		{ file.gmem, 0, 128 * PAGE, GMEM_NUMA_BIND, 0, "0" },
		{ file.gmem, 128 * PAGE, 384 * PAGE, GMEM_NUMA_BIND, 0, "!0" },
	};

	must(gmem_numa_place_guest(list, 2, NULL, NULL, report), 0);
	must(gmem_convert(file.gmem, 0, 64 * PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	fill_memory(1);
	count();
	ck_assert_uint_eq(usage.hidden, 64 * PAGE);
	ck_assert_uint_eq(bytes_on[0], 64 * PAGE);
	ck_assert_uint_eq(bytes_on[1], 384 * PAGE);
	/* Where a page is does not depend on its state. */
	must(gmem_convert(file.gmem, 0, 64 * PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	count();
	ck_assert_uint_eq(bytes_on[0], 128 * PAGE);
}
END_TEST

START_TEST(pages_that_are_there_are_told_and_do_not_move)
{
	uint64_t late = 0, offset = 0;
	struct gmem_numa_options options = { .size = sizeof(options), .ret_late = &late };

	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_BIND, "0", NULL, report), 0);
	file.mapped[7 * PAGE] = 1;
	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_BIND, "1", &options, report), -EEXIST);
	ck_assert_str_eq(gmem_error_get_cause(report), "touched");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 7 * PAGE);
	options.late = 1;
	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_BIND, "1", &options, report), 0);
	ck_assert_uint_eq(late, PAGE);
	fill_memory(2);
	count();
	ck_assert_uint_eq(bytes_on[0], PAGE);
	ck_assert_uint_eq(bytes_on[1], SIZE - PAGE);
	/* Discarded, it comes back where it was to be. */
	must(gmem_discard(file.gmem, 7 * PAGE, PAGE, report), 0);
	must(gmem_numa_place(file.gmem, 7 * PAGE, PAGE, GMEM_NUMA_BIND, "1", NULL, report), 0);
	fill_memory(2);
	count();
	ck_assert_uint_eq(bytes_on[1], SIZE);
}
END_TEST

START_TEST(nodes_that_do_not_exist)
{
	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_BIND, "2", NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "nodes");
	must(gmem_numa_place(file.gmem, 0, SIZE, GMEM_NUMA_BIND, "0-5", NULL, report), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library-numa");
	TCase *tests = library_case(suite, "placement");

	if (access("/sys/devices/system/node/node1", F_OK)) {
		puts("1..0 # SKIP this machine has one node: lab/lab run --numa 2");
		return 77;
	}
	need_in_place();
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, pages_are_where_they_were_to_be, 0, 3);
	tcase_add_test(tests, nodes_take_turns);
	tcase_add_test(tests, preferred_and_relative_nodes);
	tcase_add_test(tests, virtual_nodes_and_private_pages);
	tcase_add_test(tests, pages_that_are_there_are_told_and_do_not_move);
	tcase_add_test(tests, nodes_that_do_not_exist);
	return run_suite(suite);
}
