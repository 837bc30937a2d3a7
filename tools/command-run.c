/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl run: read all flows, then run them one after the other. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gmemctl.h"
#include "run.h"
#include "stages.h"
#include "timeline.h"

struct request {
	enum output_form form;
	int verbosity;
	struct output output;
	const char *timeline; /* a file's name */
	int flows;
	struct flow **flow;
	char **name;
};

/* A whole file, one byte more than a flow may have at most. */
static int read_file(const char *name, char *text, size_t *ret_size)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "re") : stdin;
	int err = 0;

	if (!file)
		return -errno;
	errno = 0;
	*ret_size = fread(text, 1, FLOW_SIZE_MAX + 1, file);
	if (ferror(file))
		err = errno ? -errno : -EIO;
	if (file != stdin)
		fclose(file);
	return err;
}

/* shown: the file's name, for messages. */
static int parse_flow(struct output *output, const char *shown, const char *text, size_t size,
		      struct flow **ret_flow)
{
	struct flow_mistake mistake;
	int err = flow_parse(shown, text, size, ret_flow, &mistake);

	if (err == -EINVAL) {
		fprintf(stderr, "%s:%u:%u: %s\n", shown, mistake.line, mistake.column,
			mistake.text);
		output->ops->mistake(output, shown, &mistake);
		return EXIT_WRONG_USE;
	}
	if (err) {
		complain("%s: %s", shown, strerror(-err));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int read_flow(struct output *output, const char *name, struct flow **ret_flow)
{
	char *shown = strdup(strcmp(name, "-") ? name : "<stdin>");
	char *text = malloc(FLOW_SIZE_MAX + 1);
	int err, status = EXIT_FAILED;
	size_t size = 0;

	if (!text || !shown) {
		complain("out of memory");
		goto out;
	}
	flow_make_printable(shown);
	err = read_file(name, text, &size);
	if (err) {
		complain("cannot read %s: %s", shown, strerror(-err));
		status = EXIT_WRONG_USE;
		goto out;
	}
	status = parse_flow(output, shown, text, size, ret_flow);
out:
	free(text);
	free(shown);
	return status;
}

/* Nothing runs if one of the flows has a mistake; all mistakes are told. */
static int read_flows(struct request *request)
{
	int status = EXIT_OK;

	for (int i = 0; i < request->flows; i++) {
		int one = read_flow(&request->output, request->name[i], &request->flow[i]);

		if (one != EXIT_OK)
			status = one;
	}
	return status;
}

static int cannot_begin(int err)
{
	if (err == -ESTALE)
		complain("the stage before this one has not ended, or it ran other flows");
	else
		complain("cannot read what the stage before has left in GMEM_DIR: %s",
			 strerror(-err));
	return EXIT_FAILED;
}

/* A stage that is not the last one says that all is well, so that the kernel is replaced. */
static int end_stage(struct request *request, const struct stages *stages, bool failed)
{
	struct output *output = &request->output;
	bool last = failed || !stages_go_on(stages, request->flow), lacking = false;
	int err;

	if (last)
		output->ops->finish(output);
	err = stages_end(stages, output->points);
	if (err) {
		complain("cannot write to GMEM_DIR what the next stage has to know: %s",
			 strerror(-err));
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < stages->flows; i++)
		lacking |= stages->skipped[i];
	return failed ? EXIT_FAILED : last && lacking ? EXIT_LACKING : EXIT_OK;
}

static int run_stage(struct request *request, struct stages *stages)
{
	struct output *output = &request->output;
	bool failed = false, any = false;

	if (stages->number) {
		output->began = true;
		output->points = stages->points;
	}
	for (size_t i = 0; i < stages->flows; i++) {
		enum run_result result;

		if (!stages_has(stages, request->flow[i], i))
			continue;
		any = true;
		result = flow_run(request->flow[i], stages->number, output);
		failed |= result == RUN_FAILED;
		stages->skipped[i] = result == RUN_LACKING;
	}
	/* the kernel was replaced more often than flows want: all was told before */
	if (!any && stages->number)
		return stages_end(stages, output->points) ? EXIT_FAILED : EXIT_OK;
	return end_stage(request, stages, failed);
}

static int run_flows(struct request *request)
{
	struct stages stages;
	int err = stages_begin(&stages, request->flow, (size_t)request->flows), status;

	status = err ? cannot_begin(err) : run_stage(request, &stages);
	stages_free(&stages);
	return status;
}

/* Also of a flow that failed: there it is looked at most. */
static int write_timeline(const struct request *request, int status)
{
	FILE *stream = fopen(request->timeline, "we");
	char title[300];
	int err;

	if (!stream) {
		complain("cannot write %s: %s", request->timeline, strerror(errno));
		return EXIT_FAILED;
	}
	snprintf(title, sizeof(title), "%s, line by line", request->flow[0]->name);
	err = timeline_write(request->output.timeline, title, stream);
	if (fclose(stream) && !err)
		err = -errno;
	if (!err)
		return status;
	complain("cannot write %s: %s", request->timeline, strerror(-err));
	return EXIT_FAILED;
}

static int list_verbs(void)
{
	const struct verb *verb;
	char usage[512];

	for (size_t i = 0; (verb = verb_at(i)); i++) {
		verb_usage(verb, usage, sizeof(usage));
		printf("%s\n      %s\n", usage, verb->help);
	}
	return finish_output(EXIT_OK);
}

/* -1: go on; otherwise the exit status */
static int read_options(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "tap", no_argument, NULL, 't' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "list-verbs", no_argument, NULL, 'l' },
		{ "timeline", required_argument, NULL, 'T' },
		{ 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "qv", options, NULL)) != -1) {
		switch (option) {
		case 'j':
		case 't':
			if (request->form != OUTPUT_HUMAN)
				return wrong_use(&command_run, "--json and --tap exclude each "
							       "other");
			request->form = option == 'j' ? OUTPUT_JSON : OUTPUT_TAP;
			break;
		case 'q':
		case 'v':
			request->verbosity = option == 'q' ? -1 : 1;
			break;
		case 'l':
			return list_verbs();
		case 'T':
			request->timeline = optarg;
			break;
		default:
			return wrong_use(&command_run, "unknown option '%s', or it lacks its file",
					 argv[optind - 1]);
		}
	}
	if (optind == argc)
		return wrong_use(&command_run, "no flow to run");
	if (request->timeline && argc - optind > 1)
		return wrong_use(&command_run, "a timeline is of one flow");
	request->flows = argc - optind;
	request->name = argv + optind;
	return -1;
}

static int run(int argc, char **argv)
{
	struct request request = { .form = OUTPUT_HUMAN };
	int status = read_options(argc, argv, &request);

	if (status >= 0)
		return status;
	request.flow = calloc((size_t)request.flows, sizeof(*request.flow));
	if (!request.flow) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	output_init(&request.output, request.form, stdout, request.verbosity);
	if (request.timeline && timeline_new(&request.output.timeline)) {
		complain("out of memory");
		free(request.flow);
		return EXIT_FAILED;
	}
	status = read_flows(&request);
	if (status == EXIT_OK) {
		status = run_flows(&request);
		if (request.timeline)
			status = write_timeline(&request, status);
	}
	timeline_free(request.output.timeline);
	status = finish_output(status);
	for (int i = 0; i < request.flows; i++)
		flow_free(request.flow[i]);
	free(request.flow);
	return status;
}

const struct command command_run = {
	.name = "run",
	.summary = "run flows: scripts of what a VMM and its guest do with memory",
	.help = "Usage: gmemctl run [OPTION...] FLOW...\n"
		"       gmemctl run --list-verbs\n"
		"\n"
		"Runs flows, files of one verb per line that are described in gmem_flow(5); '-' is\n"
		"the standard input. All flows are read before the first one runs. What the running\n"
		"kernel lacks is told before a flow does anything.\n"
		"\n"
		"  printf 'vm g\\nguest read 1G\\nexpect mmio at 1G\\n' | gmemctl run -\n"
		"  lab/lab run -- build/tools/gmemctl run examples/flows/private-first.gmem\n"
		"\n"
		"Options:\n"
		"  --json        one JSON object per line for each event (see gmemctl(1))\n"
		"  --tap         the Test Anything Protocol, a test point for each step\n"
		"  -q, --quiet   only what fails\n"
		"  -v, --verbose also durations, and the library's explanation of expected errors\n"
		"  --timeline FILE  also a picture (SVG): the states of all files after each step\n"
		"  --list-verbs  the verbs and what they take\n"
		"\n"
		"Exit status: 0 all flows passed, 1 one failed, 2 wrong use or a mistake in a flow\n"
		"(nothing was run), 77 the kernel or this build lacks something that a flow needs\n"
		"(and none failed).\n",
	.run = run,
};
