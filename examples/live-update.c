/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A guest that counts goes on counting after the host has replaced its kernel. The same program
 * runs before and after the kexec:
 *
 *	lab/lab live-update -- build/examples/live-update
 *
 * Every time it lets the guest count to some more, then preserves in one session the VM, the
 * memory, and a blob in which it writes down what only it knows: the slot and the vCPU's registers.
 * The guest counts in a register, which it writes to memory together with a checksum of all numbers
 * so far. So a guest that lost its registers, or a byte of its memory, is found out.
 */
#include "vm.h"

#define SESSION "counting-guest"
enum {
	TOKEN_BLOB,
	TOKEN_VM,
	TOKEN_RAM
};

/* Guest-physical and in the file: code is private, the page of results is shared. */
#define RAM_SIZE	  0x100000
#define CODE_OFFSET	  0x1000
#define PAGE_OFFSET	  0x2000
#define PAGE_SIZE	  0x1000
#define COUNTS		  1000
#define SLOT_USER_REGION2 _IOW(KVMIO, 0x49, struct user_region2)

/* KVM_SET_USER_MEMORY_REGION2, newer than the kernel headers of some machines */
struct user_region2 {
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_phys_addr;
	uint64_t memory_size;
	uint64_t userspace_addr;
	uint64_t guest_memfd_offset;
	uint32_t guest_memfd;
	uint32_t pad1;
	uint64_t pad2[14];
};
#define REGION_GUEST_MEMFD (1u << 2)

/* In real mode, at CODE_OFFSET. Each round ends with an exit to this program. */
static const uint8_t guest_code[] = {
	0x66, 0x43,		      /* again: inc ebx */
	0x66, 0x89, 0x1e, 0x00, 0x20, /* mov [0x2000], ebx */
	0x66, 0xd1, 0x06, 0x04, 0x20, /* rol dword [0x2004], 1 */
	0x66, 0x31, 0x1e, 0x04, 0x20, /* xor [0x2004], ebx */
	0xe6, 0x10,		      /* out 0x10, al */
	0xeb, 0xeb,		      /* jmp again */
};

struct results {
	uint32_t count, checksum;
};

/* Of a vCPU that is in real mode and uses no floating point. */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct machine {
	int vm, vcpu;
	struct kvm_run *run;
	struct gmem *ram;
	volatile struct results *results; /* the shared page */
};

static void bind_slot(struct machine *machine, const struct gmem_blob_slot *slot)
{
	struct user_region2 region = {
		.slot = slot->slot,
		.flags = slot->flags | REGION_GUEST_MEMFD,
		.guest_phys_addr = slot->guest_address,
		.memory_size = slot->size,
		.guest_memfd = (uint32_t)gmem_get_fd(machine->ram),
		.guest_memfd_offset = slot->offset,
	};

	sys(ioctl(machine->vm, SLOT_USER_REGION2, &region));
}

static void make_vcpu(struct machine *machine, struct vcpu_state *state)
{
	int device = open_kvm();
	int size = sys(ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0));

	close(device);
	machine->vcpu = sys(ioctl(machine->vm, KVM_CREATE_VCPU, 0));
	machine->run = map_fd(machine->vcpu, (size_t)size);
	if (state->regs.rip == 0) { /* a new guest */
		sys(ioctl(machine->vcpu, KVM_GET_SREGS, &state->sregs));
		state->sregs.cs.base = state->sregs.cs.selector = 0;
		state->regs = (struct kvm_regs){ .rip = CODE_OFFSET, .rflags = 2 };
	}
	sys(ioctl(machine->vcpu, KVM_SET_SREGS, &state->sregs));
	sys(ioctl(machine->vcpu, KVM_SET_REGS, &state->regs));
}

static int map_results(struct machine *machine, struct gmem_error *error)
{
	void *page;
	int r = gmem_map(machine->ram, PAGE_OFFSET, PAGE_SIZE, NULL, &page, error);

	if (r == 0)
		machine->results = page;
	return r;
}

/* No session came: a new guest. Its code becomes private, and keeps its bytes. */
static int start(struct machine *machine, struct gmem_error *error)
{
	struct gmem_create_options create = { .size = sizeof(create) };
	struct gmem_convert_options keep = { .size = sizeof(keep) };
	struct gmem_blob_slot slot = { .size = RAM_SIZE };
	struct vcpu_state state = { 0 };
	void *code;
	int r;

	machine->vm = open_vm();
	create.init = GMEM_INIT_SHARED;
	create.mappable = 1;
	r = gmem_create(machine->vm, RAM_SIZE, &create, &machine->ram, error);
	if (r == 0)
		r = gmem_map(machine->ram, CODE_OFFSET, PAGE_SIZE, NULL, &code, error);
	if (r < 0)
		return r;
	memcpy(code, guest_code, sizeof(guest_code));
	gmem_unmap(code, PAGE_SIZE, NULL);
	keep.policy = GMEM_POLICY_PRESERVE;
	r = gmem_convert(machine->ram, 0, PAGE_OFFSET, GMEM_STATE_PRIVATE, &keep, error);
	if (r < 0)
		return r;
	bind_slot(machine, &slot);
	make_vcpu(machine, &state);
	puts("A new guest begins to count.");
	return map_results(machine, error);
}

/* Everything back, in the process that runs the guest: KVM ties a VM to the one that retrieves it.
 */
static int retrieve(struct gmem_session *session, struct machine *machine, struct gmem_error *error)
{
	struct gmem_retrieve_options options = { .size = sizeof(options) };
	struct gmem_blob_section section;
	struct gmem_blob *blob = NULL;
	struct gmem_blob_slot slot;
	struct vcpu_state state;
	int r = gmem_retrieve_blob(session, TOKEN_BLOB, &blob, error);

	options.blob = blob;
	if (r == 0)
		r = gmem_retrieve_vm(session, TOKEN_VM, &machine->vm, error);
	if (r == 0)
		r = gmem_retrieve(session, TOKEN_RAM, &options, &machine->ram, error);
	if (r == 0)
		r = gmem_session_finish(session, error);
	if (r < 0)
		goto out;
	/* That the blob is undamaged is certain. What is in a section is up to us. */
	if (gmem_blob_find_section(blob, "vcpu0", &section) || section.size != sizeof(state)) {
		fprintf(stderr, "The blob has no vCPU.\n");
		exit(EXIT_FAILURE);
	}
	memcpy(&state, section.data, sizeof(state));
	for (uint64_t i = 0; gmem_blob_get_slot(blob, i, &slot) == 0; i++)
		bind_slot(machine, &slot);
	make_vcpu(machine, &state);
	r = map_results(machine, error);
	if (r == 0)
		printf("The guest is back. It had counted to %u.\n", machine->results->count);
out:
	gmem_blob_free(blob);
	return r;
}

/* What the guest must have if it has counted from 1 on, without a gap. */
static uint32_t checksum_of(uint32_t count)
{
	uint32_t sum = 0;

	for (uint32_t i = 1; i <= count; i++)
		sum = (sum << 1 | sum >> 31) ^ i;
	return sum;
}

static void count_on(struct machine *machine)
{
	volatile struct results *results = machine->results;
	uint32_t until = results->count + COUNTS;

	while (results->count < until) {
		sys(ioctl(machine->vcpu, KVM_RUN, 0));
		if (machine->run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "Unexpected exit %u.\n", machine->run->exit_reason);
			exit(EXIT_FAILURE);
		}
	}
	if (results->count != until || results->checksum != checksum_of(until)) {
		fprintf(stderr,
			"The guest has lost something: count %u, checksum 0x%x, expected %u, 0x%x.\n",
			results->count, results->checksum, until, checksum_of(until));
		exit(EXIT_FAILURE);
	}
	printf("It has counted to %u now, and its checksum is right.\n", until);
}

/* KVM ends the instruction that made the exit only when the vCPU is entered again: do that, and
 * come out at once. */
static void save_vcpu(struct machine *machine, struct vcpu_state *state)
{
	machine->run->immediate_exit = 1;
	if (ioctl(machine->vcpu, KVM_RUN, NULL) == 0 || errno != EINTR) {
		fprintf(stderr, "KVM_RUN does not come out.\n");
		exit(EXIT_FAILURE);
	}
	machine->run->immediate_exit = 0;
	sys(ioctl(machine->vcpu, KVM_GET_REGS, &state->regs));
	sys(ioctl(machine->vcpu, KVM_GET_SREGS, &state->sregs));
}

static int preserve(struct gmem_session *session, struct machine *machine, struct gmem_error *error)
{
	struct gmem_preserve_options options = { .size = sizeof(options) };
	struct gmem_blob_slot slot = { .size = RAM_SIZE, .token = TOKEN_RAM };
	struct gmem_blob *blob = NULL;
	struct vcpu_state state;
	int r;

	save_vcpu(machine, &state);
	options.mixed = 1; /* the code is private */
	r = gmem_preserve_vm(session, machine->vm, TOKEN_VM, error);
	if (r == 0)
		r = gmem_preserve(session, machine->ram, TOKEN_RAM, &options, error);
	if (r == 0)
		r = gmem_blob_new(&blob, error);
	if (r == 0)
		r = gmem_blob_add_file(blob, TOKEN_RAM, machine->ram, error);
	if (r == 0)
		r = gmem_blob_add_slot(blob, &slot, error);
	if (r == 0)
		r = gmem_blob_add_section(blob, "vcpu0", &state, sizeof(state), error);
	if (r == 0)
		r = gmem_preserve_blob(session, blob, TOKEN_BLOB, error);
	gmem_blob_free(blob);
	return r;
}

/* Somebody must have the session open until the kexec, and this program is about to end. */
static void leave_holder(void)
{
	if (fork() == 0)
		for (;;)
			pause();
}

int main(void)
{
	struct machine machine = { .vm = -1 };
	struct gmem_session *in = NULL, *out = NULL;
	struct gmem_error *error = NULL;
	int r;

	if (gmem_error_new(&error) < 0)
		return EXIT_FAILURE;
	r = gmem_session_retrieve(SESSION, NULL, &in, error);
	if (r == 0)
		r = retrieve(in, &machine, error);
	else if (r == -ENOENT)
		r = start(&machine, error);
	if (r == 0) {
		fflush(stdout); /* or the holder would write it again */
		count_on(&machine);
		r = gmem_session_create(SESSION, NULL, &out, error);
	}
	if (r == 0)
		r = preserve(out, &machine, error);
	if (r < 0)
		return explain(error);
	fflush(stdout);
	leave_holder();
	return EXIT_SUCCESS;
}
