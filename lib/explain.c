/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Failure reports as text and JSON, and the words for every cause.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgmem/convert.h>
#include "error.h"
#include "text.h"

#define PROGRAM_MISTAKE "This is a mistake in the program: correct the call."

/* No quotes and no backslashes in here: the texts go into JSON as they are. */
static const struct gmem_cause_text texts[GMEM_CAUSE_COUNT] = {
	[GMEM_CAUSE_NONE] = { "No call has failed.", "Nothing." },
	[GMEM_CAUSE_ARGUMENT] = { "A required pointer is NULL, or an argument has no meaning.",
				  PROGRAM_MISTAKE },
	[GMEM_CAUSE_OPTION] = { "The options have a value without meaning, or a wrong size.",
				"Zero the struct, set its size member to sizeof() of it, and set only "
				"documented values." },
	[GMEM_CAUSE_NEWER_OPTIONS] = { "The options set something that this version of libgmem does "
				       "not know, or they are not initialised.",
				       "Zero the struct and set its size member to sizeof() of it, or "
				       "use the libgmem that the program was built for." },
	[GMEM_CAUSE_STATE] = { "The state is neither shared nor private.", PROGRAM_MISTAKE },
	[GMEM_CAUSE_EMPTY] = { "The size is 0.", PROGRAM_MISTAKE },
	[GMEM_CAUSE_UNALIGNED] = { "The start or the size is not a multiple of the page size.",
				   "Round to whole pages. If a guest asked for this, refuse its "
				   "request." },
	[GMEM_CAUSE_WRAPS] = { "Start and size together are more than 64 bits can hold.",
			       "If a guest asked for this, refuse its request; else correct the "
			       "call." },
	[GMEM_CAUSE_BEYOND_END] = { "The range ends beyond the end of the file.",
				    "If a guest asked for this, refuse its request; else check how "
				    "guest addresses become file offsets." },
	[GMEM_CAUSE_TOO_BIG] = { "The size is more than can be.", PROGRAM_MISTAKE },
	[GMEM_CAUSE_MEMORY] = { "The system, or a memory cgroup, is out of memory.",
				"Free memory or raise the limit of the cgroup, then repeat." },
	[GMEM_CAUSE_NOT_OPEN] = { "The file descriptor is not open; perhaps it was closed elsewhere "
				  "in the program.",
				  "Look for a double close: the descriptor of a struct gmem belongs to "
				  "the library." },
	[GMEM_CAUSE_NOT_A_VM] = { "The file descriptor is not a VM.",
				  "Pass what KVM_CREATE_VM returned: not /dev/kvm, not a vCPU." },
	[GMEM_CAUSE_FOREIGN_VM] = { "The VM belongs to another process, or is dead.",
				    "Use the VM in the process that created it; a forked child cannot." },
	[GMEM_CAUSE_PROCESS_FILES] = { "The process has too many open files.",
				       "Raise RLIMIT_NOFILE, or look for descriptors that leak." },
	[GMEM_CAUSE_SYSTEM_FILES] = { "The system has too many open files.",
				      "Raise fs.file-max, or look for a process that leaks." },
	[GMEM_CAUSE_REFUSED] = { "A seccomp filter or a security module refused the system call.",
				 "Allow the system call in the sandbox's rules; the audit log names "
				 "the rule." },
	[GMEM_CAUSE_FROZEN] = { "The file is frozen for a live update, or a seccomp filter refused.",
				"Finish or abandon the live update; else allow the system call in the "
				"sandbox's rules." },
	[GMEM_CAUSE_ANSWER] = { "The kernel gave an answer that is not part of its interface.",
				"Check that the kernel's guest_memfd is the upstream one, and report "
				"this with the kernel's version." },
	[GMEM_CAUSE_NO_GUEST_MEMFD] = { "This kernel has no guest_memfd for this VM.",
					"Use Linux 6.8 or later with CONFIG_KVM_GUEST_MEMFD, and a VM "
					"type that supports it." },
	[GMEM_CAUSE_NO_MAPPABLE] = { "This kernel has no mappable guest_memfd for this VM.",
				     "Use Linux 6.18 or later; gmem_probe_new() tells." },
	[GMEM_CAUSE_NO_INIT_SHARED] = { "This VM's files cannot start shared: the kernel is older than "
					"6.18, or the VM has private memory and in-place conversion is "
					"not in force.",
					"Start with GMEM_INIT_PRIVATE, or use a kernel with in-place "
					"conversion." },
	[GMEM_CAUSE_RAW_FLAGS] = { "The kernel does not know a flag in raw_flags.",
				   "Compare with gmem_probe_get_creation_flags()." },
	[GMEM_CAUSE_NOT_GUEST_MEMFD] = { "The file is not a guest_memfd.",
					 "Check where the descriptor comes from." },
	[GMEM_CAUSE_WRONG_SIZE] = { "The file has another size than expected.",
				    "Check that this is the file that was meant." },
	[GMEM_CAUSE_NOT_IN_PLACE] = { "In-place conversion is not available: the kernel does not have "
				      "it, or kvm.gmem_in_place_conversion is off.",
				      "Use Linux 7.4 or later, or 7.3 with libgmem's series, and load "
				      "kvm with gmem_in_place_conversion=1." },
	[GMEM_CAUSE_NO_PRIVATE] = { "This VM has no private memory, so that nothing can be converted.",
				    "Create the VM with a type that has it, such as "
				    "KVM_X86_SW_PROTECTED_VM, SNP or TDX." },
	[GMEM_CAUSE_BUSY] = { "A host user holds a page: a pin for DMA (VFIO, vhost, io_uring buffers), "
			      "a reference, or a page fault under way.",
			      "Let go of what covers the first offset that failed, then convert the "
			      "whole range again. To private: let go first." },
	[GMEM_CAUSE_STOPPED] = { "A page was busy, and the busy function of the options chose to stop.",
				 "Convert the whole range again when the page has been let go." },
	[GMEM_CAUSE_NOT_MAPPABLE] = { "The file was not created mappable.",
				      "Set mappable in struct gmem_create_options." },
	[GMEM_CAUSE_ADDRESS_SPACE] = { "No address space is left, there are too many mappings, or a "
				       "resource limit is reached.",
				       "Unmap something, or raise vm.max_map_count or RLIMIT_AS." },
	[GMEM_CAUSE_LOCK_LIMIT] = { "The process locks all its memory, and may not lock that much.",
				    "Raise RLIMIT_MEMLOCK, or do not use mlockall() with MCL_FUTURE." },
	[GMEM_CAUSE_SEALED] = { "The mapping is sealed, or a seccomp filter refused the system call.",
				"Do not seal mappings that must go away; else allow the system call "
				"in the sandbox's rules." },
	[GMEM_CAUSE_SIGNALS] = { "Signals interrupted the call.",
				 "Call again: what is done stays done." },
	[GMEM_CAUSE_POISON] = { "A page in the range has a memory error.",
				"Discard the page, or stop the guest." },
};

const struct gmem_cause_text *gmem_cause_text(enum gmem_cause cause)
{
	return &texts[cause];
}

static int text_begin(struct gmem_text *text, const struct gmem_error *error, char *buffer,
		      size_t size)
{
	if (!error || (!buffer && size > 0))
		return -EINVAL;
	*text = (struct gmem_text){ .buffer = buffer, .size = size };
	return 0;
}

static void explain_kernel(struct gmem_text *text, const struct gmem_error *error)
{
	if (!error->system_call)
		return;
	if (error->kernel_code > 0)
		gmem_text_add(text, "\n%s answered the number %d", error->system_call,
			      error->kernel_code);
	else
		gmem_text_add(text, "\n%s answered %s (%d)", error->system_call,
			      gmem_error_name(error->kernel_code), -error->kernel_code);
	if (error->attempts > 1)
		gmem_text_add(text, ", the last of %u attempts", error->attempts);
	if (error->has_first_offset)
		gmem_text_add(text, "; first offset that failed: 0x%" PRIx64, error->first_offset);
}

int gmem_error_explain(const struct gmem_error *error, char *buffer, size_t size)
{
	struct gmem_text text;
	int r = text_begin(&text, error, buffer, size);

	if (r < 0)
		return r;
	gmem_text_add(&text, "%s", error->call ? error->call : "libgmem");
	if (error->has_range)
		gmem_text_add(&text, ": offset 0x%" PRIx64 ", size 0x%" PRIx64, error->offset,
			      error->size);
	if (gmem_state_name(error->state))
		gmem_text_add(&text, ", to %s", gmem_state_name(error->state));
	gmem_text_add(&text, ": %s", error->code ? gmem_error_name(error->code) : "no error");
	explain_kernel(&text, error);
	gmem_text_add(&text, "\nLikely cause: %s", texts[error->cause].why);
	gmem_text_add(&text, "\nWhat to do: %s", texts[error->cause].remedy);
	return (int)text.length;
}

static void json_string(struct gmem_text *text, const char *name, const char *value)
{
	if (value)
		gmem_text_add(text, ",\"%s\":\"%s\"", name, value);
	else
		gmem_text_add(text, ",\"%s\":null", name);
}

static void json_number(struct gmem_text *text, const char *name, bool known, uint64_t value)
{
	if (known)
		gmem_text_add(text, ",\"%s\":%" PRIu64, name, value);
	else
		gmem_text_add(text, ",\"%s\":null", name);
}

int gmem_error_format_json(const struct gmem_error *error, char *buffer, size_t size)
{
	const struct gmem_cause_text *words;
	struct gmem_text text;
	int r = text_begin(&text, error, buffer, size);

	if (r < 0)
		return r;
	words = error->code ? &texts[error->cause] : NULL;
	gmem_text_add(&text, "{\"version\":1");
	json_string(&text, "error", error->code ? gmem_error_name(error->code) : NULL);
	gmem_text_add(&text, ",\"code\":%d", error->code);
	/* A positive number is no errno. */
	json_string(&text, "kernel_error",
		    error->kernel_code < 0 ? gmem_error_name(error->kernel_code) : NULL);
	gmem_text_add(&text, ",\"kernel_code\":%d", error->kernel_code);
	json_string(&text, "call", error->call);
	json_string(&text, "system_call", error->system_call);
	json_string(&text, "state", gmem_state_name(error->state));
	json_number(&text, "offset", error->has_range, error->offset);
	json_number(&text, "size", error->has_range, error->size);
	json_number(&text, "first_offset", error->has_first_offset, error->first_offset);
	json_number(&text, "attempts", true, error->attempts);
	json_string(&text, "cause", words ? words->why : NULL);
	json_string(&text, "remedy", words ? words->remedy : NULL);
	gmem_text_add(&text, "}");
	return (int)text.length;
}
