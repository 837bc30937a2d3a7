/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The small guest does what it is told. Default VM type, ordinary memory: runs on any machine with
 * /dev/kvm, so that a failure of a conversion test is not a failure of the guest. Exits 77 without.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "guestvm.h"

#define GPA  0x40000000ULL
#define SIZE 0x40000ULL

static unsigned int tests, failures;

#define CHECK(what, ...)                                                                           \
	do {                                                                                       \
		bool ok_ = (what);                                                                 \
		printf("%sok %u - ", ok_ ? "" : "not ", ++tests);                                  \
		printf(__VA_ARGS__);                                                               \
		printf("\n");                                                                      \
		if (!ok_) {                                                                        \
			failures++;                                                                \
			printf("# line %d: %s\n", __LINE__, #what);                                \
		}                                                                                  \
	} while (0)

static struct guestvm *vm;
static unsigned char *memory;
static struct guestvm_result res;

static int run(enum guestvm_op op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct guestvm_cmd cmd = { op, { a, b, c, d } };

	memset(&res, 0, sizeof(res));
	return guestvm_run(vm, 0, &cmd, &res);
}

static bool done(enum guestvm_op op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return run(op, a, b, c, d) == 0 && res.exit == GUESTVM_DONE;
}

static void reads_and_writes(void)
{
	uint64_t found = 0;

	CHECK(done(GUESTVM_WRITE64, GPA + 8, 0x1122334455667788, 0, 0) &&
		      !memcmp(memory + 8, "\x88\x77\x66\x55\x44\x33\x22\x11", 8),
	      "the guest writes a u64 and the host sees it");
	CHECK(done(GUESTVM_READ64, GPA + 8, 0, 0, 0) && res.value == 0x1122334455667788,
	      "the guest reads it back");
	CHECK(done(GUESTVM_READ8, GPA + 9, 0, 0, 0) && res.value == 0x77, "and a byte of it");
	CHECK(done(GUESTVM_WRITE8, GPA + 9, 0xab, 0, 0) && memory[9] == 0xab && memory[8] == 0x88 &&
		      memory[10] == 0x66,
	      "a byte written changes one byte");
	CHECK(done(GUESTVM_FILL, GPA + 4096, 8192, 7, 4096) &&
		      guestvm_host_check(memory + 4096, 8192, 7, 4096, NULL) == 8192 &&
		      memory[4095] == 0 && memory[4096 + 8192] == 0,
	      "a fill has the pattern the host computes, and ends where it should");
	CHECK(guestvm_host_check(memory + 4096, 8192, 8, 4096, NULL) == 0 &&
		      guestvm_host_check(memory + 4096, 8192, 7, 0, NULL) == 0,
	      "another seed or position is another pattern");
	CHECK(done(GUESTVM_CHECK, GPA + 8192, 4096, 7, 8192) && res.value == 4096,
	      "any part of a filled range can be checked");
	memory[8192 + 96] ^= 1;
	CHECK(done(GUESTVM_CHECK, GPA + 4096, 8192, 7, 4096) && res.value == 4096 + 96 &&
		      res.value2 == (guestvm_pattern(7, 8192 + 96) ^ 1),
	      "a changed bit is found by the guest at its offset");
	CHECK(guestvm_host_check(memory + 4096, 8192, 7, 4096, &found) == 4096 + 96 &&
		      found == res.value2,
	      "and by the host");
	CHECK(done(GUESTVM_CHECKSUM, GPA, SIZE, 0, 0) &&
		      res.value == guestvm_checksum(memory, SIZE),
	      "guest and host agree on a checksum");
	CHECK(done(GUESTVM_SET, GPA, SIZE, 0x55, 0) &&
		      guestvm_host_compare(memory, SIZE, 0x55, NULL) == SIZE,
	      "set writes one value everywhere");
	memory[16] = 0;
	CHECK(done(GUESTVM_COMPARE, GPA, SIZE, 0x55, 0) && res.value == 16 && res.value2 == 0,
	      "compare finds what is not the value");
	guestvm_host_fill(memory, 4096, 3, 0);
	CHECK(done(GUESTVM_COPY, GPA + 0x10000, GPA, 4096, 0) &&
		      !memcmp(memory, memory + 0x10000, 4096),
	      "copy copies");
	memset(memory, 0, 8);
	CHECK(done(GUESTVM_ADD, GPA, 3, 1000, 0) && res.value == 3000 && memory[0] == (3000 & 0xff),
	      "atomic add counts");
}

static void slots(void)
{
	struct guestvm_slot slot = { 2, 5ULL << 30, 4096, -1, 0, (uintptr_t)memory + 0x20000 };

	CHECK(run(GUESTVM_READ64, 5ULL << 30, 0, 0, 0) == 0 && res.exit == GUESTVM_MMIO &&
		      res.mmio.gpa == 5ULL << 30 && res.mmio.size == 8 && !res.mmio.is_write,
	      "a read where no slot is comes out as MMIO");
	CHECK(!guestvm_answer(vm, 0, 0x1234) && !guestvm_run(vm, 0, NULL, &res) &&
		      res.exit == GUESTVM_DONE && res.value == 0x1234,
	      "and takes the answer");
	CHECK(run(GUESTVM_WRITE64, 5ULL << 30, 77, 0, 0) == 0 && res.exit == GUESTVM_MMIO &&
		      res.mmio.is_write && res.mmio.value == 77,
	      "so does a write");
	CHECK(!guestvm_set_slot(vm, &slot) && done(GUESTVM_WRITE64, 5ULL << 30, 99, 0, 0) &&
		      memory[0x20000] == 99,
	      "a slot added above 4 GiB is memory; the abandoned write is not repeated");
	slot.gpa += 4096;
	CHECK(!guestvm_set_slot(vm, &slot) && done(GUESTVM_READ64, (5ULL << 30) + 4096, 0, 0, 0) &&
		      res.value == 99,
	      "a moved slot is at its new place");
	CHECK(!guestvm_delete_slot(vm, 2) &&
		      run(GUESTVM_READ64, (5ULL << 30) + 4096, 0, 0, 0) == 0 &&
		      res.exit == GUESTVM_MMIO,
	      "a deleted slot is gone");
	slot.gpa = GPA;
	CHECK(guestvm_set_slot(vm, &slot) == -EEXIST, "an overlap is EEXIST");
	slot.slot = GUESTVM_OWN_SLOT;
	CHECK(guestvm_set_slot(vm, &slot) == -EINVAL, "the VM's own slot can not be taken");
}

static void hypercalls(void)
{
	if (!guestvm_has_hypercall_exit(vm)) {
		printf("ok %u # SKIP this KVM has no hypercall exit\n", ++tests);
		return;
	}
	CHECK(run(GUESTVM_MAP_GPA, GPA, 4, GUESTVM_HC_PRIVATE, 0) == 0 &&
		      res.exit == GUESTVM_HYPERCALL && res.hypercall.nr == 12 &&
		      res.hypercall.gpa == GPA && res.hypercall.pages == 4 &&
		      res.hypercall.attributes == GUESTVM_HC_PRIVATE,
	      "a request of the guest comes out as a hypercall");
	CHECK(!guestvm_answer(vm, 0, (uint64_t)-5) && !guestvm_run(vm, 0, NULL, &res) &&
		      res.exit == GUESTVM_DONE && res.value == (uint64_t)-5,
	      "and takes the answer");
	CHECK(run(GUESTVM_MAP_GPA, GPA, 4, 0, 0) == 0 && res.exit == GUESTVM_HYPERCALL &&
		      done(GUESTVM_READ64, GPA + 8, 0, 0, 0),
	      "a request can be abandoned for another command");
	CHECK(done(GUESTVM_MAP_GPA, GPA + 1, 4, 0, 0) && res.value != 0,
	      "KVM itself refuses a misaligned request");
}

static void hostile(void)
{
	CHECK(run(GUESTVM_FILL, GPA, 7, 0, 0) == -EINVAL, "an odd size is refused");
	CHECK(run(GUESTVM_FILL, 8, UINT64_MAX - 7, 0, 0) == -EINVAL, "so is a wrapping range");
	CHECK(run(GUESTVM_ADD, GPA, 1, 0, 0) == -EINVAL, "so is adding zero times");
	CHECK(run(GUESTVM_SPIN_READ, GPA, 64, 0, 0) == -EINVAL, "so is spinning on the spot");
	CHECK(run(GUESTVM_OPS, 0, 0, 0, 0) == -EINVAL, "so is an unknown command");
	CHECK(run(GUESTVM_READ64, GUESTVM_ADDRESSABLE, 0, 0, 0) == 0 &&
		      res.exit == GUESTVM_SHUTDOWN,
	      "an address the guest can not have is a shutdown");
	CHECK(guestvm_run(vm, 0, NULL, &res) == -EINVAL, "after which there is nothing to resume");
	CHECK(done(GUESTVM_READ64, GPA + 8, 0, 0, 0), "and the next command works");
}

struct spinner {
	pthread_t thread;
	unsigned int vcpu;
	struct guestvm_cmd cmd;
	struct guestvm_result res;
	unsigned int kicks;
	int err;
};

static void *spin(void *arg)
{
	struct spinner *s = arg;

	s->err = guestvm_run(vm, s->vcpu, &s->cmd, &s->res);
	while (!s->err && s->res.exit == GUESTVM_KICKED) {
		s->kicks++;
		s->err = guestvm_run(vm, s->vcpu, NULL, &s->res);
	}
	return NULL;
}

static void several_vcpus(void)
{
	struct spinner s[2] = {
		{ .vcpu = 0, .cmd = { GUESTVM_SPIN_ADD, { GPA, 64, 8, 1 } } },
		{ .vcpu = 1, .cmd = { GUESTVM_SPIN_ADD, { GPA, 64, 8, 1 } } },
	};
	uint64_t value;

	memset(memory, 0, 64);
	for (int i = 0; i < 2; i++)
		pthread_create(&s[i].thread, NULL, spin, &s[i]);
	for (int i = 0; i < 2; i++) {
		while (guestvm_progress(vm, i) < 100)
			usleep(100);
		guestvm_kick(vm, i);
	}
	for (int i = 0; i < 2; i++)
		guestvm_stop(vm, i);
	for (int i = 0; i < 2; i++)
		pthread_join(s[i].thread, NULL);
	CHECK(!s[0].err && !s[1].err && s[0].res.exit == GUESTVM_DONE &&
		      s[1].res.exit == GUESTVM_DONE,
	      "two vCPUs run at once and stop when told");
	/* they stop in the middle of a round, which adds to the first words only */
	memcpy(&value, memory + 56, 8);
	CHECK(value >= s[0].res.value && value == s[0].res.value + s[1].res.value &&
		      s[0].res.value >= 100,
	      "and no atomic add is lost");
	guestvm_kick(vm, 0);
	CHECK(run(GUESTVM_READ64, GPA, 0, 0, 0) == 0 && res.exit == GUESTVM_KICKED,
	      "a kick from outside is not lost");
	CHECK(!guestvm_run(vm, 0, NULL, &res) && res.exit == GUESTVM_DONE, "and counts once");
}

static bool all_cloexec(void)
{
	int fds[] = { guestvm_vm_fd(vm), guestvm_vcpu_fd(vm, 0), guestvm_vcpu_fd(vm, 1) };

	for (int i = 0; i < 3; i++)
		if (!(fcntl(fds[i], F_GETFD) & FD_CLOEXEC))
			return false;
	return true;
}

int main(void)
{
	struct guestvm_slot slot = { 1, GPA, SIZE, -1, 0, 0 };
	const char *step = "";
	int err;

	err = guestvm_create(&(struct guestvm_options){ .vcpus = 2 }, &vm, &step);
	if (err == -ENOENT || err == -EACCES) {
		printf("1..0 # SKIP %s: %s\n", step, strerror(-err));
		return 77;
	}
	if (err) {
		printf("Bail out! %s: %s\n", step, strerror(-err));
		return 1;
	}
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	slot.userspace_addr = (uintptr_t)memory;
	CHECK(!guestvm_set_slot(vm, &slot), "a slot of ordinary memory");
	CHECK(all_cloexec(), "descriptors are close-on-exec");
	reads_and_writes();
	slots();
	hypercalls();
	hostile();
	several_vcpus();
	guestvm_destroy(vm);
	guestvm_destroy(NULL);
	CHECK(guestvm_create(&(struct guestvm_options){ .vcpus = 65 }, &vm, &step) == -EINVAL &&
		      !strcmp(step, "number of vCPUs"),
	      "a failure names its step");
	munmap(memory, SIZE);
	printf("1..%u\n", tests);
	return failures ? 1 : 0;
}
