/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update through the library and a real kexec, in two stages (lab/lab live-update): before it
 * what is refused and what is frozen, and what is left for the next kernel; after it what comes
 * out.
 */
#include "live-update.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what is left for the next kernel; no test, because it has to stay ---- */

static void need(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, explain_report());
	exit(1);
}
#define NEED(call) need(call, #call)

/* File, its VM, and a blob that describes them, or another file. */
static void leave(const char *name, struct file *file, struct gmem *described)
{
	const struct gmem_blob_slot slot = { 3, 4, 0x100000, 32 * PAGE, GMEM_TOKEN, 16 * PAGE };
	struct gmem_session *session;
	struct gmem_blob *blob;

	NEED(gmem_session_create(name, NULL, &session, report));
	NEED(gmem_preserve(session, file->gmem, GMEM_TOKEN, &with_private, report));
	NEED(gmem_preserve_vm(session, file->vm, VM_TOKEN, report));
	NEED(gmem_blob_new(&blob, report));
	NEED(gmem_blob_add_file(blob, GMEM_TOKEN, described, report));
	NEED(gmem_blob_add_slot(blob, &slot, report));
	NEED(gmem_blob_add_section(blob, "vcpu0", name, strlen(name), report));
	NEED(gmem_preserve_blob(session, blob, BLOB_TOKEN, report));
	gmem_blob_free(blob);
}

static int memfd_of(const void *bytes, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	need(fd < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size, "memfd");
	return fd;
}

/* Blobs that are none, under tokens from 1 on. */
static void leave_damaged(void)
{
	unsigned char bytes[1024];
	struct gmem_session *session;
	struct gmem_blob *blob;
	uint64_t size;

	NEED(gmem_session_create("damaged", NULL, &session, report));
	NEED(gmem_blob_new(&blob, report));
	NEED(gmem_blob_add_section(blob, "own", "data", 4, report));
	NEED(gmem_blob_format(blob, bytes, sizeof(bytes), &size, report));
	gmem_blob_free(blob);
	bytes[size / 2] ^= 16;
	NEED(gmem_preserve_fd(session, memfd_of(bytes, size), 1, report));
	bytes[size / 2] ^= 16;
	NEED(gmem_preserve_fd(session, memfd_of(bytes, size - 8), 2, report));
	NEED(gmem_preserve_fd(session, memfd_of("something else", 14), 3, report));
	NEED(gmem_preserve_fd(session, memfd_of("", 0), 4, report));
	NEED(gmem_preserve_fd(session, memfd_of(bytes, size), 5, report));
}

/* A holder that is killed: nothing of this may come through. */
static void leave_killed(void)
{
	struct gmem_session *session;
	int ready[2], status;
	char byte = 0;
	pid_t holder;

	need(pipe(ready), "pipe");
	holder = fork();
	if (holder == 0) {
		NEED(gmem_session_create("killed", NULL, &session, report));
		NEED(gmem_preserve_fd(session, memfd_of("bytes", 5), 1, report));
		need(write(ready[1], &byte, 1) != 1, "write");
		for (;;)
			pause();
	}
	need(holder < 0 || read(ready[0], &byte, 1) != 1, "fork");
	kill(holder, SIGKILL);
	need(waitpid(holder, &status, 0) != holder || !WIFSIGNALED(status), "wait");
}

/* As open_file(), outside of a test; its first pages are filled. */
static struct file left_file(unsigned long vm_type, int filled)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = GMEM_INIT_SHARED };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct file file = { .vm = ioctl(kvm, GMEM_UAPI_CREATE_VM, vm_type), .size = SIZE };
	void *mapped;

	need(file.vm < 0, "KVM_CREATE_VM");
	close(kvm);
	options.mappable = 1;
	NEED(gmem_create(file.vm, SIZE, &options, &file.gmem, report));
	NEED(gmem_map(file.gmem, 0, SIZE, NULL, &mapped, report));
	file.mapped = mapped;
	for (int i = 0; i < filled; i++)
		fill_page(file.mapped + i * PAGE, (uint64_t)i, ROUND);
	return file;
}

static struct file left_mixed_file(void)
{
	struct file file = left_file(VM_PROTECTED, 32);

	NEED(gmem_convert(file.gmem, 16 * PAGE, 17 * PAGE, GMEM_STATE_PRIVATE, NULL, report));
	return file;
}

static int leave_all(void)
{
	struct file file, other;

	NEED(gmem_error_new(&report));
	file = left_mixed_file();
	leave("mixed", &file, file.gmem);
	file = left_file(VM_DEFAULT, PAGES);
	leave("shared", &file, file.gmem);
	/* The blob is about a file with one state more. */
	file = left_mixed_file();
	other = left_mixed_file();
	NEED(gmem_convert(other.gmem, 60 * PAGE, PAGE, GMEM_STATE_PRIVATE, NULL, report));
	leave("differs", &file, other.gmem);
	file = left_mixed_file();
	leave("unwanted", &file, file.gmem);
	leave_damaged();
	leave_killed();
	/* The holder, until the kexec. */
	fflush(stdout);
	if (fork() == 0) {
		for (;;)
			pause();
	}
	return 0;
}

/* ---- after ---- */

static struct gmem_session *came(const char *name)
{
	struct gmem_session *session;

	must(gmem_session_retrieve(name, NULL, &session, report), 0);
	ck_assert_int_eq(gmem_session_get_direction(session), GMEM_DIRECTION_INCOMING);
	return session;
}

static struct gmem_blob *came_blob(struct gmem_session *session)
{
	struct gmem_blob_section section;
	struct gmem_blob_slot slot;
	struct gmem_blob *blob;

	must(gmem_retrieve_blob(session, BLOB_TOKEN, &blob, report), 0);
	ck_assert_int_eq(gmem_blob_find_section(blob, "vcpu0", &section), 0);
	ck_assert_uint_eq(section.size, strlen(gmem_session_get_name(session)));
	ck_assert_int_eq(memcmp(section.data, gmem_session_get_name(session), section.size), 0);
	ck_assert_int_eq(gmem_blob_get_slot(blob, 0, &slot), 0);
	ck_assert_uint_eq(slot.guest_address, 0x100000);
	return blob;
}

/* Slots can be bound again, and only in the VM that the file was made for. */
static void check_slots(const struct gmem_blob *blob, int vm, const struct gmem *gmem)
{
	int other = new_vm(VM_PROTECTED);
	struct gmem_blob_slot slot;

	ck_assert_int_eq(gmem_blob_get_slot(blob, 0, &slot), 0);
	must_give(set_slot(other, slot.slot, slot.guest_address, slot.size, gmem_get_fd(gmem),
			   slot.offset),
		  -EINVAL);
	must_give(set_slot(vm, slot.slot, slot.guest_address, slot.size, gmem_get_fd(gmem),
			   slot.offset),
		  0);
	must_give(delete_slot(vm, slot.slot), 0);
	close(other);
}

static void check_bytes(struct gmem *gmem, int pages)
{
	void *address;

	must(gmem_map(gmem, 0, SIZE, NULL, &address, report), 0);
	for (int i = 0; i < pages; i++)
		ck_assert_msg(page_is_filled((uint8_t *)address + i * PAGE, (uint64_t)i, ROUND),
			      "page %d has lost its bytes", i);
	must_hold((uint8_t *)address + (pages < PAGES ? pages : 0) * PAGE,
		  pages < PAGES ? 0 : *(uint8_t *)address);
	must(gmem_unmap(address, SIZE, report), 0);
}

START_TEST(a_mixed_file_comes_back_exactly)
{
	struct gmem_convert_options keep = { .size = sizeof(keep), .policy = GMEM_POLICY_PRESERVE };
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_session *session = came("mixed"), *again = NULL;
	struct gmem_blob *blob = came_blob(session);
	struct gmem_live_update now;
	struct gmem_probe *probe;
	struct gmem *gmem, *copy;
	bool equal = false;
	uint64_t flags;
	void *address;
	int vm;

	must(gmem_retrieve_vm(session, VM_TOKEN, &vm, report), 0);
	ck_assert_int_eq(fcntl(vm, F_GETFD), FD_CLOEXEC);
	must(gmem_probe_new(vm, NULL, &probe, report), 0);
	options.blob = blob;
	options.probe = probe;
	options.expected_size = SIZE;
	must(gmem_retrieve(session, GMEM_TOKEN, &options, &gmem, report), 0);
	must(gmem_get_creation_flags(gmem, &flags), 0);
	ck_assert_uint_eq(flags, GMEM_UAPI_FLAG_MMAP | GMEM_UAPI_FLAG_INIT_SHARED);
	must(gmem_compare(gmem, states, 3, &equal, NULL, report), 0);
	ck_assert(equal);
	must(gmem_get_live_update(gmem, &now, report), 0);
	ck_assert(!now.frozen && now.retrieved);

	must(gmem_map(gmem, 0, SIZE, NULL, &address, report), 0);
	must_sigbus((uint8_t *)address + 16 * PAGE);
	must_sigbus((uint8_t *)address + 32 * PAGE);
	must(gmem_unmap(address, SIZE, report), 0);
	must(gmem_convert(gmem, 16 * PAGE, 17 * PAGE, GMEM_STATE_SHARED, &keep, report), 0);
	check_bytes(gmem, 32);
	check_slots(blob, vm, gmem);
	/* Once more under the same token: the same file. */
	must(gmem_retrieve(session, GMEM_TOKEN, NULL, &copy, report), 0);
	check_bytes(copy, 32);
	gmem_release(copy);

	must_cause(gmem_session_retrieve("mixed", NULL, &again, report), -EALREADY,
		   "session-taken");
	must_cause(gmem_retrieve(session, OTHER_TOKEN, NULL, &copy, report), -ENOENT, "no-token");
	must_cause(gmem_preserve(session, gmem, OTHER_TOKEN, NULL, report), -EINVAL, "direction");
	must(gmem_session_finish(session, report), 0);
	must(gmem_session_finish(session, report), 0);
	must_cause(gmem_retrieve_vm(session, VM_TOKEN, &vm, report), -ENOENT, "no-token");
	gmem_session_release(session);
	must_cause(gmem_session_retrieve("mixed", NULL, &again, report), -ENOENT, "no-session");
	/* It is a file like any other. */
	must(gmem_convert(gmem, 0, SIZE, GMEM_STATE_PRIVATE, NULL, report), 0);
	must(gmem_discard(gmem, 0, SIZE, report), 0);
	gmem_probe_free(probe);
	gmem_release(gmem);
	gmem_blob_free(blob);
	close(vm);
}
END_TEST

START_TEST(a_shared_file_comes_back_with_the_vm_after_it)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_session *session = came("shared");
	struct gmem_blob *blob = came_blob(session);
	struct gmem *gmem = NULL;
	int vm = -1;

	options.expected_size = SIZE + PAGE;
	must_cause(gmem_retrieve(session, GMEM_TOKEN, &options, &gmem, report), -EINVAL,
		   "wrong-size");
	/* Something else is under these tokens. */
	must_cause(gmem_retrieve(session, VM_TOKEN, NULL, &gmem, report), -ENOTTY,
		   "not-guest-memfd");
	must_cause(gmem_retrieve(session, BLOB_TOKEN, NULL, &gmem, report), -ENOTTY,
		   "not-guest-memfd");
	must_cause(gmem_retrieve_vm(session, GMEM_TOKEN, &vm, report), -ENOTTY, "not-a-vm");
	ck_assert_int_eq(vm, -1);
	options.expected_size = SIZE;
	options.blob = blob;
	must(gmem_retrieve(session, GMEM_TOKEN, &options, &gmem, report), 0);
	must(gmem_retrieve_vm(session, VM_TOKEN, &vm, report), 0);
	check_bytes(gmem, PAGES);
	check_slots(blob, vm, gmem);
	must(gmem_session_finish(session, report), 0);
	gmem_session_release(session);
	gmem_release(gmem);
	gmem_blob_free(blob);
	close(vm);
}
END_TEST

START_TEST(a_file_that_is_not_as_the_blob_says_is_refused)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_session *session = came("differs");
	struct gmem *gmem = NULL;
	struct gmem_blob *empty;
	uint64_t offset = 0;

	options.blob = came_blob(session);
	must_cause(gmem_retrieve(session, GMEM_TOKEN, &options, &gmem, report), -EBADMSG,
		   "blob-differs");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 60 * PAGE);
	ck_assert_ptr_null(gmem);
	must(gmem_blob_new(&empty, report), 0);
	gmem_blob_free((struct gmem_blob *)(uintptr_t)options.blob);
	options.blob = empty;
	must_cause(gmem_retrieve(session, GMEM_TOKEN, &options, &gmem, report), -ENOENT,
		   "blob-has-not");
	/* The decision is the program's. */
	must(gmem_retrieve(session, GMEM_TOKEN, NULL, &gmem, report), 0);
	gmem_release(gmem);
	gmem_blob_free(empty);
	gmem_session_release(session);
}
END_TEST

START_TEST(what_is_not_wanted_is_destroyed)
{
	struct gmem_session *session = came("unwanted"), *again = NULL;

	must(gmem_session_finish(session, report), 0);
	gmem_session_release(session);
	must_cause(gmem_session_retrieve("unwanted", NULL, &again, report), -ENOENT, "no-session");
}
END_TEST

static const struct {
	const char *cause;
} damages[] = {
	{ "blob-checksum" },
	{ "blob-length" },
	{ "blob-foreign" },
	{ "blob-foreign" },
};

START_TEST(a_damaged_blob_is_an_error)
{
	struct gmem_session *session = came("damaged");
	struct gmem_blob *blob = NULL;
	int fd;

	for (uint64_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++)
		must_cause(gmem_retrieve_blob(session, i + 1, &blob, report), -EBADMSG,
			   damages[i].cause);
	ck_assert_ptr_null(blob);
	must(gmem_retrieve_blob(session, 5, &blob, report), 0);
	gmem_blob_free(blob);
	/* The file can be had for a closer look. */
	must(gmem_retrieve_fd(session, 1, &fd, report), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	gmem_session_release(session);
}
END_TEST

START_TEST(nothing_comes_of_a_holder_that_was_killed)
{
	struct gmem_session *session = NULL;

	must_cause(gmem_session_retrieve("killed", NULL, &session, report), -ENOENT, "no-session");
	ck_assert_ptr_null(session);
}
END_TEST

static void add_tests_after(Suite *suite)
{
	TCase *tests = library_case(suite, "after");

	tcase_add_test(tests, a_mixed_file_comes_back_exactly);
	tcase_add_test(tests, a_shared_file_comes_back_with_the_vm_after_it);
	tcase_add_test(tests, a_file_that_is_not_as_the_blob_says_is_refused);
	tcase_add_test(tests, what_is_not_wanted_is_destroyed);
	tcase_add_test(tests, a_damaged_blob_is_an_error);
	tcase_add_test(tests, nothing_comes_of_a_holder_that_was_killed);
}

int main(void)
{
	const char *stage = getenv("GMEM_STAGE");
	Suite *suite = suite_create("library-live-update");
	int status;

	if (!stage) {
		fprintf(stderr, "live-update: run by lab/lab live-update\n");
		return 2;
	}
	need_in_place();
	if (!strcmp(stage, "0"))
		add_tests_before(suite);
	else
		add_tests_after(suite);
	status = run_suite(suite);
	return status == 0 && !strcmp(stage, "0") ? leave_all() : status;
}
