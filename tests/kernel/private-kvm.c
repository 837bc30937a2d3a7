/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Private means private, to KVM too: what it reads and writes of guest memory on its own account,
 * it reads and writes through the host's mapping (userspace_addr of the slot), and that is refused
 * like any other access. The slot is either one on the guest_memfd, or an ordinary one that was
 * made of a mapping of the file, in any VM of any process.
 */
#include "kvm-write.h"
#include "private-path.h"
#include "vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "private-kvm"

#define GPA   (1ULL << 30)
#define MMIO  (3ULL << 30) /* no slot there */
#define ROUND 8

/* Linux: arch/x86/include/uapi/asm/kvm_para.h */
#define MSR_ASYNC_PF 0x4b564d02
#define ASYNC_PF_ON  (1 | 2 | 8) /* enabled, at every privilege level, by interrupt */

/* ---- a slot on the file, in the VM that it belongs to ---- */

static struct guestvm *guest;
static int gmem;
static uint8_t *mapped;

static void open_guest_with(const struct guestvm_options *options)
{
	const char *step = NULL;
	struct guestvm_slot slot = { .gpa = GPA, .size = FILE_SIZE };
	int err = guestvm_create(options, &guest, &step);

	ck_assert_msg(!err, "%s: %s", step, strerror(-err));
	gmem = new_gmem(guestvm_vm_fd(guest), FILE_SIZE, MAPPABLE | INIT_SHARED);
	mapped = map_gmem(gmem, 0, FILE_SIZE);
	slot.gmem_fd = gmem;
	slot.userspace_addr = (uintptr_t)mapped;
	must_give(guestvm_set_slot(guest, &slot), 0);
	fill_page(mapped, 0, ROUND);
}

static void open_guest(void)
{
	open_guest_with(&(struct guestvm_options){ .type = VM_PROTECTED });
}

static void close_guest(void)
{
	munmap(mapped, FILE_SIZE);
	close(gmem);
	guestvm_destroy(guest);
}

static void must_not_be_written(const struct kvm_write *write)
{
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	ck_assert_msg(page_is_filled(mapped, 0, ROUND), "KVM wrote its %s to a private page",
		      write->text);
}

static void must_be_written(const struct kvm_write *write)
{
	ck_assert_msg(!page_is_filled(mapped, 0, ROUND),
		      "KVM did not write its %s to a shared page", write->text);
	fill_page(mapped, 0, ROUND);
}

/* Whether KVM learns of the place while it is private, or has used it before. */
START_TEST(kvm_does_not_write_a_private_page)
{
	const struct kvm_write *write = &kvm_writes[_i];

	for (int i = 0; i < 3; i++) {
		must_give(write->start(guest, GPA), 0);
		must_be_written(write);

		must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
		if (write->again)
			must_give(write->again(guest), 0);
		must_not_be_written(write);

		must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
		must_give(write->start(guest, GPA), write->refusal);
		must_not_be_written(write);
	}
	must_give(write->start(guest, GPA), 0);
	must_be_written(write);
	print_path_row(write->text, write->refusal ? "not written, MSR refused" : "not written",
		       "KVM, slot on the file", PROGRAM, "kvm_does_not_write_a_private_page");
}
END_TEST

/* ---- the instruction emulator ---- */

static void must_be_mmio(const struct guestvm_result *result, uint64_t gpa, bool is_write)
{
	ck_assert_msg(result->exit == GUESTVM_MMIO, "the guest came out with %s",
		      guestvm_exit_name(result->exit));
	ck_assert_uint_eq(result->mmio.gpa, gpa);
	ck_assert_int_eq(result->mmio.is_write, is_write);
}

static void must_be_done(const struct guestvm_result *result)
{
	ck_assert_msg(result->exit == GUESTVM_DONE, "the guest came out with %s",
		      guestvm_exit_name(result->exit));
}

/* A u64 goes from memory to MMIO: true, and its value, if KVM found it in memory. */
static bool emulate_load(uint64_t *ret_value)
{
	const uint64_t invented = 0x1122334455667788;
	struct guestvm_result result =
		vcpu_run(guest, &(struct guestvm_cmd){ GUESTVM_MOVE, { MMIO, GPA } });
	bool asked = result.exit == GUESTVM_MMIO && result.mmio.gpa == GPA;

	if (asked) {
		must_be_mmio(&result, GPA, false);
		must_give(guestvm_answer(guest, 0, invented), 0);
		result = vcpu_run(guest, NULL);
	}
	must_be_mmio(&result, MMIO, true);
	*ret_value = result.mmio.value;
	if (asked)
		ck_assert_uint_eq(*ret_value, invented);
	result = vcpu_run(guest, NULL);
	must_be_done(&result);
	return !asked;
}

/* A u64 goes from MMIO to memory: true if KVM wrote it there, false if it gave it to userspace. */
static bool emulate_store(uint64_t value)
{
	struct guestvm_result result =
		vcpu_run(guest, &(struct guestvm_cmd){ GUESTVM_MOVE, { GPA, MMIO } });
	bool given;

	must_be_mmio(&result, MMIO, false);
	must_give(guestvm_answer(guest, 0, value), 0);
	result = vcpu_run(guest, NULL);
	given = result.exit == GUESTVM_MMIO;
	if (given) {
		must_be_mmio(&result, GPA, true);
		ck_assert_uint_eq(result.mmio.value, value);
		result = vcpu_run(guest, NULL);
	}
	must_be_done(&result);
	return !given;
}

START_TEST(kvm_does_not_emulate_a_load_from_a_private_page)
{
	uint64_t expected, value;

	memcpy(&expected, mapped, sizeof(expected));
	for (int i = 0; i < 3; i++) {
		ck_assert(emulate_load(&value));
		ck_assert_uint_eq(value, expected);
		must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
		ck_assert_msg(!emulate_load(&value), "KVM loaded from a private page");
		must_give(convert(gmem, 0, PAGE, SHARED), 0);
	}
	print_path_row("load of an emulated instruction",
		       "MMIO exit: userspace is asked for the value", "KVM, slot on the file",
		       PROGRAM, "kvm_does_not_emulate_a_load_from_a_private_page");
}
END_TEST

START_TEST(kvm_does_not_emulate_a_store_to_a_private_page)
{
	for (uint64_t i = 1; i < 4; i++) {
		uint64_t value;

		ck_assert(emulate_store(i));
		memcpy(&value, mapped, sizeof(value));
		ck_assert_uint_eq(value, i);
		fill_page(mapped, 0, ROUND);
		must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
		ck_assert_msg(!emulate_store(i), "KVM stored to a private page");
		must_give(convert(gmem, 0, PAGE, SHARED), 0);
		ck_assert(page_is_filled(mapped, 0, ROUND));
	}
	print_path_row("store of an emulated instruction",
		       "MMIO exit: userspace is given the value", "KVM, slot on the file", PROGRAM,
		       "kvm_does_not_emulate_a_store_to_a_private_page");
}
END_TEST

/* ---- asynchronous page faults ---- */

#define ABSENT (2ULL << 30) /* memory that the host has yet to bring in */

static int open_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	/* Also of faults that KVM takes on behalf of the guest. */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	ck_assert_msg(fd >= 0, "userfaultfd: %s", strerror(errno));
	ck_assert(!ioctl(fd, UFFDIO_API, &api));
	return fd;
}

/* A page of the guest's memory that is not there until bring_in(). */
static uint8_t *make_absent(int faults)
{
	uint8_t *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register range = {
		.range = { (uintptr_t)at, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct guestvm_slot slot = {
		.slot = 1,
		.gpa = ABSENT,
		.size = PAGE,
		.gmem_fd = -1,
		.userspace_addr = (uintptr_t)at,
	};

	ck_assert(at != MAP_FAILED && !ioctl(faults, UFFDIO_REGISTER, &range));
	must_give(guestvm_set_slot(guest, &slot), 0);
	return at;
}

static void bring_in(int faults, uint8_t *at)
{
	static uint8_t bytes[PAGE];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)at,
		.src = (uintptr_t)bytes,
		.len = PAGE,
	};

	ck_assert(!ioctl(faults, UFFDIO_COPY, &copy));
}

static void *read_absent(void *ret_result)
{
	struct guestvm_cmd command = { GUESTVM_READ8, { ABSENT } };

	return (void *)(intptr_t)guestvm_run(guest, 0, &command, ret_result);
}

/*
 * How the guest comes out when it reads what is not there. By then KVM has told it by a write to
 * @GPA, or has tried to.
 */
static enum guestvm_exit fault_asynchronously(bool private)
{
	struct guestvm_result result = { 0 };
	struct pollfd fault;
	bool brought = false;
	pthread_t thread;
	uint8_t *at;
	void *err;

	open_guest_with(&(struct guestvm_options){
		.type = VM_PROTECTED, .no_hypercall_exit = true, .irqchip = true });
	memset(mapped, 0, PAGE);
	must_give(set_msr(guest, MSR_ASYNC_PF, GPA | ASYNC_PF_ON), 0);
	must_give(convert(gmem, 0, PAGE, private ? PRIVATE : SHARED), 0);
	fault = (struct pollfd){ .fd = open_userfaultfd(), .events = POLLIN };
	at = make_absent(fault.fd);
	ck_assert(!pthread_create(&thread, NULL, read_absent, &result));
	/*
	 * A guest that was told comes to its end, which waits for the page if that is on its way by
	 * then. A guest that could not be told waits for the page, and for more.
	 */
	do {
		if (poll(&fault, 1, 10) != 1 || brought)
			continue;
		if (private)
			must_give(guestvm_kick(guest, 0), 0);
		bring_in(fault.fd, at);
		brought = true;
	} while (pthread_tryjoin_np(thread, &err));
	ck_assert_int_eq((int)(intptr_t)err, 0);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	close(fault.fd);
	return result.exit;
}

START_TEST(kvm_does_not_tell_of_a_page_fault_in_a_private_page)
{
	for (int i = 0; i < 3; i++) {
		uint32_t reason;

		/* It has no handler for the fault that it is told of, so that is its end. */
		ck_assert_int_eq(fault_asynchronously(false), GUESTVM_SHUTDOWN);
		memcpy(&reason, mapped, sizeof(reason));
		ck_assert_uint_eq(reason, 1);
		close_guest();

		ck_assert_int_eq(fault_asynchronously(true), GUESTVM_KICKED);
		ck_assert_msg(page_is_zero(mapped), "KVM wrote to a private page");
		close_guest();
	}
	print_path_row("asynchronous page fault (MSR 0x4b564d02)",
		       "not written, the guest waits for the page", "KVM, slot on the file",
		       PROGRAM, "kvm_does_not_tell_of_a_page_fault_in_a_private_page");
}
END_TEST

/* ---- requests that lie in the memory they are about ---- */

static int convert_by(void *request, uint64_t state)
{
	struct gmem_uapi_attributes attributes = { .size = PAGE, .attributes = state };

	memcpy(request, &attributes, sizeof(attributes));
	return convert_raw(gmem, request);
}

START_TEST(a_request_cannot_be_read_from_a_private_page)
{
	must_give(convert_by(mapped, PRIVATE), 0);
	must_give(convert_raw(gmem, (void *)mapped), -EFAULT);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	must_give(convert_by(mapped + PAGE, PRIVATE), 0);
	must_give(convert_by(mapped + PAGE, SHARED), 0);
	print_path_row("conversion request that lies in it", "EFAULT", "same process", PROGRAM,
		       "a_request_cannot_be_read_from_a_private_page");
}
END_TEST

START_TEST(extents_cannot_be_written_to_a_private_page)
{
	struct gmem_uapi_query query = {
		.size = FILE_SIZE,
		.extents = (uintptr_t)mapped,
		.nr_extents = 4,
	};
	struct gmem_uapi_query again = query;

	if (!system_capability(GMEM_CAP_QUERY)) {
		skip_case("extents_cannot_be_written_to_a_private_page", "no query of state");
		return;
	}
	ck_assert(!ioctl(gmem, GMEM_UAPI_QUERY, &query));
	ck_assert(!page_is_filled(mapped, 0, ROUND));
	fill_page(mapped, 0, ROUND);
	must_give(convert(gmem, 0, PAGE, PRIVATE), 0);
	ck_assert(ioctl(gmem, GMEM_UAPI_QUERY, &again) == -1 && errno == EFAULT);
	must_give(convert(gmem, 0, PAGE, SHARED), 0);
	ck_assert(page_is_filled(mapped, 0, ROUND));
	print_path_row("query of state whose extents go into it", "EFAULT", "same process", PROGRAM,
		       "extents_cannot_be_written_to_a_private_page");
}
END_TEST

/* ---- other processes and the VM ---- */

START_TEST(another_process_cannot_use_the_vm)
{
	struct guestvm_slot slot = { .slot = 1, .gmem_fd = -1, .gpa = 2 * GPA, .size = PAGE };
	int status;
	pid_t pid;

	slot.userspace_addr = (uintptr_t)mapped + PAGE;
	must_give(guestvm_set_slot(guest, &slot), 0);
	must_give(guestvm_delete_slot(guest, 1), 0);
	must_give(let_run(guest), 0);
	pid = fork();
	if (!pid)
		_exit(guestvm_set_slot(guest, &slot) == -EIO && let_run(guest) == -EIO ? 0 : 1);
	ck_assert(waitpid(pid, &status, 0) == pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "a forked child can use the VM");
	print_path_row("slots and vCPUs of the VM", "EIO", "forked child", PROGRAM,
		       "another_process_cannot_use_the_vm");
}
END_TEST

/* ---- an ordinary slot on a mapping of the file, in a VM of its own ---- */

static int new_alias(const struct memory *memory, struct guestvm **ret_guest)
{
	struct guestvm_slot slot = {
		.gpa = GPA,
		.size = PAGE,
		.gmem_fd = -1,
		.userspace_addr = (uintptr_t)memory->at,
	};
	const char *step;
	int err = guestvm_create(&(struct guestvm_options){ .type = VM_DEFAULT }, ret_guest, &step);

	return err ? err : guestvm_set_slot(*ret_guest, &slot);
}

static int alias_copy(const struct memory *memory, uint64_t to, uint64_t from, uint8_t *bytes)
{
	struct guestvm_cmd command = { GUESTVM_COPY, { to, from, PAGE } };
	struct guestvm_result result;
	struct guestvm *alias;
	int err = new_alias(memory, &alias);

	if (err)
		return err;
	memcpy(guestvm_own_memory(alias, GUESTVM_SCRATCH), bytes, PAGE);
	err = guestvm_run(alias, 0, &command, &result);
	if (!err)
		err = result.exit == GUESTVM_DONE ? 0 : result.error ? -result.error : -EIO;
	memcpy(bytes, guestvm_own_memory(alias, GUESTVM_SCRATCH), PAGE);
	guestvm_destroy(alias);
	return err;
}

static int alias_loads(const struct memory *memory, uint8_t *bytes)
{
	return alias_copy(memory, GUESTVM_SCRATCH, GPA, bytes);
}

static int alias_stores(const struct memory *memory, uint8_t *bytes)
{
	return alias_copy(memory, GPA, GUESTVM_SCRATCH, bytes);
}

/* 0 if KVM wrote; PATH_NOTHING if it did not, or nobody can tell for the page is private. */
static int alias_write(const struct memory *memory, const struct kvm_write *write)
{
	uint64_t before = 0, after = 0;
	struct guestvm *alias;
	int err = new_alias(memory, &alias);

	if (err)
		return err;
	try_read_word(memory->at, &before);
	err = write->start(alias, GPA);
	try_read_word(memory->at, &after);
	guestvm_destroy(alias);
	return err ? err : before != after ? 0 : PATH_NOTHING;
}

static int alias_wall_clock(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return alias_write(memory, &kvm_writes[WALL_CLOCK]);
}

static int alias_system_time(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return alias_write(memory, &kvm_writes[SYSTEM_TIME]);
}

static int alias_hypercall_page(const struct memory *memory, uint8_t *bytes)
{
	(void)bytes;
	return alias_write(memory, &kvm_writes[HYPERCALL_PAGE]);
}

PATH_TEST(PROGRAM, not_by_a_load_of_another_guest,
	  .text = "load by a guest with an ordinary slot on a mapping", PATH_READS, alias_loads,
	  -EFAULT, .how = "EFAULT from `KVM_RUN`")
PATH_TEST(PROGRAM, not_by_a_store_of_another_guest,
	  .text = "store by a guest with an ordinary slot on a mapping", PATH_WRITES, alias_stores,
	  -EFAULT, .how = "EFAULT from `KVM_RUN`")
PATH_TEST(PROGRAM, not_by_wall_clock_of_another_guest,
	  .text = "wall clock, ordinary slot on a mapping", PATH_TOUCHES, alias_wall_clock,
	  PATH_NOTHING, .how = "not written")
PATH_TEST(PROGRAM, not_by_system_time_of_another_guest,
	  .text = "pvclock, ordinary slot on a mapping", PATH_TOUCHES, alias_system_time,
	  PATH_NOTHING, .how = "not written")
PATH_TEST(PROGRAM, not_by_hypercall_page_of_another_guest,
	  .text = "Hyper-V hypercall page, ordinary slot on a mapping", PATH_TOUCHES,
	  alias_hypercall_page, -EIO, .how = "not written, MSR refused")

int main(void)
{
	Suite *suite = suite_create(PROGRAM);
	TCase *own = new_case(suite, "own slot");
	TCase *asynchronous = new_case(suite, "asynchronous");
	TCase *alias = new_case(suite, "ordinary slot");

	need_in_place();
	tcase_add_checked_fixture(own, open_guest, close_guest);
	tcase_add_loop_test(own, kvm_does_not_write_a_private_page, 0, NR_KVM_WRITES);
	tcase_add_test(own, kvm_does_not_emulate_a_load_from_a_private_page);
	tcase_add_test(own, kvm_does_not_emulate_a_store_to_a_private_page);
	tcase_add_test(own, a_request_cannot_be_read_from_a_private_page);
	tcase_add_test(own, extents_cannot_be_written_to_a_private_page);
	tcase_add_test(own, another_process_cannot_use_the_vm);
	tcase_add_test(asynchronous, kvm_does_not_tell_of_a_page_fault_in_a_private_page);
	tcase_add_test(alias, not_by_a_load_of_another_guest);
	tcase_add_test(alias, not_by_a_store_of_another_guest);
	tcase_add_test(alias, not_by_wall_clock_of_another_guest);
	tcase_add_test(alias, not_by_system_time_of_another_guest);
	tcase_add_test(alias, not_by_hypercall_page_of_another_guest);
	return run_suite(suite);
}
