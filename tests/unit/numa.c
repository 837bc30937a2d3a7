/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Placement on a machine of four nodes that is in memory: which node a page gets, what is told of
 * pages that are there already, and of kernels that keep nothing.
 */
#include <linux/mempolicy.h>
#include <string.h>
#include "lib/nodes.h"
#include "lib/sys.h"
#include "unit.h"

#define PAGES 4096
#define NODES 4

static struct gmem *gmem, *other;
static unsigned char memory[PAGES * PAGE] __attribute__((aligned(4096)));
static uint64_t bytes_on[NODES];
static struct gmem_numa_usage usage;

/* The machine: of each page of the file. */
static struct page {
	bool there, private, mapped, poisoned;
	int node, mode;
	unsigned long nodes;
} pages[PAGES];
static bool keeps_policies, is_owner;
/* The policy of the mapping, where the file keeps none. */
static int mapping_mode, mappings;
/* Fails the nth of these calls. */
static int fail_policy, policy_calls, parse_code;

static struct page *page_of(void *address)
{
	return &pages[(uint64_t)((unsigned char *)address - memory) / PAGE];
}

static int fake_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	static int next = GMEM_FD;

	(void)fd;
	(void)argument;
	return request == GMEM_UAPI_CREATE_GUEST_MEMFD ? next++ : 0;
}

static int fake_mmap(size_t size, int protection, int flags, int fd, uint64_t offset,
		     void **ret_address)
{
	(void)size;
	(void)protection;
	(void)flags;
	(void)fd;
	mappings++;
	mapping_mode = MPOL_DEFAULT;
	*ret_address = memory + offset;
	return 0;
}

static int fake_munmap(void *address, size_t size)
{
	uint64_t i;

	for (i = 0; i < size / PAGE; i++)
		page_of(address)[i].mapped = false;
	mappings--;
	return 0;
}

static int fake_set_policy(void *address, size_t size, int mode, const unsigned long *nodes,
			   unsigned long max_node)
{
	uint64_t i;

	ck_assert_uint_eq(max_node, GMEM_MAX_NODES);
	if (++policy_calls == fail_policy)
		return -ENOMEM;
	ck_assert_int_eq(mode == MPOL_DEFAULT, nodes[0] == 0);
	mapping_mode = mode;
	for (i = 0; keeps_policies && i < size / PAGE; i++) {
		page_of(address)[i].mode = mode;
		page_of(address)[i].nodes = nodes[0];
	}
	return 0;
}

static int fake_get_policy(void *address, int *ret_mode)
{
	*ret_mode = keeps_policies ? page_of(address)->mode : mapping_mode;
	return 0;
}

static int fake_incore(int fd, void *address, size_t size, unsigned char *ret_pages)
{
	uint64_t i;

	(void)fd;
	if (!is_owner)
		return -EPERM;
	/* Bits that the kernel may use for something else are set. */
	for (i = 0; i < size / PAGE; i++)
		ret_pages[i] = page_of(address)[i].there ? 0xff : 0xfe;
	return 0;
}

static int fake_populate_read(void *address, size_t size)
{
	uint64_t i;

	for (i = 0; i < size / PAGE; i++) {
		if (page_of(address)[i].poisoned)
			return -EHWPOISON;
		if (page_of(address)[i].private)
			return -EFAULT;
		page_of(address)[i].mapped = true;
	}
	return 0;
}

static int fake_locate_pages(unsigned long count, void **addresses, int *ret_nodes)
{
	unsigned long i;

	for (i = 0; i < count; i++)
		ret_nodes[i] =
			page_of(addresses[i])->mapped ? page_of(addresses[i])->node : -ENOENT;
	return 0;
}

static int fake_set_close_on_exec(int fd)
{
	(void)fd;
	return 0;
}

static int fake_close(int fd)
{
	(void)fd;
	return 0;
}

static uint64_t fake_page_size(void)
{
	return PAGE;
}

static const struct gmem_sys fake = {
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
	.set_close_on_exec = fake_set_close_on_exec,
	.close = fake_close,
	.populate_read = fake_populate_read,
	.incore = fake_incore,
	.set_policy = fake_set_policy,
	.get_policy = fake_get_policy,
	.locate_pages = fake_locate_pages,
	.page_size = fake_page_size,
};

/* Digits are nodes. */
static int fake_parse(const char *text, struct gmem_nodes *ret_nodes)
{
	struct gmem_nodes nodes = { { 0 } };

	if (parse_code)
		return parse_code;
	for (; *text; text++) {
		if (*text < '0' || *text >= '0' + NODES)
			return -EINVAL;
		nodes.words[0] |= 1UL << (*text - '0');
	}
	*ret_nodes = nodes;
	return 0;
}

static const struct gmem_node_parser fake_parser = { fake_parse };

static void begin(void)
{
	struct gmem_create_options options = { .size = sizeof(options), .mappable = 1 };

	gmem_sys = &fake;
	gmem_node_parser = &fake_parser;
	memset(pages, 0, sizeof(pages));
	keeps_policies = true;
	is_owner = true;
	mappings = 0;
	fail_policy = 0;
	policy_calls = 0;
	parse_code = 0;
	memset(bytes_on, 0x77, sizeof(bytes_on));
	usage = (struct gmem_numa_usage){ sizeof(usage), NODES, bytes_on, 77, 77 };
	ck_assert_int_eq(gmem_create(VM_FD, PAGES * PAGE, &options, &gmem, report), 0);
	ck_assert_int_eq(gmem_create(VM_FD, PAGES * PAGE, &options, &other, report), 0);
}

static void end(void)
{
	ck_assert_int_eq(mappings, 0);
	gmem_release(gmem);
	gmem_release(other);
}

static int place(uint64_t first, uint64_t count, const char *nodes)
{
	return gmem_numa_place(gmem, first * PAGE, count * PAGE, GMEM_NUMA_BIND, nodes, NULL,
			       report);
}

static void check_policy(uint64_t first, uint64_t count, int mode, unsigned long nodes)
{
	uint64_t i;

	for (i = first; i < first + count; i++)
		must(pages[i].mode == mode && pages[i].nodes == nodes, "page %lu: mode %d, 0x%lx",
		     (unsigned long)i, pages[i].mode, pages[i].nodes);
}

static const struct {
	enum gmem_numa_policy policy;
	const char *nodes;
	int mode;
	unsigned long mask;
} policies[] = {
	{ GMEM_NUMA_BIND, "013", MPOL_BIND, 11 },
	{ GMEM_NUMA_INTERLEAVE, "12", MPOL_INTERLEAVE, 6 },
	{ GMEM_NUMA_PREFERRED, "3", MPOL_PREFERRED, 8 },
};

START_TEST(sets_the_policy_of_the_range)
{
	int r = gmem_numa_place(gmem, 5 * PAGE, 7 * PAGE, policies[_i].policy, policies[_i].nodes,
				NULL, report);

	ck_assert_int_eq(r, 0);
	check_policy(0, 5, MPOL_DEFAULT, 0);
	check_policy(5, 7, policies[_i].mode, policies[_i].mask);
	check_policy(12, PAGES - 12, MPOL_DEFAULT, 0);
}
END_TEST

START_TEST(says_that_pages_are_there)
{
	uint64_t late = 77, offset = 0;
	struct gmem_numa_options options = { .size = sizeof(options), .ret_late = &late };

	pages[3000].there = true;
	pages[3001].there = true;
	ck_assert_int_eq(
		gmem_numa_place(gmem, PAGE, 4000 * PAGE, GMEM_NUMA_BIND, "1", &options, report),
		-EEXIST);
	ck_assert_str_eq(gmem_error_get_cause(report), "touched");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 3000 * PAGE);
	ck_assert_uint_eq(late, 77);
	check_policy(0, PAGES, MPOL_DEFAULT, 0);
	options.late = 1;
	ck_assert_int_eq(
		gmem_numa_place(gmem, PAGE, 4000 * PAGE, GMEM_NUMA_BIND, "1", &options, report), 0);
	ck_assert_uint_eq(late, 2 * PAGE);
	check_policy(1, 4000, MPOL_BIND, 2);
	/* Who may not ask is told so. */
	is_owner = false;
	options.late = 0;
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, GMEM_NUMA_BIND, "1", &options, report), 0);
	ck_assert_uint_eq(late, UINT64_MAX);
}
END_TEST

START_TEST(refuses_kernels_that_keep_nothing)
{
	keeps_policies = false;
	ck_assert_int_eq(place(0, 1, "1"), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-placement");
}
END_TEST

static const struct {
	int code, result;
	const char *cause;
} parsing[] = {
	{ -ENOSYS, -EOPNOTSUPP, "no-libnuma" },
	{ -ENODEV, -EOPNOTSUPP, "no-numa" },
	{ -EINVAL, -EINVAL, "nodes" },
	{ -ENOMEM, -ENOMEM, "memory" },
};

START_TEST(says_why_nodes_cannot_be_had)
{
	parse_code = parsing[_i].code;
	ck_assert_int_eq(place(0, 1, "1"), parsing[_i].result);
	ck_assert_str_eq(gmem_error_get_cause(report), parsing[_i].cause);
	ck_assert_int_eq(policy_calls, 0);
}
END_TEST

START_TEST(refuses_what_makes_no_sense)
{
	struct gmem_numa_options options = { .size = sizeof(options), .late = 2 };

	ck_assert_int_eq(place(0, 0, "1"), -EINVAL);
	ck_assert_int_eq(place(0, PAGES + 1, "1"), -EINVAL);
	ck_assert_int_eq(place(0, 1, NULL), -EINVAL);
	ck_assert_int_eq(place(0, 1, "5"), -EINVAL);
	ck_assert_int_eq(gmem_numa_place(NULL, 0, PAGE, GMEM_NUMA_BIND, "1", NULL, report),
			 -EINVAL);
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, 0, "1", NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, 4, "1", NULL, report), -EINVAL);
	/* The kernel would take the first one. */
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, GMEM_NUMA_PREFERRED, "12", NULL, report),
			 -EINVAL);
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, GMEM_NUMA_BIND, "1", &options, report),
			 -EINVAL);
	options.size = 5000;
	ck_assert_int_eq(gmem_numa_place(gmem, 0, PAGE, GMEM_NUMA_BIND, "1", &options, report),
			 -E2BIG);
	ck_assert_int_eq(policy_calls, 0);
}
END_TEST

START_TEST(places_all_nodes_of_a_guest_or_none)
{
	struct gmem_numa_node list[] = {
		{ gmem, 0, 16 * PAGE, GMEM_NUMA_BIND, 0, "0" },
		{ gmem, 16 * PAGE, 16 * PAGE, GMEM_NUMA_INTERLEAVE, 0, "12" },
		{ gmem, 40 * PAGE, PAGE, GMEM_NUMA_PREFERRED, 0, "3" },
	};
	uint64_t index = 77;

	ck_assert_int_eq(gmem_numa_place_guest(list, 3, NULL, &index, report), 0);
	ck_assert_uint_eq(index, 77);
	check_policy(0, 16, MPOL_BIND, 1);
	check_policy(16, 16, MPOL_INTERLEAVE, 6);
	check_policy(32, 8, MPOL_DEFAULT, 0);
	check_policy(40, 1, MPOL_PREFERRED, 8);

	memset(pages, 0, sizeof(pages));
	pages[20].there = true;
	ck_assert_int_eq(gmem_numa_place_guest(list, 3, NULL, &index, report), -EEXIST);
	ck_assert_uint_eq(index, 1);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_numa_place_guest");
	check_policy(0, PAGES, MPOL_DEFAULT, 0);
	pages[20].there = false;
	policy_calls = 0;
	fail_policy = 3;
	ck_assert_int_eq(gmem_numa_place_guest(list, 3, NULL, &index, report), -ENOMEM);
	ck_assert_uint_eq(index, 2);
	check_policy(0, PAGES, MPOL_DEFAULT, 0);
}
END_TEST

START_TEST(refuses_lists_that_make_no_sense)
{
	struct gmem_numa_node list[] = {
		{ gmem, 0, 16 * PAGE, GMEM_NUMA_BIND, 0, "0" },
		{ gmem, 15 * PAGE, 16 * PAGE, GMEM_NUMA_BIND, 0, "1" },
	};
	uint64_t index = 77;

	ck_assert_int_eq(gmem_numa_place_guest(list, 2, NULL, &index, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "order");
	ck_assert_uint_eq(index, 1);
	ck_assert_int_eq(policy_calls, 0);
	/* The same offsets of another file. */
	list[1].gmem = other;
	ck_assert_int_eq(gmem_numa_place_guest(list, 2, NULL, NULL, report), 0);
	list[1].nodes = "9";
	ck_assert_int_eq(gmem_numa_place_guest(list, 2, NULL, &index, report), -EINVAL);
	ck_assert_uint_eq(index, 1);
	list[1].reserved = 1;
	list[1].nodes = "1";
	ck_assert_int_eq(gmem_numa_place_guest(list, 2, NULL, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_numa_place_guest(list, 0, NULL, &index, report), -EINVAL);
	ck_assert_uint_eq(index, UINT64_MAX);
	ck_assert_int_eq(gmem_numa_place_guest(NULL, 1, NULL, NULL, report), -EINVAL);
}
END_TEST

START_TEST(counts_what_is_where)
{
	uint64_t i;

	for (i = 100; i < 2100; i++) {
		pages[i].there = true;
		pages[i].node = (int)(i % 3);
	}
	for (i = 200; i < 210; i++)
		pages[i].private = true;
	pages[777].private = true;
	ck_assert_int_eq(gmem_numa_count(gmem, 0, PAGES * PAGE, &usage, report), 0);
	ck_assert_uint_eq(usage.absent, (PAGES - 2000) * PAGE);
	ck_assert_uint_eq(usage.hidden, 11 * PAGE);
	ck_assert_uint_eq(bytes_on[0] + bytes_on[1] + bytes_on[2], 1989 * PAGE);
	ck_assert_uint_eq(bytes_on[1], 664 * PAGE);
	ck_assert_uint_eq(bytes_on[3], 0);
}
END_TEST

START_TEST(does_not_count_what_it_cannot)
{
	pages[5].there = true;
	pages[5].node = NODES;
	ck_assert_int_eq(gmem_numa_count(gmem, 0, 9 * PAGE, &usage, report), -EOVERFLOW);
	ck_assert_str_eq(gmem_error_get_cause(report), "more-nodes");
	pages[5].poisoned = true;
	ck_assert_int_eq(gmem_numa_count(gmem, 0, 9 * PAGE, &usage, report), -EHWPOISON);
	is_owner = false;
	ck_assert_int_eq(gmem_numa_count(gmem, 0, 9 * PAGE, &usage, report), -EPERM);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-owner");
	usage.nr_nodes = 0;
	ck_assert_int_eq(gmem_numa_count(gmem, 0, 9 * PAGE, &usage, report), -EINVAL);
	ck_assert_int_eq(gmem_numa_count(gmem, 0, 9 * PAGE, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_numa_count(gmem, 1, 9 * PAGE, &usage, report), -EINVAL);
	ck_assert_uint_eq(usage.absent, 77);
	ck_assert_uint_eq(bytes_on[0], 0x7777777777777777);
	usage.nr_nodes = NODES;
	ck_assert_int_eq(WITHOUT_MEMORY(gmem_numa_count(gmem, 0, 9 * PAGE, &usage, report)),
			 -ENOMEM);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("numa");
	TCase *tests = scripted_case(suite, "placement");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, sets_the_policy_of_the_range, 0, COUNT(policies));
	tcase_add_test(tests, says_that_pages_are_there);
	tcase_add_test(tests, refuses_kernels_that_keep_nothing);
	tcase_add_loop_test(tests, says_why_nodes_cannot_be_had, 0, COUNT(parsing));
	tcase_add_test(tests, refuses_what_makes_no_sense);
	tcase_add_test(tests, places_all_nodes_of_a_guest_or_none);
	tcase_add_test(tests, refuses_lists_that_make_no_sense);
	tcase_add_test(tests, counts_what_is_where);
	tcase_add_test(tests, does_not_count_what_it_cannot);
	return suite;
}
