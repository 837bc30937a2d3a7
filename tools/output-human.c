/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A run as a story: the line of the flow, and what happened. */
#include "outcome.h"
#include "output.h"

#define RED   "31"
#define GREEN "32"
#define BOLD  "1"
#define DIM   "2"

#define INDENT "      " /* the width of a line number and what follows it */

static const char *colour(const struct output *output, const char *code, char buffer[8])
{
	if (!output->colour)
		return "";
	snprintf(buffer, 8, "\033[%sm", code);
	return buffer;
}

static const char *plain(const struct output *output)
{
	return output->colour ? "\033[0m" : "";
}

/* Text of several lines, each indented. */
static void put_lines(FILE *stream, const char *text)
{
	while (*text) {
		size_t size = 0;

		while (text[size] && text[size] != '\n')
			size++;
		fprintf(stream, INDENT "  %.*s\n", (int)size, text);
		text += size + (text[size] == '\n');
	}
}

/* Which part of a flow this is. */
static void put_stage(struct output *output, const struct flow *flow)
{
	if (flow->updates)
		fprintf(output->stream, ", stage %zu of 0 to %zu", output->stage, flow->updates);
}

static void begin(struct output *output, const struct flow *flow)
{
	char code[8];

	if (output->verbosity < 0)
		return;
	fprintf(output->stream, "%s%s%s%s", output->began ? "\n" : "", colour(output, BOLD, code),
		flow->name, plain(output));
	put_stage(output, flow);
	fputc('\n', output->stream);
	for (size_t i = 0; i < flow->summaries; i++)
		fprintf(output->stream, "  %s\n", flow->summary[i]);
	output->began = true;
	output->blank = true;
	fflush(output->stream);
}

static void say(struct output *output, const struct flow *flow, const struct flow_step *step,
		const char *text)
{
	char code[8];

	(void)flow, (void)step;
	if (output->verbosity < 0)
		return;
	output->blank = false;
	fprintf(output->stream, "\n  %s%s%s\n", colour(output, BOLD, code), text, plain(output));
	fflush(output->stream);
}

static void step_failed(struct output *output, const struct output_step *told)
{
	const struct flow_step *step = told->step;
	FILE *stream = output->stream;
	char code[8];

	fprintf(stream, "%s%s:%u: failed%s\n", colour(output, RED, code), told->flow->name,
		step->line, plain(output));
	fprintf(stream, INDENT "step      %s\n", step->text);
	if (step->expect.line)
		fprintf(stream, INDENT "expected  %s (line %u)\n", told->expected,
			step->expect.line);
	else
		fprintf(stream, INDENT "expected  %s\n", told->expected);
	fprintf(stream, INDENT "got       %s: %s\n", told->got, told->outcome->text);
	put_lines(stream, told->outcome->explanation);
}

static void step(struct output *output, const struct output_step *told)
{
	const struct flow_step *s = told->step;
	FILE *stream = output->stream;
	char code[8];

	if (output->blank)
		fputc('\n', stream);
	output->blank = false;
	if (!told->as_expected) {
		step_failed(output, told);
		fflush(stream);
		return;
	}
	if (output->verbosity < 0)
		return;
	fprintf(stream, "%s%4u%s  %s\n", colour(output, DIM, code), s->line, plain(output),
		s->text);
	if (told->outcome->outcome == FLOW_DONE)
		fprintf(stream, INDENT "  %s", told->outcome->text);
	else
		fprintf(stream, INDENT "  %s: %s", told->got, told->outcome->text);
	fprintf(stream, "%s", s->expect.line ? ", as expected" : "");
	if (output->verbosity > 0)
		fprintf(stream, " (%llu us)", (unsigned long long)told->duration_ns / 1000);
	fputc('\n', stream);
	if (output->verbosity > 0)
		put_lines(stream, told->outcome->explanation);
	fflush(stream);
}

static void end(struct output *output, const struct output_end *told)
{
	bool passed = told->result[0] == 'p';
	char code[8];

	if (output->verbosity < 0 && passed)
		return;
	fprintf(output->stream, "%s%s%s%s: %s", output->verbosity < 0 ? "" : "\n",
		colour(output, passed ? GREEN : RED, code), told->result, plain(output),
		told->flow->name);
	put_stage(output, told->flow);
	if (told->reason)
		fprintf(output->stream, ": %s\n", told->reason);
	else
		fprintf(output->stream, ", %zu step%s in %llu.%03llu s\n", told->steps,
			told->steps == 1 ? "" : "s",
			(unsigned long long)(told->duration_ns / 1000000000),
			(unsigned long long)(told->duration_ns / 1000000 % 1000));
	fflush(output->stream);
}

static void mistake(struct output *output, const char *name, const struct flow_mistake *mistake)
{
	(void)output, (void)name, (void)mistake;
}

static void finish(struct output *output)
{
	(void)output;
}

const struct output_ops output_human = { begin, say, step, end, mistake, finish };
