/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
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

START_TEST(opens_for_reading_and_advises)
{
	size_t page = (size_t)sys->page_size();
	char *address, byte = 1;
	int zero = sys->open("/dev/zero", O_RDONLY | O_CLOEXEC);
	void *mapped;

	ck_assert_int_ge(zero, 0);
	ck_assert_int_eq(fcntl(zero, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(sys->read(zero, &byte, 1), 1);
	ck_assert_int_eq(byte, 0);
	ck_assert_int_eq(sys->close(zero), 0);
	ck_assert_int_eq(sys->open("/nowhere", O_RDONLY), -ENOENT);
	ck_assert_int_eq(ftruncate(fd, (off_t)page), 0);
	ck_assert_int_eq(sys->mmap(page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &mapped), 0);
	address = mapped;
	address[0] = 'x';
	ck_assert_int_eq(sys->madvise(address, page, MADV_REMOVE), 0);
	ck_assert_int_eq(address[0], 0);
	ck_assert_int_eq(sys->munmap(address, page), 0);
	ck_assert_int_eq(sys->madvise(address, page, MADV_REMOVE), -ENOMEM);
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

START_TEST(reads_at_an_offset_and_from_streams)
{
	char bytes[10] = "";
	int ends[2];

	ck_assert_int_eq(pwrite(fd, "abcdef", 6, 0), 6);
	ck_assert_int_eq(sys->pread(fd, bytes, 3, 2), 3);
	ck_assert_str_eq(bytes, "cde");
	ck_assert_int_eq(sys->pread(fd, bytes, 3, 6), 0);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "xyz", 3), 3);
	ck_assert_int_eq(sys->wait_input(ends[0]), 0);
	ck_assert_int_eq(sys->read(ends[0], bytes, sizeof(bytes)), 3);
	close(ends[1]);
	ck_assert_int_eq(sys->wait_input(ends[0]), 0);
	ck_assert_int_eq(sys->read(ends[0], bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(sys->lseek(ends[0], 0, SEEK_CUR), -ESPIPE);
	close(ends[0]);
}
END_TEST

START_TEST(finds_holes)
{
	uint64_t page = sys->page_size();

	ck_assert_int_eq(ftruncate(fd, (off_t)(4 * page)), 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, (off_t)(2 * page)), 1);
	ck_assert_int_eq(sys->lseek(fd, 0, SEEK_DATA), (int64_t)(2 * page));
	ck_assert_int_eq(sys->lseek(fd, 2 * page, SEEK_HOLE), (int64_t)(3 * page));
	ck_assert_int_eq(sys->lseek(fd, 3 * page, SEEK_DATA), -ENXIO);
	ck_assert_int_eq(sys->lseek(fd, 0, SEEK_END), (int64_t)(4 * page));
}
END_TEST

START_TEST(knows_what_is_cached)
{
	uint64_t page = sys->page_size(), bytes = 77;
	int r;

	ck_assert_int_eq(ftruncate(fd, (off_t)(4 * page)), 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	r = sys->count_cached(fd, 0, 4 * page, &bytes);
	/* Linux 6.5 and later. */
	ck_assert_int_eq(r, r == -ENOSYS ? -ENOSYS : 0);
	ck_assert_uint_eq(bytes, r ? 77 : page);
}
END_TEST

START_TEST(populates_pages)
{
	size_t page = (size_t)sys->page_size();
	struct stat stat;
	void *address;

	ck_assert_int_eq(ftruncate(fd, (off_t)(4 * page)), 0);
	ck_assert_int_eq(sys->mmap(4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, &address),
			 0);
	ck_assert_int_eq(sys->populate((char *)address + page, 2 * page), 0);
	ck_assert_int_eq(fstat(fd, &stat), 0);
	ck_assert_int_eq(stat.st_blocks, (int64_t)(2 * page / 512));
	ck_assert_int_eq(sys->munmap(address, 4 * page), 0);
	ck_assert_int_eq(sys->populate(address, page), -ENOMEM);
}
END_TEST

static void *note_signals(void *data)
{
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, data), 0);
	return NULL;
}

START_TEST(starts_threads_that_take_no_signals)
{
	sigset_t before, after, in_thread;
	pthread_t thread;

	sigemptyset(&in_thread);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
	ck_assert_int_eq(sys->start_thread(note_signals, &in_thread, &thread), 0);
	sys->join_thread(thread);
	ck_assert_int_eq(sigismember(&in_thread, SIGTERM), 1);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
	ck_assert_int_eq(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}
END_TEST

START_TEST(makes_events)
{
	int event = sys->make_event();
	struct pollfd poll_fd = { .fd = event, .events = POLLIN };

	ck_assert_int_ge(event, 0);
	ck_assert_int_eq(fcntl(event, F_GETFD), FD_CLOEXEC);
	sys->clear_event(event);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	sys->signal_event(event);
	sys->signal_event(event);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
	sys->clear_event(event);
	ck_assert_int_eq(poll(&poll_fd, 1, 0), 0);
	close(event);
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
	ck_assert_int_eq(sys->pread(-1, &stat, 1, 0), -EBADF);
	ck_assert_int_eq(sys->read(-1, &stat, 1), -EBADF);
	ck_assert_int_eq(sys->lseek(-1, 0, SEEK_SET), -EBADF);
	ck_assert_int_eq(sys->open_direct(-1), -ENOENT);
	ck_assert_int_lt(sys->count_cached(-1, 0, 1, &(uint64_t){ 0 }), 0);
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
	tcase_add_test(tests, opens_for_reading_and_advises);
	tcase_add_test(tests, closes_on_exec);
	tcase_add_test(tests, tells_the_file_system);
	tcase_add_test(tests, closes);
	tcase_add_test(tests, returns_what_an_ioctl_returns);
	tcase_add_test(tests, reads_at_an_offset_and_from_streams);
	tcase_add_test(tests, finds_holes);
	tcase_add_test(tests, knows_what_is_cached);
	tcase_add_test(tests, populates_pages);
	tcase_add_test(tests, starts_threads_that_take_no_signals);
	tcase_add_test(tests, makes_events);
	tcase_add_test(tests, returns_negative_errno);
	tcase_add_test(tests, sleeps_and_reads_the_clock);
	tcase_add_test(tests, knows_the_page_size);
	suite_add_tcase(suite, tests);
	return suite;
}
