/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "lib/blob.h"
#include "unit.h"

#define TOKEN	77
#define SIZE	(256 * PAGE)
#define CAME_FD 1010

static struct gmem_session *session;
static struct gmem *const untouched = (struct gmem *)0x1234;
static struct gmem_blob *blob;

static const struct gmem_uapi_extent states[] = {
	{ 0, 3 * PAGE, PRIVATE, 0 },
	{ 3 * PAGE, SIZE - 3 * PAGE, 0, 0 },
};

static void begin(void)
{
	struct gmem *before = some_file();

	expect_session_name(SESSION_FD, 0, "vm");
	expect_direction(SESSION_FD, -EINVAL);
	expect_close_on_exec(SESSION_FD, 0);
	ck_assert_int_eq(gmem_session_adopt(SESSION_FD, &session, report), 0);
	ck_assert_int_eq(gmem_blob_new(&blob, report), 0);
	expect_query(0, SIZE, 0, 128, 0, states, 2);
	ck_assert_int_eq(gmem_blob_add_file(blob, TOKEN, before, report), 0);
	drop_file(before);
}

static void end(void)
{
	gmem_blob_free(blob);
	expect_close(SESSION_FD, 0);
	gmem_session_release(session);
}

/* All of an adoption: the file comes with this size, mappable or not. */
static void expect_file(uint64_t size, bool mappable)
{
	expect_retrieve(SESSION_FD, TOKEN, 0, GMEM_FD);
	expect_fstatfs(GMEM_FD, 0, GMEM_UAPI_MAGIC);
	expect_fstat(GMEM_FD, 0, (int64_t)size);
	expect_mmap(PAGE, PROT_NONE, MAP_SHARED, GMEM_FD, 0, mappable ? 0 : -ENODEV,
		    (void *)0x10000);
	if (mappable)
		expect_munmap((void *)0x10000, PAGE, 0);
	expect_close_on_exec(GMEM_FD, 0);
}

static int retrieve(bool with_blob, struct gmem **ret_gmem)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };

	options.blob = blob;
	return gmem_retrieve(session, TOKEN, with_blob ? &options : NULL, ret_gmem, report);
}

START_TEST(a_file_is_known_again)
{
	struct gmem *gmem;
	uint64_t flags;

	expect_file(SIZE, true);
	if (_i)
		expect_query(0, SIZE, 0, 128, 0, states, 2);
	ck_assert_int_eq(retrieve(_i, &gmem), 0);
	ck_assert_uint_eq(gmem_get_size(gmem), SIZE);
	ck_assert(gmem_is_mappable(gmem));
	/* Only the blob knows its creation flags. */
	ck_assert_int_eq(gmem_get_creation_flags(gmem, &flags), _i ? 0 : -ENODATA);
	if (_i)
		ck_assert_uint_eq(flags, GMEM_UAPI_FLAG_MMAP);
	drop_file(gmem);
}
END_TEST

START_TEST(states_are_not_compared_where_they_cannot_be_asked_for)
{
	struct gmem *gmem;

	expect_file(SIZE, true);
	expect_query(0, SIZE, 0, 128, -ENOTTY, NULL, 0);
	ck_assert_int_eq(retrieve(true, &gmem), 0);
	drop_file(gmem);
}
END_TEST

static void must_be_cause(int r, int code, const char *cause)
{
	ck_assert_int_eq(r, code);
	ck_assert_str_eq(gmem_error_get_cause(report), cause);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_retrieve");
}

START_TEST(a_file_that_is_not_as_the_blob_says_is_refused)
{
	static const struct gmem_uapi_extent other[] = {
		{ 0, 5 * PAGE, PRIVATE, 0 },
		{ 5 * PAGE, SIZE - 5 * PAGE, 0, 0 },
	};
	struct gmem *gmem = untouched;
	uint64_t offset = 0;

	expect_file(SIZE, true);
	expect_query(0, SIZE, 0, 128, 0, other, 2);
	expect_close(GMEM_FD, 0);
	must_be_cause(retrieve(true, &gmem), -EBADMSG, "blob-differs");
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, 3 * PAGE);
	expect_file(2 * SIZE, true);
	expect_close(GMEM_FD, 0);
	must_be_cause(retrieve(true, &gmem), -EBADMSG, "blob-differs");
	expect_file(SIZE, false);
	expect_close(GMEM_FD, 0);
	must_be_cause(retrieve(true, &gmem), -EBADMSG, "blob-differs");
	gmem_blob_free(blob);
	ck_assert_int_eq(gmem_blob_new(&blob, report), 0);
	must_be_cause(retrieve(true, &gmem), -ENOENT, "blob-has-not");
	ck_assert_ptr_eq(gmem, untouched);
}
END_TEST

START_TEST(what_cannot_be_adopted_is_closed)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem *gmem = untouched;

	expect_retrieve(SESSION_FD, TOKEN, 0, GMEM_FD);
	expect_fstatfs(GMEM_FD, 0, 0x1021994);
	expect_close(GMEM_FD, 0);
	must_be_cause(retrieve(false, &gmem), -ENOTTY, "not-guest-memfd");
	options.expected_size = PAGE;
	expect_retrieve(SESSION_FD, TOKEN, 0, GMEM_FD);
	expect_fstatfs(GMEM_FD, 0, GMEM_UAPI_MAGIC);
	expect_fstat(GMEM_FD, 0, SIZE);
	expect_close(GMEM_FD, 0);
	must_be_cause(gmem_retrieve(session, TOKEN, &options, &gmem, report), -EINVAL,
		      "wrong-size");
	expect_retrieve(SESSION_FD, TOKEN, 0, -1);
	must_be_cause(retrieve(false, &gmem), -EBADE, "answer");
	ck_assert_ptr_eq(gmem, untouched);
}
END_TEST

START_TEST(a_vm_is_one)
{
	int fd = -77;

	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_api_version(CAME_FD, -ENOTTY);
	expect_capability(CAME_FD, GMEM_CAP_GUEST_MEMFD, 1);
	ck_assert_int_eq(gmem_retrieve_vm(session, TOKEN, &fd, report), 0);
	ck_assert_int_eq(fd, CAME_FD);
	fd = -77;
	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_api_version(CAME_FD, -ENOTTY);
	expect_capability(CAME_FD, GMEM_CAP_GUEST_MEMFD, -ENOTTY);
	expect_close(CAME_FD, 0);
	ck_assert_int_eq(gmem_retrieve_vm(session, TOKEN, &fd, report), -ENOTTY);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-a-vm");
	ck_assert_int_eq(fd, -77);
	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	ck_assert_int_eq(gmem_retrieve_fd(session, TOKEN, &fd, report), 0);
	ck_assert_int_eq(fd, CAME_FD);
}
END_TEST

START_TEST(refuses_bad_arguments_without_asking_the_kernel)
{
	struct gmem_retrieve_options options = { .size = 1 << 20 };
	struct gmem *gmem = untouched;
	struct gmem_blob *other;
	int fd;

	ck_assert_int_eq(gmem_retrieve(NULL, TOKEN, NULL, &gmem, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve(session, TOKEN, NULL, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve(session, TOKEN, &options, &gmem, report), -E2BIG);
	ck_assert_int_eq(gmem_retrieve_vm(session, TOKEN, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve_vm(NULL, TOKEN, &fd, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve_fd(session, TOKEN, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve_blob(session, TOKEN, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_retrieve_blob(NULL, TOKEN, &other, report), -EINVAL);
	ck_assert_int_eq(gmem_preserve_blob(session, NULL, TOKEN, report), -EINVAL);
	/* It came in. */
	ck_assert_int_eq(gmem_preserve_blob(session, blob, TOKEN, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "direction");
	gmem_level_set(GMEM_LEVEL_QUERY);
	ck_assert_int_eq(gmem_retrieve_fd(session, TOKEN, &fd, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
}
END_TEST

static unsigned char *blob_bytes(uint64_t *ret_size)
{
	unsigned char *bytes = malloc(blob->size);

	ck_assert_int_eq(gmem_blob_format(blob, bytes, blob->size, ret_size, report), 0);
	return bytes;
}

START_TEST(reads_a_blob_in_pieces)
{
	struct gmem_blob_file file;
	struct gmem_blob *came;
	unsigned char *bytes;
	uint64_t size;

	bytes = blob_bytes(&size);
	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_fstat(CAME_FD, 0, (int64_t)size);
	expect_pread(CAME_FD, size, 0, 10, bytes);
	expect_pread(CAME_FD, size - 10, 10, -EINTR, NULL);
	expect_pread(CAME_FD, size - 10, 10, (int)size - 10, bytes);
	expect_close(CAME_FD, 0);
	ck_assert_int_eq(gmem_retrieve_blob(session, TOKEN, &came, report), 0);
	ck_assert_int_eq(gmem_blob_find_file(came, TOKEN, &file), 0);
	gmem_blob_free(came);
	free(bytes);
}
END_TEST

START_TEST(reads_no_blob_that_is_none)
{
	struct gmem_blob *came = (struct gmem_blob *)untouched;
	int64_t sizes[] = { 0, -1, (int64_t)GMEM_BLOB_MAX_SIZE + 1 };
	unsigned char *bytes;
	uint64_t size;

	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_fstat(CAME_FD, 0, sizes[_i]);
	expect_close(CAME_FD, 0);
	ck_assert_int_eq(gmem_retrieve_blob(session, TOKEN, &came, report), -EBADMSG);
	/* It gets shorter while it is read. */
	bytes = blob_bytes(&size);
	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_fstat(CAME_FD, 0, (int64_t)size);
	expect_pread(CAME_FD, size, 0, 10, bytes);
	expect_pread(CAME_FD, size - 10, 10, 0, NULL);
	expect_close(CAME_FD, 0);
	ck_assert_int_eq(gmem_retrieve_blob(session, TOKEN, &came, report), -EBADMSG);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-length");
	bytes[size - 1] ^= 1;
	expect_retrieve(SESSION_FD, TOKEN, 0, CAME_FD);
	expect_fstat(CAME_FD, 0, (int64_t)size);
	expect_pread(CAME_FD, size, 0, (int)size, bytes);
	expect_close(CAME_FD, 0);
	ck_assert_int_eq(gmem_retrieve_blob(session, TOKEN, &came, report), -EBADMSG);
	ck_assert_str_eq(gmem_error_get_cause(report), "blob-checksum");
	ck_assert_ptr_eq(came, untouched);
	free(bytes);
}
END_TEST

static int file_answer(int code)
{
	struct gmem *gmem = untouched;
	int r;

	expect_retrieve(SESSION_FD, TOKEN, code, GMEM_FD);
	r = retrieve(false, &gmem);
	script_end();
	ck_assert_ptr_eq(gmem, untouched);
	return r;
}

static int fd_answer(int code)
{
	int r, fd = -77;

	expect_retrieve(SESSION_FD, TOKEN, code, CAME_FD);
	r = gmem_retrieve_fd(session, TOKEN, &fd, report);
	script_end();
	ck_assert_int_eq(fd, -77);
	return r;
}

static int vm_answer(int code)
{
	int r, fd = -77;

	expect_retrieve(SESSION_FD, TOKEN, code, CAME_FD);
	r = gmem_retrieve_vm(session, TOKEN, &fd, report);
	script_end();
	ck_assert_int_eq(fd, -77);
	return r;
}

static int blob_answer(int code)
{
	struct gmem_blob *came;
	int r;

	expect_retrieve(SESSION_FD, TOKEN, code, CAME_FD);
	r = gmem_retrieve_blob(session, TOKEN, &came, report);
	script_end();
	return r;
}

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_retrieve, file_answer);
	check_positive_numbers(file_answer);
	check_closed_set(gmem_retrieve_fd, fd_answer);
	check_positive_numbers(fd_answer);
	check_closed_set(gmem_retrieve_vm, vm_answer);
	check_closed_set(gmem_retrieve_blob, blob_answer);
}
END_TEST

static const struct {
	int kernel, returned;
	const char *cause;
} causes[] = {
	{ -ENOENT, -ENOENT, "no-token" },      { -EIO, -EIO, "not-retrieved" },
	{ -EINVAL, -EIO, "not-retrieved" },    { -EOPNOTSUPP, -EOPNOTSUPP, "no-retrieval" },
	{ -EMFILE, -EMFILE, "process-files" }, { -ENOMEM, -ENOMEM, "memory" },
	{ -EFAULT, -EBADE, "answer" },
};

START_TEST(says_why)
{
	ck_assert_int_eq(fd_answer(causes[_i].kernel), causes[_i].returned);
	ck_assert_str_eq(gmem_error_get_cause(report), causes[_i].cause);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("retrieve");
	TCase *tests = scripted_case(suite, "what comes out");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_loop_test(tests, a_file_is_known_again, 0, 2);
	tcase_add_test(tests, states_are_not_compared_where_they_cannot_be_asked_for);
	tcase_add_test(tests, a_file_that_is_not_as_the_blob_says_is_refused);
	tcase_add_test(tests, what_cannot_be_adopted_is_closed);
	tcase_add_test(tests, a_vm_is_one);
	tcase_add_test(tests, refuses_bad_arguments_without_asking_the_kernel);
	tcase_add_test(tests, reads_a_blob_in_pieces);
	tcase_add_loop_test(tests, reads_no_blob_that_is_none, 0, 3);
	tcase_add_test(tests, returns_only_what_is_documented);
	tcase_add_loop_test(tests, says_why, 0, COUNT(causes));
	return suite;
}
