/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The results of bench/live-update as JSON: one row a line. */
#include <stdio.h>
#include <string.h>

#include "preserve.h"
#include "ticks.h"

/* Raised whenever the output changes in a way that readers can notice. */
#define REPORT_VERSION 1

#define GIB (UINT64_C(1) << 30)

struct bar {
	const char *name, *text;
	double bar, value;
	bool known;
};

static double per_gib(const struct results *results, uint64_t value)
{
	return (double)value * (double)GIB / (double)results->size;
}

static void print_row(const struct results *results, int i)
{
	const struct subject *subject = &subjects[i];
	const struct figures *figures = &results->figures[i];

	printf("    {\"memory\": \"%s\", \"private_step\": %llu, ", subject->name,
	       (unsigned long long)subject->step);
	if (figures->refused) {
		printf("\"refused\": \"%s\"", strerror(-figures->refused));
	} else {
		printf("\"refused\": null, \"preserve\": %llu, \"unpreserve\": %llu, ",
		       (unsigned long long)figures->preserve,
		       (unsigned long long)figures->unpreserve);
		if (figures->froze)
			printf("\"freeze\": %llu, ", (unsigned long long)figures->freeze);
		else
			printf("\"freeze\": null, ");
		printf("\"retrieve\": %llu, \"finish\": %llu, \"metadata\": %llu, "
		       "\"preserve_per_gib\": %.0f, \"retrieve_per_gib\": %.0f, "
		       "\"metadata_per_gib\": %.0f, \"metadata_percent\": %.4f",
		       (unsigned long long)figures->retrieve, (unsigned long long)figures->finish,
		       (unsigned long long)figures->metadata, per_gib(results, figures->preserve),
		       per_gib(results, figures->retrieve), per_gib(results, figures->metadata),
		       100.0 * (double)figures->metadata / (double)results->size);
	}
	printf("}%s\n", i + 1 < n_subjects ? "," : "");
}

static void keep_worst(struct bar *bar, double value)
{
	if (!bar->known || value > bar->value)
		bar->value = value;
	bar->known = true;
}

/*
 * Of memory that is all shared and of memory with extents of 2 MiB. An extent per page is told, but
 * has no bar: it is as many entries again.
 */
static void judge(const struct results *results, struct bar *preserve, struct bar *retrieve,
		  struct bar *metadata)
{
	const struct figures *memfd = &results->figures[0];

	for (int i = 1; i < n_subjects; i++) {
		const struct figures *figures = &results->figures[i];

		if (figures->refused || memfd->refused ||
		    (subjects[i].step && subjects[i].step < 2 << 20))
			continue;
		keep_worst(preserve, (double)figures->preserve / (double)memfd->preserve);
		keep_worst(retrieve, (double)figures->retrieve / (double)memfd->retrieve);
		keep_worst(metadata, 100.0 * (double)figures->metadata / (double)results->size);
	}
}

static bool print_bars(const struct results *results, bool *ret_known)
{
	struct bar bars[] = {
		{ "preserve", "time to preserve over that of a memfd", 1, 0, false },
		{ "retrieve", "time to retrieve over that of a memfd", 1, 0, false },
		{ "metadata", "percent that the kernel takes for each byte preserved", 0.4, 0,
		  false },
	};
	const int n = sizeof(bars) / sizeof(bars[0]);
	bool all = true;

	*ret_known = true;
	judge(results, &bars[0], &bars[1], &bars[2]);
	printf("  \"bars\": [\n");
	for (int i = 0; i < n; i++) {
		const struct bar *bar = &bars[i];
		bool holds = bar->value <= bar->bar;

		printf("    {\"name\": \"%s\", \"text\": \"%s\", \"at_most\": %g, ", bar->name,
		       bar->text, bar->bar);
		if (bar->known)
			printf("\"value\": %.4f, \"holds\": %s", bar->value,
			       holds ? "true" : "false");
		else
			printf("\"value\": null, \"holds\": null");
		printf("}%s\n", i + 1 < n ? "," : "");
		all = all && (!bar->known || holds);
		*ret_known = *ret_known && bar->known;
	}
	printf("  ]\n");
	return all;
}

bool print_results(const struct results *results, bool *ret_known)
{
	bool good;

	printf("{\n  \"format\": \"libgmem-bench-live-update\",\n  \"version\": %d,\n",
	       REPORT_VERSION);
	printf("  \"kernel\": \"%s\",\n", results->kernel);
	printf("  \"unit\": \"%s\",\n", ticks_are_instructions() ? "instructions" : "tsc");
	printf("  \"ticks_per_instruction\": %.4f,\n", ticks_per_instruction());
	printf("  \"memory\": %llu,\n", (unsigned long long)results->size);
	if (results->back > results->left)
		printf("  \"between_kernels\": %llu,\n",
		       (unsigned long long)(results->back - results->left));
	else
		printf("  \"between_kernels\": null,\n");
	printf("  \"rows\": [\n");
	for (int i = 0; i < n_subjects; i++)
		print_row(results, i);
	printf("  ],\n");
	good = print_bars(results, ret_known);
	printf("}\n");
	return good;
}
