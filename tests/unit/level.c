/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "lib/level.h"
#include "unit.h"

#define MMAP	    GMEM_UAPI_FLAG_MMAP
#define INIT_SHARED GMEM_UAPI_FLAG_INIT_SHARED

static struct gmem *const untouched = (struct gmem *)0x1234;

/* As at the start of a process with this environment. */
static void forget_level(const char *environment)
{
	gmem_level_in_force = 0;
	if (environment)
		ck_assert_int_eq(setenv("GMEM_LEVEL", environment, 1), 0);
	else
		ck_assert_int_eq(unsetenv("GMEM_LEVEL"), 0);
}

static const struct {
	enum gmem_level level;
	const char *name;
} levels[] = {
	{ GMEM_LEVEL_NONE, "none" },
	{ GMEM_LEVEL_CREATE, "create" },
	{ GMEM_LEVEL_MAP, "map" },
	{ GMEM_LEVEL_CONVERT, "convert" },
	{ GMEM_LEVEL_POLICY, "policy" },
	{ GMEM_LEVEL_QUERY, "query" },
	{ GMEM_LEVEL_LIVE_UPDATE, "live-update" },
	{ GMEM_LEVEL_MIXED, "mixed" },
	{ GMEM_LEVEL_FULL, "full" },
};

START_TEST(every_level_has_a_name_and_can_be_set_both_ways)
{
	enum gmem_level level;

	ck_assert_str_eq(gmem_level_name(levels[_i].level), levels[_i].name);
	ck_assert_int_eq(gmem_level_parse(levels[_i].name, &level), 0);
	ck_assert_int_eq(level, levels[_i].level);
	ck_assert_int_eq(gmem_level_set(level), 0);
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, levels[_i].level);

	forget_level(levels[_i].name);
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, levels[_i].level);
}
END_TEST

START_TEST(the_level_is_full_unless_something_is_said)
{
	enum gmem_level level;

	forget_level(_i ? "" : NULL);
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, GMEM_LEVEL_FULL);
}
END_TEST

START_TEST(what_is_set_goes_before_the_environment_which_is_read_once)
{
	enum gmem_level level;

	forget_level("map");
	ck_assert_int_eq(gmem_level_set(GMEM_LEVEL_CONVERT), 0);
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, GMEM_LEVEL_CONVERT);

	forget_level("map");
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(setenv("GMEM_LEVEL", "none", 1), 0);
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, GMEM_LEVEL_MAP);
}
END_TEST

static const char *const wrong[] = { "covert", "Map", "map ", "3", "full,map" };

START_TEST(a_typing_error_in_the_environment_stops_what_depends_on_it)
{
	struct gmem_probe *probe = NULL;
	struct gmem *gmem = untouched;
	enum gmem_level level = (enum gmem_level)77;

	forget_level(wrong[_i]);
	ck_assert_int_eq(gmem_level_get(&level), -EINVAL);
	ck_assert_int_eq(level, 77);
	ck_assert_int_eq(gmem_create(VM_FD, PAGE, NULL, &gmem, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "level-name");
	ck_assert_int_eq(gmem_adopt(GMEM_FD, NULL, &gmem, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "level-name");
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "level-name");
	ck_assert_ptr_eq(gmem, untouched);
	ck_assert_ptr_null(probe);
	/* It can be mended. */
	ck_assert_int_eq(gmem_level_set(GMEM_LEVEL_FULL), 0);
	drop_file(some_file());
}
END_TEST

START_TEST(refuses_what_is_no_level)
{
	static const int numbers[] = { 0, -1, 9, 254, 256 };
	enum gmem_level level = (enum gmem_level)77;

	ck_assert_int_eq(gmem_level_set((enum gmem_level)numbers[_i]), -EINVAL);
	ck_assert_ptr_null(gmem_level_name((enum gmem_level)numbers[_i]));
	ck_assert_int_eq(gmem_level_get(&level), 0);
	ck_assert_int_eq(level, GMEM_LEVEL_FULL);
	ck_assert_int_eq(gmem_level_get(NULL), -EINVAL);
	ck_assert_int_eq(gmem_level_parse(NULL, &level), -EINVAL);
	ck_assert_int_eq(gmem_level_parse("full", NULL), -EINVAL);
	ck_assert_int_eq(gmem_level_parse("", &level), -EINVAL);
}
END_TEST

/* On a kernel that has it all and a VM with private memory: what a probe says. */
static const struct {
	enum gmem_level level;
	const char *features;
	uint64_t creation_flags, attributes, policies;
} probes[] = {
	{ GMEM_LEVEL_NONE, "---p-------", 0, 0, 0 },
	{ GMEM_LEVEL_CREATE, "c--p-------", 0, 0, 0 },
	{ GMEM_LEVEL_MAP, "cm-p-------", MMAP, 0, 0 },
	{ GMEM_LEVEL_CONVERT, "cmsp-ic----", 3, PRIVATE, 0 },
	{ GMEM_LEVEL_POLICY, "cmsp-icp---", 3, PRIVATE, 3 },
	{ GMEM_LEVEL_QUERY, "cmsp-icpq--", 3, PRIVATE, 3 },
	{ GMEM_LEVEL_LIVE_UPDATE, "cmsp-icpql-", 3, PRIVATE, 3 },
	{ GMEM_LEVEL_MIXED, "cmsp-icpqlx", 3, PRIVATE, 3 },
	{ GMEM_LEVEL_FULL, "cmsp-icpqlx", 3, PRIVATE, 3 },
};

static void expect_probe(void)
{
	expect_api_version(VM_FD, -ENOTTY);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD, 1);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_FLAGS, 3);
	expect_capability(VM_FD, GMEM_CAP_MEMORY_ATTRIBUTES, 0);
	expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES, (int)PRIVATE);
	expect_capability(VM_FD, GMEM_CAP_CONTENT_POLICIES, 3);
	expect_capability(VM_FD, GMEM_CAP_QUERY, 1);
	expect_capability(VM_FD, GMEM_CAP_LIVE_UPDATE, 3);
	expect_create(VM_FD, PAGE, 0, GMEM_FD + 1);
	expect_convert_scratch(GMEM_FD + 1, PAGE, 0);
	expect_close(GMEM_FD + 1, 0);
}

START_TEST(a_probe_offers_nothing_above_the_level)
{
	struct gmem_probe *probe;
	char text[2048];
	int i;

	gmem_level_set(probes[_i].level);
	expect_probe();
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), 0);
	for (i = 0; probes[_i].features[i]; i++)
		ck_assert_msg(gmem_probe_has(probe, (enum gmem_feature)i) ==
				      (probes[_i].features[i] != '-'),
			      "%s is wrong", gmem_feature_name((enum gmem_feature)i));
	ck_assert_int_eq(i, GMEM_FEATURE_COUNT);
	ck_assert_uint_eq(gmem_probe_get_creation_flags(probe), probes[_i].creation_flags);
	ck_assert_uint_eq(gmem_probe_get_attributes(probe), probes[_i].attributes);
	ck_assert_uint_eq(gmem_probe_get_policies(probe), probes[_i].policies);
	ck_assert_int_gt(gmem_probe_format_json(probe, text, sizeof(text)), 0);
	ck_assert_str_contains(strstr(text, "\"level\":"), gmem_level_name(probes[_i].level));
	ck_assert_int_gt(gmem_probe_format(probe, text, sizeof(text)), 0);
	ck_assert_int_eq(strstr(text, "forced down to") != NULL,
			 probes[_i].level != GMEM_LEVEL_FULL);
	gmem_probe_free(probe);
}
END_TEST

/* Creation with these flags in a VM with or without private memory. */
static const struct {
	enum gmem_level level;
	uint64_t flags;
	int attributes;
	bool works;
} creations[] = {
	{ GMEM_LEVEL_NONE, 0, -1, false },
	{ GMEM_LEVEL_CREATE, 0, -1, true },
	{ GMEM_LEVEL_CREATE, MMAP, -1, false },
	{ GMEM_LEVEL_CREATE, INIT_SHARED, -1, false },
	{ GMEM_LEVEL_MAP, MMAP, -1, true },
	{ GMEM_LEVEL_MAP, MMAP | INIT_SHARED, 0, true },
	{ GMEM_LEVEL_MAP, MMAP | INIT_SHARED, (int)GMEM_UAPI_ATTRIBUTE_PRIVATE, false },
	{ GMEM_LEVEL_CONVERT, MMAP | INIT_SHARED, -1, true },
};

START_TEST(creates_only_files_of_the_level)
{
	struct gmem_create_options options = { .size = sizeof(options) };
	struct gmem *gmem = untouched;
	int r;

	gmem_level_set(creations[_i].level);
	options.mappable = creations[_i].flags & MMAP ? 1 : 0;
	options.init = creations[_i].flags & INIT_SHARED ? GMEM_INIT_SHARED : GMEM_INIT_PRIVATE;
	if (creations[_i].attributes >= 0)
		expect_capability(VM_FD, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES,
				  creations[_i].attributes);
	if (creations[_i].works)
		expect_created(PAGE, creations[_i].flags, 0);
	r = gmem_create(VM_FD, PAGE, &options, &gmem, report);
	if (creations[_i].works) {
		ck_assert_int_eq(r, 0);
		drop_file(gmem);
	} else {
		ck_assert_int_eq(r, -EOPNOTSUPP);
		ck_assert_str_eq(gmem_error_get_cause(report), "level");
		ck_assert_str_contains(explanation(), "GMEM_LEVEL");
		ck_assert_ptr_eq(gmem, untouched);
	}
}
END_TEST

START_TEST(there_is_nothing_to_adopt_without_guest_memfd)
{
	struct gmem *gmem = untouched;

	gmem_level_set(GMEM_LEVEL_NONE);
	ck_assert_int_eq(gmem_adopt(GMEM_FD, NULL, &gmem, report), -ENOTTY);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	ck_assert_ptr_eq(gmem, untouched);
}
END_TEST

START_TEST(maps_only_from_its_level_on)
{
	struct gmem *gmem = some_file();
	void *address;

	gmem_level_set(GMEM_LEVEL_CREATE);
	ck_assert(!gmem_is_mappable(gmem));
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, NULL, &address, report), -ENODEV);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	gmem_level_set(GMEM_LEVEL_MAP);
	ck_assert(gmem_is_mappable(gmem));
	expect_mmap(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, GMEM_FD, 0, 0, (void *)0x10000);
	ck_assert_int_eq(gmem_map(gmem, 0, PAGE, NULL, &address, report), 0);
	drop_file(gmem);
}
END_TEST

START_TEST(converts_only_from_its_level_on)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	struct gmem *gmem = some_file();

	gmem_level_set(GMEM_LEVEL_MAP);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report),
			 -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, &options, report),
			 -EOPNOTSUPP);
	/* A bad request stays one. */
	ck_assert_int_eq(gmem_convert(gmem, 0, 1, GMEM_STATE_PRIVATE, NULL, report), -EINVAL);
	gmem_level_set(GMEM_LEVEL_CONVERT);
	expect_convert(GMEM_FD, 0, PAGE, PRIVATE, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_PRIVATE, NULL, report), 0);
	drop_file(gmem);
}
END_TEST

START_TEST(policies_are_emulated_or_refused_below_their_level)
{
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_ZERO };
	enum gmem_guarantee guarantee;
	struct gmem *gmem = some_file();

	options.ret_guarantee = &guarantee;
	gmem_level_set(GMEM_LEVEL_CONVERT);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report),
			 -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	options.emulate = 1;
	expect_fallocate(GMEM_FD, 3, 0, PAGE, 0);
	expect_convert(GMEM_FD, 0, PAGE, 0, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), 0);
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_EMULATED);
	gmem_level_set(GMEM_LEVEL_POLICY);
	expect_convert_policy(GMEM_FD, 0, PAGE, 0, ZERO, 0, NOT_WRITTEN);
	ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), 0);
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_NATIVE);
	drop_file(gmem);
}
END_TEST

START_TEST(queries_only_from_its_level_on)
{
	static const struct gmem_uapi_extent page[] = { { 0, PAGE, PRIVATE, 0 } };
	struct gmem_extent expected = { 0, PAGE, 0, GMEM_STATE_PRIVATE, 0 };
	struct gmem *gmem = some_file();
	struct gmem_query *query;
	enum gmem_state state;
	bool equal;

	gmem_level_set(GMEM_LEVEL_POLICY);
	ck_assert_int_eq(gmem_get_state(gmem, 0, &state, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	ck_assert_int_eq(gmem_compare(gmem, &expected, 1, &equal, NULL, report), -EOPNOTSUPP);
	ck_assert_int_eq(gmem_query_new(gmem, 0, PAGE, NULL, &query, report), 0);
	ck_assert_int_eq(gmem_query_next(query, &expected, report), -EOPNOTSUPP);
	ck_assert_ptr_null(gmem_error_get_system_call(report));
	gmem_query_free(query);
	gmem_level_set(GMEM_LEVEL_QUERY);
	expect_query(0, PAGE, 0, 1, 0, page, 1);
	ck_assert_int_eq(gmem_get_state(gmem, 0, &state, report), 0);
	drop_file(gmem);
}
END_TEST

START_TEST(an_adopted_file_has_the_policies_of_the_probe_whatever_its_level)
{
	struct gmem_adopt_options adopt = { .size = sizeof(adopt) };
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_PRESERVE };
	struct gmem_probe *probe;
	struct gmem *gmem;

	gmem_level_set(GMEM_LEVEL_CONVERT);
	expect_probe();
	ck_assert_int_eq(gmem_probe_new(VM_FD, NULL, &probe, report), 0);
	gmem_level_set(GMEM_LEVEL_FULL);
	adopt.probe = _i ? probe : NULL;
	expect_fstatfs(GMEM_FD, 0, GMEM_UAPI_MAGIC);
	expect_fstat(GMEM_FD, 0, PAGE);
	expect_mmap(PAGE, PROT_NONE, MAP_SHARED, GMEM_FD, 0, -ENODEV, NULL);
	expect_close_on_exec(GMEM_FD, 0);
	ck_assert_int_eq(gmem_adopt(GMEM_FD, &adopt, &gmem, report), 0);
	gmem_probe_free(probe);
	if (_i) {
		expect_convert_policy(GMEM_FD, 0, PAGE, 0, PRESERVE, 0, NOT_WRITTEN);
		ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report),
				 0);
	} else {
		ck_assert_int_eq(gmem_convert(gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report),
				 -EOPNOTSUPP);
		ck_assert_str_eq(gmem_error_get_cause(report), "unknown-policy");
	}
	drop_file(gmem);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("level");
	TCase *tests = scripted_case(suite, "levels");
	TCase *effects = scripted_case(suite, "what they limit");

	tcase_add_loop_test(tests, every_level_has_a_name_and_can_be_set_both_ways, 0,
			    COUNT(levels));
	tcase_add_loop_test(tests, the_level_is_full_unless_something_is_said, 0, 2);
	tcase_add_test(tests, what_is_set_goes_before_the_environment_which_is_read_once);
	tcase_add_loop_test(tests, a_typing_error_in_the_environment_stops_what_depends_on_it, 0,
			    COUNT(wrong));
	tcase_add_loop_test(tests, refuses_what_is_no_level, 0, 5);

	tcase_add_loop_test(effects, a_probe_offers_nothing_above_the_level, 0, COUNT(probes));
	tcase_add_loop_test(effects, creates_only_files_of_the_level, 0, COUNT(creations));
	tcase_add_test(effects, there_is_nothing_to_adopt_without_guest_memfd);
	tcase_add_test(effects, maps_only_from_its_level_on);
	tcase_add_test(effects, converts_only_from_its_level_on);
	tcase_add_test(effects, policies_are_emulated_or_refused_below_their_level);
	tcase_add_test(effects, queries_only_from_its_level_on);
	tcase_add_loop_test(effects,
			    an_adopted_file_has_the_policies_of_the_probe_whatever_its_level, 0, 2);
	return suite;
}
