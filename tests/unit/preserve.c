/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "unit.h"

#define SET   GMEM_UAPI_LIVE_UPDATE_SET_OPTIONS
#define MIXED GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED
#define TOKEN 77
#define SIZE  (256 * PAGE)

static struct gmem_session *session;
static struct gmem *gmem;

static void begin(void)
{
	expect_session_name(SESSION_FD, 0, "vm");
	expect_direction(SESSION_FD, -E2BIG);
	expect_close_on_exec(SESSION_FD, 0);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), 0);
	gmem = some_file();
}

static void end(void)
{
	drop_file(gmem);
	expect_close(SESSION_FD, 0);
	gmem_session_release(session);
}

static int preserve(bool mixed)
{
	struct gmem_preserve_options options = { .size = sizeof(options), .mixed = mixed };

	return WITHOUT_MEMORY(gmem_preserve(session, gmem, TOKEN, mixed ? &options : NULL, report));
}

START_TEST(preserves_with_and_without_private_pages)
{
	expect_live_update(SET, _i ? MIXED : 0, 0, NULL);
	expect_preserve(SESSION_FD, GMEM_FD, TOKEN, 0);
	ck_assert_int_eq(preserve(_i), 0);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
}
END_TEST

START_TEST(preserves_on_kernels_that_have_no_mixed_maps)
{
	expect_live_update(SET, 0, -ENOTTY, NULL);
	expect_preserve(SESSION_FD, GMEM_FD, TOKEN, 0);
	ck_assert_int_eq(preserve(false), 0);
	/* ENOTTY is a kernel without libgmem's series, EINVAL one that has the request only. */
	expect_live_update(SET, MIXED, _i ? -ENOTTY : -EINVAL, NULL);
	ck_assert_int_eq(preserve(true), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-mixed");
}
END_TEST

/* Why a kernel refuses, and that it is believed only if it fits the errno. */
static const struct {
	int kernel;
	uint64_t refusal, offset;
	int returned;
	const char *cause;
	bool has_offset;
} refusals[] = {
	{ -EOPNOTSUPP, 1, 0, -EOPNOTSUPP, "vm-type", false },
	{ -EACCES, 2, 5 * PAGE, -EACCES, "private-pages", true },
	{ -EHWPOISON, 3, 0, -EHWPOISON, "poison", true },
	{ -EOPNOTSUPP, 4, 0, -EOPNOTSUPP, "no-live-update", false },
	{ -ENODEV, 5, 0, -ENODEV, "vm-gone", false },
	{ -EBUSY, 6, 0, -EBUSY, "already-preserved", false },
	{ -EOPNOTSUPP, 7, 0, -EOPNOTSUPP, "creation-flags", false },
	/* Meanwhile it is about something else, or over. */
	{ -EACCES, 3, 5 * PAGE, -EACCES, "private-pages", false },
	{ -EACCES, 0, 0, -EACCES, "private-pages", false },
	{ -ENOMEM, 2, 5 * PAGE, -ENOMEM, "memory", false },
	{ -EEXIST, 0, 0, -EEXIST, "token-used", false },
	/* Nonsense. */
	{ -EACCES, 8, 0, -EACCES, "private-pages", false },
	{ -EACCES, UINT64_MAX, 0, -EACCES, "private-pages", false },
	{ -EACCES, 2, 5, -EACCES, "private-pages", false },
	{ -EACCES, 2, SIZE, -EACCES, "private-pages", false },
};

START_TEST(says_why_and_where)
{
	struct gmem_uapi_live_update now = {
		.refusal = refusals[_i].refusal,
		.error_offset = refusals[_i].offset,
	};
	uint64_t offset = 1, size = 1;
	int mixed;

	for (mixed = 0; mixed < 2; mixed++) {
		expect_live_update(SET, mixed ? MIXED : 0, 0, NULL);
		expect_preserve(SESSION_FD, GMEM_FD, TOKEN, refusals[_i].kernel);
		expect_live_update(0, 0, 0, &now);
		/* The file is as it was before. */
		if (mixed)
			expect_live_update(SET, 0, 0, NULL);
		ck_assert_int_eq(preserve(mixed), refusals[_i].returned);
		ck_assert_str_eq(gmem_error_get_cause(report), refusals[_i].cause);
		ck_assert_int_eq(gmem_error_get_kernel_code(report), refusals[_i].kernel);
		ck_assert_str_eq(gmem_error_get_system_call(report),
				 "LIVEUPDATE_SESSION_PRESERVE_FD");
		ck_assert_int_eq(gmem_error_get_first_offset(report, &offset),
				 refusals[_i].has_offset);
		ck_assert_uint_eq(offset, refusals[_i].has_offset ? refusals[_i].offset : 1);
		ck_assert(gmem_error_get_range(report, &offset, &size));
		ck_assert_uint_eq(offset, 0);
		ck_assert_uint_eq(size, SIZE);
		offset = 1;
	}
}
END_TEST

START_TEST(an_old_kernel_says_only_that_it_has_no_handler)
{
	expect_live_update(SET, 0, -ENOTTY, NULL);
	expect_preserve(SESSION_FD, GMEM_FD, TOKEN, -ENOENT);
	expect_live_update(0, 0, -ENOTTY, NULL);
	ck_assert_int_eq(preserve(false), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-handler");
}
END_TEST

START_TEST(tries_again_while_states_change)
{
	struct gmem_uapi_live_update now = { 0 };
	int i;

	expect_live_update(SET, 0, 0, NULL);
	expect_preserve(SESSION_FD, GMEM_FD, TOKEN, -EAGAIN);
	expect_preserve(SESSION_FD, GMEM_FD, TOKEN, 0);
	ck_assert_int_eq(preserve(false), 0);
	expect_live_update(SET, 0, 0, NULL);
	for (i = 0; i < 10; i++)
		expect_preserve(SESSION_FD, GMEM_FD, TOKEN, -EAGAIN);
	expect_live_update(0, 0, 0, &now);
	ck_assert_int_eq(preserve(false), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_cause(report), "states-changed");
	ck_assert_uint_eq(gmem_error_get_attempts(report), 10);
}
END_TEST

START_TEST(a_file_that_is_frozen_is_preserved_already)
{
	struct gmem_uapi_live_update now = { .status = GMEM_UAPI_LIVE_UPDATE_FROZEN };

	expect_live_update(SET, _i ? MIXED : 0, -EPERM, NULL);
	expect_live_update(0, 0, 0, &now);
	ck_assert_int_eq(preserve(_i), -EBUSY);
	ck_assert_str_eq(gmem_error_get_cause(report), "already-preserved");
	/* A filter has the same errno. */
	now.status = 0;
	expect_live_update(SET, _i ? MIXED : 0, -EPERM, NULL);
	expect_live_update(0, 0, 0, &now);
	ck_assert_int_eq(preserve(_i), -EPERM);
	ck_assert_str_eq(gmem_error_get_cause(report), "refused");
}
END_TEST

START_TEST(refuses_bad_arguments_without_asking_the_kernel)
{
	struct gmem_preserve_options options = { .size = sizeof(options), .mixed = 2 };
	struct gmem_live_update now;

	ck_assert_int_eq(gmem_preserve(NULL, gmem, 1, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_preserve(session, NULL, 1, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_preserve(session, gmem, 1, &options, report), -EINVAL);
	options.mixed = 0;
	options.reserved = 1;
	ck_assert_int_eq(gmem_preserve(session, gmem, 1, &options, report), -EINVAL);
	options.size = 1 << 20;
	ck_assert_int_eq(gmem_preserve(session, gmem, 1, &options, report), -E2BIG);
	ck_assert_int_eq(gmem_preserve_vm(NULL, VM_FD, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_preserve_fd(NULL, OTHER_FD, 1, report), -EINVAL);
	ck_assert_int_eq(gmem_get_live_update(NULL, &now, report), -EINVAL);
	ck_assert_int_eq(gmem_get_live_update(gmem, NULL, report), -EINVAL);
}
END_TEST

START_TEST(nothing_of_it_is_there_below_its_level)
{
	struct gmem_preserve_options options = { .size = sizeof(options), .mixed = 1 };
	struct gmem_live_update now;

	gmem_level_set(GMEM_LEVEL_LIVE_UPDATE);
	ck_assert_int_eq(gmem_preserve(session, gmem, 1, &options, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	gmem_level_set(GMEM_LEVEL_QUERY);
	ck_assert_int_eq(gmem_preserve(session, gmem, 1, NULL, report), -EOPNOTSUPP);
	ck_assert_int_eq(gmem_preserve_vm(session, VM_FD, 1, report), -EOPNOTSUPP);
	ck_assert_int_eq(gmem_preserve_fd(session, OTHER_FD, 1, report), -EOPNOTSUPP);
	ck_assert_int_eq(gmem_get_live_update(gmem, &now, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
}
END_TEST

static void expect_vm(int fd, int api_version, int capability)
{
	expect_api_version(fd, api_version);
	if (api_version < 0)
		expect_capability(fd, GMEM_CAP_GUEST_MEMFD, capability);
}

START_TEST(preserves_a_vm)
{
	/* EIO: of another process. KVM does not mind who preserves. */
	expect_vm(VM_FD, -ENOTTY, _i ? 1 : -EIO);
	expect_preserve(SESSION_FD, VM_FD, TOKEN, 0);
	ck_assert_int_eq(gmem_preserve_vm(session, VM_FD, TOKEN, report), 0);
}
END_TEST

START_TEST(preserves_no_vm_that_is_none)
{
	expect_vm(OTHER_FD, 12, 0);
	ck_assert_int_eq(gmem_preserve_vm(session, OTHER_FD, TOKEN, report), -ENOTTY);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-a-vm");
	expect_vm(OTHER_FD, -EINVAL, -EINVAL);
	ck_assert_int_eq(gmem_preserve_vm(session, OTHER_FD, TOKEN, report), -ENOTTY);
	expect_vm(OTHER_FD, -EBADF, -EBADF);
	ck_assert_int_eq(gmem_preserve_vm(session, OTHER_FD, TOKEN, report), -EBADF);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-open");
}
END_TEST

START_TEST(preserves_any_other_file)
{
	expect_preserve(SESSION_FD, OTHER_FD, UINT64_MAX, 0);
	ck_assert_int_eq(gmem_preserve_fd(session, OTHER_FD, UINT64_MAX, report), 0);
}
END_TEST

START_TEST(tells_what_the_kernel_knows)
{
	struct gmem_uapi_live_update answer = {
		.options = MIXED,
		.status = GMEM_UAPI_LIVE_UPDATE_FROZEN | GMEM_UAPI_LIVE_UPDATE_NUMA_POLICY,
		.refusal = GMEM_UAPI_REFUSAL_ALREADY,
	};
	struct gmem_live_update now;
	int r;

	expect_live_update(0, 0, 0, &answer);
	r = WITHOUT_MEMORY(gmem_get_live_update(gmem, &now, report));
	ck_assert_int_eq(r, 0);
	ck_assert_str_eq(now.refusal, "already-preserved");
	ck_assert(!now.has_refusal_offset && now.refusal_offset == 0);
	ck_assert(now.frozen && !now.retrieved && now.mixed && now.numa_policy);
	answer = (struct gmem_uapi_live_update){
		.status = GMEM_UAPI_LIVE_UPDATE_RETRIEVED,
		.refusal = GMEM_UAPI_REFUSAL_PRIVATE,
		.error_offset = 3 * PAGE,
	};
	expect_live_update(0, 0, 0, &answer);
	ck_assert_int_eq(gmem_get_live_update(gmem, &now, report), 0);
	ck_assert_str_eq(now.refusal, "private-pages");
	ck_assert(now.has_refusal_offset && now.refusal_offset == 3 * PAGE);
	ck_assert(!now.frozen && now.retrieved && !now.mixed && !now.numa_policy);
	answer = (struct gmem_uapi_live_update){ 0 };
	expect_live_update(0, 0, 0, &answer);
	ck_assert_int_eq(gmem_get_live_update(gmem, &now, report), 0);
	ck_assert_ptr_null(now.refusal);
}
END_TEST

START_TEST(believes_no_nonsense)
{
	static const struct gmem_uapi_live_update nonsense[] = {
		{ .refusal = 8 },
		{ .refusal = UINT64_MAX },
		{ .refusal = GMEM_UAPI_REFUSAL_PRIVATE, .error_offset = 1 },
		{ .refusal = GMEM_UAPI_REFUSAL_POISONED, .error_offset = SIZE },
	};
	struct gmem_live_update now = { .refusal_offset = 1234 };

	expect_live_update(0, 0, 0, &nonsense[_i]);
	ck_assert_int_eq(gmem_get_live_update(gmem, &now, report), -EBADE);
	ck_assert_uint_eq(now.refusal_offset, 1234);
}
END_TEST

static int answer_of_options(int code)
{
	int r;

	expect_live_update(SET, 0, code, NULL);
	expect_frozen_question(code);
	/* That is no failure. */
	if (code == -ENOTTY) {
		expect_preserve(SESSION_FD, GMEM_FD, TOKEN, -EEXIST);
		expect_live_update(0, 0, -ENOTTY, NULL);
	}
	r = preserve(false);
	script_end();
	return r;
}

static int answer_of_preserve(int code)
{
	int i, r;

	expect_live_update(SET, 0, 0, NULL);
	for (i = 0; i < (code == -EAGAIN ? 10 : 1); i++)
		expect_preserve(SESSION_FD, GMEM_FD, TOKEN, code);
	expect_live_update(0, 0, -ENOTTY, NULL);
	r = preserve(false);
	script_end();
	return r;
}

static int answer_of_vm(int code)
{
	int r;

	expect_vm(VM_FD, -ENOTTY, 1);
	expect_preserve(SESSION_FD, VM_FD, TOKEN, code);
	r = gmem_preserve_vm(session, VM_FD, TOKEN, report);
	script_end();
	return r;
}

static int answer_of_check(int code)
{
	int r;

	expect_vm(VM_FD, -ENOTTY, code);
	/* That is no failure. */
	if (code == -EIO)
		expect_preserve(SESSION_FD, VM_FD, TOKEN, -EEXIST);
	r = gmem_preserve_vm(session, VM_FD, TOKEN, report);
	script_end();
	return r;
}

static int answer_of_fd(int code)
{
	int r;

	expect_preserve(SESSION_FD, OTHER_FD, TOKEN, code);
	r = gmem_preserve_fd(session, OTHER_FD, TOKEN, report);
	script_end();
	return r;
}

static int answer_of_status(int code)
{
	struct gmem_live_update now;
	int r;

	expect_live_update(0, 0, code, NULL);
	r = gmem_get_live_update(gmem, &now, report);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_preserve, answer_of_options);
	check_positive_numbers(answer_of_options);
	check_closed_set(gmem_preserve, answer_of_preserve);
	check_positive_numbers(answer_of_preserve);
	check_closed_set(gmem_preserve_vm, answer_of_vm);
	check_positive_numbers(answer_of_vm);
	check_closed_set(gmem_preserve_vm, answer_of_check);
	check_closed_set(gmem_preserve_fd, answer_of_fd);
	check_positive_numbers(answer_of_fd);
	check_closed_set(gmem_get_live_update, answer_of_status);
	check_positive_numbers(answer_of_status);
}
END_TEST

static const struct {
	int (*answer)(int code);
	int kernel, returned;
	const char *cause;
} causes[] = {
	{ answer_of_vm, -EOPNOTSUPP, -EOPNOTSUPP, "vm-type" },
	{ answer_of_vm, -ENODEV, -ENODEV, "vm-gone" },
	{ answer_of_vm, -EINVAL, -ENODEV, "vm-gone" },
	{ answer_of_vm, -ENOENT, -EOPNOTSUPP, "no-handler" },
	{ answer_of_vm, -EBUSY, -EBUSY, "already-preserved" },
	{ answer_of_vm, -EACCES, -EACCES, "refused" },
	{ answer_of_fd, -EFBIG, -EFBIG, "too-big" },
	{ answer_of_fd, -EOPNOTSUPP, -EOPNOTSUPP, "not-preserved" },
	{ answer_of_fd, -EINVAL, -EOPNOTSUPP, "not-preserved" },
	{ answer_of_fd, -ENOENT, -EOPNOTSUPP, "no-handler" },
	{ answer_of_fd, -EEXIST, -EEXIST, "token-used" },
	{ answer_of_fd, -ENOSPC, -ENOSPC, "session-full" },
	{ answer_of_fd, -EBADF, -EBADF, "not-open" },
	{ answer_of_fd, -EPERM, -EPERM, "refused" },
	{ answer_of_fd, -EIO, -EBADE, "answer" },
	{ answer_of_status, -ENOTTY, -EOPNOTSUPP, "no-live-update" },
	{ answer_of_options, -EACCES, -EACCES, "refused" },
};

START_TEST(says_what_the_kernels_answer_means)
{
	ck_assert_int_eq(causes[_i].answer(causes[_i].kernel), causes[_i].returned);
	ck_assert_str_eq(gmem_error_get_cause(report), causes[_i].cause);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), causes[_i].kernel);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("preserve");
	TCase *requests = scripted_case(suite, "requests");
	TCase *answers = scripted_case(suite, "the kernel's answers");

	tcase_add_checked_fixture(requests, begin, end);
	tcase_add_checked_fixture(answers, begin, end);
	tcase_add_loop_test(requests, preserves_with_and_without_private_pages, 0, 2);
	tcase_add_loop_test(requests, preserves_on_kernels_that_have_no_mixed_maps, 0, 2);
	tcase_add_test(requests, tries_again_while_states_change);
	tcase_add_loop_test(requests, preserves_a_vm, 0, 2);
	tcase_add_test(requests, preserves_no_vm_that_is_none);
	tcase_add_test(requests, preserves_any_other_file);
	tcase_add_test(requests, refuses_bad_arguments_without_asking_the_kernel);
	tcase_add_test(requests, nothing_of_it_is_there_below_its_level);
	tcase_add_loop_test(answers, says_why_and_where, 0, COUNT(refusals));
	tcase_add_test(answers, an_old_kernel_says_only_that_it_has_no_handler);
	tcase_add_loop_test(answers, a_file_that_is_frozen_is_preserved_already, 0, 2);
	tcase_add_test(answers, tells_what_the_kernel_knows);
	tcase_add_loop_test(answers, believes_no_nonsense, 0, 4);
	tcase_add_test(answers, returns_only_what_is_documented);
	tcase_add_loop_test(answers, says_what_the_kernels_answer_means, 0, COUNT(causes));
	return suite;
}
