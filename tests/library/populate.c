/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Loads on a real kernel: files with and without holes, pipes and buffers, in each way that this
 * machine has, into shared and into private pages; compared byte for byte with the source.
 */
#include "library.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUEST_SIZE (UINT64_C(16) << 20)
#define SIZE	   (UINT64_C(6) << 20)
#define BLOCK	   (32 * PAGE)
#define FILLED	   0xa5

static struct file file;
static int fd;
static unsigned char *bytes;
static struct gmem_populate_options options;
static struct gmem_populate_result done;

static void open_source(void)
{
	char name[] = "/tmp/gmem-populate-XXXXXX";
	uint64_t i;

	bytes = malloc(SIZE);
	ck_assert_ptr_nonnull(bytes);
	fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	unlink(name);
	for (i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i * 2654435761 >> 11);
	/* Of four blocks the second is a hole. */
	for (i = 0; i < SIZE; i += BLOCK) {
		if (i / BLOCK % 4 == 1)
			memset(bytes + i, 0, BLOCK);
		else
			ck_assert_int_eq(pwrite(fd, bytes + i, BLOCK, (off_t)i), BLOCK);
	}
	options = (struct gmem_populate_options){ .size = sizeof(options), .ret_result = &done };
	done = (struct gmem_populate_result){ .size = sizeof(done) };
}

static void begin(void)
{
	open_source();
	file = open_file(VM_PROTECTED, GUEST_SIZE, GMEM_INIT_SHARED);
	memset(file.mapped, FILLED, GUEST_SIZE);
}

static void end(void)
{
	close_file(&file);
	close(fd);
	free(bytes);
}

static void check_bytes(uint64_t offset, uint64_t size)
{
	uint64_t i;

	ck_assert_int_eq(memcmp(file.mapped + offset, bytes + options.source_offset, size), 0);
	for (i = offset & ~(PAGE - 1); i < offset; i++)
		ck_assert_int_eq(file.mapped[i], FILLED);
	for (i = offset + size; i % PAGE; i++)
		ck_assert_int_eq(file.mapped[i], FILLED);
}

static const enum gmem_populate_way ways[] = {
	GMEM_POPULATE_BEST,
	GMEM_POPULATE_PLAIN,
	GMEM_POPULATE_DIRECT,
};

START_TEST(a_sparse_file_is_loaded_in_every_way)
{
	uint64_t allocated = 0, offset = 0;
	struct gmem_query_options counting = { .size = sizeof(counting), .allocated = 1 };
	struct gmem_extent extent;
	struct gmem_query *query;
	int r;

	options.way = ways[_i];
	r = gmem_populate(file.gmem, PAGE, SIZE, fd, &options, report);
	if (r == -EOPNOTSUPP && options.way == GMEM_POPULATE_DIRECT) {
		/* The file system in memory of the lab may have no O_DIRECT. */
		printf("# not directly here: %s\n", gmem_error_get_cause(report));
		return;
	}
	must(r, 0);
	ck_assert_uint_eq(done.loaded, SIZE);
	ck_assert_uint_eq(done.holes, SIZE / 4);
	if (options.way == GMEM_POPULATE_DIRECT)
		ck_assert_uint_eq(done.direct, SIZE - SIZE / 4);
	/* Before anybody looks at the holes, which would allocate them. */
	must(gmem_query_new(file.gmem, 0, GUEST_SIZE, &counting, &query, report), 0);
	while ((r = gmem_query_next(query, &extent, report)) == 0) {
		allocated += extent.allocated;
		offset += extent.size;
	}
	must(r, -ENODATA);
	gmem_query_free(query);
	ck_assert_uint_eq(offset, GUEST_SIZE);
	ck_assert_uint_eq(allocated, GUEST_SIZE - SIZE / 4);
	check_bytes(PAGE, SIZE);
}
END_TEST

START_TEST(odd_sizes_and_offsets)
{
	unsigned int i, seed = (unsigned int)test_seed();
	uint64_t offset, size;

	for (i = 0; i < (in_a_hurry() ? 8U : 40U); i++) {
		options.source_offset = (uint64_t)rand_r(&seed) % SIZE;
		size = 1 + (uint64_t)rand_r(&seed) % (SIZE - options.source_offset);
		offset = (uint64_t)rand_r(&seed) % (GUEST_SIZE - size);
		if (i % 2)
			offset = (offset & ~(PAGE - 1)) | options.source_offset % PAGE;
		if (offset + size > GUEST_SIZE)
			continue;
		options.threads = 1 + i % 4;
		options.way = ways[i % 3 == 2 ? 0 : i % 3];
		memset(file.mapped, FILLED, GUEST_SIZE);
		must(gmem_populate(file.gmem, offset, size, fd, &options, report), 0);
		check_bytes(offset, size);
		memset(file.mapped, FILLED, GUEST_SIZE);
		must(gmem_populate_memory(file.gmem, offset, size, bytes + options.source_offset,
					  NULL, report),
		     0);
		check_bytes(offset, size);
	}
}
END_TEST

START_TEST(private_pages_have_the_bytes_and_stay_private)
{
	must(gmem_convert(file.gmem, 0, GUEST_SIZE, GMEM_STATE_PRIVATE, NULL, report), 0);
	options.state = GMEM_STATE_PRIVATE;
	options.way = ways[_i];
	/* What happens to the bytes unless somebody insists. */
	imitate("scramble");
	if (options.way == GMEM_POPULATE_DIRECT) {
		int r = gmem_populate(file.gmem, PAGE, SIZE, fd, &options, report);

		imitate("none");
		must_be(&file, 0, GUEST_SIZE, GMEM_STATE_PRIVATE);
		if (r == -EOPNOTSUPP) {
			printf("# not directly here: %s\n", gmem_error_get_cause(report));
			return;
		}
		must(r, 0);
	} else {
		must(gmem_populate(file.gmem, PAGE, SIZE, fd, &options, report), 0);
	}
	imitate("none");
	must_be(&file, 0, GUEST_SIZE, GMEM_STATE_PRIVATE);
	must(gmem_convert(file.gmem, 0, GUEST_SIZE, GMEM_STATE_SHARED, NULL, report), 0);
	check_bytes(PAGE, SIZE);
}
END_TEST

START_TEST(a_private_page_in_the_way_is_told)
{
	uint64_t offset = 0;

	must(gmem_convert(file.gmem, 500 * PAGE, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	options.threads = 1;
	options.way = GMEM_POPULATE_PLAIN;
	must(gmem_populate(file.gmem, 0, SIZE, fd, &options, report), -EFAULT);
	ck_assert_str_eq(gmem_error_get_cause(report), "private-page");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_le(offset, 500 * PAGE);
	ck_assert_int_eq(memcmp(file.mapped, bytes, gmem_error_get_done(report)), 0);
	must_be(&file, 500 * PAGE, PAGE, GMEM_STATE_PRIVATE);
	must(gmem_populate_memory(file.gmem, 500 * PAGE, 1, bytes, NULL, report), -EFAULT);
}
END_TEST

static void *write_slowly(void *data)
{
	int to = *(int *)data;
	uint64_t at, size;

	for (at = 0; at < SIZE - 3; at += size) {
		size = 1 + at * 7919 % 100000;
		if (size > SIZE - 3 - at)
			size = SIZE - 3 - at;
		if (write(to, bytes + at, size) != (ssize_t)size)
			break;
	}
	close(to);
	return NULL;
}

START_TEST(a_pipe_is_read_to_its_end)
{
	pthread_t writer;
	int ends[2];

	ck_assert_int_eq(pipe2(ends, _i ? O_NONBLOCK : 0), 0);
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_slowly, &ends[1]), 0);
	options.to_end = 1;
	must(gmem_populate(file.gmem, 5, SIZE, ends[0], &options, report), 0);
	pthread_join(writer, NULL);
	close(ends[0]);
	ck_assert_uint_eq(done.loaded, SIZE - 3);
	check_bytes(5, SIZE - 3);
}
END_TEST

START_TEST(a_file_that_shrinks_is_told)
{
	struct gmem_populate_options plain = options;

	ck_assert_int_eq(ftruncate(fd, 100 * PAGE + 1), 0);
	must(gmem_populate(file.gmem, 0, SIZE, fd, &options, report), -ENODATA);
	ck_assert_str_eq(gmem_error_get_cause(report), "source-ended");
	plain.to_end = 1;
	must(gmem_populate(file.gmem, 0, SIZE, fd, &plain, report), 0);
	ck_assert_uint_eq(done.loaded, 100 * PAGE + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library-populate");
	TCase *tests = library_case(suite, "loading memory");

	need_in_place();
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_sparse_file_is_loaded_in_every_way, 0, 3);
	tcase_add_test(tests, odd_sizes_and_offsets);
	tcase_add_loop_test(tests, private_pages_have_the_bytes_and_stay_private, 0, 3);
	tcase_add_test(tests, a_private_page_in_the_way_is_told);
	tcase_add_loop_test(tests, a_pipe_is_read_to_its_end, 0, 2);
	tcase_add_test(tests, a_file_that_shrinks_is_told);
	return run_suite(suite);
}
