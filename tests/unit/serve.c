/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "layout.h"
#include "lib/uapi/run.h"

#define SW_PROTECTED 1

/* The type in the kernel's header may be larger; what is decoded lies in this. */
static union {
	struct gmem_uapi_run known;
	unsigned char bytes[2048];
} vcpu;
static struct gmem_server server;

static struct kvm_run *run_of_vcpu(void)
{
	return (struct kvm_run *)&vcpu;
}

static int serve(int run_result)
{
	gmem_error_free(report);
	ck_assert_int_eq(gmem_error_new(&report), 0);
	return gmem_space_serve(layout.space, run_of_vcpu(), run_result, &server, report);
}

static int ask(uint64_t gpa, uint64_t pages, uint64_t attributes)
{
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.known.exit_reason = GMEM_UAPI_EXIT_HYPERCALL;
	vcpu.known.hypercall.nr = GMEM_UAPI_HC_MAP_GPA_RANGE;
	vcpu.known.hypercall.args[0] = gpa;
	vcpu.known.hypercall.args[1] = pages;
	vcpu.known.hypercall.args[2] = attributes;
	vcpu.known.hypercall.ret = 77;
	return serve(0);
}

static int touch(uint64_t page, bool private)
{
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.known.exit_reason = GMEM_UAPI_EXIT_MEMORY_FAULT;
	vcpu.known.memory_fault.gpa = page * PAGE;
	vcpu.known.memory_fault.size = PAGE;
	vcpu.known.memory_fault.flags = private ? GMEM_UAPI_MEMORY_FAULT_PRIVATE : 0;
	return serve(-EFAULT);
}

static void begin_of_type(uint64_t vm_type)
{
	struct gmem_space_options options = { .size = sizeof(options), .vm_type = vm_type };

	layout_begin(GMEM_MODE_IN_PLACE, &options);
	server = (struct gmem_server){ .size = sizeof(server) };
}

static void begin(void)
{
	begin_of_type(SW_PROTECTED);
}

static void end(void)
{
	layout_end();
}

START_TEST(serves_a_hypercall_with_one_system_call_and_no_allocation)
{
	int before, r;

	ck_assert_int_eq(ask(2 * PAGE, 3, 0), 0);
	before = machine.calls;
	r = WITHOUT_MEMORY(gmem_space_serve(layout.space, run_of_vcpu(), 0, &server, report));
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(machine.calls - before, 1);
}
END_TEST

START_TEST(converts_what_a_hypercall_asks_for)
{
	ck_assert_int_eq(ask(2 * PAGE, 3, 0), 0);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, 0);
	ck_assert_int_eq(server.result, 0);
	ck_assert_uint_eq(server.request.gpa, 2 * PAGE);
	ck_assert_uint_eq(server.request.size, 3 * PAGE);
	layout_check_state(2, 5, GMEM_STATE_SHARED);
	/* The size of pages is no request for private memory. */
	ck_assert_int_eq(ask(20 * PAGE, 1, GMEM_UAPI_MAP_GPA_2M), 0);
	layout_check_state(20, 21, GMEM_STATE_SHARED);
	ck_assert_int_eq(ask(2 * PAGE, 19, GMEM_UAPI_MAP_GPA_PRIVATE), 0);
	layout_check_state(0, 32, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

START_TEST(converts_what_a_fault_asks_for)
{
	ck_assert_int_eq(touch(17, false), 0);
	layout_check_state(17, 18, GMEM_STATE_SHARED);
	ck_assert_int_eq(touch(17, true), 0);
	layout_check_state(17, 18, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

static const struct {
	uint64_t gpa, pages, attributes;
	int code;
} nonsense[] = {
	{ 1, 1, 0, -EINVAL },
	{ 0, 0, 0, -EINVAL },
	{ 0, UINT64_MAX / PAGE + 1, 0, -EINVAL },
	{ UINT64_MAX - PAGE + 1, 1, 0, -EINVAL },
	{ 0, 1, 1 << 5, -EINVAL },
	{ 33 * PAGE, 1, 0, -ENXIO },
	{ 31 * PAGE, 2, GMEM_UAPI_MAP_GPA_PRIVATE, -ENXIO },
};

START_TEST(a_guest_that_asks_for_nonsense_is_told_so_and_goes_on)
{
	ck_assert_int_eq(ask(nonsense[_i].gpa, nonsense[_i].pages, nonsense[_i].attributes), 0);
	ck_assert_int_eq(server.result, nonsense[_i].code);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, (uint64_t)-EINVAL);
	ck_assert_int_eq(gmem_error_get_code(report), nonsense[_i].code);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_space_serve");
	layout_check_state(0, LAYOUT_PAGES, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

START_TEST(answers_as_the_vm_type_wants)
{
	static const uint64_t types[] = { SW_PROTECTED, GMEM_UAPI_VM_SNP, GMEM_UAPI_VM_TDX };
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };
	bool positive = types[_i] != SW_PROTECTED;

	begin_of_type(types[_i]);
	server.convert = &options;
	ck_assert_int_eq(ask(0, 1, 0), 0);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, 0);
	machine_file(layout.files[0])->busy[0] = INT32_MAX;
	ck_assert_int_eq(ask(0, 1, GMEM_UAPI_MAP_GPA_PRIVATE), 0);
	ck_assert_int_eq(server.result, -EAGAIN);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, positive ? EAGAIN : (uint64_t)-EAGAIN);
	ck_assert_int_eq(ask(33 * PAGE, 1, 0), 0);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, positive ? EINVAL : (uint64_t)-EINVAL);
	layout_end();
}
END_TEST

START_TEST(a_fault_that_cannot_be_served_fails)
{
	struct gmem_convert_options options = { .size = sizeof(options), .max_attempts = 1 };

	server.convert = &options;
	ck_assert_int_eq(touch(33, false), -ENXIO);
	ck_assert_int_eq(touch(1, false), 0);
	machine_file(layout.files[0])->busy[1] = INT32_MAX;
	ck_assert_int_eq(touch(1, true), -EAGAIN);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_space_serve");
	machine_file(layout.files[0])->busy[1] = 0;
	options.step_size = PAGE;
	ck_assert_int_eq(touch(1, true), -EINVAL);
	layout_check();
}
END_TEST

START_TEST(what_is_no_request_is_left_to_the_caller)
{
	static const int results[] = { -EINTR, -EAGAIN, -EIO };
	int i;

	memset(&vcpu, 0, sizeof(vcpu));
	ck_assert_int_eq(serve(0), -ENODATA);
	vcpu.known.exit_reason = GMEM_UAPI_EXIT_HYPERCALL;
	vcpu.known.hypercall.nr = 5;
	ck_assert_int_eq(serve(0), -ENODATA);
	ck_assert_int_eq(gmem_error_get_code(report), 0);
	ck_assert_int_eq(touch(1, false), 0);
	for (i = 0; i < COUNT(results); i++)
		ck_assert_int_eq(serve(results[i]), -ENODATA);
	ck_assert_int_eq(serve(-EHWPOISON), -EHWPOISON);
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_space_serve");
}
END_TEST

START_TEST(gives_up_on_a_fault_that_comes_again_and_again)
{
	int i;

	server.max_repeats = 5;
	for (i = 0; i < 5; i++)
		ck_assert_int_eq(touch(1, false), 0);
	ck_assert_int_eq(touch(1, false), -ELOOP);
	ck_assert_str_eq(gmem_error_get_cause(report), "no-progress");
	ck_assert_str_eq(gmem_error_get_call(report), "gmem_space_serve");
	ck_assert_int_eq(touch(2, false), 0);
	ck_assert_int_eq(touch(1, false), 0);
	/* Any other exit is progress. */
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(touch(1, false), 0);
		memset(&vcpu, 0, sizeof(vcpu));
		ck_assert_int_eq(serve(0), -ENODATA);
	}
}
END_TEST

static struct {
	uint64_t gpa, size;
	enum gmem_state state;
	int answer;
} allowed;

static int allow(uint64_t gpa, uint64_t size, enum gmem_state state, void *data)
{
	ck_assert_ptr_eq(data, &allowed);
	allowed.gpa = gpa;
	allowed.size = size;
	allowed.state = state;
	return allowed.answer;
}

START_TEST(the_caller_can_refuse)
{
	server.allow = allow;
	server.allow_data = &allowed;
	allowed.answer = 0;
	ck_assert_int_eq(ask(2 * PAGE, 3, 0), 0);
	ck_assert_uint_eq(allowed.gpa, 2 * PAGE);
	ck_assert_uint_eq(allowed.size, 3 * PAGE);
	ck_assert_int_eq(allowed.state, GMEM_STATE_SHARED);
	allowed.answer = -EPERM;
	ck_assert_int_eq(ask(8 * PAGE, 3, 0), 0);
	ck_assert_int_eq(server.result, -EACCES);
	ck_assert_uint_eq(vcpu.known.hypercall.ret, (uint64_t)-EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-allowed");
	ck_assert_int_eq(touch(9, false), -EACCES);
	allowed.answer = -EAGAIN;
	ck_assert_int_eq(ask(8 * PAGE, 3, 0), 0);
	ck_assert_int_eq(server.result, -EAGAIN);
	ck_assert_int_eq(touch(9, false), -EAGAIN);
	layout_check_state(8, 11, GMEM_STATE_PRIVATE);
	layout_check();
}
END_TEST

START_TEST(refuses_a_server_that_makes_no_sense)
{
	memset(&vcpu, 0, sizeof(vcpu));
	server.size = 8;
	ck_assert_int_eq(serve(0), -EINVAL);
	server.size = sizeof(server);
	server.reserved = 1;
	ck_assert_int_eq(serve(0), -EINVAL);
	server.reserved = 0;
	server.size = 4097;
	ck_assert_int_eq(serve(0), -E2BIG);
	server.size = sizeof(server);
	ck_assert_int_eq(gmem_space_serve(NULL, run_of_vcpu(), 0, &server, report), -EINVAL);
	ck_assert_int_eq(gmem_space_serve(layout.space, NULL, 0, &server, report), -EINVAL);
	ck_assert_int_eq(gmem_space_serve(layout.space, run_of_vcpu(), 0, NULL, report), -EINVAL);
}
END_TEST

Suite *unit_suite(void)
{
	Suite *suite = suite_create("serve");
	TCase *tests = scripted_case(suite, "requests");
	TCase *types = scripted_case(suite, "VM types");

	tcase_add_checked_fixture(tests, begin, end);
	tcase_add_test(tests, serves_a_hypercall_with_one_system_call_and_no_allocation);
	tcase_add_test(tests, converts_what_a_hypercall_asks_for);
	tcase_add_test(tests, converts_what_a_fault_asks_for);
	tcase_add_loop_test(tests, a_guest_that_asks_for_nonsense_is_told_so_and_goes_on, 0,
			    COUNT(nonsense));
	tcase_add_test(tests, a_fault_that_cannot_be_served_fails);
	tcase_add_test(tests, what_is_no_request_is_left_to_the_caller);
	tcase_add_test(tests, gives_up_on_a_fault_that_comes_again_and_again);
	tcase_add_test(tests, the_caller_can_refuse);
	tcase_add_test(tests, refuses_a_server_that_makes_no_sense);
	tcase_add_loop_test(types, answers_as_the_vm_type_wants, 0, 3);
	return suite;
}
