/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which system calls each part of libgmem needs, for who writes a sandbox around a VMM.
 *
 * tests/gmemctl/test-seccomp.c traces each part: it makes these calls and no others.
 */
#ifndef GMEMCTL_SECCOMP_H
#define GMEMCTL_SECCOMP_H

#include <stdint.h>

enum seccomp_when {
	SECCOMP_ALWAYS,
	SECCOMP_BUSY,	      /* while a page that is to become private is in use */
	SECCOMP_FAILURE,      /* to find out why the kernel refused */
	SECCOMP_EMULATION,    /* of the zero policy, which the caller has to allow */
	SECCOMP_OLD_KERNEL,   /* where guest_memfd has no file system of its own */
	SECCOMP_ADDRESS,      /* if the program maps slots itself */
	SECCOMP_IN_PLACE,     /* where the kernel converts in place */
	SECCOMP_TWO_BACKINGS, /* where it does not */
	SECCOMP_QUERY,	      /* where it can be asked for states */
	SECCOMP_STREAM,	      /* a source that has no offsets */
	SECCOMP_EMPTY_STREAM,
	SECCOMP_DIRECT,	 /* past the page cache */
	SECCOMP_PRIVATE, /* memory that becomes private */
	SECCOMP_THREADS, /* more than one */
	SECCOMP_NODES,	 /* where the kernel has them */
	SECCOMP_URING,	 /* with io_uring */
	SECCOMP_IN_THREADS,
	SECCOMP_FROZEN,	   /* by a live update, to tell that from a filter */
	SECCOMP_WAITING,   /* while somebody else has the device open */
	SECCOMP_INCOMING,  /* after a live update */
	SECCOMP_C_LIBRARY, /* by malloc(), or where the vDSO cannot */
	SECCOMP_WHENS
};

struct seccomp_rule {
	const char *call; /* name of the system call, NULL ends a list */
	long number;	  /* of the system call on this architecture */
	const char *argument;
	uint32_t argument_value; /* what args[1] has to be, if argument has a name */
	const char *on;		 /* what kind of file it goes to, NULL: none */
	enum seccomp_when when;
};

struct seccomp_part {
	const char *name; /* NULL ends the list */
	const char *brief;
	const char *const *functions; /* ended by NULL; every public function is in one part */
	const struct seccomp_rule *rules;
};

extern const struct seccomp_part seccomp_parts[];

/* "always", "busy", ...: as in JSON; and for people. */
const char *seccomp_when_name(enum seccomp_when when);
const char *seccomp_when_describe(enum seccomp_when when);

#endif
