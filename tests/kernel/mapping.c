/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Every way the host can reach a page: any mapping of any process that holds the file, and any
 * system call that takes such a mapping as its buffer. All of them lose a page that becomes
 * private, and get it back with its bytes when it is shared again.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

static int vm, gmem;
static uint8_t *mapped;

static void open_shared(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	for (int page = 0; page < NPAGE; page++)
		must_write(mapped + page * PAGE, 100 + page);
}

static void close_all(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	close(vm);
}

/* ---- another process ---- */

/* A process that does with the file what it is told. */
struct peer {
	pid_t pid;
	int socket;
};

/* What a peer is asked: 'r' reads a byte of the file through its mapping, 'p' and 's' convert. */
struct question {
	char verb;
	uint64_t offset;
};

/* What a peer answers: 0 or a negative errno, and the byte read. SIGBUS is answered as -EFAULT. */
struct answer {
	int ret;
	uint8_t byte;
};

static int receive_file(int socket)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void send_file(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ck_assert_int_eq(sendmsg(socket, &message, 0), 1);
}

/* The peer's life. Never returns; no assertion of the test framework may be used in here. */
static void serve(int socket, int file, uint8_t *at)
{
	struct question question;
	struct answer answer;

	if (file < 0)
		file = receive_file(socket);
	if (!at)
		at = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file < 0 || at == MAP_FAILED)
		_exit(1);
	while (read(socket, &question, sizeof(question)) == sizeof(question)) {
		answer = (struct answer){ 0 };
		if (question.verb == 'r')
			answer.ret = try_read(at + question.offset, &answer.byte) ? 0 : -EFAULT;
		else
			answer.ret = convert(file, question.offset, PAGE,
					     question.verb == 'p' ? PRIVATE : SHARED);
		if (write(socket, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

/* A child that has inherited the mapping @at of @file; with -1 and NULL one that is sent a file. */
static struct peer start_peer(int file, uint8_t *at)
{
	struct peer peer;
	int sockets[2];

	ck_assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	peer.pid = fork();
	ck_assert(peer.pid >= 0);
	if (!peer.pid) {
		close(sockets[0]);
		serve(sockets[1], file, at);
	}
	close(sockets[1]);
	peer.socket = sockets[0];
	return peer;
}

static struct answer ask(const struct peer *peer, char verb, uint64_t offset)
{
	/* The whole struct travels, so its padding must be defined. */
	struct question question;
	struct answer answer;

	memset(&question, 0, sizeof(question));
	question.verb = verb;
	question.offset = offset;
	ck_assert(write(peer->socket, &question, sizeof(question)) == sizeof(question));
	ck_assert(read(peer->socket, &answer, sizeof(answer)) == sizeof(answer));
	return answer;
}

static void stop_peer(const struct peer *peer)
{
	int status;

	close(peer->socket);
	ck_assert(waitpid(peer->pid, &status, 0) == peer->pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void peer_must_lose_and_regain(const struct peer *peer)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(ask(peer, 'r', 3 * PAGE).ret, 0);
		must_give(convert(gmem, 3 * PAGE, 2 * PAGE, PRIVATE), 0);
		ck_assert_int_eq(ask(peer, 'r', 2 * PAGE).byte, 102);
		ck_assert_int_eq(ask(peer, 'r', 3 * PAGE).ret, -EFAULT);
		ck_assert_int_eq(ask(peer, 'r', 4 * PAGE).ret, -EFAULT);
		ck_assert_int_eq(ask(peer, 'r', 5 * PAGE).byte, 105);
		must_sigbus(mapped + 3 * PAGE);
		must_give(convert(gmem, 3 * PAGE, 2 * PAGE, SHARED), 0);
		ck_assert_int_eq(ask(peer, 'r', 3 * PAGE).ret, 0);
		ck_assert_int_eq(ask(peer, 'r', 3 * PAGE).byte, 103);
		ck_assert_int_eq(ask(peer, 'r', 4 * PAGE).byte, 104);
	}
}

START_TEST(a_forked_child_loses_the_page_and_gets_it_back)
{
	struct peer peer = start_peer(gmem, mapped);

	peer_must_lose_and_regain(&peer);
	stop_peer(&peer);
}
END_TEST

START_TEST(a_process_that_was_sent_the_file_loses_the_page_and_gets_it_back)
{
	struct peer peer = start_peer(-1, NULL);

	send_file(peer.socket, gmem);
	peer_must_lose_and_regain(&peer);
	stop_peer(&peer);
}
END_TEST

START_TEST(a_process_that_was_sent_the_file_may_convert)
{
	struct peer peer = start_peer(-1, NULL);

	send_file(peer.socket, gmem);
	ck_assert_int_eq(ask(&peer, 'p', 2 * PAGE).ret, 0);
	must_sigbus(mapped + 2 * PAGE);
	ck_assert_int_eq(ask(&peer, 'r', 2 * PAGE).ret, -EFAULT);
	ck_assert_int_eq(ask(&peer, 's', 2 * PAGE).ret, 0);
	must_hold(mapped + 2 * PAGE, 102);
	ck_assert_int_eq(ask(&peer, 'r', 2 * PAGE).byte, 102);
	stop_peer(&peer);
}
END_TEST

/* ---- mappings of one process ---- */

START_TEST(all_mappings_lose_the_page_and_get_it_back)
{
	uint8_t *second = map_gmem(gmem, 0, FILE_SIZE);
	uint8_t *part = map_gmem(gmem, 5 * PAGE, 2 * PAGE);

	must_hold(second + 5 * PAGE, 105);
	must_hold(part, 105);
	for (int i = 0; i < 3; i++) {
		must_give(convert(gmem, 5 * PAGE, PAGE, PRIVATE), 0);
		must_sigbus(mapped + 5 * PAGE);
		must_sigbus(second + 5 * PAGE);
		must_sigbus(part);
		must_hold(mapped + 4 * PAGE, 104);
		must_hold(second + 6 * PAGE, 106);
		must_hold(part + PAGE, 106);
		must_give(convert(gmem, 5 * PAGE, PAGE, SHARED), 0);
		must_hold(mapped + 5 * PAGE, 105);
		must_hold(second + 5 * PAGE, 105);
		must_hold(part, 105);
	}
	munmap(second, FILE_SIZE);
	munmap(part, 2 * PAGE);
}
END_TEST

START_TEST(a_private_range_can_be_mapped_but_not_touched)
{
	uint8_t *after;

	must_give(convert(gmem, 4 * PAGE, 4 * PAGE, PRIVATE), 0);
	after = map_gmem(gmem, 4 * PAGE, 4 * PAGE);
	for (int page = 0; page < 4; page++)
		must_sigbus(after + page * PAGE);
	must_give(convert(gmem, 4 * PAGE, 4 * PAGE, SHARED), 0);
	for (int page = 0; page < 4; page++)
		must_hold(after + page * PAGE, 104 + page);
	munmap(after, 4 * PAGE);
}
END_TEST

START_TEST(mapping_with_populate_brings_in_only_shared_pages)
{
	uint8_t *at;

	must_give(convert(gmem, PAGE, PAGE, PRIVATE), 0);
	at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, gmem, 0);
	ck_assert(at != MAP_FAILED);
	must_hold(at, 100);
	must_sigbus(at + PAGE);
	must_hold(at + 2 * PAGE, 102);
	munmap(at, 3 * PAGE);
}
END_TEST

START_TEST(a_mapping_that_moves_or_changes_protection_stays_without_the_page)
{
	uint8_t *at = map_gmem(gmem, 2 * PAGE, PAGE), *moved, byte;

	must_hold(at, 102);
	must_give(convert(gmem, 2 * PAGE, PAGE, PRIVATE), 0);
	ck_assert(!mprotect(at, PAGE, PROT_READ));
	ck_assert(!try_read(at, &byte));
	ck_assert(!mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	must_sigbus(at);
	moved = mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map_gmem(gmem, 0, PAGE));
	ck_assert(moved != MAP_FAILED);
	must_sigbus(moved);
	must_give(convert(gmem, 2 * PAGE, PAGE, SHARED), 0);
	must_hold(moved, 102);
	munmap(moved, PAGE);
}
END_TEST

START_TEST(the_mapping_alone_keeps_the_pages_and_their_state)
{
	must_give(convert(gmem, PAGE, PAGE, PRIVATE), 0);
	close(gmem);
	must_hold(mapped, 100);
	must_sigbus(mapped + PAGE);
	gmem = -1;
}
END_TEST

/* ---- system calls ---- */

static int populate(uint8_t *at, uint64_t size, int advice)
{
	return madvise(at, size, advice) ? -errno : 0;
}

START_TEST(populating_a_private_page_is_efault)
{
	must_give(convert(gmem, 4 * PAGE, PAGE, PRIVATE), 0);
	must_give(populate(mapped + 4 * PAGE, PAGE, MADV_POPULATE_READ), -EFAULT);
	must_give(populate(mapped + 4 * PAGE, PAGE, MADV_POPULATE_WRITE), -EFAULT);
	must_give(populate(mapped, FILE_SIZE, MADV_POPULATE_WRITE), -EFAULT);
	must_give(populate(mapped, 4 * PAGE, MADV_POPULATE_WRITE), 0);
	must_give(convert(gmem, 4 * PAGE, PAGE, SHARED), 0);
	must_give(populate(mapped, FILE_SIZE, MADV_POPULATE_READ), 0);
	must_give(populate(mapped, FILE_SIZE, MADV_POPULATE_WRITE), 0);
	must_hold(mapped + 4 * PAGE, 104);
}
END_TEST

/* Bytes moved between a page of the file and ordinary memory by each of these, or -errno. */
static ssize_t read_into(uint8_t *at, size_t size)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ssize_t ret = read(zero, at, size);

	ret = ret < 0 ? -errno : ret;
	close(zero);
	return ret;
}

static ssize_t write_from(uint8_t *at, size_t size)
{
	int pipes[2];
	ssize_t ret;

	ck_assert(!pipe2(pipes, O_CLOEXEC));
	ret = write(pipes[1], at, size);
	ret = ret < 0 ? -errno : ret;
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static ssize_t read_as_debugger(uint8_t *at, size_t size)
{
	uint8_t *bytes = malloc(size);
	struct iovec local = { bytes, size }, remote = { at, size };
	ssize_t ret = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	ret = ret < 0 ? -errno : ret;
	free(bytes);
	return ret;
}

static ssize_t write_as_debugger(uint8_t *at, size_t size)
{
	uint8_t *bytes = calloc(1, size);
	struct iovec local = { bytes, size }, remote = { at, size };
	ssize_t ret = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);

	ret = ret < 0 ? -errno : ret;
	free(bytes);
	return ret;
}

static ssize_t read_as_file(uint8_t *at, size_t size)
{
	uint8_t *bytes = malloc(size);
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ssize_t ret = pread(memory, bytes, size, (off_t)(uintptr_t)at);

	ret = ret < 0 ? -errno : ret;
	close(memory);
	free(bytes);
	return ret;
}

static ssize_t wait_on(uint8_t *at, size_t size)
{
	/* Waits for a value the word does not have: EAGAIN says that the kernel could read it. */
	if (syscall(SYS_futex, at, FUTEX_WAIT, 0x12345678, NULL, NULL, 0) && errno == EAGAIN)
		return (ssize_t)size;
	return -errno;
}

static const struct system_call {
	const char *name;
	ssize_t (*run)(uint8_t *at, size_t size);
	int error;
} system_calls[] = {
	{ "read", read_into, EFAULT },
	{ "write", write_from, EFAULT },
	{ "process_vm_readv", read_as_debugger, EFAULT },
	{ "process_vm_writev", write_as_debugger, EFAULT },
	{ "/proc/self/mem", read_as_file, EIO },
	{ "futex", wait_on, EFAULT },
};

#define N_SYSTEM_CALLS ((int)(sizeof(system_calls) / sizeof(system_calls[0])))

START_TEST(a_system_call_cannot_reach_a_private_page)
{
	const struct system_call *call = &system_calls[_i];
	uint8_t *at = mapped + 4 * PAGE;

	ck_assert_msg(call->run(at, 64) == 64, "%s on a shared page", call->name);
	must_write(at, 55);
	for (int i = 0; i < 3; i++) {
		ssize_t ret;

		must_give(convert(gmem, 4 * PAGE, PAGE, PRIVATE), 0);
		ret = call->run(at, 64);
		ck_assert_msg(ret == -call->error, "%s on a private page: %zd", call->name, ret);
		must_give(convert(gmem, 4 * PAGE, PAGE, SHARED), 0);
		must_hold(at, 55);
	}
	ck_assert_msg(call->run(at, 64) == 64, "%s after conversion back", call->name);
}
END_TEST

START_TEST(a_buffer_that_runs_into_a_private_page_is_cut_there)
{
	must_give(convert(gmem, 5 * PAGE, PAGE, PRIVATE), 0);
	ck_assert_int_eq(read_into(mapped + 4 * PAGE, 3 * PAGE), PAGE);
	ck_assert_int_eq(read_as_debugger(mapped + 4 * PAGE, 3 * PAGE), PAGE);
	must_give(convert(gmem, 5 * PAGE, PAGE, SHARED), 0);
	must_hold(mapped + 5 * PAGE, 105);
	must_hold(mapped + 6 * PAGE, 106);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *one = new_case(suite, "one process");
	TCase *processes = new_case(suite, "processes");
	TCase *calls = new_case(suite, "system calls");

	tcase_add_checked_fixture(one, open_shared, close_all);
	tcase_add_test(one, all_mappings_lose_the_page_and_get_it_back);
	tcase_add_test(one, a_private_range_can_be_mapped_but_not_touched);
	tcase_add_test(one, mapping_with_populate_brings_in_only_shared_pages);
	tcase_add_test(one, a_mapping_that_moves_or_changes_protection_stays_without_the_page);
	tcase_add_test(one, the_mapping_alone_keeps_the_pages_and_their_state);
	tcase_add_checked_fixture(processes, open_shared, close_all);
	tcase_add_test(processes, a_forked_child_loses_the_page_and_gets_it_back);
	tcase_add_test(processes, a_process_that_was_sent_the_file_loses_the_page_and_gets_it_back);
	tcase_add_test(processes, a_process_that_was_sent_the_file_may_convert);
	tcase_add_checked_fixture(calls, open_shared, close_all);
	tcase_add_test(calls, populating_a_private_page_is_efault);
	tcase_add_loop_test(calls, a_system_call_cannot_reach_a_private_page, 0, N_SYSTEM_CALLS);
	tcase_add_test(calls, a_buffer_that_runs_into_a_private_page_is_cut_there);
}

int main(void)
{
	Suite *suite = suite_create("mapping");

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
