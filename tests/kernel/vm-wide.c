/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's other mode, kvm.gmem_in_place_conversion=0: private and shared is told by attributes
 * of the VM's address space, a page has two backings, and a guest_memfd cannot be converted. All of
 * this is what Linux 7.3 does, so the program passes on an unpatched kernel too.
 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestvm.h"

#define GPA (1ULL << 30)

static struct guestvm *guest;
static int vm, gmem;
static uint8_t *ordinary;

/* What VMMs do today: private memory from the file, shared memory from elsewhere. */
static void open_two_backings(void)
{
	const char *step = NULL;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED }, &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	vm = guestvm_vm_fd(guest);
	gmem = new_gmem(vm, FILE_SIZE, 0);
	ordinary =
		mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(ordinary != MAP_FAILED);
	must_give(guestvm_set_slot(guest,
				   &(struct guestvm_slot){
					   .gpa = GPA,
					   .size = FILE_SIZE,
					   .gmem_fd = gmem,
					   .userspace_addr = (uintptr_t)ordinary,
				   }),
		  0);
}

static void close_two_backings(void)
{
	close(gmem);
	guestvm_destroy(guest);
	munmap(ordinary, FILE_SIZE);
}

static uint64_t guest_reads(uint64_t offset)
{
	struct guestvm_cmd cmd = { GUESTVM_READ64, { GPA + offset } };
	struct guestvm_result result;

	must_give(guestvm_run_done(guest, 0, &cmd, 0, &result), 0);
	ck_assert_int_eq(result.exit, GUESTVM_DONE);
	return result.value;
}

static void guest_writes(uint64_t offset, uint64_t value)
{
	struct guestvm_cmd cmd = { GUESTVM_WRITE64, { GPA + offset, value } };
	struct guestvm_result result;

	must_give(guestvm_run_done(guest, 0, &cmd, 0, &result), 0);
	ck_assert_int_eq(result.exit, GUESTVM_DONE);
}

/* ---- the file ---- */

START_TEST(a_file_cannot_be_converted_and_that_is_told_first)
{
	static const struct gmem_uapi_attributes requests[] = {
		{ .size = FILE_SIZE, .attributes = PRIVATE },
		{ .size = FILE_SIZE, .attributes = SHARED },
		{ .size = 0 },
		{ .size = FILE_SIZE, .flags = 1 },
		{ .size = FILE_SIZE, .reserved[10] = 1 },
		{ .size = FILE_SIZE, .attributes = 1 },
		{ .size = FILE_SIZE * 2 },
	};
	int plain_vm = new_vm(VM_DEFAULT);
	int plain = new_gmem(plain_vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	int mappable = new_gmem(vm, FILE_SIZE, MAPPABLE);

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct gmem_uapi_attributes request = requests[i];

		must_give(convert_raw(gmem, &request), -ENOTTY);
		must_give(convert_raw(mappable, &request), -ENOTTY);
		must_give(convert_raw(plain, &request), -ENOTTY);
		ck_assert(!memcmp(&request, &requests[i], sizeof(request)));
	}
	must_give(convert_raw(gmem, NULL), -ENOTTY);
	must_give(convert_raw(plain, (void *)-PAGE), -ENOTTY);
	close(mappable);
	close(plain);
	close(plain_vm);
}
END_TEST

/* Unpatched kernels have none at all. */
START_TEST(a_file_has_no_commands)
{
	struct gmem_uapi_attributes one = { .size = PAGE };
	struct gmem_uapi_conversion many = { .size = PAGE };
	struct ring ring;
	int ret;

	ck_assert_int_eq(system_capability(GMEM_CAP_URING), 0);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_URING), 0);
	must_give(ring_open(&ring), 0);
	ret = command_run(&ring, command_set(gmem, &one));
	ck_assert(ret == -ENOTTY || ret == -EOPNOTSUPP);
	must_give(command_run(&ring, command_convert(gmem, &many, 1, 0)), ret);
	ring_close(&ring);
}
END_TEST

START_TEST(a_vm_with_private_memory_has_no_file_that_starts_shared)
{
	must_give(try_new_gmem(vm, FILE_SIZE, INIT_SHARED), -EINVAL);
	must_give(try_new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED), -EINVAL);
}
END_TEST

START_TEST(the_host_never_reaches_private_memory_whatever_the_attributes)
{
	int mappable = new_gmem(vm, FILE_SIZE, MAPPABLE);
	uint8_t *at = map_gmem(mappable, 0, FILE_SIZE);

	must_sigbus(at);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
	must_sigbus(at);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, SHARED), 0);
	must_sigbus(at);
	munmap(at, FILE_SIZE);
	close(mappable);
}
END_TEST

/* ---- the ioctl ---- */

START_TEST(vm_attributes_check_what_they_are_given)
{
	struct gmem_uapi_vm_attributes request = { GPA, FILE_SIZE, PRIVATE, 0 };

	must_give(set_vm_attributes(vm, GPA, 0, PRIVATE), -EINVAL);
	must_give(set_vm_attributes(vm, -PAGE, 2 * PAGE, PRIVATE), -EINVAL);
	must_give(set_vm_attributes(vm, GPA + 1, PAGE, PRIVATE), -EINVAL);
	must_give(set_vm_attributes(vm, GPA, PAGE + 1, PRIVATE), -EINVAL);
	for (int bit = 0; bit < 64; bit++)
		if (1ULL << bit != PRIVATE)
			must_give(set_vm_attributes(vm, GPA, PAGE, 1ULL << bit), -EINVAL);
	request.flags = 1;
	ck_assert_int_eq(ioctl(vm, GMEM_UAPI_SET_VM_ATTRIBUTES, &request), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(ioctl(vm, GMEM_UAPI_SET_VM_ATTRIBUTES, NULL), -1);
	ck_assert_int_eq(errno, EFAULT);
}
END_TEST

START_TEST(vm_attributes_know_private_only_where_the_vm_does)
{
	int plain = new_vm(VM_DEFAULT);

	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, SHARED), 0);
	must_give(set_vm_attributes(plain, GPA, FILE_SIZE, PRIVATE), -EINVAL);
	must_give(set_vm_attributes(plain, GPA, FILE_SIZE, SHARED), 0);
	close(plain);
}
END_TEST

/* ---- the guest ---- */

START_TEST(attributes_choose_which_of_two_backings_the_guest_sees)
{
	guest_writes(PAGE, 0x11);
	ck_assert_uint_eq(*(uint64_t *)(ordinary + PAGE), 0x11);
	for (int i = 0; i < 5; i++) {
		must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
		ck_assert_uint_eq(guest_reads(PAGE), i ? 0x22 : 0);
		guest_writes(PAGE, 0x22);
		ck_assert_uint_eq(*(uint64_t *)(ordinary + PAGE), 0x11);
		must_give(set_vm_attributes(vm, GPA, FILE_SIZE, SHARED), 0);
		ck_assert_uint_eq(guest_reads(PAGE), 0x11);
	}
}
END_TEST

START_TEST(attributes_change_only_the_range_asked_for)
{
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
		guest_writes(offset, 0x100 + offset);
	must_give(set_vm_attributes(vm, GPA + 3 * PAGE, 2 * PAGE, SHARED), 0);
	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE) {
		bool shared = offset == 3 * PAGE || offset == 4 * PAGE;

		ck_assert_uint_eq(guest_reads(offset), shared ? 0 : 0x100 + offset);
	}
}
END_TEST

START_TEST(a_hole_in_the_file_takes_private_memory_away_and_no_shared)
{
	guest_writes(0, 0x33);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
	guest_writes(0, 0x44);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
	ck_assert_uint_eq(guest_reads(0), 0);
	must_give(set_vm_attributes(vm, GPA, FILE_SIZE, SHARED), 0);
	ck_assert_uint_eq(guest_reads(0), 0x33);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
	ck_assert_uint_eq(guest_reads(0), 0x33);
}
END_TEST

START_TEST(the_way_vmms_convert_today_works)
{
	for (int i = 0; i < 10; i++) {
		/* To private: drop the shared backing, get the private one. */
		must_give(set_vm_attributes(vm, GPA, FILE_SIZE, PRIVATE), 0);
		ck_assert(!madvise(ordinary, FILE_SIZE, MADV_DONTNEED));
		must_give(allocate(gmem, 0, FILE_SIZE), 0);
		ck_assert_uint_eq(guest_reads(5 * PAGE), 0);
		guest_writes(5 * PAGE, 0x55);
		/* To shared: drop the private backing. */
		must_give(set_vm_attributes(vm, GPA, FILE_SIZE, SHARED), 0);
		must_give(punch(gmem, 0, FILE_SIZE), 0);
		ck_assert_uint_eq(guest_reads(5 * PAGE), 0);
		guest_writes(5 * PAGE, 0x66);
		ck_assert_uint_eq(*(uint64_t *)(ordinary + 5 * PAGE), 0x66);
	}
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *file = new_case(suite, "the file");
	TCase *attributes = new_case(suite, "the ioctl");
	TCase *seen = new_case(suite, "the guest");

	tcase_add_checked_fixture(file, open_two_backings, close_two_backings);
	tcase_add_test(file, a_file_cannot_be_converted_and_that_is_told_first);
	tcase_add_test(file, a_file_has_no_commands);
	tcase_add_test(file, a_vm_with_private_memory_has_no_file_that_starts_shared);
	tcase_add_test(file, the_host_never_reaches_private_memory_whatever_the_attributes);
	tcase_add_checked_fixture(attributes, open_two_backings, close_two_backings);
	tcase_add_test(attributes, vm_attributes_check_what_they_are_given);
	tcase_add_test(attributes, vm_attributes_know_private_only_where_the_vm_does);
	tcase_add_checked_fixture(seen, open_two_backings, close_two_backings);
	tcase_add_test(seen, attributes_choose_which_of_two_backings_the_guest_sees);
	tcase_add_test(seen, attributes_change_only_the_range_asked_for);
	tcase_add_test(seen, a_hole_in_the_file_takes_private_memory_away_and_no_shared);
	tcase_add_test(seen, the_way_vmms_convert_today_works);
}

int main(void)
{
	Suite *suite = suite_create("vm-wide");

	need_vm_wide();
	add_tests(suite);
	return run_suite(suite);
}
