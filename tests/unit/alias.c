/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What is mapped where, asked of the Linux that the test runs on: memory files stand for
 * guest_memfd.
 */
#include "lib/alias.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "lib/error.h"
#include "lib/sys.h"
#include "unit.h"

#define PAGES 16

static uint64_t page;
static struct gmem file, other;
static char *mapped;
/* The real table, but for a kernel before 6.11, which must be read. */
static struct gmem_sys old_kernel;

static int no_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd;
	(void)request;
	(void)argument;
	return -ENOTTY;
}

static struct gmem new_file(void)
{
	struct gmem gmem = { .size = PAGES * page, .page_size = page };

	gmem.fd = memfd_create("gmem-test", MFD_CLOEXEC);
	ck_assert_int_ge(gmem.fd, 0);
	ck_assert_int_eq(ftruncate(gmem.fd, (off_t)gmem.size), 0);
	return gmem;
}

/* Pages 4 to 15 of the file. */
static void begin(void)
{
	page = gmem_sys->page_size();
	file = new_file();
	other = new_file();
	mapped = mmap(NULL, 12 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd,
		      (off_t)(4 * page));
	ck_assert_ptr_ne(mapped, MAP_FAILED);
	old_kernel = *gmem_sys;
	old_kernel.ioctl = no_ioctl;
}

static void end(void)
{
	munmap(mapped, 12 * page);
	close(file.fd);
	close(other.fd);
}

static int verify(const struct gmem *gmem, uint64_t offset_page, const void *address,
		  uint64_t pages)
{
	struct gmem_error error = { 0 };

	return gmem_alias_verify(gmem, offset_page * page, address, pages * page, &error)
		       ? 0
		       : error.code;
}

static void check_all(void)
{
	void *private = mmap(NULL, page, PROT_READ, MAP_PRIVATE, file.fd, 0);
	void *anonymous =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_int_eq(verify(&file, 4, mapped, 12), 0);
	ck_assert_int_eq(verify(&file, 4, mapped, 1), 0);
	ck_assert_int_eq(verify(&file, 7, mapped + 3 * page, 9), 0);
	/* Another offset, another file, more than there is, and what is no mapping of the file. */
	ck_assert_int_eq(verify(&file, 5, mapped, 1), -EFAULT);
	ck_assert_int_eq(verify(&file, 0, mapped, 1), -EFAULT);
	ck_assert_int_eq(verify(&other, 4, mapped, 1), -EFAULT);
	ck_assert_int_eq(verify(&file, 4, mapped, 13), -EFAULT);
	ck_assert_int_eq(verify(&file, 0, private, 1), -EFAULT);
	ck_assert_int_eq(verify(&file, 0, anonymous, 1), -EFAULT);
	ck_assert_int_eq(verify(&file, 4, mapped + 1, 1), -EFAULT);
	munmap(private, page);
	ck_assert_int_eq(verify(&file, 0, private, 1), -EFAULT);
	munmap(anonymous, page);
	/* A change of protection makes several mappings of one. */
	ck_assert_int_eq(mprotect(mapped + 5 * page, 2 * page, PROT_READ), 0);
	ck_assert_int_eq(verify(&file, 4, mapped, 12), 0);
	/* And a hole in the middle is one. */
	ck_assert_int_eq(munmap(mapped + 8 * page, page), 0);
	ck_assert_int_eq(verify(&file, 4, mapped, 12), -EFAULT);
	ck_assert_int_eq(verify(&file, 4, mapped, 8), 0);
	ck_assert_int_eq(verify(&file, 13, mapped + 9 * page, 3), 0);
}

START_TEST(asks_the_kernel_or_reads)
{
	check_all();
}
END_TEST

START_TEST(reads_all_of_it_where_the_kernel_cannot_be_asked)
{
	gmem_sys = &old_kernel;
	check_all();
}
END_TEST

START_TEST(leaves_nothing_open)
{
	int before = dup(0), after;

	close(before);
	ck_assert_int_eq(verify(&file, 4, mapped, 12), 0);
	ck_assert_int_eq(verify(&file, 0, mapped, 12), -EFAULT);
	gmem_sys = &old_kernel;
	ck_assert_int_eq(verify(&file, 4, mapped, 12), 0);
	after = dup(0);
	close(after);
	ck_assert_int_eq(before, after);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("alias");
	TCase *tests = tcase_create("mappings");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, asks_the_kernel_or_reads);
	tcase_add_test(tests, reads_all_of_it_where_the_kernel_cannot_be_asked);
	tcase_add_test(tests, leaves_nothing_open);
	suite_add_tcase(suite, tests);
	return suite;
}
