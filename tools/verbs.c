/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The verb tables together: finding a verb, and saying how it is used. */
#include <stdio.h>
#include <string.h>

#include "verb.h"

const struct verb *const verb_tables[] = {
	verbs_vm,	verbs_file,    verbs_host,    verbs_guest, verbs_request,
	verbs_pin,	verbs_process, verbs_imitate, verbs_level, verbs_preserve,
	verbs_retrieve, verbs_raw,     verbs_expect,  NULL,
};

const struct verb *verb_at(size_t n)
{
	for (size_t i = 0; verb_tables[i]; i++)
		for (const struct verb *verb = verb_tables[i]; verb->name; verb++)
			if (!n--)
				return verb;
	return NULL;
}

const struct verb *verb_find(const char *first, const char *second, size_t *ret_words)
{
	const struct verb *verb;
	char two[2 * FLOW_NAME_MAX];

	snprintf(two, sizeof(two), "%.*s %.*s", FLOW_NAME_MAX, first, FLOW_NAME_MAX - 2,
		 second ? second : "");
	for (size_t i = 0; (verb = verb_at(i)); i++) {
		if (!strcmp(verb->name, first) || (second && !strcmp(verb->name, two))) {
			*ret_words = strchr(verb->name, ' ') ? 2 : 1;
			return verb;
		}
	}
	return NULL;
}

/*
 * What stands for an argument: "<file:file>" -> "FILE", after a word of the same name "N" or the
 * kind: "[timeout <number:timeout>]" -> "[timeout N]". text is what was written so far.
 */
static size_t put_part(char *text, size_t used, const char *part, const char *end)
{
	const char *colon = memchr(part, ':', (size_t)(end - part));
	size_t key = (size_t)(end - colon - 1), n = 0;
	bool repeats = used > key && text[used - 1] == ' ' &&
		       !memcmp(text + used - 1 - key, colon + 1, key);

	text += used;
	if (!strncmp(part, "pattern:", 8))
		return (size_t)sprintf(text, "zero|value N|seed N");
	if (!strncmp(part, "text:", 5))
		return (size_t)sprintf(text, "\"TEXT\"");
	if (repeats && !strncmp(part, "number:", 7))
		return (size_t)sprintf(text, "N");
	if (repeats) {
		end = colon;
		part += strncmp(part, "end-", 4) ? 0 : 4;
	}
	for (const char *p = repeats ? part : colon + 1; p < end; p++)
		text[n++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
	return n;
}

int verb_usage(const struct verb *verb, char *buffer, size_t size)
{
	char text[512];
	size_t n = (size_t)sprintf(text, "%s%s", verb->name, verb->syntax ? " " : "");
	const char *p = verb->syntax ? verb->syntax : "";

	while (*p && n < sizeof(text) - 64) {
		const char *end;

		if (*p == '<') {
			end = strchr(p, '>');
			n += put_part(text, n, p + 1, end);
			p = end + 1;
		} else if (*p == '{') {
			end = strchr(p, '}');
			p = strchr(p, ':') + 1;
			memcpy(text + n, p, (size_t)(end - p));
			n += (size_t)(end - p);
			p = end + 1;
		} else {
			text[n++] = *p++;
		}
	}
	text[n] = '\0';
	return snprintf(buffer, size, "%s", text);
}
