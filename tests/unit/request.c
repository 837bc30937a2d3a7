/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <stdlib.h>
#include <string.h>
#include "lib/error.h"
#include "lib/uapi/run.h"
#include "unit.h"

/* VM types as KVM_CREATE_VM takes them. */
enum {
	DEFAULT,
	SW_PROTECTED,
	SEV,
	SEV_ES,
	SNP,
	TDX
};

#define PRIVATE_BIT (UINT64_C(1) << 4)
#define NOTHING	    UINT64_C(0x7777)

/* As large as the kernel's, so that the compiler sees a read beyond it. */
static struct kvm_run run;

static void guest_calls(uint64_t nr, uint64_t gpa, uint64_t pages, uint64_t attributes)
{
	memset(&run, 0xa5, sizeof(run));
	run.exit_reason = KVM_EXIT_HYPERCALL;
	run.hypercall.nr = nr;
	run.hypercall.args[0] = gpa;
	run.hypercall.args[1] = pages;
	run.hypercall.args[2] = attributes;
	run.hypercall.ret = 0;
}

static void guest_asks(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
	guest_calls(KVM_HC_MAP_GPA_RANGE, gpa, pages, attributes);
}

static void guest_faults(uint64_t gpa, uint64_t size, uint64_t flags)
{
	struct gmem_uapi_run *known = (struct gmem_uapi_run *)&run;

	memset(&run, 0xa5, sizeof(run));
	run.exit_reason = GMEM_UAPI_EXIT_MEMORY_FAULT;
	known->memory_fault = (struct gmem_uapi_memory_fault){ flags, gpa, size };
}

/* What was decoded; a failure must leave it alone. */
static struct gmem_request request;

static int decode(int result)
{
	int r;

	memset(&request, 0x77, sizeof(request));
	r = gmem_request_decode(&run, result, &request, report);
	if (r < 0) {
		for (size_t i = 0; i < sizeof(request); i++)
			must(((unsigned char *)&request)[i] == 0x77, "written on failure");
	}
	return r;
}

static void ck_assert_request(uint64_t gpa, uint64_t size, enum gmem_state state,
			      enum gmem_request_kind kind)
{
	ck_assert_uint_eq(request.gpa, gpa);
	ck_assert_uint_eq(request.size, size);
	ck_assert_int_eq(request.state, state);
	ck_assert_int_eq(request.kind, kind);
}

START_TEST(our_layout_is_the_kernels)
{
	const struct gmem_uapi_run *known = (const struct gmem_uapi_run *)&run;

	ck_assert_ptr_eq(&known->exit_reason, &run.exit_reason);
	ck_assert_ptr_eq(&known->immediate_exit, &run.immediate_exit);
	ck_assert_ptr_eq(&known->flags, &run.flags);
	ck_assert_ptr_eq(&known->apic_base, &run.apic_base);
	ck_assert_ptr_eq(&known->hypercall.nr, &run.hypercall.nr);
	ck_assert_ptr_eq(&known->hypercall.args, &run.hypercall.args);
	ck_assert_ptr_eq(&known->hypercall.ret, &run.hypercall.ret);
	ck_assert_ptr_eq(&known->memory_fault, &run.hw);
	ck_assert_int_eq(GMEM_UAPI_EXIT_HYPERCALL, KVM_EXIT_HYPERCALL);
	ck_assert_uint_eq(GMEM_UAPI_MAP_GPA_2M, KVM_MAP_GPA_RANGE_PAGE_SZ_2M);
	ck_assert_uint_eq(GMEM_UAPI_MAP_GPA_1G, KVM_MAP_GPA_RANGE_PAGE_SZ_1G);
	ck_assert_uint_eq(GMEM_UAPI_MAP_GPA_PRIVATE, KVM_MAP_GPA_RANGE_ENCRYPTED);
	ck_assert_uint_eq(0, KVM_MAP_GPA_RANGE_DECRYPTED);
}
END_TEST

START_TEST(takes_a_hypercall)
{
	guest_asks(0x40000000, 3, PRIVATE_BIT);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_request(0x40000000, 3 * PAGE, GMEM_STATE_PRIVATE, GMEM_REQUEST_HYPERCALL);
	ck_assert_uint_eq(request.page_size, 4096);
	guest_asks(0, 1, 0);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_request(0, PAGE, GMEM_STATE_SHARED, GMEM_REQUEST_HYPERCALL);
}
END_TEST

START_TEST(a_page_size_is_not_private_and_not_the_unit)
{
	guest_asks(0x200000, 512, KVM_MAP_GPA_RANGE_PAGE_SZ_2M);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_request(0x200000, 2 << 20, GMEM_STATE_SHARED, GMEM_REQUEST_HYPERCALL);
	ck_assert_uint_eq(request.page_size, 2 << 20);
	guest_asks(0x40000000, 1 << 18, KVM_MAP_GPA_RANGE_PAGE_SZ_1G);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_request(0x40000000, 1 << 30, GMEM_STATE_SHARED, GMEM_REQUEST_HYPERCALL);
	ck_assert_uint_eq(request.page_size, 1 << 30);
	/* The rest of a large page that was begun before: SNP asks for this. */
	guest_asks(0x201000, 511, KVM_MAP_GPA_RANGE_PAGE_SZ_2M | PRIVATE_BIT);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_request(0x201000, 511 * PAGE, GMEM_STATE_PRIVATE, GMEM_REQUEST_HYPERCALL);
}
END_TEST

/* What attributes mean, told in another way than the library does. */
static int meaning_of(uint64_t attributes)
{
	switch (attributes) {
	case 0x00:
	case 0x01:
	case 0x02:
		return GMEM_STATE_SHARED;
	case 0x10:
	case 0x11:
	case 0x12:
		return GMEM_STATE_PRIVATE;
	}
	return -EINVAL;
}

static void check_attributes(uint64_t attributes)
{
	int meaning = meaning_of(attributes), r;

	guest_asks(PAGE, 1, attributes);
	r = decode(0);
	must(r == (meaning < 0 ? meaning : 0), "attributes 0x%llx: %d",
	     (unsigned long long)attributes, r);
	must(r || (int)request.state == meaning, "attributes 0x%llx: wrong state",
	     (unsigned long long)attributes);
	must(!r || !strcmp(gmem_error_get_cause(report), "attributes"), "wrong cause");
}

START_TEST(each_combination_of_attributes_has_one_meaning)
{
	uint64_t low;
	int bit;

	for (low = 0; low < 0x10000; low++)
		check_attributes(low);
	/* Every other bit, alone and with what would be good without it. */
	for (bit = 16; bit < 64; bit++) {
		for (low = 0; low < 0x20; low++)
			check_attributes(UINT64_C(1) << bit | low);
	}
}
END_TEST

START_TEST(refuses_ranges_that_make_no_sense)
{
	static const struct {
		uint64_t gpa, pages;
		const char *cause;
	} bad[] = {
		{ PAGE, 0, "empty" },
		{ 1, 1, "unaligned" },
		{ 0xfff, 1, "unaligned" },
		{ UINT64_MAX, 1, "unaligned" },
		{ -PAGE, 1, "wraps" },
		{ -PAGE, 2, "wraps" },
		{ PAGE, UINT64_MAX, "wraps" },
		{ 0, UINT64_C(1) << 52, "wraps" },
		{ 0, (UINT64_C(1) << 52) + 1, "wraps" },
		{ 0, UINT64_C(1) << 63, "wraps" },
		{ PAGE, (UINT64_C(1) << 52) - 1, "wraps" },
	};
	int i;

	for (i = 0; i < COUNT(bad); i++) {
		guest_asks(bad[i].gpa, bad[i].pages, 0);
		ck_assert_int_eq(decode(0), -EINVAL);
		ck_assert_str_eq(gmem_error_get_cause(report), bad[i].cause);
	}
	guest_asks(0, (UINT64_C(1) << 52) - 1, 0);
	ck_assert_int_eq(decode(0), 0);
	ck_assert_uint_eq(request.size, -PAGE);
}
END_TEST

START_TEST(a_report_has_the_guests_range)
{
	uint64_t offset = 0, size = 0;

	guest_asks(0x40000001, 2, 0);
	ck_assert_int_eq(decode(0), -EINVAL);
	ck_assert(gmem_error_get_range(report, &offset, &size));
	ck_assert_uint_eq(offset, 0x40000001);
	ck_assert_uint_eq(size, 2 * PAGE);
	ck_assert(gmem_error_is_guest(report));
	ck_assert_str_contains(explanation(), "gmem_request_decode");
	/* A size that 64 bits cannot hold is not told. */
	guest_asks(PAGE, UINT64_MAX, 0);
	ck_assert_int_eq(decode(0), -EINVAL);
	ck_assert(!gmem_error_get_range(report, NULL, NULL));
}
END_TEST

START_TEST(takes_a_fault)
{
	guest_faults(0x40003000, PAGE, GMEM_UAPI_MEMORY_FAULT_PRIVATE);
	ck_assert_int_eq(decode(-EFAULT), 0);
	ck_assert_request(0x40003000, PAGE, GMEM_STATE_PRIVATE, GMEM_REQUEST_FAULT);
	guest_faults(0, 512 * PAGE, 0);
	ck_assert_int_eq(decode(-EFAULT), 0);
	ck_assert_request(0, 512 * PAGE, GMEM_STATE_SHARED, GMEM_REQUEST_FAULT);
}
END_TEST

START_TEST(a_destroyed_page_is_no_request)
{
	uint64_t offset;

	guest_faults(0x5000, PAGE, 0);
	ck_assert_int_eq(decode(-EHWPOISON), -EHWPOISON);
	ck_assert_str_eq(gmem_error_get_cause(report), "poison");
	ck_assert(gmem_error_get_range(report, &offset, NULL));
	ck_assert_uint_eq(offset, 0x5000);
}
END_TEST

START_TEST(the_kernel_is_not_believed)
{
	int bit;

	guest_faults(1, PAGE, 0);
	ck_assert_int_eq(decode(-EFAULT), -EBADE);
	guest_faults(PAGE, 0, 0);
	ck_assert_int_eq(decode(-EFAULT), -EBADE);
	guest_faults(PAGE, 5, 0);
	ck_assert_int_eq(decode(-EFAULT), -EBADE);
	guest_faults(-PAGE, 2 * PAGE, 0);
	ck_assert_int_eq(decode(-EFAULT), -EBADE);
	ck_assert_str_eq(gmem_error_get_cause(report), "wraps");
	guest_faults(1, PAGE, 0);
	ck_assert_int_eq(decode(-EHWPOISON), -EBADE);
	for (bit = 0; bit < 64; bit++) {
		guest_faults(PAGE, PAGE, UINT64_C(1) << bit);
		ck_assert_int_eq(decode(-EFAULT), bit == 3 ? 0 : -EBADE);
	}
}
END_TEST

/* With each exit reason and each result of KVM_RUN. */
START_TEST(every_other_exit_is_the_vmms_business)
{
	uint32_t reason;
	int code, r, expected;

	for (reason = 0; reason < 64; reason++) {
		for (code = 0; code <= 4095; code++) {
			guest_asks(PAGE, 1, 0);
			if (reason == GMEM_UAPI_EXIT_MEMORY_FAULT)
				guest_faults(PAGE, PAGE, 0);
			run.exit_reason = reason;
			expected = -ENODATA;
			if ((reason == KVM_EXIT_HYPERCALL && code == 0) ||
			    (reason == GMEM_UAPI_EXIT_MEMORY_FAULT && code == EFAULT))
				expected = 0;
			if (reason == GMEM_UAPI_EXIT_MEMORY_FAULT && code == EHWPOISON)
				expected = -EHWPOISON;
			r = decode(-code);
			must(r == expected, "exit %u, errno %d: %d", reason, code, r);
		}
	}
	guest_calls(11, PAGE, 1, 0);
	ck_assert_int_eq(decode(0), -ENODATA);
	guest_calls(13, PAGE, 1, 0);
	ck_assert_int_eq(decode(0), -ENODATA);
}
END_TEST

START_TEST(no_request_is_no_failure)
{
	guest_asks(PAGE, 1, 0);
	ck_assert_int_eq(decode(-EINTR), -ENODATA);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	ck_assert_int_eq(decode(1), -ENODATA);
}
END_TEST

START_TEST(needs_its_pointers)
{
	ck_assert_int_eq(gmem_request_decode(NULL, 0, &request, report), -EINVAL);
	ck_assert_int_eq(gmem_request_decode(&run, 0, NULL, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "argument");
	ck_assert_int_eq(gmem_request_decode(NULL, 0, NULL, NULL), -EINVAL);
}
END_TEST

/* Numbers near the places where something can go wrong. */
static uint64_t random_number(unsigned int *seed)
{
	static const uint64_t near[] = { 0, 1, 4096, 1 << 18, UINT64_C(1) << 52, UINT64_MAX };
	uint64_t number = near[(unsigned int)rand_r(seed) % 6];

	number += (uint64_t)((unsigned int)rand_r(seed) % 5) - 2;
	if (rand_r(seed) % 2)
		number *= PAGE;
	return number;
}

START_TEST(agrees_with_arithmetic_that_cannot_overflow)
{
	unsigned int seed = unit_seed(), first_seed = seed;
	int i, accepted = 0;

	for (i = 0; i < 200000; i++) {
		uint64_t gpa = random_number(&seed), pages = random_number(&seed);
		unsigned __int128 end = (unsigned __int128)pages * 4096 + gpa;
		bool good = pages > 0 && gpa % 4096 == 0 && end <= UINT64_MAX;

		guest_asks(gpa, pages, 0);
		must(good == (decode(0) == 0), "seed %u: gpa 0x%llx, pages 0x%llx", first_seed,
		     (unsigned long long)gpa, (unsigned long long)pages);
		accepted += good;
		must(!good || request.gpa + request.size == (uint64_t)end, "seed %u", first_seed);
	}
	must(accepted > 1000, "seed %u: hardly any good request", first_seed);
}
END_TEST

static uint64_t answer(unsigned int vm_type, int code)
{
	guest_asks(PAGE, 1, 0);
	run.hypercall.ret = NOTHING;
	ck_assert_int_eq(gmem_request_answer(&run, vm_type, code), 0);
	return run.hypercall.ret;
}

START_TEST(answers_as_the_vm_type_wants)
{
	static const unsigned int types[] = { DEFAULT, SW_PROTECTED, SEV, SEV_ES, SNP, TDX, 6, 99 };
	unsigned int type;
	int i, code;

	for (i = 0; i < COUNT(types); i++) {
		type = types[i];
		for (code = 0; code <= 4095; code++) {
			bool again = code == EAGAIN || code == EBUSY || code == EINTR ||
				     code == ECANCELED;
			uint64_t number = code == 0 ? 0 : again ? EAGAIN : EINVAL;
			uint64_t wanted = type == SNP || type == TDX ? number : -number;

			guest_asks(PAGE, 1, 0);
			run.hypercall.ret = NOTHING;
			must(gmem_request_answer(&run, type, -code) == 0, "errno %d", code);
			must(run.hypercall.ret == wanted, "type %u, errno %d", type, code);
		}
	}
	ck_assert_uint_eq(answer(SNP, -EBUSY), EAGAIN);
	ck_assert_uint_eq(answer(TDX, -ENOMEM), EINVAL);
	ck_assert_int_eq((int64_t)answer(SW_PROTECTED, -EAGAIN), -EAGAIN);
	ck_assert_int_eq((int64_t)answer(DEFAULT, -EOPNOTSUPP), -EINVAL);
}
END_TEST

START_TEST(answers_hypercalls_only)
{
	struct kvm_run before;

	guest_faults(PAGE, PAGE, 0);
	before = run;
	ck_assert_int_eq(gmem_request_answer(&run, SNP, -EINVAL), 0);
	ck_assert_mem_eq(&run, &before, sizeof(run));
	guest_asks(PAGE, 1, 0);
	before = run;
	ck_assert_int_eq(gmem_request_answer(&run, SNP, 1), -EINVAL);
	ck_assert_mem_eq(&run, &before, sizeof(run));
	ck_assert_int_eq(gmem_request_answer(NULL, SNP, 0), -EINVAL);
}
END_TEST

static struct gmem_request fault_at(uint64_t gpa)
{
	return (struct gmem_request){ gpa, PAGE, PAGE, GMEM_STATE_PRIVATE, GMEM_REQUEST_FAULT };
}

START_TEST(gives_up_on_a_fault_that_does_not_get_on)
{
	struct gmem_request_repeats repeats = { 0 };
	struct gmem_request fault = fault_at(PAGE);
	int i;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(gmem_request_count(&repeats, &fault, 3, report), 0);
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 3, report), -ELOOP);
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 3, report), -ELOOP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-progress");
	ck_assert_str_contains(explanation(), "guest-physical 0x1000, size 0x1000, to private");
}
END_TEST

START_TEST(has_a_default_and_an_end)
{
	struct gmem_request_repeats repeats = { 0 };
	struct gmem_request fault = fault_at(0);
	int i;

	for (i = 0; i < GMEM_REQUEST_DEFAULT_REPEATS; i++)
		ck_assert_int_eq(gmem_request_count(&repeats, &fault, 0, report), 0);
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 0, report), -ELOOP);
	repeats.count = UINT64_MAX;
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, UINT64_MAX, report), -ELOOP);
	ck_assert_uint_eq(repeats.count, UINT64_MAX);
}
END_TEST

START_TEST(progress_starts_the_count_again)
{
	struct gmem_request_repeats repeats = { 0 };
	struct gmem_request fault = fault_at(PAGE), other[4];
	int i;

	for (i = 0; i < COUNT(other); i++)
		other[i] = fault;
	other[0].gpa += PAGE;
	other[1].size += PAGE;
	other[2].state = GMEM_STATE_SHARED;
	other[3].kind = GMEM_REQUEST_HYPERCALL;
	for (i = 0; i < COUNT(other); i++) {
		ck_assert_int_eq(gmem_request_count(&repeats, &fault, 1, report), 0);
		ck_assert_int_eq(gmem_request_count(&repeats, &other[i], 1, report), 0);
	}
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 1, report), 0);
	ck_assert_int_eq(gmem_request_count(&repeats, NULL, 1, report), 0);
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 1, report), 0);
	ck_assert_int_eq(gmem_request_count(&repeats, &fault, 1, report), -ELOOP);
	/* A hypercall is answered: it may be asked again as often as the guest likes. */
	for (i = 0; i < 100; i++)
		ck_assert_int_eq(gmem_request_count(&repeats, &other[3], 1, report), 0);
	ck_assert_int_eq(gmem_request_count(NULL, &fault, 1, report), -EINVAL);
}
END_TEST

START_TEST(kinds_have_names)
{
	ck_assert_str_eq(gmem_request_kind_name(GMEM_REQUEST_HYPERCALL), "hypercall");
	ck_assert_str_eq(gmem_request_kind_name(GMEM_REQUEST_FAULT), "fault");
	ck_assert_ptr_null(gmem_request_kind_name((enum gmem_request_kind)0));
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("request");
	TCase *tests = scripted_case(suite, "what guests ask for");

	tcase_add_test(tests, our_layout_is_the_kernels);
	tcase_add_test(tests, takes_a_hypercall);
	tcase_add_test(tests, a_page_size_is_not_private_and_not_the_unit);
	tcase_add_test(tests, each_combination_of_attributes_has_one_meaning);
	tcase_add_test(tests, refuses_ranges_that_make_no_sense);
	tcase_add_test(tests, a_report_has_the_guests_range);
	tcase_add_test(tests, takes_a_fault);
	tcase_add_test(tests, a_destroyed_page_is_no_request);
	tcase_add_test(tests, the_kernel_is_not_believed);
	tcase_add_test(tests, every_other_exit_is_the_vmms_business);
	tcase_add_test(tests, no_request_is_no_failure);
	tcase_add_test(tests, needs_its_pointers);
	tcase_add_test(tests, agrees_with_arithmetic_that_cannot_overflow);
	tests = scripted_case(suite, "answers");
	tcase_add_test(tests, answers_as_the_vm_type_wants);
	tcase_add_test(tests, answers_hypercalls_only);
	tests = scripted_case(suite, "faults that repeat");
	tcase_add_test(tests, gives_up_on_a_fault_that_does_not_get_on);
	tcase_add_test(tests, has_a_default_and_an_end);
	tcase_add_test(tests, progress_starts_the_count_again);
	tcase_add_test(tests, kinds_have_names);
	return suite;
}
