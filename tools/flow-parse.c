/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The second half of reading a flow: lines into steps, by the syntax that each verb declares. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow-words.h"
#include "flow-syntax.h"
#include "verb.h"

const struct flow_arg *flow_arg(const struct flow_step *step, const char *key)
{
	for (size_t i = 0; i < step->args; i++)
		if (step->arg[i].key_size == strlen(key) &&
		    !memcmp(step->arg[i].key, key, step->arg[i].key_size))
			return &step->arg[i];
	return NULL;
}

uint64_t flow_number(const struct flow_step *step, const char *key, uint64_t fallback)
{
	const struct flow_arg *arg = flow_arg(step, key);

	return arg ? arg->number : fallback;
}

bool flow_updates(const struct flow_step *step)
{
	return step->verb->updates && !flow_arg(step, "refused");
}

void flow_stage(const struct flow *flow, size_t stage, size_t *ret_first, size_t *ret_end)
{
	size_t at = 0;

	*ret_first = 0;
	for (size_t i = 0; i < flow->steps; i++) {
		if (!flow_updates(&flow->step[i]))
			continue;
		if (at++ == stage) {
			*ret_end = i + 1;
			return;
		}
		*ret_first = i + 1;
	}
	*ret_end = flow->steps;
}

/*
 * The first words of all verbs, or the second words of those that begin with first; each once, as
 * tables have them together.
 */
static void list_words(const char *first, char *buffer, size_t size)
{
	const char *before = "";
	size_t used = 0, before_size = 0;

	buffer[0] = '\0';
	for (size_t i = 0; verb_at(i) && used < size; i++) {
		const char *word = verb_at(i)->name;
		size_t length = strcspn(word, " ");

		if (first) {
			if (strlen(first) != length || memcmp(word, first, length) || !word[length])
				continue;
			word += length + 1;
			length = strlen(word);
		}
		if (length == before_size && !memcmp(word, before, length))
			continue;
		used += (size_t)snprintf(buffer + used, size - used, "%s%.*s", used ? ", " : "",
					 (int)length, word);
		before = word;
		before_size = length;
	}
}

static int find_verb(struct flow_reader *reader, const struct flow_line *line,
		     const struct verb **ret_verb, size_t *ret_words)
{
	const char *first = line->word[0].text;
	char words[400];

	*ret_verb = verb_find(first, line->words > 1 ? line->word[1].text : NULL, ret_words);
	if (*ret_verb)
		return 0;
	list_words(first, words, sizeof(words));
	if (words[0])
		return flow_mistake(reader->mistake, line->number,
				    line->words > 1 ? line->word[1].column : line->word[0].column,
				    "expected one of %s after '%.40s', got %s%.60s%s: "
				    "see gmemctl run --list-verbs",
				    words, first, line->words > 1 ? "'" : "",
				    line->words > 1 ? line->word[1].text : "nothing",
				    line->words > 1 ? "'" : "");
	list_words(NULL, words, sizeof(words));
	return flow_mistake(reader->mistake, line->number, line->word[0].column,
			    "expected a verb (%s), got '%.60s': see gmemctl run --list-verbs",
			    words, first);
}

/* An "expect" line belongs to the step before. */
static int attach(struct flow_reader *reader, struct flow *flow, const struct flow_step *line)
{
	struct flow_step *before = flow->steps ? &flow->step[flow->steps - 1] : NULL;

	if (!before || !before->verb->run)
		return flow_mistake(reader->mistake, line->line, 1,
				    "expected a step before this line whose outcome it tells");
	if (flow_updates(before))
		return flow_mistake(reader->mistake, line->line, 1,
				    "expected a step: what comes after line %u is another kernel "
				    "(for one that is refused: live-update refused ERRNO)",
				    before->line);
	if (before->expect.line)
		return flow_mistake(reader->mistake, line->line, 1,
				    "line %u tells already what to expect of line %u",
				    before->expect.line, before->line);
	before->expect.line = line->line;
	before->expect.text = line->text;
	line->verb->expect(line, &before->expect);
	return 0;
}

static int grow(struct flow *flow, size_t *room)
{
	struct flow_step *step;
	size_t wanted = *room ? *room * 2 : 64;

	if (flow->steps < *room)
		return 0;
	step = realloc(flow->step, wanted * sizeof(*step));
	if (!step)
		return -ENOMEM;
	flow->step = step;
	*room = wanted;
	return 0;
}

/* The comment at the top is what the flow is about; licence lines are not. */
static int keep_summary(struct flow *flow, const struct flow_line *line)
{
	char **summary;

	if (!line->comment || !line->comment[0] || flow->steps ||
	    !strncmp(line->comment, "SPDX-", 5) || line->words)
		return 0;
	summary = realloc(flow->summary, (flow->summaries + 1) * sizeof(*summary));
	if (!summary)
		return -ENOMEM;
	flow->summary = summary;
	summary[flow->summaries++] = (char *)line->comment;
	return 0;
}

static int parse_line(struct flow_reader *reader, struct flow *flow, const struct flow_line *line,
		      size_t *room)
{
	struct flow_step step = { .line = line->number, .text = line->text, .vm = SIZE_MAX };
	size_t words;
	int err;

	err = keep_summary(flow, line);
	if (err || !line->words)
		return err;
	err = find_verb(reader, line, &step.verb, &words);
	if (!err)
		err = flow_match(reader, flow, line, words, &step);
	if (err)
		return err;
	if (step.verb->expect)
		return attach(reader, flow, &step);
	err = grow(flow, room);
	if (err)
		return err;
	flow->step[flow->steps++] = step;
	if (flow_updates(&step)) {
		flow->updates++;
		for (size_t i = 0; i < flow->objects; i++)
			flow->object[i].ended = true;
	}
	return 0;
}

int flow_parse(const char *name, const char *text, size_t size, struct flow **ret_flow,
	       struct flow_mistake *ret_mistake)
{
	struct flow_reader reader = { .text = text, .end = text + size, .mistake = ret_mistake };
	struct flow_line line;
	struct flow *flow;
	size_t room = 0, arena = flow_arena_size(size) + strlen(name) + 1;
	int err;

	if (size > FLOW_SIZE_MAX)
		return flow_mistake(ret_mistake, 1, 1, "a flow has %u bytes at most",
				    FLOW_SIZE_MAX);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return -ENOMEM;
	flow->words = reader.arena = reader.arena_next = malloc(arena);
	if (!flow->words) {
		free(flow);
		return -ENOMEM;
	}
	reader.arena_end = reader.arena + arena;
	flow->name = flow_printable(&reader, name);
	for (err = 0; !err;) {
		err = flow_read_line(&reader, &line);
		if (err <= 0)
			break;
		err = parse_line(&reader, flow, &line, &room);
	}
	if (!err && !flow->steps)
		err = flow_mistake(ret_mistake, reader.line ? reader.line : 1, 1,
				   "expected a step: there is none in the flow");
	if (err) {
		flow_free(flow);
		return err;
	}
	*ret_flow = flow;
	return 0;
}

void flow_free(struct flow *flow)
{
	if (!flow)
		return;
	free(flow->summary);
	free(flow->step);
	free(flow->object);
	free(flow->words);
	free(flow);
}
