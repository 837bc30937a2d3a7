/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A run as JSON: one object on a line for each event. "version" changes when a member changes its
 * meaning or goes away; members may be added. gmemctl(1) lists them.
 */
#include <libgmem/error.h>

#include "outcome.h"
#include "output.h"

#define VERSION 1

static void open_named(struct output *output, const char *event, const char *name)
{
	fprintf(output->stream, "{\"version\":%d,\"event\":\"%s\",\"flow\":", VERSION, event);
	output_json_string(output->stream, name);
}

static void open_event(struct output *output, const char *event, const struct flow *flow)
{
	open_named(output, event, flow->name);
}

static void close_event(struct output *output)
{
	fputs("}\n", output->stream);
	fflush(output->stream);
}

static void member(struct output *output, const char *name, const char *text)
{
	fprintf(output->stream, ",\"%s\":", name);
	if (text)
		output_json_string(output->stream, text);
	else
		fputs("null", output->stream);
}

static void number(struct output *output, const char *name, uint64_t value)
{
	fprintf(output->stream, ",\"%s\":%llu", name, (unsigned long long)value);
}

/* Of a flow that has more than one. */
static void stage(struct output *output, const struct flow *flow)
{
	if (!flow->updates)
		return;
	number(output, "stage", output->stage);
	number(output, "stages", flow->updates + 1);
}

static void begin(struct output *output, const struct flow *flow)
{
	open_event(output, "begin", flow);
	fputs(",\"summary\":[", output->stream);
	for (size_t i = 0; i < flow->summaries; i++) {
		fputs(i ? "," : "", output->stream);
		output_json_string(output->stream, flow->summary[i]);
	}
	fputc(']', output->stream);
	stage(output, flow);
	close_event(output);
}

static void say(struct output *output, const struct flow *flow, const struct flow_step *step,
		const char *text)
{
	open_event(output, "say", flow);
	number(output, "line", step->line);
	member(output, "text", text);
	close_event(output);
}

static void step(struct output *output, const struct output_step *told)
{
	const struct outcome *o = told->outcome;

	open_event(output, "step", told->flow);
	number(output, "line", told->step->line);
	member(output, "step", told->step->text);
	fprintf(output->stream, ",\"ok\":%s", told->as_expected ? "true" : "false");
	member(output, "outcome", outcome_name(o->outcome));
	member(output, "expected", told->expected);
	member(output, "got", told->got);
	member(output, "text", o->text);
	if (o->err)
		member(output, "error", gmem_error_name(o->err));
	if (o->has_offset)
		number(output, "offset", o->offset);
	if (o->has_value)
		number(output, "value", o->value);
	if (o->extents[0]) {
		member(output, "extents", o->extents);
		number(output, "allocated", o->allocated);
	}
	number(output, "duration_ns", told->duration_ns);
	if (o->report[0])
		fprintf(output->stream, ",\"report\":%s", o->report);
	close_event(output);
}

static void end(struct output *output, const struct output_end *told)
{
	open_event(output, "end", told->flow);
	member(output, "result", told->result);
	member(output, "reason", told->reason);
	number(output, "steps", told->steps);
	stage(output, told->flow);
	number(output, "duration_ns", told->duration_ns);
	close_event(output);
}

static void mistake(struct output *output, const char *name, const struct flow_mistake *mistake)
{
	open_named(output, "mistake", name);
	number(output, "line", mistake->line);
	number(output, "column", mistake->column);
	member(output, "text", mistake->text);
	close_event(output);
}

static void finish(struct output *output)
{
	(void)output;
}

const struct output_ops output_json = { begin, say, step, end, mistake, finish };
