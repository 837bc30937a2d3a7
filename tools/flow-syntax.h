/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Matching the words of a line with the syntax of its verb. Private to flow-*.c. */
#ifndef GMEMCTL_FLOW_SYNTAX_H
#define GMEMCTL_FLOW_SYNTAX_H

#include "flow-words.h"

/*
 * Fill in step's arguments and VM from the words that follow the verb; objects that the line makes
 * are added to the flow. 0, -EINVAL (a mistake), -ENOMEM.
 */
int flow_match(struct flow_reader *reader, struct flow *flow, const struct flow_line *line,
	       size_t first_word, struct flow_step *step);

#endif
