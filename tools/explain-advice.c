/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Why functions of libgmem fail, and what to do. The rule for a function stands before the one for
 * all of them. A test compares this with the headers: every documented errno has its advice.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "explain.h"

static const struct explain_advice advice[] = {
	{ EINVAL, "gmem_unmap", "The caller passes what gmem_map() has never returned.",
	  "Unmap with the address and the size of the mapping, or whole pages of it." },
	{ EINVAL, "gmem_adopt", "The file has another size than the caller was told.",
	  "Check that this is the file that was meant; who sent the descriptor may lie." },
	{ EINVAL, "gmem_request_decode",
	  "The guest asks for what cannot be: bits without meaning, no pages, an unaligned address, a "
	  "range that wraps.",
	  "Answer the guest with gmem_request_answer(): what guests ask for is hostile input." },
	{ EINVAL, NULL,
	  "The caller asks for what cannot be. The library looks at ranges, states and options "
	  "before the kernel is asked.",
	  "Correct the call. If a guest asked for the range, refuse its request: what guests ask "
	  "for is hostile input." },
	{ E2BIG, NULL,
	  "The options are not initialised, or the program was built for a newer libgmem.",
	  "Zero the struct and set its size member to sizeof() of it; else use the libgmem that the "
	  "program was built for." },
	{ EOPNOTSUPP, "gmem_create",
	  "The kernel is older than what was asked for, or the VM's type rules it out: before "
	  "in-place conversion, a VM with private memory cannot have files that start shared.",
	  "Ask gmemctl probe, or gmem_probe_new() in the program, what this VM can have; fall back "
	  "to GMEM_INIT_PRIVATE, or to two backings." },
	{ EOPNOTSUPP, "gmem_convert",
	  "The kernel does not convert in place (before 7.4, without libgmem's series), "
	  "kvm.gmem_in_place_conversion is off, the VM has no private memory, or a content policy "
	  "was asked for that this VM cannot promise, or the level was forced down.",
	  "gmem_error_get_cause() and gmemctl probe tell which. Without in-place conversion: two "
	  "backings and KVM_SET_MEMORY_ATTRIBUTES. Without the policy: do not rely on the bytes, "
	  "copy them." },
	{ EOPNOTSUPP, "gmem_populate",
	  "The way that was asked for cannot be had (io_uring, O_DIRECT), or the pages were to become "
	  "private and nobody promises that their contents stay.",
	  "gmem_error_get_cause() tells which. Let the library choose the way; for private memory use "
	  "a kernel with libgmem's series." },
	{ EOPNOTSUPP, "gmem_populate_memory",
	  "The pages were to become private, and nobody promises that their contents stay.",
	  "Use a kernel with libgmem's series, or let the VM type's own launch commands load." },
	{ EOPNOTSUPP, "gmem_numa_place",
	  "libnuma is not there, or the kernel has no nodes or does not keep policies in files.",
	  "gmem_error_get_cause() tells which. Install libnuma1; use Linux 6.19 or later." },
	{ EOPNOTSUPP, "gmem_numa_place_guest",
	  "libnuma is not there, or the kernel has no nodes or does not keep policies in files.",
	  "gmem_error_get_cause() tells which. Install libnuma1; use Linux 6.19 or later." },
	{ EOPNOTSUPP, "gmem_numa_count", "The kernel has no nodes.",
	  "Use a kernel with CONFIG_NUMA." },
	{ EOPNOTSUPP, "gmem_space_bind",
	  "The mapping at the slot's address cannot be verified without /proc/self/maps; or KVM is "
	  "older than 6.8.",
	  "Pass NULL as address, or set unverified; gmemctl probe tells about KVM." },
	{ EOPNOTSUPP, "gmem_space_convert",
	  "The VM has no private memory, or a content policy was asked for that cannot be kept: with "
	  "two backings there are none.",
	  "gmem_error_get_cause() tells which; gmem_space_get_mode() has the mode." },
	{ EOPNOTSUPP, "gmem_space_serve",
	  "The VM has no private memory, or a content policy was asked for that cannot be kept: with "
	  "two backings there are none.",
	  "gmem_error_get_cause() tells which; gmem_space_get_mode() has the mode." },
	{ EOPNOTSUPP, "gmem_batch_finish",
	  "A range cannot be converted: gmem_convert() would have said the same.",
	  "gmem_error_get_cause() tells why; see gmemctl explain gmem_convert EOPNOTSUPP." },
	{ EOPNOTSUPP, NULL, "The running kernel does not offer this, or the level was forced down.",
	  "gmemctl probe tells what it does offer; check GMEM_LEVEL in the environment." },
	{ EBADF, "gmem_create", "The number is no open file descriptor.",
	  "Pass what KVM_CREATE_VM returned; look for a close that came too early." },
	{ EBADF, "gmem_probe_new", "The number is no open file descriptor.",
	  "Pass what KVM_CREATE_VM returned; look for a close that came too early." },
	{ EBADF, "gmem_populate", "The source is not open, or not for reading.",
	  "Open it with O_RDONLY or O_RDWR, and look for a close that came too early." },
	{ EBADF, NULL, "Something in the program has closed a descriptor that is not its own.",
	  "Look for a double close. The descriptor of a struct gmem belongs to the library until "
	  "gmem_release()." },
	{ ENOTTY, "gmem_adopt", "The descriptor is something else: a memfd, a pipe, a KVM file.",
	  "Check where the descriptor comes from, and refuse it if somebody else sent it." },
	{ ENOTTY, NULL, "The descriptor is not a VM: often it is /dev/kvm, or a vCPU.",
	  "Pass what KVM_CREATE_VM returned." },
	{ EIO, "gmem_populate", "The disk, the network or the file system of the source failed.",
	  "gmem_error_get_kernel_code() has what it answered; look at the kernel's log." },
	{ EIO, NULL, "KVM serves a VM only in the process that created it, and while it lives.",
	  "Use the VM in that process. A forked child can convert and map files, but not create "
	  "them." },
	{ EMFILE, NULL, "The process has reached RLIMIT_NOFILE.",
	  "Raise the limit, or look for descriptors that leak: ls -l /proc/PID/fd." },
	{ ENFILE, NULL, "The system has reached fs.file-max.",
	  "Raise it, or look for the process that leaks." },
	{ ENOMEM, "gmem_map", "No address space is left, there are too many mappings, or a limit.",
	  "Unmap something, or raise vm.max_map_count or RLIMIT_AS." },
	{ ENOMEM, "gmem_unmap", "Cutting a hole would make one mapping more than there may be.",
	  "Unmap whole mappings, or raise vm.max_map_count." },
	{ ENOMEM, "gmem_allocate", "The system, or a memory cgroup, has no memory left.",
	  "What is allocated stays; the report tells where it stopped. Free memory or raise the limit "
	  "of the cgroup, then repeat." },
	{ ENOMEM, NULL, "The system, or a memory cgroup, has no memory left.",
	  "Free memory or raise the limit of the cgroup, then repeat: nothing is half done." },
	{ EAGAIN, "gmem_convert",
	  "On the way to private nobody may hold a page: a pin for DMA (VFIO, vhost, registered "
	  "buffers of io_uring), a reference, or a page fault that is just under way.",
	  "Ask the listeners of the first offset that failed to let go, then convert the whole range "
	  "again. Nothing has changed its state. A busy function does this in one call." },
	{ EAGAIN, "gmem_batch_finish",
	  "A page of a range was held at every attempt: a pin for DMA, a reference, or a page fault.",
	  "Ask the listeners of that page to let go, then submit what has failed again." },
	{ EAGAIN, "gmem_populate",
	  "A page was held when it was to become private; or the process locks all memory that it maps.",
	  "Ask who holds the page to let go, and load again; or raise RLIMIT_MEMLOCK." },
	{ EAGAIN, "gmem_populate_memory",
	  "A page was held when it was to become private; or the process locks all memory that it maps.",
	  "Ask who holds the page to let go, and load again; or raise RLIMIT_MEMLOCK." },
	{ ECANCELED, "gmem_populate", "The progress function of the options said stop.",
	  "What is loaded stays; load again, or discard the range." },
	{ ECANCELED, "gmem_populate_memory", "The progress function of the options said stop.",
	  "What is loaded stays; load again, or discard the range." },
	{ EFAULT, "gmem_space_bind",
	  "What is mapped at the address is not the file at the slot's offset, so that host and "
	  "guest would use different pages, and nobody would ever say so.",
	  "Map with gmem_map() at the slot's offset; or pass NULL, and the space maps it." },
	{ EFAULT, NULL, "A page of the range is private: the host cannot touch it.",
	  "Convert the range to shared first, or ask for private memory in the options." },
	{ EFBIG, NULL, "The source has more bytes than there is room for.",
	  "Load into a larger range, or load a smaller file." },
	{ EBUSY, "gmem_batch_submit", "The batch before it is under way.",
	  "Finish it first, or make another struct gmem_batch." },
	{ EBUSY, "gmem_batch_get_statistics", "The batch is under way.", "Finish it first." },
	{ EINPROGRESS, NULL, "The batch is under way: no failure.",
	  "Go on, and come back when the descriptor can be read." },
	{ EISDIR, NULL, "The source is a directory.", "Pass a file." },
	{ ESPIPE, NULL, "A stream has no offset to begin at.",
	  "Set source_offset to 0, and read what is to be skipped before." },
	{ EAGAIN, "gmem_space_bind",
	  "A listener needs more time than it got; or the process locks all memory that it maps, and "
	  "may not lock that much.",
	  "The report names the listener; else raise RLIMIT_MEMLOCK." },
	{ EAGAIN, "gmem_space_convert",
	  "On the way to private nobody may hold a page. Listeners were asked, also once more about "
	  "the page that stayed busy.",
	  "The report names the listener that holds it, if one says so. All is as it was before: "
	  "convert again when the page has been let go, or let the guest try again." },
	{ EAGAIN, "gmem_space_serve",
	  "As for gmem_space_convert(): a page or a listener stayed busy.",
	  "Run the vCPU again: the guest repeats the access." },
	{ EAGAIN, "gmem_space_unbind", "A listener needs more time than it got.",
	  "Call again; the report names the listener." },
	{ EAGAIN, "gmem_listener_add", "The listener needs more time than it got.",
	  "Call again when it is ready." },
	{ EAGAIN, "gmem_listener_remove", "The listener needs more time than it got.",
	  "It is removed all the same: see that it lets go before memory becomes private." },
	{ EAGAIN, NULL, "The process locks all memory that it maps, and may not lock that much.",
	  "Raise RLIMIT_MEMLOCK, or do not use mlockall() with MCL_FUTURE." },
	{ ECANCELED, "gmem_listener_add", "The listener refused memory that is shared.",
	  "The report has what it returned." },
	{ ECANCELED, "gmem_listener_remove", "The listener refused to let go.",
	  "It is removed all the same: see that it lets go before memory becomes private." },
	{ ECANCELED, "gmem_space_bind", "A listener refused the memory of the slot.",
	  "The report names it and has what it returned; the slot is not there." },
	{ ECANCELED, "gmem_space_unbind", "A listener refused to let go of the slot's memory.",
	  "The report names it and has what it returned; the slot is still there." },
	{ ECANCELED, "gmem_space_convert", "A listener refused, or the busy function said stop.",
	  "The report names the listener. Everything was undone, but for what the report says." },
	{ ECANCELED, "gmem_space_serve", "A listener refused, or the busy function said stop.",
	  "The report names the listener. Everything was undone, but for what the report says." },
	{ ECANCELED, NULL, "A page was busy, and the busy function of the options said stop.",
	  "Nothing has changed its state: convert the whole range again when the page is free." },
	{ EINTR, NULL, "Signals came.", "Call again: what is done stays done." },
	{ ENODEV, NULL, "The file was created without mappable.",
	  "Set mappable in struct gmem_create_options: it cannot be had later." },
	{ EOVERFLOW, "gmem_numa_count", "A page is on a node that bytes_on has no room for.",
	  "Give room for as many nodes as the machine has." },
	{ EEXIST, NULL, "Pages are there already, and guest_memfd cannot move pages.",
	  "Place memory before it is allocated, loaded or used; or discard it first; or set late." },
	{ EOVERFLOW, NULL, "The size is more than a pointer of this process can span.",
	  "Map a smaller range, or build for 64 bits." },
	{ ENODATA, "gmem_query_next", "The range has no more extents: no failure, the end.",
	  "Leave the loop." },
	{ ENODATA, "gmem_request_decode", "The vCPU came out for something else.",
	  "Handle the exit as a VMM without guest_memfd would." },
	{ ENODATA, "gmem_populate",
	  "The source has fewer bytes than were asked for, or somebody truncated it meanwhile.",
	  "Check that the file is complete; set to_end if it may be shorter." },
	{ ENODATA, "gmem_space_serve", "The vCPU came out for something else.",
	  "Handle the exit as a VMM without guest_memfd would." },
	{ ENODATA, "gmem_batch_finish", "Nothing was submitted, or it was finished before.",
	  "Submit a batch first." },
	{ ENODATA, NULL, "The kernel does not tell how a file was created.",
	  "Pass the flags along with the descriptor." },
	{ ENXIO, NULL, "Guest-physical memory is asked for that no slot of the space has.",
	  "If a guest asked for it, its request was refused; else compare with the memory map." },
	{ ENOENT, NULL, "The space has no slot of this number.", "Correct the number." },
	{ EEXIST, NULL,
	  "Numbers, guest-physical memory and ranges of a file belong to one slot each.",
	  "The report says which slot it is: unbind that one first, or correct the layout." },
	{ EDEADLK, NULL,
	  "A listener changes the space that waits for it: it would wait for itself for ever.",
	  "Leave that to another thread, after the listener has returned." },
	{ EHWPOISON, NULL, "Memory is broken: the machine has lost the contents of a page.",
	  "Discard the page and tell the guest (a machine check), or stop the guest." },
	{ EPERM, "gmem_unmap", "The mapping is sealed (mseal), or seccomp refused munmap.",
	  "Do not seal what must go away; see gmemctl seccomp for what to allow." },
	{ EPERM, "gmem_adopt", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp adopt for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_create", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp create for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_map", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp map for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_numa_count",
	  "The process is neither the owner of the file nor root; or a seccomp filter refused.",
	  "Ask as the user that created the file; see gmemctl seccomp numa for what to allow." },
	{ EPERM, "gmem_numa_place", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp numa for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_numa_place_guest", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp numa for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_batch_new", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp batch for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_probe_new", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp probe for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_query_next", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp query for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_get_state", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp query for what to allow; the audit log names the rule." },
	{ EPERM, "gmem_compare", "A seccomp filter or a security module refused.",
	  "See gmemctl seccomp query for what to allow; the audit log names the rule." },
	{ EPERM, NULL, "The file is frozen for a live update, or a seccomp filter refused.",
	  "Finish or abandon the live update; else see gmemctl seccomp for what to allow." },
	{ EACCES, "gmem_space_serve", "The VMM's own function does not allow it.",
	  "Stop the guest, or let it have what it touches." },
	{ EACCES, NULL, "A security module refused.", "The audit log names the rule." },
	{ ELOOP, NULL, "A vCPU repeats a fault although its requests are served.",
	  "Stop the guest: the slot is not of the file that is converted, there is no memory, or the "
	  "file is frozen." },
	{ EBADE, "gmem_request_decode",
	  "The kernel told a fault that the library cannot understand.",
	  "Stop the guest, and report this with the kernel's version." },
	{ EBADE, NULL,
	  "The kernel's answer is not part of its interface: an errno that this call never gives, or "
	  "a number where there is none.",
	  "Check that the kernel's guest_memfd is the upstream one, that no seccomp filter makes up "
	  "errnos, and report this with the kernel's version." },
	{ 0 },
};

/* Of the functions of live update, which have rules of their own. */
static const char *const live_update[] = {
	"gmem_session_*",
	"gmem_preserve*",
	"gmem_retrieve*",
	"gmem_blob_*",
	"gmem_store_*",
	"gmem_get_live_update",
	NULL,
};

/* A name that ends in * is that of all functions that begin so; NULL is that of all. */
static bool matches(const char *name, const char *call)
{
	size_t length = name ? strlen(name) : 0;

	if (length && name[length - 1] == '*')
		return !strncmp(name, call, length - 1);
	return !name || !strcmp(name, call);
}

static const struct explain_advice *find(const struct explain_advice *a, const char *call, int code)
{
	for (; a->code; a++)
		if (a->code == code && matches(a->call, call))
			return a;
	return NULL;
}

const struct explain_advice *explain_find_advice(const char *call, int code)
{
	const struct explain_advice *found = NULL;

	for (size_t i = 0; live_update[i] && !found; i++)
		if (matches(live_update[i], call))
			found = find(explain_live_update, call, code);
	return found ? found : find(advice, call, code);
}
