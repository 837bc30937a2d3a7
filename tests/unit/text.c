/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/text.h"
#include "unit.h"

START_TEST(appends)
{
	char buffer[16];
	struct gmem_text text = { .buffer = buffer, .size = sizeof(buffer) };

	gmem_text_add(&text, "%s %d", "page", 7);
	gmem_text_add(&text, "%s", "");
	gmem_text_add(&text, "!");
	ck_assert_str_eq(buffer, "page 7!");
	ck_assert_uint_eq(text.length, 7);
}
END_TEST

START_TEST(cuts_terminates_and_counts_on_at_every_size)
{
	char buffer[16];
	struct gmem_text text = { .buffer = buffer, .size = (size_t)_i };
	size_t fits = _i ? (size_t)_i - 1 : 0;

	memset(buffer, '#', sizeof(buffer));
	gmem_text_add(&text, "abc");
	gmem_text_add(&text, "def");
	gmem_text_add(&text, "ghi");
	ck_assert_uint_eq(text.length, 9);
	if (fits > 9)
		fits = 9;
	ck_assert_int_eq(memcmp(buffer, "abcdefghi", fits), 0);
	if (_i)
		ck_assert_int_eq(buffer[fits], '\0');
	/* Nothing behind the size is touched. */
	ck_assert_int_eq(buffer[_i], '#');
}
END_TEST

START_TEST(counts_without_a_buffer)
{
	struct gmem_text text = { 0 };

	gmem_text_add(&text, "abc");
	gmem_text_add(&text, "%d", 10);
	ck_assert_uint_eq(text.length, 5);
}
END_TEST

START_TEST(writes_strings_as_json_has_them)
{
	static const struct {
		const char *string, *json;
	} strings[] = {
		{ NULL, "null" },
		{ "", "\"\"" },
		{ "kernel's", "\"kernel's\"" },
		{ "a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"" },
		{ "line\nnext\ttab\x01", "\"line\\u000anext\\u0009tab\\u0001\"" },
		{ "UTF-8: \xc3\xa9", "\"UTF-8: \xc3\xa9\"" },
	};
	char buffer[64];
	size_t i;

	for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		struct gmem_text text = { .buffer = buffer, .size = sizeof(buffer) };

		gmem_text_add_json(&text, strings[i].string);
		ck_assert_str_eq(buffer, strings[i].json);
		ck_assert_uint_eq(text.length, strlen(strings[i].json));
	}
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("text");
	TCase *tests = scripted_case(suite, "text into a buffer");

	tcase_add_test(tests, appends);
	tcase_add_loop_test(tests, cuts_terminates_and_counts_on_at_every_size, 0, 16);
	tcase_add_test(tests, counts_without_a_buffer);
	tcase_add_test(tests, writes_strings_as_json_has_them);
	return suite;
}
