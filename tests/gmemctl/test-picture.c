/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Pictures of states: what is in a cell, its letter, and that SVG says the same. */
#include "../quick-check.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "svg.h"

#define PAGE	4096ULL
#define PRIVATE GMEM_STATE_PRIVATE
#define SHARED	GMEM_STATE_SHARED

static struct picture *picture;
static char *text;
static size_t text_size;

static void open_picture(uint64_t pages, size_t cells)
{
	ck_assert_int_eq(picture_new(pages * PAGE, PAGE, cells, &picture), 0);
}

static void close_all(void)
{
	picture_free(picture);
	free(text);
	picture = NULL;
	text = NULL;
}

/* So many pages of a cell, with memory in so many of them. */
static void add(size_t cell, uint64_t pages, enum gmem_state state, uint64_t allocated)
{
	struct gmem_extent extent = {
		.size = pages * PAGE,
		.state = state,
		.allocated = allocated * PAGE,
	};

	picture_add(picture, cell, &extent);
}

static FILE *to_text(void)
{
	FILE *stream;

	free(text);
	text = NULL;
	stream = open_memstream(&text, &text_size);
	ck_assert_ptr_nonnull(stream);
	return stream;
}

static int count(const char *what)
{
	int found = 0;

	for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
		found++;
	return found;
}

static void must_have(const char *what)
{
	ck_assert_msg(strstr(text, what), "'%s' is not in:\n%s", what, text);
}

START_TEST(cells_divide_the_file_into_whole_pages)
{
	static const uint64_t sizes[] = { 1, 2, 63, 64, 65, 1000, 1ULL << 40 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		open_picture(sizes[i], 64);
		ck_assert_uint_eq(picture->cells, sizes[i] < 64 ? sizes[i] : 64);
		ck_assert_uint_eq(picture_offset(picture, 0), 0);
		ck_assert_uint_eq(picture_offset(picture, picture->cells), sizes[i] * PAGE);
		for (size_t cell = 0; cell < picture->cells; cell++) {
			uint64_t start = picture_offset(picture, cell);
			uint64_t size = picture_offset(picture, cell + 1) - start;

			ck_assert_uint_eq(start % PAGE, 0);
			ck_assert_uint_ge(size, sizes[i] / picture->cells * PAGE);
			ck_assert_uint_le(size, (sizes[i] / picture->cells + 1) * PAGE);
		}
		close_all();
	}
}
END_TEST

START_TEST(the_largest_file_does_not_overflow)
{
	ck_assert_int_eq(picture_new(INT64_MAX / PAGE * PAGE, PAGE, 4096, &picture), 0);
	ck_assert_uint_eq(picture_offset(picture, 4096), INT64_MAX / PAGE * PAGE);
	ck_assert_uint_gt(picture_offset(picture, 4095), INT64_MAX / 2);
}
END_TEST

START_TEST(a_file_without_pages_has_no_picture)
{
	ck_assert_int_eq(picture_new(0, PAGE, 64, &picture), -EINVAL);
	ck_assert_int_eq(picture_new(PAGE + 1, PAGE, 64, &picture), -EINVAL);
	ck_assert_int_eq(picture_new(PAGE, PAGE, 0, &picture), -EINVAL);
	ck_assert_ptr_null(picture);
}
END_TEST

START_TEST(sizes_are_short)
{
	static const struct {
		uint64_t size;
		const char *text;
	} cases[] = {
		{ 0, "0 bytes" },	    { 4096, "4 KiB" },	     { 6 * 1024, "6 KiB" },
		{ 1536 * 1024, "1.5 MiB" }, { 1ULL << 30, "1 GiB" }, { 1023, "1023 bytes" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buffer[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		picture_size(buffer, sizeof(buffer), cases[i].size);
		ck_assert_str_eq(buffer, cases[i].text);
	}
}
END_TEST

START_TEST(a_letter_tells_state_and_memory)
{
	open_picture(12, 6);
	add(0, 2, PRIVATE, 2);
	add(1, 2, PRIVATE, 0);
	add(2, 2, SHARED, 1);
	add(3, 2, SHARED, 0);
	add(4, 1, PRIVATE, 0);
	add(4, 1, SHARED, 1);
	add(5, 1, SHARED, 0);
	add(5, 1, PRIVATE, 0);
	picture->extents = 5;
	FILE *stream = to_text();

	picture_print(picture, stream, false);
	fclose(stream);
	ck_assert_str_eq(text,
			 "         0  PpSsXx\n"
			 "\n"
			 "A letter is 8 KiB: P private, S shared, X some of both; small: without "
			 "memory\n"
			 "private 24 KiB (8 KiB with memory), shared 24 KiB (8 KiB with memory), 5 "
			 "extents\n");
}
END_TEST

START_TEST(rows_begin_with_their_offset)
{
	open_picture(130, 200);
	for (size_t i = 0; i < 130; i++)
		add(i, 1, PRIVATE, 1);
	FILE *stream = to_text();

	picture_print(picture, stream, false);
	fclose(stream);
	must_have("         0  PPPP");
	must_have("\n   256 KiB  PPPP");
	must_have("\n   512 KiB  PP\n");
}
END_TEST

START_TEST(colours_end_with_each_row)
{
	open_picture(3, 3);
	add(0, 1, PRIVATE, 1);
	add(1, 1, PRIVATE, 1);
	add(2, 1, SHARED, 1);
	FILE *stream = to_text();

	picture_print(picture, stream, true);
	fclose(stream);
	must_have("\033[97;44mPP\033[0m\033[30;43mS\033[0m\n");
}
END_TEST

START_TEST(svg_is_text_that_xml_allows)
{
	FILE *stream = to_text();

	svg_begin(stream, 10, 10, "<&>\"\x01");
	svg_text(stream, 1, 1, SVG_END, "#000000", "a<b & c\n");
	svg_end(stream);
	fclose(stream);
	must_have("<title>&lt;&amp;>\" </title>");
	must_have(">a&lt;b &amp; c </text>");
	ck_assert_int_eq(count("<svg "), 1);
	ck_assert_int_eq(count("</svg>"), 1);
}
END_TEST

/* One rectangle for a run of equal cells, with its label. */
START_TEST(svg_joins_cells_that_are_alike)
{
	open_picture(128, 128);
	for (size_t i = 0; i < 128; i++)
		add(i, 1, i < 64 ? PRIVATE : SHARED, 1);
	FILE *stream = to_text();

	picture_write_svg(picture, "a file", stream);
	fclose(stream);
	must_have(">private 256 KiB</text>");
	must_have(">shared 256 KiB</text>");
	/* Page and legend, four; and the two runs. */
	ck_assert_int_eq(count("<rect "), 1 + 4 + 2);
	must_have(">private 256 KiB, 256 KiB with memory</text>");
}
END_TEST

START_TEST(svg_shows_how_much_has_memory)
{
	struct picture_strip strip = { 0, 0, 100, 20, 0, 1, false, NULL };

	open_picture(4, 1);
	add(0, 4, PRIVATE, 1);
	FILE *stream = to_text();

	picture_strip(picture, &strip, stream);
	fclose(stream);
	must_have("y=\"0.00\" width=\"100.00\" height=\"15.00\" fill=\"#b9cfea\"");
	must_have("y=\"15.00\" width=\"100.00\" height=\"5.00\" fill=\"#2b5c9e\"");
}
END_TEST

START_TEST(svg_divides_a_cell_of_both_states)
{
	struct picture_strip strip = { 0, 0, 100, 20, 0, 1, false, NULL };

	open_picture(4, 1);
	add(0, 1, SHARED, 1);
	add(0, 3, PRIVATE, 3);
	FILE *stream = to_text();

	picture_strip(picture, &strip, stream);
	fclose(stream);
	must_have("x=\"0.00\" y=\"0.00\" width=\"75.00\" height=\"20.00\" fill=\"#2b5c9e\"");
	must_have("x=\"75.00\" y=\"0.00\" width=\"25.00\" height=\"20.00\" fill=\"#e08e0b\"");
}
END_TEST

START_TEST(svg_frames_what_has_changed)
{
	struct picture_strip strip = { 0, 0, 40, 20, 0, 4, false, NULL };
	struct picture *before;

	open_picture(4, 4);
	for (size_t i = 0; i < 4; i++)
		add(i, 1, PRIVATE, 1);
	before = picture;
	open_picture(4, 4);
	for (size_t i = 0; i < 4; i++)
		add(i, 1, i == 1 || i == 2 ? SHARED : PRIVATE, 1);
	strip.before = before;
	FILE *stream = to_text();

	picture_strip(picture, &strip, stream);
	fclose(stream);
	ck_assert_int_eq(count("stroke="), 1);
	must_have("x=\"10.00\" y=\"0.00\" width=\"20.00\" height=\"20.00\" fill=\"none\" stroke=");
	strip.before = picture;
	stream = to_text();
	picture_strip(picture, &strip, stream);
	fclose(stream);
	ck_assert_int_eq(count("stroke="), 0);
	picture_free(before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("picture");
	TCase *tests = tcase_create("picture");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, NULL, close_all);
	tcase_add_test(tests, cells_divide_the_file_into_whole_pages);
	tcase_add_test(tests, the_largest_file_does_not_overflow);
	tcase_add_test(tests, a_file_without_pages_has_no_picture);
	tcase_add_test(tests, sizes_are_short);
	tcase_add_test(tests, a_letter_tells_state_and_memory);
	tcase_add_test(tests, rows_begin_with_their_offset);
	tcase_add_test(tests, colours_end_with_each_row);
	tcase_add_test(tests, svg_is_text_that_xml_allows);
	tcase_add_test(tests, svg_joins_cells_that_are_alike);
	tcase_add_test(tests, svg_shows_how_much_has_memory);
	tcase_add_test(tests, svg_divides_a_cell_of_both_states);
	tcase_add_test(tests, svg_frames_what_has_changed);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
