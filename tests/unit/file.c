/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "unit.h"

#define MMAP	    GMEM_UAPI_FLAG_MMAP
#define INIT_SHARED GMEM_UAPI_FLAG_INIT_SHARED
#define RAW	    UINT64_C(0x10)

static struct gmem *const untouched = (struct gmem *)0x1234;

static int create(uint64_t size, const struct gmem_create_options *options)
{
	struct gmem *gmem = untouched;
	int r = gmem_create(VM_FD, size, options, &gmem, report);

	if (r < 0)
		ck_assert_ptr_eq(gmem, untouched);
	else
		drop_file(gmem);
	return r;
}

static const struct {
	struct gmem_create_options options;
	uint64_t flags;
} typed[] = {
	{ { sizeof(struct gmem_create_options), GMEM_INIT_PRIVATE, 0, 0 }, 0 },
	{ { sizeof(struct gmem_create_options), GMEM_INIT_PRIVATE, 1, 0 }, MMAP },
	{ { sizeof(struct gmem_create_options), GMEM_INIT_SHARED, 0, 0 }, INIT_SHARED },
	{ { sizeof(struct gmem_create_options), GMEM_INIT_SHARED, 1, 0 }, MMAP | INIT_SHARED },
	{ { sizeof(struct gmem_create_options), GMEM_INIT_SHARED, 1, RAW },
	  MMAP | INIT_SHARED | RAW },
};

START_TEST(creates_with_typed_and_raw_flags)
{
	struct gmem *gmem;
	uint64_t flags;

	expect_created(16 * PAGE, typed[_i].flags, 0);
	ck_assert_int_eq(gmem_create(VM_FD, 16 * PAGE, &typed[_i].options, &gmem, report), 0);
	ck_assert_int_eq(gmem_get_fd(gmem), GMEM_FD);
	ck_assert_uint_eq(gmem_get_size(gmem), 16 * PAGE);
	ck_assert_int_eq(gmem_is_mappable(gmem), (typed[_i].flags & MMAP) != 0);
	ck_assert_int_eq(gmem_get_creation_flags(gmem, &flags), 0);
	ck_assert_uint_eq(flags, typed[_i].flags);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	drop_file(gmem);
}
END_TEST

START_TEST(creates_private_and_not_mappable_by_default)
{
	expect_created(PAGE, 0, 0);
	ck_assert_int_eq(create(PAGE, NULL), 0);
}
END_TEST

START_TEST(refuses_a_size_that_no_file_can_have)
{
	ck_assert_int_eq(create(0, NULL), -EINVAL);
	ck_assert_int_eq(create(PAGE + 1, NULL), -EINVAL);
	ck_assert_int_eq(create(UINT64_C(1) << 63, NULL), -EINVAL);
	ck_assert_int_eq(create(UINT64_MAX, NULL), -EINVAL);
	ck_assert_int_eq(gmem_create(VM_FD, PAGE, NULL, NULL, report), -EINVAL);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
	/* The biggest one is for the kernel to refuse. */
	expect_create(VM_FD, INT64_MAX - PAGE + 1, 0, -ENOMEM);
	ck_assert_int_eq(create(INT64_MAX - PAGE + 1, NULL), -ENOMEM);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_create_options options = { .size = sizeof(options), .init = (enum gmem_init)2 };

	ck_assert_int_eq(create(PAGE, &options), -EINVAL);
	options.init = GMEM_INIT_SHARED;
	options.mappable = 2;
	ck_assert_int_eq(create(PAGE, &options), -EINVAL);
	options.mappable = 1;
	options.raw_flags = MMAP;
	ck_assert_int_eq(create(PAGE, &options), -EINVAL);
	options.raw_flags = INIT_SHARED;
	ck_assert_int_eq(create(PAGE, &options), -EINVAL);
	options.raw_flags = 0;
	options.size = 8;
	ck_assert_int_eq(create(PAGE, &options), -EINVAL);
	options.size = 5000;
	ck_assert_int_eq(create(PAGE, &options), -E2BIG);
}
END_TEST

START_TEST(reports_no_memory_before_anything_is_created)
{
	struct gmem *gmem = untouched;
	int r;

	r = WITHOUT_MEMORY(gmem_create(VM_FD, PAGE, NULL, &gmem, report));
	ck_assert_int_eq(r, -ENOMEM);
	r = WITHOUT_MEMORY(gmem_adopt(GMEM_FD, NULL, &gmem, report));
	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(gmem, untouched);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), 0);
}
END_TEST

/* The kernel answers EINVAL to a creation with these flags, and supports those. */
static const struct {
	uint64_t flags;
	int api_version, supported, returned;
	const char *why;
} einval[] = {
	{ INIT_SHARED, -ENOTTY, MMAP, -EOPNOTSUPP, "cannot start shared" },
	{ MMAP | INIT_SHARED, -ENOTTY, MMAP, -EOPNOTSUPP, "cannot start shared" },
	{ MMAP | INIT_SHARED, -ENOTTY, 0, -EOPNOTSUPP, "no mappable guest_memfd" },
	{ MMAP, -ENOTTY, INIT_SHARED, -EOPNOTSUPP, "no mappable guest_memfd" },
	{ RAW, -ENOTTY, MMAP | INIT_SHARED, -EOPNOTSUPP, "flag in raw_flags" },
	{ MMAP | RAW, -ENOTTY, MMAP | INIT_SHARED, -EOPNOTSUPP, "flag in raw_flags" },
	/* A vCPU; /dev/kvm; a kernel that contradicts itself. */
	{ MMAP, -EINVAL, -EINVAL, -ENOTTY, "not a VM" },
	{ MMAP, 12, 3, -ENOTTY, "not a VM" },
	{ MMAP, -ENOTTY, 3, -EBADE, "not part of its interface" },
	{ 0, -ENOTTY, 0, -EBADE, "not part of its interface" },
};

START_TEST(says_which_of_its_reasons_the_kernel_had_for_einval)
{
	struct gmem_create_options options = { .size = sizeof(options) };

	options.init = einval[_i].flags & INIT_SHARED ? GMEM_INIT_SHARED : GMEM_INIT_PRIVATE;
	options.mappable = einval[_i].flags & MMAP ? 1 : 0;
	options.raw_flags = einval[_i].flags & RAW;
	expect_create(VM_FD, PAGE, einval[_i].flags, -EINVAL);
	expect_api_version(VM_FD, einval[_i].api_version);
	if (einval[_i].api_version < 0)
		expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_FLAGS, einval[_i].supported);
	ck_assert_int_eq(create(PAGE, &options), einval[_i].returned);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_system_call(report), "KVM_CREATE_GUEST_MEMFD");
	ck_assert_str_contains(explanation(), einval[_i].why);
}
END_TEST

START_TEST(tells_an_old_kernel_from_a_file_that_is_no_vm)
{
	expect_create(VM_FD, PAGE, 0, -ENOTTY);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD, 0);
	ck_assert_int_eq(create(PAGE, NULL), -EOPNOTSUPP);
	ck_assert_str_contains(explanation(), "no guest_memfd");

	expect_create(VM_FD, PAGE, 0, -ENOTTY);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD, -ENOTTY);
	ck_assert_int_eq(create(PAGE, NULL), -ENOTTY);
	ck_assert_str_contains(explanation(), "not a VM");
}
END_TEST

static int create_answer(int code)
{
	int r;

	expect_create(VM_FD, PAGE, 0, code);
	if (code == -EINVAL) {
		expect_api_version(VM_FD, -ENOTTY);
		expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_FLAGS, 0);
	}
	if (code == -ENOTTY)
		expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD, 0);
	r = create(PAGE, NULL);
	script_end();
	return r;
}

static int create_close_on_exec_answer(int code)
{
	int r;

	expect_create(VM_FD, PAGE, 0, GMEM_FD);
	expect_close_on_exec(GMEM_FD, code);
	/* Nothing may leak. */
	expect_close(GMEM_FD, 0);
	r = create(PAGE, NULL);
	script_end();
	return r;
}

static void expect_good_type(void)
{
	expect_fstatfs(GMEM_FD, 0, GMEM_UAPI_MAGIC);
}

static void expect_mappable(void)
{
	expect_mmap(PAGE, PROT_NONE, MAP_SHARED, GMEM_FD, 0, 0, (void *)0x10000);
	expect_munmap((void *)0x10000, PAGE, 0);
}

static int adopt(const struct gmem_adopt_options *options)
{
	struct gmem *gmem = untouched;
	int r = gmem_adopt(GMEM_FD, options, &gmem, report);

	/* On failure the descriptor stays the caller's: the script has no close. */
	if (r < 0)
		ck_assert_ptr_eq(gmem, untouched);
	else
		drop_file(gmem);
	return r;
}

START_TEST(adopts_a_guest_memfd)
{
	struct gmem *gmem;
	uint64_t flags = 77;

	expect_good_type();
	expect_fstat(GMEM_FD, 0, 8 * PAGE);
	expect_mappable();
	expect_close_on_exec(GMEM_FD, 0);
	ck_assert_int_eq(gmem_adopt(GMEM_FD, NULL, &gmem, report), 0);
	ck_assert_int_eq(gmem_get_fd(gmem), GMEM_FD);
	ck_assert_uint_eq(gmem_get_size(gmem), 8 * PAGE);
	ck_assert(gmem_is_mappable(gmem));
	ck_assert_int_eq(gmem_get_creation_flags(gmem, &flags), -ENODATA);
	ck_assert_uint_eq(flags, 77);
	drop_file(gmem);
}
END_TEST

START_TEST(converts_in_an_adopted_file)
{
	struct gmem *gmem;

	expect_good_type();
	expect_fstat(GMEM_FD, 0, 8 * PAGE);
	expect_mmap(PAGE, PROT_NONE, MAP_SHARED, GMEM_FD, 0, -ENODEV, NULL);
	expect_close_on_exec(GMEM_FD, 0);
	ck_assert_int_eq(gmem_adopt(GMEM_FD, NULL, &gmem, report), 0);
	ck_assert(!gmem_is_mappable(gmem));
	expect_convert(GMEM_FD, 7 * PAGE, PAGE, 0, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 7 * PAGE, PAGE, GMEM_STATE_SHARED, NULL, report), 0);
	ck_assert_int_eq(gmem_convert(gmem, 8 * PAGE, PAGE, GMEM_STATE_SHARED, NULL, report),
			 -EINVAL);
	drop_file(gmem);
}
END_TEST

/* Kernels without a file system type for guest_memfd. */
static const struct {
	int fallocate, returned;
} anonymous[] = {
	{ -EINVAL, 0 }, { -ENODEV, -ENOTTY }, { -EOPNOTSUPP, -ENOTTY }, { -EBADF, -ENOTTY },
	{ 0, -ENOTTY }, { -EPERM, -EPERM },   { -EACCES, -EACCES },
};

START_TEST(knows_an_old_guest_memfd_by_its_fallocate)
{
	expect_fstatfs(GMEM_FD, 0, GMEM_UAPI_ANON_INODE_MAGIC);
	expect_fallocate(GMEM_FD, FALLOC_FL_KEEP_SIZE, 1, 1, anonymous[_i].fallocate);
	if (!anonymous[_i].returned) {
		expect_fstat(GMEM_FD, 0, PAGE);
		expect_mappable();
		expect_close_on_exec(GMEM_FD, 0);
	}
	ck_assert_int_eq(adopt(NULL), anonymous[_i].returned);
}
END_TEST

START_TEST(refuses_other_files_without_touching_them)
{
	/* tmpfs, where memfd_create() lives, ext4 and 0 */
	static const uint64_t types[] = { 0x01021994, 0xef53, 0 };

	expect_fstatfs(GMEM_FD, 0, types[_i]);
	ck_assert_int_eq(adopt(NULL), -ENOTTY);
	ck_assert_str_contains(explanation(), "not a guest_memfd");
}
END_TEST

START_TEST(refuses_a_size_that_is_not_the_expected_one)
{
	static const int64_t sizes[] = { 0, -1, PAGE + 1, INT64_MIN, 3 * PAGE };
	struct gmem_adopt_options options = { .size = sizeof(options), .expected_size = 2 * PAGE };

	expect_good_type();
	expect_fstat(GMEM_FD, 0, sizes[_i]);
	ck_assert_int_eq(adopt(_i == 4 ? &options : NULL), -EINVAL);
	ck_assert_str_contains(explanation(), "another size");

	expect_good_type();
	expect_fstat(GMEM_FD, 0, 2 * PAGE);
	expect_mappable();
	expect_close_on_exec(GMEM_FD, 0);
	ck_assert_int_eq(adopt(&options), 0);
}
END_TEST

START_TEST(refuses_to_adopt_with_bad_options)
{
	struct gmem_adopt_options options = { .size = 1 };

	ck_assert_int_eq(adopt(&options), -EINVAL);
	options.size = 1 << 16;
	ck_assert_int_eq(adopt(&options), -E2BIG);
	ck_assert_int_eq(gmem_adopt(GMEM_FD, NULL, NULL, report), -EINVAL);
}
END_TEST

/* Which system call of gmem_adopt() fails. */
static int failing;

static int adopt_answer(int code)
{
	int r;

	expect_fstatfs(GMEM_FD, failing == 0 ? code : 0, GMEM_UAPI_MAGIC);
	if (failing >= 1)
		expect_fstat(GMEM_FD, failing == 1 ? code : 0, PAGE);
	if (failing >= 2)
		expect_mmap(PAGE, PROT_NONE, MAP_SHARED, GMEM_FD, 0, failing == 2 ? code : 0,
			    (void *)0x10000);
	if (failing == 2 && code == -ENODEV) {
		/* A file that is not mappable: no failure at all. */
		expect_close_on_exec(GMEM_FD, -EBADF);
	}
	if (failing >= 3)
		expect_munmap((void *)0x10000, PAGE, failing == 3 ? code : 0);
	if (failing >= 4)
		expect_close_on_exec(GMEM_FD, code);
	r = adopt(NULL);
	script_end();
	return r;
}

START_TEST(survives_the_failure_of_every_system_call)
{
	failing = _i;
	check_closed_set(gmem_adopt, adopt_answer);
	check_positive_numbers(adopt_answer);
}
END_TEST

START_TEST(returns_only_what_is_documented)
{
	check_closed_set(gmem_create, create_answer);
	check_closed_set(gmem_create, create_close_on_exec_answer);
	check_positive_numbers(create_close_on_exec_answer);
}
END_TEST

static const struct {
	int code;
	const char *why;
} causes[] = {
	{ -EBADF, "not open" },		{ -EIO, "belongs to another process" },
	{ -EMFILE, "RLIMIT_NOFILE" },	{ -ENFILE, "fs.file-max" },
	{ -ENOMEM, "out of memory" },	{ -EPERM, "seccomp" },
	{ -EACCES, "security module" },
};

START_TEST(says_why_the_kernel_refused)
{
	ck_assert_int_eq(create_answer(causes[_i].code), causes[_i].code);
	ck_assert_str_contains(explanation(), causes[_i].why);
}
END_TEST

START_TEST(getters_and_release_take_null)
{
	uint64_t flags;

	gmem_release(NULL);
	ck_assert_int_eq(gmem_get_fd(NULL), -EINVAL);
	ck_assert_uint_eq(gmem_get_size(NULL), 0);
	ck_assert(!gmem_is_mappable(NULL));
	ck_assert_int_eq(gmem_get_creation_flags(NULL, &flags), -EINVAL);
}
END_TEST

START_TEST(release_ignores_what_close_returns)
{
	struct gmem *gmem = some_file();

	ck_assert_int_eq(gmem_get_creation_flags(gmem, NULL), -EINVAL);
	expect_close(GMEM_FD, -EIO);
	gmem_release(gmem);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("file");
	TCase *created = scripted_case(suite, "create");
	TCase *adopted = scripted_case(suite, "adopt");

	tcase_add_loop_test(created, creates_with_typed_and_raw_flags, 0, COUNT(typed));
	tcase_add_test(created, creates_private_and_not_mappable_by_default);
	tcase_add_test(created, refuses_a_size_that_no_file_can_have);
	tcase_add_test(created, refuses_options_without_meaning);
	tcase_add_test(created, reports_no_memory_before_anything_is_created);
	tcase_add_loop_test(created, says_which_of_its_reasons_the_kernel_had_for_einval, 0,
			    COUNT(einval));
	tcase_add_test(created, tells_an_old_kernel_from_a_file_that_is_no_vm);
	tcase_add_test(created, returns_only_what_is_documented);
	tcase_add_loop_test(created, says_why_the_kernel_refused, 0, COUNT(causes));
	tcase_add_test(created, getters_and_release_take_null);
	tcase_add_test(created, release_ignores_what_close_returns);

	tcase_add_test(adopted, adopts_a_guest_memfd);
	tcase_add_test(adopted, converts_in_an_adopted_file);
	tcase_add_loop_test(adopted, knows_an_old_guest_memfd_by_its_fallocate, 0,
			    COUNT(anonymous));
	tcase_add_loop_test(adopted, refuses_other_files_without_touching_them, 0, 3);
	tcase_add_loop_test(adopted, refuses_a_size_that_is_not_the_expected_one, 0, 5);
	tcase_add_test(adopted, refuses_to_adopt_with_bad_options);
	tcase_add_loop_test(adopted, survives_the_failure_of_every_system_call, 0, 5);
	return suite;
}
