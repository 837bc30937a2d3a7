/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "race-model.h"

#include <stdatomic.h>
#include <string.h>

typedef _Atomic uint64_t counter;

/* The last thing of a kind that happened to a page. All is sequentially consistent. */
struct span {
	counter start, end;
};

struct conversion {
	struct span when;
	_Atomic bool private;
	uint64_t started; /* the one under way, known to its own thread only */
};

struct writing {
	struct span when;
	counter value;
	uint64_t started, writes;
};

static struct page {
	/* Conversions begun and ended, and how many are under way. */
	counter conversions, converting;
	struct conversion converted[MODEL_CONVERTERS];

	counter punches; /* odd while one is under way */
	struct span punched;
	uint64_t punch_started;

	struct writing written[MODEL_WRITERS];
} pages[MODEL_PAGES];

static counter clock_now;

uint64_t model_now(void)
{
	return atomic_fetch_add(&clock_now, 1) + 1;
}

void model_reset(bool private)
{
	for (int i = 0; i < MODEL_PAGES; i++) {
		/* Stamps go on counting, so that one from before can be told. */
		uint64_t writes[MODEL_WRITERS];

		for (int w = 0; w < MODEL_WRITERS; w++)
			writes[w] = pages[i].written[w].writes;
		memset(&pages[i], 0, sizeof(pages[i]));
		for (int c = 0; c < MODEL_CONVERTERS; c++)
			atomic_store(&pages[i].converted[c].private, private);
		for (int w = 0; w < MODEL_WRITERS; w++)
			pages[i].written[w].writes = writes[w];
	}
}

void model_convert_begin(int converter, int first, int count)
{
	for (int i = first; i < first + count; i++) {
		atomic_fetch_add(&pages[i].converting, 1);
		atomic_fetch_add(&pages[i].conversions, 1);
		pages[i].converted[converter].started = model_now();
	}
}

void model_convert_end(int converter, int first, int count, bool private, bool done)
{
	for (int i = first; i < first + count; i++) {
		struct conversion *conversion = &pages[i].converted[converter];

		if (done) {
			atomic_store(&conversion->when.start, conversion->started);
			atomic_store(&conversion->when.end, model_now());
			atomic_store(&conversion->private, private);
		}
		atomic_fetch_add(&pages[i].conversions, 1);
		atomic_fetch_sub(&pages[i].converting, 1);
	}
}

void model_punch_begin(int first, int count)
{
	for (int i = first; i < first + count; i++) {
		atomic_fetch_add(&pages[i].punches, 1);
		pages[i].punch_started = model_now();
	}
}

void model_punch_end(int first, int count)
{
	for (int i = first; i < first + count; i++) {
		/* The end first: a reader between the two must not take it for long past. */
		atomic_store(&pages[i].punched.end, model_now());
		atomic_store(&pages[i].punched.start, pages[i].punch_started);
		atomic_fetch_add(&pages[i].punches, 1);
	}
}

uint64_t model_punches(int page)
{
	return atomic_load(&pages[page].punches);
}

/* A stamp: writer, page, and the number of the write, none of which is ever 0. */
static uint64_t stamp(int writer, int page, uint64_t number)
{
	return (uint64_t)(writer + 1) << 56 | (uint64_t)(page + 1) << 40 | number;
}

uint64_t model_word_offset(int writer)
{
	return (uint64_t)writer * 1032; /* spread over the page, not at the same place in a line */
}

uint64_t model_write_begin(int writer, int page)
{
	struct writing *writing = &pages[page].written[writer];

	writing->started = model_now();
	return stamp(writer, page, ++writing->writes);
}

void model_write_end(int writer, int page, bool done)
{
	struct writing *writing = &pages[page].written[writer];

	if (!done)
		return;
	atomic_store(&writing->when.start, writing->started);
	atomic_store(&writing->value, stamp(writer, page, writing->writes));
	atomic_store(&writing->when.end, model_now());
}

enum model_state model_state(int page, uint64_t *ret_version)
{
	struct page *at = &pages[page];
	bool may_be[2] = { false, false };

	*ret_version = atomic_load(&at->conversions);
	if (atomic_load(&at->converting))
		return MODEL_EITHER;
	for (int i = 0; i < MODEL_CONVERTERS; i++) {
		bool last = true;

		for (int j = 0; j < MODEL_CONVERTERS; j++)
			if (atomic_load(&at->converted[j].when.start) >
			    atomic_load(&at->converted[i].when.end))
				last = false;
		if (last)
			may_be[atomic_load(&at->converted[i].private)] = true;
	}
	if (atomic_load(&at->conversions) != *ret_version || (may_be[0] && may_be[1]))
		return MODEL_EITHER;
	return may_be[1] ? MODEL_PRIVATE : MODEL_SHARED;
}

const char *model_judge_own(int writer, int page, uint64_t value, uint64_t since)
{
	const struct page *at = &pages[page];
	const struct writing *writing = &at->written[writer];
	uint64_t written = atomic_load(&writing->value);
	uint64_t start, end, punches;

	do {
		punches = atomic_load(&at->punches);
		start = atomic_load(&at->punched.start);
		end = atomic_load(&at->punched.end);
	} while (atomic_load(&at->punches) != punches);

	if (value == written && written) {
		/* Punched from after the write to before the read. */
		if (start > atomic_load(&writing->when.end) && end < since)
			return "it survived a hole that was punched after it was written";
		return NULL;
	}
	if (value == 0) {
		/* Not what is under way by now: it may just have ended, and its end is not in @end.
		 */
		if (!written || end > atomic_load(&writing->when.start) || punches % 2)
			return NULL;
		return "it is zero, and no hole was punched since it was written";
	}
	return model_judge_other(writer, page, value) ? "it is no stamp of this word"
						      : "it is an old stamp";
}

const char *model_judge_other(int writer, int page, uint64_t value)
{
	uint64_t number = value & ((1ULL << 40) - 1);

	if (!value)
		return NULL;
	if (!number || value != stamp(writer, page, number))
		return "it is no stamp of this word";
	return NULL;
}
