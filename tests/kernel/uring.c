/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversion as an io_uring command: the same request, states and results as by the ioctl, whether
 * it is carried out at once or by a worker; wrong entries; registered files; big entries and
 * completions; links; the order of commands. uring-batch.c has many conversions in one command.
 */
#include "command.h"
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* So much that it is carried out by a worker. */
enum {
	PAGES = 256
};
#define SIZE (PAGES * PAGE)

static int vm, gmem;
static uint8_t *mapped;
static struct ring ring;

static void open_all(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, SIZE);
	must_give(ring_open_with(16, 0, &ring), 0);
}

static void close_all(void)
{
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

static struct gmem_uapi_attributes request(uint64_t first, uint64_t count, uint64_t state)
{
	return (struct gmem_uapi_attributes){
		.offset = first * PAGE,
		.size = count * PAGE,
		.attributes = state,
		.error_offset = ~0ULL,
	};
}

static int set(uint64_t first, uint64_t count, uint64_t state, uint8_t flags)
{
	struct gmem_uapi_attributes attributes = request(first, count, state);
	struct io_uring_sqe sqe = command_set(gmem, &attributes);
	int ret;

	sqe.flags = flags;
	ret = command_run(&ring, sqe);
	if (ret == 0)
		ck_assert_uint_eq(attributes.error_offset, ~0ULL);
	return ret;
}

/* ---- what a command does ---- */

START_TEST(the_capability_tells_what_there_is)
{
	const int all = GMEM_UAPI_URING_SET_ATTRIBUTES | GMEM_UAPI_URING_CONVERT;
	int other = new_vm(VM_DEFAULT);

	ck_assert_int_eq(system_capability(GMEM_CAP_URING), all);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_URING), all);
	ck_assert_int_eq(vm_capability(other, GMEM_CAP_URING), 0);
	close(other);
}
END_TEST

START_TEST(random_commands_convert_as_the_model_says)
{
	uint64_t random = test_seed();
	bool wanted[PAGES] = { false };

	for (int round = 0; round < 200; round++) {
		uint64_t first = random_below(&random, PAGES);
		uint64_t count = 1 + random_below(&random, PAGES - first);
		bool state = next_random(&random) & 1;
		uint64_t step = round % 20 ? 29 : 1;

		must_give(set(first, count, state ? PRIVATE : SHARED,
			      next_random(&random) & 1 ? IOSQE_ASYNC : 0),
			  0);
		for (uint64_t page = first; page < first + count; page++)
			wanted[page] = state;
		/* An access that fails takes its time. */
		for (uint64_t page = random_below(&random, step); page < PAGES; page += step)
			ck_assert_int_eq(is_private(page), wanted[page]);
		ck_assert_int_eq(is_private(first), state);
		ck_assert_int_eq(is_private(first + count - 1), state);
		if (first)
			ck_assert_int_eq(is_private(first - 1), wanted[first - 1]);
		if (first + count < PAGES)
			ck_assert_int_eq(is_private(first + count), wanted[first + count]);
	}
}
END_TEST

START_TEST(a_content_policy_is_kept)
{
	struct gmem_uapi_attributes zero = request(0, 2, SHARED);

	fill_page(mapped, 0, 1);
	fill_page(mapped + PAGE, 1, 1);
	must_give(set(0, 2, PRIVATE, 0), 0);
	zero.flags = GMEM_UAPI_CONTENT_ZERO;
	must_give(command_run(&ring, command_set(gmem, &zero)), 0);
	ck_assert(page_is_zero(mapped));
	ck_assert(page_is_zero(mapped + PAGE));

	fill_page(mapped, 0, 1);
	must_give(set(0, 1, PRIVATE, 0), 0);
	zero.flags = GMEM_UAPI_CONTENT_PRESERVE;
	must_give(command_run(&ring, command_set(gmem, &zero)), 0);
	ck_assert(page_is_filled(mapped, 0, 1));
}
END_TEST

START_TEST(registered_files_work)
{
	struct gmem_uapi_attributes attributes = request(3, 1, PRIVATE);
	struct io_uring_sqe sqe = command_set(0, &attributes);
	int copy = dup(gmem);

	ck_assert(!syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &copy, 1));
	close(copy);
	sqe.flags = IOSQE_FIXED_FILE;
	must_give(command_run(&ring, sqe), 0);
	ck_assert(is_private(3));
	attributes = request(0, PAGES, PRIVATE);
	must_give(command_run(&ring, sqe), 0);
	ck_assert(is_private(PAGES - 1));
	sqe.fd = 1;
	must_give(command_run(&ring, sqe), -EBADF);
}
END_TEST

/* The file lives on until the command is done; what it did is seen through another descriptor. */
START_TEST(a_file_may_be_closed_while_a_command_is_under_way)
{
	for (int round = 0; round < 50; round++) {
		struct gmem_uapi_attributes attributes =
			request(0, PAGES, round % 2 ? SHARED : PRIVATE);
		struct io_uring_sqe sqe;
		int copy = dup(gmem);

		sqe = command_set(copy, &attributes);
		sqe.flags = IOSQE_ASYNC;
		ring_add(&ring, &sqe, NULL);
		command_submit(&ring, 1);
		close(copy);
		must_give(command_wait(&ring, 0), 0);
		ck_assert_int_eq(is_private(7), !(round % 2));
	}
}
END_TEST

/* ---- failures ---- */

START_TEST(errors_are_those_of_the_ioctl)
{
	struct gmem_uapi_attributes requests[] = {
		{ .size = 0 },
		{ .size = 1 },
		{ .offset = 1, .size = PAGE },
		{ .offset = SIZE, .size = PAGE },
		{ .offset = PAGE, .size = SIZE },
		{ .offset = -PAGE, .size = 2 * PAGE },
		{ .size = PAGE, .attributes = 1 },
		{ .size = PAGE, .attributes = PRIVATE | 1ULL << 63 },
		{ .size = PAGE, .flags = 3 },
		{ .size = PAGE, .flags = 4 },
		{ .size = PAGE, .reserved = { 1 } },
		{ .size = PAGE, .reserved = { [10] = 1ULL << 63 } },
		{ .size = PAGE },
		{ .size = SIZE },
	};
	int other = new_vm(VM_DEFAULT), file = new_gmem(other, SIZE, MAPPABLE | INIT_SHARED);

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		for (unsigned int flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
			struct gmem_uapi_attributes attributes = requests[i], sent = requests[i];
			struct io_uring_sqe sqe = command_set(gmem, &sent);
			int expected = convert_raw(gmem, &attributes);

			sqe.flags = (uint8_t)flags;
			must_give(command_run(&ring, sqe), expected);
			ck_assert_msg(!memcmp(&sent, &attributes, sizeof(sent)), "request %zu", i);
			sqe.fd = file;
			must_give(command_run(&ring, sqe), -EINVAL);
		}
	}
	must_give(command_run(&ring, command_set(gmem, (void *)8)), -EFAULT);
	must_give(command_run(&ring, command_set(ring.fd, requests)), -EOPNOTSUPP);
	close(file);
	close(other);
}
END_TEST

START_TEST(a_busy_page_is_told_and_nothing_is_converted)
{
	for (unsigned int flags = 0; flags <= IOSQE_ASYNC; flags += IOSQE_ASYNC) {
		struct gmem_uapi_attributes attributes = request(0, 8, PRIVATE);
		struct io_uring_sqe sqe = command_set(gmem, &attributes);
		int holder;

		memset(mapped, 1, 8 * PAGE);
		holder = pin(mapped + 5 * PAGE, PAGE);
		ck_assert_int_ge(holder, 0);
		sqe.flags = (uint8_t)flags;
		must_give(command_run(&ring, sqe), -EAGAIN);
		ck_assert_uint_eq(attributes.error_offset, 5 * PAGE);
		for (uint64_t page = 0; page < 8; page++)
			ck_assert(!is_private(page));
		unpin(holder);
		must_give(command_run(&ring, sqe), 0);
		ck_assert(is_private(5));
		must_give(set(0, 8, SHARED, 0), 0);
	}
}
END_TEST

/* The error offset has to be written, and cannot be. */
START_TEST(a_request_that_cannot_be_written_to_is_efault)
{
	struct gmem_uapi_attributes *attributes =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int holder;

	ck_assert(attributes != MAP_FAILED);
	memset(mapped, 1, PAGE);
	holder = pin(mapped, PAGE);
	ck_assert_int_ge(holder, 0);
	*attributes = request(0, 1, PRIVATE);
	ck_assert(!mprotect(attributes, PAGE, PROT_READ));
	must_give(command_run(&ring, command_set(gmem, attributes)), -EFAULT);
	unpin(holder);
	must_give(command_run(&ring, command_set(gmem, attributes)), 0);
	munmap(attributes, PAGE);
}
END_TEST

START_TEST(wrong_entries_are_refused)
{
	struct gmem_uapi_attributes attributes = request(0, 1, PRIVATE);
	const struct io_uring_sqe good = command_set(gmem, &attributes);
	struct io_uring_sqe wrong[] = { good, good, good, good, good, good,
					good, good, good, good, good, good };
	const int errors[] = { EINVAL, EINVAL, EINVAL, EINVAL, EINVAL,	   EINVAL,
			       EINVAL, EINVAL, EINVAL, EINVAL, EOPNOTSUPP, EOPNOTSUPP };

	wrong[0].ioprio = 1;
	wrong[1].__pad1 = 1;
	wrong[2].len = 1;
	wrong[3].uring_cmd_flags = 1; /* IORING_URING_CMD_FIXED */
	wrong[4].uring_cmd_flags = 2; /* IORING_URING_CMD_MULTISHOT */
	wrong[5].uring_cmd_flags = 1U << 31;
	wrong[6].buf_index = 1;
	wrong[7].file_index = 1;
	wrong[8].addr3 = 1;
	wrong[9].__pad2[0] = 1;
	wrong[10].cmd_op = 0;
	wrong[11].cmd_op = GMEM_UAPI_SET_ATTRIBUTES ^ 1;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int ret = command_run(&ring, wrong[i]);

		ck_assert_msg(ret == -errors[i], "entry %zu: %s", i, error_name(-ret));
		ck_assert(!is_private(0));
	}
	must_give(command_run(&ring, good), 0);
}
END_TEST

START_TEST(a_file_that_must_not_block_makes_no_difference)
{
	struct gmem_uapi_attributes few = request(0, 1, PRIVATE), all = request(0, PAGES, PRIVATE);

	ck_assert(!fcntl(gmem, F_SETFL, O_NONBLOCK));
	must_give(command_run(&ring, command_set(gmem, &few)), 0);
	must_give(command_run(&ring, command_set(gmem, &all)), 0);
	ck_assert(is_private(0) && is_private(PAGES - 1));
}
END_TEST

/* ---- kinds of rings ---- */

START_TEST(big_completions_have_the_error_offset)
{
	struct gmem_uapi_attributes attributes = request(0, 8, PRIVATE);
	struct io_uring_sqe sqe = command_set(gmem, &attributes);
	struct io_uring_cqe cqe;
	struct ring big;
	uint64_t more = 0;
	int holder;

	memset(mapped, 1, 8 * PAGE);
	holder = pin(mapped + 2 * PAGE, PAGE);
	must_give(ring_open_with(4, IORING_SETUP_CQE32, &big), 0);
	ring_add(&big, &sqe, NULL);
	ck_assert_int_eq(ring_submit(&big, 1), 1);
	must_give(ring_next(&big, &cqe, &more), 0);
	must_give(cqe.res, -EAGAIN);
	ck_assert_uint_eq(more, 2 * PAGE);
	unpin(holder);
	ring_add(&big, &sqe, NULL);
	ck_assert_int_eq(ring_submit(&big, 1), 1);
	must_give(ring_next(&big, &cqe, &more), 0);
	must_give(cqe.res, 0);
	ck_assert_uint_eq(more, 0);
	ring_close(&big);
}
END_TEST

START_TEST(the_rest_of_big_entries_must_be_zero)
{
	struct gmem_uapi_attributes attributes = request(0, 1, PRIVATE);
	struct io_uring_sqe sqe = command_set(gmem, &attributes);
	struct io_uring_cqe cqe;
	uint8_t second[64] = { 0 };
	struct ring big;

	must_give(ring_open_with(4, IORING_SETUP_SQE128, &big), 0);
	for (int i = 63; i >= -1; i -= 16) {
		memset(second, 0, sizeof(second));
		if (i >= 0)
			second[i] = 1;
		ring_add(&big, &sqe, second);
		ck_assert_int_eq(ring_submit(&big, 1), 1);
		must_give(ring_next(&big, &cqe, NULL), 0);
		must_give(cqe.res, i >= 0 ? -EINVAL : 0);
	}
	ring_close(&big);
}
END_TEST

static const unsigned int setups[] = {
	IORING_SETUP_IOPOLL,
	IORING_SETUP_SQPOLL,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	IORING_SETUP_COOP_TASKRUN,
};

/* A ring that polls must not repeat a command forever that is answered with EAGAIN. */
START_TEST(every_kind_of_ring_works)
{
	struct gmem_uapi_attributes few = request(0, 4, PRIVATE), all = request(0, PAGES, PRIVATE);
	struct ring special;
	int holder;

	memset(mapped, 1, 4 * PAGE);
	must_give(ring_open_with(4, setups[_i], &special), 0);
	holder = pin(mapped + 3 * PAGE, PAGE);
	must_give(command_run(&special, command_set(gmem, &few)), -EAGAIN);
	ck_assert_uint_eq(few.error_offset, 3 * PAGE);
	must_give(command_run(&special, command_set(gmem, &all)), -EAGAIN);
	unpin(holder);
	must_give(command_run(&special, command_set(gmem, &few)), 0);
	must_give(command_run(&special, command_set(gmem, &all)), 0);
	ck_assert(is_private(0) && is_private(PAGES - 1));
	ring_close(&special);
}
END_TEST

/* ---- several commands ---- */

START_TEST(linked_commands_run_in_order_until_one_fails)
{
	struct gmem_uapi_attributes chain[] = {
		request(0, PAGES, PRIVATE), request(1, 1, SHARED), request(0, 3, PRIVATE),
		request(2, 1, SHARED),	    request(0, 0, SHARED), request(0, PAGES, SHARED),
	};
	const int results[] = { 0, 0, 0, 0, -EINVAL, -ECANCELED };

	for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
		for (int i = 0; i < 6; i++) {
			struct io_uring_sqe sqe = command_set(gmem, &chain[i]);

			sqe.user_data = (uint64_t)i + 1;
			sqe.flags = (uint8_t)((i < 5 ? IOSQE_IO_LINK : 0) |
					      (asynchronous ? IOSQE_ASYNC : 0));
			ring_add(&ring, &sqe, NULL);
		}
		command_submit(&ring, 6);
		for (int i = 0; i < 6; i++)
			must_give(command_wait(&ring, (uint64_t)i + 1), results[i]);
		for (uint64_t page = 0; page < PAGES; page++)
			ck_assert_int_eq(is_private(page), page != 2);
		must_give(set(0, PAGES, SHARED, 0), 0);
	}
}
END_TEST

START_TEST(a_drained_command_waits_for_those_before_it)
{
	static struct gmem_uapi_attributes requests[9];

	for (uint64_t i = 0; i < 9; i++) {
		struct io_uring_sqe sqe = command_set(gmem, &requests[i]);

		requests[i] = i < 8 ? request(i * 8, 8, PRIVATE) : request(0, PAGES, SHARED);
		sqe.user_data = i + 1;
		sqe.flags = i < 8 ? IOSQE_ASYNC : IOSQE_IO_DRAIN;
		ring_add(&ring, &sqe, NULL);
	}
	command_submit(&ring, 9);
	for (uint64_t i = 0; i < 9; i++)
		must_give(command_wait(&ring, i + 1), 0);
	for (uint64_t page = 0; page < PAGES; page++)
		ck_assert(!is_private(page));
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *command = new_case(suite, "command");
	TCase *failure = new_case(suite, "failure");
	TCase *rings = new_case(suite, "rings");
	TCase *several = new_case(suite, "several");

	tcase_add_checked_fixture(command, open_all, close_all);
	tcase_add_test(command, the_capability_tells_what_there_is);
	tcase_add_test(command, random_commands_convert_as_the_model_says);
	tcase_add_test(command, a_content_policy_is_kept);
	tcase_add_test(command, registered_files_work);
	tcase_add_test(command, a_file_may_be_closed_while_a_command_is_under_way);
	tcase_add_checked_fixture(failure, open_all, close_all);
	tcase_add_test(failure, errors_are_those_of_the_ioctl);
	tcase_add_test(failure, a_busy_page_is_told_and_nothing_is_converted);
	tcase_add_test(failure, a_request_that_cannot_be_written_to_is_efault);
	tcase_add_test(failure, wrong_entries_are_refused);
	tcase_add_test(failure, a_file_that_must_not_block_makes_no_difference);
	tcase_add_checked_fixture(rings, open_all, close_all);
	tcase_add_test(rings, big_completions_have_the_error_offset);
	tcase_add_test(rings, the_rest_of_big_entries_must_be_zero);
	tcase_add_loop_test(rings, every_kind_of_ring_works, 0, sizeof(setups) / sizeof(setups[0]));
	tcase_add_checked_fixture(several, open_all, close_all);
	tcase_add_test(several, linked_commands_run_in_order_until_one_fails);
	tcase_add_test(several, a_drained_command_waits_for_those_before_it);
}

int main(void)
{
	Suite *suite = suite_create("uring");

	need_in_place();
	need_commands(GMEM_UAPI_URING_SET_ATTRIBUTES);
	test_seed();
	add_tests(suite);
	return run_suite(suite);
}
