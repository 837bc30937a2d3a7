/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's live update numbers and layouts, laid out by ourselves as those of guest_memfd.h.
 *
 * Sources: include/uapi/linux/liveupdate.h of Linux 7.3 (device and sessions), and libgmem's series
 * (what is KVM's). The requests of live update have no size and no direction: each argument begins
 * with its size instead.
 */
#ifndef GMEM_UAPI_LIVE_UPDATE_H
#define GMEM_UAPI_LIVE_UPDATE_H

#include <stdint.h>
#include <sys/ioctl.h>
#include "guest_memfd.h"

#define GMEM_UAPI_LIVEUPDATE_DEVICE    "/dev/liveupdate"
#define GMEM_UAPI_LIVEUPDATE_NAME_SIZE 64

#define GMEM_LUOIO 0xBA

/* On the device. The kernel writes fd. */
struct gmem_uapi_session {
	uint32_t size;
	int32_t fd;
	uint8_t name[GMEM_UAPI_LIVEUPDATE_NAME_SIZE];
};
#define GMEM_UAPI_CREATE_SESSION   _IO(GMEM_LUOIO, 0x00)
#define GMEM_UAPI_RETRIEVE_SESSION _IO(GMEM_LUOIO, 0x01)

/* On a session: PRESERVE on an outgoing one, RETRIEVE, which writes fd, on an incoming one */
struct gmem_uapi_token {
	uint32_t size;
	int32_t fd;
	uint64_t token;
};
#define GMEM_UAPI_PRESERVE_FD _IO(GMEM_LUOIO, 0x40)
#define GMEM_UAPI_RETRIEVE_FD _IO(GMEM_LUOIO, 0x41)

/* On an incoming session */
struct gmem_uapi_finish {
	uint32_t size;
	uint32_t reserved;
};
#define GMEM_UAPI_FINISH _IO(GMEM_LUOIO, 0x42)

/* On any session */
struct gmem_uapi_session_name {
	uint32_t size;
	uint32_t reserved;
	uint8_t name[GMEM_UAPI_LIVEUPDATE_NAME_SIZE];
};
#define GMEM_UAPI_GET_NAME _IO(GMEM_LUOIO, 0x43)

/* With our series only: the value is a mask, on a VM and on /dev/kvm. */
#define GMEM_CAP_LIVE_UPDATE	    0x676d0002UL
#define GMEM_UAPI_LIVE_UPDATE_ON    (1U << 0) /* VM and guest_memfd files can be preserved */
#define GMEM_UAPI_LIVE_UPDATE_MIXED (1U << 1) /* those with private pages, too */

/* On the guest_memfd fd, with our series only */
struct gmem_uapi_live_update {
	uint64_t flags;
	uint64_t options;
	uint64_t status;
	uint64_t refusal;
	uint64_t error_offset;
	uint64_t reserved[3];
};
#define GMEM_UAPI_LIVE_UPDATE _IOWR(GMEM_KVMIO, 0xf9, struct gmem_uapi_live_update)

#define GMEM_UAPI_LIVE_UPDATE_SET_OPTIONS  (1ULL << 0)
#define GMEM_UAPI_LIVE_UPDATE_OPTION_MIXED (1ULL << 0)

#define GMEM_UAPI_LIVE_UPDATE_FROZEN	  (1ULL << 0)
#define GMEM_UAPI_LIVE_UPDATE_RETRIEVED	  (1ULL << 1)
#define GMEM_UAPI_LIVE_UPDATE_NUMA_POLICY (1ULL << 2)

/* refusal: why PRESERVE_FD would be refused */
#define GMEM_UAPI_REFUSAL_NONE		  0
#define GMEM_UAPI_REFUSAL_VM_TYPE	  1
#define GMEM_UAPI_REFUSAL_PRIVATE	  2 /* at error_offset */
#define GMEM_UAPI_REFUSAL_POISONED	  3 /* at error_offset */
#define GMEM_UAPI_REFUSAL_LIVE_UPDATE_OFF 4
#define GMEM_UAPI_REFUSAL_VM_GONE	  5
#define GMEM_UAPI_REFUSAL_ALREADY	  6
#define GMEM_UAPI_REFUSAL_FLAGS		  7

_Static_assert(sizeof(struct gmem_uapi_session) == 72, "live update ABI");
_Static_assert(sizeof(struct gmem_uapi_token) == 16, "live update ABI");
_Static_assert(sizeof(struct gmem_uapi_finish) == 8, "live update ABI");
_Static_assert(sizeof(struct gmem_uapi_session_name) == 72, "live update ABI");
_Static_assert(sizeof(struct gmem_uapi_live_update) == 64, "KVM ABI");
_Static_assert(GMEM_UAPI_CREATE_SESSION == 0xBA00UL, "live update ABI");
_Static_assert(GMEM_UAPI_PRESERVE_FD == 0xBA40UL, "live update ABI");
_Static_assert(GMEM_UAPI_LIVE_UPDATE == 0xC040AEF9UL, "KVM ABI");

#endif
