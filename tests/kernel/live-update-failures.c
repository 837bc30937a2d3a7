/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update with no memory to be had: every allocation of preserve and of retrieve is made to
 * fail in turn. Preserve leaves everything as it was; retrieve fails for good, and frees what it
 * does not give back. Run it with "lab/lab live-update", in a kernel with fault injection.
 */
#include "fault.h"
#include "free-memory.h"
#include "plan.h"
#include "session.h"
#include "stage.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* One more allocation is made in each, until they are more than one retrieve makes. */
#define FILES	  96
#define STEP	  256
#define VMS	  24
#define VM_STEP	  16384
#define BIG_PAGES 4096

enum {
	VM_TOKEN = 1000,
	GMEM_TOKEN = 0
};

static struct plan plan_of(uint64_t pages)
{
	return (struct plan){ stage_seed(), pages, false, true };
}

static int new_file(int vm, uint64_t pages)
{
	const struct plan plan = plan_of(pages);
	int gmem = new_gmem(vm, pages * PAGE, MAPPABLE | INIT_SHARED);

	plan_create(&plan, gmem, 0);
	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	return gmem;
}

/* ---- preserve ---- */

/* Preserves @file in a session of its own with every allocation failing in turn. */
static unsigned int preserve_with_failures(int file, int gmem)
{
	unsigned int failures = 0;

	for (unsigned int nth = 1;; nth++) {
		int session = new_session(stage_session("failing", 0)), ret;
		bool failed;

		fail_at(nth);
		ret = preserve(session, file, 1);
		failed = has_failed();
		ck_assert_msg(!ret || (failed && ret == -ENOMEM), "allocation %u: %s", nth,
			      error_name(-ret));
		if (ret) {
			must_be_thawed(gmem);
			must_refuse(gmem, NONE, 0);
			failures++;
			/* The session is none the worse for it. */
			must_give(preserve(session, file, 1), 0);
		}
		close(session);
		must_be_thawed(gmem);
		if (!failed)
			return failures;
	}
}

START_TEST(preserve_without_memory)
{
	const struct plan plan = plan_of(FILE_SIZE / PAGE);
	int vm, gmem;

	if (stage_number())
		return;
	vm = new_vm(VM_PROTECTED);
	gmem = new_file(vm, plan.pages);
	/* The description, two arrays and what they are made of; a VM has less. */
	ck_assert_uint_ge(preserve_with_failures(gmem, gmem), 6);
	ck_assert_uint_ge(preserve_with_failures(vm, gmem), 2);
	plan_verify(&plan, gmem, 0);
}
END_TEST

/* ---- retrieve ---- */

/* A descriptor, or ENOMEM for good. */
static int retrieve_with_failure(int session, uint64_t token, uint64_t bytes)
{
	int fd;

	fail_after(bytes);
	fd = retrieve(session, token);
	fail_no_more();
	if (fd < 0) {
		must_give(fd, -ENOMEM);
		must_give(retrieve(session, token), -ENOMEM);
	}
	return fd;
}

START_TEST(retrieve_memory_without_memory)
{
	const struct plan plan = plan_of(FILE_SIZE / PAGE);
	unsigned int failures = 0;
	int session, vm, gmem = -1;

	if (!stage_number()) {
		session = new_session("files");
		vm = new_vm(VM_PROTECTED);
		for (uint64_t i = 0; i < FILES; i++)
			must_give(preserve(session, new_file(vm, plan.pages), GMEM_TOKEN + i), 0);
		must_give(preserve(session, vm, VM_TOKEN), 0);
		keep(session);
		return;
	}
	if (stage_number() > 1)
		return;
	session = old_session("files");
	vm = retrieve(session, VM_TOKEN);
	ck_assert_int_ge(vm, 0);
	for (unsigned int i = 0; i < FILES; i++) {
		gmem = retrieve_with_failure(session, GMEM_TOKEN + i, i * STEP);
		if (gmem < 0) {
			failures++;
			continue;
		}
		plan_verify(&plan, gmem, 0);
		close(gmem);
	}
	printf("# %u of %u retrieves failed\n", failures, FILES);
	ck_assert_msg(gmem >= 0, "more than %u bytes are needed", FILES * STEP);
	ck_assert_uint_ge(failures, 10);
	must_give(finish(session), 0);
}
END_TEST

/* A VM that its memory needs, and that cannot be had, is gone for its other files, too. */
START_TEST(retrieve_a_vm_without_memory)
{
	unsigned int failures = 0;
	char name[32];

	for (unsigned int i = 0; i < VMS && stage_number() < 2; i++) {
		int session, vm, gmem;

		snprintf(name, sizeof(name), "vm-%u", i);
		if (!stage_number()) {
			session = new_session(name);
			vm = new_vm(VM_PROTECTED);
			must_give(preserve(session, new_file(vm, 1), GMEM_TOKEN), 0);
			must_give(preserve(session, new_file(vm, 1), GMEM_TOKEN + 1), 0);
			must_give(preserve(session, vm, VM_TOKEN), 0);
			keep(session);
			continue;
		}
		session = old_session(name);
		gmem = retrieve_with_failure(session, GMEM_TOKEN, i * VM_STEP);
		vm = retrieve(session, VM_TOKEN);
		if (vm < 0) {
			failures++;
			must_give(vm, -ENOMEM);
			must_give(gmem, -ENOMEM);
			must_give(retrieve(session, GMEM_TOKEN + 1), -ENOMEM);
		} else {
			gmem = retrieve(session, GMEM_TOKEN + 1);
			ck_assert_msg(gmem >= 0, "%s", error_name(-gmem));
		}
		must_give(finish(session), 0);
		close(session);
	}
	if (stage_number() != 1)
		return;
	printf("# %u of %u VMs failed\n", failures, VMS);
	ck_assert_uint_ge(failures, 3);
	ck_assert_uint_lt(failures, VMS);
}
END_TEST

START_TEST(a_failed_retrieve_frees_all_memory)
{
	uint64_t before;
	int session, vm;

	if (!stage_number()) {
		session = new_session("big");
		vm = new_vm(VM_PROTECTED);
		must_give(preserve(session, new_file(vm, BIG_PAGES), GMEM_TOKEN), 0);
		must_give(preserve(session, vm, VM_TOKEN), 0);
		keep(session);
		return;
	}
	if (stage_number() > 1)
		return;
	session = old_session("big");
	ck_assert_int_ge(retrieve(session, VM_TOKEN), 0);
	must_give(free_memory_now(&before), 0);
	/* The page cache takes some 600 bytes per 64 pages, so that this is in the middle. */
	must_give(retrieve_with_failure(session, GMEM_TOKEN, BIG_PAGES / 64 * 300), -ENOMEM);
	must_have_freed(before, BIG_PAGES * PAGE);
	must_give(finish(session), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("live-update-failures");
	TCase *failures = new_case(suite, "failures");

	need_in_place();
	need_live_update();
	need_fault_injection();
	stage_begin();
	start_holder();
	tcase_add_test(failures, preserve_without_memory);
	tcase_add_test(failures, retrieve_memory_without_memory);
	tcase_add_test(failures, retrieve_a_vm_without_memory);
	tcase_add_test(failures, a_failed_retrieve_frees_all_memory);
	return run_suite(suite);
}
