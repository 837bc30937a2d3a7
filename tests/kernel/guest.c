/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conversion as a guest sees it: it finds its bytes after each one, wherever its slots are; and
 * what becomes of a slot when it is deleted, made again, moved, or loses its file.
 */
#include "kernel.h"
#include "vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA   (1ULL << 30)
#define OTHER (2ULL << 30)
#define HALF  (FILE_SIZE / 2)

static struct guestvm *guest;
static int vm, gmem;
static uint8_t *mapped;

static void open_guest(unsigned int type, uint64_t flags)
{
	const char *step = NULL;
	int err = guestvm_create(&(struct guestvm_options){ .type = type, .vcpus = 2 }, &guest,
				 &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	vm = guestvm_vm_fd(guest);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | flags);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
}

/* A private file in one slot. */
static void open_private(void)
{
	open_guest(VM_PROTECTED, INIT_PRIVATE);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
}

/* A private file in no slot. */
static void open_without_slot(void)
{
	open_guest(VM_PROTECTED, INIT_PRIVATE);
}

static void close_all(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

/* ---- what the guest does ---- */

static struct guestvm_result run(enum guestvm_op op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return vcpu_run(guest, &(struct guestvm_cmd){ op, { a, b, c, d } });
}

static struct guestvm_result resume(void)
{
	return vcpu_run(guest, NULL);
}

static uint64_t done(struct guestvm_result result)
{
	ck_assert_msg(result.exit == GUESTVM_DONE, "the guest came out with %s (%u, %s)",
		      guestvm_exit_name(result.exit), result.kvm_exit_reason,
		      error_name(result.error));
	return result.value;
}

/* The pattern of @seed at the place in the file that the guest finds at @gpa. */
static void guest_fills(uint64_t gpa, uint64_t size, uint64_t seed, uint64_t offset)
{
	done(run(GUESTVM_FILL, gpa, size, seed, offset));
}

static void guest_must_find(uint64_t gpa, uint64_t size, uint64_t seed, uint64_t offset)
{
	uint64_t good = done(run(GUESTVM_CHECK, gpa, size, seed, offset));

	ck_assert_msg(good == size, "at 0x%llx the guest found other bytes than were written",
		      (unsigned long long)(gpa + good));
}

static void host_must_find(uint64_t offset, uint64_t size, uint64_t seed)
{
	uint64_t found, good;

	/* Touched first, so that a private page fails the test and does not kill it. */
	for (uint64_t at = offset; at < offset + size; at += PAGE) {
		uint8_t byte;

		ck_assert_msg(try_read(mapped + at, &byte), "0x%llx raises SIGBUS",
			      (unsigned long long)at);
	}
	good = guestvm_host_check(mapped + offset, size, seed, offset, &found);
	ck_assert_msg(good == size, "at 0x%llx the host found other bytes than were written",
		      (unsigned long long)(offset + good));
}

static void guest_must_get_no_memory(uint64_t gpa)
{
	enum guestvm_exit exit = run(GUESTVM_READ64, gpa, 0, 0, 0).exit;

	ck_assert_msg(exit == GUESTVM_MMIO || exit == GUESTVM_MEMORY_FAULT,
		      "a read at 0x%llx came out with %s", (unsigned long long)gpa,
		      guestvm_exit_name(exit));
}

/* ---- contents ---- */

START_TEST(what_the_guest_wrote_in_private_the_host_finds_when_it_is_shared)
{
	guest_fills(GPA, FILE_SIZE, 1, 0);
	must_sigbus(mapped);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	host_must_find(0, FILE_SIZE, 1);
	guest_must_find(GPA, FILE_SIZE, 1, 0);
}
END_TEST

START_TEST(what_the_host_wrote_in_shared_the_guest_finds_in_private)
{
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	guestvm_host_fill(mapped, FILE_SIZE, 2, 0);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	guest_must_find(GPA, FILE_SIZE, 2, 0);
	must_sigbus(mapped);
}
END_TEST

START_TEST(bytes_go_to_and_fro_between_guest_and_host)
{
	for (uint64_t seed = 1; seed <= 20; seed += 2) {
		guest_fills(GPA, FILE_SIZE, seed, 0);
		must_give(convert(gmem, 2 * PAGE, 4 * PAGE, SHARED), 0);
		host_must_find(2 * PAGE, 4 * PAGE, seed);
		guest_must_find(GPA, FILE_SIZE, seed, 0);
		guestvm_host_fill(mapped + 2 * PAGE, 4 * PAGE, seed + 1, 2 * PAGE);
		must_give(convert(gmem, 2 * PAGE, 4 * PAGE, PRIVATE), 0);
		guest_must_find(GPA, 2 * PAGE, seed, 0);
		guest_must_find(GPA + 2 * PAGE, 4 * PAGE, seed + 1, 2 * PAGE);
		guest_must_find(GPA + 6 * PAGE, FILE_SIZE - 6 * PAGE, seed, 6 * PAGE);
	}
}
END_TEST

START_TEST(a_page_the_guest_has_touched_is_not_busy)
{
	for (int i = 0; i < 30; i++) {
		must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
		must_give(punch(gmem, 0, FILE_SIZE), 0);
		guest_fills(GPA, FILE_SIZE, i, 0);
		must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
		guest_must_find(GPA, FILE_SIZE, i, 0);
	}
}
END_TEST

START_TEST(a_hole_takes_the_page_from_the_guest_in_either_state)
{
	guest_fills(GPA, FILE_SIZE, 3, 0);
	must_give(convert(gmem, 4 * PAGE, 4 * PAGE, SHARED), 0);
	guest_must_find(GPA, FILE_SIZE, 3, 0);
	must_give(punch(gmem, 2 * PAGE, 4 * PAGE), 0);
	ck_assert_uint_eq(done(run(GUESTVM_COMPARE, GPA + 2 * PAGE, 4 * PAGE, 0, 0)), 4 * PAGE);
	guest_must_find(GPA, 2 * PAGE, 3, 0);
	guest_must_find(GPA + 6 * PAGE, FILE_SIZE - 6 * PAGE, 3, 6 * PAGE);
	must_sigbus(mapped + 3 * PAGE);
	must_hold(mapped + 4 * PAGE, 0);
	host_must_find(6 * PAGE, 2 * PAGE, 3);
}
END_TEST

START_TEST(a_page_the_guest_sees_first_is_zero)
{
	guest_fills(GPA, FILE_SIZE, 4, 0);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
	must_give(allocate(gmem, 0, HALF), 0);
	ck_assert_uint_eq(done(run(GUESTVM_COMPARE, GPA, FILE_SIZE, 0, 0)), FILE_SIZE);
}
END_TEST

/* ---- requests ---- */

static void guest_asks(uint64_t gpa, uint64_t pages, bool private)
{
	uint64_t attributes = private ? GUESTVM_HC_PRIVATE : 0;
	struct guestvm_result result = run(GUESTVM_MAP_GPA, gpa, pages, attributes, 0);

	ck_assert_msg(result.exit == GUESTVM_HYPERCALL, "the request came out with %s",
		      guestvm_exit_name(result.exit));
	ck_assert_uint_eq(result.hypercall.gpa, gpa);
	ck_assert_uint_eq(result.hypercall.pages, pages);
	ck_assert(!(result.hypercall.attributes & GUESTVM_HC_PRIVATE) == !private);
	must_give(convert(gmem, gpa - GPA, pages * PAGE, private ? PRIVATE : SHARED), 0);
	ck_assert_int_eq(guestvm_answer(guest, 0, 0), 0);
	ck_assert_uint_eq(done(resume()), 0);
}

START_TEST(a_guest_shares_a_buffer_by_hypercall_and_takes_it_back)
{
	guest_fills(GPA, FILE_SIZE, 5, 0);
	for (int i = 0; i < 5; i++) {
		must_sigbus(mapped + 3 * PAGE);
		guest_asks(GPA + 3 * PAGE, 2, false);
		host_must_find(3 * PAGE, 2 * PAGE, 5);
		must_sigbus(mapped + 5 * PAGE);
		guest_asks(GPA + 3 * PAGE, 2, true);
		must_sigbus(mapped + 3 * PAGE);
		guest_must_find(GPA, FILE_SIZE, 5, 0);
	}
}
END_TEST

/* ---- slots ---- */

START_TEST(one_conversion_reaches_all_slots_on_the_file)
{
	/* The halves in the other order and far apart, one page of the file in no slot at all. */
	must_give(set_slot(vm, 0, OTHER, HALF - PAGE, gmem, 0), 0);
	must_give(set_slot(vm, 1, GPA, HALF, gmem, HALF), 0);
	guest_fills(OTHER, HALF - PAGE, 6, 0);
	guest_fills(GPA, HALF, 6, HALF);
	must_give(convert(gmem, HALF - 3 * PAGE, 6 * PAGE, SHARED), 0);
	host_must_find(HALF - 3 * PAGE, 2 * PAGE, 6);
	must_hold(mapped + HALF - PAGE, 0);
	host_must_find(HALF, 3 * PAGE, 6);
	must_sigbus(mapped + HALF - 4 * PAGE);
	must_sigbus(mapped + HALF + 3 * PAGE);
	guestvm_host_fill(mapped + HALF - 3 * PAGE, 6 * PAGE, 7, HALF - 3 * PAGE);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	guest_must_find(OTHER, HALF - 4 * PAGE, 6, 0);
	guest_must_find(OTHER + HALF - 3 * PAGE, 2 * PAGE, 7, HALF - 3 * PAGE);
	guest_must_find(GPA, 3 * PAGE, 7, HALF);
	guest_must_find(GPA + 3 * PAGE, HALF - 3 * PAGE, 6, HALF + 3 * PAGE);
}
END_TEST

START_TEST(slots_must_not_overlap_in_file_or_guest)
{
	int plain = new_gmem(vm, FILE_SIZE, 0);

	must_give(set_slot(vm, 0, GPA, HALF, gmem, 0), 0);
	must_give(set_slot(vm, 1, OTHER, HALF, gmem, HALF - PAGE), -EEXIST);
	must_give(set_slot(vm, 1, OTHER, FILE_SIZE, gmem, 0), -EEXIST);
	must_give(set_slot(vm, 1, GPA + HALF - PAGE, HALF, plain, 0), -EEXIST);
	must_give(set_slot(vm, 1, OTHER, FILE_SIZE, gmem, PAGE), -EINVAL);
	must_give(set_slot(vm, 1, OTHER, PAGE, gmem, FILE_SIZE), -EINVAL);
	must_give(set_slot(vm, 1, OTHER, PAGE, gmem, HALF + 1), -EINVAL);
	must_give(set_slot(vm, 1, OTHER, HALF, gmem, HALF), 0);
	close(plain);
}
END_TEST

START_TEST(a_slot_deleted_and_made_again_finds_state_and_bytes)
{
	guest_fills(GPA, FILE_SIZE, 8, 0);
	must_give(convert(gmem, 4 * PAGE, 4 * PAGE, SHARED), 0);
	for (int i = 0; i < 5; i++) {
		must_give(delete_slot(vm, 0), 0);
		guest_must_get_no_memory(GPA);
		must_sigbus(mapped);
		host_must_find(4 * PAGE, 4 * PAGE, 8);
		must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
		guest_must_find(GPA, FILE_SIZE, 8, 0);
		must_sigbus(mapped);
		host_must_find(4 * PAGE, 4 * PAGE, 8);
	}
}
END_TEST

START_TEST(a_range_converted_while_it_is_in_no_slot_is_so_in_the_next)
{
	guest_fills(GPA, FILE_SIZE, 9, 0);
	must_give(delete_slot(vm, 0), 0);
	must_give(convert(gmem, 0, HALF, SHARED), 0);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	guest_must_find(GPA, FILE_SIZE, 9, 0);
	host_must_find(0, HALF, 9);
	must_sigbus(mapped + HALF);
}
END_TEST

START_TEST(a_slot_moved_in_the_guest_takes_state_and_bytes_along)
{
	guest_fills(GPA, FILE_SIZE, 10, 0);
	must_give(convert(gmem, PAGE, PAGE, SHARED), 0);
	must_give(delete_slot(vm, 0), 0);
	must_give(set_slot(vm, 5, OTHER, FILE_SIZE, gmem, 0), 0);
	guest_must_get_no_memory(GPA);
	guest_must_find(OTHER, FILE_SIZE, 10, 0);
	must_sigbus(mapped);
	host_must_find(PAGE, PAGE, 10);
	must_give(convert(gmem, 0, 2 * PAGE, SHARED), 0);
	host_must_find(0, 2 * PAGE, 10);
	guest_must_find(OTHER, FILE_SIZE, 10, 0);
}
END_TEST

START_TEST(a_slot_moved_in_the_file_shows_what_is_there)
{
	guest_fills(GPA, FILE_SIZE, 11, 0);
	must_give(convert(gmem, HALF, PAGE, SHARED), 0);
	must_give(delete_slot(vm, 0), 0);
	must_give(set_slot(vm, 0, GPA, HALF, gmem, HALF), 0);
	guest_must_find(GPA, HALF, 11, HALF);
	guest_must_get_no_memory(GPA + HALF);
	must_give(convert(gmem, HALF, PAGE, PRIVATE), 0);
	must_sigbus(mapped + HALF);
	guest_must_find(GPA, HALF, 11, HALF);
}
END_TEST

START_TEST(a_slot_never_shows_other_memory_than_the_file)
{
	uint8_t *elsewhere =
		mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int plain = new_gmem(vm, FILE_SIZE, 0);
	struct guestvm_slot slot = {
		.slot = 3,
		.gpa = OTHER,
		.size = FILE_SIZE,
		.gmem_fd = plain,
		.userspace_addr = (uintptr_t)elsewhere,
	};

	ck_assert(elsewhere != MAP_FAILED);
	memset(elsewhere, 0x77, FILE_SIZE);
	must_give(guestvm_set_slot(guest, &slot), 0);
	guest_fills(OTHER, FILE_SIZE, 12, 0);
	/* Not even when shared, and though the file cannot be mapped. */
	must_give(convert(plain, 0, FILE_SIZE, SHARED), 0);
	guest_must_find(OTHER, FILE_SIZE, 12, 0);
	guest_fills(OTHER, FILE_SIZE, 13, 0);
	must_give(convert(plain, 0, FILE_SIZE, PRIVATE), 0);
	guest_must_find(OTHER, FILE_SIZE, 13, 0);
	for (uint64_t i = 0; i < FILE_SIZE; i++)
		ck_assert_uint_eq(elsewhere[i], 0x77);
	close(plain);
	munmap(elsewhere, FILE_SIZE);
}
END_TEST

/* ---- files that go ---- */

START_TEST(a_slot_lives_on_while_a_mapping_keeps_the_file)
{
	guest_fills(GPA, FILE_SIZE, 14, 0);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	close(gmem);
	guest_must_find(GPA, FILE_SIZE, 14, 0);
	host_must_find(0, PAGE, 14);
	must_sigbus(mapped + PAGE);
	gmem = -1;
}
END_TEST

START_TEST(a_slot_whose_file_is_closed_has_no_memory)
{
	guest_fills(GPA, FILE_SIZE, 15, 0);
	must_give(convert(gmem, 0, HALF, SHARED), 0);
	guest_must_find(GPA, FILE_SIZE, 15, 0);
	munmap(mapped, FILE_SIZE);
	close(gmem);
	for (uint64_t offset = 0; offset < FILE_SIZE; offset += PAGE)
		guest_must_get_no_memory(GPA + offset);
	must_give(delete_slot(vm, 0), 0);
	guest_must_get_no_memory(GPA);
	/* The place can be used again. */
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	ck_assert_uint_eq(done(run(GUESTVM_COMPARE, GPA, FILE_SIZE, 0, 0)), FILE_SIZE);
	guest_fills(GPA, FILE_SIZE, 16, 0);
	guest_must_find(GPA, FILE_SIZE, 16, 0);
}
END_TEST

START_TEST(a_file_outlives_its_vm)
{
	guest_fills(GPA, FILE_SIZE, 17, 0);
	guestvm_destroy(guest);
	guest = NULL;
	must_give(convert(gmem, 0, HALF, SHARED), 0);
	host_must_find(0, HALF, 17);
	must_sigbus(mapped + HALF);
	must_give(convert(gmem, 0, FILE_SIZE, PRIVATE), 0);
	must_sigbus(mapped);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	host_must_find(0, FILE_SIZE, 17);
}
END_TEST

START_TEST(a_vm_outlives_its_files)
{
	int second = new_gmem(vm, FILE_SIZE, 0);

	must_give(set_slot(vm, 1, OTHER, FILE_SIZE, second, 0), 0);
	guest_fills(GPA, FILE_SIZE, 18, 0);
	guest_fills(OTHER, FILE_SIZE, 19, 0);
	close(second);
	guest_must_get_no_memory(OTHER);
	guest_must_find(GPA, FILE_SIZE, 18, 0);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	host_must_find(0, FILE_SIZE, 18);
}
END_TEST

/* ---- KVM's own accesses ---- */

/* KVM writes the time of boot into guest memory, at once. Its first u32 is a version, never 0. */
static void kvm_writes_wall_clock(uint64_t gpa)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));

	ck_assert(msrs);
	msrs->nmsrs = 1;
	msrs->entries[0].index = 0x4b564d00; /* MSR_KVM_WALL_CLOCK_NEW */
	msrs->entries[0].data = gpa;
	ck_assert_int_ge(ioctl(guestvm_vcpu_fd(guest, 0), KVM_SET_MSRS, msrs), 0);
	free(msrs);
}

START_TEST(kvm_itself_cannot_write_a_private_page)
{
	struct guestvm_slot slot = {
		.slot = 0,
		.gpa = GPA,
		.size = FILE_SIZE,
		.gmem_fd = gmem,
		.userspace_addr = (uintptr_t)mapped,
	};

	must_give(guestvm_set_slot(guest, &slot), 0);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	kvm_writes_wall_clock(GPA);
	ck_assert_msg(!page_is_zero(mapped), "KVM did not write its clock to a shared page");
	for (int i = 0; i < 3; i++) {
		must_give(convert(gmem, 0, PAGE, SHARED), 0);
		memset(mapped, 0, PAGE);
		must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
		kvm_writes_wall_clock(GPA);
		must_give(convert(gmem, 0, PAGE, SHARED), 0);
		ck_assert_msg(page_is_zero(mapped), "KVM wrote its clock to a private page");
	}
}
END_TEST

/* ---- VMs without private memory ---- */

START_TEST(a_vm_without_private_memory_uses_a_shared_file)
{
	open_guest(VM_DEFAULT, INIT_SHARED);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	guest_fills(GPA, FILE_SIZE, 20, 0);
	host_must_find(0, FILE_SIZE, 20);
	close_all();
}
END_TEST

START_TEST(a_vm_without_private_memory_cannot_use_a_private_file)
{
	struct guestvm_result result;

	open_guest(VM_DEFAULT, INIT_PRIVATE);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	result = run(GUESTVM_READ64, GPA, 0, 0, 0);
	ck_assert_msg(result.exit == GUESTVM_MEMORY_FAULT, "a read came out with %s",
		      guestvm_exit_name(result.exit));
	ck_assert_int_eq(result.error, EFAULT);
	ck_assert_uint_eq(result.fault.flags, 0);
	must_sigbus(mapped);
	close_all();
}
END_TEST

/* ---- a slot that comes while vCPUs miss it ---- */

struct reader {
	pthread_t thread;
	unsigned int vcpu;
	unsigned long found, missed, other;
};

static atomic_bool enough;

static void *read_over_and_over(void *data)
{
	struct guestvm_cmd cmd = { GUESTVM_READ8, { GPA } };
	struct guestvm_result result;
	struct reader *reader = data;

	while (!atomic_load(&enough)) {
		int err = guestvm_run(guest, reader->vcpu, &cmd, &result);

		if (!err && result.exit == GUESTVM_DONE && result.value == 0x5a)
			reader->found++;
		else if (!err && result.exit == GUESTVM_MMIO)
			reader->missed++;
		else
			reader->other++;
	}
	return NULL;
}

/*
 * One vCPU may map a page of a new slot before another one, which saw no slot yet, gets to the page
 * tables. The kernel must not be surprised: it prints no report.
 */
START_TEST(a_slot_may_come_while_vcpus_miss_it)
{
	struct reader readers[2] = { { .vcpu = 0 }, { .vcpu = 1 } };

	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	must_write(mapped, 0x5a);
	atomic_store(&enough, false);
	for (int i = 0; i < 2; i++)
		ck_assert(
			!pthread_create(&readers[i].thread, NULL, read_over_and_over, &readers[i]));
	for (int i = 0; i < 150; i++) {
		must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
		must_give(delete_slot(vm, 0), 0);
	}
	atomic_store(&enough, true);
	for (int i = 0; i < 2; i++) {
		ck_assert(!pthread_join(readers[i].thread, NULL));
		ck_assert_msg(readers[i].found && readers[i].missed && !readers[i].other,
			      "vCPU %d: found %lu, missed %lu, other %lu", i, readers[i].found,
			      readers[i].missed, readers[i].other);
	}
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *contents = new_case(suite, "contents");
	TCase *slots = new_case(suite, "slots");
	TCase *no_slot = new_case(suite, "no slot at first");
	TCase *plain = new_case(suite, "no private memory");

	tcase_add_checked_fixture(contents, open_private, close_all);
	tcase_add_test(contents, what_the_guest_wrote_in_private_the_host_finds_when_it_is_shared);
	tcase_add_test(contents, what_the_host_wrote_in_shared_the_guest_finds_in_private);
	tcase_add_test(contents, bytes_go_to_and_fro_between_guest_and_host);
	tcase_add_test(contents, a_page_the_guest_has_touched_is_not_busy);
	tcase_add_test(contents, a_hole_takes_the_page_from_the_guest_in_either_state);
	tcase_add_test(contents, a_page_the_guest_sees_first_is_zero);
	tcase_add_test(contents, a_guest_shares_a_buffer_by_hypercall_and_takes_it_back);
	tcase_add_checked_fixture(slots, open_private, close_all);
	tcase_add_test(slots, a_slot_deleted_and_made_again_finds_state_and_bytes);
	tcase_add_test(slots, a_range_converted_while_it_is_in_no_slot_is_so_in_the_next);
	tcase_add_test(slots, a_slot_moved_in_the_guest_takes_state_and_bytes_along);
	tcase_add_test(slots, a_slot_moved_in_the_file_shows_what_is_there);
	tcase_add_test(slots, a_slot_never_shows_other_memory_than_the_file);
	tcase_add_test(slots, a_slot_lives_on_while_a_mapping_keeps_the_file);
	tcase_add_test(slots, a_slot_whose_file_is_closed_has_no_memory);
	tcase_add_test(slots, a_file_outlives_its_vm);
	tcase_add_test(slots, a_vm_outlives_its_files);
	tcase_add_checked_fixture(no_slot, open_without_slot, close_all);
	tcase_add_test(no_slot, one_conversion_reaches_all_slots_on_the_file);
	tcase_add_test(no_slot, a_slot_may_come_while_vcpus_miss_it);
	tcase_add_test(no_slot, slots_must_not_overlap_in_file_or_guest);
	tcase_add_test(no_slot, kvm_itself_cannot_write_a_private_page);
	tcase_add_test(plain, a_vm_without_private_memory_uses_a_shared_file);
	tcase_add_test(plain, a_vm_without_private_memory_cannot_use_a_private_file);
}

int main(void)
{
	Suite *suite = suite_create("guest");

	need_in_place();
	add_tests(suite);
	return run_suite(suite);
}
