/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What gmemctl top reads: fdinfo, and which files processes have. */
#include "../quick-check.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "statistics.h"

#define HEAD "pos:\t0\nflags:\t02000002\nmnt_id:\t16\n"
#define SIZE "gmem-size:\t65536\ngmem-flags:\t0x3\ngmem-allocated:\t8192\n"
#define STATES                                                                                     \
	"gmem-private:\t61440\ngmem-shared:\t4096\ngmem-to-private:\t3\ngmem-to-shared:\t4\n"      \
	"gmem-busy:\t5\ngmem-failed:\t6\n"

static char proc[] = "/tmp/gmem-statistics.XXXXXX";

START_TEST(each_line_has_its_place)
{
	struct statistics s;

	ck_assert_int_eq(statistics_parse(HEAD "ino:\t77\n" SIZE "gmem-frozen:\t1\n" STATES, &s),
			 0);
	ck_assert_uint_eq(s.inode, 77);
	ck_assert_uint_eq(s.size, 65536);
	ck_assert_uint_eq(s.allocated, 8192);
	ck_assert(s.frozen && s.has_states);
	ck_assert_uint_eq(s.private, 61440);
	ck_assert_uint_eq(s.shared, 4096);
	ck_assert_uint_eq(s.to_private, 3);
	ck_assert_uint_eq(s.to_shared, 4);
	ck_assert_uint_eq(s.busy, 5);
	ck_assert_uint_eq(s.failed, 6);
	ck_assert_uint_eq(statistics_converted(&s), 7);
}
END_TEST

START_TEST(order_and_other_lines_make_no_difference)
{
	struct statistics s;

	ck_assert_int_eq(statistics_parse(STATES "gmem-new:\t9\n" SIZE "ino:\t1\n", &s), 0);
	ck_assert(s.has_states && !s.frozen);
	ck_assert_uint_eq(s.inode, 1);
}
END_TEST

START_TEST(states_may_be_missing)
{
	struct statistics s;

	/* VM-wide attributes: the file has none. */
	ck_assert_int_eq(statistics_parse(HEAD "ino:\t77\n" SIZE, &s), 0);
	ck_assert(!s.has_states);
}
END_TEST

START_TEST(what_is_no_statistics_is_refused)
{
	struct statistics s = { .size = 123 };

	ck_assert_int_eq(statistics_parse("", &s), -ENOENT);
	ck_assert_int_eq(statistics_parse(HEAD "ino:\t77\n", &s), -ENOENT);
	ck_assert_int_eq(statistics_parse(HEAD "ino:\t7\nxgmem-size:\t1\n", &s), -ENOENT);
	ck_assert_int_eq(statistics_parse(SIZE, &s), -EBADMSG);
	ck_assert_int_eq(statistics_parse("ino:\t7\ngmem-size:\t12x\n", &s), -ENOENT);
	ck_assert_int_eq(statistics_parse("ino:\t7\ngmem-size:\t\n", &s), -ENOENT);
	ck_assert_int_eq(statistics_parse("ino:\t7\ngmem-size:\t99999999999999999999999\n", &s),
			 -ENOENT);
	ck_assert_uint_eq(s.size, 123);
}
END_TEST

/* A file of the procfs that the tests make. */
__attribute__((format(printf, 2, 3))) static void put(const char *text, const char *format, ...)
{
	char path[300];
	va_list args;
	FILE *file;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	for (char *at = strchr(path + sizeof(proc), '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0700);
		*at = '/';
	}
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void put_fd(int pid, int fd, const char *target, const char *info)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/fd", proc, pid);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/fd/%d", proc, pid, fd);
	ck_assert_int_eq(symlink(target, path), 0);
	put(info, "%s/%d/fdinfo/%d", proc, pid, fd);
}

static void make_proc(void)
{
	strcpy(proc + sizeof(proc) - 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(proc));
}

static void remove_proc(void)
{
	char line[400];

	snprintf(line, sizeof(line), "rm -rf %s", proc);
	ck_assert_int_eq(system(line), 0);
}

START_TEST(files_are_found_and_each_is_there_once)
{
	struct statistics *list;
	const struct statistics other = { .inode = 78, .size = 1 };

	put("vmm one\x1b\n", "%s/12/comm", proc);
	put_fd(12, 3, "/dev/null", "ino:\t5\n" SIZE STATES);
	put_fd(12, 10, "anon_inode:[kvm-gmem]", "ino:\t77\n" SIZE STATES);
	put_fd(12, 4, "/[kvm-gmem] (deleted)", "ino:\t78\n" SIZE STATES);
	put_fd(13, 5, "anon_inode:[kvm-gmem]", "ino:\t77\n" SIZE STATES);
	put("something", "%s/version", proc);
	ck_assert_int_eq(statistics_read(proc, (const pid_t[]){ 12, 13 }, 2, &list), 2);
	ck_assert_int_eq(list[0].pid, 12);
	ck_assert_int_eq(list[0].fd, 4);
	ck_assert_str_eq(list[0].name, "vmm one?");
	ck_assert_int_eq(list[1].fd, 10);
	ck_assert_uint_eq(list[1].descriptors, 2);
	ck_assert_ptr_eq(statistics_find(list, 2, &list[1]), &list[1]);
	ck_assert_ptr_null(statistics_find(list, 2, &other));
	free(list);
	ck_assert_int_eq(statistics_read(proc, NULL, 0, &list), 2);
	free(list);
	ck_assert_int_eq(statistics_read(proc, (const pid_t[]){ 13 }, 1, &list), 1);
	ck_assert_str_eq(list[0].name, "?");
	free(list);
}
END_TEST

START_TEST(no_files_are_none)
{
	struct statistics *list;

	ck_assert_int_eq(statistics_read(proc, NULL, 0, &list), 0);
	free(list);
	ck_assert_int_eq(statistics_read(proc, (const pid_t[]){ 99 }, 1, &list), 0);
	free(list);
	ck_assert_int_eq(statistics_read("/nowhere", NULL, 0, &list), -ENOENT);
}
END_TEST

START_TEST(a_kernel_without_statistics_is_told)
{
	struct statistics *list;

	put_fd(12, 3, "anon_inode:[kvm-gmem]", HEAD "ino:\t5\n");
	ck_assert_int_eq(statistics_read(proc, NULL, 0, &list), -ENOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statistics");
	TCase *parsing = tcase_create("fdinfo"), *finding = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_test(parsing, each_line_has_its_place);
	tcase_add_test(parsing, order_and_other_lines_make_no_difference);
	tcase_add_test(parsing, states_may_be_missing);
	tcase_add_test(parsing, what_is_no_statistics_is_refused);
	tcase_add_checked_fixture(finding, make_proc, remove_proc);
	tcase_add_test(finding, files_are_found_and_each_is_there_once);
	tcase_add_test(finding, no_files_are_none);
	tcase_add_test(finding, a_kernel_without_statistics_is_told);
	suite_add_tcase(suite, parsing);
	suite_add_tcase(suite, finding);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
