/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the kernel offers to one VM, found out by asking and trying, never from its version.
 */
#ifndef LIBGMEM_PROBE_H
#define LIBGMEM_PROBE_H

#include <libgmem/base.h>

GMEM_BEGIN_DECLS

/**
 * enum gmem_feature - one thing that the kernel may offer to a VM
 *
 * The numbers are ABI. New features are added before GMEM_FEATURE_COUNT, which is not ABI.
 */
enum gmem_feature {
	/** The VM can have guest_memfd files: gmem_create(). */
	GMEM_FEATURE_CREATE = 0,
	/** Files may be mappable: mappable of struct gmem_create_options. */
	GMEM_FEATURE_MAP = 1,
	/** Files may start shared: GMEM_INIT_SHARED. */
	GMEM_FEATURE_INIT_SHARED = 2,
	/** The VM has private memory: its type is one that keeps pages from the host. */
	GMEM_FEATURE_PRIVATE = 3,
	/** State is kept per VM, set with KVM_SET_MEMORY_ATTRIBUTES (two backings). */
	GMEM_FEATURE_VM_ATTRIBUTES = 4,
	/** State is kept in the file: the kernel has in-place conversion, in force for this host.
	 */
	GMEM_FEATURE_IN_PLACE = 5,
	/** This VM's files can be converted in place: gmem_convert(). */
	GMEM_FEATURE_CONVERT = 6,
	/** The kernel can keep content policies, see enum gmem_policy, though not every one. */
	GMEM_FEATURE_POLICY = 7,
	/** The states of the VM's files can be queried: gmem_query_new() and the like. */
	GMEM_FEATURE_QUERY = 8,
	/**
	 * The VM and its files can be preserved over a live update: gmem_preserve(). Only kernels
	 * with libgmem's series say so; others may do it.
	 */
	GMEM_FEATURE_LIVE_UPDATE = 9,
	/** Files with private pages can be preserved: mixed of struct gmem_preserve_options. */
	GMEM_FEATURE_MIXED = 10,
	GMEM_FEATURE_COUNT
};

/**
 * struct gmem_probe_options - options of gmem_probe_new()
 */
struct gmem_probe_options {
	/** sizeof(struct gmem_probe_options) */
	uint64_t size;
	/**
	 * 1: believe the capability values and create no scratch file, for a process whose sandbox
	 * forbids it. 0: try what can be tried without a side effect.
	 */
	uint32_t capabilities_only;
	/** must be 0 */
	uint32_t reserved;
};

/**
 * gmem_probe_new() - find out what the kernel offers to a VM
 *
 * @vm_fd: the VM, from KVM_CREATE_VM, in the process that created it; only used during the call
 * @options: NULL for the defaults
 * @ret_probe: the result, released with gmem_probe_free()
 * @reterr_error: failure report or NULL
 *
 * Reads the capability values of the VM. If it can have guest_memfd files, creates one of one page
 * and sets that page to the state it already has, which changes nothing and tells exactly whether
 * this VM can convert: capability numbers moved while in-place conversion was developed, so that a
 * number alone is weak evidence. The file is closed before the call returns.
 *
 * A kernel that offers nothing is a result, not an error. The capability level in force limits the
 * result, see gmem_level_set(): what is above it is not offered.
 *
 * Errors:
 *   EINVAL  options or ret_probe make no sense, or GMEM_LEVEL does not have the name of a level
 *   E2BIG   options have members that this version of the library does not know
 *   EBADF   vm_fd is not open
 *   ENOTTY  vm_fd is not a VM: it may be /dev/kvm, or no KVM file at all
 *   EIO     the VM belongs to another process, or is dead
 *   EMFILE  the process has too many open files
 *   ENFILE  the system has too many open files
 *   ENOMEM  out of memory
 *   EPERM   a seccomp filter or a security module refused
 *   EACCES  a security module refused
 *   EBADE   the kernel gave an answer that it must not give
 *
 * Threads: safe. The result does not change and may be read by all threads.
 *
 * Source: Documentation/virt/kvm/api.rst (KVM_CHECK_EXTENSION on a VM, KVM_CAP_GUEST_MEMFD_FLAGS,
 * KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES; of libgmem's series KVM_CAP_GUEST_MEMFD_CONTENT_POLICIES,
 * KVM_CAP_GUEST_MEMFD_QUERY and KVM_CAP_GUEST_MEMFD_LIVE_UPDATE).
 *
 * Example:
 *   struct gmem_probe *vm;
 *
 *   if (gmem_probe_new(vm_fd, NULL, &vm, error) < 0)
 *           return -1;
 *   if (!gmem_probe_has(vm, GMEM_FEATURE_CONVERT))
 *           puts("this VM cannot convert in place");
 *   gmem_probe_free(vm);
 */
GMEM_API int gmem_probe_new(int vm_fd, const struct gmem_probe_options *options,
			    struct gmem_probe **ret_probe, struct gmem_error *reterr_error);

/**
 * gmem_probe_free() - release a probe
 *
 * @probe: the probe; NULL does nothing
 *
 * Threads: safe once no other thread reads the probe.
 *
 * Example:
 *   gmem_probe_free(NULL);
 */
GMEM_API void gmem_probe_free(struct gmem_probe *probe);

/**
 * gmem_probe_has() - whether the kernel offers a feature to the VM
 *
 * @probe: the probe
 * @feature: the feature
 *
 * Return: true if it does; false if not, if the library does not know the feature, or if probe is
 * NULL.
 *
 * Threads: safe.
 *
 * Example:
 *   bool can_share = gmem_probe_has(probe, GMEM_FEATURE_INIT_SHARED);
 *
 *   printf("shared at first: %d\n", can_share);
 */
GMEM_API bool gmem_probe_has(const struct gmem_probe *probe, enum gmem_feature feature);

/**
 * gmem_probe_get_creation_flags() - the kernel's creation flags that the VM may use
 *
 * @probe: the probe
 *
 * Bits that the library has no name for can be passed through raw_flags of struct
 * gmem_create_options.
 *
 * Return: the mask of GUEST_MEMFD_FLAG_ bits; 0 if there are none or probe is NULL.
 *
 * Threads: safe.
 *
 * Source: value of KVM_CAP_GUEST_MEMFD_FLAGS on the VM.
 *
 * Example:
 *   printf("0x%llx\n", (unsigned long long)gmem_probe_get_creation_flags(probe));
 */
GMEM_API uint64_t gmem_probe_get_creation_flags(const struct gmem_probe *probe);

/**
 * gmem_probe_get_attributes() - the attributes that can be set on the VM's guest_memfd files
 *
 * @probe: the probe
 *
 * Return: the mask of KVM_MEMORY_ATTRIBUTE_ bits as the kernel gives it, 1 << 3 being private; 0 if
 * there are none or probe is NULL. gmem_probe_has() with GMEM_FEATURE_CONVERT is what was tried,
 * and the better question.
 *
 * Threads: safe.
 *
 * Source: value of KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES on the VM.
 *
 * Example:
 *   printf("0x%llx\n", (unsigned long long)gmem_probe_get_attributes(probe));
 */
GMEM_API uint64_t gmem_probe_get_attributes(const struct gmem_probe *probe);

/**
 * gmem_probe_get_vm_attributes() - the attributes that can be set VM-wide
 *
 * @probe: the probe
 *
 * Return: the mask of KVM_MEMORY_ATTRIBUTE_ bits as the kernel gives it; 0 if there are none or
 * probe is NULL.
 *
 * Threads: safe.
 *
 * Source: value of KVM_CAP_MEMORY_ATTRIBUTES on the VM.
 *
 * Example:
 *   printf("0x%llx\n", (unsigned long long)gmem_probe_get_vm_attributes(probe));
 */
GMEM_API uint64_t gmem_probe_get_vm_attributes(const struct gmem_probe *probe);

/**
 * gmem_probe_get_policies() - the content policies that the kernel can keep for the VM
 *
 * @probe: the probe
 *
 * A policy that is in the mask can still be refused: in one direction, or once the guest runs.
 *
 * Return: a mask with bit 0 for zero and bit 1 for preserve; 0 if there are none or probe is NULL.
 *
 * Threads: safe.
 *
 * Source: value of KVM_CAP_GUEST_MEMFD_CONTENT_POLICIES on the VM, of libgmem's series.
 *
 * Example:
 *   printf("0x%llx\n", (unsigned long long)gmem_probe_get_policies(probe));
 */
GMEM_API uint64_t gmem_probe_get_policies(const struct gmem_probe *probe);

/**
 * gmem_feature_name() - the name of a feature, as text and JSON have it
 *
 * @feature: the feature
 *
 * Return: a name such as "init-shared", valid for ever; NULL if the library does not know the
 * feature, so that a loop over all features needs no constant.
 *
 * Threads: safe.
 *
 * Example:
 *   const char *name;
 *   int i;
 *
 *   for (i = 0; (name = gmem_feature_name((enum gmem_feature)i)); i++)
 *           printf("%s: %d\n", name, gmem_probe_has(probe, (enum gmem_feature)i));
 */
GMEM_API const char *gmem_feature_name(enum gmem_feature feature);

/**
 * gmem_feature_describe() - what a feature is, in one line for people
 *
 * @feature: the feature
 *
 * Return: a sentence without full stop, valid for ever; NULL if the library does not know the
 * feature.
 *
 * Threads: safe.
 *
 * Example:
 *   puts(gmem_feature_describe(GMEM_FEATURE_CONVERT));
 */
GMEM_API const char *gmem_feature_describe(enum gmem_feature feature);

/**
 * gmem_probe_format() - write a probe as text for people
 *
 * @probe: the probe
 * @buffer: where the text goes, always terminated if size > 0; may be NULL if size is 0
 * @size: size of the buffer in bytes
 *
 * One line per feature, then the masks; no newline at the end. 2048 bytes are enough. The wording
 * may change.
 *
 * Return: the length of the whole text without the terminator, as snprintf(3) does.
 *
 * Errors:
 *   EINVAL  probe is NULL, or buffer is NULL and size is not 0
 *
 * Threads: safe.
 *
 * Example:
 *   char text[2048];
 *
 *   if (gmem_probe_format(probe, text, sizeof(text)) > 0)
 *           puts(text);
 */
GMEM_API int gmem_probe_format(const struct gmem_probe *probe, char *buffer, size_t size);

/**
 * gmem_probe_format_json() - write a probe as JSON
 *
 * @probe: the probe
 * @buffer: where the text goes, always terminated if size > 0; may be NULL if size is 0
 * @size: size of the buffer in bytes
 *
 * One object on one line. Members: version (1), tried (whether a scratch file was used), level (the
 * name of the one in force), features (an object of booleans), creation_flags, attributes,
 * vm_attributes, policies (decimal). 1024 bytes are enough.
 *
 * Return: the length of the whole text without the terminator, as snprintf(3) does.
 *
 * Errors:
 *   EINVAL  probe is NULL, or buffer is NULL and size is not 0
 *
 * Threads: safe.
 *
 * Example:
 *   char text[1024];
 *
 *   if (gmem_probe_format_json(probe, text, sizeof(text)) > 0)
 *           puts(text);
 */
GMEM_API int gmem_probe_format_json(const struct gmem_probe *probe, char *buffer, size_t size);

GMEM_END_DECLS

#endif
