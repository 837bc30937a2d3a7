/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update through real kexecs: every stage looks at what the kernel before has left, and hands
 * it on. Run it with "lab/lab live-update --cycles 3"; what does not need a kexec is in
 * live-update.c.
 */
#include "session.h"
#include "free-memory.h"
#include "plan.h"
#include "stage.h"

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

#define KVM_CREATE_VCPU _IO(GMEM_KVMIO, 0x41)

#define GPA   (1ULL << 30)
#define PAGES 1024

enum {
	VM_TOKEN = 7,
	GMEM_TOKEN = 3
};

static uint64_t stage, seed;
static bool is_last;

/* ---- what comes in and goes out: sessions are named by case and stage ---- */

static int incoming(const char *what)
{
	return old_session(stage_session(what, stage - 1));
}

static int outgoing(const char *what)
{
	return new_session(stage_session(what, stage));
}

static int must_retrieve(int session, uint64_t token)
{
	int fd = retrieve(session, token);

	ck_assert_msg(fd >= 0, "retrieve token 0x%llx: %s", (unsigned long long)token,
		      error_name(-fd));
	return fd;
}

static void finish_and_close(int session)
{
	must_give(finish(session), 0);
	close(session);
}

/* A retrieved VM is as good as a new one. */
static void vm_must_be_usable(int vm, int gmem, uint64_t size)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

	ck_assert_msg(vcpu >= 0, "KVM_CREATE_VCPU: %s", strerror(errno));
	must_give(set_slot(vm, 1, GPA, size, gmem, 0), 0);
	must_give(delete_slot(vm, 1), 0);
	close(vcpu);
}

static void file_must_be_retrieved(int gmem)
{
	struct gmem_uapi_live_update said = live_update(gmem);

	ck_assert_uint_eq(said.status, GMEM_UAPI_LIVE_UPDATE_RETRIEVED);
	ck_assert_uint_eq(said.options, 0);
	ck_assert_uint_eq(said.refusal, GMEM_UAPI_REFUSAL_ALREADY);
}

/* ---- one file of one VM, kexec after kexec ---- */

struct one {
	const char *name;
	unsigned int type;
	uint64_t flags;
	struct plan plan;
	bool memory_first; /* in preserving and retrieving; the other way round each other time */
};

static void send(const struct one *one, int vm, int gmem)
{
	int session = outgoing(one->name);
	bool memory_first = one->memory_first ^ (stage & 1);

	if (one->plan.mixed)
		must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	if (memory_first)
		must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	must_give(preserve(session, vm, VM_TOKEN), 0);
	if (!memory_first)
		must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	keep(session);
}

static void receive(const struct one *one, int *ret_session, int *ret_vm, int *ret_gmem)
{
	*ret_session = incoming(one->name);
	if (one->memory_first)
		*ret_gmem = must_retrieve(*ret_session, GMEM_TOKEN);
	*ret_vm = must_retrieve(*ret_session, VM_TOKEN);
	if (!one->memory_first)
		*ret_gmem = must_retrieve(*ret_session, GMEM_TOKEN);
}

static void go_on(struct one *one)
{
	const struct plan *plan = &one->plan;
	int session, vm = -1, gmem = -1;

	one->plan.seed = seed;
	if (!stage) {
		vm = new_vm(one->type);
		gmem = new_gmem(vm, plan->pages * PAGE, MAPPABLE | one->flags);
		plan_create(plan, gmem, stage);
	} else {
		receive(one, &session, &vm, &gmem);
		file_must_be_retrieved(gmem);
		plan_verify(plan, gmem, stage - 1);
		vm_must_be_usable(vm, gmem, plan->pages * PAGE);
		plan_change(plan, gmem, stage);
		finish_and_close(session);
	}
	if (!is_last)
		send(one, vm, gmem);
}

START_TEST(mixed_states_come_back_exactly)
{
	go_on(&(struct one){ "mixed", VM_PROTECTED, INIT_SHARED, { 0, PAGES, true, true }, false });
}
END_TEST

START_TEST(shared_memory_of_a_default_vm_comes_back)
{
	go_on(&(struct one){ "default", VM_DEFAULT, INIT_SHARED, { 0, PAGES, true, false }, true });
}
END_TEST

START_TEST(shared_memory_of_a_protected_vm_comes_back)
{
	go_on(&(struct one){
		"shared", VM_PROTECTED, INIT_SHARED, { 0, PAGES, false, false }, true });
}
END_TEST

START_TEST(mixed_states_come_back_before_their_vm)
{
	go_on(&(struct one){ "first", VM_PROTECTED, INIT_SHARED, { 0, PAGES, false, true }, true });
}
END_TEST

/* ---- other shapes of one file ---- */

/* All private, with no page at all in the second half. */
START_TEST(a_private_file_comes_back_private)
{
	int session, vm, gmem;
	uint8_t *at;

	if (!stage) {
		vm = new_vm(VM_PROTECTED);
		gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_PRIVATE);
		must_give(allocate(gmem, 0, FILE_SIZE / 2), 0);
	} else {
		session = incoming("private");
		gmem = must_retrieve(session, GMEM_TOKEN);
		vm = must_retrieve(session, VM_TOKEN);
		at = map_gmem(gmem, 0, FILE_SIZE);
		for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
			must_sigbus(at + offset);
		must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
		must_hold(at, stage - 1);
		must_hold(at + PAGE, 0);
		munmap(at, FILE_SIZE);
		finish_and_close(session);
	}
	if (is_last)
		return;
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	at = map_gmem(gmem, 0, FILE_SIZE);
	must_write(at, stage);
	munmap(at, FILE_SIZE);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	send(&(struct one){ .name = "private", .plan.mixed = true }, vm, gmem);
}
END_TEST

/* Nothing but a size, from a file of a single page on. */
START_TEST(a_file_without_pages_comes_back)
{
	for (uint64_t size = PAGE; size <= PAGE << 20; size <<= 10) {
		char name[32];
		int session, vm, gmem;

		snprintf(name, sizeof(name), "empty-%llx", (unsigned long long)size);
		if (!stage) {
			vm = new_vm(VM_DEFAULT);
			gmem = new_gmem(vm, size, MAPPABLE | INIT_SHARED);
		} else {
			const struct plan plan = { 0, size / PAGE, false, false };
			struct gmem_uapi_extent extent;
			struct gmem_uapi_query query = {
				.size = plan.pages * PAGE,
				.flags = GMEM_UAPI_QUERY_ALLOCATED,
				.extents = (uintptr_t)&extent,
				.nr_extents = 1,
			};

			session = incoming(name);
			gmem = must_retrieve(session, GMEM_TOKEN);
			vm = must_retrieve(session, VM_TOKEN);
			must_give(ioctl(gmem, GMEM_UAPI_QUERY, &query) ? -errno : 0, 0);
			ck_assert_uint_eq(extent.size, size);
			ck_assert_uint_eq(extent.attributes, SHARED);
			ck_assert_uint_eq(extent.allocated, 0);
			finish_and_close(session);
		}
		if (!is_last)
			send(&(struct one){ .name = name }, vm, gmem);
	}
}
END_TEST

/* Allocated or not, touched or not: what is written after preserve comes through. */
START_TEST(what_is_written_late_is_not_lost)
{
	int session, vm, gmem;
	uint8_t *at;

	if (!stage) {
		vm = new_vm(VM_PROTECTED);
		gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
		must_give(allocate(gmem, 0, FILE_SIZE), 0);
		at = map_gmem(gmem, 0, FILE_SIZE);
		must_write(at, 1);
		send(&(struct one){ .name = "late" }, vm, gmem);
		/* The first page has been touched, the others have not. */
		for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
			must_write(at + offset + 5, 0x55);
		return;
	}
	if (stage > 1)
		return;
	session = incoming("late");
	gmem = must_retrieve(session, GMEM_TOKEN);
	at = map_gmem(gmem, 0, FILE_SIZE);
	must_hold(at, 1);
	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE) {
		must_hold(at + offset + 5, 0x55);
		must_hold(at + offset + 6, 0);
	}
	finish_and_close(session);
}
END_TEST

START_TEST(two_vms_share_a_session)
{
	/* VMs have even tokens, each followed by its files. */
	static const uint64_t tokens[2][3] = { { 0, 1, 3 }, { 1ULL << 63, ~0ULL, 5 } };
	int session, vm, gmem;
	uint8_t *at;

	if (!stage) {
		session = outgoing("two");
		for (int i = 0; i < 2; i++) {
			vm = new_vm(i ? VM_PROTECTED : VM_DEFAULT);
			for (int j = 1; j < 3; j++) {
				gmem = new_gmem(vm, j * PAGE, MAPPABLE | INIT_SHARED);
				at = map_gmem(gmem, 0, PAGE);
				must_write(at, 10 * i + j);
				must_give(preserve(session, gmem, tokens[i][j]), 0);
			}
			must_give(preserve(session, vm, tokens[i][0]), 0);
		}
		keep(session);
		return;
	}
	if (stage > 1)
		return;
	session = incoming("two");
	for (int i = 1; i >= 0; i--) {
		for (int j = 1; j < 3; j++) {
			gmem = must_retrieve(session, tokens[i][j]);
			vm = must_retrieve(session, tokens[i][0]);
			at = map_gmem(gmem, 0, PAGE);
			must_hold(at, 10 * i + j);
			/* It belongs to this VM, and not to the other. */
			must_give(set_slot(vm, j, j * GPA, j * PAGE, gmem, 0), 0);
			close(vm);
			vm = must_retrieve(session, tokens[!i][0]);
			must_give(set_slot(vm, 9, 9 * GPA, PAGE, gmem, 0), -EINVAL);
			close(vm);
		}
	}
	/* Again is the same file; what is not there is not. */
	gmem = must_retrieve(session, 5);
	at = map_gmem(gmem, 0, PAGE);
	must_hold(at, 12);
	must_give(retrieve(session, 4), -ENOENT);
	must_give(finish(session), 0);
	must_give(finish(session), 0);
	must_give(retrieve(session, 5), -ENOENT);
	close(session);
}
END_TEST

START_TEST(a_file_is_held_until_its_session_is_finished)
{
	int session, other, vm, gmem;

	if (!stage) {
		vm = new_vm(VM_DEFAULT);
		gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
		send(&(struct one){ .name = "held" }, vm, gmem);
		return;
	}
	if (stage > 1)
		return;
	session = incoming("held");
	gmem = must_retrieve(session, GMEM_TOKEN);
	vm = must_retrieve(session, VM_TOKEN);
	other = outgoing("held");
	must_refuse(gmem, ALREADY, 0);
	must_give(preserve(other, gmem, 1), -EBUSY);
	must_give(preserve(other, vm, 2), -EBUSY);
	/* Held is not frozen. */
	must_be_thawed(gmem);
	/* The last close of a session finishes it. */
	close(session);
	must_refuse(gmem, NONE, 0);
	must_give(preserve(other, gmem, 1), 0);
	must_be_frozen(gmem);
	close(other);
	must_give(try_retrieve_session(stage_session("held", 0)), -ENOENT);
}
END_TEST

/* ---- what is not wanted any more ---- */

#define BIG_PAGES 4096
#define BIG_SIZE  (BIG_PAGES * PAGE)

static void send_big(const char *what, bool mixed)
{
	const struct plan plan = { seed, BIG_PAGES, false, mixed };
	int vm = new_vm(VM_PROTECTED);
	int gmem = new_gmem(vm, plan.pages * PAGE, MAPPABLE | INIT_SHARED);

	plan_create(&plan, gmem, 0);
	send(&(struct one){ .name = what, .plan = plan }, vm, gmem);
}

/* Once with the session asked for, once by its last close. */
START_TEST(memory_that_nobody_retrieves_is_freed)
{
	static const char *const names[] = { "unwanted", "unwanted-mixed" };
	uint64_t before;

	for (int i = 0; i < 2; i++) {
		int session;

		if (!stage) {
			send_big(names[i], i);
			continue;
		}
		if (stage > 1)
			return;
		session = incoming(names[i]);
		must_give(free_memory_now(&before), 0);
		if (i)
			must_give(finish(session), 0);
		close(session);
		must_have_freed(before, BIG_SIZE);
	}
}
END_TEST

/* The file outlives a VM that nobody else can reach, and goes with its last descriptor. */
START_TEST(memory_may_come_without_its_vm)
{
	const struct plan plan = { seed, BIG_PAGES, false, true };
	uint64_t before;
	int session, gmem;

	if (!stage)
		send_big("alone", true);
	if (stage != 1)
		return;
	session = incoming("alone");
	gmem = must_retrieve(session, GMEM_TOKEN);
	finish_and_close(session);
	must_refuse(gmem, VM_GONE, 0);
	plan_verify(&plan, gmem, 0);
	must_give(free_memory_now(&before), 0);
	close(gmem);
	must_have_freed(before, BIG_SIZE);
}
END_TEST

/* ---- what does not take place ---- */

START_TEST(a_killed_holder_cancels_it)
{
	int vm, gmem, session, status;
	pid_t other;

	if (stage) {
		must_give(try_retrieve_session(stage_session("killed", stage - 1)), -ENOENT);
		return;
	}
	vm = new_vm(VM_DEFAULT);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	session = outgoing("killed");
	must_give(preserve(session, vm, VM_TOKEN), 0);
	must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	other = fork();
	ck_assert_int_ge(other, 0);
	if (!other)
		for (;;)
			pause();
	close(session);
	must_be_frozen(gmem);
	kill(other, SIGKILL);
	ck_assert(waitpid(other, &status, 0) == other);
	must_be_thawed(gmem);
	must_refuse(gmem, NONE, 0);
}
END_TEST

static void must_not_kexec(int expected)
{
	must_give(try_kexec(), expected);
}

START_TEST(a_vm_that_is_missing_stops_it)
{
	int vm, gmem, session, other;

	if (stage)
		return;
	vm = new_vm(VM_DEFAULT);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	session = outgoing("missing");
	must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	must_not_kexec(-ENOENT);
	must_be_frozen(gmem);
	/* In another session it is as good as missing. */
	other = outgoing("elsewhere");
	must_give(preserve(other, vm, VM_TOKEN), 0);
	must_not_kexec(-ENOENT);
	close(other);
	close(vm);
	must_not_kexec(-ENOENT);
	close(session);
	must_be_thawed(gmem);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
}
END_TEST

START_TEST(a_page_that_is_poisoned_late_stops_it)
{
	int vm, gmem, session, corrupt, pagemap;
	uint64_t entry;
	uint8_t *at;
	char text[32];

	if (stage)
		return;
	corrupt = open("/sys/kernel/debug/hwpoison/corrupt-pfn", O_WRONLY | O_CLOEXEC);
	if (corrupt < 0) {
		skip_case("a_page_that_is_poisoned_late_stops_it", "no corrupt-pfn: %s",
			  strerror(errno));
		return;
	}
	vm = new_vm(VM_DEFAULT);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	at = map_gmem(gmem, 0, FILE_SIZE);
	must_write(at, 1);
	session = outgoing("poisoned");
	must_give(preserve(session, vm, VM_TOKEN), 0);
	must_give(preserve(session, gmem, GMEM_TOKEN), 0);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ck_assert(pread(pagemap, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) == 8);
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)(entry & ((1ULL << 55) - 1)));
	ck_assert(write(corrupt, text, strlen(text)) > 0 || errno == EBUSY);
	must_not_kexec(-EHWPOISON);
	close(session);
	must_refuse(gmem, POISONED, 0);
	must_give(punch(gmem, 0, PAGE), 0);
	must_be_thawed(gmem);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *comes = new_case(suite, "comes");
	TCase *goes = new_case(suite, "goes");

	tcase_add_test(comes, mixed_states_come_back_exactly);
	tcase_add_test(comes, mixed_states_come_back_before_their_vm);
	tcase_add_test(comes, shared_memory_of_a_default_vm_comes_back);
	tcase_add_test(comes, shared_memory_of_a_protected_vm_comes_back);
	tcase_add_test(comes, a_private_file_comes_back_private);
	tcase_add_test(comes, a_file_without_pages_comes_back);
	tcase_add_test(comes, what_is_written_late_is_not_lost);
	tcase_add_test(comes, two_vms_share_a_session);
	tcase_add_test(comes, a_file_is_held_until_its_session_is_finished);
	tcase_add_test(goes, memory_that_nobody_retrieves_is_freed);
	tcase_add_test(goes, memory_may_come_without_its_vm);
	/* Those that try a kexec come last: it must not hurt the sessions that there are. */
	tcase_add_test(goes, a_killed_holder_cancels_it);
	tcase_add_test(goes, a_vm_that_is_missing_stops_it);
	tcase_add_test(goes, a_page_that_is_poisoned_late_stops_it);
}

int main(void)
{
	Suite *suite = suite_create("live-update-stages");

	need_in_place();
	need_live_update();
	need_debugfs();
	stage_begin();
	stage = stage_number();
	seed = stage_seed();
	is_last = stage_is_last();
	start_holder();
	add_tests(suite);
	return run_suite(suite);
}
