/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Private means private: what one process can do to the memory of another, and what the kernel
 * dumps of a process that dies.
 */
#include "private-path.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "private-process"

/* ---- process_vm_readv and process_vm_writev ---- */

static int read_process(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	struct iovec local = { bytes, PAGE }, remote = { memory->at, PAGE };

	return page_moved(process_vm_readv(target, &local, 1, &remote, 1, 0));
}

static int write_process(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	struct iovec local = { bytes, PAGE }, remote = { memory->at, PAGE };

	return page_moved(process_vm_writev(target, &local, 1, &remote, 1, 0));
}

static int read_own(const struct memory *memory, uint8_t *bytes)
{
	return read_process(getpid(), memory, bytes);
}

static int write_own(const struct memory *memory, uint8_t *bytes)
{
	return write_process(getpid(), memory, bytes);
}

static int read_others(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(read_process, memory, bytes);
}

static int write_others(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(write_process, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_process_vm_readv, .text = "`process_vm_readv`, own memory", PATH_READS,
	  read_own, -EFAULT)
PATH_TEST(PROGRAM, not_by_process_vm_writev, .text = "`process_vm_writev`, own memory", PATH_WRITES,
	  write_own, -EFAULT)
PATH_TEST(PROGRAM, not_by_process_vm_readv_of_another,
	  .text = "`process_vm_readv` by another process", PATH_READS, read_others, -EFAULT)
PATH_TEST(PROGRAM, not_by_process_vm_writev_of_another,
	  .text = "`process_vm_writev` by another process", PATH_WRITES, write_others, -EFAULT)

/* ---- /proc/PID/mem ---- */

static int open_memory(pid_t target)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", target);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int read_mem(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	int fd = open_memory(target), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(pread(fd, bytes, PAGE, (off_t)(uintptr_t)memory->at));
	close(fd);
	return ret;
}

static int write_mem(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	int fd = open_memory(target), ret;

	if (fd < 0)
		return -errno;
	ret = page_moved(pwrite(fd, bytes, PAGE, (off_t)(uintptr_t)memory->at));
	close(fd);
	return ret;
}

static int read_own_mem(const struct memory *memory, uint8_t *bytes)
{
	return read_mem(getpid(), memory, bytes);
}

static int write_own_mem(const struct memory *memory, uint8_t *bytes)
{
	return write_mem(getpid(), memory, bytes);
}

static int read_others_mem(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(read_mem, memory, bytes);
}

static int write_others_mem(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(write_mem, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_proc_mem, .text = "read of `/proc/self/mem`", PATH_READS, read_own_mem,
	  -EIO)
PATH_TEST(PROGRAM, not_by_write_to_proc_mem, .text = "write to `/proc/self/mem`", PATH_WRITES,
	  write_own_mem, -EIO)
PATH_TEST(PROGRAM, not_by_proc_mem_of_another, .text = "read of `/proc/PID/mem`", PATH_READS,
	  read_others_mem, -EIO)
PATH_TEST(PROGRAM, not_by_write_to_proc_mem_of_another, .text = "write to `/proc/PID/mem`",
	  PATH_WRITES, write_others_mem, -EIO)

/* ---- ptrace ---- */

static int stop(pid_t target)
{
	int status;

	if (ptrace(PTRACE_SEIZE, target, NULL, NULL))
		return -errno;
	if (ptrace(PTRACE_INTERRUPT, target, NULL, NULL) ||
	    waitpid(target, &status, __WALL) != target)
		return -errno;
	return WIFSTOPPED(status) ? 0 : -ECHILD;
}

static int peek(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	int ret = stop(target);

	for (uint64_t i = 0; i < PAGE && !ret; i += sizeof(long)) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, target, memory->at + i, NULL);
		ret = -errno;
		if (!ret)
			memcpy(bytes + i, &word, sizeof(word));
	}
	ptrace(PTRACE_DETACH, target, NULL, NULL);
	return ret;
}

static int poke(pid_t target, const struct memory *memory, uint8_t *bytes)
{
	int ret = stop(target);

	for (uint64_t i = 0; i < PAGE && !ret; i += sizeof(long)) {
		long word;

		memcpy(&word, bytes + i, sizeof(word));
		if (ptrace(PTRACE_POKEDATA, target, memory->at + i, word))
			ret = -errno;
	}
	ptrace(PTRACE_DETACH, target, NULL, NULL);
	return ret;
}

static int peek_by_debugger(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(peek, memory, bytes);
}

static int poke_by_debugger(const struct memory *memory, uint8_t *bytes)
{
	return by_debugger(poke, memory, bytes);
}

PATH_TEST(PROGRAM, not_by_ptrace_peek, .text = "`ptrace(PTRACE_PEEKDATA)`", PATH_READS,
	  peek_by_debugger, -EIO)
PATH_TEST(PROGRAM, not_by_ptrace_poke, .text = "`ptrace(PTRACE_POKEDATA)`", PATH_WRITES,
	  poke_by_debugger, -EIO)

/* ---- core dumps ---- */

#define CORE_DIRECTORY "/dev/shm"

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* The page at an address of the process that left this dump. */
static int find_in_dump(int fd, uint64_t address, uint8_t *bytes)
{
	static uint8_t page[PAGE];
	Elf64_Ehdr header;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG))
		return -EBADMSG;
	for (int i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr segment;
		int ret;

		if (pread(fd, &segment, sizeof(segment),
			  (off_t)(header.e_phoff + (unsigned int)i * sizeof(segment))) !=
		    sizeof(segment))
			return -EBADMSG;
		if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
		    address - segment.p_vaddr + PAGE > segment.p_filesz)
			continue;
		ret = page_moved(pread(fd, page, PAGE,
				       (off_t)(segment.p_offset + address - segment.p_vaddr)));
		if (ret)
			return ret;
		if (page_is_zero(page))
			return PATH_NOTHING;
		memcpy(bytes, page, PAGE);
		return 0;
	}
	return -ENOENT;
}

/* Everything a process has mapped, files included, is asked for. */
static void die_with_dump(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	if (!write_text("/proc/self/coredump_filter", "0xff") &&
	    !setrlimit(RLIMIT_CORE, &unlimited)) {
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	_exit(1);
}

static int dump(const struct memory *memory, uint8_t *bytes)
{
	char path[64];
	int status, fd, ret;
	pid_t pid;

	ret = write_text("/proc/sys/kernel/core_pattern", CORE_DIRECTORY "/gmem-core.%p");
	if (ret)
		return ret;
	pid = fork();
	if (!pid)
		die_with_dump();
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	if (!WIFSIGNALED(status) || !WCOREDUMP(status))
		return -ENODATA;
	snprintf(path, sizeof(path), CORE_DIRECTORY "/gmem-core.%d", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = find_in_dump(fd, (uintptr_t)memory->at, bytes);
	close(fd);
	unlink(path);
	return ret;
}

PATH_TEST(PROGRAM, not_by_core_dump, .text = "core dump, with all kinds of mappings dumped",
	  PATH_READS, dump, PATH_NOTHING, .how = "a hole in the dump, reads as zero")

static void add_tests(Suite *suite)
{
	TCase *process_vm = new_case(suite, "process_vm");
	TCase *mem = new_case(suite, "mem");
	TCase *debuggers = new_case(suite, "ptrace");
	TCase *dumps = new_case(suite, "core dump");

	tcase_add_test(process_vm, not_by_process_vm_readv);
	tcase_add_test(process_vm, not_by_process_vm_writev);
	tcase_add_test(process_vm, not_by_process_vm_readv_of_another);
	tcase_add_test(process_vm, not_by_process_vm_writev_of_another);
	tcase_add_test(mem, not_by_proc_mem);
	tcase_add_test(mem, not_by_write_to_proc_mem);
	tcase_add_test(mem, not_by_proc_mem_of_another);
	tcase_add_test(mem, not_by_write_to_proc_mem_of_another);
	tcase_add_test(debuggers, not_by_ptrace_peek);
	tcase_add_test(debuggers, not_by_ptrace_poke);
	tcase_add_test(dumps, not_by_core_dump);
}

int main(void)
{
	Suite *suite = suite_create(PROGRAM);

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
