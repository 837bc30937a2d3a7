/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The real table of io_uring. What cannot be had here, because liburing or the right to use
 * io_uring is missing, must be refused, and is said.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "lib/uring.h"
#include "unit.h"

static unsigned char memory[8192] __attribute__((aligned(4096)));
static struct gmem_ring *ring;
static int fd;

static bool can_create(void)
{
	int r = gmem_uring->create(4, &ring);

	if (r == 0)
		return true;
	ck_assert_ptr_null(ring);
	ck_assert(r == -ENOSYS || r == -EPERM || r == -ENOMEM);
	printf("# no io_uring here: %s\n", gmem_error_name(r));
	return false;
}

static void begin(void)
{
	char name[] = "/tmp/gmem-uring-XXXXXX";

	fd = mkstemp(name);
	ck_assert_int_ge(fd, 0);
	unlink(name);
	memset(memory, 'x', sizeof(memory));
	ck_assert_int_eq(write(fd, memory, 5000), 5000);
	memset(memory, 0, sizeof(memory));
}

static void end(void)
{
	close(fd);
}

static void queue(enum gmem_ring_kind kind, int file, uint64_t offset, uint64_t size,
		  uint64_t token)
{
	struct gmem_ring_request request = {
		.kind = kind, .fd = file, .address = memory, .token = token
	};

	request.offset = offset;
	request.size = size;
	gmem_uring->queue(ring, &request);
}

static void expect_answer(uint64_t token, int result)
{
	uint64_t got_token;
	int got;

	ck_assert(gmem_uring->reap(ring, &got_token, &got));
	ck_assert_uint_eq(got_token, token);
	ck_assert_int_eq(got, result);
}

START_TEST(reads_into_memory_and_into_the_registered_buffer)
{
	uint64_t token;
	int result;

	if (!can_create())
		return;
	ck_assert(!gmem_uring->reap(ring, &token, &result));
	queue(GMEM_RING_READ, fd, 4000, 8192, 7);
	ck_assert_int_eq(gmem_uring->submit(ring, 1), 1);
	expect_answer(7, 1000);
	ck_assert_int_eq(memory[999], 'x');
	ck_assert_int_eq(memory[1000], 0);
	ck_assert_int_eq(gmem_uring->register_buffer(ring, memory, sizeof(memory)), 0);
	queue(GMEM_RING_READ_FIXED, fd, 0, 4096, 8);
	ck_assert_int_eq(gmem_uring->submit(ring, 1), 1);
	expect_answer(8, 4096);
	ck_assert_int_eq(gmem_uring->unregister_buffer(ring), 0);
	ck_assert_int_eq(gmem_uring->unregister_buffer(ring), -ENXIO);
	gmem_uring->destroy(ring);
}
END_TEST

START_TEST(tells_the_errors_of_requests_and_buffers)
{
	if (!can_create())
		return;
	queue(GMEM_RING_READ, -1, 0, 1, 1);
	ck_assert_int_eq(gmem_uring->submit(ring, 1), 1);
	expect_answer(1, -EBADF);
	ck_assert_int_lt(gmem_uring->register_buffer(ring, NULL, 4096), 0);
	queue(GMEM_RING_READ_FIXED, fd, 0, 4096, 2);
	ck_assert_int_eq(gmem_uring->submit(ring, 1), 1);
	expect_answer(2, -EFAULT);
	gmem_uring->destroy(ring);
}
END_TEST

START_TEST(requests_follow_each_other_and_signal)
{
	struct gmem_ring_request request = { .kind = GMEM_RING_FALLOCATE, .token = 1 };
	int event = eventfd(0, EFD_NONBLOCK);
	eventfd_t signals;

	if (!can_create())
		return;
	ck_assert_int_eq(gmem_uring->register_event(ring, event), 0);
	request.fd = fd;
	request.size = 4096;
	request.offset = 8192;
	request.linked = true;
	gmem_uring->queue(ring, &request);
	/* This breaks the chain. */
	request.kind = GMEM_RING_READ;
	request.fd = -1;
	request.token = 2;
	gmem_uring->queue(ring, &request);
	request.kind = GMEM_RING_FALLOCATE;
	request.fd = fd;
	request.offset = 1 << 20;
	request.token = 3;
	request.linked = false;
	gmem_uring->queue(ring, &request);
	ck_assert_int_eq(gmem_uring->submit(ring, 3), 3);
	expect_answer(1, 0);
	expect_answer(2, -EBADF);
	expect_answer(3, -ECANCELED);
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), 8192 + 4096);
	ck_assert_int_eq(eventfd_read(event, &signals), 0);
	close(event);
	gmem_uring->destroy(ring);
}
END_TEST

START_TEST(files_without_commands_say_so)
{
	struct gmem_ring_request request = {
		.kind = GMEM_RING_COMMAND, .address = memory, .size = 1, .token = 5
	};

	if (!can_create())
		return;
	request.fd = fd;
	request.command = GMEM_UAPI_CONVERT;
	gmem_uring->queue(ring, &request);
	ck_assert_int_eq(gmem_uring->submit(ring, 1), 1);
	expect_answer(5, -EOPNOTSUPP);
	gmem_uring->destroy(ring);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("uring");
	TCase *tests = tcase_create("io_uring");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, reads_into_memory_and_into_the_registered_buffer);
	tcase_add_test(tests, tells_the_errors_of_requests_and_buffers);
	tcase_add_test(tests, requests_follow_each_other_and_signal);
	tcase_add_test(tests, files_without_commands_say_so);
	suite_add_tcase(suite, tests);
	return suite;
}
