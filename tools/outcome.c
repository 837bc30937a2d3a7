/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How a step ended, whether that was expected, and both in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "outcome.h"
#include "run.h"

void outcome_done(struct outcome *o, const char *format, ...)
{
	va_list args;

	o->outcome = FLOW_DONE;
	va_start(args, format);
	vsnprintf(o->text, sizeof(o->text), format, args);
	va_end(args);
}

void outcome_broken(struct outcome *o, const char *format, ...)
{
	va_list args;

	o->outcome = FLOW_BROKEN;
	va_start(args, format);
	vsnprintf(o->text, sizeof(o->text), format, args);
	va_end(args);
}

void outcome_failed(struct outcome *o, struct flow_run *run, int err)
{
	const char *call = gmem_error_get_call(run->report);
	unsigned int attempts = gmem_error_get_attempts(run->report);

	o->outcome = FLOW_ERROR;
	o->err = -err;
	gmem_error_explain(run->report, o->explanation, sizeof(o->explanation));
	/* what is cut is no JSON */
	if (gmem_error_format_json(run->report, o->report, sizeof(o->report)) >=
	    (int)sizeof(o->report))
		o->report[0] = '\0';
	o->has_offset = gmem_error_get_first_offset(run->report, &o->offset);
	if (attempts > 1)
		snprintf(o->text, sizeof(o->text), "%s failed at every one of %u attempts", call,
			 attempts);
	else
		snprintf(o->text, sizeof(o->text), "%s failed", call);
}

void outcome_call_failed(struct outcome *o, const char *call, int err)
{
	o->outcome = FLOW_ERROR;
	o->err = -err;
	snprintf(o->text, sizeof(o->text), "%s failed", call);
}

void outcome_refused(struct outcome *o, int err, const char *text)
{
	o->outcome = FLOW_ERROR;
	o->err = -err;
	snprintf(o->text, sizeof(o->text), "%s", text);
}

bool outcome_expected(const struct outcome *o, const struct flow_expect *expect)
{
	if (o->outcome == FLOW_BROKEN)
		return false;
	if (!expect->line)
		return o->outcome == FLOW_DONE;
	if (o->outcome != expect->outcome)
		return false;
	if ((o->outcome == FLOW_ERROR || o->outcome == FLOW_REFUSED) && o->err != expect->err)
		return false;
	if (o->outcome == FLOW_MEMORY_FAULT && o->private_wanted != expect->private_wanted)
		return false;
	if (expect->extents && !extents_equal(o->extents, expect->extents))
		return false;
	if (expect->state && !extents_all(o->extents, expect->state))
		return false;
	if (expect->has_allocated && (!o->extents[0] || o->allocated != expect->allocated))
		return false;
	if (expect->has_offset && (!o->has_offset || o->offset != expect->offset))
		return false;
	return !expect->has_value || (o->has_value && o->value == expect->value);
}

static void describe(char *buffer, size_t size, enum flow_outcome outcome, int err,
		     const uint64_t *offset, const uint64_t *value, bool private_wanted)
{
	char at[40] = "";

	if (offset)
		snprintf(at, sizeof(at), " at 0x%llx", (unsigned long long)*offset);
	switch (outcome) {
	case FLOW_DONE:
		if (value)
			snprintf(buffer, size, "value 0x%llx", (unsigned long long)*value);
		else
			snprintf(buffer, size, "done");
		return;
	case FLOW_ERROR:
		snprintf(buffer, size, "error %s%s", gmem_error_name(err), at);
		return;
	case FLOW_SIGBUS:
		snprintf(buffer, size, "SIGBUS%s", at);
		return;
	case FLOW_DIFFERS:
		snprintf(buffer, size, "a difference%s", at);
		return;
	case FLOW_MEMORY_FAULT:
		snprintf(buffer, size, "a memory fault%s: the guest wanted %s memory", at,
			 private_wanted ? "private" : "shared");
		return;
	case FLOW_MMIO:
		snprintf(buffer, size, "MMIO%s", at);
		return;
	case FLOW_REFUSED:
		snprintf(buffer, size, "a request refused with %s", gmem_error_name(err));
		return;
	case FLOW_BROKEN:
	case FLOW_OUTCOMES:
		break;
	}
	snprintf(buffer, size, "a step that makes no sense here");
}

/* What a query has found or should find: "state private, 4K allocated". */
static void describe_query(char *buffer, size_t size, const char *state, const char *extents,
			   const uint64_t *allocated)
{
	char number[32];
	int used = 0;

	if (state || extents)
		used = snprintf(buffer, size, "%s%s", state ? "state " : "extents ",
				state ? state : extents);
	if (!allocated || (size_t)used >= size)
		return;
	extents_size(number, sizeof(number), *allocated);
	snprintf(buffer + used, size - (size_t)used, "%s%s allocated", used ? "; " : "", number);
}

void outcome_describe(const struct outcome *o, char *buffer, size_t size)
{
	if (o->outcome == FLOW_DONE && o->extents[0]) {
		describe_query(buffer, size, NULL, o->extents, &o->allocated);
		return;
	}
	describe(buffer, size, o->outcome, o->err, o->has_offset ? &o->offset : NULL,
		 o->has_value ? &o->value : NULL, o->private_wanted);
}

void outcome_describe_expected(const struct flow_expect *expect, char *buffer, size_t size)
{
	if (expect->state || expect->extents) {
		describe_query(buffer, size, expect->state, expect->extents,
			       expect->has_allocated ? &expect->allocated : NULL);
		return;
	}
	describe(buffer, size, expect->line ? expect->outcome : FLOW_DONE, expect->err,
		 expect->has_offset ? &expect->offset : NULL,
		 expect->has_value ? &expect->value : NULL, expect->private_wanted);
}

const char *outcome_name(enum flow_outcome outcome)
{
	static const char *const names[FLOW_OUTCOMES] = {
		[FLOW_DONE] = "done",
		[FLOW_ERROR] = "error",
		[FLOW_SIGBUS] = "sigbus",
		[FLOW_DIFFERS] = "different",
		[FLOW_MEMORY_FAULT] = "memory-fault",
		[FLOW_MMIO] = "mmio",
		[FLOW_REFUSED] = "refused",
		[FLOW_BROKEN] = "broken",
	};

	return names[outcome];
}
