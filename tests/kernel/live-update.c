/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Live update, as far as the old kernel goes: what is refused and why, what a preserved file can
 * still do, and that closing the session undoes all of it. What comes after the kexec is in
 * live-update-stages.c.
 */
#include "command.h"
#include "session.h"
#include "vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GPA	(1ULL << 30)
#define CORRUPT "/sys/kernel/debug/hwpoison/corrupt-pfn"

/* The first half of the file has pages, the second half has none. */
#define HALF (FILE_SIZE / 2)

static struct guestvm *guest;
static int vm, gmem, session;
static uint8_t *mapped;

static void open_guest(unsigned int type, uint64_t flags)
{
	const char *step = NULL;
	int err = guestvm_create(&(struct guestvm_options){ .type = type }, &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	vm = guestvm_vm_fd(guest);
	gmem = new_gmem(vm, FILE_SIZE, MAPPABLE | flags);
	must_give(set_slot(vm, 0, GPA, FILE_SIZE, gmem, 0), 0);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	session = new_session("old-kernel");
}

static void open_protected(void)
{
	open_guest(VM_PROTECTED, INIT_SHARED);
	guestvm_host_fill(mapped, HALF, 1, 0);
}

static void open_default(void)
{
	open_guest(VM_DEFAULT, INIT_SHARED);
	guestvm_host_fill(mapped, HALF, 1, 0);
}

static void open_private(void)
{
	open_guest(VM_PROTECTED, INIT_PRIVATE);
	must_give(allocate(gmem, 0, HALF), 0);
}

static void close_all(void)
{
	close(session);
	munmap(mapped, FILE_SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

static struct guestvm_result run(enum guestvm_op op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return vcpu_run(guest, &(struct guestvm_cmd){ op, { a, b, c, d } });
}

/* ---- frozen ---- */

/* All that must work goes on working, with the bytes of @round in the first half. */
static void pages_must_be_usable(uint64_t round)
{
	uint8_t *fresh = map_gmem(gmem, 0, FILE_SIZE);
	uint64_t found;

	ck_assert_uint_eq(guestvm_host_check(fresh, HALF, round, 0, &found), HALF);
	ck_assert_uint_eq(run(GUESTVM_CHECK, GPA, HALF, round, 0).value, HALF);
	ck_assert_int_eq(run(GUESTVM_FILL, GPA, HALF, round + 1, 0).exit, GUESTVM_DONE);
	ck_assert_uint_eq(guestvm_host_check(mapped, HALF, round + 1, 0, &found), HALF);
	guestvm_host_fill(fresh, HALF, round + 2, 0);
	ck_assert_uint_eq(run(GUESTVM_CHECK, GPA, HALF, round + 2, 0).value, HALF);
	munmap(fresh, FILE_SIZE);
}

static void absent_pages_must_not_come(void)
{
	for (uint64_t offset = HALF; offset < FILE_SIZE; offset += PAGE) {
		struct guestvm_result result = run(GUESTVM_READ64, GPA + offset, 0, 0, 0);

		ck_assert_int_eq(result.exit, GUESTVM_MEMORY_FAULT);
		ck_assert_int_eq(result.error, EPERM);
		ck_assert_uint_eq(result.fault.gpa, GPA + offset);
		must_sigbus(mapped + offset);
	}
}

START_TEST(a_preserved_file_is_frozen)
{
	must_give(preserve(session, gmem, 1), 0);
	must_be_frozen(gmem);
	/* Whatever it is that is allocated or punched, whether it has pages or not. */
	must_give(allocate(gmem, HALF, HALF), -EPERM);
	must_give(punch(gmem, HALF, HALF), -EPERM);
	must_give(madvise(mapped, PAGE, MADV_REMOVE) ? -errno : 0, -EPERM);
	pages_must_be_usable(1);
	absent_pages_must_not_come();
}
END_TEST

START_TEST(what_is_wrong_with_fallocate_is_said_first)
{
	must_give(preserve(session, gmem, 1), 0);
	must_give(fallocate(gmem, 0, 0, PAGE) ? -errno : 0, -EOPNOTSUPP);
	must_give(allocate(gmem, 1, PAGE), -EINVAL);
	must_give(punch(gmem, 0, PAGE - 1), -EINVAL);
}
END_TEST

START_TEST(a_preserved_file_is_not_converted)
{
	uint64_t where = ~0ULL;

	must_give(preserve(session, gmem, 1), 0);
	must_give(convert_where(gmem, 0, HALF, PRIVATE, &where), -EPERM);
	/* Not even to what it is, and not where there is nothing. */
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), -EPERM);
	must_give(convert(gmem, HALF, PAGE, PRIVATE), -EPERM);
	/* What is wrong with the request comes first. */
	must_give(convert(gmem, 0, FILE_SIZE + PAGE, PRIVATE), -EINVAL);
	pages_must_be_usable(1);
	close(session);
	session = new_session("again");
	must_give(convert(gmem, 0, HALF, PRIVATE), 0);
	must_sigbus(mapped);
	must_give(convert(gmem, 0, HALF, SHARED), 0);
}
END_TEST

START_TEST(a_preserved_file_is_not_converted_by_commands)
{
	struct gmem_uapi_attributes request = { .size = PAGE, .attributes = PRIVATE };
	struct ring ring;
	int ret = ring_open(&ring);

	if (ret) {
		skip_case("a_preserved_file_is_not_converted_by_commands", "io_uring: %s",
			  error_name(-ret));
		return;
	}
	must_give(preserve(session, gmem, 1), 0);
	must_give(command_run(&ring, command_set(gmem, &request)), -EPERM);
	must_hold(mapped, guestvm_pattern(1, 0));
	close(session);
	session = new_session("again");
	must_give(command_run(&ring, command_set(gmem, &request)), 0);
	must_sigbus(mapped);
	ring_close(&ring);
}
END_TEST

START_TEST(slots_come_and_go_while_frozen)
{
	must_give(preserve(session, gmem, 1), 0);
	must_give(delete_slot(vm, 0), 0);
	must_give(set_slot(vm, 1, 2 * GPA, FILE_SIZE, gmem, 0), 0);
	ck_assert_uint_eq(run(GUESTVM_CHECK, 2 * GPA, HALF, 1, 0).value, HALF);
}
END_TEST

START_TEST(closing_the_session_undoes_all)
{
	for (uint64_t round = 1; round < 8; round += 2) {
		must_give(preserve(session, vm, 0), 0);
		must_give(preserve(session, gmem, ~0ULL), 0);
		must_be_frozen(gmem);
		pages_must_be_usable(round);
		close(session);
		must_be_thawed(gmem);
		must_refuse(gmem, NONE, 0);
		session = new_session("again");
	}
	must_give(allocate(gmem, HALF, HALF), 0);
	must_write(mapped + HALF, 1);
	ck_assert_int_eq(run(GUESTVM_WRITE64, GPA + HALF + PAGE, 7, 0, 0).exit, GUESTVM_DONE);
	must_give(convert(gmem, HALF, HALF, PRIVATE), 0);
	must_give(punch(gmem, 0, FILE_SIZE), 0);
	must_give(convert(gmem, 0, FILE_SIZE, SHARED), 0);
	must_hold(mapped, 0);
}
END_TEST

START_TEST(a_session_keeps_closed_files)
{
	int other = new_gmem(vm, FILE_SIZE, MAPPABLE | INIT_SHARED);
	uint8_t *at = map_gmem(other, 0, FILE_SIZE);

	must_write(at, 5);
	must_give(preserve(session, other, 1), 0);
	close(other);
	must_hold(at, 5);
	must_sigbus(at + PAGE);
	close(session);
	session = new_session("again");
	/* The mapping is what keeps the file now. */
	must_hold(at + PAGE, 0);
	munmap(at, FILE_SIZE);
}
END_TEST

/* ---- refused ---- */

/* A preserve that fails: exactly so, for that reason, and with nothing changed. */
#define must_not_preserve(expected, reason, where)                                                 \
	do {                                                                                       \
		must_be_refused(gmem, GMEM_UAPI_REFUSAL_##reason, (where));                        \
		must_give(preserve(session, gmem, 1), (expected));                                 \
		must_be_refused(gmem, GMEM_UAPI_REFUSAL_##reason, (where));                        \
		must_be_thawed(gmem);                                                              \
	} while (0)

START_TEST(private_pages_need_the_option)
{
	must_give(convert(gmem, 3 * PAGE, PAGE, PRIVATE), 0);
	must_not_preserve(-EACCES, PRIVATE, 3 * PAGE);
	must_sigbus(mapped + 3 * PAGE);
	must_hold(mapped, guestvm_pattern(1, 0));
	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	must_refuse(gmem, NONE, 0);
	must_give(preserve(session, gmem, 1), 0);
	must_be_frozen(gmem);
	must_give(convert(gmem, 3 * PAGE, PAGE, SHARED), -EPERM);
	must_sigbus(mapped + 3 * PAGE);
	close(session);
	must_be_thawed(gmem);
	must_give(set_options(gmem, 0), 0);
	session = new_session("again");
	must_not_preserve(-EACCES, PRIVATE, 3 * PAGE);
	must_give(convert(gmem, 3 * PAGE, PAGE, SHARED), 0);
	must_give(preserve(session, gmem, 1), 0);
}
END_TEST

START_TEST(a_private_file_needs_the_option)
{
	must_not_preserve(-EACCES, PRIVATE, 0);
	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	must_give(preserve(session, gmem, 1), 0);
	must_be_frozen(gmem);
}
END_TEST

START_TEST(a_file_is_preserved_once)
{
	int same = dup(gmem), other_session = new_session("other");
	char path[64];

	must_give(preserve(session, gmem, 1), 0);
	must_give(preserve(session, gmem, 1), -EEXIST);
	must_give(preserve(session, gmem, 2), -EBUSY);
	must_give(preserve(session, same, 2), -EBUSY);
	must_give(preserve(other_session, gmem, 1), -EBUSY);
	must_give(preserve(session, vm, 2), 0);
	must_give(preserve(other_session, vm, 2), -EBUSY);
	must_be_frozen(gmem);
	/* The failures have not thawed it, nor do they when their session goes. */
	close(other_session);
	must_be_frozen(gmem);
	/* A second open file of the inode, which would have the same answer, is not to be had. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", gmem);
	ck_assert_int_lt(open(path, O_RDWR), 0);
	close(same);
}
END_TEST

START_TEST(a_file_whose_vm_is_closed_is_refused)
{
	int lonely = new_vm(VM_PROTECTED);
	int file = new_gmem(lonely, FILE_SIZE, MAPPABLE | INIT_SHARED);

	must_refuse(file, NONE, 0);
	close(lonely);
	must_refuse(file, VM_GONE, 0);
	must_give(preserve(session, file, 1), -ENODEV);
	must_be_thawed(file);
	close(file);
}
END_TEST

static uint64_t frame_of(const uint8_t *at)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	ck_assert(pread(pagemap, &entry, 8, (off_t)((uintptr_t)at / PAGE * 8)) == 8);
	close(pagemap);
	return entry & ((1ULL << 55) - 1);
}

static void break_frame(uint64_t frame)
{
	int file = open(CORRUPT, O_WRONLY | O_CLOEXEC);
	char text[32];

	ck_assert_msg(file >= 0, CORRUPT ": %s", strerror(errno));
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)frame);
	ck_assert(write(file, text, strlen(text)) > 0 || errno == EBUSY);
	close(file);
}

START_TEST(a_poisoned_page_is_refused)
{
	break_frame(frame_of(mapped + 5 * PAGE));
	must_not_preserve(-EHWPOISON, POISONED, 5 * PAGE);
	ck_assert_uint_eq(run(GUESTVM_CHECK, GPA, 5 * PAGE, 1, 0).value, 5 * PAGE);
	/* A hole takes it away. */
	must_give(punch(gmem, 5 * PAGE, PAGE), 0);
	must_refuse(gmem, NONE, 0);
	must_give(preserve(session, gmem, 1), 0);
}
END_TEST

START_TEST(protected_types_are_refused)
{
	int types = system_capability(GMEM_CAP_VM_TYPES);
	unsigned int tried = 0;

	for (unsigned int type = 2; type < 32; type++) {
		int kind, file;

		if (!(types & (1U << type)))
			continue;
		kind = new_vm(type);
		file = new_gmem(kind, FILE_SIZE, MAPPABLE | INIT_SHARED);
		must_refuse(file, VM_TYPE, 0);
		must_give(preserve(session, file, 1), -EOPNOTSUPP);
		must_give(preserve(session, kind, 2), -EOPNOTSUPP);
		close(file);
		close(kind);
		tried++;
	}
	if (!tried)
		skip_case("protected_types_are_refused",
			  "SEV, SEV-ES, SEV-SNP and TDX need hardware that is not emulated");
}
END_TEST

/* ---- the ioctl ---- */

START_TEST(requests_are_checked)
{
	struct gmem_uapi_live_update request;
	int file;

	for (unsigned int bit = 1; bit < 64; bit++) {
		request = (struct gmem_uapi_live_update){ .flags = 1ULL << bit };
		must_give(live_update_raw(gmem, &request), -EINVAL);
		must_give(set_options(gmem, 1ULL << bit), -EINVAL);
	}
	for (unsigned int i = 0; i < 3; i++) {
		request = (struct gmem_uapi_live_update){ 0 };
		request.reserved[i] = 1;
		must_give(live_update_raw(gmem, &request), -EINVAL);
	}
	must_give(live_update_raw(gmem, NULL), -EFAULT);
	/* What only comes out may hold anything. */
	request = (struct gmem_uapi_live_update){ 0, ~0ULL, ~0ULL, ~0ULL, ~0ULL, { 0 } };
	must_give(live_update_raw(gmem, &request), 0);
	ck_assert_uint_eq(request.options, 0);
	ck_assert_uint_eq(request.status, 0);
	ck_assert_uint_eq(request.refusal, GMEM_UAPI_REFUSAL_NONE);
	ck_assert_uint_eq(request.error_offset, 0);
	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	ck_assert_uint_eq(live_update(gmem).options, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED);
	file = memfd_create("no guest_memfd", MFD_CLOEXEC);
	request = (struct gmem_uapi_live_update){ 0 };
	must_give(live_update_raw(file, &request), -ENOTTY);
	must_give(live_update_raw(vm, &request), -ENOTTY);
	close(file);
}
END_TEST

START_TEST(a_numa_policy_is_told)
{
	unsigned long nodes = 1;

	ck_assert_uint_eq(live_update(gmem).status, 0);
	if (syscall(SYS_mbind, mapped, PAGE, MPOL_BIND, &nodes, 2UL, 0U)) {
		skip_case("a_numa_policy_is_told", "mbind: %s", strerror(errno));
		return;
	}
	ck_assert_uint_eq(live_update(gmem).status, GMEM_UAPI_LIVE_UPDATE_NUMA_POLICY);
	must_refuse(gmem, NONE, 0);
	must_give(preserve(session, gmem, 1), 0);
}
END_TEST

START_TEST(capabilities)
{
	int all = GMEM_UAPI_LIVE_UPDATE_ON | GMEM_UAPI_LIVE_UPDATE_MIXED;

	ck_assert_int_eq(system_capability(GMEM_CAP_LIVE_UPDATE), all);
	ck_assert_int_eq(vm_capability(vm, GMEM_CAP_LIVE_UPDATE), all);
}
END_TEST

/* ---- races ---- */

static atomic_bool over;

static void *convert_on_and_on(void *unused)
{
	(void)unused;
	while (!over) {
		int ret = convert(gmem, 0, PAGE, PRIVATE);

		if (!ret || ret == -EAGAIN)
			ret = convert(gmem, 0, PAGE, SHARED);
		ck_assert_msg(!ret || ret == -EPERM || ret == -EAGAIN, "%s", error_name(-ret));
	}
	return NULL;
}

static void *allocate_on_and_on(void *unused)
{
	(void)unused;
	while (!over) {
		int ret = allocate(gmem, HALF, HALF);

		if (!ret)
			ret = punch(gmem, HALF, HALF);
		ck_assert_msg(!ret || ret == -EPERM, "%s", error_name(-ret));
	}
	return NULL;
}

/* Whatever the others do, a file that is preserved stays as it is, until it is let go. */
START_TEST(preserve_against_conversion_and_allocation)
{
	unsigned int preserved = 0, tries = 0;
	pthread_t threads[2];

	must_give(set_options(gmem, GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED), 0);
	must_give(pthread_create(&threads[0], NULL, convert_on_and_on, NULL), 0);
	must_give(pthread_create(&threads[1], NULL, allocate_on_and_on, NULL), 0);
	while (preserved < 50 && tries++ < 5000) {
		uint64_t before[2], after[2];
		int ret = preserve(session, gmem, 1);
		uint8_t byte;

		if (ret == -EAGAIN)
			continue;
		must_give(ret, 0);
		for (int i = 0; i < 2; i++)
			before[i] = try_read(mapped + i * HALF, &byte);
		sched_yield();
		for (int i = 0; i < 2; i++)
			after[i] = try_read(mapped + i * HALF, &byte);
		ck_assert_mem_eq(before, after, sizeof(before));
		must_be_frozen(gmem);
		close(session);
		session = new_session("again");
		preserved++;
	}
	over = true;
	for (int i = 0; i < 2; i++)
		must_give(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_ge(preserved, 50);
	must_be_thawed(gmem);
}
END_TEST

static void add_tests(Suite *suite)
{
	TCase *protected = new_case(suite, "protected");
	TCase *ordinary = new_case(suite, "default");
	TCase *private = new_case(suite, "private");

	tcase_add_checked_fixture(protected, open_protected, close_all);
	tcase_add_test(protected, a_preserved_file_is_frozen);
	tcase_add_test(protected, what_is_wrong_with_fallocate_is_said_first);
	tcase_add_test(protected, a_preserved_file_is_not_converted);
	if (system_capability(GMEM_CAP_URING) > 0)
		tcase_add_test(protected, a_preserved_file_is_not_converted_by_commands);
	else
		skip_case("a_preserved_file_is_not_converted_by_commands", "no commands here");
	tcase_add_test(protected, slots_come_and_go_while_frozen);
	tcase_add_test(protected, closing_the_session_undoes_all);
	tcase_add_test(protected, a_session_keeps_closed_files);
	tcase_add_test(protected, private_pages_need_the_option);
	tcase_add_test(protected, a_file_is_preserved_once);
	tcase_add_test(protected, a_file_whose_vm_is_closed_is_refused);
	if (access(CORRUPT, W_OK))
		skip_case("a_poisoned_page_is_refused", "no " CORRUPT);
	else
		tcase_add_test(protected, a_poisoned_page_is_refused);
	tcase_add_test(protected, requests_are_checked);
	tcase_add_test(protected, a_numa_policy_is_told);
	tcase_add_test(protected, capabilities);
	tcase_add_test(protected, preserve_against_conversion_and_allocation);
	tcase_add_test(protected, protected_types_are_refused);
	tcase_add_checked_fixture(ordinary, open_default, close_all);
	tcase_add_test(ordinary, a_preserved_file_is_frozen);
	tcase_add_test(ordinary, slots_come_and_go_while_frozen);
	tcase_add_checked_fixture(private, open_private, close_all);
	tcase_add_test(private, a_private_file_needs_the_option);
}

int main(void)
{
	Suite *suite = suite_create("live-update");

	need_in_place();
	need_live_update();
	need_debugfs();
	add_tests(suite);
	return run_suite(suite);
}
