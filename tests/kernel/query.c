/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The query of state: extents that tile the range asked for, say what the host and the model say,
 * come in as many calls as the caller wants, and stay whole while others convert.
 */
#include "kernel.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_EXTENTS 8192

static int vm, gmem;
static struct gmem_uapi_extent extents[MAX_EXTENTS];

static void open_shared(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
}

static void close_all(void)
{
	close(gmem);
	close(vm);
}

static int query_raw(int file, struct gmem_uapi_query *query)
{
	return ioctl(file, GMEM_UAPI_QUERY, query) ? -errno : 0;
}

/* All of a range, at most @room extents a call; the number of extents, which tile the range. */
static size_t query_all(int file, uint64_t offset, uint64_t size, uint64_t flags, uint64_t room)
{
	struct gmem_uapi_query query = { .offset = offset, .size = size, .flags = flags };
	uint64_t at = offset;
	size_t count = 0;

	while (query.size) {
		ck_assert_uint_le(count + room, MAX_EXTENTS);
		query.extents = (uintptr_t)(extents + count);
		query.nr_extents = room;
		must_give(query_raw(file, &query), 0);
		ck_assert_uint_gt(query.nr_extents, 0);
		ck_assert_uint_le(query.nr_extents, room);
		for (uint64_t i = 0; i < query.nr_extents; i++, count++) {
			ck_assert_uint_eq(extents[count].offset, at);
			ck_assert_uint_gt(extents[count].size, 0);
			at += extents[count].size;
		}
		ck_assert_uint_eq(query.offset, at);
		ck_assert_uint_eq(query.offset + query.size, offset + size);
	}
	ck_assert_uint_eq(at, offset + size);
	return count;
}

START_TEST(random_conversions_are_described_as_the_model_says)
{
	static const uint64_t rooms[] = { 1, 2, 3, 200 };
	uint64_t random = test_seed();
	bool is_private[NPAGE] = { false };

	for (int round = 0; round < 300; round++) {
		uint64_t first = random_below(&random, NPAGE);
		uint64_t count = 1 + random_below(&random, NPAGE - first);
		uint64_t from = random_below(&random, NPAGE);
		uint64_t asked = 1 + random_below(&random, NPAGE - from);
		bool state = next_random(&random) & 1;
		size_t found, expected = 1;

		must_give(convert(gmem, first * PAGE, count * PAGE, state ? PRIVATE : SHARED), 0);
		for (uint64_t page = first; page < first + count; page++)
			is_private[page] = state;

		found = query_all(gmem, from * PAGE, asked * PAGE, 0, rooms[round % 4]);
		for (uint64_t page = from + 1; page < from + asked; page++)
			expected += is_private[page] != is_private[page - 1];
		ck_assert_uint_eq(found, expected);
		for (size_t i = 0; i < found; i++) {
			uint64_t page = extents[i].offset / PAGE;

			ck_assert_uint_eq(extents[i].attributes,
					  is_private[page] ? PRIVATE : SHARED);
			ck_assert_uint_eq(extents[i].allocated, 0);
		}
	}
}
END_TEST

START_TEST(a_file_that_was_never_converted_is_one_extent)
{
	int file = new_gmem(vm, 64 * MIB, INIT_PRIVATE);

	ck_assert_uint_eq(query_all(file, 0, 64 * MIB, 0, 8), 1);
	ck_assert_uint_eq(extents[0].attributes, PRIVATE);
	close(file);
}
END_TEST

START_TEST(allocated_memory_is_counted_on_request)
{
	must_give(allocate(gmem, 0, 5 * PAGE), 0);
	must_give(punch(gmem, PAGE, PAGE), 0);
	must_give(convert(gmem, 3 * PAGE, 4 * PAGE, PRIVATE), 0);
	ck_assert_uint_eq(query_all(gmem, 0, FILE_SIZE, GMEM_UAPI_QUERY_ALLOCATED, 8), 3);
	ck_assert_uint_eq(extents[0].allocated, 2 * PAGE);
	ck_assert_uint_eq(extents[1].allocated, 2 * PAGE);
	ck_assert_uint_eq(extents[2].allocated, 0);
	ck_assert_uint_eq(query_all(gmem, 0, 2 * PAGE, GMEM_UAPI_QUERY_ALLOCATED, 8), 1);
	ck_assert_uint_eq(extents[0].allocated, PAGE);
}
END_TEST

START_TEST(thousands_of_extents_come_in_one_call)
{
	const uint64_t pages = 4096;
	int file = new_gmem(vm, pages * PAGE, INIT_PRIVATE);

	for (uint64_t page = 0; page < pages; page += 2)
		must_give(convert(file, page * PAGE, PAGE, SHARED), 0);
	ck_assert_uint_eq(query_all(file, 0, pages * PAGE, 0, pages), pages);
	for (uint64_t page = 0; page < pages; page++)
		ck_assert_uint_eq(extents[page].attributes, page % 2 ? PRIVATE : SHARED);
	close(file);
}
END_TEST

static atomic_bool stop;

static void *convert_back_and_forth(void *unused)
{
	(void)unused;
	for (uint64_t round = 0; !atomic_load(&stop); round++)
		convert(gmem, round % 5 * PAGE, (1 + round % 11) * PAGE,
			round & 1 ? PRIVATE : SHARED);
	return NULL;
}

START_TEST(extents_tile_the_range_while_others_convert)
{
	pthread_t thread;

	atomic_store(&stop, false);
	ck_assert_int_eq(pthread_create(&thread, NULL, convert_back_and_forth, NULL), 0);
	for (int round = 0; round < 2000; round++)
		query_all(gmem, 0, FILE_SIZE, round % 2 ? GMEM_UAPI_QUERY_ALLOCATED : 0,
			  1 + round % 7);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(wrong_requests_are_refused_and_not_written_to)
{
	const struct {
		struct gmem_uapi_query query;
		int error;
	} wrong[] = {
		{ { .size = PAGE, .flags = 2, .nr_extents = 1 }, -EINVAL },
		{ { .size = PAGE, .nr_extents = 1, .reserved = { 1 } }, -EINVAL },
		{ { .size = PAGE, .nr_extents = 1, .reserved = { 0, 0, 1ULL << 63 } }, -EINVAL },
		{ { .size = 0, .nr_extents = 1 }, -EINVAL },
		{ { .size = PAGE, .nr_extents = 0 }, -EINVAL },
		{ { .size = PAGE + 1, .nr_extents = 1 }, -EINVAL },
		{ { .offset = 1, .size = PAGE, .nr_extents = 1 }, -EINVAL },
		{ { .offset = FILE_SIZE, .size = PAGE, .nr_extents = 1 }, -EINVAL },
		{ { .offset = PAGE, .size = FILE_SIZE, .nr_extents = 1 }, -EINVAL },
		{ { .offset = -PAGE, .size = 2 * PAGE, .nr_extents = 1 }, -EINVAL },
		{ { .size = PAGE, .nr_extents = 1, .extents = 8 }, -EFAULT },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct gmem_uapi_query query = wrong[i].query;

		if (!query.extents)
			query.extents = (uintptr_t)extents;
		must_give(query_raw(gmem, &query), wrong[i].error);
		ck_assert_uint_eq(query.size, wrong[i].query.size);
		ck_assert_uint_eq(query.nr_extents, wrong[i].query.nr_extents);
	}
	must_give(query_raw(gmem, (struct gmem_uapi_query *)8), -EFAULT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("query");
	TCase *tcase = new_case(suite, "query");

	need_in_place();
	if (!system_capability(GMEM_CAP_QUERY))
		skip_all("this kernel has no query of state");
	test_seed();
	tcase_add_checked_fixture(tcase, open_shared, close_all);
	tcase_add_test(tcase, random_conversions_are_described_as_the_model_says);
	tcase_add_test(tcase, a_file_that_was_never_converted_is_one_extent);
	tcase_add_test(tcase, allocated_memory_is_counted_on_request);
	tcase_add_test(tcase, thousands_of_extents_come_in_one_call);
	tcase_add_test(tcase, extents_tile_the_range_while_others_convert);
	tcase_add_test(tcase, wrong_requests_are_refused_and_not_written_to);
	return run_suite(suite);
}
