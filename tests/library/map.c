/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * gmemctl map shows the states that a running program's files have, and gmemctl top what it does
 * to them.
 *
 * Usage: map GMEMCTL
 */
#include "library.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernel/pin.h"

static const char *gmemctl;
static struct file file;
static char output[65536];

/* Four pages in each of four parts: private, shared with memory, shared, private with memory. */
static void open_all(void)
{
	file = open_file(VM_PROTECTED, 16 * PAGE, GMEM_INIT_PRIVATE);
	must(gmem_convert(file.gmem, 4 * PAGE, 8 * PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	memset(file.mapped + 4 * PAGE, 1, 4 * PAGE);
	must(gmem_allocate(file.gmem, 12 * PAGE, 4 * PAGE, NULL, report), 0);
}

static void close_all(void)
{
	close_file(&file);
}

/* gmemctl COMMAND ARGUMENTS with this process as its object; its exit status. */
static int tool(const char *command, const char *arguments, int fd)
{
	char line[512], descriptor[16] = "";
	size_t size;
	FILE *pipe;
	int status;

	if (fd >= 0)
		snprintf(descriptor, sizeof(descriptor), "%d", fd);
	snprintf(line, sizeof(line), "exec %s %s %s %d %s 2>&1", gmemctl, command, arguments,
		 (int)getpid(), descriptor);
	pipe = popen(line, "r");
	ck_assert_ptr_nonnull(pipe);
	size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = '\0';
	status = pclose(pipe);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int map(const char *arguments, int fd)
{
	return tool("map", arguments, fd);
}

static void must_say(const char *text)
{
	ck_assert_msg(strstr(output, text), "'%s' is not in:\n%s", text, output);
}

START_TEST(letters_tell_each_page)
{
	ck_assert_int_eq(map("", -1), 0);
	must_say("guest_memfd of 64 KiB: descriptor ");
	must_say("         0  ppppSSSSssssPPPP\n");
	must_say("private 32 KiB (16 KiB with memory), shared 32 KiB (16 KiB with memory), "
		 "3 extents\n");
}
END_TEST

START_TEST(a_conversion_shows)
{
	must(gmem_convert(file.gmem, 6 * PAGE, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	ck_assert_int_eq(map("", gmem_get_fd(file.gmem)), 0);
	must_say("         0  ppppSSPSssssPPPP\n");
}
END_TEST

START_TEST(json_has_the_extents)
{
	char expected[512];

	snprintf(expected, sizeof(expected),
		 "{\"version\":1,\"pid\":%d,\"fd\":%d,\"size\":65536,\"extents\":["
		 "{\"offset\":0,\"size\":16384,\"state\":\"private\",\"allocated\":0},"
		 "{\"offset\":16384,\"size\":32768,\"state\":\"shared\",\"allocated\":16384},"
		 "{\"offset\":49152,\"size\":16384,\"state\":\"private\",\"allocated\":16384}]}\n",
		 (int)getpid(), gmem_get_fd(file.gmem));
	ck_assert_int_eq(map("--json", gmem_get_fd(file.gmem)), 0);
	ck_assert_str_eq(output, expected);
}
END_TEST

START_TEST(svg_has_a_part_for_each_extent)
{
	ck_assert_int_eq(map("--svg -", gmem_get_fd(file.gmem)), 0);
	must_say("<svg ");
	must_say(">private 16 KiB</text>");
	must_say(">shared 16 KiB</text>");
	must_say(">private 32 KiB, 16 KiB with memory</text>");
	must_say("</svg>\n");
}
END_TEST

START_TEST(every_file_of_the_process_is_shown)
{
	struct file other = open_file(VM_PROTECTED, 4 * PAGE, GMEM_INIT_SHARED);

	ck_assert_int_eq(map("", -1), 0);
	must_say("guest_memfd of 64 KiB");
	must_say("guest_memfd of 16 KiB");
	must_say("         0  ssss\n");
	/* A picture is of one file. */
	ck_assert_int_eq(map("--svg -", -1), 2);
	must_say("name a descriptor");
	close_file(&other);
}
END_TEST

START_TEST(what_is_no_guest_memfd_is_told)
{
	ck_assert_int_eq(map("", 0), 1);
	must_say("guest_memfd");
	ck_assert_int_eq(map("", 9999), 1);
	must_say("it has no such descriptor");
}
END_TEST

START_TEST(nothing_of_the_process_changes)
{
	void *again;

	memset(file.mapped + 4 * PAGE, 77, 4 * PAGE);
	ck_assert_int_eq(map("", -1), 0);
	/* It is mappable, has its size, and the host may still touch what is shared. */
	must(gmem_map(file.gmem, 4 * PAGE, PAGE, NULL, &again, report), 0);
	ck_assert_int_eq(*(unsigned char *)again, 77);
	must(gmem_unmap(again, PAGE, report), 0);
	must(gmem_convert(file.gmem, 0, 16 * PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
}
END_TEST

START_TEST(top_counts_what_was_done)
{
	struct gmem_convert_options once = { .size = sizeof(once), .max_attempts = 1 };
	char expected[512];
	int pipe_ends[2];

	/* One conversion was to shared, by open_all(). */
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	must_give(splice_into_pipe((void *)(file.mapped + 4 * PAGE), PAGE, pipe_ends), 0);
	must(gmem_convert(file.gmem, 4 * PAGE, PAGE, GMEM_STATE_PRIVATE, &once, report), -EAGAIN);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	ck_assert_int_eq(tool("top", "--json", -1), 0);
	snprintf(expected, sizeof(expected),
		 "{\"version\":1,\"sample\":1,\"pid\":%d,\"fd\":%d,\"name\":", (int)getpid(),
		 gmem_get_fd(file.gmem));
	must_say(expected);
	must_say("\"size\":65536,\"allocated\":32768,\"frozen\":false,"
		 "\"private\":32768,\"shared\":32768,"
		 "\"to_private\":2,\"to_shared\":1,\"busy\":1,\"failed\":0}\n");
}
END_TEST

/* Another process converts while it looks: that shows as a rate. */
START_TEST(top_tells_how_often_it_is_done)
{
	pid_t busy = fork();

	ck_assert_int_ge(busy, 0);
	if (!busy) {
		for (;;)
			gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, NULL);
	}
	ck_assert_int_eq(tool("top", "--json --count 2 --interval 0.3", -1), 0);
	kill(busy, SIGKILL);
	waitpid(busy, NULL, 0);
	must_say("\"sample\":2,");
	must_say("\"conversions_per_s\":");
	ck_assert_double_gt(strtod(strstr(output, "\"conversions_per_s\":") + 20, NULL), 0);
}
END_TEST

START_TEST(top_is_a_table_for_people)
{
	ck_assert_int_eq(tool("top", "", -1), 0);
	must_say("PROGRAM\n");
	must_say("     64 KiB     32 KiB     32 KiB  PPPPPPPPSSSSSSSS ");
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("map");
	TCase *tests;

	if (argc != 2) {
		fprintf(stderr, "usage: map GMEMCTL\n");
		return 2;
	}
	gmemctl = argv[1];
	need_in_place();
	tests = library_case(suite, "gmemctl map");
	tcase_add_checked_fixture(tests, open_all, close_all);
	tcase_add_test(tests, letters_tell_each_page);
	tcase_add_test(tests, a_conversion_shows);
	tcase_add_test(tests, json_has_the_extents);
	tcase_add_test(tests, svg_has_a_part_for_each_extent);
	tcase_add_test(tests, every_file_of_the_process_is_shown);
	tcase_add_test(tests, what_is_no_guest_memfd_is_told);
	tcase_add_test(tests, nothing_of_the_process_changes);
	if (system_capability(GMEM_CAP_STATS)) {
		tests = library_case(suite, "gmemctl top");
		tcase_add_checked_fixture(tests, open_all, close_all);
		tcase_add_test(tests, top_counts_what_was_done);
		tcase_add_test(tests, top_tells_how_often_it_is_done);
		tcase_add_test(tests, top_is_a_table_for_people);
	} else {
		skip_case("gmemctl top", "this kernel does not count");
	}
	return run_suite(suite);
}
