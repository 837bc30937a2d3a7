/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Matching the words of a line with the syntax of its verb; verb.h says how a syntax is written. */
#include <libgmem/error.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow-syntax.h"
#include "verb.h"
#include "vm-type.h"

struct matcher {
	struct flow_reader *reader;
	struct flow *flow;
	const struct flow_line *line;
	struct flow_step *step;
	size_t next; /* word */
	size_t made; /* object that this line makes, SIZE_MAX: none */
};

/* A part of a syntax: "<kind:key>" without the brackets. */
struct part {
	const char *kind;
	size_t kind_size;
	const char *key;
	size_t key_size;
};

static const char *const object_kinds[FLOW_OBJECT_KINDS] = {
	[FLOW_VM] = "vm",   [FLOW_FILE] = "file",	[FLOW_MAPPING] = "mapping",
	[FLOW_PIN] = "pin", [FLOW_PROCESS] = "process", [FLOW_SESSION] = "session",
};

const char *flow_object_kind_name(enum flow_object_kind kind)
{
	return kind == FLOW_VM ? "VM" : object_kinds[kind];
}

static bool is(const char *text, size_t size, const char *word)
{
	return strlen(word) == size && !memcmp(text, word, size);
}

static const struct flow_word *peek(const struct matcher *m)
{
	return m->next < m->line->words ? &m->line->word[m->next] : NULL;
}

static unsigned int column(const struct matcher *m)
{
	const struct flow_word *word = peek(m);

	if (word)
		return word->column;
	word = &m->line->word[m->line->words - 1];
	return word->column + (unsigned int)strlen(word->text) + (word->quoted ? 2 : 0);
}

/* "expected WHAT, got 'x'" and how the verb is used */
static int unexpected(const struct matcher *m, const char *what)
{
	const struct flow_word *word = peek(m);
	char usage[400];

	verb_usage(m->step->verb, usage, sizeof(usage));
	return flow_mistake(m->reader->mistake, m->line->number, column(m),
			    "expected %.200s, got %s%.40s%s (usage: %s)", what, word ? "'" : "",
			    word ? word->text : "the end of the line", word ? "'" : "", usage);
}

static int add_arg(struct matcher *m, const struct part *part, uint64_t number, const char *word)
{
	struct flow_arg *arg;

	if (m->step->args == FLOW_ARGS_MAX)
		return unexpected(m, "fewer arguments");
	arg = &m->step->arg[m->step->args++];
	arg->key = part->key;
	arg->key_size = part->key_size;
	arg->number = number;
	arg->word = word;
	return 0;
}

static int add_object_arg(struct matcher *m, const struct part *part, size_t index,
			  const char *word)
{
	int err = add_arg(m, part, index, word);

	if (!err)
		m->step->arg[m->step->args - 1].object = true;
	return err;
}

static int match_number(struct matcher *m, const struct part *part)
{
	const struct flow_word *word = peek(m);
	char what[100];
	uint64_t number;
	int err;

	snprintf(what, sizeof(what), "%.*s, a number such as 4096, 0x1000 or 4K",
		 (int)part->key_size, part->key);
	if (!word || word->quoted)
		return unexpected(m, what);
	err = flow_parse_number(word->text, &number);
	if (err == -ERANGE)
		return unexpected(m, "a number below 2^64");
	if (err)
		return unexpected(m, what);
	m->next++;
	return add_arg(m, part, number, word->text);
}

static int match_errno(struct matcher *m, const struct part *part)
{
	const struct flow_word *word = peek(m);

	/* above this Linux has only numbers that no system call returns */
	for (int code = 1; word && code <= 133; code++) {
		if (strcmp(gmem_error_name(code), word->text) ||
		    !strcmp(word->text, gmem_error_name(-4096)))
			continue;
		m->next++;
		return add_arg(m, part, (uint64_t)code, word->text);
	}
	return unexpected(m, "the name of an errno such as EAGAIN");
}

static int match_type(struct matcher *m, const struct part *part)
{
	const struct flow_word *word = peek(m);
	uint64_t type;

	if (!word || vm_type_parse(word->text, &type))
		return unexpected(m, "a VM type: default, sw-protected, sev, sev-es, snp, tdx or a "
				     "number up to 31");
	m->next++;
	return add_arg(m, part, type, word->text);
}

static int match_text(struct matcher *m, const struct part *part)
{
	const struct flow_word *word = peek(m);

	if (!word || !word->quoted)
		return unexpected(m, "text in double quotes");
	m->next++;
	return add_arg(m, part, 0, word->text);
}

static int match_pattern(struct matcher *m, const struct part *part)
{
	static const char what[] = "'zero', 'value N' or 'seed N'";
	const struct flow_word *word = peek(m);
	int err;

	if (!word || word->quoted)
		return unexpected(m, what);
	m->next++;
	if (!strcmp(word->text, "zero")) {
		err = add_arg(m, part, 0, word->text);
	} else if (!strcmp(word->text, "value") || !strcmp(word->text, "seed")) {
		err = match_number(m, part);
	} else {
		m->next--;
		return unexpected(m, what);
	}
	if (!err)
		m->step->arg[m->step->args - 1].pattern =
			word->text[0] == 's' ? FLOW_PATTERN_SEED : FLOW_PATTERN_VALUE;
	return err;
}

static size_t find_object(const struct flow *flow, const char *name)
{
	for (size_t i = 0; i < flow->objects; i++)
		if (!flow->object[i].ended && !strcmp(flow->object[i].name, name))
			return i;
	return SIZE_MAX;
}

static bool name_ok(const char *name)
{
	size_t size = strlen(name);

	if (!size || size > FLOW_NAME_MAX || strchr("0123456789_-", name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	       size;
}

static int match_new(struct matcher *m, const struct part *part, enum flow_object_kind kind)
{
	const struct flow_word *word = peek(m);
	struct flow_object *object;
	char what[100];
	size_t old;

	snprintf(what, sizeof(what),
		 "a name for the %s (letters, digits, '_', '-'; up to %d; a letter first)",
		 flow_object_kind_name(kind), FLOW_NAME_MAX);
	if (!word || word->quoted || !name_ok(word->text))
		return unexpected(m, what);
	old = find_object(m->flow, word->text);
	if (old != SIZE_MAX)
		return flow_mistake(m->reader->mistake, m->line->number, word->column,
				    "expected a new name, got '%s': line %u gave it to a %s",
				    word->text, m->flow->object[old].line,
				    flow_object_kind_name(m->flow->object[old].kind));
	object = realloc(m->flow->object, (m->flow->objects + 1) * sizeof(*object));
	if (!object)
		return -ENOMEM;
	m->flow->object = object;
	m->made = m->flow->objects++;
	object += m->made;
	*object = (struct flow_object){ .kind = kind, .line = m->line->number, .vm = SIZE_MAX };
	snprintf(object->name, sizeof(object->name), "%s", word->text);
	if (kind == FLOW_VM)
		m->step->vm = object->vm = m->made;
	m->next++;
	return add_object_arg(m, part, m->made, word->text);
}

/* "expected a file (ram, rom), got 'view'" */
static int no_such_object(struct matcher *m, enum flow_object_kind kind)
{
	char what[100];
	size_t used;
	bool any = false;

	used = (size_t)snprintf(what, sizeof(what), "the name of a %s",
				flow_object_kind_name(kind));
	for (size_t i = 0; i < m->flow->objects && used < sizeof(what) - FLOW_NAME_MAX - 4; i++) {
		const struct flow_object *object = &m->flow->object[i];

		if (object->kind != kind || object->ended)
			continue;
		used += (size_t)snprintf(what + used, sizeof(what) - used, "%s%s",
					 any ? ", " : " (", object->name);
		any = true;
	}
	snprintf(what + used, sizeof(what) - used, "%s", any ? ")" : " (there is none here)");
	return unexpected(m, what);
}

static int match_object(struct matcher *m, const struct part *part, enum flow_object_kind kind,
			bool ends)
{
	const struct flow_word *word = peek(m);
	struct flow_object *object;
	size_t index;

	index = word && !word->quoted ? find_object(m->flow, word->text) : SIZE_MAX;
	if (index == SIZE_MAX || index == m->made || m->flow->object[index].kind != kind)
		return no_such_object(m, kind);
	object = &m->flow->object[index];
	object->ended = ends;
	/* the first object named, or the VM if one is */
	if (m->step->vm == SIZE_MAX || kind == FLOW_VM)
		m->step->vm = object->vm;
	m->next++;
	return add_object_arg(m, part, index, word->text);
}

static int match_part(struct matcher *m, const struct part *part)
{
	static const struct {
		const char *kind;
		int (*match)(struct matcher *m, const struct part *part);
	} kinds[] = {
		{ "number", match_number }, { "errno", match_errno },	  { "type", match_type },
		{ "text", match_text },	    { "pattern", match_pattern },
	};
	const char *kind = part->kind;
	size_t size = part->kind_size;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is(kind, size, kinds[i].kind))
			return kinds[i].match(m, part);
	for (int i = 0; i < FLOW_OBJECT_KINDS; i++) {
		if (is(kind, size, object_kinds[i]))
			return match_object(m, part, (enum flow_object_kind)i, false);
		if (size > 4 && is(kind + 4, size - 4, object_kinds[i]))
			return *kind == 'n' ? match_new(m, part, (enum flow_object_kind)i)
					    : match_object(m, part, (enum flow_object_kind)i, true);
	}
	return unexpected(m, "an argument whose kind gmemctl knows (a mistake in its verb table)");
}

/* {key:one|two} */
static int match_choice(struct matcher *m, const char *choices, size_t size)
{
	const struct flow_word *word = peek(m);
	const char *colon = memchr(choices, ':', size);
	struct part part = { .key = choices, .key_size = (size_t)(colon - choices) };
	const char *at = colon + 1, *end = choices + size;
	char what[100];

	for (uint64_t index = 0; word && !word->quoted && at < end; index++) {
		const char *bar = memchr(at, '|', (size_t)(end - at));
		size_t length = (size_t)((bar ? bar : end) - at);

		if (is(at, length, word->text)) {
			m->next++;
			return add_arg(m, &part, index, word->text);
		}
		at += length + 1;
	}
	snprintf(what, sizeof(what), "%.*s", (int)(end - colon - 1), colon + 1);
	return unexpected(m, what);
}

/* What must stand there, up to the end or the first optional part. */
static int match_required(struct matcher *m, const char **syntax, const char *end)
{
	const char *p = *syntax;
	int err = 0;

	while (!err && p < end && *p != '[') {
		const struct flow_word *word = peek(m);
		const char *close, *colon;

		if (*p == ' ') {
			p++;
		} else if (*p == '<') {
			close = memchr(p, '>', (size_t)(end - p));
			colon = memchr(p, ':', (size_t)(close - p));
			err = match_part(m,
					 &(struct part){ p + 1, (size_t)(colon - p - 1), colon + 1,
							 (size_t)(close - colon - 1) });
			p = close + 1;
		} else if (*p == '{') {
			close = memchr(p, '}', (size_t)(end - p));
			err = match_choice(m, p + 1, (size_t)(close - p - 1));
			p = close + 1;
		} else {
			size_t size = strcspn(p, " [");
			char what[40];

			snprintf(what, sizeof(what), "'%.*s'", (int)size, p);
			if (!word || word->quoted || !is(p, size, word->text))
				return unexpected(m, what);
			m->next++;
			p += size;
		}
	}
	*syntax = p;
	return err;
}

/* One optional part, "word ..." without its brackets, if the next word is its first one. */
static int match_optional(struct matcher *m, const char *part, const char *end, bool *ret_matched)
{
	size_t size = strcspn(part, " ]");
	const struct flow_word *word = peek(m);
	const struct part flag = { .key = part, .key_size = size };

	*ret_matched = word && !word->quoted && is(part, size, word->text);
	if (!*ret_matched)
		return 0;
	m->next++;
	part += size;
	if (part == end)
		return add_arg(m, &flag, 1, word->text);
	return match_required(m, &part, end);
}

/* The next word begins none of the optional parts that are left. */
static int no_such_option(const struct matcher *m, const char *options, unsigned int used)
{
	char what[200];
	size_t size = 0;

	for (unsigned int i = 0; *options && size < sizeof(what); i++) {
		const char *close = strchr(options, ']');

		if (!(used & (1u << i)))
			size += (size_t)snprintf(what + size, sizeof(what) - size, "%s%.*s",
						 size ? ", " : "one of the options ",
						 (int)strcspn(options + 1, " ]"), options + 1);
		options = close + 1 + strspn(close + 1, " ");
	}
	return unexpected(m, size ? what : "the end of the line");
}

static int match_options(struct matcher *m, const char *options)
{
	unsigned int used = 0;

	while (peek(m)) {
		const char *p = options;
		bool matched = false;
		int err = 0;

		for (unsigned int i = 0; !matched && *p; i++) {
			const char *close = strchr(p, ']');

			if (!(used & (1u << i))) {
				err = match_optional(m, p + 1, close, &matched);
				used |= matched ? 1u << i : 0;
			}
			p = close + 1 + strspn(close + 1, " ");
		}
		if (err)
			return err;
		if (!matched)
			return no_such_option(m, options, used);
	}
	return 0;
}

static int settle_vm(struct matcher *m, const char *syntax)
{
	struct flow *flow = m->flow;

	/* without a name it is the VM that was made last */
	for (size_t i = flow->objects; m->step->vm == SIZE_MAX && i-- > 0;)
		if (flow->object[i].kind == FLOW_VM && !flow->object[i].ended)
			m->step->vm = i;
	if (m->step->vm == SIZE_MAX && strstr(syntax, "[vm "))
		return flow_mistake(m->reader->mistake, m->line->number, m->line->word[0].column,
				    "expected a 'vm' line before this one");
	if (m->made != SIZE_MAX && flow->object[m->made].kind != FLOW_VM)
		flow->object[m->made].vm = m->step->vm;
	return 0;
}

int flow_match(struct flow_reader *reader, struct flow *flow, const struct flow_line *line,
	       size_t first_word, struct flow_step *step)
{
	struct matcher m = { reader, flow, line, step, first_word, SIZE_MAX };
	const char *syntax = step->verb->syntax ? step->verb->syntax : "";
	const char *all = syntax;
	const char *wrong;
	int err;

	err = match_required(&m, &syntax, syntax + strlen(syntax));
	if (!err)
		err = match_options(&m, syntax);
	if (!err)
		err = settle_vm(&m, all);
	if (err)
		return err;
	wrong = step->verb->check ? step->verb->check(step) : NULL;
	if (wrong)
		return flow_mistake(reader->mistake, line->number, line->word[0].column, "%s",
				    wrong);
	return 0;
}
