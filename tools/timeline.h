/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A flow's steps with the states of its files after each: gmemctl run --timeline. */
#ifndef GMEMCTL_TIMELINE_H
#define GMEMCTL_TIMELINE_H

#include <stdio.h>

struct flow_run;
struct flow_step;
struct output_step;
struct timeline;

/* 0 or -ENOMEM */
int timeline_new(struct timeline **ret_timeline);
void timeline_free(struct timeline *timeline);
/* A line of the story, by "say". */
void timeline_say(struct timeline *timeline, const struct flow_step *step, const char *text);
/* A step has run: asks the kernel for the states of all files that there are. */
void timeline_step(struct timeline *timeline, struct flow_run *run, const struct output_step *told);
/* The picture. 0 or a negative errno: -ENOMEM if a step was lost. */
int timeline_write(const struct timeline *timeline, const char *title, FILE *stream);

#endif
