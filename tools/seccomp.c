/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "seccomp.h"
#include "uapi/live_update.h"

/* Where the numbers of 32-bit programs have other names. guest_memfd is for 64-bit kernels. */
#ifndef SYS_mmap
#define SYS_mmap SYS_mmap2
#endif
#ifndef SYS_newfstatat
#define SYS_newfstatat SYS_fstatat64
#endif

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef SYS_fstat
#define SYS_fstat SYS_fstat64
#endif

#define CALL(name)	    #name, SYS_##name, NULL, 0
#define IOCTL(name, number) "ioctl", SYS_ioctl, name, (uint32_t)(number)
#define VM		    "VM"
#define FILE_		    "guest_memfd"
#define SESSION		    "session"

/* On failure with EPERM. */
#define FROZEN_RULE                                                                                \
	{                                                                                          \
		IOCTL("KVM_GUEST_MEMFD_LIVE_UPDATE", GMEM_UAPI_LIVE_UPDATE), FILE_, SECCOMP_FROZEN \
	}

/* What malloc() and free() of the C library may do. */
#define HEAP                                                                                       \
	{ CALL(brk), NULL, SECCOMP_C_LIBRARY }, { CALL(mmap), NULL, SECCOMP_C_LIBRARY },           \
		{ CALL(munmap), NULL, SECCOMP_C_LIBRARY },                                         \
		{ CALL(mremap), NULL, SECCOMP_C_LIBRARY },                                         \
		{ CALL(mprotect), NULL, SECCOMP_C_LIBRARY },                                       \
		{ CALL(madvise), NULL, SECCOMP_C_LIBRARY },                                        \
		{ CALL(futex), NULL, SECCOMP_C_LIBRARY },                                          \
	{                                                                                          \
		CALL(getrandom), NULL, SECCOMP_C_LIBRARY                                           \
	}

/* What starting and ending threads takes besides. */
#define THREADS                                                                                    \
	{ CALL(clone), NULL, SECCOMP_C_LIBRARY },                                                  \
		{ CALL(rt_sigprocmask), NULL, SECCOMP_C_LIBRARY },                                 \
		{ CALL(rt_sigaction), NULL, SECCOMP_C_LIBRARY },                                   \
		{ CALL(rseq), NULL, SECCOMP_C_LIBRARY },                                           \
		{ CALL(set_robust_list), NULL, SECCOMP_C_LIBRARY },                                \
		{ CALL(exit), NULL, SECCOMP_C_LIBRARY },                                           \
	{                                                                                          \
		CALL(sched_getaffinity), NULL, SECCOMP_C_LIBRARY                                   \
	}

/* What loading a library takes, the first time. */
#define LOADER                                                                                     \
	{ CALL(access), NULL, SECCOMP_C_LIBRARY }, { CALL(fcntl), NULL, SECCOMP_C_LIBRARY },       \
	{                                                                                          \
		CALL(getpid), NULL, SECCOMP_C_LIBRARY                                              \
	}

/* What libnuma does to find out about nodes, the first time. */
#define LIBNUMA                                                                                    \
	{ CALL(openat), NULL, SECCOMP_C_LIBRARY }, { CALL(read), NULL, SECCOMP_C_LIBRARY },        \
		{ CALL(close), NULL, SECCOMP_C_LIBRARY },                                          \
		{ CALL(lseek), NULL, SECCOMP_C_LIBRARY },                                          \
		{ CALL(set_mempolicy), NULL, SECCOMP_C_LIBRARY },                                  \
		{ CALL(getdents64), NULL, SECCOMP_C_LIBRARY },                                     \
		{ CALL(fstat), NULL, SECCOMP_C_LIBRARY },                                          \
		{ CALL(newfstatat), NULL, SECCOMP_C_LIBRARY },                                     \
		{ CALL(pread64), NULL, SECCOMP_C_LIBRARY },                                        \
	{                                                                                          \
		CALL(sched_getaffinity), NULL, SECCOMP_C_LIBRARY                                   \
	}

static const char *const probe_functions[] = { "gmem_probe_new", "gmem_probe_free", NULL };
static const struct seccomp_rule probe_rules[] = {
	{ IOCTL("KVM_GET_API_VERSION", GMEM_UAPI_GET_API_VERSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CHECK_EXTENSION", GMEM_UAPI_CHECK_EXTENSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CREATE_GUEST_MEMFD", GMEM_UAPI_CREATE_GUEST_MEMFD), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_, SECCOMP_ALWAYS },
	{ CALL(close), FILE_, SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const create_functions[] = { "gmem_create", NULL };
static const struct seccomp_rule create_rules[] = {
	{ IOCTL("KVM_CREATE_GUEST_MEMFD", GMEM_UAPI_CREATE_GUEST_MEMFD), VM, SECCOMP_ALWAYS },
	{ "fcntl", SYS_fcntl, "F_SETFD", F_SETFD, FILE_, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CHECK_EXTENSION", GMEM_UAPI_CHECK_EXTENSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_GET_API_VERSION", GMEM_UAPI_GET_API_VERSION), VM, SECCOMP_FAILURE },
	HEAP,
	{ 0 },
};

static const char *const adopt_functions[] = { "gmem_adopt", NULL };
static const struct seccomp_rule adopt_rules[] = {
	{ CALL(fstatfs), "file", SECCOMP_ALWAYS },
	/* which one fstat() is depends on the C library */
	{ CALL(newfstatat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(fstat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(mmap), FILE_, SECCOMP_ALWAYS },
	{ CALL(munmap), NULL, SECCOMP_ALWAYS },
	{ "fcntl", SYS_fcntl, "F_SETFD", F_SETFD, FILE_, SECCOMP_ALWAYS },
	{ CALL(fallocate), "file", SECCOMP_OLD_KERNEL },
	HEAP,
	{ 0 },
};

static const char *const release_functions[] = { "gmem_release", NULL };
static const struct seccomp_rule release_rules[] = {
	{ CALL(close), FILE_, SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const convert_functions[] = { "gmem_convert", NULL };
static const struct seccomp_rule convert_rules[] = {
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_, SECCOMP_ALWAYS },
	{ CALL(clock_nanosleep), NULL, SECCOMP_BUSY },
	{ CALL(fallocate), FILE_, SECCOMP_EMULATION },
	FROZEN_RULE,
	{ CALL(clock_gettime), NULL, SECCOMP_C_LIBRARY },
	{ 0 },
};

static const char *const query_functions[] = { "gmem_query_new",  "gmem_query_next",
					       "gmem_query_free", "gmem_get_state",
					       "gmem_compare",	  NULL };
static const struct seccomp_rule query_rules[] = {
	{ IOCTL("KVM_GUEST_MEMFD_QUERY", GMEM_UAPI_QUERY), FILE_, SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const map_functions[] = { "gmem_map", "gmem_unmap", NULL };
static const struct seccomp_rule map_rules[] = {
	{ CALL(mmap), FILE_, SECCOMP_ALWAYS },
	{ CALL(munmap), NULL, SECCOMP_ALWAYS },
	{ 0 },
};

static const char *const allocate_functions[] = { "gmem_allocate", "gmem_discard", NULL };
static const struct seccomp_rule allocate_rules[] = {
	{ CALL(fallocate), FILE_, SECCOMP_ALWAYS },
	{ CALL(clone3), NULL, SECCOMP_THREADS },
	THREADS,
	HEAP,
	FROZEN_RULE,
	{ 0 },
};

/* With the parts "map" and "convert" of those that load into private memory. */
static const char *const populate_functions[] = { "gmem_populate", "gmem_populate_memory", NULL };
static const struct seccomp_rule populate_rules[] = {
	{ CALL(fstat), "source", SECCOMP_C_LIBRARY },
	{ CALL(newfstatat), "source", SECCOMP_C_LIBRARY },
	{ CALL(lseek), "source", SECCOMP_ALWAYS },
	{ CALL(pread64), "source", SECCOMP_ALWAYS },
	{ CALL(read), "source", SECCOMP_STREAM },
	{ CALL(poll), "source", SECCOMP_EMPTY_STREAM },
	{ CALL(cachestat), "source", SECCOMP_DIRECT },
	{ CALL(openat), "source", SECCOMP_ALWAYS },
	{ CALL(close), "source", SECCOMP_DIRECT },
	{ CALL(io_uring_setup), NULL, SECCOMP_DIRECT },
	{ CALL(io_uring_register), "io_uring", SECCOMP_DIRECT },
	{ CALL(io_uring_enter), "io_uring", SECCOMP_DIRECT },
	{ CALL(mmap), FILE_, SECCOMP_ALWAYS },
	{ "madvise", SYS_madvise, NULL, 0, FILE_, SECCOMP_ALWAYS },
	{ CALL(fallocate), FILE_, SECCOMP_ALWAYS },
	{ CALL(munmap), NULL, SECCOMP_ALWAYS },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_, SECCOMP_PRIVATE },
	{ CALL(clock_nanosleep), NULL, SECCOMP_BUSY },
	{ CALL(clone3), NULL, SECCOMP_THREADS },
	FROZEN_RULE,
	THREADS,
	LOADER,
	HEAP,
	{ 0 },
};

static const char *const numa_functions[] = { "gmem_numa_place", "gmem_numa_place_guest",
					      "gmem_numa_count", NULL };
static const struct seccomp_rule numa_rules[] = {
	{ CALL(mmap), FILE_, SECCOMP_ALWAYS },
	{ CALL(munmap), NULL, SECCOMP_ALWAYS },
	{ CALL(geteuid), NULL, SECCOMP_ALWAYS },
	{ CALL(fstat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(newfstatat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(mincore), FILE_, SECCOMP_ALWAYS },
	{ CALL(mbind), FILE_, SECCOMP_NODES },
	{ CALL(get_mempolicy), FILE_, SECCOMP_NODES },
	{ "madvise", SYS_madvise, NULL, 0, FILE_, SECCOMP_ALWAYS },
	{ CALL(move_pages), NULL, SECCOMP_NODES },
	LIBNUMA,
	LOADER,
	HEAP,
	{ 0 },
};

static const char *const space_functions[] = { "gmem_space_new",       "gmem_space_free",
					       "gmem_space_create",    "gmem_space_bind",
					       "gmem_space_unbind",    "gmem_listener_add",
					       "gmem_listener_remove", NULL };
static const struct seccomp_rule space_rules[] = {
	{ IOCTL("KVM_GET_API_VERSION", GMEM_UAPI_GET_API_VERSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CHECK_EXTENSION", GMEM_UAPI_CHECK_EXTENSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CREATE_GUEST_MEMFD", GMEM_UAPI_CREATE_GUEST_MEMFD), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_, SECCOMP_ALWAYS },
	{ "fcntl", SYS_fcntl, "F_SETFD", F_SETFD, FILE_, SECCOMP_ALWAYS },
	{ IOCTL("KVM_SET_USER_MEMORY_REGION2", GMEM_UAPI_SET_MEMORY_REGION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES", GMEM_UAPI_SET_VM_ATTRIBUTES), VM,
	  SECCOMP_TWO_BACKINGS },
	{ IOCTL("KVM_GUEST_MEMFD_QUERY", GMEM_UAPI_QUERY), FILE_, SECCOMP_QUERY },
	{ CALL(mmap), FILE_, SECCOMP_ALWAYS },
	{ CALL(openat), "/proc/self/maps", SECCOMP_ADDRESS },
	{ IOCTL("PROCMAP_QUERY", GMEM_UAPI_PROCMAP_QUERY), "/proc/self/maps", SECCOMP_ADDRESS },
	{ CALL(read), "/proc/self/maps", SECCOMP_C_LIBRARY },
	{ CALL(close), FILE_, SECCOMP_ALWAYS },
	/* which one fstat() is depends on the C library */
	{ CALL(newfstatat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(fstat), FILE_, SECCOMP_C_LIBRARY },
	{ CALL(clock_nanosleep), NULL, SECCOMP_C_LIBRARY },
	{ CALL(clock_gettime), NULL, SECCOMP_C_LIBRARY },
	HEAP,
	{ 0 },
};

static const char *const session_functions[] = {
	"gmem_session_create", "gmem_session_retrieve", "gmem_session_adopt",
	"gmem_session_finish", "gmem_session_release",	NULL,
};
static const struct seccomp_rule session_rules[] = {
	{ CALL(openat), "/dev/liveupdate", SECCOMP_ALWAYS },
	{ CALL(clock_nanosleep), NULL, SECCOMP_WAITING },
	{ CALL(clock_gettime), NULL, SECCOMP_C_LIBRARY },
	{ IOCTL("LIVEUPDATE_IOCTL_CREATE_SESSION", GMEM_UAPI_CREATE_SESSION), "/dev/liveupdate",
	  SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_IOCTL_RETRIEVE_SESSION", GMEM_UAPI_RETRIEVE_SESSION), "/dev/liveupdate",
	  SECCOMP_ALWAYS },
	{ CALL(close), "/dev/liveupdate", SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_GET_NAME", GMEM_UAPI_GET_NAME), SESSION, SECCOMP_ALWAYS },
	/* with nothing to preserve: how the direction is found out */
	{ IOCTL("LIVEUPDATE_SESSION_PRESERVE_FD", GMEM_UAPI_PRESERVE_FD), SESSION, SECCOMP_ALWAYS },
	{ "fcntl", SYS_fcntl, "F_SETFD", F_SETFD, SESSION, SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_FINISH", GMEM_UAPI_FINISH), SESSION, SECCOMP_INCOMING },
	HEAP,
	{ 0 },
};

static const char *const preserve_functions[] = { "gmem_preserve", "gmem_preserve_fd",
						  "gmem_preserve_vm", "gmem_get_live_update",
						  NULL };
static const struct seccomp_rule preserve_rules[] = {
	{ IOCTL("KVM_GUEST_MEMFD_LIVE_UPDATE", GMEM_UAPI_LIVE_UPDATE), FILE_, SECCOMP_ALWAYS },
	{ IOCTL("KVM_GET_API_VERSION", GMEM_UAPI_GET_API_VERSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("KVM_CHECK_EXTENSION", GMEM_UAPI_CHECK_EXTENSION), VM, SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_PRESERVE_FD", GMEM_UAPI_PRESERVE_FD), SESSION, SECCOMP_ALWAYS },
	{ 0 },
};

/* With the parts "adopt", and "query" if a blob is compared. */
static const char *const retrieve_functions[] = { "gmem_retrieve", "gmem_retrieve_fd",
						  "gmem_retrieve_vm", NULL };
static const struct seccomp_rule retrieve_rules[] = {
	{ IOCTL("LIVEUPDATE_SESSION_RETRIEVE_FD", GMEM_UAPI_RETRIEVE_FD), SESSION,
	  SECCOMP_INCOMING },
	{ IOCTL("KVM_GET_API_VERSION", GMEM_UAPI_GET_API_VERSION), VM, SECCOMP_INCOMING },
	{ IOCTL("KVM_CHECK_EXTENSION", GMEM_UAPI_CHECK_EXTENSION), VM, SECCOMP_INCOMING },
	{ CALL(close), "file", SECCOMP_INCOMING },
	HEAP,
	{ 0 },
};

static const char *const serve_functions[] = { "gmem_space_serve", "gmem_space_convert",
					       "gmem_space_get_extent", "gmem_space_get_address",
					       NULL };
static const struct seccomp_rule serve_rules[] = {
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_, SECCOMP_IN_PLACE },
	{ IOCTL("KVM_GUEST_MEMFD_QUERY", GMEM_UAPI_QUERY), FILE_, SECCOMP_QUERY },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES", GMEM_UAPI_SET_VM_ATTRIBUTES), VM,
	  SECCOMP_TWO_BACKINGS },
	{ CALL(madvise), NULL, SECCOMP_TWO_BACKINGS },
	{ CALL(fallocate), FILE_, SECCOMP_TWO_BACKINGS },
	{ CALL(fallocate), FILE_, SECCOMP_EMULATION },
	{ CALL(clock_nanosleep), NULL, SECCOMP_BUSY },
	{ CALL(clock_gettime), NULL, SECCOMP_C_LIBRARY },
	HEAP,
	{ 0 },
};

/* With the part "convert" for what io_uring cannot do. */
static const char *const batch_functions[] = { "gmem_batch_new",
					       "gmem_batch_free",
					       "gmem_batch_submit",
					       "gmem_batch_finish",
					       "gmem_batch_get_fd",
					       "gmem_batch_get_statistics",
					       NULL };
static const struct seccomp_rule batch_rules[] = {
	{ CALL(eventfd2), NULL, SECCOMP_ALWAYS },
	{ CALL(read), "eventfd", SECCOMP_ALWAYS },
	{ CALL(write), "eventfd", SECCOMP_ALWAYS },
	{ CALL(close), "eventfd", SECCOMP_ALWAYS },
	{ CALL(io_uring_setup), NULL, SECCOMP_URING },
	{ CALL(io_uring_register), "io_uring", SECCOMP_URING },
	{ CALL(io_uring_enter), "io_uring", SECCOMP_URING },
	{ IOCTL("KVM_SET_MEMORY_ATTRIBUTES2", GMEM_UAPI_SET_ATTRIBUTES), FILE_,
	  SECCOMP_IN_THREADS },
	{ CALL(fallocate), FILE_, SECCOMP_IN_THREADS },
	{ CALL(clock_nanosleep), NULL, SECCOMP_IN_THREADS },
	{ CALL(clone3), NULL, SECCOMP_THREADS },
	{ CALL(openat), NULL, SECCOMP_C_LIBRARY },
	{ CALL(fstat), NULL, SECCOMP_C_LIBRARY },
	{ CALL(newfstatat), NULL, SECCOMP_C_LIBRARY },
	{ CALL(pread64), NULL, SECCOMP_C_LIBRARY },
	{ CALL(sysinfo), NULL, SECCOMP_C_LIBRARY },
	THREADS,
	LOADER,
	HEAP,
	{ 0 },
};

static const char *const blob_functions[] = {
	"gmem_blob_new",
	"gmem_blob_free",
	"gmem_blob_add_file",
	"gmem_blob_add_slot",
	"gmem_blob_add_section",
	"gmem_blob_parse",
	NULL,
};
static const struct seccomp_rule blob_rules[] = {
	{ IOCTL("KVM_GUEST_MEMFD_QUERY", GMEM_UAPI_QUERY), FILE_, SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const blob_session_functions[] = { "gmem_preserve_blob", "gmem_retrieve_blob",
						      NULL };
static const struct seccomp_rule blob_session_rules[] = {
	{ CALL(memfd_create), NULL, SECCOMP_ALWAYS },
	{ CALL(pwrite64), "memfd", SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_PRESERVE_FD", GMEM_UAPI_PRESERVE_FD), SESSION, SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_RETRIEVE_FD", GMEM_UAPI_RETRIEVE_FD), SESSION,
	  SECCOMP_INCOMING },
	{ CALL(fstat), "memfd", SECCOMP_C_LIBRARY },
	{ CALL(newfstatat), "memfd", SECCOMP_C_LIBRARY },
	{ CALL(pread64), "memfd", SECCOMP_INCOMING },
	{ CALL(close), "memfd", SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const store_functions[] = { "gmem_store_push", "gmem_store_take",
					       "gmem_store_remove", NULL };
static const struct seccomp_rule store_rules[] = {
	{ CALL(socket), NULL, SECCOMP_ALWAYS },
	{ CALL(sendmsg), "socket", SECCOMP_ALWAYS },
	{ CALL(close), "socket", SECCOMP_ALWAYS },
	{ CALL(getpid), NULL, SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_GET_NAME", GMEM_UAPI_GET_NAME), SESSION, SECCOMP_ALWAYS },
	{ IOCTL("LIVEUPDATE_SESSION_PRESERVE_FD", GMEM_UAPI_PRESERVE_FD), SESSION, SECCOMP_ALWAYS },
	{ "fcntl", SYS_fcntl, "F_SETFD", F_SETFD, SESSION, SECCOMP_ALWAYS },
	HEAP,
	{ 0 },
};

static const char *const report_functions[] = { "gmem_error_new", "gmem_error_free", NULL };
static const struct seccomp_rule report_rules[] = {
	HEAP,
	{ 0 },
};

static const char *const other_functions[] = {
	"gmem_blob_find_file",
	"gmem_blob_find_section",
	"gmem_blob_format",
	"gmem_blob_get_extent",
	"gmem_blob_get_file",
	"gmem_blob_get_section",
	"gmem_blob_get_slot",
	"gmem_cause_explain",
	"gmem_cause_name",
	"gmem_cause_remedy",
	"gmem_direction_name",
	"gmem_error_explain",
	"gmem_error_format_json",
	"gmem_error_get_attempts",
	"gmem_error_get_call",
	"gmem_error_get_cause",
	"gmem_error_get_code",
	"gmem_error_get_detached",
	"gmem_error_get_done",
	"gmem_error_get_first_offset",
	"gmem_error_get_holder",
	"gmem_error_get_kernel_code",
	"gmem_error_get_listener_code",
	"gmem_error_get_lost",
	"gmem_error_get_range",
	"gmem_error_get_slot",
	"gmem_error_get_system_call",
	"gmem_error_get_unrestored",
	"gmem_error_is_guest",
	"gmem_error_name",
	"gmem_feature_describe",
	"gmem_feature_name",
	"gmem_get_creation_flags",
	"gmem_get_fd",
	"gmem_get_size",
	"gmem_guarantee_name",
	"gmem_is_mappable",
	"gmem_level_get",
	"gmem_level_name",
	"gmem_level_parse",
	"gmem_level_set",
	"gmem_mode_name",
	"gmem_policy_name",
	"gmem_probe_format",
	"gmem_probe_format_json",
	"gmem_probe_get_attributes",
	"gmem_probe_get_creation_flags",
	"gmem_probe_get_policies",
	"gmem_probe_get_vm_attributes",
	"gmem_probe_has",
	"gmem_request_answer",
	"gmem_request_count",
	"gmem_request_decode",
	"gmem_request_kind_name",
	"gmem_space_get_kept",
	"gmem_space_get_mode",
	"gmem_session_get_direction",
	"gmem_session_get_fd",
	"gmem_session_get_name",
	"gmem_state_name",
	"gmem_version",
	NULL,
};
static const struct seccomp_rule other_rules[] = { { 0 } };

const struct seccomp_part seccomp_parts[] = {
	{ "probe", "find out what the kernel offers to a VM", probe_functions, probe_rules },
	{ "create", "create a guest_memfd", create_functions, create_rules },
	{ "adopt", "take over a guest_memfd", adopt_functions, adopt_rules },
	{ "release", "close a guest_memfd", release_functions, release_rules },
	{ "convert", "change the state of a range", convert_functions, convert_rules },
	{ "query", "ask for the state of a range", query_functions, query_rules },
	{ "map", "map and unmap shared pages", map_functions, map_rules },
	{ "allocate", "allocate and discard memory", allocate_functions, allocate_rules },
	{ "populate", "load a file, a stream or a buffer", populate_functions, populate_rules },
	{ "numa", "say and ask on which nodes memory is", numa_functions, numa_rules },
	{ "space", "make a space, its files, slots and listeners", space_functions, space_rules },
	{ "serve", "convert in a space, and serve guests", serve_functions, serve_rules },
	{ "batch", "convert, allocate and discard many ranges", batch_functions, batch_rules },
	{ "session", "sessions of a live update", session_functions, session_rules },
	{ "preserve", "preserve a VM and its files", preserve_functions, preserve_rules },
	{ "retrieve", "get them back", retrieve_functions, retrieve_rules },
	{ "blob", "describe a VM", blob_functions, blob_rules },
	{ "blob-session", "preserve and retrieve a blob", blob_session_functions,
	  blob_session_rules },
	{ "store", "the file-descriptor store of systemd", store_functions, store_rules },
	{ "report", "make a failure report", report_functions, report_rules },
	{ "other", "everything else: no system call", other_functions, other_rules },
	{ 0 },
};

static const char *const whens[SECCOMP_WHENS][2] = {
	[SECCOMP_ALWAYS] = { "always", "" },
	[SECCOMP_BUSY] = { "busy", "while a page that is to become private is in use" },
	[SECCOMP_FAILURE] = { "failure", "to find out why the kernel refused" },
	[SECCOMP_EMULATION] = { "emulation", "if the program lets the zero policy be emulated" },
	[SECCOMP_OLD_KERNEL] = { "old-kernel",
				 "where guest_memfd has no file system of its own (Linux 6.18)" },
	[SECCOMP_STREAM] = { "stream", "from a pipe, a socket, or a file of /proc" },
	[SECCOMP_EMPTY_STREAM] = { "empty-stream", "from a stream that does not block" },
	[SECCOMP_DIRECT] = { "direct", "past the page cache; without these with pread64" },
	[SECCOMP_PRIVATE] = { "private", "into memory that becomes private" },
	[SECCOMP_THREADS] = { "threads", "with more than one thread; without it, with one" },
	[SECCOMP_NODES] = { "nodes", "where the kernel has nodes" },
	[SECCOMP_ADDRESS] = { "address", "to verify where the program has mapped a slot" },
	[SECCOMP_IN_PLACE] = { "in-place", "where the kernel converts in place" },
	[SECCOMP_TWO_BACKINGS] = { "two-backings", "where the kernel does not convert in place" },
	[SECCOMP_QUERY] = { "query", "where the kernel can be asked for states" },
	[SECCOMP_IN_THREADS] = { "in-threads", "in threads of the library" },
	[SECCOMP_URING] = { "uring", "with io_uring; without these, by threads" },
	[SECCOMP_FROZEN] = { "frozen", "to tell a file that is frozen from a filter" },
	[SECCOMP_WAITING] = { "waiting", "while somebody else has the device open" },
	[SECCOMP_INCOMING] = { "incoming", "after a live update" },
	[SECCOMP_C_LIBRARY] = { "c-library", "if the C library's implementation does" },
};

const char *seccomp_when_name(enum seccomp_when when)
{
	return whens[when][0];
}

const char *seccomp_when_describe(enum seccomp_when when)
{
	return whens[when][1];
}
