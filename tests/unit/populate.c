/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Loads from every kind of source, in every way, compared byte for byte with the source; and what
 * is told when a source or the memory fails.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/sys.h"
#include "lib/uring.h"
#include "source.h"
#include "unit.h"

#define FILL  0xa5
#define BLOCK UINT64_C(4096)
#define SIZE  (UINT64_C(5) << 20)

static struct gmem *gmem;
static struct gmem_populate_options options;
static struct gmem_populate_result result;

/* A kernel in memory, and a file on it; SIZE bytes of source. */
static void begin(void)
{
	struct gmem_create_options create = { .size = sizeof(create), .mappable = 1 };

	source_begin(SIZE, 1);
	ck_assert_int_eq(gmem_create(VM_FD, GUEST_SIZE, &create, &gmem, report), 0);
	result = (struct gmem_populate_result){ .size = sizeof(result) };
	options = (struct gmem_populate_options){ .size = sizeof(options), .ret_result = &result };
}

static void end(void)
{
	gmem_release(gmem);
	source_end();
}

static int load(uint64_t offset, uint64_t size)
{
	return gmem_populate(gmem, offset, size, SOURCE_FD, &options, report);
}

/* The bytes around a range are as they were. */
static void check_around(uint64_t offset, uint64_t size)
{
	uint64_t i;

	for (i = offset > 2 * PAGE ? offset - 2 * PAGE : 0; i < offset; i++)
		must(guest_memory[i] == FILL, "byte %lu before has changed",
		     (unsigned long)(offset - i));
	for (i = offset + size; i < offset + size + 2 * PAGE && i < GUEST_SIZE; i++)
		must(guest_memory[i] == FILL, "byte %lu after has changed",
		     (unsigned long)(i - offset - size));
}

/* The range has what the source has; block by block, because each is a hole or not. */
static void check_bytes(uint64_t offset, uint64_t size)
{
	static const unsigned char zeroes[BLOCK];
	uint64_t at, part, from;

	for (at = 0; at < size; at += part) {
		from = options.source_offset + at;
		part = BLOCK - from % BLOCK < size - at ? BLOCK - from % BLOCK : size - at;
		must(!memcmp(guest_memory + offset + at,
			     source.tells_holes && source.hole[from / BLOCK] ? zeroes
									     : source.bytes + from,
			     part),
		     "one of %lu bytes at byte %lu of %lu is wrong", (unsigned long)part,
		     (unsigned long)at, (unsigned long)size);
	}
}

static void refill(void)
{
	memset(guest_memory, FILL, sizeof(guest_memory));
	memset(guest_allocated, 1, sizeof(guest_allocated));
}

static void load_well(uint64_t offset, uint64_t size)
{
	int r = load(offset, size);

	ck_assert_msg(r == 0, "%s", explanation());
	check_bytes(offset, size);
	check_around(offset, size);
}

/* Fails with this, having loaded so much for certain. */
static void load_badly(uint64_t offset, uint64_t size, int code, const char *cause, uint64_t loaded)
{
	struct gmem_populate_result before = result;
	int r = load(offset, size);

	ck_assert_int_eq(r, code);
	ck_assert_str_eq(gmem_error_get_cause(report), cause);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_populate");
	ck_assert_uint_eq(gmem_error_get_done(report), loaded);
	check_bytes(offset, loaded);
	check_around(offset, size);
	ck_assert_int_eq(memcmp(&before, &result, sizeof(result)), 0);
}

START_TEST(a_file_is_read_directly_if_it_can_be)
{
	load_well(2 * PAGE, SIZE);
	ck_assert_uint_eq(result.loaded, SIZE);
	ck_assert_uint_eq(result.direct, SIZE);
	ck_assert_uint_eq(result.holes, 0);
	ck_assert_uint_eq(result.threads, 3);
	ck_assert_uint_eq(done.preads, 0);
	ck_assert_uint_eq(done.registered, 3);
}
END_TEST

START_TEST(what_the_page_cache_has_is_copied)
{
	source.cached = 50;
	load_well(0, SIZE);
	ck_assert_uint_eq(result.direct, 0);
	source.cached = 49;
	load_well(0, SIZE);
	ck_assert_uint_eq(result.direct, SIZE);
	/* Who may not know relies on the page cache. */
	source.cached = -1;
	load_well(0, SIZE);
	ck_assert_uint_eq(result.direct, 0);
}
END_TEST

START_TEST(edges_are_read_plainly)
{
	options.source_offset = 100;
	load_well(3 * PAGE + 100, SIZE - 200);
	/* The first piece begins inside a page, the last one ends inside a page. */
	ck_assert_uint_gt(result.direct, 0);
	ck_assert_uint_gt(done.preads, 0);
	/* Offsets that do not fit. */
	options.source_offset = 99;
	load_well(3 * PAGE + 100, SIZE - 200);
	ck_assert_uint_eq(result.direct, 0);
}
END_TEST

/* What may be missing or fail, and is done in another way then. */
static const struct {
	int *code;
	int value;
	bool direct;
} lacks[] = {
	{ &source.ring_code, -ENOSYS, false },	      { &source.ring_code, -EPERM, false },
	{ &source.open_direct_code, -EINVAL, false }, { &source.open_direct_code, -EACCES, false },
	{ &source.register_code, -ENOMEM, true },     { &source.register_code, -EOPNOTSUPP, true },
	{ &source.unregister_code, -EBUSY, true },    { &source.thread_code, -EAGAIN, true },
	{ &source.direct_result, -EINVAL, false },    { &source.direct_result, -EIO, false },
	{ &source.direct_result, 1, true },	      { &source.direct_result, INT32_MAX, false },
	{ &source.submit_code, -EINTR, true },
};

START_TEST(what_is_missing_makes_it_slower_only)
{
	*lacks[_i].code = lacks[_i].value;
	load_well(PAGE, SIZE - 5);
	ck_assert_int_eq(result.direct > 0, lacks[_i].direct);
	if (lacks[_i].code == &source.thread_code)
		ck_assert_uint_eq(result.threads, 1);
}
END_TEST

static const struct {
	int *code;
	int value, result;
	const char *cause;
} refusals[] = {
	{ &source.ring_code, -ENOSYS, -EOPNOTSUPP, "no-uring" },
	{ &source.ring_code, -EPERM, -EOPNOTSUPP, "no-uring" },
	{ &source.ring_code, -ENOMEM, -ENOMEM, "memory" },
	{ &source.ring_code, -EMFILE, -EOPNOTSUPP, "process-files" },
	{ &source.open_direct_code, -EINVAL, -EOPNOTSUPP, "no-direct" },
	{ &source.open_direct_code, -ENOENT, -EOPNOTSUPP, "no-direct" },
	{ &source.direct_result, -EINVAL, -EOPNOTSUPP, "no-direct" },
	{ &source.submit_code, -EBADF, -EBADF, "not-open" },
	{ &source.submit_code, -EAGAIN, -ENOMEM, "memory" },
};

START_TEST(direct_or_not_at_all)
{
	options.way = GMEM_POPULATE_DIRECT;
	source.cached = 100;
	options.threads = 1;
	load_well(0, SIZE);
	ck_assert_uint_eq(result.direct, SIZE);
	refill();
	*refusals[_i].code = refusals[_i].value;
	load_badly(0, SIZE, refusals[_i].result, refusals[_i].cause, 0);
	*refusals[_i].code = 0;
	options.source_offset = 1;
	load_badly(0, SIZE - 1, -EOPNOTSUPP, "no-direct", 0);
	source.kind = SOURCE_PIPE;
	options.source_offset = 0;
	load_badly(0, SIZE, -EOPNOTSUPP, "no-direct", 0);
}
END_TEST

START_TEST(plain_asks_for_nothing_else)
{
	options.way = GMEM_POPULATE_PLAIN;
	load_well(0, SIZE);
	ck_assert_uint_eq(done.direct_reads, 0);
	ck_assert_uint_eq(done.registered, 0);
}
END_TEST

START_TEST(holes_stay_holes)
{
	uint64_t i;

	/* One block at the start, many in the middle, one before the end, and all at the end. */
	for (i = 0; i < SIZE / BLOCK; i++)
		source.hole[i] = i < 1 || (i > 99 && i < 900) || i == 1000 || i > 1200;
	load_well(PAGE, SIZE);
	ck_assert_uint_eq(result.loaded, SIZE);
	for (i = 0; i < SIZE / BLOCK; i++)
		must(guest_allocated[1 + i] == !source.hole[i], "page %lu", (unsigned long)i);
	/* Pages that are partly a hole. */
	refill();
	load_well(PAGE + 77, SIZE);
	ck_assert_uint_eq(result.holes, (1 + 800 + 1 + 79) * BLOCK);
	refill();
	options.source_offset = 150 * BLOCK + 5;
	load_well(PAGE + 77, 100);
	/* A file system that does not tell has no holes. */
	source.tells_holes = false;
	refill();
	options.source_offset = 0;
	load_well(PAGE, SIZE);
	ck_assert_uint_eq(result.holes, 0);
}
END_TEST

START_TEST(streams_and_disks)
{
	source.kind = SOURCE_PIPE;
	source.short_reads = 7;
	load_well(123, SIZE);
	/* It is at its end now. */
	refill();
	load_badly(0, 1, -ENODATA, "source-ended", 0);
	source.kind = SOURCE_DISK;
	load_well(PAGE, SIZE);
	refill();
	source.kind = SOURCE_DIRECTORY;
	load_badly(0, SIZE, -EISDIR, "source-kind", 0);
	source.kind = SOURCE_PIPE;
	options.source_offset = 1;
	load_badly(0, 1, -ESPIPE, "source-kind", 0);
}
END_TEST

START_TEST(waits_for_a_stream_and_goes_on_after_signals)
{
	source.kind = _i % 2 ? SOURCE_PIPE : SOURCE_FILE;
	source.interrupts = _i < 2 ? -EINTR : -EAGAIN;
	options.way = GMEM_POPULATE_PLAIN;
	if (source.kind == SOURCE_FILE && source.interrupts == -EAGAIN)
		return;
	load_well(0, SIZE);
}
END_TEST

START_TEST(to_the_end_takes_what_there_is)
{
	options.to_end = 1;
	source.kind = _i ? SOURCE_PIPE : SOURCE_FILE;
	source.size = SIZE - 4242;
	ck_assert_int_eq(load(PAGE, SIZE), 0);
	check_bytes(PAGE, SIZE - 4242);
	ck_assert_uint_eq(result.loaded, SIZE - 4242);
}
END_TEST

START_TEST(to_the_end_refuses_more)
{
	options.to_end = 1;
	load_badly(0, SIZE - 1, -EFBIG, "source-bigger", 0);
	refill();
	source.kind = SOURCE_PIPE;
	load_badly(0, SIZE - 1, -EFBIG, "source-bigger", SIZE - 1);
	/* A file of /proc says that it has no bytes. */
	source.kind = SOURCE_FILE;
	source.size = 0;
	ck_assert_int_eq(load(0, SIZE), 0);
	ck_assert_uint_eq(result.loaded, 0);
	source.size = 4096;
	options.source_offset = 5000;
	ck_assert_int_eq(load(0, SIZE), 0);
	ck_assert_uint_eq(result.loaded, 0);
}
END_TEST

START_TEST(a_short_file_is_found_out_before_anything_is_done)
{
	load_badly(0, SIZE + 1, -ENODATA, "source-ended", 0);
	options.source_offset = 1;
	load_badly(0, SIZE, -ENODATA, "source-ended", 0);
	ck_assert_uint_eq(done.preads + done.direct_reads, 0);
}
END_TEST

START_TEST(a_file_that_shrinks_is_found_out)
{
	options.way = _i ? GMEM_POPULATE_BEST : GMEM_POPULATE_PLAIN;
	options.threads = 1;
	source.shrinks_to = (3 << 20) + 17;
	load_badly(PAGE, SIZE, -ENODATA, "source-shrank", (3 << 20) + 17);
	/* A hole at its end is none if the end came nearer. */
	source.size = SIZE;
	memset(source.hole + 512, 1, sizeof(source.hole) - 512);
	source.shrinks_to = (2 << 20) - 1;
	refill();
	ck_assert_int_eq(load(PAGE, SIZE), -ENODATA);
	ck_assert_uint_le(gmem_error_get_done(report), 2 << 20);
}
END_TEST

/* Answers of the source, and what they become. */
static const struct {
	int code, result;
	const char *cause;
} answers[] = {
	{ -EIO, -EIO, "source-error" },	      { -ESTALE, -EIO, "source-error" },
	{ -ETIMEDOUT, -EIO, "source-error" }, { -EBADF, -EBADF, "source-not-readable" },
	{ -EISDIR, -EISDIR, "source-kind" },  { -ENOMEM, -ENOMEM, "memory" },
	{ -EPERM, -EPERM, "refused" },	      { -EACCES, -EACCES, "refused" },
	{ -EINTR, -EINTR, "signals" },	      { INT32_MAX, -EBADE, "answer" },
};

START_TEST(a_disk_error_tells_how_far_it_came)
{
	options.threads = 1 + (unsigned int)_i % 4;
	source.bad_at = 2500000 + (uint64_t)_i;
	source.bad_code = answers[_i / 2].code;
	source.kind = _i % 2 ? SOURCE_PIPE : SOURCE_FILE;
	load_badly(PAGE + 1, SIZE, answers[_i / 2].result, answers[_i / 2].cause, source.bad_at);
	if (source.bad_code < 0)
		ck_assert_int_eq(gmem_error_get_kernel_code(report), source.bad_code);
}
END_TEST

START_TEST(tells_of_private_and_of_poisoned_pages)
{
	options.threads = 1;
	guest_private[600] = true;
	ck_assert_int_eq(load(0, SIZE), -EFAULT);
	ck_assert_str_eq(gmem_error_get_cause(report), "private-page");
	ck_assert_uint_le(gmem_error_get_done(report), 600 * PAGE);
	guest_private[600] = false;
	poisoned_page = 3;
	ck_assert_int_eq(load(0, SIZE), -EHWPOISON);
	ck_assert_uint_eq(gmem_error_get_done(report), 0);
	ck_assert_int_eq(gmem_populate_memory(gmem, 3 * PAGE, 5, "hello", NULL, report),
			 -EHWPOISON);
}
END_TEST

START_TEST(private_memory_is_loaded_shared_and_becomes_private)
{
	uint64_t i;

	memset(guest_private, 1, sizeof(guest_private));
	options.state = GMEM_STATE_PRIVATE;
	load_well(PAGE + 1, SIZE);
	ck_assert_uint_eq(done.conversions, 2);
	for (i = 0; i < GUEST_PAGES; i++)
		must(guest_private[i], "page %lu is not private", (unsigned long)i);
	/* And after a failure. */
	source.bad_at = 1 << 20;
	source.bad_code = -EIO;
	ck_assert_int_eq(load(PAGE, SIZE), -EIO);
	ck_assert_uint_eq(gmem_error_get_done(report), 1 << 20);
	for (i = 0; i < GUEST_PAGES; i++)
		must(guest_private[i], "page %lu is not private", (unsigned long)i);
	/* Not without a kernel that keeps the bytes. */
	ck_assert_int_eq(gmem_level_set(GMEM_LEVEL_CONVERT), 0);
	ck_assert_int_eq(load(PAGE, SIZE), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	ck_assert_uint_eq(done.conversions, 4);
}
END_TEST

static struct {
	unsigned int calls, stop_after;
	uint64_t last, total;
} progress;

static enum gmem_populate_action note_progress(uint64_t loaded, uint64_t total, void *data)
{
	ck_assert_ptr_eq(data, &progress);
	ck_assert_uint_ge(loaded, progress.last);
	progress.last = loaded;
	progress.total = total;
	return ++progress.calls == progress.stop_after ? GMEM_POPULATE_STOP : GMEM_POPULATE_GO_ON;
}

START_TEST(tells_how_far_it_is_and_can_be_stopped)
{
	memset(&progress, 0, sizeof(progress));
	options.progress = note_progress;
	options.progress_data = &progress;
	options.threads = _i ? 4 : 1;
	load_well(0, SIZE);
	ck_assert_uint_eq(progress.last, SIZE);
	ck_assert_uint_eq(progress.total, SIZE);
	if (!_i)
		ck_assert_uint_eq(progress.calls, 3);
	memset(&progress, 0, sizeof(progress));
	progress.stop_after = 1;
	refill();
	options.threads = 1;
	load_badly(0, SIZE, -ECANCELED, "canceled", 2 << 20);
	/* Too late: all is loaded. */
	progress.stop_after = progress.calls + 3;
	load_well(0, SIZE);
	source.kind = SOURCE_PIPE;
	progress.stop_after = 0;
	progress.last = 0;
	options.to_end = 1;
	ck_assert_int_eq(load(0, SIZE), 0);
	ck_assert_uint_eq(progress.total, SIZE);
}
END_TEST

START_TEST(a_buffer_is_copied)
{
	int r = gmem_populate_memory(gmem, PAGE - 3, SIZE, source.bytes, &options, report);

	ck_assert_int_eq(r, 0);
	check_bytes(PAGE - 3, SIZE);
	ck_assert_uint_eq(result.loaded, SIZE);
	ck_assert_uint_eq(result.threads, 3);
	ck_assert_int_eq(gmem_populate_memory(gmem, 0, 1, NULL, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_populate_memory");
	options.to_end = 1;
	ck_assert_int_eq(gmem_populate_memory(gmem, 0, 1, "", &options, report), -EINVAL);
}
END_TEST

START_TEST(refuses_bad_ranges_and_options)
{
	ck_assert_int_eq(load(0, 0), -EINVAL);
	ck_assert_int_eq(load(1, UINT64_MAX), -EINVAL);
	ck_assert_int_eq(load(1, GUEST_SIZE), -EINVAL);
	ck_assert_int_eq(gmem_populate(NULL, 0, 1, SOURCE_FD, NULL, report), -EINVAL);
	options.threads = 65;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.threads = 0;
	options.to_end = 2;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.to_end = 0;
	options.way = (enum gmem_populate_way)3;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.way = GMEM_POPULATE_BEST;
	options.state = (enum gmem_state)3;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.state = GMEM_STATE_SHARED;
	options.source_offset = UINT64_MAX;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.source_offset = 0;
	result.size = 8;
	ck_assert_int_eq(load(0, 1), -EINVAL);
	options.size = 8000;
	ck_assert_int_eq(load(0, 1), -E2BIG);
	ck_assert_int_eq(gmem_populate(gmem, 0, 1, -1, NULL, report), -EBADF);
	ck_assert_int_eq(done.mappings, 0);
}
END_TEST

/* Whatever the size, the offsets, the holes, the threads and the moods of the source. */
START_TEST(random_loads_have_what_the_source_has)
{
	unsigned int round, i, seed = unit_seed();
	uint64_t offset, size;

	for (round = 0; round < 30; round++) {
		options.source_offset = (uint64_t)rand_r(&seed) % SIZE;
		if (rand_r(&seed) % 2)
			options.source_offset &= ~(BLOCK - 1);
		size = 1 + (uint64_t)rand_r(&seed) % (SIZE - options.source_offset);
		offset = (uint64_t)rand_r(&seed) % (GUEST_SIZE - size);
		if (rand_r(&seed) % 2)
			offset &= ~(PAGE - 1);
		for (i = 0; i < COUNT(source.hole); i++)
			source.hole[i] = round % 3 && rand_r(&seed) % (1 + i / 100 % 7) == 1;
		source.short_reads = round % 2 ? (unsigned int)rand_r(&seed) | 1 : 0;
		source.cached = rand_r(&seed) % 2 ? 100 : 0;
		options.threads = 1 + (unsigned int)rand_r(&seed) % 5;
		refill();
		load_well(offset, size);
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("populate");
	TCase *tests = scripted_case(suite, "loading memory");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, a_file_is_read_directly_if_it_can_be);
	tcase_add_test(tests, what_the_page_cache_has_is_copied);
	tcase_add_test(tests, edges_are_read_plainly);
	tcase_add_loop_test(tests, what_is_missing_makes_it_slower_only, 0, COUNT(lacks));
	tcase_add_loop_test(tests, direct_or_not_at_all, 0, COUNT(refusals));
	tcase_add_test(tests, plain_asks_for_nothing_else);
	tcase_add_test(tests, holes_stay_holes);
	tcase_add_test(tests, streams_and_disks);
	tcase_add_loop_test(tests, waits_for_a_stream_and_goes_on_after_signals, 0, 4);
	tcase_add_loop_test(tests, to_the_end_takes_what_there_is, 0, 2);
	tcase_add_test(tests, to_the_end_refuses_more);
	tcase_add_test(tests, a_short_file_is_found_out_before_anything_is_done);
	tcase_add_loop_test(tests, a_file_that_shrinks_is_found_out, 0, 2);
	tcase_add_loop_test(tests, a_disk_error_tells_how_far_it_came, 0, 2 * COUNT(answers));
	tcase_add_test(tests, tells_of_private_and_of_poisoned_pages);
	tcase_add_test(tests, private_memory_is_loaded_shared_and_becomes_private);
	tcase_add_loop_test(tests, tells_how_far_it_is_and_can_be_stopped, 0, 2);
	tcase_add_test(tests, a_buffer_is_copied);
	tcase_add_test(tests, refuses_bad_ranges_and_options);
	tcase_add_test(tests, random_loads_have_what_the_source_has);
	return suite;
}
