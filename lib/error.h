/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Failure reports, from the inside.
 */
#ifndef GMEM_ERROR_H
#define GMEM_ERROR_H

#include <libgmem/convert.h>
#include <libgmem/error.h>
#include <libgmem/listener.h>

/** Why a call failed, finer than an errno. lib/cause.c has the words. */
enum gmem_cause {
	GMEM_CAUSE_NONE,
	GMEM_CAUSE_ARGUMENT,
	GMEM_CAUSE_OPTION,
	GMEM_CAUSE_NEWER_OPTIONS,
	GMEM_CAUSE_STATE,
	GMEM_CAUSE_EMPTY,
	GMEM_CAUSE_UNALIGNED,
	GMEM_CAUSE_WRAPS,
	GMEM_CAUSE_BEYOND_END,
	GMEM_CAUSE_TOO_BIG,
	GMEM_CAUSE_MEMORY,
	GMEM_CAUSE_NOT_OPEN,
	GMEM_CAUSE_NOT_A_VM,
	GMEM_CAUSE_FOREIGN_VM,
	GMEM_CAUSE_PROCESS_FILES,
	GMEM_CAUSE_SYSTEM_FILES,
	GMEM_CAUSE_REFUSED,
	GMEM_CAUSE_FROZEN,
	GMEM_CAUSE_ANSWER,
	GMEM_CAUSE_NO_GUEST_MEMFD,
	GMEM_CAUSE_NO_MAPPABLE,
	GMEM_CAUSE_NO_INIT_SHARED,
	GMEM_CAUSE_RAW_FLAGS,
	GMEM_CAUSE_NOT_GUEST_MEMFD,
	GMEM_CAUSE_WRONG_SIZE,
	GMEM_CAUSE_NOT_IN_PLACE,
	GMEM_CAUSE_NO_PRIVATE,
	GMEM_CAUSE_BUSY,
	GMEM_CAUSE_STOPPED,
	GMEM_CAUSE_NOT_MAPPABLE,
	GMEM_CAUSE_ADDRESS_SPACE,
	GMEM_CAUSE_LOCK_LIMIT,
	GMEM_CAUSE_SEALED,
	GMEM_CAUSE_SIGNALS,
	GMEM_CAUSE_POISON,
	GMEM_CAUSE_ORDER,
	GMEM_CAUSE_EXTENTS,
	GMEM_CAUSE_NO_POLICY,
	GMEM_CAUSE_UNKNOWN_POLICY,
	GMEM_CAUSE_POLICY_REFUSED,
	GMEM_CAUSE_NO_QUERY,
	GMEM_CAUSE_LEVEL,
	GMEM_CAUSE_LEVEL_NAME,
	GMEM_CAUSE_ATTRIBUTES,
	GMEM_CAUSE_NO_PROGRESS,
	GMEM_CAUSE_SOURCE_ENDED,
	GMEM_CAUSE_SOURCE_SHRANK,
	GMEM_CAUSE_SOURCE_BIGGER,
	GMEM_CAUSE_SOURCE_ERROR,
	GMEM_CAUSE_SOURCE_NOT_READABLE,
	GMEM_CAUSE_SOURCE_KIND,
	GMEM_CAUSE_PRIVATE_PAGE,
	GMEM_CAUSE_NO_URING,
	GMEM_CAUSE_NO_DIRECT,
	GMEM_CAUSE_CANCELED,
	GMEM_CAUSE_NO_LIBNUMA,
	GMEM_CAUSE_NO_NUMA,
	GMEM_CAUSE_NODES,
	GMEM_CAUSE_NO_PLACEMENT,
	GMEM_CAUSE_TOUCHED,
	GMEM_CAUSE_NOT_OWNER,
	GMEM_CAUSE_MORE_NODES,
	GMEM_CAUSE_HOLE,
	GMEM_CAUSE_NO_MODE,
	GMEM_CAUSE_NO_SLOT,
	GMEM_CAUSE_SLOT_NUMBER,
	GMEM_CAUSE_SLOT_OVERLAP,
	GMEM_CAUSE_BOUND_TWICE,
	GMEM_CAUSE_FOREIGN_SLOT,
	GMEM_CAUSE_SLOT_REFUSED,
	GMEM_CAUSE_NO_FILE_SLOTS,
	GMEM_CAUSE_OTHER_SPACE,
	GMEM_CAUSE_MAPPABLE_TWICE,
	GMEM_CAUSE_NOT_ALIASED,
	GMEM_CAUSE_NO_PROC,
	GMEM_CAUSE_LISTENER,
	GMEM_CAUSE_LISTENER_BUSY,
	GMEM_CAUSE_LISTENER_CALLS,
	GMEM_CAUSE_TWO_BACKINGS,
	GMEM_CAUSE_NOT_ALLOWED,
	GMEM_CAUSE_OVERLAP,
	GMEM_CAUSE_UNDER_WAY,
	GMEM_CAUSE_NO_BATCH,
	GMEM_CAUSE_NO_LIVE_UPDATE,
	GMEM_CAUSE_DEVICE_BUSY,
	GMEM_CAUSE_DEVICE_ACCESS,
	GMEM_CAUSE_NOT_THE_DEVICE,
	GMEM_CAUSE_SESSIONS_LOST,
	GMEM_CAUSE_SESSION_NAME,
	GMEM_CAUSE_SESSION_RESERVED,
	GMEM_CAUSE_SESSION_EXISTS,
	GMEM_CAUSE_SESSION_FULL,
	GMEM_CAUSE_NO_SESSION,
	GMEM_CAUSE_SESSION_TAKEN,
	GMEM_CAUSE_NOT_A_SESSION,
	GMEM_CAUSE_DIRECTION,
	GMEM_CAUSE_CANNOT_FINISH,
	GMEM_CAUSE_TOKEN_USED,
	GMEM_CAUSE_NO_TOKEN,
	GMEM_CAUSE_NO_HANDLER,
	GMEM_CAUSE_NOT_PRESERVED,
	GMEM_CAUSE_ALREADY_PRESERVED,
	GMEM_CAUSE_VM_TYPE,
	GMEM_CAUSE_VM_GONE,
	GMEM_CAUSE_CREATION_FLAGS,
	GMEM_CAUSE_PRIVATE_PAGES,
	GMEM_CAUSE_NO_MIXED,
	GMEM_CAUSE_STATES_CHANGED,
	GMEM_CAUSE_NO_RETRIEVAL,
	GMEM_CAUSE_NOT_RETRIEVED,
	GMEM_CAUSE_BLOB_FOREIGN,
	GMEM_CAUSE_BLOB_LENGTH,
	GMEM_CAUSE_BLOB_CHECKSUM,
	GMEM_CAUSE_BLOB_VERSION,
	GMEM_CAUSE_BLOB_CONTENTS,
	GMEM_CAUSE_BLOB_DIFFERS,
	GMEM_CAUSE_BLOB_NAME,
	GMEM_CAUSE_BLOB_HAS,
	GMEM_CAUSE_BLOB_HAS_NOT,
	GMEM_CAUSE_BLOB_FULL,
	GMEM_CAUSE_BUFFER,
	GMEM_CAUSE_STORE_NAME,
	GMEM_CAUSE_NO_STORE,
	GMEM_CAUSE_STORE_ADDRESS,
	GMEM_CAUSE_NOT_STORED,
	GMEM_CAUSE_ENVIRONMENT,
	GMEM_CAUSE_COUNT
};

/** A part of guest-physical memory. */
struct gmem_error_part {
	uint64_t gpa;
	uint64_t size;
};

/** More parts than this are reported as fewer, longer ones. */
#define GMEM_ERROR_PARTS 4

struct gmem_error {
	/** what the call returned */
	int code;
	/** what the kernel answered, 0 if it was not asked */
	int kernel_code;
	enum gmem_cause cause;
	/** static strings */
	const char *call;
	const char *system_call;
	/** where a conversion was to go; 0 if the call was none */
	enum gmem_state state;
	enum gmem_policy policy;
	bool has_range;
	bool has_first_offset;
	bool has_lost;
	uint64_t offset;
	uint64_t size;
	uint64_t first_offset;
	/** bytes from offset on that were done before the failure */
	uint64_t done;
	/** whose contents are gone */
	uint64_t lost_offset;
	uint64_t lost_size;
	unsigned int attempts;
	/** all ranges are guest-physical, not of a file */
	bool guest;
	bool has_slot;
	uint32_t slot;
	/** what a listener returned */
	int listener_code;
	/** names of listeners: who held a page or refused, and who did not do its part of undoing
	 */
	char holder[GMEM_LISTENER_NAME_MAX + 1];
	char detached[GMEM_LISTENER_NAME_MAX + 1];
	struct gmem_error_part detached_part;
	/** what does not have its old state after undoing, in the order of memory */
	struct gmem_error_part unrestored[GMEM_ERROR_PARTS];
	unsigned int unrestored_count;
};

/** What one answer of the kernel means for one call. */
struct gmem_answer {
	int kernel_code;
	int code;
	enum gmem_cause cause;
};

/**
 * gmem_error_set_answer() - translate the kernel's answer
 *
 * The table, ended by kernel_code 0, is the closed set of the call. Any answer that it does not
 * have is one that the kernel must not give: -EBADE. So is a positive number.
 */
void gmem_error_set_answer(struct gmem_error *error, int kernel_code,
			   const struct gmem_answer *answers);

/** gmem_error_fail() - hand a report to the caller, if there is one; returns its code */
int gmem_error_fail(struct gmem_error *reterr_error, const struct gmem_error *error);

/** The same for a failure that needs no system call: mistakes of the caller, and no memory. */
int gmem_error_refuse(struct gmem_error *reterr_error, struct gmem_error *error, int code,
		      enum gmem_cause cause);

/** The same for what gmem_options_read() returned. */
int gmem_error_refuse_options(struct gmem_error *reterr_error, struct gmem_error *error, int code);

/** gmem_error_add_unrestored() - a part of memory could not be given its old state */
void gmem_error_add_unrestored(struct gmem_error *error, uint64_t gpa, uint64_t size);

/** The words for a cause: its name, which is ABI, why, and what to do. */
struct gmem_cause_text {
	const char *name;
	const char *why;
	const char *remedy;
};

const struct gmem_cause_text *gmem_cause_text(enum gmem_cause cause);

#endif
