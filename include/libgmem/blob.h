/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The blob of a live update: what a VMM has to know again after it. Its files with size, creation
 * flags and states; the slots; and sections of the VMM's own bytes (vCPU registers, devices).
 *
 * A blob travels in a memfd of the same session. What comes out of a session is not trusted: the
 * blob is read only if its length, its checksum and every field are right; a damaged or foreign one
 * is an error. The checksum finds damage, not malice: who can preserve in a session can write any
 * blob.
 *
 * The bytes are the same on all machines: little endian, with a version. They are described in
 * gmem_live_update(7).
 */
#ifndef LIBGMEM_BLOB_H
#define LIBGMEM_BLOB_H

#include <libgmem/base.h>
#include <libgmem/preserve.h>
#include <libgmem/session.h>

GMEM_BEGIN_DECLS

/** Bytes of the biggest blob: 64 MiB. */
#define GMEM_BLOB_MAX_SIZE (UINT64_C(64) << 20)
/** Files, slots and sections that a blob can have at most, each. */
#define GMEM_BLOB_MAX_FILES    1024
#define GMEM_BLOB_MAX_SLOTS    65536
#define GMEM_BLOB_MAX_SECTIONS 4096
/** Bytes of the longest name of a section, without the terminator. */
#define GMEM_BLOB_NAME_MAX 63

/**
 * struct gmem_blob_file - a file that a blob describes
 *
 * Its layout never changes.
 */
struct gmem_blob_file {
	/** under which it is preserved */
	uint64_t token;
	/** size in bytes */
	uint64_t size;
	/** GUEST_MEMFD_FLAG_ bits that it was created with, if has_creation_flags */
	uint64_t creation_flags;
	/** how many extents are known, 0 if the states are not, see gmem_blob_get_extent() */
	uint64_t extents;
	/** the host may map it */
	bool mappable;
	/** creation_flags is known: the file was not adopted */
	bool has_creation_flags;
	/** 0 */
	bool reserved[6];
};

/**
 * struct gmem_blob_slot - a slot that a blob describes
 *
 * Its layout never changes. The address in the VMM is not part of it: that is another one after the
 * live update.
 */
struct gmem_blob_slot {
	/** number, as in struct kvm_userspace_memory_region2: address space in the upper half */
	uint32_t slot;
	/** KVM_MEM_ flags, as they are */
	uint32_t flags;
	/** guest-physical address, a multiple of 4096 */
	uint64_t guest_address;
	/** size in bytes, a multiple of 4096, not 0 */
	uint64_t size;
	/** the file whose memory it has; the blob must describe it */
	uint64_t token;
	/** where in that file, in bytes, a multiple of 4096 */
	uint64_t offset;
};

/**
 * struct gmem_blob_section - bytes of the VMM's own in a blob
 *
 * Its layout never changes.
 */
struct gmem_blob_section {
	/** its name */
	const char *name;
	/** the bytes, aligned for any type; not NULL */
	const void *data;
	/** size in bytes, may be 0 */
	uint64_t size;
};

/**
 * gmem_blob_new() - make an empty blob
 *
 * @ret_blob: the blob, released with gmem_blob_free()
 * @reterr_error: failure report or NULL
 *
 * Errors:
 *   EINVAL  ret_blob is NULL
 *   ENOMEM  out of memory
 *
 * Threads: safe. One blob must not be changed by a thread while another one uses it.
 *
 * Example:
 *   struct gmem_blob *fresh;
 *
 *   if (gmem_blob_new(&fresh, error) < 0)
 *           return -1;
 *   gmem_blob_free(fresh);
 */
GMEM_API int gmem_blob_new(struct gmem_blob **ret_blob, struct gmem_error *reterr_error);

/**
 * gmem_blob_free() - release a blob
 *
 * @blob: the blob; NULL does nothing
 *
 * Threads: safe once no other thread uses the blob.
 *
 * Example:
 *   gmem_blob_free(NULL);
 */
GMEM_API void gmem_blob_free(struct gmem_blob *blob);

/**
 * gmem_blob_add_file() - describe a guest_memfd
 *
 * @blob: the blob
 * @token: under which the file is preserved
 * @gmem: the file; call gmem_preserve() first, so that its states cannot change any more
 * @reterr_error: failure report or NULL
 *
 * Size, creation flags, and the states, if the kernel can be asked for them (GMEM_FEATURE_QUERY):
 * gmem_retrieve() compares them. Where it cannot be asked, and where a file has so many extents
 * that the blob could not hold them, they are left out.
 *
 * Errors:
 *   EINVAL  blob or gmem is NULL
 *   EEXIST  the blob describes a file under this token
 *   EFBIG   the blob is full
 *   ENOMEM  out of memory
 *   EINTR   signals came so fast that the states could not be asked for in 1000 tries
 *   EBADF   the descriptor was closed behind the library's back
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe for different blobs.
 *
 * Example:
 *   if (gmem_blob_add_file(blob, 2, gmem, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_blob_add_file(struct gmem_blob *blob, uint64_t token, struct gmem *gmem,
				struct gmem_error *reterr_error);

/**
 * gmem_blob_add_slot() - describe a slot
 *
 * @blob: the blob
 * @slot: the slot, copied; its file must have been added before
 * @reterr_error: failure report or NULL
 *
 * Errors:
 *   EINVAL  blob or slot is NULL; an address, size or offset is unaligned, empty or wraps; or the
 *           slot ends beyond its file
 *   ENOENT  the blob describes no file under the token of the slot
 *   EEXIST  the blob has a slot of that number
 *   EFBIG   the blob is full
 *   ENOMEM  out of memory
 *
 * Threads: safe for different blobs.
 *
 * Example:
 *   struct gmem_blob_slot low = { .guest_address = 0, .size = 1 << 20, .token = 2 };
 *
 *   if (gmem_blob_add_slot(blob, &low, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_blob_add_slot(struct gmem_blob *blob, const struct gmem_blob_slot *slot,
				struct gmem_error *reterr_error);

/**
 * gmem_blob_add_section() - put bytes of the VMM's own into a blob
 *
 * @blob: the blob
 * @name: of the section: 1 to GMEM_BLOB_NAME_MAX printable ASCII characters
 * @data: the bytes, copied; may be NULL if size is 0
 * @size: size in bytes
 * @reterr_error: failure report or NULL
 *
 * Errors:
 *   EINVAL  blob is NULL, name cannot be one, or data is NULL and size is not 0
 *   EEXIST  the blob has a section of that name
 *   EFBIG   the blob is full
 *   ENOMEM  out of memory
 *
 * Threads: safe for different blobs.
 *
 * Example:
 *   const char registers[] = "...";
 *
 *   if (gmem_blob_add_section(blob, "vcpu0", registers, sizeof(registers), error) < 0)
 *           return -1;
 */
GMEM_API int gmem_blob_add_section(struct gmem_blob *blob, const char *name, const void *data,
				   uint64_t size, struct gmem_error *reterr_error);

/**
 * gmem_blob_get_file() - a file that a blob describes
 *
 * @blob: the blob
 * @number: which one, from 0 on, in the order of tokens
 * @ret_file: what the blob says about it
 *
 * Errors:
 *   EINVAL   blob or ret_file is NULL
 *   ENODATA  there are not that many, so that a loop over all needs no count
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_blob_file file;
 *   uint64_t i;
 *
 *   for (i = 0; gmem_blob_get_file(blob, i, &file) == 0; i++)
 *           printf("token %llu\n", (unsigned long long)file.token);
 */
GMEM_API int gmem_blob_get_file(const struct gmem_blob *blob, uint64_t number,
				struct gmem_blob_file *ret_file);

/**
 * gmem_blob_find_file() - what a blob says about a file
 *
 * @blob: the blob
 * @token: under which the file is preserved
 * @ret_file: what the blob says about it
 *
 * Errors:
 *   EINVAL  blob or ret_file is NULL
 *   ENOENT  the blob describes no file under this token
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_blob_file file;
 *
 *   if (gmem_blob_find_file(blob, 2, &file) == 0)
 *           printf("%llu bytes\n", (unsigned long long)file.size);
 */
GMEM_API int gmem_blob_find_file(const struct gmem_blob *blob, uint64_t token,
				 struct gmem_blob_file *ret_file);

/** struct gmem_extent - a part of a file that has one state, see query.h */
struct gmem_extent;

/**
 * gmem_blob_get_extent() - the state of a part of a file that a blob describes
 *
 * @blob: the blob
 * @token: of the file
 * @number: which extent, from 0 on, in the order of the file
 * @ret_extent: the extent; allocated is 0
 *
 * Extents cover the file without gaps, and neighbours have different states.
 *
 * Errors:
 *   EINVAL   blob or ret_extent is NULL
 *   ENOENT   the blob describes no file under this token
 *   ENODATA  there are not that many, or the states are not known
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_extent extent;
 *   uint64_t i;
 *
 *   for (i = 0; gmem_blob_get_extent(blob, 2, i, &extent) == 0; i++)
 *           puts(gmem_state_name(extent.state));
 */
GMEM_API int gmem_blob_get_extent(const struct gmem_blob *blob, uint64_t token, uint64_t number,
				  struct gmem_extent *ret_extent);

/**
 * gmem_blob_get_slot() - a slot that a blob describes
 *
 * @blob: the blob
 * @number: which one, from 0 on, in the order of slot numbers
 * @ret_slot: the slot
 *
 * That its range is inside of the file that it names is certain; that slots do not overlap in the
 * guest's addresses is up to KVM.
 *
 * Errors:
 *   EINVAL   blob or ret_slot is NULL
 *   ENODATA  there are not that many, so that a loop over all needs no count
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_blob_slot slot;
 *   uint64_t i;
 *
 *   for (i = 0; gmem_blob_get_slot(blob, i, &slot) == 0; i++)
 *           printf("slot %u\n", slot.slot);
 */
GMEM_API int gmem_blob_get_slot(const struct gmem_blob *blob, uint64_t number,
				struct gmem_blob_slot *ret_slot);

/**
 * gmem_blob_get_section() - a section of a blob
 *
 * @blob: the blob
 * @number: which one, from 0 on, in the order of names
 * @ret_section: the section, which belongs to the blob and is valid until it is released
 *
 * Errors:
 *   EINVAL   blob or ret_section is NULL
 *   ENODATA  there are not that many, so that a loop over all needs no count
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_blob_section section;
 *   uint64_t i;
 *
 *   for (i = 0; gmem_blob_get_section(blob, i, &section) == 0; i++)
 *           puts(section.name);
 */
GMEM_API int gmem_blob_get_section(const struct gmem_blob *blob, uint64_t number,
				   struct gmem_blob_section *ret_section);

/**
 * gmem_blob_find_section() - the section of a name
 *
 * @blob: the blob
 * @name: of the section
 * @ret_section: the section, which belongs to the blob and is valid until it is released
 *
 * The bytes are the VMM's own, and so is checking them: their size is whatever was written.
 *
 * Errors:
 *   EINVAL  blob, name or ret_section is NULL
 *   ENOENT  the blob has no such section
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   struct gmem_blob_section section;
 *
 *   if (gmem_blob_find_section(blob, "vcpu0", &section) == 0)
 *           printf("%llu bytes\n", (unsigned long long)section.size);
 */
GMEM_API int gmem_blob_find_section(const struct gmem_blob *blob, const char *name,
				    struct gmem_blob_section *ret_section);

/**
 * gmem_blob_format() - write a blob as bytes
 *
 * @blob: the blob
 * @buffer: where the bytes go; may be NULL if size is 0
 * @size: size of the buffer in bytes
 * @ret_size: how many bytes the blob has, written also if they do not fit
 * @reterr_error: failure report or NULL
 *
 * For those who carry it in another way than with gmem_preserve_blob(). The same contents give the
 * same bytes, in whatever order they were added.
 *
 * Errors:
 *   EINVAL  blob or ret_size is NULL, or buffer is NULL and size is not 0
 *   ENOSPC  the buffer is too small; nothing was written to it
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Example:
 *   uint64_t size;
 *
 *   if (gmem_blob_format(blob, NULL, 0, &size, NULL) == -ENOSPC)
 *           printf("%llu bytes\n", (unsigned long long)size);
 */
GMEM_API int gmem_blob_format(const struct gmem_blob *blob, void *buffer, uint64_t size,
			      uint64_t *ret_size, struct gmem_error *reterr_error);

/**
 * gmem_blob_parse() - read a blob from bytes that nobody vouches for
 *
 * @bytes: the bytes, only read during the call
 * @size: how many they are
 * @ret_blob: the blob, released with gmem_blob_free()
 * @reterr_error: failure report or NULL
 *
 * The report's cause is "blob-foreign" if it is something else, "blob-length" if it was cut or is
 * too long, "blob-checksum" if bytes have changed, "blob-version" if a later version of the library
 * wrote it, and "blob-contents" if it contradicts itself.
 *
 * Errors:
 *   EINVAL      bytes or ret_blob is NULL
 *   EBADMSG     the bytes are not a blob, or a damaged one
 *   EOPNOTSUPP  a later version of the library wrote it
 *   ENOMEM      out of memory
 *
 * Threads: safe.
 *
 * Example:
 *   char bytes[100] = "";
 *   struct gmem_blob *read;
 *
 *   if (gmem_blob_parse(bytes, sizeof(bytes), &read, error) == 0)
 *           gmem_blob_free(read);
 */
GMEM_API int gmem_blob_parse(const void *bytes, uint64_t size, struct gmem_blob **ret_blob,
			     struct gmem_error *reterr_error);

/**
 * gmem_preserve_blob() - preserve a blob in a session
 *
 * @session: an outgoing session
 * @blob: the blob; what is added to it later does not come through
 * @token: by which it is retrieved
 * @reterr_error: failure report or NULL
 *
 * The bytes go into a memfd, which the session keeps. The kernel needs CONFIG_LIVEUPDATE_MEMFD.
 *
 * Errors:
 *   EINVAL      session or blob is NULL, or the session is an incoming one
 *   EOPNOTSUPP  the kernel cannot preserve memfds; or the level was forced down
 *   EEXIST      the session has something under this token
 *   ENOSPC      the session is full, or no memory for the memfd
 *   ENOMEM      out of memory
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   EINTR       signals came so fast that the bytes could not be written in 1000 tries
 *   EBADF       the session's descriptor was closed behind the library's back
 *   EPERM       a seccomp filter or a security module refused
 *   EACCES      a security module refused
 *   EBADE       the kernel gave an answer that it must not give
 *
 * Threads: safe while no other thread changes the blob.
 *
 * Source: memfd_create(2); LIVEUPDATE_SESSION_PRESERVE_FD in include/uapi/linux/liveupdate.h.
 *
 * Example:
 *   if (gmem_preserve_blob(session, blob, 0, error) < 0)
 *           return -1;
 */
GMEM_API int gmem_preserve_blob(struct gmem_session *session, const struct gmem_blob *blob,
				uint64_t token, struct gmem_error *reterr_error);

/**
 * gmem_retrieve_blob() - read the blob of a session
 *
 * @session: an incoming session
 * @token: under which it was preserved
 * @ret_blob: the blob, released with gmem_blob_free()
 * @reterr_error: failure report or NULL
 *
 * All of it is read into memory first, and then checked as gmem_blob_parse() does, so that a file
 * that changes meanwhile does no harm.
 *
 * Errors:
 *   EINVAL      session or ret_blob is NULL, or the session is an outgoing one
 *   ENOENT      the session has nothing under this token, or is finished
 *   EBADMSG     what is under this token is not a blob, or a damaged one
 *   EOPNOTSUPP  a later version of the library wrote it; the kernel cannot take what the kernel
 *               before sent; or the level was forced down
 *   EIO         the kernel could not restore the memfd: memory is lost, or what it found makes no
 *               sense
 *   EMFILE      the process has too many open files
 *   ENFILE      the system has too many open files
 *   ENOMEM      out of memory
 *   EINTR       signals came so fast that the bytes could not be read in 1000 tries
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
 *   struct gmem_blob *came;
 *
 *   if (gmem_retrieve_blob(session, 0, &came, error) < 0)
 *           return -1;
 *   gmem_blob_free(came);
 */
GMEM_API int gmem_retrieve_blob(struct gmem_session *session, uint64_t token,
				struct gmem_blob **ret_blob, struct gmem_error *reterr_error);

GMEM_END_DECLS

#endif
