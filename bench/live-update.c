/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What it costs to take memory through a live update: guest_memfds, and as much of an ordinary
 * memfd, which the kernel preserves by itself. Runs as the two stages of a live update in the lab.
 * bench/README.md says what is measured.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "preserve.h"
#include "ticks.h"

static const char usage[] =
	"usage: live-update [--size MIB] [--check]\n"
	"\n"
	"Measures what a live update costs and prints JSON to stdout, progress to stderr. Run it in\n"
	"the lab, as both of its stages:\n"
	"  lab/lab live-update --deterministic --memory 4G -- build/bench/live-update\n"
	"\n"
	"  --size MIB  of memory, four times: a memfd and guest_memfds in different states (512)\n"
	"  --check     exit status 1 if a bar of the project does not hold or is not known\n"
	"\n"
	"Exit status: 0; 1 failed; 2 wrong use; 77 there is no live update here\n";

struct arguments {
	uint64_t size;
	bool check;
};

static void parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 's':
			arguments->size = strtoull(optarg, NULL, 0) << 20;
			if (arguments->size >= 4 << 20 && arguments->size <= UINT64_C(1) << 40)
				break;
			fprintf(stderr, "live-update: --size is 4 to 1048576\n");
			exit(2);
		case 'c':
			arguments->check = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* Figures go from stage to stage in a file of GMEM_DIR, which is what the lab has that for. */
static FILE *open_figures(const char *mode)
{
	const char *directory = getenv("GMEM_DIR");
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/bench-live-update", directory ? directory : ".");
	file = fopen(path, mode);
	if (!file)
		fprintf(stderr, "live-update: %s: %s\n", path, strerror(errno));
	return file;
}

static int write_figures(const struct results *results)
{
	FILE *file = open_figures("we");
	bool written;

	if (!file)
		return 1;
	written = fwrite(results, sizeof(*results), 1, file) == 1;
	if (!fclose(file) && written)
		return 0;
	fprintf(stderr, "live-update: writing the figures: %s\n", strerror(errno));
	return 1;
}

static int read_figures(struct results *results)
{
	FILE *file = open_figures("re");
	bool read;

	if (!file)
		return 1;
	read = fread(results, sizeof(*results), 1, file) == 1;
	fclose(file);
	if (!read)
		fprintf(stderr, "live-update: the figures of the first stage are incomplete\n");
	return read ? 0 : 1;
}

/* The old kernel: what is preserved is held by a child until the kexec. */
static int first_stage(struct results *results)
{
	struct utsname name;

	if (!ticks_are_instructions())
		fprintf(stderr,
			"live-update: ticks are no instructions here, so figures will vary; "
			"use lab/lab live-update --deterministic\n");
	uname(&name);
	snprintf(results->kernel, sizeof(results->kernel), "%.100s %.150s", name.release,
		 name.version);
	if (measure_before(results))
		return 1;
	switch (fork()) {
	case -1:
		fprintf(stderr, "live-update: fork: %s\n", strerror(errno));
		return 1;
	case 0:
		for (;;)
			pause();
	default:
		results->left = ticks_now();
		return write_figures(results);
	}
}

/* The new one. */
static int second_stage(struct results *results, bool check)
{
	uint64_t back = ticks_now();
	bool good, known;

	if (read_figures(results))
		return 1;
	results->back = back;
	if (measure_after(results))
		return 1;
	good = print_results(results, &known);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "live-update: writing the results: %s\n", strerror(errno));
		return 1;
	}
	return check && !(good && known) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { UINT64_C(512) << 20, false };
	static struct results results;
	const char *stage = getenv("GMEM_STAGE");

	parse(argc, argv, &arguments);
	if (access("/dev/liveupdate", F_OK) || !stage) {
		fprintf(stderr, "live-update: %s; use lab/lab live-update\n",
			stage ? "this kernel has no live update"
			      : "this is no stage of a live update");
		return 77;
	}
	results.size = arguments.size;
	return strcmp(stage, "0") ? second_stage(&results, arguments.check) : first_stage(&results);
}
