/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The blob: what is put in comes out, and nothing else is taken for one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lib/blob.h"
#include "unit.h"

#define SIZE (256 * PAGE)

static struct gmem *gmem;
static struct gmem_blob *blob;
static struct gmem_blob *const untouched = (struct gmem_blob *)0x1234;

static const struct gmem_uapi_extent states[] = {
	{ 0, 3 * PAGE, PRIVATE, 0 },
	{ 3 * PAGE, PAGE, 0, 0 },
	{ 4 * PAGE, SIZE - 4 * PAGE, PRIVATE, 0 },
};

static void begin(void)
{
	gmem = some_file();
	ck_assert_int_eq(gmem_blob_new(&blob, report), 0);
}

static void end(void)
{
	gmem_blob_free(blob);
	drop_file(gmem);
}

static int add_file(uint64_t token)
{
	expect_query(0, SIZE, 0, 128, 0, states, 3);
	return gmem_blob_add_file(blob, token, gmem, report);
}

static int add_slot(uint32_t slot, uint64_t address, uint64_t size, uint64_t token, uint64_t offset)
{
	struct gmem_blob_slot new = { slot, 4, address, size, token, offset };

	return gmem_blob_add_slot(blob, &new, report);
}

static int add_section(const char *name, const char *text)
{
	return gmem_blob_add_section(blob, name, text, strlen(text), report);
}

static void fill(void)
{
	ck_assert_int_eq(add_file(7), 0);
	ck_assert_int_eq(add_file(2), 0);
	ck_assert_int_eq(add_slot(0x10001, 0x100000, 4 * PAGE, 7, 2 * PAGE), 0);
	ck_assert_int_eq(add_slot(3, 0, SIZE, 2, 0), 0);
	ck_assert_int_eq(add_section("vcpu0", "registers"), 0);
	ck_assert_int_eq(add_section("apic", ""), 0);
}

/* Returns bytes that the caller frees. */
static unsigned char *bytes_of(const struct gmem_blob *from, uint64_t *ret_size)
{
	unsigned char *bytes;

	ck_assert_int_eq(gmem_blob_format(from, NULL, 0, ret_size, report), -ENOSPC);
	bytes = malloc(*ret_size);
	ck_assert_int_eq(gmem_blob_format(from, bytes, *ret_size, ret_size, report), 0);
	return bytes;
}

static void check_contents(const struct gmem_blob *from)
{
	struct gmem_blob_section section;
	struct gmem_blob_slot slot;
	struct gmem_blob_file file;
	struct gmem_extent extent;

	ck_assert_int_eq(gmem_blob_get_file(from, 0, &file), 0);
	ck_assert_uint_eq(file.token, 2);
	ck_assert_int_eq(gmem_blob_find_file(from, 7, &file), 0);
	ck_assert_uint_eq(file.size, SIZE);
	ck_assert_uint_eq(file.creation_flags, GMEM_UAPI_FLAG_MMAP);
	ck_assert(file.mappable && file.has_creation_flags);
	ck_assert_uint_eq(file.extents, 3);
	ck_assert_int_eq(gmem_blob_get_file(from, 2, &file), -ENODATA);
	ck_assert_int_eq(gmem_blob_get_extent(from, 7, 1, &extent), 0);
	ck_assert_uint_eq(extent.offset, 3 * PAGE);
	ck_assert_uint_eq(extent.size, PAGE);
	ck_assert_int_eq(extent.state, GMEM_STATE_SHARED);
	ck_assert_int_eq(gmem_blob_get_extent(from, 7, 2, &extent), 0);
	ck_assert_uint_eq(extent.size, SIZE - 4 * PAGE);
	ck_assert_int_eq(extent.state, GMEM_STATE_PRIVATE);
	ck_assert_int_eq(gmem_blob_get_extent(from, 7, 3, &extent), -ENODATA);
	ck_assert_int_eq(gmem_blob_get_extent(from, 8, 0, &extent), -ENOENT);

	ck_assert_int_eq(gmem_blob_get_slot(from, 0, &slot), 0);
	ck_assert_uint_eq(slot.slot, 3);
	ck_assert_int_eq(gmem_blob_get_slot(from, 1, &slot), 0);
	ck_assert_uint_eq(slot.slot, 0x10001);
	ck_assert_uint_eq(slot.flags, 4);
	ck_assert_uint_eq(slot.guest_address, 0x100000);
	ck_assert_uint_eq(slot.offset, 2 * PAGE);
	ck_assert_int_eq(gmem_blob_get_slot(from, 2, &slot), -ENODATA);

	ck_assert_int_eq(gmem_blob_get_section(from, 0, &section), 0);
	ck_assert_str_eq(section.name, "apic");
	ck_assert_uint_eq(section.size, 0);
	ck_assert_ptr_nonnull(section.data);
	ck_assert_int_eq(gmem_blob_find_section(from, "vcpu0", &section), 0);
	ck_assert_uint_eq(section.size, 9);
	ck_assert_int_eq(memcmp(section.data, "registers", 9), 0);
	ck_assert_int_eq(gmem_blob_find_section(from, "vcpu1", &section), -ENOENT);
	ck_assert_int_eq(gmem_blob_get_section(from, 2, &section), -ENODATA);
}

START_TEST(what_is_put_in_comes_out)
{
	struct gmem_blob *read;
	unsigned char *bytes, *again;
	uint64_t size, size_again;

	fill();
	check_contents(blob);
	bytes = bytes_of(blob, &size);
	ck_assert_uint_eq(size % 8, 0);
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), 0);
	check_contents(read);
	again = bytes_of(read, &size_again);
	ck_assert_uint_eq(size, size_again);
	ck_assert_int_eq(memcmp(bytes, again, size), 0);
	gmem_blob_free(read);
	free(again);
	free(bytes);
}
END_TEST

START_TEST(the_bytes_do_not_change_between_versions_of_the_library)
{
	/* An empty blob with one section: what any later version must be able to read. */
	static const unsigned char expected[] = {
		'g', 'm', 'e', 'm', 'b', 'l', 'o', 'b', 1, 0, 0, 0,
		0,   0,	  0,   0,   128, 0,   0,   0,	0, 0, 0, 0,
	};
	struct gmem_blob *read;
	unsigned char *bytes;
	uint64_t size;

	ck_assert_int_eq(add_section("a", "b"), 0);
	bytes = bytes_of(blob, &size);
	ck_assert_uint_eq(size, 128);
	ck_assert_int_eq(memcmp(bytes, expected, sizeof(expected)), 0);
	/* Kind, size of the body, name, size of the data, the data. */
	ck_assert_int_eq(bytes[32], 3);
	ck_assert_int_eq(bytes[40], 80);
	ck_assert_int_eq(bytes[48], 'a');
	ck_assert_int_eq(bytes[112], 1);
	ck_assert_int_eq(bytes[120], 'b');
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), 0);
	gmem_blob_free(read);
	free(bytes);
}
END_TEST

START_TEST(every_bit_that_is_flipped_is_found)
{
	struct gmem_blob *read = untouched;
	unsigned char *bytes;
	uint64_t size, bit;

	fill();
	bytes = bytes_of(blob, &size);
	for (bit = 0; bit < 8 * size; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		must(gmem_blob_parse(bytes, size, &read, report) == -EBADMSG,
		     "bit %llu is not found", (unsigned long long)bit);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	ck_assert_ptr_eq(read, untouched);
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), 0);
	gmem_blob_free(read);
	free(bytes);
}
END_TEST

START_TEST(every_length_but_the_right_one_is_found)
{
	struct gmem_blob *read = untouched;
	unsigned char *bytes, *longer;
	uint64_t size, length;

	fill();
	bytes = bytes_of(blob, &size);
	for (length = 0; length < size; length++) {
		must(gmem_blob_parse(bytes, length, &read, report) == -EBADMSG, "cut to %d",
		     (int)length);
		must(!strcmp(gmem_error_get_cause(report), length ? "blob-length" : "blob-foreign"),
		     "cause of %d", (int)length);
	}
	longer = calloc(1, size + 8);
	memcpy(longer, bytes, size);
	ck_assert_int_eq(gmem_blob_parse(longer, size + 8, &read, report), -EBADMSG);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-length");
	ck_assert_int_eq(gmem_blob_parse("something else", 14, &read, report), -EBADMSG);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-foreign");
	ck_assert_ptr_eq(read, untouched);
	free(longer);
	free(bytes);
}
END_TEST

static void put(unsigned char *to, uint64_t number, int size)
{
	for (; size; size--, number >>= 8)
		*to++ = (unsigned char)number;
}

/* As who writes blobs himself would. */
static void make_right(unsigned char *bytes, uint64_t size)
{
	uint64_t crc = ~UINT64_C(0), i;
	int bit;

	put(bytes + 16, size, 8);
	put(bytes + 24, 0, 8);
	for (i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ UINT64_C(0xc96c5795d7870f42) : crc >> 1;
	}
	put(bytes + 24, ~crc, 8);
}

/*
 * Contradictions with a right checksum. The blob: file 2 at 32 (record 16, body 40, 3 extents),
 * slot 3 at 112 (16, 40), section "s" at 168 (16, 72, data 8).
 */
static const struct {
	const char *what;
	int at, size;
	uint64_t number;
} lies[] = {
	{ "version 0", 8, 4, 0 },
	{ "reserved in the header", 12, 4, 1 },
	{ "kind 0", 32, 4, 0 },
	{ "a kind that is none", 32, 4, 4 },
	{ "kinds out of order", 32, 4, 3 },
	{ "reserved in a record", 36, 4, 1 },
	{ "a record that ends beyond the blob", 40, 8, 1000 },
	{ "a record whose size wraps", 40, 8, UINT64_MAX - 7 },
	{ "a record of an odd size", 40, 8, 65 },
	{ "a record that is too small", 40, 8, 32 },
	{ "a file of size 0", 56, 8, 0 },
	{ "a file that ends within a page", 56, 8, 4097 },
	{ "a file that cannot be", 56, 8, UINT64_C(1) << 63 },
	{ "a file of which the slot sees the end", 56, 8, 5 * 4096 },
	{ "unknown bits", 72, 8, 7 },
	{ "creation flags that are not known", 72, 8, 1 },
	{ "more extents than there are", 80, 8, 4 },
	{ "fewer extents than there are", 80, 8, 2 },
	{ "extents whose size wraps", 80, 8, UINT64_C(1) << 61 },
	{ "extents that begin late", 88, 8, 4097 },
	{ "extents of one state", 96, 8, 3 * 4096 + 1 },
	{ "extents out of order", 96, 8, 5 * 4096 },
	{ "an extent within a page", 96, 8, 3 * 4096 + 2 },
	{ "an extent beyond the end", 104, 8, 256 * 4096 + 1 },
	{ "a slot with another size", 120, 8, 48 },
	{ "a slot whose address wraps", 136, 8, UINT64_MAX - 4095 },
	{ "a slot that is unaligned", 136, 8, 8 },
	{ "a slot of size 0", 144, 8, 0 },
	{ "a slot whose size wraps", 144, 8, UINT64_MAX - 4095 },
	{ "a slot of a file that is not there", 152, 8, 3 },
	{ "a slot beyond the end", 160, 8, 255 * 4096 },
	{ "a name that is empty", 184, 8, 0 },
	{ "a name that does not end", 184, 1, 0x80 },
	{ "rubbish after a name", 200, 1, 1 },
	{ "data bigger than the record", 248, 8, 9 },
	{ "data smaller than the record", 248, 8, 0 },
	{ "data whose size wraps", 248, 8, UINT64_MAX },
	{ "rubbish after the data", 263, 1, 1 },
};

START_TEST(contradictions_are_found_whatever_the_checksum_says)
{
	struct gmem_blob *read = untouched;
	unsigned char *bytes;
	uint64_t size;

	ck_assert_int_eq(add_file(2), 0);
	ck_assert_int_eq(add_slot(3, 0x10000, 2 * PAGE, 2, 4 * PAGE), 0);
	ck_assert_int_eq(add_section("s", "1234567"), 0);
	bytes = bytes_of(blob, &size);
	ck_assert_uint_eq(size, 264);
	make_right(bytes, size);
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), 0);
	gmem_blob_free(read);
	read = untouched;
	put(bytes + lies[_i].at, lies[_i].number, lies[_i].size);
	make_right(bytes, size);
	ck_assert_msg(gmem_blob_parse(bytes, size, &read, report) == -EBADMSG, "%s", lies[_i].what);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-contents");
	ck_assert_ptr_eq(read, untouched);
	free(bytes);
}
END_TEST

START_TEST(later_versions_are_told_from_damage)
{
	struct gmem_blob *read = untouched;
	unsigned char *bytes;
	uint64_t size;

	bytes = bytes_of(blob, &size);
	put(bytes + 8, 2, 4);
	make_right(bytes, size);
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-version");
	ck_assert_ptr_eq(read, untouched);
	free(bytes);
}
END_TEST

static void must_be_cause(int r, int code, const char *cause)
{
	ck_assert_int_eq(r, code);
	ck_assert_str_eq(gmem_error_get_cause(report), cause);
}

START_TEST(refuses_what_makes_no_sense)
{
	char name[66];
	uint64_t size;

	fill();
	must_be_cause(add_file(7), -EEXIST, "blob-has");
	must_be_cause(add_slot(3, 0, PAGE, 2, 0), -EEXIST, "blob-has");
	must_be_cause(add_section("apic", "x"), -EEXIST, "blob-has");
	must_be_cause(add_slot(4, 0, PAGE, 3, 0), -ENOENT, "blob-has-not");
	must_be_cause(add_slot(4, 0, 0, 2, 0), -EINVAL, "empty");
	must_be_cause(add_slot(4, 1, PAGE, 2, 0), -EINVAL, "unaligned");
	must_be_cause(add_slot(4, 0, 2 * PAGE, 2, UINT64_MAX - PAGE + 1), -EINVAL, "wraps");
	must_be_cause(add_slot(4, UINT64_MAX - PAGE + 1, 2 * PAGE, 2, 0), -EINVAL, "wraps");
	must_be_cause(add_slot(4, 0, SIZE, 2, PAGE), -EINVAL, "beyond-end");
	must_be_cause(add_section("", "x"), -EINVAL, "blob-name");
	must_be_cause(add_section("\n", "x"), -EINVAL, "blob-name");
	must_be_cause(add_section("\xc3\xa4", "x"), -EINVAL, "blob-name");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	must_be_cause(add_section(name, "x"), -EINVAL, "blob-name");
	name[63] = '\0';
	ck_assert_int_eq(add_section(name, "x"), 0);
	must_be_cause(gmem_blob_add_section(blob, "big", name, GMEM_BLOB_MAX_SIZE + 1, report),
		      -EFBIG, "blob-full");
	ck_assert_int_eq(gmem_blob_format(blob, name, 5, &size, report), -ENOSPC);
	ck_assert_str_eq(gmem_error_get_cause(report), "buffer");
}
END_TEST

START_TEST(has_room_for_its_limits_and_no_more)
{
	struct gmem_blob *read;
	unsigned char *bytes;
	char name[20];
	uint64_t size;
	int i;

	for (i = 0; i < GMEM_BLOB_MAX_SECTIONS; i++) {
		/* Neither in the order of names nor backwards. */
		snprintf(name, sizeof(name), "%d", i * 2477 % GMEM_BLOB_MAX_SECTIONS);
		must(add_section(name, name) == 0, "section %d", i);
	}
	must_be_cause(add_section("one more", ""), -EFBIG, "blob-full");
	bytes = bytes_of(blob, &size);
	ck_assert_int_eq(gmem_blob_parse(bytes, size, &read, report), 0);
	gmem_blob_free(read);
	free(bytes);
	ck_assert_int_eq(add_file(1), 0);
	ck_assert_int_eq(gmem_blob_add_section(blob, "x", NULL, 0, NULL), -EFBIG);
}
END_TEST

START_TEST(leaves_out_states_that_cannot_be_asked_for)
{
	struct gmem_blob_file file;
	struct gmem_extent extent;

	expect_query(0, SIZE, 0, 128, -ENOTTY, NULL, 0);
	ck_assert_int_eq(gmem_blob_add_file(blob, 1, gmem, report), 0);
	ck_assert_int_eq(gmem_blob_find_file(blob, 1, &file), 0);
	ck_assert_uint_eq(file.extents, 0);
	ck_assert_int_eq(gmem_blob_get_extent(blob, 1, 0, &extent), -ENODATA);
	gmem_level_set(GMEM_LEVEL_POLICY);
	ck_assert_int_eq(gmem_blob_add_file(blob, 2, gmem, report), 0);
	gmem_level_set(GMEM_LEVEL_FULL);
	expect_query(0, SIZE, 0, 128, -EACCES, NULL, 0);
	ck_assert_int_eq(gmem_blob_add_file(blob, 3, gmem, report), -EACCES);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_blob_add_file");
	ck_assert_int_eq(gmem_blob_find_file(blob, 3, &file), -ENOENT);
}
END_TEST

START_TEST(survives_without_memory)
{
	static const unsigned char header[] = "gmemblob";
	struct gmem_blob_slot slot = { .size = PAGE, .token = 2 };
	struct gmem_blob *other = untouched;
	unsigned char *bytes;
	uint64_t size;
	int r;

	r = WITHOUT_MEMORY(gmem_blob_new(&other, report));
	ck_assert_int_eq(r, -ENOMEM);
	r = WITHOUT_MEMORY(gmem_blob_add_section(blob, "a", header, 8, report));
	ck_assert_int_eq(r, -ENOMEM);
	r = WITHOUT_MEMORY(gmem_blob_add_file(blob, 2, gmem, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_int_eq(add_file(2), 0);
	r = WITHOUT_MEMORY(gmem_blob_add_slot(blob, &slot, report));
	ck_assert_int_eq(r, -ENOMEM);
	bytes = bytes_of(blob, &size);
	r = WITHOUT_MEMORY(gmem_blob_parse(bytes, size, &other, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(other, untouched);
	free(bytes);
}
END_TEST

START_TEST(takes_null)
{
	struct gmem_blob_section section;
	struct gmem_blob_file file;
	struct gmem_blob_slot slot = { 0 };
	struct gmem_extent extent;
	struct gmem_blob *other;
	uint64_t size;

	gmem_blob_free(NULL);
	ck_assert_int_eq(gmem_blob_new(NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_file(NULL, 1, gmem, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_file(blob, 1, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_slot(NULL, &slot, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_slot(blob, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_section(NULL, "a", "b", 1, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_section(blob, NULL, "b", 1, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_add_section(blob, "a", NULL, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_get_file(NULL, 0, &file), -EINVAL);
	ck_assert_int_eq(gmem_blob_get_file(blob, 0, NULL), -EINVAL);
	ck_assert_int_eq(gmem_blob_find_file(NULL, 0, &file), -EINVAL);
	ck_assert_int_eq(gmem_blob_get_extent(NULL, 0, 0, &extent), -EINVAL);
	ck_assert_int_eq(gmem_blob_get_slot(NULL, 0, &slot), -EINVAL);
	ck_assert_int_eq(gmem_blob_get_section(NULL, 0, &section), -EINVAL);
	ck_assert_int_eq(gmem_blob_find_section(blob, NULL, &section), -EINVAL);
	ck_assert_int_eq(gmem_blob_format(NULL, NULL, 0, &size, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_format(blob, NULL, 1, &size, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_parse(NULL, 1, &other, report), -EINVAL);
	ck_assert_int_eq(gmem_blob_parse("", 1, NULL, report), -EINVAL);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("blob");
	TCase *good = scripted_case(suite, "what is in it");
	TCase *bad = scripted_case(suite, "what is none");

	tcase_add_checked_fixture(good, begin, end);
	tcase_add_checked_fixture(bad, begin, end);
	tcase_add_test(good, what_is_put_in_comes_out);
	tcase_add_test(good, the_bytes_do_not_change_between_versions_of_the_library);
	tcase_add_test(good, refuses_what_makes_no_sense);
	tcase_add_test(good, has_room_for_its_limits_and_no_more);
	tcase_add_test(good, leaves_out_states_that_cannot_be_asked_for);
	tcase_add_test(good, survives_without_memory);
	tcase_add_test(good, takes_null);
	tcase_add_test(bad, every_bit_that_is_flipped_is_found);
	tcase_add_test(bad, every_length_but_the_right_one_is_found);
	tcase_add_loop_test(bad, contradictions_are_found_whatever_the_checksum_says, 0,
			    COUNT(lies));
	tcase_add_test(bad, later_versions_are_told_from_damage);
	return suite;
}
