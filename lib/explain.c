/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Failure reports as text and JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgmem/convert.h>
#include "error.h"
#include "text.h"

static int text_begin(struct gmem_text *text, const struct gmem_error *error, char *buffer,
		      size_t size)
{
	if (!error || (!buffer && size > 0))
		return -EINVAL;
	*text = (struct gmem_text){ .buffer = buffer, .size = size };
	return 0;
}

static void explain_kernel(struct gmem_text *text, const struct gmem_error *error)
{
	if (!error->system_call)
		return;
	if (error->kernel_code > 0)
		gmem_text_add(text, "\n%s answered the number %d", error->system_call,
			      error->kernel_code);
	else
		gmem_text_add(text, "\n%s answered %s (%d)", error->system_call,
			      gmem_error_name(error->kernel_code), -error->kernel_code);
	if (error->attempts > 1)
		gmem_text_add(text, ", the last of %u attempts", error->attempts);
	if (error->has_first_offset)
		gmem_text_add(text, "; first %s that failed: 0x%" PRIx64,
			      error->guest ? "guest-physical address" : "offset",
			      error->first_offset);
}

static const char *address_word(const struct gmem_error *error)
{
	return error->guest ? "guest-physical 0x" : "offset 0x";
}

/* What has to do with slots and listeners. */
static void explain_space(struct gmem_text *text, const struct gmem_error *error)
{
	unsigned int i;

	if (error->has_slot)
		gmem_text_add(text, "\nSlot: %" PRIu32, error->slot);
	if (error->holder[0] && error->has_first_offset)
		gmem_text_add(text, "\n%s%" PRIx64 " is held by %s", address_word(error),
			      error->first_offset, error->holder);
	else if (error->holder[0])
		gmem_text_add(text, "\nListener: %s", error->holder);
	if (error->listener_code)
		gmem_text_add(text, ", which answered %s", gmem_error_name(error->listener_code));
	for (i = 0; i < error->unrestored_count; i++)
		gmem_text_add(text,
			      "\nNot undone: 0x%" PRIx64 " bytes from guest-physical 0x%" PRIx64
			      " do not have their old state",
			      error->unrestored[i].size, error->unrestored[i].gpa);
	if (error->detached[0])
		gmem_text_add(text,
			      "\nNot undone: %s failed, from guest-physical 0x%" PRIx64
			      " on, 0x%" PRIx64 " bytes",
			      error->detached, error->detached_part.gpa, error->detached_part.size);
}

/* What the call did before it failed. */
static void explain_effect(struct gmem_text *text, const struct gmem_error *error)
{
	if (error->done)
		gmem_text_add(text, "\nDone before: 0x%" PRIx64 " bytes, from %s%" PRIx64,
			      error->done, address_word(error), error->offset);
	if (error->has_lost)
		gmem_text_add(text, "\nContents are%s gone: 0x%" PRIx64 " bytes, from %s%" PRIx64,
			      error->guest ? ", or may be," : "", error->lost_size,
			      address_word(error), error->lost_offset);
}

int gmem_error_explain(const struct gmem_error *error, char *buffer, size_t size)
{
	const struct gmem_cause_text *words;
	struct gmem_text text;
	int r = text_begin(&text, error, buffer, size);

	if (r < 0)
		return r;
	words = gmem_cause_text(error->cause);
	gmem_text_add(&text, "%s", error->call ? error->call : "libgmem");
	if (error->has_range)
		gmem_text_add(&text, ": %s%" PRIx64 ", size 0x%" PRIx64, address_word(error),
			      error->offset, error->size);
	if (gmem_state_name(error->state))
		gmem_text_add(&text, ", to %s", gmem_state_name(error->state));
	if (error->policy)
		gmem_text_add(&text, ", policy %s", gmem_policy_name(error->policy));
	gmem_text_add(&text, ": %s", error->code ? gmem_error_name(error->code) : "no error");
	explain_kernel(&text, error);
	explain_space(&text, error);
	explain_effect(&text, error);
	gmem_text_add(&text, "\nLikely cause: %s", words->why);
	gmem_text_add(&text, "\nWhat to do: %s", words->remedy);
	return (int)text.length;
}

static void json_string(struct gmem_text *text, const char *name, const char *value)
{
	gmem_text_add(text, ",\"%s\":", name);
	gmem_text_add_json(text, value);
}

static void json_number(struct gmem_text *text, const char *name, bool known, uint64_t value)
{
	if (known)
		gmem_text_add(text, ",\"%s\":%" PRIu64, name, value);
	else
		gmem_text_add(text, ",\"%s\":null", name);
}

static void json_part(struct gmem_text *text, const struct gmem_error_part *part)
{
	gmem_text_add(text, "{\"offset\":%" PRIu64 ",\"size\":%" PRIu64 "}", part->gpa, part->size);
}

static void json_space(struct gmem_text *text, const struct gmem_error *error)
{
	unsigned int i;

	json_string(text, "memory", error->guest ? "guest-physical" : "file");
	json_number(text, "slot", error->has_slot, error->slot);
	json_string(text, "holder", error->holder[0] ? error->holder : NULL);
	json_string(text, "listener_error",
		    error->listener_code < 0 ? gmem_error_name(error->listener_code) : NULL);
	gmem_text_add(text, ",\"unrestored\":[");
	for (i = 0; i < error->unrestored_count; i++) {
		gmem_text_add(text, "%s", i ? "," : "");
		json_part(text, &error->unrestored[i]);
	}
	gmem_text_add(text, "]");
	json_string(text, "detached", error->detached[0] ? error->detached : NULL);
	gmem_text_add(text, ",\"detached_range\":");
	if (error->detached[0])
		json_part(text, &error->detached_part);
	else
		gmem_text_add(text, "null");
}

int gmem_error_format_json(const struct gmem_error *error, char *buffer, size_t size)
{
	const struct gmem_cause_text *words;
	struct gmem_text text;
	int r = text_begin(&text, error, buffer, size);

	if (r < 0)
		return r;
	words = error->code ? gmem_cause_text(error->cause) : NULL;
	gmem_text_add(&text, "{\"version\":1");
	json_string(&text, "error", error->code ? gmem_error_name(error->code) : NULL);
	gmem_text_add(&text, ",\"code\":%d", error->code);
	/* A positive number is no errno. */
	json_string(&text, "kernel_error",
		    error->kernel_code < 0 ? gmem_error_name(error->kernel_code) : NULL);
	gmem_text_add(&text, ",\"kernel_code\":%d", error->kernel_code);
	json_string(&text, "call", error->call);
	json_string(&text, "system_call", error->system_call);
	json_string(&text, "state", gmem_state_name(error->state));
	json_string(&text, "policy", error->state ? gmem_policy_name(error->policy) : NULL);
	json_number(&text, "offset", error->has_range, error->offset);
	json_number(&text, "size", error->has_range, error->size);
	json_number(&text, "first_offset", error->has_first_offset, error->first_offset);
	json_number(&text, "done", true, error->done);
	if (error->has_lost)
		gmem_text_add(&text, ",\"lost\":{\"offset\":%" PRIu64 ",\"size\":%" PRIu64 "}",
			      error->lost_offset, error->lost_size);
	else
		gmem_text_add(&text, ",\"lost\":null");
	json_number(&text, "attempts", true, error->attempts);
	json_space(&text, error);
	json_string(&text, "cause_name", words ? words->name : NULL);
	json_string(&text, "cause", words ? words->why : NULL);
	json_string(&text, "remedy", words ? words->remedy : NULL);
	gmem_text_add(&text, "}");
	return (int)text.length;
}
