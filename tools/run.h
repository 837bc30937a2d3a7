/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A flow as it runs: what verbs work on, and how they say what happened. */
#ifndef GMEMCTL_RUN_H
#define GMEMCTL_RUN_H

#include <libgmem/gmem.h>
#include <sys/types.h>

#include "flow.h"
#include "guestvm.h"
#include "outcome.h"
#include "output.h"
#include "verb.h"

struct pin;

struct run_vm {
	struct guestvm *vm;
};

struct run_file {
	struct gmem *gmem;
	size_t vm;
	size_t session; /* that it is preserved in or came out of, SIZE_MAX: none */
	uint64_t token; /* there */
};

struct run_mapping {
	unsigned char *address;
	uint64_t size;
	uint64_t offset; /* in the file */
	size_t file;
};

/* A child that was forked from this process (process.c). In the child: itself, without a socket. */
struct run_process {
	pid_t pid; /* 0: none */
	int socket;
};

/* A session of a live update. */
struct run_session {
	struct gmem_session *session;
	struct gmem_blob *blob; /* what goes with it or came with it, NULL if nothing came */
};

/* What stands behind flow->object[i]. */
union run_object {
	struct run_vm vm;
	struct run_file file;
	struct run_mapping mapping;
	struct pin *pin;
	struct run_process process;
	struct run_session session;
};

struct run_slot {
	size_t vm;
	uint32_t number;
	uint64_t gpa;
	uint64_t size;
	size_t file;
	uint64_t offset;
	void *view; /* the slot's own host mapping of the file, NULL if it is not mappable */
};

/* The guest command that ran last: "guest resume" and "serve" go on with it. */
struct run_guest {
	enum {
		GUEST_IDLE,
		GUEST_STOPPED,
		GUEST_REQUESTS
	} waits;
	struct guestvm *vm;
	size_t vm_index;
	unsigned int vcpu;
	struct guestvm_cmd cmd;
	struct guestvm_result result;
};

struct flow_run {
	const struct flow *flow;
	union run_object *object;
	struct run_slot *slot;
	size_t slots;
	struct gmem_error *report;
	struct run_guest guest;
	enum gmem_level level_before; /* what "level" has to restore, 0: nothing */
};

/*
 * Run a guest command on the vCPU that the step names, or go on with run->guest, and say in outcome
 * how that ended (verb-guest.c). True if the command is done: run->guest.result has the values, and
 * the outcome is left to the caller.
 */
bool run_guest_start(struct flow_run *run, const struct flow_step *step,
		     const struct guestvm_cmd *cmd, struct outcome *outcome);
bool run_guest_resume(struct flow_run *run, struct outcome *outcome);

/* The objects of a step's arguments; the parser has made sure that they are there. */
struct run_vm *run_vm(struct flow_run *run, const struct flow_step *step);
struct run_file *run_file(struct flow_run *run, const struct flow_step *step, const char *key);
struct run_mapping *run_mapping(struct flow_run *run, const struct flow_step *step,
				const char *key);
/* The slot that has [gpa, gpa + size) of a VM, NULL if no slot has all of it. */
struct run_slot *run_find_slot(struct flow_run *run, size_t vm, uint64_t gpa, uint64_t size);

/* Close a session; what is empty already is fine (verb-preserve.c). */
void run_release_session(struct run_session *session);
struct run_session *run_session(struct flow_run *run, const struct flow_step *step);

/* Bind a slot, whose view is not made yet, and keep it; false: the outcome says why not
 * (verb-vm.c). */
bool run_bind_slot(struct flow_run *run, const struct run_slot *wanted, struct outcome *outcome);

/* Run a step in this process; it may turn out that what it works on has not been made. */
void run_alone(struct flow_run *run, const struct flow_step *step, struct outcome *outcome);

/*
 * Fork a child that has what the flow has made so far, and waits for steps. 0 or a negative errno.
 */
int process_fork(struct flow_run *run, struct run_process *process);
/* Run a step in the child that its argument "in" names. */
void process_run_step(struct flow_run *run, const struct flow_step *step, struct outcome *outcome);
/* End the child and wait for that. Returns its wait status, 0 if there is none. */
int process_end(struct run_process *process);

/* "[in <process:in>]", of verbs whose step may run in a child. */
#define IN_PROCESS "[in <process:in>]"

/*
 * Lists of extents as text: "16K private, 16K shared" (extents.c).
 *
 * extents_check() says what is wrong with a list, NULL if nothing is. extents_add() appends to a
 * list, with "..." at the end once that is full. extents_all(): every extent has the state.
 */
const char *extents_check(const char *list);
void extents_add(char *list, size_t list_size, uint64_t size, const char *state);
bool extents_equal(const char *a, const char *b);
bool extents_all(const char *list, const char *state);
/* "16K": a number as flows have it */
void extents_size(char *buffer, size_t buffer_size, uint64_t size);

/*
 * Make the kernel's software-protected VMs treat content like others, until imitation_end()
 * (imitation.c). 0 or a negative errno.
 */
int imitation_begin(const char *what);
/* Restore what was before; nothing to do if nothing was changed. Signals that end us do it, too. */
void imitation_end(void);
/* 0 if the kernel can be asked to, -ENOENT if not, -EACCES if that is for root. */
int imitation_available(void);

/*
 * gmem_convert() with a step's policy, "step", "attempts", "timeout" and "release" (convert.c).
 * ret_story: what happened on the way ("busy at 0x3000 once; ring let go"), empty if nothing did.
 */
int run_convert(struct flow_run *run, const struct flow_step *step, struct run_file *file,
		uint64_t offset, uint64_t size, enum gmem_state state, char *ret_story,
		size_t story_size);

/* The options that run_convert() reads, for syntaxes, and their check. */
#define CONVERT_OPTIONS                                                                            \
	"[zero] [preserve] [emulate] [step <number:step>] "                                        \
	"[attempts <number:attempts>] [timeout <number:timeout>] [release <pin:release>]"
const char *check_convert_options(const struct flow_step *step);
/* What a policy needs of the kernel, unless it may be emulated. */
unsigned int convert_options_need(const struct flow_step *step);

/* Pins by io_uring registered buffers (pin.c). -EOPNOTSUPP: not in this build. */
int pin_new(void *address, uint64_t size, struct pin **ret_pin);
void pin_free(struct pin *pin);
/* 0 if pins can be made here, otherwise why not. */
int pin_available(void);

/*
 * Host accesses that may raise SIGBUS (access.c). Returns 0, or -EFAULT when a SIGBUS came and
 * *ret_fault is its address. Threads: one guard per thread.
 */
int access_guarded(void (*fn)(void *data), void *data, void **ret_fault);

/* What a run ends with. */
enum run_result {
	RUN_PASSED,
	RUN_FAILED,
	RUN_LACKING, /* the kernel or the build lacks something: nothing was done */
};

/* Run what a flow has for a stage, which it must have. output->stage says so to the outputs. */
enum run_result flow_run(const struct flow *flow, size_t stage, struct output *output);

/* The type of a VM of the flow, also of one that is retrieved (lacking.c). */
uint64_t flow_vm_type(const struct flow *flow, size_t vm);

/*
 * Whether a flow can run here: RUN_PASSED, or RUN_LACKING with what is missing and which line wants
 * it (lacking.c), or RUN_FAILED if that could not be found out.
 */
enum run_result flow_lacks(const struct flow *flow, char *buffer, size_t size);

#endif
