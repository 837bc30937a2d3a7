/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* gmemctl journal: prints what a space wrote down, and replays it. */
#include <libgmem/convert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "gmemctl.h"
#include "output.h"
#include "journal-read.h"

#define JSON_VERSION 1

struct wish {
	const char *name;
	bool json, replay;
	uint64_t until; /* sequence number */
};

/* All of a file; it may be a pipe, and may grow meanwhile. */
static unsigned char *load(const char *name, size_t *ret_size)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "re") : stdin;
	size_t size = 0, room = 65536, n = 0;
	unsigned char *data = malloc(room), *larger;

	while (file && data) {
		n = fread(data + size, 1, room - size, file);
		size += n;
		if (n == 0)
			break;
		if (size < room)
			continue;
		room *= 2;
		larger = realloc(data, room);
		if (!larger)
			free(data);
		data = larger;
	}
	if (!file || !data || ferror(file)) {
		complain("%s: %s", name, strerror(data ? errno : ENOMEM));
		free(data);
		data = NULL;
	}
	if (file && file != stdin)
		fclose(file);
	*ret_size = size;
	return data;
}

static void print_gap(const struct wish *wish, uint64_t first, uint64_t last)
{
	if (wish->json)
		printf("{\"version\":%d,\"event\":\"missing\",\"first\":%" PRIu64
		       ",\"last\":%" PRIu64 "}\n",
		       JSON_VERSION, first, last);
	else if (first == last)
		printf("%8" PRIu64 "  is missing or damaged\n", first);
	else
		printf("%8" PRIu64 "  to %" PRIu64 " are missing or damaged\n", first, last);
}

static void print_records(const struct wish *wish, const struct journal *journal)
{
	uint64_t last = journal->last < wish->until ? journal->last : wish->until, i, gap = 0;
	struct gmem_journal_record record;

	for (i = journal->first; i && i <= last; i++) {
		if (!journal_get(journal, i, &record)) {
			gap++;
			continue;
		}
		if (gap)
			print_gap(wish, i - gap, i - 1);
		gap = 0;
		if (wish->json)
			journal_print_json(stdout, &record);
		else
			journal_print(stdout, &record);
	}
}

static void print_model(const struct wish *wish, const struct journal_model *model)
{
	struct journal_extent extent;
	const struct journal_slot *slot;
	char range[64];
	uint32_t file;
	size_t i;

	for (i = 0; (slot = journal_model_slot(model, i)); i++) {
		if (wish->json) {
			printf("{\"version\":%d,\"event\":\"slot\",\"slot\":%" PRIu32
			       ",\"gpa\":%" PRIu64 ",\"size\":%" PRIu64 ",\"file\":%" PRIu32
			       ",\"offset\":%" PRIu64 "}\n",
			       JSON_VERSION, slot->number, slot->gpa, slot->size, slot->file,
			       slot->offset);
			continue;
		}
		output_range(range, sizeof(range), slot->gpa, slot->size);
		printf("slot %" PRIu32 ", %s: file %" PRIu32 " from 0x%" PRIx64 " on\n",
		       slot->number, range, slot->file, slot->offset);
	}
	for (file = 1; file <= journal_model_files(model); file++) {
		for (i = 0; journal_model_extent(model, file, i, &extent); i++) {
			if (wish->json) {
				printf("{\"version\":%d,\"event\":\"extent\",\"file\":%" PRIu32
				       ",\"offset\":%" PRIu64 ",\"size\":%" PRIu64
				       ",\"state\":\"%s\"}\n",
				       JSON_VERSION, file, extent.offset, extent.size,
				       gmem_state_name(extent.state));
				continue;
			}
			output_range(range, sizeof(range), extent.offset, extent.size);
			printf("file %" PRIu32 ", %s: %s\n", file, range,
			       gmem_state_name(extent.state));
		}
	}
}

/* What comes before something that does not fit is shown, too. */
static int replay(const struct wish *wish, const struct journal *journal)
{
	uint64_t last = journal->last < wish->until ? journal->last : wish->until, i;
	struct gmem_journal_record record;
	struct journal_model *model;
	const char *why = NULL;
	int r = journal_model_new(journal->page_size, &model);

	if (r) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	if (journal->first > 1) {
		complain("%s: it cannot be replayed: the first %" PRIu64 " records made room for "
			 "others. Give the space a larger journal",
			 wish->name, journal->first - 1);
		r = -EBADMSG;
	}
	for (i = 1; !r && i <= last; i++) {
		r = -EBADMSG;
		why = "it is missing or damaged";
		if (journal_get(journal, i, &record))
			r = journal_model_apply(model, &record, &why);
		if (r)
			complain("%s: record %" PRIu64 ": %s", wish->name, i,
				 r == -ENOMEM ? "out of memory" : why);
	}
	if (r != -ENOMEM)
		print_model(wish, model);
	journal_model_free(model);
	return r ? EXIT_FAILED : EXIT_OK;
}

static int show(const struct wish *wish)
{
	struct journal journal;
	const char *why;
	int status = EXIT_OK;
	size_t size;
	unsigned char *data = load(wish->name, &size);

	if (!data)
		return EXIT_FAILED;
	if (journal_open(data, size, &journal, &why)) {
		complain("%s: %s", wish->name, why);
		free(data);
		return EXIT_FAILED;
	}
	if (wish->json)
		printf("{\"version\":%d,\"event\":\"journal\",\"capacity\":%" PRIu64
		       ",\"page_size\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
		       ",\"missing\":%" PRIu64 "}\n",
		       JSON_VERSION, journal.capacity, journal.page_size, journal.first,
		       journal.last, journal.missing);
	else
		printf("Records %" PRIu64 " to %" PRIu64 ", %" PRIu64
		       " of them missing or damaged; room for %" PRIu64 "\n",
		       journal.first, journal.last, journal.missing, journal.capacity);
	if (wish->replay)
		status = replay(wish, &journal);
	else
		print_records(wish, &journal);
	free(data);
	return finish_output(status);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "replay", no_argument, NULL, 'r' },
		{ "until", required_argument, NULL, 'u' },
		{ 0 },
	};
	struct wish wish = { .until = UINT64_MAX };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			wish.json = true;
			break;
		case 'r':
			wish.replay = true;
			break;
		case 'u':
			if (flow_parse_number(optarg, &wish.until))
				return wrong_use(&command_journal, "'%s' is no number of a record",
						 optarg);
			break;
		default:
			return wrong_use(&command_journal, "unknown or incomplete option '%s'",
					 argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return wrong_use(&command_journal, "expected one journal");
	wish.name = argv[optind];
	return show(&wish);
}

const struct command command_journal = {
	.name = "journal",
	.summary = "what a space wrote down: slots, conversions, states",
	.help = "Usage: gmemctl journal [--json] [--replay] [--until N] JOURNAL\n"
		"\n"
		"Prints the journal of a space, oldest record first: what was bound, what was\n"
		"converted and what came of it. A program gets a journal with the journal member of\n"
		"struct gmem_space_options; it may still be running. - is standard input.\n"
		"\n"
		"Options:\n"
		"  --replay    print what came of it all: slots, and the states of each file. The\n"
		"              journal must have all records from the first one on\n"
		"  --until N   stop after record N\n"
		"  --json      one JSON object on a line (gmemctl(1) lists their members)\n"
		"\n"
		"Exit status: 0, 1 if it is no journal, or cannot be replayed, 2 wrong use.\n",
	.run = run,
};
