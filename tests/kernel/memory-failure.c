/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A page whose memory has failed, in either state: the guest's next access comes out with
 * EHWPOISON, the host's raises SIGBUS, its neighbours are unhurt, conversions do not crash, and a
 * hole takes it away. Needs root; the kernel writes "Memory failure:" lines.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guestvm.h"

#define GPA	(1ULL << 30)
#define CORRUPT "/sys/kernel/debug/hwpoison/corrupt-pfn"

/* The page that fails. */
enum {
	BAD = 5
};

static struct guestvm *guest;
static int vm, gmem;
static uint8_t *mapped;
static uint64_t bad_frame;

/* A file all of whose pages the guest has mapped, in @state. */
static void open_in(uint64_t state)
{
	const char *step = NULL;
	struct guestvm_cmd cmd = { GUESTVM_CHECK, { GPA, FILE_SIZE, 1, 0 } };
	struct guestvm_result result;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED }, &guest, &step);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	vm = guestvm_vm_fd(guest);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	guestvm_host_fill(mapped, FILE_SIZE, 1, 0);
	ck_assert(pread(pagemap, &bad_frame, 8, (uintptr_t)(mapped + BAD * PAGE) / PAGE * 8) == 8);
	close(pagemap);
	bad_frame &= (1ULL << 55) - 1;
	ck_assert_uint_ne(bad_frame, 0);
	must_give(convert(gmem, 0, FILE_SIZE, state), 0);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	must_give(guestvm_run(guest, 0, &cmd, &result), 0);
	ck_assert_int_eq(result.exit, GUESTVM_DONE);
	ck_assert_uint_eq(result.value, FILE_SIZE);
}

static void open_shared(void)
{
	open_in(SHARED);
}

static void open_private(void)
{
	open_in(PRIVATE);
}

static void close_all(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

/* What the kernel is told in place of a broken memory module. 0 or a negative errno. */
static int break_frame(uint64_t frame)
{
	int file = open(CORRUPT, O_WRONLY | O_CLOEXEC), ret;
	char text[32];

	ck_assert_msg(file >= 0, CORRUPT ": %s", strerror(errno));
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)frame);
	ret = write(file, text, strlen(text)) < 0 ? -errno : 0;
	close(file);
	return ret;
}

/* By a process of its own: the kernel may send it SIGBUS, as it would to whoever met the error. */
static void break_mapping(uint8_t *at)
{
	int status;
	pid_t child = fork();

	ck_assert(child >= 0);
	if (!child) {
		int ret = madvise(at, PAGE, MADV_HWPOISON) ? errno : 0;

		_exit(ret);
	}
	ck_assert(waitpid(child, &status, 0) == child);
	/* EBUSY: the kernel could not take the page out of the file, which keeps it on purpose. */
	ck_assert_msg((WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) ||
			      (WIFEXITED(status) &&
			       (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EBUSY)),
		      "MADV_HWPOISON: status 0x%x", (unsigned int)status);
}

static void break_page(void)
{
	int ret = break_frame(bad_frame);

	ck_assert_msg(ret == 0 || ret == -EBUSY, "corrupt-pfn: %s", error_name(-ret));
}

static void guest_must_meet_the_error(void)
{
	for (uint64_t page = 0; page < NPAGE; page++) {
		struct guestvm_cmd cmd = { GUESTVM_READ64, { GPA + page * PAGE } };
		struct guestvm_result result;

		must_give(guestvm_run(guest, 0, &cmd, &result), 0);
		if (page == BAD) {
			ck_assert_msg(result.exit == GUESTVM_MEMORY_FAULT, "came out with %s",
				      guestvm_exit_name(result.exit));
			ck_assert_int_eq(result.error, EHWPOISON);
		} else {
			ck_assert_int_eq(result.exit, GUESTVM_DONE);
			ck_assert_uint_eq(result.value, guestvm_pattern(1, page * PAGE));
		}
	}
}

/* Through the mapping that was there, and through a new one. */
static void host_must_meet_the_error(void)
{
	uint8_t *fresh = map_gmem(gmem, 0, FILE_SIZE);

	for (uint64_t page = 0; page < NPAGE; page++) {
		if (page == BAD) {
			must_sigbus(mapped + page * PAGE);
			must_sigbus(fresh + page * PAGE);
		} else {
			must_hold(mapped + page * PAGE, guestvm_pattern(1, page * PAGE));
			must_hold(fresh + page * PAGE, guestvm_pattern(1, page * PAGE));
		}
	}
	munmap(fresh, FILE_SIZE);
}

/* A failed page counts as held by the kernel, and may so be busy; nothing else may happen. */
static bool to_private(void)
{
	uint64_t where = ~0ULL;
	int ret = convert_where(gmem, 0, FILE_SIZE, PRIVATE, &where);

	if (ret == 0)
		return true;
	must_give(ret, -EAGAIN);
	ck_assert_uint_eq(where, BAD * PAGE);
	return false;
}

/* A hole takes the failed page away: the next one is good, and zero. */
static void a_hole_must_mend(void)
{
	struct guestvm_cmd cmd = { GUESTVM_COMPARE, { GPA + BAD * PAGE, PAGE, 0 } };
	struct guestvm_result result;
	uint8_t *fresh;

	must_give(punch(gmem, BAD * PAGE, PAGE), 0);
	must_give(guestvm_run(guest, 0, &cmd, &result), 0);
	ck_assert_int_eq(result.exit, GUESTVM_DONE);
	ck_assert_uint_eq(result.value, PAGE);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	fresh = map_gmem(gmem, 0, FILE_SIZE);
	must_hold(fresh + BAD * PAGE, 0);
	must_hold(fresh, guestvm_pattern(1, 0));
	munmap(fresh, FILE_SIZE);
}

START_TEST(a_shared_page_that_fails_under_a_mapping)
{
	break_mapping(mapped + BAD * PAGE);
	guest_must_meet_the_error();
	host_must_meet_the_error();
	to_private();
	guest_must_meet_the_error();
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	host_must_meet_the_error();
	guest_must_meet_the_error();
	a_hole_must_mend();
}
END_TEST

START_TEST(a_shared_page_that_fails_in_memory)
{
	break_page();
	guest_must_meet_the_error();
	host_must_meet_the_error();
	to_private();
	guest_must_meet_the_error();
	a_hole_must_mend();
}
END_TEST

START_TEST(a_private_page_that_fails_in_memory)
{
	break_page();
	guest_must_meet_the_error();
	must_sigbus(mapped + BAD * PAGE);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	guest_must_meet_the_error();
	host_must_meet_the_error();
	to_private();
	guest_must_meet_the_error();
	a_hole_must_mend();
}
END_TEST

START_TEST(a_file_with_a_failed_page_can_be_closed)
{
	break_page();
	guest_must_meet_the_error();
	must_give(delete_slot(vm, 0), 0);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	guest_must_meet_the_error();
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *shared = new_case(suite, "shared");
	TCase *private = new_case(suite, "private");

	tcase_add_checked_fixture(shared, open_shared, close_all);
	tcase_add_test(shared, a_shared_page_that_fails_under_a_mapping);
	tcase_add_test(shared, a_shared_page_that_fails_in_memory);
	tcase_add_test(shared, a_file_with_a_failed_page_can_be_closed);
	tcase_add_checked_fixture(private, open_private, close_all);
	tcase_add_test(private, a_private_page_that_fails_in_memory);
	tcase_add_test(private, a_file_with_a_failed_page_can_be_closed);
}

int main(void)
{
	Suite *suite = suite_create("memory-failure");

	need_in_place();
	if (geteuid())
		skip_all("injecting memory failures needs root");
	need_debugfs();
	if (access(CORRUPT, W_OK))
		skip_all("this kernel cannot inject memory failures (CONFIG_HWPOISON_INJECT)");
	add_tests(suite);
	return run_suite(suite);
}
