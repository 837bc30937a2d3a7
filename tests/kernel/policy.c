/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Content policies: what a conversion promises about the bytes, and that it refuses where it cannot
 * promise. Every combination of imitated VM type, direction and policy is tried on pages of either
 * state, allocated and not. The imitation (a parameter of kvm) makes a software-protected VM treat
 * content like others do.
 *
 * What comes of each combination is printed as a row of doc/content-policies.md, which
 * tests/kernel/tables collects.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ZERO	 GMEM_UAPI_CONTENT_ZERO
#define PRESERVE GMEM_UAPI_CONTENT_PRESERVE

static const char *const imitations[] = { "none", "scramble", "tdx", "snp-finalized" };
enum {
	NONE,
	SCRAMBLE,
	TDX,
	SNP,
	NR_IMITATIONS
};

static const uint64_t policies[] = { 0, ZERO, PRESERVE };
static const char *const policy_names[] = { "unspecified", "zero", "preserve" };
#define NR_POLICIES 3

/* The pages of the file: what each is before the conversion of all of them. */
enum {
	CHANGES_ALLOCATED,
	CHANGES_ABSENT,
	STAYS_ALLOCATED,
	STAYS_ABSENT,
	PAGES
};
static const char *const page_names[] = { "changes, allocated", "changes, absent",
					  "stays, allocated", "stays, absent" };

#define ROUND 77

enum content {
	KEPT,
	ZEROED,
	NOISE
};
static const char *const content_names[] = { "kept", "zero", "noise" };

static int vm, gmem;
static uint8_t *mapped;

static void imitate(int imitation)
{
	const char *name = imitations[imitation];
	int fd = open("/sys/module/kvm/parameters/gmem_imitate", O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "no parameter gmem_imitate: %s", strerror(errno));
	ck_assert_int_eq(write(fd, name, strlen(name)), (ssize_t)strlen(name));
	close(fd);
}

static int convert_with(uint64_t offset, uint64_t size, uint64_t state, uint64_t flags,
			uint64_t *ret_error_offset)
{
	struct gmem_uapi_attributes request = {
		.offset = offset,
		.size = size,
		.attributes = state,
		.flags = flags,
		.error_offset = UINT64_MAX,
	};
	int r = convert_raw(gmem, &request);

	if (ret_error_offset)
		*ret_error_offset = request.error_offset;
	return r;
}

/* A file whose pages are what their names say for a conversion to @state. */
static void open_before(uint64_t state)
{
	uint64_t other = state == PRIVATE ? SHARED : PRIVATE;

	imitate(NONE);
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, PAGES * PAGE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, PAGES * PAGE);
	fill_page(mapped + CHANGES_ALLOCATED * PAGE, CHANGES_ALLOCATED, ROUND);
	fill_page(mapped + STAYS_ALLOCATED * PAGE, STAYS_ALLOCATED, ROUND);
	must_give(convert(gmem, CHANGES_ALLOCATED * PAGE, 2 * PAGE, other), 0);
	must_give(convert(gmem, STAYS_ALLOCATED * PAGE, 2 * PAGE, state), 0);
}

static void close_after(void)
{
	imitate(NONE);
	munmap(mapped, PAGES * PAGE);
	close(gmem);
	close(vm);
}

/* What the documentation of the policies says. */
static int expected_result(int imitation, uint64_t policy, uint64_t state)
{
	if (imitation < TDX || !policy)
		return 0;
	if (policy == PRESERVE || state == PRIVATE)
		return -EOPNOTSUPP;
	return 0;
}

static enum content expected_content(int imitation, uint64_t policy, int page)
{
	static const enum content unspecified[] = { KEPT, NOISE, ZEROED, NOISE };

	if (page == CHANGES_ABSENT || page == STAYS_ABSENT || policy == ZERO)
		return ZEROED;
	if (policy == PRESERVE || page == STAYS_ALLOCATED)
		return KEPT;
	return unspecified[imitation];
}

static enum content content_of(int page)
{
	const uint8_t *at = mapped + page * PAGE;

	if (page_is_filled(at, page, ROUND))
		return KEPT;
	return page_is_zero(at) ? ZEROED : NOISE;
}

/* Makes all pages readable without touching a byte, and compares. */
static void check_contents(int imitation, uint64_t policy, uint64_t state, bool refused,
			   enum content ret_found[PAGES])
{
	imitate(NONE);
	must_give(convert(gmem, 0, PAGES * PAGE, SHARED), 0);
	for (int page = 0; page < PAGES; page++) {
		enum content expected =
			expected_content(refused ? NONE : imitation, refused ? 0 : policy, page);
		enum content found = content_of(page);

		ck_assert_msg(found == expected, "%s, %s, to %s, page that %s: %s, expected %s",
			      imitations[imitation], policy_names[policy],
			      state == PRIVATE ? "private" : "shared", page_names[page],
			      content_names[found], content_names[expected]);
		ret_found[page] = found;
	}
}

static void check_states(uint64_t state, bool refused)
{
	for (int page = 0; page < PAGES; page++) {
		bool changed = page == CHANGES_ALLOCATED || page == CHANGES_ABSENT;
		bool private = (state == PRIVATE) != (refused && changed);
		uint8_t byte;

		ck_assert_msg(try_read(mapped + page * PAGE, &byte) == !private,
			      "page that %s is not %s", page_names[page],
			      private ? "private" : "shared");
	}
}

/* What was found, for each of the pages. */
static void print_rows(const char *type, const char *imitated, uint64_t state, const char *policy,
		       int ret, const enum content found[PAGES])
{
	for (int page = 0; page < PAGES; page++) {
		bool stays = page == STAYS_ALLOCATED || page == STAYS_ABSENT;
		bool private = (state == PRIVATE) == stays;

		printf("# row content-policies | %s | %s | %s | %s | %s | %s | %s | %s |\n", type,
		       imitated, state == PRIVATE ? "to private" : "to shared", policy,
		       private ? "private" : "shared",
		       page == CHANGES_ALLOCATED || page == STAYS_ALLOCATED ? "yes" : "no",
		       ret ? error_name(-ret) : "0", content_names[found[page]]);
	}
	fflush(stdout);
}

START_TEST(a_policy_is_kept_or_refused)
{
	int imitation = _i / (NR_POLICIES * 2);
	uint64_t policy = policies[_i / 2 % NR_POLICIES];
	uint64_t state = _i % 2 ? PRIVATE : SHARED;
	int expected = expected_result(imitation, policy, state);
	enum content found[PAGES];
	uint64_t error_offset;
	int ret;

	open_before(state);
	imitate(imitation);
	ret = convert_with(0, PAGES * PAGE, state, policy, &error_offset);
	must_give(ret, expected);
	if (ret)
		ck_assert_uint_eq(error_offset, 0);
	check_states(state, ret);
	check_contents(imitation, policy, state, ret, found);
	print_rows("software-protected", imitations[imitation], state,
		   policy_names[_i / 2 % NR_POLICIES], ret, found);
	close_after();
}
END_TEST

/* All of its memory is shared, and that is that, whatever others are made to imitate. */
START_TEST(a_vm_without_private_memory_has_no_policies)
{
	uint64_t policy = policies[_i / 2 % NR_POLICIES];
	uint64_t state = _i % 2 ? PRIVATE : SHARED;

	imitate(_i / 2 % NR_IMITATIONS);
	vm = new_vm(VM_DEFAULT);
	gmem = new_gmem(vm, 2 * PAGE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, 2 * PAGE);
	fill_page(mapped, 0, ROUND);
	for (int page = 0; page < 2; page++) {
		int ret = convert_with(page * PAGE, PAGE, state, policy, NULL);
		enum content found = content_of(page);

		must_give(ret, -EINVAL);
		ck_assert_int_eq(found, page ? ZEROED : KEPT);
		printf("# row content-policies | default | | %s | %s | shared | %s | %s | %s |\n",
		       state == PRIVATE ? "to private" : "to shared",
		       policy_names[_i / 2 % NR_POLICIES], page ? "no" : "yes", error_name(-ret),
		       content_names[found]);
		fflush(stdout);
	}
	munmap(mapped, 2 * PAGE);
	close(gmem);
	close(vm);
	imitate(NONE);
}
END_TEST

START_TEST(zeroing_a_range_that_has_the_state_already_zeroes_it)
{
	uint64_t state = _i ? PRIVATE : SHARED;

	open_before(state);
	must_give(convert(gmem, 0, PAGES * PAGE, state), 0);
	must_give(convert_with(0, PAGES * PAGE, state, ZERO, NULL), 0);
	must_give(convert(gmem, 0, PAGES * PAGE, SHARED), 0);
	for (int page = 0; page < PAGES; page++)
		ck_assert_msg(page_is_zero(mapped + page * PAGE), "page %d is not zero", page);
	close_after();
}
END_TEST

START_TEST(zeroing_stays_in_the_range)
{
	open_before(PRIVATE);
	must_give(convert(gmem, 0, PAGES * PAGE, SHARED), 0);
	must_give(convert_with(PAGE, PAGE, PRIVATE, ZERO, NULL), 0);
	must_give(convert(gmem, 0, PAGES * PAGE, SHARED), 0);
	ck_assert(page_is_filled(mapped, CHANGES_ALLOCATED, ROUND));
	ck_assert(page_is_filled(mapped + STAYS_ALLOCATED * PAGE, STAYS_ALLOCATED, ROUND));
	close_after();
}
END_TEST

START_TEST(a_refusal_reports_the_start_of_the_range)
{
	uint64_t error_offset;

	open_before(SHARED);
	imitate(TDX);
	must_give(convert_with(PAGE, 2 * PAGE, SHARED, PRESERVE, &error_offset), -EOPNOTSUPP);
	ck_assert_uint_eq(error_offset, PAGE);
	close_after();
}
END_TEST

/* A wish that makes no sense is EINVAL, and the struct is not written. */
START_TEST(two_policies_or_an_unknown_one_are_einval)
{
	static const uint64_t wrong[] = { ZERO | PRESERVE, 1ULL << 2, ZERO | 1ULL << 63,
					  PRESERVE | 1ULL << 32, ~0ULL };
	uint64_t error_offset;

	open_before(SHARED);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		must_give(convert_with(0, PAGE, SHARED, wrong[i], &error_offset), -EINVAL);
		ck_assert_uint_eq(error_offset, UINT64_MAX);
	}
	close_after();
}
END_TEST

START_TEST(policies_are_reported_where_memory_can_be_converted)
{
	int ordinary = new_vm(VM_DEFAULT);

	vm = new_vm(VM_PROTECTED);
	ck_assert_int_eq(system_capability(GMEM_CAP_CONTENT_POLICIES), ZERO | PRESERVE);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_CONTENT_POLICIES), ZERO | PRESERVE);
	ck_assert_int_eq(vm_capability(ordinary, GMEM_CAP_CONTENT_POLICIES), 0);
	close(ordinary);
	close(vm);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *table = new_case(suite, "table");
	TCase *rules = new_case(suite, "rules");

	need_in_place();
	if (!system_capability(GMEM_CAP_CONTENT_POLICIES))
		skip_all("this kernel has no content policies");
	tcase_add_loop_test(table, a_policy_is_kept_or_refused, 0, NR_IMITATIONS * NR_POLICIES * 2);
	tcase_add_loop_test(table, a_vm_without_private_memory_has_no_policies, 0, NR_POLICIES * 2);
	tcase_add_loop_test(rules, zeroing_a_range_that_has_the_state_already_zeroes_it, 0, 2);
	tcase_add_test(rules, zeroing_stays_in_the_range);
	tcase_add_test(rules, a_refusal_reports_the_start_of_the_range);
	tcase_add_test(rules, two_policies_or_an_unknown_one_are_einval);
	tcase_add_test(rules, policies_are_reported_where_memory_can_be_converted);
	return run_suite(suite);
}
