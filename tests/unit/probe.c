/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "unit.h"

#define SCRATCH_FD 1002

static struct gmem_probe *const untouched = (struct gmem_probe *)0x1234;

/* What a kernel answers about a VM: the rows of this table are kernels and VM types. */
static const struct kernel {
	const char *name;
	int create, flags, vm_attributes, attributes, policies, query, live_update;
	/* what the try on the scratch file gives */
	int converted;
	/* features, in the order of enum gmem_feature */
	const char *features;
} kernels[] = {
	{ "no guest_memfd", 0, 0, 0, 0, 0, 0, 0, 0, "-----------" },
	{ "6.8, ordinary VM", 1, 0, 0, 0, 0, 0, 0, -ENOTTY, "c----------" },
	{ "6.8, VM with private memory", 1, 0, PRIVATE, 0, 0, 0, 0, -ENOTTY, "c--pv------" },
	{ "6.18, ordinary VM", 1, 3, 0, 0, 0, 0, 0, -ENOTTY, "cms--------" },
	{ "7.3, VM with private memory", 1, 1, PRIVATE, 0, 0, 0, 0, -ENOTTY, "cm-pv------" },
	{ "in place, ordinary VM", 1, 3, 0, 0, 0, 0, 0, -EINVAL, "cms--i-----" },
	{ "in place, VM with private memory", 1, 3, 0, PRIVATE, 0, 0, 0, 0, "cmsp-ic----" },
	{ "this series, ordinary VM", 1, 3, 0, 0, 0, 1, 0, -EINVAL, "cms--i--q--" },
	{ "this series, VM with private memory", 1, 3, 0, PRIVATE, 3, 1, 0, 0, "cmsp-icpq--" },
	{ "live update, ordinary VM", 1, 3, 0, 0, 0, 1, 3, -EINVAL, "cms--i--qlx" },
	{ "live update, private memory", 1, 3, 0, PRIVATE, 3, 1, 3, 0, "cmsp-icpqlx" },
	{ "live update of shared files", 1, 3, 0, PRIVATE, 3, 1, 1, 0, "cmsp-icpql-" },
	{ "mixed without live update", 1, 3, 0, PRIVATE, 3, 1, 2, 0, "cmsp-icpq--" },
	{ "policies without conversion", 1, 1, 0, 0, 3, 1, 0, -ENOTTY, "cm---------" },
	/* A fork that uses the number for something else; an old series with another number. */
	{ "capability without conversion", 1, 3, 0, PRIVATE, 0, 0, 0, -ENOTTY, "cms--------" },
	{ "conversion without capability", 1, 3, 0, 0, 0, 0, 0, 0, "cmsp-ic----" },
};

static void expect_capabilities(const struct kernel *kernel)
{
	expect_api_version(VM_FD, -ENOTTY);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD, kernel->create);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_FLAGS, kernel->flags);
	expect_capability(VM_FD, GMEM_CAP_MEMORY_ATTRIBUTES, kernel->vm_attributes);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES, kernel->attributes);
	expect_capability(VM_FD, GMEM_CAP_CONTENT_POLICIES, kernel->policies);
	expect_capability(VM_FD, GMEM_CAP_QUERY, kernel->query);
	expect_capability(VM_FD, GMEM_CAP_LIVE_UPDATE, kernel->live_update);
}

static struct gmem_probe *probe_kernel(const struct kernel *kernel)
{
	struct gmem_probe *probe;

	expect_capabilities(kernel);
	if (kernel->create) {
		expect_create(VM_FD, PAGE, 0, SCRATCH_FD);
		expect_convert_scratch(SCRATCH_FD, PAGE, kernel->converted);
		expect_close(SCRATCH_FD, 0);
	}
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), 0);
	script_end();
	return probe;
}

static void check_features(const struct gmem_probe *probe, const char *features)
{
	int i;

	for (i = 0; features[i]; i++)
		ck_assert_msg(gmem_probe_has(probe, (enum gmem_feature)i) == (features[i] != '-'),
			      "%s is wrong", gmem_feature_name((enum gmem_feature)i));
	ck_assert_int_eq(i, GMEM_FEATURE_COUNT);
}

START_TEST(tells_what_each_kernel_offers)
{
	struct gmem_probe *probe = probe_kernel(&kernels[_i]);

	check_features(probe, kernels[_i].features);
	ck_assert_uint_eq(gmem_probe_get_creation_flags(probe), (uint64_t)kernels[_i].flags);
	ck_assert_uint_eq(gmem_probe_get_attributes(probe), (uint64_t)kernels[_i].attributes);
	ck_assert_uint_eq(gmem_probe_get_vm_attributes(probe), (uint64_t)kernels[_i].vm_attributes);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	gmem_probe_free(probe);
}
END_TEST

START_TEST(creates_no_file_if_it_shall_not)
{
	static const struct kernel kernel = { "", 1, 3, 0, PRIVATE, 0, 0, 0, 0, "cmsp-ic----" };
	struct gmem_probe_options options = { .size = sizeof(options), .capabilities_only = 1 };
	struct gmem_probe *probe;
	char text[2048];

	expect_capabilities(&kernel);
	ck_assert_int_eq(gmem_probe_new(VM_FD, &options, &probe, report), 0);
	check_features(probe, kernel.features);
	ck_assert_int_gt(gmem_probe_format(probe, text, sizeof(text)), 0);
	ck_assert_str_contains(text, "nothing was tried");
	ck_assert_int_gt(gmem_probe_format_json(probe, text, sizeof(text)), 0);
	ck_assert_str_contains(text, "\"tried\":false");
	gmem_probe_free(probe);
}
END_TEST

START_TEST(refuses_options_without_meaning)
{
	struct gmem_probe_options options = { .size = sizeof(options), .capabilities_only = 2 };
	struct gmem_probe *probe = untouched;

	ck_assert_int_eq(gmem_probe_new(VM_FD, &options, &probe, report), -EINVAL);
	options.capabilities_only = 0;
	options.reserved = 1;
	ck_assert_int_eq(gmem_probe_new(VM_FD, &options, &probe, report), -EINVAL);
	options.size = 1 << 20;
	ck_assert_int_eq(gmem_probe_new(VM_FD, &options, &probe, report), -E2BIG);
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, NULL, report), -EINVAL);
	ck_assert_ptr_eq(probe, untouched);
}
END_TEST

START_TEST(refuses_dev_kvm)
{
	struct gmem_probe *probe = untouched;

	expect_api_version(VM_FD, 12);
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), -ENOTTY);
	ck_assert_str_contains(explanation(), "not a VM");
	ck_assert_ptr_eq(probe, untouched);
}
END_TEST

START_TEST(reports_no_memory)
{
	struct gmem_probe *probe = untouched;
	int r = WITHOUT_MEMORY(gmem_probe_new(VM_FD, NULL, &probe, report));

	ck_assert_int_eq(r, -ENOMEM);
	ck_assert_ptr_eq(probe, untouched);
}
END_TEST

/* The system call of gmem_probe_new() that fails: the capabilities, the creation, the try. */
static int failing;

static int probe_answer(int code)
{
	static const uint64_t capabilities[] = {
		GMEM_CAP_GUEST_MEMFD,	    GMEM_CAP_GUEST_MEMFD_FLAGS,
		GMEM_CAP_MEMORY_ATTRIBUTES, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES,
		GMEM_CAP_CONTENT_POLICIES,  GMEM_CAP_QUERY,
		GMEM_CAP_LIVE_UPDATE
	};
	struct gmem_probe *probe = untouched;
	int i, r;

	expect_api_version(VM_FD, -ENOTTY);
	for (i = 0; i < 7 && i <= failing; i++)
		expect_capability(VM_FD, capabilities[i], failing == i ? code : 1);
	if (failing >= 7)
		expect_create(VM_FD, PAGE, 0, failing == 7 ? code : SCRATCH_FD);
	if (failing >= 8) {
		expect_convert_scratch(SCRATCH_FD, PAGE, code);
		expect_close(SCRATCH_FD, 0);
	}
	r = gmem_probe_new(VM_FD, NULL, &probe, report);
	script_end();
	if (r == 0)
		gmem_probe_free(probe);
	else
		ck_assert_ptr_eq(probe, untouched);
	return r;
}

START_TEST(survives_the_failure_of_every_system_call)
{
	failing = _i;
	if (failing == 8) {
		/* These two are no failures but the result of the try. */
		ck_assert_int_eq(probe_answer(-ENOTTY), 0);
		ck_assert_int_eq(probe_answer(-EINVAL), 0);
		ck_assert_int_eq(probe_answer(-ENOMEM), -ENOMEM);
		ck_assert_int_eq(probe_answer(-EPERM), -EPERM);
		ck_assert_int_eq(probe_answer(-EACCES), -EACCES);
		ck_assert_int_eq(probe_answer(-EFAULT), -EBADE);
		check_positive_numbers(probe_answer);
	} else {
		check_closed_set(gmem_probe_new, probe_answer);
	}
}
END_TEST

static const struct {
	int failing, kernel, returned;
	const char *why;
} causes[] = {
	{ 0, -EBADF, -EBADF, "not open" },
	{ 0, -ENOTTY, -ENOTTY, "not a VM" },
	{ 1, -EINVAL, -ENOTTY, "not a VM" },
	{ 2, -EIO, -EIO, "belongs to another process" },
	{ 3, -EPERM, -EPERM, "seccomp" },
	{ 3, -EACCES, -EACCES, "security module" },
	{ 4, -EPERM, -EPERM, "seccomp" },
	{ 5, -EPERM, -EPERM, "seccomp" },
	{ 6, -EPERM, -EPERM, "seccomp" },
	{ 7, -EMFILE, -EMFILE, "RLIMIT_NOFILE" },
	{ 7, -ENFILE, -ENFILE, "fs.file-max" },
	{ 7, -ENOMEM, -ENOMEM, "out of memory" },
	{ 7, -EINVAL, -EBADE, "not part of its interface" },
};

START_TEST(says_why_the_kernel_refused)
{
	failing = causes[_i].failing;
	ck_assert_int_eq(probe_answer(causes[_i].kernel), causes[_i].returned);
	ck_assert_int_eq(gmem_error_get_kernel_code(report), causes[_i].kernel);
	ck_assert_str_contains(explanation(), causes[_i].why);
}
END_TEST

START_TEST(prints_text_and_json)
{
	static const char json[] =
		"{\"version\":1,\"tried\":true,\"level\":\"full\",\"features\":{\"create\":true,\"map\":true,"
		"\"init-shared\":true,\"private\":true,\"vm-attributes\":false,\"in-place\":true,"
		"\"convert\":true,\"policy\":false,\"query\":false,\"live-update\":false,\"mixed\":false},\"creation_flags\":3,"
		"\"attributes\":8,\"vm_attributes\":0,\"policies\":0}";
	struct gmem_probe *probe = probe_kernel(&kernels[6]);
	char text[2048], cut[16];
	int length;

	ck_assert_int_eq(gmem_probe_format_json(probe, text, sizeof(text)), (int)sizeof(json) - 1);
	ck_assert_str_eq(text, json);
	length = gmem_probe_format(probe, text, sizeof(text));
	ck_assert_int_eq(length, (int)strlen(text));
	ck_assert_str_contains(text, "convert        yes  this VM's files can be converted");
	ck_assert_str_contains(text, "vm-attributes  no ");

	ck_assert_int_eq(gmem_probe_format(probe, cut, sizeof(cut)), length);
	ck_assert_int_eq(strlen(cut), sizeof(cut) - 1);
	ck_assert_int_eq(gmem_probe_format(probe, NULL, 0), length);
	ck_assert_int_eq(gmem_probe_format(probe, NULL, 1), -EINVAL);
	ck_assert_int_eq(gmem_probe_format(NULL, text, sizeof(text)), -EINVAL);
	ck_assert_int_eq(gmem_probe_format_json(probe, NULL, 1), -EINVAL);
	ck_assert_int_eq(gmem_probe_format_json(NULL, text, sizeof(text)), -EINVAL);
	gmem_probe_free(probe);
}
END_TEST

START_TEST(knows_no_feature_beyond_the_last)
{
	struct gmem_probe *probe = probe_kernel(&kernels[6]);
	int i;

	for (i = 0; i < GMEM_FEATURE_COUNT; i++) {
		ck_assert_ptr_nonnull(gmem_feature_name((enum gmem_feature)i));
		ck_assert_ptr_nonnull(gmem_feature_describe((enum gmem_feature)i));
	}
	ck_assert_ptr_null(gmem_feature_name(GMEM_FEATURE_COUNT));
	ck_assert_ptr_null(gmem_feature_describe(GMEM_FEATURE_COUNT));
	ck_assert_ptr_null(gmem_feature_name((enum gmem_feature) - 1));
	ck_assert(!gmem_probe_has(probe, GMEM_FEATURE_COUNT));
	ck_assert(!gmem_probe_has(probe, (enum gmem_feature) - 1));
	gmem_probe_free(probe);
}
END_TEST

START_TEST(getters_and_free_take_null)
{
	gmem_probe_free(NULL);
	ck_assert(!gmem_probe_has(NULL, GMEM_FEATURE_CREATE));
	ck_assert_uint_eq(gmem_probe_get_creation_flags(NULL), 0);
	ck_assert_uint_eq(gmem_probe_get_attributes(NULL), 0);
	ck_assert_uint_eq(gmem_probe_get_vm_attributes(NULL), 0);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("probe");
	TCase *tests = scripted_case(suite, "what the kernel offers");

	tcase_add_loop_test(tests, tells_what_each_kernel_offers, 0, COUNT(kernels));
	tcase_add_test(tests, creates_no_file_if_it_shall_not);
	tcase_add_test(tests, refuses_options_without_meaning);
	tcase_add_test(tests, refuses_dev_kvm);
	tcase_add_test(tests, reports_no_memory);
	tcase_add_loop_test(tests, survives_the_failure_of_every_system_call, 0, 9);
	tcase_add_loop_test(tests, says_why_the_kernel_refused, 0, COUNT(causes));
	tcase_add_test(tests, prints_text_and_json);
	tcase_add_test(tests, knows_no_feature_beyond_the_last);
	tcase_add_test(tests, getters_and_free_take_null);
	return suite;
}
