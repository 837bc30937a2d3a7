/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What KVM_CHECK_EXTENSION says on the system and on each kind of VM, in either mode of the kernel
 * (module parameter kvm.gmem_in_place_conversion), which creation flags and sizes are taken, and
 * what is left of the VM-wide attributes in in-place mode.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PARAMETER "/sys/module/kvm/parameters/gmem_in_place_conversion"

/* The parameter's value: 'Y', 'N', or 0 where the kernel has no choice and no parameter. */
static char parameter_value(void)
{
	char value = 0;
	int fd = open(PARAMETER, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &value, 1) != 1)
		value = 0;
	close(fd);
	return value;
}

static bool in_place(void)
{
	return system_capability(GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES) > 0;
}

static void must_report(unsigned int type, int capability, int expected)
{
	int vm = new_vm(type);
	int value = vm_capability(vm, capability);

	ck_assert_msg(value == expected, "capability %d of a VM of type %u: 0x%x, expected 0x%x",
		      capability, type, (unsigned int)value, (unsigned int)expected);
	close(vm);
}

START_TEST(conversion_is_reported_where_the_vm_has_private_memory)
{
	int expected = in_place() ? 8 : 0;

	ck_assert_int_eq(system_capability(GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES), expected);
	must_report(VM_PROTECTED, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES, expected);
	must_report(VM_DEFAULT, GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES, 0);
}
END_TEST

START_TEST(vm_wide_attributes_are_reported_only_where_they_are_in_force)
{
	int expected = in_place() ? 0 : 8;

	ck_assert_int_eq(system_capability(GMEM_CAP_MEMORY_ATTRIBUTES), expected);
	must_report(VM_PROTECTED, GMEM_CAP_MEMORY_ATTRIBUTES, expected);
	must_report(VM_DEFAULT, GMEM_CAP_MEMORY_ATTRIBUTES, 0);
}
END_TEST

START_TEST(guest_memfd_is_reported)
{
	ck_assert_int_eq(system_capability(GMEM_CAP_GUEST_MEMFD), 1);
	must_report(VM_PROTECTED, GMEM_CAP_GUEST_MEMFD, 1);
	must_report(VM_DEFAULT, GMEM_CAP_GUEST_MEMFD, 1);
}
END_TEST

START_TEST(creation_flags_are_reported_for_the_vm)
{
	ck_assert_int_eq(system_capability(GMEM_CAP_GUEST_MEMFD_FLAGS), 3);
	must_report(VM_PROTECTED, GMEM_CAP_GUEST_MEMFD_FLAGS, in_place() ? 3 : 1);
	must_report(VM_DEFAULT, GMEM_CAP_GUEST_MEMFD_FLAGS, 3);
}
END_TEST

START_TEST(the_parameter_tells_the_mode_and_cannot_be_changed)
{
	struct stat status;
	char value = parameter_value();

	if (!value) {
		/* Without VM-wide attributes there is nothing to choose. */
		ck_assert(in_place());
		return;
	}
	ck_assert_int_eq(value, in_place() ? 'Y' : 'N');
	ck_assert(!stat(PARAMETER, &status));
	ck_assert_int_eq(status.st_mode & 0777, 0444);
}
END_TEST

START_TEST(every_mix_of_known_creation_flags_is_taken_or_refused_as_reported)
{
	for (unsigned int type = VM_DEFAULT; type <= VM_PROTECTED; type++) {
		int vm = new_vm(type);
		uint64_t known = (uint64_t)vm_capability(vm, GMEM_CAP_GUEST_MEMFD_FLAGS);

		for (uint64_t flags = 0; flags < 4; flags++) {
			int fd = try_new_gmem(vm, FILE_SIZE, flags);

			if (flags & ~known)
				ck_assert_int_eq(fd, -EINVAL);
			else
				ck_assert_int_ge(fd, 0);
			if (fd >= 0)
				close(fd);
		}
		close(vm);
	}
}
END_TEST

START_TEST(unknown_creation_flags_are_refused)
{
	int vm = new_vm(VM_PROTECTED);

	for (int bit = 2; bit < 64; bit++)
		must_give(try_new_gmem(vm, FILE_SIZE, 1ULL << bit), -EINVAL);
	must_give(try_new_gmem(vm, FILE_SIZE, ~0ULL), -EINVAL);
	close(vm);
}
END_TEST

START_TEST(sizes_that_are_no_sizes_are_refused)
{
	static const uint64_t sizes[] = { 0, 1, PAGE - 1, PAGE + 1, 1ULL << 63, -PAGE, ~0ULL };
	int vm = new_vm(VM_PROTECTED);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		must_give(try_new_gmem(vm, sizes[i], MAPPABLE), -EINVAL);
	close(vm);
}
END_TEST

START_TEST(the_largest_file_can_be_made_and_converted_at_its_end)
{
	const uint64_t largest = (1ULL << 63) - PAGE;
	int vm = new_vm(VM_PROTECTED);
	int gmem = new_gmem(vm, largest, MAPPABLE);

	if (in_place()) {
		uint8_t *last;

		must_give(convert(gmem, largest - PAGE, PAGE, SHARED), 0);
		last = map_gmem(gmem, largest - 2 * PAGE, 2 * PAGE);
		must_sigbus(last);
		must_hold(last + PAGE, 0);
		munmap(last, 2 * PAGE);
		must_give(convert(gmem, 0, largest, SHARED), 0);
		must_give(convert(gmem, 0, largest, PRIVATE), 0);
		must_give(convert(gmem, largest - PAGE, 2 * PAGE, SHARED), -EINVAL);
	}
	close(gmem);
	close(vm);
}
END_TEST

START_TEST(a_file_starts_in_the_state_asked_for)
{
	int vm = new_vm(VM_PROTECTED);
	int private = new_gmem(vm, FILE_SIZE, MAPPABLE);
	uint8_t *at = map_gmem(private, 0, FILE_SIZE);

	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
		must_sigbus(at + offset);
	munmap(at, FILE_SIZE);
	close(private);
	if (in_place()) {
		int shared = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);

		at = map_gmem(shared, 0, FILE_SIZE);
		for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
			must_hold(at + offset, 0);
		munmap(at, FILE_SIZE);
		close(shared);
	}
	close(vm);
}
END_TEST

START_TEST(a_file_cannot_be_opened_a_second_time)
{
	int vm = new_vm(VM_PROTECTED);
	int gmem = new_gmem(vm, FILE_SIZE, MAPPABLE);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", gmem);
	ck_assert_int_lt(open(path, O_RDWR), 0);
	ck_assert_int_lt(open(path, O_RDONLY), 0);
	close(gmem);
	close(vm);
}
END_TEST

START_TEST(mapping_needs_the_flag_and_sharing)
{
	int vm = new_vm(VM_PROTECTED);
	int mappable = new_gmem(vm, FILE_SIZE, MAPPABLE);
	int plain = new_gmem(vm, FILE_SIZE, 0);

	ck_assert(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, plain, 0) == MAP_FAILED);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, mappable, 0) == MAP_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	close(plain);
	close(mappable);
	close(vm);
}
END_TEST

START_TEST(in_place_mode_leaves_the_vm_wide_ioctl_only_shared)
{
	int vm = new_vm(VM_PROTECTED);
	int plain = new_vm(VM_DEFAULT);

	if (parameter_value()) {
		must_give(set_vm_attributes(vm, 0, FILE_SIZE, PRIVATE), -EINVAL);
		must_give(set_vm_attributes(vm, 0, FILE_SIZE, SHARED), 0);
		must_give(set_vm_attributes(plain, 0, FILE_SIZE, PRIVATE), -EINVAL);
		must_give(set_vm_attributes(plain, 0, FILE_SIZE, SHARED), 0);
	} else {
		must_give(set_vm_attributes(vm, 0, FILE_SIZE, PRIVATE), -ENOTTY);
		must_give(set_vm_attributes(vm, 0, FILE_SIZE, SHARED), -ENOTTY);
	}
	close(plain);
	close(vm);
}
END_TEST

static void need_private_memory(void)
{
	if (system_capability(GMEM_CAP_GUEST_MEMFD) <= 0)
		skip_all("this kernel has no guest_memfd");
	if (!(system_capability(GMEM_CAP_VM_TYPES) & (1 << VM_PROTECTED)))
		skip_all("this kernel has no software-protected VMs");
	if (system_capability(GMEM_CAP_GUEST_MEMFD_FLAGS) != 3)
		skip_all("this kernel's guest_memfd cannot be mapped");
}

static void add_tests(Suite *suite)
{
	TCase *reported = new_case(suite, "reported");
	TCase *creation = new_case(suite, "creation");
	TCase *vm_wide = new_case(suite, "vm-wide ioctl");

	tcase_add_test(reported, conversion_is_reported_where_the_vm_has_private_memory);
	tcase_add_test(reported, vm_wide_attributes_are_reported_only_where_they_are_in_force);
	tcase_add_test(reported, guest_memfd_is_reported);
	tcase_add_test(reported, creation_flags_are_reported_for_the_vm);
	tcase_add_test(creation, every_mix_of_known_creation_flags_is_taken_or_refused_as_reported);
	tcase_add_test(creation, unknown_creation_flags_are_refused);
	tcase_add_test(creation, sizes_that_are_no_sizes_are_refused);
	tcase_add_test(creation, the_largest_file_can_be_made_and_converted_at_its_end);
	tcase_add_test(creation, a_file_starts_in_the_state_asked_for);
	tcase_add_test(creation, a_file_cannot_be_opened_a_second_time);
	tcase_add_test(creation, mapping_needs_the_flag_and_sharing);
	/* In the other mode the ioctl is the subject of vm-wide.c. */
	if (in_place())
		tcase_add_test(vm_wide, in_place_mode_leaves_the_vm_wide_ioctl_only_shared);
	/* A kernel without the series has neither the parameter nor the mode. */
	if (parameter_value() || in_place())
		tcase_add_test(reported, the_parameter_tells_the_mode_and_cannot_be_changed);
}

int main(void)
{
	Suite *suite = suite_create("capability");

	need_private_memory();
	add_tests(suite);
	return run_suite(suite);
}
