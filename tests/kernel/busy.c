/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A page that somebody on the host holds cannot become private: EAGAIN, with the offset of the
 * first such page, and no state changed. Pages nobody holds must never be taken for held ones.
 */
#include "kernel.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* More than two of the kernel's folio batches (31 folios each), so that their seams are covered. */
enum {
	PAGES = 70
};
#define SIZE (PAGES * PAGE)

static int vm, gmem;
static uint8_t *mapped;

static void open_shared(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	for (uint64_t page = 0; page < PAGES; page++)
		fill_page(mapped + page * PAGE, page, 1);
}

static void close_all(void)
{
	munmap(mapped, SIZE);
	close(gmem);
	close(vm);
}

static int pin_pages(uint64_t first, uint64_t count)
{
	int ring = pin(mapped + first * PAGE, count * PAGE);

	ck_assert_msg(ring >= 0, "registered buffer: %s", strerror(-ring));
	return ring;
}

static void must_be_busy_at(uint64_t first, uint64_t count, uint64_t busy)
{
	uint64_t where = ~0ULL;

	must_give(convert_where(gmem, first * PAGE, count * PAGE, PRIVATE, &where), -EAGAIN);
	ck_assert_msg(where == busy * PAGE, "error_offset is 0x%llx, page %llu is busy",
		      (unsigned long long)where, (unsigned long long)busy);
}

/* All shared, with the bytes of round 1. */
static void nothing_changed(void)
{
	uint8_t byte;

	for (uint64_t page = 0; page < PAGES; page++) {
		ck_assert_msg(try_read(mapped + page * PAGE, &byte), "page %llu is private",
			      (unsigned long long)page);
		ck_assert(page_is_filled(mapped + page * PAGE, page, 1));
	}
}

START_TEST(a_pinned_page_is_busy_wherever_it_is_in_the_range)
{
	for (uint64_t page = 0; page < PAGES; page++) {
		int ring = pin_pages(page, 1);

		must_be_busy_at(0, PAGES, page);
		must_be_busy_at(page, PAGES - page, page);
		must_be_busy_at(0, page + 1, page);
		must_be_busy_at(page, 1, page);
		nothing_changed();
		unpin(ring);
	}
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
}
END_TEST

START_TEST(of_several_pinned_pages_the_first_is_reported)
{
	static const uint64_t pages[] = { 3, 4, 30, 31, 62, 69 };
	enum {
		N = sizeof(pages) / sizeof(pages[0])
	};
	int rings[N];

	for (int i = 0; i < N; i++)
		rings[i] = pin_pages(pages[i], 1);
	for (int i = 0; i < N; i++) {
		must_be_busy_at(0, PAGES, pages[i]);
		nothing_changed();
		unpin(rings[i]);
	}
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
}
END_TEST

START_TEST(a_pinned_page_outside_the_range_does_not_matter)
{
	int before = pin_pages(9, 1), after = pin_pages(20, 1);
	uint8_t *held;

	must_give(convert(gmem, 10 * PAGE, 10 * PAGE, PRIVATE), 0);
	must_be_busy_at(9, 11, 9);
	must_be_busy_at(10, 11, 20);
	held = mapped + 10 * PAGE;
	must_sigbus(held);
	must_give(convert(gmem, 10 * PAGE, 10 * PAGE, SHARED), 0);
	nothing_changed();
	unpin(before);
	unpin(after);
}
END_TEST

START_TEST(a_failed_conversion_leaves_a_mixed_range_mixed)
{
	int ring;

	for (uint64_t page = 0; page < PAGES; page += 2)
		must_give(convert(gmem, page * PAGE, PAGE, PRIVATE), 0);
	ring = pin_pages(33, 1);
	must_be_busy_at(0, PAGES, 33);
	must_be_busy_at(32, 3, 33);
	for (uint64_t page = 0; page < PAGES; page++) {
		uint8_t byte;

		ck_assert_int_eq(try_read(mapped + page * PAGE, &byte), page % 2);
	}
	unpin(ring);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	nothing_changed();
}
END_TEST

START_TEST(a_failed_conversion_has_unmapped_the_range_and_only_that)
{
	int ring = pin_pages(12, 1);

	nothing_changed();
	must_be_busy_at(10, 5, 12);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(is_in_page_tables(mapped + page * PAGE), page < 10 || page > 14);
	nothing_changed();
	unpin(ring);
}
END_TEST

START_TEST(a_pinned_page_does_not_hinder_a_conversion_to_shared)
{
	int ring = pin_pages(5, 1);

	must_give(convert(gmem, 6 * PAGE, PAGE, PRIVATE), 0);
	must_give(convert(gmem, 5 * PAGE, PAGE, SHARED), 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	nothing_changed();
	unpin(ring);
}
END_TEST

START_TEST(a_page_pinned_by_another_process_is_busy)
{
	int ready[2], go[2], status;
	char byte = 0;
	pid_t child;

	ck_assert(!pipe2(ready, O_CLOEXEC) && !pipe2(go, O_CLOEXEC));
	child = fork();
	ck_assert(child >= 0);
	if (!child) {
		int ring = pin(mapped + 8 * PAGE, 2 * PAGE);

		close(go[1]);
		if (ring < 0 || write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
			_exit(1);
		unpin(ring);
		_exit(0);
	}
	close(ready[1]);
	ck_assert(read(ready[0], &byte, 1) == 1);
	must_be_busy_at(0, PAGES, 8);
	must_be_busy_at(9, 4, 9);
	close(go[1]);
	ck_assert(waitpid(child, &status, 0) == child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
	close(ready[0]);
	close(go[0]);
}
END_TEST

START_TEST(a_private_page_cannot_be_pinned)
{
	must_give(convert(gmem, 5 * PAGE, PAGE, PRIVATE), 0);
	must_give(pin(mapped + 5 * PAGE, PAGE), -EFAULT);
	must_give(pin(mapped + 4 * PAGE, 3 * PAGE), -EFAULT);
	/* The pages a refused registration had taken already were given back. */
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	nothing_changed();
}
END_TEST

START_TEST(a_punched_page_is_busy_no_longer)
{
	int ring = pin_pages(5, 1);

	must_be_busy_at(0, PAGES, 5);
	must_give(punch(gmem, 5 * PAGE, PAGE), 0);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
	must_give(convert(gmem, 0, SIZE, SHARED), 0);
	ck_assert(page_is_zero(mapped + 5 * PAGE));
	unpin(ring);
}
END_TEST

START_TEST(a_page_in_a_pipe_is_busy_until_the_pipe_is_closed)
{
	int ends[2], err = splice_into_pipe(mapped + 40 * PAGE, PAGE, ends);

	if (err) {
		skip_case("a_page_in_a_pipe_is_busy_until_the_pipe_is_closed",
			  "vmsplice takes no references to guest_memfd memory: %s", strerror(-err));
		return;
	}
	must_be_busy_at(0, PAGES, 40);
	nothing_changed();
	close(ends[0]);
	close(ends[1]);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
}
END_TEST

START_TEST(a_report_that_cannot_be_written_is_efault_and_changes_nothing)
{
	struct gmem_uapi_attributes *request =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ring = pin_pages(5, 1);

	ck_assert(request != MAP_FAILED);
	request->size = SIZE;
	request->attributes = PRIVATE;
	ck_assert(!mprotect(request, PAGE, PROT_READ));
	must_give(convert_raw(gmem, request), -EFAULT);
	nothing_changed();
	unpin(ring);
	/* Nothing to report, so nothing to write. */
	must_give(convert_raw(gmem, request), 0);
	munmap(request, PAGE);
}
END_TEST

START_TEST(only_error_offset_is_written)
{
	struct gmem_uapi_attributes request = {
		.offset = 2 * PAGE,
		.size = 10 * PAGE,
		.attributes = PRIVATE,
		.error_offset = ~0ULL,
	};
	struct gmem_uapi_attributes expected = request;
	int ring = pin_pages(5, 1);

	expected.error_offset = 5 * PAGE;
	must_give(convert_raw(gmem, &request), -EAGAIN);
	ck_assert(!memcmp(&request, &expected, sizeof(request)));
	unpin(ring);
}
END_TEST

/* ---- never busy ---- */

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ck_assert_msg(!sched_setaffinity(0, sizeof(set), &set), "CPU %d: %s", cpu, strerror(errno));
}

/*
 * A new page sits in a batch of the CPU that allocated it, which holds a reference until the batch
 * is full. That must not be taken for a user.
 */
START_TEST(fresh_pages_are_not_busy)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < 50; i++) {
		uint64_t count = 1 + i;

		must_give(punch(gmem, 0, SIZE), 0);
		run_on(i % cpus);
		for (uint64_t page = 0; page < count; page++)
			must_write(mapped + page * PAGE, i + 1);
		run_on((i + i / cpus) % cpus);
		must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
		for (uint64_t page = 0; page < count; page++)
			must_hold(mapped + page * PAGE, i + 1);
	}
}
END_TEST

START_TEST(fresh_pages_are_not_busy_one_at_a_time)
{
	must_give(punch(gmem, 0, SIZE), 0);
	for (uint64_t page = 0; page < PAGES; page++) {
		must_write(mapped + page * PAGE, 1);
		must_give(convert(gmem, page * PAGE, PAGE, PRIVATE), 0);
	}
}
END_TEST

START_TEST(allocated_pages_are_not_busy)
{
	must_give(punch(gmem, 0, SIZE), 0);
	must_give(allocate(gmem, 0, SIZE), 0);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
}
END_TEST

START_TEST(pages_that_were_let_go_are_not_busy)
{
	for (int i = 0; i < 50; i++) {
		int ring = pin_pages(0, PAGES);

		must_be_busy_at(0, PAGES, 0);
		unpin(ring);
		must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
	}
	nothing_changed();
}
END_TEST

/* ---- busy for a moment ---- */

static volatile bool stop_touching;

/* Holds pages for a moment all the time: by faults, and by reading them as a debugger would. */
static void *keep_touching(void *data)
{
	uint8_t bytes[64];
	struct iovec local = { bytes, sizeof(bytes) }, remote = { mapped, sizeof(bytes) };

	(void)data;
	for (uint64_t page = 0; !stop_touching; page = (page + 1) % PAGES) {
		try_read(mapped + page * PAGE, bytes);
		remote.iov_base = mapped + page * PAGE;
		if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0)
			continue;
	}
	return NULL;
}

START_TEST(what_is_held_for_a_moment_is_converted_after_a_few_attempts)
{
	/* A page held for good would need for ever; this many attempts take minutes. */
	const int limit = 1000000;
	int most = 0, again = 0;
	pthread_t thread;

	ck_assert(!pthread_create(&thread, NULL, keep_touching, NULL));
	for (int i = 0; i < 300; i++) {
		int attempts = 1, ret;

		while ((ret = convert(gmem, 0, SIZE, PRIVATE)) == -EAGAIN && attempts < limit)
			attempts++;
		must_give(ret, 0);
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
		most = attempts > most ? attempts : most;
		again += attempts - 1;
	}
	stop_touching = true;
	pthread_join(thread, NULL);
	printf("# of 300 conversions the slowest took %d attempts, all together %d extra\n", most,
	       again);
	fflush(stdout);
	nothing_changed();
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *busy = new_case(suite, "busy");
	TCase *not_busy = new_case(suite, "not busy");
	TCase *moment = new_case(suite, "busy for a moment");

	tcase_add_checked_fixture(busy, open_shared, close_all);
	tcase_add_test(busy, a_pinned_page_is_busy_wherever_it_is_in_the_range);
	tcase_add_test(busy, of_several_pinned_pages_the_first_is_reported);
	tcase_add_test(busy, a_pinned_page_outside_the_range_does_not_matter);
	tcase_add_test(busy, a_failed_conversion_leaves_a_mixed_range_mixed);
	tcase_add_test(busy, a_failed_conversion_has_unmapped_the_range_and_only_that);
	tcase_add_test(busy, a_pinned_page_does_not_hinder_a_conversion_to_shared);
	tcase_add_test(busy, a_page_pinned_by_another_process_is_busy);
	tcase_add_test(busy, a_private_page_cannot_be_pinned);
	tcase_add_test(busy, a_punched_page_is_busy_no_longer);
	tcase_add_test(busy, a_page_in_a_pipe_is_busy_until_the_pipe_is_closed);
	tcase_add_test(busy, a_report_that_cannot_be_written_is_efault_and_changes_nothing);
	tcase_add_test(busy, only_error_offset_is_written);
	tcase_add_checked_fixture(not_busy, open_shared, close_all);
	tcase_add_test(not_busy, fresh_pages_are_not_busy);
	tcase_add_test(not_busy, fresh_pages_are_not_busy_one_at_a_time);
	tcase_add_test(not_busy, allocated_pages_are_not_busy);
	tcase_add_test(not_busy, pages_that_were_let_go_are_not_busy);
	tcase_add_checked_fixture(moment, open_shared, close_all);
	tcase_add_test(moment, what_is_held_for_a_moment_is_converted_after_a_few_attempts);
}

int main(void)
{
	Suite *suite = suite_create("busy");

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
