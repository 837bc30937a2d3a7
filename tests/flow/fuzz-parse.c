/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Any bytes may be handed to the parser of flows. LLVMFuzzerTestOneInput() is a libFuzzer harness:
 * clang -fsanitize=fuzzer -DLIBFUZZER. Otherwise main() is a fuzzer of its own
 * that mangles good flows: fuzz-parse [--rounds N] [--seed N] FLOW...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verb.h"

static void must(int what, const char *text)
{
	if (what)
		return;
	fprintf(stderr, "broken promise: %s\n", text);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flow_mistake mistake = { 0 };
	struct flow *flow = NULL;
	char *copy = malloc(size ? size : 1);
	int err;

	/* in memory of its own, so that reading beyond the end is found */
	memcpy(copy, data, size);
	err = flow_parse("fuzz", copy, size, &flow, &mistake);
	free(copy);
	if (err) {
		must(err == -EINVAL || err == -ENOMEM, "only EINVAL and ENOMEM");
		must(!flow, "nothing is returned on failure");
		must(err != -EINVAL || (mistake.line && mistake.column && mistake.text[0]),
		     "a mistake has a place and a text");
		return 0;
	}
	for (size_t i = 0; i < flow->steps; i++) {
		const struct flow_step *step = &flow->step[i];

		must(step->text[0] && step->line, "a step has a text and a line");
		must(step->vm == SIZE_MAX || flow->object[step->vm].kind == FLOW_VM,
		     "the VM of a step is one");
		for (size_t n = 0; n < step->args; n++)
			must(!step->arg[n].object || step->arg[n].number < flow->objects,
			     "an object is one of the flow's");
	}
	flow_free(flow);
	return 0;
}

#ifndef LIBFUZZER
static uint64_t state;

static uint64_t number(uint64_t below)
{
	state += 0x9E3779B97F4A7C15ULL;
	uint64_t x = state;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return below ? (x ^ (x >> 31)) % below : 0;
}

static size_t mangle(char *text, size_t size, size_t room)
{
	static const char *const words[] = { " ",    "\n",   "\"", "#",	  "0xffffffffffffffff",
					     "16M",  "seed", "at", "vm",  "release",
					     "\xc3", "\xa4", "\t", "\r\n" };
	size_t at = number(size + 1), n, end;
	const char *word;

	switch (number(5)) {
	case 0: /* a byte */
		if (at < size)
			text[at] = (char)number(256);
		return size;
	case 1: /* less */
		n = number(size - at + 1);
		n = n > 20 ? 20 : n;
		memmove(text + at, text + at + n, size - at - n);
		return size - n;
	case 2: /* something that means something */
		word = words[number(sizeof(words) / sizeof(words[0]))];
		n = strlen(word);
		if (size + n > room)
			return size;
		memmove(text + at + n, text + at, size - at);
		memcpy(text + at, word, n);
		return size + n;
	case 3: /* a part again, elsewhere */
		end = number(size + 1);
		n = number(64);
		if (end + n > size || size + n > room)
			return size;
		memmove(text + at + n, text + at, size - at);
		memmove(text + at, text + (end >= at ? end + n > size ? end : end + n : end), n);
		return size + n;
	default: /* cut off */
		return number(20) ? size : at;
	}
}

static size_t load(const char *name, char *text, size_t room)
{
	FILE *file = fopen(name, "re");
	size_t size;

	if (!file) {
		perror(name);
		exit(1);
	}
	size = fread(text, 1, room, file);
	fclose(file);
	return size;
}

int main(int argc, char **argv)
{
	static char good[16384], text[32768];
	const char *wanted = getenv("GMEM_SEED"), *less = getenv("GMEM_ROUNDS");
	uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : (uint64_t)time(NULL);
	uint64_t rounds = less ? strtoull(less, NULL, 0) : 20000;
	int flows;

	if (argc > 2 && !strcmp(argv[1], "--rounds")) {
		rounds = strtoull(argv[2], NULL, 0);
		argv += 2;
		argc -= 2;
	}
	flows = argc - 1;
	if (!flows) {
		fprintf(stderr, "fuzz-parse: no flows to mangle\n");
		return 2;
	}
	printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
	fflush(stdout);
	state = seed;
	for (uint64_t i = 0; i < rounds; i++) {
		size_t size = load(argv[1 + number((uint64_t)flows)], good, sizeof(good));

		memcpy(text, good, size);
		for (uint64_t n = number(8) + 1; n; n--)
			size = mangle(text, size, sizeof(text));
		LLVMFuzzerTestOneInput((const uint8_t *)text, size);
	}
	return 0;
}
#endif
