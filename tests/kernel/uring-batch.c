/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many conversions in one io_uring command: each has the result it would have by itself, in order;
 * what happens after a failure; memory that goes away; commands that are canceled before they start
 * and while they run; and all of it at once with ioctls and files that are closed.
 */
#include "command.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	PAGES = 256,
	/* What the kernel takes at a time: a page. */
	CHUNK = PAGE / sizeof(struct gmem_uapi_conversion),
	MANY = 1000,
};
#define SIZE (PAGES * PAGE)

static int vm, gmem;
static uint8_t *mapped;
static struct ring ring;
static struct gmem_uapi_conversion *conversions;

static void open_all(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	must_give(ring_open_with(16, 0, &ring), 0);
	conversions = mmap(NULL, MANY * sizeof(*conversions), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(conversions != MAP_FAILED);
}

static void close_all(void)
{
	munmap(conversions, MANY * sizeof(*conversions));
	ring_close(&ring);
	munmap(mapped, SIZE);
	close(gmem);
	close(vm);
}

static bool is_private(uint64_t page)
{
	uint8_t byte;

	return !try_read(mapped + page * PAGE, &byte);
}

static struct gmem_uapi_conversion conversion(uint64_t first, uint64_t count, uint64_t state)
{
	return (struct gmem_uapi_conversion){
		.offset = first * PAGE,
		.size = count * PAGE,
		.attributes = state,
		.error_offset = ~0ULL,
		.result = 1,
	};
}

static int run(uint32_t count, uint64_t flags)
{
	return command_run(&ring, command_convert(gmem, conversions, count, flags));
}

/* ---- results ---- */

START_TEST(random_conversions_are_carried_out_in_order)
{
	uint64_t random = test_seed();
	bool wanted[PAGES] = { false };

	for (int round = 0; round < 20; round++) {
		uint32_t count = 1 + (uint32_t)random_below(&random, MANY);

		for (uint32_t i = 0; i < count; i++) {
			uint64_t first = random_below(&random, PAGES);
			uint64_t pages = 1 + random_below(&random, PAGES - first);
			bool state = next_random(&random) & 1;

			/* Most are small, as is usual. */
			if (next_random(&random) & 3)
				pages = 1;
			conversions[i] = conversion(first, pages, state ? PRIVATE : SHARED);
			for (uint64_t page = first; page < first + pages; page++)
				wanted[page] = state;
		}
		must_give(run(count, round & 1 ? GMEM_UAPI_CONVERT_STOP : 0), 0);
		for (uint32_t i = 0; i < count; i++) {
			ck_assert_int_eq(conversions[i].result, 0);
			ck_assert_uint_eq(conversions[i].error_offset, 0);
		}
		for (uint64_t page = 0; page < PAGES; page++)
			ck_assert_int_eq(is_private(page), wanted[page]);
	}
}
END_TEST

START_TEST(policies_and_contents_are_those_of_each_conversion)
{
	for (uint64_t page = 0; page < 4; page++)
		fill_page(mapped + page * PAGE, page, 1);
	for (uint64_t page = 0; page < 4; page++) {
		conversions[page] = conversion(page, 1, PRIVATE);
		conversions[4 + page] = conversion(page, 1, SHARED);
		conversions[4 + page].flags =
			page % 2 ? GMEM_UAPI_CONTENT_ZERO : GMEM_UAPI_CONTENT_PRESERVE;
	}
	must_give(run(8, 0), 0);
	for (uint64_t page = 0; page < 4; page++) {
		if (page % 2)
			ck_assert(page_is_zero(mapped + page * PAGE));
		else
			ck_assert(page_is_filled(mapped + page * PAGE, page, 1));
	}
}
END_TEST

/* A busy page, wrong ranges, reserved fields: in the first chunk, at its edge, and later. */
START_TEST(failures_are_told_apart_and_harm_no_others)
{
	static const uint32_t at[] = { 0, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK };
	const uint32_t count = PAGES;
	int holder;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint32_t wrong = at[i];

		memset(mapped, 1, SIZE);
		holder = pin(mapped + wrong * PAGE, PAGE);
		ck_assert_int_ge(holder, 0);
		for (uint32_t page = 0; page < count; page++)
			conversions[page] = conversion(page, 1, PRIVATE);
		conversions[count] = conversion(0, 0, PRIVATE);
		conversions[count + 1] = conversion(PAGES, 1, PRIVATE);
		conversions[count + 2] = conversion(0, 1, SHARED);
		conversions[count + 2].reserved[1] = 1;
		conversions[count + 3] = conversion(1, 1, 1);
		must_give(run(count + 4, 0), -EAGAIN);
		for (uint32_t page = 0; page < count; page++) {
			int expected = page == wrong ? -EAGAIN : 0;

			ck_assert_int_eq(conversions[page].result, expected);
			ck_assert_uint_eq(conversions[page].error_offset,
					  page == wrong ? page * PAGE : 0);
			ck_assert_int_eq(is_private(page), page != wrong);
		}
		for (uint32_t j = count; j < count + 4; j++)
			ck_assert_int_eq(conversions[j].result, -EINVAL);
		unpin(holder);
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
	}
}
END_TEST

/* Conversions of ranges that do not overlap, with gaps, in order or not; returns how many. */
static uint32_t scatter(uint64_t *random)
{
	bool ordered = next_random(random) & 1;
	struct gmem_uapi_conversion swapped;
	uint32_t count = 0, other;

	for (uint64_t page = random_below(random, 3), pages; page < PAGES;
	     page += pages + random_below(random, 3)) {
		pages = next_random(random) & 3 ? 1 : 1 + random_below(random, 80);
		if (pages > PAGES - page)
			pages = PAGES - page;
		conversions[count++] = conversion(page, pages, PRIVATE);
	}
	for (uint32_t i = 0; i < count && !ordered; i++) {
		other = (uint32_t)random_below(random, count);
		swapped = conversions[i];
		conversions[i] = conversions[other];
		conversions[other] = swapped;
	}
	return count;
}

/* The first page from this one on that is held, or the end of the file. */
static uint64_t first_held(const uint64_t held[], int count, uint64_t page)
{
	uint64_t first = PAGES;

	for (int i = 0; i < count; i++) {
		if (held[i] >= page && held[i] < first)
			first = held[i];
	}
	return first;
}

/* Wherever the page cache has pages and holes, and however the array jumps from one to another. */
START_TEST(busy_pages_are_found_among_holes)
{
	enum {
		HELD = 6
	};
	uint64_t random = test_seed(), held[HELD], busy_ones = 0;
	const uint64_t rounds = in_a_hurry() ? 12 : 60;
	int holders[HELD];

	for (uint64_t round = 0; round < rounds; round++) {
		uint32_t count;

		must_give(convert(gmem, 0, SIZE, SHARED), 0);
		must_give(punch(gmem, 0, SIZE), 0);
		for (uint64_t page = 0; page < PAGES; page++) {
			if (next_random(&random) % 3 < round % 3 + 1)
				mapped[page * PAGE] = 1;
		}
		for (int i = 0; i < HELD; i++) {
			held[i] = random_below(&random, PAGES);
			holders[i] = pin(mapped + held[i] * PAGE, PAGE);
			ck_assert_int_ge(holders[i], 0);
		}
		count = scatter(&random);
		run(count, 0);
		for (uint32_t i = 0; i < count; i++) {
			uint64_t first = conversions[i].offset / PAGE;
			uint64_t end = first + conversions[i].size / PAGE;
			uint64_t page = first_held(held, HELD, first);
			bool busy_one = page < end;

			ck_assert_int_eq(conversions[i].result, busy_one ? -EAGAIN : 0);
			ck_assert_uint_eq(conversions[i].error_offset, busy_one ? page * PAGE : 0);
			ck_assert_int_eq(is_private(first), !busy_one);
			ck_assert_int_eq(is_private(end - 1), !busy_one);
			busy_ones += busy_one;
		}
		for (int i = 0; i < HELD; i++)
			unpin(holders[i]);
	}
	/* About four of six in each round: ranges cover most of the file. */
	ck_assert_uint_ge(busy_ones, rounds);
}
END_TEST

START_TEST(after_a_failure_the_rest_is_not_carried_out_if_asked_for)
{
	static const uint32_t at[] = { 0, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		for (uint32_t page = 0; page < PAGES; page++)
			conversions[page] = conversion(page, 1, PRIVATE);
		conversions[at[i]].size = PAGE + 1;
		must_give(run(PAGES, GMEM_UAPI_CONVERT_STOP), -EINVAL);
		for (uint32_t page = 0; page < PAGES; page++) {
			int expected = page < at[i] ? 0 : page == at[i] ? -EINVAL : -ECANCELED;

			ck_assert_int_eq(conversions[page].result, expected);
			ck_assert_uint_eq(conversions[page].error_offset, 0);
			ck_assert_int_eq(is_private(page), page < at[i]);
		}
		must_give(convert(gmem, 0, SIZE, SHARED), 0);
	}
}
END_TEST

START_TEST(wrong_commands_are_refused)
{
	struct io_uring_sqe sqe;

	conversions[0] = conversion(0, 1, PRIVATE);
	must_give(run(0, 0), -EINVAL);
	must_give(run(1, 2), -EINVAL);
	must_give(run(1, 1ULL << 63), -EINVAL);
	sqe = command_convert(gmem, conversions, 1, 0);
	sqe.buf_index = 1;
	must_give(command_run(&ring, sqe), -EINVAL);
	must_give(command_run(&ring, command_convert(gmem, (void *)8, 1, 0)), -EFAULT);
	ck_assert_int_eq(conversions[0].result, 1);
	ck_assert(!is_private(0));
	/* It is no ioctl. */
	ck_assert(ioctl(gmem, GMEM_UAPI_CONVERT, conversions) == -1 && errno == ENOTTY);
}
END_TEST

START_TEST(memory_that_ends_or_cannot_be_written_is_efault)
{
	for (uint32_t page = 0; page < PAGES; page++)
		conversions[page] = conversion(page, 1, PRIVATE);
	/* Two pages of the array are there, a third one is not. */
	ck_assert(!mprotect((uint8_t *)conversions + 2 * PAGE, PAGE, PROT_NONE));
	must_give(run(3 * CHUNK, 0), -EFAULT);
	for (uint32_t page = 0; page < 2 * CHUNK; page++)
		ck_assert_int_eq(conversions[page].result, 0);
	for (uint32_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(is_private(page), page < 2 * CHUNK);
	ck_assert(!mprotect((uint8_t *)conversions + 2 * PAGE, PAGE, PROT_READ));
	must_give(run(3 * CHUNK, 0), -EFAULT);
	ck_assert_int_eq(conversions[2 * CHUNK].result, 1);
	ck_assert(!mprotect((uint8_t *)conversions + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	must_give(run(3 * CHUNK, 0), 0);
}
END_TEST

/* ---- cancellation ---- */

/* A worker that reads from this waits until it is filled. */
static int watch(void *at)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)at, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	ck_assert_msg(fd >= 0, "userfaultfd: %s", strerror(errno));
	ck_assert(!ioctl(fd, UFFDIO_API, &api));
	ck_assert(!ioctl(fd, UFFDIO_REGISTER, &range));
	return fd;
}

/* Waits until somebody wants it. */
static void await_reader(int fd)
{
	struct uffd_msg message;

	ck_assert(read(fd, &message, sizeof(message)) == sizeof(message));
	ck_assert_int_eq(message.event, UFFD_EVENT_PAGEFAULT);
}

static void fill(int fd, void *at, const void *from)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at,
		.src = (uintptr_t)from,
		.len = PAGE,
	};

	ck_assert_msg(!ioctl(fd, UFFDIO_COPY, &copy), "UFFDIO_COPY: %s", strerror(errno));
}

static int cancel(uint64_t user_data)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_ASYNC_CANCEL,
		.addr = user_data,
		.user_data = 100,
	};

	ring_add(&ring, &sqe, NULL);
	command_submit(&ring, 1);
	return command_wait(&ring, 100);
}

/* A worker says that its work is done before it lets go of it. */
static int cancel_ended(uint64_t user_data)
{
	int ret;

	do {
		ret = cancel(user_data);
	} while (ret == -EALREADY);
	return ret;
}

static struct gmem_uapi_conversion elsewhere[CHUNK];

/* A command that waits for its array, and occupies the only worker there is. */
static int occupy_worker(uint32_t count)
{
	unsigned int workers[2] = { 1, 1 };
	struct io_uring_sqe sqe = command_convert(gmem, conversions, count, 0);
	int watched = watch(conversions);

	ck_assert(!syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_IOWQ_MAX_WORKERS,
			   workers, 2));
	sqe.user_data = 1;
	ring_add(&ring, &sqe, NULL);
	command_submit(&ring, 1);
	await_reader(watched);
	return watched;
}

START_TEST(a_command_that_has_not_started_can_be_canceled)
{
	struct gmem_uapi_attributes whole = {
		.size = SIZE,
		.attributes = PRIVATE,
		.error_offset = ~0ULL,
	};
	struct gmem_uapi_conversion second = conversion(9, 1, PRIVATE);
	struct io_uring_sqe sqe;
	int watched = occupy_worker(1);

	sqe = command_set(gmem, &whole);
	sqe.user_data = 2;
	ring_add(&ring, &sqe, NULL);
	sqe = command_convert(gmem, &second, 1, 0);
	sqe.user_data = 3;
	ring_add(&ring, &sqe, NULL);
	command_submit(&ring, 2);
	must_give(cancel(2), 0);
	must_give(command_wait(&ring, 2), -ECANCELED);
	must_give(cancel(3), 0);
	must_give(command_wait(&ring, 3), -ECANCELED);
	elsewhere[0] = conversion(7, 1, PRIVATE);
	fill(watched, conversions, elsewhere);
	must_give(command_wait(&ring, 1), 0);
	must_give(cancel_ended(1), -ENOENT);

	ck_assert_uint_eq(whole.error_offset, ~0ULL);
	ck_assert_int_eq(second.result, 1);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert_int_eq(is_private(page), page == 7);
	close(watched);
}
END_TEST

START_TEST(a_command_that_runs_stops_before_the_next_conversion)
{
	int watched = occupy_worker(CHUNK + 10);

	for (uint64_t i = 0; i < CHUNK; i++)
		elsewhere[i] = conversion(i, 1, PRIVATE);
	for (uint64_t i = CHUNK; i < CHUNK + 10; i++)
		conversions[i] = conversion(i, 1, PRIVATE);
	must_give(cancel(1), -EALREADY);
	fill(watched, conversions, elsewhere);
	must_give(command_wait(&ring, 1), -ECANCELED);
	for (uint64_t i = 0; i < CHUNK + 10; i++) {
		ck_assert_int_eq(conversions[i].result, -ECANCELED);
		ck_assert(!is_private(i));
	}
	close(watched);
}
END_TEST

/* ---- all at once ---- */

/*
 * Threads that convert, each by other means, and a reader of shared memory, whose faults make pages
 * busy now and then. Each result is a possible one; in the end the file is whole.
 */
enum {
	BY_IOCTL,
	BY_COMMAND,
	BY_BATCH,
	BY_CLOSED_FILE,
	READER,
	ACTORS
};

static atomic_bool stop;
static _Atomic uint64_t converted, busy;
static _Atomic int wrong;

static void judge(int ret)
{
	if (ret == 0)
		converted++;
	else if (ret == -EAGAIN)
		busy++;
	else
		wrong = ret;
}

static int race_batch(struct ring *mine, uint64_t *random)
{
	struct gmem_uapi_conversion batch[2 * CHUNK];
	uint32_t count = 1 + (uint32_t)random_below(random, 2 * CHUNK);
	int ret, first = 0;

	for (uint32_t i = 0; i < count; i++) {
		batch[i] = conversion(random_below(random, PAGES), 1,
				      next_random(random) & 1 ? PRIVATE : SHARED);
	}
	ret = command_run(mine, command_convert(gmem, batch, count, 0));
	for (uint32_t i = 0; i < count; i++) {
		judge((int)batch[i].result);
		if (!first)
			first = (int)batch[i].result;
	}
	return ret == first ? ret : -EBADMSG;
}

static int race_set(struct ring *mine, int file, uint64_t *random, bool closing)
{
	uint64_t first = random_below(random, PAGES);
	struct gmem_uapi_attributes attributes = {
		.offset = first * PAGE,
		.size = (1 + random_below(random, PAGES - first)) * PAGE,
		.attributes = next_random(random) & 1 ? PRIVATE : SHARED,
	};
	struct io_uring_sqe sqe = command_set(file, &attributes);
	struct io_uring_cqe cqe;

	if (!closing)
		return command_run(mine, sqe);
	ring_add(mine, &sqe, NULL);
	if (ring_submit(mine, 0) != 1)
		return -EIO;
	close(file);
	while (ring_next(mine, &cqe, NULL))
		ring_submit(mine, 1);
	return cqe.res;
}

static void *act(void *argument)
{
	int actor = (int)(intptr_t)argument;
	uint64_t random = test_seed() + (uint64_t)actor * 0x9e3779b97f4a7c15ULL;
	struct ring mine;

	if (ring_open_with(4, 0, &mine)) {
		wrong = -ENOSYS;
		return NULL;
	}
	while (!atomic_load(&stop)) {
		uint64_t first = random_below(&random, PAGES);
		uint8_t byte;

		switch (actor) {
		case BY_IOCTL:
			judge(convert(gmem, first * PAGE,
				      (1 + random_below(&random, PAGES - first)) * PAGE,
				      next_random(&random) & 1 ? PRIVATE : SHARED));
			break;
		case BY_COMMAND:
			judge(race_set(&mine, gmem, &random, false));
			break;
		case BY_BATCH:
			judge(race_batch(&mine, &random));
			break;
		case BY_CLOSED_FILE:
			judge(race_set(&mine, dup(gmem), &random, true));
			break;
		default:
			try_read(mapped + first * PAGE, &byte);
		}
	}
	ring_close(&mine);
	return NULL;
}

START_TEST(commands_and_ioctls_and_closed_files_at_once)
{
	const char *given = getenv("GMEM_SECONDS");
	const struct timespec duration = { given ? atoi(given) : 5, 0 };
	pthread_t threads[ACTORS];

	test_seed();
	atomic_store(&stop, false);
	for (int i = 0; i < ACTORS; i++)
		ck_assert(!pthread_create(&threads[i], NULL, act, (void *)(intptr_t)i));
	nanosleep(&duration, NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < ACTORS; i++)
		pthread_join(threads[i], NULL);
	printf("# %llu conversions, %llu busy\n", (unsigned long long)converted,
	       (unsigned long long)busy);
	fflush(stdout);
	must_give(wrong, 0);
	ck_assert_uint_gt(converted, 0);
	must_give(convert(gmem, 0, SIZE, PRIVATE), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert(is_private(page));
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *results = new_case(suite, "results");
	TCase *canceling = new_case(suite, "cancel");
	TCase *race = new_case(suite, "race");

	tcase_add_checked_fixture(results, open_all, close_all);
	tcase_add_test(results, random_conversions_are_carried_out_in_order);
	tcase_add_test(results, policies_and_contents_are_those_of_each_conversion);
	tcase_add_test(results, failures_are_told_apart_and_harm_no_others);
	tcase_add_test(results, busy_pages_are_found_among_holes);
	tcase_add_test(results, after_a_failure_the_rest_is_not_carried_out_if_asked_for);
	tcase_add_test(results, wrong_commands_are_refused);
	tcase_add_test(results, memory_that_ends_or_cannot_be_written_is_efault);
	tcase_add_checked_fixture(canceling, open_all, close_all);
	tcase_add_test(canceling, a_command_that_has_not_started_can_be_canceled);
	tcase_add_test(canceling, a_command_that_runs_stops_before_the_next_conversion);
	tcase_add_checked_fixture(race, open_all, close_all);
	tcase_add_test(race, commands_and_ioctls_and_closed_files_at_once);
}

int main(void)
{
	Suite *suite = suite_create("uring-batch");

	need_in_place();
	need_commands(GMEM_UAPI_URING_SET_ATTRIBUTES | GMEM_UAPI_URING_CONVERT);
	test_seed();
	add_tests(suite);
	return run_suite(suite);
}
