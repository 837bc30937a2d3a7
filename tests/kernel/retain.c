/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The memory of a guest_memfd has nothing behind it: what is dropped is lost. So nothing may drop
 * it but punching a hole: no advice, no request to free caches, no attempt to move, merge or
 * reclaim pages. Each is tried on pages of either state; afterwards states and bytes are what they
 * were.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guestvm.h"

/* Room for a huge page, wherever the mapping begins. */
#define SIZE  (4 * MIB)
#define PAGES (SIZE / PAGE)

/* Newer than the headers we may be built with */
#define ADVICE_COLD	20
#define ADVICE_PAGEOUT	21
#define ADVICE_COLLAPSE 25
#define ADVICE_HUGEPAGE 14
#define MOVE_ALL_PAGES	(1 << 2) /* MPOL_MF_MOVE_ALL */
#define MOVE_PAGES	(1 << 1) /* MPOL_MF_MOVE */
#define BIND_PREFERRED	1	 /* MPOL_PREFERRED */

static int vm, gmem;
static uint8_t *mapped;

static void open_mixed(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	for (uint64_t page = 0; page < PAGES; page++)
		fill_page(mapped + page * PAGE, page, 3);
	must_give(convert(gmem, SIZE / 4, SIZE / 2, PRIVATE), 0);
}

static void close_all(void)
{
	munmap(mapped, SIZE);
	close(gmem);
	close(vm);
}

static void nothing_is_lost(const char *what)
{
	/* Some of each state, and not the same ones of every huge page. */
	uint64_t step = in_a_hurry() ? 7 : 1;
	uint8_t byte;

	for (uint64_t page = 0; page < PAGES; page += step) {
		bool private = page >= PAGES / 4 && page < 3 * PAGES / 4;

		ck_assert_msg(try_read(mapped + page * PAGE, &byte) == !private,
			      "%s changed the state of page %llu", what, (unsigned long long)page);
	}
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	for (uint64_t page = 0; page < PAGES; page += step)
		ck_assert_msg(page_is_filled(mapped + page * PAGE, page, 3),
			      "%s changed the bytes of page %llu", what, (unsigned long long)page);
	must_give(convert(gmem, SIZE / 4, SIZE / 2, PRIVATE), 0);
}

/* ---- advice ---- */

static const struct {
	const char *name;
	int advice;
} advices[] = {
	{ "MADV_DONTNEED", MADV_DONTNEED },   { "MADV_FREE", MADV_FREE },
	{ "MADV_WILLNEED", MADV_WILLNEED },   { "MADV_SEQUENTIAL", MADV_SEQUENTIAL },
	{ "MADV_RANDOM", MADV_RANDOM },	      { "MADV_COLD", ADVICE_COLD },
	{ "MADV_PAGEOUT", ADVICE_PAGEOUT },   { "MADV_MERGEABLE", MADV_MERGEABLE },
	{ "MADV_HUGEPAGE", ADVICE_HUGEPAGE }, { "MADV_COLLAPSE", ADVICE_COLLAPSE },
	{ "MADV_DONTFORK", MADV_DONTFORK },   { "MADV_WIPEONFORK", MADV_WIPEONFORK },
	{ "MADV_SOFT_OFFLINE", 101 },
};
#define NR_ADVICES ((int)(sizeof(advices) / sizeof(advices[0])))

START_TEST(advice_drops_nothing)
{
	int ret = madvise(mapped, SIZE, advices[_i].advice) ? errno : 0;

	nothing_is_lost(advices[_i].name);
	ret = madvise(mapped + SIZE / 4, SIZE / 2, advices[_i].advice) ? errno : 0;
	printf("# %s: %s\n", advices[_i].name, ret ? error_name(ret) : "success");
	fflush(stdout);
	nothing_is_lost(advices[_i].name);
}
END_TEST

START_TEST(advice_about_the_file_drops_nothing)
{
	static const int all[] = { POSIX_FADV_NORMAL,	POSIX_FADV_RANDOM,   POSIX_FADV_SEQUENTIAL,
				   POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		posix_fadvise(gmem, 0, 0, all[i]);
		posix_fadvise(gmem, SIZE / 4, SIZE / 2, all[i]);
		nothing_is_lost("posix_fadvise");
	}
}
END_TEST

/* ---- everybody's memory ---- */

static void tell_kernel(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_msg(write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path,
		      strerror(errno));
	close(fd);
}

START_TEST(freeing_caches_drops_nothing)
{
	for (int i = 0; i < 3; i++) {
		sync();
		tell_kernel("/proc/sys/vm/drop_caches", "3");
		nothing_is_lost("drop_caches");
	}
}
END_TEST

START_TEST(compaction_drops_nothing)
{
	if (access("/proc/sys/vm/compact_memory", W_OK)) {
		skip_case("compaction_drops_nothing", "this kernel does not compact memory");
		return;
	}
	tell_kernel("/proc/sys/vm/compact_memory", "1");
	nothing_is_lost("compaction");
}
END_TEST

START_TEST(writing_back_drops_nothing)
{
	/* There is nothing to write back to, and the file says so. */
	ck_assert(msync(mapped, SIZE / 4, MS_SYNC) == -1 && errno == EINVAL);
	ck_assert(!msync(mapped, SIZE, MS_ASYNC));
	msync(mapped, SIZE, MS_SYNC | MS_INVALIDATE);
	fsync(gmem);
	fdatasync(gmem);
	sync_file_range(gmem, 0, SIZE, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	nothing_is_lost("writing back");
}
END_TEST

START_TEST(moving_pages_drops_nothing)
{
	unsigned long nodes = 1;
	void *pages[PAGES];
	int to[PAGES] = { 0 }, status[PAGES], ret;

	for (uint64_t page = 0; page < PAGES; page++)
		pages[page] = mapped + page * PAGE;
	/* Without a target it tells where pages are: of private ones nothing. */
	ret = syscall(SYS_move_pages, 0, PAGES, pages, NULL, status, 0) ? errno : 0;
	if (ret == ENOSYS) {
		skip_case("moving_pages_drops_nothing",
			  "this kernel does not move pages on request");
		return;
	}
	ck_assert_msg(!ret, "move_pages: %s", error_name(ret));
	for (uint64_t page = 0; page < PAGES; page++) {
		bool private = page >= PAGES / 4 && page < 3 * PAGES / 4;

		ck_assert_msg((status[page] >= 0) == !private, "page %llu: %d",
			      (unsigned long long)page, status[page]);
	}
	syscall(SYS_move_pages, 0, PAGES, pages, to, status, MOVE_PAGES);
	nothing_is_lost("move_pages");
	syscall(SYS_mbind, mapped, SIZE, BIND_PREFERRED, &nodes, 8, MOVE_PAGES);
	syscall(SYS_mbind, mapped, SIZE, BIND_PREFERRED, &nodes, 8, MOVE_ALL_PAGES);
	nothing_is_lost("mbind");
	syscall(SYS_migrate_pages, 0, 8, &nodes, &nodes);
	nothing_is_lost("migrate_pages");
}
END_TEST

START_TEST(unmapping_and_truncating_drop_nothing)
{
	munmap(mapped, SIZE);
	mapped = map_gmem(gmem, 0, SIZE);
	nothing_is_lost("munmap");
	ck_assert(ftruncate(gmem, 0) == -1 && errno == EINVAL);
	ck_assert(ftruncate(gmem, 2 * SIZE) == -1 && errno == EINVAL);
	nothing_is_lost("ftruncate");
	ck_assert(fallocate(gmem, 0, 0, SIZE) == -1 && errno == EOPNOTSUPP);
	ck_assert(fallocate(gmem, FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, SIZE) == -1);
	ck_assert(fallocate(gmem, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE) == -1);
	nothing_is_lost("fallocate");
}
END_TEST

/* The control: this does drop them, and so does advice that means the same. */
START_TEST(punching_a_hole_drops_the_bytes)
{
	if (_i)
		ck_assert(!madvise(mapped, SIZE, MADV_REMOVE));
	else
		must_give(punch(gmem, 0, SIZE), 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert(page_is_zero(mapped + page * PAGE));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("retain");
	TCase *advice = new_case(suite, "advice");
	TCase *system = new_case(suite, "system");
	TCase *file = new_case(suite, "file");

	need_in_place();
	tcase_add_checked_fixture(advice, open_mixed, close_all);
	tcase_add_loop_test(advice, advice_drops_nothing, 0, NR_ADVICES);
	tcase_add_test(advice, advice_about_the_file_drops_nothing);
	tcase_add_checked_fixture(system, open_mixed, close_all);
	tcase_add_test(system, freeing_caches_drops_nothing);
	tcase_add_test(system, compaction_drops_nothing);
	tcase_add_test(system, writing_back_drops_nothing);
	tcase_add_test(system, moving_pages_drops_nothing);
	tcase_add_checked_fixture(file, open_mixed, close_all);
	tcase_add_test(file, unmapping_and_truncating_drop_nothing);
	tcase_add_loop_test(file, punching_a_hole_drops_the_bytes, 0, 2);
	return run_suite(suite);
}
