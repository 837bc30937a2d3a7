/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The parts of a conversion, for other parts of the library.
 */
#ifndef GMEM_CONVERT_H
#define GMEM_CONVERT_H

#include <libgmem/convert.h>
#include "retry.h"

/** gmem_convert_read_options() - read, check and fill in defaults; 0, -EINVAL or -E2BIG */
int gmem_convert_read_options(uint64_t page_size, const struct gmem_convert_options *given,
			      struct gmem_convert_options *options);

/** gmem_convert_choose() - decide how the policy is kept; returns why it cannot be */
enum gmem_cause gmem_convert_choose(const struct gmem *gmem, enum gmem_state state,
				    const struct gmem_convert_options *options,
				    enum gmem_guarantee *ret_guarantee);

/** gmem_policy_flags() - what the kernel is asked for if it keeps a policy */
uint64_t gmem_policy_flags(enum gmem_policy policy);

/**
 * gmem_convert_step() - convert a step, with all attempts that it takes
 *
 * Returns true if it was converted; else the report says why not.
 */
bool gmem_convert_step(const struct gmem_step *step, enum gmem_guarantee guarantee,
		       struct gmem_convert_options *options, struct gmem_error *report);

#endif
