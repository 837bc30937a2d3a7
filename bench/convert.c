/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a conversion costs, with two backings as VMMs do it today and in place, by the ioctl and
 * through the library. bench/README.md says what is measured and how to read it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "measure.h"
#include "report.h"
#include "ticks.h"
#include "uapi/guest_memfd.h"

#ifndef BENCH_REFERENCE
#error "the build says where the reference is"
#endif

#define KVM_CHECK_EXTENSION _IO(GMEM_KVMIO, 0x03)

static const char usage[] =
	"usage: convert [--reference FILE] [--extents N] [--check]\n"
	"\n"
	"Measures conversions and prints JSON to stdout, progress to stderr. Run it in the lab:\n"
	"  lab/lab run --deterministic -- build/bench/convert\n"
	"\n"
	"A kernel either converts in place or has VM-wide attributes, for as long as it runs. So one\n"
	"run measures one of the two flows; in place, the other one's figures come from FILE, the\n"
	"output of a run on a kernel with VM-wide attributes (bench/run makes both).\n"
	"\n"
	"  --reference FILE  two-backings figures to compare with\n"
	"                    (" BENCH_REFERENCE ")\n"
	"  --extents N       the most extents in a file (1000000)\n"
	"  --check           exit status 1 if a bar of the project does not hold or is not known\n"
	"\n"
	"Exit status: 0; 1 failed; 2 wrong use; 77 nothing can be measured on this kernel\n";

struct arguments {
	const char *reference;
	uint64_t extents;
	bool check;
};

static void parse(int argc, char **argv, struct arguments *arguments)
{
	static const struct option options[] = {
		{ "reference", required_argument, NULL, 'r' },
		{ "extents", required_argument, NULL, 'e' },
		{ "check", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			arguments->reference = optarg;
			break;
		case 'e':
			arguments->extents = strtoull(optarg, NULL, 0);
			if (arguments->extents >= 1 && arguments->extents <= 100000000)
				break;
			fprintf(stderr, "convert: --extents is 1 to 100000000\n");
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

static int capability(int number)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), value;

	if (kvm < 0) {
		fprintf(stderr, "convert: /dev/kvm: %s\n", strerror(errno));
		exit(77);
	}
	value = ioctl(kvm, KVM_CHECK_EXTENSION, number);
	close(kvm);
	return value;
}

static int measure_in_place(uint64_t extents, struct results *results)
{
	int err = measure_flow(&in_place_ioctl, results);

	if (!err)
		err = measure_flow(&in_place_library, results);
	if (!err)
		err = measure_calls(results);
	if (!err)
		err = measure_extents(extents, results);
	return err;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { BENCH_REFERENCE, 1000000, false };
	static struct results results;
	struct reference reference = { "", "" };
	bool has_reference = false, good;
	int err;

	parse(argc, argv, &arguments);
	if (!ticks_are_instructions())
		fprintf(stderr, "convert: ticks are no instructions here, so figures will vary; "
				"use lab/lab run --deterministic\n");
	if (capability(GMEM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES) > 0) {
		err = report_read_reference(arguments.reference, &results, &reference);
		has_reference = !err;
		if (err)
			fprintf(stderr, "convert: no reference: %s: %s (bench/run makes one)\n",
				arguments.reference, strerror(-err));
		err = measure_in_place(arguments.extents, &results);
	} else if (capability(GMEM_CAP_MEMORY_ATTRIBUTES) > 0) {
		err = measure_flow(&two_backings, &results);
	} else {
		fprintf(stderr, "convert: this kernel neither converts in place nor has VM-wide "
				"attributes\n");
		return 77;
	}
	if (err)
		return 1;
	good = report_print(&results, has_reference ? &reference : NULL);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "convert: writing the results: %s\n", strerror(errno));
		return 1;
	}
	return arguments.check && !(good && has_reference) ? 1 : 0;
}
