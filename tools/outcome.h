/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How a step ended: what verbs fill in, what expectations are compared with, what outputs tell. */
#ifndef GMEMCTL_OUTCOME_H
#define GMEMCTL_OUTCOME_H

#include "flow.h"

struct flow_run;

struct outcome {
	enum flow_outcome outcome;
	int err; /* positive */
	bool has_offset;
	uint64_t offset;
	bool has_value;
	uint64_t value;
	bool private_wanted;
	/* of a query: "16K private, 16K shared", cut with "..." if there is more */
	char extents[1024];
	uint64_t allocated;
	char text[400]; /* what happened, for people */
	/* of a libgmem call that failed: its explanation and its report as JSON; empty if none */
	char explanation[1024];
	char report[2048];
};

/* Ways to end a step; the last call counts. */
__attribute__((format(printf, 2, 3))) void outcome_done(struct outcome *o, const char *format, ...);
__attribute__((format(printf, 2, 3))) void outcome_broken(struct outcome *o, const char *format,
							  ...);
/* A libgmem call failed: err is its negative errno, the report is the run's. */
void outcome_failed(struct outcome *o, struct flow_run *run, int err);
/* Another call failed: its name, negative errno. */
void outcome_call_failed(struct outcome *o, const char *call, int err);

/* Something else ended like a call that fails: what, in words. */
void outcome_refused(struct outcome *o, int err, const char *text);

bool outcome_expected(const struct outcome *o, const struct flow_expect *expect);

/* "error EAGAIN at 0x3000", of what was got and of what was expected */
void outcome_describe(const struct outcome *o, char *buffer, size_t size);
void outcome_describe_expected(const struct flow_expect *expect, char *buffer, size_t size);

/* "done", "error", ...: as in JSON */
const char *outcome_name(enum flow_outcome outcome);

#endif
