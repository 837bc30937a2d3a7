/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/"

/* Of the thread that opened it: each test is a process of one thread. */
static int nth_file = -1;

static void write_setting(const char *path, const char *value)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);

	if (file < 0 || write(file, value, strlen(value)) < 0)
		skip_all("%s: %s", path, strerror(errno));
	close(file);
}

void need_fault_injection(void)
{
	if (geteuid())
		skip_all("fault injection needs root");
	need_debugfs();
	if (access("/proc/thread-self/fail-nth", W_OK) || access(DEBUGFS "failslab", F_OK))
		skip_all("this kernel has no fault injection (CONFIG_FAILSLAB): use the debug "
			 "flavour");
	/* Allocations that may wait fail as well, and no stack trace is printed for them. */
	write_setting(DEBUGFS "failslab/ignore-gfp-wait", "N");
	write_setting(DEBUGFS "failslab/verbose", "0");
	if (access(DEBUGFS "fail_page_alloc", F_OK))
		return;
	write_setting(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	write_setting(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	write_setting(DEBUGFS "fail_page_alloc/min-order", "0");
	write_setting(DEBUGFS "fail_page_alloc/verbose", "0");
}

void fail_at(unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	if (nth_file < 0)
		nth_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(nth_file, 0);
	ck_assert(pwrite(nth_file, text, length, 0) == length);
}

bool has_failed(void)
{
	char text[16] = "";

	ck_assert(pread(nth_file, text, sizeof(text) - 1, 0) > 0);
	ck_assert(pwrite(nth_file, "0", 1, 0) == 1);
	return atoi(text) == 0;
}

/* Open for as long as allocations fail: opening them takes memory, too. */
static int probability = -1, make_it_fail = -1;

void fail_after(uint64_t bytes)
{
	char text[32];

	if (probability < 0) {
		probability = open(DEBUGFS "failslab/probability", O_WRONLY | O_CLOEXEC);
		make_it_fail = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	}
	ck_assert(probability >= 0 && make_it_fail >= 0);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	write_setting(DEBUGFS "failslab/task-filter", "Y");
	write_setting(DEBUGFS "failslab/interval", "1");
	write_setting(DEBUGFS "failslab/times", "-1");
	write_setting(DEBUGFS "failslab/space", text);
	ck_assert(write(probability, "100", 3) == 3);
	ck_assert(write(make_it_fail, "1", 1) == 1);
}

void fail_no_more(void)
{
	ck_assert(write(probability, "0", 1) == 1);
	ck_assert(write(make_it_fail, "0", 1) == 1);
	write_setting(DEBUGFS "failslab/task-filter", "N");
}
