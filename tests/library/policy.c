/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Content policies through the library, on a real kernel: kept, emulated or refused, and what is
 * told if a conversion in steps fails half way.
 */
#include "library.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/kernel/pin.h"

#define ROUND 5

static const char *const imitations[] = { "none", "scramble", "tdx", "snp-finalized" };
#define NR_IMITATIONS 4

/* What each page is before all of them are converted. */
enum {
	CHANGES_ALLOCATED,
	CHANGES_ABSENT,
	STAYS_ALLOCATED,
	STAYS_ABSENT,
	PAGES
};

static struct file file;

static int convert_pages(uint64_t first, uint64_t count, enum gmem_state state)
{
	return gmem_convert(file.gmem, first * PAGE, count * PAGE, state, NULL, report);
}

static void fill(int page)
{
	fill_page(file.mapped + (uint64_t)page * PAGE, (uint64_t)page, ROUND);
}

static bool is_filled(int page)
{
	return page_is_filled(file.mapped + (uint64_t)page * PAGE, (uint64_t)page, ROUND);
}

static bool is_zero(int page)
{
	return page_is_zero(file.mapped + (uint64_t)page * PAGE);
}

static void open_before(enum gmem_state state)
{
	imitate("none");
	file = open_file(VM_PROTECTED, PAGES * PAGE, GMEM_INIT_SHARED);
	fill(CHANGES_ALLOCATED);
	fill(STAYS_ALLOCATED);
	if (state == GMEM_STATE_SHARED)
		must(convert_pages(CHANGES_ALLOCATED, 2, GMEM_STATE_PRIVATE), 0);
	else
		must(convert_pages(STAYS_ALLOCATED, 2, GMEM_STATE_PRIVATE), 0);
}

/* As before: states, and bytes that nobody touched. */
static void check_unchanged(enum gmem_state state)
{
	enum gmem_state other = state == GMEM_STATE_SHARED ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;

	must_be(&file, CHANGES_ALLOCATED * PAGE, 2 * PAGE, other);
	must_be(&file, STAYS_ALLOCATED * PAGE, 2 * PAGE, state);
	imitate("none");
	must(convert_pages(0, PAGES, GMEM_STATE_SHARED), 0);
	ck_assert(is_filled(CHANGES_ALLOCATED) && is_filled(STAYS_ALLOCATED));
	ck_assert(is_zero(CHANGES_ABSENT) && is_zero(STAYS_ABSENT));
}

/* What the kernel's documentation says about a VM type and a direction. */
static bool can_keep(int imitation, enum gmem_policy policy, enum gmem_state state)
{
	if (imitation < 2 || policy == GMEM_POLICY_UNSPECIFIED)
		return true;
	return policy == GMEM_POLICY_ZERO && state == GMEM_STATE_SHARED;
}

/* Each imitation, policy and direction: 24 cases. */
START_TEST(policies_are_kept_or_refused)
{
	enum gmem_state state = _i & 1 ? GMEM_STATE_PRIVATE : GMEM_STATE_SHARED;
	enum gmem_policy policy = (enum gmem_policy)(_i / 2 % 3);
	int page, imitation = _i / 6;
	enum gmem_guarantee guarantee = (enum gmem_guarantee)77;
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = policy,
		.ret_guarantee = &guarantee,
	};

	open_before(state);
	imitate(imitations[imitation]);
	if (!can_keep(imitation, policy, state)) {
		uint64_t offset = UINT64_MAX;

		must(gmem_convert(file.gmem, 0, PAGES * PAGE, state, &options, report),
		     -EOPNOTSUPP);
		ck_assert_str_eq(gmem_error_get_cause(report), "policy-refused");
		ck_assert(gmem_error_get_first_offset(report, &offset));
		ck_assert_uint_eq(offset, 0);
		ck_assert_int_eq(guarantee, 77);
		check_unchanged(state);
		close_file(&file);
		return;
	}
	must(gmem_convert(file.gmem, 0, PAGES * PAGE, state, &options, report), 0);
	ck_assert_int_eq(guarantee, policy ? GMEM_GUARANTEE_NATIVE : GMEM_GUARANTEE_NONE);
	must_be(&file, 0, PAGES * PAGE, state);
	imitate("none");
	must(convert_pages(0, PAGES, GMEM_STATE_SHARED), 0);
	for (page = 0; page < PAGES; page++) {
		bool absent = page == CHANGES_ABSENT || page == STAYS_ABSENT;

		if (policy == GMEM_POLICY_ZERO || absent)
			ck_assert_msg(is_zero(page), "page %d is not zero", page);
		else if (policy == GMEM_POLICY_PRESERVE)
			ck_assert_msg(is_filled(page), "page %d is not kept", page);
	}
	close_file(&file);
}
END_TEST

/* On a kernel without policies, which the level makes of this one. */
START_TEST(zero_to_shared_is_emulated_whatever_the_vm_type_does)
{
	enum gmem_guarantee guarantee = GMEM_GUARANTEE_NONE;
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = GMEM_POLICY_ZERO,
		.ret_guarantee = &guarantee,
		.emulate = 1,
	};
	int page;

	open_before(GMEM_STATE_SHARED);
	imitate(imitations[_i]);
	must(gmem_level_set(GMEM_LEVEL_CONVERT), 0);
	must(gmem_convert(file.gmem, 0, PAGES * PAGE, GMEM_STATE_SHARED, &options, report), 0);
	must(gmem_level_set(GMEM_LEVEL_FULL), 0);
	imitate("none");
	ck_assert_int_eq(guarantee, GMEM_GUARANTEE_EMULATED);
	must_be(&file, 0, PAGES * PAGE, GMEM_STATE_SHARED);
	for (page = 0; page < PAGES; page++)
		ck_assert_msg(is_zero(page), "page %d is not zero", page);
	close_file(&file);
}
END_TEST

START_TEST(nothing_else_is_emulated)
{
	static const struct {
		enum gmem_policy policy;
		enum gmem_state state;
		uint32_t emulate;
	} refused[] = {
		{ GMEM_POLICY_ZERO, GMEM_STATE_SHARED, 0 },
		{ GMEM_POLICY_ZERO, GMEM_STATE_PRIVATE, 1 },
		{ GMEM_POLICY_PRESERVE, GMEM_STATE_SHARED, 1 },
		{ GMEM_POLICY_PRESERVE, GMEM_STATE_PRIVATE, 1 },
	};
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = refused[_i].policy,
		.emulate = refused[_i].emulate,
	};

	open_before(refused[_i].state);
	must(gmem_level_set(GMEM_LEVEL_CONVERT), 0);
	must(gmem_convert(file.gmem, 0, PAGES * PAGE, refused[_i].state, &options, report),
	     -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "level");
	must(gmem_level_set(GMEM_LEVEL_FULL), 0);
	check_unchanged(refused[_i].state);
	close_file(&file);
}
END_TEST

/* Reads a page all the time through a mapping that was there before. */
static atomic_bool stop;
static atomic_ulong seen_zero, seen_other;

static void *watch(void *at)
{
	uint64_t word;

	while (!atomic_load(&stop)) {
		if (try_read_word(at, &word))
			atomic_fetch_add(word ? &seen_other : &seen_zero, 1);
	}
	return NULL;
}

/* The policy as the kernel keeps it, emulated, and none, with which the watcher sees the bytes. */
static const struct {
	enum gmem_level level;
	enum gmem_policy policy;
	bool sees;
} watched[] = {
	{ GMEM_LEVEL_FULL, GMEM_POLICY_ZERO, false },
	{ GMEM_LEVEL_CONVERT, GMEM_POLICY_ZERO, false },
	{ GMEM_LEVEL_FULL, GMEM_POLICY_UNSPECIFIED, true },
};

START_TEST(nobody_sees_old_bytes_on_the_way_to_shared)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.policy = watched[_i].policy,
		.emulate = 1,
	};
	pthread_t watcher;
	int round;

	file = open_file(VM_PROTECTED, PAGE, GMEM_INIT_SHARED);
	must(gmem_level_set(watched[_i].level), 0);
	for (round = 0; round < (in_a_hurry() ? 20 : 100); round++) {
		/* Written by the host, in place of a guest that keeps a secret in its page. */
		memset(file.mapped, 0x5a, PAGE);
		must(convert_pages(0, 1, GMEM_STATE_PRIVATE), 0);
		atomic_store(&stop, false);
		atomic_store(&seen_zero, 0);
		atomic_store(&seen_other, 0);
		ck_assert_int_eq(pthread_create(&watcher, NULL, watch, file.mapped), 0);
		must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), 0);
		/* Until it has seen the page at least once. */
		while (!atomic_load(&seen_zero) && !atomic_load(&seen_other))
			usleep(100);
		atomic_store(&stop, true);
		pthread_join(watcher, NULL);
		ck_assert_int_eq(atomic_load(&seen_other) > 0, watched[_i].sees);
	}
	close_file(&file);
}
END_TEST

#define STEP   (2 * MIB)
#define STEPS  8
#define PINNED (5 * STEP + 3 * PAGE)

START_TEST(steps_before_a_busy_page_stay_converted)
{
	struct gmem_convert_options options = {
		.size = sizeof(options),
		.max_attempts = 3,
		.policy = GMEM_POLICY_PRESERVE,
		.step_size = STEP,
	};
	uint64_t offset;
	int ring;

	file = open_file(VM_PROTECTED, STEPS * STEP, GMEM_INIT_SHARED);
	fill_page(file.mapped, 0, ROUND);
	fill_page(file.mapped + PINNED, 7, ROUND);
	ring = pin(file.mapped + PINNED, PAGE);
	ck_assert_int_ge(ring, 0);
	must(gmem_convert(file.gmem, 0, file.size, GMEM_STATE_PRIVATE, &options, report), -EAGAIN);
	ck_assert_uint_eq(gmem_error_get_done(report), 5 * STEP);
	ck_assert(gmem_error_get_first_offset(report, &offset));
	ck_assert_uint_eq(offset, PINNED);
	must_be(&file, 0, 5 * STEP, GMEM_STATE_PRIVATE);
	must_be(&file, 5 * STEP, 3 * STEP, GMEM_STATE_SHARED);

	unpin(ring);
	must(gmem_convert(file.gmem, 0, file.size, GMEM_STATE_PRIVATE, &options, report), 0);
	must_be(&file, 0, file.size, GMEM_STATE_PRIVATE);
	must(gmem_convert(file.gmem, 0, file.size, GMEM_STATE_SHARED, &options, report), 0);
	ck_assert(page_is_filled(file.mapped, 0, ROUND));
	ck_assert(page_is_filled(file.mapped + PINNED, 7, ROUND));
	close_file(&file);
}
END_TEST

START_TEST(a_vm_without_private_memory_has_no_policies)
{
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_ZERO };

	file = open_file(VM_DEFAULT, PAGE, GMEM_INIT_SHARED);
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-policy");
	options.policy = GMEM_POLICY_UNSPECIFIED;
	must(gmem_convert(file.gmem, 0, PAGE, GMEM_STATE_SHARED, &options, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-private");
	close_file(&file);
}
END_TEST

START_TEST(an_adopted_file_has_policies_if_its_vm_is_known)
{
	struct gmem_convert_options options = { .size = sizeof(options),
						.policy = GMEM_POLICY_PRESERVE };
	struct gmem_adopt_options adopt = { .size = sizeof(adopt) };
	struct gmem_probe *probe;
	struct gmem *adopted;

	file = open_file(VM_PROTECTED, PAGE, GMEM_INIT_SHARED);
	must(gmem_adopt(dup(gmem_get_fd(file.gmem)), NULL, &adopted, report), 0);
	must(gmem_convert(adopted, 0, PAGE, GMEM_STATE_PRIVATE, &options, report), -EOPNOTSUPP);
	ck_assert_str_eq(gmem_error_get_cause(report), "unknown-policy");
	gmem_release(adopted);

	must(gmem_probe_new(file.vm, NULL, &probe, report), 0);
	adopt.probe = probe;
	must(gmem_adopt(dup(gmem_get_fd(file.gmem)), &adopt, &adopted, report), 0);
	gmem_probe_free(probe);
	must(gmem_convert(adopted, 0, PAGE, GMEM_STATE_PRIVATE, &options, report), 0);
	gmem_release(adopted);
	close_file(&file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library-policy");
	TCase *policies = library_case(suite, "policies");
	TCase *steps = library_case(suite, "steps");

	need_in_place();
	tcase_add_loop_test(policies, policies_are_kept_or_refused, 0, 6 * NR_IMITATIONS);
	tcase_add_loop_test(policies, zero_to_shared_is_emulated_whatever_the_vm_type_does, 0,
			    NR_IMITATIONS);
	tcase_add_loop_test(policies, nothing_else_is_emulated, 0, 4);
	tcase_add_loop_test(policies, nobody_sees_old_bytes_on_the_way_to_shared, 0, 3);
	tcase_add_test(policies, a_vm_without_private_memory_has_no_policies);
	tcase_add_test(policies, an_adopted_file_has_policies_if_its_vm_is_known);
	tcase_add_test(steps, steps_before_a_busy_page_stay_converted);
	return run_suite(suite);
}
