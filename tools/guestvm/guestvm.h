/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * guestvm: a very small KVM VM for tests, benchmarks and flows. Internal, not installed.
 *
 * The VM starts each vCPU directly in 64-bit long mode with an identity mapping, so that an address
 * in the guest is a guest-physical address. A command ("read a u64 at 1 GiB") is given to a vCPU
 * with guestvm_run(), which returns at the first exit that is not guestvm's own business; calling
 * it again with no command goes on from there.
 *
 *	struct guestvm *vm;
 *	const char *step;
 *	int err = guestvm_create(&(struct guestvm_options){ .vcpus = 1 }, &vm, &step);
 *	...
 *	struct guestvm_result res;
 *	struct guestvm_cmd cmd = { GUESTVM_READ64, { gpa } };
 *	err = guestvm_run(vm, 0, &cmd, &res);
 *	while (!err && res.exit == GUESTVM_MEMORY_FAULT) {
 *		... convert what res.fault says ...
 *		err = guestvm_run(vm, 0, NULL, &res);
 *	}
 *
 * Threads: any thread may run any vCPU, but one vCPU is run by one thread at a time.
 * guestvm_kick(), guestvm_stop() and guestvm_progress() may be called from any thread at any time.
 * Slots may be changed while vCPUs run (the kernel serialises). guestvm_destroy() needs all vCPUs
 * to be out of guestvm_run().
 *
 * Every function that can fail returns 0 or a negative errno.
 */
#ifndef GUESTVM_H
#define GUESTVM_H

#include <stdbool.h>
#include <stdint.h>

/* VM types of KVM_CREATE_VM (Linux: arch/x86/include/uapi/asm/kvm.h). */
#define GUESTVM_TYPE_DEFAULT	  0
#define GUESTVM_TYPE_SW_PROTECTED 1

#define GUESTVM_VCPUS_MAX 64

/*
 * The VM's own memory (code, page tables, one control page for each vCPU, scratch) is one ordinary
 * anonymous slot at guest-physical [0, 1 MiB). It has no guest_memfd, so it counts as shared. The
 * guest can address [0, 8 GiB); beyond that it shuts down. Everything from 1 MiB on, and every slot
 * number below GUESTVM_OWN_SLOT, belongs to the caller.
 */
#define GUESTVM_OWN_SLOT     30000u
#define GUESTVM_OWN_SIZE     0x100000ULL
#define GUESTVM_SCRATCH	     0x80000ULL /* in the own slot: ordinary memory for the caller's use */
#define GUESTVM_SCRATCH_SIZE 0x80000ULL
#define GUESTVM_ADDRESSABLE  (8ULL << 30)

/* Attributes of KVM_HC_MAP_GPA_RANGE (Linux: include/uapi/linux/kvm_para.h). Shared is 0. */
#define GUESTVM_HC_MAP_GPA_RANGE 12
#define GUESTVM_HC_PAGE_2M	 (1ULL << 0)
#define GUESTVM_HC_PAGE_1G	 (1ULL << 1)
#define GUESTVM_HC_PRIVATE	 (1ULL << 4)

/* guestvm_result.fault.flags: the guest wanted private memory. */
#define GUESTVM_FAULT_PRIVATE (1ULL << 3)

struct guestvm;

struct guestvm_options {
	unsigned int type;	/* GUESTVM_TYPE_* or any number the kernel may know */
	unsigned int vcpus;	/* 1 to GUESTVM_VCPUS_MAX; 0 means 1 */
	bool no_hypercall_exit; /* leave KVM_CAP_EXIT_HYPERCALL off even where offered */
	/*
	 * Interrupt controllers in the kernel, and interrupts on. A command that is done then comes
	 * out as nothing but GUESTVM_KICKED: the kernel itself waits for an interrupt. Needs
	 * no_hypercall_exit.
	 */
	bool irqchip;
	/*
	 * vm_fd is a VM of the type above that has no vCPUs and slots, as one that comes out of a
	 * live update. It belongs to the guestvm once that is made.
	 */
	bool adopt;
	int vm_fd;
};

/*
 * Create a VM with its own memory and vCPUs. All descriptors are close-on-exec.
 * ret_vm: released with guestvm_destroy(). reterr_step: NULL, or on failure a static string that
 * names the step that failed ("open /dev/kvm", "KVM_CREATE_VM", ...).
 * -EOPNOTSUPP: the kernel does not offer this VM type; -EINVAL: options out of range; otherwise
 * the errno of the step.
 */
int guestvm_create(const struct guestvm_options *opt, struct guestvm **ret_vm,
		   const char **reterr_step);

/* Release everything. NULL is accepted. */
void guestvm_destroy(struct guestvm *vm);

/* The VM's descriptors, owned by the VM. */
int guestvm_vm_fd(const struct guestvm *vm);
int guestvm_vcpu_fd(const struct guestvm *vm, unsigned int vcpu);
unsigned int guestvm_vcpus(const struct guestvm *vm);
unsigned int guestvm_type(const struct guestvm *vm);

/* Whether guest requests by KVM_HC_MAP_GPA_RANGE come out as GUESTVM_HYPERCALL. */
bool guestvm_has_hypercall_exit(const struct guestvm *vm);

/* KVM_CHECK_EXTENSION on the VM; 0 if unknown to the kernel. */
int guestvm_check_extension(const struct guestvm *vm, unsigned int cap);

/*
 * A slot. Bytes throughout. gmem_fd < 0: ordinary memory at userspace_addr.
 * size 0 deletes the slot.
 */
struct guestvm_slot {
	uint32_t slot; /* below GUESTVM_OWN_SLOT */
	uint64_t gpa;
	uint64_t size;
	int gmem_fd;
	uint64_t gmem_offset;
	uint64_t userspace_addr; /* may be 0 when gmem_fd has no mapping */
};

/*
 * KVM_SET_USER_MEMORY_REGION2: add, delete, or (ordinary slots only) move a slot. -EINVAL for slot
 * numbers that are guestvm's own; otherwise the kernel's errno as it is: EEXIST for an overlap in
 * guest-physical space or in the file, EINVAL for what it refuses (also older kernels' overlap).
 */
int guestvm_set_slot(struct guestvm *vm, const struct guestvm_slot *slot);
int guestvm_delete_slot(struct guestvm *vm, uint32_t slot);

/* The host's view of the VM's own memory, offset in [0, GUESTVM_OWN_SIZE). */
void *guestvm_own_memory(struct guestvm *vm, uint64_t offset);

/*
 * Commands. gpa, size and position are bytes; where a size is given, gpa and size are multiples
 * of 8. "done" is result.value (and result.value2).
 */
enum guestvm_op {
	GUESTVM_READ8,	  /* gpa                       -> the byte */
	GUESTVM_READ64,	  /* gpa                       -> the u64 */
	GUESTVM_WRITE8,	  /* gpa, value */
	GUESTVM_WRITE64,  /* gpa, value */
	GUESTVM_SET,	  /* gpa, size, value          every u64 becomes value */
	GUESTVM_COMPARE,  /* gpa, size, value          -> as CHECK, for one value */
	GUESTVM_FILL,	  /* gpa, size, seed, position writes guestvm_pattern(seed, position + i) */
	GUESTVM_CHECK,	  /* gpa, size, seed, position -> offset of the first u64 that differs, size
			   * if none does; value2: what was found there */
	GUESTVM_CHECKSUM, /* gpa, size                 -> as guestvm_checksum() */
	GUESTVM_COPY,	  /* to gpa, from gpa, size    forwards, may overlap if to < from */
	GUESTVM_MOVE,	  /* to gpa, from gpa          a u64 by one instruction */
	GUESTVM_ADD,	  /* gpa, delta, times (>= 1)  atomic adds -> the u64 after the last add */
	GUESTVM_MAP_GPA,  /* gpa, pages of 4 KiB, attributes: KVM_HC_MAP_GPA_RANGE -> what it
			   * returned. Nothing is checked, so that hostile requests can be made. */
	GUESTVM_SPIN_READ,  /* gpa, size, stride         reads a u64 every stride bytes, round and
			     * round, until guestvm_stop() -> rounds */
	GUESTVM_SPIN_WRITE, /* gpa, size, stride, value  writes value */
	GUESTVM_SPIN_ADD,   /* gpa, size, stride, delta  atomic adds */
	GUESTVM_OPS
};

struct guestvm_cmd {
	enum guestvm_op op;
	uint64_t arg[4];
};

enum guestvm_exit {
	GUESTVM_DONE,	      /* the command is complete: value, value2 */
	GUESTVM_HYPERCALL,    /* the guest asks: hypercall; answer with guestvm_answer(), resume */
	GUESTVM_MEMORY_FAULT, /* KVM_EXIT_MEMORY_FAULT: fault, error; resuming repeats the access */
	GUESTVM_MMIO,	      /* no slot there: mmio; answer a read with guestvm_answer(), resume */
	GUESTVM_KICKED,	      /* guestvm_kick() or a signal; resume to go on */
	GUESTVM_SHUTDOWN,     /* triple fault: the command is lost, the next one starts afresh */
	GUESTVM_OTHER,	      /* see kvm_exit_reason and error; the command is lost */
};

struct guestvm_result {
	enum guestvm_exit exit;
	uint32_t kvm_exit_reason; /* KVM_EXIT_* as the kernel gave it */
	int error;		  /* positive errno of KVM_RUN, 0 if it returned 0 */
	uint64_t value;
	uint64_t value2;
	struct {
		uint64_t nr;
		uint64_t gpa;
		uint64_t pages; /* as the guest said, unchecked */
		uint64_t attributes;
	} hypercall;
	struct {
		uint64_t flags; /* GUESTVM_FAULT_PRIVATE */
		uint64_t gpa;
		uint64_t size;
	} fault; /* error is EFAULT, EHWPOISON for a page lost to a memory error, or EPERM
		  * for one that is absent from a file that is preserved */
	struct {
		uint64_t gpa;
		uint32_t size;
		bool is_write;
		uint64_t value; /* what the guest writes, as little-endian number */
	} mmio;
};

/*
 * Run a command on a vCPU, or with cmd NULL go on with the one under way, until the next exit.
 * A new command replaces an unfinished one. ret_result is untouched on failure.
 * -EINVAL: bad vCPU, bad command arguments, or nothing to go on with; otherwise the errno of the
 * KVM ioctl that failed (exits that KVM_RUN reports with an errno are results, not failures).
 */
int guestvm_run(struct guestvm *vm, unsigned int vcpu, const struct guestvm_cmd *cmd,
		struct guestvm_result *ret_result);

/*
 * After GUESTVM_HYPERCALL: what the guest's hypercall returns, raw, taken at the next resume
 * (default 0). After GUESTVM_MMIO of a read: the value read. -EINVAL at any other time.
 */
int guestvm_answer(struct guestvm *vm, unsigned int vcpu, uint64_t value);

/*
 * As guestvm_run(), but stays inside for everything that needs no decision: memory faults are
 * repeated at most max_faults times, kicks end it. For commands that are expected to be done.
 */
int guestvm_run_done(struct guestvm *vm, unsigned int vcpu, const struct guestvm_cmd *cmd,
		     unsigned int max_faults, struct guestvm_result *ret_result);

/*
 * Get a vCPU out of guestvm_run() with GUESTVM_KICKED. Never lost: a vCPU that is outside comes
 * out of its next guestvm_run() at once. Uses the signal SIGRTMIN + 5, whose handler
 * guestvm_create() installs.
 */
int guestvm_kick(struct guestvm *vm, unsigned int vcpu);

/* Ask a GUESTVM_SPIN_* command to end at its next step. Starting any command clears the request. */
int guestvm_stop(struct guestvm *vm, unsigned int vcpu);

/* Rounds a GUESTVM_SPIN_* command has made so far. */
uint64_t guestvm_progress(const struct guestvm *vm, unsigned int vcpu);

/*
 * The pattern that GUESTVM_FILL writes and GUESTVM_CHECK expects: the u64 at position (bytes, a
 * multiple of 8) for a seed. Give the offset in the file as position, then any part of a range
 * can be checked by guest and host alike.
 */
static inline uint64_t guestvm_pattern(uint64_t seed, uint64_t position)
{
	uint64_t x = (position + 1) * 0x9E3779B97F4A7C15ULL + seed * 0xD1B54A32D192ED03ULL;

	return x ^ (x >> 32);
}

/* The host's counterparts of FILL, CHECK, COMPARE and CHECKSUM. size is a multiple of 8. */
void guestvm_host_fill(void *addr, uint64_t size, uint64_t seed, uint64_t position);
uint64_t guestvm_host_check(const void *addr, uint64_t size, uint64_t seed, uint64_t position,
			    uint64_t *ret_found);
uint64_t guestvm_host_compare(const void *addr, uint64_t size, uint64_t value, uint64_t *ret_found);
uint64_t guestvm_checksum(const void *addr, uint64_t size);

/* Names for messages: "memory fault", "hypercall", ... */
const char *guestvm_exit_name(enum guestvm_exit exit);

#endif
