/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "lib/level.h"
#include "unit.h"

#define CREATE	 GMEM_UAPI_CREATE_SESSION
#define RETRIEVE GMEM_UAPI_RETRIEVE_SESSION

static struct gmem_session *const untouched = (struct gmem_session *)0x1234;

static void expect_device(int result)
{
	expect_open("/dev/liveupdate", O_RDWR | O_CLOEXEC, result);
}

static int get(bool create, const char *name, const struct gmem_session_options *options,
	       struct gmem_session **ret_session)
{
	return create ? gmem_session_create(name, options, ret_session, report)
		      : gmem_session_retrieve(name, options, ret_session, report);
}

static void drop(struct gmem_session *session)
{
	expect_close(SESSION_FD, 0);
	gmem_session_release(session);
}

START_TEST(opens_the_device_only_for_as_long_as_it_takes)
{
	struct gmem_session *session;
	bool create = _i;

	expect_device(DEVICE_FD);
	expect_session(create ? CREATE : RETRIEVE, DEVICE_FD, "vm-7", 0, SESSION_FD);
	expect_close(DEVICE_FD, 0);
	ck_assert_int_eq(get(create, "vm-7", NULL, &session), 0);
	ck_assert_int_eq(gmem_session_get_fd(session), SESSION_FD);
	ck_assert_str_eq(gmem_session_get_name(session), "vm-7");
	ck_assert_int_eq(gmem_session_get_direction(session),
			 create ? GMEM_DIRECTION_OUTGOING : GMEM_DIRECTION_INCOMING);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	drop(session);
}
END_TEST

START_TEST(uses_the_device_of_somebody_else)
{
	struct gmem_session_options options = { .size = sizeof(options) };
	struct gmem_session *session;

	options.use_device_fd = 1;
	options.device_fd = DEVICE_FD;
	expect_session(_i ? CREATE : RETRIEVE, DEVICE_FD, "vm-7", 0, SESSION_FD);
	ck_assert_int_eq(get(_i, "vm-7", &options, &session), 0);
	drop(session);
}
END_TEST

START_TEST(waits_for_who_has_the_device_open)
{
	struct gmem_session_options options = { .size = sizeof(options), .timeout_ns = 350000 };
	struct gmem_session *session = untouched;

	expect_device(-EBUSY);
	expect_now(1000000);
	expect_sleep(100000, 0);
	expect_device(-EBUSY);
	expect_now(1100000);
	/* A signal only makes the next try come earlier. */
	expect_sleep(200000, -EINTR);
	expect_device(-EBUSY);
	expect_now(1200000);
	expect_sleep(150000, 0);
	expect_device(_i ? DEVICE_FD : -EBUSY);
	if (_i) {
		expect_session(CREATE, DEVICE_FD, "vm", 0, SESSION_FD);
		expect_close(DEVICE_FD, 0);
		ck_assert_int_eq(get(true, "vm", &options, &session), 0);
		drop(session);
		return;
	}
	expect_now(1350000);
	ck_assert_int_eq(get(true, "vm", &options, &session), -EBUSY);
	ck_assert_str_eq(gmem_error_get_cause(report), "device-busy");
	ck_assert_uint_eq(gmem_error_get_attempts(report), 4);
	ck_assert_str_contains(explanation(), "systemd");
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

START_TEST(does_not_wait_if_it_shall_not)
{
	struct gmem_session_options options = { .size = sizeof(options) };
	struct gmem_session *session = untouched;

	options.timeout_ns = GMEM_SESSION_NO_WAIT;
	expect_device(-EBUSY);
	ck_assert_int_eq(get(_i, "vm", &options, &session), -EBUSY);
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

START_TEST(waits_for_ever_without_overflow)
{
	struct gmem_session_options options = { .size = sizeof(options), .timeout_ns = UINT64_MAX };
	struct gmem_session *session = untouched;

	expect_device(-EBUSY);
	expect_now(1);
	expect_sleep(100000, 0);
	expect_device(-EACCES);
	ck_assert_int_eq(get(_i, "vm", &options, &session), -EACCES);
	ck_assert_str_eq(gmem_error_get_cause(report), "device-access");
}
END_TEST

static const struct {
	const char *name, *cause;
} names[] = {
	{ "", "session-name" },
	{ "a-name-of-sixty-four-bytes-is-one-byte-too-long-for-the-kernel-x", "session-name" },
	{ "systemd", "session-reserved" },
	{ NULL, "argument" },
};

START_TEST(refuses_names_that_cannot_be)
{
	struct gmem_session *session = untouched;
	int create;

	for (create = 0; create < 2; create++) {
		ck_assert_int_eq(get(create, names[_i].name, NULL, &session), -EINVAL);
		ck_assert_str_eq(gmem_error_get_cause(report), names[_i].cause);
		ck_assert_ptr_null(gmem_error_get_system_call(report));
	}
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

START_TEST(takes_the_longest_name_and_those_that_only_begin_like_systemd)
{
	static const char *const good[] = {
		"a-name-of-sixty-three-bytes-is-as-long-as-the-kernel-takes-it--",
		"systemd-vm",
		"system",
		"Systemd",
	};
	struct gmem_session *session;

	expect_device(DEVICE_FD);
	expect_session(CREATE, DEVICE_FD, good[_i], 0, SESSION_FD);
	expect_close(DEVICE_FD, 0);
	ck_assert_int_eq(get(true, good[_i], NULL, &session), 0);
	ck_assert_str_eq(gmem_session_get_name(session), good[_i]);
	drop(session);
}
END_TEST

START_TEST(refuses_bad_arguments_without_asking_the_kernel)
{
	struct gmem_session_options options = { .size = sizeof(options), .device_fd = 3 };
	struct gmem_session *session = untouched;
	bool create = _i;
	int r;

	ck_assert_int_eq(get(create, "vm", NULL, NULL), -EINVAL);
	ck_assert_int_eq(get(create, "vm", &options, &session), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "option");
	options.use_device_fd = 2;
	ck_assert_int_eq(get(create, "vm", &options, &session), -EINVAL);
	options.size = 1 << 20;
	ck_assert_int_eq(get(create, "vm", &options, &session), -E2BIG);
	ck_assert_str_eq(gmem_error_get_cause(report), "newer-options");
	r = WITHOUT_MEMORY(get(create, "vm", NULL, &session));
	ck_assert_int_eq(r, -ENOMEM);
	gmem_level_set(GMEM_LEVEL_QUERY);
	ck_assert_int_eq(get(create, "vm", NULL, &session), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), -EOPNOTSUPP);
	gmem_level_set(GMEM_LEVEL_FULL);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, NULL, report), -EINVAL);
	r = WITHOUT_MEMORY(gmem_session_adopt(SESSION_FD, &session, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

START_TEST(a_level_that_is_none_stops_all)
{
	struct gmem_session *session = untouched;

	gmem_level_in_force = 0;
	ck_assert_int_eq(setenv("GMEM_LEVEL", "livee", 1), 0);
	ck_assert_int_eq(get(_i, "vm", NULL, &session), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "level-name");
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "level-name");
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

START_TEST(adopts_and_finds_out_which_way_it_goes)
{
	struct gmem_session *session;

	expect_session_name(SESSION_FD, 0, "vm-7");
	expect_direction(SESSION_FD, _i ? -EINVAL : -E2BIG);
	expect_close_on_exec(SESSION_FD, 0);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), 0);
	ck_assert_str_eq(gmem_session_get_name(session), "vm-7");
	ck_assert_int_eq(gmem_session_get_direction(session),
			 _i ? GMEM_DIRECTION_INCOMING : GMEM_DIRECTION_OUTGOING);
	ck_assert_int_eq(gmem_session_get_fd(session), SESSION_FD);
	drop(session);
}
END_TEST

START_TEST(does_not_adopt_what_is_none_or_systemds)
{
	char endless[65] = "";
	struct gmem_session *session = untouched;

	expect_session_name(SESSION_FD, 0, "systemd");
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "session-reserved");
	/* Names that the kernel must not give. */
	expect_session_name(SESSION_FD, 0, "");
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), -EBADE);
	memset(endless, 'x', sizeof(endless) - 1);
	expect_session_name(SESSION_FD, 0, endless);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), -EBADE);
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

static struct gmem_session *some_session(bool outgoing)
{
	struct gmem_session *session;

	expect_session_name(SESSION_FD, 0, "vm");
	expect_direction(SESSION_FD, outgoing ? -E2BIG : -EINVAL);
	expect_close_on_exec(SESSION_FD, 0);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), 0);
	return session;
}

START_TEST(finishes_what_came_in)
{
	struct gmem_session *session = some_session(false);

	expect_finish(SESSION_FD, 0);
	ck_assert_int_eq(gmem_session_finish(session, report), 0);
	drop(session);
	session = some_session(true);
	ck_assert_int_eq(gmem_session_finish(session, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "direction");
	ck_assert_int_eq(gmem_session_finish(NULL, report), -EINVAL);
	drop(session);
}
END_TEST

START_TEST(believes_no_descriptor_that_cannot_be)
{
	struct gmem_session *session = untouched;

	expect_device(DEVICE_FD);
	expect_session(_i ? CREATE : RETRIEVE, DEVICE_FD, "vm", 0, -1);
	expect_close(DEVICE_FD, 0);
	ck_assert_int_eq(get(_i, "vm", NULL, &session), -EBADE);
	ck_assert_ptr_eq(session, untouched);
}
END_TEST

/* The call that fails: the device, the session; or those of adopting; or finishing. */
static enum {
	OPEN,
	CREATING,
	RETRIEVING,
	NAME,
	DIRECTION,
	EXEC,
	FINISH
} failing;

static int get_answer(bool create, int code)
{
	struct gmem_session *session = untouched;
	struct gmem_session_options options = { .size = sizeof(options) };
	int r;

	options.timeout_ns = GMEM_SESSION_NO_WAIT;
	expect_device(failing == OPEN ? code : DEVICE_FD);
	if (failing != OPEN) {
		expect_session(create ? CREATE : RETRIEVE, DEVICE_FD, "vm", code, SESSION_FD);
		expect_close(DEVICE_FD, 0);
	}
	r = get(create, "vm", &options, &session);
	script_end();
	ck_assert_ptr_eq(session, untouched);
	return r;
}

static int create_answer(int code)
{
	return get_answer(true, code);
}

static int retrieve_answer(int code)
{
	return get_answer(false, code);
}

static int adopt_answer(int code)
{
	struct gmem_session *session = untouched;
	int r;

	expect_session_name(SESSION_FD, failing == NAME ? code : 0, "vm");
	if (failing != NAME)
		expect_direction(SESSION_FD, failing == DIRECTION ? code : -E2BIG);
	if (failing == EXEC || (failing == DIRECTION && (code == -E2BIG || code == -EINVAL)))
		expect_close_on_exec(SESSION_FD, failing == EXEC ? code : -EPERM);
	r = gmem_session_adopt(SESSION_FD, &session, report);
	script_end();
	ck_assert_ptr_eq(session, untouched);
	return r;
}

static struct gmem_session *finishing;

static int finish_answer(int code)
{
	int r;

	expect_finish(SESSION_FD, code);
	r = gmem_session_finish(finishing, report);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	failing = OPEN;
	check_closed_set(gmem_session_create, create_answer);
	check_closed_set(gmem_session_retrieve, retrieve_answer);
	failing = CREATING;
	check_closed_set(gmem_session_create, create_answer);
	check_positive_numbers(create_answer);
	failing = RETRIEVING;
	check_closed_set(gmem_session_retrieve, retrieve_answer);
	check_positive_numbers(retrieve_answer);
	for (failing = NAME; failing <= EXEC; failing++) {
		check_closed_set(gmem_session_adopt, adopt_answer);
		check_positive_numbers(adopt_answer);
	}
	finishing = some_session(false);
	check_closed_set(gmem_session_finish, finish_answer);
	check_positive_numbers(finish_answer);
	drop(finishing);
}
END_TEST

static const struct {
	int call, kernel, returned;
	const char *cause;
} causes[] = {
	{ OPEN, -ENOENT, -EOPNOTSUPP, "no-live-update" },
	{ OPEN, -ENXIO, -EOPNOTSUPP, "no-live-update" },
	{ OPEN, -ENODEV, -EOPNOTSUPP, "no-live-update" },
	{ OPEN, -EIO, -EIO, "sessions-lost" },
	{ OPEN, -EACCES, -EACCES, "device-access" },
	{ OPEN, -EPERM, -EPERM, "device-access" },
	{ OPEN, -EMFILE, -EMFILE, "process-files" },
	{ OPEN, -ENFILE, -ENFILE, "system-files" },
	{ OPEN, -ENOMEM, -ENOMEM, "memory" },
	{ CREATING, -EINVAL, -ENOTTY, "not-the-device" },
	{ CREATING, -ENOTTY, -ENOTTY, "not-the-device" },
	{ CREATING, -EEXIST, -EEXIST, "session-exists" },
	{ CREATING, -ENOSPC, -ENOSPC, "session-full" },
	{ CREATING, -EBADF, -EBADF, "not-open" },
	{ RETRIEVING, -ENOENT, -ENOENT, "no-session" },
	{ RETRIEVING, -EINVAL, -EALREADY, "session-taken" },
	{ RETRIEVING, -ENOTTY, -ENOTTY, "not-the-device" },
	{ RETRIEVING, -EMFILE, -EMFILE, "process-files" },
	{ NAME, -ENOTTY, -ENOTTY, "not-a-session" },
	{ NAME, -EINVAL, -ENOTTY, "not-a-session" },
	{ NAME, -EIO, -ENOTTY, "not-a-session" },
	{ NAME, -EBADF, -EBADF, "not-open" },
	{ DIRECTION, -EFAULT, -EBADE, "answer" },
	{ EXEC, -EPERM, -EPERM, "refused" },
	{ FINISH, -EBUSY, -EBUSY, "cannot-finish" },
	{ FINISH, -EINVAL, -EBADE, "answer" },
};

START_TEST(says_why_the_kernel_refused)
{
	int r;

	failing = causes[_i].call;
	if (failing == RETRIEVING) {
		r = retrieve_answer(causes[_i].kernel);
	} else if (failing == FINISH) {
		finishing = some_session(false);
		r = finish_answer(causes[_i].kernel);
		drop(finishing);
	} else {
		r = failing >= NAME ? adopt_answer(causes[_i].kernel)
				    : create_answer(causes[_i].kernel);
	}
	ck_assert_int_eq(r, causes[_i].returned);
	ck_assert_str_eq(gmem_error_get_cause(report), causes[_i].cause);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), causes[_i].kernel);
}
END_TEST

START_TEST(getters_and_release_take_null)
{
	gmem_session_release(NULL);
	ck_assert_int_eq(gmem_session_get_fd(NULL), -EINVAL);
	ck_assert_ptr_null(gmem_session_get_name(NULL));
	ck_assert_int_eq(gmem_session_get_direction(NULL), 0);
	ck_assert_str_eq(gmem_direction_name(GMEM_DIRECTION_OUTGOING), "outgoing");
	ck_assert_str_eq(gmem_direction_name(GMEM_DIRECTION_INCOMING), "incoming");
	ck_assert_ptr_null(gmem_direction_name((enum gmem_direction)0));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("session");
	TCase *requests = scripted_case(suite, "requests");
	TCase *answers = scripted_case(suite, "the kernel's answers");

	tcase_add_loop_test(requests, opens_the_device_only_for_as_long_as_it_takes, 0, 2);
	tcase_add_loop_test(requests, uses_the_device_of_somebody_else, 0, 2);
	tcase_add_loop_test(requests, waits_for_who_has_the_device_open, 0, 2);
	tcase_add_loop_test(requests, does_not_wait_if_it_shall_not, 0, 2);
	tcase_add_loop_test(requests, waits_for_ever_without_overflow, 0, 2);
	tcase_add_loop_test(requests, refuses_names_that_cannot_be, 0, COUNT(names));
	tcase_add_loop_test(requests, takes_the_longest_name_and_those_that_only_begin_like_systemd,
			    0, 4);
	tcase_add_loop_test(requests, refuses_bad_arguments_without_asking_the_kernel, 0, 2);
	tcase_add_loop_test(requests, a_level_that_is_none_stops_all, 0, 2);
	tcase_add_loop_test(requests, adopts_and_finds_out_which_way_it_goes, 0, 2);
	tcase_add_test(requests, does_not_adopt_what_is_none_or_systemds);
	tcase_add_test(requests, finishes_what_came_in);
	tcase_add_loop_test(answers, believes_no_descriptor_that_cannot_be, 0, 2);
	tcase_add_test(answers, returns_only_what_is_documented);
	tcase_add_loop_test(answers, says_why_the_kernel_refused, 0, COUNT(causes));
	tcase_add_test(answers, getters_and_release_take_null);
	return suite;
}
