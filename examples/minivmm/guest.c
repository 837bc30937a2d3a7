/* SPDX-FileCopyrightText: The libgmem authors */
/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The guest of minivmm: no library, no interrupts, addresses are guest-physical. Each vCPU keeps
 * checksums of private memory, shares buffers with the host and takes them back, and has the disk
 * write and read them. Whatever is not as it should be ends the vCPU with the line number.
 */
#include "guest.h"

#define CONTROL ((volatile struct guest_control *)GUEST_CONTROL)
#define QUEUES	((volatile struct guest_queue *)GUEST_QUEUES)

#define HC_MAP_GPA_RANGE 12
#define HC_PRIVATE	 (UINT64_C(1) << 4)
#define HC_BUSY		 (-11) /* EAGAIN: not now */

struct cpu {
	uint64_t id;
	uint64_t seed;
	uint64_t vmmcall;
	uint64_t *work;
	uint8_t *buffer;
};

void guest_main(uint64_t id);

static void out(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static _Noreturn void leave(uint32_t status)
{
	for (;;)
		out(GUEST_PORT_EXIT, status);
}

/* Waits for others, and lets them have the CPU. */
static void idle(void)
{
	out(GUEST_PORT_IDLE, 0);
}

#define must(what)                                                                                 \
	do {                                                                                       \
		if (!(what))                                                                       \
			leave(__LINE__);                                                           \
	} while (0)

static uint64_t random_number(struct cpu *cpu)
{
	uint64_t x = cpu->seed += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

static uint64_t pattern(uint64_t seed, uint64_t i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9E3779B97F4A7C15) + seed;

	return x ^ (x >> 32);
}

static void fill(volatile uint64_t *words, uint64_t bytes, uint64_t seed)
{
	for (uint64_t i = 0; i < bytes / 8; i++)
		words[i] = pattern(seed, i);
}

static int is_filled(const volatile uint64_t *words, uint64_t bytes, uint64_t seed)
{
	for (uint64_t i = 0; i < bytes / 8; i++) {
		if (words[i] != pattern(seed, i))
			return 0;
	}
	return 1;
}

static uint64_t checksum(const volatile uint64_t *words, uint64_t bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (uint64_t i = 0; i < bytes / 8; i++) {
		sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
		sum ^= sum >> 29;
	}
	return sum;
}

/* KVM knows both instructions, the CPU one of them. */
static uint64_t cpu_is_amd(void)
{
	uint32_t a = 0, b, c, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
	return b == 0x68747541 /* AuthenticAMD */ || b == 0x6f677948 /* HygonGenuine */;
}

static int64_t map_gpa_range(const struct cpu *cpu, uint64_t gpa, uint64_t pages,
			     uint64_t attributes)
{
	int64_t result = HC_MAP_GPA_RANGE;

	if (cpu->vmmcall)
		__asm__ volatile("vmmcall"
				 : "+a"(result)
				 : "b"(gpa), "c"(pages), "d"(attributes)
				 : "memory");
	else
		__asm__ volatile("vmcall"
				 : "+a"(result)
				 : "b"(gpa), "c"(pages), "d"(attributes)
				 : "memory");
	return result;
}

static int64_t convert(const struct cpu *cpu, uint64_t gpa, uint64_t size, int private)
{
	int64_t result;

	if (!CONTROL->can_convert)
		return 0;
	/* Somebody may hold a page for longer than the VMM waits, as on a busy machine. */
	while ((result = map_gpa_range(cpu, gpa, size / GUEST_PAGE, private ? HC_PRIVATE : 0)) ==
	       HC_BUSY)
		idle();
	if (result)
		CONTROL->vcpu[cpu->id].refused++;
	else
		CONTROL->vcpu[cpu->id].conversions++;
	return result;
}

/* Ask the disk, and wait until it has answered. */
static int64_t disk(const struct cpu *cpu, uint32_t what, const uint8_t *page, uint32_t of_disk)
{
	volatile struct guest_queue *queue = &QUEUES[cpu->id];
	uint32_t added = queue->added, at = added % GUEST_QUEUE_ENTRIES;

	queue->entry[at].gpa = (uintptr_t)page;
	queue->entry[at].page = of_disk;
	queue->entry[at].what = what;
	__atomic_store_n(&queue->added, added + 1, __ATOMIC_RELEASE);
	out(GUEST_PORT_NOTIFY, (uint32_t)cpu->id);
	while (__atomic_load_n(&queue->used, __ATOMIC_ACQUIRE) != added + 1)
		idle();
	return queue->entry[at].result;
}

/* Share a buffer, have it written to the disk and read back, take it back. */
static void use_disk(struct cpu *cpu)
{
	uint64_t pages = random_number(cpu) % (GUEST_BUFFER_SIZE / GUEST_PAGE / 2) + 1;
	uint64_t size = 2 * pages * GUEST_PAGE, seed = random_number(cpu), i;
	uint8_t *buffer = cpu->buffer, *copy = buffer + pages * GUEST_PAGE;
	uint32_t place = (uint32_t)(cpu->id * 16);

	/* What is not shared is not the disk's. */
	if (CONTROL->can_convert)
		must(disk(cpu, GUEST_DISK_WRITE, buffer, place) < 0);
	must(disk(cpu, GUEST_DISK_WRITE, (uint8_t *)GUEST_CODE, place) < 0);
	must(convert(cpu, (uintptr_t)buffer, size, 0) == 0);
	fill((uint64_t *)buffer, pages * GUEST_PAGE, seed);
	fill((uint64_t *)copy, pages * GUEST_PAGE, ~seed);
	for (i = 0; i < pages; i++) {
		must(disk(cpu, GUEST_DISK_WRITE, buffer + i * GUEST_PAGE, place + i) == 0);
		must(disk(cpu, GUEST_DISK_READ, copy + i * GUEST_PAGE, place + i) == 0);
	}
	must(is_filled((uint64_t *)copy, pages * GUEST_PAGE, seed));
	must(convert(cpu, (uintptr_t)buffer, size, 1) == 0);
	if (CONTROL->keeps_contents)
		must(is_filled((uint64_t *)copy, pages * GUEST_PAGE, seed));
	/* Now it is private: the disk must not see what comes next. */
	fill((uint64_t *)buffer, size, seed + 1);
	must(is_filled((uint64_t *)buffer, size, seed + 1));
}

static void ask_for_nonsense(const struct cpu *cpu)
{
	uint64_t refused = CONTROL->vcpu[cpu->id].refused;

	if (!CONTROL->can_convert)
		return;
	must(convert(cpu, GUEST_RAM_SIZE, GUEST_PAGE, 1));
	must(convert(cpu, GUEST_RAM_SIZE - GUEST_PAGE, 2 * GUEST_PAGE, 1));
	must(convert(cpu, UINT64_C(0) - GUEST_PAGE, GUEST_PAGE, 0));
	must(CONTROL->vcpu[cpu->id].refused == refused + 3);
}

/* ---- stress: everybody converts parts of one arena, and each has a word in every page ---- */

static void convert_some(struct cpu *cpu)
{
	uint64_t first = random_number(cpu) % GUEST_ARENA_PAGES;
	uint64_t count = random_number(cpu) % (GUEST_ARENA_PAGES - first) + 1;

	convert(cpu, GUEST_ARENA + first * GUEST_PAGE, count * GUEST_PAGE, random_number(cpu) % 2);
}

static void stress(struct cpu *cpu)
{
	/* Private memory has what should be there. */
	volatile uint64_t *expected = cpu->work, *word;
	uint64_t i, page;

	for (page = 0; page < GUEST_ARENA_PAGES; page++) {
		word = (uint64_t *)(GUEST_ARENA + page * GUEST_PAGE) + cpu->id;
		*word = expected[page] = 0;
	}
	while (!CONTROL->stop) {
		if (CONTROL->can_convert)
			convert_some(cpu);
		for (i = 0; i < 32; i++) {
			page = random_number(cpu) % GUEST_ARENA_PAGES;
			word = (uint64_t *)(GUEST_ARENA + page * GUEST_PAGE) + cpu->id;
			if (CONTROL->keeps_contents || !CONTROL->can_convert)
				must(*word == expected[page]);
			*word = expected[page] = random_number(cpu);
		}
		CONTROL->vcpu[cpu->id].checksum = checksum(expected, GUEST_ARENA_PAGES * 8);
		CONTROL->vcpu[cpu->id].rounds++;
	}
}

/* ---- rounds ---- */

static void wait_for_all(void)
{
	__atomic_fetch_add(&CONTROL->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&CONTROL->arrived, __ATOMIC_ACQUIRE) < CONTROL->vcpus)
		idle();
}

static void work(struct cpu *cpu)
{
	uint64_t sum, round, half = GUEST_WORK_SIZE / 2;

	fill(cpu->work, GUEST_WORK_SIZE, cpu->seed);
	sum = checksum(cpu->work, GUEST_WORK_SIZE);
	ask_for_nonsense(cpu);
	for (round = 0; round < CONTROL->rounds; round++) {
		use_disk(cpu);
		must(checksum(cpu->work, GUEST_WORK_SIZE) == sum);
		fill(cpu->work + round % 2 * half / 8, half, random_number(cpu));
		sum = checksum(cpu->work, GUEST_WORK_SIZE);
		CONTROL->vcpu[cpu->id].checksum = sum;
		CONTROL->vcpu[cpu->id].rounds++;
	}
}

void guest_main(uint64_t id)
{
	struct cpu cpu = {
		.id = id,
		.seed = id + (CONTROL->boots << 32),
		.vmmcall = cpu_is_amd(),
		.work = (uint64_t *)(GUEST_WORK + id * GUEST_WORK_SIZE),
		.buffer = (uint8_t *)(GUEST_BUFFERS + id * GUEST_BUFFER_SIZE),
	};

	if (CONTROL->stress)
		stress(&cpu);
	else
		work(&cpu);
	wait_for_all();
	if (CONTROL->boots < CONTROL->resets) {
		if (id == 0)
			out(GUEST_PORT_RESET, 0);
		for (;;)
			idle();
	}
	leave(0);
}
