/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The clock of the benchmarks: the processor's time stamp counter. In the lab's deterministic
 * machine it counts instructions, one tick each; on others it counts what it likes. A loop whose
 * number of instructions is known tells which of the two.
 */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t ticks_now(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Ticks that ticks_now() sees go by for each instruction of a known loop. */
double ticks_per_instruction(void);
/* Whether a tick is an instruction, to one part in a thousand. */
bool ticks_are_instructions(void);

#endif
