/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The first half of reading a flow: text into lines and words. Private to flow-*.c. */
#ifndef GMEMCTL_FLOW_WORDS_H
#define GMEMCTL_FLOW_WORDS_H

#include "flow.h"

struct flow_word {
	const char *text; /* terminated; without quotes */
	unsigned int column;
	bool quoted;
};

struct flow_line {
	unsigned int number;
	const char *text;    /* blanks squeezed, without comment */
	const char *comment; /* what follows '#', NULL if there is none */
	size_t words;
	struct flow_word word[FLOW_WORDS_MAX];
};

struct flow_reader {
	const char *text, *end;
	unsigned int line;
	char *arena; /* where words go; arena_next never passes arena_end */
	char *arena_next, *arena_end;
	struct flow_mistake *mistake;
};

/* Bytes of arena that a flow of this size can need. */
size_t flow_arena_size(size_t size);

/* A copy of text where every byte that is not printable UTF-8 is a question mark. */
const char *flow_printable(struct flow_reader *reader, const char *text);

/* The next line, empty ones too. 1: there is one; 0: end; -EINVAL: a mistake. */
int flow_read_line(struct flow_reader *reader, struct flow_line *line);

__attribute__((format(printf, 4, 5))) int flow_mistake(struct flow_mistake *mistake,
						       unsigned int line, unsigned int column,
						       const char *format, ...);

#endif
