/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the tests of the library on a real kernel share. They see to VMs, pins and host accesses
 * with the helpers of tests/kernel/, and do with files what a program does: through the library.
 */
#ifndef TESTS_LIBRARY_H
#define TESTS_LIBRARY_H

#include <libgmem/gmem.h>
#include "tests/kernel/kernel.h"

/** The report of the running test. */
extern struct gmem_error *report;

/** A test case with a fresh report for each test. */
TCase *library_case(Suite *suite, const char *name);

/** A mappable file of a new VM, and all of it mapped; closed by close_file(). */
struct file {
	int vm;
	uint64_t size;
	struct gmem *gmem;
	uint8_t *mapped;
};

struct file open_file(unsigned int vm_type, uint64_t size, enum gmem_init init);
void close_file(struct file *file);

/** Makes kvm treat content like other VM types: "none", "scramble", "tdx", "snp-finalized". */
void imitate(const char *name);

/** Fails the test unless a call of the library gives exactly this, and says why if it does not. */
#define must(call, expected)                                                                       \
	do {                                                                                       \
		int got_ = (call), wanted_ = (expected);                                           \
		ck_assert_msg(got_ == wanted_, "%s: %s instead of %s\n%s", #call,                  \
			      gmem_error_name(got_), gmem_error_name(wanted_), explain_report());  \
	} while (0)

const char *explain_report(void);

/** Fails the test unless the whole range has the state. */
void must_be(const struct file *file, uint64_t offset, uint64_t size, enum gmem_state state);

#endif
