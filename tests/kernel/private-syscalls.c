/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Private means private: instructions of the host, and system calls that take memory as their
 * buffer or do something to a mapping.
 */
#include "private-path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif

#define PROGRAM "private-syscalls"

/* ---- instructions ---- */

static int load_all(const uint8_t *at, uint8_t *bytes)
{
	for (uint64_t i = 0; i < PAGE; i++)
		if (!try_read(at + i, &bytes[i]))
			return PATH_SIGBUS;
	return 0;
}

static int load(const struct memory *memory, uint8_t *bytes)
{
	return load_all(memory->at, bytes);
}

static int store(const struct memory *memory, uint8_t *bytes)
{
	for (uint64_t i = 0; i < PAGE; i++)
		if (!try_write(memory->at + i, bytes[i]))
			return PATH_SIGBUS;
	return 0;
}

PATH_TEST(PROGRAM, not_by_a_load, .text = "load", PATH_READS, load, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_a_store, .text = "store", PATH_WRITES, store, PATH_SIGBUS)

/* ---- mappings ---- */

static int load_from_mapping(const struct memory *memory, int flags, uint8_t *bytes)
{
	uint8_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | flags, memory->fd,
			   (off_t)memory->offset);
	int ret;

	if (at == MAP_FAILED)
		return -errno;
	ret = load_all(at, bytes);
	munmap(at, PAGE);
	return ret;
}

static int load_from_new_mapping(const struct memory *memory, uint8_t *bytes)
{
	return load_from_mapping(memory, 0, bytes);
}

static int load_from_populated_mapping(const struct memory *memory, uint8_t *bytes)
{
	return load_from_mapping(memory, MAP_POPULATE, bytes);
}

static int load_from_locked_mapping(const struct memory *memory, uint8_t *bytes)
{
	return load_from_mapping(memory, MAP_LOCKED, bytes);
}

/* An old size of 0 makes a second mapping of the same pages. */
static int load_from_copied_mapping(const struct memory *memory, uint8_t *bytes)
{
	uint8_t *at = mremap(memory->at, 0, PAGE, MREMAP_MAYMOVE);
	int ret;

	if (at == MAP_FAILED)
		return -errno;
	ret = load_all(at, bytes);
	munmap(at, PAGE);
	return ret;
}

static int load_from_moved_mapping(const struct memory *memory, uint8_t *bytes)
{
	uint8_t *first = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, memory->fd, (off_t)memory->offset);
	uint8_t *place = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t byte;
	int ret;

	if (first == MAP_FAILED || place == MAP_FAILED)
		return -errno;
	try_read(first, &byte);
	if (mremap(first, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) != place)
		return -errno;
	ret = load_all(place, bytes);
	munmap(place, PAGE);
	return ret;
}

static int load_after_mprotect(const struct memory *memory, uint8_t *bytes)
{
	int ret;

	if (mprotect(memory->at, PAGE, PROT_NONE))
		return -errno;
	if (mprotect(memory->at, PAGE, PROT_READ | PROT_WRITE))
		return -errno;
	ret = load_all(memory->at, bytes);
	mprotect(memory->at, PAGE, PROT_READ | PROT_WRITE);
	return ret;
}

/* The guest_memfd file system is mounted without execution. */
static int make_executable(const struct memory *memory, uint8_t *bytes)
{
	int ret = mprotect(memory->at, PAGE, PROT_READ | PROT_EXEC) ? -errno : 0;

	(void)bytes;
	mprotect(memory->at, PAGE, PROT_READ | PROT_WRITE);
	return ret;
}

static int map_copy_on_write(const struct memory *memory, uint8_t *bytes)
{
	uint8_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, memory->fd,
			   (off_t)memory->offset);
	int ret;

	if (at == MAP_FAILED)
		return -errno;
	ret = load_all(at, bytes);
	munmap(at, PAGE);
	return ret;
}

PATH_TEST(PROGRAM, not_by_a_new_mapping, .text = "`mmap`, then load", PATH_READS,
	  load_from_new_mapping, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_a_populated_mapping, .text = "`mmap` with `MAP_POPULATE`, then load",
	  PATH_READS, load_from_populated_mapping, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_a_locked_mapping, .text = "`mmap` with `MAP_LOCKED`, then load",
	  PATH_READS, load_from_locked_mapping, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_a_copied_mapping, .text = "`mremap` of size 0, then load", PATH_READS,
	  load_from_copied_mapping, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_a_moved_mapping, .text = "`mremap` to another place, then load",
	  PATH_READS, load_from_moved_mapping, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_mprotect, .text = "`mprotect`, then load", PATH_READS,
	  load_after_mprotect, PATH_SIGBUS)
PATH_TEST(PROGRAM, not_by_execution, .text = "`mprotect(PROT_EXEC)`", PATH_TOUCHES, make_executable,
	  -EACCES, .not_offered = true)
PATH_TEST(PROGRAM, not_by_a_copy_on_write_mapping, .text = "`mmap` with `MAP_PRIVATE`", PATH_READS,
	  map_copy_on_write, -EINVAL, .not_offered = true)

static int populate_read(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return madvise(memory->at, PAGE, MADV_POPULATE_READ) ? -errno : 0;
}

static int populate_write(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return madvise(memory->at, PAGE, MADV_POPULATE_WRITE) ? -errno : 0;
}

static int lock_it(const struct memory *memory, uint8_t *bytes)
{
	int ret = mlock(memory->at, PAGE) ? -errno : 0;

	(void)bytes;
	/* Also after a failure: the mapping is then locked without its pages. */
	munlock(memory->at, PAGE);
	return ret;
}

PATH_TEST(PROGRAM, not_by_populate_read, .text = "`madvise(MADV_POPULATE_READ)`", PATH_TOUCHES,
	  populate_read, -EFAULT)
PATH_TEST(PROGRAM, not_by_populate_write, .text = "`madvise(MADV_POPULATE_WRITE)`", PATH_TOUCHES,
	  populate_write, -EFAULT)
PATH_TEST(PROGRAM, not_by_mlock, .text = "`mlock`", PATH_TOUCHES, lock_it, -ENOMEM)

/* ---- buffers ---- */

/* A file that holds @bytes, its position at the start. */
static int file_of(const uint8_t *bytes)
{
	int fd = memfd_create("source", MFD_CLOEXEC);

	if (fd >= 0 && pwrite(fd, bytes, PAGE, 0) != (ssize_t)PAGE) {
		close(fd);
		return -1;
	}
	return fd;
}

static int read_into(const struct memory *memory, uint8_t *bytes)
{
	int fd = file_of(bytes), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(read(fd, memory->at, PAGE));
	close(fd);
	return ret;
}

static int write_from(const struct memory *memory, uint8_t *bytes)
{
	int fd = memfd_create("target", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(write(fd, memory->at, PAGE));
	if (!ret)
		ret = page_moved(pread(fd, bytes, PAGE, 0));
	close(fd);
	return ret;
}

static int writev_from(const struct memory *memory, uint8_t *bytes)
{
	struct iovec iov[2] = { { memory->at, PAGE / 2 }, { memory->at + PAGE / 2, PAGE / 2 } };
	int fd = memfd_create("target", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(writev(fd, iov, 2));
	if (!ret)
		ret = page_moved(pread(fd, bytes, PAGE, 0));
	close(fd);
	return ret;
}

static int pipe_from(const struct memory *memory, uint8_t *bytes)
{
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret = page_moved(write(ends[1], memory->at, PAGE));
	if (!ret)
		ret = page_moved(read(ends[0], bytes, PAGE));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int send_from(const struct memory *memory, uint8_t *bytes)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	ret = page_moved(send(ends[0], memory->at, PAGE, 0));
	if (!ret)
		ret = page_moved(recv(ends[1], bytes, PAGE, 0));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int receive_into(const struct memory *memory, uint8_t *bytes)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	ret = page_moved(send(ends[0], bytes, PAGE, 0));
	if (!ret)
		ret = page_moved(recv(ends[1], memory->at, PAGE, 0));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

PATH_TEST(PROGRAM, not_by_read, .text = "`read` into it", PATH_WRITES, read_into, -EFAULT)
PATH_TEST(PROGRAM, not_by_write, .text = "`write` from it", PATH_READS, write_from, -EFAULT)
PATH_TEST(PROGRAM, not_by_writev, .text = "`writev` from it", PATH_READS, writev_from, -EFAULT)
PATH_TEST(PROGRAM, not_by_write_to_a_pipe, .text = "`write` from it to a pipe", PATH_READS,
	  pipe_from, -EFAULT)
PATH_TEST(PROGRAM, not_by_send, .text = "`send` from it", PATH_READS, send_from, -EFAULT)
PATH_TEST(PROGRAM, not_by_recv, .text = "`recv` into it", PATH_WRITES, receive_into, -EFAULT)

/* ---- words ---- */

static int wait_for(const struct memory *memory, int operation)
{
	/* A word that is not this: EAGAIN says that the kernel could read it. */
	if (syscall(SYS_futex, memory->at, operation, 0x12345678, NULL, NULL, 0) && errno == EAGAIN)
		return 0;
	return -errno;
}

static int wait_on_word(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return wait_for(memory, FUTEX_WAIT_PRIVATE);
}

/* Looks the page up instead of its address. */
static int wait_on_shared_word(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return wait_for(memory, FUTEX_WAIT);
}

static int wake_with_operation(const struct memory *memory, uint8_t *bytes)
{
	uint32_t ordinary = 0;

	(void)bytes;
	return syscall(SYS_futex, &ordinary, FUTEX_WAKE_OP, 1, (void *)1, memory->at,
		       FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_EQ, 0)) < 0
		       ? -errno
		       : 0;
}

static int end_at_once(void *unused)
{
	(void)unused;
	return 0;
}

/* The kernel writes a zero there when the thread is gone. */
static int clear_by_exit(const struct memory *memory, uint8_t *bytes)
{
	uint8_t *stack = malloc(16 * PAGE);
	uint64_t word;
	pid_t pid;

	(void)bytes;
	if (!stack)
		return -ENOMEM;
	pid = clone(end_at_once, stack + 16 * PAGE, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
		    NULL, NULL, memory->at);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		return -errno;
	free(stack);
	if (!try_read_word(memory->at, &word))
		return PATH_SIGBUS;
	return (uint32_t)word ? PATH_NOTHING : 0;
}

PATH_TEST(PROGRAM, not_by_futex_wait, .text = "`futex(FUTEX_WAIT_PRIVATE)`", PATH_TOUCHES,
	  wait_on_word, -EFAULT)
PATH_TEST(PROGRAM, not_by_shared_futex_wait, .text = "`futex(FUTEX_WAIT)`", PATH_TOUCHES,
	  wait_on_shared_word, -EFAULT)
PATH_TEST(PROGRAM, not_by_futex_wake_op, .text = "`futex(FUTEX_WAKE_OP)`", PATH_TOUCHES,
	  wake_with_operation, -EFAULT)
PATH_TEST(PROGRAM, not_by_the_exit_of_a_thread,
	  .text = "exit of a thread with `CLONE_CHILD_CLEARTID`", PATH_TOUCHES, clear_by_exit,
	  PATH_SIGBUS, .how = "not written (nobody is told)")

/* ---- the file itself ---- */

static int read_file(const struct memory *memory, uint8_t *bytes)
{
	return page_moved(read(memory->fd, bytes, PAGE));
}

static int write_file(const struct memory *memory, uint8_t *bytes)
{
	return page_moved(write(memory->fd, bytes, PAGE));
}

static int send_file(const struct memory *memory, uint8_t *bytes)
{
	int fd = memfd_create("target", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(sendfile(fd, memory->fd, NULL, PAGE));
	if (!ret)
		ret = page_moved(pread(fd, bytes, PAGE, 0));
	close(fd);
	return ret;
}

static int splice_file(const struct memory *memory, uint8_t *bytes)
{
	off_t offset = (off_t)memory->offset;
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret = page_moved(splice(memory->fd, &offset, ends[1], NULL, PAGE, 0));
	if (!ret)
		ret = page_moved(read(ends[0], bytes, PAGE));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

static int reopen_and_read(const struct memory *memory, uint8_t *bytes)
{
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = page_moved(pread(fd, bytes, PAGE, (off_t)memory->offset));
	close(fd);
	return ret;
}

static int open_mapping_and_read(const struct memory *memory, uint8_t *bytes)
{
	unsigned long at = (unsigned long)memory->at;
	unsigned long end = at + (memory->ordinary ? PAGE : 2 * PAGE);
	char path[128];
	int fd, ret;

	at -= memory->ordinary ? 0 : memory->offset;
	end -= memory->ordinary ? 0 : memory->offset;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", at, end);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = page_moved(pread(fd, bytes, PAGE, (off_t)memory->offset));
	close(fd);
	return ret;
}

PATH_TEST(PROGRAM, not_by_read_of_the_file, .text = "`read` of the file", PATH_READS, read_file,
	  -EINVAL, .not_offered = true)
PATH_TEST(PROGRAM, not_by_write_of_the_file, .text = "`write` of the file", PATH_WRITES, write_file,
	  -EINVAL, .not_offered = true)
PATH_TEST(PROGRAM, not_by_sendfile, .text = "`sendfile` of the file", PATH_READS, send_file,
	  -EINVAL, .not_offered = true)
PATH_TEST(PROGRAM, not_by_splice, .text = "`splice` of the file", PATH_READS, splice_file, -EINVAL,
	  .not_offered = true)
PATH_TEST(PROGRAM, not_by_opening_it_again, .text = "`open` of `/proc/PID/fd/N`", PATH_READS,
	  reopen_and_read, -ENXIO, .not_offered = true)
PATH_TEST(PROGRAM, not_by_opening_its_mapping, .text = "`open` of `/proc/PID/map_files/...`",
	  PATH_READS, open_mapping_and_read, -ENXIO, .not_offered = true)

static void add_tests(Suite *suite)
{
	TCase *instructions = new_case(suite, "instructions");
	TCase *mappings = new_case(suite, "mappings");
	TCase *buffers = new_case(suite, "buffers");
	TCase *words = new_case(suite, "words");
	TCase *file = new_case(suite, "file");

	tcase_add_test(instructions, not_by_a_load);
	tcase_add_test(instructions, not_by_a_store);
	tcase_add_test(mappings, not_by_a_new_mapping);
	tcase_add_test(mappings, not_by_a_populated_mapping);
	tcase_add_test(mappings, not_by_a_locked_mapping);
	tcase_add_test(mappings, not_by_a_copied_mapping);
	tcase_add_test(mappings, not_by_a_moved_mapping);
	tcase_add_test(mappings, not_by_a_copy_on_write_mapping);
	tcase_add_test(mappings, not_by_mprotect);
	tcase_add_test(mappings, not_by_execution);
	tcase_add_test(mappings, not_by_populate_read);
	tcase_add_test(mappings, not_by_populate_write);
	tcase_add_test(mappings, not_by_mlock);
	tcase_add_test(buffers, not_by_read);
	tcase_add_test(buffers, not_by_write);
	tcase_add_test(buffers, not_by_writev);
	tcase_add_test(buffers, not_by_write_to_a_pipe);
	tcase_add_test(buffers, not_by_send);
	tcase_add_test(buffers, not_by_recv);
	tcase_add_test(words, not_by_futex_wait);
	tcase_add_test(words, not_by_shared_futex_wait);
	tcase_add_test(words, not_by_futex_wake_op);
	tcase_add_test(words, not_by_the_exit_of_a_thread);
	tcase_add_test(file, not_by_read_of_the_file);
	tcase_add_test(file, not_by_write_of_the_file);
	tcase_add_test(file, not_by_sendfile);
	tcase_add_test(file, not_by_splice);
	tcase_add_test(file, not_by_opening_it_again);
	tcase_add_test(file, not_by_opening_its_mapping);
}

int main(void)
{
	Suite *suite = suite_create(PROGRAM);

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
