/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The words for every cause: its name, why, and what to do.
 */
#include <libgmem/cause.h>
#include <string.h>
#include "error.h"

#define PROGRAM_MISTAKE "This is a mistake in the program: correct the call."

static const struct gmem_cause_text texts[GMEM_CAUSE_COUNT] = {
	[GMEM_CAUSE_NONE] = { "none", "No call has failed.", "Nothing." },
	[GMEM_CAUSE_ARGUMENT] = { "argument",
				  "A required pointer is NULL, or an argument has no meaning.",
				  PROGRAM_MISTAKE },
	[GMEM_CAUSE_OPTION] = { "option",
				"The options have a value without meaning, or a wrong size.",
				"Zero the struct, set its size member to sizeof() of it, and set only "
				"documented values." },
	[GMEM_CAUSE_NEWER_OPTIONS] = { "newer-options",
				       "The options set something that this version of libgmem does "
				       "not know, or they are not initialised.",
				       "Zero the struct and set its size member to sizeof() of it, or "
				       "use the libgmem that the program was built for." },
	[GMEM_CAUSE_STATE] = { "state", "The state is neither shared nor private.",
			       PROGRAM_MISTAKE },
	[GMEM_CAUSE_EMPTY] = { "empty", "The size is 0.", PROGRAM_MISTAKE },
	[GMEM_CAUSE_UNALIGNED] = { "unaligned",
				   "The start or the size is not a multiple of the page size.",
				   "Round to whole pages. If a guest asked for this, refuse its "
				   "request." },
	[GMEM_CAUSE_WRAPS] = { "wraps", "Start and size together are more than 64 bits can hold.",
			       "If a guest asked for this, refuse its request; else correct the "
			       "call." },
	[GMEM_CAUSE_BEYOND_END] = { "beyond-end", "The range ends beyond the end of the file.",
				    "If a guest asked for this, refuse its request; else check how "
				    "guest addresses become file offsets." },
	[GMEM_CAUSE_TOO_BIG] = { "too-big", "The size is more than can be.", PROGRAM_MISTAKE },
	[GMEM_CAUSE_MEMORY] = { "memory", "The system, or a memory cgroup, is out of memory.",
				"Free memory or raise the limit of the cgroup, then repeat." },
	[GMEM_CAUSE_NOT_OPEN] = { "not-open",
				  "The file descriptor is not open; perhaps it was closed elsewhere "
				  "in the program.",
				  "Look for a double close: the descriptor of a struct gmem belongs to "
				  "the library." },
	[GMEM_CAUSE_NOT_A_VM] = { "not-a-vm", "The file descriptor is not a VM.",
				  "Pass what KVM_CREATE_VM returned: not /dev/kvm, not a vCPU." },
	[GMEM_CAUSE_FOREIGN_VM] = { "foreign-vm", "The VM belongs to another process, or is dead.",
				    "Use the VM in the process that created it; a forked child cannot." },
	[GMEM_CAUSE_PROCESS_FILES] = { "process-files", "The process has too many open files.",
				       "Raise RLIMIT_NOFILE, or look for descriptors that leak." },
	[GMEM_CAUSE_SYSTEM_FILES] = { "system-files", "The system has too many open files.",
				      "Raise fs.file-max, or look for a process that leaks." },
	[GMEM_CAUSE_REFUSED] = { "refused",
				 "A seccomp filter or a security module refused the system call.",
				 "Allow the system call in the sandbox's rules; the audit log names "
				 "the rule." },
	[GMEM_CAUSE_FROZEN] = { "frozen",
				"The file is frozen for a live update, or a seccomp filter refused.",
				"Finish or abandon the live update; else allow the system call in the "
				"sandbox's rules." },
	[GMEM_CAUSE_ANSWER] = { "answer",
				"The kernel gave an answer that is not part of its interface.",
				"Check that the kernel's guest_memfd is the upstream one, and report "
				"this with the kernel's version." },
	[GMEM_CAUSE_NO_GUEST_MEMFD] = { "no-guest-memfd",
					"This kernel has no guest_memfd for this VM.",
					"Use Linux 6.8 or later with CONFIG_KVM_GUEST_MEMFD, and a VM "
					"type that supports it." },
	[GMEM_CAUSE_NO_MAPPABLE] = { "no-mappable",
				     "This kernel has no mappable guest_memfd for this VM.",
				     "Use Linux 6.18 or later; gmem_probe_new() tells." },
	[GMEM_CAUSE_NO_INIT_SHARED] = { "no-init-shared",
					"This VM's files cannot start shared: the kernel is older than "
					"6.18, or the VM has private memory and in-place conversion is "
					"not in force.",
					"Start with GMEM_INIT_PRIVATE, or use a kernel with in-place "
					"conversion." },
	[GMEM_CAUSE_RAW_FLAGS] = { "raw-flags", "The kernel does not know a flag in raw_flags.",
				   "Compare with gmem_probe_get_creation_flags()." },
	[GMEM_CAUSE_NOT_GUEST_MEMFD] = { "not-guest-memfd", "The file is not a guest_memfd.",
					 "Check where the descriptor comes from." },
	[GMEM_CAUSE_WRONG_SIZE] = { "wrong-size", "The file has another size than expected.",
				    "Check that this is the file that was meant." },
	[GMEM_CAUSE_NOT_IN_PLACE] = { "not-in-place",
				      "In-place conversion is not available: the kernel does not have "
				      "it, or kvm.gmem_in_place_conversion is off.",
				      "Use Linux 7.4 or later, or 7.3 with libgmem's series, and load "
				      "kvm with gmem_in_place_conversion=1." },
	[GMEM_CAUSE_NO_PRIVATE] = { "no-private",
				    "This VM has no private memory, so that nothing can be converted.",
				    "Create the VM with a type that has it, such as "
				    "KVM_X86_SW_PROTECTED_VM, SNP or TDX." },
	[GMEM_CAUSE_BUSY] = { "busy",
			      "A host user holds a page: a pin for DMA (VFIO, vhost, io_uring buffers), "
			      "a reference, or a page fault under way.",
			      "Let go of what covers the first offset that failed, then convert the "
			      "whole range again. To private: let go first." },
	[GMEM_CAUSE_STOPPED] = { "stopped",
				 "A page was busy, and the busy function of the options chose to stop.",
				 "Convert the whole range again when the page has been let go." },
	[GMEM_CAUSE_NOT_MAPPABLE] = { "not-mappable", "The file was not created mappable.",
				      "Set mappable in struct gmem_create_options." },
	[GMEM_CAUSE_ADDRESS_SPACE] = { "address-space",
				       "No address space is left, there are too many mappings, or a "
				       "resource limit is reached.",
				       "Unmap something, or raise vm.max_map_count or RLIMIT_AS." },
	[GMEM_CAUSE_LOCK_LIMIT] = { "lock-limit",
				    "The process locks all its memory, and may not lock that much.",
				    "Raise RLIMIT_MEMLOCK, or do not use mlockall() with MCL_FUTURE." },
	[GMEM_CAUSE_SEALED] = { "sealed",
				"The mapping is sealed, or a seccomp filter refused the system call.",
				"Do not seal mappings that must go away; else allow the system call "
				"in the sandbox's rules." },
	[GMEM_CAUSE_SIGNALS] = { "signals", "Signals interrupted the call.",
				 "Call again: what is done stays done." },
	[GMEM_CAUSE_POISON] = { "poison", "A page in the range has a memory error.",
				"Discard the page, or stop the guest." },
	[GMEM_CAUSE_ORDER] = { "order",
			       "The extents of the list overlap, or are not in the order of the file.",
			       PROGRAM_MISTAKE },
	[GMEM_CAUSE_EXTENTS] = { "extents",
				 "The kernel described the range by extents that do not fit together.",
				 "Check that the kernel's query is libgmem's, and report this with the kernel's version." },
	[GMEM_CAUSE_NO_POLICY] = { "no-policy",
				   "The kernel has not announced this content policy for the VM of the file, and only zero on the way to shared can be emulated.",
				   "Use a kernel with libgmem's series; for zero on the way to shared stop the vCPUs and set emulate, see gmem_convert(3); or ask for no policy, and treat the bytes as unknown." },
	[GMEM_CAUSE_UNKNOWN_POLICY] = { "unknown-policy",
					"The file was adopted without a probe of its VM, so that nobody knows which content policies the kernel has for it.",
					"Set probe in struct gmem_adopt_options." },
	[GMEM_CAUSE_POLICY_REFUSED] = { "policy-refused",
					"The kernel cannot keep this content policy for this VM type, in this direction, or not any more: SNP and TDX preserve nothing once the guest runs.",
					"Ask for another policy or none, and let the guest copy what it has to keep." },
	[GMEM_CAUSE_NO_QUERY] = { "no-query",
				  "The kernel cannot be asked for states, or keeps none in the file.",
				  "Use a kernel with libgmem's series and kvm.gmem_in_place_conversion on, or keep track of what you convert." },
	[GMEM_CAUSE_LEVEL] = { "level",
			       "The capability level was forced down, by the environment variable GMEM_LEVEL or by gmem_level_set().",
			       "Unset GMEM_LEVEL, or force a higher level; if this is a test of a fallback, this is what it asked for." },
	[GMEM_CAUSE_LEVEL_NAME] = { "level-name",
				    "The environment variable GMEM_LEVEL does not have the name of a level.",
				    "Unset it, or set it to none, create, map, convert, policy, query, live-update, mixed or full." },
	[GMEM_CAUSE_ATTRIBUTES] = { "attributes",
				    "The guest's request has bits that mean nothing, or exclude each other.",
				    "Refuse the request; if it was a fault, the kernel is newer than the library, or wrong." },
	[GMEM_CAUSE_NO_PROGRESS] = { "no-progress",
				     "A vCPU comes out with the same fault again and again, although its requests are served.",
				     "Stop the guest: check that the slot is of the file that is converted, that there is memory, and that the file is not frozen." },
	[GMEM_CAUSE_SOURCE_ENDED] = { "source-ended",
				      "The source has fewer bytes than were to be loaded.",
				      "Check that the file is complete; set to_end if it may be shorter." },
	[GMEM_CAUSE_SOURCE_SHRANK] = { "source-shrank",
				       "The source became shorter while it was read.",
				       "Load from a file that nobody truncates; replace files by renaming." },
	[GMEM_CAUSE_SOURCE_BIGGER] = { "source-bigger",
				       "The source has more bytes than there is room for.",
				       "Load into a larger range, or load a smaller file." },
	[GMEM_CAUSE_SOURCE_ERROR] = { "source-error",
				      "The source could not be read: the disk, the network or its file system failed.",
				      "Look at the kernel's answer and its log; what was loaded so far is told." },
	[GMEM_CAUSE_SOURCE_NOT_READABLE] = { "source-not-readable",
					     "The source is not open for reading.",
					     "Open it with O_RDONLY or O_RDWR; O_PATH is not enough." },
	[GMEM_CAUSE_SOURCE_KIND] = { "source-kind",
				     "The source is something that cannot be read in this way: a directory, or a stream with an offset.",
				     "Pass a file, a block device or a stream, and no source_offset for a stream." },
	[GMEM_CAUSE_PRIVATE_PAGE] = { "private-page",
				      "A page of the range is private, so that the host cannot touch it.",
				      "Convert the range to shared first, or ask for private memory in the options." },
	[GMEM_CAUSE_NO_URING] = { "no-uring",
				  "io_uring cannot be had: libgmem was built without it, liburing is not installed, or the kernel forbids it (kernel.io_uring_disabled, seccomp).",
				  "Install liburing 2.3 or later and allow io_uring; or do without: it is faster, not more." },
	[GMEM_CAUSE_NO_DIRECT] = { "no-direct",
				   "The source cannot be read past the page cache: its file system has no O_DIRECT, it cannot be opened again, or its offset does not fit that of the range.",
				   "Use offsets that differ by whole pages, and a file system on a disk; or let the library choose." },
	[GMEM_CAUSE_CANCELED] = { "canceled", "The progress function of the options chose to stop.",
				  "Load again from where it stopped, or discard the range." },
	[GMEM_CAUSE_NO_LIBNUMA] = { "no-libnuma",
				    "libnuma cannot be had: libgmem was built without it, or it is not installed.",
				    "Install libnuma (libnuma1), or a libgmem that was built with the feature numa." },
	[GMEM_CAUSE_NO_NUMA] = { "no-numa",
				 "This kernel knows no nodes, or does not tell where pages are.",
				 "Use a kernel with CONFIG_NUMA and CONFIG_MIGRATION; on a machine with one node leave placement out." },
	[GMEM_CAUSE_NODES] = { "nodes",
			       "The nodes are not written as libnuma has them, do not exist, or may not be used by this process; or there are several where one is needed.",
			       "Look at numactl --show for the nodes that can be used, and write them like 0-1,3." },
	[GMEM_CAUSE_NO_PLACEMENT] = { "no-placement",
				      "This kernel does not keep the policy in the file: it is gone as soon as the memory is used by somebody else.",
				      "Use Linux 6.19 or later, or start the program with numactl." },
	[GMEM_CAUSE_TOUCHED] = { "touched",
				 "Pages of the range are there already, and stay on their nodes: guest_memfd cannot move pages.",
				 "Place memory before it is allocated, loaded or used; or discard the range first; or set late and accept where those pages are." },
	[GMEM_CAUSE_NOT_OWNER] = { "not-owner",
				   "The process is neither the owner of the file nor root, and must not ask which pages are there.",
				   "Ask in the process of the user that created the file." },
	[GMEM_CAUSE_MORE_NODES] = { "more-nodes",
				    "A page is on a node that the output has no room for.",
				    "Give room for as many nodes as the machine has." },
	[GMEM_CAUSE_HOLE] = { "hole", "A part of the range is in no slot of the space.",
			      "If a guest asked for this, refuse its request. To shared, "
			      "GMEM_HOLES_SHARED_IGNORED leaves holes out." },
	[GMEM_CAUSE_NO_MODE] = { "no-mode", "The VM does not have the mode that was asked for.",
				 "Use GMEM_MODE_BEST, and see gmemctl probe for what the kernel offers "
				 "to the VM's type." },
	[GMEM_CAUSE_NO_SLOT] = { "no-slot", "The space has no slot of this number.",
				 PROGRAM_MISTAKE },
	[GMEM_CAUSE_SLOT_NUMBER] = { "slot-number", "Another slot of the space has this number.",
				     "Unbind it first: slots with a guest_memfd cannot be changed." },
	[GMEM_CAUSE_SLOT_OVERLAP] = { "slot-overlap",
				      "Another slot of the space has a part of this guest-physical memory.",
				      "Unbind it first, or correct the layout." },
	[GMEM_CAUSE_BOUND_TWICE] = { "bound-twice",
				     "Another slot of the space has a part of this range of the file: "
				     "memory cannot be at two guest-physical addresses.",
				     "Unbind the other slot first; an alias of memory needs a file of its "
				     "own." },
	[GMEM_CAUSE_FOREIGN_SLOT] = { "foreign-slot",
				      "A slot that this space did not bind has a part of this "
				      "guest-physical memory, or of this range of the file.",
				      "Bind all slots that have guest_memfd files through one space, and "
				      "look for other memory of the VM at this place." },
	[GMEM_CAUSE_SLOT_REFUSED] = { "slot-refused",
				      "KVM refuses the slot: its number is too high, or used outside of "
				      "the space; it is too big; its address is not aligned; or the file "
				      "belongs to another VM.",
				      "Compare the number with KVM_CAP_NR_MEMSLOTS, and create the file "
				      "for this VM." },
	[GMEM_CAUSE_NO_FILE_SLOTS] = { "no-file-slots",
				       "This kernel has no slots with a guest_memfd.",
				       "Use Linux 6.8 or later with CONFIG_KVM_GUEST_MEMFD." },
	[GMEM_CAUSE_OTHER_SPACE] = { "other-space", "Another space has slots of this file, or had.",
				     "Use one space for a VM, and free the old one first." },
	[GMEM_CAUSE_MAPPABLE_TWICE] = { "mappable-twice",
					"With two backings the file must not be mappable: the kernel would "
					"take shared pages out of it, too.",
					"Create files with gmem_space_create(), which knows." },
	[GMEM_CAUSE_NOT_ALIASED] = { "not-aliased",
				     "The address of the slot is not a shared mapping of this file at this "
				     "offset: host and guest would use different pages.",
				     "Map with gmem_map() at the offset of the slot, or leave the address "
				     "NULL and let the space map it." },
	[GMEM_CAUSE_NO_PROC] = { "no-proc",
				 "/proc/self/maps cannot be read, so that nobody knows what is mapped at "
				 "the address of the slot.",
				 "Leave the address NULL and let the space map it; or set unverified, if "
				 "it is certain." },
	[GMEM_CAUSE_LISTENER] = { "listener", "A listener refused.",
				  "The report names it and what it returned: look there for the reason." },
	[GMEM_CAUSE_LISTENER_BUSY] = { "listener-busy",
				       "A listener said at every attempt that it needs more time.",
				       "Repeat the call, or give it more attempts and time in the options." },
	[GMEM_CAUSE_LISTENER_CALLS] = { "listener-calls",
					"A listener called a function that changes its own space, which waits "
					"for it.",
					"Leave that to another thread, after the listener has returned." },
	[GMEM_CAUSE_TWO_BACKINGS] = { "two-backings",
				      "With two backings every conversion loses the contents, and no content "
				      "policy can be had.",
				      "Use a kernel that converts in place, or ask for no policy and let the "
				      "guest copy what it has to keep." },
	[GMEM_CAUSE_NOT_ALLOWED] = { "not-allowed",
				     "The VMM does not allow the guest what it asks for.",
				     "Nothing, if that is right: it is the program's own decision." },
	[GMEM_CAUSE_OVERLAP] = { "overlap",
				 "Ranges of one file overlap in a batch that is not ordered.",
				 "Ask for an ordered batch, or leave out what another range has." },
	[GMEM_CAUSE_UNDER_WAY] = { "under-way", "A batch is under way.",
				   "Finish it first; or use another one for what is to go on beside it." },
	[GMEM_CAUSE_NO_BATCH] = { "no-batch", "No batch was submitted, or it was finished before.",
				  "Submit one first." },
	[GMEM_CAUSE_NO_LIVE_UPDATE] = { "no-live-update",
					"The kernel has no live update, or it is off, or /dev is "
					"not that of the host.",
					"Use Linux 7.3 or later with CONFIG_LIVEUPDATE, started "
					"with kho=on and liveupdate=on." },
	[GMEM_CAUSE_DEVICE_BUSY] = { "device-busy",
				     "Somebody else has /dev/liveupdate open: only one can at a "
				     "time.",
				     "Wait longer; or find out who it is, and take sessions or "
				     "the device from that agent. From version 261 on, systemd is"
				     " one." },
	[GMEM_CAUSE_DEVICE_ACCESS] = { "device-access", "The process may not open /dev/liveupdate.",
				       "Run as root; or take the session from an agent that may, "
				       "and adopt it." },
	[GMEM_CAUSE_NOT_THE_DEVICE] = { "not-the-device",
					"The file descriptor is not /dev/liveupdate.",
					"Check where device_fd comes from: a session is not the "
					"device." },
	[GMEM_CAUSE_SESSIONS_LOST] = { "sessions-lost",
				       "The kernel could not read what the kernel before left, "
				       "often because a handler is missing that the one before "
				       "had.",
				       "Everything that was preserved is lost. Reboot the "
				       "machine; see the kernel log for the reason, and have kvm "
				       "built in or loaded before anybody opens /dev/liveupdate." },
	[GMEM_CAUSE_SESSION_NAME] = { "session-name", "The name of a session has 1 to 63 bytes.",
				      PROGRAM_MISTAKE },
	[GMEM_CAUSE_SESSION_RESERVED] = { "session-reserved",
					  "The session of this name belongs to systemd, whose "
					  "services would lose all they have stored.",
					  "Use a session with another name." },
	[GMEM_CAUSE_SESSION_EXISTS] = { "session-exists",
					"There is an outgoing session of this name: of this "
					"program, or of another one that is running.",
					"Choose a name that is unique to the VM, or release the "
					"other session." },
	[GMEM_CAUSE_SESSION_FULL] = { "session-full",
				      "The kernel has no room for more sessions, or for more "
				      "files in this session.",
				      "Release sessions, or spread files over several. A VM and "
				      "its memory must be in the same one." },
	[GMEM_CAUSE_NO_SESSION] = { "no-session",
				    "No session of this name came from the kernel before: it was "
				    "not preserved, its holder was gone at the kexec, or it was "
				    "retrieved and closed.",
				    "Start the VM anew; see that a process holds the session "
				    "until the kexec, and not only until it is killed." },
	[GMEM_CAUSE_SESSION_TAKEN] = { "session-taken",
				       "The session was retrieved before, and somebody has it "
				       "open; or it could not be finished.",
				       "Get the descriptor from who has it, and adopt it." },
	[GMEM_CAUSE_NOT_A_SESSION] = { "not-a-session",
				       "The file descriptor is not a session of live update.",
				       "Check where the descriptor comes from." },
	[GMEM_CAUSE_DIRECTION] = { "direction",
				   "Files are preserved in an outgoing session, and retrieved "
				   "from an incoming one, which alone can be finished.",
				   "To abandon an outgoing session, release it. To preserve again"
				   " what came, create a new session." },
	[GMEM_CAUSE_CANNOT_FINISH] = { "cannot-finish",
				       "A file of the session cannot be finished yet.",
				       "Retrieve what is missing, and finish again." },
	[GMEM_CAUSE_TOKEN_USED] = { "token-used", "The session has something under this token.",
				    "Use each token once in a session." },
	[GMEM_CAUSE_NO_TOKEN] = { "no-token",
				  "The session has nothing under this token, or was finished.",
				  "Check the token. What was not preserved cannot be retrieved." },
	[GMEM_CAUSE_NO_HANDLER] = { "no-handler",
				    "The kernel has no handler for such a file, or the handler "
				    "refused it.",
				    "Use a kernel that preserves guest_memfd files, such as 7.3 "
				    "with libgmem's series. Without it, files must be all shared,"
				    " of a VM without private memory." },
	[GMEM_CAUSE_NOT_PRESERVED] = { "not-preserved",
				       "The kernel's handler cannot preserve this file.",
				       "Look into the kernel log for the reason." },
	[GMEM_CAUSE_ALREADY_PRESERVED] = { "already-preserved",
					   "The file is preserved in a session already; two files"
					   " on one inode are one.",
					   "Release the other session first." },
	[GMEM_CAUSE_VM_TYPE] = { "vm-type",
				 "Hardware protects the memory of this VM (SEV, SEV-ES, SNP, "
				 "TDX), and would not let the next kernel have it.",
				 "Such a VM cannot be live-updated: migrate it, or stop it." },
	[GMEM_CAUSE_VM_GONE] = { "vm-gone", "The VM is dead, or was closed.",
				 "Keep the VM open until the kexec." },
	[GMEM_CAUSE_CREATION_FLAGS] = { "creation-flags",
					"The kernel cannot preserve a file with these creation "
					"flags.",
					"Create the file without them." },
	[GMEM_CAUSE_PRIVATE_PAGES] = { "private-pages",
				       "The file has private pages, and nobody has said that they"
				       " may be preserved.",
				       "Convert the pages to shared, or set mixed in struct "
				       "gmem_preserve_options." },
	[GMEM_CAUSE_NO_MIXED] = { "no-mixed",
				  "The kernel cannot preserve files with private pages.",
				  "Use a kernel with libgmem's series; or convert all to shared, "
				  "and preserve without mixed." },
	[GMEM_CAUSE_STATES_CHANGED] = { "states-changed",
					"Pages were converted while the kernel looked at the "
					"file.",
					"Stop the vCPUs and whoever else converts, then call "
					"again." },
	[GMEM_CAUSE_NO_RETRIEVAL] = { "no-retrieval",
				      "The kernel cannot take what the kernel before sent: it has"
				      " features that this one lacks.",
				      "Boot a kernel that is not older than the one before. The "
				      "memory cannot be retrieved with this one." },
	[GMEM_CAUSE_NOT_RETRIEVED] = { "not-retrieved",
				       "The kernel could not restore the file: memory is lost, or"
				       " what the kernel before left makes no sense. It will not "
				       "try again.",
				       "Start the VM anew, and look into the kernel log for the "
				       "reason." },
	[GMEM_CAUSE_BLOB_FOREIGN] = { "blob-foreign", "This is not a blob of libgmem.",
				      "Check the token, or where the bytes come from." },
	[GMEM_CAUSE_BLOB_LENGTH] = { "blob-length",
				     "The blob is cut, or goes on after its end, or is bigger "
				     "than one can be.",
				     "Do not use it: start the VM anew." },
	[GMEM_CAUSE_BLOB_CHECKSUM] = { "blob-checksum",
				       "The bytes of the blob are not those that were written.",
				       "Do not use it: start the VM anew, and check the memory of"
				       " the machine." },
	[GMEM_CAUSE_BLOB_VERSION] = { "blob-version", "A later version of libgmem wrote the blob.",
				      "Use a libgmem that is not older than the one that wrote "
				      "it." },
	[GMEM_CAUSE_BLOB_CONTENTS] = { "blob-contents",
				       "The blob contradicts itself, although its checksum is "
				       "right: it was not written by libgmem.",
				       "Do not use it; find out who wrote it." },
	[GMEM_CAUSE_BLOB_DIFFERS] = { "blob-differs",
				      "The file is not as the blob says that it was preserved.",
				      "Check that token and blob belong together. If they do, do "
				      "not run the guest: report this with the kernel's version." },
	[GMEM_CAUSE_BLOB_NAME] = { "blob-name",
				   "A section has a name of 1 to 63 printable ASCII characters.",
				   PROGRAM_MISTAKE },
	[GMEM_CAUSE_BLOB_HAS] = { "blob-has",
				  "The blob has a file under this token, a slot of this number, "
				  "or a section of this name.",
				  "Add each of them once." },
	[GMEM_CAUSE_BLOB_HAS_NOT] = { "blob-has-not", "The blob does not describe this file.",
				      "Add the file first; a slot names the token of its file." },
	[GMEM_CAUSE_BLOB_FULL] = { "blob-full",
				   "The blob would have more files, slots, sections or bytes than"
				   " it can.",
				   "Preserve big data in a memfd of its own, with "
				   "gmem_preserve_fd()." },
	[GMEM_CAUSE_BUFFER] = { "buffer", "The buffer is too small.",
				"Ask for the size with a buffer of size 0." },
	[GMEM_CAUSE_STORE_NAME] = { "store-name",
				    "A name in the file-descriptor store has 1 to 255 printable "
				    "ASCII characters, without colons.",
				    PROGRAM_MISTAKE },
	[GMEM_CAUSE_NO_STORE] = { "no-store",
				  "There is no service manager: NOTIFY_SOCKET is not set, or "
				  "nobody listens there.",
				  "Run as a service of systemd with FileDescriptorStoreMax= set; "
				  "or hold the session in another process." },
	[GMEM_CAUSE_STORE_ADDRESS] = { "store-address",
				       "NOTIFY_SOCKET is neither an absolute path nor an abstract"
				       " socket, or it is too long.",
				       "See sd_notify(3) for what it can be." },
	[GMEM_CAUSE_NOT_STORED] = { "not-stored",
				    "The service manager handed this process no descriptor of "
				    "this name.",
				    "Push the session under this name; see that the unit has "
				    "FileDescriptorStoreMax= and NotifyAccess=." },
	[GMEM_CAUSE_ENVIRONMENT] = { "environment",
				     "LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES contradict each "
				     "other.",
				     "Check what starts this process: it must pass them on as "
				     "systemd has set them, see sd_listen_fds(3)." },
};

const struct gmem_cause_text *gmem_cause_text(enum gmem_cause cause)
{
	return &texts[cause];
}

static const struct gmem_cause_text *find(const char *name)
{
	int i;

	for (i = 0; name && i < GMEM_CAUSE_COUNT; i++) {
		if (!strcmp(texts[i].name, name))
			return &texts[i];
	}
	return NULL;
}

const char *gmem_cause_name(unsigned int number)
{
	return number < GMEM_CAUSE_COUNT ? texts[number].name : NULL;
}

const char *gmem_cause_explain(const char *name)
{
	const struct gmem_cause_text *text = find(name);

	return text ? text->why : NULL;
}

const char *gmem_cause_remedy(const char *name)
{
	const struct gmem_cause_text *text = find(name);

	return text ? text->remedy : NULL;
}
