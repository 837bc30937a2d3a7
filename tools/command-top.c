/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl top: the guest_memfd files of this machine, and what is converted in them just now. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "descriptors.h"
#include "gmemctl.h"
#include "output.h"
#include "picture.h"
#include "statistics.h"

#define JSON_VERSION 1
#define BAR	     16
#define PIDS_MAX     64
#define ROWS_MAX     40 /* on a terminal */

struct wish {
	bool json, terminal, colour;
	double interval; /* seconds */
	int count;	 /* of samples, 0: no end */
	pid_t pid[PIDS_MAX];
	size_t pids;
};

/* All files at one moment. */
struct sample {
	struct statistics *file;
	int files;
	double time; /* seconds */
};

/* A file with what it was before. */
struct row {
	const struct statistics *now;
	bool has_rate;
	double rate, busy_rate; /* per second */
};

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct row row_of(const struct sample *before, const struct sample *now, int i)
{
	const struct statistics *file = &now->file[i];
	const struct statistics *last =
		before->files > 0 ? statistics_find(before->file, (size_t)before->files, file)
				  : NULL;
	double time = now->time - before->time;
	struct row row = { .now = file };

	if (!last || !file->has_states || !last->has_states || time <= 0 ||
	    file->busy < last->busy || statistics_converted(file) < statistics_converted(last))
		return row;
	row.has_rate = true;
	row.rate = (double)(statistics_converted(file) - statistics_converted(last)) / time;
	row.busy_rate = (double)(file->busy - last->busy) / time;
	return row;
}

/* The busiest first; then as they came. */
static int compare(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	if (one->rate != other->rate)
		return one->rate < other->rate ? 1 : -1;
	return one->now < other->now ? -1 : one->now > other->now;
}

static void print_bar(const struct wish *wish, const struct statistics *file)
{
	int filled;

	if (!file->has_states || !file->size) {
		printf("%*s", BAR, "");
		return;
	}
	filled = (int)((double)file->private / (double)file->size * BAR + 0.5);
	/* What there is of a state must be seen. */
	if (!filled && file->private)
		filled = 1;
	if (filled == BAR && file->shared)
		filled = BAR - 1;
	if (wish->colour)
		fputs("\033[97;44m", stdout);
	for (int i = 0; i < BAR; i++) {
		if (i == filled && wish->colour)
			fputs("\033[30;43m", stdout);
		putchar(i < filled ? 'P' : 'S');
	}
	if (wish->colour)
		fputs("\033[0m", stdout);
}

static void print_row(const struct wish *wish, const struct row *row)
{
	const struct statistics *file = row->now;
	char size[32], allocated[32], private[32] = "?", rate[32] = "-", busy[32] = "?";
	char converted[32] = "?", failed[32] = "?";

	picture_size(size, sizeof(size), file->size);
	picture_size(allocated, sizeof(allocated), file->allocated);
	if (file->has_states) {
		picture_size(private, sizeof(private), file->private);
		snprintf(converted, sizeof(converted), "%" PRIu64, statistics_converted(file));
		snprintf(busy, sizeof(busy), "%" PRIu64, file->busy);
		snprintf(failed, sizeof(failed), "%" PRIu64, file->failed);
	}
	if (row->has_rate)
		snprintf(rate, sizeof(rate), "%.1f", row->rate);
	printf("%7d %4d %10s %10s %10s  ", (int)file->pid, file->fd, size, allocated, private);
	print_bar(wish, file);
	printf(" %10s %8s %7s %6s  %s%s\n", converted, rate, busy, failed, file->name,
	       file->frozen ? " (frozen)" : "");
}

static void print_json(const struct row *row, int number)
{
	const struct statistics *file = row->now;

	printf("{\"version\":%d,\"sample\":%d,\"pid\":%d,\"fd\":%d,\"name\":", JSON_VERSION, number,
	       (int)file->pid, file->fd);
	output_json_string(stdout, file->name);
	printf(",\"descriptors\":%u,\"size\":%" PRIu64 ",\"allocated\":%" PRIu64 ",\"frozen\":%s",
	       file->descriptors, file->size, file->allocated, file->frozen ? "true" : "false");
	if (file->has_states)
		printf(",\"private\":%" PRIu64 ",\"shared\":%" PRIu64 ",\"to_private\":%" PRIu64
		       ",\"to_shared\":%" PRIu64 ",\"busy\":%" PRIu64 ",\"failed\":%" PRIu64,
		       file->private, file->shared, file->to_private, file->to_shared, file->busy,
		       file->failed);
	if (row->has_rate)
		printf(",\"conversions_per_s\":%.3f,\"busy_per_s\":%.3f", row->rate,
		       row->busy_rate);
	puts("}");
}

static int print(const struct wish *wish, const struct sample *before, const struct sample *now,
		 int number)
{
	struct row *rows = calloc((size_t)now->files + 1, sizeof(*rows));

	if (!rows) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	for (int i = 0; i < now->files; i++)
		rows[i] = row_of(before, now, i);
	qsort(rows, (size_t)now->files, sizeof(*rows), compare);
	if (wish->terminal)
		fputs("\033[H\033[J", stdout);
	if (!wish->json)
		printf("%s%7s %4s %10s %10s %10s  %-*s %10s %8s %7s %6s  %s\n",
		       number > 1 && !wish->terminal ? "\n" : "", "PID", "FD", "SIZE", "MEMORY",
		       "PRIVATE", BAR, "P / S", "CONVERTED", "PER S", "BUSY", "FAILED", "PROGRAM");
	for (int i = 0; i < now->files; i++) {
		if (wish->json)
			print_json(&rows[i], number);
		else if (!wish->terminal || i < ROWS_MAX)
			print_row(wish, &rows[i]);
	}
	free(rows);
	return finish_output(EXIT_OK);
}

static void wait_for(double interval)
{
	struct timespec ts = { .tv_sec = (time_t)interval };

	ts.tv_nsec = (long)((interval - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static int watch(const struct wish *wish)
{
	struct sample before = { 0 }, now = { 0 };
	int status = EXIT_OK;

	for (int number = 1; status == EXIT_OK; number++) {
		now.files = statistics_read("/proc", wish->pid, wish->pids, &now.file);
		now.time = seconds();
		if (now.files == -ENOENT) {
			complain("this kernel counts nothing for guest_memfd files: that takes "
				 "libgmem's series, part 06-observability");
			status = EXIT_LACKING;
		} else if (now.files < 0) {
			complain("/proc: %s", strerror(-now.files));
			status = EXIT_FAILED;
		} else {
			status = print(wish, &before, &now, number);
			free(before.file);
			before = now;
		}
		if (status != EXIT_OK || number == wish->count)
			break;
		wait_for(wish->interval);
	}
	free(before.file);
	return status;
}

static int read_options(int argc, char **argv, struct wish *wish)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "interval", required_argument, NULL, 'i' },
						 { "count", required_argument, NULL, 'c' },
						 { 0 } };
	int option;
	char *end;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			wish->json = true;
			break;
		case 'i':
			wish->interval = strtod(optarg, &end);
			if (end == optarg || *end ||
			    !(wish->interval >= 0.05 && wish->interval <= 3600))
				return wrong_use(&command_top,
						 "--interval is 0.05 to 3600 seconds, not '%s'",
						 optarg);
			break;
		case 'c':
			if (process_parse_number(optarg, &wish->count) || !wish->count)
				return wrong_use(&command_top, "'%s' is no number of times",
						 optarg);
			break;
		default:
			return wrong_use(&command_top, "unknown or incomplete option '%s'",
					 argv[optind - 1]);
		}
	}
	for (; optind < argc; optind++) {
		if (wish->pids == PIDS_MAX)
			return wrong_use(&command_top, "at most %d processes", PIDS_MAX);
		if (process_parse_number(argv[optind], &wish->pid[wish->pids++]))
			return wrong_use(&command_top, "'%s' is no process number", argv[optind]);
	}
	return -1;
}

static int run(int argc, char **argv)
{
	struct wish wish = { .interval = 1 };
	int status = read_options(argc, argv, &wish);

	if (status >= 0)
		return status;
	wish.terminal = isatty(STDOUT_FILENO) && !wish.json;
	wish.colour = output_colour(stdout);
	/* What is kept in a file has to end. */
	if (!wish.count && !wish.terminal)
		wish.count = 1;
	return watch(&wish);
}

const struct command command_top = {
	.name = "top",
	.summary = "guest memory of all programs: how much is private, and what is converted now",
	.help = "Usage: gmemctl top [OPTION...] [PID...]\n"
		"\n"
		"Lists the guest_memfd files of all processes that you may look at, or of those that\n"
		"are named, each file once: size, how much has memory, how much is private and which\n"
		"share of the whole that is (P and S), conversions so far and per second, and how\n"
		"often a conversion was refused because a page was busy, or failed. On a terminal\n"
		"that is shown again every second, the busiest first, until Ctrl-C.\n"
		"\n"
		"  gmemctl top\n"
		"  gmemctl top --json --count 10 --interval 0.5 $(pidof qemu-system-x86_64)\n"
		"\n"
		"Options:\n"
		"  --json        one JSON object per file, line and time\n"
		"  --interval S  seconds from one time to the next (1)\n"
		"  --count N     so many times (on a terminal: no end; otherwise: once)\n"
		"\n"
		"Exit status: 0, 1 it failed, 2 wrong use, 77 the running kernel does not count.\n",
	.run = run,
};
