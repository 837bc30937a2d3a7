/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The real libnuma, on whatever machine this is: node 0 exists on all of them that have nodes.
 * Where there is no libnuma every string is refused, which is said.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "lib/nodes.h"
#include "unit.h"

static int parse(const char *text, struct gmem_nodes *ret_nodes)
{
	return gmem_node_parser->parse(text, ret_nodes);
}

static bool has_nodes(void)
{
	struct gmem_nodes nodes = { { 77 } };
	int r = parse("0", &nodes);

	if (r == 0)
		return true;
	ck_assert(r == -ENOSYS || r == -ENODEV);
	ck_assert_uint_eq(nodes.words[0], 77);
	printf("# no nodes here: %s\n", gmem_error_name(r));
	return false;
}

START_TEST(reads_what_libnuma_reads)
{
	static const char *const all_have_node_0[] = { "0", "0-0", "+0", "all", "0,0", "00" };
	struct gmem_nodes nodes;
	size_t i;

	if (!has_nodes())
		return;
	for (i = 0; i < sizeof(all_have_node_0) / sizeof(all_have_node_0[0]); i++) {
		memset(&nodes, 0, sizeof(nodes));
		ck_assert_msg(parse(all_have_node_0[i], &nodes) == 0, "%s", all_have_node_0[i]);
		ck_assert_uint_eq(nodes.words[0] & 1, 1);
	}
}
END_TEST

static const char *const wrong[] = {
	"",	"x",	"0x",	  "0,",	  ",0",	   "0-",   "-0",   "1-0",    "0 ",
	" 0",	"!",	"+",	  "!+",	  "all,0", "allx", "1023", "1024",   "99999999999999999999",
	"+999", "0--1", "file:/", "ip:0", "same",  "!all", "0;1",  "0-1023", "+0-1023",
};

/* libnuma would print to stderr: nothing comes out of the library. */
START_TEST(refuses_everything_else_in_silence)
{
	struct gmem_nodes nodes = { { 77 } };
	int ends[2], old = dup(STDERR_FILENO);
	char text[100];
	ssize_t n;

	if (!has_nodes())
		return;
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	ck_assert_msg(parse(wrong[_i], &nodes) == -EINVAL, "'%s'", wrong[_i]);
	dup2(old, STDERR_FILENO);
	n = read(ends[0], text, sizeof(text));
	ck_assert_msg(n < 0, "'%s' prints %.*s", wrong[_i], (int)n, text);
	ck_assert_uint_eq(nodes.words[0], 77);
	close(ends[0]);
	close(ends[1]);
	close(old);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("nodes");
	TCase *tests = scripted_case(suite, "node strings");

	tcase_add_test(tests, reads_what_libnuma_reads);
	tcase_add_loop_test(tests, refuses_everything_else_in_silence, 0, COUNT(wrong));
	return suite;
}
