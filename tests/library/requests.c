/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Bad requests to the library on a real kernel: the exact errno and cause of each, and that nothing
 * has changed: no state, no byte, no descriptor.
 */
#include "library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND 3

static struct file file;
static int open_before;

static int count_open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* Page 0 is shared and filled, page 1 private and filled, the rest shared and absent. */
static void begin(void)
{
	file = open_file(VM_PROTECTED, FILE_SIZE, GMEM_INIT_SHARED);
	fill_page(file.mapped, 0, ROUND);
	fill_page(file.mapped + PAGE, 1, ROUND);
	must(gmem_convert(file.gmem, PAGE, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	open_before = count_open_files();
}

static void end(void)
{
	struct gmem_extent is[] = {
		{ 0, PAGE, 0, GMEM_STATE_SHARED, 0 },
		{ PAGE, PAGE, 0, GMEM_STATE_PRIVATE, 0 },
		{ 2 * PAGE, FILE_SIZE - 2 * PAGE, 0, GMEM_STATE_SHARED, 0 },
	};
	struct gmem_query_options options = { sizeof(options), 1, 0 };
	struct gmem_query *query;
	struct gmem_extent extent;
	bool equal = false;

	ck_assert_int_eq(count_open_files(), open_before);
	must(gmem_compare(file.gmem, is, 3, &equal, NULL, report), 0);
	ck_assert(equal);
	/* Nothing was allocated either. */
	must(gmem_query_new(file.gmem, 2 * PAGE, FILE_SIZE - 2 * PAGE, &options, &query, report),
	     0);
	must(gmem_query_next(query, &extent, report), 0);
	ck_assert_uint_eq(extent.allocated, 0);
	gmem_query_free(query);
	must(gmem_convert(file.gmem, PAGE, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	ck_assert(page_is_filled(file.mapped, 0, ROUND));
	ck_assert(page_is_filled(file.mapped + PAGE, 1, ROUND));
	close_file(&file);
}

#define must_cause(call, expected, cause)                                                          \
	do {                                                                                       \
		must(call, expected);                                                              \
		ck_assert_str_eq(gmem_error_get_cause(report), cause);                             \
	} while (0)

static const struct {
	uint64_t offset, size;
	const char *cause;
} ranges[] = {
	{ 0, 0, "empty" },
	{ 1, PAGE, "unaligned" },
	{ 0, PAGE - 1, "unaligned" },
	{ 512, 512, "unaligned" },
	{ PAGE, UINT64_MAX - PAGE + 1, "wraps" },
	{ UINT64_MAX - PAGE + 1, PAGE, "wraps" },
	{ FILE_SIZE, PAGE, "beyond-end" },
	{ FILE_SIZE - PAGE, 2 * PAGE, "beyond-end" },
	{ 0, UINT64_MAX - PAGE + 1, "beyond-end" },
	{ 0, 1ULL << 63, "beyond-end" },
};

START_TEST(a_bad_range_is_refused_by_every_function)
{
	uint64_t offset = ranges[_i].offset, size = ranges[_i].size;
	struct gmem_extent list = { offset, size, 0, GMEM_STATE_SHARED, 0 };
	struct gmem_query *query = NULL;
	void *address = NULL;
	bool equal = true;

	must_cause(gmem_convert(file.gmem, offset, size, GMEM_STATE_PRIVATE, NULL, report), -EINVAL,
		   ranges[_i].cause);
	must_cause(gmem_allocate(file.gmem, offset, size, NULL, report), -EINVAL, ranges[_i].cause);
	must_cause(gmem_discard(file.gmem, offset, size, report), -EINVAL, ranges[_i].cause);
	must_cause(gmem_map(file.gmem, offset, size, NULL, &address, report), -EINVAL,
		   ranges[_i].cause);
	must_cause(gmem_query_new(file.gmem, offset, size, NULL, &query, report), -EINVAL,
		   ranges[_i].cause);
	must_cause(gmem_compare(file.gmem, &list, 1, &equal, NULL, report), -EINVAL,
		   ranges[_i].cause);
	ck_assert_ptr_null(query);
	ck_assert_ptr_null(address);
	ck_assert(equal);
}
END_TEST

START_TEST(null_is_refused_wherever_it_means_nothing)
{
	struct gmem_extent extent;
	struct gmem *gmem = NULL;
	bool equal;

	must(gmem_convert(NULL, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), -EINVAL);
	must(gmem_allocate(NULL, 0, PAGE, NULL, report), -EINVAL);
	must(gmem_discard(NULL, 0, PAGE, report), -EINVAL);
	must(gmem_map(NULL, 0, PAGE, NULL, (void **)&gmem, report), -EINVAL);
	must(gmem_map(file.gmem, 0, PAGE, NULL, NULL, report), -EINVAL);
	must(gmem_create(file.vm, PAGE, NULL, NULL, report), -EINVAL);
	must(gmem_adopt(file.vm, NULL, NULL, report), -EINVAL);
	must(gmem_probe_new(file.vm, NULL, NULL, report), -EINVAL);
	must(gmem_query_new(file.gmem, 0, PAGE, NULL, NULL, report), -EINVAL);
	must(gmem_query_next(NULL, &extent, report), -EINVAL);
	must(gmem_get_state(file.gmem, 0, NULL, report), -EINVAL);
	must(gmem_compare(file.gmem, NULL, 1, &equal, NULL, report), -EINVAL);
	must(gmem_error_new(NULL), -EINVAL);
	/* And without a report. */
	must(gmem_convert(file.gmem, 1, PAGE, GMEM_STATE_PRIVATE, NULL, NULL), -EINVAL);
	must(gmem_get_state(NULL, 0, NULL, NULL), -EINVAL);
	ck_assert_ptr_null(gmem);
}
END_TEST

START_TEST(states_and_options_without_meaning_are_refused)
{
	static const struct gmem_convert_options bad[] = {
		{ .size = sizeof(bad[0]), .policy = (enum gmem_policy)3 },
		{ .size = sizeof(bad[0]), .step_size = 100 },
		{ .size = sizeof(bad[0]), .emulate = 7 },
		{ .size = sizeof(bad[0]), .reserved = 1 },
		{ .size = sizeof(bad[0]), .backoff_ns = 2, .backoff_max_ns = 1 },
		{ .size = 0 },
		{ .size = 7 },
	};
	struct {
		struct gmem_convert_options known;
		uint64_t unknown;
	} newer = { .known.size = sizeof(newer), .unknown = 1 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		must_cause(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, &bad[i], report),
			   -EINVAL, "option");
	must_cause(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, &newer.known, report),
		   -E2BIG, "newer-options");
	newer.known.size = UINT64_MAX;
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, &newer.known, report), -E2BIG);
	must_cause(gmem_convert(file.gmem, 0, PAGE, (enum gmem_state)0, NULL, report), -EINVAL,
		   "state");
	must_cause(gmem_convert(file.gmem, 0, PAGE, (enum gmem_state)3, NULL, report), -EINVAL,
		   "state");
}
END_TEST

/* What is no guest_memfd; each is opened, offered and closed. */
static int open_other(int which)
{
	int two[2];

	switch (which) {
	case 0:
		return memfd_create("not a guest_memfd", MFD_CLOEXEC);
	case 1:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 2:
		return open("/", O_RDONLY | O_CLOEXEC);
	case 3:
		return eventfd(0, EFD_CLOEXEC);
	case 4:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 5:
		return open("/dev/kvm", O_RDWR | O_CLOEXEC);
	case 6:
		return dup(file.vm);
	default:
		ck_assert_int_eq(pipe2(two, O_CLOEXEC), 0);
		close(two[0]);
		return two[1];
	}
}
#define OTHERS 8

START_TEST(another_file_is_no_guest_memfd)
{
	struct gmem *gmem = NULL;
	int fd = open_other(_i);

	ck_assert_int_ge(fd, 0);
	must_cause(gmem_adopt(fd, NULL, &gmem, report), -ENOTTY, "not-guest-memfd");
	ck_assert_ptr_null(gmem);
	/* It is still the caller's. */
	ck_assert_int_eq(close(fd), 0);
	must_cause(gmem_adopt(fd, NULL, &gmem, report), -EBADF, "not-open");
	must_cause(gmem_adopt(-1, NULL, &gmem, report), -EBADF, "not-open");
}
END_TEST

START_TEST(another_file_is_no_vm)
{
	struct gmem *gmem = NULL;
	struct gmem_probe *probe = NULL;
	int fd = _i == 6 ? dup(gmem_get_fd(file.gmem)) : open_other(_i);

	ck_assert_int_ge(fd, 0);
	must_cause(gmem_create(fd, PAGE, NULL, &gmem, report), -ENOTTY, "not-a-vm");
	must_cause(gmem_probe_new(fd, NULL, &probe, report), -ENOTTY, "not-a-vm");
	ck_assert_int_eq(close(fd), 0);
	must_cause(gmem_create(fd, PAGE, NULL, &gmem, report), -EBADF, "not-open");
	must_cause(gmem_probe_new(fd, NULL, &probe, report), -EBADF, "not-open");
	ck_assert_ptr_null(gmem);
	ck_assert_ptr_null(probe);
}
END_TEST

START_TEST(sizes_that_no_file_can_have)
{
	struct gmem *gmem = NULL;

	must_cause(gmem_create(file.vm, 0, NULL, &gmem, report), -EINVAL, "empty");
	must_cause(gmem_create(file.vm, PAGE + 1, NULL, &gmem, report), -EINVAL, "unaligned");
	must_cause(gmem_create(file.vm, 1ULL << 63, NULL, &gmem, report), -EINVAL, "too-big");
	must_cause(gmem_create(file.vm, UINT64_MAX - PAGE + 1, NULL, &gmem, report), -EINVAL,
		   "too-big");
	ck_assert_ptr_null(gmem);
}
END_TEST

START_TEST(the_biggest_file_can_be_converted_as_a_whole)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = GMEM_INIT_SHARED };
	uint64_t size = INT64_MAX - PAGE + 1;
	struct gmem *huge;

	must(gmem_create(file.vm, size, &options, &huge, report), 0);
	must(gmem_convert(huge, 0, size, GMEM_STATE_PRIVATE, NULL, report), 0);
	must(gmem_convert(huge, size - PAGE, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	must(gmem_convert(huge, size - PAGE, 2 * PAGE, GMEM_STATE_SHARED, NULL, report), -EINVAL);
	gmem_release(huge);
}
END_TEST

/* A program that closes the library's descriptor, or puts another file in its place. */
static const struct {
	/* -1 closes */
	int other;
	int convert, allocate, discard, map, query;
} replaced[] = {
	{ -1, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF },
	/* eventfd: no such ioctl, no fallocate(), no mmap() */
	{ 3, -EOPNOTSUPP, -EBADE, -EBADE, -ENODEV, -EOPNOTSUPP },
	/* pipe: ESPIPE from fallocate(), and this end cannot be read */
	{ 7, -EOPNOTSUPP, -EBADE, -EBADE, -EACCES, -EOPNOTSUPP },
};

START_TEST(a_descriptor_closed_behind_the_librarys_back)
{
	int fd = gmem_get_fd(file.gmem), saved = dup(fd), other = -1;
	void *address = NULL;
	enum gmem_state state;

	if (replaced[_i].other < 0) {
		close(fd);
	} else {
		other = open_other(replaced[_i].other);
		ck_assert_int_eq(dup2(other, fd), fd);
		close(other);
	}
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report),
	     replaced[_i].convert);
	must(gmem_allocate(file.gmem, 2 * PAGE, PAGE, NULL, report), replaced[_i].allocate);
	must(gmem_discard(file.gmem, 0, PAGE, report), replaced[_i].discard);
	must(gmem_map(file.gmem, 0, PAGE, NULL, &address, report), replaced[_i].map);
	must(gmem_get_state(file.gmem, 0, &state, report), replaced[_i].query);
	ck_assert_ptr_null(address);
	ck_assert_int_eq(dup2(saved, fd), fd);
	close(saved);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library-requests");
	TCase *tests = library_case(suite, "bad requests");

	need_in_place();
	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_bad_range_is_refused_by_every_function, 0,
			    sizeof(ranges) / sizeof(ranges[0]));
	tcase_add_test(tests, null_is_refused_wherever_it_means_nothing);
	tcase_add_test(tests, states_and_options_without_meaning_are_refused);
	tcase_add_loop_test(tests, another_file_is_no_guest_memfd, 0, OTHERS);
	tcase_add_loop_test(tests, another_file_is_no_vm, 0, OTHERS);
	tcase_add_test(tests, sizes_that_no_file_can_have);
	tcase_add_test(tests, the_biggest_file_can_be_converted_as_a_whole);
	tcase_add_loop_test(tests, a_descriptor_closed_behind_the_librarys_back, 0, 3);
	return run_suite(suite);
}
