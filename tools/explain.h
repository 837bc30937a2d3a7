/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What is known about failures: which call can fail with which errno, when, why, and what to do.
 * For libgmem's own calls the first half is made from the public headers at build time.
 */
#ifndef GMEMCTL_EXPLAIN_H
#define GMEMCTL_EXPLAIN_H

struct explain_error {
	int code;	    /* positive errno; 0 ends a list */
	const char *when;   /* a part of a sentence */
	const char *remedy; /* NULL: explain_find_advice() knows */
};

struct explain_call {
	const char *name; /* NULL ends a list */
	const char *brief;
	const struct explain_error *errors; /* the kernel's: in the order in which it checks */
};

/* libgmem's functions, all that can fail; made by doc/headers.py. */
extern const struct explain_call explain_library[];
/* The kernel's calls that are about guest_memfd (explain-kernel.c). */
extern const struct explain_call explain_kernel[];

/* Why a function of libgmem fails with an errno, and what to do (explain-advice.c). */
struct explain_advice {
	int code;
	/* NULL: all that there is nothing more special for; NAME*: all whose names begin so */
	const char *call;
	const char *cause;
	const char *remedy;
};

/* Those of live update only (explain-live-update.c); ended by code 0. */
extern const struct explain_advice explain_live_update[];

const struct explain_advice *explain_find_advice(const char *call, int code);

#endif
