/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Text into lines and words. A flow may come from anywhere and its text goes to terminals and into
 * JSON, so that everything but printable UTF-8 is refused here.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "flow-words.h"

int flow_mistake(struct flow_mistake *mistake, unsigned int line, unsigned int column,
		 const char *format, ...)
{
	va_list args;

	mistake->line = line;
	mistake->column = column;
	va_start(args, format);
	vsnprintf(mistake->text, sizeof(mistake->text), format, args);
	va_end(args);
	return -EINVAL;
}

size_t flow_arena_size(size_t size)
{
	/* For each line its words, its squeezed text and its comment, each with terminators: no
	 * more than two bytes for a byte read, and one for each of the three. */
	return size * 6 + 16;
}

static char *keep(struct flow_reader *reader, const char *text, size_t size)
{
	char *at = reader->arena_next;

	if (size >= (size_t)(reader->arena_end - at))
		return NULL;
	memcpy(at, text, size);
	at[size] = '\0';
	reader->arena_next += size + 1;
	return at;
}

/* Bytes of the UTF-8 character at p, 0 if it is none or not printable. */
static size_t character(const unsigned char *p, size_t size)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t n;

	if (p[0] < 0x80)
		return (p[0] >= 0x20 && p[0] != 0x7f) || p[0] == '\t';
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > size)
		return 0;
	code = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	/* too long, a surrogate, C1 controls, line and paragraph separators, direction overrides */
	if (code < smallest[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ||
	    code < 0xa0 || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return n;
}

void flow_make_printable(char *text)
{
	size_t size = strlen(text), n;

	for (size_t i = 0; i < size; i += n) {
		n = character((const unsigned char *)text + i, size - i);
		if (n && text[i] != '\t')
			continue;
		text[i] = '?';
		n = 1;
	}
}

const char *flow_printable(struct flow_reader *reader, const char *text)
{
	char *copy = keep(reader, text, strlen(text));

	if (copy)
		flow_make_printable(copy);
	return copy;
}

static int check_characters(struct flow_reader *reader, const char *line, size_t size)
{
	size_t n;

	for (size_t i = 0; i < size; i += n) {
		n = character((const unsigned char *)line + i, size - i);
		if (n)
			continue;
		if (line[i] == '\r' && i + 1 == size)
			return flow_mistake(reader->mistake, reader->line, (unsigned int)i + 1,
					    "the line ends with a carriage return: save the file "
					    "with Unix line ends");
		return flow_mistake(reader->mistake, reader->line, (unsigned int)i + 1,
				    "byte 0x%02x is not printable UTF-8", (unsigned char)line[i]);
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One word, quoted or not; *at moves behind it. */
static int read_word(struct flow_reader *reader, struct flow_word *word, const char *line,
		     const char **at, const char *end)
{
	const char *p = *at, *start;

	word->column = (unsigned int)(p - line) + 1;
	word->quoted = *p == '"';
	start = word->quoted ? ++p : p;
	while (p < end && (word->quoted ? *p != '"' : !is_blank(*p))) {
		if (!word->quoted && *p == '"')
			return flow_mistake(reader->mistake, reader->line,
					    (unsigned int)(p - line) + 1,
					    "a quote inside a word: put a blank before it");
		p++;
	}
	if (word->quoted && p == end)
		return flow_mistake(reader->mistake, reader->line, word->column,
				    "the text that begins here has no closing quote");
	word->text = keep(reader, start, (size_t)(p - start));
	if (word->quoted) {
		p++;
		if (p < end && !is_blank(*p))
			return flow_mistake(reader->mistake, reader->line,
					    (unsigned int)(p - line) + 1,
					    "expected a blank after the closing quote");
	}
	*at = p;
	return 0;
}

/* The line again, with one blank between words. */
static const char *squeeze(struct flow_reader *reader, const struct flow_line *line)
{
	char text[FLOW_LINE_MAX * 2];
	size_t used = 0;

	for (size_t i = 0; i < line->words; i++) {
		const struct flow_word *word = &line->word[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s", i ? " " : "",
					 word->quoted ? "\"" : "", word->text,
					 word->quoted ? "\"" : "");
	}
	return keep(reader, text, used);
}

static int read_words(struct flow_reader *reader, struct flow_line *line, const char *start,
		      const char *end)
{
	const char *p = start;
	int err;

	for (;;) {
		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return 0;
		if (*p == '#') {
			p++;
			while (p < end && is_blank(*p))
				p++;
			line->comment = keep(reader, p, (size_t)(end - p));
			return 0;
		}
		if (line->words == FLOW_WORDS_MAX)
			return flow_mistake(reader->mistake, reader->line,
					    (unsigned int)(p - start) + 1,
					    "more than %d words in a line", FLOW_WORDS_MAX);
		err = read_word(reader, &line->word[line->words++], start, &p, end);
		if (err)
			return err;
	}
}

int flow_read_line(struct flow_reader *reader, struct flow_line *line)
{
	const char *start = reader->text, *end;
	int err;

	if (start == reader->end)
		return 0;
	reader->line++;
	end = memchr(start, '\n', (size_t)(reader->end - start));
	if (!end)
		end = reader->end;
	reader->text = end == reader->end ? end : end + 1;
	memset(line, 0, sizeof(*line));
	line->number = reader->line;
	if (end - start > FLOW_LINE_MAX)
		return flow_mistake(reader->mistake, reader->line, FLOW_LINE_MAX + 1,
				    "the line is longer than %d bytes", FLOW_LINE_MAX);
	err = check_characters(reader, start, (size_t)(end - start));
	if (!err)
		err = read_words(reader, line, start, end);
	if (err)
		return err;
	line->text = squeeze(reader, line);
	return 1;
}
