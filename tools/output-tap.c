/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A run as TAP, version 13: a test point for each step, one for a flow that cannot run. */
#include "outcome.h"
#include "output.h"

/* '#' begins a directive: it must not come from the flow. */
static void put(FILE *stream, const char *text)
{
	for (; *text; text++)
		fprintf(stream, *text == '#' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void point(struct output *output, bool ok, const struct flow *flow)
{
	fprintf(output->stream, "%sok %u - ", ok ? "" : "not ", ++output->points);
	put(output->stream, flow->name);
}

static void put_version(struct output *output)
{
	if (!output->began)
		fputs("TAP version 13\n", output->stream);
	output->began = true;
}

static void begin(struct output *output, const struct flow *flow)
{
	put_version(output);
	fputs("# ", output->stream);
	put(output->stream, flow->name);
	if (flow->updates)
		fprintf(output->stream, ", stage %zu of 0 to %zu", output->stage, flow->updates);
	fputc('\n', output->stream);
	for (size_t i = 0; i < flow->summaries; i++)
		fprintf(output->stream, "# %s\n", flow->summary[i]);
	fflush(output->stream);
}

static void say(struct output *output, const struct flow *flow, const struct flow_step *step,
		const char *text)
{
	(void)flow, (void)step;
	fprintf(output->stream, "# %s\n", text);
}

static void step(struct output *output, const struct output_step *told)
{
	FILE *stream = output->stream;

	point(output, told->as_expected, told->flow);
	fprintf(stream, ":%u ", told->step->line);
	put(stream, told->step->text);
	fputc('\n', stream);
	if (!told->as_expected) {
		fprintf(stream, "# expected: %s\n# got: %s: %s\n", told->expected, told->got,
			told->outcome->text);
	} else if (output->verbosity > 0) {
		fprintf(stream, "# %s\n", told->outcome->text);
	}
	fflush(stream);
}

static void end(struct output *output, const struct output_end *told)
{
	if (!told->reason)
		return;
	/* a flow that cannot run has no steps to report */
	point(output, told->result[0] == 's', told->flow);
	fprintf(output->stream, "%s ", told->result[0] == 's' ? " # SKIP" : ":");
	put(output->stream, told->reason);
	fputc('\n', output->stream);
	fflush(output->stream);
}

static void mistake(struct output *output, const char *name, const struct flow_mistake *mistake)
{
	put_version(output);
	fputs("Bail out! ", output->stream);
	put(output->stream, name);
	fprintf(output->stream, ":%u:%u: %s\n", mistake->line, mistake->column, mistake->text);
	fflush(output->stream);
}

static void finish(struct output *output)
{
	fprintf(output->stream, "1..%u\n", output->points);
	fflush(output->stream);
}

const struct output_ops output_tap = { begin, say, step, end, mistake, finish };
