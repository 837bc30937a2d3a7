/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Runs a harness without libFuzzer: on each file as it is, then on mangled ones.
 *
 * Usage: fuzz-NAME [--rounds N] FILE...
 */
#include <string.h>
#include <time.h>
#include "fuzz.h"

#define ROOM 65536

static uint64_t state;

static uint64_t number(uint64_t below)
{
	uint64_t x;

	state += 0x9E3779B97F4A7C15ULL;
	x = state;
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
	return below ? (x ^ (x >> 31)) % below : 0;
}

/* Numbers at which something changes. */
static uint64_t edge(void)
{
	static const uint64_t near[] = {
		0, 1, 4096, 1 << 21, UINT64_C(1) << 52, UINT64_C(1) << 63, UINT64_MAX
	};

	return near[number(sizeof(near) / sizeof(near[0]))] + number(3) - 1;
}

static size_t mangle(uint8_t *data, size_t size)
{
	size_t at = number(size + 1), n = number(size - at + 1);
	uint64_t value;

	switch (number(6)) {
	case 0: /* a bit */
		if (at < size)
			data[at] ^= (uint8_t)(1 << number(8));
		return size;
	case 1: /* a byte */
		if (at < size)
			data[at] = (uint8_t)number(256);
		return size;
	case 2: /* a number that means something, where one may be */
		value = edge();
		at &= ~(size_t)1;
		n = number(2) ? 8 : 4;
		if (at + n <= size)
			memcpy(data + at, &value, n);
		return size;
	case 3: /* a part is missing */
		n = n > 64 ? 64 : n;
		memmove(data + at, data + at + n, size - at - n);
		return size - n;
	case 4: /* a part twice */
		n = n > 64 ? 64 : n;
		if (size + n > ROOM)
			return size;
		memmove(data + at + n, data + at, size - at);
		return size + n;
	default: /* cut off */
		return number(10) ? size : at;
	}
}

static size_t load(const char *name, uint8_t *data)
{
	FILE *file = fopen(name, "re");
	size_t size;

	if (!file) {
		perror(name);
		exit(1);
	}
	size = fread(data, 1, ROOM, file);
	fclose(file);
	return size;
}

/* In memory of its own, so that reading beyond the end is found. */
static void run_one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		exit(1);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	static uint8_t data[ROOM];
	const char *wanted = getenv("GMEM_SEED"), *less = getenv("GMEM_ROUNDS");
	uint64_t seed = wanted ? strtoull(wanted, NULL, 0) : (uint64_t)time(NULL);
	uint64_t rounds = less ? strtoull(less, NULL, 0) : 20000, i, n;
	size_t size;

	if (argc > 2 && !strcmp(argv[1], "--rounds")) {
		rounds = strtoull(argv[2], NULL, 0);
		argv += 2;
		argc -= 2;
	}
	if (argc < 2) {
		fprintf(stderr, "no files to begin with\n");
		return 2;
	}
	printf("GMEM_SEED=%llu, %llu rounds, %d files\n", (unsigned long long)seed,
	       (unsigned long long)rounds, argc - 1);
	fflush(stdout);
	state = seed;
	for (i = 1; i < (uint64_t)argc; i++)
		run_one(data, load(argv[i], data));
	for (i = 0; i < rounds; i++) {
		size = load(argv[1 + number((uint64_t)argc - 1)], data);
		for (n = number(8) + 1; n; n--)
			size = mangle(data, size);
		run_one(data, size);
	}
	return 0;
}
