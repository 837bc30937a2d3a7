/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the two stages of the test of live update share.
 */
#ifndef TESTS_LIVE_UPDATE_H
#define TESTS_LIVE_UPDATE_H

#include "library.h"
#include "lib/uapi/live_update.h"

#define PAGES 64
#define SIZE  (PAGES * PAGE)
#define ROUND 7

enum {
	VM_TOKEN = 1,
	GMEM_TOKEN = 2,
	BLOB_TOKEN = 0,
	OTHER_TOKEN = 99
};

#define must_cause(call, expected, cause)                                                          \
	do {                                                                                       \
		must(call, expected);                                                              \
		ck_assert_str_eq(gmem_error_get_cause(report), cause);                             \
	} while (0)

/* Pages 0-15 shared and filled, 16-31 private and filled, 32 private and absent, the rest shared.
 */
static const struct gmem_extent states[] = {
	{ 0, 16 * PAGE, 0, GMEM_STATE_SHARED, 0 },
	{ 16 * PAGE, 17 * PAGE, 0, GMEM_STATE_PRIVATE, 0 },
	{ 33 * PAGE, 31 * PAGE, 0, GMEM_STATE_SHARED, 0 },
};

static const struct gmem_preserve_options with_private = {
	.size = sizeof(struct gmem_preserve_options),
	.mixed = 1,
};

/** What is refused and frozen before the kexec. */
void add_tests_before(Suite *suite);

#endif
