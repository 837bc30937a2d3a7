/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "ticks.h"

static const char *yes(bool value)
{
	return value ? "true" : "false";
}

/* ---- reading ---- */

#define ROW_FORMAT                                                                                 \
	" {\"flow\": \"two-backings\", \"via\": \"ioctl\", \"direction\": \"to-%7[a-z]\", "        \
	"\"step\": %llu, \"host_mapped\": %5[a-z], \"guest_mapped\": %5[a-z], "                    \
	"\"calls\": %llu, \"ticks\": %llu, \"median\": %llu"

static void read_row(const char *line, struct results *results)
{
	unsigned long long step, calls, ticks, median;
	char direction[8], host[6], guest[6];

	if (results->n_rows >= MAX_ROWS ||
	    sscanf(line, ROW_FORMAT, direction, &step, host, guest, &calls, &ticks, &median) != 7)
		return;
	results->rows[results->n_rows++] = (struct row){
		.flow = "two-backings",
		.via = "ioctl",
		.to_private = !strcmp(direction, "private"),
		.step = step,
		.host_mapped = !strcmp(host, "true"),
		.guest_mapped = !strcmp(guest, "true"),
		.calls = calls,
		.ticks = ticks,
		.median = median,
	};
}

int report_read_reference(const char *path, struct results *results,
			  struct reference *ret_reference)
{
	bool format = false, instructions = false;
	int before = results->n_rows, version = 0;
	char line[1024];
	FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	snprintf(ret_reference->file, sizeof(ret_reference->file), "%s", path);
	while (fgets(line, sizeof(line), file)) {
		format |= strstr(line, "\"format\": \"libgmem-bench-convert\"") != NULL;
		sscanf(line, " \"version\": %d", &version);
		sscanf(line, " \"kernel\": \"%255[^\"]\"", ret_reference->kernel);
		instructions |= strstr(line, "\"unit\": \"instructions\"") != NULL;
		read_row(line, results);
	}
	fclose(file);
	if (!format || version != REPORT_VERSION || !instructions || results->n_rows == before)
		return -EBADMSG;
	return 0;
}

/* ---- bars ---- */

struct bar {
	const char *name, *text;
	double bar, value;
	/* The same for memory that host or guest have mapped: told, not judged. */
	double mapped;
	bool at_least; /* otherwise at most */
	bool known;
};

static bool holds(const struct bar *bar)
{
	return bar->at_least ? bar->value >= bar->bar : bar->value <= bar->bar;
}

static const struct row *find(const struct results *results, const struct row *like,
			      const char *flow, const char *via)
{
	for (int i = 0; i < results->n_rows; i++) {
		const struct row *row = &results->rows[i];

		if (!strcmp(row->flow, flow) && !strcmp(row->via, via) && row->step == like->step &&
		    row->to_private == like->to_private && row->host_mapped == like->host_mapped &&
		    row->guest_mapped == like->guest_mapped)
			return row;
	}
	return NULL;
}

/* How many times cheaper than two backings, for a row in place; 0 if that is not known. */
static double times_cheaper(const struct results *results, const struct row *row)
{
	const struct row *today = find(results, row, "two-backings", "ioctl");

	return today && row->median ? (double)today->median / (double)row->median : 0;
}

static void keep_least(double *least, double value)
{
	if (!*least || value < *least)
		*least = value;
}

/* The worst of both directions, library included. */
static void judge_step(const struct results *results, uint64_t step, struct bar *bar)
{
	for (int i = 0; i < results->n_rows; i++) {
		const struct row *row = &results->rows[i];
		double times = times_cheaper(results, row);

		if (strcmp(row->flow, "in-place") || row->step != step || !times)
			continue;
		if (row->host_mapped || row->guest_mapped)
			keep_least(&bar->mapped, times);
		else
			keep_least(&bar->value, times);
		bar->known = true;
	}
}

static void judge_calls(const struct results *results, struct bar *bar)
{
	bar->known = results->has_calls;
	for (int i = 0; i < 2 && bar->known; i++) {
		const struct call_row *call = &results->calls[i];
		double percent =
			100.0 * ((double)call->library - (double)call->ioctl) / (double)call->ioctl;

		bar->value = percent > bar->value ? percent : bar->value;
	}
}

/* Cost compared with that of one extent times 1 + log2 of their number. */
static void judge_extents(const struct results *results, struct bar *bar)
{
	const struct extents_row *one = &results->extents[0];

	for (int i = 1; i < results->n_extents; i++) {
		const struct extents_row *row = &results->extents[i];
		double bound = 1 + log2((double)row->extents);
		double a = (double)row->to_private / ((double)one->to_private * bound);
		double b = (double)row->to_shared / ((double)one->to_shared * bound);

		bar->known = true;
		bar->value = fmax(bar->value, fmax(a, b));
	}
}

static bool print_bars(const struct results *results)
{
	struct bar bars[] = {
		{ "2-mib", "times cheaper in place than with two backings, 2 MiB at a time", 20, 0,
		  0, true, false },
		{ "4-kib", "times cheaper in place than with two backings, 4 KiB at a time", 5, 0,
		  0, true, false },
		{ "library", "percent that the library adds to the ioctl, one page", 2, 0, 0, false,
		  false },
		{ "extents", "cost among n extents over cost with one times 1 + log2 n", 1, 0, 0,
		  false, false },
	};
	const int n = sizeof(bars) / sizeof(bars[0]);
	bool all = true;

	judge_step(results, 2097152, &bars[0]);
	judge_step(results, 4096, &bars[1]);
	judge_calls(results, &bars[2]);
	judge_extents(results, &bars[3]);
	printf("  \"bars\": [\n");
	for (int i = 0; i < n; i++) {
		const struct bar *bar = &bars[i];

		printf("    {\"name\": \"%s\", \"text\": \"%s\", \"%s\": %g, ", bar->name,
		       bar->text, bar->at_least ? "at_least" : "at_most", bar->bar);
		if (bar->known)
			printf("\"value\": %.3f, \"holds\": %s", bar->value, yes(holds(bar)));
		else
			printf("\"value\": null, \"holds\": null");
		if (bar->mapped)
			printf(", \"value_if_mapped\": %.3f", bar->mapped);
		printf("}%s\n", i + 1 < n ? "," : "");
		all = all && (!bar->known || holds(bar));
	}
	printf("  ]\n");
	return all;
}

/* ---- printing ---- */

static void print_rows(const struct results *results)
{
	printf("  \"rows\": [\n");
	for (int i = 0; i < results->n_rows; i++) {
		const struct row *row = &results->rows[i];
		double times = strcmp(row->flow, "in-place") ? 0 : times_cheaper(results, row);

		printf("    {\"flow\": \"%s\", \"via\": \"%s\", \"direction\": \"to-%s\", "
		       "\"step\": %llu, \"host_mapped\": %s, \"guest_mapped\": %s, "
		       "\"calls\": %llu, \"ticks\": %llu, \"median\": %llu, \"ticks_per_page\": %.1f, "
		       "\"measured\": %s",
		       row->flow, row->via, row->to_private ? "private" : "shared",
		       (unsigned long long)row->step, yes(row->host_mapped), yes(row->guest_mapped),
		       (unsigned long long)row->calls, (unsigned long long)row->ticks,
		       (unsigned long long)row->median, row_ticks_per_page(row),
		       yes(row->measured));
		if (times)
			printf(", \"times_cheaper\": %.1f", times);
		printf("}%s\n", i + 1 < results->n_rows ? "," : "");
	}
	printf("  ],\n");
}

static void print_extents(const struct results *results)
{
	printf("  \"extents\": [\n");
	for (int i = 0; i < results->n_extents; i++)
		printf("    {\"extents\": %llu, \"to_private\": %llu, \"to_shared\": %llu}%s\n",
		       (unsigned long long)results->extents[i].extents,
		       (unsigned long long)results->extents[i].to_private,
		       (unsigned long long)results->extents[i].to_shared,
		       i + 1 < results->n_extents ? "," : "");
	printf("  ],\n");
}

static void print_queries(const struct results *results)
{
	printf("  \"query\": [\n");
	for (int i = 0; i < results->n_queries; i++) {
		const struct query_row *row = &results->queries[i];

		printf("    {\"extents\": %llu, \"room\": %d, \"ticks_per_extent\": %.1f, "
		       "\"ticks_per_extent_counted\": %.1f, \"one\": %llu, \"grown\": %llu}%s\n",
		       (unsigned long long)row->extents, QUERY_ROOM,
		       (double)row->all / (double)row->extents,
		       (double)row->counted / (double)row->extents, (unsigned long long)row->one,
		       (unsigned long long)row->grown, i + 1 < results->n_queries ? "," : "");
	}
	printf("  ],\n");
}

static void print_calls(const struct results *results)
{
	static const char *const directions[] = { "to_shared", "to_private" };

	if (!results->has_calls) {
		printf("  \"call\": null,\n");
		return;
	}
	printf("  \"call\": {");
	for (int i = 0; i < 2; i++)
		printf("%s\"%s\": {\"ioctl\": %llu, \"library\": %llu}", i ? ", " : "",
		       directions[i], (unsigned long long)results->calls[i].ioctl,
		       (unsigned long long)results->calls[i].library);
	printf("},\n");
}

bool report_print(const struct results *results, const struct reference *reference)
{
	struct utsname name;
	bool good;

	uname(&name);
	printf("{\n  \"format\": \"libgmem-bench-convert\",\n  \"version\": %d,\n", REPORT_VERSION);
	printf("  \"kernel\": \"%s %s\",\n", name.release, name.version);
	printf("  \"unit\": \"%s\",\n", ticks_are_instructions() ? "instructions" : "tsc");
	printf("  \"ticks_per_instruction\": %.4f,\n", ticks_per_instruction());
	printf("  \"memory\": %llu,\n", (unsigned long long)BENCH_SIZE);
	if (reference)
		printf("  \"reference\": {\"file\": \"%s\", \"kernel\": \"%s\"},\n",
		       reference->file, reference->kernel);
	else
		printf("  \"reference\": null,\n");
	print_rows(results);
	print_calls(results);
	print_extents(results);
	print_queries(results);
	good = print_bars(results);
	printf("}\n");
	return good;
}
