/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A record as people read it, and as JSON. Nothing in it is believed. */
#include "journal-read.h"

#include <libgmem/convert.h>
#include <libgmem/error.h>
#include <inttypes.h>

#include "output.h"

#define JSON_VERSION 1

/* Of the format, and not of the library: they are those of the space that wrote it. */
static const char *mode_name(unsigned int mode)
{
	static const char *const names[] = {
		[GMEM_MODE_IN_PLACE] = "in-place",
		[GMEM_MODE_TWO_BACKINGS] = "two-backings",
		[GMEM_MODE_FIXED] = "fixed",
	};

	return mode < sizeof(names) / sizeof(names[0]) ? names[mode] : NULL;
}

static const char *state_name(unsigned int state)
{
	const char *name = gmem_state_name((enum gmem_state)state);

	return name ? name : "no state";
}

static void print_range(FILE *stream, uint64_t start, uint64_t size)
{
	char text[64];

	output_range(text, sizeof(text), start, size);
	fputs(text, stream);
}

static void print_space(FILE *stream, const struct gmem_journal_record *record)
{
	const char *mode = mode_name(record->state);

	fprintf(stream, "%s, %s, VM type %" PRIu64, mode ? mode : "no mode",
		record->policy == GMEM_HOLES_SHARED_IGNORED ? "holes ignored to shared"
							    : "strict about holes",
		record->offset);
}

static void print_file(FILE *stream, const struct gmem_journal_record *record)
{
	char size[32];

	output_size(size, sizeof(size), record->size);
	fprintf(stream, "file %" PRIu32 ", %s, %s at first%s", record->file, size,
		state_name(record->state),
		record->flags & GMEM_JOURNAL_MAPPABLE ? ", mappable" : "");
}

static void print_slot(FILE *stream, const struct gmem_journal_record *record)
{
	fprintf(stream, "slot %" PRIu32 ", ", record->slot);
	print_range(stream, record->gpa, record->size);
	fprintf(stream, ": file %" PRIu32 " from 0x%" PRIx64 " on", record->file, record->offset);
}

static void print_convert(FILE *stream, const struct gmem_journal_record *record)
{
	const char *policy = gmem_policy_name((enum gmem_policy)record->policy);

	print_range(stream, record->gpa, record->size);
	fprintf(stream, " to %s", state_name(record->state));
	if (record->policy)
		fprintf(stream, ", policy %s", policy ? policy : "unknown");
	if (record->flags & GMEM_JOURNAL_REQUEST)
		fputs(", asked by the guest", stream);
	if (record->attempts > 1)
		fprintf(stream, ", %" PRIu32 " attempts", record->attempts);
	if (record->code && record->flags & GMEM_JOURNAL_FIRST_KNOWN)
		fprintf(stream, ", first page that failed 0x%" PRIx64, record->offset);
	if (record->flags & GMEM_JOURNAL_KEPT)
		fputs(", memory of the old state is kept", stream);
	if (record->flags & GMEM_JOURNAL_LOST)
		fputs(", contents may be lost", stream);
}

static void print_state(FILE *stream, const struct gmem_journal_record *record)
{
	fprintf(stream, "file %" PRIu32 ", ", record->file);
	print_range(stream, record->offset, record->size);
	fprintf(stream, " is %s", state_name(record->state));
}

static void print_listener(FILE *stream, const struct gmem_journal_record *record)
{
	fputs(record->state == 1   ? "added"
	      : record->state == 2 ? "removed"
				   : "neither added nor removed",
	      stream);
	if (record->offset)
		fprintf(stream, ", granularity 0x%" PRIx64, record->offset);
}

void journal_print(FILE *stream, const struct gmem_journal_record *record)
{
	const char *name = journal_kind_name(record->kind);

	fprintf(stream, "%8" PRIu64 "  %-8s  ", record->sequence, name ? name : "unknown");
	switch (record->kind) {
	case GMEM_JOURNAL_SPACE:
		print_space(stream, record);
		break;
	case GMEM_JOURNAL_FILE:
		print_file(stream, record);
		break;
	case GMEM_JOURNAL_BIND:
	case GMEM_JOURNAL_UNBIND:
		print_slot(stream, record);
		break;
	case GMEM_JOURNAL_CONVERT:
		print_convert(stream, record);
		break;
	case GMEM_JOURNAL_STATE:
		print_state(stream, record);
		break;
	case GMEM_JOURNAL_LISTENER:
		print_listener(stream, record);
		break;
	default:
		fprintf(stream, "kind %u", record->kind);
	}
	if (record->code)
		fprintf(stream, ": %s", gmem_error_name(record->code));
	fputc('\n', stream);
}

static void json_name(FILE *stream, const char *member, const char *name)
{
	if (name)
		fprintf(stream, ",\"%s\":\"%s\"", member, name);
	else
		fprintf(stream, ",\"%s\":null", member);
}

void journal_print_json(FILE *stream, const struct gmem_journal_record *record)
{
	bool space = record->kind == GMEM_JOURNAL_SPACE;
	bool convert = record->kind == GMEM_JOURNAL_CONVERT;

	fprintf(stream, "{\"version\":%d,\"event\":\"record\",\"sequence\":%" PRIu64, JSON_VERSION,
		record->sequence);
	json_name(stream, "kind", journal_kind_name(record->kind));
	fprintf(stream, ",\"kind_number\":%u", record->kind);
	json_name(stream, "error", record->code ? gmem_error_name(record->code) : NULL);
	fprintf(stream,
		",\"code\":%" PRId32 ",\"gpa\":%" PRIu64 ",\"size\":%" PRIu64 ",\"offset\":%" PRIu64
		",\"slot\":%" PRIu32 ",\"file\":%" PRIu32 ",\"attempts\":%" PRIu32,
		record->code, record->gpa, record->size, record->offset, record->slot, record->file,
		record->attempts);
	json_name(stream, "state", space ? NULL : gmem_state_name((enum gmem_state)record->state));
	json_name(stream, "mode", space ? mode_name(record->state) : NULL);
	json_name(stream, "policy",
		  convert ? gmem_policy_name((enum gmem_policy)record->policy) : NULL);
	fprintf(stream, ",\"state_number\":%u,\"policy_number\":%u,\"flags\":%u}\n", record->state,
		record->policy, record->flags);
}
