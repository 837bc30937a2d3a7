/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "unit.h"

#define SOCKET_FD 1006

static struct gmem_session *session;
static struct gmem_session *const untouched = (struct gmem_session *)0x1234;

static void set(const char *name, const char *value)
{
	ck_assert_int_eq(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void expect_adoption(int fd)
{
	expect_session_name(fd, 0, "vm-7");
	expect_direction(fd, -EINVAL);
	expect_close_on_exec(fd, 0);
}

static void begin(void)
{
	expect_adoption(SESSION_FD);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), 0);
	set("NOTIFY_SOCKET", "/run/systemd/notify");
	set("LISTEN_PID", "4242");
	set("LISTEN_FDS", "3");
	set("LISTEN_FDNAMES", "socket:vm-7:vm-8");
}

static void end(void)
{
	expect_close(SESSION_FD, 0);
	gmem_session_release(session);
}

static const struct {
	const char *text;
	/* of the path with its ends, as the kernel counts */
	size_t size;
} addresses[] = {
	{ "/run/systemd/notify", 20 },
	{ "@/abstract", 10 },
	{ "@a", 2 },
};

static void expect_send(const char *path, size_t size, const char *text, int fd, int result)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, path, strlen(path));
	if (*path == '@')
		address.sun_path[0] = '\0';
	expect_socket(SOCKET_FD);
	expect_message(SOCKET_FD, &address, offsetof(struct sockaddr_un, sun_path) + size, text, fd,
		       result);
}

START_TEST(pushes_a_descriptor_and_removes_it_by_its_name)
{
	static const char push[] = "FDSTORE=1\nFDNAME=vm-7", named[] = "FDSTORE=1\nFDNAME=other";
	static const char removes[] = "FDSTOREREMOVE=1\nFDNAME=vm-7";
	const char *path = addresses[_i].text;
	size_t size = addresses[_i].size;

	set("NOTIFY_SOCKET", path);
	expect_send(path, size, push, SESSION_FD, (int)strlen(push));
	expect_close(SOCKET_FD, 0);
	ck_assert_int_eq(gmem_store_push(session, NULL, report), 0);
	expect_send(path, size, named, SESSION_FD, (int)strlen(named));
	expect_close(SOCKET_FD, 0);
	ck_assert_int_eq(gmem_store_push(session, "other", report), 0);
	expect_send(path, size, removes, -1, (int)strlen(removes));
	expect_close(SOCKET_FD, 0);
	ck_assert_int_eq(gmem_store_remove("vm-7", report), 0);
}
END_TEST

static void must_be_cause(int r, int code, const char *cause)
{
	ck_assert_int_eq(r, code);
	ck_assert_str_eq(gmem_error_get_cause(report), cause);
}

START_TEST(refuses_addresses_that_it_cannot_reach)
{
	char path[200] = "";

	set("NOTIFY_SOCKET", NULL);
	must_be_cause(gmem_store_push(session, NULL, report), -ENOTCONN, "no-store");
	set("NOTIFY_SOCKET", "");
	must_be_cause(gmem_store_remove("vm-7", report), -ENOTCONN, "no-store");
	set("NOTIFY_SOCKET", "vsock:2:1234");
	must_be_cause(gmem_store_push(session, NULL, report), -EAFNOSUPPORT, "store-address");
	set("NOTIFY_SOCKET", "relative");
	must_be_cause(gmem_store_push(session, NULL, report), -EAFNOSUPPORT, "store-address");
	set("NOTIFY_SOCKET", "@");
	must_be_cause(gmem_store_push(session, NULL, report), -EAFNOSUPPORT, "store-address");
	memset(path, '/', 108);
	set("NOTIFY_SOCKET", path);
	must_be_cause(gmem_store_push(session, NULL, report), -EAFNOSUPPORT, "store-address");
}
END_TEST

START_TEST(refuses_names_that_cannot_be)
{
	char name[258];

	memset(name, 'n', sizeof(name) - 1);
	name[256] = '\0';
	must_be_cause(gmem_store_push(session, "", report), -EINVAL, "store-name");
	must_be_cause(gmem_store_push(session, "a:b", report), -EINVAL, "store-name");
	must_be_cause(gmem_store_push(session, "a\nFDSTORE=1", report), -EINVAL, "store-name");
	must_be_cause(gmem_store_push(session, name, report), -EINVAL, "store-name");
	must_be_cause(gmem_store_remove("\x7f", report), -EINVAL, "store-name");
	must_be_cause(gmem_store_remove(NULL, report), -EINVAL, "argument");
	must_be_cause(gmem_store_push(NULL, "a", report), -EINVAL, "argument");
	must_be_cause(gmem_store_take(NULL, &session, report), -EINVAL, "argument");
	must_be_cause(gmem_store_take("a", NULL, report), -EINVAL, "argument");
}
END_TEST

START_TEST(takes_the_descriptor_of_the_name)
{
	struct gmem_session *taken;

	set("LISTEN_FDNAMES", _i ? "vm-7:vm-7:vm-7" : "socket:vm-7:vm-8");
	expect_adoption(_i ? 3 : 4);
	ck_assert_int_eq(gmem_store_take("vm-7", &taken, report), 0);
	ck_assert_int_eq(gmem_session_get_fd(taken), _i ? 3 : 4);
	expect_close(_i ? 3 : 4, 0);
	gmem_session_release(taken);
}
END_TEST

static const struct {
	const char *process, *count, *names;
	int code;
} environments[] = {
	{ NULL, "3", "a:vm-7:b", -ENOENT },
	{ "4243", "3", "a:vm-7:b", -ENOENT },
	{ "4242", NULL, "a:vm-7:b", -ENOENT },
	{ "4242", "0", "vm-7", -ENOENT },
	{ "4242", "3", NULL, -ENOENT },
	{ "4242", "3", "a:vm-77:vm-", -ENOENT },
	{ "4242", "2", "a:vm-7:b", -EBADE },
	{ "4242", "4", "a:vm-7:b", -EBADE },
	{ "4242", "1", "", -ENOENT },
	{ "4242", "2147483647", "vm-7", -EBADE },
	{ "4242", "99999999999999999999", "vm-7", -EBADE },
	{ "4242", "-1", "vm-7", -EBADE },
	{ "4242", "1x", "vm-7", -EBADE },
	{ "4242", "", "vm-7", -EBADE },
	{ " 4242", "1", "vm-7", -EBADE },
};

START_TEST(takes_nothing_that_is_not_for_it)
{
	struct gmem_session *taken = untouched;

	set("LISTEN_PID", environments[_i].process);
	set("LISTEN_FDS", environments[_i].count);
	set("LISTEN_FDNAMES", environments[_i].names);
	must_be_cause(gmem_store_take("vm-7", &taken, report), environments[_i].code,
		      environments[_i].code == -ENOENT ? "not-stored" : "environment");
	ck_assert_ptr_eq(taken, untouched);
}
END_TEST

static enum {
	SOCKET,
	SEND,
	TAKE
} failing;

static int push_answer(int code)
{
	static const char push[] = "FDSTORE=1\nFDNAME=vm-7";
	int i, r;

	if (failing == SOCKET) {
		expect_socket(code);
	} else {
		expect_send("/run/systemd/notify", 20, push, SESSION_FD, code);
		for (i = 1; i < (code == -EINTR ? 1000 : 1); i++) {
			struct sockaddr_un address = { .sun_family = AF_UNIX,
						       .sun_path = "/run/systemd/notify" };

			expect_message(SOCKET_FD, &address,
				       offsetof(struct sockaddr_un, sun_path) + 20, push,
				       SESSION_FD, code);
		}
		expect_close(SOCKET_FD, 0);
	}
	r = gmem_store_push(session, NULL, report);
	script_end();
	return r;
}

static int take_answer(int code)
{
	struct gmem_session *taken = untouched;
	int r;

	expect_session_name(4, code, "vm-7");
	r = gmem_store_take("vm-7", &taken, report);
	script_end();
	ck_assert_ptr_eq(taken, untouched);
	if (r < 0)
		ck_assert_str_eq(gmem_error_get_call(report), "gmem_store_take");
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	failing = SOCKET;
	check_closed_set(gmem_store_push, push_answer);
	failing = SEND;
	check_closed_set(gmem_store_push, push_answer);
	/* Half of the text was sent. */
	ck_assert_int_eq(push_answer(4), -EBADE);
	check_closed_set(gmem_store_take, take_answer);
}
END_TEST

static const struct {
	int call, kernel, returned;
	const char *cause;
} causes[] = {
	{ SOCKET, -EMFILE, -EMFILE, "process-files" },
	{ SEND, -ECONNREFUSED, -ECONNREFUSED, "no-store" },
	{ SEND, -ENOENT, -ECONNREFUSED, "no-store" },
	{ SEND, -EPROTOTYPE, -EAFNOSUPPORT, "store-address" },
	{ SEND, -EBADF, -EBADF, "not-open" },
	{ SEND, -ETOOMANYREFS, -EMFILE, "process-files" },
	{ SEND, -EACCES, -EACCES, "refused" },
	{ TAKE, -ENOTTY, -ENOTTY, "not-a-session" },
	{ TAKE, -EBADF, -EBADF, "not-open" },
};

START_TEST(says_why)
{
	int r;

	failing = causes[_i].call;
	r = failing == TAKE ? take_answer(causes[_i].kernel) : push_answer(causes[_i].kernel);
	must_be_cause(r, causes[_i].returned, causes[_i].cause);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tests = scripted_case(suite, "the store");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, pushes_a_descriptor_and_removes_it_by_its_name, 0,
			    COUNT(addresses));
	tcase_add_test(tests, refuses_addresses_that_it_cannot_reach);
	tcase_add_test(tests, refuses_names_that_cannot_be);
	tcase_add_loop_test(tests, takes_the_descriptor_of_the_name, 0, 2);
	tcase_add_loop_test(tests, takes_nothing_that_is_not_for_it, 0, COUNT(environments));
	tcase_add_test(tests, returns_only_what_is_documented);
	tcase_add_loop_test(tests, says_why, 0, COUNT(causes));
	return suite;
}
