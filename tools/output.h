/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How a run is told: as a story, as JSON lines, or as TAP. One file for each. */
#ifndef GMEMCTL_OUTPUT_H
#define GMEMCTL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "flow.h"

struct outcome;
struct output;
struct timeline;

enum output_form {
	OUTPUT_HUMAN,
	OUTPUT_JSON,
	OUTPUT_TAP,
};

/* What is told about a step that has run. */
struct output_step {
	const struct flow *flow;
	const struct flow_step *step;
	const struct outcome *outcome;
	bool as_expected;
	const char *expected; /* text: "error EAGAIN at 0x3000" */
	const char *got;
	uint64_t duration_ns;
};

struct output_end {
	const struct flow *flow;
	const char *result; /* "passed", "failed", "skipped" */
	const char *reason; /* why it was skipped or could not start, NULL if a step tells */
	size_t steps;	    /* that ran */
	uint64_t duration_ns;
};

struct output_ops {
	void (*begin)(struct output *output, const struct flow *flow);
	void (*say)(struct output *output, const struct flow *flow, const struct flow_step *step,
		    const char *text);
	void (*step)(struct output *output, const struct output_step *step);
	void (*end)(struct output *output, const struct output_end *end);
	/* instead of everything else, if a flow has a mistake: people read it on stderr */
	void (*mistake)(struct output *output, const char *name,
			const struct flow_mistake *mistake);
	/* after the last flow, in the last stage */
	void (*finish)(struct output *output);
};

struct output {
	const struct output_ops *ops;
	FILE *stream;
	int verbosity; /* -1 quiet, 0, 1 verbose */
	bool colour;
	bool began;		   /* something was printed */
	bool blank;		   /* an empty line is due before the next step */
	size_t stage;		   /* of the flow: so many kernels were replaced before */
	unsigned int points;	   /* TAP: numbered so far */
	struct timeline *timeline; /* what happens is also kept here, NULL: it is not */
};

extern const struct output_ops output_human, output_json, output_tap;

void output_init(struct output *output, enum output_form form, FILE *stream, int verbosity);

/* Whether a stream is a terminal that may be coloured. */
bool output_colour(FILE *stream);

/* A JSON string, quotes included. text is valid UTF-8. */
void output_json_string(FILE *stream, const char *text);

/* "[0x0, 0x10000)" */
void output_range(char *buffer, size_t buffer_size, uint64_t offset, uint64_t size);
/* "64 KiB" */
void output_size(char *buffer, size_t buffer_size, uint64_t size);

/*
 * Progress on stderr for a step that takes more than a second, if stderr is a terminal
 * (progress.c). start is called before and stop after each step; both are cheap.
 */
struct progress;
int progress_new(struct progress **ret_progress);
void progress_free(struct progress *progress);
void progress_start(struct progress *progress, const struct flow_step *step);
void progress_stop(struct progress *progress);

#endif
