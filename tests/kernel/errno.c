/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Every error of KVM_SET_MEMORY_ATTRIBUTES2 and the order in which its checks run:
 *
 *   ENOTTY not in force; EFAULT copy-in; EINVAL flags, reserved, VM type, attributes, size,
 * alignment, file size; 0 already in the state; ENOMEM; EAGAIN; EFAULT copy-out.
 *
 * The order shows wherever two neighbours give different results. ENOTTY is in vm-wide.c, ENOMEM in
 * fault-injection.c, EAGAIN and its offset in busy.c.
 */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

/* A private file of a protected VM, its second half converted to shared. */
static int vm, gmem;

static void open_file(void)
{
	vm = new_vm(VM_PROTECTED);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE);
	must_give(convert(gmem, FILE_SIZE / 2, FILE_SIZE / 2, SHARED), 0);
}

static void close_file(void)
{
	close(gmem);
	close(vm);
}

static void nothing_changed(void)
{
	uint8_t *at = map_gmem(gmem, 0, FILE_SIZE);

	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE) {
		if (offset < FILE_SIZE / 2)
			must_sigbus(at + offset);
		else
			must_hold(at + offset, 0);
	}
	munmap(at, FILE_SIZE);
}

/*
 * Issues the ioctl from a page the kernel cannot write: a kernel that copies the struct back where
 * it must not, even unchanged, gives EFAULT.
 */
static int convert_read_only(int fd, const struct gmem_uapi_attributes *request)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	ck_assert(page != MAP_FAILED);
	memcpy(page, request, sizeof(*request));
	ck_assert(!mprotect(page, PAGE, PROT_READ));
	ret = convert_raw(fd, page);
	ck_assert(!memcmp(page, request, sizeof(*request)));
	munmap(page, PAGE);
	return ret;
}

/* Issues the ioctl with only the first @bytes of the struct in mapped memory. */
static int convert_cut_off(int fd, const struct gmem_uapi_attributes *request, size_t bytes)
{
	uint8_t *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	ck_assert(pages != MAP_FAILED);
	ck_assert(!munmap(pages + PAGE, PAGE));
	memcpy(pages + PAGE - bytes, request, bytes);
	ret = convert_raw(fd, (struct gmem_uapi_attributes *)(pages + PAGE - bytes));
	ck_assert(!memcmp(pages + PAGE - bytes, request, bytes));
	munmap(pages, PAGE);
	return ret;
}

/* One way to be wrong, for each that gives EINVAL. Applied to a request that would succeed. */
static const struct mistake {
	const char *name;
	uint64_t flags, attributes, offset, size;
	int reserved; /* index + 1 of the word that is set */
} mistakes[] = {
	{ "two content policies", .flags = 3 },
	{ "flags bit 2", .flags = 4 },
	{ "flags bit 32", .flags = 1ULL << 32 },
	{ "flags bit 63", .flags = 1ULL << 63 },
	{ "reserved[0]", .reserved = 1 },
	{ "reserved[1]", .reserved = 2 },
	{ "reserved[2]", .reserved = 3 },
	{ "reserved[3]", .reserved = 4 },
	{ "reserved[4]", .reserved = 5 },
	{ "reserved[5]", .reserved = 6 },
	{ "reserved[6]", .reserved = 7 },
	{ "reserved[7]", .reserved = 8 },
	{ "reserved[8]", .reserved = 9 },
	{ "reserved[9]", .reserved = 10 },
	{ "reserved[10]", .reserved = 11 },
	{ "attribute read", .attributes = 1 },
	{ "attribute write", .attributes = 2 },
	{ "attribute execute", .attributes = 4 },
	{ "attribute bit 4", .attributes = 16 },
	{ "attribute bit 32", .attributes = 1ULL << 32 },
	{ "attribute bit 63", .attributes = 1ULL << 63 },
	{ "size 0", .offset = 0, .size = ~0ULL },
	{ "sum wraps by one page", .offset = -PAGE, .size = 2 * PAGE },
	{ "sum wraps to 0", .offset = PAGE, .size = -PAGE },
	{ "sum wraps from the middle", .offset = 1ULL << 63, .size = 1ULL << 63 },
	{ "offset unaligned", .offset = 1, .size = PAGE },
	{ "offset unaligned by half a page", .offset = PAGE / 2, .size = PAGE },
	{ "size unaligned", .offset = PAGE, .size = PAGE - 1 },
	{ "size less than a page", .offset = PAGE, .size = 1 },
	{ "offset and size unaligned, end aligned", .offset = 512, .size = PAGE - 512 },
	{ "offset at the end of the file", .offset = FILE_SIZE, .size = PAGE },
	{ "offset beyond the file", .offset = FILE_SIZE + PAGE, .size = PAGE },
	{ "offset negative as loff_t", .offset = 1ULL << 63, .size = PAGE },
	{ "end one page beyond the file", .offset = FILE_SIZE - PAGE, .size = 2 * PAGE },
	{ "end beyond the file from its start", .offset = 0, .size = FILE_SIZE + PAGE },
	{ "size of the whole address space", .offset = 0, .size = -PAGE },
	{ "end negative as loff_t", .offset = PAGE, .size = 1ULL << 63 },
};

#define N_MISTAKES ((int)(sizeof(mistakes) / sizeof(mistakes[0])))

static void make(struct gmem_uapi_attributes *request, const struct mistake *mistake)
{
	request->flags |= mistake->flags;
	request->attributes |= mistake->attributes;
	if (mistake->reserved)
		request->reserved[mistake->reserved - 1] = 1ULL << (mistake->reserved * 5);
	if (mistake->size) {
		request->offset = mistake->offset;
		request->size = mistake->size == ~0ULL ? 0 : mistake->size;
	}
}

/* A request that would change the whole file, and one for a range that already is what it asks for.
 */
static const struct gmem_uapi_attributes right[] = {
	{ .offset = 0, .size = FILE_SIZE, .attributes = PRIVATE, .error_offset = 0x5A5A },
	{ .offset = 0, .size = FILE_SIZE, .attributes = SHARED, .error_offset = 0x5A5A },
	{ .offset = 0, .size = FILE_SIZE / 2, .attributes = PRIVATE, .error_offset = 0x5A5A },
	{ .offset = FILE_SIZE / 2, .size = PAGE, .attributes = SHARED, .error_offset = 0x5A5A },
};

#define N_RIGHT ((int)(sizeof(right) / sizeof(right[0])))

START_TEST(each_mistake_alone_is_einval_and_changes_nothing)
{
	for (int m = 0; m < N_MISTAKES; m++) {
		for (int i = 0; i < N_RIGHT; i++) {
			struct gmem_uapi_attributes request = right[i];
			int ret;

			make(&request, &mistakes[m]);
			ret = convert_read_only(gmem, &request);
			ck_assert_msg(ret == -EINVAL, "%s in request %d: %s", mistakes[m].name, i,
				      ret ? error_name(-ret) : "success");
		}
	}
	nothing_changed();
}
END_TEST

START_TEST(two_mistakes_at_once_are_einval)
{
	for (int one = 0; one < N_MISTAKES; one++) {
		for (int other = 0; other < one; other++) {
			struct gmem_uapi_attributes request = right[0];
			int ret;

			make(&request, &mistakes[one]);
			make(&request, &mistakes[other]);
			ret = convert_read_only(gmem, &request);
			ck_assert_msg(ret == -EINVAL, "%s with %s: %s", mistakes[one].name,
				      mistakes[other].name, ret ? error_name(-ret) : "success");
		}
	}
	nothing_changed();
}
END_TEST

START_TEST(unreadable_struct_is_efault_before_any_other_check)
{
	for (size_t bytes = 8; bytes < sizeof(right[0]); bytes += 8) {
		for (int i = 0; i < N_MISTAKES; i++) {
			struct gmem_uapi_attributes request = right[0];

			make(&request, &mistakes[i]);
			must_give(convert_cut_off(gmem, &request, bytes), -EFAULT);
		}
		must_give(convert_cut_off(gmem, &right[0], bytes), -EFAULT);
		must_give(convert_cut_off(gmem, &right[2], bytes), -EFAULT);
	}
	must_give(convert_raw(gmem, NULL), -EFAULT);
	must_give(convert_raw(gmem, (void *)-PAGE), -EFAULT);
	must_give(convert_raw(gmem, (void *)(1ULL << 63)), -EFAULT);
	nothing_changed();
}
END_TEST

START_TEST(unreadable_struct_is_efault_for_a_vm_without_private_memory)
{
	int plain_vm = new_vm(VM_DEFAULT);
	int plain = new_gmem(plain_vm, FILE_SIZE, MAPPABLE | INIT_SHARED);

	must_give(convert_raw(plain, NULL), -EFAULT);
	close(plain);
	close(plain_vm);
}
END_TEST

START_TEST(vm_without_private_memory_is_einval_even_if_nothing_would_change)
{
	int plain_vm = new_vm(VM_DEFAULT);
	int shared = new_gmem(plain_vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	int private = new_gmem(plain_vm, FILE_SIZE, 0);
	uint8_t *at = map_gmem(shared, 0, FILE_SIZE);

	must_write(at, 42);
	for (int i = 0; i < 2; i++) {
		int file = i ? private : shared;

		for (int wanted = 0; wanted < 2; wanted++) {
			struct gmem_uapi_attributes request = {
				.size = FILE_SIZE,
				.attributes = wanted ? PRIVATE : SHARED,
			};

			must_give(convert_read_only(file, &request), -EINVAL);
			for (int m = 0; m < N_MISTAKES; m++) {
				struct gmem_uapi_attributes wrong = request;

				make(&wrong, &mistakes[m]);
				must_give(convert_read_only(file, &wrong), -EINVAL);
			}
		}
	}
	must_hold(at, 42);
	munmap(at, FILE_SIZE);
	close(shared);
	close(private);
	close(plain_vm);
}
END_TEST

START_TEST(a_content_policy_is_einval_where_none_are_reported)
{
	bool reported = vm_capability(vm, GMEM_CAP_CONTENT_POLICIES);

	for (uint64_t flags = 1; flags <= 2; flags++) {
		struct gmem_uapi_attributes request = { .size = PAGE, .flags = flags };

		must_give(convert_raw(gmem, &request), reported ? 0 : -EINVAL);
	}
}
END_TEST

START_TEST(success_does_not_write_the_struct_back)
{
	must_give(convert_read_only(gmem, &right[0]), 0);
	must_give(convert_read_only(gmem, &right[0]), 0);
	must_give(convert_read_only(gmem, &right[1]), 0);
	must_give(convert_read_only(gmem, &right[1]), 0);
}
END_TEST

START_TEST(the_value_error_offset_comes_with_is_ignored)
{
	static const uint64_t values[] = {
		0, 1, PAGE, FILE_SIZE, FILE_SIZE * 2, 1ULL << 63, ~0ULL
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct gmem_uapi_attributes request = right[i % 2];

		request.error_offset = values[i];
		must_give(convert_read_only(gmem, &request), 0);
	}
}
END_TEST

START_TEST(other_ioctls_on_the_file_are_enotty)
{
	static const unsigned long others[] = {
		_IO(GMEM_KVMIO, 0xd2),
		_IOW(GMEM_KVMIO, 0xd2, struct gmem_uapi_attributes),
		_IOR(GMEM_KVMIO, 0xd2, struct gmem_uapi_attributes),
		_IOWR(GMEM_KVMIO, 0xd2, struct gmem_uapi_vm_attributes),
		_IOWR(GMEM_KVMIO, 0xd2, struct gmem_uapi_create),
		_IOWR(GMEM_KVMIO, 0xd6, struct gmem_uapi_create),
		_IOWR(GMEM_KVMIO, 0xd1, struct gmem_uapi_attributes),
		_IOWR(GMEM_KVMIO, 0xd3, struct gmem_uapi_attributes),
		_IOWR(0xAF, 0xd2, struct gmem_uapi_attributes),
		GMEM_UAPI_SET_VM_ATTRIBUTES,
		GMEM_UAPI_CREATE_GUEST_MEMFD,
		GMEM_UAPI_SET_MEMORY_REGION,
		_IO(GMEM_KVMIO, 0x00), /* KVM_GET_API_VERSION */
		_IO(GMEM_KVMIO, 0x03), /* KVM_CHECK_EXTENSION */
		TCGETS,
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct gmem_uapi_attributes request[2] = { right[0] };
		int ret = ioctl(gmem, others[i], request) ? -errno : 0;

		ck_assert_msg(ret == -ENOTTY, "ioctl 0x%lx: %s", others[i],
			      ret ? error_name(-ret) : "success");
	}
	nothing_changed();
}
END_TEST

START_TEST(other_files_do_not_take_the_ioctl)
{
	struct gmem_uapi_attributes request = right[0];
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int memfd = memfd_create("not a guest_memfd", MFD_CLOEXEC);

	ck_assert(kvm >= 0 && memfd >= 0);
	must_give(convert_raw(vm, &request), -ENOTTY);
	must_give(convert_raw(memfd, &request), -ENOTTY);
	ck_assert(convert_raw(kvm, &request) < 0);
	must_give(convert_raw(-1, &request), -EBADF);
	close(memfd);
	close(kvm);
	nothing_changed();
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *checks = new_case(suite, "checks");
	TCase *files = new_case(suite, "files");

	tcase_add_checked_fixture(checks, open_file, close_file);
	tcase_add_test(checks, each_mistake_alone_is_einval_and_changes_nothing);
	tcase_add_test(checks, two_mistakes_at_once_are_einval);
	tcase_add_test(checks, unreadable_struct_is_efault_before_any_other_check);
	tcase_add_test(checks, unreadable_struct_is_efault_for_a_vm_without_private_memory);
	tcase_add_test(checks, vm_without_private_memory_is_einval_even_if_nothing_would_change);
	tcase_add_test(checks, a_content_policy_is_einval_where_none_are_reported);
	tcase_add_test(checks, success_does_not_write_the_struct_back);
	tcase_add_test(checks, the_value_error_offset_comes_with_is_ignored);
	tcase_add_checked_fixture(files, open_file, close_file);
	tcase_add_test(files, other_ioctls_on_the_file_are_enotty);
	tcase_add_test(files, other_files_do_not_take_the_ioctl);
}

int main(void)
{
	Suite *suite = suite_create("errno");

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
