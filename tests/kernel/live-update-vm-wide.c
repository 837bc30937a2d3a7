/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update in the kernel's other mode, kvm.gmem_in_place_conversion=0: a file is all shared or
 * all private for good, and there is no option to preserve the latter.
 */
#include "session.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int session;

static void open_session(void)
{
	session = new_session("vm-wide");
}

static void close_session(void)
{
	close(session);
}

START_TEST(the_capability_knows_shared_files_only)
{
	int vm = new_vm(VM_PROTECTED);

	ck_assert_int_eq(system_capability(GMEM_CAP_LIVE_UPDATE), GMEM_UAPI_LIVE_UPDATE_ON);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_LIVE_UPDATE), GMEM_UAPI_LIVE_UPDATE_ON);
	close(vm);
}
END_TEST

START_TEST(a_shared_file_is_frozen_and_thawed)
{
	int vm = new_vm(VM_DEFAULT), gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(gmem, 0, FILE_SIZE);

	must_write(at, 1);
	must_refuse(gmem, NONE, 0);
	must_give(preserve(session, vm, 1), 0);
	must_give(preserve(session, gmem, 2), 0);
	must_be_frozen(gmem);
	must_hold(at, 1);
	must_sigbus(at + PAGE);
	close(session);
	must_be_thawed(gmem);
	must_hold(at + PAGE, 0);
	session = new_session("again");
	munmap(at, FILE_SIZE);
	close(gmem);
	close(vm);
}
END_TEST

START_TEST(a_private_file_is_refused_for_good)
{
	for (unsigned int type = VM_DEFAULT; type <= VM_PROTECTED; type++) {
		int vm = new_vm(type), gmem = new_gmem(vm, FILE_SIZE, INIT_PRIVATE);

		must_give(allocate(gmem, 0, PAGE), 0);
		must_refuse(gmem, PRIVATE, 0);
		must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), -EINVAL);
		must_give(preserve(session, gmem, 2), -EACCES);
		must_be_thawed(gmem);
		close(gmem);
		close(vm);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("live-update-vm-wide");
	TCase *files = new_case(suite, "files");

	need_vm_wide();
	need_live_update();
	tcase_add_checked_fixture(files, open_session, close_session);
	tcase_add_test(files, the_capability_knows_shared_files_only);
	tcase_add_test(files, a_shared_file_is_frozen_and_thawed);
	tcase_add_test(files, a_private_file_is_refused_for_good);
	return run_suite(suite);
}
