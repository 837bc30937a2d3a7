/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The results as JSON, and from JSON: one row a line, which is all that the reader understands. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "measure.h"

/* Raised whenever the output changes in a way that readers can notice. */
#define REPORT_VERSION 1

struct reference {
	char kernel[256]; /* uname of the run the rows are from */
	char file[512];
};

/*
 * Adds the two-backings rows of an earlier run. 0; -ENOENT and so on if there is no file; -EBADMSG
 * if it is none of this version, or was not measured in instructions.
 */
int report_read_reference(const char *path, struct results *results,
			  struct reference *ret_reference);

/* Prints all to stdout. @reference may be NULL. Returns whether all bars hold that can be told. */
bool report_print(const struct results *results, const struct reference *reference);

#endif
