/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A space on a real kernel, with a guest that asks: in place, and with two backings on the same
 * kernel with kvm.gmem_in_place_conversion=0. The mode that must be found is named on the command
 * line, so that neither is tested by mistake.
 *
 * Usage: space in-place|two-backings
 */
#include "library.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guestvm.h"
#include "tests/kernel/pin.h"

#define GPA   (1ULL << 30)
#define HALF  (8 * PAGE)
#define SIZE  (2 * HALF)
#define VCPUS 4

/* Two slots side by side: half of file 0, and the second half of file 1. */
static struct guestvm *guest;
static struct gmem_space *space;
static struct gmem *files[2];
static struct kvm_run *runs[VCPUS];
static struct gmem_server servers[VCPUS];
static enum gmem_mode mode;

static void bind(uint32_t number)
{
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.gpa = GPA + (number - 1) * HALF,
		.memory_size = HALF,
		.gmem = files[number - 1],
		.offset = (number - 1) * HALF,
		.number = number,
	};

	must(gmem_space_bind(space, &slot, report), 0);
}

static void open_guest(void)
{
	struct gmem_space_options options = { .size = sizeof(options), .vm_type = VM_PROTECTED };
	const char *step = NULL;
	unsigned int i;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_PROTECTED, .vcpus = VCPUS },
				 &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	must(gmem_space_new(guestvm_vm_fd(guest), &options, &space, report), 0);
	ck_assert_str_eq(gmem_mode_name(gmem_space_get_mode(space)), gmem_mode_name(mode));
	for (i = 0; i < 2; i++) {
		must(gmem_space_create(space, SIZE, GMEM_INIT_PRIVATE, &files[i], report), 0);
		bind(i + 1);
	}
	for (i = 0; i < VCPUS; i++) {
		runs[i] = mmap(NULL, sizeof(*runs[i]), PROT_READ | PROT_WRITE, MAP_SHARED,
			       guestvm_vcpu_fd(guest, i), 0);
		ck_assert_ptr_ne(runs[i], MAP_FAILED);
		servers[i] = (struct gmem_server){ .size = sizeof(servers[i]) };
	}
}

static void close_guest(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		munmap(runs[i], sizeof(*runs[i]));
	gmem_space_free(space);
	gmem_release(files[0]);
	gmem_release(files[1]);
	guestvm_destroy(guest);
}

/* -- what the guest does */

/* Runs a command to its end, and serves whatever it asks for. */
static uint64_t run(unsigned int vcpu, const struct guestvm_cmd *cmd, struct gmem_error *own)
{
	struct guestvm_result result;
	int r;

	must_give(guestvm_run(guest, vcpu, cmd, &result), 0);
	while (result.exit != GUESTVM_DONE) {
		/* Work left by an io_uring of this thread gets the vCPU out, too: no request. */
		r = 0;
		if (result.exit != GUESTVM_KICKED)
			r = gmem_space_serve(space, runs[vcpu], -result.error, &servers[vcpu], own);
		ck_assert_msg(r == 0, "%s is not served: %s\n%s", guestvm_exit_name(result.exit),
			      gmem_error_name(r), explain_report());
		must_give(guestvm_run(guest, vcpu, NULL, &result), 0);
	}
	return result.value;
}

/* What the hypercall returns to the guest: 0 or a negative errno. */
static int ask(unsigned int vcpu, uint64_t page, uint64_t pages, enum gmem_state state)
{
	struct guestvm_cmd cmd = { GUESTVM_MAP_GPA, { GPA + page * PAGE, pages, 0, 0 } };

	if (state == GMEM_STATE_PRIVATE)
		cmd.arg[2] = GUESTVM_HC_PRIVATE;
	return (int)(int64_t)run(vcpu, &cmd, report);
}

static void guest_write(uint64_t page, uint64_t value)
{
	run(0, &(struct guestvm_cmd){ GUESTVM_WRITE64, { GPA + page * PAGE, value } }, report);
}

static uint64_t guest_read(uint64_t page)
{
	return run(0, &(struct guestvm_cmd){ GUESTVM_READ64, { GPA + page * PAGE } }, report);
}

static volatile uint64_t *host(uint64_t page)
{
	void *address = NULL;

	must_give(gmem_space_get_address(space, GPA + page * PAGE, PAGE, &address), 0);
	return address;
}

static void must_be_all(uint64_t page, uint64_t pages, enum gmem_state state)
{
	uint64_t gpa = GPA + page * PAGE, end = gpa + pages * PAGE;
	struct gmem_space_extent extent;

	for (; gpa < end; gpa += extent.size) {
		must(gmem_space_get_extent(space, gpa, end - gpa, &extent, report), 0);
		ck_assert_msg(extent.state == state, "0x%llx is %s", (unsigned long long)gpa,
			      gmem_state_name(extent.state));
	}
}

/* In place the bytes stay; with two backings each state has memory of its own. */
static uint64_t kept(uint64_t value)
{
	return mode == GMEM_MODE_IN_PLACE ? value : 0;
}

START_TEST(guest_and_host_share_what_the_guest_asks_for)
{
	must_be_all(0, 16, GMEM_STATE_PRIVATE);
	guest_write(7, 0x1111);
	guest_write(8, 0x2222);
	/* One request, two slots of two files. */
	must_give(ask(0, 6, 4, GMEM_STATE_SHARED), 0);
	must_be_all(6, 4, GMEM_STATE_SHARED);
	must_be_all(0, 6, GMEM_STATE_PRIVATE);
	must_be_all(10, 6, GMEM_STATE_PRIVATE);
	ck_assert_uint_eq(*host(7), kept(0x1111));
	ck_assert_uint_eq(*host(8), kept(0x2222));
	*host(8) = 0x3333;
	ck_assert_uint_eq(guest_read(8), 0x3333);
	guest_write(7, 0x4444);
	ck_assert_uint_eq(*host(7), 0x4444);
	must_give(ask(0, 6, 4, GMEM_STATE_PRIVATE), 0);
	must_be_all(0, 16, GMEM_STATE_PRIVATE);
	ck_assert_uint_eq(guest_read(7), kept(0x4444));
	ck_assert_uint_eq(guest_read(8), kept(0x3333));
}
END_TEST

START_TEST(a_private_page_is_not_the_hosts)
{
	guest_write(3, 0x5555);
	if (mode == GMEM_MODE_IN_PLACE)
		must_sigbus((uint8_t *)(uintptr_t)host(3));
	else
		/* That is other memory. */
		ck_assert_uint_eq(*host(3), 0);
	ck_assert_uint_eq(guest_read(3), 0x5555);
}
END_TEST

START_TEST(a_guest_that_asks_for_nonsense_goes_on)
{
	must_give(ask(0, 15, 2, GMEM_STATE_SHARED), -EINVAL);
	ck_assert_int_eq(servers[0].result, -ENXIO);
	ck_assert_str_eq(gmem_error_get_cause(report), "hole");
	must_be_all(0, 16, GMEM_STATE_PRIVATE);
	must_give(ask(0, 15, 1, GMEM_STATE_SHARED), 0);
}
END_TEST

START_TEST(states_survive_a_reboot)
{
	int i;

	must_give(ask(0, 2, 3, GMEM_STATE_SHARED), 0);
	must_give(ask(0, 9, 2, GMEM_STATE_SHARED), 0);
	guest_write(1, 0x1111);
	guest_write(3, 0x3333);
	for (i = 0; i < 3; i++) {
		must(gmem_space_unbind(space, 1, report), 0);
		must(gmem_space_unbind(space, 2, report), 0);
		bind(2);
		bind(1);
		must_be_all(0, 2, GMEM_STATE_PRIVATE);
		must_be_all(2, 3, GMEM_STATE_SHARED);
		must_be_all(5, 4, GMEM_STATE_PRIVATE);
		must_be_all(9, 2, GMEM_STATE_SHARED);
		must_be_all(11, 5, GMEM_STATE_PRIVATE);
	}
	ck_assert_uint_eq(guest_read(1), 0x1111);
	ck_assert_uint_eq(guest_read(3), 0x3333);
	ck_assert_uint_eq(*host(3), 0x3333);
}
END_TEST

START_TEST(states_move_with_the_file)
{
	struct gmem_slot slot = {
		.size = sizeof(slot),
		.gpa = 2 * GPA,
		.memory_size = HALF,
		.gmem = files[0],
		.number = 1,
	};
	struct guestvm_cmd read = { GUESTVM_READ64, { 2 * GPA + PAGE } };

	must_give(ask(0, 2, 3, GMEM_STATE_SHARED), 0);
	guest_write(1, 0x1111);
	*host(2) = 0x2222;
	must(gmem_space_unbind(space, 1, report), 0);
	must(gmem_space_bind(space, &slot, report), 0);
	ck_assert_uint_eq(run(0, &read, report), 0x1111);
	read.arg[0] += PAGE;
	ck_assert_uint_eq(run(0, &read, report), 0x2222);
}
END_TEST

/* -- listeners */

/* Maps all that is shared for DMA, so to speak: pins it. One pin at a time is enough here. */
struct device {
	int ring;
	uint64_t gpa, size;
	bool stubborn;
	int released, populated, busy;
};

static int device_release(const struct gmem_notice *notice, void *data)
{
	struct device *device = data;

	device->busy += notice->reason == GMEM_REASON_BUSY;
	if (device->ring < 0 || notice->gpa + notice->size <= device->gpa ||
	    device->gpa + device->size <= notice->gpa)
		return 0;
	if (device->stubborn)
		return notice->reason == GMEM_REASON_BUSY ? -EAGAIN : 0;
	unpin(device->ring);
	device->ring = -1;
	device->released++;
	return 0;
}

static int device_populate(const struct gmem_notice *notice, void *data)
{
	struct device *device = data;

	if (device->ring >= 0)
		return 0;
	device->ring = pin(notice->address, (size_t)notice->size);
	if (device->ring < 0)
		return device->ring;
	device->gpa = notice->gpa;
	device->size = notice->size;
	device->populated++;
	return 0;
}

static void plug_in(struct device *device)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "test device" };
	struct gmem_listener *listener;

	*device = (struct device){ .ring = -1 };
	options.release = device_release;
	options.populate = device_populate;
	options.data = device;
	must(gmem_listener_add(space, &options, &listener, report), 0);
}

START_TEST(a_device_lets_go_before_its_memory_becomes_private)
{
	struct device device;
	int i;

	plug_in(&device);
	for (i = 0; i < 3; i++) {
		must_give(ask(0, 1, 2, GMEM_STATE_SHARED), 0);
		ck_assert_int_ge(device.ring, 0);
		ck_assert_uint_eq(device.gpa, GPA + PAGE);
		ck_assert_uint_eq(device.size, 2 * PAGE);
		must_give(ask(0, 1, 2, GMEM_STATE_PRIVATE), 0);
		ck_assert_int_lt(device.ring, 0);
	}
	ck_assert_int_eq(device.populated, 3);
	ck_assert_int_eq(device.released, 3);
}
END_TEST

START_TEST(a_device_that_does_not_let_go_is_named)
{
	struct gmem_convert_options few = { .size = sizeof(few), .max_attempts = 3 };
	struct device device;
	uint64_t gpa = 0;

	plug_in(&device);
	must_give(ask(0, 9, 1, GMEM_STATE_SHARED), 0);
	must_give(ask(0, 7, 2, GMEM_STATE_SHARED), 0);
	*host(7) = 0x7777;
	device.stubborn = true;
	servers[0].convert = &few;
	/* The first slot's part is converted, and then undone because of the second one's. */
	must_give(ask(0, 6, 4, GMEM_STATE_PRIVATE), -EAGAIN);
	ck_assert_int_eq(servers[0].result, -EAGAIN);
	ck_assert_str_eq(gmem_error_get_holder(report), "test device");
	ck_assert(gmem_error_get_first_offset(report, &gpa));
	ck_assert_uint_eq(gpa, GPA + 9 * PAGE);
	ck_assert_int_eq(device.busy, 3);
	ck_assert(!gmem_error_get_unrestored(report, 0, NULL, NULL));
	must_be_all(0, 7, GMEM_STATE_PRIVATE);
	must_be_all(7, 3, GMEM_STATE_SHARED);
	must_be_all(10, 6, GMEM_STATE_PRIVATE);
	ck_assert_uint_eq(*host(7), 0x7777);
	device.stubborn = false;
	must_give(ask(0, 6, 4, GMEM_STATE_PRIVATE), 0);
	must_be_all(0, 16, GMEM_STATE_PRIVATE);
}
END_TEST

static int always_refuse(const struct gmem_notice *notice, void *data)
{
	(void)data;
	return notice->reason == GMEM_REASON_CONVERT ? -EIO : 0;
}

static int do_nothing(const struct gmem_notice *notice, void *data)
{
	(void)notice;
	(void)data;
	return 0;
}

START_TEST(a_listener_that_refuses_undoes_all)
{
	struct gmem_listener_options options = { .size = sizeof(options), .name = "no" };
	struct gmem_listener *listener;

	must_give(ask(0, 3, 1, GMEM_STATE_SHARED), 0);
	guest_write(7, 0x7777);
	guest_write(8, 0x8888);
	options.release = do_nothing;
	options.populate = always_refuse;
	must(gmem_listener_add(space, &options, &listener, report), 0);
	must_give(ask(0, 2, 10, GMEM_STATE_SHARED), -EAGAIN);
	ck_assert_int_eq(servers[0].result, -ECANCELED);
	ck_assert_int_eq(gmem_error_get_listener_code(report), -EIO);
	must_be_all(0, 3, GMEM_STATE_PRIVATE);
	must_be_all(3, 1, GMEM_STATE_SHARED);
	must_be_all(4, 12, GMEM_STATE_PRIVATE);
	/* This VM type keeps contents in place, and with two backings nothing was given back yet.
	 */
	ck_assert_uint_eq(guest_read(7), 0x7777);
	ck_assert_uint_eq(guest_read(8), 0x8888);
	must(gmem_listener_remove(listener, report), 0);
	must_give(ask(0, 2, 10, GMEM_STATE_SHARED), 0);
}
END_TEST

START_TEST(a_file_that_was_closed_undoes_all)
{
	int fd = gmem_get_fd(files[1]), copy = dup(fd);

	must_give(ask(0, 3, 1, GMEM_STATE_SHARED), 0);
	guest_write(4, 0x4444);
	close(fd);
	must_give(ask(0, 2, 10, GMEM_STATE_SHARED), -EINVAL);
	ck_assert_int_eq(dup2(copy, fd), fd);
	close(copy);
	ck_assert_int_eq(servers[0].result, -EBADF);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-open");
	must_be_all(0, 3, GMEM_STATE_PRIVATE);
	must_be_all(3, 1, GMEM_STATE_SHARED);
	must_be_all(4, 12, GMEM_STATE_PRIVATE);
	ck_assert_uint_eq(guest_read(4), 0x4444);
}
END_TEST

/* -- slots */

START_TEST(a_slot_must_show_its_file)
{
	struct gmem_slot slot = { .size = sizeof(slot), .gmem = files[0], .number = 5 };
	void *mapped, *anonymous;

	slot.gpa = 3 * GPA;
	slot.memory_size = 2 * PAGE;
	slot.offset = HALF;
	must(gmem_map(files[0], 0, SIZE, NULL, &mapped, report), 0);
	anonymous = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(anonymous, MAP_FAILED);
	slot.address = anonymous;
	must(gmem_space_bind(space, &slot, report), -EFAULT);
	slot.address = mapped;
	must(gmem_space_bind(space, &slot, report), -EFAULT);
	ck_assert_str_eq(gmem_error_get_cause(report), "not-aliased");
	/* The other file, at the right offset. */
	slot.gmem = files[1];
	slot.offset = 0;
	must(gmem_space_bind(space, &slot, report), -EFAULT);
	/* Not all of it is mapped. */
	slot.gmem = files[0];
	slot.offset = SIZE - 2 * PAGE;
	slot.address = (char *)mapped + slot.offset;
	must_give(munmap((char *)mapped + SIZE - PAGE, PAGE), 0);
	must(gmem_space_bind(space, &slot, report), -EFAULT);
	slot.offset = HALF;
	slot.address = (char *)mapped + HALF;
	must(gmem_space_bind(space, &slot, report), 0);
	/* Two mappings of the file, next to each other, are as good as one. */
	must(gmem_space_unbind(space, 5, report), 0);
	must_give(mprotect((char *)mapped + HALF, PAGE, PROT_READ), 0);
	must(gmem_space_bind(space, &slot, report), 0);
	must(gmem_space_unbind(space, 5, report), 0);
	munmap(mapped, SIZE - PAGE);
	munmap(anonymous, SIZE);
}
END_TEST

START_TEST(what_kvm_refuses_is_explained)
{
	struct gmem_slot slot = { .size = sizeof(slot), .number = 5 };
	struct gmem *again;
	int other = new_vm(VM_PROTECTED);

	/* The same file once more: only the kernel can know. */
	must(gmem_adopt(dup(gmem_get_fd(files[0])), NULL, &again, report), 0);
	slot.gmem = again;
	slot.gpa = 3 * GPA;
	slot.memory_size = PAGE;
	must(gmem_space_bind(space, &slot, report), -EEXIST);
	ck_assert_str_eq(gmem_error_get_cause(report), "foreign-slot");
	/* guestvm's own memory. */
	slot.offset = SIZE - PAGE;
	slot.gpa = 0;
	must(gmem_space_bind(space, &slot, report), -EEXIST);
	gmem_release(again);
	must(gmem_create(other, SIZE, NULL, &again, report), 0);
	slot.gmem = again;
	slot.gpa = 3 * GPA;
	must(gmem_space_bind(space, &slot, report), -EINVAL);
	ck_assert_str_eq(gmem_error_get_cause(report), "slot-refused");
	gmem_release(again);
	close(other);
}
END_TEST

/* -- many at once */

#define ROUNDS 100

static void *ask_at_random(void *data)
{
	unsigned int vcpu = (unsigned int)(uintptr_t)data;
	uint64_t random = test_seed() + vcpu + 1, page, pages;
	struct guestvm_cmd cmd = { .op = GUESTVM_MAP_GPA };
	struct gmem_error *own;
	int i;

	must_give(gmem_error_new(&own), 0);
	for (i = 0; i < ROUNDS; i++) {
		page = random_below(&random, 16);
		pages = 1 + random_below(&random, 16 - page);
		cmd.arg[0] = GPA + page * PAGE;
		cmd.arg[1] = pages;
		cmd.arg[2] = random_below(&random, 2) ? GUESTVM_HC_PRIVATE : 0;
		if (run(vcpu, &cmd, own) != 0)
			return own;
	}
	gmem_error_free(own);
	return NULL;
}

START_TEST(vcpus_convert_the_same_memory_at_once)
{
	struct gmem_space_extent extent;
	pthread_t threads[VCPUS];
	uint64_t page, value;
	unsigned int i;
	void *failed;

	for (i = 0; i < VCPUS; i++)
		must_give(pthread_create(&threads[i], NULL, ask_at_random, (void *)(uintptr_t)i),
			  0);
	for (i = 0; i < VCPUS; i++) {
		must_give(pthread_join(threads[i], &failed), 0);
		ck_assert_msg(!failed, "a vCPU was refused");
	}
	/* What the space says is what guest and host find. */
	for (page = 0; page < 16; page++) {
		must(gmem_space_get_extent(space, GPA + page * PAGE, PAGE, &extent, report), 0);
		value = 0xabc0 + page;
		guest_write(page, value);
		if (extent.state == GMEM_STATE_SHARED)
			ck_assert_uint_eq(*host(page), value);
		else if (mode == GMEM_MODE_IN_PLACE)
			must_sigbus((uint8_t *)(uintptr_t)host(page));
		else
			ck_assert_uint_ne(*host(page), value);
	}
}
END_TEST

/* -- two backings */

START_TEST(memory_of_the_old_state_is_given_back)
{
	must_give(ask(0, 0, 2, GMEM_STATE_SHARED), 0);
	guest_write(1, 0x1111);
	must_give(ask(0, 0, 2, GMEM_STATE_PRIVATE), 0);
	ck_assert_uint_eq(*host(1), 0);
	guest_write(1, 0x2222);
	must_give(ask(0, 0, 2, GMEM_STATE_SHARED), 0);
	must_give(ask(0, 0, 2, GMEM_STATE_PRIVATE), 0);
	ck_assert_uint_eq(guest_read(1), 0);
	ck_assert_uint_eq(gmem_space_get_kept(space), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("library-space");
	TCase *tests = library_case(suite, argc == 2 ? argv[1] : "");

	if (argc != 2 || (strcmp(argv[1], "in-place") && strcmp(argv[1], "two-backings"))) {
		fprintf(stderr, "usage: space in-place|two-backings\n");
		return 2;
	}
	mode = strcmp(argv[1], "in-place") ? GMEM_MODE_TWO_BACKINGS : GMEM_MODE_IN_PLACE;
	if (mode == GMEM_MODE_IN_PLACE)
		need_in_place();
	else
		need_vm_wide();
	tcase_add_checked_fixture(tests, open_guest, close_guest);
	tcase_add_test(tests, guest_and_host_share_what_the_guest_asks_for);
	tcase_add_test(tests, a_private_page_is_not_the_hosts);
	tcase_add_test(tests, a_guest_that_asks_for_nonsense_goes_on);
	tcase_add_test(tests, states_survive_a_reboot);
	tcase_add_test(tests, states_move_with_the_file);
	tcase_add_test(tests, a_device_lets_go_before_its_memory_becomes_private);
	tcase_add_test(tests, a_listener_that_refuses_undoes_all);
	tcase_add_test(tests, what_kvm_refuses_is_explained);
	tcase_add_test(tests, vcpus_convert_the_same_memory_at_once);
	if (mode == GMEM_MODE_IN_PLACE) {
		tcase_add_test(tests, a_device_that_does_not_let_go_is_named);
		tcase_add_test(tests, a_file_that_was_closed_undoes_all);
		tcase_add_test(tests, a_slot_must_show_its_file);
	} else {
		tcase_add_test(tests, memory_of_the_old_state_is_given_back);
	}
	return run_suite(suite);
}
