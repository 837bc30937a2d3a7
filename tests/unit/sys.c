/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/sys.h"
#include "unit.h"

/* The real table: these tests need a Linux, but nothing of KVM. */
static const struct gmem_sys *sys;
static int fd;

static void begin(void)
{
	sys = gmem_sys;
	fd = memfd_create("gmem-test", 0);
	ck_assert_int_ge(fd, 0);
}

static void end(void)
{
	close(fd);
}

START_TEST(allocates_and_tells_the_size)
{
	struct stat stat;

	ck_assert_int_eq(sys->fallocate(fd, 0, 0, 3 * sys->page_size()), 0);
	ck_assert_int_eq(sys->fstat(fd, &stat), 0);
	ck_assert_int_eq(stat.st_size, (int64_t)(3 * sys->page_size()));
	ck_assert_int_eq(
		sys->fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, sys->page_size()),
		0);
	ck_assert_int_eq(sys->fstat(fd, &stat), 0);
	ck_assert_int_eq(stat.st_blocks, (int64_t)(2 * sys->page_size() / 512));
}
END_TEST

START_TEST(maps_at_the_offset_and_unmaps)
{
	size_t page = (size_t)sys->page_size();
	void *address;
	char byte;

	ck_assert_int_eq(ftruncate(fd, (off_t)(2 * page)), 0);
	ck_assert_int_eq(sys->mmap(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, page, &address),
			 0);
	*(char *)address = 'x';
	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)page), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert_int_eq(sys->munmap(address, page), 0);
	ck_assert_int_eq(madvise(address, page, MADV_NORMAL), -1);
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(closes_on_exec)
{
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	ck_assert_int_eq(sys->set_close_on_exec(fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}
END_TEST

START_TEST(tells_the_file_system)
{
	struct statfs statfs;

	ck_assert_int_eq(sys->fstatfs(fd, &statfs), 0);
	/* memfd_create() is tmpfs. */
	ck_assert_int_eq(statfs.f_type, 0x01021994);
}
END_TEST

START_TEST(closes)
{
	int other = dup(fd);

	ck_assert_int_eq(sys->close(other), 0);
	ck_assert_int_eq(sys->close(other), -EBADF);
}
END_TEST

START_TEST(returns_what_an_ioctl_returns)
{
	int ends[2], bytes = 0;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "abc", 3), 3);
	ck_assert_int_eq(sys->ioctl(ends[0], 0x541b /* FIONREAD */, (uintptr_t)&bytes), 0);
	ck_assert_int_eq(bytes, 3);
	ck_assert_int_eq(sys->ioctl(ends[0], GMEM_UAPI_CHECK_EXTENSION, 1), -ENOTTY);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(returns_negative_errno)
{
	struct statfs statfs;
	struct stat stat;
	void *address = NULL;

	ck_assert_int_eq(sys->ioctl(-1, 0, 0), -EBADF);
	ck_assert_int_eq(sys->mmap(1, PROT_NONE, MAP_SHARED, -1, 0, &address), -EBADF);
	ck_assert_ptr_null(address);
	ck_assert_int_eq(sys->munmap((void *)1, 1), -EINVAL);
	ck_assert_int_eq(sys->fallocate(-1, 0, 0, 1), -EBADF);
	ck_assert_int_eq(sys->fstat(-1, &stat), -EBADF);
	ck_assert_int_eq(sys->fstatfs(-1, &statfs), -EBADF);
	ck_assert_int_eq(sys->set_close_on_exec(-1), -EBADF);
}
END_TEST

START_TEST(sleeps_and_reads_the_clock)
{
	uint64_t before = sys->now();

	ck_assert_int_eq(sys->sleep(1000001), 0);
	ck_assert_uint_ge(sys->now() - before, 1000001);
}
END_TEST

START_TEST(knows_the_page_size)
{
	ck_assert_uint_eq(sys->page_size(), (uint64_t)getpagesize());
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("sys");
	TCase *tests = tcase_create("system calls");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, allocates_and_tells_the_size);
	tcase_add_test(tests, maps_at_the_offset_and_unmaps);
	tcase_add_test(tests, closes_on_exec);
	tcase_add_test(tests, tells_the_file_system);
	tcase_add_test(tests, closes);
	tcase_add_test(tests, returns_what_an_ioctl_returns);
	tcase_add_test(tests, returns_negative_errno);
	tcase_add_test(tests, sleeps_and_reads_the_clock);
	tcase_add_test(tests, knows_the_page_size);
	suite_add_tcase(suite, tests);
	return suite;
}
