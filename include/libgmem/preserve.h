/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Preserving a VM and its memory in a session before a live update, and getting them back after it.
 *
 * A guest_memfd belongs to its VM: both must be preserved in the same session, in either order, or
 * the kexec fails with ENOENT. Slots, vCPUs, interrupt controllers and NUMA policies are not
 * carried: the VMM saves them itself, in a blob (blob.h) or a file of its own. A token is a number
 * of the caller's choice, once per session.
 *
 * A preserved guest_memfd is frozen: no page can be allocated, discarded or converted, and the
 * calls that do so fail with -EPERM and the cause "frozen". Pages that are there stay usable for
 * guest and host. Touching one that is not there raises SIGBUS in the host, and ends KVM_RUN of the
 * guest with EPERM and a memory fault exit. Abandoning the session ends all that.
 */
#ifndef LIBGMEM_PRESERVE_H
#define LIBGMEM_PRESERVE_H

#include <libgmem/base.h>
#include <libgmem/session.h>

GMEM_BEGIN_DECLS

/**
 * gmem_preserve_vm() - preserve a VM
 *
 * @session: an outgoing session
 * @vm_fd: the VM; it must stay open until the kexec
 * @token: by which it is retrieved
 * @reterr_error: failure report or NULL
 *
 * Of a VM only its type comes through. Its memory comes with gmem_preserve(), all else with the
 * VMM.
 *
 * Errors:
 *   EINVAL      session is NULL, or an incoming one
 *   EOPNOTSUPP  the kernel cannot preserve VMs, or not those of this type: hardware protects their
 *               memory (SEV, SEV-ES, SNP, TDX); or the level was forced down
 *   EEXIST      the session has something under this token
 *   EBUSY       the VM is preserved already, in this session or another
 *   ENODEV      the VM is dead
 *   ENOTTY      vm_fd is not a VM
 *   ENOSPC      the session is full
 *   ENOMEM      out of memory
 *   EBADF       vm_fd is not open, or the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_PRESERVE_FD in include/uapi/linux/liveupdate.h; live update in
 * Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   if (gmem_preserve_vm(session, vm_fd, 1, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_preserve_vm(struct gmem_session *session, int vm_fd, uint64_t token,
			      struct gmem_error *reterr_error);

/**
 * struct gmem_preserve_options - options of gmem_preserve()
 */
struct gmem_preserve_options {
	/** sizeof(struct gmem_preserve_options) */
	uint64_t size;
	/**
	 * 1: private pages may be preserved, too, where the VM type permits it; with this the
	 * caller says that the next kernel can take them, and that its memory may hold them. 0: a
	 * file with private pages is refused.
	 */
	uint32_t mixed;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_preserve() - preserve a guest_memfd: freeze it, and have its memory survive the kexec
 *
 * @session: an outgoing session; the VM of the file must be in it at the kexec
 * @gmem: the file
 * @token: by which it is retrieved
 * @options: NULL for the defaults: all of the file must be shared
 * @reterr_error: failure report or NULL
 *
 * The kernel first freezes the file and then looks at it, so that nothing can change any more when
 * it decides. Size, creation flags, the allocated pages with their bytes and, with mixed, the state
 * of every page come through exactly. If it refuses, the file is as it was before. The report says
 * why: its cause is "private-pages" or "poison", both with the first offset, "vm-type",
 * "creation-flags", "vm-gone", "already-preserved", "no-mixed" or "no-handler";
 * gmem_get_live_update() tells before.
 *
 * A conversion that happens at the same time can make the kernel ask for another try, of which up
 * to ten are made.
 *
 * After this and until the kexec or the end of the session the file is frozen, see
 * gmem_live_update(7). Whoever has it mapped can go on writing to its shared pages, and the guest
 * to all of them: what counts is what is there at the kexec.
 *
 * Errors:
 *   EINVAL      session or gmem is NULL, or the session is an incoming one; an option makes no
 *               sense
 *   E2BIG       options have members that this version of the library does not know
 *   EOPNOTSUPP  the kernel cannot preserve guest_memfd files, or not one of this VM type or with
 *               these creation flags, or has no mixed maps; or the level was forced down
 *   EACCES      the file has private pages, and mixed is not set; or a security module refused
 *   EHWPOISON   a page has a memory error
 *   EBUSY       the file, or another file on the same inode, is preserved already
 *   EAGAIN      the states changed at every try: stop converting and call again
 *   EEXIST      the session has something under this token
 *   ENODEV      the VM of the file is dead or closed
 *   ENOSPC      the session is full
 *   ENOMEM      out of memory
 *   EBADF       a descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_PRESERVE_FD in include/uapi/linux/liveupdate.h and
 * KVM_GUEST_MEMFD_LIVE_UPDATE in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   struct gmem_preserve_options options = { .size = sizeof(options), .mixed = 1 };
 *
 *   if (gmem_preserve(session, gmem, 2, &options, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_preserve(struct gmem_session *session, struct gmem *gmem, uint64_t token,
			   const struct gmem_preserve_options *options,
			   struct gmem_error *reterr_error);

/**
 * gmem_preserve_fd() - preserve another file: a memfd, or what else the kernel has a handler for
 *
 * @session: an outgoing session
 * @fd: the file; the session keeps it open, so that the caller may close it
 * @token: by which it is retrieved
 * @reterr_error: failure report or NULL
 *
 * Errors:
 *   EINVAL      session is NULL, or an incoming one
 *   EOPNOTSUPP  the kernel has no handler for such a file, or the handler refused it; or the level
 *               was forced down
 *   EFBIG       the file is bigger than its handler can preserve
 *   EEXIST      the session has something under this token
 *   EBUSY       the file is preserved already, in this session or another
 *   ENOSPC      the session is full
 *   ENOMEM      out of memory
 *   EBADF       fd is not open, or the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_PRESERVE_FD in include/uapi/linux/liveupdate.h; mm/memfd_luo.c.
 *
 * Example:
 *   if (gmem_preserve_fd(session, STDIN_FILENO, 3, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_preserve_fd(struct gmem_session *session, int fd, uint64_t token,
			      struct gmem_error *reterr_error);

/**
 * gmem_retrieve_vm() - get a VM back
 *
 * @session: an incoming session
 * @token: under which the VM was preserved
 * @ret_vm_fd: the VM, closed on exec; the caller's to close
 * @reterr_error: failure report or NULL
 *
 * The VM is a fresh one of the same type, which has no slots and no vCPUs, and is served in this
 * process only. VM and memory can be retrieved in either order. Must be called before
 * gmem_session_finish(), or nobody can reach the VM of the memory any more. Repeating a token gives
 * another descriptor of the same VM; a retrieve that failed fails in the same way for ever.
 *
 * Errors:
 *   EINVAL      session or ret_vm_fd is NULL, or the session is an outgoing one
 *   ENOENT      the session has nothing under this token, or is finished
 *   ENOTTY      what is under this token is not a VM; it is closed again
 *   EOPNOTSUPP  the kernel cannot take what the kernel before sent; or the level was forced down
 *   EIO         the kernel could not restore the VM: what it found makes no sense
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EBADF       the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_RETRIEVE_FD in include/uapi/linux/liveupdate.h; live update in
 * Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   int vm;
 *
 *   if (gmem_retrieve_vm(session, 1, &vm, error) < 0)
 *           return -1;
 *   close(vm);
 */
GMEM_API int gmem_retrieve_vm(struct gmem_session *session, uint64_t token, int *ret_vm_fd,
			      struct gmem_error *reterr_error);

/**
 * struct gmem_retrieve_options - options of gmem_retrieve()
 */
struct gmem_retrieve_options {
	/** sizeof(struct gmem_retrieve_options), not the size of the file */
	uint64_t size;
	/** Size in bytes that the file must have; 0 takes whatever it has. */
	uint64_t expected_size;
	/** as in struct gmem_adopt_options: a probe of the retrieved VM, or NULL */
	const struct gmem_probe *probe;
	/**
	 * The blob that came with the session: the file must be as the blob says that the one under
	 * this token was, see gmem_blob_add_file(). Only read during the call. NULL checks nothing.
	 */
	const struct gmem_blob *blob;
};

/**
 * gmem_retrieve() - get a guest_memfd back
 *
 * @session: an incoming session
 * @token: under which the file was preserved
 * @options: NULL for the defaults: any size
 * @ret_gmem: the file, released with gmem_release()
 * @reterr_error: failure report or NULL
 *
 * The file is adopted as gmem_adopt() does. It is not frozen. Its pages have the bytes and the
 * states that they had at the kexec; the kernel can be asked with gmem_query_new() and the like. It
 * can be bound only to the VM of gmem_retrieve_vm().
 *
 * With a blob its size is compared, whether it is mappable, and, where both the blob and the kernel
 * know them, the state of every page. The creation flags come from the blob: the kernel does not
 * tell them.
 *
 * Repeating a token gives another object on the same file; a retrieve that the kernel refused fails
 * in the same way for ever.
 *
 * Errors:
 *   EINVAL      session or ret_gmem is NULL, or the session is an outgoing one; an option makes no
 *               sense; or the file has another size than expected_size, or no sane size
 *   E2BIG       options have members that this version of the library does not know
 *   ENOENT      the session has nothing under this token, or is finished; or the blob has no such
 *               file
 *   ENOTTY      what is under this token is not a guest_memfd; it is closed again
 *   EBADMSG     the file is not as the blob says; the report has the first offset whose state is
 *               another, if it was that
 *   EOPNOTSUPP  the kernel cannot take what the kernel before sent; or the level was forced down
 *   EIO         the kernel could not restore the file: memory is lost, or what it found makes no
 *               sense
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory, or no address space to try a mapping
 *   EINTR       signals came so fast that the states could not be asked for in 1000 tries
 *   EAGAIN      the process locks all its memory (mlockall(2)) and its limit is reached
 *   EBADF       the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_RETRIEVE_FD in include/uapi/linux/liveupdate.h; live update in
 * Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   struct gmem_retrieve_options options = { .size = sizeof(options), .probe = probe };
 *   struct gmem *ram;
 *
 *   options.blob = blob;
 *   if (gmem_retrieve(session, 2, &options, &ram, error) < 0)
 *           return -1;
 *   gmem_release(ram);
 */
GMEM_API int gmem_retrieve(struct gmem_session *session, uint64_t token,
			   const struct gmem_retrieve_options *options, struct gmem **ret_gmem,
			   struct gmem_error *reterr_error);

/**
 * gmem_retrieve_fd() - get another file back
 *
 * @session: an incoming session
 * @token: under which the file was preserved
 * @ret_fd: the file, closed on exec; the caller's to close
 * @reterr_error: failure report or NULL
 *
 * Nothing is checked: it can be any kind of file.
 *
 * Errors:
 *   EINVAL      session or ret_fd is NULL, or the session is an outgoing one
 *   ENOENT      the session has nothing under this token, or is finished
 *   EOPNOTSUPP  the kernel cannot take what the kernel before sent; or the level was forced down
 *   EIO         the kernel could not restore the file: memory is lost, or what it found makes no
 *               sense
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EBADF       the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: LIVEUPDATE_SESSION_RETRIEVE_FD in include/uapi/linux/liveupdate.h.
 *
 * Example:
 *   int fd;
 *
 *   if (gmem_retrieve_fd(session, 3, &fd, error) < 0)
 *           return -1;
 *   close(fd);
 */
GMEM_API int gmem_retrieve_fd(struct gmem_session *session, uint64_t token, int *ret_fd,
			      struct gmem_error *reterr_error);

/**
 * struct gmem_live_update - what live update has to do with a file
 *
 * Its layout never changes.
 */
struct gmem_live_update {
	/**
	 * Name of the cause for which gmem_preserve() would be refused now, such as
	 * "private-pages", valid for ever; NULL: it would not.
	 */
	const char *refusal;
	/** first offset for which it would be refused, in bytes, if has_refusal_offset */
	uint64_t refusal_offset;
	/** refusal is about a page */
	bool has_refusal_offset;
	/** preserved in a session now, and so frozen */
	bool frozen;
	/** came out of a live update */
	bool retrieved;
	/** private pages may be preserved, because gmem_preserve() was called with mixed */
	bool mixed;
	/** has a NUMA policy, which is not carried: mbind(2) it again after the live update */
	bool numa_policy;
	/** 0 */
	bool reserved[3];
};

/**
 * gmem_get_live_update() - ask what live update has to do with a file
 *
 * @gmem: the file
 * @ret_live_update: the answer
 * @reterr_error: failure report or NULL
 *
 * Only kernels with libgmem's series can be asked. One system call, no allocation.
 *
 * Errors:
 *   EINVAL      gmem or ret_live_update is NULL
 *   EOPNOTSUPP  the kernel cannot be asked, or the level was forced down
 *   ENOMEM      the kernel is out of memory
 *   EBADF       the descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe.
 *
 * Source: KVM_GUEST_MEMFD_LIVE_UPDATE in Documentation/virt/kvm/api.rst of libgmem's series.
 *
 * Example:
 *   struct gmem_live_update now;
 *
 *   if (gmem_get_live_update(gmem, &now, error) == 0 && now.refusal)
 *           printf("cannot be preserved: %s\n", gmem_cause_explain(now.refusal));
 */
GMEM_API int gmem_get_live_update(struct gmem *gmem, struct gmem_live_update *ret_live_update,
				  struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
