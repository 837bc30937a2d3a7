/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "ticks.h"

/* Two instructions a round. */
static uint64_t ticks_of_loop(uint64_t rounds)
{
	uint64_t start = ticks_now();

	__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(rounds) : : "cc");
	return ticks_now() - start;
}

/* The shortest of some, so that no timer interrupt is in it. */
static uint64_t shortest(uint64_t rounds)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t ticks = ticks_of_loop(rounds);

		least = ticks < least ? ticks : least;
	}
	return least;
}

double ticks_per_instruction(void)
{
	/* The difference of two lengths: what reading the clock costs drops out. */
	const uint64_t few = 1000, many = 51000;

	return (double)(shortest(many) - shortest(few)) / (double)(2 * (many - few));
}

bool ticks_are_instructions(void)
{
	double ratio = ticks_per_instruction();

	return ratio > 0.999 && ratio < 1.001;
}
