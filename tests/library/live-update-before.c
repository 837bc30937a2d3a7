/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Live update before the kexec: what is refused, and what is frozen. */
#include "live-update.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static struct file mixed_file(void)
{
	struct file file = open_file(VM_PROTECTED, SIZE, GMEM_INIT_SHARED);

	for (int i = 0; i < 32; i++)
		fill_page(file.mapped + i * PAGE, (uint64_t)i, ROUND);
	must(gmem_convert(file.gmem, 16 * PAGE, 17 * PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	return file;
}

static struct gmem_session *new_session(const char *name)
{
	struct gmem_session *session;

	must(gmem_session_create(name, NULL, &session, report), 0);
	return session;
}

START_TEST(private_pages_are_refused_unless_they_are_permitted)
{
	struct gmem_session *session = new_session("private");
	struct file file = mixed_file();
	struct gmem_live_update now;
	uint64_t offset = 0;
	bool equal = false;

	must(gmem_get_live_update(file.gmem, &now, report), 0);
	ck_assert_str_eq(now.refusal, "private-pages");
	ck_assert_uint_eq(now.refusal_offset, 16 * PAGE);
	must_cause(gmem_preserve(session, file.gmem, GMEM_TOKEN, NULL, report), -EACCES,
		   "private-pages");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 16 * PAGE);
	/* Nothing has changed: it can be used, and preserved with permission. */
	must(gmem_get_live_update(file.gmem, &now, report), 0);
	ck_assert(!now.frozen && !now.mixed && !now.retrieved);
	must(gmem_allocate(file.gmem, 40 * PAGE, PAGE, NULL, report), 0);
	must(gmem_compare(file.gmem, states, 3, &equal, NULL, report), 0);
	ck_assert(equal);
	must(gmem_preserve(session, file.gmem, GMEM_TOKEN, &with_private, report), 0);
	must(gmem_get_live_update(file.gmem, &now, report), 0);
	ck_assert(now.frozen && now.mixed);
	ck_assert_str_eq(now.refusal, "already-preserved");
	gmem_session_release(session);
	close_file(&file);
}
END_TEST

START_TEST(a_preserved_file_is_frozen_until_its_session_is_released)
{
	struct gmem_session *session = new_session("frozen");
	struct file file = mixed_file();

	must(gmem_preserve(session, file.gmem, GMEM_TOKEN, &with_private, report), 0);
	must_cause(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), -EPERM,
		   "frozen");
	must_cause(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_SHARED, NULL, report), -EPERM,
		   "frozen");
	must_cause(gmem_allocate(file.gmem, 50 * PAGE, PAGE, NULL, report), -EPERM, "frozen");
	must_cause(gmem_discard(file.gmem, 0, PAGE, report), -EPERM, "frozen");
	/* What is there stays usable; what is not there raises SIGBUS. */
	must_write(file.mapped, 1);
	must_hold(file.mapped, 1);
	must_sigbus(file.mapped + 50 * PAGE);
	gmem_session_release(session);
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	must(gmem_allocate(file.gmem, 50 * PAGE, PAGE, NULL, report), 0);
	must_hold(file.mapped + 50 * PAGE, 0);
	must(gmem_discard(file.gmem, 50 * PAGE, PAGE, report), 0);
	close_file(&file);
}
END_TEST

START_TEST(nothing_is_preserved_twice)
{
	struct gmem_session *session = new_session("once"), *other = new_session("twice");
	struct file file = open_file(VM_PROTECTED, SIZE, GMEM_INIT_SHARED);
	struct file second = open_file(VM_PROTECTED, SIZE, GMEM_INIT_SHARED);

	must(gmem_preserve_vm(session, file.vm, VM_TOKEN, report), 0);
	must(gmem_preserve(session, file.gmem, GMEM_TOKEN, NULL, report), 0);
	must_cause(gmem_preserve_vm(other, file.vm, VM_TOKEN, report), -EBUSY, "already-preserved");
	must_cause(gmem_preserve(other, file.gmem, GMEM_TOKEN, NULL, report), -EBUSY,
		   "already-preserved");
	must_cause(gmem_preserve(session, second.gmem, GMEM_TOKEN, NULL, report), -EEXIST,
		   "token-used");
	/* The one that was refused is not frozen. */
	must(gmem_discard(second.gmem, 0, PAGE, report), 0);
	gmem_session_release(session);
	must(gmem_preserve(other, file.gmem, GMEM_TOKEN, NULL, report), 0);
	gmem_session_release(other);
	close_file(&file);
	close_file(&second);
}
END_TEST

START_TEST(names_and_other_files_are_refused)
{
	struct gmem_session *session = new_session("names"), *other = NULL;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct gmem *gmem = NULL;
	int fd = -1;

	must_cause(gmem_session_create("names", NULL, &other, report), -EEXIST, "session-exists");
	must_cause(gmem_session_create("systemd", NULL, &other, report), -EINVAL,
		   "session-reserved");
	must_cause(gmem_session_retrieve("never", NULL, &other, report), -ENOENT, "no-session");
	must_cause(gmem_session_adopt(kvm, &other, report), -ENOTTY, "not-a-session");
	must_cause(gmem_preserve_vm(session, kvm, VM_TOKEN, report), -ENOTTY, "not-a-vm");
	must_cause(gmem_preserve_fd(session, kvm, VM_TOKEN, report), -EOPNOTSUPP, "no-handler");
	must_cause(gmem_preserve_fd(session, -1, VM_TOKEN, report), -EBADF, "not-open");
	must_cause(gmem_retrieve_fd(session, VM_TOKEN, &fd, report), -EINVAL, "direction");
	must_cause(gmem_retrieve(session, GMEM_TOKEN, NULL, &gmem, report), -EINVAL, "direction");
	must_cause(gmem_session_finish(session, report), -EINVAL, "direction");
	ck_assert_ptr_null(other);
	close(kvm);
	gmem_session_release(session);
}
END_TEST

static void *close_soon(void *device)
{
	usleep(100000);
	close(*(int *)device);
	return NULL;
}

START_TEST(the_device_is_waited_for)
{
	struct gmem_session_options options = { .size = sizeof(options), .timeout_ns = 1000000 };
	int device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	struct gmem_session *session = NULL, *other;
	pthread_t thread;

	ck_assert_int_ge(device, 0);
	must_cause(gmem_session_create("waits", &options, &session, report), -EBUSY, "device-busy");
	ck_assert_ptr_null(session);
	options.use_device_fd = 1;
	options.device_fd = device;
	must(gmem_session_create("lent", &options, &other, report), 0);
	gmem_session_release(other);
	must(gmem_session_create("none", &options, &other, report), 0);
	options.device_fd = gmem_session_get_fd(other);
	must_cause(gmem_session_create("no-device", &options, &session, report), -ENOTTY,
		   "not-the-device");
	gmem_session_release(other);
	options = (struct gmem_session_options){ .size = sizeof(options) };
	options.timeout_ns = UINT64_C(60000000000);
	ck_assert_int_eq(pthread_create(&thread, NULL, close_soon, &device), 0);
	must(gmem_session_create("waits", &options, &session, report), 0);
	pthread_join(thread, NULL);
	gmem_session_release(session);
}
END_TEST

START_TEST(a_session_can_be_adopted)
{
	struct gmem_session *session = new_session("adopted"), *copy;
	int fd = dup(gmem_session_get_fd(session));

	must(gmem_session_adopt(fd, &copy, report), 0);
	ck_assert_str_eq(gmem_session_get_name(copy), "adopted");
	ck_assert_int_eq(gmem_session_get_direction(copy), GMEM_DIRECTION_OUTGOING);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(gmem_session_get_fd(session), F_GETFD), FD_CLOEXEC);
	/* It lives until the last descriptor is closed. */
	gmem_session_release(session);
	must_cause(gmem_session_create("adopted", NULL, &session, report), -EEXIST,
		   "session-exists");
	gmem_session_release(copy);
	session = new_session("adopted");
	gmem_session_release(session);
}
END_TEST

void add_tests_before(Suite *suite)
{
	TCase *tests = library_case(suite, "before");

	tcase_add_test(tests, private_pages_are_refused_unless_they_are_permitted);
	tcase_add_test(tests, a_preserved_file_is_frozen_until_its_session_is_released);
	tcase_add_test(tests, nothing_is_preserved_twice);
	tcase_add_test(tests, names_and_other_files_are_refused);
	tcase_add_test(tests, the_device_is_waited_for);
	tcase_add_test(tests, a_session_can_be_adopted);
}
