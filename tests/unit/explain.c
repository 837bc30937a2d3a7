/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "lib/error.h"
#include "unit.h"

static struct gmem_error busy_failure(void)
{
	return (struct gmem_error){
		.code = -EAGAIN,
		.kernel_code = -EAGAIN,
		.cause = GMEM_CAUSE_BUSY,
		.call = "gmem_convert",
		.system_call = "KVM_SET_MEMORY_ATTRIBUTES2",
		.state = GMEM_STATE_PRIVATE,
		.has_range = true,
		.has_first_offset = true,
		.offset = 0x1000,
		.size = 0x4000,
		.first_offset = 0x3000,
		.attempts = 5,
	};
}

START_TEST(says_which_call_on_which_range_failed_where_and_why)
{
	struct gmem_error failure = busy_failure();

	gmem_error_fail(report, &failure);
	ck_assert_str_eq(explanation(),
			 "gmem_convert: offset 0x1000, size 0x4000, to private: EAGAIN\n"
			 "KVM_SET_MEMORY_ATTRIBUTES2 answered EAGAIN (11), the last of 5 attempts; "
			 "first offset that failed: 0x3000\n"
			 "Likely cause: A host user holds a page: a pin for DMA (VFIO, vhost, "
			 "io_uring buffers), a reference, or a page fault under way.\n"
			 "What to do: Let go of what covers the first offset that failed, then "
			 "convert the whole range again. To private: let go first.");
}
END_TEST

START_TEST(says_nothing_that_is_not_known)
{
	struct gmem_error failure = { .code = -EINVAL, .cause = GMEM_CAUSE_ARGUMENT };

	failure.call = "gmem_create";
	gmem_error_fail(report, &failure);
	ck_assert_str_contains(explanation(), "gmem_create: EINVAL\nLikely cause: A required");
	ck_assert_ptr_null(strstr(explanation(), "offset"));
	ck_assert_ptr_null(strstr(explanation(), "answered"));
	ck_assert_ptr_null(strstr(explanation(), "attempts"));
}
END_TEST

START_TEST(shows_a_number_that_is_no_errno_as_a_number)
{
	struct gmem_error failure = busy_failure();
	char text[2048];

	failure.kernel_code = EAGAIN;
	gmem_error_fail(report, &failure);
	ck_assert_str_contains(explanation(), "answered the number 11,");
	ck_assert_int_gt(gmem_error_format_json(report, text, sizeof(text)), 0);
	ck_assert_str_contains(text, "\"kernel_error\":null,\"kernel_code\":11,");
}
END_TEST

START_TEST(explains_an_empty_report)
{
	char text[2048];

	ck_assert_str_contains(explanation(), "libgmem: no error");
	ck_assert_int_gt(gmem_error_format_json(report, text, sizeof(text)), 0);
	ck_assert_str_eq(
		text,
		"{\"version\":1,\"error\":null,\"code\":0,\"kernel_error\":null,"
		"\"kernel_code\":0,\"call\":null,\"system_call\":null,\"state\":null,\"policy\":null,"
		"\"offset\":null,\"size\":null,\"first_offset\":null,\"done\":0,"
		"\"lost\":null,\"attempts\":0,\"memory\":\"file\",\"slot\":null,"
		"\"holder\":null,\"listener_error\":null,\"unrestored\":[],\"detached\":null,"
		"\"detached_range\":null,\"cause_name\":null,\"cause\":null,\"remedy\":null}");
}
END_TEST

START_TEST(writes_json_with_every_member)
{
	struct gmem_error failure = busy_failure();
	char text[2048];

	failure.offset = UINT64_MAX;
	failure.policy = GMEM_POLICY_PRESERVE;
	failure.done = PAGE;
	failure.has_lost = true;
	failure.lost_offset = 2 * PAGE;
	failure.lost_size = PAGE;
	gmem_error_fail(report, &failure);
	ck_assert_int_gt(gmem_error_format_json(report, text, sizeof(text)), 0);
	ck_assert_str_contains(text, "{\"version\":1,\"error\":\"EAGAIN\",\"code\":-11,"
				     "\"kernel_error\":\"EAGAIN\",\"kernel_code\":-11,"
				     "\"call\":\"gmem_convert\","
				     "\"system_call\":\"KVM_SET_MEMORY_ATTRIBUTES2\","
				     "\"state\":\"private\",\"policy\":\"preserve\","
				     "\"offset\":18446744073709551615,\"size\":16384,"
				     "\"first_offset\":12288,\"done\":4096,"
				     "\"lost\":{\"offset\":8192,\"size\":4096},\"attempts\":5,"
				     "\"memory\":\"file\",\"slot\":null,\"holder\":null,"
				     "\"listener_error\":null,\"unrestored\":[],"
				     "\"detached\":null,\"detached_range\":null,"
				     "\"cause_name\":\"busy\",\"cause\":\"");
	ck_assert_str_contains(text, "\",\"remedy\":\"Let go of");
	ck_assert_str_eq(text + strlen(text) - 2, "\"}");
}
END_TEST

START_TEST(has_words_for_every_cause_that_fit_into_json_and_the_promised_sizes)
{
	struct gmem_error failure = busy_failure();
	const struct gmem_cause_text *words = gmem_cause_text((enum gmem_cause)_i);
	char text[4096];
	int i;

	ck_assert_ptr_nonnull(words->why);
	ck_assert_ptr_nonnull(words->remedy);

	failure.cause = (enum gmem_cause)_i;
	failure.offset = failure.size = failure.first_offset = UINT64_MAX;
	failure.attempts = UINT32_MAX;
	failure.has_lost = true;
	failure.done = failure.lost_offset = failure.lost_size = UINT64_MAX;
	failure.policy = GMEM_POLICY_PRESERVE;
	gmem_error_fail(report, &failure);
	ck_assert_int_lt(gmem_error_explain(report, NULL, 0), 1024);
	/* A space has more to tell. Quotes take two characters in JSON. */
	failure.guest = failure.has_slot = true;
	failure.slot = UINT32_MAX;
	failure.listener_code = -EAGAIN;
	memset(failure.holder, '"', GMEM_LISTENER_NAME_MAX);
	memset(failure.detached, '"', GMEM_LISTENER_NAME_MAX);
	failure.detached_part = (struct gmem_error_part){ UINT64_MAX, UINT64_MAX };
	failure.unrestored_count = GMEM_ERROR_PARTS;
	for (i = 0; i < GMEM_ERROR_PARTS; i++)
		failure.unrestored[i] = failure.detached_part;
	gmem_error_fail(report, &failure);
	ck_assert_int_lt(gmem_error_explain(report, NULL, 0), 2048);
	ck_assert_int_lt(gmem_error_format_json(report, text, sizeof(text)), (int)sizeof(text));
}
END_TEST

START_TEST(tells_of_slots_listeners_and_what_was_not_undone)
{
	struct gmem_error failure = busy_failure();
	char text[4096];

	failure.guest = failure.has_slot = true;
	failure.slot = 3;
	failure.listener_code = -EAGAIN;
	strcpy(failure.holder, "vfio 0000:01:00.0");
	strcpy(failure.detached, "vhost");
	failure.detached_part = (struct gmem_error_part){ 0x9000, 0x1000 };
	gmem_error_add_unrestored(&failure, 0x1000, 0x1000);
	gmem_error_add_unrestored(&failure, 0x2000, 0x1000);
	gmem_error_add_unrestored(&failure, 0x4000, 0x1000);
	gmem_error_fail(report, &failure);
	ck_assert_str_contains(explanation(),
			       "gmem_convert: guest-physical 0x1000, size 0x4000, to private");
	ck_assert_str_contains(
		explanation(),
		"\nSlot: 3\n"
		"guest-physical 0x3000 is held by vfio 0000:01:00.0, which answered EAGAIN\n"
		"Not undone: 0x2000 bytes from guest-physical 0x1000 do not have their old state\n"
		"Not undone: 0x1000 bytes from guest-physical 0x4000 do not have their old state\n"
		"Not undone: vhost failed, from guest-physical 0x9000 on, 0x1000 bytes\n");
	ck_assert_int_gt(gmem_error_format_json(report, text, sizeof(text)), 0);
	ck_assert_str_contains(text,
			       "\"memory\":\"guest-physical\",\"slot\":3,"
			       "\"holder\":\"vfio 0000:01:00.0\",\"listener_error\":\"EAGAIN\","
			       "\"unrestored\":[{\"offset\":4096,\"size\":8192},"
			       "{\"offset\":16384,\"size\":4096}],\"detached\":\"vhost\","
			       "\"detached_range\":{\"offset\":36864,\"size\":4096},");
}
END_TEST

START_TEST(has_room_for_four_parts_and_makes_the_last_longer)
{
	struct gmem_error failure = busy_failure();
	uint64_t gpa = 77, size = 77;
	unsigned int i;

	for (i = 0; i < 6; i++)
		gmem_error_add_unrestored(&failure, 2 * i * PAGE, PAGE);
	gmem_error_fail(report, &failure);
	ck_assert(!gmem_error_get_unrestored(report, 4, &gpa, &size));
	ck_assert_uint_eq(gpa, 77);
	ck_assert(gmem_error_get_unrestored(report, 3, &gpa, &size));
	ck_assert_uint_eq(gpa, 6 * PAGE);
	ck_assert_uint_eq(size, 5 * PAGE);
	ck_assert(gmem_error_get_unrestored(report, 0, NULL, NULL));
	ck_assert(!gmem_error_get_unrestored(NULL, 0, &gpa, &size));
}
END_TEST

START_TEST(cuts_like_snprintf)
{
	struct gmem_error failure = busy_failure();
	char text[1024], cut[32];
	int length;

	gmem_error_fail(report, &failure);
	length = gmem_error_explain(report, text, sizeof(text));
	ck_assert_int_eq(length, (int)strlen(text));
	ck_assert_int_eq(gmem_error_explain(report, cut, sizeof(cut)), length);
	ck_assert_int_eq(strlen(cut), sizeof(cut) - 1);
	ck_assert_int_eq(strncmp(cut, text, sizeof(cut) - 1), 0);
	ck_assert_int_eq(gmem_error_explain(report, NULL, 0), length);
}
END_TEST

START_TEST(refuses_null)
{
	char text[8];

	ck_assert_int_eq(gmem_error_explain(NULL, text, sizeof(text)), -EINVAL);
	ck_assert_int_eq(gmem_error_explain(report, NULL, 1), -EINVAL);
	ck_assert_int_eq(gmem_error_format_json(NULL, text, sizeof(text)), -EINVAL);
	ck_assert_int_eq(gmem_error_format_json(report, NULL, 1), -EINVAL);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("explain");
	TCase *tests = scripted_case(suite, "explanations");

	tcase_add_test(tests, says_which_call_on_which_range_failed_where_and_why);
	tcase_add_test(tests, says_nothing_that_is_not_known);
	tcase_add_test(tests, shows_a_number_that_is_no_errno_as_a_number);
	tcase_add_test(tests, explains_an_empty_report);
	tcase_add_test(tests, writes_json_with_every_member);
	tcase_add_loop_test(tests,
			    has_words_for_every_cause_that_fit_into_json_and_the_promised_sizes, 0,
			    GMEM_CAUSE_COUNT);
	tcase_add_test(tests, tells_of_slots_listeners_and_what_was_not_undone);
	tcase_add_test(tests, has_room_for_four_parts_and_makes_the_last_longer);
	tcase_add_test(tests, cuts_like_snprintf);
	tcase_add_test(tests, refuses_null);
	return suite;
}
