/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The stages of a run whose flows have live updates in them. Every stage is a gmemctl of its own,
 * in another kernel, with the same arguments: whoever replaces the kernel, as the lab does, says in
 * GMEM_STAGE which one it is. What a stage has to know of those before stands in a file of
 * GMEM_DIR.
 */
#ifndef GMEMCTL_STAGES_H
#define GMEMCTL_STAGES_H

#include "flow.h"

struct stages {
	bool used;	     /* otherwise all that there is is stage 0 */
	size_t number;	     /* of this one: so many kernels were replaced before */
	size_t flows;	     /* of the run */
	bool *skipped;	     /* of each flow, in this stage or before */
	unsigned int points; /* of TAP, before this stage */
};

/* Whether the kernel is going to be replaced so many times under the run. */
bool stages_offered(size_t updates);

/*
 * Find out which stage this is. 0; -ENOMEM; -ESTALE: the stage before has not ended, or ran other
 * flows; or another errno of reading what it left.
 */
int stages_begin(struct stages *stages, struct flow *const *flow, size_t flows);
/* Whether a flow has something to do in this stage. */
bool stages_has(const struct stages *stages, const struct flow *flow, size_t index);
/* Whether one of the flows goes on in the next stage. */
bool stages_go_on(const struct stages *stages, struct flow *const *flow);
/* Leave for the next stage what it has to know. 0 or a negative errno. */
int stages_end(const struct stages *stages, unsigned int points);
void stages_free(struct stages *stages);

#endif
